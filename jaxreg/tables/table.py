"""A table of finite numbers, and what a file holds before words and missing cells have become numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from jaxreg.tables.coding import Coding
from jaxreg.tables.names import require_names

__all__ = ["Cells", "Table"]


@dataclass(frozen=True, eq=False)
class Table:
    """A table of finite numbers with named columns.

    Args:
        columns: the p names, all different.
        values: (n, p) float64 in C order, without NaN or infinity.
        words: columns that were asked for as text, (n,) each; empty where a cell is missing.
        places: (n,) integers: the lines of the CSV file on which the rows start, or rows of the Parquet file from 1.
        dropped: places of the rows that were left out because a cell was missing. unit: "line" or "row".
        coding: what words and missing cells became; new rows are read in the same way with it.
        notes: what was recognised, left out and filled in, a phrase each.

    Example:
        >>> table = Table(("height", "weight"), np.array([[1.7, 65.0], [1.8, 80.0]]))
        >>> table.column("weight")
        array([65., 80.])
        >>> table.without("weight").columns, table.only("weight").columns
        (('height',), ('weight',))
    """

    columns: tuple[str, ...]
    values: np.ndarray
    words: Mapping[str, np.ndarray] = field(default_factory=dict)
    places: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    dropped: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    unit: str = "row"
    coding: Coding = field(default_factory=Coding)
    notes: tuple[str, ...] = ()

    @property
    def rows_dropped(self) -> int:
        """How many rows of the file were left out because a cell was missing."""
        return len(self.dropped)

    def column(self, name: str) -> np.ndarray:
        """The column called ``name``, (n,) float64; TableError with the nearest names if there is none."""
        require_names((name,), self.columns)
        return self.values[:, self.columns.index(name)]

    def without(self, *names: str) -> Table:
        """The table without the columns ``names``; TableError with the nearest names if one is not there."""
        require_names(names, self.columns)
        left_out = set(names)
        return self._taken([j for j, name in enumerate(self.columns) if name not in left_out])

    def only(self, *names: str) -> Table:
        """The table with the columns ``names``, in this order; TableError if one is not there."""
        require_names(names, self.columns)
        places = {name: j for j, name in enumerate(self.columns)}
        return self._taken([places[name] for name in names])

    def _taken(self, positions: list[int]) -> Table:
        # take() keeps the C order; values[:, positions] would not.
        columns = tuple(self.columns[j] for j in positions)
        return replace(self, columns=columns, values=self.values.take(positions, axis=1))


class Cells(NamedTuple):
    """What a file holds.

    Args:
        columns: names, in the order asked for. values: (n, k), of the columns of numbers, NaN where a cell is missing.
        words: the other columns, (n,) text, empty where a cell is missing.
        places: (n,), where row i stands in the file, counted in ``unit``. notes: what was recognised.
    """

    columns: tuple[str, ...]
    values: np.ndarray
    words: dict[str, np.ndarray]
    places: np.ndarray
    unit: str
    notes: tuple[str, ...] = ()

    @property
    def numeric(self) -> list[str]:
        """The names of the columns of ``values``."""
        return [name for name in self.columns if name not in self.words]
