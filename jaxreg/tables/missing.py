"""Missing cells: refused, left out with their rows, or filled in with the mean or median of their column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jaxreg.tables.errors import TableError, counted, listed
from jaxreg.tables.table import Cells

__all__ = ["FILLED", "filled", "fills_of", "in_columns", "places_in_words", "without_missing"]

FILLED: dict[str, Callable[..., np.ndarray]] = {"mean": np.nanmean, "median": np.nanmedian}


def without_missing(
    cells: Cells, missing: str, kept: Sequence[str], complete: Sequence[str]
) -> tuple[Cells, np.ndarray]:
    """The rows that stay, and the places of those that were left out.

    Args:
        missing: "error", "drop", or anything else where missing cells are filled in afterwards.
        kept: columns of text whose cells may be missing. complete: columns in which none is filled in: where the others
            are, rows in which one of these is missing are left out.

    Raises:
        TableError: a cell is missing that must not be, or no row is left.
    """
    if not len(cells.values):
        raise TableError("no rows: the file holds column names and nothing else")
    absent = {name: np.isnan(cells.values[:, j]) for j, name in enumerate(cells.numeric)}
    absent |= {name: words == "" for name, words in cells.words.items() if name in complete or name not in kept}
    counted_in = [
        name for name in cells.columns if name in absent and (missing in ("error", "drop") or name in complete)
    ]
    holes = {name: int(absent[name].sum()) for name in counted_in if absent[name].any()}
    if not holes:
        return cells, cells.places[:0]
    incomplete = np.any([absent[name] for name in holes], axis=0)
    found = in_columns(counted(sum(holes.values()), "missing cell"), holes)
    if missing == "error":
        first = cells.places[np.argmax(incomplete)]
        raise TableError(
            f"{found}, the first on {cells.unit} {first}; fill them in, leave their rows out with `--na drop`, or take "
            "the mean or median of their column with `--na mean` or `--na median`"
        )
    if incomplete.all():
        raise TableError(f"no rows are left: every row has a missing cell ({found})")
    stay = ~incomplete
    words = {name: column[stay] for name, column in cells.words.items()}
    return cells._replace(values=cells.values[stay], words=words, places=cells.places[stay]), cells.places[incomplete]


def in_columns(what: str, counts: dict[str, int]) -> str:
    """3 missing cells in columns 'a' (2), 'b' (1)."""
    return f"{what} in column{'s' * (len(counts) > 1)} {listed([f'{name!r} ({n})' for name, n in counts.items()])}"


def fills_of(columns: Sequence[str], values: np.ndarray, how: str, complete: Sequence[str]) -> dict[str, float]:
    """The mean or median of what is there, for each column in which missing cells are filled in.

    Raises:
        TableError: a column in which every cell is missing.
    """
    for j, name in enumerate(columns):
        if np.isnan(values[:, j]).all():
            raise TableError(f"column {name!r} has no cell that is not missing; `--ignore COLUMN`")
    middle = FILLED[how](values, axis=0)
    return {name: float(value) for name, value in zip(columns, middle, strict=True) if name not in complete}


def filled(names: Sequence[str], values: np.ndarray, fills: Mapping[str, float]) -> tuple[np.ndarray, dict[str, int]]:
    """The values without missing cells, and how many of each column were filled in.

    Raises:
        TableError: a column with missing cells for which there is no number.
    """
    absent = np.isnan(values)
    holes = {name: int(absent[:, j].sum()) for j, name in enumerate(names) if absent[:, j].any()}
    for name in holes:
        if name not in fills:
            raise TableError(f"column {name!r} has missing cells, and the model has no number for them; `--na drop`")
    return np.where(absent, [fills.get(name, np.nan) for name in names], values), holes


def places_in_words(places: np.ndarray, unit: str) -> str:
    """lines 3, 17, 40 and 12 more."""
    return f"{unit}{'s' * (len(places) > 1)} {listed([str(place) for place in places], 10)}"
