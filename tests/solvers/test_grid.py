"""Automatic λ-grids: where they start, how they go down, and that they are always finite and positive."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxreg.formulas import lam_max
from jaxreg.solvers.automatic_grid import automatic_grid
from jaxreg.solvers.grid import default_eps, geometric_grid


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


RNG = np.random.default_rng(11)
X = RNG.normal(size=(15, 4)) * [1, 3, 0.2, 10] + [0, 5, 1, -2]
Y = RNG.normal(size=(15, 2))
grid = jax.jit(automatic_grid, static_argnames=("count", "fit_intercept", "standardize"))


def start(rho, y=Y[:, 0], **options):
    return float(lam_max(X, y, rho, scale=X.std(axis=0), **options))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_geometric(count):
    found = np.asarray(grid(X, Y[:, 0], count, np.float64(1.0), 1e-3))
    assert found.shape == (count,)
    np.testing.assert_allclose(found, start(1.0) * np.geomspace(1, 1e-3, count), rtol=1e-13)
    assert np.all(np.diff(found) < 0)


def test_default_eps_is_glmnets():
    assert default_eps(10, 9) == 1e-4
    assert default_eps(10, 10) == default_eps(9, 10) == 1e-2
    for A, eps in ((X, 1e-4), (X[:4], 1e-2), (X[:3], 1e-2)):
        found = np.asarray(grid(A, Y[: len(A), 0], 3, np.float64(1.0)))
        np.testing.assert_allclose(found / found[0], [1, np.sqrt(eps), eps], rtol=1e-13)


def test_ridge_starts_as_if_l1_ratio_were_a_thousandth():
    for rho in (1.0, 0.5, 0.001):
        np.testing.assert_allclose(grid(X, Y[:, 0], 2, np.float64(rho), 0.1)[0], start(rho), rtol=1e-13)
    for rho in (0.0, 1e-9, 0.0009):
        np.testing.assert_allclose(grid(X, Y[:, 0], 2, np.float64(rho), 0.1)[0], start(0.001), rtol=1e-13)


def test_several_targets_start_at_the_largest():
    expected = max(start(1.0, Y[:, 0]), start(1.0, Y[:, 1]))
    np.testing.assert_allclose(grid(X, Y, 2, np.float64(1.0), 0.1)[0], expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("A", "y", "options"),
    [
        pytest.param(X, np.full(15, 3.0), {}, id="constant y"),
        pytest.param(X, np.zeros(15), {"fit_intercept": False}, id="zero y"),
        pytest.param(np.full((15, 4), 2.0), Y[:, 0], {}, id="constant columns"),
        pytest.param(X, Y[:, 0], {"lower": np.zeros(4), "upper": np.zeros(4)}, id="no room"),
        pytest.param(X, Y[:, 0], {"penalty_factor": np.zeros(4)}, id="nothing penalised"),
    ],
)
def test_always_finite_and_positive(A, y, options):
    found = np.asarray(grid(A, y, 3, np.float64(1.0), None, **options))
    np.testing.assert_allclose(found, [1, 1e-2, 1e-4], rtol=1e-13)


def test_float32():
    with jax.enable_x64(False):
        found = geometric_grid(jax.numpy.float32(2.0), 5, 1e-2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2 * np.geomspace(1, 1e-2, 5), rtol=1e-6)


def test_it_works_under_vmap():
    together = jax.jit(jax.vmap(partial(automatic_grid, X, count=3, l1_ratio=1.0), in_axes=1))(Y)
    for k in range(2):
        np.testing.assert_allclose(together[k], grid(X, Y[:, k], 3, np.float64(1.0)), rtol=1e-13)
