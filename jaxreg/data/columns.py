"""A table column by column on the device, for `p ≫ n`: one copy, which all members of a plan share."""

import weakref
from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.cores import CORES, share
from jaxreg.data.problem import Problem
from jaxreg.data.row_blocks import SHARED, aligned_zeros
from jaxreg.solvers.active_set import padded

__all__ = ["Columns", "columns_of"]

# The space of the last table is kept for the next one up to this size.
KEPT_BYTES = 2**26
_spare: deque[np.ndarray] = deque(maxlen=1)


class Columns(NamedTuple):
    """The table on the device: `xᵀ` less its mean, (P, N), zeros filling up; and the mean, (P,)."""

    features: jax.Array
    offset: jax.Array


def _padded_columns(p: int) -> int:
    """p up to the next eighth of a power of two: a table is large, and all of it is read for every certificate."""
    eighth = max(16, padded(p) // 8)
    return -(-p // eighth) * eighth


def columns_of(problem: Problem) -> Columns:
    """The table, centred over all rows where an intercept is fitted."""
    X: Any = problem.X
    n, p = X.shape
    offset = np.zeros(_padded_columns(p))
    if problem.fit_intercept:
        offset[:p] = np.average(X, axis=0, weights=problem.sample_weight)
    # First: with this call JAX gives back what it no longer uses of an earlier table.
    on_device = jax.device_put(offset)
    table = _space(len(offset), padded(n))
    table[p:], table[:p, n:] = 0.0, 0.0

    def fill(some: slice) -> None:
        np.subtract(X.T[some], offset[:p][some, None], out=table[:p, :n][some])

    some = p if X.size < SHARED else -(-p // CORES)
    share(fill, [slice(start, start + some) for start in range(0, p, some)])
    features = jax.device_put(table)
    if table.nbytes <= KEPT_BYTES:
        weakref.finalize(features, _spare.append, table).atexit = False
    return Columns(features, on_device)


def _space(rows: int, columns: int) -> np.ndarray:
    """Space for a table, that of an earlier one if it has the same shape: fresh memory costs as much as filling it."""
    try:
        table = _spare.pop()
    except IndexError:
        return aligned_zeros(rows, columns)
    return table if table.shape == (rows, columns) else aligned_zeros(rows, columns)
