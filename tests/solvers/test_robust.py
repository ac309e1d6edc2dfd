"""The public path on designs that are hard: every λ certified, none flagged, no NaN, in all three regimes.

The certificate is computed here, from the rows in NumPy.
"""

import numpy as np
import pytest

import jaxreg

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))]


def largest_gap(X, y, path):
    """The largest relative duality gap of a lasso path without standardisation, by the textbook."""
    n = len(y)
    y = y - y.mean()
    Z = X - X.mean(axis=0)
    residual = y - path.coef @ Z.T
    z = np.abs(residual @ Z) / n
    lams = path.lams
    c = np.minimum(1.0, lams / np.maximum(z.max(axis=1), 1e-300))
    primal = np.sum(residual**2, axis=1) / (2 * n) + lams * np.abs(path.coef).sum(axis=1)
    dual = (y @ y - np.sum((y - c[:, None] * residual) ** 2, axis=1)) / (2 * n)
    return np.max((primal - dual) / (y @ y / n))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [300, 150, 60])
def test_every_lam_is_certified(design, design_name, n, seed):
    X, y = design(design_name, n, 200, seed)
    for count in (100, 10):
        path = jaxreg.path(X, y, lams=count, eps=1e-3, standardize=False)  # a warning would be an error
        assert np.isfinite(path.coef).all()
        assert path.converged.all()
        assert largest_gap(X, y, path) <= 1e-8


def exponential_knots(p):
    """A lasso path with (3ᵖ + 1)/2 pieces (Mairal and Yu, ICML 2012)."""
    alpha = 0.1
    X, y = np.ones((1, 1)), np.ones(1)
    for _ in range(1, p):
        # One row and one column more: X⁺ = [[X, 2αy], [0, αy₊]], y⁺ = [y, y₊].
        X = np.block([[X, 2 * alpha * y[:, None]], [np.zeros((1, X.shape[1])), np.full((1, 1), alpha)]])
        y = np.append(y, 1.0)
    return X, y


@pytest.mark.parametrize("p", [4, 9, 14])
def test_exponentially_many_knots(p):
    X, y = exponential_knots(p)
    path = jaxreg.path(X, y, lams=100, eps=1e-6, standardize=False, fit_intercept=False)
    assert path.converged.all()
    n = len(y)
    residual = y - path.coef @ X.T
    z = np.abs(residual @ X).max(axis=1) / n
    c = np.minimum(1.0, path.lams / z)
    primal = np.sum(residual**2, axis=1) / (2 * n) + path.lams * np.abs(path.coef).sum(axis=1)
    dual = (y @ y - np.sum((y - c[:, None] * residual) ** 2, axis=1)) / (2 * n)
    assert np.max((primal - dual) / (y @ y / n)) <= 1e-8
