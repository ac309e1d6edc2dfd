"""Paths from moments alone: those of the rows, refusals that name what is wrong, and what rounding leaves is said."""

import numpy as np
import pytest

import jaxreg
from jaxreg.convergence import IllConditionedWarning
from jaxreg.covariances import path_from_moments
from jaxreg.formulas.moments import Moments, together

N, P = 90, 6


def table(t=1):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)) + 3.0
    return X, X @ rng.normal(size=(P, t)) + rng.normal(size=(N, t)) - 5.0


def of_rows(X, Y, s=None):
    """By the definition, in NumPy."""
    s = np.ones(len(X)) if s is None else s
    x, y = np.average(X, axis=0, weights=s), np.average(Y, axis=0, weights=s)
    Z, R = X - x, Y - y
    W = s[:, None]
    return Moments(s.sum(), x, y, Z.T @ (W * Z), Z.T @ (W * R), (W * R**2).sum(axis=0))


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("t", [1, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_equals_the_path_on_the_rows(l1_ratio, t, fit_intercept):
    X, Y = table(t)
    s = np.random.default_rng(1).uniform(0.5, 2, N)
    options = {"fit_intercept": fit_intercept, "penalty_factor": np.arange(1.0, P + 1), "lower": 0.0}
    found = path_from_moments(of_rows(X, Y, s), 12, l1_ratio, **options)
    expected = jaxreg.path(X, Y[:, 0] if t == 1 else Y, 12, l1_ratio, sample_weight=s, **options)
    assert found.converged.all()
    for name in ("lams", "coef", "intercept", "df", "n_nonzero", "scale"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-11, err_msg=name)


def test_parts_added_and_lams_in_the_callers_order():
    X, Y = table()
    m = together([of_rows(X[:40], Y[:40]), of_rows(X[40:], Y[40:])])
    lams = [0.1, 1.0, 0.01]
    found, expected = path_from_moments(m, lams), jaxreg.path(X, Y[:, 0], lams)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-9, atol=1e-12)
    assert found.lams.tolist() == lams


def test_says_what_rounding_leaves():
    """Two columns that differ by 1e-6, and a y that needs their difference: the sums that make the gap cancel."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(N, 3))
    X[:, 1] = X[:, 0] + 1e-6 * X[:, 1]
    Y = 1e6 * (X[:, 1] - X[:, 0])[:, None] + 0.1 * rng.normal(size=(N, 1))
    said = pytest.warns(IllConditionedWarning, match=r"gaps may be off by .*tol is 1e-10")
    with said, pytest.warns(jaxreg.ConvergenceWarning, match="did not reach the duality gap 1e-10"):
        found = path_from_moments(of_rows(X, Y), [1e-5, 1e-7], tol=1e-10, standardize=False)
    assert not found.converged.all()


MOMENTS = of_rows(*table())
BAD = {
    "shape": ({"x_mean": np.zeros(P + 1)}, r"moments.x_mean has shape \(7,\); with xy \(6, 1\) it must be \(6,\)"),
    "one target": ({"xy": np.zeros(P)}, r"moments.x_mean has shape \(6,\); with xy \(6,\)"),
    "NaN": ({"xx": np.where(np.eye(P) > 0, MOMENTS.xx, np.nan)}, r"moments.xx is not finite at \[0, 1\]"),
    "weight": ({"weight": 0.0}, "moments.weight is 0; it must be positive"),
    "negative": ({"yy": np.array([-1.0])}, "moments.yy is negative for number 0"),
    "asymmetric": ({"xx": MOMENTS.xx + np.eye(P, k=2)}, r"moments.xx is not symmetric: .* at \(0, 2\)"),
    "too large": ({"xx": MOMENTS.xx + 1e3 * (np.eye(P, k=1) + np.eye(P, k=-1))}, r"moments.xx at \(0, 1\) is larger"),
    "y too large": ({"xy": MOMENTS.xy * 100}, r"moments.xy at \(\d, 0\) is larger than √"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_is_no_moments(name):
    change, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        path_from_moments(MOMENTS._replace(**change), 5)


@pytest.mark.parametrize(
    "options",
    [{"l1_ratio": 0, "lower": 0.0}, {"penalty_factor": [0, 1, 1, 1, 1, 1]}, {"lower": -1.0}],
    ids=str,
)
def test_refuses_what_needs_rows(options):
    with pytest.raises(ValueError, match=r"moments alone serve .* use jaxreg.path on the rows"):
        path_from_moments(MOMENTS, **{"lams": 5, **options})
