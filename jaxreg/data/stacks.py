"""Several data sets in one call: stacked in an array (d, n, p), or a list of tables of different lengths.

Put one below the other they are runs of rows, and every data set is a group.
"""

from typing import Any

import numpy as np

from jaxreg.data.frames import array_of
from jaxreg.data.runs import RunsOfRows, runs_of
from jaxreg.data.sparse import is_sparse
from jaxreg.data.values import refuse_kinds

__all__ = ["taken_apart"]


def taken_apart(by: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any, RunsOfRows | None]:
    """X (n, p), y and weights (n,) of all rows, and the groups, windows or data sets that they are in, if any.

    Raises:
        ValueError: data sets of different columns, or y or weights that are not those of the data sets.
    """
    if not _is_stack(X):
        X, runs = runs_of(by, X)
        return X, y, sample_weight, runs
    refuse_kinds(X, "X")
    if by is not None:
        raise ValueError("X holds several data sets, which are the groups; by= is for one table.")
    tables = [table.toarray() if is_sparse(table) else array_of(table) for table in X]
    columns = [table.shape[1] for table in tables]
    for k, number in enumerate(columns):
        if number != columns[0]:
            raise ValueError(f"data set {k} has {number} columns, and data set 0 has {columns[0]}.")
    n_rows = np.array([len(table) for table in tables])
    stop = np.cumsum(n_rows)
    runs = RunsOfRows(None, stop - n_rows, stop, ("data set",), (np.arange(len(tables)),), True)
    below = lambda values, name: None if values is None else _one_below_the_other(values, n_rows, name)
    return np.concatenate(tables), below(y, "y"), below(sample_weight, "sample_weight"), runs


def _is_stack(X: Any) -> bool:
    if isinstance(X, list | tuple):
        return len(X) > 0 and all(hasattr(table, "shape") and len(table.shape) == 2 for table in X)
    return getattr(X, "ndim", 0) == 3 and X.shape[0] > 0


def _one_below_the_other(values: Any, n_rows: np.ndarray, name: str) -> np.ndarray:
    if len(values) != len(n_rows):
        raise ValueError(
            f"X holds {len(n_rows)} data sets, tables (n, p), and {name} is of {len(values)}; give one of each."
        )
    parts = [array_of(part) for part in values]
    for k, part in enumerate(parts):
        if part.ndim == 0 or len(part) != n_rows[k]:
            raise ValueError(f"{name} of data set {k} has shape {part.shape}; X has {n_rows[k]} rows there.")
    return np.concatenate(parts)
