"""A CSV file in pieces of a few MiB, cut at the ends of lines; each is read as a file of its own, under the header."""

import re
from collections.abc import Iterator, Sequence

from jaxreg.tables.csv_file import Dialect, csv_names, read_csv
from jaxreg.tables.errors import TableError
from jaxreg.tables.names import Wanted
from jaxreg.tables.piece import Piece, Position

__all__ = ["csv_pieces", "first_names"]

# Bytes of a piece: enough for pyarrow's threads, few beside what moments take; with many columns more, so that products
# outweigh the adding of their sums, but at most so many.
PIECE, A_COLUMN_SQUARED, MOST = 2**23, 150, 2**26
# A header that is longer than this is none.
LONGEST_HEADER = 2**24


def first_names(file: str, dialect: Dialect) -> list[str]:
    """The names of the columns."""
    return csv_names(_header(file, dialect), dialect)


def csv_pieces(
    file: str,
    start: Position,
    columns: Sequence[str],
    words: frozenset[str] | None,
    dialect: Dialect,
    plain: bool = False,
) -> Iterator[Piece]:
    """The pieces from a position on.

    Args:
        columns: the names to read, in this order. words: which are text; None finds them in the first rows. plain: is
            of no use here.
    """
    wanted = Wanted(columns, (), words or frozenset(), words is None)
    header, size = _header(file, dialect), max(PIECE, min(A_COLUMN_SQUARED * len(columns) ** 2, MOST))
    offset, line = (start.unit, start.row) if start.unit else (len(header), 2)
    try:
        with open(file, "rb") as stream:
            stream.seek(offset)
            rest, ended = b"", False
            while not ended:
                # So many bytes from the start of a piece: where it ends depends on nothing that was read before.
                data = rest + stream.read(size - len(rest))
                ended = len(data) < size
                while not ended and not _last_end(data):  # a line longer than a piece
                    more = stream.read(size)
                    data, ended = data + more, len(more) < size
                cut = len(data) if ended else _last_end(data)
                chunk, rest = data[:cut], data[cut:]
                if chunk.strip():
                    yield _piece(file, header + chunk, line, wanted, dialect, Position(start.file, offset + cut, 0))
                elif ended and offset == len(header):
                    raise TableError(f"{file}: no rows: the file holds column names and nothing else")
                offset += cut
                line += chunk.count(b"\n")
    except OSError as error:
        raise TableError(f"cannot read {file}: {error.strerror or error}") from error


def _piece(file: str, data: bytes, line: int, wanted: Wanted, dialect: Dialect, after: Position) -> Piece:
    away = line - 2
    try:
        cells = read_csv(data, dialect, wanted)
    except TableError as error:  # its lines are counted from the header, which is line 1
        text = re.sub(r"\bline (\d+)", lambda found: f"line {int(found[1]) + away}", str(error), count=1)
        raise TableError(f"{file}: {text}") from error.__cause__
    lines = data.count(b"\n") - 1
    return Piece(cells._replace(places=cells.places + away), file, after._replace(row=line + lines))


def _last_end(data: bytes) -> int:
    """Where the last line ends that is not inside a quoted cell; 0 if none does."""
    cut = data.rfind(b"\n") + 1
    if b'"' in data:
        while cut and data.count(b'"', 0, cut) % 2:
            cut = data.rfind(b"\n", 0, cut - 1) + 1
    return cut


def _header(file: str, dialect: Dialect) -> bytes:
    if dialect.encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        raise TableError(f"a stream of {dialect.encoding} cannot be cut at the ends of lines; write it in utf-8")
    try:
        with open(file, "rb") as stream:
            header = stream.readline(LONGEST_HEADER)
            while header.count(b'"') % 2 and len(header) < LONGEST_HEADER and (more := stream.readline(LONGEST_HEADER)):
                header += more
    except OSError as error:
        raise TableError(f"cannot read {file}: {error.strerror or error}") from error
    if not header.strip():
        raise TableError("no rows: the file is empty")
    return header if header.endswith(b"\n") else header + b"\n"
