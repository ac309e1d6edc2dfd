"""The wide route, for p ≫ n: one copy of the table on the device, column by column; folds are weights of 0 and 1."""

import weakref
from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.cores import CORES, share
from jaxreg.data.inputs import Arguments, check_values
from jaxreg.data.row_blocks import SHARED, aligned_zeros
from jaxreg.engines.certificate import certified
from jaxreg.engines.degrees import degrees_on_rows
from jaxreg.engines.moments import VANISHING, WIDE, goes_down, improved, settled, varies, with_zero
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.order import Order, settings
from jaxreg.engines.rows import solve_on_rows
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.from_columns import path_from_columns
from jaxreg.solvers.members import MOST_ROWS

__all__ = ["MOST_ROWS", "Columns", "columns_of", "path_on_columns", "solve_on_columns", "takes_columns"]

# The space of the last table is kept for the next one up to this size.
KEPT_BYTES = 2**26
_spare: deque[np.ndarray] = deque(maxlen=1)

_program = compiled(path_from_columns, static_argnames=("spread", "by_knots"))
# So many times n columns may be active in an elastic net, where n do not do; beyond, its λ is left to the rows.
ELASTIC_SPREAD = 4


class Columns(NamedTuple):
    """The table on the device: xᵀ less its mean, (P, N), zeros filling up; and the mean, (P,)."""

    features: jax.Array
    offset: jax.Array


def takes_columns(a: Arguments, options: Options) -> bool:
    """Whether this route can solve the problem (at λ > 0)."""
    n, p = a.X.shape
    return p > WIDE * n and n <= MOST_ROWS and goes_down(a, options)


def _padded_columns(p: int) -> int:
    """p up to the next eighth of a power of two: a table is large, and all of it is read for every certificate."""
    eighth = max(16, padded(p) // 8)
    return -(-p // eighth) * eighth


def columns_of(a: Arguments, options: Options) -> Columns:
    """The table, centred over all rows where an intercept is fitted."""
    n, p = a.X.shape
    offset = np.zeros(_padded_columns(p))
    if options.fit_intercept:
        offset[:p] = np.average(a.X, axis=0, weights=a.sample_weight)
    # First: with this call JAX gives back what it no longer uses of an earlier table.
    on_device = jax.device_put(offset)
    table = _space(len(offset), padded(n))
    table[p:], table[:p, n:] = 0.0, 0.0

    def fill(some: slice) -> None:
        np.subtract(a.X.T[some], offset[:p][some, None], out=table[:p, :n][some])

    some = p if a.X.size < SHARED else -(-p // CORES)
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


def solve_on_columns(a: Arguments, lams: int | np.ndarray, options: Options) -> Solved:
    """A path. λ = 0, and what is not certified, is solved on the rows.

    Args:
        lams: how many, or (L, t).
    """
    return with_zero(lambda lams: path_on_columns(columns_of(a, options), a, lams, options), a, lams, options)


def path_on_columns(columns: Columns, a: Arguments, lams: int | np.ndarray, options: Options) -> Solved:
    """A path at λ > 0 on the rows of ``a`` that have weight; ``columns`` are of a table with the same rows."""
    P, N = columns.features.shape
    n, p = a.X.shape
    Y = np.zeros((N, 1 if a.y.ndim == 1 else a.y.shape[1]))
    Y[:n] = a.y.reshape(n, -1)
    weight: Any = np.zeros(N)
    weight[:n] = 1.0 if a.sample_weight is None else a.sample_weight

    asked = settings(a, options, P)

    def down(lams: int | np.ndarray, spread: int) -> tuple[Solved, np.ndarray]:
        order = Order(lams, Y.shape[1], options.eps)
        given = *columns, Y, weight, order.grid, asked
        run = lambda by_knots: jax.tree.map(np.asarray, _program(*given, spread=spread, by_knots=by_knots))
        found = settled(run, order, asked)
        return order.solved(found, a), found.variance[:p]

    solved, variance = down(lams, 1)
    if not (np.isfinite(variance).all() and np.isfinite(solved.params.coef).all()) or varies(
        a, ~(variance > VANISHING)
    ):
        check_values(a.X, a.names)
        return solve_on_rows(a, lams if isinstance(lams, int) else np.asarray(lams, a.X.dtype), options)
    solved = certified(solved, a, options)
    late = ~np.all(solved.gap <= options.tol, axis=1)
    if options.l1_ratio < 1 and late.any():
        solved = improved(solved, late, certified(down(solved.lams[late], ELASTIC_SPREAD)[0], a, options))
        late = ~np.all(solved.gap <= options.tol, axis=1)
    if late.any():
        solved = improved(solved, late, solve_on_rows(a, solved.lams[late], options))
    if options.l1_ratio < 1:
        solved = solved._replace(df=degrees_on_rows(a, solved.params.coef, solved.lams, solved.y_scale, options))
    return solved
