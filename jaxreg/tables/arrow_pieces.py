"""Parquet and Arrow files in pieces: some rows of a row group at a time, page checksums verified, counts compared."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jaxreg.tables.csv_file import Dialect
from jaxreg.tables.errors import TableError
from jaxreg.tables.parquet_file import arrow_cells, checked_columns, index_columns, pyarrow_of
from jaxreg.tables.piece import Piece, Plain, Position
from jaxreg.tables.table import Cells

__all__ = ["arrow_names", "arrow_pieces", "is_arrow", "row_groups", "rows_in"]

# Numbers of a piece, about; with many columns more, so that products outweigh the adding of their sums, but at most so
# many; and the bytes of a column that are read ahead.
PIECE, ROWS_A_COLUMN, MOST, AHEAD = 2**21, 8, 2**23, 2**20
_PARQUET, _IPC = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")


def is_arrow(file: str) -> bool:
    """Whether a file is Parquet or Arrow, by its ending or its first bytes."""
    if (suffix := Path(file).suffix.lower()) in (*_PARQUET, *_IPC):
        return True
    if suffix in (".csv", ".tsv", ".txt"):
        return False
    try:
        with open(file, "rb") as stream:
            start = stream.read(512)
    except OSError:
        return False
    return start.startswith((b"PAR1", b"ARROW1")) and b"\0" in start


def arrow_names(file: str) -> list[str]:
    """The names of the columns, without the index that pandas stores."""
    with _opened(file) as opened:
        names = list(opened.schema.names)
        return [name for name in names if name not in index_columns(names)]


def rows_in(file: str) -> int:
    """How many rows the file has, by its footer."""
    with _opened(file) as opened:
        return opened.rows()


def row_groups(file: str) -> list[int]:
    """The rows of each row group of a Parquet file, by its footer; of an Arrow file, of all of it."""
    with _opened(file) as opened:
        if isinstance(opened, _Parquet):
            return [opened.rows_of(group, None) for group in range(opened.number)]
        return [opened.rows()]


def arrow_pieces(
    file: str,
    start: Position,
    columns: Sequence[str],
    words: frozenset[str] | None,
    dialect: Dialect,
    plain: bool = False,
) -> Iterator[Piece]:
    """The pieces from a position on.

    Args:
        columns: the names to read, in this order. words: which are text; None takes those of text. plain: whether
            numbers come as they lie in the file, where they can.
    """
    pyarrow = pyarrow_of()
    where, row = file, start.row
    try:
        with _opened(file) as opened:
            try:
                texts, numeric = checked_columns(opened.schema, tuple(columns), words or frozenset(), words is None)
                size = _rows(len(columns))
                for group in range(start.unit, opened.number):
                    where, rows = f"{file}, row group {group}", 0
                    for batch in opened.batches(group, size, columns):
                        table = pyarrow.Table.from_batches([batch]).select(list(columns))
                        careful = partial(arrow_cells, table, tuple(columns), numeric, texts, row + 1)
                        cells = _plain(table, careful) if plain and not texts else careful()
                        row, rows = row + batch.num_rows, rows + batch.num_rows
                        last = rows >= opened.rows_of(group, batch)
                        yield Piece(cells, where, Position(start.file, group + 1, row) if last else None)
                    if rows != opened.rows_of(group, None):
                        raise TableError(f"it has {rows} rows, and {opened.rows_of(group, None)} by its footer")
            except TableError as error:
                raise TableError(f"{where}: {error}") from error.__cause__
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"{where}: damaged, or not such a file ({reason}); write it again") from error


def _plain(table: Any, careful: Callable[[], Cells]) -> Cells | Plain:
    columns = [column.combine_chunks() if column.num_chunks != 1 else column.chunk(0) for column in table.columns]
    floats = pyarrow_of().float64()
    if any(column.null_count or column.type != floats for column in columns):
        return careful()
    return Plain([column.to_numpy() for column in columns], careful)


def _rows(p: int) -> int:
    """Of a piece."""
    return max(64, PIECE // p, min(ROWS_A_COLUMN * p, MOST // p))


class _Parquet:
    def __init__(self, file: str) -> None:
        parquet = pyarrow_of().parquet
        how = {"page_checksum_verification": True, "pre_buffer": False, "buffer_size": AHEAD}
        self._file = parquet.ParquetFile(file, **how)
        self.schema, self.number = self._file.schema_arrow, self._file.metadata.num_row_groups

    def batches(self, group: int, size: int, columns: Sequence[str]) -> Any:
        return self._file.iter_batches(batch_size=size, row_groups=[group], columns=list(columns))

    def rows_of(self, group: int, batch: Any) -> int:
        return int(self._file.metadata.row_group(group).num_rows)

    def rows(self) -> int:
        return int(self._file.metadata.num_rows)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


class _Arrow:
    """A file of record batches, each of which is a row group here."""

    def __init__(self, file: str) -> None:
        pyarrow = pyarrow_of()
        self._map = pyarrow.memory_map(file)
        self._file = pyarrow.ipc.open_file(self._map)
        self.schema, self.number = self._file.schema, self._file.num_record_batches
        self._rows: dict[int, int] = {}

    def batches(self, group: int, size: int, columns: Sequence[str]) -> Any:
        whole = self._file.get_batch(group)
        self._rows[group] = whole.num_rows
        return (whole.slice(k, size) for k in range(0, whole.num_rows, size))

    def rows_of(self, group: int, batch: Any) -> int:
        return self._rows[group]

    def rows(self) -> int:
        return int(self._file.count_rows())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self._map.close()


def _opened(file: str) -> Any:
    pyarrow = pyarrow_of()
    try:
        with open(file, "rb") as stream:
            start = stream.read(6)
        return _Arrow(file) if start == b"ARROW1" else _Parquet(file)
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise TableError(f"{file}: cannot be read ({reason}); write it again, or rename it if CSV") from error
