"""Gradient descent exactly as the source documents print it: every θ of every step, against loops in plain NumPy.

The loops are written from the table in sources.md, term by term, with θ₀ apart: nothing of `jaxreg.formulas.sources`
stands in them. What the printed updates descend is asserted with them: `train` is given the loss, never the gradient.
"""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import Params, train, train_grid
from jaxreg.formulas import sources

M, N, LAM, STEP, STEPS = 12, 3, 2.0, 0.3, 40


@pytest.fixture
def data(rng):
    """X: (m, n + 1) with its column of ones, y: (m,), and a start with θ₁ = 0, where sign(0) = 0 must be taken."""
    X = np.column_stack([np.ones(M), rng.normal(size=(M, N)) + 0.3])
    return X, X @ np.array([1.5, 1.0, 0.1, -2.0]) + 0.3 * rng.normal(size=M), np.array([0.5, 0.0, 1.0, -1.0])


def residual(theta, X, y):
    return [sum(X[i, j] * theta[j] for j in range(N + 1)) - y[i] for i in range(M)]


def mean_of_products(r, X, j):
    """(1/m) Σ r x_j."""
    return sum(r[i] * X[i, j] for i in range(M)) / M


def a_ridge(theta, X, y):
    r = residual(theta, X, y)
    bracket = [mean_of_products(r, X, j) + (LAM / M * theta[j] if j else 0.0) for j in range(N + 1)]
    return [theta[j] - STEP * bracket[j] for j in range(N + 1)]


def a_lasso(theta, X, y):
    r = residual(theta, X, y)
    bracket = [mean_of_products(r, X, j) + (LAM / M * np.sign(theta[j]) if j else 0.0) for j in range(N + 1)]
    return [theta[j] - STEP * bracket[j] for j in range(N + 1)]


def c_ridge(w, X, y):
    # No intercept; the document's mean of squares has no ½. λ = 0.02, so that the step is stable.
    r = residual(w, X, y)
    gradient = [2.0 * mean_of_products(r, X, j) + 2.0 * 0.02 * w[j] for j in range(N + 1)]
    return [w[j] - STEP * gradient[j] for j in range(N + 1)]


def e_ridge(theta, X, y):
    r = residual(theta, X, y)
    theta_0 = theta[0] - STEP * (1 / M) * sum(r)
    return [theta_0] + [theta[j] - STEP * (mean_of_products(r, X, j) + LAM / M * theta[j]) for j in range(1, N + 1)]


def e_decay(theta, X, y):
    r = residual(theta, X, y)
    theta_0 = theta[0] - STEP * (1 / M) * sum(r)
    return [theta_0] + [theta[j] * (1 - STEP * LAM / M) - STEP * mean_of_products(r, X, j) for j in range(1, N + 1)]


def thetas(update, X, y, start):
    """(STEPS + 1, n + 1): the start and what follows each step."""
    path = [start]
    for _ in range(STEPS):
        path.append(np.array(update(path[-1], X, y)))
    return np.array(path)


def check(loss, lam, path, X, y):
    """Every θ, every loss and every gradient of `train` on the loss are those of the loop."""
    options = {"optimizer": optax.sgd(STEP), "steps": STEPS, "record_every": 1}
    # A member for each entry of θ, whose `gap` is that entry: the history is then θ itself.
    entry = train_grid(
        loss, path[0], {"j": jnp.arange(N + 1)}, X, y, lam, gap=lambda theta, X, y, lam, j: theta[j], **options
    )
    largest = np.abs(path).max()
    np.testing.assert_allclose(entry.history.residual.T, path[1:], rtol=0, atol=1e-13 * largest)
    result = train(loss, path[0], X, y, lam, **options)
    np.testing.assert_allclose(result.params, path[-1], rtol=0, atol=1e-13 * largest)
    np.testing.assert_array_equal(result.history.step, np.arange(1, STEPS + 1))
    np.testing.assert_allclose(result.history.loss, [loss(theta, X, y, lam) for theta in path[1:]], rtol=1e-13)
    # θ_k − θ_{k+1} = α · gradient at θ_k
    change = np.abs(np.diff(path, axis=0)).max(axis=1)[1:] / STEP
    np.testing.assert_allclose(result.history.residual[:-1], change, rtol=0, atol=1e-13 * largest / STEP)


CASES = {
    "A-ridge": (a_ridge, sources.a_ridge_implied_loss, LAM),
    "A-lasso": (a_lasso, sources.a_lasso_implied_loss, LAM),
    "C-ridge": (c_ridge, sources.c_ridge_loss, 0.02),
    "E-ridge": (e_ridge, sources.e_ridge_implied_loss, LAM),
}


@pytest.mark.parametrize(("update", "loss", "lam"), CASES.values(), ids=CASES)
def test_descent_is_what_the_document_prints(data, update, loss, lam):
    X, y, start = data
    path = thetas(update, X, y, start)
    assert np.abs(path[-1] - path[0]).max() > 0.1
    check(loss, lam, path, X, y)


def test_descent_on_the_printed_losses_is_not_what_is_printed(data):
    X, y, start = data
    for update, loss in ((a_ridge, sources.a_ridge_loss), (a_lasso, sources.a_lasso_loss)):
        path = thetas(update, X, y, start)
        result = train(loss, start, X, y, LAM, optimizer=optax.sgd(STEP), steps=3)
        assert np.abs(result.params - path[3]).max() > 0.1


def test_weight_decay_spares_the_intercept(data):
    X, y, start = data
    path = thetas(e_decay, X, y, start)

    def loss(theta, X, y):
        return jnp.mean((X @ theta.coef + theta.intercept - y) ** 2) / 2

    decay = optax.add_decayed_weights(LAM / M, mask=Params(intercept=False, coef=True))
    optimizer = optax.chain(decay, optax.sgd(STEP))
    params = Params(jnp.asarray(start[0]), jnp.asarray(start[1:]))
    result = train(loss, params, X[:, 1:], y, optimizer=optimizer, steps=STEPS, record_every=1)
    largest = np.abs(path).max()
    np.testing.assert_allclose(result.params.intercept, path[-1, 0], rtol=0, atol=1e-13 * largest)
    np.testing.assert_allclose(result.params.coef, path[-1, 1:], rtol=0, atol=1e-13 * largest)
    losses = [loss(Params(theta[0], theta[1:]), X[:, 1:], y) for theta in path[1:]]
    np.testing.assert_allclose(result.history.loss, losses, rtol=1e-13)
    # The same update as E-ridge, and another one if θ₀ decayed too.
    np.testing.assert_allclose(path, thetas(e_ridge, X, y, start), rtol=0, atol=1e-13 * largest)
    everything = optax.chain(optax.add_decayed_weights(LAM / M), optax.sgd(STEP))
    wrong = train(loss, params, X[:, 1:], y, optimizer=everything, steps=STEPS)
    assert abs(wrong.params.intercept - path[-1, 0]) > 1e-2


def test_a_large_penalty_leaves_the_mean(data):
    # λ → ∞: every penalised weight goes to 0, and θ₀ to the mean of y (document 004's weight decay: 0 < αλ < m).
    X, y, start = data
    lam = 1e6
    rate = 0.5 * M / lam
    optimizer = optax.sgd(rate)
    result = train(sources.e_ridge_implied_loss, start, X, y, lam, optimizer=optimizer, steps=2_000_000)
    closed = sources.e_ridge_closed_form(X, y, lam)
    np.testing.assert_allclose(result.params, closed, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.params[0], y.mean(), rtol=1e-4)
    assert np.abs(result.params[1:]).max() < 1e-4
