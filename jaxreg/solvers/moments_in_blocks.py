"""The moments of a table that lies on a device, read in blocks of rows.

A block is gathered, and if the table is of float32 beside float64 for y it is made float64, before its products are
taken: no more than a block is ever held beside the table.
"""

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if, varying_like
from jaxreg.formulas.moments import Moments, all_but, moments
from jaxreg.solvers.divided import over_rows
from jaxreg.solvers.found import Known

__all__ = ["moments_in_blocks", "moments_of_folds", "moments_of_parts"]

# Rows are read in this many blocks for each part, of at least so many rows; all rows in more.
BLOCKS, LEAST_ROWS, OF_ALL = 4, 32, 16


def moments_of_folds(X: jax.Array, Y: jax.Array, s: jax.Array | None, held_out: jax.Array) -> tuple[Moments, Moments]:
    """The moments of all rows, and of the rows that each fold holds out, stacked, (K, ...).

    Where a row is held out twice, each fold reads all rows.
    """
    K = len(held_out)
    s = jnp.ones((len(X),), Y.dtype) if s is None else s
    fold = jnp.where(jnp.any(held_out, axis=0), jnp.argmax(held_out, axis=0), K).astype(jnp.int32)
    parts = moments_of_parts(X, Y, s, fold, K + 1)
    total = varying_like(_empty(X, Y), (X, Y, s, held_out))
    total = jax.lax.fori_loop(0, K + 1, lambda k, m: m + _at(parts, k), total)
    parts = jax.tree.map(lambda v: v[:K], parts)

    def each(parts: Moments) -> Moments:
        one = lambda k, parts: _put(parts, k, moments(X, Y, jnp.where(held_out[k], s, 0.0)))
        return jax.lax.fori_loop(0, K, one, parts)

    twice = jnp.any(jnp.sum(held_out, axis=0) > 1)
    return total, only_if(twice, each, parts)


def moments_in_blocks(X: jax.Array, Y: jax.Array, s: jax.Array | None) -> Known:
    """Of all rows: :func:`jaxreg.formulas.moments.moments` in the dtype of Y. Where the means of blocks
    lie far from 0, putting them together loses digits."""
    n = len(X)
    part = jnp.arange(n, dtype=jnp.int32) // -(-n // OF_ALL)
    parts = moments_of_parts(X, Y, s, part, OF_ALL, blocks=1)
    total, more = all_but(parts, OF_ALL)
    return Known(total, 1.0 + more)


def moments_of_parts(
    X: jax.Array, Y: jax.Array, s: jax.Array | None, part: jax.Array, count: int, blocks: int = BLOCKS
) -> Moments:
    """The moments of each of ``count`` parts of the rows, stacked, (count, ...), in the dtype of Y.

    Rows are sorted by part and read in blocks that end where a part does. Each device of a mesh reads its own.

    Args:
        part: of each row, (n,) int32. count, blocks: static, blocks of an average part.
    """
    s = jnp.ones((len(X),), Y.dtype) if s is None else s
    read = lambda X, Y, s, part: _read(X, Y, s, part, count, blocks)
    return over_rows(read, jax.vmap(Moments.__add__), X, Y, s, part)


def _read(X: jax.Array, Y: jax.Array, s: jax.Array, part: jax.Array, count: int, blocks: int) -> Moments:
    n, dtype = len(X), Y.dtype
    order = jnp.argsort(part, stable=True)
    part = part[order]
    ends = jnp.searchsorted(part, jnp.arange(count, dtype=jnp.int32), side="right").astype(jnp.int32)
    size = min(n, max(LEAST_ROWS, -(-n // (blocks * count))))

    def read(carry: tuple[jax.Array, Moments]) -> tuple[jax.Array, Moments]:
        first, parts = carry
        k = part[first]
        last = jnp.minimum(first + size, ends[k])
        begin = jnp.minimum(first, n - size)
        number = begin + jnp.arange(size, dtype=jnp.int32)
        rows = jax.lax.dynamic_slice_in_dim(order, begin, size)
        weight = jnp.where((number >= first) & (number < last), s[rows], 0.0)
        return last, _put(parts, k, _at(parts, k) + moments(X[rows].astype(dtype), Y[rows], weight))

    start = jnp.zeros((), jnp.int32), _empty(X, Y, count)
    start = varying_like(start, (X, Y, s, part))
    return jax.lax.while_loop(lambda carry: carry[0] < n, read, start)[1]


def _empty(X: jax.Array, Y: jax.Array, *leading: int) -> Moments:
    p, t = X.shape[1], Y.shape[1]
    return Moments(*(jnp.zeros((*leading, *v), Y.dtype) for v in ((), (p,), (t,), (p, p), (p, t), (t,))))


def _at(parts: Moments, k: jax.Array | int) -> Moments:
    return jax.tree.map(lambda v: v[k], parts)


def _put(parts: Moments, k: jax.Array, m: Moments) -> Moments:
    return jax.tree.map(lambda v, new: v.at[k].set(new), parts, m)
