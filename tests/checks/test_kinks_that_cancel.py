"""Smooth losses whose kinks cancel: at 0 autodiff errs, and the right gradient must not be condemned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import check_gradient

relu = jax.nn.relu
# Each is w, written otherwise.
IDENTITIES = {
    "relu(w) − relu(−w)": lambda w: relu(w) - relu(-w),
    "|w|·sign(w)": lambda w: jnp.abs(w) * jnp.sign(w),
    "2 max(w, 0) − |w|": lambda w: 2 * jnp.maximum(w, 0.0) - jnp.abs(w),
    "where": lambda w: jnp.where(w > 0, w, 0.0) + jnp.where(w < 0, w, 0.0),
}


@pytest.fixture
def data(rng):
    return rng.normal(size=(8, 3)), rng.normal(size=8)


def right(w, X, y):
    return 2 * X.T @ (X @ w - y) / len(y)


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_right_gradient_is_right(name, data):
    identity = IDENTITIES[name]
    at_zero = jax.grad(identity)(0.0)
    loss = lambda w, X, y: jnp.mean((X @ identity(w) - y) ** 2)
    report = check_gradient(loss, right, np.ones(3), *data)
    assert report, str(report)
    assert report.kinks == 0
    assert any("automatic differentiation of the loss errs" in note for note in report.notes) == (at_zero != 1.0)


def test_the_gradient_that_errs_with_it_is_wrong(data):
    identity = IDENTITIES["relu(w) − relu(−w)"]
    loss = lambda w, X, y: jnp.mean((X @ identity(w) - y) ** 2)
    report = check_gradient(loss, jax.grad(loss), np.ones(3), *data)
    assert not report
    assert {finding.kind for finding in report.findings} == {"kink"}
    assert "which is no kink" in report.findings[0].sentence


def test_a_slip_is_still_named(data):
    identity = IDENTITIES["|w|·sign(w)"]
    loss = lambda w, X, y: jnp.mean((X @ identity(w) - y) ** 2)
    report = check_gradient(loss, lambda *a: right(*a) / 2, np.ones(3), *data)
    assert report.findings[0].sentence == "the whole gradient is 2 times too small"


def test_a_kink_beside_one_that_cancels(data):
    # Σ|w| has its kink at 0, and the rest is smooth there.
    identity = IDENTITIES["relu(w) − relu(−w)"]
    loss = lambda w, X, y: jnp.mean((X @ identity(w) - y) ** 2) + 0.1 * jnp.sum(jnp.abs(w[1:]))
    gradient = lambda w, X, y: right(w, X, y) + 0.1 * jnp.sign(w) * np.array([0.0, 1.0, 1.0])
    assert check_gradient(loss, gradient, np.ones(3), *data)
