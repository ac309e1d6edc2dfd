"""Rows in blocks: the caller's array is read a few thousand rows at a time, and is never copied whole.

On a CPU this is NumPy, whose BLAS takes half the work of XᵀX and reads the array where it lies; nothing is compiled.
Held-out errors go through another device in blocks of one shape, filled up with rows of weight 0 and columns of 0, so
that one compiled program serves them all. These are host functions: NumPy arrays in, NumPy numbers out.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers.active_set import padded
from jaxreg.sparse import is_sparse

__all__ = ["BLOCK", "block_moments", "filled_up", "held_out_errors", "padded_rows"]

# Numbers a block, about: enough for a fast product, few enough to stay in a processor's cache.
BLOCK = 2**18
# Where there are so many columns, and fewer rows than so many times them, most of the time goes into paths in other
# threads, whose cores NumPy's BLAS would hold for a while after each product: held-out errors are left to JAX.
MANY, MANY_ROWS = 256, 8
# The sums about a centre are taken again about the mean where less than this share of a column's would be left.
LEFT = 0.5


def padded_rows(n: int, columns: int) -> int:
    """Rows of a block for a table of n rows: a power of two."""
    return min(max(256, BLOCK // columns), max(16, 1 << (n - 1).bit_length()))


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
    """Moments of all rows, or of those with the given numbers, in float64; columns of 0 fill up.

    The sums are taken about the mean c of the first block, and moved to the mean x̄ = c + z̄ of all rows:

        Σ s (x − x̄)(x − x̄)ᵀ = Σ s (x − c)(x − c)ᵀ − W z̄ z̄ᵀ                              (Steiner, Huygens)

    Where that takes away half of a column's square, digits may be lost: then they are taken again, about x̄.

    Args:
        X: (n, p), Y: (n, t). s: (n,) or None. rows: (k,) or None.
    """
    with np.errstate(all="ignore"):  # what overflows is found, and named, by whoever asked
        x, y = _early_mean(X, Y, s, rows)
        m = _sums_about(x, y, X, Y, s, rows)
        squares = np.concatenate([np.diagonal(m.xx), m.yy])
        if np.any(m.weight * np.concatenate([m.x_mean, m.y_mean]) ** 2 > LEFT * squares):
            x, y = x + m.x_mean, y + m.y_mean
            m = _sums_about(x, y, X, Y, s, rows)
        xx = m.xx - m.weight * np.outer(m.x_mean, m.x_mean)
        xy = m.xy - m.weight * np.outer(m.x_mean, m.y_mean)
        yy = np.maximum(m.yy - m.weight * m.y_mean**2, 0.0)
        return filled_up(Moments(m.weight, x + m.x_mean, y + m.y_mean, xx, xy, yy))


def filled_up(m: Moments) -> Moments:
    """With columns of 0 up to the padded number."""
    more = padded(len(m.x_mean)) - len(m.x_mean)
    return m._replace(
        x_mean=np.pad(m.x_mean, (0, more)),
        xx=np.pad(m.xx, ((0, more), (0, more))),
        xy=np.pad(m.xy, ((0, more), (0, 0))),
    )


def _early_mean(
    X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the first rows that have weight, (p,) and (t,); exact where they are all the same."""
    rows = np.arange(len(X)) if rows is None else rows
    start = 0 if s is None else int(np.argmax(s[rows] > 0))
    here = rows[start : start + padded_rows(len(rows), X.shape[1])]
    share = np.ones(len(here)) if s is None else np.asarray(s[here], float)
    share = share / share.sum()
    x, y = X[here[0]].astype(float), Y[here[0]].astype(float)
    return x + share @ (X[here] - x), y + share @ (Y[here] - y)


def _sums_about(
    x: np.ndarray, y: np.ndarray, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None
) -> Moments:
    """W, and the means of z = x_i − x and of r = y_i − y, and the sums Σ s z zᵀ, Σ s z rᵀ and Σ s r²."""
    (n, p), t = X.shape, Y.shape[1]
    size = padded_rows(n if rows is None else len(rows), p)
    # A block lies in memory as the table does.
    order: Any = "F" if X.flags.f_contiguous and not X.flags.c_contiguous else "C"
    space = np.empty((size, p), order=order), np.empty((size, t), order=order)
    xx, xy, yy, z, r = np.zeros((p, p)), np.zeros((p, t)), np.zeros(t), np.zeros(p), np.zeros(t)
    weight = np.float64(0.0)
    for here in _slices(n, rows, size):
        block = X[here]
        Z, R = (a[: len(block)] for a in space)
        np.subtract(block, x, out=Z)
        np.subtract(Y[here], y, out=R)
        root = np.ones(len(block)) if s is None else np.sqrt(s[here], dtype=float)
        if s is not None:
            Z *= root[:, None]
            R *= root[:, None]
        xx += Z.T @ Z
        xy += Z.T @ R
        yy += np.einsum("nt,nt->t", R, R)
        weight += len(block) if s is None else s[here].sum(dtype=float)
        z += root @ Z
        r += root @ R
    return Moments(weight, z / weight, r / weight, xx, xy, yy)


def held_out_errors(
    params: Params, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean squared and mean absolute errors of every model on the given rows, each (L, t).

    Args:
        params: coef (L, p, t), intercept (L, t), NumPy. X: (n, p), Y: (n, t). s: (n,) or None. rows: (k,).
    """
    device = jax.config.jax_default_device or jax.devices()[0]
    here = getattr(device, "platform", device) == "cpu" and not (
        X.shape[1] >= MANY and X.shape[0] < MANY_ROWS * X.shape[1]
    )
    sums = _sums_by_numpy if here or is_sparse(X) else _sums_on_device
    weight = float(len(rows) if s is None else s[rows].sum(dtype=float))
    square, absolute = sums(params, X, Y, s, rows)
    return square / weight, absolute / weight


def _sums_by_numpy(
    params: Params, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Σ s r² and Σ s |r| of every model, each (L, t)."""
    L, p, t = params.coef.shape
    flat = np.moveaxis(params.coef, 1, 0).reshape(p, L * t)
    square, absolute = np.zeros((L, t)), np.zeros((L, t))
    with np.errstate(all="ignore"):
        for here in _slices(X.shape[0], rows, max(1, BLOCK // max(p, L * t))):
            residual = (X[here] @ flat).reshape(-1, L, t)
            residual += params.intercept
            np.subtract(Y[here][:, None, :], residual, out=residual)
            weight = np.ones(len(here), X.dtype) if s is None else s[here]
            size = np.abs(residual).reshape(-1, L * t)
            absolute += (weight @ size).reshape(L, t)
            np.square(size, out=size)
            square += (weight @ size).reshape(L, t)
    return square.astype(X.dtype), absolute.astype(X.dtype)


def _sums_on_device(
    params: Params, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same."""
    L, p, t = params.coef.shape
    columns = padded(p)
    coef, intercept = np.zeros((padded(L), columns, t), X.dtype), np.zeros((padded(L), t), X.dtype)
    coef[:L, :p], intercept[:L] = params.coef, params.intercept
    models = Params(*(jax.device_put(v) for v in (intercept, coef)))
    buffers = _Buffers(padded_rows(len(rows), columns), columns, t, X.dtype)
    parts = []
    for here in _slices(len(X), rows, buffers.size):
        block = buffers.fill(X[here], Y[here], None if s is None else s[here])
        parts.append(_errors(models, *block))
        buffers.reading(block, parts[-1])
    square, absolute = (np.sum([np.asarray(part) for part in column], axis=0) for column in zip(*parts, strict=True))
    return square[:L], absolute[:L]
