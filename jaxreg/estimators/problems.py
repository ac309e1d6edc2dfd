"""One problem of an estimator, solved and certified as the functions do. This module and ``tasks`` know engines."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.data.left_out_columns import without_left_out
from jaxreg.data.members import Members
from jaxreg.data.padding import padded_problem
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem, check_problem
from jaxreg.data.sparse import is_sparse
from jaxreg.engines import choose
from jaxreg.engines.certificate import certified
from jaxreg.engines.ridge_data import unit_weights
from jaxreg.engines.row_gaps import RowSums
from jaxreg.engines.solved import Solved
from jaxreg.formulas.objective import Params
from jaxreg.formulas.projection import free_basis, free_columns, project_out, weighted_rows
from jaxreg.formulas.scaling import standard_deviation
from jaxreg.leave_one_out import ridge_leave_one_out
from jaxreg.programs import compiled
from jaxreg.results import LeaveOneOut
from jaxreg.solvers.leave_one_out import left_out_residuals
from jaxreg.solvers.reduced import prepare
from jaxreg.sweeps.fold_paths import errors_of_folds
from jaxreg.sweeps.folds import plan_of_pairs

__all__ = ["Folds", "certificate", "leave_one_out", "left_out", "plan_of", "problem_of", "solve", "squares"]

# Below this gap rounding decides; a smaller tolerance could not be kept.
LEAST_TOL = 1e-13

Split = tuple[np.ndarray, np.ndarray]


def problem_of(
    X: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    *,
    l1_ratio: float,
    fit_intercept: bool,
    standardize: bool,
    penalty_factor: Any,
    lower: Any,
    upper: Any,
    tol: float,
    max_iter: int,
    dtype: Any,
    device: Any,
    eps: float | None = None,
) -> Problem:
    """Check the arguments as :func:`jaxreg.fit` does.

    Args:
        X: (n, p), y: (n,) or (n, t). The others: as in :func:`jaxreg.fit`, and eps as in :func:`jaxreg.path`.

    Raises:
        ValueError, TypeError: as :func:`jaxreg.fit`.
    """
    # scikit-learn counts passes over all columns; one counts for 20 of these steps, as 1000 against the 20,000 of fit.
    most = min(20 * max_iter, 2**31 - 1)
    given = check_problem(
        X,
        y.reshape(len(y), -1),
        l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        max_iter=most,
        device=device,
    )
    aim = max(min(tol, given.tol), LEAST_TOL)
    problem = without_left_out(given)._replace(degrees=False, tol=aim)
    problem = problem if eps is None else problem._replace(eps=float(eps))  # scikit-learn allows 1 and more
    problem = choose.ready(problem)
    return problem


def solve(problem: Problem, lams: int | np.ndarray) -> Solved:
    """The path at these λs, (L, t), or at so many; coefficients (L, p, t).

    Raises:
        ValueError: a coefficient that is not finite.
    """
    solved = choose.solve(problem, lams)
    try:
        choose.check_coef(solved.params.coef)
    except FloatingPointError as error:
        raise ValueError(str(error)) from None
    return solved


def certificate(problem: Problem, coef: np.ndarray, lam: np.ndarray) -> tuple[Params, np.ndarray]:
    """Given coefficients (p, t) with the intercepts that suit them best; their relative gaps, at `λ > 0`, each (t,).

    Coefficients out of bounds have the gap infinity. Not for free columns: they would have to suit as well.
    """
    X: Any = problem.X
    intercept = np.zeros(coef.shape[1], X.dtype)
    if problem.fit_intercept:
        intercept = np.average(problem.y - X @ coef, axis=0, weights=problem.sample_weight).astype(X.dtype)
    scales: Any = (np.ones(X.shape[1]), np.ones(problem.y.shape[1]))
    if problem.standardize:
        padded = padded_problem(problem)
        with problem.computing(double=True):
            scale, y_scale = (np.asarray(_deviation(v, padded.sample_weight)) for v in (padded.X, padded.y))
        scales = scale[: X.shape[1]], y_scale
    none = np.full((1, problem.y.shape[1]), np.nan)
    given = Solved(lam[None], Params(intercept[None], coef[None]), none, none, none, none, *scales)
    return Params(intercept, coef), certified(problem, given).gap[0]


_deviation = compiled(standard_deviation)


def _squares(X, Y, s, v, lower, upper, unpenalised, fit_intercept, standardize):
    lam = jax.numpy.where(unpenalised, 0.0, 1.0).astype(X.dtype)
    scale = standard_deviation(X, s) if standardize else None
    basis = free_basis(weighted_rows(X, s, fit_intercept), free_columns(lam, v, lower, upper, X.shape[1]), scale)
    return (project_out(weighted_rows(Y, s, fit_intercept), basis) ** 2).sum(axis=0)


_free_squares = compiled(_squares, static_argnums=(6, 7, 8))


def squares(problem: Problem, lam: float) -> np.ndarray:
    """`Σ s ỹ² / Σs` of every target, (t,): what a relative gap at λ is a share of."""
    if is_sparse(problem.X):
        return RowSums(problem, False).yy
    if lam == 0 or (problem.penalty_factor is not None and bool((problem.penalty_factor == 0).any())):
        a = padded_problem(problem)
        arrays = (a.X, a.y, a.sample_weight, a.penalty_factor, a.lower, a.upper)
        with problem.computing():
            return np.asarray(_free_squares(*arrays, lam == 0, a.fit_intercept, a.standardize))
    s = problem.weights
    centre = np.average(problem.y, axis=0, weights=s) if problem.fit_intercept else 0.0
    return np.average((problem.y - centre) ** 2, axis=0, weights=s)


def plan_of(problem: Problem, pairs: Sequence[Split]) -> Plan:
    """K pairs (train, test) of row numbers, checked.

    Raises:
        ValueError: a fold that trains or measures on nothing; a row number that there is not.
    """
    s = problem.weights
    plan = plan_of_pairs(pairs, len(s))
    for k in range(len(plan)):
        for rows, what in (
            (plan.training_rows(k), "leaves no row of positive weight to train on"),
            (plan.test_rows(k), "holds out no such row"),
        ):
            if not s[rows].any():
                raise ValueError(f"fold {k} {what}; give another cv, or weights that are not 0 in a whole fold.")
    return plan


class Folds:
    """The rows that are trained and measured on; what is read of them serves all l1_ratios."""

    def __init__(self, problem: Problem, pairs: Sequence[Split]) -> None:
        """
        Args:
            pairs: K pairs (train, test) of row numbers.

        Raises:
            ValueError: a fold that trains or measures on nothing; a row number that there is not.
        """
        self.members = Members(problem, plan_of(problem, pairs))

    def errors(self, problem: Problem, lams: np.ndarray, report: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean squared held-out errors and the gaps on the training rows, each (L, K, t).

        Args:
            lams: (L,). report: called when a fold is done.
        """
        found = errors_of_folds(problem, self.members, lams, False, report)
        return found.mse, found.gap


def leave_one_out(problem: Problem, lams: np.ndarray) -> LeaveOneOut:
    """:func:`jaxreg.ridge_leave_one_out` at these λs, (L,), without its warnings; coefficients (p, t)."""
    return ridge_leave_one_out(
        problem.X,
        problem.y,
        lams,
        fit_intercept=problem.fit_intercept,
        standardize=problem.standardize,
        sample_weight=problem.sample_weight,
        penalty_factor=problem.penalty_factor,
        tol=np.finfo(np.float64).max,  # the caller looks at the gap
        device=problem.device,
    )


def _left_out(X, Y, s, v, lams, fit_intercept, standardize):
    return left_out_residuals(prepare(X, Y, fit_intercept, standardize, s, v, None, None), lams)


_left_out_program = compiled(_left_out, static_argnums=(5, 6))


def left_out(problem: Problem, lams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every row, when it is left out: `s (y − ŷ)²` and `ŷ`, each (L, n, t), at λs (L,)."""
    n, s = len(problem.y), problem.weights
    a = padded_problem(problem)
    with problem.computing():
        arrays = (a.X, a.y, unit_weights(a), a.penalty_factor, lams.astype(a.X.dtype))
        found = np.asarray(_left_out_program(*arrays, a.fit_intercept, a.standardize))[:, :n]
    if not np.isfinite(found).all():
        l, i, _ = np.argwhere(~np.isfinite(found))[0]
        raise ValueError(f"row {i} alone determines a coefficient at lam={lams[l]:g}; ask for larger penalties.")
    share = (s / s.sum())[None, :, None]
    predictions = problem.y[None] - found / np.sqrt(np.where(share > 0, share, 1.0))
    if (s == 0).any():  # without a row of weight 0 the fit is the same
        params = solve(problem, lams).params
        rows = s == 0
        fitted = np.einsum("np,lpt->lnt", problem.X[rows], params.coef) + params.intercept[:, None]
        predictions[:, rows] = fitted
    return s.sum() * found**2, predictions
