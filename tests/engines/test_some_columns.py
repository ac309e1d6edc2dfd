"""The some-columns engine: working sets that grow, steps by conjugate gradients, against dense tables and others."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import ElasticNet, Lasso, Ridge

import jaxreg
from jaxreg.data.sparse import entries_of
from jaxreg.engines import some_columns
from jaxreg.engines.newton_entries import Columns, minimise
from jaxreg.formulas.duality import Penalty


def problem(n, p, density, seed=0, effects=10):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, p), density=density, rng=rng, format="csr")
    y = X @ np.where(np.arange(p) < effects, 3.0, 0.0) + 0.1 * rng.normal(size=n)
    return X, y


@pytest.fixture(params=["moments", "steps"])
def way(request, monkeypatch):
    """Small working sets by their moments, or everything by steps; the first working set holds 4 columns."""
    monkeypatch.setattr(some_columns, "FIRST", 4)
    monkeypatch.setattr(some_columns, "FIRST_OF_PATH", 4)
    if request.param == "steps":
        monkeypatch.setattr(some_columns, "MOST", 0)
        monkeypatch.setattr(some_columns, "MOST_OF_FEW", 0)


@pytest.mark.parametrize(("n", "p"), [(2000, 400), (600, 1500)])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_paths_equal_those_of_dense_tables(n, p, l1_ratio, way):
    X, y = problem(n, p, 0.03)
    assert some_columns.suits(jaxreg.data.problem.check_problem(X, y))
    found = jaxreg.path(X, y, 12, l1_ratio, eps=0.05)
    expected = jaxreg.path(X.toarray(), y, 12, l1_ratio, eps=0.05)
    assert found.converged.all()
    np.testing.assert_allclose(found.lams, expected.lams, rtol=1e-13)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-4 * np.abs(expected.coef).max())
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-12)
    np.testing.assert_allclose(found.df, expected.df, rtol=1e-6)
    squares = np.sum((y[:, None] - found.predict(X)) ** 2, axis=0)
    np.testing.assert_allclose(squares, np.sum((y[:, None] - expected.predict(X.toarray())) ** 2, axis=0), rtol=1e-7)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_one_lam_equals_scikit_learn(l1_ratio, way):
    X, y = problem(1000, 3000, 0.02)
    lam = 2e-3
    found = jaxreg.fit(X, y, lam, l1_ratio, standardize=False)
    expected = ElasticNet(lam, l1_ratio=l1_ratio, tol=1e-13, max_iter=1_000_000).fit(X.tocsc(), y)
    assert found.converged
    assert np.count_nonzero(found.coef) == np.count_nonzero(expected.coef_)
    np.testing.assert_allclose(found.coef, expected.coef_, rtol=0, atol=1e-5 * np.abs(expected.coef_).max())
    np.testing.assert_allclose(found.intercept, expected.intercept_, rtol=0, atol=1e-6)


def test_many_columns():
    """100,000 columns, which a dense table of 15 GiB would hold."""
    X, y = problem(20_000, 100_000, 0.0003)
    found = jaxreg.fit(X, y, 1e-4, standardize=False)
    expected = Lasso(alpha=1e-4, tol=1e-10, max_iter=10_000).fit(X.tocsc(), y)
    assert found.converged
    np.testing.assert_allclose(found.coef, expected.coef_, rtol=0, atol=1e-4 * np.abs(expected.coef_).max())
    ridge = jaxreg.fit(X, y, 1e-3, 0.0, standardize=False)
    reference = Ridge(alpha=1e-3 * 20_000, solver="sparse_cg", tol=1e-12).fit(X, y)
    assert ridge.converged
    np.testing.assert_allclose(ridge.coef, reference.coef_, rtol=0, atol=1e-5 * np.abs(reference.coef_).max())


def test_nearly_as_many_active_columns_as_rows():
    X, y = problem(300, 3000, 0.03)
    found = jaxreg.path(X, y, [1e-2, 1e-3, 1e-4], standardize=False)
    assert found.converged.all()
    assert found.n_nonzero[-1] > 250


@pytest.mark.parametrize("kind", ["lasso", "elastic net", "ridge", "bounds"])
def test_steps_reach_the_minimum(kind):
    """Against the conditions of optimality on a dense copy."""
    X, y = problem(200, 80, 0.2)
    A = Columns(entries_of(X, None), np.arange(80), True)
    dense = (X.toarray() - X.toarray().mean(axis=0)) / np.sqrt(200) / A.size
    np.testing.assert_allclose(np.linalg.norm(dense, axis=0), 1, rtol=1e-12)
    u = np.random.default_rng(1).normal(size=80)
    np.testing.assert_allclose(A.times(u), dense @ u, atol=1e-13)
    np.testing.assert_allclose(A.gram(), dense.T @ dense, atol=1e-13)
    assert A.largest() >= np.linalg.norm(dense, 2) ** 2
    b = (y - y.mean()) / np.sqrt(200)
    l1, l2 = (0.0 if kind == "ridge" else 0.01), (0.0 if kind in ("lasso", "bounds") else 0.02)
    wide = np.full(80, 0.05 if kind == "bounds" else np.inf)
    penalty = Penalty(np.full(80, l1), np.full(80, l2), -wide, wide)
    u, used = minimise(A, b, penalty, np.zeros(80), A.largest(), 1e-14, 10_000)
    assert used < 2000
    slope = dense.T @ (b - dense @ u) - l2 * u
    inside = (u != 0) & (np.abs(u) < wide)
    np.testing.assert_allclose(slope[inside], l1 * np.sign(u[inside]), atol=1e-7)
    assert np.all(np.abs(slope[u == 0]) <= l1 + 1e-7)
    assert np.all((slope * np.sign(u))[np.abs(u) == wide] >= l1 - 1e-7)


def test_folds_equal_those_of_dense_tables():
    X, y = problem(1500, 400, 0.02)
    assert some_columns.suits(jaxreg.data.problem.check_problem(X, y))
    found = jaxreg.sweep(X, y, 10, [0.5, 1.0], folds=4, eps=0.05)
    expected = jaxreg.sweep(X.toarray(), y, 10, [0.5, 1.0], folds=4, eps=0.05)
    assert found.converged
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-7)
    np.testing.assert_array_equal(found.best.index, expected.best.index)


# ── dense tables ──


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_few_lams_of_a_dense_table(l1_ratio, standardize, fit_intercept, monkeypatch):
    """A constant column, one far from 0 and one of tiny numbers are among them; the moments of all say the same."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 400))
    X[:, 3], X[:, 5], X[:, 6] = 0.1, X[:, 5] + 1e5 * fit_intercept, X[:, 6] * 1e-80
    y = X[:, :3] @ [2.0, 1.0, -1.0] + rng.normal(size=300)
    s = np.arange(300) % 4 / 2.0
    options = {"sample_weight": s, "standardize": standardize, "fit_intercept": fit_intercept}
    lams = [0.9, 0.5]
    found = jaxreg.path(X, y, lams, l1_ratio, **options)
    monkeypatch.setattr(some_columns, "DENSE_COLUMNS", 10**9)
    expected = jaxreg.path(X, y, lams, l1_ratio, **options)
    assert found.converged.all()
    assert expected.converged.all()
    size = np.abs(X).max(axis=0)
    np.testing.assert_allclose(found.coef * size, expected.coef * size, rtol=0, atol=1e-9 * np.abs(y).max())
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-9)
    np.testing.assert_allclose(found.df, expected.df, rtol=1e-7)
    assert not found.coef[:, 3].any() or not fit_intercept


def test_where_many_columns_are_needed_another_engine_answers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 500))
    y = X[:, :30] @ rng.normal(size=30)
    lam = 0.1 * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 60
    found = jaxreg.fit(X, y, lam, standardize=False)
    assert found.converged
    assert np.count_nonzero(found.coef) > 30
