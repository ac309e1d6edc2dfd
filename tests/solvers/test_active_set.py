"""The active-set path: certified on every design, equal to FISTA and scikit-learn, and one program a padded size."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from jaxreg import solvers
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.active_set import padded, solve_path
from jaxreg.solvers.reduced import lambda_grid, prepare, solve_without_derivatives
from jaxreg.solvers.reduction import LeastSquares

# Its programs take long to compile.
pytestmark = pytest.mark.slow

P = 64  # every design is padded to this size: one compiled program a grid length


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


@partial(jax.jit, static_argnames="max_iter")
def compiled(gram, correlation, yy, lams, a, b, max_iter=2000):
    unit = Penalty(a, b, jnp.full_like(a, -jnp.inf), jnp.full_like(a, jnp.inf))
    return solve_path(LeastSquares(gram, gram, correlation, yy), lams, len(lams), unit, np.float64(1e-10), max_iter)


def path_and_gap(X, y, count, l1_ratio, columns=P):
    """u along a grid down to 1e-3 λ_max, and the largest relative duality gap, from the rows in NumPy."""
    n, p = X.shape
    size = np.linalg.norm(X, axis=0) / np.sqrt(n)
    size = np.where(size > 0, size, 1)
    Z, target = X / size / np.sqrt(n), y / np.sqrt(n)
    gram, correlation, a = np.zeros((columns, columns)), np.zeros(columns), np.zeros(columns)
    gram[:p, :p], correlation[:p], a[:p] = Z.T @ Z, Z.T @ target, 1 / size
    yy = target @ target
    lams = np.geomspace(1, 1e-3, count) * np.max(np.abs(correlation[:p]) / a[:p]) / l1_ratio
    u, n_iter = compiled(gram, correlation, yy, lams, l1_ratio * a, (1 - l1_ratio) * a**2)
    u = np.asarray(u)
    assert not np.any(u[:, p:])

    u, w = u[:, :p], lams[:, None] * a[None, :p]
    l1, l2 = l1_ratio * w, (1 - l1_ratio) * w * a[None, :p]
    residual = target - u @ Z.T
    z, rr, yr = residual @ Z, np.sum(residual**2, axis=1), residual @ target
    primal = 0.5 * rr + np.sum(l1 * np.abs(u) + 0.5 * l2 * u**2, axis=1)
    if l1_ratio == 1:
        c = np.minimum(1, np.min(l1 / np.maximum(np.abs(z), 1e-300), axis=1))
        dual = c * yr - 0.5 * c**2 * rr
    else:
        dual = yr - 0.5 * rr - np.sum(np.maximum(np.abs(z) - l1, 0) ** 2 / (2 * l2), axis=1)
    return u / size, (primal - dual) / yy, np.asarray(n_iter)


@pytest.mark.parametrize("seed", range(20))
def test_every_lam_is_certified(design, design_name, seed):
    """Also with fewer rows than columns: the engine needs the Gram matrix alone."""
    for n in (300, 90, 40):
        for count in (100, 10):
            for l1_ratio in (1.0, 0.5):
                X, y = design(design_name, n, 60, seed)
                u, gap, n_iter = path_and_gap(X, y, count, l1_ratio)
                assert np.all(np.isfinite(u)), (n, count, l1_ratio)
                # What a Gram matrix of condition 1e13 carries: 6e-9 was seen. Doors polish such λs on the rows.
                assert np.all(gap <= (1e-8 if design_name == "polynomials" else 1e-9)), (n, count, l1_ratio, gap.max())
                assert np.all(n_iter < 1000), (n, count, l1_ratio)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.05])
@pytest.mark.parametrize("name", ["factor", "binary", "chain 0.99", "wild scales"])
def test_equals_scikit_learn(design, name, l1_ratio):
    X, y = design(name, 300, 20, seed=3)
    X = X / X.std(axis=0)
    coef, _, _ = path_and_gap(X, y, 10, l1_ratio)
    lams = np.geomspace(1, 1e-3, 10) * np.max(np.abs(X.T @ y)) / len(y) / l1_ratio
    for lam, w in zip(lams[2::3], coef[2::3], strict=True):
        model = ElasticNet(lam, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-14, max_iter=1_000_000).fit(X, y)
        np.testing.assert_allclose(w, model.coef_, rtol=0, atol=3e-6 * np.abs(model.coef_).max())


@partial(jax.jit, static_argnames=("engine", "fit_intercept", "standardize"))
def members(X, Y, lams, l1_ratio, factors, engine, fit_intercept, standardize):
    arrays = {"sample_weight": None, "penalty_factor": None, **factors}
    data = prepare(X, Y, fit_intercept, standardize, **arrays, lower=None, upper=None)
    return solve_without_derivatives(data, lams, l1_ratio, 1e-10, 20_000, engine)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_equals_fista(fit_intercept):
    """Weights, factors, a free column, three targets, λs in any order with 0 and far above λ_max."""
    rng = np.random.default_rng(5)
    X = (rng.standard_normal((40, 7)) @ (np.eye(7) + 0.3)) * np.geomspace(0.2, 30, 7) + 1
    Y = X[:, :3] / np.geomspace(0.2, 1, 3) + rng.standard_normal((40, 3))
    lams = np.array([0.02, 1e4, 0.0, 0.3, 0.1, 0.1])[:, None] * np.ones((1, 3))
    factors = {"sample_weight": np.arange(40) % 4 / 2.0, "penalty_factor": np.array([1, 0, 2, 0.5, 1, 1, 3.0])}
    for l1_ratio in (1.0, 0.5, 0.0):
        found, other = (
            members(X, Y, lams, np.asarray(l1_ratio), factors, engine, fit_intercept, True)
            for engine in ("active set", "parallel")
        )
        assert np.all(found.gap <= 1e-10)
        assert np.all(other.gap <= 1e-10)
        for a, b in zip(found.params, other.params, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max())


def test_a_solution_does_not_depend_on_the_grid(design):
    X, y = design("chain 0.99", 200, 30, seed=7)
    lams = np.geomspace(0.5, 5e-3, 9)
    path = jax.jit(solvers.path)
    together = path(X, y, lams)
    for k in range(9):
        alone = path(X, y, lams[k : k + 1])
        np.testing.assert_allclose(alone.coef[0], together.coef[k], rtol=0, atol=1e-9 * np.abs(together.coef[k]).max())
    backwards = path(X, y, lams[::-1])
    np.testing.assert_allclose(backwards.coef[::-1], together.coef, rtol=1e-12, atol=1e-12)


def test_one_program_a_padded_size(design):
    before = compiled._cache_size()
    sizes = [path_and_gap(*design("factor", n, p, 0), 7, 1.0)[1].max() for n, p in ((50, 33), (80, 60), (200, 64))]
    assert compiled._cache_size() == before + 1
    assert max(sizes) <= 1e-10
    assert [padded(p) for p in (1, 16, 17, 64, 65)] == [16, 16, 32, 64, 128]


def test_float32(design):
    X, y = (a.astype(np.float32) for a in design("factor", 300, 20, 0))
    with jax.enable_x64(False):
        found = jax.jit(partial(solvers.path, l1_ratio=1.0, eps=1e-3))(X, y)
    assert np.all(found.converged)
    assert found.coef.dtype == np.float32


def test_the_grid_starts_at_zero_coefficients(design):
    X, y = design("binary", 100, 20, 1)
    data = prepare(X, y, True, True, None, None, None, None)
    start = float(lambda_grid(data, 2, 1.0, None)[0])
    found = jax.jit(solvers.path)(X, y, start * np.array([1 + 8 * np.finfo(float).eps, 0.99]))
    assert np.array_equal(np.any(found.coef != 0, axis=1), [False, True])
