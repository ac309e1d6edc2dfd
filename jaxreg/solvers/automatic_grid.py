"""The automatic λ-grid of a table, without the path."""

import jax
from jax.typing import ArrayLike

from jaxreg.solvers.reduced import lambda_grid, prepare

__all__ = ["automatic_grid"]


def automatic_grid(
    X: ArrayLike,
    y: ArrayLike,
    count: int,
    l1_ratio: ArrayLike,
    eps: float | None = None,
    *,
    fit_intercept: bool = True,
    standardize: bool | jax.Array = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> jax.Array:
    """The λ-grid of ``path`` for ``count`` λs, (count,)."""
    data = prepare(X, y, fit_intercept, standardize, sample_weight, penalty_factor, lower, upper)
    return lambda_grid(data, count, l1_ratio, eps)
