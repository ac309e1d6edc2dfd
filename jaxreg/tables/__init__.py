"""Reading a table from a CSV or Parquet file: every cell is a finite number or a word that is asked for, or an error.

Programs that read tables are obliging: they pad short rows, rename columns that share a name, turn a column with one
stray word into text and 1e400 into infinity. A regression then runs on numbers that nobody wrote. Here nothing is
guessed. A file that is not plainly a table of numbers is refused with the line, the column, the cell and the remedy.

Within this package a cell that is missing becomes NaN and a cell that is refused becomes an infinity, in CSV as in
Parquet. Neither can be mistaken for a value, because neither is allowed as one.

Reading order: ``table`` → ``read`` → ``csv_file`` and ``csv_cells`` (``quick_csv`` where it is plain), ``parquet_file``
→ ``missing`` and ``coding``, by which words and missing cells become numbers → ``names`` → ``errors``.
What is larger than memory: ``pieces`` → ``csv_pieces``, ``arrow_pieces``.
"""

from jaxreg.tables.coding import Coding
from jaxreg.tables.csv_file import Dialect
from jaxreg.tables.errors import TableError
from jaxreg.tables.piece import Position
from jaxreg.tables.pieces import Pieces, files_of
from jaxreg.tables.read import column_names, read_table
from jaxreg.tables.table import Table

__all__ = [
    "Coding",
    "Dialect",
    "Pieces",
    "Position",
    "Table",
    "TableError",
    "column_names",
    "files_of",
    "read_table",
]
