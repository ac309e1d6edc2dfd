"""Bad input is refused before the first step, with the argument, the leaf or the name in the message."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import fista, ista, product, train, train_grid
from jaxreg.formulas import soft_threshold

SGD = optax.sgd(0.1)
X, Y, W, LAMS = np.ones((6, 2)), np.ones(6), np.zeros(2), np.array([0.1, 0.2])


def loss(w, X, y, lam=0.1):
    return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)


def with_entry(array, index, value):
    array = np.array(array, float)
    array[index] = value
    return array


# Arguments of train(loss, params, *args, …) that replace the good ones; the error; what the message must have.
CASES = {
    "vector loss": ({"loss": lambda w, X, y: X @ w}, ValueError, r"shape \(6,\).*jnp.mean"),
    "pair": ({"loss": lambda w, X, y: (loss(w, X, y), w)}, ValueError, "returned tuple"),
    "no value": ({"loss": lambda w, X, y: None}, ValueError, "returned NoneType"),
    "integer loss": ({"loss": lambda w, X, y: jnp.sum(w > 0)}, TypeError, "returned int"),
    "complex loss": ({"args": (X + 1j, Y)}, TypeError, "returned complex"),
    "integer params": ({"params": {"a": {"b": jnp.array(1)}}}, TypeError, r"params\['a'\]\['b'\] has dtype int"),
    "integer among floats": ({"params": (1.0, jnp.array(1))}, TypeError, r"params\[1\]"),
    "complex params": ({"params": W + 1j}, TypeError, "params has dtype complex"),
    "no params": ({"params": {}}, ValueError, "params has no arrays"),
    "nan in X": (
        {"args": (with_entry(X, (3, 1), np.nan), Y)},
        ValueError,
        r"args\[0\] is not finite at index \(3, 1\) \(1 such",
    ),
    "inf in y": (
        {"args": (X, with_entry(Y, [2, 4], np.inf))},
        ValueError,
        r"args\[1\] is not finite at index \(2,\) \(2 such",
    ),
    "nan in a tree": (
        {"args": ({"x": with_entry(W, 1, np.nan)},)},
        ValueError,
        r"args\[0\]\['x'\] is not finite at index \(1,\)",
    ),
    "nan number": ({"args": (X, Y, float("nan"))}, ValueError, r"args\[2\] is nan"),
    "nan in params": ({"params": with_entry(W, 0, np.nan)}, ValueError, r"params is not finite at index \(0,\)"),
    "nan number in params": ({"params": {"a": float("nan")}}, ValueError, r"params\['a'\] is nan"),
    "no steps": ({"steps": 0}, ValueError, "steps is 0"),
    "fraction of steps": ({"steps": 2.5}, ValueError, "steps is 2.5"),
    "true steps": ({"steps": True}, ValueError, "steps is True"),
    "no stride": ({"record_every": 0}, ValueError, "record_every is 0"),
    "optimiser by name": ({"optimizer": "adam"}, TypeError, "optimizer is 'adam'.*optax"),
    "optimiser of another kind": ({"optimizer": 0.1}, TypeError, "optimizer is 0.1"),
    "batch without key": ({"batch_size": 2}, ValueError, "key=jax.random.key"),
    "empty batch": ({"batch_size": 0, "key": 0}, ValueError, "batch_size is 0"),
    "batch of nothing": ({"batch_size": 2, "key": 0, "args": ()}, ValueError, "batch_size draws rows"),
    "batch of unequal arrays": ({"batch_size": 2, "key": 0, "args": (X, np.ones(5))}, ValueError, r"\(6, 2\), \(5,\)"),
    "batch with a number": ({"batch_size": 2, "key": 0, "args": (X, Y, 0.1)}, ValueError, "one leading axis"),
    "data and batches": ({"batches": [(X, Y)] * 3}, ValueError, "either args .* or batches"),
    "batches that end": ({"batches": [(X, Y)] * 2, "args": ()}, ValueError, "ended after 2 of 3 steps"),
    "no batches": ({"batches": [], "args": ()}, ValueError, "ended after 0 of 3 steps"),
    "batches that are arrays": ({"batches": [X] * 3, "args": ()}, TypeError, "batches gave ndarray"),
    "nan in a batch": (
        {"batches": [(X, Y), (X, with_entry(Y, 5, np.nan))] * 2, "args": (), "record_every": 3},
        ValueError,
        r"batches\[1\]\[1\] is not finite at index \(5,\)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_train_refuses(case):
    changes, error, message = CASES[case]
    good = {"loss": loss, "params": W, "args": (X, Y), "optimizer": SGD, "steps": 3}
    given = good | changes
    function, params, args = given.pop("loss"), given.pop("params"), given.pop("args")
    with pytest.raises(error, match=message):
        train(function, params, *args, **given)


GRIDS = {
    "no dict": ([0.1], TypeError, "grid is list"),
    "empty": ({}, ValueError, "grid is empty"),
    "empty array": ({"lam": np.ones(0)}, ValueError, r"grid\['lam'\] is empty"),
    "a number": ({"lam": 0.1}, ValueError, r"grid\['lam'\] is a single number"),
    "unequal": ({"lam": LAMS, "other": np.ones(3)}, ValueError, r"'lam': 2, 'other': 3.*product"),
    "unknown": ({"lam": LAMS, "lamb": LAMS}, ValueError, r"grid\['lamb'\] is taken by nobody"),
    "unknown to a fixed optimiser": (
        {"learning_rate": LAMS},
        ValueError,
        r"grid\['learning_rate'\] is taken by nobody",
    ),
    "nan": ({"lam": with_entry(LAMS, 1, np.nan)}, ValueError, r"grid\['lam'\] is not finite at index \(1,\)"),
    "nan in a list": ({"lam": [0.1, float("nan")]}, ValueError, r"grid\['lam'\]\[1\] is nan"),
}


@pytest.mark.parametrize("case", GRIDS)
def test_train_grid_refuses(case):
    grid, error, message = GRIDS[case]
    with pytest.raises(error, match=message):
        train_grid(loss, W, grid, X, Y, optimizer=SGD, steps=3)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"block": 0}, ValueError, "block is 0"),
        ({"block": 1.5}, ValueError, "block is 1.5"),
        ({"optimizer": lambda lam: "adam"}, TypeError, "optimizer is 'adam'"),
        ({"params": lambda lam: jnp.array([1, 2])}, TypeError, "params has dtype int"),
        ({"args": (with_entry(X, (0, 0), np.nan), Y), "params": lambda lam: jnp.zeros(2)}, ValueError, r"args\[0\]"),
        ({"batch_size": 2}, ValueError, "key=jax.random.key"),
        ({"batches": [(X, Y)]}, ValueError, "either args"),
        ({"steps": -1}, ValueError, "steps is -1"),
    ],
)
def test_train_grid_refuses_options(changes, error, message):
    given = {"params": W, "args": (X, Y), "optimizer": SGD, "steps": 3} | changes
    params, args = given.pop("params"), given.pop("args")
    with pytest.raises(error, match=message):
        train_grid(loss, params, {"lam": LAMS}, *args, **given)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "at least one"),
        ({"lam": 0.1}, r"lam must be .* shape \(\)"),
        ({"lam": []}, r"lam must be .* shape \(0,\)"),
        ({"lam": [0.1, float("nan")]}, "lam.* is nan"),
    ],
)
def test_product_refuses(arrays, message):
    with pytest.raises(ValueError, match=message):
        product(**arrays)


# ------------------------------------------------------------------------------------------------ impure losses


def impure(kind):
    """A loss that is not the same function twice, or that keeps what it saw."""
    kept = []

    def keeps(w, X, y):
        kept.append(w)
        return loss(w, X, y)

    def draws_a_number(w, X, y):
        return loss(w, X, y) + np.random.default_rng().uniform()

    def draws_an_array(w, X, y):
        return loss(w, X + np.random.default_rng().normal(size=X.shape), y)

    def drops_out(w, X, y):
        return loss(w * (np.random.default_rng().uniform(size=200).max() * np.ones(2)), X, y)

    def counts(w, X, y):
        kept.append(1)
        return loss(w, X, y) * len(kept)

    return locals()[kind]


IMPURE = {
    "keeps": "keeps values of one call",
    "draws_a_number": "random numbers",
    "draws_an_array": "random numbers",
    "drops_out": "random numbers",
    "counts": "not the same function when it is called twice",
}


@pytest.mark.parametrize("kind", IMPURE)
def test_impure_losses_are_refused(kind):
    with pytest.raises(ValueError, match=IMPURE[kind]):
        train(impure(kind), W, X, Y, optimizer=SGD, steps=3)


def test_impure_losses_are_refused_inside_jit():
    with pytest.raises(ValueError, match="random numbers"):
        jax.jit(lambda X: train(impure("draws_an_array"), W, X, Y, optimizer=SGD, steps=3))(X)


def test_pure_losses_are_not():
    # Whatever a trace may look like: inner jit, custom derivatives, loops, constants from outside, a key.
    @jax.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))
    outside = np.arange(6.0)

    def everything(w, X, y, key):
        hidden = jax.nn.relu(jax.jit(jnp.dot)(X, w)) + jnp.asarray(outside)
        total, _ = jax.lax.scan(lambda carry, x: (carry + cube(x), None), 0.0, hidden)
        dropped = jax.random.bernoulli(key, 0.5, w.shape)
        normal = jax.checkpoint(jax.nn.logsumexp)(jnp.where(dropped, w, 0.0))
        return jax.lax.cond(total > 0, lambda: total, lambda: -total) * 1e-3 + normal + jnp.mean(optax.huber_loss(y))

    key = jax.random.key(0)
    result = train(everything, W + 0.1, X, Y, key, optimizer=SGD, steps=3)
    assert np.isfinite(result.loss)
    assert np.isfinite(jax.jit(lambda X: train(everything, W + 0.1, X, Y, key, optimizer=SGD, steps=3).loss)(X))


# ------------------------------------------------------------------------------------------------ 64-bit mode off


@pytest.mark.parametrize(
    "call",
    [
        lambda: train(loss, W, jnp.ones((6, 2)), jnp.ones(6), optimizer=SGD, steps=3),
        lambda: train(loss, jnp.zeros(2), jnp.ones((6, 2)), Y, optimizer=SGD, steps=3),
        lambda: train_grid(loss, jnp.zeros(2), {"lam": LAMS}, jnp.ones((6, 2)), jnp.ones(6), optimizer=SGD, steps=3),
        lambda: train(loss, jnp.zeros(2), batches=[(X, Y)] * 3, optimizer=SGD, steps=3),
        lambda: product(lam=LAMS),
    ],
    ids=["params", "args", "grid", "batches", "product"],
)
def test_float64_is_not_rounded_in_silence(x32, call):
    """In a call of its own it is float64; inside a program of the caller, whose mode it is, it is refused."""
    found = call()
    leaves = [found["lam"]] if isinstance(found, dict) else [found.loss, found.history.loss]
    assert all(leaf.dtype == np.float64 for leaf in leaves)
    assert not jax.config.jax_enable_x64


def test_float64_inside_a_program_is_refused(x32):
    run = lambda w: train(loss, w, jnp.ones((6, 2)), Y, optimizer=SGD, steps=3).loss
    with pytest.raises(TypeError, match=r"args\[1\] is a NumPy float64 array.*enable_x64"):
        jax.jit(run)(jnp.zeros(2))


def test_goes_on_in_float64(x32):
    first = train(loss, W, X, Y, optimizer=SGD, steps=3)
    assert train(loss, first, X, Y, optimizer=SGD, steps=3).params.dtype == np.float64
    with jax.enable_x64(True):
        expected = train(loss, W, X, Y, optimizer=SGD, steps=6)
    np.testing.assert_allclose(train(loss, first, X, Y, optimizer=SGD, steps=3).params, expected.params, rtol=1e-14)


# ------------------------------------------------------------------------------------------------ what is no mistake


def test_what_is_no_mistake(ridge):
    # Numbers as params and data, a loss with a default, an object with __call__, a jitted loss, a fixed step as array.
    assert train(lambda w, t: (w - t) ** 2, 0.0, 3.0, optimizer=SGD, steps=200).params == pytest.approx(3.0)

    class Loss:
        def __call__(self, w, X, y, lam):
            return ridge.loss(w, X, y, lam)

    expected = train_grid(ridge.loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, optimizer=SGD, steps=3).params
    for one in (Loss(), jax.jit(ridge.loss)):
        result = train_grid(one, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, optimizer=SGD, steps=3)
        np.testing.assert_allclose(result.params, expected, rtol=1e-13)
    for method in (ista, fista):
        optimizer = method(np.asarray(0.1), lambda w, step: soft_threshold(w, 0.1 * step))
        assert train(loss, W, X, Y, optimizer=optimizer, steps=3).n_steps == 3
