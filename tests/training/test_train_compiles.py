"""One program a loss: nothing is compiled twice, and the calls work inside the user's jit, vmap and grad."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import fista, ista, train, train_grid
from jaxreg.formulas import soft_threshold

SGD = optax.sgd(0.2)
LAMS = np.array([0.1, 0.3, 1.0])


@pytest.fixture
def counted(ridge):
    """(loss, traces): `traces` grows whenever JAX calls the loss."""
    traces = []

    def loss(w, X, y, lam):
        traces.append(1)
        return ridge.loss(w, X, y, lam)

    return loss, traces


def test_a_second_run_compiles_nothing(ridge, counted, compilations):
    loss, traces = counted

    def call(start, y, lam):
        train(loss, start, ridge.X, y, lam, optimizer=SGD, steps=10)

    assert compilations(lambda: call(ridge.start, ridge.y, 0.3)) > 0
    first = len(traces)
    assert first > 0
    assert compilations(lambda: call(ridge.start + 1.0, ridge.y + 1.0, 0.5)) == 0  # other values, the same program
    assert len(traces) == first


@pytest.mark.parametrize("block", [None, 2])
def test_a_second_grid_compiles_nothing(ridge, counted, compilations, block):
    loss, traces = counted

    def call(lams):
        train_grid(loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=SGD, steps=10, block=block)

    assert compilations(lambda: call(LAMS)) > 0
    first = len(traces)
    assert compilations(lambda: call(2 * LAMS)) == 0
    assert len(traces) == first


def test_all_blocks_share_one_program(ridge, counted):
    loss, traces = counted

    def call(count):
        lams = {"lam": np.geomspace(0.1, 1.0, count)}
        return train_grid(loss, ridge.start, lams, ridge.X, ridge.y, optimizer=SGD, steps=10, block=3)

    call(3)
    once = len(traces)
    call(8)  # three blocks, the last of them filled up
    assert len(traces) == once


def test_a_tolerance_is_no_new_program_and_a_stride_is(ridge, counted):
    loss, traces = counted

    def call(**options):
        train(loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=SGD, steps=10, **options)

    call(tol=1e-3)
    once = len(traces)
    call(tol=1e-9)
    assert len(traces) == once
    call(tol=1e-9, record_every=5)
    assert len(traces) > once  # the count can grow: the test above is not vacuous


def test_streams_of_batches_share_one_program(ridge, counted):
    loss, traces = counted

    def call(steps):
        batches = [(ridge.X[:8], ridge.y[:8], 0.3)] * steps
        train(loss, ridge.start, batches=batches, optimizer=SGD, steps=steps, record_every=4)

    call(4)
    once = len(traces)
    call(12)
    assert len(traces) == once


# ------------------------------------------------------------------------------------------------ the user's jit, vmap


def test_inside_jit_and_vmap(ridge, counted, same):
    loss, traces = counted

    def run(lam):
        return train(loss, ridge.start, ridge.X, ridge.y, lam, optimizer=SGD, steps=20)

    def grid(lams):
        return train_grid(loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=SGD, steps=20)

    expected = grid(LAMS)
    same(jax.tree.map(lambda leaf: leaf[1], expected), jax.jit(run)(LAMS[1]), 1e-12)
    same(expected, jax.jit(grid)(jnp.asarray(LAMS)), 1e-12)
    same(expected, jax.vmap(run)(jnp.asarray(LAMS)), 1e-12)
    twice = jax.jit(jax.vmap(grid))
    same(expected, jax.tree.map(lambda leaf: leaf[1], twice(jnp.stack([2 * LAMS, LAMS]))), 1e-12)
    before = len(traces)
    twice(jnp.stack([LAMS, LAMS]))
    assert len(traces) == before


def test_a_step_size_may_be_an_array_or_traced(ridge, same):
    def smooth(w):
        return ridge.loss(w, ridge.X, ridge.y, 0.0)

    def run(step_size, method):
        optimizer = method(step_size, lambda w, step: soft_threshold(w, 0.2 * step))
        return train(smooth, ridge.start, optimizer=optimizer, steps=10)

    for method in (ista, fista):
        expected = run(0.25, method)
        same(expected, run(jnp.asarray(0.25), method), 1e-12)
        same(expected, jax.jit(run, static_argnums=1)(0.25, method), 1e-12)


# ------------------------------------------------------------------------------------------------ derivatives


def test_the_derivative_by_lam_is_the_implicit_one(ridge, central_differences):
    # (C + λI) w = c  ⇒  dw/dλ = −(C + λI)⁻¹ w
    lam, direction = 0.3, np.array([1.0, -2.0, 0.5, 3.0, 1.0])
    A = ridge.covariance + lam * np.eye(5)
    expected = direction @ -np.linalg.solve(A, ridge.closed_form(lam))

    def h(lam):
        return direction @ train(ridge.loss, ridge.start, ridge.X, ridge.y, lam, optimizer=SGD, steps=300).params

    np.testing.assert_allclose(jax.grad(h)(lam), expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jvp(h, (lam,), (1.0,))[1], expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.grad(h))(lam), expected, rtol=1e-12)
    np.testing.assert_allclose(central_differences(lambda lam: h(lam[0]), [lam])[0], expected, rtol=1e-8)


def test_the_derivative_before_convergence_is_that_of_the_steps(ridge, central_differences):
    # By data, start and learning rate too, which a converged run forgets.
    def h(x):
        lam, rate, shift = x
        optimizer = optax.sgd(rate, momentum=0.5)
        result = train(ridge.loss, ridge.start + shift, ridge.X, ridge.y + shift, lam, optimizer=optimizer, steps=5)
        return jnp.sum(result.params**3) + result.loss + result.history.loss[2]

    x = jnp.array([0.3, 0.1, 0.2])
    expected = central_differences(jax.jit(h), x)
    np.testing.assert_allclose(jax.grad(h)(x), expected, rtol=1e-7)
    np.testing.assert_allclose(jax.jacfwd(h)(x), jax.grad(h)(x), rtol=1e-12)


def test_the_derivative_of_a_grid_by_its_members(ridge):
    # G λs of p entries each: dw_g/dλ_h = −(C + diag λ_g)⁻¹ diag(w_g) for h = g, and 0 for the others.
    lams = jnp.asarray(np.random.default_rng(0).uniform(0.2, 1.0, size=(2, 5)))

    def coefficients(lams):
        return train_grid(ridge.loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=SGD, steps=300).params

    expected = np.zeros((2, 5, 2, 5))
    for g, lam in enumerate(np.asarray(lams)):
        expected[g, :, g] = -np.linalg.solve(ridge.covariance + np.diag(lam), np.diag(ridge.closed_form(lam)))
    for derivative in (jax.jacrev, jax.jacfwd):
        np.testing.assert_allclose(derivative(coefficients)(lams), expected, atol=1e-12)


def test_with_a_tolerance_only_forwards(ridge):
    def h(lam):
        result = train(ridge.loss, ridge.start, ridge.X, ridge.y, lam, optimizer=SGD, steps=300, tol=1e-14)
        return jnp.sum(result.params)

    A = ridge.covariance + 0.3 * np.eye(5)
    expected = -np.linalg.solve(A, ridge.closed_form(0.3)).sum()
    np.testing.assert_allclose(jax.jvp(h, (0.3,), (1.0,))[1], expected, rtol=1e-9)
    with pytest.raises(ValueError, match="Reverse-mode"):
        jax.grad(h)(0.3)
