"""CSV without surprises, parsed by pyarrow if it is there; the careful reader takes whatever is not plain.

Plain is a file in which every cell that is asked for is a finite number, no cell is quoted, no line is blank and every
line is a row. Whatever pyarrow refuses, and whatever it might read in another way than the careful reader, is left to
that one, which knows what to say about it.
"""

import numpy as np

__all__ = ["plain_numbers"]

# Below this many bytes the import takes longer than the reading.
LEAST = 2**18
# In these, bytes below 128 are ASCII.
_OF_ASCII = ("utf-8", "ascii", "iso8859", "cp125")


def plain_numbers(
    data: bytes, delimiter: str, encoding: str, decimal: str, width: int, positions: list[int]
) -> np.ndarray | None:
    """The columns at these positions, (n, k) float64, of the rows below the header; None where the file is not plain.

    Args:
        width: how many names the header has.
    """
    if len(data) < LEAST or delimiter == " " or not delimiter.isascii() or not encoding.startswith(_OF_ASCII):
        return None
    if b'"' in data or not data[:1].isascii():
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
    chosen = [names[k] for k in positions]
    try:
        table = csv.read_csv(
            pyarrow.BufferReader(data),
            read_options=csv.ReadOptions(skip_rows=1, column_names=names),
            parse_options=csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(chosen, pyarrow.float64()),
                include_columns=chosen,
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
    values = np.empty((len(chosen), lines))
    for j, column in enumerate(table.columns):
        values[j] = column.to_numpy()
    return np.ascontiguousarray(values.T) if np.isfinite(values).all() else None
