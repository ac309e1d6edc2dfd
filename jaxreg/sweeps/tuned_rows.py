"""The rows on which :func:`jaxreg.tune` judges hyperparameters, and how their problems are solved there."""

from typing import Any

import jax
import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.solvers.fold_moments import KEPT_BYTES
from jaxreg.solvers.member_paths import WIDE
from jaxreg.solvers.members import MOST_ROWS
from jaxreg.solvers.moments_in_blocks import moments_of_folds
from jaxreg.solvers.reduced import lambda_grid, prepare
from jaxreg.sweeps.criteria import Rows
from jaxreg.sweeps.tuning import Space

__all__ = ["largest_lam", "rows_of", "strategy_for"]


# Compiled.
def _largest(X, y, s, v, rho, *, fit_intercept, standardize):
    return lambda_grid(prepare(X, y, fit_intercept, standardize, s, v, None, None), 1, rho, None)[0]


_largest_program = compiled(_largest, static_argnames=("fit_intercept", "standardize"))
_moments_of_folds = compiled(moments_of_folds)


def largest_lam(problem: Problem) -> float:
    """`λ_max` of all rows; for ridge, which has none, that of `ρ = 0.001`."""
    X, y, weights = np.asarray(problem.X, float), problem.y[:, 0], (problem.sample_weight, problem.penalty_factor)
    options: dict[str, Any] = {"fit_intercept": problem.fit_intercept, "standardize": problem.standardize}
    return float(_largest_program(X, y, *weights, max(problem.l1_ratio, 1e-3), **options))


def rows_of(problem: Problem, space: Space, held_out: np.ndarray | None, sigma2: float | None) -> Rows:
    """On the device of the problem; with the moments of the folds, where no weight of a row moves them.

    Args:
        held_out: (K, n) booleans, or None. sigma2: `σ²`, or None.
    """
    X, kept = np.asarray(problem.X, float), None
    fixed = "sample_weight" not in space.names and space.function is None
    n, p = X.shape
    if fixed and held_out is not None and p <= WIDE * n and 8 * len(held_out) * p * p <= KEPT_BYTES:
        kept = _moments_of_folds(X, problem.y, problem.sample_weight, held_out)
    return jax.device_put(Rows(X, problem.y[:, 0], problem.sample_weight, held_out, sigma2, kept))


def strategy_for(problem: Problem) -> str | None:
    """On a CPU down the λs, which takes penalty factors too."""
    n, p = problem.X.shape
    return "active set" if not on_accelerator(problem.device) and (p <= WIDE * n or n <= MOST_ROWS) else None
