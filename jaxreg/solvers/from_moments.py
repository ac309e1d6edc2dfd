"""A λ-path from moments alone: the cost of a λ does not depend on the number of rows.

:mod:`~jaxreg.solvers.moment_problem` has the problem and its certificate; it is solved in one of ``WAYS``.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.moments import Moments, all_but, moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers import active_set, homotopy, lam_blocks
from jaxreg.solvers.active_set import penalty_at
from jaxreg.solvers.degrees import trace_on_support
from jaxreg.solvers.found import Found, Grid, Settings, lams_of
from jaxreg.solvers.in_turn import in_turn
from jaxreg.solvers.moment_problem import MomentProblem, as_returned, judge, moment_problem
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.squares import ridge_from_moments
from jaxreg.solvers.support import corrected

__all__ = [
    "WAYS",
    "degrees_from_moments",
    "fold_paths_of_weights",
    "path_from_moments",
    "paths_from_moments",
    "paths_of_weights",
]

# A lasso from knot to knot, an elastic net by blocks of λs: fast, and given up where rounding or columns
# that depend on each other stand in the way. Newton steps, one λ after the other, serve both.
WAYS: dict[str, Callable[..., Any]] = {
    "knots": homotopy.solve_path,
    "blocks": lam_blocks.solve_path,
    "newton": active_set.solve_path,
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
    problem = moment_problem(m, settings)
    size = problem.size
    lams = as_returned(lams_of(grid, problem.correlation * size[:, None], settings, problem.scale), settings)
    solve_path = WAYS[way]

    def one_target(argument: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
        lams, correlation, yy, tau, known = argument
        one = LeastSquares(problem.gram, problem.gram, correlation, yy)
        penalty = problem.unit_penalty(settings, tau)
        if known is not None:
            each = jax.vmap(penalty_at, (0, None))(lams, penalty)
            return corrected(problem.gram, correlation, each, known[0]), known[1]
        return solve_path(one, lams, grid.solved, penalty, settings.tol, settings.max_iter)

    before = None if known is None else (jnp.moveaxis(known.coef * size[None, :, None], 2, 0), known.n_iter.T)
    targets_first = lams.T, problem.correlation.T, problem.yy, problem.y_scale, before
    if len(lams.T) == 1:  # a loop would copy the solutions
        u, n_iter = (v[None] for v in one_target(jax.tree.map(lambda v: v[0], targets_first)))
    else:
        u, n_iter = jax.lax.map(one_target, targets_first)
    coef = as_returned(jnp.moveaxis(u, 0, 2) / size[None, :, None], settings)
    u = coef * size[None, :, None]
    intercept = problem.y_mean[None, :] - jnp.einsum("p,lpt->lt", problem.x_mean, coef)
    intercept = as_returned(jnp.where(settings.fit_intercept, intercept, 0.0), settings)
    judged = judge(problem, settings, lams, Params(intercept, coef), u, unit)
    n_nonzero = jnp.sum(u != 0, axis=1)
    df = n_nonzero.astype(u.dtype)
    if way != "knots":
        df = _degrees(problem, settings, lams, jnp.where(settings.degrees, grid.solved, 0), u != 0, df)
    counted = n_iter.T, df, n_nonzero
    return Found(lams, coef, intercept, *counted, problem.scale, problem.variance, problem.y_scale, *judged)


def paths_from_moments(
    total: Moments, parts: Moments, count: jax.Array, grid: Grid, settings: Settings, units: jax.Array, way: str
) -> Found:
    """:func:`path_from_moments` without each of the first ``count``, (), of K parts, in turn.

    Parts, ``units`` and what is returned have a leading axis K.
    """

    def one(k: jax.Array) -> Found:
        return path_from_moments(total, jax.tree.map(lambda v: v[k], parts), grid, settings, units[k], way)

    return in_turn(one, count, len(parts.weight))


def paths_of_weights(
    X: jax.Array,
    Y: jax.Array,
    weights: jax.Array,
    factors: jax.Array,
    count: jax.Array,
    grid: Grid,
    settings: Settings,
    unit: jax.Array,
    way: str,
) -> Found:
    """:func:`path_from_moments` of the rows with each of the first ``count``, (), of B sets of weights, in turn.

    Args:
        X: (n, p), p padded. Y: (n, t). weights: (B, n). factors: (B, p), in place of the settings' penalty factors.
            unit: of the moments, ().

    Returns:
        Found, with a leading axis B.
    """

    def one(b: jax.Array) -> Found:
        own = settings._replace(penalty_factor=factors[b])
        return path_from_moments(moments(X, Y, weights[b]), None, grid, own, unit, way)

    return in_turn(one, count, len(weights))


def fold_paths_of_weights(
    X: jax.Array,
    Y: jax.Array,
    weights: jax.Array,
    count: jax.Array,
    grid: Grid,
    settings: Settings,
    unit: jax.Array,
    way: str,
) -> tuple[Found, Moments]:
    """Of each of the first ``count``, (), of B sets of weights: the paths without each of K folds, and of all rows.

    The rows are read once a set of weights, fold by fold; the moments of a training part are those of the other folds
    together.

    Args:
        X: (K, m, p), p padded, the rows of each fold. Y: (K, m, t). weights: (B, K, m), 0 for rows that fill up.
        unit: of moments that are read, ().

    Returns:
        Found, with leading axes (B, K + 1), all rows last; and the folds' moments, (B, K).
    """

    def one(b: jax.Array) -> tuple[Found, Moments]:
        parts = jax.lax.map(lambda fold: moments(*fold), (X, Y, weights[b]))

        def without(k: jax.Array) -> Found:
            training, times = all_but(parts, k)
            return path_from_moments(training, None, grid, settings, unit * (1.0 + times), way)

        return jax.lax.map(without, jnp.arange(len(X) + 1)), parts

    return in_turn(one, count, len(weights))


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
