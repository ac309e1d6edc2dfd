"""Bad input of the estimators: scikit-learn's kind of error where it has one, and no wrong answer in silence."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.utils._param_validation import InvalidParameterError

from jaxreg import ElasticNet, ElasticNetCV, Lasso, LassoCV, Ridge, RidgeCV

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=20)
ALL = [Ridge, RidgeCV, Lasso, LassoCV, ElasticNet, ElasticNetCV]
PENALISED = [Ridge, Lasso, ElasticNet]
CHOOSING = [LassoCV, ElasticNetCV]


def with_entry(value, dtype=float):
    changed = X.astype(dtype)
    changed[4, 1] = value
    return changed


ROWS = np.array([Y[0]] * 19 + [np.nan])
TABLES = {
    "NaN": (with_entry(np.nan), Y, ValueError, "NaN"),
    "infinite": (with_entry(np.inf), Y, ValueError, "infinity"),
    "NaN in y": (X, ROWS, ValueError, "NaN"),
    "no rows": (X[:0], Y[:0], ValueError, "0 sample"),
    "no columns": (X[:, :0], Y, ValueError, "0 feature"),
    "one axis": (X[:, 0], Y, ValueError, "[Rr]eshape"),
    "three axes": (X[None], Y, ValueError, "dim"),
    "too large": (with_entry(1e300), Y, ValueError, "too large"),
    "float32 too large": (with_entry(1e30, np.float32), Y.astype(np.float32), ValueError, "too large|leverage"),
    "y too large": (X, Y * 1e300, ValueError, "too large"),
    "text": (with_entry("one", object), Y, ValueError, "one"),
    "None": (with_entry(None, object), Y, (ValueError, TypeError), "NaN|None"),
    "lengths": (X, Y[:-1], ValueError, "20.*19"),
    "complex": (X + 1j, Y, ValueError, "Complex data not supported"),
    "np.matrix": (np.asmatrix, Y, TypeError, "matrix"),
    "y of three axes": (X, Y[:, None, None], ValueError, "dim|1d|shape"),
}


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("case", TABLES)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_wrong_tables_are_refused(kind, case):
    table, target, error, words = TABLES[case]
    table = table(X) if callable(table) else table
    with pytest.raises(error, match=words):
        kind().fit(table, target)


def test_masked_entries_are_refused():
    # scikit-learn ignores the mask.
    masked = np.ma.masked_array(X, mask=np.abs(X) > 1)
    for kind in ALL:
        with pytest.raises(TypeError, match="masked"):
            kind().fit(masked, Y)


@pytest.mark.parametrize("kind", ALL)
def test_unusual_but_right_tables_give_the_same_answer(kind):
    expected = kind().fit(X, Y)
    read_only = X.copy()
    read_only.flags.writeable = False
    for table in (
        np.asfortranarray(X),
        read_only,
        X[::-1][::-1],
        X.astype(">f8"),
        X.astype(object),
        X.astype(str),
        X.tolist(),
    ):
        before = np.array(table, copy=True)
        np.testing.assert_array_equal(kind().fit(table, Y).coef_, expected.coef_)
        np.testing.assert_array_equal(np.asarray(table), before)
    whole = np.round(10 * X)
    for dtype in (int, np.int8, np.float16):
        np.testing.assert_array_equal(kind().fit(whole.astype(dtype), Y).coef_, kind().fit(whole, Y).coef_)


@pytest.mark.parametrize("kind", ALL)
def test_wrong_weights_are_refused(kind):
    model = kind()
    for weights, words in (
        (np.ones(19), "20"),
        (np.ones((20, 2)), "1D|dim|shape"),
        (np.where(np.arange(20) == 3, np.nan, 1.0), "NaN"),
        (np.where(np.arange(20) == 3, -1.0, 1.0), r"[Nn]egative|sample_weight\[3\] is -1"),
        (np.zeros(20), "0 everywhere|zero"),
    ):
        with pytest.raises(ValueError, match=words):
            model.fit(X, Y, sample_weight=weights)


@pytest.mark.parametrize("kind", PENALISED)
def test_rows_of_weight_0_do_not_count(kind):
    s = np.where(np.arange(20) % 3 == 0, 0.0, 1.5)
    found, expected = kind(0.1).fit(X, Y, sample_weight=s), kind(0.1).fit(X[s > 0], Y[s > 0], sample_weight=s[s > 0])
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", PENALISED)
@pytest.mark.parametrize("alpha", [-1, np.nan, "1", None])
def test_wrong_penalties_are_refused_when_fitted(kind, alpha):
    model = kind(alpha=alpha)
    with pytest.raises(InvalidParameterError, match="alpha"):
        model.fit(X, Y)


@pytest.mark.parametrize("kind", PENALISED)
def test_an_infinite_penalty_is_refused(kind):
    with pytest.raises(ValueError, match=r"alpha|lam"):
        kind(alpha=np.inf).fit(X, Y)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ElasticNet(l1_ratio=1.5), "l1_ratio"),
        (Lasso(max_iter=0), "max_iter"),
        (Lasso(tol=-1), "tol"),
        (Ridge(solver="newton"), "solver"),
        (Lasso(standardize="yes"), "standardize"),
        (Lasso(lower="low"), "lower"),
        (RidgeCV(gcv_mode="fast"), "gcv_mode"),
        (LassoCV(alphas=0), "alphas"),
        (LassoCV(one_se=2), "one_se"),
        (ElasticNetCV(l1_ratio=-0.5), "l1_ratio"),
    ],
    ids=str,
)
def test_wrong_parameters_are_scikit_learns_error(model, name):
    with pytest.raises(InvalidParameterError, match=name):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Lasso(penalty_factor=[1.0, 2.0]), r"penalty_factor must have shape \(3,\)"),
        (Lasso(penalty_factor=[1.0, -2.0, 1.0]), r"penalty_factor\[1\] is -2"),
        (Lasso(penalty_factor=[0.0, 0.0, 0.0]), "penalty_factor is 0 everywhere"),
        (Ridge(lower=0.5), r"lower\[0\] is 0.5"),
        (Ridge(dtype=int), "dtype is"),
        (Ridge(alpha=[1.0, 2.0]), "2 != 1"),
        (Ridge(solver="lbfgs"), "positive"),
        (Ridge(solver="svd", positive=True), "positive"),
        (ElasticNetCV(l1_ratio=[0.5, 1.5]), "l1_ratio"),
        (ElasticNetCV(l1_ratio=0), "l1_ratio=0"),
        (LassoCV(alphas=[]), "alphas"),
        (RidgeCV(alphas=[]), "alphas"),
        (LassoCV(alphas=[0.1, np.nan]), "alphas"),
        (RidgeCV(alphas=[0.1, np.nan]), "alphas"),
        (RidgeCV(alphas=[0.1, np.inf]), "alphas"),
        (LassoCV(alphas=[0.1, -1.0]), r"alphas\[1\]"),
        (RidgeCV(alphas=[0.1, 0.0]), r"alphas\[1\]"),
        (LassoCV(cv=30), "n_splits|folds"),
        (LassoCV(cv=1), "n_splits|fold"),
        (LassoCV(cv=[]), "fold"),
        (RidgeCV(cv=3, store_cv_results=True), "store_cv_results"),
        (RidgeCV(lower=0.0), "give cv"),
        (RidgeCV(one_se=True, scoring="r2"), "one_se"),
        (LassoCV(one_se=True, cv=[(np.arange(10), np.arange(10, 20))]), "two folds"),
    ],
    ids=str,
)
def test_other_wrong_parameters_are_refused_with_advice(model, words):
    with pytest.raises(ValueError, match=words):
        model.fit(X, Y)


@pytest.mark.parametrize("kind", CHOOSING)
def test_a_fold_without_weight_is_named(kind):
    s = np.where(np.arange(20) < 4, 0.0, 1.0)
    with pytest.raises(ValueError, match="fold 0 holds out no such row"):
        kind(cv=5).fit(X, Y, sample_weight=s)
    with pytest.raises(ValueError, match="fold 1 leaves no row"):
        kind(cv=[(np.arange(10, 20), np.arange(10)), (np.arange(4), np.arange(4, 20))]).fit(X, Y, sample_weight=s)


@pytest.mark.parametrize("kind", ALL)
def test_prediction_checks_what_it_is_given(kind):
    with pytest.raises(NotFittedError):
        kind().predict(X)
    model = kind().fit(X, Y)
    with pytest.raises(ValueError, match="3 features"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(with_entry(np.nan))


def test_frames_with_wrong_columns_are_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = Lasso().fit(frame, Y)
    with pytest.warns(UserWarning, match="feature names"):
        model.predict(X)
    mixed = frame.rename(columns={"a": 1})
    with pytest.raises(TypeError, match="string"):
        Lasso().fit(mixed, Y)
    for column in (pandas.Series(list("uv" * 10)).astype("category"), pandas.date_range("2020", periods=20)):
        with pytest.raises((ValueError, TypeError)):
            Lasso().fit(frame.assign(b=column), Y)


def test_small_data():
    one = Lasso().fit(X[:1], Y[:1])
    assert not one.coef_.any()
    assert one.intercept_ == Y[0]
    assert Ridge().fit(X[:, :1], Y).coef_.shape == (1,)
    wide = RNG.normal(size=(5, 9))
    assert np.isfinite(LassoCV(cv=2, alphas=3).fit(wide, Y[:5]).coef_).all()


def test_without_a_penalty_the_lasso_is_least_squares_and_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Lasso(alpha=0).fit(X, Y)
    np.testing.assert_allclose(found.coef_, LinearRegression().fit(X, Y).coef_, rtol=1e-10)


def test_ridge_splits_equal_columns_equally():
    doubled = np.concatenate([X, X[:, :1]], axis=1)
    coef = Ridge().fit(doubled, Y).coef_
    assert coef[0] == pytest.approx(coef[3], rel=1e-12)
    coef = Lasso(0.01).fit(doubled, Y).coef_
    assert coef[0] + coef[3] == pytest.approx(Lasso(0.01).fit(X, Y).coef_[0], rel=1e-9)


@pytest.mark.parametrize("factor", [1e150, 1e-150])
def test_very_large_and_very_small_numbers_give_the_right_answer(factor):
    coef = Lasso(alpha=0.01 * factor).fit(X * factor, Y).coef_
    np.testing.assert_allclose(coef * factor, Lasso(alpha=0.01).fit(X, Y).coef_, rtol=1e-9)
