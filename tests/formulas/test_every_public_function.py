"""JAX's own check, forwards and backwards against differences, of every public pure function; those that are not in the
table are named with the reason, so that a new function must be put into one of the two."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxreg import formulas, solvers, sweeps
from jaxreg.formulas import Params

RNG = np.random.default_rng(0)
X, Y, W = RNG.standard_normal((12, 3)) + 1.0, RNG.standard_normal((12, 2)), RNG.standard_normal((3, 2))
S, V, SIGMA = RNG.uniform(0.5, 2.0, 12), RNG.uniform(0.5, 2.0, 3), RNG.uniform(0.5, 2.0, 3)
ONE, BOTH = Params(jnp.asarray(0.3), jnp.asarray(W[:, 0])), Params(jnp.asarray(Y[0]), jnp.asarray(W))
LAM, RHO = jnp.asarray(0.4), jnp.asarray(0.7)
weighted = lambda f: lambda params, X, y, lam, rho, s: f(params, X, y, lam, rho, sample_weight=s)
scaled = lambda f, *others: lambda w, lam, *a: f(w, lam, *a, penalty_factor=V, scale=SIGMA)
y, of_one, of_both = Y[:, 0], (ONE, X, Y[:, 0], LAM, RHO, S), (BOTH, X, Y, LAM, RHO, S)
rows, targets = X - X.mean(axis=0), Y - Y.mean(axis=0)

# Each with a point at which it is smooth: coefficients are not 0, and the largest of several is so by far.
TABLE = {
    "absolute": (formulas.absolute, (ONE.coef,)),
    "duality_gap": (weighted(formulas.duality_gap), of_one),
    "elastic_net_penalty": (scaled(formulas.elastic_net_penalty), (ONE.coef, LAM, RHO)),
    "gradient": (weighted(formulas.gradient), of_one),
    "hessian": (lambda X, lam, rho, s: formulas.hessian(X, lam, rho, sample_weight=s), (X, LAM, RHO, S)),
    "kkt_residual": (weighted(formulas.kkt_residual), of_one),
    "lam_max": (lambda X, y, rho, s: formulas.lam_max(X, y, rho, sample_weight=s), (X, y, RHO, S)),
    "lasso_penalty": (scaled(formulas.lasso_penalty), (ONE.coef, LAM)),
    "lipschitz": (lambda X, lam, rho, s: formulas.lipschitz(X, lam, rho, sample_weight=s), (X, LAM, RHO, S)),
    "moments": (formulas.moments, (X, Y, S)),
    "multi_task_gap": (weighted(formulas.multi_task_gap), of_both),
    "multi_task_gradient": (weighted(formulas.multi_task_gradient), of_both),
    "multi_task_kkt_residual": (weighted(formulas.multi_task_kkt_residual), of_both),
    "multi_task_lam_max": (
        lambda X, Y, rho, s: formulas.multi_task_lam_max(X, Y, rho, sample_weight=s),
        (X, Y, RHO, S),
    ),
    "multi_task_objective": (weighted(formulas.multi_task_objective), of_both),
    "objective": (weighted(formulas.objective), of_one),
    "predict": (formulas.predict, (ONE, X)),
    "prox_elastic_net": (formulas.prox_elastic_net, (W, 0.5 * LAM, LAM, RHO)),
    "prox_rows": (formulas.prox_rows, (W, 0.5 * LAM, LAM, RHO)),
    "ridge_penalty": (scaled(formulas.ridge_penalty), (ONE.coef, LAM)),
    "row_norms": (formulas.row_norms, (W,)),
    "soft_threshold": (formulas.soft_threshold, (W, 0.1 * LAM)),
    "squared_error": (lambda params, X, y, s: formulas.squared_error(params, X, y, sample_weight=s), (ONE, X, y, S)),
    "standard_deviation": (formulas.standard_deviation, (X, S)),
    "weighted_mean": (formulas.weighted_mean, (X, S)),
    "ridge_cholesky": (solvers.ridge_cholesky, (rows, targets, LAM)),
    "ridge_dual": (solvers.ridge_dual, (rows.T, np.ones((3, 2)), LAM)),
    "ridge_grid": (lambda *a: solvers.ridge_grid(*a)[0], (rows, targets, jnp.array([[0.4, 0.4], [0.2, 0.2]]))),
    "mean_and_standard_error": (sweeps.mean_and_standard_error, (RNG.uniform(1, 2, (1, 2, 4)), S[:4])),
}
RECORDS = ("Moments", "Params", "KinkDistance", "LeaveOneOut", "Path", "Solution", "Choice", "Sweep")
ELSEWHERE = ("fit", "path", "cross_validate", "fold_errors", "ridge_leave_one_out")
LEFT_OUT = {
    **dict.fromkeys(RECORDS, "a record, no function"),
    **dict.fromkeys(ELSEWHERE, "in tests/solvers/test_twenty_directions.py, where solutions are tight"),
    "kink_distance": "says how far derivatives hold: distances and columns, no smooth function of the data",
    "choose": "returns positions",
}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def test_none_is_forgotten():
    public = {*formulas.__all__, *solvers.__all__, *sweeps.__all__}
    assert {*TABLE, *LEFT_OUT} == public
    assert not {*TABLE} & {*LEFT_OUT}


@pytest.mark.parametrize("name", TABLE)
def test_both_modes(name):
    function, at = TABLE[name]
    at = jax.tree.map(lambda v: jnp.asarray(np.asarray(v), float), at)
    check_grads(jax.jit(function), at, order=1, modes=("fwd", "rev"), eps=1e-5, rtol=1e-6, atol=1e-7)
