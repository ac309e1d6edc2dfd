"""One program a loss: nothing is compiled twice, and the calls work inside the user's jit, vmap and grad."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from jaxreg import fista, ista, train, train_grid
from jaxreg.formulas import soft_threshold
from jaxreg.training.sameness import ByContent

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


def test_an_optimiser_written_again_is_the_same_one(ridge, counted, compilations):
    loss, traces = counted
    prox = lambda w, step: soft_threshold(w, 0.1 * step)
    schedule = lambda rate: optax.exponential_decay(rate, 10, 0.5)
    makers = {
        "sgd": lambda rate: optax.sgd(rate, momentum=0.5),
        "adamw": lambda rate: optax.adamw(rate),
        "lbfgs": lambda rate: optax.lbfgs(rate),
        "a schedule": lambda rate: optax.sgd(schedule(rate)),
        "a chain": lambda rate: optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(rate)),
        "fista": lambda rate: fista(rate, prox),
        "schedule-free": lambda rate: optax.contrib.schedule_free_sgd(rate),
    }
    for name, make in makers.items():

        def call(rate, make=make):
            return train(loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=make(rate), steps=5).params

        first, before = call(0.25), len(traces)
        assert compilations(lambda call=call: call(0.25)) == 0, name
        assert len(traces) == before, name
        assert np.abs(call(0.125) - first).max() > 1e-3, name  # another number is another program


def test_what_the_user_wrote_is_the_same_only_if_it_is_the_same_object():
    # Two functions of the same code may read a global variable that has changed in between.
    one, other = (lambda rate: optax.sgd(rate) for _ in range(2))
    assert one.__code__ == other.__code__
    assert ByContent(one) != ByContent(other)
    assert ByContent(one) == ByContent(one)
    assert ByContent(ista(0.1, one)) != ByContent(ista(0.1, other))
    assert len({ByContent(x) for x in (1, 1.0, True, 0.0, -0.0, np.float64(1.0), "1", None, (1,), [1])}) == 10
    names = {}
    exec("homeless = lambda w, step: w", names)  # a function of no module, as in a doctest
    assert ByContent(ista(0.1, names["homeless"])) == ByContent(ista(0.1, names["homeless"]))
    array = jnp.ones(())
    assert ByContent(ista(array, one)) == ByContent(ista(array, one))
    assert ByContent(ista(array, one)) != ByContent(ista(jnp.ones(()), one))
    # Lists and dicts may change: what counts is what they hold when train is called.
    mask = {"a": True, "b": False}
    before = ByContent(optax.masked(optax.sgd(0.1), mask))
    assert before == ByContent(optax.masked(optax.sgd(0.1), dict(mask)))
    mask["b"] = True
    assert before != ByContent(optax.masked(optax.sgd(0.1), mask))


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


@pytest.mark.parametrize("optimizer", [optax.lbfgs(), optax.lbfgs(linesearch=None)], ids=["search", "no search"])
def test_lbfgs_refuses_to_be_differentiated(ridge, optimizer):
    # After convergence its derivatives are quotients of rounding errors: 1e16 and more, never to be returned.
    def h(lam, stop=lambda x: x):
        lam = stop(lam)
        loss = lambda w: ridge.loss(w, ridge.X, ridge.y, lam)  # λ comes in by the closure, not as an argument
        return jnp.sum(train(loss, ridge.start, optimizer=optimizer, steps=10).params)

    grid = lambda lams: (
        train_grid(ridge.loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=optimizer, steps=10).loss
    )
    for derivative in (jax.grad(h), jax.jit(jax.grad(h)), jax.jacfwd(h)):
        with pytest.raises(TypeError, match=r"L-BFGS .* has no useful derivative.*stop_gradient"):
            derivative(0.3)
    with pytest.raises(TypeError, match="no useful derivative"):
        jax.jacfwd(grid)(jnp.array([0.1, 0.3]))
    assert jax.grad(lambda lam: h(lam, jax.lax.stop_gradient) * lam)(0.3) == pytest.approx(float(h(0.3)))
