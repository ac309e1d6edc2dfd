"""What the doors do where they are given moments in place of rows.

Everything that moments know is answered: coefficients, certificates, degrees of freedom, held-out squared errors. What
needs rows is refused by name. What rounding leaves of a certificate is said, for nothing can be computed anew.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxreg import results
from jaxreg.convergence import IllConditionedWarning, warn_caller, warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.parts import Known, Parts
from jaxreg.data.problem import Problem, problem_without_rows
from jaxreg.data.row_blocks import filled_up
from jaxreg.engines import choose, known
from jaxreg.engines.solved import Solved
from jaxreg.formulas.moments import Moments

__all__ = [
    "fit_of_moments",
    "parts_of_folds",
    "path_of_moments",
    "record_of",
    "refuse_rows",
    "require_rows",
    "say_rounding",
]


def record_of(moments: Any, name: str = "moments") -> results.Moments:
    """The record that is given, or one of the formulas' moments, of JAX or NumPy.

    Raises:
        TypeError: something else. ValueError: numbers that no rows have.
    """
    if isinstance(moments, results.Moments):
        return moments
    if isinstance(moments, Moments):
        sums: Any = [np.asarray(v, dtype=float) for v in moments]
        return results.Moments(*sums)
    raise TypeError(f"{name} is a {type(moments).__name__}; jaxreg.moments(X, y) or jaxreg.Moments(...) makes moments.")


def refuse_rows(function: str, name: str, **given: Any) -> None:
    """Raise TypeError for the first argument that goes with rows and is given beside moments."""
    for argument, value in given.items():
        if value is not None and value is not False:
            raise TypeError(f"{function}({name}=...) takes no {argument}: that needs rows, and moments hold none.")


def require_rows(function: str, X: Any, y: Any) -> None:
    """Raise TypeError where there are neither rows nor moments."""
    for argument, value in (("X", X), ("y", y)):
        if value is None:
            raise TypeError(f"{function}() misses {argument}; give X and y, or moments.")


def path_of_moments(moments: Any, lams: Any, l1_ratio: Any, **options: Any) -> results.Path:
    """As :func:`jaxreg.path`, from moments alone."""
    record = record_of(moments)
    problem = _problem(record, l1_ratio, options)
    grid = parameters.check_lams(lams, float)
    solved = _solved(problem, record, grid if isinstance(grid, int) else _of_targets(grid, problem))
    pure: Any = choose.as_path(problem, solved)
    along = pure.lams if problem.flat else pure.lams[:, None]
    warn_unless_converged(pure.gap, along, problem.tol, "path", bool(pure.n_iter.any()))
    return results.Path(**pure._asdict(), feature_names=problem.names)


def fit_of_moments(moments: Any, lam: Any, l1_ratio: Any, **options: Any) -> results.Solution:
    """As :func:`jaxreg.fit`, from moments alone."""
    record = record_of(moments)
    problem = _problem(record, l1_ratio, options)._replace(degrees=False)
    t = problem.y.shape[1]
    lam = parameters.check_lam(lam, None if problem.flat else t, float)
    solved = _solved(problem, record, np.array(np.broadcast_to(lam, (1, t))))
    warn_unless_converged(solved.gap, solved.lams, problem.tol, "fit", bool(solved.n_iter.any()))
    own: Any = lambda v: v[0, ..., 0] if problem.flat else v[0]
    return results.Solution(
        params=type(solved.params)(*map(own, solved.params)),
        gap=own(solved.gap),
        converged=own(solved.gap) <= problem.tol,
        n_iter=own(solved.n_iter),
        scale=solved.scale,
        feature_names=problem.names,
        y_scale=solved.y_scale[0] if problem.flat else solved.y_scale,
    )


def parts_of_folds(
    moments_by_fold: Sequence[Any], ratios: Sequence[float], lams: int | np.ndarray, options: dict[str, Any]
) -> tuple[list[Problem], Parts, Moments]:
    """The problems, one an l1_ratio, the parts without columns that are left out, and the total with them.

    Raises:
        ValueError: fewer than two folds, folds that differ in their columns, or what needs rows.
    """
    if not isinstance(moments_by_fold, Iterable):
        raise TypeError(
            f"moments_by_fold is a {type(moments_by_fold).__name__}; a list of Moments is needed, one a fold."
        )
    folds = [record_of(fold, f"moments_by_fold[{k}]") for k, fold in enumerate(moments_by_fold)]
    if len(folds) < 2:
        raise ValueError(f"moments_by_fold has {len(folds)} fold; at least 2 are needed.")
    total = folds[0]
    for k, fold in enumerate(folds[1:], start=1):
        try:
            total = total + fold
        except ValueError as error:
            raise ValueError(f"moments_by_fold[{k}]: {error}") from None
    problems = [_problem(total, rho, options) for rho in ratios]
    for problem in problems:
        known.check_solvable(problem, lams if isinstance(lams, int) else _of_targets(lams, problem))
    sums = [filled_up(known.without_left_out(problems[0], fold.sums)) for fold in folds]
    return problems, Parts(sums, max(fold.unit for fold in folds)), total.sums


def say_rounding(rounding: float, tol: float, unsure: int = 0) -> None:
    """Warn of gaps that rounding may move by more than a tenth of tol, and of held-out errors without ten digits.

    Warns:
        IllConditionedWarning.
    """
    if rounding > tol / 10:
        text = f"by rounding of the moments, gaps may be off by {rounding:.1g} (tol is {tol:g}); use the rows."
        warn_caller(text, IllConditionedWarning)
    if unsure:
        text = f"by rounding of the moments, {unsure} held-out errors may be off by more than 1e-10 of themselves"
        warn_caller(f"{text}; use the rows.", IllConditionedWarning)


def _problem(record: results.Moments, l1_ratio: Any, options: dict[str, Any]) -> Problem:
    p, t = record.xy.shape
    n = record.n_rows
    assert n is not None
    return problem_without_rows(p, t, n, record.flat, record.feature_names, l1_ratio, **options)


def _of_targets(lams: np.ndarray, problem: Problem) -> np.ndarray:
    return np.repeat(lams[:, None], problem.y.shape[1], axis=1)


def _solved(problem: Problem, record: results.Moments, lams: int | np.ndarray) -> Solved:
    known.check_solvable(problem, lams)
    m = record.sums
    solved = known.solve(problem, lams, Known(filled_up(known.without_left_out(problem, m)), None, record.unit))
    say_rounding(float(np.max(solved.rounding)), problem.tol)
    return solved._replace(scale=known.own_scale(solved.scale, problem, m))
