"""Errors of many models on rows that they were not trained on.

They are computed from the rows, or, where the rows outnumber the columns, from their moments: the squared error is a
quadratic form (:func:`jaxreg.formulas.moments.mean_squared_error`) of `p²` multiplications instead of n p, however many
rows there are. What it subtracts from one another are numbers as large as

    ( √yy + Σ_j |w_j| √xx_jj )²

so its error is a few ε of that. Where this is more than a share of 1e-10 of the result, the rows are asked.

Through a device they go in blocks of one shape, filled up with rows of weight 0 and columns of 0, so that one compiled
program serves them all. These are host functions: NumPy arrays in, NumPy numbers out.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.row_blocks import BLOCK, padded_rows, slices
from jaxreg.data.sparse import is_sparse
from jaxreg.formulas.moments import Moments, mean_squared_error
from jaxreg.formulas.objective import Params
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded

__all__ = ["from_moments", "from_rows"]

# Columns in which no model has a coefficient are left out where they are at least this share of all.
UNUSED = 0.5
# The quadratic form is off by about so many ε of its largest term, and may be off by this share of itself.
ROUNDINGS, ACCURACY = 8.0, 1e-10


def from_moments(params: Params, m: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean squared errors of every model, and whether they are accurate, each (L, t).

    Args:
        params: coef (L, p, t), intercept (L, t), NumPy. m: moments of the rows, of p columns or more (filled up).
    """
    L, p, t = params.coef.shape
    error, sure = np.zeros((L, t)), np.zeros((L, t), bool)
    size = np.sqrt(np.diagonal(m.xx)[:p] / m.weight)
    for target in range(t):
        one = slice(target, target + 1)
        here = Moments(m.weight, m.x_mean[:p], m.y_mean[one], m.xx[:p, :p], m.xy[:p, one], m.yy[one])
        w = np.ascontiguousarray(params.coef[:, :, target].T, dtype=float)
        error[:, target] = mean_squared_error(Params(params.intercept[:, target], w), here)
        spread = np.sqrt(here.yy / m.weight) + size @ np.abs(w)
        sure[:, target] = ROUNDINGS * np.finfo(float).eps * spread**2 <= ACCURACY * error[:, target]
    return error, sure


def from_rows(
    params: Params, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean squared and mean absolute errors of every model on the given rows, each (L, t).

    Args:
        params: coef (L, p, t), intercept (L, t), NumPy. X: (n, p), Y: (n, t). s: (n,) or None. rows: (k,).
    """
    sums = _sums_on_device if on_accelerator() and not is_sparse(X) else _sums_by_numpy
    weight = float(len(rows) if s is None else s[rows].sum(dtype=float))
    square, absolute = sums(params, X, Y, s, rows)
    return square / weight, absolute / weight


def _sums_by_numpy(
    params: Params, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`Σ s r²` and `Σ s |r|` of every model, each (L, t)."""
    L, p, t = params.coef.shape
    flat = np.moveaxis(params.coef, 1, 0).reshape(p, L * t).astype(float, copy=False)
    used = params.coef.any(axis=(0, 2))
    some = not is_sparse(X) and np.count_nonzero(used) <= (1 - UNUSED) * p
    if some:
        flat = flat[used]
    square, absolute = np.zeros((L, t)), np.zeros((L, t))
    with np.errstate(all="ignore"):
        for here in slices(X.shape[0], rows, max(1, BLOCK // max(p, L * t))):
            x = X[here][:, used] if some else X[here]
            x = x if x.dtype == float else x.astype(float)  # sums over many rows need it
            residual = (x @ flat).reshape(-1, L, t)
            residual += params.intercept
            np.subtract(Y[here][:, None, :], residual, out=residual)
            weight = np.ones(len(here)) if s is None else s[here]
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
    for here in slices(len(X), rows, buffers.size):
        block = buffers.fill(X[here], Y[here], None if s is None else s[here])
        parts.append(_errors(models, *block))
        buffers.reading(block, parts[-1])
    square, absolute = (np.sum([np.asarray(part) for part in column], axis=0) for column in zip(*parts, strict=True))
    return square[:L], absolute[:L]


@compiled
def _errors(params: Params, X: jax.Array, Y: jax.Array, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`Σ s r²` and `Σ s |r|` of every model, each (L, t)."""
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
