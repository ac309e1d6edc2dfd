"""The certificate of the host functions: judged against longdouble, and blind to nothing that an engine loses."""

import warnings

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.data.members import moments_of
from jaxreg.data.problem import check_problem
from jaxreg.engines.certificate import certified, gap_from_moments
from jaxreg.engines.solved import Solved
from jaxreg.formulas.objective import Params
from tests import longdouble


@pytest.fixture(autouse=True)
def _without_x64():
    with jax.enable_x64(False):
        yield


def judged(X, y, coef, intercept, lam, rho, *, known=False, tol=1e-10, fit_intercept=True, **given):
    """The certificate's gap, with σ and τ of 1, and that in extended precision."""
    n, p = X.shape
    problem = check_problem(X, y, rho, tol=tol, fit_intercept=fit_intercept, standardize=False, **given)
    none = np.full((1, 1), np.nan)
    params = Params(np.array([[intercept]], float), np.asarray(coef, float)[None, :, None])
    solved = Solved(np.array([[lam]]), params, none, none, none, none, np.ones(p), np.ones(1))
    judged = gap_from_moments(moments_of(problem), problem, solved) if known else certified(problem, solved)
    found = judged.gap[0, 0]
    fill = lambda name, value, size: np.full(size, value) if given.get(name) is None else given[name]
    true = longdouble.gap(
        X, y, coef, intercept, lam, rho, weight=fill("sample_weight", 1.0, n), factor=fill("penalty_factor", 1.0, p),
        sigma=np.ones(p), tau=1.0, lower=fill("lower", -np.inf, p), upper=fill("upper", np.inf, p),
        intercept=fit_intercept, only_residual=known or rho < 1,
    )  # fmt: skip
    return found, true


CASES = {
    "lasso": {"rho": 1.0},
    "elastic net": {"rho": 0.4},
    "ridge": {"rho": 0.0},
    "no intercept": {"rho": 0.7, "fit_intercept": False},
    "weights": {"rho": 0.7, "sample_weight": np.array([1, 2, 0.5, 0, 3, 1, 1, 0.25, 4, 1])},
    "factors": {"rho": 0.7, "penalty_factor": np.array([1.0, 0.3, 4.0])},
    "free column": {"rho": 0.7, "penalty_factor": np.array([1.0, 0.0, 4.0])},
    "nothing penalised": {"rho": 1.0, "lam": 0.0},
    "non-negative": {"rho": 1.0, "lower": np.zeros(3)},
    "box": {"rho": 0.5, "lower": np.full(3, -0.5), "upper": np.full(3, 0.7)},
    "box, lasso": {"rho": 1.0, "lower": np.full(3, -0.5), "upper": np.full(3, 0.7)},
}


@pytest.mark.parametrize("known", [False, True], ids=["rows", "moments"])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e10])
@pytest.mark.parametrize("kind", CASES)
def test_it_is_the_gap_in_extended_precision(kind, offset, known):
    """At points that are no minimisers the gap is between 1e-3 and 1, and has to agree to rounding of the offsets."""
    case = {"lam": 0.2} | CASES[kind]
    free = case["lam"] == 0 or ("penalty_factor" in case and (case["penalty_factor"] == 0).any())
    if known and (free or offset == 1e10):
        pytest.skip("free columns and large offsets are judged from the rows")
    rng = np.random.default_rng(3)
    X = rng.normal(size=(10, 3)) + offset
    y = X @ [1.0, 0.0, -1.0] + rng.normal(size=10)
    coef = np.array([0.6, 0.0, -0.4]) if "lower" not in case else np.array([0.6, 0.0, 0.1])
    intercept = 0.0
    if case.get("fit_intercept", True):
        s = case.get("sample_weight", np.ones(10))
        residual = y - X @ coef
        intercept = residual[0] + np.average(residual - residual[0], weights=s)
    found, true = judged(X, y, coef, intercept, known=known, **case)
    assert true > 1e-4
    rtol = 1e-4 if offset == 1e10 else 1e-9
    if known and not (
        case["rho"] == 1 and "upper" not in case
    ):  # two values of c and no search: a bound that is larger
        assert (1 - rtol) * true <= found <= 4 * true
    else:
        np.testing.assert_allclose(found, true, rtol=rtol)


def test_what_is_outside_its_bounds_is_infinitely_far():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10, 3))
    found, _ = judged(X, X[:, 0], [0.5, -1e-9, 0.0], 0.0, 0.1, 0.5, lower=np.zeros(3), known=True)
    assert found == np.inf


def test_an_offset_costs_what_it_costs():
    """With columns at 1e13 no intercept in float64 is better than to 1e-3 of y, and the gap says so."""
    largest = 0.0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(50, 3)) + 1e13
        y = rng.normal(size=50)
        with pytest.warns(jaxreg.ConvergenceWarning, match="1 of 1 fits"):
            fit = jaxreg.fit(X, y, 0.05)
        true = longdouble.gap(
            X, y, fit.coef, fit.intercept, 0.05, 1.0, weight=np.ones(50), factor=np.ones(3), sigma=fit.scale,
            tau=fit.y_scale, lower=np.full(3, -np.inf), upper=np.full(3, np.inf), intercept=True,
        )  # fmt: skip
        largest = max(largest, true)
        assert fit.gap > 0.1 * true
    assert largest > 1e-10


def test_noise_free_targets_in_the_span_of_the_columns():
    """Unix seconds; the residual is rounding of y itself, and the coefficients are right to the last digits."""
    rng = np.random.default_rng(0)
    X = np.column_stack([1.7e9 + 3600.0 * np.arange(50), rng.normal(size=50)])
    fit = jaxreg.fit(X, X @ [2.0, 3.0], 0.0)
    np.testing.assert_allclose(fit.coef, [2.0, 3.0], rtol=1e-6)
    assert fit.converged


@pytest.mark.parametrize("bound", [1e10, 1.7e308])
@pytest.mark.parametrize("rho", [0.0, 1.0])
@pytest.mark.parametrize("lam", [0.0, 0.1])
def test_a_bound_that_is_none_changes_nothing(bound, rho, lam):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 4))
    y = X @ [1, 0, 2, -1.0] + rng.normal(size=12)
    free = jaxreg.fit(X, y, lam, rho)
    bounded = jaxreg.fit(X, y, lam, rho, lower=-bound, upper=bound)
    assert bounded.converged
    np.testing.assert_allclose(bounded.coef, free.coef, atol=1e-5)


def test_overlapping_peaks_keep_their_bounds():
    rng = np.random.default_rng(11)
    t = np.linspace(0, 1, 40)
    X = np.exp(-0.5 * ((t[:, None] - np.linspace(0, 1, 32)) / 0.03) ** 2)
    y = X @ (rng.uniform(0, 2, 32) * (rng.random(32) < 0.4)) + 0.05 * rng.normal(size=40)
    lam = jaxreg.path(X, y, 1, 0.9, lower=0.0).lams[0] * 1e-4
    fit = jaxreg.fit(X, y, lam, 0.9, lower=0.0)
    assert fit.coef.min() == 0.0
    assert fit.converged
    with jax.enable_x64(True):
        given = {"scale": fit.scale, "y_scale": fit.y_scale, "lower": 0.0}
        assert float(jaxreg.formulas.duality_gap(fit.params, X, y, lam, 0.9, **given)) <= 1e-10


@pytest.mark.parametrize("n", [3_000, 100_000])
def test_float32_keeps_a_direction_of_correlated_columns_however_many_rows(n):
    """Least squares, ridge and sweeps of float32 tables, against float64 on the same numbers."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=n)
    X = np.column_stack([a, 0.9999 * a + np.sqrt(1 - 0.9999**2) * rng.normal(size=n)]).astype(np.float32)
    y = (X.astype(float) @ [100.0, -100.0] + 0.1 * rng.normal(size=n)).astype(np.float32)
    A = np.column_stack([X.astype(float), np.ones(n)])
    expected = np.linalg.lstsq(A, y.astype(float), rcond=None)[0][:2]
    fit = jaxreg.fit(X, y, 0.0)
    assert fit.coef.dtype == np.float32
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-5)
    for rho in (0.0, 0.5, 1.0):
        narrow, wide = (jaxreg.path(Z, y.astype(Z.dtype), [1e-3, 1e-5], rho) for Z in (X, X.astype(float)))
        np.testing.assert_allclose(narrow.coef, wide.coef, rtol=1e-4)
        assert narrow.converged.all()
    sweep = jaxreg.sweep(X, y, [1e-3, 1e-5], 0.0, folds=3)
    exact = jaxreg.sweep(X.astype(float), y.astype(float), [1e-3, 1e-5], 0.0, folds=3)
    np.testing.assert_allclose(sweep.mean_mse, exact.mean_mse, rtol=1e-5)


@pytest.mark.parametrize("kind", ["one column twice", "one hot", "p > n", "near copy"])
@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_degrees_of_freedom_by_singular_values(kind, rho):
    """Σ d²/(d² + λ₂) of the standardised active columns, for λ down to what no Gram matrix can tell."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(30, 5))
    X = {
        "one column twice": lambda: np.column_stack([base, base[:, 0]]),
        "one hot": lambda: np.column_stack([np.eye(4)[rng.integers(0, 4, 30)], base]),
        "p > n": lambda: rng.normal(size=(10, 15)),
        "near copy": lambda: np.column_stack([base, base[:, 0] + 1e-6 * rng.normal(size=30)]),
    }[kind]()
    y = base[: len(X)] @ [1, 2, -1, 0.5, 1] + rng.normal(size=len(X))
    lams = np.array([1.0, 1e-4, 1e-8, 1e-11, 1e-14])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jaxreg.ConvergenceWarning)  # λ of 1e-14 beside columns that nearly repeat
        path = jaxreg.path(X, y, lams, rho, tol=1e-9)
    assert path.converged[:4].all()
    Z = (X - X.mean(axis=0)) / path.scale / np.sqrt(len(X))
    for lam, coef, df, converged in zip(lams, path.coef, path.df, path.converged, strict=True):
        if converged:
            d = np.linalg.svd(Z[:, coef != 0], compute_uv=False) ** 2
            d = np.where(d > 1e-26 * d.max(), d, 0.0)
            np.testing.assert_allclose(df, (d / (d + lam * (1 - rho) / path.y_scale)).sum(), atol=1e-3)


def test_the_moments_say_how_far_they_can_be_trusted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    X = np.column_stack([x, x + 1e-7 * rng.normal(size=200)])
    problem = check_problem(X, x, 1.0, standardize=False)
    none = np.full((1, 1), np.nan)
    big = Params(np.zeros((1, 1)), np.array([1e6, -1e6])[None, :, None])
    solved = Solved(np.array([[0.1]]), big, none, none, none, none, np.ones(2), np.ones(1))
    assert gap_from_moments(moments_of(problem), problem, solved).rounding[0, 0] > 1e-4  # 8ε (2e6)²


def test_columns_that_all_but_depend_on_each_other_are_not_excused_by_rounding():
    # 1e13 and noise of size 1, no penalty, a box: z is about 100 where rounding could be 350.
    rng = np.random.default_rng(1)
    X, y = 1e13 + np.round(rng.normal(size=(6, 3)), 2), 1e4 + 300 * rng.normal(size=6)
    box = {"lower": np.full(3, -0.3), "upper": np.full(3, 0.3)}
    found, true = judged(X, y, np.full(3, y.mean() / X.mean() / 3), 0.0, 0.0, 1.0, fit_intercept=False, **box)
    assert true > 1e-7
    np.testing.assert_allclose(found, true, rtol=0.01)  # z has two digits at 1e13


def test_what_rounding_hides_from_least_squares_is_in_the_gap():
    # The columns explain y to 1e-11, so the rounding of Xw is 1e-5 of the residual: F − D is 0 as often as not.
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(30, 5))
        y = X @ rng.normal(size=5)
        y = y + 1e-11 * rng.normal(size=30)
        w = np.linalg.lstsq(X, y, rcond=None)[0] * (1 + 16 * np.finfo(float).eps)
        found, true = judged(X, y, w, 0.0, 0.0, 1.0, fit_intercept=False)
        assert true > 1e-9
        assert found > 1e-9
        with jax.enable_x64(True):
            pure = float(jaxreg.formulas.duality_gap(Params(0.0, w), X, y, 0.0, fit_intercept=False))
        assert pure > 1e-9
