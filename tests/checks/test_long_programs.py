"""Losses that are long programs: a step is used by many later ones, and a check has to end all the same."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import check_gradient, solvers
from jaxreg.checks.notation import formula
from jaxreg.checks.program import trace
from jaxreg.checks.terms import find_terms


def unrolled(steps):
    """w ← w − (w³ − w)/10, `steps` times, and the derivative of Σ w by the chain rule."""

    def loss(w):
        for _ in range(steps):
            w = w - 0.1 * (w**3 - w)
        return jnp.sum(w)

    def gradient(w, factor=1.0):
        d = jnp.ones_like(w)
        for _ in range(steps):
            d = d * (1 - 0.1 * (3 * w**2 - 1))
            w = w - 0.1 * (w**3 - w)
        return factor * d

    return loss, gradient


def test_walks_do_not_double_with_each_step():
    # As a tree 60 steps are 3⁶⁰ ways; the graph has 300 operations. No compilation is timed.
    loss, _ = unrolled(60)
    program = trace(loss, [np.ones(2)])
    start = time.perf_counter()
    assert formula(program, program.outputs[0], {0: "w"}, {}) is None
    assert len(find_terms(program, [0])) == 1
    assert time.perf_counter() - start < 2.0


def test_terms_of_a_chain_longer_than_the_stack_of_python():
    def loss(w):
        total = jnp.sum(w)
        for _ in range(1500):
            total = -(1.0 * total)
        return total + jnp.sum(w**2)

    program = trace(loss, [np.ones(2)])
    assert len(find_terms(program, [0])) == 2


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_an_unrolled_loss(factor):
    loss, gradient = unrolled(20)
    report = check_gradient(loss, lambda w: gradient(w, factor), np.array([0.5, 0.2]))
    assert bool(report) == (factor == 1.0)
    if factor != 1.0:
        assert report.findings[0].sentence == "the whole gradient is 2 times too large"


@pytest.fixture
def held_out_error(rng):
    """The held-out error of ridge as a function of log λ by `solvers.fit`, and its derivative in closed form."""
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    X, y = X - X.mean(axis=0), y - y.mean()
    other, target = rng.normal(size=(8, 3)), rng.normal(size=8)

    def loss(log_lam):
        options = {"fit_intercept": False, "standardize": False}
        params = solvers.fit(jnp.asarray(X), jnp.asarray(y), jnp.exp(log_lam[0]), 0.0, **options).params
        return jnp.mean((jnp.asarray(other) @ params.coef - target) ** 2)

    def gradient(log_lam):
        # (C + λI) w = c  ⇒  dw/d log λ = −λ (C + λI)⁻¹ w
        lam = jnp.exp(log_lam[0])
        A = X.T @ X / 20 + lam * jnp.eye(3)
        w = jnp.linalg.solve(A, X.T @ y / 20)
        residual = other @ w - target
        return jnp.reshape(2 * jnp.mean(residual * (other @ (-lam * jnp.linalg.solve(A, w)))), (1,))

    return loss, gradient


def test_a_hyper_gradient_through_a_solver(held_out_error):
    loss, gradient = held_out_error
    assert check_gradient(loss, gradient, np.array([-1.0]), points=6)


@pytest.mark.slow
def test_a_wrong_hyper_gradient_through_a_solver(held_out_error):
    loss, gradient = held_out_error
    report = check_gradient(loss, lambda x: -gradient(x), np.array([-1.0]), points=6)
    assert report.findings[0].sentence == "the whole gradient has the wrong sign"


def test_a_loss_with_a_loop_that_is_no_function():
    # The two traces differ, and so do the values: seen although the loss is not run before.
    drawn = np.random.default_rng(0)

    def loss(w):
        shift = drawn.normal()
        return jax.lax.fori_loop(0, 3, lambda _, total: total + jnp.sum((w - shift) ** 2), 0.0)

    with pytest.raises(ValueError, match="no function of its arguments"):
        check_gradient(loss, lambda w: w, np.ones(2))

    def gradient(w):
        return 6 * (w - 1) + 1e-3 * drawn.normal()

    fixed = lambda w: jax.lax.fori_loop(0, 3, lambda _, total: total + jnp.sum((w - 1) ** 2), 0.0)
    with pytest.raises(ValueError, match="two evaluations at the same point differ"):
        check_gradient(fixed, gradient, np.ones(2))
    with pytest.raises(ValueError, match="the loss is nan at the parameters given"):
        check_gradient(lambda w: fixed(w) * jnp.nan, gradient, np.ones(2))
