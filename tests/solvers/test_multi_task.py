"""Multi-task paths against block descent in NumPy, on designs on which the columns depend on each other too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers
from jaxreg.solvers import multi_task, multi_task_columns
from jaxreg.solvers.multi_task import Products
from tests import together

T = 3
TOL, MOST = 1e-10, jnp.asarray(1000, jnp.int32)
programs = {
    "products": jax.jit(multi_task.solve_path),
    "columns": jax.jit(multi_task_columns.solve_path, static_argnames="capacity"),
}


def design(kind, n, p, rng):
    X = rng.normal(size=(n, p))
    if kind == "correlated":
        X = X + 3 * rng.normal(size=(n, 1))
    if kind == "duplicates":
        X[:, p // 2 :] = X[:, : p - p // 2]
    if kind == "dependent":
        X[:, -1] = X[:, 0] - 2 * X[:, 1]
        X[:, -2] = 0.0
    if kind == "powers":
        X = np.linspace(0.1, 1, n)[:, None] ** np.arange(1, p + 1)
    return X


def data(kind="normal", n=40, p=12, t=T, seed=0):
    rng = np.random.default_rng(seed)
    X = design(kind, n, p, rng)
    W = np.where(rng.random((p, 1)) < 0.4, rng.normal(size=(p, t)), 0.0)
    Y = X @ W + 0.5 * rng.normal(size=(n, t))
    return together.weighted(X, Y, np.ones(n), True)


def solve(door, Z, target, lams, rho, capacity=None, max_iter=MOST):
    """U as (L, p, t), gaps, rounds."""
    given = jnp.asarray(lams), jnp.asarray(len(lams), jnp.int32), jnp.asarray(rho), jnp.asarray(TOL), max_iter
    if door == "products":
        problem = Products(jnp.asarray(Z.T @ Z), jnp.asarray(target.T @ Z), jnp.asarray((target**2).sum()))
        coefs, gaps, n_iter = programs[door](problem, *given)
    else:
        C = capacity or 2 * Z.shape[1]
        coefs, gaps, n_iter, full = programs[door](jnp.asarray(Z.T), jnp.asarray(target.T), *given, capacity=C)
        assert not full
    return np.asarray(coefs).transpose(0, 2, 1), np.asarray(gaps), np.asarray(n_iter)


def grid(Z, target, rho, count=8, eps=1e-2):
    start = np.sqrt(((Z.T @ target) ** 2).sum(axis=1)).max() / rho
    return np.geomspace(start * (1 + 1e-12), eps * start, count)


@pytest.mark.parametrize("kind", ["normal", "correlated", "duplicates", "dependent", "powers"])
@pytest.mark.parametrize("rho", [1.0, 0.5])
@pytest.mark.parametrize("shape", [(40, 12), (12, 40)], ids=["tall", "wide"])
@pytest.mark.parametrize("door", ["products", "columns"])
def test_paths_are_certified_and_those_of_block_descent(door, shape, rho, kind):
    Z, target = data(kind, *shape)
    lams = grid(Z, target, rho)
    found, gaps, _ = solve(door, Z, target, lams, rho)
    assert not found[0].any()
    assert found[1].any()
    ones, none = np.ones(len(Z)), np.zeros(T)
    root = np.sqrt(len(Z))  # the plain functions divide by the number of rows
    A, B = root * Z, root * target
    for lam, W, stated in zip(lams, found, gaps, strict=True):
        true = together.gap(W, none, A, B, lam, rho, intercept=False)
        assert true <= TOL
        assert stated <= TOL
        np.testing.assert_allclose(stated, true, rtol=1e-2, atol=1e-14)
    for lam, W in zip(lams[[3, -1]], found[[3, -1]], strict=True):
        expected, _ = together.minimiser(A, B, lam, rho, intercept=False, sweeps=3000)
        value = lambda W: together.objective(W, none, A, B, lam, rho, ones)  # noqa: B023
        assert value(W) <= value(expected) + 1e-12 * (B**2).mean()
        if kind in ("normal", "correlated"):
            np.testing.assert_allclose(W, expected, atol=1e-6)
            np.testing.assert_array_equal(W.any(axis=1), expected.any(axis=1))
            assert together.kkt(W, none, A, B, lam, rho, intercept=False) < 1e-5


def test_a_small_working_set_gives_the_same():
    Z, target = data("normal", 30, 200)
    lams = grid(Z, target, 1.0, 20)
    small, gaps, _ = solve("columns", Z, target, lams, 1.0, capacity=120)
    assert gaps.max() <= TOL
    np.testing.assert_allclose(small, solve("products", Z, target, lams, 1.0)[0], atol=1e-6)


def test_a_working_set_that_is_too_small_says_so():
    Z, target = data("normal", 30, 60)
    lams = jnp.asarray(grid(Z, target, 1.0))
    given = lams, jnp.asarray(8, jnp.int32), jnp.asarray(1.0), jnp.asarray(TOL), MOST
    *_, gaps, _, full = programs["columns"](jnp.asarray(Z.T), jnp.asarray(target.T), *given, capacity=8)
    assert full
    assert np.isinf(gaps[-1])


def test_one_far_away_penalty_is_reached():
    Z, target = data("normal", 30, 200)
    lams = grid(Z, target, 1.0, 20)
    for door in programs:
        alone, gaps, _ = solve(door, Z, target, lams[-1:], 1.0)
        assert gaps[0] <= TOL
        np.testing.assert_allclose(alone[0], solve(door, Z, target, lams, 1.0)[0][-1], atol=1e-6)


def test_one_target_is_a_lasso():
    Z, target = data("correlated", t=1)
    root = np.sqrt(len(Z))
    lams = grid(Z, target, 0.8)
    expected = solvers.path(root * Z, root * target[:, 0], lams, 0.8, fit_intercept=False, standardize=False)
    for door in programs:
        found, gaps, _ = solve(door, Z, target, lams, 0.8)
        assert gaps.max() <= TOL
        np.testing.assert_allclose(found[..., 0], expected.coef, atol=1e-7)


def test_more_columns_than_different_rows():
    """The curvature is 0 in many directions: a Newton step along them ended at coefficients of 1e14."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 15, 57)
    X, Y = rng.random((15, 30))[rows], rng.integers(0, 3, (57, 1)).astype(float)
    Z, target = together.weighted(X, Y, np.ones(57), True)
    for lams in (np.geomspace(0.1, 1e-7, 12), np.array([1e-4])):
        for door in programs:
            found, gaps, _ = solve(door, Z, target, lams, 1.0)
            assert gaps.max() <= TOL
            assert np.abs(found).max() < 100


def test_targets_without_a_signal_have_no_coefficients():
    Z, target = data()
    for door in programs:
        found, gaps, _ = solve(door, Z, 0 * target, np.array([1.0, 0.5]), 1.0)
        assert not found.any()
        assert not gaps.any()


def test_steps_run_out():
    Z, target = data("correlated")
    lams = grid(Z, target, 1.0)
    few = jnp.asarray(1, jnp.int32)
    for door in programs:
        _, gaps, n_iter = solve(door, Z, target, lams[-1:], 1.0, max_iter=few)
        assert np.isfinite(gaps).all()
        assert gaps[0] > TOL or door == "columns"
    assert n_iter.max() <= 2


def test_it_compiles_once():
    Z, target = data("correlated", seed=1)
    lams = grid(Z, target, 1.0)
    for door, program in programs.items():
        solve(door, Z, target, lams, 1.0)
        before = program._cache_size()
        solve(door, 2 * Z, target, 0.5 * lams, 0.3)
        assert program._cache_size() == before


def test_nothing_inside_goes_to_the_host():
    Z, target = data()
    problem = Products(jnp.asarray(Z.T @ Z), jnp.asarray(target.T @ Z), jnp.asarray((target**2).sum()))
    given = jnp.asarray(grid(Z, target, 1.0)), jnp.asarray(8, jnp.int32), jnp.asarray(1.0), jnp.asarray(TOL), MOST
    text = jax.jit(multi_task.solve_path).lower(problem, *given).as_text()
    assert "callback" not in text
    assert "infeed" not in text
