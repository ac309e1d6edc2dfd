"""The paths of every fold and of all rows as one compiled program: one after the other, or in lockstep.

A fold k is trained on the rows that it does not hold out: total moments less those of the rows held out,

    M_(−k) = M − M_k          (:mod:`jaxreg.formulas.moments`, formula (2))

so all folds together read every row once, however many they are. Where the subtraction loses too many digits, and for
the engines that do not work on moments, training means weights of 0 on the rows held out. All rows come last, as the
fold that holds out none.

The error on the rows held out is a quadratic form in `M_k`, unless that loses digits; then the rows are asked.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.devices import dividing
from jaxreg.formulas.arrays import change_of, only_if, varying_like
from jaxreg.formulas.moments import Moments, all_but, mean_squared_error
from jaxreg.formulas.objective import Params, squared_error
from jaxreg.precision import full_precision
from jaxreg.solvers.divided import over_members
from jaxreg.solvers.fold_derivatives import errors_from_rows
from jaxreg.solvers.fold_moments import Kept, kept_moments, rest_of, weights_of
from jaxreg.solvers.found import Answer, Arrays, Asked, Found, Known, Smooth, lams_of
from jaxreg.solvers.implicit import moments_that_move, what_moves, with_derivatives
from jaxreg.solvers.member_paths import by_moments, found_in_lockstep, settings_of
from jaxreg.solvers.members import (
    by_moments_alone,
    data_at,
    engine,
    in_lockstep,
    members,
    rows_stay,
    smoothly,
)
from jaxreg.solvers.moment_problem import unit_of
from jaxreg.solvers.reduced import lambda_grid, prepare

__all__ = ["FoldPaths", "fold_paths", "held_out_error"]

# A mean squared error from moments may be off by this share of itself.
ACCURACY = 1e-10


class FoldPaths(NamedTuple):
    """The mean squared errors on the rows held out and the gaps on the others, (K, L, t); and all rows' answer."""

    mse: jax.Array
    gap: jax.Array
    answer: Answer


def fold_paths(asked: Asked, arrays: Arrays, held_out: jax.Array, kept: Kept = None) -> FoldPaths:
    """Train on the rows that each fold does not hold out, and on all.

    Args:
        held_out: (K, n) booleans. kept: what :func:`kept_moments` makes of the same rows and weights; None makes it.
            The others: as in :func:`jaxreg.solvers.members.solve`.
    """
    fixed = jax.lax.stop_gradient(arrays)
    fixed = varying_like(fixed, (fixed, held_out))
    kept = kept_moments(asked, fixed, held_out) if kept is None else kept
    mse, gap, answers = _without_derivatives(asked, fixed, held_out, kept)
    whole = jax.tree.map(lambda v: v[-1], answers)
    mse, smooth = _differentiable(asked, arrays, held_out, mse, whole.smooth, answers.smooth.params, kept)
    return FoldPaths(mse, gap, whole._replace(smooth=smooth))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _differentiable(
    asked: Asked, arrays: Arrays, held_out: jax.Array, mse: jax.Array, whole: Smooth, params: Params, kept: Kept
) -> tuple[jax.Array, Smooth]:
    """``mse`` and ``whole``, with their derivatives; ``params``: of every fold, and of all rows."""
    del asked, arrays, held_out, params, kept
    return mse, whole


@full_precision
def _derivatives(asked: Asked, primals: tuple, tangents: tuple) -> Any:
    given, held_out, mse, whole, params, kept = primals
    moved, changes = what_moves(given, tangents[0])
    fixed = rows_stay(moved)

    def smooth(moved: dict[str, jax.Array]) -> tuple[jax.Array, Smooth]:
        arrays = given._replace(**moved)
        all_rows = smoothly(asked, arrays, whole, kept and kept[0], fixed)

        folds = jax.tree.map(lambda v: v[:-1], params)
        if kept is None or not fixed:
            return mse + change_of(errors_from_rows(asked, arrays, held_out, folds, all_rows.lams, kept)), all_rows

        @jax.checkpoint  # nothing of a fold is kept for the way back
        def one(fold: tuple[jax.Array, Params, Moments]) -> jax.Array:
            held_out, found, part = fold
            train, test = weights_of(arrays, held_out)
            here = arrays._replace(sample_weight=train)
            known = rest_of(kept[0], part, jax.lax.stop_gradient(here)).moments
            smooth = with_derivatives(data_at(asked, here, known), found, all_rows.lams, arrays.l1_ratio, known, True)
            return _quadratic(smooth, moments_that_move(arrays.X, arrays.Y, test, part))

        errors = jax.lax.map(one, (held_out, folds, kept[1]))
        return mse + change_of(errors), all_rows

    return jax.jvp(smooth, (moved,), (changes,))


_differentiable.defjvp(_derivatives, symbolic_zeros=True)


def _without_derivatives(
    asked: Asked, arrays: Arrays, held_out: jax.Array, kept: Kept
) -> tuple[jax.Array, jax.Array, Answer]:
    """Errors and gaps, (K, L, t), and the answers of every fold and of all rows, stacked, (K + 1, ...)."""
    K = len(held_out)
    total, parts = kept or (None, None)
    if arrays.lams is None:
        arrays = arrays._replace(lams=_automatic(asked, arrays, total))
    if by_moments_alone(asked):
        assert parts is not None
        return _from_parts(asked, arrays, parts)

    def member(k: jax.Array) -> tuple[Arrays, jax.Array, Moments | None, Known | None]:
        """What trains, the weights to measure with, the moments of these rows, and those of the others."""
        fold = jnp.where(k < K, held_out[jnp.minimum(k, K - 1)], False)
        train, test = weights_of(arrays, fold)
        here = arrays._replace(sample_weight=train)
        if total is None or parts is None:
            return here, test, None, None
        part = jax.tree.map(lambda v: jnp.where(k < K, v[jnp.minimum(k, K - 1)], 0.0), parts)
        return here, test, part, rest_of(total, part, here)

    def one(argument: tuple[jax.Array, Found | None]) -> tuple[jax.Array, jax.Array, Answer]:
        here, test, part, rest = member(argument[0])
        answer = members(asked, here, rest, argument[1])
        if part is None:
            return held_out_error(answer.smooth.params, arrays.X, arrays.Y, test), answer.gap, answer
        return _error(answer.smooth.params, part, here, test), answer.gap, answer

    each, found = jnp.arange(K + 1, dtype=jnp.int32), None
    if in_lockstep(asked, arrays) and (kept is not None or engine(asked, arrays) == "columns"):

        def train(k: jax.Array) -> tuple[Any, Known | None]:
            here, _, _, rest = member(k)
            return here.sample_weight, rest

        found = found_in_lockstep(asked, arrays, *jax.lax.map(train, each))
    elif kept is not None and dividing() > 1:  # else one after the other, each with its certificate
        found = _shared_out(asked, arrays, jax.lax.map(lambda k: member(k)[3], each))
    mse, gap, answers = jax.lax.map(one, (each, found))
    return mse[:K], gap[:K], answers


def _shared_out(asked: Asked, a: Arrays, rests: Known | None) -> Found:
    """The path of each member from its moments, on several devices; no rows go with it."""
    shape: Any = lambda v: jax.ShapeDtypeStruct(v.shape, v.dtype)
    nothing: Any = None
    without_rows = a._replace(X=nothing, Y=nothing, sample_weight=None)

    def some(rests: Known, without_rows: Arrays) -> Found:
        here = without_rows._replace(X=shape(a.X), Y=shape(a.Y))
        return jax.lax.map(lambda rest: by_moments(asked, here, rest)[0], rests)

    return over_members(some, rests, without_rows)


def _from_parts(asked: Asked, arrays: Arrays, parts: Moments) -> tuple[jax.Array, jax.Array, Answer]:
    """The same, of moments alone: those of a training part are those of the other folds together. Where the error on
    the rows held out is not known well enough, the gap is ∞."""
    K = len(parts.weight)
    training, more = jax.vmap(all_but, (None, 0))(parts, jnp.arange(K + 1))
    known = Known(training, 1.0 + more)
    found = found_in_lockstep(asked, arrays, jnp.zeros((K + 1, len(arrays.X)), arrays.Y.dtype), known)
    answers = jax.vmap(lambda known, found: members(asked, arrays, known, found))(known, found)
    mse, sure = jax.vmap(partial(_from_moments, arrays))(jax.tree.map(lambda v: v[:K], answers.smooth.params), parts)
    return mse, jnp.where(sure, answers.gap[:K], jnp.inf), answers


def _automatic(asked: Asked, a: Arrays, total: Moments | None) -> jax.Array:
    """The automatic grid of all rows, (L, t)."""
    count, t = asked.count, a.Y.shape[1]
    assert count is not None
    if total is None:
        weights = a.sample_weight, a.penalty_factor, a.lower, a.upper
        data = prepare(a.X, a.Y, asked.fit_intercept, asked.standardize, *weights)
        return jnp.broadcast_to(lambda_grid(data, count, a.l1_ratio, a.eps)[:, None], (count, t))
    return lams_of_moments(asked, a, total)


def _error(params: Params, part: Moments, a: Arrays, test: jax.Array) -> jax.Array:
    """The mean squared error of every model on the rows of a part, (L, t)."""
    error, sure = _from_moments(a, params, part)
    from_rows = lambda _: held_out_error(params, a.X, a.Y, test)
    return only_if(~jnp.all(sure) & (part.weight > 0), from_rows, error)


def _from_moments(a: Arrays, params: Params, part: Moments) -> tuple[jax.Array, jax.Array]:
    """The error as the moments have it, and whether it is accurate, each (L, t)."""
    weight = jnp.where(part.weight > 0, part.weight, 1.0)
    error = _quadratic(params, part)
    size = jnp.sqrt(jnp.diagonal(part.xx) / weight)
    spread = jnp.sqrt(part.yy / weight)[None, :] + jnp.einsum("p,lpt->lt", size, jnp.abs(params.coef))
    return error, unit_of(a.X.shape[0], error.dtype) * spread**2 <= ACCURACY * error


def _quadratic(params: Params, part: Moments) -> jax.Array:
    """The mean squared error of every model on the rows of a part, as the moments have it, (L, t)."""
    weight = jnp.where(part.weight > 0, part.weight, 1.0)
    return jax.vmap(mean_squared_error, (0, None))(params, part._replace(weight=weight))


def held_out_error(params: Params, X: jax.Array, Y: jax.Array, weight: jax.Array) -> jax.Array:
    """`Σ_i s_i (y_i − ŷ_i)² / Σs` of every model on the rows of weight `s > 0`, (L, t).

    Args:
        params: coef (L, p, t), intercept (L, t). X: (n, p), Y: (n, t). weight: s, (n,).
    """
    model = lambda params: 2.0 * squared_error(params, X, Y, sample_weight=weight)
    return jax.lax.map(model, params)


def lams_of_moments(asked: Asked, a: Arrays, m: Moments) -> jax.Array:
    """The automatic grid, (L, t), from moments."""
    grid, settings = settings_of(asked, a._replace(lams=None), a.X.shape[1])
    variance = jnp.diagonal(m.xx) / m.weight
    scale = jnp.sqrt(jnp.where(asked.standardize & (variance > 0), variance, 1.0))
    covariance = m.xy / m.weight
    if not asked.fit_intercept:
        covariance = covariance + m.x_mean[:, None] * m.y_mean[None, :]
    return lams_of(grid, covariance, settings, scale)
