"""One problem of an estimator as the engines take it: padded, solved and certified. The only module that knows engines.

Small tables are filled up with rows of weight 0 and columns of 0 to powers of two, so that one compiled program serves
tables of many shapes: a search over folds and pipelines meets a new shape at every turn.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.arguments import check_arguments
from jaxreg.data.inputs import Arguments
from jaxreg.data.left_out_columns import without_left_out
from jaxreg.data.sparse import is_sparse
from jaxreg.engines import choose
from jaxreg.engines.certificate import certified
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.ridge_data import unit_weights
from jaxreg.formulas.objective import Params
from jaxreg.formulas.projection import free_basis, free_columns, project_out, weighted_rows
from jaxreg.formulas.scaling import standard_deviation
from jaxreg.leave_one_out import ridge_leave_one_out
from jaxreg.precision import computing, find_device, takes_double
from jaxreg.programs import compiled
from jaxreg.results import LeaveOneOut
from jaxreg.solvers.leave_one_out import left_out_residuals
from jaxreg.solvers.reduced import default_tol, prepare
from jaxreg.sweeps.fold_paths import FoldMoments, errors_of_folds
from jaxreg.sweeps.folds import splits_of_pairs

__all__ = ["Folds", "Problem", "certificate", "leave_one_out", "left_out", "problem_of", "solve", "squares"]

# Tables of at most so many numbers are padded: they are solved in milliseconds, and compiled in seconds.
SMALL = 2**16
# Below this gap rounding decides; a smaller tolerance could not be kept.
LEAST_TOL = 1e-13

Split = tuple[np.ndarray, np.ndarray]


class Problem(NamedTuple):
    """Data and options of one fit; y is (n, t).

    Attributes:
        arguments: padded. options: with the tolerance that the solver aims at. device: or None.
        rows, columns: n and p without padding.
    """

    arguments: Arguments
    options: Options
    device: Any
    rows: int
    columns: int

    @property
    def y(self) -> np.ndarray:
        """(n, t)."""
        return self.arguments.y[: self.rows]

    @property
    def dtype(self) -> np.dtype:
        """That of the coefficients."""
        return self.arguments.X.dtype

    @property
    def sample_weight(self) -> np.ndarray:
        """(n,)."""
        s = self.arguments.sample_weight
        return np.ones(self.rows, self.y.dtype) if s is None else s[: self.rows]

    def of_ratio(self, l1_ratio: float) -> "Problem":
        """The same at another ρ."""
        return self._replace(options=self.options._replace(l1_ratio=float(l1_ratio)))


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
    n, p = X.shape
    Y = y.reshape(len(y), -1)
    a = without_left_out(check_arguments(X, Y, sample_weight, penalty_factor, lower, upper, dtype))
    aim = max(min(tol, default_tol(a.X.dtype)), LEAST_TOL)
    # scikit-learn counts passes over all columns; one counts for 20 of these steps, as 1000 against the 20,000 of fit.
    most = min(20 * max_iter, 2**31 - 1)
    options = choose.options_of(
        a, l1_ratio, tol=aim, max_iter=most, fit_intercept=fit_intercept, standardize=standardize
    )._replace(degrees=False)
    options = options if eps is None else options._replace(eps=float(eps))  # scikit-learn allows 1 and more
    return Problem(_padded(a) if _is_small(a) else a, options, find_device(device), n, p)


def _is_small(a: Arguments) -> bool:
    return not is_sparse(a.X) and a.X.size <= SMALL


def _power_of_two(length: int, least: int) -> int:
    return max(least, 1 << (length - 1).bit_length())


def _padded(a: Arguments) -> Arguments:
    """Rows of weight 0 and columns of 0 up to powers of two; what has p ≥ n keeps it, and with it the dual forms."""
    n, p = a.X.shape
    N = _power_of_two(n, 16)
    P = max(_power_of_two(p, 4), N if p >= n else 0)

    def fill(values: np.ndarray | None, length: int, value: float) -> np.ndarray | None:
        if values is None:
            return None
        return np.concatenate([values, np.full(length - len(values), value, values.dtype)])

    X, Y = np.zeros((N, P), a.X.dtype), np.zeros((N, a.y.shape[1]))
    X[:n, :p], Y[:n] = a.X, a.y
    s = fill(np.ones(n) if a.sample_weight is None else a.sample_weight, N, 0.0)
    bounds = fill(a.lower, P, -np.inf), fill(a.upper, P, np.inf)
    return Arguments(X, Y, a.names, s, fill(a.penalty_factor, P, 1.0), *bounds)


def solve(problem: Problem, lams: int | np.ndarray) -> Solved:
    """The path at these λs, (L, t), or at so many; coefficients (L, p, t).

    Raises:
        ValueError: a coefficient that is not finite.
    """
    solved = choose.solve(problem.arguments, lams, problem.options, problem.device)
    solved = solved._replace(params=_cut(solved.params, problem.columns), scale=solved.scale[: problem.columns])
    try:
        choose.check_coef(solved.params.coef)
    except FloatingPointError as error:
        raise ValueError(str(error)) from None
    return solved


def _cut(params: Params, columns: int) -> Params:
    return Params(params.intercept, params.coef[..., :columns, :])


def certificate(problem: Problem, coef: np.ndarray, lam: np.ndarray) -> tuple[Params, np.ndarray]:
    """Given coefficients (p, t) with the intercepts that suit them best, and their relative gaps, (t,), at λ > 0, (t,).

    Coefficients out of bounds have the gap infinity. Not for free columns: they would have to suit as well.
    """
    a, p = problem.arguments, problem.columns
    full = np.zeros((a.X.shape[1], coef.shape[1]), a.X.dtype)
    full[:p] = coef
    intercept = np.zeros(coef.shape[1], a.X.dtype)
    if problem.options.fit_intercept:
        intercept = np.average(a.y - a.X @ full, axis=0, weights=a.sample_weight).astype(a.X.dtype)
    scales: Any = (np.ones(a.X.shape[1]), np.ones(a.y.shape[1]))
    if problem.options.standardize:
        with computing(True, problem.device):
            scales = tuple(np.asarray(_deviation(v, a.sample_weight)) for v in (a.X, a.y))
    none = np.full((1, a.y.shape[1]), np.nan)
    given = Solved(lam[None], Params(intercept[None], full[None]), none, none, none, *scales)
    return Params(intercept, full[:p]), certified(given, a, problem.options).gap[0]


_deviation = compiled(standard_deviation)


def _squares(X, Y, s, v, lower, upper, unpenalised, fit_intercept, standardize):
    lam = jax.numpy.where(unpenalised, 0.0, 1.0).astype(X.dtype)
    scale = standard_deviation(X, s) if standardize else None
    basis = free_basis(weighted_rows(X, s, fit_intercept), free_columns(lam, v, lower, upper, X.shape[1]), scale)
    return (project_out(weighted_rows(Y, s, fit_intercept), basis) ** 2).sum(axis=0)


_free_squares = compiled(_squares, static_argnums=(6, 7, 8))


def squares(problem: Problem, lam: float) -> np.ndarray:
    """Σ s ỹ² / Σs of every target, (t,): what a relative gap at λ is a share of."""
    a, options = problem.arguments, problem.options
    if lam == 0 or (a.penalty_factor is not None and bool((a.penalty_factor == 0).any())):
        arrays = (a.X, a.y, a.sample_weight, a.penalty_factor, a.lower, a.upper)
        with computing(takes_double(a.X.dtype, problem.device), problem.device):
            return np.asarray(_free_squares(*arrays, lam == 0, options.fit_intercept, options.standardize))
    s = problem.sample_weight
    centre = np.average(problem.y, axis=0, weights=s) if options.fit_intercept else 0.0
    return np.average((problem.y - centre) ** 2, axis=0, weights=s)


class Folds:
    """The rows that are trained and measured on; what is read of them serves all l1_ratios."""

    def __init__(self, problem: Problem, pairs: Sequence[Split]) -> None:
        """
        Args:
            pairs: K pairs (train, test) of row numbers.

        Raises:
            ValueError: a fold that trains or measures on nothing; a row number that there is not.
        """
        a, s = problem.arguments, problem.sample_weight
        splits = splits_of_pairs(pairs, problem.rows)
        for k in range(len(splits)):
            for rows, what in (
                (splits.training_rows(k), "leaves no row of positive weight to train on"),
                (splits.test_rows(k), "holds out no such row"),
            ):
                if not s[rows].any():
                    raise ValueError(f"fold {k} {what}; give another cv, or weights that are not 0 in a whole fold.")
        self.splits = splits.filled_up(len(a.y))
        self.moments = FoldMoments(a, self.splits)

    def errors(self, problem: Problem, lams: np.ndarray, report: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean squared held-out errors and the gaps on the training rows, each (L, K, t).

        Args:
            lams: (L,). report: called when a fold is done.
        """
        options, device = problem.options, problem.device
        found = errors_of_folds(problem.arguments, self.splits, self.moments, lams, options, device, report)
        return found.mse, found.gap


def leave_one_out(problem: Problem, lams: np.ndarray) -> LeaveOneOut:
    """:func:`jaxreg.ridge_leave_one_out` at these λs, (L,), without its warnings; coefficients (p, t)."""
    a, options = problem.arguments, problem.options
    found = ridge_leave_one_out(
        a.X,
        a.y,
        lams,
        fit_intercept=options.fit_intercept,
        standardize=options.standardize,
        sample_weight=a.sample_weight,
        penalty_factor=a.penalty_factor,
        tol=np.finfo(np.float64).max,  # the caller looks at the gap
        device=problem.device,
    )
    best, one_se = (
        replace(choice, params=_cut(choice.params, problem.columns)) for choice in (found.best, found.one_se)
    )
    return replace(found, best=best, one_se=one_se)


def _left_out(X, Y, s, v, lams, fit_intercept, standardize):
    return left_out_residuals(prepare(X, Y, fit_intercept, standardize, s, v, None, None), lams)


_left_out_program = compiled(_left_out, static_argnums=(5, 6))


def left_out(problem: Problem, lams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every row, when it is left out: s (y − ŷ)² and ŷ, each (L, n, t), at λs (L,)."""
    a, options, n = problem.arguments, problem.options, problem.rows
    s = problem.sample_weight
    with computing(takes_double(a.X.dtype, problem.device), problem.device):
        weight = unit_weights(a)
        arrays = (a.X, a.y, weight, a.penalty_factor, lams.astype(a.X.dtype))
        found = np.asarray(_left_out_program(*arrays, options.fit_intercept, options.standardize))[:, :n]
    if not np.isfinite(found).all():
        l, i, _ = np.argwhere(~np.isfinite(found))[0]
        raise ValueError(f"row {i} alone determines a coefficient at lam={lams[l]:g}; ask for larger penalties.")
    share = (s / s.sum())[None, :, None]
    predictions = problem.y[None] - found / np.sqrt(np.where(share > 0, share, 1.0))
    if (s == 0).any():  # without a row of weight 0 the fit is the same
        params = solve(problem, np.repeat(lams[:, None], problem.y.shape[1], axis=1)).params
        rows = s == 0
        fitted = np.einsum("np,lpt->lnt", a.X[:n, : problem.columns][rows], params.coef) + params.intercept[:, None]
        predictions[:, rows] = fitted
    return s.sum() * found**2, predictions
