"""``path`` of the estimators beside scikit-learn's functions of the same arguments."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import enet_path, lasso_path

from jaxreg import ElasticNet, ElasticNetCV, Lasso, LassoCV, Params
from jaxreg.estimators import path as estimators_path
from jaxreg.formulas.duality import duality_gap

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 8))
Y = X[:, :3] @ [1.0, -2.0, 0.5] + 0.3 * RNG.standard_normal(60)
X, Y = X - X.mean(axis=0), Y - Y.mean()
TIGHT = {"tol": 1e-14, "max_iter": 1_000_000}


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("alphas", [20, [0.01, 1.0, 0.1]], ids=["number", "given"])
@pytest.mark.parametrize("model", [ElasticNet, ElasticNetCV])
def test_elastic_nets(model, alphas, positive):
    found = model.path(X, Y, l1_ratio=0.7, alphas=alphas, positive=positive, return_n_iter=True)
    expected = enet_path(X, Y, l1_ratio=0.7, alphas=alphas, positive=positive, **TIGHT)
    if not positive or not isinstance(alphas, int):  # scikit-learn's grid begins where a free coefficient would enter
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
        np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    assert found[1].shape == (8, len(found[0]))
    assert np.all((found[2] >= 0) & (found[2] < 1e-9))
    assert found[3].shape == found[0].shape
    assert np.all(found[1] >= 0) or not positive


@pytest.mark.parametrize("model", [Lasso, LassoCV])
def test_lassos(model):
    alphas, coefs, _ = model.path(X, Y, alphas=20, eps=1e-2, precompute=X.T @ X, random_state=0, selection="random")
    expected = lasso_path(X, Y, alphas=20, eps=1e-2, **TIGHT)
    np.testing.assert_allclose(alphas, expected[0], rtol=1e-12)
    np.testing.assert_allclose(coefs, expected[1], atol=1e-6)
    table = sparse.csr_array(np.where(np.abs(X) > 0.7, X, 0.0))
    np.testing.assert_allclose(model.path(table, Y, alphas=5)[1], lasso_path(table, Y, alphas=5, **TIGHT)[1], atol=1e-6)


def test_the_gap_is_in_the_units_of_the_objective(monkeypatch):
    """At coefficients that are off by a hundredth, where it is no rounding: primal less dual as scikit-learn defines
    them, at the residual as the dual point; the certificate scales that point, and may be a little less."""
    y, rho, alpha = 1000 * Y, 0.5, 30.0
    w = 1.01 * ElasticNet.path(X, y, alphas=[alpha], l1_ratio=rho)[1][:, 0]
    with jax.enable_x64(True):
        gap = float(duality_gap(Params(0.0, w), X, y, alpha, rho, fit_intercept=False))
    found = SimpleNamespace(lams=np.array([alpha]), coef=w[None], gap=np.array([gap]))
    monkeypatch.setattr(estimators_path, "coefficient_path", lambda *_, **__: found)
    r, n, l1, l2 = y - X @ w, len(y), alpha * rho, alpha * (1 - rho)
    primal = r @ r / (2 * n) + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w
    excess = np.maximum(np.abs(X.T @ r / n) - l1, 0)
    dual = y @ r / n - r @ r / (2 * n) - (excess**2).sum() / (2 * l2)
    (stated,) = ElasticNet.path(X, y, alphas=[alpha], l1_ratio=rho)[2]
    assert 0.3 * (primal - dual) < stated <= (1 + 1e-9) * (primal - dual)


def test_refusals():
    with pytest.raises(TypeError, match="unexpected argument 'alpha'; it takes tol, max_iter"):
        Lasso.path(X, Y, alpha=1.0)
    with pytest.raises(TypeError, match="has no l1_ratio"):
        LassoCV.path(X, Y, l1_ratio=0.5)
    with pytest.raises(ValueError, match="penalty_factor is not taken where several targets"):
        ElasticNet.path(X, np.stack([Y, Y], axis=1), penalty_factor=np.ones(8))
