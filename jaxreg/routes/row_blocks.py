"""Rows in blocks: the caller's array goes through the device a few thousand rows at a time, and is never copied whole.

Blocks of one shape, filled up with rows of weight 0 and columns of 0, go through one compiled program whatever the
table's own shape. These are host functions: NumPy arrays in, moments on the device or NumPy numbers out.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.formulas.moments import Moments, moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers.active_set import padded

__all__ = ["BLOCK", "block_moments", "held_out_errors", "padded_rows"]

# Numbers a block, about: enough for a fast product, few enough to stay in a processor's cache.
BLOCK = 2**19


def padded_rows(n: int, columns: int) -> int:
    """Rows of a block for a table of n rows: a power of two."""
    return min(max(256, BLOCK // columns), max(16, 1 << (n - 1).bit_length()))


@jax.jit
def _first(X: jax.Array, Y: jax.Array, s: jax.Array) -> Moments:
    return moments(*(a.astype(jnp.float64) for a in (X, Y, s)))


@partial(jax.jit, donate_argnums=0)
def _add(total: Moments, X: jax.Array, Y: jax.Array, s: jax.Array) -> tuple[Moments, jax.Array]:
    """The total, and a number that is ready when the block has been read."""
    total = total + _first(X, Y, s)
    return total, total.weight + 0.0


@jax.jit
def _errors(params: Params, X: jax.Array, Y: jax.Array, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Σ s r² and Σ s |r| of every model, each (L, t)."""
    L, p, t = params.coef.shape
    flat = jnp.moveaxis(params.coef, 1, 0).reshape(p, L * t)
    residual = Y[:, None, :] - (X @ flat).reshape(-1, L, t) - params.intercept[None]
    return jnp.einsum("n,nlt->lt", s, residual**2), jnp.einsum("n,nlt->lt", s, jnp.abs(residual))


class _Buffers:
    """Two padded blocks (X, Y, s), filled in turn; one is filled while the device reads the other."""

    def __init__(self, size: int, columns: int, targets: int, dtype: Any) -> None:
        self.size = size
        self.new = lambda: tuple(np.zeros(shape, dtype) for shape in ((size, columns), (size, targets), (size,)))
        self.free: list[tuple[np.ndarray, ...]] = []
        self.read: list[tuple[Any, tuple[np.ndarray, ...]]] = []

    def fill(self, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """A block with these rows, rows of weight 0 after them."""
        if len(self.read) == 2:
            token, buffers = self.read.pop(0)
            jax.block_until_ready(token)
            self.free.append(buffers)
        block, target, weight = buffers = self.free.pop() if self.free else self.new()
        n, p = X.shape
        block[:n, :p], target[:n, : Y.shape[1]], weight[:n], weight[n:] = X, Y, 1.0 if s is None else s, 0.0
        return buffers

    def reading(self, buffers: tuple[np.ndarray, ...], token: Any) -> None:
        """The device reads the buffers until ``token`` is ready."""
        self.read.append((token, buffers))


def _slices(n: int, rows: np.ndarray | None, size: int) -> Iterator[Any]:
    for start in range(0, n if rows is None else len(rows), size):
        yield slice(start, min(start + size, n)) if rows is None else rows[start : start + size]


def block_moments(X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None) -> Moments:
    """Moments of all rows, or of those with the given numbers, in float64 on the device; columns of 0 fill up.

    Args:
        X: (n, p), Y: (n, t). s: (n,) or None. rows: (k,) or None.
    """
    total: Any = None
    columns = padded(X.shape[1])
    buffers = _Buffers(padded_rows(len(X) if rows is None else len(rows), columns), columns, Y.shape[1], X.dtype)
    for here in _slices(len(X), rows, buffers.size):
        block = buffers.fill(X[here], Y[here], None if s is None else s[here])
        if total is None:
            total = _first(*block)
            token = total.weight + 0.0
        else:
            total, token = _add(total, *block)
        buffers.reading(block, token)
    return total


def held_out_errors(
    params: Params, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean squared and mean absolute errors of every model on the given rows, each (L, t).

    Args:
        params: coef (L, p, t), intercept (L, t), NumPy. X: (n, p), Y: (n, t). s: (n,) or None. rows: (k,).
    """
    L, p, t = params.coef.shape
    columns = padded(p)
    coef, intercept = np.zeros((padded(L), columns, t), X.dtype), np.zeros((padded(L), t), X.dtype)
    coef[:L, :p], intercept[:L] = params.coef, params.intercept
    models = Params(*(jax.device_put(v) for v in (intercept, coef)))
    buffers = _Buffers(padded_rows(len(rows), columns), columns, t, X.dtype)
    parts, weight = [], 0.0
    for here in _slices(len(X), rows, buffers.size):
        block = buffers.fill(X[here], Y[here], None if s is None else s[here])
        parts.append(_errors(models, *block))
        weight += float(block[2].sum())
        buffers.reading(block, parts[-1])
    square, absolute = (np.sum([np.asarray(part) for part in column], axis=0) for column in zip(*parts, strict=True))
    return square[:L] / weight, absolute[:L] / weight
