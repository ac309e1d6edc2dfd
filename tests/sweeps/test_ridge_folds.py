"""K-fold errors of ridge from fold moments and from rows: scikit-learn, NIST, and where moments would not do."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg.engines import ridge, ridge_blocks, ridge_data
from jaxreg.formulas import duality_gap
from jaxreg.solvers.spectrum import coefficients, gap_bound, spectrum_of_gram
from jaxreg.sweeps.cross_validate import fold_errors
from jaxreg.sweeps.folds import fold_labels

LAMS = np.array([1.0, 0.03, 10.0, 0.2])
NIST = json.loads((Path(__file__).parents[1] / "reference" / "nist_strd.json").read_text())


def problem(n, p, t=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.3) * np.geomspace(1, 30, p) + 5
    Y = X[:, :1] @ np.ones((1, t or 1)) + rng.normal(size=(n, t or 1)) * np.linspace(1, 9, t or 1)
    return X, Y if t else Y[:, 0]


def by_scikit_learn(X, y, lams, labels, s=None, fit_intercept=True, loss=np.square):
    """(L, K[, t]): scaler and model fitted on each training part, λΣs/τ as its alpha, the held-out rows weighted."""
    s = np.ones(len(X)) if s is None else s
    errors = []
    for k in np.unique(labels):
        test, train = labels == k, labels != k
        scale = StandardScaler().fit(X[train], sample_weight=s[train]).scale_
        mean = np.average(y[train], axis=0, weights=s[train])
        tau = np.sqrt(np.average((y[train] - mean) ** 2, axis=0, weights=s[train]))
        for lam in lams:
            model = Ridge(lam / tau * s[train].sum(), fit_intercept=fit_intercept, solver="cholesky")
            model.fit(X[train] / scale, y[train], s[train])
            errors.append(np.average(loss(y[test] - model.predict(X[test] / scale)), axis=0, weights=s[test]))
    return np.moveaxis(np.reshape(errors, (-1, len(lams), *y.shape[1:])), 0, 1)


def sweep_the_general_way(*args, **options):
    """Without the ridge route: row by row, with the certificate of every model from X and y themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ridge, "refuses", lambda *_: "a test")
        return jaxreg.sweep(*args, **options)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize(("n", "p"), [(62, 5), (12, 20)])
def test_equals_scikit_learn(n, p, weighted, fit_intercept):
    """62 rows in 4 folds: from fold moments; 12 × 20: from the rows."""
    X, y = problem(n, p)
    s = np.random.default_rng(1).uniform(0.1, 2, n) if weighted else None
    labels = fold_labels(n, 4)
    options = {"sample_weight": s, "fit_intercept": fit_intercept, "measure": "mae"}
    found = jaxreg.sweep(X, y, LAMS, 0, folds=labels, **options)
    expected = by_scikit_learn(X, y, LAMS, labels, s, fit_intercept)
    np.testing.assert_allclose(found.fold_mse[0], expected, rtol=1e-10)
    absolute = by_scikit_learn(X, y, LAMS, labels, s, fit_intercept, np.abs)
    np.testing.assert_allclose(found.fold_mae[0], absolute, rtol=1e-10)
    assert found.largest_gap <= 1e-15
    assert found.converged


def test_equals_a_grid_search():
    """GridSearchCV: the same mean error for every alpha = λ n_train, folds of 15 rows each."""
    X, y = problem(60, 5)
    labels = fold_labels(60, 4)
    search = GridSearchCV(
        Ridge(solver="cholesky"),
        {"alpha": LAMS * 45},
        cv=PredefinedSplit(labels),
        scoring="neg_mean_squared_error",
    ).fit(X, y)
    found = jaxreg.sweep(X, y, LAMS, 0, folds=labels, standardize=False)
    np.testing.assert_allclose(found.mean_mse[0], -search.cv_results_["mean_test_score"], rtol=1e-11)
    assert found.best.lam * 45 == search.best_params_["alpha"]


@pytest.mark.parametrize(("n", "p"), [(62, 5), (12, 20)])
def test_one_lam_for_each_target(n, p, monkeypatch):
    """5 targets in blocks of 2, the last filled up, λ by λ: as scikit-learn has them, each with its own choice."""
    X, Y = problem(n, p, 5)
    labels = fold_labels(n, 4)
    monkeypatch.setattr(ridge_data, "TARGET_BLOCK_BYTES", 2 * 4 * (n + min(n, p)) * 8)
    found = jaxreg.sweep(X, Y, LAMS, 0, folds=labels)
    expected = by_scikit_learn(X, Y, LAMS, labels)
    np.testing.assert_allclose(found.fold_mse[0], expected, rtol=1e-10)
    assert found.best.params.coef.shape == found.path.coef.shape[1:] == (p, 5)
    np.testing.assert_array_equal(found.best.lam, LAMS[found.mean_mse[0].argmin(axis=0)])
    assert found.path.lams.shape == found.path.df.shape == found.path.gap.shape == (4, 5)
    for t in range(5):
        model = make_pipeline(StandardScaler(), Ridge(found.best.lam[t] * n / Y[:, t].std(), solver="svd")).fit(
            X, Y[:, t]
        )
        np.testing.assert_allclose(found.predict(X)[:, t], model.predict(X), rtol=1e-10)
        np.testing.assert_array_equal(found.best.params.coef[:, t], found.path.coef[found.best.index[t, 1], :, t])


def test_one_lam_at_a_time_changes_nothing(monkeypatch):
    """λs in blocks: three of four at once, then one."""
    X, Y = problem(62, 5, 2)
    expected = jaxreg.sweep(X, Y, LAMS, 0, folds=4)
    monkeypatch.setattr("jaxreg.solvers.spectrum.LAM_BLOCK_BYTES", 3 * 16 * 2 * 8)
    ridge_blocks._held_out.clear_cache()
    found = jaxreg.sweep(X, Y, LAMS, 0, folds=4)
    ridge_blocks._held_out.clear_cache()
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-13)


def test_a_path_of_many_coefficients_is_computed_when_asked_for(monkeypatch):
    """A sweep with thousands of targets keeps the factors; here three targets count as thousands."""
    X, Y = problem(62, 5, 3)
    usual = jaxreg.sweep(X, Y, LAMS, 0, folds=4)
    monkeypatch.setattr(ridge, "COEF_BYTES", 4 * 5 * 3 * 8 - 1)
    late = jaxreg.sweep(X, Y, LAMS, 0, folds=4)
    assert callable(vars(late.path)["coef"])  # not computed so far
    assert callable(vars(late.path)["n_nonzero"])
    assert late.converged
    for name in ("lams", "fold_mse", "fold_r2", "fold_gap", "mean_mse", "se_mse"):
        np.testing.assert_array_equal(getattr(late, name), getattr(usual, name))
    for one, other in ((late.best, usual.best), (late.one_se, usual.one_se)):
        for name in ("lam", "l1_ratio", "index", "mean_mse", "se_mse", "n_nonzero"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_allclose(one.params.coef, other.params.coef, rtol=1e-12)
        np.testing.assert_allclose(one.params.intercept, other.params.intercept, rtol=1e-12)
    np.testing.assert_allclose(late.path.intercept, usual.path.intercept, rtol=1e-12)
    for name in ("coef", "n_nonzero", "df", "converged", "lams", "scale", "y_scale"):
        np.testing.assert_array_equal(getattr(late.path, name), getattr(usual.path, name))
    assert late.path.gap.max() <= 1e-15  # a bound from the factors
    np.testing.assert_allclose(late.path.predict(X), usual.path.predict(X), rtol=1e-12)
    assert late.path.coef is late.path.coef


@pytest.mark.parametrize("kind", ["the same", "few folds", "constant in a part", "y constant in a part", "near"])
def test_where_moments_would_not_do(kind):
    """Taking a fold away may leave nothing of a column or target, or a tiny λ meets dependent columns: to the rows.

    The general way computes each fold from its own rows; both have to agree, and exact zeros with them.
    """
    X, y = problem(62, 5)
    labels, lams = fold_labels(62, 4), LAMS
    if kind == "constant in a part":
        X[:, 2] = np.where(labels == 1, X[:, 2], 3.0)  # other values in the rows of fold 1 alone
    if kind == "few folds":
        X[:, 2] = np.where(labels == 1, 1e6 * X[:, 2], X[:, 2])
    if kind == "y constant in a part":
        y = np.where(labels == 1, y, 7.0)
    if kind == "near":
        X[:, 3] = X[:, 1] + 1e-6 * X[:, 3]
        lams = np.array([1e-7, 1e-10, 1e-8, 1.0])
    found = jaxreg.sweep(X, y, lams, 0, folds=labels)
    expected = sweep_the_general_way(X, y, lams, 0, folds=labels)
    assert found.converged
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-8 if kind == "near" else 1e-10)
    np.testing.assert_allclose(found.path.predict(X), expected.path.predict(X), rtol=1e-9)


def test_an_exact_fit_is_measured_by_the_rows():
    """y = Xw: errors of 1e-13 of y² and less, which a difference of moments would not see."""
    X, _ = problem(62, 5)
    y = X @ np.arange(1.0, 6)
    found = jaxreg.sweep(X, y, [1e-7], 0, folds=4)
    expected = sweep_the_general_way(X, y, [1e-7], 0, folds=4)
    assert expected.fold_mse.max() <= 1e-12 * np.var(y)
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-4)


def test_wild_scales_and_constant_columns():
    """Units do not matter, squares that vanish included; a constant column has the coefficient 0."""
    X, y = problem(62, 5)
    expected = jaxreg.sweep(X, y, LAMS, 0, folds=4)
    for units in ([1e60, 1e-60, 1, 1e-9, 1e9], [1e-160, 1, 1e100, 1e-200, 1]):
        found = jaxreg.sweep(X * units, y, LAMS, 0, folds=4)
        np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-11)
        np.testing.assert_allclose(found.path.coef * units, expected.path.coef, rtol=1e-9)
    constant = jaxreg.sweep(np.insert(X, 2, 0.1, axis=1), y, LAMS, 0, folds=4)
    np.testing.assert_allclose(constant.fold_mse, expected.fold_mse, rtol=1e-12)
    assert not np.any(constant.path.coef[:, 2])
    assert np.all(constant.path.n_nonzero == 5)


@pytest.mark.parametrize("scale", [1e-290, 1e290])
def test_only_the_ratios_of_weights_matter(scale):
    X, y = problem(62, 5)
    s = np.random.default_rng(1).uniform(0.1, 2, 62)
    found, expected = (jaxreg.sweep(X, y, LAMS, 0, folds=4, sample_weight=c * s) for c in (scale, 1.0))
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-12)
    np.testing.assert_allclose(found.path.coef, expected.path.coef, rtol=1e-11)


def test_overlapping_folds_of_different_sizes():
    """Masks that hold out 3, 20 and 31 rows, some of them twice, some never."""
    X, y = problem(62, 5)
    masks = np.stack([np.arange(62) < 3, np.arange(62) % 3 == 0, np.arange(62) % 2 == 0])
    masks[1, 60] = False
    found = jaxreg.sweep(X, y, LAMS, 0, folds=masks)
    np.testing.assert_allclose(found.fold_mse, sweep_the_general_way(X, y, LAMS, 0, folds=masks).fold_mse, rtol=1e-11)


@pytest.mark.parametrize(("n", "p"), [(62, 5), (12, 20)])
def test_the_certificate_holds(n, p):
    """What is reported is above the true gap, computed in the host's extended precision: ‖∇F‖²/(2λ‖ỹ‖²)."""
    X, y = problem(n, p)
    found = jaxreg.path(X, y, LAMS, 0)
    long = np.longdouble
    Z = (X.astype(long) - X.mean(axis=0, dtype=long)) / np.std(X.astype(long), axis=0) / np.sqrt(long(n))
    target = (y.astype(long) - y.mean(dtype=long)) / np.sqrt(long(n))
    for l, lam in enumerate(LAMS):
        u = found.coef[l].astype(long) * np.std(X.astype(long), axis=0)
        square = lam / np.sqrt(target @ target)  # λ/τ
        gradient = square * u - Z.T @ (target - Z @ u)
        gap = gradient @ gradient / (2 * square) / (target @ target)
        assert gap <= found.gap[l] + 1e-18  # F − D itself is known to ε
        assert found.gap[l] <= 1e-15
    with jax.enable_x64(True):
        params = jax.tree.map(lambda v: v[1], found.params)
        assert duality_gap(params, X, y, LAMS[1], 0.0, scale=found.scale, y_scale=found.y_scale) <= 1e-15


@pytest.mark.parametrize("targets", [2, 7])  # fewer and more than columns: another bound
def test_the_certificate_sees_bad_eigenvectors(targets, monkeypatch):
    """Eigenvectors that are 1e-4 too long: the bound is above the true ‖∇F‖²/(2λ), and not by much."""
    rng = np.random.default_rng(0)
    A, target = rng.normal(size=(62, 5)), rng.normal(size=(62, targets))
    eigh = jax.numpy.linalg.eigh
    monkeypatch.setattr(jax.numpy.linalg, "eigh", lambda matrix: (eigh(matrix)[0], eigh(matrix)[1] * (1 + 1e-4)))
    with jax.enable_x64(True):
        spectrum = spectrum_of_gram(A.T @ A, A.T @ target)
        bound = gap_bound(spectrum, LAMS[:, None])
        for l, lam in enumerate(LAMS):
            u = coefficients(spectrum, lam)
            gradient = A.T @ (A @ u) + lam * u - A.T @ target
            gap = np.sum(gradient**2, axis=0) / (2 * lam)
            assert np.all(gap <= bound[l])
            assert np.all(bound[l] <= 1000 * gap)
            assert np.all(gap > 1e-12)


def test_a_vanishing_penalty_goes_the_general_way():
    """λ = 1e-20 with p > n: the bound from the factors is 3e-8, the certificate from the rows far below 1e-10."""
    X, y = problem(12, 20)
    found = jaxreg.path(X, y, np.array([1e-20, 1.0, 1e-18, 1e-3]), 0)
    assert found.converged.all()
    np.testing.assert_allclose(found.predict(X)[:, 0], y, rtol=1e-10)


def test_longley_at_a_vanishing_penalty():
    """NIST's Longley data, κ 1e4 after scaling: λ → 0 gives the certified coefficients, by the rows where needed."""
    X, y = np.array(NIST["Longley"]["X_raw"]), np.array(NIST["Longley"]["y"])
    certified = NIST["Longley"]["certified_coef"][1:]
    found = jaxreg.path(X, y, [1e-14], 0)
    np.testing.assert_allclose(found.coef[0], certified, rtol=1e-7)


def test_mixed_with_other_penalties_and_progress():
    """A ridge among the l1_ratios is solved here too, and its folds are told."""
    X, y = problem(62, 5)
    told = []
    found = jaxreg.sweep(X, y, LAMS, [0.0, 1.0], folds=4, progress=lambda *k: told.append(k))
    assert told == [(k, 10) for k in range(1, 11)]
    alone = jaxreg.sweep(X, y, LAMS, 0, folds=4, progress=lambda *k: told.append(k))
    assert told[10:] == [(k, 5) for k in range(1, 6)]
    np.testing.assert_allclose(found.fold_mse[0], alone.fold_mse[0], rtol=1e-10)
    np.testing.assert_allclose(found.fold_r2[0], alone.fold_r2[0], rtol=1e-10)
    assert found.fold_mae is None
    by_absolute = [jaxreg.sweep(X, y, LAMS, rho, folds=4, measure="mae") for rho in (0, [0.0, 1.0])]
    np.testing.assert_allclose(by_absolute[0].fold_mae[0], by_absolute[1].fold_mae[0], rtol=1e-10)


def test_the_pure_functions_agree_and_nothing_compiles_twice():
    X, y = problem(62, 5)
    labels = fold_labels(62, 4)
    found = jaxreg.sweep(X, y, LAMS, 0, folds=labels)
    programs = [v for v in (*vars(ridge).values(), *vars(ridge_blocks).values()) if hasattr(v, "_cache_size")]
    assert len(programs) >= 7
    before = [program._cache_size() for program in programs]
    jaxreg.sweep(X * 2, y + 1, LAMS / 2, 0, folds=labels[::-1])
    assert [program._cache_size() for program in programs] == before
    with jax.enable_x64(True):
        mse, _ = jax.jit(lambda mask: fold_errors(X, y, mask, LAMS, 0.0))(labels == 2)
    np.testing.assert_allclose(found.fold_mse[0, :, 2], mse, rtol=1e-11)


@pytest.mark.parametrize(
    "options", [{}, {"fit_intercept": False}, {"standardize": False}, {"penalty_factor": [1, 2, 1, 3, 1]}]
)
def test_the_automatic_grid_of_moments_is_that_of_the_rows(options):
    """λ_max = max_j |x̃_j·ỹ| / (0.001 n v_j σ_j), centred if there is an intercept, in NumPy."""
    X, y = problem(62, 5)
    centred = X - X.mean(axis=0)
    Z, target = (X, y) if options.get("fit_intercept") is False else (centred, y - y.mean())
    scale = np.ones(5) if options.get("standardize") is False else centred.std(axis=0)
    largest = np.max(np.abs(Z.T @ target) / 62 / scale / options.get("penalty_factor", np.ones(5))) / 1e-3
    expected = largest * np.geomspace(1, 1e-4, 7)
    np.testing.assert_allclose(jaxreg.path(X, y, 7, l1_ratio=0, **options).lams, expected, rtol=1e-12)


def test_too_many_results_are_refused():
    X, y = problem(62, 5)
    with pytest.raises(MemoryError, match=r"10,000,000,000 λs × 5 columns × 1 targets are .* GiB"):
        jaxreg.path(X, y, lams=10**10, l1_ratio=0)


@pytest.mark.parametrize(("n", "p"), [(62, 5), (12, 20)])
def test_float32(n, p):
    X, y = problem(n, p)
    exact = jaxreg.sweep(X, y, LAMS, 0, folds=4)
    found = jaxreg.sweep(X.astype(np.float32), y, LAMS, 0, folds=4)
    assert found.fold_mse.dtype == found.fold_gap.dtype == found.path.coef.dtype == np.float32
    np.testing.assert_allclose(found.fold_mse, exact.fold_mse, rtol=3e-4)
    np.testing.assert_allclose(found.path.predict(X), exact.path.predict(X), rtol=0, atol=1e-4 * np.std(y))
    assert found.converged
