"""Auxiliary values, going on, validation, keys of one's own, schedules in the grid, and pytrees that can be called."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import train, train_grid
from jaxreg.training import DivergenceWarning, minibatches

SGD, ADAM = optax.sgd(0.2), optax.adam(0.05)
LAMS = np.array([0.1, 0.3, 1.0])


def by_hand(loss, w, optimizer, batches):
    """θ after every step, the start first, by optax alone."""
    state, path = optimizer.init(jnp.asarray(w)), [jnp.asarray(w)]
    for batch in batches:
        updates, state = optimizer.update(jax.grad(loss)(path[-1], *batch), state, path[-1])
        path.append(optax.apply_updates(path[-1], updates))
    return path


# ------------------------------------------------------------------------------------------------ has_aux


def with_aux(w, X, y, lam=0.3):
    residual = X @ w - y
    return 0.5 * jnp.mean(residual**2) + 0.5 * lam * jnp.sum(w**2), {"residual": residual, "lam": lam}


def test_aux_is_that_of_the_last_params(ridge, same):
    got = train(with_aux, ridge.start, ridge.X, ridge.y, optimizer=ADAM, steps=9, has_aux=True)
    plain = train(ridge.loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=ADAM, steps=9)
    same(got._replace(aux=None), plain, 1e-13)
    np.testing.assert_allclose(got.aux["residual"], ridge.X @ got.params - ridge.y, rtol=1e-12)
    assert plain.aux is None


def test_aux_of_a_grid_and_of_a_stream(ridge):
    grid = train_grid(
        with_aux, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, optimizer=SGD, steps=9, has_aux=True, block=2
    )
    np.testing.assert_allclose(grid.aux["residual"], np.asarray(grid.params) @ ridge.X.T - ridge.y, rtol=1e-12)
    np.testing.assert_allclose(grid.aux["lam"], LAMS)
    batches = [(ridge.X[k : k + 8], ridge.y[k : k + 8]) for k in range(5)]
    stream = train(with_aux, ridge.start, batches=batches, optimizer=SGD, steps=5, record_every=2, has_aux=True)
    np.testing.assert_allclose(stream.aux["residual"], ridge.X[4:12] @ stream.params - ridge.y[4:12], rtol=1e-12)


def test_a_pair_is_asked_for_and_only_then_taken(ridge):
    with pytest.raises(ValueError, match="has_aux=True, loss must return a pair"):
        train(ridge.loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=SGD, steps=2, has_aux=True)
    with pytest.raises(ValueError, match=r"returned tuple.*has_aux"):
        train(with_aux, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=2)


# ------------------------------------------------------------------------------------------------ going on


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 8, "key": jax.random.key(1)}, {"tol": 1e-30}], ids=["plain", "batches", "tol"]
)
def test_fifty_steps_and_fifty_more_are_a_hundred(ridge, same, options):
    def run(start, steps):
        return train(ridge_loss, start, ridge.X, ridge.y, optimizer=ADAM, steps=steps, record_every=10, **options)

    whole = run(ridge.start, 100)
    first = run(ridge.start, 50)
    second = run(first, 50)
    same(second._replace(history=None), whole._replace(history=None), 1e-13)
    np.testing.assert_allclose(
        jnp.concatenate([first.history.loss, second.history.loss]), whole.history.loss, rtol=1e-13
    )
    np.testing.assert_array_equal(second.history.step, np.arange(60, 101, 10))
    if not options:
        path = by_hand(ridge_loss, ridge.start, ADAM, [(ridge.X, ridge.y)] * 100)
        np.testing.assert_allclose(second.params, path[-1], rtol=1e-12)


def ridge_loss(w, X, y, lam=0.3):
    return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * lam * jnp.sum(w**2)


def test_a_grid_and_a_stream_go_on(ridge, same, compilations):
    options = {"optimizer": ADAM, "batch_size": 8, "key": jax.random.split(jax.random.key(0), 3), "block": 2}

    def run(start, steps):
        return train_grid(ridge_loss, start, {"lam": LAMS}, ridge.X, ridge.y, steps=steps, record_every=5, **options)

    first = run(ridge.start, 20)
    second = run(first, 20)
    same(second._replace(history=None), run(ridge.start, 40)._replace(history=None), 1e-13)
    assert compilations(lambda: run(second, 20)) == 0
    stream = list(zip(*[minibatches(jax.random.key(0), ridge.X, ridge.y, batch_size=8)], range(12), strict=False))
    batches = [batch for batch, _ in stream]
    half = train(ridge_loss, ridge.start, batches=batches[:6], optimizer=ADAM, steps=6)
    got = train(ridge_loss, half, batches=batches[6:], optimizer=ADAM, steps=6)
    np.testing.assert_allclose(got.params, by_hand(ridge_loss, ridge.start, ADAM, batches)[-1], rtol=1e-12)
    assert got.n_steps == 12


def test_members_that_are_lost_stay_so(ridge):
    rates = {"rate": np.array([0.2, 50.0])}
    options = {"optimizer": lambda rate: optax.sgd(rate), "steps": 100}
    with pytest.warns(DivergenceWarning, match="member 1"):
        first = train_grid(ridge_loss, ridge.start, rates, ridge.X, ridge.y, **options)
    with pytest.warns(DivergenceWarning, match="member 1"):
        second = train_grid(ridge_loss, first, rates, ridge.X, ridge.y, **options)
    np.testing.assert_array_equal(second.n_steps, [200, first.n_steps[1]])
    np.testing.assert_array_equal(second.params[1], first.params[1])
    np.testing.assert_allclose(second.params[0], ridge.closed_form(0.3), atol=1e-8)


def test_a_start_that_does_not_fit_is_refused(ridge):
    first = train(ridge_loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=2)
    with pytest.raises(ValueError, match="state that is not of this optimizer"):
        train(ridge_loss, first, ridge.X, ridge.y, optimizer=ADAM, steps=2)
    with pytest.raises(ValueError, match="the grid 3 members"):
        train_grid(ridge_loss, first, {"lam": LAMS}, ridge.X, ridge.y, optimizer=SGD, steps=2)


# ------------------------------------------------------------------------------------------------ a key a member


def test_every_member_draws_rows_of_its_own(ridge):
    # As many single runs, each with its key; the history is that of the whole data.
    keys = jax.random.split(jax.random.key(3), 3)
    options = {"optimizer": SGD, "steps": 20, "batch_size": 8}
    loops = [
        train(lambda w, X, y, lam=lam: ridge_loss(w, X, y, lam), ridge.start, ridge.X, ridge.y, key=key, **options)
        for lam, key in zip(LAMS, keys, strict=True)
    ]
    for given in (keys, jax.random.key_data(keys)):
        for block in (None, 2):
            grid = train_grid(
                ridge_loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, key=given, block=block, **options
            )
            np.testing.assert_allclose(grid.params, [one.params for one in loops], rtol=1e-12)
            np.testing.assert_allclose(grid.history.loss, [one.history.loss for one in loops], rtol=1e-12)
    with pytest.raises(ValueError, match=r"key has shape \(2,\).* 3 members"):
        train_grid(ridge_loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, key=keys[:2], **options)


# ------------------------------------------------------------------------------------------------ validation


@pytest.fixture
def halves(ridge, rng):
    """Few rows to train on, so that the error on the others falls and rises again."""
    X = rng.normal(size=(30, 12))
    y = X @ np.r_[np.ones(2), np.zeros(10)] + 2.0 * rng.normal(size=30)
    return (X[:14], y[:14]), (X[14:], y[14:])


def squares(w, X, y, lam=0.0):
    return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * lam * jnp.sum(w**2)


def error(w, X, y):
    return jnp.mean((X @ w - y) ** 2)


def stopped_by_hand(path, held_out, patience, loss):
    """(best step, its loss, last step): stop after `patience` looks without a smaller loss."""
    best, value, waited = 0, np.inf, 0
    for step, w in enumerate(path):
        now = float(loss(w, *held_out))
        best, value, waited = (step, now, 0) if now < value else (best, value, waited + 1)
        if waited == patience:
            break
    return best, value, step


@pytest.mark.parametrize("patience", [None, 1, 3])
def test_the_best_params_are_kept(halves, patience):
    given, held_out = halves
    options = {"optimizer": optax.sgd(0.1), "steps": 60, "record_every": 1, "validation": held_out}
    got = train(squares, np.zeros(12), *given, validation_loss=error, patience=patience, **options)
    path = by_hand(squares, np.zeros(12), options["optimizer"], [given] * 60)
    step, value, last = stopped_by_hand(path, held_out, patience, error)
    assert 0 < step < 40  # it falls and rises again
    assert (got.best.step, got.n_steps) == (step, last)
    np.testing.assert_allclose(got.best.loss, value, rtol=1e-12)
    np.testing.assert_allclose(got.best.params, path[step], rtol=1e-12)
    np.testing.assert_allclose(got.params, path[last], rtol=1e-12)
    seen = [float(error(w, *held_out)) for w in path[1 : last + 1]]
    np.testing.assert_allclose(got.best.history[:last], seen, rtol=1e-11)
    assert got.best.history.shape == (60,)


def test_validation_in_a_grid_and_in_a_stream(halves):
    given, held_out = halves
    sgd = optax.sgd(0.1)
    options = {"optimizer": sgd, "steps": 60, "record_every": 1, "validation": held_out, "patience": 2}
    grid = train_grid(squares, np.zeros(12), {"lam": LAMS}, *given, validation_loss=error, **options)
    for g, lam in enumerate(LAMS):
        path = by_hand(lambda w, X, y, lam=lam: squares(w, X, y, lam), np.zeros(12), sgd, [given] * 60)
        step, value, last = stopped_by_hand(path, held_out, 2, error)
        assert (grid.best.step[g], grid.n_steps[g]) == (step, last)
        np.testing.assert_allclose(grid.best.params[g], path[step], rtol=1e-12)
        np.testing.assert_allclose(grid.best.loss[g], value, rtol=1e-12)
    stream = train(squares, np.zeros(12), batches=[given] * 60, **options)  # by the loss itself
    path = by_hand(squares, np.zeros(12), sgd, [given] * 60)
    step, value, last = stopped_by_hand(path, held_out, 2, squares)
    assert (stream.best.step, stream.n_steps) == (step, last)


def test_a_run_goes_on_with_its_best(halves):
    given, held_out = halves
    run = lambda start, steps: train(
        squares, start, *given, optimizer=optax.sgd(0.1), steps=steps, record_every=1, validation=held_out
    )
    whole, parts = run(np.zeros(12), 60), run(run(np.zeros(12), 30), 30)
    assert parts.best.step == whole.best.step
    np.testing.assert_allclose(parts.best.params, whole.best.params, rtol=1e-13)


@pytest.mark.parametrize(
    ("options", "error_", "message"),
    [
        ({"patience": 2}, ValueError, "patience waits for"),
        ({"patience": 0, "validation": ()}, ValueError, "patience is 0"),
        ({"validation": np.ones(3)}, TypeError, "validation is ndarray"),
        ({"validation": (np.array([np.nan]),)}, ValueError, r"validation\[0\] is not finite"),
        (
            {"validation": (np.ones((2, 5)), np.ones(2)), "validation_loss": lambda w, X, y: X @ w},
            ValueError,
            "validation_loss must",
        ),
    ],
)
def test_validation_refuses(ridge, options, error_, message):
    with pytest.raises(error_, match=message):
        train(ridge_loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=2, **options)


# ------------------------------------------------------------------------------------------------ schedules in the grid

SCHEDULES = {
    "decay rate": (lambda a: optax.exponential_decay(0.2, 5, a), [0.5, 0.9]),
    "decay steps": (lambda a: optax.cosine_decay_schedule(0.2, a), [10, 25]),
    "peak after a warm-up": (lambda a: optax.warmup_cosine_decay_schedule(0.0, a, 5, 25), [0.1, 0.3]),
    "piecewise": (lambda a: optax.piecewise_constant_schedule(0.2, {10: a}), [0.5, 0.1]),
    "length": (lambda a: optax.linear_schedule(0.2, 0.01, a), [10, 20]),
    "restarts": (
        lambda a: optax.sgdr_schedule(
            [{"init_value": 0.0, "peak_value": a, "decay_steps": 10, "warmup_steps": 2, "end_value": 0.0}] * 2
        ),
        [0.1, 0.2],
    ),
}


@pytest.mark.parametrize("method", [optax.sgd, optax.adamw], ids=["sgd", "adamw"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_numbers_of_a_schedule_are_in_the_grid(ridge, name, method, compilations):
    schedule, values = SCHEDULES[name]
    maker = lambda a: method(schedule(a))

    def call(values):
        grid = {"a": np.asarray(values)}
        return train_grid(ridge_loss, ridge.start, grid, ridge.X, ridge.y, optimizer=maker, steps=30).params

    got = call(values)
    for a, params in zip(values, got, strict=True):
        path = by_hand(ridge_loss, ridge.start, method(schedule(a)), [(ridge.X, ridge.y)] * 30)
        # optax counts steps in int32, of which JAX makes float32 beside a number of Python's.
        np.testing.assert_allclose(params, path[-1], rtol=1e-6)
    assert compilations(lambda: call(values[::-1])) == 0


def test_members_whose_schedules_are_other_programs(ridge):
    maker = lambda decay: optax.sgd(optax.exponential_decay(0.2, 5, decay))
    with pytest.raises(ValueError, match="another program for member 1"):
        train_grid(ridge_loss, ridge.start, {"decay": [0.5, 0.0]}, ridge.X, ridge.y, optimizer=maker, steps=3)


# ------------------------------------------------------------------------------------------------ params


@jax.tree_util.register_dataclass
@dataclass
class Linear:
    w: jax.Array

    def __call__(self, X):
        return X @ self.w


def test_parameters_that_can_be_called(ridge):
    def loss(model, X, y, lam):
        return 0.5 * jnp.mean((model(X) - y) ** 2) + 0.5 * lam * jnp.sum(model.w**2)

    got = train_grid(loss, Linear(jnp.zeros(5)), {"lam": LAMS}, ridge.X, ridge.y, optimizer=SGD, steps=400)
    assert isinstance(got.params, Linear)
    np.testing.assert_allclose(got.params.w, [ridge.closed_form(lam) for lam in LAMS], atol=1e-10)
    # What makes params is still a function, a partial one too.
    make = jax.tree_util.Partial(lambda start, lam: start + lam, jnp.zeros(5))
    made = train_grid(ridge_loss, make, {"lam": LAMS}, ridge.X, ridge.y, optimizer=optax.sgd(0.0), steps=1)
    np.testing.assert_allclose(made.params, np.tile(LAMS[:, None], 5))


@pytest.mark.parametrize(
    ("params", "args", "message"),
    [
        ({"a": jnp.ones(2, jnp.bfloat16)}, (), r"params\['a'\] has dtype bfloat16.*float32"),
        ({"a": jnp.ones(2), "f": jnp.tanh}, (), r"params\['f'\] is the function tanh"),
        ({"a": jnp.ones(2), "s": "relu"}, (), r"params\['s'\] is str 'relu'"),
        ({"a": jnp.ones(2)}, ({"mode": "mean"},), r"args\[0\]\['mode'\] is str 'mean'"),
    ],
)
def test_leaves_that_cannot_be_trained_are_named(params, args, message):
    loss = lambda params, *args: jnp.sum(params["a"] ** 2).astype(float)
    with pytest.raises(TypeError, match=message):
        train(loss, params, *args, optimizer=SGD, steps=2)
    if not args:
        with pytest.raises(TypeError, match=message):
            train_grid(lambda p, lam: loss(p), params, {"lam": LAMS}, optimizer=SGD, steps=2)


@pytest.mark.parametrize("options", [{}, {"tol": 1e-6}, {"gap": lambda w: jnp.sum(w**2)}], ids=["plain", "tol", "gap"])
@pytest.mark.parametrize(
    "optimizer", [SGD, optax.lbfgs(), optax.chain(optax.zero_nans(), SGD)], ids=["sgd", "lbfgs", "zeroed"]
)
def test_a_gradient_that_is_nan_at_the_start(optimizer, options):
    # ‖w‖ has no derivative at 0, and JAX makes NaN of it; the loss is 0 there, and finite.
    with pytest.warns(DivergenceWarning, match="in step 0.*gradient is not finite at the start"):
        got = train(lambda w: jnp.sqrt(jnp.sum(w**2)), jnp.zeros(3), optimizer=optimizer, steps=5, **options)
    assert got.diverged
    assert not got.converged
    assert got.n_steps == 0
