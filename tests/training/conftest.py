"""What the tests of training share: float64, one small ridge problem, and a count of what XLA compiles."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import monitoring

COMPILED: list[str] = []


@monitoring.register_event_duration_secs_listener
def _note(event, duration, **details):
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(event)


@pytest.fixture(autouse=True)
def double(x64):
    """float64; a test of float32 asks for `x32`, which comes after this."""


@pytest.fixture
def compilations():
    """compilations(function): how many programs XLA compiles while the function runs."""

    def count(function):
        before = len(COMPILED)
        function()
        return len(COMPILED) - before

    return count


def ridge_loss(w, X, y, lam):
    """1/(2n) Σ (x_i·w − y_i)² + ½ Σ_j λ_j w_j², λ a number or one a feature."""
    return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * jnp.sum(lam * w**2)


class Ridge(NamedTuple):
    """A ridge problem without an intercept, and its answer in closed form."""

    X: np.ndarray
    y: np.ndarray

    loss = staticmethod(ridge_loss)

    @property
    def start(self):
        return np.zeros(self.X.shape[1])

    @property
    def covariance(self):
        return self.X.T @ self.X / len(self.y)

    def closed_form(self, lam):
        penalty = np.diag(np.broadcast_to(lam, self.start.shape))
        return np.linalg.solve(self.covariance + penalty, self.X.T @ self.y / len(self.y))

    def curvature(self, lam):
        """L, the largest eigenvalue of the Hessian."""
        return float(np.linalg.eigvalsh(self.covariance + lam * np.eye(len(self.start)))[-1])


@pytest.fixture
def ridge(rng):
    X = rng.normal(size=(40, 5))
    return Ridge(X, X @ np.array([2.0, -1.0, 0.5, 0.0, 1.0]) + 0.5 * rng.normal(size=40))


@pytest.fixture
def same():
    """same(a, b, tolerance): two pytrees agree leaf by leaf, in structure, shape and value, but for the grid."""

    def check(a, b, tolerance):
        a, b = (v._replace(grid=None) if hasattr(v, "grid") else v for v in (a, b))
        assert jax.tree.structure(a) == jax.tree.structure(b)
        for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)

    return check
