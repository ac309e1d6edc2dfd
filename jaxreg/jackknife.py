"""``ridge_jackknife_plus``: intervals for new observations, from the models without each row.

As the other doors it checks the arguments and owns no mathematics: the models are those of
:mod:`jaxreg.solvers.left_out_models`, the intervals in :mod:`jaxreg.results.jackknifed`.
"""

from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.inputs import check_values
from jaxreg.data.problem import check_problem
from jaxreg.engines import choose
from jaxreg.formulas.objective import Params
from jaxreg.other_names import names_ours
from jaxreg.programs import compiled
from jaxreg.results.jackknifed import JackknifePlus
from jaxreg.solvers.left_out_models import left_out_models

__all__ = ["ridge_jackknife_plus"]

_program = compiled(left_out_models, static_argnames=("fit_intercept", "standardize"))


@names_ours
def ridge_jackknife_plus(
    X: Any,
    y: Any,
    lam: float,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    tol: float | None = None,
    dtype: Any = None,
    device: Any = None,
) -> JackknifePlus:
    """Ridge without each row, for intervals that hold a new observation.

    All n models come from one decomposition. They keep the penalty `nλ` and the standard deviations (of X and of y) of
    all rows, as :func:`ridge_leave_one_out` does.

    Args:
        X: (n, p), y: (n,), all rows of one weight. lam: `λ > 0`, in the unit of :func:`fit`.
        fit_intercept, standardize, tol, dtype, device: as in :func:`fit`; all is computed in float64.

    Returns:
        :class:`jaxreg.results.JackknifePlus`: the model of all rows, those without each row, and
        ``predict_interval(X_new, level)``.

    **What is promised.** If old and new rows are drawn independently from one distribution (or are exchangeable), an
    interval of level `1 − α` holds the new y with a probability of at least `1 − 2α`, whatever that distribution is,
    and usually about `1 − α`. That is over all draws, not at one given row, where the noise may be larger than
    elsewhere. It takes a λ that was not chosen from these y, and ``standardize=False``: standard deviations of all rows
    know a little, of the order 1/n, of the row that is left out. Time series and groups are not exchangeable.

    Raises, Warns: as :func:`fit`; ValueError for `λ = 0`, several targets, fewer than three rows, and a row that alone
        determines a coefficient.

    Source: Barber, Candès, Ramdas and Tibshirani, *Ann. Statist.* 49, 2021.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.ridge_jackknife_plus(data.X[:300], data.y[:300], lam=1.0)
        >>> low, high = found.predict_interval(data.X[300:], 0.9)
        >>> round(float(((low <= data.y[300:]) & (data.y[300:] <= high)).mean()), 2)
        0.91
    """
    given = check_problem(
        X, y, 0.0, dtype=dtype, fit_intercept=fit_intercept, standardize=standardize, tol=tol, device=device
    )
    if not given.flat:
        raise ValueError("y has several targets; call ridge_jackknife_plus for each of its columns.")
    lam = parameters.check_positive(lam, "lam")
    if len(given.y) < 3:
        raise ValueError(f"there are {len(given.y)} rows; without one of them, at least 2 have to be left.")
    problem = choose.ready(given, "the jackknife")
    check_values(problem.X, problem.names)
    how = {"fit_intercept": problem.fit_intercept, "standardize": problem.standardize}
    with given.computing(double=True):
        found: Any = _program(np.asarray(problem.X, float), problem.y[:, 0], np.float64(lam), **how)
        coef, intercept, gap, residual, scale, y_scale = map(np.asarray, found)
    if np.isinf(residual).any():
        i = int(np.argmax(np.isinf(residual)))
        raise ValueError(f"row {i} alone determines a coefficient at lam={lam:g}: give a larger lam, or drop the row.")
    choose.check_coef(coef)
    of_type = lambda v: v.astype(given.X.dtype)
    return JackknifePlus(
        params=Params(of_type(intercept[-1]), of_type(coef[-1])),
        lam=lam,
        left_out_coef=of_type(coef[:-1]),
        left_out_intercept=of_type(intercept[:-1]),
        left_out_residual=of_type(residual),
        gap=float(gap[-1]),
        left_out_gap=of_type(gap[:-1]),
        converged=warn_unless_converged(gap, np.full(1, lam), problem.tol, "ridge_jackknife_plus", False),
        scale=of_type(scale),
        y_scale=float(y_scale),
        feature_names=given.names,
    )
