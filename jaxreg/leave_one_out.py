"""Leave-one-out and generalised cross-validation of ridge on NumPy arrays and data frames."""

from typing import Any

import jax
import numpy as np

from jaxreg import inputs, regression, results, ridge, ridge_blocks
from jaxreg.formulas.objective import Params
from jaxreg.routes.options import Options, computing, find_device
from jaxreg.routes.rows import solve_on_rows
from jaxreg.solvers.factored_ridge import ridge_params
from jaxreg.solvers.leave_one_out import leave_one_out_of
from jaxreg.solvers.paths import default_tol, prepare
from jaxreg.sweeps.cross_validate import choose

__all__ = ["ridge_leave_one_out"]


# Compiled; the rank of y is that of (n, t).
def _errors_of(X, Y, s, v, lams, *, fit_intercept, standardize):
    return leave_one_out_of(prepare(X, Y, fit_intercept, standardize, s, v, None, None), lams)


_errors = jax.jit(_errors_of, static_argnames=("fit_intercept", "standardize"))
_params, _choose = jax.jit(ridge_params), jax.jit(jax.vmap(choose, (2, 2, None)))


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

    The standard deviations and the penalty λ Σs of all rows are kept when a row is left out, as in scikit-learn's
    RidgeCV with ``cv=None``. It therefore differs, by a few parts in n, from ``sweep(folds=n, l1_ratio=0)``, where both
    are those of the n − 1 rows that are left. A row is left out with all of its weight.

    Args:
        lams: L λs above 0 in any order, or how many: then a geometric grid as in :func:`jaxreg.path`.
        X, y and all other options: as in :func:`jaxreg.fit`. Columns with ``penalty_factor`` 0 are fitted freely.

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
    a = regression._check(X, y, sample_weight, penalty_factor, None, None, dtype)
    lams = inputs.check_lams(lams, a.X.dtype)
    if not isinstance(lams, int) and (lams == 0).any():
        raise ValueError(f"lams[{int(np.argmin(lams))}] is 0; leave-one-out needs a penalty: give λs above 0.")
    eps = None if eps is None else inputs.check_positive(eps, "eps", below=1.0)
    tol = default_tol(a.X.dtype) if tol is None else inputs.check_positive(tol, "tol")
    s = ridge_blocks.unit_weights(a)
    if (s > 0).sum() < 2:
        raise ValueError("leave-one-out needs at least two rows of positive sample_weight.")
    centring = {"fit_intercept": bool(fit_intercept), "standardize": bool(standardize)}
    inputs.check_values(a.X, a.names)
    with computing(a.X.dtype == np.float64, find_device(device)):
        data = ridge_blocks.Blocks(a, None, centring)
        grid = ridge_blocks.grid_of(data, lams, eps)
        solved = [_errors(data.X, Y, data.s, data.v, grid, **centring) for Y in data.Y]
        mse, se, gcv, gap = (
            ridge_blocks.joined([np.asarray(getattr(block, name)) for block, _ in solved], data.targets)
            for name in ("mse", "se_mse", "gcv", "gap")
        )
        _check_errors(mse, grid)
        chosen = [np.asarray(index) for index in _choose(mse[None], se[None], grid[None])]
        df, factored = np.asarray(solved[0][0].df), [block for _, block in solved]
        lams_chosen = np.stack([grid[index[:, 1]] for index in chosen])
        if a.penalty_factor is not None and (a.penalty_factor == 0).any():
            options = Options(0.0, 1.0, tol, 1, **centring, strategy=None)
            both = solve_on_rows(a, lams_chosen, options).params
            models = [Params(both.intercept[k], both.coef[k]) for k in range(2)]
        else:
            every = ridge_blocks.Solved(grid, factored, gap, df, data.targets)
            models = [ridge_blocks.chosen_params(every, lam) for lam in lams_chosen]
        regression._check_coef(np.stack([params.coef for params in models]))
        best, one_se = (
            ridge.choice_of(grid, params, index, mse, se, a) for params, index in zip(models, chosen, strict=True)
        )
    converged = regression._warn_unless_converged(gap, grid[:, None], tol, "ridge_leave_one_out")
    mse, se, gcv, gap = (v[:, 0] if a.y.ndim == 1 else v for v in (mse, se, gcv, gap))
    scale = np.asarray(factored[0].scale)
    return results.LeaveOneOut(grid, mse, se, gcv, df, gap, converged, best, one_se, scale, a.names)


def _check_errors(mse: np.ndarray, lams: np.ndarray) -> None:
    if np.isinf(mse).any():
        l = int(np.argwhere(np.isinf(mse))[0][0])
        raise ValueError(
            f"at lam={lams[l]:g} a row has the leverage 1 to rounding: it alone determines a coefficient, "
            "and nothing can be said about it when it is left out. Ask for larger λs, give columns of penalty_factor 0 "
            "a penalty, or drop the row."
        )
