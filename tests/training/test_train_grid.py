"""A grid is a Python loop of single runs, and nothing else: for every optimiser, block length and kind of parameter."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import fista, product, train, train_grid
from jaxreg.formulas import soft_threshold
from jaxreg.training import shares

LAMS = np.array([0.05, 0.3, 2.0])
# The L of `ridge` is below 4 for all LAMS.
METHODS = {
    "sgd": optax.sgd(0.2),
    "adam": optax.adam(0.1),
    "fista": fista(0.25, lambda w, step: soft_threshold(w, 0.1 * step)),
    "lbfgs": optax.lbfgs(),
}


def stacked(singles):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *singles)


@pytest.mark.parametrize("optimizer", METHODS.values(), ids=METHODS)
def test_a_grid_is_a_loop_of_single_runs(ridge, same, optimizer):
    options = {"optimizer": optimizer, "steps": 10, "record_every": 4}
    grid = train_grid(ridge.loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, **options)
    loop = stacked([train(ridge.loss, ridge.start, ridge.X, ridge.y, lam, **options) for lam in LAMS])
    # All but the state: near the solution the memory of L-BFGS consists of quotients of rounding errors.
    same(grid._replace(state=None), loop._replace(state=None), 1e-12)
    assert np.ptp(grid.params, axis=0).max() > 0.1  # the members differ


def test_hyperparameters_of_the_optimiser(ridge, same):
    grid = product(learning_rate=[0.01, 0.1], lam=[0.1, 1.0])
    result = train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, optimizer=optax.adam, steps=20)
    loop = [
        train(ridge.loss, ridge.start, ridge.X, ridge.y, lam, optimizer=optax.adam(rate), steps=20)
        for rate, lam in itertools.product([0.01, 0.1], [0.1, 1.0])
    ]
    same(result, stacked(loop), 1e-12)


def test_a_proximal_method_may_take_the_name_too(ridge):
    # λ is the lasso's and stands in the prox; the smooth loss does not know it.
    def smooth(w, X, y):
        return 0.5 * jnp.mean((X @ w - y) ** 2)

    def optimizer(lam, step_size):
        return fista(step_size, lambda w, step: soft_threshold(w, lam * step))

    grid = {"lam": LAMS, "step_size": np.array([0.1, 0.2, 0.3])}
    result = train_grid(smooth, ridge.start, grid, ridge.X, ridge.y, optimizer=optimizer, steps=300)
    for lam, w in zip(LAMS, np.asarray(result.params), strict=True):
        correlation = ridge.X.T @ (ridge.y - ridge.X @ w) / len(ridge.y)
        np.testing.assert_allclose(correlation[w != 0], lam * np.sign(w[w != 0]), atol=1e-12)
        assert np.all(np.abs(correlation[w == 0]) <= lam)
    assert len({int((w != 0).sum()) for w in result.params}) > 1


def test_seeds_for_the_parameters(ridge, same):
    def params(seed):
        return jax.random.normal(jax.random.key(seed), (5,))

    seeds = np.array([0, 1, 7])
    options = {"optimizer": METHODS["sgd"], "steps": 5}
    result = train_grid(ridge.loss, params, {"seed": seeds}, ridge.X, ridge.y, 0.3, **options)
    same(result, stacked([train(ridge.loss, params(s), ridge.X, ridge.y, 0.3, **options) for s in seeds]), 1e-12)
    assert np.ptp(result.params, axis=0).min() > 0


def test_one_lam_a_feature(ridge, rng):
    lams = rng.uniform(0.1, 1.0, size=(4, 5))
    result = train_grid(ridge.loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=METHODS["sgd"], steps=500)
    np.testing.assert_allclose(result.params, [ridge.closed_form(lam) for lam in lams], rtol=1e-12, atol=1e-12)


def test_a_network_with_every_layer_a_leaf(rng, same):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)

    def params(seed):
        one, two = jax.random.split(jax.random.key(seed))
        return {
            "hidden": (jax.random.normal(one, (2, 4)), jnp.zeros(4)),
            "output": {"w": jax.random.normal(two, (4,)), "b": jnp.zeros(())},
        }

    def loss(params, X, y, decay):
        w, b = params["hidden"]
        y_hat = jnp.tanh(X @ w + b[None, :]) @ params["output"]["w"] + params["output"]["b"]
        return jnp.mean((y - y_hat) ** 2) + decay * (jnp.sum(w**2) + jnp.sum(params["output"]["w"] ** 2))

    grid = product(decay=[0.0, 0.1], seed=[0, 1])
    options = {"optimizer": METHODS["adam"], "steps": 30}
    result = train_grid(loss, params, grid, X, y, **options)
    loop = [train(loss, params(s), X, y, decay, **options) for decay, s in itertools.product([0.0, 0.1], [0, 1])]
    same(result, stacked(loop), 1e-12)
    assert jax.tree.structure(result.params) == jax.tree.structure(params(0))
    assert result.params["hidden"][0].shape == (4, 2, 4)
    assert result.params["output"]["b"].shape == (4,)


@pytest.mark.parametrize("block", [3, 100])
def test_blocks_change_nothing(ridge, same, block):
    grid = {"lam": np.geomspace(0.01, 2.0, 7)}
    options = {"optimizer": METHODS["sgd"], "steps": 25, "record_every": 10}
    whole = train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, **options)
    same(train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, **options, block=block), whole, 1e-12)


@pytest.mark.parametrize("cores", [2, 3, 64])
def test_shares_for_the_cores_change_nothing(ridge, same, monkeypatch, compilations, cores):
    # Threads of their own must keep to the caller's float64, and the shares of 27 members are filled up.
    grid = {"lam": np.geomspace(0.01, 2.0, 27)}
    options = {"optimizer": METHODS["sgd"], "steps": 25, "record_every": 10, "tol": 1e-9}

    def run(**more):
        return train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, **options, **more)

    monkeypatch.setattr(shares, "cores", lambda: 1)
    whole = run()
    monkeypatch.setattr(shares, "cores", lambda: cores)
    assert shares.share_of(27, grid, (ridge.X,)) == 27  # NumPy arrays alone say nothing about the device
    share = shares.share_of(27, {"lam": jnp.asarray(grid["lam"])}, (ridge.X,))
    assert share == {2: 14, 3: 9, 64: 8}[cores]
    shared = run()
    assert shared.params.dtype == np.float64
    same(shared, whole, 1e-12)
    assert compilations(run) == 0
    same(run(block=20), whole, 1e-12)


def test_shares_of_keys_and_mini_batches(ridge, same, monkeypatch):
    def params(key):
        return jax.random.normal(key, (5,))

    grid = {"key": jax.random.split(jax.random.key(1), 17)}
    options = {"optimizer": METHODS["sgd"], "steps": 9, "batch_size": 8, "key": jax.random.key(0)}

    def run(**more):
        return train_grid(lambda w, X, y: ridge.loss(w, X, y, 0.3), params, grid, ridge.X, ridge.y, **options, **more)

    monkeypatch.setattr(shares, "cores", lambda: 1)
    whole = run()
    monkeypatch.setattr(shares, "cores", lambda: 2)
    same(run(), whole, 1e-12)
    same(jax.jit(lambda: run(block=5))(), whole, 1e-12)  # within the user's program too


def test_large_data_are_not_shared_out(monkeypatch):
    # There the compiler divides each product among the cores itself.
    monkeypatch.setattr(shares, "cores", lambda: 2)
    lams = {"lam": jnp.ones(100)}
    assert shares.share_of(100, lams, (np.ones((442, 10)), np.ones(442))) == 50
    assert shares.share_of(100, lams, (np.ones((5000, 100)), np.ones(5000))) == 100
    assert shares.share_of(10_000, lams, (np.ones((442, 10)), np.ones(442))) == 53


def test_progress(ridge, same):
    grid = {"lam": np.geomspace(0.01, 2.0, 25)}
    options = {"optimizer": METHODS["sgd"], "steps": 5}
    calls = []
    result = train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, **options, progress=lambda *c: calls.append(c))
    assert calls == [(3, 25), (6, 25), (9, 25), (12, 25), (15, 25), (18, 25), (21, 25), (24, 25), (25, 25)]
    same(result, train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, **options), 1e-12)
    calls.clear()
    options["block"] = 20
    train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, **options, progress=lambda *c: calls.append(c))
    assert calls == [(20, 25), (25, 25)]


def test_every_array_has_the_member_axis_first(ridge):
    grid = {"lam": LAMS}
    result = train_grid(
        ridge.loss, ridge.start, grid, ridge.X, ridge.y, optimizer=METHODS["adam"], steps=25, record_every=4
    )
    assert all(leaf.shape[0] == 3 for leaf in jax.tree.leaves(result))
    assert result.history.loss.shape == result.history.step.shape == result.history.residual.shape == (3, 7)
    assert result.loss.shape == result.converged.shape == (3,)


def test_a_grid_in_float32_stays_there(ridge, x32):
    X, y = ridge.X.astype("float32"), ridge.y.astype("float32")
    lams = LAMS.astype("float32")
    result = train_grid(ridge.loss, jnp.zeros(5), {"lam": lams}, X, y, optimizer=METHODS["sgd"], steps=200)
    assert {leaf.dtype for leaf in jax.tree.leaves((result.params, result.loss, result.residual))} == {
        np.dtype(np.float32)
    }
    np.testing.assert_allclose(result.params, [ridge.closed_form(lam) for lam in LAMS], atol=1e-6)


def test_product():
    a, b, c = [1.0, 2.0], [3, 4, 5], np.arange(4.0).reshape(2, 2)
    grid = product(a=a, b=b, c=c)
    assert list(grid) == ["a", "b", "c"]
    for i, (x, y, z) in enumerate(itertools.product(a, b, c)):
        assert (grid["a"][i], grid["b"][i]) == (x, y)
        np.testing.assert_array_equal(grid["c"][i], z)
    assert grid["c"].shape == (12, 2)
