"""Cross-validation on this machine: every member of the plan is trained and measured; cores share the members.

Held-out errors come from the moments of the member's rows, or from the rows themselves
(:mod:`~jaxreg.engines.held_out`).
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.cores import CORES, blas_of_one_thread
from jaxreg.data.members import Members
from jaxreg.data.problem import Problem
from jaxreg.engines import choose, columns, held_out, moments, ridge
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params

__all__ = ["FoldErrors", "errors_of_folds", "errors_on"]

Report = Callable[[], None]


class FoldErrors(NamedTuple):
    """Of K folds at L λs: mean squared and absolute held-out errors, and the gaps on the training rows, (L, K, t)."""

    mse: np.ndarray
    mae: np.ndarray | None
    gap: np.ndarray


def errors_of_folds(problem: Problem, members: Members, lams: np.ndarray, absolute: bool, report: Report) -> FoldErrors:
    """Train every member of the plan at every λ, and measure it on the rows that it holds out.

    Args:
        lams: (L,). absolute: whether mean absolute errors are measured. report: called when a member is done.
    """
    problem, plan, dtype = problem._replace(degrees=False), members.plan, problem.X.dtype
    assert plan is not None
    each = np.repeat(lams[:, None], problem.y.shape[1], axis=1)
    engine, K, weight = choose.engine_of(problem, each, alone=False), len(plan), problem.weights
    if engine is ridge:
        of_folds = []
        for errors in ridge.errors_on_factors(problem, plan, lams):
            of_folds.append(errors)
            report()
        return _of_all(of_folds, absolute, dtype)
    found: Any = None
    with choose.computing(engine, problem):
        if engine is moments and np.all(lams > 0):
            found = moments.of_all_members(problem, each, members)
        elif engine is columns:
            found = columns.of_all_members(problem, each, members) if np.all(lams > 0) else None
            if found is None:
                members.columns  # noqa: B018  # read before the members share it

    def fold(b: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        solved = choose.solve(problem, each, members, b, found and found[b])
        rows = plan.test_rows(b)
        rows = rows[weight[rows] > 0]
        part = members.part(b) if engine is moments else None
        members.forget(b)
        with choose.computing(engine, problem):  # of this thread
            return *errors_on(solved.params, problem, rows, part, absolute), solved.gap

    results: list[Any] = [None] * K
    # On the rows a member fills the memory block and all cores by itself; where paths are known, little is left to do.
    alone = found is not None or engine is None
    pool = ThreadPoolExecutor(min(CORES, K))
    try:
        with contextlib.nullcontext() if alone else blas_of_one_thread():
            for b, result in enumerate((map if alone else pool.map)(fold, range(K))):
                results[b] = result
                report()
    finally:  # an interruption does not wait for the members that have not begun
        pool.shutdown(cancel_futures=True)
    return _of_all(results, absolute, dtype)


def errors_on(
    params: Params, problem: Problem, rows: np.ndarray, part: Moments | None, absolute: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared and absolute errors on the given rows, whose moments are ``part`` if they are known, each (L, t).

    Where the absolute ones are not asked for, they may be any numbers.
    """
    given = problem.X, problem.y, problem.sample_weight, rows
    if part is None or absolute or len(rows) <= problem.X.shape[1]:
        return held_out.from_rows(params, *given)
    error, sure = held_out.from_moments(params, part)
    again = ~sure.all(axis=1)
    if again.any():
        error[again] = held_out.from_rows(Params(*(v[again] for v in params)), *given)[0]
    return error, error


def _of_all(results: list[Any], absolute: bool, dtype: Any) -> FoldErrors:
    mse, mae, gap = (np.stack(v, axis=1).astype(dtype, copy=False) for v in zip(*results, strict=True))
    return FoldErrors(mse, mae if absolute else None, gap)
