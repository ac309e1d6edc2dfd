"""Every family of optax trains ridge to its closed form; accumulated gradients are those of large batches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from jaxreg import train

LAM, STEPS = 0.3, 4000
# Below 2/L, for the L = 2.004 of `ridge`.
RATE = 0.4

# What each reaches in 4,000 steps from 0, and the tolerance asserted (float64, the largest entry of w is 1.4).
# - On a quadratic, gradient descent, with momentum or Nesterov's, contracts by a constant factor down to rounding.
# - Adam does here too: its step is the ratio of two averages, and both vanish.
# - Lion steps by its learning rate, whatever the gradient is, and RMSprop nearly so: they come as close as the last
#   learning rate, 0.1 · 2⁻⁴⁰ = 9e-14, and with a constant one they would stay at a distance of that size.
# - The schedule-free methods return an average over all steps, which forgets the first ones like a power of the steps.
HALVING = optax.exponential_decay(0.1, 100, 0.5)
OPTIMIZERS = {
    "sgd": (optax.sgd(RATE), 1e-14),
    "momentum": (optax.sgd(RATE / 2, momentum=0.5), 1e-14),
    "nesterov": (optax.sgd(RATE / 2, momentum=0.5, nesterov=True), 1e-14),
    "adam": (optax.adam(0.05), 1e-14),
    "adamw": (optax.adamw(0.05, weight_decay=0.0), 1e-14),
    "lion": (optax.lion(HALVING, weight_decay=0.0), 1e-12),
    "rmsprop": (optax.rmsprop(HALVING), 1e-12),
    "constant, then cosine": (
        optax.sgd(optax.join_schedules([lambda step: RATE, optax.cosine_decay_schedule(RATE, STEPS)], [100])),
        1e-14,
    ),
    "warm up, then cosine": (optax.sgd(optax.warmup_cosine_decay_schedule(0.0, RATE, 100, STEPS)), 1e-14),
    "clipped": (optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(RATE)), 1e-14),
    "schedule-free adamw": (contrib.schedule_free_adamw(0.05, warmup_steps=100, weight_decay=0.0), 1e-11),
    "schedule-free sgd": (contrib.schedule_free_sgd(RATE), 1e-12),
}


@pytest.mark.parametrize(("optimizer", "tolerance"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_ridge_reaches_its_closed_form(ridge, request, optimizer, tolerance):
    result = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=optimizer, steps=STEPS)
    w = result.params
    if request.node.callspec.id.startswith("schedule-free"):
        w = contrib.schedule_free_eval_params(result.state, result.params)
    np.testing.assert_allclose(w, ridge.closed_form(LAM), rtol=0, atol=tolerance)
    assert not result.diverged


def test_lbfgs_needs_few_steps(ridge):
    result = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=optax.lbfgs(), steps=20, record_every=1)
    np.testing.assert_allclose(result.params, ridge.closed_form(LAM), rtol=0, atol=1e-14)
    assert result.history.residual[10] < 1e-8 < result.history.residual[2]


def test_a_line_search_sees_the_loss():
    # optax's own loop in Rosenbrock's valley, where full steps would not do.
    lbfgs = optax.lbfgs()

    def loss(w):
        return 100.0 * (w[1] - w[0] ** 2) ** 2 + (1.0 - w[0]) ** 2

    @jax.jit
    def step(w, state):
        value, gradient = jax.value_and_grad(loss)(w)
        updates, state = lbfgs.update(gradient, state, w, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(w, updates), state

    w = start = jnp.array([-1.2, 1.0])
    state, lengths = lbfgs.init(w), []
    for _ in range(12):
        w, state = step(w, state)
        lengths.append(float(state[-1].learning_rate))
    assert len(set(lengths)) > 2
    result = train(loss, start, optimizer=lbfgs, steps=12)
    np.testing.assert_allclose(result.params, w, rtol=1e-9)
    assert result.residual > 1e-6
    result = train(loss, start, optimizer=lbfgs, steps=60)
    np.testing.assert_allclose(result.params, [1.0, 1.0], rtol=1e-10)


def test_a_constant_learning_rate_is_not_enough_for_signs(ridge):
    result = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=optax.lion(1e-2), steps=STEPS)
    assert 1e-4 < np.abs(result.params - ridge.closed_form(LAM)).max() < 1e-1


def test_before_the_end_the_schedule_free_average_is_another_point(ridge):
    optimizer = contrib.schedule_free_sgd(RATE)
    result = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=optimizer, steps=20)
    average = contrib.schedule_free_eval_params(result.state, result.params)
    assert np.abs(average - result.params).max() > 1e-4


def test_the_schedule_counts_steps(ridge):
    # The learning rates 1/2, 1/4, 1/8, …: optax computes schedules in float32, where these are exact.
    w = ridge.start
    for k in range(6):
        w = w - 0.5 ** (k + 1) * ((ridge.covariance + LAM * np.eye(5)) @ w - ridge.X.T @ ridge.y / 40)
    optimizer = optax.sgd(optax.exponential_decay(0.5, 1, 0.5))
    result = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=optimizer, steps=6, record_every=4)
    np.testing.assert_allclose(result.params, w, rtol=1e-13)


def test_accumulated_gradients_are_those_of_large_batches(ridge):
    inner = optax.adam(0.1)
    rows = np.random.default_rng(1).permutation(40).reshape(5, 8)  # five large batches, each of four small ones
    large = [(ridge.X[r], ridge.y[r], LAM) for r in rows]
    small = [(ridge.X[r], ridge.y[r], LAM) for r in rows.reshape(20, 2)]
    accumulate = optax.MultiSteps(inner, every_k_schedule=4, accumulator_dtype=jnp.float64)  # float32 if not told
    expected = train(ridge.loss, ridge.start, batches=large, optimizer=inner, steps=5)
    for optimizer in (accumulate, accumulate.gradient_transformation()):
        result = train(ridge.loss, ridge.start, batches=small, optimizer=optimizer, steps=20, record_every=5)
        np.testing.assert_allclose(result.params, expected.params, rtol=1e-12, atol=1e-12)
    unaccumulated = train(ridge.loss, ridge.start, batches=small, optimizer=inner, steps=20)
    assert np.abs(unaccumulated.params - expected.params).max() > 1e-2


def test_part_of_the_parameters_may_be_frozen(ridge):
    def loss(params, X, y):
        return 0.5 * jnp.mean((X @ params["w"] + params["b"] - y) ** 2)

    params = {"w": ridge.start, "b": jnp.array(3.0)}
    labels = {"w": "train", "b": "freeze"}
    optimizer = optax.partition({"train": optax.sgd(RATE), "freeze": optax.set_to_zero()}, labels)
    result = train(loss, params, ridge.X, ridge.y, optimizer=optimizer, steps=STEPS)
    assert float(result.params["b"]) == 3.0
    np.testing.assert_allclose(result.params["w"], np.linalg.lstsq(ridge.X, ridge.y - 3.0)[0], atol=1e-13)


def test_the_state_continues_where_it_stopped(ridge, same):
    # state is the optimiser's: ten steps by hand after ten of train are twenty of train.
    adam = optax.adam(0.1)
    half = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=adam, steps=10)
    params, state = half.params, half.state
    for _ in range(10):
        updates, state = adam.update(jax.grad(ridge.loss)(params, ridge.X, ridge.y, LAM), state, params)
        params = optax.apply_updates(params, updates)
    whole = train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=adam, steps=20)
    same((params, state), (whole.params, whole.state), 1e-12)
