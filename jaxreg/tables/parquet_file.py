"""Parquet, through pyarrow: checksums verified, types checked, and nothing rounded on the way to float64."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxreg.tables.errors import TableError
from jaxreg.tables.names import Wanted, choose_names
from jaxreg.tables.table import Cells

__all__ = [
    "arrow_cells",
    "checked_columns",
    "index_columns",
    "is_parquet",
    "parquet_names",
    "pyarrow_of",
    "read_parquet",
]


def is_parquet(data: bytes, suffix: str) -> bool:
    """Whether a file is Parquet, by its first bytes or by the ending of its name."""
    # A CSV file may begin with the letters PAR1 too, as the name of a column, but it holds no NUL.
    return suffix.lower() in (".parquet", ".pq") or (data.startswith(b"PAR1") and b"\0" in data)


def pyarrow_of() -> Any:
    """The library; TableError where it is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("a Parquet file needs pyarrow: pip install 'jaxreg[tables]'") from error
    return pyarrow


def parquet_names(data: bytes) -> list[str]:
    """The names of the columns."""
    pyarrow = pyarrow_of()
    try:
        return list(pyarrow.parquet.read_schema(pyarrow.BufferReader(data)).names)
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        raise TableError(f"not a Parquet file, or damaged ({' '.join(str(error).split())})") from error


def read_parquet(data: bytes, wanted: Wanted) -> Cells:
    """The cells of a Parquet file."""
    pyarrow = pyarrow_of()
    try:
        # By default pyarrow does not look at the checksums, and a flipped byte comes through as a number.
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow
        every = wanted.columns is None
        unasked = index_columns(schema.names) if every else []
        chosen = choose_names(schema.names, wanted._replace(ignore=[*wanted.ignore, *unasked]))
        words, numeric = checked_columns(schema, chosen, wanted.words, wanted.find_words)
        table = file.read(columns=chosen)
        # Checksums cover the pages and not the footer, but the footer counts the rows twice.
        groups = sum(file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups))
        if len({file.metadata.num_rows, groups, table.num_rows}) != 1:
            raise pyarrow.ArrowInvalid("its counts of rows differ")
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"not a Parquet file, or damaged ({reason}); write it again, or rename it if CSV") from error
    return arrow_cells(table, chosen, numeric, words, 1)


def index_columns(names: Sequence[str]) -> list[str]:
    """pandas stores the index of a filtered frame as a column with such a name: row numbers, not a feature."""
    return [name for name in names if re.fullmatch(r"__index_level_\d+__", name)]


def checked_columns(
    schema: Any, chosen: Sequence[str], of_words: frozenset[str], find_words: bool
) -> tuple[list[str], list[str]]:
    """Which of the columns are words, and which numbers.

    Raises:
        TableError: a column of another type.
    """
    is_a = pyarrow_of().types
    words = [name for name in chosen if name in of_words or (find_words and _is_text(schema, name))]
    numeric = [name for name in chosen if name not in words]
    for name in numeric:
        kind = schema.field(name).type
        if not (is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind) or is_a.is_boolean(kind)):
            encoded = ", `--categorical auto`" if _is_text(schema, name) else ""
            raise TableError(
                f"column {name!r} has type {kind}, not numeric; encode as numbers{encoded} or `--ignore COLUMN`"
            )
    return words, numeric


def arrow_cells(table: Any, chosen: Sequence[str], numeric: Sequence[str], words: Sequence[str], first: int) -> Cells:
    """The cells of a table of pyarrow, whose rows are numbered from ``first`` on."""
    values = np.empty((len(numeric), table.num_rows))
    for j, name in enumerate(numeric):
        try:
            values[j] = table.column(name).cast("float64").to_numpy()
        except pyarrow_of().ArrowInvalid as error:
            raise TableError(f"column {name!r} has integers beyond 2**53, inexact in float64 ({error})") from error
    places = np.arange(first, first + table.num_rows)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values.T))[0]
        raise TableError(
            f"row {places[row]}, column {numeric[column]!r}: {values[column, row]} is not finite; correct it"
        )
    texts = {name: _words(table.column(name), name) for name in words}
    return Cells(tuple(chosen), values.T, texts, places, "row")


def _is_text(schema: Any, name: str) -> bool:
    is_a, kind = pyarrow_of().types, schema.field(name).type
    kind = kind.value_type if is_a.is_dictionary(kind) else kind
    return bool(is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind))


def _words(column: Any, name: str) -> np.ndarray:
    """The cells as text, (n,); a missing one is empty."""
    pyarrow = pyarrow_of()
    try:
        cells = column.cast(pyarrow.string()).to_pylist()
    except pyarrow.ArrowException as error:
        raise TableError(f"column {name!r} has type {column.type}, which is not text") from error
    return np.array(["" if cell is None else cell for cell in cells], dtype=object)
