"""Words as numbers: a column of text becomes one column of zeros and ones for each of its words (its levels).

A regression adds numbers up. Numbering the words 1, 2, 3 … would say that the third is three times the first; a column
for each, 1 where the row has that word and 0 elsewhere, says nothing of the kind (one-hot, dummy or treatment coding).

The columns of one text add up to 1 in every row, which is what the intercept multiplies. Under a penalty this does not
matter, and all levels are kept: with one of them left out, the others' differences from it would be penalised, and the
answer would depend on which it was. At `λ = 0` with an intercept the coefficients would not be unique; there the first
is left out.

What was seen is stored with the model: the levels, and the numbers that stand for missing cells, so that new rows are
read as the old ones were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxreg.tables.csv_cells import is_number
from jaxreg.tables.errors import TableError, listed

__all__ = ["Coding", "levels_of"]

# A column with more levels than this, and more than half as many as rows, identifies the row.
_MANY = 20


@dataclass(frozen=True)
class Coding:
    """What words and missing cells become.

    Args:
        levels: for each column of text its words in order; ``column=word`` is the name of a column of zeros and ones.
        fills: for each column the number that stands for a missing cell; empty where none was filled in.

    Example:
        >>> coding = Coding({"sex": ("f", "m")})
        >>> coding.names(["age", "sex"]), coding.first_levels
        (('age', 'sex=f', 'sex=m'), ('sex=f',))
    """

    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fills: Mapping[str, float] = field(default_factory=dict)

    def names(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The names of the columns of numbers that these columns of a file become."""
        return tuple(name for column in columns for name in self._of(column))

    def _of(self, column: str) -> list[str]:
        return [f"{column}={level}" for level in self.levels[column]] if column in self.levels else [column]

    @property
    def first_levels(self) -> tuple[str, ...]:
        """The first column of each text: those to leave out at `λ = 0` with an intercept."""
        return tuple(self._of(column)[0] for column in self.levels)

    def sources(self, names: Iterable[str]) -> list[str]:
        """The columns of a file that these columns of numbers came from, each once."""
        return list(dict.fromkeys(self.source(name) for name in names))

    def source(self, name: str) -> str:
        """The column of a file that this column of numbers came from."""
        return next((column for column in self.levels if name in self._of(column)), name)

    def numbers(self, columns: Iterable[str], values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The (n, p) table, p the number of :meth:`names`.

        Args:
            columns: of the file. values: their cells, numbers or text, (n,); a missing word is NaN in all its columns.
        """
        found = []
        for column in columns:
            cells = values[column]
            if column not in self.levels:
                found.append(cells)
                continue
            missing = cells == ""
            found += [np.where(missing, np.nan, cells == level) for level in self.levels[column]]
        return np.column_stack(found)

    def check(self, column: str, cells: np.ndarray, places: np.ndarray, unit: str) -> None:
        """Raise TableError for the first word that is none of the levels."""
        known = {*self.levels[column], ""}
        for word in dict.fromkeys(cells):
            if word not in known:
                place = places[np.flatnonzero(cells == word)[0]]
                raise TableError(
                    f"{unit} {place}, column {column!r}: {word!r} is none of the words that the model has seen, "
                    f"{listed([repr(level) for level in self.levels[column]])}; correct it, or take it for none of "
                    "them with `--unseen zero`"
                )

    def as_stored(self) -> dict[str, Any]:
        """For JSON."""
        return {"levels": {name: list(levels) for name, levels in self.levels.items()}, "fills": dict(self.fills)}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Coding:
        """Of what :meth:`as_stored` gave; KeyError, TypeError or ValueError for anything else."""
        levels = {str(name): tuple(map(str, levels)) for name, levels in stored["levels"].items()}
        fills = {str(name): float(value) for name, value in stored["fills"].items()}
        if not np.isfinite(list(fills.values())).all():
            raise ValueError("a number for missing cells is not finite")
        return cls(levels, fills)


def levels_of(column: str, cells: np.ndarray, *, asked_for: bool) -> tuple[str, ...]:
    """The words of a column of text, sorted; numbers by their size.

    Raises:
        TableError: every cell is missing, or, unless the column was asked for by name, it identifies the row.
    """
    words = set(cells) - {""}
    if not words:
        raise TableError(f"column {column!r} has no cell that is not missing; `--ignore COLUMN`")
    if not asked_for and len(words) > max(_MANY, len(cells) // 2):
        raise TableError(
            f"column {column!r} holds {len(words)} different words in {len(cells)} rows; if it identifies the row, "
            f"`--ignore {column}`, and if not, `--categorical {column}`"
        )
    return tuple(sorted(words, key=float) if all(map(is_number, words)) else sorted(words))
