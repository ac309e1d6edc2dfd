"""Answers made elsewhere: NIST's certified regressions, the exact lasso knots of R's lars, and scikit-learn."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import jaxreg

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(autouse=True)
def _without_x64():
    """The host functions scope 64-bit mode themselves."""
    with jax.enable_x64(False):
        yield


# ── NIST StRD ──

NIST = json.loads((REFERENCE / "nist_strd.json").read_text())


@pytest.mark.parametrize(
    ("name", "digits"),  # of the worst coefficient; seen: 13.3, 8.9 to 9.8, 12.9 and 14.8
    [
        ("Longley", 12),
        ("Wampler1", 8),
        pytest.param("Norris", 12, marks=pytest.mark.slow),
        pytest.param("NoInt1", 14, marks=pytest.mark.slow),
    ],
)
def test_certified_least_squares(name, digits):
    """lam = 0 is least squares. The certified values have 15 digits; Wampler1, x … x⁵ at x = 0 … 20, loses the most."""
    case = NIST[name]
    X, y = np.array(case["X_raw"]).reshape(len(case["y"]), -1), np.array(case["y"])
    if case["polynomial_degree"]:
        X = X ** np.arange(1, case["polynomial_degree"] + 1)
    solution = jaxreg.fit(X, y, lam=0, fit_intercept=case["fit_intercept"])
    found = np.append(solution.intercept, solution.coef) if case["fit_intercept"] else solution.coef
    np.testing.assert_allclose(found, case["certified_coef"], rtol=10.0**-digits)
    assert solution.converged
    assert solution.gap <= 1e-14
    if not case["fit_intercept"]:
        assert solution.intercept == 0


# ── lars ──


def test_lasso_knots():
    """Between two knots the lasso is linear in λ, so lars gives the exact solution everywhere, λ = 0 included."""
    case = json.loads((REFERENCE / "lars_diabetes.json").read_text())
    table = np.loadtxt(REFERENCE / "lars_diabetes.csv", delimiter=",", skiprows=1)
    X, y = table[:, :-1], table[:, -1]
    np.testing.assert_allclose(np.sum(X**2, axis=0), 1, rtol=1e-12)  # lars' columns of unit norm

    knots, at_knots = np.append(case["knots_lambda"], 0), np.array(case["beta"], float)
    between = 0.5 * (at_knots[1:] + at_knots[:-1])
    # lars: ½‖r‖² + λ‖β‖₁ on columns of unit norm, so λ = n lam.
    lams = np.concatenate([knots, 0.5 * (knots[1:] + knots[:-1])]) / len(y)
    path = jaxreg.path(X, y, lams, standardize=False)

    assert path.gap.max() <= 1e-10
    largest = np.abs(at_knots).max()
    np.testing.assert_allclose(path.coef, np.vstack([at_knots, between]), rtol=0, atol=1e-10 * largest)  # seen: 2.5e-12
    np.testing.assert_allclose(path.intercept, np.repeat(case["intercept"][0], len(lams)), rtol=1e-12)
    np.testing.assert_array_equal(path.coef[len(knots) :] != 0, between != 0)
    # At a knot a coefficient enters or leaves, and the knots have 15 digits: it is 0 up to that and rounding (1.2e-12).
    np.testing.assert_array_equal(np.abs(path.coef[: len(knots)]) > 1e-11 * largest, at_knots != 0)


# ── scikit-learn ──


def test_ridge_worked_example():
    X, y = make_regression(n_samples=100, n_features=10, noise=10, random_state=42)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=42)
    ridge = Ridge(alpha=1.0).fit(X_train, y_train)
    solution = jaxreg.fit(X_train, y_train, lam=1.0 / len(y_train), l1_ratio=0, standardize=False)
    np.testing.assert_allclose(solution.coef, ridge.coef_, rtol=1e-12)
    np.testing.assert_allclose(solution.intercept, ridge.intercept_, rtol=1e-12)
    np.testing.assert_allclose(solution.predict(X_test), ridge.predict(X_test), rtol=1e-12)


RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, 8)) @ (np.eye(8) + 0.4) * np.geomspace(0.3, 5, 8) + np.linspace(-2, 2, 8)
Y = X @ np.where(RNG.random((8, 3)) < 0.5, RNG.normal(size=(8, 3)), 0) + RNG.normal(size=(60, 3)) + [0, 3, -1]
WEIGHTS = {"ones": np.ones(60), "weights": RNG.uniform(0.1, 3, 60), "some zero": RNG.integers(0, 3, 60).astype(float)}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(
    ("fit_intercept", "standardize"),
    [
        pytest.param(True, False, id="plain"),
        pytest.param(True, True, id="standardized"),
        pytest.param(False, False, id="through the origin", marks=pytest.mark.slow),
        pytest.param(False, True, id="standardized, through the origin", marks=pytest.mark.slow),
    ],
)
def test_three_targets(fit_intercept, standardize, weights):
    s = WEIGHTS[weights]
    options = {"fit_intercept": fit_intercept, "standardize": standardize, "sample_weight": s}
    # The centred standard deviation with divisor Σs, also without an intercept.
    scale, tau = np.ones(8), np.ones(3)
    if standardize:
        scale, tau = (StandardScaler().fit(values, sample_weight=s).scale_ for values in (X, Y))
    for lam, l1_ratio in ((0.05, 1.0), (0.3, 1.0), (0.2, 0.5), (0.2, 0.0)):
        found = jaxreg.fit(X, Y, lam, l1_ratio, **options)
        assert found.converged.all()
        for k in range(3):  # scikit-learn stops on its own gap: tol=1e-14 of ‖y‖²
            if l1_ratio == 0:
                model = Ridge(lam / tau[k] * s.sum(), fit_intercept=fit_intercept, solver="cholesky")
            else:
                tight = {"tol": 1e-14, "max_iter": 1_000_000}
                total = l1_ratio + (1 - l1_ratio) / tau[k]
                model = ElasticNet(lam * total, l1_ratio=l1_ratio / total, fit_intercept=fit_intercept, **tight)
            model.fit(X / scale, Y[:, k], sample_weight=s)
            coef = model.coef_ / scale
            np.testing.assert_allclose(found.coef[:, k], coef, rtol=0, atol=2e-7 * np.abs(coef).max())
            fitted = found.predict(X)[:, k]
            np.testing.assert_allclose(fitted, model.predict(X / scale), rtol=0, atol=2e-7 * np.abs(Y).max())
    np.testing.assert_allclose(found.scale, scale, rtol=1e-13)
