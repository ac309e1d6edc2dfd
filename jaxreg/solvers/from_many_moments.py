"""The paths of many members, each from moments of its own: folds, resamples, groups.

In lockstep (:mod:`~jaxreg.solvers.lockstep`) the members are a leading axis of all arrays. In the other ways they are
solved one after the other (:mod:`~jaxreg.solvers.from_moments`), by the turns of a loop in one program.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.moments import Moments, all_but, moments
from jaxreg.solvers.divided import over_members
from jaxreg.solvers.found import Found, Grid, Settings
from jaxreg.solvers.from_moments import each_in_cache, found_from, path_from_moments, posed
from jaxreg.solvers.in_turn import in_turn
from jaxreg.solvers.lockstep import LOCKSTEP, solve_paths
from jaxreg.solvers.lockstep_tables import grams
from jaxreg.solvers.moment_problem import MomentProblem
from jaxreg.solvers.weighted_moments import moments_of_weights, moments_with_weight

__all__ = [
    "fold_paths_of_weights",
    "paths_from_moments",
    "paths_in_lockstep",
    "paths_of_weights",
]


def paths_in_lockstep(m: Moments, factors: jax.Array, count: Any, grid: Grid, settings: Settings, unit: Any) -> Found:
    """The lassos' paths of the first ``count``, (), of B members.

    Args:
        m: with a leading axis B. factors: penalty factors, (B, p), in place of those of the settings. grid: its λs
            (L, t), or of each member, (B, L, t). unit: by how much of the columns' lengths the moments may be off,
            (B,).

    Returns:
        Found, with a leading axis B.
    """
    (B, p, t), L = m.xy.shape, grid.lams.shape[-2]
    own = lambda factors: settings._replace(penalty_factor=factors)

    def pose(m: Moments, factors: jax.Array, lams: jax.Array) -> tuple[MomentProblem, jax.Array, Penalty]:
        problem, lams = posed(m, grid._replace(lams=lams), own(factors))
        return problem, lams, jax.vmap(lambda tau: problem.unit_penalty(own(factors), tau))(problem.y_scale)

    problem, lams, penalty = jax.vmap(pose)(m, factors, jnp.broadcast_to(grid.lams, (B, L, t)))
    # Every target of every member is a path.
    gram = problem.gram if t == 1 else jnp.repeat(problem.gram, t, axis=0)
    correlation, each = (jnp.swapaxes(v, 1, 2).reshape(B * t, -1) for v in (problem.correlation, lams))
    penalty = jax.tree.map(lambda v: v.reshape(B * t, p), penalty)
    end = jnp.repeat(jnp.where(_first(count, B), grid.solved, 0), t)
    solve = lambda members, _: solve_paths(grams(members[0]), *members[1:])
    u, n_iter = over_members(solve, (gram, correlation, each, end, penalty))

    def finish(problem: MomentProblem, factors: jax.Array, lams: Any, u: Any, n_iter: Any, unit: Any) -> Found:
        return found_from(problem, own(factors), lams, u, n_iter, unit, None)

    found = problem, factors, lams, u.reshape(B, t, L, p), n_iter.reshape(B, t, L), unit
    return each_in_cache(finish, *found)


def paths_from_moments(
    total: Moments, parts: Moments, count: jax.Array, grid: Grid, settings: Settings, units: jax.Array, way: str
) -> Found:
    """A path without each of the first ``count``, (), of K parts.

    Parts, ``units`` and what is returned have a leading axis K.
    """
    if way == LOCKSTEP:
        training = jax.vmap(lambda part: total - part)(parts)
        factors = jnp.tile(settings.penalty_factor[None, :], (len(units), 1))
        return paths_in_lockstep(training, factors, count, grid, settings, units)

    def some(members: Any, shared: Any) -> Found:
        (total, grid, settings), (parts, units, here) = shared, members
        one = lambda k: path_from_moments(total, jax.tree.map(lambda v: v[k], parts), grid, settings, units[k], way)
        return in_turn(one, jnp.sum(here, dtype=jnp.int32), len(units))

    return over_members(some, (parts, units, _first(count, len(units))), (total, grid, settings))


def _first(count: Any, members: int) -> jax.Array:
    """Whether a member is one of the first so many, (B,)."""
    return jnp.arange(members, dtype=jnp.int32) < jnp.asarray(count).astype(jnp.int32)


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
    most: int,
) -> Found:
    """A path of the rows with each of the first ``count``, (), of B sets of weights.

    Args:
        X: (n, p), of as many columns as the settings. Y: (n, t). weights: (B, n). factors: (B, p), in place of the
            settings' penalty factors. unit: of the moments, (). way, most: static; rows that have weight in a member.

    Returns:
        Found, with a leading axis B.
    """

    def some(members: Any, shared: Any) -> Found:
        (X, Y, grid, settings, unit), (weights, factors, here) = shared, members
        count = jnp.sum(here, dtype=jnp.int32)
        if way == LOCKSTEP:
            m, times = moments_of_weights(X, Y, weights, most)
            return paths_in_lockstep(m, factors, count, grid, settings, unit * times)

        def one(b: jax.Array) -> Found:
            own = settings._replace(penalty_factor=factors[b])
            return path_from_moments(moments_with_weight(X, Y, weights[b], most), None, grid, own, unit, way)

        return in_turn(one, count, len(weights))

    return over_members(some, (weights, factors, _first(count, len(weights))), (X, Y, grid, settings, unit))


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
        X: (K, m, p), p as in the settings, the rows of each fold. Y: (K, m, t). weights: (B, K, m), 0 for rows that
            fill up. unit: of moments that are read, ().

    Returns:
        Found, with leading axes (B, K + 1), all rows last; and the folds' moments, (B, K).
    """
    some = partial(_fold_paths_of_weights, way)
    return over_members(some, (weights, _first(count, len(weights))), (X, Y, grid, settings, unit))


def _fold_paths_of_weights(way: str, members: Any, shared: Any) -> tuple[Found, Moments]:
    (weights, here), (X, Y, grid, settings, unit) = members, shared
    B, K, count = len(weights), len(X), jnp.sum(here, dtype=jnp.int32)
    if way == LOCKSTEP:
        of_fold = lambda X, Y, weights: moments_of_weights(X, Y, weights, X.shape[0])
        parts, times = jax.vmap(of_fold, (0, 0, 1), 1)(X, Y, weights)
        each = jax.vmap(all_but, (None, 0))
        training, more = jax.vmap(each, (0, None))(parts, jnp.arange(K + 1))
        units = unit * (jnp.max(times, axis=1)[:, None] + more)
        flat = lambda v: v.reshape(B * (K + 1), *v.shape[2:])
        factors = jnp.tile(settings.penalty_factor[None, :], (B * (K + 1), 1))
        of_all = jax.tree.map(flat, training), factors, count * (K + 1), grid, settings, flat(units)
        return jax.tree.map(lambda v: v.reshape(B, K + 1, *v.shape[1:]), paths_in_lockstep(*of_all)), parts

    def one(b: jax.Array) -> tuple[Found, Moments]:
        parts = jax.lax.map(lambda fold: moments(*fold), (X, Y, weights[b]))

        def without(k: jax.Array) -> Found:
            training, times = all_but(parts, k)
            return path_from_moments(training, None, grid, settings, unit * (1.0 + times), way)

        return jax.lax.map(without, jnp.arange(K + 1)), parts

    return in_turn(one, count, B)
