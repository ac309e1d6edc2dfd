"""What each of many groups of rows chooses by cross-validation, as one program.

On an accelerator all folds and all rows of all groups are one batch in lockstep; on a CPU, where that took 1.1 to 2
times as long, one group is solved after the other.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.engines.descent import VANISHING
from jaxreg.engines.held_out import ACCURACY, ROUNDINGS
from jaxreg.formulas.moments import Moments, all_but, mean_squared_error
from jaxreg.formulas.moments import moments as moments_of
from jaxreg.formulas.objective import Params
from jaxreg.solvers.found import Found, Grid, Settings
from jaxreg.solvers.from_many_moments import paths_in_lockstep
from jaxreg.solvers.from_moments import path_from_moments, posed
from jaxreg.solvers.in_turn import in_turn
from jaxreg.solvers.lockstep import LOCKSTEP
from jaxreg.sweeps.cross_validate import choices

__all__ = ["ChosenOfGroups", "chosen_of_each"]


class ChosenOfGroups(NamedTuple):
    """Of G groups: lams, mean, se, n_nonzero (G, L); of the two choices, (G, 2): index, intercept, gap, coef (G, 2, p);
    fold_gap, (G,), the largest in the folds; scale, constant (G, p); y_scale (G,)."""

    lams: Any
    mean: Any
    se: Any
    n_nonzero: Any
    index: Any
    coef: Any
    intercept: Any
    gap: Any
    fold_gap: Any
    scale: Any
    constant: Any
    y_scale: Any


def _chosen(
    X: jax.Array, Y: jax.Array, weight: jax.Array, grid: Grid, settings: Settings, unit: jax.Array, way: str
) -> tuple[ChosenOfGroups, jax.Array]:
    """What one group chooses, X (K, m, p), Y (K, m, 1), weight (K, m); and whether all of it stands, ()."""
    K = len(X)
    parts = jax.lax.map(lambda fold: moments_of(*fold), (X, Y, weight))
    total, times = all_but(parts, K)
    whole = path_from_moments(total, None, grid, settings, unit * (1.0 + times), way)
    same = grid._replace(lams=whole.lams, automatic=jnp.zeros((), bool))

    def fold(k: jax.Array) -> Measured:
        training, times = all_but(parts, k)
        found = path_from_moments(training, None, same, settings, unit * (1.0 + times), way)
        return _measured(found, jax.tree.map(lambda v: v[k], parts), grid.solved, settings, way)

    return _concluded(whole, jax.lax.map(fold, jnp.arange(K)), parts.weight, grid.solved, settings, way)


class Measured(NamedTuple):
    """Of a fold: the errors on the rows held out, (L,); the largest gap, and whether all of it stands, ()."""

    error: jax.Array
    gap: jax.Array
    good: jax.Array


def _measured(found: Found, m: Moments, count: jax.Array, settings: Settings, way: str) -> Measured:
    """What is found without the rows of moments m, at the first ``count``, (), of its λs, measured on them."""
    solved = jnp.arange(len(found.lams)) < count
    error = jax.vmap(lambda b, w: mean_squared_error(Params(b, w), m))(found.intercept, found.coef)[:, 0]
    size = jnp.sqrt(jnp.diagonal(m.xx) / m.weight)
    spread = jnp.sqrt(m.yy / m.weight) + jnp.abs(found.coef[:, :, 0]) @ size
    off = ROUNDINGS * jnp.finfo(error.dtype).eps * spread**2
    sure = jnp.all((off <= ACCURACY * error) | ~solved)
    gap = jnp.max(jnp.where(solved, found.gap[:, 0], 0.0))
    return Measured(error, gap, _stands(found, solved, settings, way) & sure)


def _stands(found: Found, solved: jax.Array, settings: Settings, way: str) -> jax.Array:
    settled = found.settled if way == "knots" else found.gap <= settings.tol
    good = settled & (found.rounding <= settings.tol / 10) & (found.n_iter <= settings.max_iter)
    carried = jnp.all((found.variance == 0) | (found.variance > VANISHING))
    return jnp.all(good | ~solved[:, None]) & carried


def _concluded(
    whole: Found, folds: Measured, weight: jax.Array, count: jax.Array, settings: Settings, way: str
) -> tuple[ChosenOfGroups, jax.Array]:
    """Of one group, from the path on all rows and what its K folds have measured, on rows of the weights (K,)."""
    solved = jnp.arange(len(whole.lams)) < count
    errors = jnp.where(solved[:, None], folds.error.T, jnp.inf)
    mean, se, best, one_se = choices(errors[None], weight, whole.lams[None, :, 0])
    index = jnp.stack([best[1], one_se[1]])
    at = lambda v: v[index][..., 0]
    chosen = at(whole.coef), at(whole.intercept), at(whole.gap)
    first = whole.lams[:, 0], mean[0], se[0], whole.n_nonzero[:, 0], index
    of_rows = jnp.max(folds.gap), whole.scale, whole.variance == 0, whole.y_scale[0]
    return ChosenOfGroups(*first, *chosen, *of_rows), jnp.all(folds.good) & _stands(whole, solved, settings, way)


def chosen_of_each(
    X: jax.Array,
    Y: jax.Array,
    weight: jax.Array,
    count: jax.Array,
    grid: Grid,
    settings: Settings,
    unit: jax.Array,
    way: str,
) -> tuple[ChosenOfGroups, jax.Array]:
    """:func:`_chosen` for the first ``count`` of B groups, each of which has λs of its own in the grid, (B, L, 1)."""
    if way == LOCKSTEP:
        return _in_lockstep(X, Y, weight, count, grid, settings, unit)
    one = lambda b: _chosen(X[b], Y[b], weight[b], grid._replace(lams=grid.lams[b]), settings, unit, way)
    return in_turn(one, count, len(X))


def _in_lockstep(
    X: jax.Array, Y: jax.Array, weight: jax.Array, count: jax.Array, grid: Grid, settings: Settings, unit: jax.Array
) -> tuple[ChosenOfGroups, jax.Array]:
    """All folds and all rows of all groups as one batch of paths."""
    B, K = weight.shape[:2]
    parts = jax.vmap(jax.vmap(moments_of))(X, Y, weight)
    each = jax.vmap(jax.vmap(all_but, (None, 0)), (0, None))
    training, more = each(parts, jnp.arange(K + 1))
    total = jax.tree.map(lambda v: v[:, K], training)
    lams = jax.vmap(lambda m, lams: posed(m, grid._replace(lams=lams), settings)[1])(total, grid.lams)
    same = grid._replace(lams=jnp.repeat(lams, K + 1, axis=0), automatic=jnp.zeros((), bool))
    flat = lambda v: v.reshape(B * (K + 1), *v.shape[2:])
    factors = jnp.tile(settings.penalty_factor[None, :], (B * (K + 1), 1))
    given = jax.tree.map(flat, training), factors, count * (K + 1), same, settings, unit * (1.0 + flat(more))
    found = jax.tree.map(lambda v: v.reshape(B, K + 1, *v.shape[1:]), paths_in_lockstep(*given))
    measure = lambda found, m: _measured(found, m, grid.solved, settings, LOCKSTEP)
    measured = jax.vmap(jax.vmap(measure))(jax.tree.map(lambda v: v[:, :K], found), parts)
    conclude = lambda whole, folds, weight: _concluded(whole, folds, weight, grid.solved, settings, LOCKSTEP)
    return jax.vmap(conclude)(jax.tree.map(lambda v: v[:, K], found), measured, parts.weight)
