"""Tables that lie in several files, or in files larger than memory: one piece after the other, each a small table.

A piece is what one file holds in one place: of Parquet and Arrow files some rows of a row group, of CSV files the lines
in a few MiB. Every file has the columns of the first; folders called ``name=value`` are columns too. Words become
columns of zeros and ones by levels that are given, or that a first pass over the columns of words has found.
"""

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxreg.tables.arrow_pieces import arrow_names, arrow_pieces, is_arrow, row_groups, rows_in
from jaxreg.tables.coding import Coding, levels_of
from jaxreg.tables.csv_cells import is_number
from jaxreg.tables.csv_file import Dialect
from jaxreg.tables.csv_pieces import csv_pieces, first_names
from jaxreg.tables.errors import TableError, listed
from jaxreg.tables.names import Wanted, choose_names, require_names
from jaxreg.tables.piece import Piece, Plain, Position
from jaxreg.tables.read import Asked, table_of_cells
from jaxreg.tables.table import Table

__all__ = ["Pieces", "TablePiece", "files_of"]

# The endings of files that a folder is searched for.
ENDINGS = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".txt")


class TablePiece(NamedTuple):
    """A table, where it stands in words, and where the next unit begins; None within one.

    Attributes:
        columns: of numbers, in the order of the names, (n,) each. table: None where they have not been looked at.
        careful: makes the table, and looks.
    """

    columns: Sequence[np.ndarray]
    table: Table | None
    where: str
    next: Position | None
    careful: Callable[[], Table]


def files_of(source: Any) -> list[str]:
    """The files that a path, a pattern, a folder or a list of these means, each in sorted order.

    Raises:
        TableError: there is none.
    """
    if isinstance(source, list | tuple):
        return [file for one in source for file in files_of(one)]
    path = os.fspath(source)
    if os.path.isdir(path):
        found = sorted(str(file) for file in Path(path).rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        found = [file for file in found if not Path(file).name.startswith((".", "_"))]
        if not found:
            raise TableError(f"the folder {path} holds no file that ends in {', '.join(ENDINGS)}")
        return found
    if os.path.exists(path) or not glob.has_magic(path):
        return [path]
    if not (found := sorted(glob.glob(path, recursive=True))):
        raise TableError(f"no file matches {path}")
    return found


class Pieces:
    """The pieces of some files, all read in the same way.

    Args:
        files: their paths. dialect: of CSV files. columns, ignore, categorical, text, complete: as
            :func:`jaxreg.tables.read_table` takes them. missing: "error", "drop" or
            "mean", for which the whole is read once before. levels: for each column of words
            its words; those that are not given are found by reading these columns first.

    Attributes:
        coding: what words become. names: of the columns of every file.
    """

    def __init__(
        self,
        files: Sequence[str],
        dialect: Dialect,
        *,
        ignore: Sequence[str] = (),
        categorical: Any = (),
        text: Sequence[str] = (),
        complete: Sequence[str] = (),
        missing: str = "error",
        levels: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if missing not in ("error", "drop", "mean"):
            raise TableError(
                f"missing is {missing!r}; a stream takes 'error', 'drop' or 'mean', which a pass can add up"
            )
        if categorical != "auto" and isinstance(categorical, str):
            raise TableError(f"categorical must be 'auto' or a list of names, not {categorical!r}")
        self.files, self._dialect, self._text = list(files), dialect, tuple(text)
        self._partitions = _partitions(self.files)
        self.names = [*self._names_in(0), *self._partitions[0]]
        require_names(complete, self.names)
        given = {name: tuple(map(str, words)) for name, words in (levels or {}).items()}
        asked = () if categorical == "auto" else tuple(categorical)
        of_folders = [
            name
            for name in self._partitions[0]
            if name not in ignore and not all(is_number(values[name]) for values in self._partitions)
        ]
        found = self._words_in_the_first(ignore) if categorical == "auto" else ()
        words = tuple(dict.fromkeys([*asked, *given, *found, *of_folders]))
        words = tuple(name for name in words if name not in text)
        chosen = choose_names(self.names, Wanted(None, ignore, frozenset([*words, *text])))
        self._chosen = [name for name in chosen if name in words or name in text or name not in ignore]
        self._asked = Asked(missing, words, tuple(text), tuple(complete), Coding(given), "error")
        unknown = [name for name in words if name not in given]
        if unknown:
            given |= self._levels(unknown, asked)
        self.coding = Coding({name: given[name] for name in self._chosen if name in words})
        self._asked = self._asked._replace(like=self.coding)
        if missing == "mean":
            self.coding = Coding(self.coding.levels, self._means())
            self._asked = self._asked._replace(like=self.coding, missing="like")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Of the columns of numbers of every piece."""
        return self.coding.names([name for name in self._chosen if name not in self._text])

    def rows_in_all(self) -> int | None:
        """By the footers of the files; None where some have none."""
        return sum(map(rows_in, self.files)) if all(map(is_arrow, self.files)) else None

    def units(self) -> list[tuple[Position, int | None]]:
        """Where row groups of Parquet files, and other files as a whole, begin, and how many rows each has; None where
        that is not known before it is read."""
        found: list[tuple[Position, int | None]] = []
        for number, file in enumerate(self.files):
            row = 0
            for group, rows in enumerate(row_groups(file) if is_arrow(file) else [None]):
                found.append((Position(number, group, row), rows))
                row += rows or 0
        return found

    def __iter__(self) -> Iterator[TablePiece]:
        return self.after(Position(0, 0, 0))

    def after(self, position: Position, until: Position | None = None) -> Iterator[TablePiece]:
        """Those from a position on, to before another one."""
        words = [*self.coding.levels, *self._text]
        plain = self._asked.missing == "error" and not words and not self._partitions[0]
        for piece in self._pieces(self._chosen, words, position, plain, until):
            careful = partial(self._table, piece)
            if isinstance(piece.cells, Plain):
                yield TablePiece(piece.cells.columns, None, piece.where, piece.next, careful)
            else:
                table = careful()
                yield TablePiece(list(table.values.T), table, piece.where, piece.next, careful)

    def _table(self, piece: Piece) -> Table:
        try:
            cells = piece.cells.careful() if isinstance(piece.cells, Plain) else piece.cells
            return table_of_cells(cells, self._asked)
        except TableError as error:
            if "no rows are left" in str(error):  # another piece may have some
                return _empty(self._chosen, self.coding, self._text, len(piece.cells.places))  # type: ignore[union-attr]
            raise TableError(f"{piece.where}: {error}") from error.__cause__

    def _pieces(
        self,
        columns: Sequence[str],
        words: Sequence[str],
        position: Position,
        plain: bool = False,
        until: Position | None = None,
    ) -> Iterator[Piece]:
        ends = lambda place: until is not None and place is not None and place[:2] >= until[:2]
        for number in range(position.file, len(self.files)):
            if ends(position if number == position.file else Position(number, 0, 0)):
                return
            file, of_folder = self.files[number], self._partitions[number]
            if number:
                self._check_names(number)
            start = position if number == position.file else Position(number, 0, 0)
            inside = [name for name in columns if name not in of_folder]
            of_words = frozenset(name for name in words if name not in of_folder)
            read = arrow_pieces if is_arrow(file) else csv_pieces
            for piece in read(file, start, inside, of_words, self._dialect, plain):
                yield piece._replace(cells=_with_folder(piece.cells, columns, of_folder, words)) if of_folder else piece
                if ends(piece.next):
                    return

    def _names_in(self, number: int) -> list[str]:
        file = self.files[number]
        try:
            return arrow_names(file) if is_arrow(file) else first_names(file, self._dialect)
        except TableError as error:
            raise TableError(f"{file}: {error}") from error.__cause__

    def _check_names(self, number: int) -> None:
        names = [*self._names_in(number), *self._partitions[number]]
        lacks, more = ([n for n in a if n not in b] for a, b in ((self.names, names), (names, self.names)))
        if lacks or more:
            what = f"lacks {listed([repr(n) for n in lacks])}" if lacks else f"has {listed([repr(n) for n in more])}"
            other = "which the first file has" if lacks else "which the first file has not"
            raise TableError(f"{self.files[number]}: {what}, {other} ({self.files[0]}); all must have the same columns")

    def _words_in_the_first(self, ignore: Sequence[str]) -> list[str]:
        """The columns of words, by the types or the first rows of the first file."""
        left_out = {*ignore, *self._text}
        inside = [name for name in self.names if name not in left_out and name not in self._partitions[0]]
        read = arrow_pieces if is_arrow(self.files[0]) else csv_pieces
        first = next(read(self.files[0], Position(0, 0, 0), inside, None, self._dialect), None)
        cells: Any = None if first is None else first.cells
        return [] if cells is None else list(cells.words)

    def _means(self) -> dict[str, float]:
        """Of the cells that are there, in rows that stay, for every column of numbers that may be filled in."""
        text, complete, words = self._text, self._asked.complete, [*self.coding.levels, *self._text]
        columns = [name for name in self._chosen if name not in text]
        names = self.coding.names(columns)
        count, total, first = np.zeros(len(names)), np.zeros(len(names)), None
        for piece in self._pieces(self._chosen, words, Position(0, 0, 0)):
            cells: Any = piece.cells
            absent = [cells.words[name] == "" for name in complete if name in cells.words]
            absent += [
                np.isnan(values) for name, values in zip(cells.numeric, cells.values.T, strict=True) if name in complete
            ]
            stay = ~np.any(absent, axis=0) if absent else np.ones(len(cells.places), bool)
            by_name = dict(zip(cells.numeric, cells.values.T, strict=True)) | cells.words
            values = self.coding.numbers(columns, by_name)[stay]
            there = ~np.isnan(values)
            if first is None and len(values):  # near the means, so that adding costs no digits
                first = np.nan_to_num(values[0])
            count += there.sum(axis=0)
            total += np.where(there, values - (0.0 if first is None else first), 0.0).sum(axis=0)
        for j, name in enumerate(names):
            if not count[j]:
                raise TableError(f"column {name!r} has no cell that is not missing; `--ignore COLUMN`")
        assert first is not None
        return {name: float(first[j] + total[j] / count[j]) for j, name in enumerate(names) if name not in complete}

    def _levels(self, columns: Sequence[str], asked: Sequence[str]) -> dict[str, tuple[str, ...]]:
        seen: dict[str, dict[str, None]] = {name: {} for name in columns}
        rows = 0
        for piece in self._pieces(columns, columns, Position(0, 0, 0)):
            cells: Any = piece.cells
            rows += len(cells.places)
            for name in columns:
                seen[name] |= dict.fromkeys(cells.words[name])
        of = {name: np.array([*words, *[""] * (rows - len(words))], dtype=object) for name, words in seen.items()}
        return {name: levels_of(name, of[name], asked_for=name in asked) for name in columns}


def _partitions(files: Sequence[str]) -> list[dict[str, str]]:
    """Of each file the ``name=value`` of the folders that it lies in."""
    found = [dict(part.split("=", 1) for part in Path(file).parts[:-1] if "=" in part) for file in files]
    for file, values in zip(files, found, strict=True):
        if values.keys() != found[0].keys():
            raise TableError(
                f"{file} and {files[0]} lie in folders of different names; each must be the same NAME=VALUE"
            )
    return found


def _with_folder(cells: Any, columns: Sequence[str], folder: Mapping[str, str], words: Sequence[str]) -> Any:
    """The cells with a column for each name of the folder, in the order asked for."""
    if not any(name in folder for name in columns):
        return cells
    n = len(cells.places)
    texts = {name: np.full(n, folder[name], dtype=object) for name in columns if name in folder and name in words}
    by_name = dict(zip(cells.numeric, cells.values.T, strict=True))
    by_name |= {name: np.full(n, float(folder[name])) for name in columns if name in folder and name not in words}
    numeric = [name for name in columns if name in by_name]
    values = np.stack([by_name[name] for name in numeric]).T if numeric else np.empty((n, 0))
    return cells._replace(columns=tuple(columns), values=values, words=cells.words | texts)


def _empty(columns: Sequence[str], coding: Coding, text: Sequence[str], dropped: int) -> Table:
    names = coding.names([name for name in columns if name not in text])
    words = {name: np.empty(0, dtype=object) for name in text}
    return Table(names, np.empty((0, len(names))), words, dropped=np.arange(dropped))
