"""A loss that reads what changes gives the right answer each time, and nothing is kept alive that the user let go."""

import gc
import types
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import ista, train, train_grid
from jaxreg.formulas import soft_threshold
from jaxreg.training import kept

SGD = optax.sgd(0.2)
LAM = 0.0
SETTINGS = {"lam": [0.0]}
SPACE = types.SimpleNamespace(inner=types.SimpleNamespace(lam=0.0))
ARRAY = np.zeros(1)


def half_square(w):
    return 0.5 * LAM * jnp.sum(w**2)


def body(total, x):
    return total + 0.5 * LAM * x**2, None


jitted = jax.jit(half_square)
checkpointed = jax.checkpoint(half_square)


class Penalised:
    lam = 0.0

    def __init__(self):
        self.results = []

    @property
    def weight(self):
        return self.lam

    def penalty(self, w):
        return 0.5 * self.weight * jnp.sum(w**2)

    def loss(self, w, X, y):
        return 0.5 * jnp.mean((X @ w - y) ** 2) + self.penalty(w)

    __call__ = loss


MODEL = Penalised()

# Each penalty is ½ λ Σ w², λ from somewhere outside.
PENALTIES = {
    "global": lambda w: 0.5 * LAM * jnp.sum(w**2),
    "dict of lists": lambda w: 0.5 * SETTINGS["lam"][0] * jnp.sum(w**2),
    "attribute of an attribute": lambda w: 0.5 * SPACE.inner.lam * jnp.sum(w**2),
    "array changed in place": lambda w: 0.5 * jnp.asarray(ARRAY)[0] * jnp.sum(w**2),
    "getattr": lambda w: 0.5 * getattr(SPACE.inner, "lam") * jnp.sum(w**2),  # noqa: B009
    "object": lambda w: MODEL.penalty(w),
    "helper": lambda w: half_square(w),
    "scan": lambda w: jax.lax.scan(body, 0.0, w)[0],
    "jit": lambda w: jitted(w),
    "checkpoint": lambda w: checkpointed(w),
    "map": lambda w: jnp.sum(jax.lax.map(half_square, w)),
}


@pytest.fixture(autouse=True)
def put_back():
    yield
    set_lam(0.0)


def set_lam(value):
    global LAM
    LAM = SETTINGS["lam"][0] = SPACE.inner.lam = ARRAY[0] = MODEL.lam = value


@pytest.mark.parametrize("where", PENALTIES)
def test_a_loss_that_reads_what_changes(ridge, where):
    # Held against (C + λI) w = c. The second round meets what the first one left behind.
    penalty = PENALTIES[where]

    def loss(w, X, y):
        return 0.5 * jnp.mean((X @ w - y) ** 2) + penalty(w)

    for lam in (0.1, 1.0, 0.1, 3.0):
        set_lam(lam)
        got = train(loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=400).params
        np.testing.assert_allclose(got, ridge.closed_form(lam), atol=1e-10)


def test_methods_and_objects_that_are_losses(ridge):
    for lam in (0.1, 1.0):
        MODEL.lam = lam
        for loss in (MODEL.loss, MODEL):
            got = train(loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=400).params
            np.testing.assert_allclose(got, ridge.closed_form(lam), atol=1e-10)


def test_closures_defaults_and_function_attributes(ridge):
    lam = 0.1

    def loss(w, X, y, extra=None):
        return ridge.loss(w, X, y, lam) + loss.more * jnp.sum(w**2) / 2

    loss.more = 0.0
    for lam, loss.more in ((0.1, 0.0), (1.0, 0.0), (1.0, 2.0)):
        got = train(loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=400).params
        np.testing.assert_allclose(got, ridge.closed_form(lam + loss.more), atol=1e-10)


def test_the_other_functions_of_a_call_are_read_as_well(ridge):
    # The prox, the maker of params, the maker of the optimiser, and the gap.
    method = ista(0.2, lambda w, step: w / (1 + step * LAM))  # the prox of ½ λ Σ w²
    make_params = lambda shift: jnp.zeros(5) + shift + LAM
    make_sgd = lambda rate: optax.sgd(rate * LAM)
    gap = lambda w, X, y: LAM + 0.0 * jnp.sum(w)
    free = lambda w, X, y: ridge.loss(w, X, y, 0.0)
    zero = jnp.zeros(1)
    for lam in (0.5, 1.0):
        set_lam(lam)
        got = train(free, ridge.start, ridge.X, ridge.y, optimizer=method, steps=400, gap=gap)
        np.testing.assert_allclose(got.params, ridge.closed_form(lam), atol=1e-10)
        assert got.residual == lam
        start = train_grid(free, make_params, {"shift": zero}, ridge.X, ridge.y, optimizer=optax.sgd(0.0), steps=1)
        np.testing.assert_allclose(start.params, lam)
        one = train_grid(free, ridge.start, {"rate": zero + 1}, ridge.X, ridge.y, optimizer=make_sgd, steps=1)
        np.testing.assert_allclose(one.params[0], lam * ridge.X.T @ ridge.y / 40, rtol=1e-12)


def test_what_the_loss_does_not_read_may_change(ridge, compilations):
    # A trainer that keeps its results beside λ: the second call compiles nothing.
    model = Penalised()

    def call():
        model.results.append(train(model.loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=5))

    assert compilations(call) > 0
    assert compilations(call) == 0


def test_going_back_and_forth_compiles_nothing_new(ridge, compilations):
    loss = lambda w, X, y: 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * LAM * jnp.sum(w**2)

    def call(lam):
        set_lam(lam)
        train(loss, ridge.start, ridge.X, ridge.y, optimizer=SGD, steps=5)

    call(0.1), call(1.0)
    assert compilations(lambda: (call(0.1), call(1.0))) == 0


@pytest.mark.parametrize("how", ["train", "grid", "stream"])
def test_losses_written_anew_keep_nothing_alive(ridge, how):
    # As with plain jit: the data that a loss closes over go when it goes.
    alive, start = [], len(kept._kept)

    def call(k):
        X = jnp.asarray(ridge.X) * (1.0 + k)
        alive.append(weakref.ref(X))
        loss = lambda w, lam=0.1: 0.5 * jnp.mean((X @ w - ridge.y) ** 2) + lam * jnp.sum(w**2)
        if how == "train":
            train(loss, ridge.start, optimizer=SGD, steps=2)
        elif how == "grid":
            train_grid(loss, ridge.start, {"lam": np.ones(2)}, optimizer=SGD, steps=2)
        else:
            train(loss, ridge.start, batches=[(0.1,)] * 2, optimizer=SGD, steps=2)

    for k in range(3):
        call(k)
    gc.collect()
    assert [ref() for ref in alive] == [None] * 3
    assert len(kept._kept) <= start


def test_a_prox_written_anew_keeps_nothing_alive(ridge):
    alive = []

    def call():
        weights = jnp.ones(5)
        alive.append(weakref.ref(weights))
        method = ista(0.1, lambda w, step: soft_threshold(w, step * weights))
        train(PURE, ridge.start, ridge.X, ridge.y, optimizer=method, steps=2)

    call(), call()
    gc.collect()
    assert [ref() for ref in alive] == [None] * 2


def PURE(w, X, y):
    return 0.5 * jnp.mean((X @ w - y) ** 2)


def test_checking_leaks_finds_none(ridge):
    # The loss closes over a λ that the user maps over; plain jit passes, and so does train.
    def plain(lam):
        loss = lambda w: ridge.loss(w, ridge.X, ridge.y, lam)
        return jax.jit(lambda w: w - 0.2 * jax.grad(loss)(w))(ridge.start)

    def ours(lam):
        loss = lambda w: ridge.loss(w, ridge.X, ridge.y, lam)
        return train(loss, ridge.start, optimizer=SGD, steps=1).params

    lams = jnp.array([0.1, 0.3])
    with jax.checking_leaks():
        expected = jax.jit(jax.vmap(plain))(lams)
        np.testing.assert_allclose(jax.jit(jax.vmap(ours))(lams), expected, rtol=1e-13)


def test_an_array_that_takes_the_place_of_another(ridge):
    # Both at the same address, perhaps: an object that is gone is equal to none.
    holder = types.SimpleNamespace(X=None)
    loss = lambda w: 0.5 * jnp.mean((holder.X @ w - ridge.y) ** 2)
    for scale in (1.0, 2.0, 3.0):
        holder.X = None
        gc.collect()
        holder.X = jnp.asarray(ridge.X) * scale
        got = train(loss, ridge.start, optimizer=optax.sgd(0.2 / scale**2), steps=400).params
        np.testing.assert_allclose(got, np.linalg.lstsq(ridge.X * scale, ridge.y)[0], atol=1e-8)
