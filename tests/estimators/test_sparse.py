"""The estimators on sparse tables: the answers of the dense ones, copied or not."""

import numpy as np
import pytest
from scipy import sparse

from jaxreg import ElasticNet, ElasticNetCV, Lasso, LassoCV, Ridge, RidgeCV
from jaxreg.data import sparse as sparse_tables

RNG = np.random.default_rng(0)
X = np.where(RNG.random((90, 8)) < 0.3, RNG.normal(size=(90, 8)) + 1, 0.0)
Y = X @ np.array([2.0, -1, 0, 0, 1, 0, 0, 0]) + 0.3 * RNG.normal(size=90)
DESCENT = [Lasso(alpha=0.01), ElasticNet(alpha=0.01), LassoCV(alphas=20, cv=3), ElasticNetCV(alphas=20, cv=3)]
ALL = [*DESCENT, Ridge(), RidgeCV()]


def agree(model, table, rtol):
    expected = model.fit(X, Y)
    coef, alpha = expected.coef_, getattr(expected, "alpha_", None)
    prediction = expected.predict(X)
    found = model.fit(table, Y)
    np.testing.assert_allclose(found.coef_, coef, rtol=0, atol=rtol * np.abs(coef).max())
    np.testing.assert_allclose(found.predict(table), prediction, rtol=0, atol=rtol * np.abs(prediction).max())
    assert alpha is None or found.alpha_ == pytest.approx(alpha, rel=1e-12)


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
@pytest.mark.parametrize("model", ALL, ids=lambda model: type(model).__name__)
def test_small_tables(model, form):
    agree(model, form(X), 1e-13)


@pytest.mark.parametrize("model", DESCENT, ids=lambda model: type(model).__name__)
def test_large_tables(model, monkeypatch):
    monkeypatch.setattr(sparse_tables, "DENSE_BYTES", 0)
    agree(model, sparse.csc_array(X), 1e-9)


@pytest.mark.parametrize("model", [Ridge(), RidgeCV(cv=3)], ids=lambda model: type(model).__name__)
def test_large_tables_for_ridge(model, monkeypatch):
    """Conjugate gradients end at a duality gap of 1e-10."""
    monkeypatch.setattr(sparse_tables, "DENSE_BYTES", 0)
    agree(model, sparse.csc_array(X), 1e-5)


def test_leave_one_out_needs_dense_rows(monkeypatch):
    monkeypatch.setattr(sparse_tables, "DENSE_BYTES", 0)
    with pytest.raises(ValueError, match=r"leave-one-out errors would need; use X\.toarray\(\) if memory allows"):
        RidgeCV().fit(sparse.csr_array(X), Y)


def test_a_gram_matrix_of_another_table_is_refused():
    with pytest.raises(ValueError, match="did not pass validation"):
        Lasso(alpha=0.01, precompute=np.eye(8), fit_intercept=False).fit(sparse.csr_array(X), Y)
