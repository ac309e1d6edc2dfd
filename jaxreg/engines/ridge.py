"""The ridge engine: whole λ-grids, members and thousands of targets from one factorisation of each set of rows."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.cores import blas_of_one_thread
from jaxreg.data.inputs import check_values
from jaxreg.data.members import Members
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.engines import held_out, rows
from jaxreg.engines.certificate import certified, gap_from_moments
from jaxreg.engines.ridge_blocks import (
    Factors,
    all_intercepts,
    all_params,
    grid_of,
    known_of,
    solve_all,
    solve_fold,
    x_scale,
    y_scale,
)
from jaxreg.engines.ridge_data import Blocks, unit_weights, with_blocks
from jaxreg.engines.solved import Solved

__all__ = ["FactoredPath", "errors_on_factors", "factor_all", "factored_path", "is_large", "refuses", "solve"]

# A path of more coefficients than this computes them when they are asked for.
COEF_BYTES = 2**28
# Of more coefficients than this, the gap is the bound of the factors (:func:`relative_gaps`), not that of each model.
MOST_CERTIFIED = 2**22


def refuses(problem: Problem, lams: int | np.ndarray) -> str | None:
    """Why one factorisation cannot solve the problem; None where it can.

    Args:
        lams: how many, or (L, t).
    """
    if is_sparse(problem.X):
        return "the table is sparse"
    if problem.l1_ratio != 0:
        return "l1_ratio is not 0"
    if problem.lower is not None or problem.upper is not None:
        return "coefficients are bounded"
    if problem.penalty_factor is not None and not np.all(problem.penalty_factor > 0):
        return "a penalty factor is 0"
    if isinstance(lams, int):
        return None
    if len(lams) < 2:
        return "one λ takes less time on the rows"
    if not np.all(lams > 0):
        return "a λ is 0"
    return None if np.all(lams == lams[:, :1]) else "targets have λs of their own"


def solve(
    problem: Problem, lams: int | np.ndarray, members: Members | None = None, b: int | None = None, found: Any = None
) -> Solved | None:
    """A path; None where the bound from the factors cannot certify it.

    Args:
        lams: how many, or (L, t).
    """
    del members, b, found
    rows.block_length(problem, lams)  # refuses what no memory holds
    data = Blocks(problem, None)
    asked: Any = lams if isinstance(lams, int) else lams[:, 0]
    factors = with_blocks(data, lambda data: solve_all(data, grid_of(data, asked)))
    if not np.all(factors.gap <= problem.tol):
        return None
    lams = np.repeat(factors.lams[:, None], factors.targets, axis=1)
    params, none = all_params(factors), np.zeros(lams.shape)
    scales = x_scale(factors), y_scale(factors)
    solved = Solved(lams, params, factors.gap, none.astype(np.int32), factors.df, none, *scales)
    if params.coef.size > MOST_CERTIFIED:
        return solved
    total = data.totals[0] if len(data.totals) == 1 else None
    if total is None:
        return solved._replace(rounding=np.full(lams.shape, np.inf))
    return gap_from_moments(total, problem, solved)


def factor_all(problem: Problem, lams: int | np.ndarray) -> Factors:
    """All rows factored; ``lams`` is how many, or (L,)."""
    check_values(problem.X, problem.names)
    return with_blocks(Blocks(problem, None), lambda data: solve_all(data, grid_of(data, lams)))


def errors_on_factors(problem: Problem, plan: Plan, lams: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Mean squared and absolute held-out errors and gaps of one member after the other, each (L, t).

    Args:
        lams: (L,).
    """
    check_values(problem.X, problem.names)
    with problem.computing(double=True):
        data = Blocks(problem, plan)
        decomposed, weight = data.by_kernel or data.totals[0] is not None, unit_weights(problem)

    def fold(b: int) -> tuple[np.ndarray, ...]:
        with problem.computing(double=True):  # of this thread
            errors = lambda data: solve_fold(data, data.folds[b], known_of(data, data.folds[b]), lams)
            found = with_blocks(data, errors)
            if np.all(found[-1] <= problem.tol) or _is_large(problem, found[-1].size):
                return found
            rest = problem._replace(sample_weight=plan.training_weight(b, weight))
            each = np.repeat(lams[:, None], problem.y.shape[1], axis=1)
            solved = certified(rest, rows.solve(rest, each))
            some = plan.test_rows(b)
            some = some[weight[some] > 0]
            return *held_out.from_rows(solved.params, problem.X, problem.y, problem.sample_weight, some), solved.gap

    # Eigendecompositions leave cores idle; products of the rows themselves do not.
    workers = min(os.cpu_count() or 1, len(plan)) if decomposed else 1
    with blas_of_one_thread() if workers > 1 else contextlib.nullcontext(), ThreadPoolExecutor(workers) as pool:
        yield from pool.map(fold, range(len(plan)))


def is_large(problem: Problem, lams: int | np.ndarray) -> bool:
    """Whether the coefficients at these λs, or so many, are so many that they are computed when asked for."""
    return not problem.flat and _is_large(problem, (lams if isinstance(lams, int) else len(lams)) * problem.y.shape[1])


def _is_large(problem: Problem, models: int) -> bool:
    return models * problem.X.shape[1] * problem.X.itemsize > COEF_BYTES


class FactoredPath(NamedTuple):
    """A path of very many coefficients (over 256 MiB), which are computed when asked for; fields as in :class:`Path`.

    Attributes:
        factors: of all rows.
    """

    factors: Factors
    lams: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    n_iter: np.ndarray
    df: np.ndarray
    scale: np.ndarray
    y_scale: np.ndarray

    def coef(self) -> np.ndarray:
        """w, (L, p, t).

        Raises:
            MemoryError: they are more than 16 GiB.
        """
        size = self.factors.gap.size * len(self.scale) * self.factors.gap.itemsize
        if size > 2**34:
            raise MemoryError(
                f"all coefficients are {size / 2**30:,.0f} GiB; those of the chosen λs are in best and one_se of a "
                "sweep, others come from jaxreg.path with fewer λs or targets."
            )
        with jax.enable_x64(self.factors.gap.dtype == np.float64):
            return all_params(self.factors).coef.astype(self.intercept.dtype, copy=False)


def factored_path(factors: Factors, dtype: Any, tol: float) -> FactoredPath:
    """The path of :func:`factor_all`, in this dtype."""
    as_given = lambda v: v.astype(dtype, copy=False)
    return FactoredPath(
        factors=factors,
        lams=as_given(factors.lams),
        intercept=as_given(all_intercepts(factors)),
        gap=as_given(factors.gap),
        converged=factors.gap <= tol,
        n_iter=np.zeros(factors.gap.shape, np.int32),
        df=as_given(factors.df),
        scale=as_given(x_scale(factors)),
        y_scale=as_given(y_scale(factors)),
    )
