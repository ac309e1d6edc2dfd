"""Rows for a prediction: their columns must be those of the fit."""

from typing import Any

import numpy as np

from jaxreg.data.inputs import check_matrix, feature_names_of

__all__ = ["new_rows"]


def new_rows(X: Any, names: tuple[str, ...] | None, p: int) -> np.ndarray:
    """X as a checked (n, p) array whose columns are those of the fit."""
    given = feature_names_of(X)
    if given is not None and names is not None and given != names:
        if set(given) != set(names):
            lacks, unknown = _beside(names, given), _beside(given, names)
            raise ValueError(f"X lacks the columns {lacks} and has the unknown columns {unknown}.")
        raise ValueError("X has the right columns in another order; select them in the order of the fit first.")
    rows = check_matrix(X, sparse=True)
    if rows.shape[1] != p:
        raise ValueError(f"X has {rows.shape[1]} columns, but the model was fitted on {p}.")
    return rows


def _beside(names: tuple[str, ...], others: tuple[str, ...], most: int = 20) -> str:
    """The names that are not among the others; of very many only the first."""
    known = set(others)
    found = [name for name in names if name not in known]
    return str(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
