"""Parquet, through pyarrow: checksums verified, types checked, and nothing rounded on the way to float64."""

import re
from typing import Any

import numpy as np

from jaxreg.tables.errors import TableError
from jaxreg.tables.names import Wanted, choose_names
from jaxreg.tables.table import Cells

__all__ = ["is_parquet", "parquet_names", "read_parquet"]


def is_parquet(data: bytes, suffix: str) -> bool:
    """Whether a file is Parquet, by its first bytes or by the ending of its name."""
    # A CSV file may begin with the letters PAR1 too, as the name of a column, but it holds no NUL.
    return suffix.lower() in (".parquet", ".pq") or (data.startswith(b"PAR1") and b"\0" in data)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("a Parquet file needs pyarrow: pip install 'jaxreg[tables]'") from error
    return pyarrow


def parquet_names(data: bytes) -> list[str]:
    """The names of the columns."""
    pyarrow = _pyarrow()
    try:
        return list(pyarrow.parquet.read_schema(pyarrow.BufferReader(data)).names)
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        raise TableError(f"not a Parquet file, or damaged ({' '.join(str(error).split())})") from error


def read_parquet(data: bytes, wanted: Wanted) -> Cells:
    """The cells of a Parquet file."""
    pyarrow = _pyarrow()
    try:
        # By default pyarrow does not look at the checksums, and a flipped byte comes through as a number.
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow
        # pandas stores the index of a filtered frame as a column with such a name: row numbers, not a feature.
        every = wanted.columns is None
        unasked = [name for name in schema.names if every and re.fullmatch(r"__index_level_\d+__", name)]
        chosen = choose_names(schema.names, wanted._replace(ignore=[*wanted.ignore, *unasked]))
        is_a = pyarrow.types
        words = [name for name in chosen if name in wanted.words or (wanted.find_words and _is_text(schema, name))]
        numeric = [name for name in chosen if name not in words]
        for name in numeric:
            kind = schema.field(name).type
            if not (is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind) or is_a.is_boolean(kind)):
                encoded = ", `--categorical auto`" if _is_text(schema, name) else ""
                raise TableError(
                    f"column {name!r} has type {kind}, not numeric; encode as numbers{encoded} or `--ignore COLUMN`"
                )
        table = file.read(columns=chosen)
        # Checksums cover the pages and not the footer, but the footer counts the rows twice.
        groups = sum(file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups))
        if len({file.metadata.num_rows, groups, table.num_rows}) != 1:
            raise pyarrow.ArrowInvalid("its counts of rows differ")
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"not a Parquet file, or damaged ({reason}); write it again, or rename it if CSV") from error
    values = np.empty((table.num_rows, len(numeric)))
    for j, name in enumerate(numeric):
        try:
            values[:, j] = table.column(name).cast("float64").to_numpy()
        except pyarrow.ArrowInvalid as error:
            raise TableError(f"column {name!r} has integers beyond 2**53, inexact in float64 ({error})") from error
    places = np.arange(1, table.num_rows + 1)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise TableError(
            f"row {places[row]}, column {numeric[column]!r}: {values[row, column]} is not finite; correct it"
        )
    return Cells(chosen, values, {name: _words(table.column(name), name) for name in words}, places, "row")


def _is_text(schema: Any, name: str) -> bool:
    is_a, kind = _pyarrow().types, schema.field(name).type
    kind = kind.value_type if is_a.is_dictionary(kind) else kind
    return bool(is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind))


def _words(column: Any, name: str) -> np.ndarray:
    """The cells as text, (n,); a missing one is empty."""
    pyarrow = _pyarrow()
    try:
        cells = column.cast(pyarrow.string()).to_pylist()
    except pyarrow.ArrowException as error:
        raise TableError(f"column {name!r} has type {column.type}, which is not text") from error
    return np.array(["" if cell is None else cell for cell in cells], dtype=object)
