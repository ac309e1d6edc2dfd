"""The estimators beside scikit-learn's, at tight tolerance, and what they have beyond them."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg import ElasticNet, ElasticNetCV, Lasso, LassoCV, Ridge, RidgeCV

EXACT = {"tol": 1e-13, "max_iter": 1_000_000}


def correlated(n, p, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(n, 1)) + rng.normal(size=p)
    coef = np.where(rng.random(p) < 0.3, rng.normal(size=p), 0.0)
    return X, X @ coef + noise * rng.normal(size=n) + 3.0


DATA = {"diabetes": load_diabetes(return_X_y=True), "tall": correlated(90, 12, 1), "wide": correlated(40, 60, 2)}


@pytest.fixture(params=DATA)
def data(request):
    return DATA[request.param]


@pytest.fixture
def tall():
    return DATA["tall"]


# ------------------------------------------------------------------------------------------------ one λ


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_lasso_and_elastic_net_are_scikit_learns(tall, positive, fit_intercept, weighted):
    X, y = tall
    s = np.linspace(0.1, 3, len(y)) if weighted else None
    for name, own in (("Lasso", {"alpha": 0.05}), ("ElasticNet", {"alpha": 0.2, "l1_ratio": 0.7})):
        options = {**own, "positive": positive, "fit_intercept": fit_intercept}
        found = getattr(jaxreg, name)(**options).fit(X, y, sample_weight=s)
        expected = getattr(reference, name)(**options, **EXACT).fit(X, y, sample_weight=s)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.predict(X), expected.predict(X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_is_scikit_learns(data, weighted):
    X, y = data
    s = np.linspace(0.1, 3, len(y)) if weighted else None
    Y = np.stack([y, -2 * y + 1, y**2], axis=1)
    for alpha, target in ((0.3, y), (0.3, y[:, None]), (5.0, Y), (np.array([0.1, 1.0, 10.0]), Y)):
        found = Ridge(alpha=alpha).fit(X, target, sample_weight=s)
        expected = reference.Ridge(alpha=alpha, solver="svd").fit(X, target, sample_weight=s)
        assert found.coef_.shape == expected.coef_.shape
        assert np.shape(found.intercept_) == np.shape(expected.intercept_)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9, atol=1e-9 * np.abs(target).max())
        np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-9)


def test_ridge_without_a_penalty_is_the_solution_of_least_norm():
    X, y = DATA["wide"]
    found = Ridge(alpha=0.0).fit(X, y)
    centred = X - X.mean(axis=0)
    np.testing.assert_allclose(
        found.coef_, np.linalg.pinv(centred, rcond=1e-12) @ (y - y.mean()), rtol=1e-9, atol=1e-12
    )


def test_attributes_have_scikit_learns_shapes_and_types(tall):
    X, y = tall
    Y = np.stack([y, -y], axis=1)
    for target in (y, y[:, None], Y):
        for C, R in ((Lasso, reference.Lasso), (ElasticNet, reference.ElasticNet)):
            found, expected = C(alpha=0.5).fit(X, target), R(alpha=0.5, **EXACT).fit(X, target)
            for name in ("coef_", "intercept_", "dual_gap_", "n_iter_"):
                assert np.shape(getattr(found, name)) == np.shape(getattr(expected, name)), name
                assert type(getattr(found, name)) is type(getattr(expected, name)), name


def test_the_dual_gap_is_in_the_units_of_the_objective(tall):
    # A rough warm start is kept at a large tolerance, so that its gap is no rounding error.
    X, y = tall
    s = np.linspace(0.5, 2, len(y))
    model = Lasso(alpha=0.3, tol=1.0, warm_start=True)
    model.coef_ = np.full(X.shape[1], 0.01)
    model.fit(X, y, sample_weight=s)
    assert model.n_iter_ == 0
    s = s / s.sum()
    residual, centred = y - model.predict(X), y - s @ y
    primal = 0.5 * s @ residual**2 + 0.3 * np.abs(model.coef_).sum()
    scale = min(1.0, 0.3 / np.abs((X - s @ X).T @ (s * residual)).max())
    values = np.linspace(0, scale, 200_001)
    dual = 0.5 * (
        s @ centred**2
        - np.array([s @ centred**2 - 2 * c * (s @ (centred * residual)) + c**2 * (s @ residual**2) for c in values])
    )
    np.testing.assert_allclose(model.dual_gap_, primal - dual.max(), rtol=1e-6)


def test_a_warm_start_that_is_not_good_enough_is_solved_anew(tall):
    X, y = tall
    cold = Lasso(alpha=0.1).fit(X, y)
    warm = Lasso(alpha=5.0, warm_start=True).fit(X, y)
    warm.set_params(alpha=0.1).fit(X, y)
    assert warm.n_iter_ > 0
    np.testing.assert_array_equal(warm.coef_, cold.coef_)
    warm.fit(X, y)
    assert warm.n_iter_ == 0
    np.testing.assert_array_equal(warm.coef_, cold.coef_)
    warm.coef_ = -warm.coef_
    warm.set_params(positive=True).fit(X, y)
    assert warm.n_iter_ > 0
    assert warm.coef_.min() >= 0


def test_a_gram_matrix_is_checked(tall):
    X, y = tall
    centred = X - X.mean(axis=0)
    expected = Lasso(alpha=0.1).fit(X, y).coef_
    np.testing.assert_allclose(Lasso(alpha=0.1, precompute=centred.T @ centred).fit(centred, y).coef_, expected)
    with pytest.warns(UserWarning, match="recomputing Gram matrix"):
        Lasso(alpha=0.1, precompute=X.T @ X).fit(X, y)
    wrong = centred.T @ centred
    wrong[:, 3] *= 1.001
    wrong[3] *= 1.001
    with pytest.raises(ValueError, match=r"entry \(\d+, \d+\)"):
        Lasso(precompute=wrong + 1.0).fit(centred, y)
    with pytest.raises(ValueError, match=r"the shape \(12, 12\)"):
        Lasso(precompute=np.eye(3)).fit(centred, y)


@pytest.mark.slow
def test_float32_stays_float32(tall):
    X, y = (a.astype(np.float32) for a in tall)
    for model in (Lasso(0.1), ElasticNet(0.1), Ridge(), LassoCV(alphas=10), RidgeCV(), RidgeCV(cv=3)):
        model.fit(X, y)
        assert model.coef_.dtype == model.predict(X).dtype == np.float32
        double = clone(model).fit(*tall)
        np.testing.assert_allclose(model.coef_, double.coef_, rtol=2e-3, atol=2e-4)
    assert Lasso(0.1, dtype=np.float64).fit(X, y).coef_.dtype == np.float64


# ------------------------------------------------------------------------------------------------ cross-validation


@pytest.mark.parametrize("weighted", [False, True])
def test_lasso_cv_is_scikit_learns(data, weighted):
    X, y = data
    s = np.linspace(0.1, 3, len(y)) if weighted else None
    eps = 1e-2  # smaller λs keep scikit-learn busy for minutes at this tolerance
    found = LassoCV(alphas=30, eps=eps).fit(X, y, sample_weight=s)
    expected = reference.LassoCV(alphas=30, eps=eps, **EXACT).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(found.alphas_, expected.alphas_, rtol=1e-12)
    np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=1e-8)
    assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-12)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6, atol=1e-8 * np.abs(expected.coef_).max())


@pytest.mark.parametrize("kind", ["LassoCV", "ElasticNetCV"])
def test_the_default_grid(kind):
    """100 alphas, with all defaults but scikit-learn's tolerance."""
    X, y = DATA["diabetes"]
    options = {} if kind == "LassoCV" else {"l1_ratio": [0.5, 0.9]}
    found = getattr(jaxreg, kind)(**options).fit(X, y)
    expected = getattr(reference, kind)(**options, **EXACT).fit(X, y)
    np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=1e-8)  # seen: 5e-10
    assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-12)


def test_elastic_net_cv_is_scikit_learns(data):
    X, y = data
    options = {"l1_ratio": [0.3, 0.9], "alphas": 15, "eps": 1e-2, "cv": KFold(4, shuffle=True, random_state=0)}
    found, expected = ElasticNetCV(**options).fit(X, y), reference.ElasticNetCV(**options, **EXACT).fit(X, y)
    np.testing.assert_allclose(found.alphas_, expected.alphas_, rtol=1e-12)
    np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=1e-8)
    assert found.l1_ratio_ == expected.l1_ratio_
    assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-12)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6, atol=1e-8 * np.abs(expected.coef_).max())


def test_folds_that_overlap_or_leave_rows_out(tall):
    X, y = tall
    splits = [(np.array([5, 7, 7, 9, *range(20, 60)]), np.arange(0, 12)), (np.arange(30, 90), np.arange(30))]
    for cv in (splits, ShuffleSplit(4, test_size=0.2, train_size=0.5, random_state=0)):
        found = LassoCV(alphas=10, eps=1e-2, cv=cv).fit(X, y)
        expected = reference.LassoCV(alphas=10, eps=1e-2, cv=cv, **EXACT).fit(X, y)
        np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=1e-8)
        assert found.alpha_ == pytest.approx(expected.alpha_)


def test_one_standard_error_is_the_rule_of_sweep(tall):
    X, y = tall
    labels = np.arange(len(y)) % 10
    cv = [(np.flatnonzero(labels != k), np.flatnonzero(labels == k)) for k in range(10)]
    found = LassoCV(cv=cv, one_se=True, standardize=True).fit(X, y)
    sweep = jaxreg.sweep(X, y, lams=found.alphas_, folds=labels)
    np.testing.assert_allclose(found.mse_path_, sweep.fold_mse[0], rtol=1e-9)
    assert found.alpha_ == sweep.one_se.lam > sweep.best.lam
    np.testing.assert_allclose(found.coef_, sweep.one_se.params.coef, rtol=1e-6, atol=1e-9)


def test_a_choice_for_every_target(tall):
    X, y = tall
    Y = np.stack([y, np.roll(y, 1), y + 5 * np.cos(np.arange(len(y)))], axis=1)
    options = {"alphas": np.geomspace(0.01, 3, 20), "cv": 4}
    for C, many in ((LassoCV, options), (ElasticNetCV, {**options, "l1_ratio": [0.2, 0.9]}), (RidgeCV, options)):
        found = C(**many, alpha_per_target=True).fit(X, Y)
        each = [C(**many).fit(X, target) for target in Y.T]
        np.testing.assert_array_equal(found.alpha_, [one.alpha_ for one in each])
        np.testing.assert_allclose(found.coef_, [one.coef_ for one in each], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.intercept_, [one.intercept_ for one in each], rtol=1e-7)
        assert found.predict(X).shape == Y.shape
    with pytest.raises(ValueError, match="alpha_per_target=True"):
        LassoCV().fit(X, Y)


# ------------------------------------------------------------------------------------------------ RidgeCV


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_leave_one_out_is_scikit_learns_and_that_of_single_fits(data, fit_intercept):
    X, y = data
    options = {"alphas": np.geomspace(0.01, 100, 7), "fit_intercept": fit_intercept}
    found = RidgeCV(**options, store_cv_results=True).fit(X, y)
    expected = reference.RidgeCV(**options, store_cv_results=True, gcv_mode="svd").fit(X, y)
    np.testing.assert_allclose(found.cv_results_, expected.cv_results_, rtol=1e-7, atol=1e-10 * y.var())
    assert found.alpha_ == expected.alpha_
    assert found.best_score_ == pytest.approx(expected.best_score_, rel=1e-10)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8, atol=1e-10)
    if len(y) < 100:
        model = Ridge(alpha=options["alphas"][2], fit_intercept=fit_intercept)
        single = -cross_val_score(model, X, y, cv=LeaveOneOut(), scoring="neg_mean_squared_error")
        np.testing.assert_allclose(found.cv_results_[:, 2], single, rtol=1e-8, atol=1e-12)


def test_leave_one_out_with_weights_targets_and_scorers(tall):
    X, y = tall
    Y, s = np.stack([y, y**2], axis=1), np.linspace(0.2, 2, len(y))
    alphas = np.geomspace(0.01, 100, 7)
    for options in (
        {},
        {"alpha_per_target": True},
        {"scoring": "neg_mean_absolute_error"},
        {"scoring": "r2", "alpha_per_target": True},
    ):
        for target in (y, Y) if "alpha_per_target" not in options else (Y,):
            found, expected = (
                C(alphas, store_cv_results=True, **options).fit(X, target, sample_weight=s)
                for C in (RidgeCV, reference.RidgeCV)
            )
            assert found.cv_results_.shape == expected.cv_results_.shape
            np.testing.assert_allclose(found.cv_results_, expected.cv_results_, rtol=1e-8, atol=1e-10)
            np.testing.assert_array_equal(found.alpha_, expected.alpha_)
            np.testing.assert_allclose(found.best_score_, expected.best_score_, rtol=1e-9)
            np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("scoring", [None, "r2", "neg_mean_absolute_error"])
def test_ridge_by_folds_is_scikit_learns(tall, scoring):
    X, y = tall
    for target, s in ((y, None), (np.stack([y, -(y**2)], axis=1), np.linspace(0.2, 2, len(y)))):
        options = {"alphas": [0.1, 10.0, 0.0, 1.0], "cv": 5, "scoring": scoring}
        found, expected = (C(**options).fit(X, target, sample_weight=s) for C in (RidgeCV, reference.RidgeCV))
        assert found.alpha_ == expected.alpha_
        assert found.best_score_ == pytest.approx(expected.best_score_, rel=1e-9)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8)


def test_leave_one_out_keeps_its_digits_for_small_alphas():
    # scikit-learn's modes differ here: 1 − h is lost to rounding. The reference is exact rational arithmetic.
    from fractions import Fraction

    rng = np.random.default_rng(5)
    X, y = rng.integers(-3, 4, (6, 8)).astype(float), rng.integers(-5, 6, 6).astype(float)
    alpha = 2.0**-40
    found = RidgeCV([alpha], fit_intercept=False, store_cv_results=True).fit(X, y).cv_results_[:, 0]

    def solve(A, b):
        A = [[*row, value] for row, value in zip(A, b, strict=True)]
        for i in range(len(A)):
            pivot = next(k for k in range(i, len(A)) if A[k][i] != 0)
            A[i], A[pivot] = A[pivot], A[i]
            A[i] = [value / A[i][i] for value in A[i]]
            for k in range(len(A)):
                if k != i:
                    A[k] = [a - A[k][i] * b for a, b in zip(A[k], A[i], strict=True)]
        return [row[-1] for row in A]

    exact = []
    for i in range(6):
        rows = [[Fraction(int(v)) for v in X[k]] for k in range(6) if k != i]
        left = [Fraction(int(y[k])) for k in range(6) if k != i]
        kernel = [
            [sum(a * b for a, b in zip(r, q, strict=True)) + (Fraction(alpha) if r is q else 0) for q in rows]
            for r in rows
        ]
        dual = solve(kernel, left)
        out = sum(
            d * sum(a * Fraction(int(b)) for a, b in zip(r, X[i], strict=True)) for d, r in zip(dual, rows, strict=True)
        )
        exact.append(float((Fraction(int(y[i])) - out) ** 2))
    np.testing.assert_allclose(found, exact, rtol=1e-7)


# ------------------------------------------------------------------------------------------------ beyond scikit-learn


@pytest.mark.slow
def test_the_added_parameters_are_those_of_fit(tall):
    X, y = tall
    added = {"standardize": True, "penalty_factor": np.linspace(0, 2, 12), "lower": -0.2, "upper": np.full(12, 0.3)}
    for model, lam, rho in (
        (Lasso(0.1, **added), 0.1, 1.0),
        (ElasticNet(0.1, **added), 0.1, 0.5),
        (Ridge(9.0, **added), 0.1, 0.0),
    ):
        expected = jaxreg.fit(X, y, lam, rho, **added)
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_, expected.coef, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(model.intercept_, expected.intercept, rtol=1e-6)
    found = LassoCV(alphas=[0.1, 1.0], cv=3, **added).fit(X, y)
    assert found.coef_.max() <= 0.3
    assert found.dual_gap_ < 1e-9
    free = RidgeCV(penalty_factor=[0.0] + [1.0] * 11, store_cv_results=True).fit(X, y)
    assert free.cv_results_.shape == (90, 3)


def test_they_work_in_pipelines_searches_and_pickles(tall):
    pandas = pytest.importorskip("pandas")
    X, y = tall
    frame = pandas.DataFrame(X, columns=[f"x{j}" for j in range(12)])
    pipe = make_pipeline(StandardScaler().set_output(transform="pandas"), Lasso(alpha=0.1)).fit(frame, y)
    assert list(pipe[-1].feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        pipe[-1].predict(frame[frame.columns[::-1]])
    again = pickle.loads(pickle.dumps(pipe))
    np.testing.assert_array_equal(again.predict(frame), pipe.predict(frame))
    search = GridSearchCV(make_pipeline(StandardScaler(), ElasticNet()), {"elasticnet__alpha": [0.1, 1.0]}, cv=3)
    assert search.fit(frame, y).best_params_ == {"elasticnet__alpha": 0.1}
    for name in ("Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"):
        model = getattr(jaxreg, name)()
        theirs, ours = getattr(reference, name)().get_params(), clone(model).get_params()
        assert {key: ours[key] for key in theirs} == theirs


def test_polars_frames_keep_their_names(tall):
    polars = pytest.importorskip("polars")
    X, y = tall
    frame = polars.DataFrame(X, schema=[f"x{j}" for j in range(12)])
    model = Ridge().fit(frame, y)
    assert model.feature_names_in_[3] == "x3"
    np.testing.assert_allclose(model.predict(frame), Ridge().fit(X, y).predict(X), rtol=1e-12)


def test_small_tables_of_many_shapes_share_their_programs(tall):
    X, y = tall
    from jaxreg.engines import rows

    Ridge().fit(X[:50, :7], y[:50])
    before = rows._solve._cache_size()
    for n in range(51, 64):
        Ridge().fit(X[:n, : 5 + n % 4], y[:n])
    assert rows._solve._cache_size() == before


def test_importing_jaxreg_does_not_import_scikit_learn():
    code = (
        "import sys, jaxreg; assert 'sklearn' not in sys.modules; from jaxreg import Lasso; "
        "assert 'sklearn' in sys.modules; assert 'RidgeCV' in dir(jaxreg)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys; sys.modules['sklearn'] = None\nimport jaxreg\ntry: from jaxreg import Lasso\n"
        "except ModuleNotFoundError as error: assert \"pip install 'jaxreg[estimators]'\" in str(error), error\n"
        "else: raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------------------------ warnings


@pytest.mark.filterwarnings("default")  # one for the folds, another one for the fit on all rows
def test_a_tolerance_that_is_not_met_is_a_warning(tall):
    X, y = tall
    with pytest.warns(ConvergenceWarning, match=r"duality gap is .* at alpha=0.05, above tol=1e-30 \(1 of 1"):
        Lasso(alpha=0.05, tol=1e-30).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=r"LassoCV: .* of 50 fits"):
        LassoCV(alphas=10, tol=1e-30).fit(X, y)


@pytest.mark.slow
def test_a_fit_that_has_not_converged_says_so(tall):
    # With free columns accelerated gradients are taken, whose steps can be too few.
    X, y = DATA["wide"]
    free = np.r_[0.0, np.ones(59)]
    with pytest.warns(ConvergenceWarning, match=r"duality gap is .* at alpha=0.001, above tol=0.0001"):
        model = Lasso(alpha=0.001, penalty_factor=free, max_iter=1).fit(X, y)
    assert model.dual_gap_ > 1e-4 * y.var()
    assert model.n_iter_ == 20
    X, y = tall
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Lasso(alpha=0.001, upper=0.05, tol=1e-12).fit(X, y)
        Lasso(alpha=0.0).fit(X, y)


def test_constant_targets_and_columns(tall):
    X, _ = tall
    X = np.concatenate([X, np.full((90, 1), 7.0)], axis=1)
    y = np.full(90, 5.0)
    for model in (Lasso(), ElasticNet(), Ridge(), LassoCV(alphas=3), ElasticNetCV(alphas=3), RidgeCV()):
        model.fit(X, y)
        np.testing.assert_array_equal(model.predict(X), y)
    X, y = make_regression(n_samples=90, n_features=3, random_state=0)
    X[:, 1] = 2.0
    for model in (Lasso(), Ridge(), LassoCV(alphas=3), RidgeCV()):
        assert model.fit(X, y).coef_[1] == 0
