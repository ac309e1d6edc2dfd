"""Ridge in closed form: every way to the same answer, and what is left of it where the columns nearly depend."""

import jax
import numpy as np
import pytest

from jaxreg.solvers import ridge_cholesky, ridge_dual, ridge_grid

cholesky, dual, grid = jax.jit(ridge_cholesky), jax.jit(ridge_dual), jax.jit(ridge_grid)
EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=(n, 2))


def exact(A, B, lam):
    """(AᵀA + λI)⁻¹AᵀB from the singular values."""
    U, e, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T @ ((e / (e**2 + lam))[:, None] * (U.T @ B))


@pytest.mark.parametrize(("n", "p"), [(12, 5), (5, 12), (8, 8)])
def test_every_way_is_the_same(n, p):
    A, B = problem(n, p)
    lams = np.array([1e-2, 1.0, 30.0, 1e6])
    u, e = grid(A, B, np.stack([lams, lams], axis=1))
    assert u.shape == (4, p, 2)
    np.testing.assert_allclose(np.sort(e), np.sort(np.linalg.svd(A, compute_uv=False) ** 2), rtol=1e-12, atol=1e-13)
    for k, lam in enumerate(lams):
        solved = np.linalg.solve(A.T @ A + lam * np.eye(p), A.T @ B)
        for found in (u[k], cholesky(A, B, lam), dual(A, B, lam)):
            np.testing.assert_allclose(found, solved, rtol=0, atol=1e-12 * np.abs(solved).max())


@pytest.mark.parametrize(("n", "p"), [(12, 5), (5, 12)])
def test_a_lam_for_each_target(n, p):
    A, B = problem(n, p)
    lams = np.array([[0.1, 2.0], [3.0, 0.5], [0.0, 4.0], [5.0, 0.0]])
    u, _ = grid(A, B, lams)
    for row, found in zip(lams, u, strict=True):
        for k, lam in enumerate(row):
            np.testing.assert_allclose(found[:, k], exact(A, B, lam)[:, k], rtol=0, atol=1e-13)


@pytest.mark.parametrize(("n", "p"), [(12, 5), (5, 12)])
def test_lam_0_is_least_squares_of_least_norm(n, p):
    A, B = problem(n, p)
    u, _ = grid(A, B, np.zeros((4, 2)))
    np.testing.assert_allclose(u[0], np.linalg.lstsq(A, B, rcond=None)[0], rtol=0, atol=1e-13)


def test_dependent_columns_share_the_norm():
    """Rank 3 of 5: the answer of least norm gives equal columns equal coefficients."""
    A, B = problem(12, 5)
    A[:, 3], A[:, 4] = A[:, 0], A[:, 1]
    u, e = grid(A, B, np.zeros((4, 2)))
    np.testing.assert_allclose(u[0], np.linalg.lstsq(A, B, rcond=None)[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(u[0][3:], u[0][:2], rtol=0, atol=1e-14)
    assert np.sum(np.asarray(e) > 1e-12) == 3


def test_ill_conditioned_columns_lose_digits_as_the_condition_number_not_as_its_square():
    """Powers x⁰ … x⁹ on [0, 1]: κ is 1e7, κ² 1e13. The normal equations lose half of the digits, the grid does not."""
    A = np.vander(np.linspace(0, 1, 40), 10, increasing=True)
    kappa = np.linalg.cond(A)
    assert 1e6 < kappa < 1e8
    truth = np.array([1.0, -2, 3, -1, 2, 1, -3, 2, -1, 1])
    B = np.stack([A @ truth, A @ truth[::-1]], axis=1)
    u, _ = grid(A, B, np.zeros((1, 2)))
    error = np.abs(np.asarray(u[0]) - np.stack([truth, truth[::-1]], axis=1)).max()
    assert error <= 10 * kappa * EPS * 3
    normal_equations = np.abs(np.linalg.solve(A.T @ A, A.T @ B) - np.stack([truth, truth[::-1]], axis=1)).max()
    assert normal_equations > 1e3 * error, "the test would not notice normal equations"
    for lam in (1e-14, 1e-12, 1e-9):  # less than κ⁻² = 1e-14 of the largest e up to far more
        u, _ = grid(A, B, np.full((1, 2), lam))
        reference = exact(A, B, lam)
        np.testing.assert_allclose(u[0], reference, rtol=0, atol=100 * kappa * EPS * np.abs(reference).max())


@pytest.mark.parametrize(("n", "p"), [(12, 5), (5, 12)])
def test_float32(n, p):
    A, B = (a.astype(np.float32) for a in problem(n, p))
    lams = np.array([[0.01, 0.01], [1, 1]], np.float32)
    with jax.enable_x64(False):
        u, e = grid(A, B, lams)
        others = [cholesky(A, B, lams[1, 0]), dual(A, B, lams[1, 0])]
    assert u.dtype == e.dtype == others[0].dtype == np.float32
    for k in range(2):
        np.testing.assert_allclose(u[k], exact(A, B, float(lams[k, 0])), rtol=0, atol=3e-5)
    for found in others:
        np.testing.assert_allclose(found, exact(A, B, 1.0), rtol=0, atol=1e-5)


def test_a_zero_matrix_has_no_coefficients():
    _, B = problem(12, 5)
    u, e = grid(np.zeros((12, 5)), B, np.array([[0.0, 1.0]]))
    assert not np.any(u)
    assert not np.any(e)


def test_the_derivative_by_lam_is_that_of_the_formula():
    """du/dλ = −(AᵀA + λI)⁻¹ u."""
    A, B = problem(12, 5)
    derivative = jax.jacfwd(lambda lam: ridge_cholesky(A, B, lam))(0.7)
    inverse = np.linalg.inv(A.T @ A + 0.7 * np.eye(5))
    np.testing.assert_allclose(derivative, -inverse @ inverse @ A.T @ B, rtol=0, atol=1e-13)
