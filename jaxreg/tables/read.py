"""From a path to a table: which format the file has, and what becomes of rows with a missing cell."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from jaxreg.tables.csv_file import csv_names, read_csv
from jaxreg.tables.errors import TableError, counted, listed
from jaxreg.tables.parquet_file import is_parquet, parquet_names, read_parquet
from jaxreg.tables.table import Numbers, Table

__all__ = ["column_names", "read_table"]

_ARCHIVES = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive or an Excel workbook"}


def read_table(
    path: str | os.PathLike[str],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    decimal: str = ".",
    missing: Literal["error", "drop"] = "error",
    columns: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    r"""Read a CSV or Parquet file whose cells are numbers.

    The file is Parquet if it says so itself or is called ``.parquet`` or ``.pq``, and CSV otherwise. In CSV the first
    line holds the names; spaces around names and cells do not count; blank lines at the end do not count. True and
    False, in capitals or not, are 1 and 0. A missing cell is empty, NA, N/A, NaN, null or None in capitals or not; in
    Parquet it is a null or a NaN. In Parquet, columns of integers, floats, decimals and booleans are numbers; checksums
    are verified where the file has them (they cover the numbers and not the names); the index that pandas stores is
    not a column.

    Args:
        path: the file.
        delimiter: what stands between the cells of a CSV file, one character; ``\t`` may be spelt out.
        encoding: the encoding of a CSV file. decimal: "." or ",", what stands before the fraction of its numbers.
        missing: "error" refuses a file with missing cells; "drop" leaves their rows out and counts them.
        columns: the names to read, in this order; all others are not looked at. All names by default.
        ignore: names to leave out, for example a column of text that identifies the row.

    Returns:
        Table with values (n, p) float64, n ≥ 1 and p ≥ 1.

    Raises:
        TableError: the file cannot be read, is not such a table, or a name is not in it. The message names the line of
            the file where the row starts (in Parquet the row, from 1), the column, the cell and what to do.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "people.csv")
        >>> _ = path.write_text("name, height, weight\nAda, 1.7, 65\nBob, 1.8, NA\n")
        >>> table = read_table(path, ignore=["name"], missing="drop")
        >>> table.columns, table.values, table.rows_dropped
        (('height', 'weight'), array([[ 1.7, 65. ]]), 1)
    """
    if missing not in ("error", "drop"):
        raise TableError(f"missing must be 'error' or 'drop', not {missing!r}")
    data = _bytes_of(path)
    try:
        _check_kind(data)
        if is_parquet(data, Path(path).suffix):
            numbers = read_parquet(data, columns, ignore)
        else:
            numbers = read_csv(data, delimiter, encoding, decimal, columns, ignore)
        return _settle_missing(numbers, missing)
    except TableError as error:
        raise TableError(f"{path}: {error}") from error.__cause__


def column_names(path: str | os.PathLike[str], delimiter: str = ",", encoding: str = "utf-8") -> list[str]:
    """The names of the columns of a file; the arguments and errors are those of :func:`read_table`."""
    data = _bytes_of(path)
    try:
        _check_kind(data)
        return parquet_names(data) if is_parquet(data, Path(path).suffix) else csv_names(data, delimiter, encoding)
    except TableError as error:
        raise TableError(f"{path}: {error}") from error.__cause__


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise TableError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _check_kind(data: bytes) -> None:
    if not data or data.isspace():
        raise TableError("no rows: the file is empty")
    for signature, archive in _ARCHIVES.items():
        if data.startswith(signature):
            raise TableError(f"this is {archive}; unpack it or save it as CSV first")


def _settle_missing(numbers: Numbers, missing: str) -> Table:
    if not len(numbers.values):
        raise TableError("no rows: the file holds column names and nothing else")
    absent = np.isnan(numbers.values)
    incomplete = absent.any(axis=1)
    if not incomplete.any():
        return Table(numbers.columns, numbers.values)
    counts = absent.sum(axis=0)
    by_column = [f"{name!r} ({count})" for name, count in zip(numbers.columns, counts, strict=True) if count]
    found = f"{counted(int(counts.sum()), 'missing cell')} in column{'s' * (len(by_column) > 1)} {listed(by_column)}"
    if missing == "error":
        first = numbers.places[np.argmax(incomplete)]
        raise TableError(
            f"{found}, the first on {numbers.unit} {first}; fill them in, or leave their rows out with `--na drop`"
        )
    if incomplete.all():
        raise TableError(f"no rows are left: every row has a missing cell ({found})")
    return Table(numbers.columns, numbers.values[~incomplete], int(incomplete.sum()))
