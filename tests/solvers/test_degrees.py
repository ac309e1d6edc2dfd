"""Degrees of freedom: ∂ŷ/∂y itself, the trace by plain NumPy, and the rank of the active columns."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxreg.solvers.degrees import degrees_of_freedom
from jaxreg.solvers.reduced import prepare, solve_without_derivatives


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


@partial(jax.jit, static_argnames=("fit_intercept", "capacity"))
def df(X, coef, lams, rho, fit_intercept=True, capacity=None, **arrays):
    """df of given coefficients (L, p): y plays no part in it."""
    arrays = {"sample_weight": None, "penalty_factor": None, "lower": None, "upper": None} | arrays
    data = prepare(X, np.zeros(X.shape[0]), fit_intercept, True, **arrays)
    return degrees_of_freedom(data, coef[:, :, None], lams, rho, capacity)[:, 0]


def trace(X, active, l2, s, fit_intercept):
    """tr( Z_I (Z_IᵀZ_I + diag(l2_I))⁻¹ Z_Iᵀ ), Z the weighted rows."""
    s = s / s.sum()
    Z = np.sqrt(s)[:, None] * (X - s @ X * fit_intercept)
    Z, l2 = Z[:, active], l2[active]
    return np.trace(Z @ np.linalg.solve(Z.T @ Z + np.diag(l2), Z.T))


RNG = np.random.default_rng(3)
X = RNG.normal(size=(20, 6)) * np.geomspace(0.1, 50, 6) + RNG.normal(size=6)
S, V = RNG.uniform(0, 2, 20), np.array([1.0, 2.0, 0.5, 1.0, 0.0, 1.0])
LAMS = np.array([1e-3, 0.1, 2.0])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_trace_on_the_active_set(fit_intercept):
    """Ridge and elastic net, with weights and factors; column 4 is free, and counts 1."""
    scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=S)) ** 2, axis=0, weights=S))
    for rho, active in ((0.0, np.ones(6, bool)), (0.3, np.array([1, 0, 1, 1, 1, 0], bool))):
        coef = np.where(active, 1.0, 0.0) * np.ones((3, 1))
        found = df(X, coef, LAMS, np.float64(rho), fit_intercept, sample_weight=S, penalty_factor=V)
        expected = [trace(X, active, lam * (1 - rho) * V * scale**2, S, fit_intercept) for lam in LAMS]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        assert np.all(np.diff(found) < 0)


def test_rank_of_the_active_columns():
    """The lasso's df where columns repeat, add up to each other, or are constant: the rank, a whole number."""
    W = X.copy()
    W[:, 1], W[:, 2], W[:, 5] = W[:, 0], W[:, 0] + 2 * W[:, 3], 7.0
    coef = np.array([[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1.0]])
    expected = [np.linalg.matrix_rank((W - W.mean(axis=0))[:, row != 0]) for row in coef]
    assert expected == [1, 1, 3]
    np.testing.assert_array_equal(df(W, coef, LAMS, np.float64(1.0)), expected)
    np.testing.assert_array_equal(df(W, 0 * coef, LAMS, np.float64(1.0)), 0)


def test_coefficients_at_a_bound_do_not_count():
    coef = np.array([[0.5, -0.2, 1.0, 0, 0, 0], [0.5, 0.2, 0.9, 0, 0, 1.0], [0.5, -0.2, 1.0, 1, 2, 3]])
    lower, upper = np.full(6, -0.2), np.array([0.5, 1, 1, np.inf, np.inf, 3])
    found = df(X, coef, LAMS, np.float64(1.0), lower=lower, upper=upper)
    np.testing.assert_array_equal(found, [0, 3, 2])


@pytest.mark.parametrize("rho", [1.0, 0.3])
def test_room_for_fewer_columns_gives_the_same(rho):
    """capacity: the columns are gathered into fewer; more columns than rows, too."""
    coef = np.array([[1.0, 0, 0, 0, 0, 0], [1, 0, 0, 2, 0, 0], [0, 0, 1, 1, 0, 1]])
    for A in (X, X[:5]):
        everything = df(A, coef, LAMS, np.float64(rho))
        np.testing.assert_allclose(df(A, coef, LAMS, np.float64(rho), capacity=3), everything, rtol=0, atol=1e-9)


def test_it_is_the_derivative_of_the_fit():
    """df = Σ_i ∂ŷ_i/∂y_i at a fixed penalty, by central differences through the solver itself.

    τ changes with y, and the trace is that of a penalty that does not: σ is made 1 beforehand, and τ stays 1.
    """
    rng = np.random.default_rng(1)
    A = rng.normal(size=(12, 4))
    A = (A - A.mean(axis=0)) / A.std(axis=0)
    y = A @ [2.0, 0, -1, 0.05] + rng.normal(size=12)
    lams = np.array([[0.05], [0.3]])
    fitted = jax.jit(
        lambda y, rho: solve_without_derivatives(prepare(A, y, True, False, *[None] * 4), lams, rho, 1e-14, 20_000)
    )
    h = 1e-5
    for rho in (1.0, 0.5):
        found = fitted(y, rho).params
        total = np.zeros(2)
        for i in range(12):
            step = h * np.eye(12)[i]
            up, down = (np.asarray(fitted(y + sign * step, rho).params.coef)[:, :, 0] for sign in (1, -1))
            b_up, b_down = (np.asarray(fitted(y + sign * step, rho).params.intercept)[:, 0] for sign in (1, -1))
            total += ((up - down) @ A[i] + b_up - b_down) / (2 * h)
        counted = df(A, np.asarray(found.coef)[:, :, 0], lams[:, 0], np.float64(rho))
        np.testing.assert_allclose(total - 1, counted, rtol=0, atol=1e-6)  # 1: the intercept


def test_a_small_ridge_penalty_keeps_its_trace():
    """Powers of x, whose eigenvalues go down to 1e-13, under a penalty of that size."""
    A = np.vander(np.linspace(0, 1, 20), 9, increasing=True)[:, 1:]
    lams = np.array([1e-13, 1e-12, 1e-11])
    Z = (A - A.mean(axis=0)) / A.std(axis=0) / np.sqrt(20)
    e = np.linalg.svd(Z, compute_uv=False) ** 2
    found = df(A, np.ones((3, 8)), lams, np.float64(0.0))
    np.testing.assert_allclose(found, [np.sum(e / (e + lam)) for lam in lams], rtol=0, atol=1e-3)
