"""The moments of folds: of the rows that each holds out, and by subtraction of those that it trains on."""

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if, varying_like, without_columns
from jaxreg.formulas.moments import Moments, lost, moments
from jaxreg.solvers.found import Arrays, Asked, Known
from jaxreg.solvers.members import engine

__all__ = ["KEPT_BYTES", "Kept", "kept_moments", "moments_of_folds", "rest_of", "weights_of"]

# Of the digits of all rows' moments, so many may be lost by taking a fold's away.
MOST_LOST = 100.0
# Moments of all folds are kept up to this size; beyond, training means weights.
KEPT_BYTES = 2**29
# Rows are read in this many blocks for each fold, of at least so many rows.
BLOCKS, LEAST_ROWS = 4, 32

Kept = tuple[Moments, Moments] | None


def weights_of(a: Arrays, held_out: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of training and of measuring, (n,) each."""
    s = jnp.ones((a.X.shape[0],), a.X.dtype) if a.sample_weight is None else a.sample_weight
    return jnp.where(held_out, 0.0, s), jnp.where(held_out, s, 0.0)


def kept_moments(asked: Asked, arrays: Arrays, held_out: jax.Array) -> Kept:
    """The moments of all rows, and of the rows that each fold holds out; None where they are not used or too large."""
    K, p, dtype = len(held_out), arrays.X.shape[1], arrays.X.dtype
    if engine(asked, arrays) != "moments" or K * p * p * dtype.itemsize > KEPT_BYTES:
        return None
    X, _ = without_columns(arrays.X, arrays.penalty_factor)
    return moments_of_folds(X, arrays.Y, arrays.sample_weight, held_out)


def rest_of(total: Moments, part: Moments, here: Arrays) -> Known:
    """All rows less those of a part; from the rows where too many digits would be lost."""
    rest = total - part
    times = jnp.where(part.weight > 0, lost(total, part, rest), 1.0)
    bad = ~(times <= MOST_LOST)
    rest = only_if(bad, lambda _: moments(here.X, here.Y, here.sample_weight), rest)
    return Known(rest, jnp.where(bad, 1.0, times))


def moments_of_folds(X: jax.Array, Y: jax.Array, s: jax.Array | None, held_out: jax.Array) -> tuple[Moments, Moments]:
    """The moments of all rows, and of the rows that each fold holds out, stacked, (K, ...).

    Rows are sorted by fold and read in blocks that end where a fold does. Where a row is held out twice, each fold
    reads all rows.
    """
    (K, n), p, t, dtype = held_out.shape, X.shape[1], Y.shape[1], X.dtype
    s = jnp.ones((n,), dtype) if s is None else s
    fold = jnp.where(jnp.any(held_out, axis=0), jnp.argmax(held_out, axis=0), K).astype(jnp.int32)
    order = jnp.argsort(fold, stable=True)
    rows, targets, weight, fold = X[order], Y[order], s[order], fold[order]
    ends = jnp.searchsorted(fold, jnp.arange(K + 1, dtype=jnp.int32), side="right").astype(jnp.int32)
    size = min(n, max(LEAST_ROWS, -(-n // (BLOCKS * K))))
    empty = lambda *k: Moments(*(jnp.zeros((*k, *shape), dtype) for shape in ((), (p,), (t,), (p, p), (p, t), (t,))))
    at = lambda parts, k: jax.tree.map(lambda v: v[k], parts)
    put = lambda parts, k, m: jax.tree.map(lambda v, new: v.at[k].set(new), parts, m)

    def read(carry: tuple[jax.Array, Moments]) -> tuple[jax.Array, Moments]:
        first, parts = carry
        k = fold[first]
        last = jnp.minimum(first + size, ends[k])
        begin = jnp.minimum(first, n - size)
        number = begin + jnp.arange(size, dtype=jnp.int32)
        cut = lambda v: jax.lax.dynamic_slice_in_dim(v, begin, size)
        here = jnp.where((number >= first) & (number < last), cut(weight), 0.0)
        return last, put(parts, k, at(parts, k) + moments(cut(rows), cut(targets), here))

    start = jnp.zeros((), jnp.int32), empty(K + 1)
    start = varying_like(start, (X, Y, s, held_out))
    _, parts = jax.lax.while_loop(lambda carry: carry[0] < n, read, start)
    total = varying_like(empty(), (X, Y, s, held_out))
    total = jax.lax.fori_loop(0, K + 1, lambda k, m: m + at(parts, k), total)
    parts = jax.tree.map(lambda v: v[:K], parts)

    def each(parts: Moments) -> Moments:
        one = lambda k, parts: put(parts, k, moments(X, Y, jnp.where(held_out[k], s, 0.0)))
        return jax.lax.fori_loop(0, K, one, parts)

    twice = jnp.any(jnp.sum(held_out, axis=0) > 1)
    return total, only_if(twice, each, parts)
