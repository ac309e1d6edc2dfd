"""The members of one problem, a (λ, target) pair each: who solves them, their certificate and their derivatives.

The members share X, so what is read from it is read once. In this order, the first that can:

1. *moments*, from knot to knot (lasso) or by Newton steps, at the cost of `p²` a step
   (:mod:`~jaxreg.solvers.from_moments`): `p ≤ 2n`;
2. *columns*, the same inside a working set (:mod:`~jaxreg.solvers.from_columns`): `p > 2n`, `n ≤ 2048`;
3. *reduced*, all others, in closed form or by FISTA (:mod:`~jaxreg.solvers.reduced`).

The first two go down the λs one after the other, which serves a CPU, and a lasso on an accelerator from knot to knot,
all members in lockstep (:mod:`~jaxreg.solvers.lockstep`). They have no bounds; they have penalty factors, all above 0
and finite, where the strategy "active set" is asked for, and leave others to the third. These are the programs
that the host functions run as well. The device of the call decides: that on which X lies; under the user's ``jit``,
where X lies nowhere yet, the one that ``jax.default_device`` names, or JAX's default.

By the strategy "moments", which :mod:`jaxreg.device_tables` asks for where it knows that it suits, a lasso is solved in
lockstep from moments and never from the rows: a program that holds no other copy of the table, which may be of float32,
and reads it in blocks. There λs are above 0, factors above 0 and finite, and bounds 0 or infinite; a gap that moments
do not know well enough is ∞.

A gap is computed from the moments where a bound on their rounding is below a tenth of the tolerance, else from X. What
is not within the tolerance is improved by FISTA.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.devices import dividing
from jaxreg.formulas.arrays import change_of, only_if, row_of, varying_like, without_columns
from jaxreg.formulas.moments import Moments, moments
from jaxreg.formulas.objective import Params
from jaxreg.precision import full_precision, on_accelerator
from jaxreg.solvers.degrees import degrees_of_freedom
from jaxreg.solvers.found import Answer, Arrays, Asked, Found, Known, Smooth
from jaxreg.solvers.implicit import data_of, moments_that_move, what_moves, with_derivatives
from jaxreg.solvers.member_paths import WIDE, by_columns, by_moments, one_in_lockstep, order_of
from jaxreg.solvers.moments_in_blocks import moments_in_blocks
from jaxreg.solvers.reduced import (
    CERTIFY,
    END,
    UNPENALISED,
    Members,
    lambda_grid,
    prepare,
    settle,
    solve_without_derivatives,
)
from jaxreg.solvers.reduction import Data
from jaxreg.solvers.row_solvers import Solver, fista_in_turn

__all__ = [
    "MOMENTS",
    "MOST_ROWS",
    "by_moments_alone",
    "data_at",
    "engine",
    "in_lockstep",
    "members",
    "rows_stay",
    "smoothly",
    "solve",
]

# The strategy that asks for moments and nothing else.
MOMENTS = "moments"
# More rows make the working set's own matrices larger than the table's products are worth.
MOST_ROWS = 2048


def solve(asked: Asked, arrays: Arrays) -> Answer:
    """Every member with its certificate and its derivatives."""
    fixed = jax.lax.stop_gradient(arrays)
    fixed = varying_like(fixed, fixed)
    known = None
    if by_moments_alone(asked):
        known = moments_in_blocks(fixed.X, fixed.Y, fixed.sample_weight)
    elif engine(asked, fixed) == "moments":
        X, _ = without_columns(fixed.X, fixed.penalty_factor)
        known = Known(moments(X, fixed.Y, fixed.sample_weight), jnp.ones((), X.dtype))
    answer = members(asked, fixed, known)
    return answer._replace(smooth=_differentiable(asked, arrays, answer.smooth, known and known.moments))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _differentiable(asked: Asked, arrays: Arrays, found: Smooth, known: Moments | None) -> Smooth:
    """``found``, with the derivatives of a solution. Where none is asked for it costs nothing."""
    del asked, arrays, known
    return found


@full_precision
def _derivatives(asked: Asked, primals: tuple, tangents: tuple) -> tuple[Smooth, Smooth]:
    arrays, found, known = primals
    moved, changes = what_moves(arrays, tangents[0])
    smooth = lambda moved: smoothly(asked, arrays._replace(**moved), found, known, rows_stay(moved))
    return jax.jvp(smooth, (moved,), (changes,))


_differentiable.defjvp(_derivatives, symbolic_zeros=True)


def rows_stay(moved: dict[str, jax.Array]) -> bool:
    """Whether neither rows nor weights move, so that moments are all that derivatives need."""
    return not {"X", "Y", "sample_weight"} & set(moved)


def smoothly(asked: Asked, arrays: Arrays, found: Smooth, known: Moments | None, fixed: bool) -> Smooth:
    """``found``, which must have no derivatives, with those of a solution; the last two as in
    :func:`jaxreg.solvers.implicit.with_derivatives`."""
    data = data_at(asked, arrays, known if fixed else None)
    lams: Any = arrays.lams
    if asked.count is not None:
        grid = lambda_grid(data, asked.count, arrays.l1_ratio, arrays.eps)
        lams = found.lams + change_of(jnp.broadcast_to(grid[:, None], found.lams.shape))
    params = with_derivatives(data, found.params, lams, arrays.l1_ratio, known, fixed)
    df = found.df
    if asked.degrees:
        df = df + change_of(degrees_of_freedom(data, params.coef, lams, arrays.l1_ratio))
    scale, y_scale = found.scale + change_of(data.scale), found.y_scale + change_of(data.tau)
    return Smooth(lams, params, df, scale, y_scale)


def _data(asked: Asked, a: Arrays) -> Data:
    weights = a.sample_weight, a.penalty_factor, a.lower, a.upper
    return prepare(a.X, a.Y, asked.fit_intercept, asked.standardize, *weights)


def data_at(asked: Asked, a: Arrays, known: Moments | None) -> Data:
    """The checked arguments of one problem; their scales from moments, where they are known, without reading rows."""
    if known is None:
        return _data(asked, a)
    (p,), t = known.x_mean.shape, a.Y.shape[1]
    scales = jnp.ones((p,), a.X.dtype), jnp.ones((t,), a.X.dtype)
    X, v = without_columns(a.X, a.penalty_factor)
    weights = a.sample_weight, v, a.lower, a.upper
    data = Data(X, a.Y, *weights, *scales, asked.fit_intercept)
    return data_of(moments_that_move(X, a.Y, a.sample_weight, known), data, asked.standardize)


def members(asked: Asked, arrays: Arrays, known: Known | None = None, found: Found | None = None) -> Answer:
    """:func:`solve` without derivatives. ``known``: the moments of the rows, where they are at hand. ``found``: what
    :func:`~jaxreg.solvers.member_paths.found_in_lockstep` has found."""
    in_turn = engine(asked, arrays)
    if in_turn is None:
        return _reduced(asked, arrays)
    if found is not None or in_lockstep(asked, arrays):
        found = one_in_lockstep(asked, arrays, known) if found is None else found
        doubtful = ~((found.rounding <= arrays.tol / 10) & (found.gap <= arrays.tol))
    elif in_turn == "moments":
        found, doubtful = by_moments(asked, arrays, known)
    else:
        found, doubtful = by_columns(asked, arrays)
    lost = _underflows(arrays, found.variance)
    if arrays.penalty_factor is not None:
        lost = lost | ~jnp.all((arrays.penalty_factor > 0) & jnp.isfinite(arrays.penalty_factor))
    gap, df, lams = jnp.where(lost, jnp.inf, found.gap), found.df.astype(arrays.Y.dtype), found.lams
    some = Members(Params(found.intercept, found.coef), gap, found.n_iter.astype(jnp.int32))
    if asked.count is None:
        assert arrays.lams is not None
        place = order_of(arrays.lams)[1]
        given = lambda v: jnp.take_along_axis(v, place if v.ndim == 2 else place[:, None, :], axis=0)
        some, df, lams, doubtful = jax.tree.map(given, some), given(df), arrays.lams, given(doubtful)
    if by_moments_alone(asked):
        some = some._replace(gap=jnp.where(doubtful | lost, jnp.inf, some.gap))
        return Answer(Smooth(lams, some.params, df, found.scale, found.y_scale), some.gap, some.n_iter)
    # What is not known well enough, or late, is certified from X, and improved if it is late; λ = 0 is solved there.
    unknown = jnp.any((doubtful | lost) & (lams > 0)) | (lams == 0)
    some = some._replace(gap=jnp.where(unknown, jnp.inf, some.gap))
    anew = jnp.any(~(some.gap <= arrays.tol))

    def on_rows(state: tuple[Members, jax.Array, jax.Array, jax.Array]) -> Any:
        some, df, *_ = state
        data = _data(asked, arrays)
        stages = range(CERTIFY, END if asked.count is None else UNPENALISED)
        solver = Solver(fista_in_turn)
        some = settle(some, lambda: data, lams, arrays.l1_ratio, arrays.tol, asked.max_iter, solver, stages)
        if asked.degrees:
            # Where nothing was solved again, what the path has counted stands; inside a working set, for a lasso alone.
            counted = in_turn == "moments" or asked.l1_ratio == 1
            other = (some.n_iter != state[0].n_iter) | (lams == 0) | (not counted)
            count = lambda df: jnp.where(other, degrees_of_freedom(data, some.params.coef, lams, arrays.l1_ratio), df)
            df = only_if(jnp.any(other), count, df)
        return some, df, data.scale, data.tau

    some, df, scale, y_scale = only_if(anew, on_rows, (some, df, found.scale, found.y_scale))
    smooth = Smooth(lams, some.params, df, scale, y_scale)
    return Answer(smooth, some.gap, some.n_iter)


def by_moments_alone(asked: Asked) -> bool:
    """Whether the rows are read for their moments and for nothing else."""
    return asked.strategy == MOMENTS and asked.l1_ratio == 1


def engine(asked: Asked, a: Arrays) -> str | None:
    """ "moments", "columns", or None."""
    if by_moments_alone(asked):
        return "moments"
    if asked.strategy not in (None, "active set", "parallel", MOMENTS):
        raise ValueError(f"strategy is {asked.strategy!r}; it must be 'active set', 'parallel' or None.")
    n, p = a.X.shape
    factors = a.penalty_factor is not None and (asked.strategy != "active set" or asked.count is not None)
    plain = not factors and a.lower is None and a.upper is None and asked.l1_ratio != 0
    together = in_lockstep(asked, a)
    suits = together or asked.strategy == "active set" or (asked.strategy is None and not on_accelerator())
    if not plain or not suits:
        return None
    if p <= WIDE * n:
        return "moments"
    return "columns" if n <= MOST_ROWS and not (together and a.Y.shape[1] > 1) else None


def in_lockstep(asked: Asked, a: Arrays) -> bool:
    """Whether lassos are solved in lockstep: on an accelerator or several devices, in float64, and by moments alone."""
    usual = asked.strategy is None and asked.l1_ratio == 1 and a.Y.dtype == jnp.float64
    return (usual and (on_accelerator() or dividing() > 1)) or by_moments_alone(asked)


def _underflows(a: Arrays, variance: jax.Array) -> jax.Array:
    """Whether a column has two values in the rows that have weight, though its variance is lost to underflow, ()."""
    limits = jnp.finfo(variance.dtype)
    small = variance <= float(limits.tiny) / float(limits.eps) ** 2

    def varies(_: jax.Array) -> jax.Array:
        here = jnp.ones((len(a.X),), bool) if a.sample_weight is None else a.sample_weight > 0
        differs = (row_of(a.X, jnp.argmax(here))[None, :] != a.X) & here[:, None]
        return jnp.any(small & jnp.any(differs, axis=0))

    return only_if(jnp.any(small), varies, jnp.zeros((), bool))


def _reduced(asked: Asked, a: Arrays) -> Answer:
    data = _data(asked, a)
    rho: Any = asked.l1_ratio if asked.l1_ratio == 0 else a.l1_ratio
    lams = a.lams
    if lams is None:
        assert asked.count is not None
        grid = lambda_grid(data, asked.count, a.l1_ratio, a.eps)
        lams = jnp.broadcast_to(grid[:, None], (len(grid), a.Y.shape[1]))
    some = solve_without_derivatives(data, lams, rho, a.tol, asked.max_iter, asked.strategy, asked.count is None)
    df = jnp.zeros_like(lams)
    if asked.degrees:
        df = degrees_of_freedom(data, some.params.coef, lams, a.l1_ratio)
    return Answer(Smooth(lams, some.params, df, data.scale, data.tau), some.gap, some.n_iter)
