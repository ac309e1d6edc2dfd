"""Folds and choices, as scikit-learn makes them: every fold counts the same, and ties go to the larger penalty."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg.precision import computing
from jaxreg.sweeps.cross_validate import mean_and_standard_error

__all__ = ["choose", "split_rows"]


def split_rows(cv: Any, X: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The row numbers (train, test) of every fold of a scikit-learn splitter."""

    def numbers(rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)

    splits = [(numbers(train), numbers(test)) for train, test in cv.split(X, y, **params)]
    if not splits:
        raise ValueError(f"cv={cv!r} gives no fold; at least one is needed.")
    return splits


def choose(errors: np.ndarray, one_se: bool) -> tuple[int, int]:
    """The positions (ρ, λ) of the least mean error, or of the first λ at its ρ within one standard error of it.

    Args:
        errors: (R, L, K), λs from the largest down.
    """
    mean = errors.mean(axis=2)
    r, l = np.unravel_index(int(np.argmin(np.where(np.isnan(mean), np.inf, mean))), mean.shape)
    if one_se:
        folds = errors.shape[2]
        if folds < 2:
            raise ValueError("one_se=True needs at least two folds: one gives no standard error.")
        with computing(True, None):
            table = jnp.asarray(errors, jnp.float64)
            mean, se = (np.asarray(v) for v in mean_and_standard_error(table, jnp.ones(folds)))
        l = np.argmax(mean[r] <= mean[r, l] + se[r, l])
    return int(r), int(l)
