"""``influence``: which rows move the answer most.

As the other doors it checks the arguments and owns no mathematics: that is in :mod:`jaxreg.solvers.influence`.
"""

from typing import Any

import numpy as np

from jaxreg import results
from jaxreg.data.inputs import check_values
from jaxreg.data.parameters import check_lam
from jaxreg.data.problem import check_problem
from jaxreg.engines import choose
from jaxreg.other_names import names_ours
from jaxreg.programs import compiled
from jaxreg.regression import fit
from jaxreg.solvers.influence import influence_of
from jaxreg.solvers.paths import arguments

__all__ = ["influence"]

# The hat matrix may take so many bytes.
MOST_BYTES = 2**32


# Compiled.
def _of_rows(X, y, lam, l1_ratio, weights, coef, intercept, *, fit_intercept, standardize, hat):
    how = {"fit_intercept": fit_intercept, "standardize": standardize, "max_iter": 1, "strategy": None}
    given = arguments(X, y, lam[None], l1_ratio, None, None, weights, degrees=False, **how)
    return influence_of(*given, coef, intercept, lam, hat)


_program = compiled(_of_rows, static_argnames=("fit_intercept", "standardize", "hat"))


@names_ours
def influence(
    X: Any,
    y: Any,
    lam: float,
    l1_ratio: float = 1.0,
    *,
    hat: bool = False,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    tol: float | None = None,
    dtype: Any = None,
    device: Any = None,
) -> results.Influence:
    """What every row does to the solution at one λ: its leverage, and how the answer changes without it.

    The support and the signs, the standard deviations and the penalty `λ Σs` of all rows are kept: for ridge the change
    is exact (as in :func:`ridge_leave_one_out`), for other penalties it is where leaving out the row changes no
    support, and elsewhere one Newton step towards it.

    Args:
        X: (n, p). y: (n,). lam: λ. hat: whether the matrix `∂ŷ/∂y`, (n, n), is kept.
        l1_ratio, ...: these and all other options as in :func:`fit`.

    Returns:
        :class:`jaxreg.results.Influence`; printed, it shows the rows that move the fit most.

    Raises, Warns: as :func:`fit`; ValueError for several targets, and where a row alone determines a coefficient.

    Source: Cook and Weisberg, *Residuals and Influence in Regression*, 1982; Rad and Maleki, *J. R. Stat. Soc. B* 82,
    2020.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> y = data.y.copy()
        >>> y[100] += 1000.0
        >>> found = jaxreg.influence(data.X, y, lam=2.0)
        >>> int(found.order[0]), found.change.shape
        (100, (442, 10))
    """
    options: dict[str, Any] = {"sample_weight": sample_weight, "penalty_factor": penalty_factor}
    options |= {"lower": lower, "upper": upper, "dtype": dtype, "tol": tol, "device": device}
    options |= {"fit_intercept": fit_intercept, "standardize": standardize}
    given = check_problem(X, y, l1_ratio, **options)
    if not given.flat:
        raise ValueError("y has several targets; call influence for each of its columns.")
    lam = float(check_lam(lam, None, float))
    problem = choose.ready(given, "influence")
    check_values(problem.X, problem.names)
    n = len(problem.X)
    if hat and 8 * n * n > MOST_BYTES:
        raise MemoryError(f"hat: a matrix of {n:,} rows by {n:,} is more than 4 GiB; leave hat out.")
    model = fit(problem.X, given.y[:, 0], lam, l1_ratio, **options)
    weights = {"sample_weight": problem.sample_weight, "penalty_factor": problem.penalty_factor}
    weights |= {"lower": problem.lower, "upper": problem.upper}
    with given.computing(double=True):
        table, coef = np.asarray(problem.X, float), np.asarray(model.coef, float)
        numbers = np.float64(lam), np.float64(given.l1_ratio)
        how = {"fit_intercept": given.fit_intercept, "standardize": given.standardize, "hat": bool(hat)}
        found: Any = _program(table, given.y[:, 0], *numbers, weights, coef, np.float64(model.intercept), **how)
        found = type(found)(*(None if v is None else np.asarray(v) for v in found))
    alone = found.leverage >= 1 - 1e-9
    if alone.any():
        raise ValueError(
            f"row {int(np.argmax(alone))} alone determines a coefficient at lam={lam:g}: give a larger lam, or drop it."
        )
    used = given.weights > 0
    return results.Influence(
        **found._asdict(),
        params=model.params,
        lam=lam,
        l1_ratio=given.l1_ratio,
        gap=float(model.gap),
        converged=bool(model.converged),
        distance=np.where(used, _distance(found, given.weights), 0.0),
        scale=model.scale,
        feature_names=given.names,
    )


def _distance(found: Any, weight: np.ndarray) -> np.ndarray:
    """Cook's distance but for the number of parameters, (n,): `r² h / (1 − h)²` as a share of the mean `r²`."""
    share = weight / weight.sum()
    square = share @ found.residual**2
    return found.residual**2 * found.leverage / (1 - found.leverage) ** 2 / (square if square > 0 else 1.0)
