"""The paths of members that share X, down their λs: on moments, inside a working set of columns, or in lockstep.

Each finds what :class:`~jaxreg.solvers.found.Found` holds; what is not certified is for
:mod:`~jaxreg.solvers.members` to repair.
"""

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import broadcast_columns
from jaxreg.formulas.moments import moments
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Arrays, Asked, Found, Grid, Known, Settings
from jaxreg.solvers.from_columns import path_from_columns
from jaxreg.solvers.from_many_moments import paths_in_lockstep
from jaxreg.solvers.from_moments import path_from_moments
from jaxreg.solvers.from_same_rows import paths_of_weights_on_rows
from jaxreg.solvers.moment_problem import unit_of
from jaxreg.solvers.working_set import CHUNK

__all__ = [
    "WIDE",
    "by_columns",
    "by_moments",
    "found_in_lockstep",
    "one_in_lockstep",
    "order_of",
    "settings_of",
]

# With more columns than this many times the rows, products with the rows cost less than those with the Gram matrix.
WIDE = 2
# What a path has of every λ.
OF_LAMS = ("lams", "coef", "intercept", "n_iter", "df", "n_nonzero", "gap", "rounding", "settled")


def order_of(lams: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where the λs, (L, t), stand when they descend, and back. `λ = 0` is left to least squares, and comes first."""
    largest = jnp.max(lams, axis=0, keepdims=True)
    order = jnp.argsort(-jnp.where(lams > 0, lams, jnp.where(largest > 0, largest, 1.0)), axis=0)
    return order, jnp.argsort(order, axis=0)


def settings_of(asked: Asked, a: Arrays, columns: int) -> tuple[Grid, Settings]:
    """In the form in which paths go down a grid, with so many columns."""
    dtype = a.Y.dtype
    if a.lams is None:
        assert asked.count is not None
        lams = jnp.ones((asked.count, a.Y.shape[1]), dtype)
    elif asked.count is not None:
        lams = a.lams
    else:
        largest = jnp.max(a.lams, axis=0, keepdims=True)
        positive = jnp.where(a.lams > 0, a.lams, jnp.where(largest > 0, largest, 1.0))
        lams = jnp.take_along_axis(positive, order_of(a.lams)[0], axis=0)
    grid = Grid(lams, jnp.asarray(len(lams), jnp.int32), jnp.asarray(a.lams is None), a.eps)
    v = broadcast_columns(a.penalty_factor, a.X.shape[1], 1.0, dtype)
    v = jnp.where((v > 0) & jnp.isfinite(v), v, 1.0)
    return grid, Settings(
        l1_ratio=a.l1_ratio,
        penalty_factor=jnp.pad(v, (0, columns - a.X.shape[1]), constant_values=1.0),
        lower=broadcast_columns(a.lower, columns, -jnp.inf, dtype),
        upper=broadcast_columns(a.upper, columns, jnp.inf, dtype),
        tol=a.tol,
        max_iter=jnp.asarray(min(asked.max_iter, 2**31 - 1), jnp.int32),
        fit_intercept=jnp.asarray(asked.fit_intercept),
        standardize=jnp.asarray(asked.standardize),
        degrees=jnp.asarray(asked.degrees),
        single=jnp.asarray(False),
    )


def _way(asked: Asked, a: Arrays) -> str:
    """A lasso goes from knot to knot, an elastic net by blocks of λs; rounding of float32 would end that early."""
    if a.X.dtype != jnp.float64 or asked.l1_ratio is None:
        return "newton"
    return "knots" if asked.l1_ratio == 1 else "blocks"


def by_moments(asked: Asked, a: Arrays, known: Known | None) -> tuple[Found, jax.Array]:
    """What is found, and which gaps are above the tolerance or not known well enough, (L, t)."""
    p = a.X.shape[1]
    m, times = known or (moments(a.X, a.Y, a.sample_weight), 1.0)
    fill = padded(p) - p
    full = m._replace(
        x_mean=jnp.pad(m.x_mean, (0, fill)),
        xx=jnp.pad(m.xx, ((0, fill), (0, fill))),
        xy=jnp.pad(m.xy, ((0, fill), (0, 0))),
    )
    unit = times * unit_of(a.X.shape[0], a.X.dtype)
    found = path_from_moments(full, None, *settings_of(asked, a, padded(p)), unit, _way(asked, a))
    found = found._replace(coef=found.coef[:, :p], scale=found.scale[:p], variance=found.variance[:p])
    return found, ~((found.rounding <= a.tol / 10) & (found.gap <= a.tol))


def found_in_lockstep(asked: Asked, a: Arrays, weights: jax.Array, known: Known | None) -> Found:
    """The lassos' paths of B members, by their moments, or on the rows that they share.

    Args:
        weights: (B, n). known: their moments, with a leading axis B; None on the rows.
    """
    (n, p), B = a.X.shape, len(weights)
    grid, settings = settings_of(asked, a, p)
    factors, unit = jnp.tile(settings.penalty_factor[None, :], (B, 1)), unit_of(n, a.Y.dtype)
    if known is None:
        return paths_of_weights_on_rows(a.X, a.Y, weights, factors, jnp.int32(B), grid, settings, unit, n)
    return paths_in_lockstep(known.moments, factors, jnp.int32(B), grid, settings, unit * known.times)


def one_in_lockstep(asked: Asked, a: Arrays, known: Known | None) -> Found:
    s = jnp.ones((len(a.X),), a.X.dtype) if a.sample_weight is None else a.sample_weight
    if known is None and a.X.shape[1] <= WIDE * a.X.shape[0]:
        known = Known(moments(a.X, a.Y, s), jnp.ones((), a.X.dtype))
    found = found_in_lockstep(asked, a, s[None, :], jax.tree.map(lambda v: v[None], known))
    return jax.tree.map(lambda v: v[0], found)


def by_columns(asked: Asked, a: Arrays) -> tuple[Found, jax.Array]:
    """As :func:`by_moments`; the gaps, which are those of the path itself, do not do."""
    p = a.X.shape[1]
    s = jnp.ones((a.X.shape[0],), a.X.dtype) if a.sample_weight is None else a.sample_weight
    offset = (s / jnp.sum(s)) @ a.X if asked.fit_intercept else jnp.zeros((p,), a.X.dtype)
    grid, settings = settings_of(asked, a, p)
    L = len(grid.lams)
    grid = grid._replace(lams=jnp.pad(grid.lams, ((0, max(CHUNK - L, 0)), (0, 0)), mode="edge"))
    how = grid, settings, 1, _way(asked, a)
    found = path_from_columns(a.X.T - offset[:, None], offset, a.Y, s, *how)
    found = found._replace(**{name: getattr(found, name)[:L] for name in OF_LAMS})
    return found, jnp.ones_like(found.settled)
