"""A piece of a file and where it stands."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxreg.tables.table import Cells

__all__ = ["Piece", "Plain", "Position"]


class Position(NamedTuple):
    """Where a unit begins: the number of the file, that of its row group (of CSV the byte), and of its first row or
    line."""

    file: int
    unit: int
    row: int


class Plain(NamedTuple):
    """Columns of numbers without a null, (n,) each, as they lie in the file's buffers; whether they are finite has not
    been looked at: ``careful`` makes cells of them, and does."""

    columns: list[np.ndarray]
    careful: Callable[[], Cells]


class Piece(NamedTuple):
    """Cells, where they stand in words, and where the next unit begins; None within a unit."""

    cells: Cells | Plain
    where: str
    next: Position | None
