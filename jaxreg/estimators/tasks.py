"""Targets that are penalised together, solved and certified; where nothing couples them, as single targets are.

At `λ = 0`, and for l1_ratio = 0, the objective is a sum over targets, and so is its duality gap.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from jaxreg.data.cores import CORES, blas_of_one_thread
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.engines import choose, multi_task
from jaxreg.engines.multi_task import Together
from jaxreg.estimators.problems import problem_of, solve, squares
from jaxreg.formulas.objective import Params

__all__ = ["errors_of_folds", "gap_of", "grid", "solve_together", "square", "tasks_of"]


def tasks_of(
    X: Any, y: np.ndarray, sample_weight: Any, *, l1_ratio: float, fit_intercept: bool, tol: float, max_iter: int
) -> Problem:
    """Check the arguments as :func:`jaxreg.fit` does; a sparse X becomes dense.

    Args:
        X: (n, p), y: (n, t). max_iter: most passes over the columns, at one λ.

    Raises:
        ValueError, TypeError: as :func:`jaxreg.fit`; a sparse X that would be large.
    """
    without: dict[str, Any] = dict.fromkeys(("penalty_factor", "lower", "upper", "dtype", "device"))
    options = {"l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "tol": tol, "max_iter": max_iter, **without}
    problem = choose.ready(
        problem_of(X, y, sample_weight, standardize=False, **options), "a penalty on several targets"
    )
    choose.check_values(problem.X, problem.names)
    return problem


def square(problem: Problem) -> float:
    """`Σ s ‖ỹ‖² / Σs`: what a relative gap is a share of."""
    return float(squares(problem, 1.0).sum())


def grid(problem: Problem, count: int, eps: float) -> np.ndarray:
    """``count`` λs from the largest, at which every coefficient is 0, down to ``eps`` of it, (count,)."""
    largest = multi_task.lam_max(problem)
    if largest <= np.finfo(np.float64).resolution:
        return np.full(count, np.finfo(np.float64).resolution)
    return np.geomspace(largest, largest * eps, count)


def solve_together(problem: Problem, lams: np.ndarray, max_iter: int) -> Together:
    """The path at these λs, (L,), from the largest down.

    Raises:
        ValueError: a coefficient that is not finite.
    """
    apart = lams * problem.l1_ratio == 0
    found = []
    if not apart.all():
        found.append(multi_task.solve(problem._replace(max_iter=max_iter), lams[~apart]))
    if apart.any():
        found.append(_apart(problem, lams[apart]))
    joined = found[0]
    if len(found) == 2:
        both = lambda name: np.concatenate([getattr(part, name) for part in found])
        params = Params(*(np.concatenate(v) for v in zip(*(part.params for part in found), strict=True)))
        joined = Together(lams, params, both("gap"), both("n_iter"))
    try:
        choose.check_coef(joined.params.coef)
    except FloatingPointError as error:
        raise ValueError(str(error)) from None
    return joined


def _apart(problem: Problem, lams: np.ndarray) -> Together:
    """Ridge and least squares, target by target."""
    each = np.repeat(lams[:, None], problem.y.shape[1], axis=1).astype(problem.y.dtype)
    solved = solve(problem, each)
    total = square(problem)
    own = np.stack([gap @ squares(problem, lam) for gap, lam in zip(solved.gap.astype(float), lams, strict=True)])
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(own > 0, own / total, 0.0)
    return Together(lams, solved.params, gap, solved.n_iter.max(axis=1))


def gap_of(problem: Problem, coef: np.ndarray, lam: float) -> tuple[Params, float]:
    """Given coefficients (p, t), with the intercepts that suit them best, and their relative gap, at `λ ρ > 0`."""
    intercept = np.zeros(coef.shape[1], problem.X.dtype)
    if problem.fit_intercept:
        residual = problem.y - problem.X @ coef
        intercept = np.average(residual, axis=0, weights=problem.sample_weight).astype(problem.X.dtype)
    params = Params(intercept, coef.astype(problem.X.dtype))
    gaps = multi_task.gaps(problem, np.array([lam]), Params(params.intercept[None], params.coef[None]))
    return params, float(gaps[0])


def errors_of_folds(
    problem: Problem, plan: Plan, lams: np.ndarray, max_iter: int, report: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared held-out errors, the mean over the targets, and the gaps on the training rows, each (L, K).

    Cores share the folds. All rows go to every fold, with the weight 0 where they are held out: one program serves all.
    """

    def fold(b: int) -> tuple[np.ndarray, np.ndarray]:
        train = problem._replace(sample_weight=plan.training_weight(b, problem.weights))
        found = solve_together(train, lams, max_iter)
        rows = plan.test_rows(b)
        L, p, t = found.params.coef.shape
        wide = found.params.coef.transpose(1, 0, 2).reshape(p, L * t)
        predicted = (problem.X[rows] @ wide).reshape(-1, L, t) + found.params.intercept
        squared = (predicted - problem.y[rows][:, None, :]) ** 2
        return np.average(squared, axis=0, weights=problem.weights[rows]).mean(axis=1), found.gap

    results = []
    pool = ThreadPoolExecutor(min(CORES, len(plan)))
    try:
        with blas_of_one_thread():
            for result in pool.map(fold, range(len(plan))):
                results.append(result)
                report()
    finally:  # an interruption does not wait for the folds that have not begun
        pool.shutdown(cancel_futures=True)
    errors, gaps = (np.stack(v, axis=1) for v in zip(*results, strict=True))
    return errors, gaps
