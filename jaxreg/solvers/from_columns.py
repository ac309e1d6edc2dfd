"""A λ-path for `p ≫ n`, from the table itself, column by column (:mod:`~jaxreg.solvers.working_set`).

Means `m_j` and sizes `d_j` are those of the rows that have weight, so the folds of a table share it. With columns that
are centred over all rows beforehand, what is left to subtract in a fold is small, and costs no digits.
"""

import jax
import jax.numpy as jnp

from jaxreg.solvers import lam_blocks, working_set
from jaxreg.solvers.column_table import ColumnTable, RowTable
from jaxreg.solvers.found import Found, Grid, Settings, lams_of
from jaxreg.solvers.reduction import working_penalty

__all__ = ["path_from_columns"]


def path_from_columns(
    features: jax.Array,
    offset: jax.Array,
    Y: jax.Array,
    sample_weight: jax.Array,
    grid: Grid,
    settings: Settings,
    spread: int = 1,
    way: str = "newton",
) -> Found:
    """Solve a path; one compiled program for all options but ``spread`` and ``way``.

    Args:
        features: `Xᵀ` less ``offset``, (p, n); rows and columns of 0 may fill up. offset: (p,); 0 without an intercept.
        Y: (n, t). sample_weight: `s ≥ 0`, (n,), 0 for rows that fill up.
        grid: Grid, (L, t). settings: Settings of p columns. spread: how many times n columns may be active.
        way: static; a lasso from "knots" to knot, an elastic net by "blocks" of λs, either by "newton" steps.

    Returns:
        Found; df is the number of active columns, which is right for the lasso alone.
    """
    rho, v, lower, upper, tol, max_iter, fit_intercept, standardize, *_ = settings
    dtype = features.dtype
    share = sample_weight / jnp.sum(sample_weight)
    mean = features @ share
    variance = jnp.sum((features - mean[:, None]) ** 2 * share[None, :], axis=1)  # a fused loop, no second table
    # Rounding of the mean leaves a column that is constant in these rows a variance of about (ε m)².
    variance = jnp.where(variance > (16 * jnp.finfo(dtype).eps * mean) ** 2, variance, 0.0)
    scale = jnp.sqrt(jnp.where(standardize & (variance > 0), variance, 1.0))
    mean = jnp.where(fit_intercept, mean, 0.0)
    square = variance + jnp.where(fit_intercept, 0.0, (features @ share) ** 2)
    size = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    y_mean = jnp.where(fit_intercept, share @ Y, 0.0)
    root = jnp.sqrt(share)
    targets = root[:, None] * (Y - y_mean[None, :])
    y_variance = share @ (Y - (share @ Y)[None, :]) ** 2
    y_scale = jnp.sqrt(jnp.where(standardize & (y_variance > 0), y_variance, 1.0))
    # A column without variance is as if it were 0.
    table = ColumnTable(features, root, mean, jnp.where(square > 0, size, jnp.sqrt(jnp.finfo(dtype).max)))

    correlation = table.products(targets.T)
    covariance = correlation * size[:, None]
    lams = lams_of(grid, covariance, settings, scale)

    def one_target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
        lams, target, z, tau = argument
        unit = working_penalty(jnp.ones((), dtype), rho, v, scale, size, lower, upper, tau)
        if way == "blocks":
            given = RowTable(table, target), z, jnp.dot(target, target), lams, grid.solved, unit
            most = min(len(z), working_set.capacity(len(target), spread))
            u, n_iter, solved = lam_blocks.solve_path_on(*given, most)
            # The gap is not known: where the conditions of optimality hold it is 0, but for rounding.
            gap = jnp.where(jnp.arange(len(lams), dtype=jnp.int32) < solved, 0.0, jnp.inf).astype(dtype)
            return u / table.size[None, :], gap, n_iter
        by_knots = way == "knots"
        return working_set.solve_path(table, target, z, lams, grid.solved, unit, tol, max_iter, spread, by_knots)

    targets_first = lams.T, targets.T, correlation.T, y_scale
    if len(lams.T) == 1:  # a loop would copy the solutions
        coef, gap, n_iter = (v[None] for v in one_target(tuple(v[0] for v in targets_first)))
    else:
        coef, gap, n_iter = jax.lax.map(one_target, targets_first)
    intercept = y_mean[None, :] - (coef @ (mean + offset)).T
    coef = jnp.moveaxis(coef, 0, 2)
    n_nonzero = jnp.sum(coef != 0, axis=1, dtype=jnp.int32)
    df, settled = n_nonzero.astype(dtype), tol >= gap.T
    judged = gap.T, jnp.full_like(gap.T, jnp.inf), settled  # products with the rows of the table, but in its units
    return Found(lams, coef, intercept, n_iter.T, df, n_nonzero, scale, variance, y_scale, *judged)
