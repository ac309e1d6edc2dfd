"""Least squares on the supports of a path, each support once, from the moments of the columns that are ever used.

Where these do not carry it (columns of a support that depend on each other, or as many as rows), the rows are asked,
for the solution of least norm.
"""

from typing import Any

import numpy as np

from jaxreg.data.members import UNIT
from jaxreg.data.problem import Problem
from jaxreg.data.row_blocks import block_moments
from jaxreg.data.sparse import is_sparse
from jaxreg.engines.order import settings_of
from jaxreg.precision import computing, host
from jaxreg.programs import compiled
from jaxreg.solvers.relaxed import Refit, least_squares_on

__all__ = ["refits"]

_program = compiled(least_squares_on)
# Supports that are solved by one call.
TOGETHER = 8


def refits(problem: Problem, coef: np.ndarray) -> Refit:
    """Least squares on the columns that are not 0.

    Args:
        problem: of one target. coef: (L, p) of a path.

    Returns:
        coef (L, p), intercept (L,) and gap (L,), NumPy arrays of float64.
    """
    supports, place = np.unique(coef != 0, axis=0, return_inverse=True)
    place, used = place.reshape(-1), supports.any(axis=0)
    inside = supports[:, used] if used.any() else supports[:, :1]
    X: Any = problem.X[:, used] if used.any() else problem.X[:, :1]
    X = X.toarray() if is_sparse(X) else X
    m = block_moments(X, problem.y, problem.sample_weight, None)
    asked = settings_of(problem._replace(penalty_factor=None), len(m.x_mean))
    D, p = inside.shape
    found = Refit(np.zeros((D, p)), np.zeros(D), np.zeros(D))
    with computing(True, host()):
        for some in _by_size(inside):
            filled = np.zeros((TOGETHER, len(m.x_mean)), bool)
            filled[: len(some), :p] = inside[some]
            coef, *others = (np.asarray(v)[: len(some)] for v in _program(m, asked, filled, np.float64(UNIT)))
            for all_of, those in zip(found, (coef[:, :p], *others), strict=True):
                all_of[some] = those
    for d in np.flatnonzero(~(found.gap <= problem.tol)).tolist():
        _on_rows(problem, X, inside[d], found, d)
    whole = np.zeros((D, len(used)))
    whole[:, used] = found.coef[:, : used.sum()]
    return Refit(whole[place], found.intercept[place], found.gap[place])


def _by_size(inside: np.ndarray) -> list[np.ndarray]:
    """The numbers of supports, so many of about one size at a time: what one of them costs grows with its cube."""
    order = np.argsort(inside.sum(axis=1), kind="stable")
    return np.split(order, range(TOGETHER, len(order), TOGETHER))


def _on_rows(problem: Problem, X: np.ndarray, inside: np.ndarray, found: Refit, d: int) -> None:
    """Support number d again, by singular values of its rows; what is left to gain is what the residual has of them."""
    share = problem.weights / problem.weights.sum()
    root, X, y = np.sqrt(share)[:, None], X[:, inside].astype(float), problem.y[:, 0]
    x_mean, y_mean = (share @ X, share @ y) if problem.fit_intercept else (np.zeros(X.shape[1]), 0.0)
    Z, target = root * (X - x_mean), root[:, 0] * (y - y_mean)
    size = np.sqrt(np.einsum("ij,ij->j", Z, Z))
    Z = Z / np.where(size > 0, size, 1.0)
    least = max(Z.shape) * np.finfo(float).eps
    u = np.linalg.lstsq(Z, target, rcond=least)[0]
    left = Z @ np.linalg.lstsq(Z, target - Z @ u, rcond=least)[0]
    found.coef[d], found.coef[d, inside] = 0.0, u / np.where(size > 0, size, 1.0)
    found.intercept[d] = y_mean - x_mean @ found.coef[d, inside]
    yy = target @ target
    found.gap[d] = 0.5 * (left @ left) / (yy if yy > 0 else 1.0)
