"""Cases that others have published for derivatives of solutions, against differences of tightly solved scikit-learn
problems and against closed forms.

The hyper-gradients of held-out errors of a lasso, a lasso with one penalty a column and an elastic net are those of
Bertrand and others (*ICML* 2020; *J. Machine Learning Research* 23, 2022), on a correlated design of a given ratio of
signal to noise; the Jacobians of ridge and of the lasso by their penalties are those of Blondel and others (*NeurIPS*
35, 2022). The dual of a multi-class support vector machine, the third case there, has a simplex for a constraint,
which no solver here has.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from jaxreg import solvers

PLAIN = {"fit_intercept": False, "standardize": False, "tol": 1e-15}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def correlated(n, p, rho=0.5, nonzero=5, signal_to_noise=3.0):
    """Columns of an autoregressive design, every tenth or so of the coefficients 1, noise of a third of the signal."""
    rng = np.random.default_rng(0)
    X = np.empty((n, p))
    X[:, 0] = rng.standard_normal(n)
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(n)
    w = np.zeros(p)
    w[rng.choice(p, nonzero, replace=False)] = 1.0
    noise = rng.standard_normal(n)
    return X, X @ w + noise * np.linalg.norm(X @ w) / np.linalg.norm(noise) / signal_to_noise


def by_scikit_learn(X, y, l1, l2):
    """Penalties `Σ l1_j |w_j| + l2/2 ‖w‖²`: columns divided by l1_j where they differ."""
    lam, rho = (1.0, 1.0) if l2 is None else (l1 + l2, l1 / (l1 + l2))
    units = l1 if l2 is None else np.ones(X.shape[1])
    model = ElasticNet(alpha=lam, l1_ratio=rho, fit_intercept=False, tol=1e-14, max_iter=1_000_000)
    return model.fit(X / units, y).coef_ / units


def by_jaxreg(X, y, l1, l2):
    if l2 is None:
        return solvers.fit(X, y, 1.0, penalty_factor=l1, **PLAIN).params.coef
    return solvers.fit(X, y, l1 + l2, l1 / (l1 + l2), **PLAIN).params.coef


CASES = {
    "lasso": lambda z, p: (jnp.exp(z[0]) * np.ones(p), None),
    "one penalty a column": lambda z, p: (jnp.exp(z), None),
    "elastic net": lambda z, p: (jnp.exp(z[0]), jnp.exp(z[1])),
}


@pytest.mark.filterwarnings("ignore:Objective did not converge")  # to 1e-14 it does up to rounding alone
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("n", "p"), [(100, 20), pytest.param(60, 90, marks=pytest.mark.slow)])
def test_hyper_gradients_of_held_out_errors(case, n, p):
    X, y = correlated(n, p)
    train, test = np.arange(n) % 2 == 0, np.arange(n) % 2 == 1
    top = np.log(np.abs(X[train].T @ y[train]).max() / train.sum() / 10)  # a tenth of λ_max
    z = {"lasso": [top], "one penalty a column": np.full(p, top), "elastic net": [top, top - 1]}[case]
    z, hyper = np.asarray(z), CASES[case]

    def error(solve, z):
        return ((y[test] - X[test] @ solve(X[train], y[train], *hyper(z, p))) ** 2).mean()

    found = jax.jit(jax.grad(lambda z: error(by_jaxreg, z)))(z)
    assert np.abs(found).max() > 1e-3
    numpy_of = lambda v: None if v is None else np.asarray(v)
    plain = lambda X, y, l1, l2: by_scikit_learn(X, y, numpy_of(l1), numpy_of(l2))
    rng = np.random.default_rng(1)
    for direction in rng.standard_normal((3, len(z))):
        up, down = (error(plain, z + k * 1e-5 * direction) for k in (1, -1))
        # Solutions to 1e-9 or so, divided by 1e-5.
        np.testing.assert_allclose(found @ direction, (up - down) / 2e-5, rtol=1e-5, atol=2e-5 * np.abs(found).max())


def test_the_jacobian_of_ridge_by_its_penalty():
    """`∂w/∂λ = −(XᵀX/n + λI)⁻¹ w`."""
    X, y = correlated(50, 8)
    solve = lambda lam: solvers.fit(X, y, lam, 0.0, **PLAIN).params.coef
    M = X.T @ X / 50 + 0.3 * np.eye(8)
    w = np.linalg.solve(M, X.T @ y / 50)
    for mode in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(mode(solve))(0.3), -np.linalg.solve(M, w), rtol=1e-10)


def test_the_jacobian_of_the_lasso_by_its_penalty():
    """`∂w_I/∂λ = −(X_IᵀX_I/n)⁻¹ sign(w_I)`, and 0 outside of the support I that scikit-learn finds."""
    X, y = correlated(80, 15)
    lam = np.abs(X.T @ y).max() / 80 / 5
    w = by_scikit_learn(X, y, np.full(15, lam), None)
    inside = w != 0
    expected = np.zeros(15)
    expected[inside] = -np.linalg.solve(X[:, inside].T @ X[:, inside] / 80, np.sign(w[inside]))
    assert 3 < inside.sum() < 15
    solve = lambda lam: solvers.fit(X, y, lam, **PLAIN).params.coef
    for mode in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(mode(solve))(lam), expected, rtol=1e-9, atol=1e-12)
