"""A piece of a file and where it stands."""

from typing import NamedTuple

from jaxreg.tables.table import Cells

__all__ = ["Piece", "Position"]


class Position(NamedTuple):
    """Where a unit begins: the number of the file, that of its row group (of CSV the byte), and of its first row or
    line."""

    file: int
    unit: int
    row: int


class Piece(NamedTuple):
    """Cells, where they stand in words, and where the next unit begins; None within a unit."""

    cells: Cells
    where: str
    next: Position | None
