"""CSV: from bytes to records, and from records to cells.

Each step keeps the line on which a row starts, so that a refusal can say where in the file the trouble is.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

import numpy as np

from jaxreg.tables.csv_cells import as_numbers, as_word, is_number, is_word, refusal
from jaxreg.tables.errors import TableError, counted
from jaxreg.tables.names import Wanted, choose_names
from jaxreg.tables.quick_csv import plain_cells
from jaxreg.tables.table import Cells

__all__ = ["Dialect", "csv_names", "read_csv"]

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


class Dialect(NamedTuple):
    """How a CSV file is written: what ends a cell (None: what the header says), the encoding, "." or "," in numbers."""

    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."


class _Opened(NamedTuple):
    """A delimiter of one character, an encoding, the records below the header and its names; what was recognised."""

    delimiter: str
    encoding: str
    records: Iterator[tuple[int, list[str]]]
    names: list[str]
    notes: tuple[str, ...]


def read_csv(data: bytes, dialect: Dialect, wanted: Wanted) -> Cells:
    """The cells of a CSV file."""
    opened, decimal = _opened(data, dialect), dialect.decimal
    delimiter, names = opened.delimiter, opened.names
    if decimal not in (".", ","):
        raise TableError(f"--decimal must be '.' or ',', not {decimal!r}")
    if decimal == delimiter:
        raise TableError(f"--decimal and --delimiter are both {decimal!r}; if cells end at ';', `--delimiter ';'`")
    for other, shown in _DELIMITERS.items():
        if len(names) == 1 and other != delimiter and other in names[0]:
            raise TableError(f"the only column is named {names[0]!r}; if cells end at {shown}, `--delimiter {shown}`")
    if not names:
        raise TableError("line 1 is blank; it must hold the column names")
    if all(is_number(name) for name in names):
        raise TableError("line 1 holds only numbers; it must hold the column names")
    chosen = choose_names(names, wanted)
    places_of = {name: position for position, name in enumerate(names)}
    blocks = _blocks(opened.records, len(names))
    found: list[str] = []
    if wanted.find_words:
        first = next(blocks, ([], []))
        unread = [name for name in chosen if name not in wanted.words]
        found = [name for name in unread if _holds_words([row[places_of[name]] for row in first[1]], decimal)]
        blocks = chain([first] if first[0] else [], blocks)
    words = [name for name in chosen if name in wanted.words or name in found]
    numeric = [name for name in chosen if name not in words]
    at = [places_of[name] for name in numeric], [places_of[name] for name in words]
    plain = plain_cells(data, delimiter, opened.encoding, decimal, len(names), *at)
    if plain is not None and not any(is_number(word) for name in found for word in set(plain[1][words.index(name)])):
        values, texts = plain
        lines = np.arange(2, len(values) + 2)
        return Cells(chosen, values, dict(zip(words, texts, strict=True)), lines, "line", opened.notes)
    return _carefully(blocks, decimal, chosen, places_of, words, found)._replace(notes=opened.notes)


def _carefully(
    blocks: Iterator[tuple[list[int], list[list[str]]]],
    decimal: str,
    chosen: tuple[str, ...],
    places_of: dict[str, int],
    words: list[str],
    found: list[str],
) -> Cells:
    """All cells, one by one; ``words`` are the columns of text, of which ``found`` are so by their first rows."""
    numeric = [name for name in chosen if name not in words]
    positions = [places_of[name] for name in numeric]
    values, places = [np.empty((0, len(numeric)))], [np.empty(0, dtype=np.int64)]
    texts: dict[str, list[str]] = {name: [] for name in words}
    for lines, rows in blocks:
        columns = [as_numbers([row[position] for row in rows], decimal) for position in positions]
        block = np.column_stack(columns) if columns else np.empty((len(rows), 0))
        if np.isinf(block).any():
            cells = [[row[position] for position in positions] for row in rows]
            raise refusal(cells, lines, numeric, block, decimal, is_first=len(values) == 1)
        for name in words:
            texts[name] += (read := [as_word(row[places_of[name]]) for row in rows])
            numbers = [k for k, cell in enumerate(read) if is_number(cell)] if name in found else []
            if numbers:
                raise TableError(
                    f"line {lines[numbers[0]]}, column {name!r}: {read[numbers[0]]!r} is a number, and the rows before "
                    f"it hold words; if it is a word too, `--categorical {name}`"
                )
        values.append(block)
        places.append(np.array(lines))
    arrays = {name: np.array(cells, dtype=object) for name, cells in texts.items()}
    return Cells(chosen, np.concatenate(values), arrays, np.concatenate(places), "line")


def _holds_words(cells: list[str], decimal: str) -> bool:
    """Whether no cell is a number and some are words, not meant as numbers or dates."""
    values = as_numbers(cells, decimal)
    refused = [cell for cell, value in zip(cells, values, strict=True) if np.isinf(value)]
    return bool(refused) and not np.isfinite(values).any() and all(map(is_word, refused))


def csv_names(data: bytes, dialect: Dialect) -> list[str]:
    """The names of the columns."""
    return _opened(data, dialect).names


def _opened(data: bytes, dialect: Dialect) -> _Opened:
    given = dialect.delimiter
    delimiter = "," if given is None else "\t" if given == r"\t" else given
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"+-.\r\n\0':
        raise TableError(f"--delimiter must be one character such as ',' or ';', not {delimiter!r}")
    encoding = _actual_encoding(data, dialect.encoding)
    records, names = _headed(data, delimiter, encoding)
    if given is None and len(names) == 1:
        for other, shown in _DELIMITERS.items():
            if other in names[0]:
                return _Opened(other, encoding, *_headed(data, other, encoding), (f"cells end at {shown}",))
    return _Opened(delimiter, encoding, records, names, ())


def _headed(data: bytes, delimiter: str, encoding: str) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """The records below the header, and the names in it."""
    records = _records(data, delimiter, encoding)
    _, header = next(records, (1, []))
    return records, [name.strip() for name in header]


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
