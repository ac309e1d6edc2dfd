"""CSV: from bytes to records, and from cells to numbers.

Each step keeps the line on which a row starts, so that a refusal can say where in the file the trouble is.
"""

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from jaxreg.tables.errors import TableError, counted, listed
from jaxreg.tables.names import choose_names
from jaxreg.tables.quick_csv import plain_numbers
from jaxreg.tables.table import Numbers

__all__ = ["csv_names", "read_csv"]

# Python's float() also takes 1_000, Arabic digits, inf and nan; a number in a file is this and no more.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9.,]+([eE][+-]?[0-9]+)?")
_TRUTH = {"true": 1.0, "false": 0.0}
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9:.Z+-]*)?|[0-9]{1,2}([./-])[0-9]{1,2}\2[0-9]{2,4}")
# With a decimal comma the two change places, before a cell is looked at.
_SWAPPED = str.maketrans(",.", ".,")
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
# Enough rows to make the conversion of a column one call, few enough that their text takes little memory.
_ROWS_AT_ONCE = 4096


def read_csv(
    data: bytes,
    delimiter: str,
    encoding: str,
    decimal: str,
    columns: Sequence[str] | None,
    ignore: Sequence[str],
) -> Numbers:
    """The numbers in a CSV file; the arguments are those of ``read_table``."""
    delimiter, actual, records, names = _opened(data, delimiter, encoding)
    if decimal not in (".", ","):
        raise TableError(f"--decimal must be '.' or ',', not {decimal!r}")
    if decimal == delimiter:
        raise TableError(f"--decimal and --delimiter are both {decimal!r}; if cells end at ';', `--delimiter ';'`")
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
    chosen = choose_names(names, columns, ignore)
    places_of = {name: position for position, name in enumerate(names)}
    positions = [places_of[name] for name in chosen]
    plain = plain_numbers(data, delimiter, actual, decimal, len(names), positions)
    if plain is not None:
        return Numbers(chosen, plain, np.arange(2, len(plain) + 2), "line")
    blocks, places = [np.empty((0, len(chosen)))], [np.empty(0, dtype=np.int64)]
    for lines, rows in _blocks(records, len(names)):
        block = np.column_stack([_as_numbers([row[position] for row in rows], decimal) for position in positions])
        if np.isinf(block).any():
            cells = [[row[position] for position in positions] for row in rows]
            raise _refusal(cells, lines, chosen, block, decimal, is_first=len(blocks) == 1)
        blocks.append(block)
        places.append(np.array(lines))
    return Numbers(chosen, np.concatenate(blocks), np.concatenate(places), "line")


def csv_names(data: bytes, delimiter: str, encoding: str) -> list[str]:
    """The names of the columns."""
    return _opened(data, delimiter, encoding)[3]


def _opened(data: bytes, delimiter: str, encoding: str) -> tuple[str, str, Iterator[tuple[int, list[str]]], list[str]]:
    """The delimiter as one character, the encoding, the records below the header, and the names in it."""
    delimiter = "\t" if delimiter == r"\t" else delimiter
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"+-.\r\n\0':
        raise TableError(f"--delimiter must be one character such as ',' or ';', not {delimiter!r}")
    actual = _actual_encoding(data, encoding)
    records = _records(data, delimiter, actual)
    _, header = next(records, (1, []))
    return delimiter, actual, records, [name.strip() for name in header]


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
                f"line {line}: {counted(len(record), 'cell')} found, {width} expected from the header; "
                "correct the row, and quote a cell that holds the delimiter"
            )
        lines.append(line)
        rows.append(record)
        if len(rows) >= _ROWS_AT_ONCE:
            yield lines, rows
            lines, rows = [], []
    if rows:
        yield lines, rows


def _as_numbers(cells: list[str], decimal: str) -> np.ndarray:
    """The cells of one column as numbers: NaN for a missing cell, infinity for one to be refused."""
    if decimal == ",":
        cells = [cell.translate(_SWAPPED) for cell in cells]
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
    return np.array([_as_number(cell.strip()) for cell in cells])


def _as_number(cell: str) -> float:
    if _NUMBER.fullmatch(cell):
        return float(cell)
    word = cell.casefold()
    return math.nan if word in _MISSING else _TRUTH.get(word, math.inf)


def _refusal(
    cells: list[list[str]], lines: list[int], names: Sequence[str], block: np.ndarray, decimal: str, *, is_first: bool
) -> TableError:
    """The error for the first refused cell of a block of rows."""
    refused = np.isinf(block)
    row, column = map(int, np.argwhere(refused)[0])
    cell = cells[row][column].strip()
    shown = repr(cell if len(cell) <= 50 else cell[:47] + "...")
    where = f"line {lines[row]}, column {names[column]!r}: {shown}"
    # Columns without a single number in the first rows of the file are text, and all of them are named at once.
    not_numeric = (refused.any(axis=0) & ~np.isfinite(block).any(axis=0)).nonzero()[0].tolist() if is_first else []
    if decimal == ",":
        cell = cell.translate(_SWAPPED)
    if _NUMBER.fullmatch(cell):
        return TableError(f"{where} is beyond the range of float64 (about 1.8e308); change the unit")
    if _DATE.fullmatch(cell):
        others = f"; not numeric: {listed([repr(names[j]) for j in not_numeric])}" if len(not_numeric) > 1 else ""
        return TableError(f"{where} is a date; write a number, such as days since a day, or `--ignore COLUMN`{others}")
    if _NUMBER_WITH_COMMA.fullmatch(cell):
        other, ours = ("point", "comma") if decimal == "," else ("comma", "point")
        hint = "" if decimal == "," else ", or give `--decimal ,`"
        text = f"{where} has a {other}; write a decimal {ours}, and nothing between thousands{hint}"
        return TableError(text)
    if cell.lower().lstrip("+-") in ("inf", "infinity"):
        return TableError(f"{where} is not finite; correct the cell, or leave it empty and use `--na drop`")
    if column in not_numeric:
        text = listed([repr(names[j]) for j in not_numeric])
        return TableError(f"{where} is not a number; not numeric: {text}; encode as numbers or `--ignore COLUMN`")
    return TableError(f"{where} is not a number (such as 12, -0.5 or 1e-3); correct the cell")
