"""``debiased_lasso``: an estimate, a standard error and an interval for each coefficient, also where p > n.

As the other doors it checks the arguments and owns no mathematics, which is in :mod:`jaxreg.solvers.nodewise`.
"""

from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.inputs import check_values
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose
from jaxreg.engines.nodewise import columns_of, inverse_nodes, nodes_of, without_bias
from jaxreg.formulas.objective import Params
from jaxreg.other_names import names_ours
from jaxreg.results.debiased import DebiasedLasso

__all__ = ["debiased_lasso"]


@names_ours
def debiased_lasso(
    X: Any,
    y: Any,
    lam: float | None = None,
    *,
    node_lam: Any = None,
    noise: float | None = None,
    fit_intercept: bool = True,
    tol: float | None = None,
    max_iter: int = 20_000,
    dtype: Any = None,
    device: Any = None,
) -> DebiasedLasso:
    r"""Take the bias off a lasso, so that each coefficient has a standard error and an interval.

    With one lasso of each column on all the others, at `μ_j`, `r_j` its residual, and `ŵ` the lasso of y,

        b̂_j = ŵ_j + r_j·(y − Xŵ) / r_j·x_j,     standard error  σ̂ ‖r_j‖ / |r_j·x_j|.

    What is left of the bias, in standard deviations of the columns, is at most ``off_identity`` times `‖ŵ − w‖₁`.

    Args:
        X: (n, p), y: (n,), all rows of one weight, with independent noise of one size.
        lam: λ of the lasso of y, in units of y as in :func:`jaxreg.fit` with ``standardize=True``; by default
            `σ̂ √(2 log p / n)`, `σ̂ = ‖y − Xŵ‖/√n` at this very λ (the scaled lasso).
        node_lam: μ, a number or (p,), of columns in units of their standard deviations; 0 for least squares of each
            column on the others, for `n > p`. By default `μ_j = √(2 log p / n) ‖r_j‖/√n` at this very `μ_j`, so that no
            column is correlated with `r_j` more than independent noise would be.
        noise: the standard deviation σ of y about its mean, in units of y, where it is known; by default
            `σ̂ = ‖y − Xŵ‖/√(n − 1 − k)`, from the lasso's residuals with k coefficients that are not 0, and the
            quantiles are those of Student's t with `n − 1 − k` degrees of freedom.
        fit_intercept, tol, max_iter, dtype, device: as in :func:`jaxreg.fit`; the nodewise lassos are always computed
            in float64, on the CPU.

    Returns:
        :class:`jaxreg.results.DebiasedLasso`: estimates, standard errors, intervals, p-values, and all gaps. At
        ``lam=0`` or ``node_lam=0`` the estimates are those of least squares, and with both the intervals, too.

    It fails where many coefficients are not 0 (from about `√n / log p` on), for a column that others make up
    (``off_identity`` near 1), and for noise that differs from row to row or is not independent; and nothing holds for
    coefficients that were picked by looking at them: use all, with :meth:`~jaxreg.results.debiased.DebiasedLasso.holm`.

    Raises, Warns: as :func:`jaxreg.fit`; ValueError for several targets, a column that is constant, ``node_lam=0`` with
        columns that depend on each other, and as many coefficients as rows.

    Source: Zhang and Zhang, *JRSS B* 76, 2014; van de Geer, Bühlmann, Ritov and Dezeure, *Ann. Statist.* 42, 2014;
    Javanmard and Montanari, *JMLR* 15, 2014; `σ̂`: Reid, Tibshirani and Friedman, *Statistica Sinica* 26, 2016.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.debiased_lasso(data.X, data.y)
        >>> low, high = found.interval(0.95)
        >>> [data.feature_names[j] for j in (found.holm() < 0.05).nonzero()[0]], found.converged
        (['sex', 'bmi', 'bp', 's5'], True)
    """
    given = check_problem(
        X, y, dtype=dtype, fit_intercept=fit_intercept, tol=tol, max_iter=max_iter, device=device, standardize=True
    )
    if not given.flat:
        raise ValueError("y has several targets; call debiased_lasso for each of its columns.")
    lam = None if lam is None else float(parameters.check_lam(lam, None, float))
    noise = None if noise is None else parameters.check_positive(noise, "noise")
    problem = choose.ready(given._replace(degrees=False), "the debiased lasso")
    check_values(problem.X, problem.names)
    columns = columns_of(problem)
    _check_columns(columns, given)
    solved = choose.solve(problem, np.full((1, 1), columns.lam if lam is None else lam))
    coef, n = solved.params.coef[0, :, 0], len(problem.y)
    choose.check_coef(solved.params.coef[0])
    node_lam = _node_lams(node_lam, len(coef))
    zero = node_lam is not None and not node_lam.any()
    nodes = inverse_nodes(columns) if zero else nodes_of(columns, node_lam, problem.tol)
    found, rr = without_bias(columns, coef.astype(float), nodes)
    degrees = np.inf
    if noise is None:
        degrees = float(n - fit_intercept - np.count_nonzero(coef))
        if degrees < 1:
            raise ValueError(f"the lasso at lam={solved.lams[0, 0]:.4g} fits all rows; give a larger lam, or noise.")
        noise = float(np.sqrt(n * rr / degrees))
    p, of_type = len(coef), lambda v: np.asarray(v).astype(given.X.dtype)
    gaps = np.concatenate([solved.gap[0], nodes.gap])
    lams = np.concatenate([solved.lams[0], nodes.lam])
    return DebiasedLasso(
        estimate=of_type(found.estimate),
        standard_error=of_type(noise * found.spread / np.sqrt(n)),
        lasso=Params(of_type(solved.params.intercept[0, 0]), coef),
        lam=float(lams[0]),
        node_lam=of_type(lams[1:]),
        noise=noise,
        degrees=degrees,
        gap=float(gaps[0]),
        node_gap=of_type(gaps[1:]),
        off_identity=of_type(found.off),
        converged=warn_unless_converged(gaps, lams, problem.tol, "debiased_lasso"),
        scale=of_type(columns.posed.scale[:p]),
        feature_names=given.names,
    )


def _node_lams(node_lam: Any, p: int) -> np.ndarray | None:
    """μ of every column, (p,); all of them 0, or none."""
    if node_lam is None:
        return None
    lams = np.asarray(node_lam, float)
    if lams.shape not in ((), (p,)) or not np.all(np.isfinite(lams) & (lams >= 0)):
        raise ValueError(f"node_lam must be a finite number of at least 0, or {p} of them; got {node_lam!r}.")
    lams = np.broadcast_to(lams, (p,))
    if lams.any() and not lams.all():
        raise ValueError(f"node_lam[{int(np.argmin(lams))}] is 0, and others are not; give 0 for all columns, or none.")
    return lams


def _check_columns(columns: Any, given: Problem) -> None:
    """No column is constant."""
    constant = np.diagonal(columns.posed.gram)[: columns.p] == 0
    if constant.any():
        j = int(np.argmax(constant))
        name = f"column {j}" if given.names is None else f"column {given.names[j]!r}"
        raise ValueError(f"{name} of X is constant: nothing can be said of its coefficient; leave it out.")
