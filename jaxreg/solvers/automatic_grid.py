"""The automatic λ-grid of a table, without the path."""

from typing import Any

import jax

from jaxreg.solvers.reduced import lambda_grid, prepare

__all__ = ["automatic_grid"]


def automatic_grid(
    X: Any,
    y: Any,
    count: int,
    l1_ratio: Any,
    eps: float | None = None,
    *,
    fit_intercept: bool = True,
    standardize: bool | jax.Array = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
) -> jax.Array:
    """The λ-grid of ``path`` for ``count`` λs, (count,)."""
    data = prepare(X, y, fit_intercept, standardize, sample_weight, penalty_factor, lower, upper)
    return lambda_grid(data, count, l1_ratio, eps)
