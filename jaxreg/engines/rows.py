"""The rows engine: closed forms and FISTA on the table itself, λs in blocks that fit into memory."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxreg.data.memory import block_bytes, in_less_memory
from jaxreg.data.padding import padded_problem
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.engines.degrees import degrees_on_rows
from jaxreg.engines.solved import Solved
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled
from jaxreg.solvers.automatic_grid import automatic_grid
from jaxreg.solvers.reduced import prepare, solve_without_derivatives
from jaxreg.solvers.support_steps import support_from_rows

__all__ = ["BLOCK_BYTES", "block_length", "polish", "solve"]

# λs are solved in blocks whose work arrays stay below this on a CPU: the stated block size of the memory bound.
BLOCK_BYTES = 2**30
# Solutions are polished by so many steps, each of at most so many products.
STEPS, PRODUCTS = 200, 2**27


# The pure functions, compiled. What can be data is: options and weights that are not given share one program with those
# that are.
@partial(compiled, static_argnames=("ridge", "some_zero", "fit_intercept"))
def _solve(X, y, lams, l1_ratio, arrays, tol, max_iter, standardize, *, ridge, some_zero, fit_intercept):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    rho = 0.0 if ridge else l1_ratio
    members = solve_without_derivatives(data, lams, rho, tol, max_iter, "parallel", some_zero)
    return *members, data.scale, data.tau


@partial(compiled, static_argnames="fit_intercept")
def _polish(X, y, params, lams, l1_ratio, arrays, most, standardize, *, fit_intercept):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    return support_from_rows(data, params, lams, l1_ratio, most)


_grid = compiled(automatic_grid, static_argnames=("count", "fit_intercept"))


def block_length(problem: Problem, lams: int | np.ndarray) -> int:
    """How many λs are solved at once: about 25 vectors of length p and 8 of length n live for every λ and target.

    Up to 16 a power of two, else a multiple of 16: few programs serve all counts of them.

    Raises:
        MemoryError: results beyond 16 GiB.
    """
    (n, p), targets, size = problem.X.shape, problem.y.shape[1], problem.X.dtype.itemsize
    count = lams if isinstance(lams, int) else len(lams)
    result = count * targets * (p + 8) * size
    if result > 2**34:
        raise MemoryError(
            f"lams: {count:,} λs × {p:,} columns × {targets:,} targets are {result / 2**30:,.0f} GiB of results; "
            "ask for fewer λs."
        )
    rounded = 1 << max(count - 1, 0).bit_length() if count <= 16 else -(-count // 16) * 16
    most = block_bytes(problem.device, BLOCK_BYTES)
    return max(1, min(rounded, most // ((25 * p + 8 * n) * targets * size)))


def _blocks(lams: np.ndarray, length: int) -> Iterator[tuple[np.ndarray, int]]:
    """The λs in blocks of one length (one compiled program), the last one filled up; and how many of it count."""
    for start in range(0, len(lams), length):
        block = lams[start : start + length]
        yield np.concatenate([block, np.repeat(block[-1:], length - len(block), axis=0)]), len(block)


def grid_on_rows(problem: Problem, count: int) -> np.ndarray:
    """The automatic grid, (count,)."""
    how: Any = {"fit_intercept": problem.fit_intercept, "standardize": np.bool_(problem.standardize)}
    given = problem.X, problem.y, count, np.float64(problem.l1_ratio), np.float64(problem.eps)
    return np.asarray(_grid(*given, **problem.arrays(), **how)).astype(problem.X.dtype)


def solve(problem: Problem, lams: int | np.ndarray) -> Solved:
    """A path whose gaps are those of the solver's units, and so not known; `λ = 0` and `ρ = 0` too.

    Args:
        lams: how many, or (L, t).

    Raises:
        ValueError: X is sparse.
    """
    X = problem.X
    if is_sparse(X):
        raise ValueError(
            "X is sparse and too large to be made dense, but λ = 0, and columns whose squares vanish, need dense rows. "
            "Use X.toarray() if memory allows."
        )
    length, p, problem = block_length(problem, lams), X.shape[1], padded_problem(problem)
    X, Y = problem.X, problem.y
    if isinstance(lams, int):
        lams = np.repeat(grid_on_rows(problem, lams)[:, None], Y.shape[1], axis=1)
    lams = lams.astype(X.dtype)
    ridge = problem.l1_ratio == 0 and problem.lower is None and problem.upper is None
    limits = np.float64(problem.tol), np.int32(min(problem.max_iter, 2**31 - 1)), np.bool_(problem.standardize)

    def in_blocks(length: int) -> tuple[list[Any], Any]:
        parts, scales = [], (np.ones(0), np.ones(0))
        for block, count in _blocks(lams.astype(float), length):
            static = {"ridge": ridge, "some_zero": bool((block == 0).any()), "fit_intercept": problem.fit_intercept}
            found = _solve(X, Y, block, np.float64(problem.l1_ratio), problem.arrays(not ridge), *limits, **static)
            params, gap, n_iter, *scales = jax.tree.map(np.asarray, found)
            df = degrees_on_rows(problem, params.coef, block, scales[1])
            parts.append(tuple(v[:count] for v in (params.coef, params.intercept, gap, n_iter, df)))
        return parts, scales

    parts, scales = in_less_memory(in_blocks, length, "the work at one λ")
    coef, intercept, gap, n_iter, df = (np.concatenate(v) for v in zip(*parts, strict=True))
    params, (scale, y_scale) = Params(intercept, coef[:, :p]), scales
    return Solved(lams, params, gap, n_iter, df, np.full(gap.shape, np.inf), scale[:p], y_scale)


def polish(problem: Problem, solved: Solved) -> Solved | None:
    """What is nearly right, at `λ > 0` and `ρ > 0`, solved on its support; None where the table is too large for that.

    Args:
        problem: all columns penalised, bounds 0 or infinite.
    """
    n, p = problem.X.shape
    if is_sparse(problem.X) or n * p * p > PRODUCTS:
        return None
    problem = padded_problem(problem)
    L, fill = len(solved.lams), problem.X.shape[1] - p
    length = 1 << (L - 1).bit_length()
    more = lambda v: np.concatenate([v, np.repeat(v[-1:], length - L, axis=0)]).astype(float)
    params = Params(more(solved.params.intercept), np.pad(more(solved.params.coef), ((0, 0), (0, fill), (0, 0))))
    given = more(solved.lams), np.float64(problem.l1_ratio), problem.arrays()
    limits = np.int32(min(STEPS, problem.max_iter)), np.bool_(problem.standardize)
    found = _polish(problem.X, problem.y, params, *given, *limits, fit_intercept=problem.fit_intercept)
    intercept, coef = (np.asarray(v)[:L] for v in found)
    # Without squares the active columns are independent; else degrees of freedom are to be counted.
    df = (coef != 0).sum(axis=1).astype(solved.df.dtype) if problem.l1_ratio == 1 else np.full_like(solved.df, np.nan)
    none = {"rounding": np.full(solved.gap.shape, np.inf), "n_iter": np.zeros_like(solved.n_iter)}
    return solved._replace(params=Params(intercept, coef[:, :p]), df=df, **none)
