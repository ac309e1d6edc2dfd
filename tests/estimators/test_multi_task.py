"""The estimators of targets that are penalised together, beside scikit-learn's at tight tolerance."""

import pickle
import warnings

import jax
import numpy as np
import pytest
import sklearn.linear_model as reference
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    Ridge,
)
from jaxreg.engines import multi_task as engine
from tests import together

EXACT = {"tol": 1e-13, "max_iter": 1_000_000}
ONE = {"MultiTaskLasso": {"alpha": 0.05}, "MultiTaskElasticNet": {"alpha": 0.2, "l1_ratio": 0.7}}
CV = ["MultiTaskLassoCV", "MultiTaskElasticNetCV"]


def tables(n, p, t, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(n, 1)) + rng.normal(size=p)
    W = np.where(rng.random((p, 1)) < 0.3, rng.normal(size=(p, t)), 0.0)
    return X, X @ W + noise * rng.normal(size=(n, t)) + 3.0


DIABETES = load_diabetes(return_X_y=True)
DATA = {
    "tall": tables(90, 12, 3, 1),
    "wide": tables(40, 60, 4, 2),
    "one": tables(50, 8, 1, 3),
    "diabetes": (30 * DIABETES[0], np.stack([DIABETES[1], -(DIABETES[1] ** 2) / 100], axis=1) / 50),
}


@pytest.fixture(params=DATA)
def data(request):
    return DATA[request.param]


@pytest.fixture
def tall():
    return DATA["tall"]


# ------------------------------------------------------------------------------------------------ one λ


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_they_are_scikit_learns(data, name, fit_intercept, weighted):
    X, Y = data
    s = np.linspace(0.1, 3, len(Y)) if weighted else None
    options = {**ONE[name], "fit_intercept": fit_intercept}
    found = getattr(jaxreg, name)(**options).fit(X, Y, sample_weight=s)
    expected = getattr(reference, name)(**options, **EXACT).fit(X, Y, sample_weight=s)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6, atol=3e-6)  # scikit-learn's are that far off
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-6, atol=3e-6)
    np.testing.assert_allclose(found.predict(X), expected.predict(X), rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(found.coef_.any(axis=0), expected.coef_.any(axis=0))


@pytest.mark.parametrize("name", ONE)
def test_they_are_optimal_by_a_second_check(data, name):
    X, Y = data
    found = getattr(jaxreg, name)(**ONE[name]).fit(X, Y)
    given = found.coef_.T, found.intercept_, X, Y, ONE[name]["alpha"], ONE[name].get("l1_ratio", 1.0)
    assert together.kkt(*given) < 1e-5
    units = ((Y - Y.mean(axis=0)) ** 2).sum() / len(Y)
    true = together.gap(*given)
    assert -1e-16 <= true <= 1e-10
    assert found.dual_gap_ / units >= true * (1 - 1e-6) - 1e-15


def test_attributes_have_scikit_learns_shapes_and_types(data):
    X, Y = data
    for name, options in ONE.items():
        for intercept in (True, False):
            asked = {**options, "fit_intercept": intercept}
            found = getattr(jaxreg, name)(**asked).fit(X, Y)
            expected = getattr(reference, name)(**asked, **EXACT).fit(X, Y)
            for attribute in ("coef_", "intercept_", "dual_gap_", "n_iter_", "eps_", "n_features_in_"):
                ours, theirs = getattr(found, attribute), getattr(expected, attribute)
                assert np.shape(ours) == np.shape(theirs), attribute
                assert type(ours) is type(theirs), attribute
            np.testing.assert_allclose(found.set_params(tol=1e-13).fit(X, Y).eps_, expected.eps_, rtol=1e-10)
            np.testing.assert_allclose(found.sparse_coef_.toarray(), found.coef_)


@pytest.mark.parametrize("name", [*ONE, *CV])
def test_parameters_are_scikit_learns(name):
    assert getattr(jaxreg, name)().get_params() == getattr(reference, name)().get_params()


def test_one_target_is_a_lasso():
    X, Y = DATA["one"]
    found, expected = MultiTaskLasso(alpha=0.1).fit(X, Y), Lasso(alpha=0.1).fit(X, Y[:, 0])
    np.testing.assert_allclose(found.coef_[0], expected.coef_, atol=1e-9)
    np.testing.assert_allclose(found.intercept_[0], expected.intercept_, atol=1e-9)


def test_columns_that_depend_on_each_other(tall):
    X, Y = tall
    for table in (np.hstack([X, X]), np.hstack([X, X[:, :2] @ [[1.0], [-2.0]], 0 * X[:, :1], 0 * X[:, :1] + 5])):
        found = MultiTaskLasso(alpha=0.05).fit(table, Y)
        expected = MultiTaskLasso(alpha=0.05).fit(X, Y)
        assert found.dual_gap_ <= 1e-10 * (Y**2).sum()
        ones = np.ones(len(X))
        values = [
            together.objective(model.coef_.T, model.intercept_, A, Y, 0.05, 1.0, ones)
            for model, A in ((found, table), (expected, X))
        ]
        assert values[0] <= values[1] + 1e-9
        if table.shape[1] == 2 * X.shape[1]:
            np.testing.assert_allclose(found.predict(table), expected.predict(X), atol=1e-4)


def test_constant_targets():
    X, _ = DATA["tall"]
    Y = np.tile([3.0, -1.0], (len(X), 1))
    for model in (MultiTaskLasso(), MultiTaskElasticNet(), MultiTaskLassoCV(alphas=4), MultiTaskElasticNetCV(alphas=4)):
        model.fit(X, Y)
        assert not model.coef_.any()
        np.testing.assert_array_equal(model.predict(X), Y)
        assert model.dual_gap_ <= 1e-20


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_without_a_penalty_it_is_least_squares(tall, fit_intercept):
    X, Y = tall
    expected = reference.LinearRegression(fit_intercept=fit_intercept).fit(X, Y)
    for kind in (MultiTaskLasso, MultiTaskElasticNet):
        found = kind(alpha=0, fit_intercept=fit_intercept).fit(X, Y)  # a warning would be an error
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-10)
        np.testing.assert_allclose(found.intercept_, expected.intercept_, atol=1e-10)
        assert 0 <= found.dual_gap_ < 1e-9


def test_l1_ratio_0_is_ridge(tall):
    X, Y = tall
    found = MultiTaskElasticNet(alpha=0.3, l1_ratio=0).fit(X, Y)
    expected = Ridge(alpha=0.3 * len(Y)).fit(X, Y)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-10)
    assert 0 <= found.dual_gap_ < 1e-9


def test_float32(tall):
    X, Y = (v.astype(np.float32) for v in tall)
    found = MultiTaskLasso(alpha=0.05).fit(X, Y)
    expected = MultiTaskLasso(alpha=0.05).fit(X.astype(float), Y.astype(float))
    assert found.coef_.dtype == found.intercept_.dtype == np.float32
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-6)
    true = together.gap(found.coef_.T, found.intercept_, X, Y, 0.05, 1.0)
    units = ((Y - Y.mean(axis=0)) ** 2).sum() / len(Y)
    np.testing.assert_allclose(found.dual_gap_, true * units, rtol=1e-3)  # of the rounded numbers, not of the solver's
    assert MultiTaskLassoCV(alphas=5).fit(X, Y).coef_.dtype == np.float32


def test_sparse_tables_are_those_with_zeros(tall):
    X, Y = tall
    X = np.where(np.abs(X) > 1, X, 0.0)
    for kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        for model in (MultiTaskLasso(alpha=0.05), MultiTaskElasticNetCV(alphas=5)):
            dense = clone(model).fit(X, Y)
            found = model.fit(kind(X), Y)
            np.testing.assert_allclose(found.coef_, dense.coef_, atol=1e-12)
            np.testing.assert_allclose(found.predict(kind(X)), dense.predict(X), atol=1e-10)
    large = sparse.csr_array(([1.0, 2.0], ([0, 5], [3, 7])), shape=(20, 2_000_000))
    with pytest.raises(ValueError, match="penalty on several targets would need"):
        MultiTaskLasso().fit(large, Y[:20])


def test_a_warm_start_is_kept_if_it_is_good_enough(tall):
    X, Y = tall
    cold = MultiTaskLasso(alpha=0.1).fit(X, Y)
    warm = MultiTaskLasso(alpha=5.0, warm_start=True).fit(X, Y)
    warm.set_params(alpha=0.1).fit(X, Y)
    assert warm.n_iter_ > 0
    np.testing.assert_array_equal(warm.coef_, cold.coef_)
    warm.fit(X, Y)
    assert warm.n_iter_ == 0
    np.testing.assert_array_equal(warm.coef_, cold.coef_)


def test_rows_of_weight_0_do_not_count_and_weights_are_repeated_rows(tall):
    X, Y = tall
    s = np.arange(len(Y)) % 3
    rows = np.repeat(np.arange(len(Y)), s)
    found, expected = MultiTaskLasso(0.1).fit(X, Y, sample_weight=s), MultiTaskLasso(0.1).fit(X[rows], Y[rows])
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-8)


# ------------------------------------------------------------------------------------------------ cross-validation


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_cross_validation_is_scikit_learns(tall, weighted, fit_intercept):
    X, Y = tall
    s = np.linspace(0.1, 3, len(Y)) if weighted else None
    for name, own in (("MultiTaskLassoCV", {}), ("MultiTaskElasticNetCV", {"l1_ratio": [0.3, 0.9]})):
        options = {**own, "alphas": 8, "cv": 3, "eps": 1e-2, "fit_intercept": fit_intercept}
        found = getattr(jaxreg, name)(**options).fit(X, Y, sample_weight=s)
        expected = getattr(reference, name)(**options, tol=1e-12, max_iter=100_000).fit(X, Y, sample_weight=s)
        np.testing.assert_allclose(found.alphas_, expected.alphas_, rtol=1e-12)
        np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=1e-6)
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-6)
        np.testing.assert_allclose(found.intercept_, expected.intercept_, atol=1e-6)
        np.testing.assert_allclose(found.alpha_, expected.alpha_, rtol=1e-12)
        for attribute in ("coef_", "intercept_", "mse_path_", "alphas_", "dual_gap_", "n_iter_"):
            assert np.shape(getattr(found, attribute)) == np.shape(getattr(expected, attribute)), attribute
        assert hasattr(found, "l1_ratio_") == hasattr(expected, "l1_ratio_")
        if "l1_ratio" in own:
            assert found.l1_ratio_ == expected.l1_ratio_


def test_wide_tables_and_given_alphas():
    X, Y = DATA["wide"]
    options = {"alphas": [0.1, 1.0, 0.3], "cv": KFold(4, shuffle=True, random_state=0)}
    found = MultiTaskLassoCV(**options).fit(X, Y)
    expected = reference.MultiTaskLassoCV(**options, tol=1e-11, max_iter=100_000).fit(X, Y)
    np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=1e-5)
    np.testing.assert_array_equal(found.alphas_, [1.0, 0.3, 0.1])
    with_zero = MultiTaskElasticNetCV(l1_ratio=[0, 0.5], alphas=[0.0, 0.5], cv=3).fit(*DATA["tall"])
    assert with_zero.mse_path_.shape == (2, 2, 3)
    np.testing.assert_allclose(with_zero.mse_path_[0, 1], with_zero.mse_path_[1, 1], rtol=1e-9)  # no penalty at all


def test_in_a_pipeline_and_a_grid_search(tall):
    X, Y = tall
    alphas = [0.01, 0.1, 1.0]
    search = GridSearchCV(MultiTaskLasso(), {"alpha": alphas}, cv=5, scoring="neg_mean_squared_error").fit(X, Y)
    assert search.best_params_["alpha"] == MultiTaskLassoCV(alphas=alphas).fit(X, Y).alpha_
    model = make_pipeline(StandardScaler(), MultiTaskElasticNetCV(alphas=5)).fit(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_names_of_columns(tall):
    pandas = pytest.importorskip("pandas")
    X, Y = tall
    frame = pandas.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])
    model = MultiTaskLassoCV(alphas=3).fit(frame, Y)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert model.n_features_in_ == X.shape[1]


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("name", [*ONE, *CV])
def test_one_axis_of_targets_is_refused(tall, name):
    X, Y = tall
    model = getattr(jaxreg, name)()
    with pytest.raises(ValueError, match=f"^For mono-task outputs, use {name.removeprefix('MultiTask')}$"):
        model.fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="For mono-task outputs, use"):
        getattr(reference, name)().fit(X, Y[:, 0])


def test_single_estimators_point_here(tall):
    X, Y = tall
    with pytest.raises(ValueError, match="use MultiTaskElasticNetCV, or"):
        ElasticNetCV().fit(X, Y)


def test_wrong_arguments_are_refused(tall):
    X, Y = tall
    with pytest.raises(ValueError, match="'alpha' parameter of MultiTaskLasso must be"):
        MultiTaskLasso(alpha=np.inf).fit(X, Y)
    with pytest.raises(ValueError, match="not supported for l1_ratio=0"):
        MultiTaskElasticNetCV(l1_ratio=0).fit(X, Y)
    with pytest.raises(ValueError, match="l1_ratio is empty"):
        MultiTaskElasticNetCV(l1_ratio=[]).fit(X, Y)
    with pytest.raises(ValueError, match="alphas is"):
        MultiTaskLassoCV(alphas=[]).fit(X, Y)
    with pytest.raises(ValueError, match="fold 0 leaves no row"):
        MultiTaskLassoCV(cv=[([], [1, 2])]).fit(X, Y)
    with pytest.raises(TypeError, match="masked"):
        MultiTaskLasso().fit(np.ma.masked_array(X, mask=X > 1), Y)


def test_what_has_not_converged_warns(tall):
    X, Y = tall
    with pytest.warns(ConvergenceWarning, match="MultiTaskLasso: the duality gap is"):
        MultiTaskLasso(alpha=1e-3, max_iter=1, tol=1e-12).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="MultiTaskLassoCV: the duality gap is"):
        MultiTaskLassoCV(alphas=3, tol=0).fit(X, Y)


# ------------------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize("alphas", [10, [0.01, 1.0, 0.1]], ids=["number", "given"])
def test_paths(tall, alphas):
    X, Y = (v - v.mean(axis=0) for v in tall)
    found = MultiTaskElasticNet.path(X, Y, l1_ratio=0.7, alphas=alphas, return_n_iter=True)
    expected = reference.enet_path(X, Y, l1_ratio=0.7, alphas=alphas, tol=1e-13, max_iter=100_000)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    assert found[1].shape == expected[1].shape
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    assert np.all((found[2] >= 0) & (found[2] < 1e-8))
    assert found[3].shape == found[0].shape
    lasso = MultiTaskLassoCV.path(X, Y, alphas=alphas)
    np.testing.assert_allclose(
        lasso[1], reference.lasso_path(X, Y, alphas=alphas, tol=1e-13, max_iter=100_000)[1], atol=1e-6
    )
    np.testing.assert_array_equal(ElasticNet.path(X, Y, l1_ratio=0.7, alphas=alphas)[1], found[1])
    with pytest.raises(ValueError, match="positive=True is not allowed for multi-output"):
        ElasticNet.path(X, Y, positive=True)
    with pytest.raises(ValueError, match="lower is not taken"):
        ElasticNet.path(X, Y, lower=0.0)


# ------------------------------------------------------------------------------------------------ programs


def test_a_second_table_of_the_same_shape_compiles_nothing(tall):
    X, Y = tall
    MultiTaskLassoCV(alphas=6, cv=3).fit(X, Y)
    programs = engine._program_products, engine._program_gaps, engine._program_lam_max
    before = [program._cache_size() for program in programs]
    MultiTaskLassoCV(alphas=7, cv=4).fit(X[:80, :10] + 1, 2 * Y[:80])
    assert [program._cache_size() for program in programs] == before


def test_the_settings_of_the_user_stay(tall):
    X, Y = tall
    assert not jax.config.jax_enable_x64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MultiTaskLasso(alpha=0.1).fit(X, Y)
    assert not jax.config.jax_enable_x64
    with jax.transfer_guard("disallow"), jax.numpy_rank_promotion("raise"):
        MultiTaskLassoCV(alphas=3).fit(X, Y)


def test_many_columns_go_into_a_working_set():
    X, Y = tables(60, 1100, 3, 5)
    options = {"alpha": 0.3}
    found = MultiTaskLasso(**options).fit(X, Y)
    expected = reference.MultiTaskLasso(**options, tol=1e-12, max_iter=100_000).fit(X, Y)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-6)
    assert engine._program_columns._cache_size() > 0
