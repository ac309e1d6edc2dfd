"""The rows route: closed forms and FISTA on the table itself, λs in blocks that fit into memory."""

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.data.sparse import is_sparse
from jaxreg.engines.certificate import certified
from jaxreg.engines.degrees import degrees_on_rows
from jaxreg.engines.options import Options, Solved, arrays_of
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled
from jaxreg.solvers.automatic_grid import automatic_grid
from jaxreg.solvers.reduced import prepare, solve_without_derivatives

__all__ = ["BLOCK_BYTES", "block_length", "solve_on_rows"]

# λs are solved in blocks whose work arrays stay below this: the stated block size of the memory bound.
BLOCK_BYTES = 2**30


# The pure functions, compiled. What can be data is: options and weights that are not given share one program with those
# that are.
@partial(compiled, static_argnames=("ridge", "some_zero", "fit_intercept"))
def _solve(X, y, lams, l1_ratio, arrays, tol, max_iter, standardize, *, ridge, some_zero, fit_intercept):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    rho = 0.0 if ridge else l1_ratio
    members = solve_without_derivatives(data, lams, rho, tol, max_iter, "parallel", some_zero)
    return *members, data.scale, data.tau


_grid = compiled(automatic_grid, static_argnames=("count", "fit_intercept"))


def block_length(a: Arguments, count: int) -> int:
    """How many λs are solved at once: about 25 vectors of length p and 8 of length n live for every λ and target.

    Up to 16 a power of two, else a multiple of 16: few programs serve all counts of them.

    Raises:
        MemoryError: results beyond 16 GiB.
    """
    n, p = a.X.shape
    targets = 1 if a.y.ndim == 1 else a.y.shape[1]
    result = count * targets * (p + 8) * a.X.dtype.itemsize
    if result > 2**34:
        raise MemoryError(
            f"lams: {count:,} λs × {p:,} columns × {targets:,} targets are {result / 2**30:,.0f} GiB of results; "
            "ask for fewer λs."
        )
    rounded = 1 << max(count - 1, 0).bit_length() if count <= 16 else -(-count // 16) * 16
    return max(1, min(rounded, BLOCK_BYTES // ((25 * p + 8 * n) * targets * a.X.dtype.itemsize)))


def _blocks(lams: np.ndarray, length: int) -> Iterator[tuple[np.ndarray, int]]:
    """The λs in blocks of one length (one compiled program), the last one filled up; and how many of it count."""
    for start in range(0, len(lams), length):
        block = lams[start : start + length]
        yield np.concatenate([block, np.repeat(block[-1:], length - len(block), axis=0)]), len(block)


def grid_on_rows(a: Arguments, count: int, options: Options) -> np.ndarray:
    """The automatic grid, (count,)."""
    ratio = np.float64(options.l1_ratio)
    how = {"fit_intercept": options.fit_intercept, "standardize": np.bool_(options.standardize)}
    return np.asarray(_grid(a.X, a.y, count, ratio, np.float64(options.eps), **arrays_of(a), **how)).astype(a.X.dtype)


def solve_on_rows(a: Arguments, lams: int | np.ndarray, options: Options) -> Solved:
    """A path with its certificate; λ = 0 and ρ = 0 too.

    Args:
        lams: how many, or (L, t).

    Raises:
        ValueError: X is sparse.
    """
    if is_sparse(a.X):
        raise ValueError(
            "X is sparse and too large to be made dense, but λ = 0, and columns whose squares vanish, need dense rows. "
            "Use X.toarray() if memory allows."
        )
    t = 1 if a.y.ndim == 1 else a.y.shape[1]
    if isinstance(lams, int):
        length = block_length(a, lams)
        lams = np.repeat(grid_on_rows(a, lams, options)[:, None], t, axis=1)
    else:
        length = block_length(a, len(lams))
    ridge = options.l1_ratio == 0 and a.lower is None and a.upper is None
    ratio, precise = np.float64(options.l1_ratio), lams.astype(float)
    parts, scales = [], (np.ones(0), np.ones(0))
    limits = np.float64(options.tol), np.int32(min(options.max_iter, 2**31 - 1)), np.bool_(options.standardize)
    for block, count in _blocks(precise, length):
        static = {"ridge": ridge, "some_zero": bool((block == 0).any()), "fit_intercept": options.fit_intercept}
        solved = _solve(a.X, a.y, block, ratio, arrays_of(a, not ridge), *limits, **static)
        params, gap, n_iter, *scales = jax.tree.map(np.asarray, solved)
        df = degrees_on_rows(a, params.coef, block, scales[1], options)
        parts.append(tuple(v[:count] for v in (params.coef, params.intercept, gap, n_iter, df)))
    coef, intercept, gap, n_iter, df = (np.concatenate(v) for v in zip(*parts, strict=True))
    return certified(Solved(lams, Params(intercept, coef), gap, n_iter, df, *scales), a, options)
