"""Weighted rows and the projection on free columns against NumPy's least squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.formulas import projection as module
from jaxreg.formulas.projection import free_basis, free_columns, project_out, weighted_rows

INF = np.inf
WEIGHTS = np.array([1, 2, 0.5, 0, 3, 1, 1, 0.25])
basis_of = jax.jit(free_basis)


@pytest.fixture
def X(rng):
    return rng.normal(size=(8, 4)) * [1.0, 1e3, 1e-3, 1.0] + [0.5, 0.0, 0.0, -2.0]


def plain_rows(B, weights, fit_intercept):
    s = (np.ones(len(B)) if weights is None else weights)[:, None]
    B = B - fit_intercept * np.sum(s * B, axis=0) / np.sum(s)
    return np.sqrt(s / np.sum(s)) * B


def check_rows(X):
    for weights in (None, WEIGHTS):
        for fit_intercept in (True, False):
            s = None if weights is None else jnp.array(weights)
            rows = module.weighted_rows(jnp.array(X), s, fit_intercept)
            expected = plain_rows(X, weights, fit_intercept)
            np.testing.assert_allclose(rows, expected, rtol=1e-12, atol=1e-15 * np.max(np.abs(expected)))
            one = module.weighted_rows(jnp.array(X[:, 3]), s, fit_intercept)
            np.testing.assert_allclose(one, expected[:, 3], rtol=1e-12, atol=1e-15)


def test_weighted_rows_are_the_square_root_of_the_weighted_problem(X):
    check_rows(X)
    rows = np.asarray(weighted_rows(jnp.array(X), jnp.array(WEIGHTS), True))
    np.testing.assert_allclose(rows.T @ rows, np.cov(X.T, aweights=WEIGHTS, ddof=0), rtol=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_constant_column_becomes_exactly_zero(X, weights):
    weights = None if weights is None else jnp.array(weights)
    X[:, 1] = 0.1
    rows = np.asarray(weighted_rows(jnp.array(X), weights, True))
    np.testing.assert_array_equal(rows[:, 1], 0.0)
    assert np.all(np.any(rows[:, [0, 2, 3]] != 0, axis=0))
    np.testing.assert_array_equal(weighted_rows(jnp.full(8, 0.1), weights, True), 0.0)
    assert np.any(weighted_rows(jnp.array(X), weights, False)[:, 1] != 0)


def test_free_columns_have_neither_penalty_nor_bounds():
    v, lower, upper = jnp.array([1.0, 0, 0, 0]), jnp.array([-INF, -INF, 0, -INF]), jnp.array([INF, INF, INF, 2.0])
    one, zero = jnp.array(1.0), jnp.array(0.0)
    np.testing.assert_array_equal(free_columns(one, None, None, None, 4), [0, 0, 0, 0])
    np.testing.assert_array_equal(free_columns(one, v, None, None, 4), [0, 1, 1, 1])
    np.testing.assert_array_equal(free_columns(one, v, lower, None, 4), [0, 1, 0, 1])
    np.testing.assert_array_equal(free_columns(one, v, lower, upper, 4), [0, 1, 0, 0])
    np.testing.assert_array_equal(free_columns(zero, v, lower, upper, 4), [1, 1, 0, 0])
    np.testing.assert_array_equal(free_columns(zero, None, None, None, 4), [1, 1, 1, 1])
    # Number-valued bounds and factors count for every column.
    np.testing.assert_array_equal(free_columns(one, zero, zero, None, 4), [0, 0, 0, 0])


# ------------------------------------------------------------------------------------------------ projection


def residual_by_least_squares(X, y, free, weights, fit_intercept):
    """√s times the residual of y on the free columns (and a column of ones), over √Σs."""
    s = np.ones(len(y)) if weights is None else weights
    design = np.column_stack([np.ones(len(y))] * fit_intercept + [X[:, free] / np.linalg.norm(X[:, free], axis=0)])
    root = np.sqrt(s / s.sum())
    coefficients, *_ = np.linalg.lstsq(root[:, None] * design, root * y, rcond=1e-12)
    return root * (y - design @ coefficients)


def check_projection(X, y, free, weights=None, fit_intercept=True):
    s = None if weights is None else jnp.array(weights)
    Z, target = weighted_rows(jnp.array(X), s, fit_intercept), weighted_rows(jnp.array(y), s, fit_intercept)
    basis = basis_of(Z, jnp.array(free))
    expected = residual_by_least_squares(X, y, free, weights, fit_intercept)
    np.testing.assert_allclose(project_out(target, basis), expected, atol=1e-13)
    # Orthonormal vectors (or 0), and nothing left of the columns themselves.
    k = np.linalg.matrix_rank(np.asarray(Z)[:, free] / np.linalg.norm(Z, axis=0)[free]) if np.any(free) else 0
    gram = np.asarray(basis.vectors.T @ basis.vectors)
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-14)
    np.testing.assert_allclose(np.sort(np.diag(gram)), np.sort(np.arange(len(gram)) < k), atol=1e-14)
    left = np.asarray(project_out(Z, basis))[:, free] / np.linalg.norm(Z, axis=0)[free]
    np.testing.assert_allclose(left, 0, atol=1e-14)
    return basis, np.asarray(Z), np.asarray(target)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("free", [[1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
def test_projection_leaves_the_residual_of_least_squares(X, rng, free, weights, fit_intercept):
    # Columns in units a million apart.
    check_projection(X, rng.normal(size=8) + 3, np.array(free, bool), weights, fit_intercept)


def test_dependent_columns(X, rng):
    X[:, 2] = 2 * X[:, 0] - X[:, 3]
    check_projection(X, rng.normal(size=8), np.ones(4, bool), WEIGHTS)


def test_more_columns_than_rows(rng):
    X, y = rng.normal(size=(5, 7)), rng.normal(size=5)
    check_projection(X, y, np.arange(7) < 3)
    basis, _, target = check_projection(X, y, np.ones(7, bool))
    np.testing.assert_allclose(project_out(jnp.array(target), basis), 0.0, atol=1e-14)


def test_projecting_twice_is_projecting_once(X, rng):
    Z = weighted_rows(jnp.array(X), None, True)
    basis = basis_of(Z, jnp.array([True, True, False, False]))
    once = project_out(jnp.array(rng.normal(size=(8, 3))), basis)
    np.testing.assert_allclose(project_out(once, basis), once, atol=1e-16)
    np.testing.assert_array_equal(project_out(once, None), once)


# ------------------------------------------------------------------------------------------------ coefficients


def recovered(basis, target):
    return np.asarray(basis.recover @ (basis.vectors.T @ target))


@pytest.mark.parametrize("free", [[0, 1, 1, 0], [1, 1, 1, 1]])
def test_recover_gives_the_coefficients_of_least_squares(X, rng, free):
    free = np.array(free, bool)
    basis, Z, target = check_projection(X, rng.normal(size=8), free, WEIGHTS)
    expected = np.zeros(4)
    expected[free] = np.linalg.pinv(Z[:, free], rcond=1e-14) @ target
    np.testing.assert_allclose(recovered(basis, target), expected, rtol=1e-11)
    # Full rank: the weights of the norm do not matter.
    other = basis_of(jnp.array(Z), jnp.array(free), jnp.array([1.0, 2, 3, 4]))
    np.testing.assert_allclose(recovered(other, target), expected, rtol=1e-11)


@pytest.mark.parametrize("case", ["duplicate", "more columns than rows"])
def test_recover_has_least_norm_in_units_of_scale(rng, case):
    if case == "duplicate":
        X = rng.normal(size=(8, 4))
        X[:, 2] = X[:, 0]
        free = np.array([1, 1, 1, 0], bool)
    else:
        X, free = rng.normal(size=(5, 7)), np.arange(7) < 6
    Z = np.asarray(weighted_rows(jnp.array(X), None, True))
    target = np.asarray(weighted_rows(jnp.array(rng.normal(size=len(X))), None, True))
    scale = np.linspace(1, 3, len(free))
    basis = basis_of(jnp.array(Z), jnp.array(free), jnp.array(scale))
    expected = np.zeros(len(free))
    expected[free] = np.linalg.pinv(Z[:, free] / scale[free], rcond=1e-12) @ target / scale[free]
    np.testing.assert_allclose(recovered(basis, target), expected, atol=1e-12)
    # The limit of ridge with that scale as λ → 0.
    A, lam = Z[:, free], 1e-7
    ridge = np.linalg.solve(A.T @ A + lam * np.diag(scale[free] ** 2), A.T @ target)
    np.testing.assert_allclose(recovered(basis, target)[free], ridge, atol=1e-5)


def test_small_columns_are_not_lost_beside_dependent_ones(rng):
    Z = rng.normal(size=(8, 3)) * [1.0, 1.0, 1e-17]
    Z[:, 1] = Z[:, 0]
    target = rng.normal(size=8)
    unit = Z / np.linalg.norm(Z, axis=0)
    left = target - unit @ np.linalg.lstsq(unit, target, rcond=1e-12)[0]
    basis = basis_of(jnp.array(Z), jnp.ones(3, bool), jnp.ones(3))
    np.testing.assert_allclose(project_out(jnp.array(target), basis), left, atol=1e-13)


def test_a_constant_free_column_has_coefficient_zero(X, rng):
    X[:, 1] = 0.1
    Z, target = weighted_rows(jnp.array(X), None, True), weighted_rows(jnp.array(rng.normal(size=8)), None, True)
    for scale in (None, jnp.ones(4)):
        w = recovered(free_basis(Z, jnp.ones(4, bool), scale), target)
        assert w[1] == 0.0
        expected = np.linalg.lstsq(np.asarray(Z)[:, [0, 2, 3]], np.asarray(target), rcond=None)[0]
        np.testing.assert_allclose(w[[0, 2, 3]], expected, rtol=1e-10)


def test_no_term_can_change_by_one_percent(X, unnoticed):
    assert unnoticed(weighted_rows, lambda: check_rows(X)) == []
