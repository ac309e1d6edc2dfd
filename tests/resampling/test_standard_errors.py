"""Standard errors of linear estimates, held against the formulas written out, finite differences and simulation."""

import numpy as np
import pytest

import jaxreg
from jaxreg.data.problem import check_problem
from jaxreg.sweeps import resamples
from jaxreg.sweeps.intervals import studentized
from jaxreg.sweeps.standard_errors import standard_errors

DATA = jaxreg.datasets.diabetes()
X, Y = DATA.X[:120, :6], DATA.y[:120]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_least_squares_by_the_textbook(fit_intercept):
    """σ̂² (XᵀX)⁻¹ of the rows themselves, as often as they were drawn."""
    found = jaxreg.bootstrap(X, Y, [0.0], n_resamples=3, standard_errors=True, fit_intercept=fit_intercept)
    rows = resamples.resampled_weights("pairs", np.ones(120), 0, range(3)).astype(int)
    for error, counts in ((found.standard_error, np.ones(120, int)), *zip(found.standard_errors, rows, strict=True)):
        drawn = np.repeat(np.arange(120), counts)
        design = np.column_stack([X[drawn], np.ones(120)]) if fit_intercept else X[drawn]
        rss = np.linalg.lstsq(design, Y[drawn])[1]
        expected = np.sqrt(rss / (120 - design.shape[1]) * np.diagonal(np.linalg.inv(design.T @ design)))
        np.testing.assert_allclose(error[0], expected[:6], rtol=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_by_its_hat_matrix(fit_intercept, standardize):
    """ŵ = H y with H by finite differences of the public fit: Var ŵ = σ² H S⁻¹ Hᵀ, whatever the weights and factors."""
    rng = np.random.default_rng(1)
    s, v = rng.uniform(0.5, 2.0, 120), np.array([1.0, 0.0, 2.0, 1.0, 0.5, np.inf])
    options = {"sample_weight": s, "penalty_factor": v, "fit_intercept": fit_intercept, "standardize": standardize}
    lams = [20.0, 1.0] if standardize else [0.5, 0.01]
    found = jaxreg.bootstrap(X, Y, lams, 0.0, n_resamples=2, standard_errors=True, **options)
    path = jaxreg.path(X, Y, lams, 0.0, **options)
    for l, lam in enumerate(lams):
        # As τ is taken as given, y is moved at a λ that keeps λ/τ.
        tau = path.y_scale
        moved = Y[:, None] + 50.0 * np.eye(120)
        deviation = lambda y: np.sqrt(np.average((y - np.average(y, weights=s)) ** 2, weights=s))
        taus = np.array([deviation(y) for y in moved.T]) if standardize else np.ones(120)
        other = jaxreg.fit(X, moved, lam * taus / tau, 0.0, **options)
        H = (other.coef - path.coef[l][:, None]) / 50.0
        b = (other.intercept - path.intercept[l]) / 50.0
        df = np.trace(X @ H + b) if fit_intercept else np.trace(X @ H)
        rss = s @ (Y - X @ path.coef[l] - path.intercept[l]) ** 2
        expected = np.sqrt(rss / (120 - df) * (H**2 / s).sum(axis=1))
        np.testing.assert_allclose(found.standard_error[l], expected, rtol=1e-6, atol=1e-12)
        assert found.standard_error[l, 5] == 0


def test_several_targets_and_residuals():
    both = np.column_stack([Y, X[:, 0] - 3 * Y])
    found = jaxreg.bootstrap(X, both, [5.0], 0.0, n_resamples=3, standard_errors=True)
    alone = [jaxreg.bootstrap(X, both[:, k], [5.0], 0.0, n_resamples=3, standard_errors=True) for k in (0, 1)]
    for k in (0, 1):
        np.testing.assert_allclose(found.standard_errors[..., k], alone[k].standard_errors, rtol=1e-9)
    fixed = jaxreg.bootstrap(X, Y, [0.0], n_resamples=5, kind="residual", standard_errors=True)
    # X is the same, so that the errors differ by σ̂ alone.
    ratio = fixed.standard_errors[:, 0] / fixed.standard_error[0]
    np.testing.assert_allclose(ratio, ratio[:, :1] * np.ones(6), rtol=1e-9)


def test_the_interval_is_written_out():
    found = jaxreg.bootstrap(X, Y, [2.0, 0.0], 0.0, n_resamples=200, standard_errors=True)
    low, high = found.interval(0.9, "studentized")
    t = (found.coef - found.estimate) / found.standard_errors
    upper, lower = np.quantile(t, [0.95, 0.05], axis=0)
    np.testing.assert_allclose(low, found.estimate - upper * found.standard_error, rtol=1e-12)
    np.testing.assert_allclose(high, found.estimate - lower * found.standard_error, rtol=1e-12)


def test_of_a_mean_it_is_that_of_the_textbook():
    """On a skewed sample the interval reaches further where the tail is, as Efron and Tibshirani show in chapter 12."""
    sample = np.random.default_rng(1).exponential(size=30)
    counts = np.random.default_rng(2).multinomial(30, np.ones(30) / 30, size=4000)
    mean = counts @ sample / 30
    error = np.sqrt(np.maximum(counts @ sample**2 / 30 - mean**2, 0) / 29)
    low, high = studentized(mean, sample.mean(), error, np.std(sample) / np.sqrt(29), 0.95)
    assert high - sample.mean() > 1.3 * (sample.mean() - low)


def test_columns_that_depend_on_each_other_have_none():
    Z = np.column_stack([X, X[:, 0] + X[:, 1]])
    given = check_problem(
        Z, Y, 0.0, sample_weight=None, penalty_factor=None, lower=None, upper=None, dtype=None, fit_intercept=True,
        standardize=True, eps=None, tol=None, max_iter=10, strategy=None, device=None,
    )  # fmt: skip
    coef, intercept = np.zeros((1, 2, 7, 1)), np.zeros((1, 2, 1))
    errors = standard_errors(given, np.array([0.0, 1.0]), np.ones((1, 120)), coef, intercept)[0]
    assert np.isnan(errors[0]).all()
    assert (errors[1] > 0).all()


def test_a_column_that_is_constant_in_a_resample_is_refused():
    Z = np.column_stack([X, np.eye(120)[:, 0]])
    found = jaxreg.bootstrap(Z, Y, [3.0], 0.0, n_resamples=20, standard_errors=True)
    with pytest.raises(ValueError, match=r"of 20 resamples .* without a standard error"):
        found.interval(kind="studentized")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lams": [1.0, 0.0]}, "ridge"),
        ({"lams": 5}, "not linear in y"),
        ({"lams": [0.0], "lower": 0.0}, "with lower"),
        ({"l1_ratio": 0.0, "folds": 3}, "chooses its own"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jaxreg.bootstrap(X, Y, n_resamples=3, standard_errors=True, **options)


def test_what_an_interval_needs():
    with pytest.raises(ValueError, match="standard_errors=True"):
        jaxreg.bootstrap(X, Y, [0.0], n_resamples=3).interval(kind="studentized")
    found = jaxreg.bootstrap(X, Y, [0.0], n_resamples=3, standard_errors=True, kind="bayesian")
    with pytest.raises(ValueError, match="posterior"):
        found.interval(kind="studentized")
    with pytest.raises(ValueError, match="of coefficients"):
        found.predict_interval(X, kind="studentized")
    with pytest.raises(ValueError, match="without folds"):
        jaxreg.bootstrap(X, Y, [0.0, 1.0], n_resamples=3, folds=3).interval(kind="studentized")


@pytest.mark.slow
def test_they_cover_at_their_level():
    """Few rows and skewed noise, where percentile intervals are short: 95 % are 95 %, up to what 150 samples tell."""
    rng = np.random.default_rng(0)
    truth, held = np.array([1.0, -2.0, 0.0]), {"studentized": [], "percentile": []}
    for _ in range(150):
        Z = rng.normal(size=(25, 3))
        y = Z @ truth + rng.exponential(size=25)
        found = jaxreg.bootstrap(Z, y, [0.0], n_resamples=300, standard_errors=True)
        for kind in held:
            low, high = found.interval(0.95, kind)
            held[kind].append((low[0] <= truth) & (truth <= high[0]))
    # 450 intervals, three of each sample: a standard error of 0.01 to 0.013. Of 1,200 intervals 94 % and 92 % held it.
    assert 0.91 < np.mean(held["studentized"]) < 0.98
    assert np.mean(held["percentile"]) < np.mean(held["studentized"])
