"""Jackknife+ of ridge: held against n fits of scikit-learn, the definition counted by hand, and simulations."""

from math import ceil, floor

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.formulas.duality import duality_gap
from jaxreg.formulas.objective import Params
from jaxreg.solvers.left_out_models import gaps_of_left_out, left_out_models

DATA = jaxreg.datasets.diabetes()
SHAPES = pytest.mark.parametrize(("n", "p"), [(30, 5), (20, 20), (15, 40)])


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 4, p) + 2
    return X, X[:, 0] - X[:, 1] + 5 + rng.normal(size=n)


def without_each_row(X, y, lam, fit_intercept, standardize):
    """Coefficients, intercepts and left-out residuals of n fits by scikit-learn: Σ_l (y_l − x_l·w − b)² + a Σ v_j² of
    columns in units of their standard deviations in all rows, a = n λ/τ with τ of all rows."""
    Ridge = pytest.importorskip("sklearn.linear_model").Ridge
    n, p = X.shape
    scale, tau = (X.std(axis=0), y.std()) if standardize else (np.ones(p), 1.0)
    coef, intercept, residual = np.empty((n, p)), np.empty(n), np.empty(n)
    for i in range(n):
        others = np.delete(np.arange(n), i)
        model = Ridge(n * lam / tau, fit_intercept=fit_intercept, solver="svd").fit(X[others] / scale, y[others])
        coef[i], intercept[i] = model.coef_ / scale, model.intercept_
        residual[i] = y[i] - X[i] @ coef[i] - intercept[i]
    return coef, intercept, residual


@SHAPES
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("lam", [1.0, 1e-4])
def test_they_are_n_fits_of_scikit_learn(n, p, fit_intercept, standardize, lam):
    X, y = problem(n, p)
    found = jaxreg.ridge_jackknife_plus(X, y, lam, fit_intercept=fit_intercept, standardize=standardize)
    coef, intercept, residual = without_each_row(X, y, lam, fit_intercept, standardize)
    size = np.abs(coef).max()
    np.testing.assert_allclose(found.left_out_coef, coef, atol=1e-9 * size)
    np.testing.assert_allclose(found.left_out_intercept, intercept, atol=1e-8 * size)
    np.testing.assert_allclose(found.left_out_residual, residual, rtol=1e-7, atol=1e-8 * np.abs(residual).max())
    assert found.converged
    whole = jaxreg.fit(X, y, lam, 0.0, fit_intercept=fit_intercept, standardize=standardize)
    np.testing.assert_allclose(found.predict(X), whole.predict(X), rtol=1e-7, atol=1e-7)


def by_hand(found, X, level):
    """The definition: sort, and count from both ends."""
    n, alpha = len(found.left_out_residual), 1 - level
    ends = []
    for x in X:
        each = [float(x @ w + b) for w, b in zip(found.left_out_coef, found.left_out_intercept, strict=True)]
        lower = sorted(f - abs(r) for f, r in zip(each, found.left_out_residual, strict=True))
        upper = sorted(f + abs(r) for f, r in zip(each, found.left_out_residual, strict=True))
        k, m = ceil(round((1 - alpha) * (n + 1), 6)), floor(round(alpha * (n + 1), 6))
        ends.append((lower[m - 1] if m >= 1 else -np.inf, upper[k - 1] if k <= n else np.inf))
    return np.transpose(ends)


@pytest.mark.parametrize(("n", "level"), [(19, 0.9), (19, 0.95), (19, 0.96), (20, 0.5), (109, 0.9), (33, 0.73)])
def test_the_interval_is_that_of_the_definition(n, level, monkeypatch):
    X, y = problem(n, 3)
    found = jaxreg.ridge_jackknife_plus(X, y, 0.1)
    new = problem(7, 3, seed=5)[0]
    monkeypatch.setattr("jaxreg.results.jackknifed.TOGETHER", 2 * n)  # two rows at a time
    np.testing.assert_allclose(found.predict_interval(new, level), by_hand(found, new, level), rtol=1e-12)
    assert np.isinf(found.predict_interval(new, level)[0]).all() == (level == 0.96)


@SHAPES
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_certificate_that_is_the_duality_gap_of_each_model(n, p, fit_intercept, x64):
    X, y = problem(n, p)
    lam = 0.3
    found = left_out_models(X, y, lam, fit_intercept=fit_intercept)
    assert float(found.gap.max()) < 1e-24
    rng = np.random.default_rng(1)
    coef = np.asarray(found.coef) + 1e-4 * rng.normal(size=(n + 1, p))
    intercept = np.asarray(found.intercept) + (1e-4 * rng.normal(size=n + 1) if fit_intercept else 0.0)
    tau, scale = float(found.y_scale), np.asarray(found.scale)
    given = gaps_of_left_out(X, y, coef, intercept, lam / tau, found.scale, fit_intercept)
    for i in (0, 1, n - 1, n):
        rows = np.delete(np.arange(n), i) if i < n else np.arange(n)
        # From the rows that are left: what the best intercept gains, and the gradient there.
        u, A = coef[i] * scale, (X[rows] - X.mean(axis=0) * fit_intercept) / scale
        E = (y[rows] - X[rows] @ coef[i] - intercept[i]) / np.sqrt(n)
        m = E.mean() if fit_intercept else 0.0
        g = lam / tau * u - A.T @ (E - m) / np.sqrt(n)
        square = np.sum((y[rows] - (y[rows].mean() if fit_intercept else 0.0)) ** 2) / n
        bound = (0.5 * len(rows) * m**2 + np.sum(g**2) / (2 * lam / tau)) / square
        assert float(given[i]) == pytest.approx(float(bound), rel=1e-7)
        best = duality_gap(
            Params(intercept[i], coef[i]),
            X[rows],
            y[rows],
            lam * n / len(rows),
            0.0,
            fit_intercept=fit_intercept,
            scale=scale,
            y_scale=tau,
        )
        assert best * (1 - 1e-7) <= given[i] <= 2 * best  # of all c r, not of r alone


def covers(n, p, level, repeats, seed, noise, standardize=False):
    """The share of new observations, one for each table, within the interval."""
    rng = np.random.default_rng(seed)
    held = []
    for _ in range(repeats):
        X, w = rng.normal(size=(n + 1, p)), rng.normal(size=p) / np.sqrt(p)
        y = X @ w + noise(rng, n + 1)
        low, high = jaxreg.ridge_jackknife_plus(X[:n], y[:n], 0.1, standardize=standardize).predict_interval(
            X[n:], level
        )
        held.append(bool(low[0] <= y[n] <= high[0]))
    return np.mean(held)


NOISES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy": lambda rng, n: rng.standard_t(2, size=n),
    "skewed": lambda rng, n: rng.exponential(size=n),
}


@pytest.mark.parametrize(("n", "p"), [(39, 4), (39, 60)])
def test_intervals_hold_new_observations(n, p):
    """Of 400 tables the share has a standard error of 0.015 at 0.9; promised is 0.8."""
    share = covers(n, p, 0.9, 400, seed=1, noise=NOISES["normal"])
    assert abs(share - 0.9) < 3 * 0.015


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("n", "p"), [(39, 4), (39, 36), (39, 60)])
def test_intervals_hold_new_observations_whatever_the_noise(n, p, noise, standardize):
    """2,000 tables each: a standard error of 0.007 at 0.9, and 18 of these at once."""
    share = covers(n, p, 0.9, 2000, seed=2, noise=NOISES[noise], standardize=standardize)
    assert abs(share - 0.9) < 0.025


def test_float32_and_frames():
    X, y = problem(30, 5)
    one, other = (jaxreg.ridge_jackknife_plus(X.astype(kind), y, 0.1) for kind in (np.float64, np.float32))
    assert other.left_out_coef.dtype == np.float32
    np.testing.assert_allclose(other.left_out_residual, one.left_out_residual, rtol=1e-4, atol=1e-4)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    found = jaxreg.ridge_jackknife_plus(frame, y, 0.1)
    np.testing.assert_array_equal(found.predict_interval(frame)[0], one.predict_interval(X)[0])
    with pytest.raises(ValueError, match="another order"):
        found.predict_interval(frame[list("edcba")])


def test_a_second_call_compiles_nothing():
    X, y = problem(30, 5)
    jaxreg.ridge_jackknife_plus(X, y, 0.1)
    with jax.log_compiles(), jax.checking_leaks():
        before = jaxreg.jackknife._program._cache_size()
        jaxreg.ridge_jackknife_plus(X + 1, 2 * y, 0.7)
        assert jaxreg.jackknife._program._cache_size() == before


def test_it_is_read_and_saved(tmp_path):
    found = jaxreg.ridge_jackknife_plus(DATA.X, DATA.y, 1.0)
    lines = repr(found).splitlines()
    assert lines[0] == "JackknifePlus: 442 rows, 10 columns, λ = 1"
    assert len(lines) <= 12
    assert "all 443 fits are within the tolerance" in lines[-1]
    assert len(found.to_frame("dict")["left_out_residual"]) == 442
    found.save(tmp_path / "found.npz")
    again = jaxreg.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(again.predict_interval(DATA.X[:9], 0.8), found.predict_interval(DATA.X[:9], 0.8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": 0.0}, "lam is 0"),
        ({"y": np.column_stack([DATA.y, DATA.y])}, "several targets"),
        ({"X": DATA.X[:2], "y": DATA.y[:2]}, "there are 2 rows"),
        (
            {
                "X": np.eye(3)[[0, 1, 2, 2]],
                "y": np.arange(4.0),
                "lam": 1e-18,
                "fit_intercept": False,
                "standardize": False,
            },
            "row 0 alone determines",
        ),
    ],
)
def test_what_is_refused(options, message):
    arguments = {"X": DATA.X, "y": DATA.y, "lam": 1.0} | options
    with pytest.raises(ValueError, match=message):
        jaxreg.ridge_jackknife_plus(**arguments)


def test_a_level_is_between_0_and_1():
    with pytest.raises(ValueError, match="level"):
        jaxreg.ridge_jackknife_plus(DATA.X, DATA.y, 1.0).predict_interval(DATA.X, 1.5)
