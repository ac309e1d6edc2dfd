"""Reading a table of numbers from a CSV or Parquet file: every cell is a finite number, or there is an error.

Programs that read tables are obliging: they pad short rows, rename columns that share a name, turn a column with one
stray word into text and 1e400 into infinity. A regression then runs on numbers that nobody wrote. Here nothing is
guessed. A file that is not plainly a table of numbers is refused with the line, the column, the cell and the remedy.

Within this module a cell that is missing becomes NaN and a cell that is refused becomes an infinity, in CSV as in
Parquet. Neither can be mistaken for a value, because neither is allowed as one.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

__all__ = ["Table", "TableError", "read_table"]

# Python's float() also takes 1_000, Arabic digits, inf and nan; a number in a file is this and no more.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9.,]+([eE][+-]?[0-9]+)?")
_MISSING = frozenset({"", "na", "nan", "n/a", "null", "none"})
_DELIMITERS = {",": "','", ";": "';'", "\t": r"'\t'", "|": "'|'"}
# The UTF-32 mark begins with the UTF-16 one, so it is looked for first.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ARCHIVES = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive or an Excel workbook"}
# Enough rows to make the conversion of a column one call, few enough that their text takes little memory.
_ROWS_AT_ONCE = 4096


class TableError(ValueError):
    """A file is not a table of numbers, or a table has no such column; the message is one line and names the remedy."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table of finite numbers with named columns.

    Args:
        columns: the p names, all different.
        values: (n, p) float64 in C order, without NaN or infinity.
        rows_dropped: how many rows of the file were left out because a cell was missing.

    Example:
        >>> table = Table(("height", "weight"), np.array([[1.7, 65.0], [1.8, 80.0]]))
        >>> table.column("weight")
        array([65., 80.])
        >>> table.without("weight").columns
        ('height',)
    """

    columns: tuple[str, ...]
    values: np.ndarray
    rows_dropped: int = 0

    def column(self, name: str) -> np.ndarray:
        """The column called ``name``, (n,) float64; TableError with the nearest names if there is none."""
        _require((name,), self.columns)
        return self.values[:, self.columns.index(name)]

    def without(self, *names: str) -> Table:
        """The table without the columns ``names``; TableError with the nearest names if one is not there."""
        _require(names, self.columns)
        kept = [j for j, name in enumerate(self.columns) if name not in names]
        # take() keeps the C order; values[:, kept] would not.
        return Table(tuple(self.columns[j] for j in kept), self.values.take(kept, axis=1), self.rows_dropped)


class _Numbers(NamedTuple):
    """What a file holds: names, (n, p) values with NaN where a cell is missing, and where row i stands in the file."""

    columns: tuple[str, ...]
    values: np.ndarray
    places: np.ndarray
    unit: str


def read_table(
    path: str | os.PathLike[str],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    missing: Literal["error", "drop"] = "error",
    columns: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    r"""Read a CSV or Parquet file whose cells are numbers.

    The file is Parquet if it says so itself or is called ``.parquet`` or ``.pq``, and CSV otherwise. In CSV the first
    line holds the names; spaces around names and cells do not count; blank lines at the end do not count. A missing
    cell is empty, NA, N/A, NaN, null or None in capitals or not; in Parquet it is a null or a NaN. In Parquet, columns
    of integers, floats, decimals and booleans are numbers; checksums are verified where the file has them (they cover
    the numbers and not the names); the index that pandas stores is not a column.

    Args:
        path: the file.
        delimiter: what stands between the cells of a CSV file, one character; ``\t`` may be spelt out.
        encoding: the encoding of a CSV file.
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
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise TableError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        if not data or data.isspace():
            raise TableError("no rows: the file is empty")
        for signature, archive in _ARCHIVES.items():
            if data.startswith(signature):
                raise TableError(f"this is {archive}; unpack it or save it as CSV first")
        if _is_parquet(data, Path(path).suffix):
            numbers = _read_parquet(data, columns, ignore)
        else:
            numbers = _read_csv(data, delimiter, encoding, columns, ignore)
        return _settle_missing(numbers, missing)
    except TableError as error:
        raise TableError(f"{path}: {error}") from error.__cause__


def _settle_missing(numbers: _Numbers, missing: str) -> Table:
    if not len(numbers.values):
        raise TableError("no rows: the file holds column names and nothing else")
    absent = np.isnan(numbers.values)
    incomplete = absent.any(axis=1)
    if not incomplete.any():
        return Table(numbers.columns, numbers.values)
    counts = absent.sum(axis=0)
    by_column = [f"{name!r} ({count})" for name, count in zip(numbers.columns, counts, strict=True) if count]
    found = f"{_counted(int(counts.sum()), 'missing cell')} in column{'s' * (len(by_column) > 1)} {_listed(by_column)}"
    if missing == "error":
        first = numbers.places[np.argmax(incomplete)]
        raise TableError(
            f"{found}, the first on {numbers.unit} {first}; fill them in, or leave their rows out with `--na drop`"
        )
    if incomplete.all():
        raise TableError(f"no rows are left: every row has a missing cell ({found})")
    return Table(numbers.columns, numbers.values[~incomplete], int(incomplete.sum()))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _listed(items: Sequence[str], limit: int = 20) -> str:
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")


# ---- Names ----------------------------------------------------------------------------------------------------------


def _require(wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise TableError unless every wanted name is in names."""
    present = set(names)
    for name in wanted:
        if name not in present:
            spelling = {known.casefold(): known for known in names}
            near = [repr(spelling[key]) for key in difflib.get_close_matches(str(name).casefold(), spelling)]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            everything = f" The columns are {_listed([repr(known) for known in names])}." if len(names) <= 20 else ""
            raise TableError(f"no column is named {name!r}{hint or '.'}{everything}")


def _choose(names: Sequence[str], columns: Sequence[str] | None, ignore: Sequence[str]) -> tuple[str, ...]:
    """The names to read, in order, out of the names in the file."""
    for position, name in enumerate(names, start=1):
        if not name:
            raise TableError(f"column {position} has no name; name it in the first line, or save without the index")
    if repeated := _repeated(names):
        raise TableError(f"more than one column is named {repeated}; rename them")
    _require([*(columns or ()), *ignore], names)
    left_out = set(ignore)
    chosen = tuple(name for name in (names if columns is None else columns) if name not in left_out)
    if repeated := _repeated(chosen):
        raise TableError(f"asked for more than once: {repeated}")
    if not chosen:
        raise TableError("no columns are left to read")
    return chosen


def _repeated(names: Sequence[str]) -> str:
    """The names that occur more than once, or an empty string."""
    return _listed([repr(name) for name, count in Counter(names).items() if count > 1])


# ---- CSV ------------------------------------------------------------------------------------------------------------


def _read_csv(
    data: bytes, delimiter: str, encoding: str, columns: Sequence[str] | None, ignore: Sequence[str]
) -> _Numbers:
    delimiter = "\t" if delimiter == r"\t" else delimiter
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"+-.\r\n\0':
        raise TableError(f"--delimiter must be one character such as ',' or ';', not {delimiter!r}")
    records = _records(data, delimiter, _actual_encoding(data, encoding))
    _, header = next(records, (1, []))
    names = [name.strip() for name in header]
    if len(names) == 1:
        for other, shown in _DELIMITERS.items():
            if other != delimiter and other in names[0]:
                raise TableError(
                    f"the only column is named {names[0]!r}; if cells end at {shown}, `--delimiter {shown}`"
                )
    if not names:
        raise TableError("line 1 is blank; it must hold the column names")
    if all(_NUMBER.fullmatch(name) for name in names):
        raise TableError("line 1 holds only numbers; it must hold the column names")
    chosen = _choose(names, columns, ignore)
    positions = [names.index(name) for name in chosen]
    blocks, places = [np.empty((0, len(chosen)))], [np.empty(0, dtype=np.int64)]
    for lines, rows in _blocks(records, len(names)):
        block = np.column_stack([_numbers([row[position] for row in rows]) for position in positions])
        if np.isinf(block).any():
            cells = [[row[position] for position in positions] for row in rows]
            raise _refusal(cells, lines, chosen, block, is_first=len(blocks) == 1)
        blocks.append(block)
        places.append(np.array(lines))
    return _Numbers(chosen, np.concatenate(blocks), np.concatenate(places), "line")


def _actual_encoding(data: bytes, encoding: str) -> str:
    """The encoding to decode with, after a look at the first bytes and for bytes that no table in it can hold."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise TableError(f"--encoding {encoding!r} is not known; utf-8, latin-1, cp1252 and utf-16 are") from error
    for mark, marked in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            family = marked.removesuffix("-sig")
            if not name.startswith(family):
                raise TableError(f"the file begins with the mark of {family}, not {encoding}; `--encoding {family}`")
            return marked
    if not name.startswith(("utf-16", "utf-32")) and b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise TableError(f"line {line}: a NUL byte; the file is damaged, or in UTF-16: try `--encoding utf-16-le`")
    return name


def _records(data: bytes, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it starts on; a quoted cell may run over several lines."""
    try:
        text = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    except LookupError as error:  # codecs such as base64, which are not for text
        raise TableError(f"--encoding {encoding!r} is not an encoding of text; try utf-8 or latin-1") from error
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=delimiter != " ")
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(
                f"line {line}: {error}; in the row that starts here a quotation mark is not closed, "
                "or is followed by something other than the delimiter"
            ) from error
        except UnicodeError as error:
            raise _wrong_encoding(data, encoding, error) from error
        yield line, record


def _wrong_encoding(data: bytes, encoding: str, error: UnicodeError) -> TableError:
    # The wrapper decodes piece by piece, and its error counts from the start of a piece; decode all to find the line.
    name, place = encoding.removesuffix("-sig"), ""
    with suppress(UnicodeError):
        try:
            data.decode(name)
        except UnicodeDecodeError as whole:
            before = data[: whole.start].decode(name, errors="ignore")
            place = "line " + str(before.count("\n") + 1) + ": "
    reason = error.reason if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())
    return TableError(f"{place}not {name} ({reason}); give `--encoding`, for example latin-1, cp1252 or utf-16-le")


def _blocks(records: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[list[int], list[list[str]]]]:
    """The records, some thousand at a time, with the lines they start on; each has ``width`` cells."""
    lines: list[int] = []
    rows: list[list[str]] = []
    blank: list[int] = []
    for line, record in records:
        if not record or (width > 1 and len(record) == 1 and not record[0].strip()):
            blank.append(line)
            continue
        if blank and width > 1:
            raise TableError(f"line {blank[0]}: blank, but more rows follow; remove the line")
        # In a table of one column a blank line between rows is a missing cell.
        lines += blank
        rows += [[""] for _ in blank]
        blank = []
        if len(record) != width:
            raise TableError(
                f"line {line}: {_counted(len(record), 'cell')} found, {width} expected from the header; "
                "correct the row, and quote a cell that holds the delimiter"
            )
        lines.append(line)
        rows.append(record)
        if len(rows) >= _ROWS_AT_ONCE:
            yield lines, rows
            lines, rows = [], []
    if rows:
        yield lines, rows


def _numbers(cells: list[str]) -> np.ndarray:
    """The cells of one column as numbers: NaN for a missing cell, infinity for one to be refused."""
    # float() differs from _NUMBER in four ways: '_' and letters beyond ASCII are looked for in all cells at once, and
    # inf and nan show in the result. So the common case needs no look at the single cell.
    together = "".join(cells)
    if together.isascii() and "_" not in together:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                return values
    return np.array([_number(cell.strip()) for cell in cells])


def _number(cell: str) -> float:
    if _NUMBER.fullmatch(cell):
        return float(cell)
    return math.nan if cell.casefold() in _MISSING else math.inf


def _refusal(
    cells: list[list[str]], lines: list[int], names: Sequence[str], block: np.ndarray, *, is_first: bool
) -> TableError:
    """The error for the first refused cell of a block of rows."""
    refused = np.isinf(block)
    row, column = map(int, np.argwhere(refused)[0])
    cell = cells[row][column].strip()
    shown = repr(cell if len(cell) <= 50 else cell[:47] + "...")
    where = f"line {lines[row]}, column {names[column]!r}: {shown}"
    # Columns without a single number in the first rows of the file are text, and all of them are named at once.
    not_numeric = (refused.any(axis=0) & ~np.isfinite(block).any(axis=0)).nonzero()[0].tolist() if is_first else []
    if _NUMBER.fullmatch(cell):
        return TableError(f"{where} is beyond the range of float64 (about 1.8e308); change the unit")
    if _NUMBER_WITH_COMMA.fullmatch(cell):
        return TableError(f"{where} has a comma; write a decimal point, and nothing between thousands")
    if cell.lower().lstrip("+-") in ("inf", "infinity"):
        return TableError(f"{where} is not finite; correct the cell, or leave it empty and use `--na drop`")
    if column in not_numeric:
        text = _listed([repr(names[j]) for j in not_numeric])
        return TableError(f"{where} is not a number; not numeric: {text}; encode as numbers or `--ignore COLUMN`")
    return TableError(f"{where} is not a number (such as 12, -0.5 or 1e-3); correct the cell")


# ---- Parquet --------------------------------------------------------------------------------------------------------


def _is_parquet(data: bytes, suffix: str) -> bool:
    # A CSV file may begin with the letters PAR1 too, as the name of a column, but it holds no NUL.
    return suffix.lower() in (".parquet", ".pq") or (data.startswith(b"PAR1") and b"\0" in data)


def _read_parquet(data: bytes, columns: Sequence[str] | None, ignore: Sequence[str]) -> _Numbers:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("a Parquet file needs pyarrow: pip install 'jaxreg[tables]'") from error
    try:
        # By default pyarrow does not look at the checksums, and a flipped byte comes through as a number.
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow
        # pandas stores the index of a filtered frame as a column with such a name: row numbers, not a feature.
        unasked = [name for name in schema.names if columns is None and re.fullmatch(r"__index_level_\d+__", name)]
        chosen = _choose(schema.names, columns, [*ignore, *unasked])
        for name in chosen:
            kind, is_a = schema.field(name).type, pyarrow.types
            if not (is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind) or is_a.is_boolean(kind)):
                raise TableError(
                    f"column {name!r} has type {kind}, not numeric; encode as numbers or `--ignore COLUMN`"
                )
        table = file.read(columns=chosen)
        # Checksums cover the pages and not the footer, but the footer counts the rows twice.
        groups = sum(file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups))
        if len({file.metadata.num_rows, groups, table.num_rows}) != 1:
            raise pyarrow.ArrowInvalid("its counts of rows differ")
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"not a Parquet file, or damaged ({reason}); write it again, or rename it if CSV") from error
    values = np.empty((table.num_rows, len(chosen)))
    for j, name in enumerate(chosen):
        try:
            values[:, j] = table.column(name).cast("float64").to_numpy()
        except pyarrow.ArrowInvalid as error:
            raise TableError(f"column {name!r} has integers beyond 2**53, inexact in float64 ({error})") from error
    places = np.arange(1, table.num_rows + 1)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise TableError(
            f"row {places[row]}, column {chosen[column]!r}: {values[row, column]} is not finite; correct it"
        )
    return _Numbers(chosen, values, places, "row")
