"""Integrated stability: the bound is a third moment, the integral is a sum, and noise keeps to the bound."""

from math import comb

import numpy as np
import pytest

import jaxreg
from jaxreg.sweeps.integrated import expected_false


@pytest.mark.parametrize("B", [1, 2, 7])
def test_the_bound_is_the_third_moment_of_independent_pairs(B):
    """With one feature above ½, whose excess is 1, C is p E[(mean of B indicators)³], by the binomial's weights."""
    p, theta = 40, 0.15
    share = np.full((3, p), (theta * p - 1.0) / (p - 1))
    share[:, 0] = 1.0  # its excess is 1 all along: what is returned for it is C
    found = expected_false(share, np.array([3.0, 2.0, 1.0]), B, most=10.0)
    P = theta**2
    moment = sum(comb(B, k) * P**k * (1 - P) ** (B - k) * (k / B) ** 3 for k in range(B + 1))
    np.testing.assert_allclose(found[0], p * moment, rtol=1e-12)
    assert (found[1:] == p).all()


def test_the_integral_is_that_of_scipy():
    integrate = pytest.importorskip("scipy.integrate")
    rng = np.random.default_rng(0)
    lams = np.sort(rng.uniform(0.1, 10.0, 30))[::-1]
    share = np.sort(rng.uniform(0, 1, (30, 5)), axis=0)
    share[:, 1:] *= 0.6
    found = expected_false(share, lams, 20, most=np.inf)
    x = np.log(lams[0] / lams)
    theta = share.mean(axis=1)
    bound = 5 * (theta**2 / 400 + 3 * 19 * theta**4 / 400 + 19 * 18 * theta**6 / 400)
    score = integrate.trapezoid(np.maximum(2 * share - 1, 0) ** 3, x, axis=0)
    np.testing.assert_allclose(found, np.minimum(integrate.trapezoid(bound, x) / score, 5), rtol=1e-12)


def test_it_ends_where_the_bound_would_be_exceeded():
    lams = np.exp(-np.arange(20.0))
    share = np.zeros((20, 50))
    share[1:, 0] = 1.0
    share[10:] = 1.0  # halves hold all of them: no longer told apart
    found = expected_false(share, lams, 10)
    np.testing.assert_array_equal(found, expected_false(share[:10], lams[:10], 10))
    assert found[0] < 0.05 < 1 < found[1]
    assert (expected_false(share[9:], lams[9:], 10, most=1e-9) == 50).all()


def test_noise_keeps_to_the_bound_and_features_are_found():
    """Five features among 60: over 20 data sets, no more false ones than asked for, more true ones than by τ = ¾."""
    rng = np.random.default_rng(0)
    false, true, before = [], [], []
    for _ in range(20):
        X = rng.normal(size=(120, 60))
        y = X[:, :5] @ np.full(5, 1.0) + 2 * rng.normal(size=120)
        found = jaxreg.stability_selection(X, y, lams=40, q=8, n_pairs=20)
        chosen = found.integrated_expected_false() <= 1.0
        false.append(chosen[5:].sum())
        true.append(chosen[:5].sum())
        before.append(found.stable[:5].sum())
    assert np.mean(false) <= 1.0 + 2 * np.std(false) / np.sqrt(20)
    assert np.mean(true) > np.mean(before)


def test_what_it_needs():
    data = jaxreg.datasets.diabetes()
    found = jaxreg.stability_selection(data.X, data.y, lams=[5.0, 1.0], n_pairs=2)
    with pytest.raises(ValueError, match="three or more"):
        found.integrated_expected_false()
