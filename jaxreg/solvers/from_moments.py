"""A λ-path from moments alone: the cost of a λ does not depend on the number of rows.

:mod:`~jaxreg.solvers.moment_problem` has the problem and its certificate; it is solved in one of ``WAYS``.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers import active_set, homotopy, lam_blocks, lockstep_tables
from jaxreg.solvers.active_set import penalty_at
from jaxreg.solvers.degrees import trace_on_support
from jaxreg.solvers.found import Found, Grid, Settings, lams_of
from jaxreg.solvers.lockstep import LOCKSTEP
from jaxreg.solvers.moment_problem import MomentProblem, Products, as_returned, judge, moment_problem
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.squares import ridge_from_moments
from jaxreg.solvers.support import corrected

__all__ = ["WAYS", "degrees_from_moments", "each_in_cache", "found_from", "path_from_moments", "posed"]

# A lasso from knot to knot, on an accelerator in lockstep, an elastic net by blocks of λs: fast, and given up where
# rounding or columns that depend on each other stand in the way. Newton steps, one λ after the other, serve both.
WAYS: dict[str, Callable[..., Any]] = {
    "knots": homotopy.solve_path,
    "blocks": lam_blocks.solve_path,
    "newton": active_set.solve_path,
    LOCKSTEP: lockstep_tables.solve_path,
}


def path_from_moments(
    total: Moments,
    without: Moments | None,
    grid: Grid,
    settings: Settings,
    unit: Any,
    way: str,
    known: Found | None = None,
) -> Found:
    """Solve, certify and count a path; one compiled program for all options but ``way``.

    Args:
        total: Moments, p of :func:`jaxreg.solvers.active_set.padded` (columns of 0 fill up). without: of the rows that
            are left out, or None.
        grid: Grid, (L, t). settings: Settings of p columns. unit: by how much of the columns' lengths the moments may
            be off, ().
        way: static, one of :data:`WAYS`, or "squares" (:mod:`~jaxreg.solvers.squares`). known: what has been found;
            it is corrected on its supports in place of that.

    Returns:
        Found.
    """
    m = total if without is None else total - without
    if way == "squares":
        return ridge_from_moments(m, grid, settings, unit)
    problem, lams = posed(m, grid, settings)
    solve_path = WAYS[way]

    def one_target(argument: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
        lams, correlation, yy, tau, known = argument
        one = LeastSquares(problem.gram, problem.gram, correlation, yy)
        penalty = problem.unit_penalty(settings, tau)
        if known is not None:
            each = jax.vmap(penalty_at, (0, None))(lams, penalty)
            return corrected(problem.gram, correlation, each, known[0]), known[1]
        return solve_path(one, lams, grid.solved, penalty, settings.tol, settings.max_iter)

    before = None if known is None else (jnp.moveaxis(known.coef * problem.size[None, :, None], 2, 0), known.n_iter.T)
    targets_first = lams.T, problem.correlation.T, problem.yy, problem.y_scale, before
    if len(lams.T) == 1:  # a loop would copy the solutions
        u, n_iter = (v[None] for v in one_target(jax.tree.map(lambda v: v[0], targets_first)))
    else:
        u, n_iter = jax.lax.map(one_target, targets_first)
    count = None if way in ("knots", LOCKSTEP) else jnp.where(settings.degrees, grid.solved, 0)
    return found_from(problem, settings, lams, u, n_iter, unit, count)


def posed(m: Moments, grid: Grid, settings: Settings) -> tuple[MomentProblem, jax.Array]:
    """The problem that moments pose, and its λs, (L, t)."""
    problem = moment_problem(m, settings)
    lams = lams_of(grid, problem.correlation * problem.size[:, None], settings, problem.scale)
    return problem, as_returned(lams, settings)


def found_from(
    problem: MomentProblem,
    settings: Settings,
    lams: jax.Array,
    u: jax.Array,
    n_iter: jax.Array,
    unit: Any,
    count: jax.Array | None,
    products: Products | None = None,
) -> Found:
    """What is returned of solutions `u = d w`, with its certificate.

    Args:
        lams: (L, t). u: (t, L, p). n_iter: (t, L). count: of how many λs degrees of freedom are computed, (), where
            they are not the number of active columns. products: as :func:`~jaxreg.solvers.moment_problem.judge` takes
            them.
    """
    size = problem.size
    coef = as_returned(jnp.moveaxis(u, 0, 2) / size[None, :, None], settings)
    u = coef * size[None, :, None]
    intercept = problem.y_mean[None, :] - jnp.einsum("p,lpt->lt", problem.x_mean, coef)
    intercept = as_returned(jnp.where(settings.fit_intercept, intercept, 0.0), settings)
    judged = judge(problem, settings, lams, Params(intercept, coef), u, unit, products)
    n_nonzero = jnp.sum(u != 0, axis=1)
    df = n_nonzero.astype(u.dtype)
    if count is not None:
        df = _degrees(problem, settings, lams, count, u != 0, df)
    counted = n_iter.T, df, n_nonzero
    return Found(lams, coef, intercept, *counted, problem.scale, problem.variance, problem.y_scale, *judged)


def each_in_cache(finish: Callable[..., Found], *found: Any) -> Found:
    """``finish(*one)`` for each member of a leading axis: on a CPU one after the other, for then what is computed stays
    in its cache; on an accelerator all at once."""
    each = lambda *found: jax.lax.map(lambda one: finish(*one), found)
    return jax.lax.platform_dependent(*found, cpu=each, default=jax.vmap(finish))


def degrees_from_moments(
    m: Moments, settings: Settings, lams: jax.Array, count: jax.Array, inside: jax.Array
) -> jax.Array:
    """Degrees of freedom of elastic nets, (L, t), whose active columns are known.

    Args:
        lams: (L, t), of which the first ``count``, (), are asked. inside: (L, p, t) booleans.
    """
    number = jnp.sum(inside, axis=1).astype(lams.dtype)
    return _degrees(moment_problem(m, settings), settings, lams, count, inside, number)


def _degrees(
    problem: MomentProblem, settings: Settings, lams: jax.Array, count: jax.Array, inside: jax.Array, number: jax.Array
) -> jax.Array:
    """(L, t): without squares the active columns are independent, and df is their number; else one Cholesky a λ."""
    l2 = jax.vmap(lambda tau: problem.unit_penalty(settings, tau).l2, out_axes=1)(problem.y_scale)
    t = inside.shape[2]

    def member(k: jax.Array, df: jax.Array) -> jax.Array:
        l, target = k // t, k % t
        trace = trace_on_support(problem.gram, inside[l, :, target], lams[l, target] * l2[:, target])
        return df.at[l, target].set(trace)

    number = varying_like(number, problem.gram, l2, lams, inside)
    return jax.lax.fori_loop(0, jnp.where(jnp.any(l2 > 0), count * t, 0), member, number)
