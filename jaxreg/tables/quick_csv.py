"""CSV without surprises, parsed by pyarrow if it is there; the careful reader takes whatever is not plain.

Plain is a file in which the cells of columns of numbers are finite numbers, no cell is quoted, no line is blank and
every line is a row. Whatever pyarrow refuses, and whatever it might read in another way than the careful reader, is
left to that one, which knows what to say about it.
"""

from typing import TYPE_CHECKING

import numpy as np

from jaxreg.tables.csv_cells import as_word

if TYPE_CHECKING:
    import pyarrow

__all__ = ["plain_cells"]

# Below this many bytes the import takes longer than the reading.
LEAST = 2**18
# In these, bytes below 128 are ASCII.
_OF_ASCII = ("utf-8", "ascii", "iso8859", "cp125")


def plain_cells(
    data: bytes, delimiter: str, encoding: str, decimal: str, width: int, positions: list[int], of_text: list[int]
) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The columns at these positions, (n, k) float64, and those of text, (n,) each; None where the file is not plain.

    Args:
        width: how many names the header has. positions: of numbers. of_text: positions of columns of text.
    """
    if len(data) < LEAST or delimiter == " " or not delimiter.isascii() or not encoding.startswith(_OF_ASCII):
        return None
    header = data.find(b"\n") + 1  # its names may be quoted, on one line
    if data.find(b'"', header) >= 0 or data.count(b'"', 0, header) % 2 or not data[:1].isascii():
        return None
    if not data.isascii():
        if encoding != "utf-8":
            return None
        try:
            data.decode(encoding)
        except UnicodeError:
            return None
    ends = data.count(b"\n")
    if b"\r" in data and data.count(b"\r") != ends:
        return None
    try:
        import pyarrow
        from pyarrow import csv
    except ImportError:
        return None
    names = [str(k) for k in range(width)]
    numbers, texts = ([names[k] for k in each] for each in (positions, of_text))
    kinds = dict.fromkeys(numbers, pyarrow.float64()) | dict.fromkeys(texts, pyarrow.string())
    try:
        table = csv.read_csv(
            pyarrow.BufferReader(data),
            read_options=csv.ReadOptions(skip_rows=1, column_names=names),
            parse_options=csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=kinds,
                include_columns=[*numbers, *texts],
                null_values=[],
                decimal_point=decimal,
                strings_can_be_null=False,
            ),
        )
    except pyarrow.ArrowException:
        return None
    lines = ends - data.endswith(b"\n")  # a blank one has been refused
    if table.num_rows != lines or any(column.null_count for column in table.columns):
        return None
    values = np.empty((len(numbers), lines))
    for j, name in enumerate(numbers):
        values[j] = table.column(name).to_numpy()
    if not np.isfinite(values).all():
        return None
    return values.T, [_words(table.column(name)) for name in texts]


def _words(column: "pyarrow.ChunkedArray") -> np.ndarray:
    """The cells, (n,); each word is looked at once."""
    coded = column.combine_chunks().dictionary_encode()
    words = np.array([as_word(cell) for cell in coded.dictionary.to_pylist()], dtype=object)
    return words[coded.indices.to_numpy()]
