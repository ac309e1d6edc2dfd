"""A λ-path from moments alone: the cost of a λ does not depend on the number of rows.

:mod:`~jaxreg.solvers.moment_problem` has the problem and its certificate; it is solved by
:mod:`~jaxreg.solvers.homotopy` or :mod:`~jaxreg.solvers.active_set`.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers import active_set, homotopy
from jaxreg.solvers.degrees import trace_on_support
from jaxreg.solvers.found import Found, Grid, Settings, lams_of
from jaxreg.solvers.moment_problem import as_returned, judge, moment_problem
from jaxreg.solvers.reduction import LeastSquares

__all__ = ["path_from_moments", "paths_from_moments"]


def path_from_moments(
    total: Moments, without: Moments | None, grid: Grid, settings: Settings, unit: Any, by_knots: bool
) -> Found:
    """Solve, certify and count a path; one compiled program for all options but ``by_knots``.

    Args:
        total: Moments, p of :func:`jaxreg.solvers.active_set.padded` (columns of 0 fill up). without: of the rows that
            are left out, or None.
        grid: Grid, (L, t). settings: Settings of p columns. unit: by how much of the columns' lengths the moments may
            be off, ().
        by_knots: static: from knot to knot, which serves the lasso alone; else by Newton steps.

    Returns:
        Found.
    """
    m = total if without is None else total - without
    problem = moment_problem(m, settings)
    size = problem.size
    lams = as_returned(lams_of(grid, problem.correlation * size[:, None], settings, problem.scale), settings)
    solve_path = homotopy.solve_path if by_knots else active_set.solve_path

    def one_target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        lams, correlation, yy, tau = argument
        one = LeastSquares(problem.gram, problem.gram, correlation, yy)
        penalty = problem.unit_penalty(settings, tau)
        return solve_path(one, lams, grid.solved, penalty, settings.tol, settings.max_iter)

    u, n_iter = jax.lax.map(one_target, (lams.T, problem.correlation.T, problem.yy, problem.y_scale))
    coef = as_returned(jnp.moveaxis(u, 0, 2) / size[None, :, None], settings)
    u = coef * size[None, :, None]
    intercept = problem.y_mean[None, :] - jnp.einsum("p,lpt->lt", problem.x_mean, coef)
    intercept = as_returned(jnp.where(settings.fit_intercept, intercept, 0.0), settings)
    judged = judge(problem, settings, lams, Params(intercept, coef), u, unit)
    n_nonzero = jnp.sum(u != 0, axis=1)
    df = n_nonzero.astype(u.dtype)
    if not by_knots:
        l2 = jax.vmap(lambda tau: problem.unit_penalty(settings, tau).l2, out_axes=1)(problem.y_scale)
        df = _degrees(problem.gram, l2, lams, jnp.where(settings.degrees, grid.solved, 0), u, df)
    counted = n_iter.T, df, n_nonzero
    return Found(lams, coef, intercept, *counted, problem.scale, problem.variance, problem.y_scale, *judged)


def paths_from_moments(
    total: Moments, parts: Moments, count: jax.Array, grid: Grid, settings: Settings, units: jax.Array
) -> Found:
    """:func:`path_from_moments` of a lasso without each of the first ``count``, (), of K parts, in turn.

    Parts, ``units`` and what is returned have a leading axis K.
    """
    K = len(parts.weight)

    def one(k: jax.Array) -> Found:
        return path_from_moments(total, jax.tree.map(lambda v: v[k], parts), grid, settings, units[k], by_knots=True)

    shapes = jax.eval_shape(one, jnp.zeros((), jnp.int32))
    empty = jax.tree.map(lambda v: jnp.zeros((K, *v.shape), v.dtype), shapes)
    write = lambda k, all_found: jax.tree.map(lambda a, v: a.at[k].set(v), all_found, one(k))
    return jax.lax.fori_loop(0, count, write, empty)


def _degrees(
    gram: jax.Array, l2: jax.Array, lams: jax.Array, count: jax.Array, u: jax.Array, number: jax.Array
) -> jax.Array:
    """(L, t): without squares the active columns are independent, and df is their number; else one Cholesky a λ.

    Args:
        l2: the weight of the squares at λ = 1, (p, t).
    """
    t = u.shape[2]

    def member(k: jax.Array, df: jax.Array) -> jax.Array:
        l, target = k // t, k % t
        inside = u[l, :, target] != 0
        return df.at[l, target].set(trace_on_support(gram, inside, lams[l, target] * l2[:, target]))

    number = varying_like(number, gram, l2, lams, u)
    return jax.lax.fori_loop(0, jnp.where(jnp.any(l2 > 0), count * t, 0), member, number)
