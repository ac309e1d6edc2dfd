"""What a row does, against models that are fitted without it, autodiff, and a row whose label was changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import solvers


@pytest.fixture(scope="module")
def data():
    found = jaxreg.datasets.diabetes()
    return np.asarray(found.X, float), np.asarray(found.y, float)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4, 0.0])
def test_without_a_row_as_a_fit_without_it(data, l1_ratio):
    """Weights of 0 and the same penalty in all. Scales are fixed by giving the table in units of them."""
    X, y = data[0][:80] / data[0][:80].std(axis=0), data[1][:80]
    how = {"standardize": False}
    found = jaxreg.influence(X, y, 8.0, l1_ratio, hat=True, **how)
    exact = 0
    for i in range(0, 80, 5):
        s = np.ones(80)
        s[i] = 0
        without = jaxreg.fit(X, y, 8.0 * 80 / 79, l1_ratio, sample_weight=s, **how)
        if np.array_equal(without.coef != 0, found.params.coef != 0):
            np.testing.assert_allclose(found.params.coef + found.change[i], without.coef, rtol=1e-6, atol=1e-6)
            moved = found.params.intercept + found.intercept_change[i]
            np.testing.assert_allclose(moved, without.intercept, rtol=1e-6)
            left_out = X[i] @ without.coef + without.intercept
            np.testing.assert_allclose(y[i] - found.residual[i] + found.fitted_change[i], left_out, rtol=1e-6)
            exact += 1
    assert exact >= 8
    np.testing.assert_allclose(np.diag(found.hat), found.leverage, rtol=1e-10)
    with jax.enable_x64(True):
        fitted = lambda y: X @ (at := solvers.fit(X, y, 8.0, l1_ratio, **how).params).coef + at.intercept
        np.testing.assert_allclose(found.hat, jax.jit(jax.jacrev(fitted))(y), atol=1e-8)
        by_weight = lambda s: solvers.fit(X, y, 8.0 * 80 / jnp.sum(s), l1_ratio, sample_weight=s, **how).params.coef
        np.testing.assert_allclose(found.by_weight.T, jax.jit(jax.jacrev(by_weight))(np.ones(80)), atol=1e-8)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 50)), rng.standard_normal(20)
    wide = jaxreg.influence(X, y, 0.3, 0.0, standardize=False, hat=True)
    A = X - X.mean(axis=0)
    expected = A @ np.linalg.solve(A.T @ A + 20 * 0.3 * np.eye(50), A.T) + 1 / 20
    np.testing.assert_allclose(wide.hat, expected, atol=1e-9)


def test_a_mislabelled_row_of_the_diabetes_data_is_found(data):
    """One of 442 answers is typed in wrongly: a digit too many."""
    X, y = data
    for i in (17, 250, 399):
        wrong = y.copy()
        wrong[i] = 10 * y[i]
        found = jaxreg.influence(X, wrong, 2.0)
        assert found.order[0] == i
        assert repr(found).splitlines()[2].split()[0] == str(i)


def test_what_it_says_and_keeps(data, tmp_path):
    found = jaxreg.influence(*data, lam=2.0)
    found.save(tmp_path / "influence.npz")
    np.testing.assert_array_equal(jaxreg.load(tmp_path / "influence.npz").change, found.change)
    assert len(found.plot().texts) == 5
    assert found.to_frame("dict")["row"].shape == (442,)


def test_nothing_moves_where_all_is_0_and_one_row_alone_is_said():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10, 3)), rng.standard_normal(10)
    assert not jaxreg.influence(X, y, 100.0).change.any()
    X[:, 2] = np.arange(10) == 4
    with pytest.raises(ValueError, match="row 4 alone"):
        jaxreg.influence(X, y, 0.0)
