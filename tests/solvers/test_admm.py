"""All elastic nets at once by ADMM and Newton steps, as an accelerator solves them: here a CPU that says it is one."""

import jax
import numpy as np
import pytest
from scipy.optimize import lsq_linear
from sklearn.linear_model import ElasticNet

from jaxreg import solvers
from jaxreg.solvers import members, row_solvers


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    made, solve_all = [], row_solvers.solve_all
    monkeypatch.setattr(row_solvers, "solve_all", lambda *args: made.append(1) or solve_all(*args))
    for module in (members, row_solvers):
        monkeypatch.setattr(module, "on_accelerator", lambda *_: True)
    jax.clear_caches()
    yield made
    jax.clear_caches()


@pytest.mark.parametrize("ratio", [0.9, 0.5])
def test_equals_scikit_learn(calls, ratio):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 12)) @ (np.eye(12) + 0.5 * np.eye(12, k=1))
    Y = X[:, :3] @ rng.normal(size=(3, 2)) + rng.normal(size=(80, 2))
    found = solvers.path(X, Y, np.geomspace(1, 1e-3, 8), ratio, standardize=False)
    assert calls
    assert np.asarray(found.converged).all()
    for l, lam in enumerate(found.lams):
        net = ElasticNet(alpha=float(lam), l1_ratio=ratio, tol=1e-14, max_iter=100_000).fit(X, Y)
        np.testing.assert_allclose(found.coef[l], net.coef_.T, atol=1e-8)


def test_every_lam_of_a_hard_path_settles(design, design_name):
    """To λ_max/1,000, where the proximal gradient needs up to thousands of steps; designs as in test_robust."""
    X, y = design(design_name, 150, 40, 0)
    found = solvers.path(X, y, 30, 0.5, eps=1e-3, standardize=False)
    assert np.asarray(found.converged).all()
    assert np.asarray(found.n_iter).max() <= 200  # 90 at most were measured


@pytest.mark.parametrize("name", ["factor", "chain 0.99", "duplicates", "wild scales"])
def test_with_more_columns_than_rows_it_takes_fewer_steps_than_proximal_gradients(calls, name, design):
    """The inverse is that of an n × n matrix; the answers of proximal gradients are the same."""
    X, y = design(name, 40, 150, 0)
    how = {"l1_ratio": 0.5, "eps": 1e-2, "standardize": False}
    found = solvers.path(X, y, 12, **how)
    assert calls
    other = solvers.path(X, y, 12, strategy="parallel", **how)
    assert np.asarray(found.converged).all()
    assert np.asarray(other.converged).all()
    scale = np.abs(other.coef).max()
    np.testing.assert_allclose(found.coef, other.coef, atol=1e-9 * scale)
    assert np.asarray(found.n_iter).max() < np.asarray(other.n_iter).max()


def test_wide_with_bounds(calls, design):
    """Penalties and bounds at every optimum by the conditions of optimality."""
    X, y = design("chain 0.99", 40, 150, 0)
    lams = np.array([0.3, 0.05])
    found = solvers.path(X, y, lams, lower=-1.0, upper=0.5, standardize=False)
    assert calls
    assert np.asarray(found.converged).all()
    for l, lam in enumerate(lams):
        w = np.asarray(found.coef[l])
        slope = X.T @ (y - found.intercept[l] - X @ w) / len(X)
        inside = (w != 0) & (w > -1) & (w < 0.5)
        np.testing.assert_allclose(slope[inside], lam * np.sign(w[inside]), atol=1e-9)
        assert (slope[w == 0.5] >= lam - 1e-9).all()
        assert (slope[w == -1.0] <= -lam + 1e-9).all()
        assert (np.abs(slope[w == 0]) <= lam + 1e-9).all()
    assert (np.asarray(found.coef[1]) == 0.5).any()


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_bounds_on_both_sides(calls, ratio):
    """Those of the conditions of optimality, and box least squares of SciPy where λ is small."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 8))
    y = X @ np.array([3.0, -2, 1, 0, 0, 0.4, -0.2, 0]) + 0.1 * rng.normal(size=60)
    found = solvers.path(X, y, np.array([0.3, 1e-9]), ratio, lower=-1.0, upper=0.5, standardize=False)
    assert calls
    assert np.asarray(found.converged).all()
    box = lsq_linear(X - X.mean(axis=0), y - y.mean(), (-1.0, 0.5), tol=1e-14).x
    np.testing.assert_allclose(found.coef[1], box, atol=1e-6)
    w = np.asarray(found.coef[0])
    r = y - found.intercept[0] - X @ w
    slope = X.T @ r / 60 - 0.3 * (1 - ratio) * w
    inside = (w != 0) & (w > -1) & (w < 0.5)
    np.testing.assert_allclose(slope[inside], 0.3 * ratio * np.sign(w[inside]), atol=1e-9)
    assert (slope[w == 0.5] >= 0.3 * ratio).all()
    assert (slope[w == -1.0] <= -0.3 * ratio).all()


def test_few_steps_are_said_not_to_have_converged(design):
    X, y = design("factor", 150, 40, 0)
    found = solvers.path(X, y, 10, 0.5, eps=1e-6, max_iter=10, standardize=False)
    assert not np.asarray(found.converged).all()
    assert np.asarray(found.gap)[~np.asarray(found.converged)].min() > 1e-10
