"""Sparse tables: the answers of the dense ones, whether they are copied or solved on their entries."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Lasso

import jaxreg
from jaxreg.data import sparse as sparse_tables

N, P = 60, 7
LAMS = [1.0, 0.3, 0.1, 0.01]


def table(full_columns=True):
    """60 × 7: most entries 0, a column without zeros far from 0, one that is constant, one that is empty."""
    rng = np.random.default_rng(0)
    X = np.where(rng.uniform(size=(N, P)) < 0.2, rng.normal(size=(N, P)) + 1, 0.0)
    if full_columns:
        X[:, 2] = 1e6 + rng.normal(size=N)
        X[:, 5] = 3.1
        X[:, 6] = 0.0
    return X, X @ np.array([2.0, 0, 1, 0, -1, 0, 0]) - 1e6 * full_columns + 0.3 * rng.normal(size=N)


FORMATS = [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix, sparse.lil_matrix]


@pytest.fixture
def never_dense(monkeypatch):
    monkeypatch.setattr(sparse_tables, "DENSE_BYTES", 0)
    monkeypatch.setattr(
        sparse.csr_array, "toarray", lambda *_, real=sparse.csr_array.toarray, **__: _small(real(*_, **__))
    )


def _small(dense):
    assert dense.size < N * P, "the table was made dense"
    return dense


@pytest.mark.parametrize("form", FORMATS)
def test_small_tables_are_copied(form):
    X, y = table()
    given = form(X)
    before = given.copy()
    found, expected = jaxreg.path(given, y, LAMS), jaxreg.path(X, y, LAMS)
    np.testing.assert_array_equal(found.coef, expected.coef)
    assert (given != before).nnz == 0
    np.testing.assert_allclose(found.predict(given), expected.predict(X), rtol=0, atol=1e-9)  # of sums of 1e6


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("weighted", [False, True])
def test_large_tables_stay_sparse(form, weighted, never_dense):
    X, y = table()
    s = np.arange(N) % 3 / 2.0 if weighted else None
    for options in ({}, {"l1_ratio": 0.5}, {"standardize": False}, {"fit_intercept": False}, {"lower": 0.0}):
        with warnings.catch_warnings():
            if "fit_intercept" in options:
                warnings.simplefilter("ignore", jaxreg.ConvergenceWarning)
            found = jaxreg.path(form(X), y, LAMS, sample_weight=s, **options)
            expected = jaxreg.path(X, y, LAMS, sample_weight=s, **options)
        # Without an intercept the column of 1e6 leaves its square's rounding, 1e12 ε, in the others.
        atol = (1e-4 if "fit_intercept" in options else 1e-9) * np.abs(expected.coef).max()
        np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=atol)
        assert found.converged.all() or "fit_intercept" in options
        assert not found.coef[:, 5:].any()


ALL_KINDS = [
    {"l1_ratio": 0.0},
    {"l1_ratio": 0.0, "standardize": False},
    {"l1_ratio": 0.0, "lower": 0.0},
    {"lower": -0.5, "upper": 0.7},
    {"penalty_factor": [0, 1, 1, 1, 1, 1, 1]},
    {"l1_ratio": 0.3, "penalty_factor": [0, 1, 2, 1, 1, 0, 1], "upper": 0.5},
    {"fit_intercept": False, "l1_ratio": 0.5, "lower": -1.0},
]


@pytest.mark.parametrize("options", ALL_KINDS, ids=str)
@pytest.mark.parametrize("lams", [LAMS, [0.1, 0.0]], ids=["positive", "zero too"])
@pytest.mark.parametrize("full_columns", [False, True])
def test_every_kind_of_problem(options, lams, full_columns, never_dense):
    """Conjugate gradients end at a gap of 1e-10: coefficients are known to its root times what a direction weighs."""
    X, y = table(full_columns)
    X[:, 2] -= 1e6 * full_columns
    y = y + 1e6 * full_columns
    for s in (None, np.arange(N) % 3 / 2.0):
        found = jaxreg.path(sparse.csr_array(X), y, lams, sample_weight=s, **options)
        expected = jaxreg.path(X, y, lams, sample_weight=s, **options)
        assert found.converged.all()
        np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-5 * np.abs(expected.coef).max())
        np.testing.assert_allclose(found.intercept, expected.intercept, rtol=0, atol=1e-5 * np.abs(y).max())
        np.testing.assert_allclose(found.df, expected.df, rtol=1e-9)


def test_coefficients_at_a_bound_do_not_exceed_it(never_dense):
    """u = d w is at the bound; d·0.2/d may be 0.2 and an ulp."""
    rng = np.random.default_rng(5)
    X = np.where(rng.uniform(size=(N, 40)) < 0.3, rng.normal(size=(N, 40)), 0.0)
    y = X @ np.ones(40)
    found = jaxreg.path(sparse.csr_array(X), y, LAMS, 0.5, fit_intercept=False, standardize=False, upper=0.2)
    assert np.count_nonzero(found.coef == 0.2) > 40
    assert found.coef.max() == 0.2
    assert found.converged.all()


def test_least_squares_of_more_columns_than_rows_has_the_least_norm(never_dense):
    rng = np.random.default_rng(5)
    X = np.where(rng.uniform(size=(30, 60)) < 0.2, rng.normal(size=(30, 60)), 0.0)
    y = X[:, :5].sum(axis=1) + 0.1 * rng.normal(size=30)
    found, expected = jaxreg.path(sparse.csr_array(X), y, [0.1, 0.0]), jaxreg.path(X, y, [0.1, 0.0])
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-5)


def test_least_squares_that_stops_early_is_not_called_converged(never_dense):
    X, y = table(full_columns=False)
    with pytest.warns(jaxreg.ConvergenceWarning):
        found = jaxreg.fit(sparse.csr_array(X), y, 0.0, max_iter=3)
    least = np.linalg.lstsq(np.column_stack([np.ones(N), X]), y)[1][0]
    excess = np.sum((y - found.predict(X)) ** 2) - least
    # The gap is a share of what the columns leave of y, here at its minimum.
    np.testing.assert_allclose(found.gap, 0.5 * excess / least, rtol=1e-8)


def test_cross_validation(never_dense):
    X, y = table()
    labels = np.arange(N) % 4
    found = jaxreg.sweep(sparse.csc_array(X), y, 20, [0.5, 1.0], folds=labels, measure="mae")
    expected = jaxreg.sweep(X, y, 20, [0.5, 1.0], folds=labels, measure="mae")
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-8)
    np.testing.assert_allclose(found.fold_mae, expected.fold_mae, rtol=1e-8)
    assert found.converged
    assert (found.best.lam, found.one_se.lam) == pytest.approx((expected.best.lam, expected.one_se.lam), rel=1e-9)
    np.testing.assert_allclose(found.predict(sparse.csr_array(X)), expected.predict(X), rtol=1e-8)


def test_many_targets_and_float32(never_dense):
    X, y = table(full_columns=False)
    Y = np.column_stack([y, y**2])
    found, expected = jaxreg.path(sparse.csr_array(X), Y, LAMS), jaxreg.path(X, Y, LAMS)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-12)
    assert found.predict(sparse.csr_array(X)).shape == (N, 4, 2)
    np.testing.assert_allclose(found.predict(sparse.csr_array(X)), expected.predict(X), rtol=1e-10, atol=1e-10)
    low = jaxreg.path(sparse.csr_array(X.astype(np.float32)), y, LAMS)
    assert low.coef.dtype == np.float32
    np.testing.assert_allclose(low.coef, expected.coef[..., 0], rtol=0, atol=1e-5)


def test_entries_that_occur_twice_are_added():
    X, y = table()
    twice = sparse.coo_array((np.append(X[X != 0] / 2, X[X != 0] / 2), np.tile(np.nonzero(X), 2)), X.shape)
    np.testing.assert_allclose(jaxreg.path(twice, y, LAMS).coef, jaxreg.path(X, y, LAMS).coef, rtol=1e-12)


def test_a_table_that_would_be_320_mb():
    """Beside scikit-learn, which centres sparse tables implicitly too."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((20_000, 2_000), density=0.001, rng=rng)
    y = X @ np.where(np.arange(2_000) < 5, 3.0, 0.0) + 0.01 * rng.normal(size=20_000)
    assert X.shape[0] * X.shape[1] * 8 > sparse_tables.DENSE_BYTES
    found = jaxreg.fit(X, y, 1e-4, standardize=False)
    assert found.converged
    expected = Lasso(alpha=1e-4, tol=1e-12, max_iter=100_000).fit(X.tocsc(), y)
    np.testing.assert_allclose(
        found.coef, expected.coef_, rtol=0, atol=1e-6 * np.abs(expected.coef_).max()
    )  # their gap
    np.testing.assert_allclose(found.intercept, expected.intercept_, rtol=0, atol=1e-8)


# ── What is refused ──


def test_what_needs_dense_rows_says_so(never_dense):
    X, y = table()
    with pytest.raises(ValueError, match=r"X is sparse .* strategy='parallel' .*X\.toarray\(\) if memory allows"):
        jaxreg.path(sparse.csr_array(X), y, LAMS, strategy="parallel")


def test_leave_one_out_needs_dense_rows(never_dense):
    X, y = table()
    with pytest.raises(ValueError, match=r"X is sparse and would be a dense table of .* leave-one-out errors"):
        jaxreg.ridge_leave_one_out(sparse.csr_array(X), y)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "X at row 4, column 3 is nan"), (np.inf, "row 4"), (1e200, "row 4")]
)
def test_bad_entries_are_named(value, message, never_dense):
    X, y = table(full_columns=False)
    X[4, 3] = value
    with pytest.raises(ValueError, match=message):
        jaxreg.path(sparse.csr_array(X), y, LAMS)


def test_bad_kinds():
    X, y = table()
    with pytest.raises(ValueError, match="Complex data not supported"):
        jaxreg.fit(sparse.csr_array(X * 1j), y, 1.0)
    with pytest.raises(ValueError, match="X has 60 rows but y has 59"):
        jaxreg.fit(sparse.csr_array(X), y[1:], 1.0)
    with pytest.raises(TypeError, match="y is a sparse matrix"):
        jaxreg.fit(X, sparse.csr_array(y[:, None]), 1.0)
