"""Losses other than squares: the same answers as scikit-learn and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

from jaxreg import Params, train, train_grid

N, P, LAM = 200, 5, 0.05
LBFGS = optax.lbfgs()


@pytest.fixture
def X(rng):
    return rng.normal(size=(N, P))


@pytest.fixture
def eta(X):
    return X @ np.array([1.0, -0.5, 0.0, 0.3, 0.8]) + 0.4


START = Params(np.zeros(()), np.zeros(P))


def with_ridge(loss):
    """The mean of loss(y, η) and λ/2 ‖w‖²; the intercept is free."""

    def penalised(params, X, y, lam):
        return jnp.mean(loss(y, X @ params.coef + params.intercept)) + 0.5 * lam * jnp.sum(params.coef**2)

    return penalised


logistic = with_ridge(lambda y, eta: jnp.logaddexp(0.0, eta) - y * eta)
poisson = with_ridge(lambda y, eta: jnp.exp(eta) - y * eta)
huber = with_ridge(lambda y, eta: optax.huber_loss(eta, y, delta=0.7))


def check_stationary(result):
    assert result.residual < 1e-9
    assert not result.diverged


def test_logistic_regression(X, eta, rng):
    linear_model = pytest.importorskip("sklearn.linear_model")
    y = (rng.uniform(size=N) < 1 / (1 + np.exp(-eta))).astype(float)
    result = train(logistic, START, X, y, LAM, optimizer=LBFGS, steps=40)
    check_stationary(result)
    # scikit-learn: C Σ loss + ½ ‖w‖², hence C = 1/(n λ).
    peer = linear_model.LogisticRegression(C=1 / (N * LAM), solver="lbfgs", tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(result.params.coef, peer.coef_[0], rtol=0, atol=1e-7)
    np.testing.assert_allclose(result.params.intercept, peer.intercept_[0], rtol=0, atol=1e-7)


def test_poisson_regression(X, eta, rng):
    linear_model = pytest.importorskip("sklearn.linear_model")
    y = rng.poisson(np.exp(eta)).astype(float)
    result = train(poisson, START, X, y, LAM, optimizer=LBFGS, steps=40)
    check_stationary(result)
    # scikit-learn: mean of half the deviance + α/2 ‖w‖², hence α = λ.
    peer = linear_model.PoissonRegressor(alpha=LAM, solver="newton-cholesky", tol=1e-10).fit(X, y)
    np.testing.assert_allclose(result.params.coef, peer.coef_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(result.params.intercept, peer.intercept_, rtol=0, atol=1e-8)


def test_huber_regression(X, eta, rng):
    y = eta + 0.3 * rng.standard_t(2, size=N)

    def plain(theta):
        r = np.abs(X @ theta[1:] + theta[0] - y)
        return np.mean(np.where(r <= 0.7, 0.5 * r**2, 0.7 * (r - 0.35))) + 0.5 * LAM * theta[1:] @ theta[1:]

    def slope(theta):
        psi = np.clip(X @ theta[1:] + theta[0] - y, -0.7, 0.7) / N
        return np.append(psi.sum(), X.T @ psi + LAM * theta[1:])

    result = train(huber, START, X, y, LAM, optimizer=LBFGS, steps=60)
    check_stationary(result)
    peer = minimize(plain, np.zeros(P + 1), jac=slope, method="BFGS", options={"gtol": 1e-10})
    np.testing.assert_allclose(np.append(result.params.intercept, result.params.coef), peer.x, rtol=0, atol=1e-8)
    np.testing.assert_allclose(result.loss, peer.fun, rtol=1e-13)


def test_gradient_descent_and_a_grid_of_losses(X, eta, rng):
    # Slower and plainer: sgd below 2/L, L ≤ λ_max of [1 X]ᵀ[1 X]/(4 n) + λ for the logistic loss.
    y = (rng.uniform(size=N) < 1 / (1 + np.exp(-eta))).astype(float)
    lams = np.array([0.01, 0.05, 0.5])
    result = train_grid(logistic, START, {"lam": lams}, X, y, optimizer=optax.sgd(2.0), steps=20_000, tol=1e-13)
    assert np.all(result.converged)
    reference = train(logistic, START, X, y, LAM, optimizer=LBFGS, steps=40)
    np.testing.assert_allclose(result.params.coef[1], reference.params.coef, rtol=0, atol=1e-10)
    norms = np.linalg.norm(result.params.coef, axis=1)
    assert np.all(np.diff(norms) < 0)


@pytest.mark.slow
def test_a_two_layer_network():
    # y = sin x by 8 tanh units, from three starts: far better than the best line, and the gradient has gone.
    x = np.linspace(-3, 3, 60)[:, None]
    y = np.sin(x[:, 0])

    def params(seed):
        one, two = jax.random.split(jax.random.key(seed))
        return {
            "in": {"w": jax.random.normal(one, (1, 8)), "b": jnp.zeros(8)},
            "out": {"w": 0.3 * jax.random.normal(two, (8,)), "b": jnp.zeros(())},
        }

    def fitted(params, x):
        return jnp.tanh(x @ params["in"]["w"] + params["in"]["b"][None, :]) @ params["out"]["w"] + params["out"]["b"]

    def loss(params, x, y):
        return jnp.mean((fitted(params, x) - y) ** 2) + 1e-3 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))

    optimizer = optax.adam(optax.exponential_decay(0.05, 300, 0.5))
    result = train_grid(loss, params, {"seed": np.arange(3)}, x, y, optimizer=optimizer, steps=4000)
    assert np.all(result.residual < 5e-3)
    line = np.polyval(np.polyfit(x[:, 0], y, 1), x[:, 0])
    for g in range(3):
        member = jax.tree.map(lambda leaf, g=g: np.asarray(leaf[g]), result.params)
        assert np.mean((fitted(member, x) - y) ** 2) < 0.05 * np.mean((line - y) ** 2)
