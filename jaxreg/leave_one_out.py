"""Leave-one-out and generalised cross-validation of ridge on NumPy arrays and data frames."""

from functools import partial
from typing import Any

import jax
import numpy as np

from jaxreg import results
from jaxreg.convergence import warn_unless_converged
from jaxreg.data import inputs, parameters
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose, rows
from jaxreg.engines.ridge_blocks import Factors, chosen_params, factored_blocks, grid_of, joined, x_scale, y_scale
from jaxreg.engines.ridge_data import Blocks, unit_weights
from jaxreg.formulas.objective import Params
from jaxreg.other_names import names_ours
from jaxreg.programs import compiled
from jaxreg.solvers.leave_one_out import concluded, leave_one_out_of
from jaxreg.solvers.left_out_sums import sums_of_rows
from jaxreg.solvers.reduced import prepare
from jaxreg.sweeps.cross_validate import choose as best_and_one_se

__all__ = ["ridge_leave_one_out"]


# Compiled; the rank of y is that of (n, t).
def _of_all_rows(X, Y, s, v, lams, *, fit_intercept, standardize):
    return leave_one_out_of(prepare(X, Y, fit_intercept, standardize, s, v, None, None), lams)


_by_rows = compiled(_of_all_rows, static_argnames=("fit_intercept", "standardize"))
_sums_of_rows = compiled(sums_of_rows, static_argnames="fit_intercept")
_concluded = compiled(concluded, static_argnames="fit_intercept")
_choose = compiled(jax.vmap(best_and_one_se, (2, 2, None)))


@names_ours
def ridge_leave_one_out(
    X: Any,
    y: Any,
    lams: Any = 100,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    eps: float | None = None,
    tol: float | None = None,
    dtype: Any = None,
    device: Any = None,
) -> results.LeaveOneOut:
    """The error of ridge on each row when it is left out, for every λ and target from one decomposition.

    The standard deviations (of X and of y) and the penalty `λ Σs` of all rows are kept when a row is left out, as in
    scikit-learn's RidgeCV with ``cv=None``. It therefore differs, by a few parts in n, from
    ``sweep(folds=n, l1_ratio=0)``, where both are those of the `n − 1` rows that are left. A row is left out with all
    of its weight.

    Args:
        lams: L λs above 0 in any order, or how many: then a geometric grid as in :func:`jaxreg.path`.
        X, y, ...: these and all other options as in :func:`jaxreg.fit`. Columns with
            ``penalty_factor`` 0 are fitted freely.

    Returns:
        LeaveOneOut: errors by leave-one-out and by generalised cross-validation, degrees of freedom, and the best λ of
        each target with its parameters.

    Raises:
        ValueError, TypeError: arguments that are not as above; fewer than two rows of positive weight; a row that alone
            determines a coefficient, so that nothing can be said without it.

    Warns:
        ConvergenceWarning: the gap is above ``tol``.

    Source: Allen, *Technometrics* 16, 1974; Golub, Heath and Wahba, *Technometrics* 21, 1979.

    Example:
        >>> import jaxreg, numpy as np
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.ridge_leave_one_out(data.X, data.y, np.geomspace(10, 0.001, 50))
        >>> found.mse.shape, found.params.coef.shape
        ((50,), (10,))
        >>> round(float(found.best.mean_mse), 1)
        2999.8
    """
    given = check_problem(
        X,
        y,
        0.0,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        eps=eps,
        tol=tol,
        device=device,
    )
    problem = without_left_out(given)
    lams = parameters.check_lams(lams, given.X.dtype)
    if not isinstance(lams, int) and (lams == 0).any():
        raise ValueError(f"lams[{int(np.argmin(lams))}] is 0; leave-one-out needs a penalty: give λs above 0.")
    problem = choose.ready(problem, "leave-one-out errors")
    inputs.check_values(problem.X, problem.names)
    if (unit_weights(problem) > 0).sum() < 2:
        raise ValueError("leave-one-out needs at least two rows of positive sample_weight.")
    with given.computing(double=True):
        data = Blocks(problem, None)
        grid = grid_of(data, lams)
        n, p = data.problem.X.shape
        blocks = factored_blocks(data, data.totals if n > p else [None] * len(data.Y), grid.min())
        found = [
            _errors(data, k, factored if accurate else None, grid) for k, (factored, accurate) in enumerate(blocks)
        ]
        mse, se, gcv, gap, df = (
            joined([np.asarray(getattr(block, name)) for block, _ in found], data.targets)
            for name in ("mse", "se_mse", "gcv", "gap", "df")
        )
        _check_errors(mse, grid)
        chosen = [np.asarray(index) for index in _choose(mse[None], se[None], grid[None])]
        factors = Factors(grid, [block for _, block in found], gap, df, data.targets, data.columns)
        both = np.stack([grid[index[:, 1]] for index in chosen])
        if problem.penalty_factor is not None and (problem.penalty_factor == 0).any():
            intercept, coef = rows.solve(problem, both).params
            models = [Params(intercept[k], coef[k]) for k in range(2)]
        else:
            models = [chosen_params(factors, lam) for lam in both]
    models = [Params(*(v.astype(given.X.dtype) for v in params)) for params in models]
    choose.check_coef(np.stack([params.coef for params in models]))
    best, one_se = (_choice(grid, params, index, mse, se, given) for params, index in zip(models, chosen, strict=True))
    converged = warn_unless_converged(gap, grid[:, None], problem.tol, "ridge_leave_one_out", False)
    mse, se, gcv, gap = (v[:, 0] if given.flat else v for v in (mse, se, gcv, gap))
    scale = own_scale(x_scale(factors), given)
    tau = y_scale(factors)
    df, tau = (factors.df[:, 0], tau[0]) if given.flat else (factors.df, tau)
    as_given = lambda v: v.astype(given.X.dtype)
    grid, mse, se, gcv, df, gap, scale, tau = map(as_given, (grid, mse, se, gcv, df, gap, scale, tau))
    return results.LeaveOneOut(grid, mse, se, gcv, df, gap, converged, best, one_se, scale, given.names, tau)


def _errors(data: Blocks, k: int, factored: Any, lams: np.ndarray) -> Any:
    """LeaveOneOut of a block of targets, and the factored problem: from moments and blocks of rows if they will do."""
    n, p = data.problem.X.shape
    if factored is None:
        return _by_rows(data.X, data.Y_there[k], data.s, data.v, lams, **data.centring)
    intercept = data.centring["fit_intercept"]
    program = partial(_sums_of_rows, factored, lams=lams, fit_intercept=intercept)
    parts = data.sums(program, data.Y[k], np.arange(n), data.s)
    sums = jax.tree.map(lambda *v: sum(v), *parts)._replace(leverage=np.max([of.leverage for of in parts], axis=0))
    positive = np.asarray((data.s > 0).sum(), data.s.dtype)
    return _concluded(factored, sums, lams, positive, positive - p - intercept, fit_intercept=intercept), factored


def _choice(
    lams: np.ndarray, params: Params, index: np.ndarray, mean: np.ndarray, se: np.ndarray, problem: Problem
) -> results.Choice:
    """The models at λ number ``index[:, 1]`` of every target, with their ``params``, from means and errors (L, t)."""
    position, target = index[:, 1], np.arange(len(index))
    lam, counts = lams[position], (params.coef != 0).sum(axis=0)
    values: Any = (lam, np.zeros_like(lam), mean[position, target], se[position, target], counts)
    if problem.flat:
        values, index = tuple(v[0].item() for v in values), index[0]
        params = Params(np.asarray(params.intercept[0]), params.coef[:, 0])
    lam, ratio, mean, se, counts = values
    return results.Choice(lam, ratio, index, params, mean, se, counts, problem.names)


def _check_errors(mse: np.ndarray, lams: np.ndarray) -> None:
    if np.isinf(mse).any():
        l = int(np.argwhere(np.isinf(mse))[0][0])
        raise ValueError(
            f"at lam={lams[l]:g} a row has the leverage 1 to rounding: it alone determines a coefficient, "
            "and nothing can be said about it when it is left out. Ask for larger λs, give columns of penalty_factor 0 "
            "a penalty, or drop the row."
        )
