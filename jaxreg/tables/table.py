"""A table of finite numbers, and what a file holds before its missing cells are dealt with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxreg.tables.names import require_names

__all__ = ["Numbers", "Table"]


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
        require_names((name,), self.columns)
        return self.values[:, self.columns.index(name)]

    def without(self, *names: str) -> Table:
        """The table without the columns ``names``; TableError with the nearest names if one is not there."""
        require_names(names, self.columns)
        left_out = set(names)
        kept = [j for j, name in enumerate(self.columns) if name not in left_out]
        # take() keeps the C order; values[:, kept] would not.
        return Table(tuple(self.columns[j] for j in kept), self.values.take(kept, axis=1), self.rows_dropped)


class Numbers(NamedTuple):
    """What a file holds: names, (n, p) values with NaN where a cell is missing, and where row i stands in the file."""

    columns: tuple[str, ...]
    values: np.ndarray
    places: np.ndarray
    unit: str
