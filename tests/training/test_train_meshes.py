"""On a mesh: under ``shard_map``, and with λs divided among devices. A mesh of one device has the types of any."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxreg import fista, train, train_grid
from jaxreg.formulas import soft_threshold

METHODS = {
    "sgd": optax.sgd(0.2),
    "adam": optax.adam(0.1),
    "fista": fista(0.2, lambda w, step: soft_threshold(w, 0.1 * step)),
}
OPTIONS = {
    "plain": {"steps": 7, "record_every": 3},
    "tol": {"steps": 200, "tol": 1e-3},
    "batches": {"steps": 7, "batch_size": 4, "key": jax.random.key(0)},
}
LAMS = np.array([0.1, 0.3, 1.0, 2.0])


def mesh(kind):
    return jax.make_mesh((1,), ("members",), axis_types=(kind,))


def close(got, expected):
    np.testing.assert_allclose(got.params, expected.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(got.n_steps, expected.n_steps)


@pytest.mark.parametrize(
    ("method", "options"),
    [("sgd", "plain"), ("sgd", "tol"), ("sgd", "batches"), ("adam", "plain"), ("fista", "plain")],
)
def test_shard_map_over_the_grid(ridge, method, options):
    method, options = METHODS[method], OPTIONS[options]

    def run(lams):
        return train_grid(ridge.loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=method, **options)

    chosen = lambda lams: (lambda result: (result.params, result.n_steps))(run(lams))
    over = jax.shard_map(chosen, mesh=mesh(AxisType.Auto), in_specs=P("members"), out_specs=P("members"))
    params, n_steps = jax.jit(over)(LAMS)
    expected = run(LAMS)
    np.testing.assert_allclose(params, expected.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(n_steps, expected.n_steps)


def test_shard_map_over_rows(ridge):
    # Each device its rows, the gradient summed by the loss: held against the closed form.
    def loss(w, X, y):
        return 0.5 * jax.lax.pmean(jnp.mean((X @ w - y) ** 2), "members") + 0.15 * jnp.sum(w**2)

    def run(X, y):
        return train(loss, ridge.start, X, y, optimizer=optax.sgd(0.2), steps=400).params

    over = jax.shard_map(run, mesh=mesh(AxisType.Auto), in_specs=(P("members"), P("members")), out_specs=P())
    np.testing.assert_allclose(jax.jit(over)(ridge.X, ridge.y), ridge.closed_form(0.3), atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_members_on_a_mesh_of_explicit_axes(ridge, options):
    sgd = METHODS["sgd"]

    def grid(lams):
        return train_grid(ridge.loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=sgd, **options)

    def one(lam):
        return train(ridge.loss, ridge.start, ridge.X, ridge.y, lam, optimizer=sgd, **options)

    expected = grid(LAMS)
    where = mesh(AxisType.Explicit)
    with jax.set_mesh(where):
        lams = jax.device_put(jnp.asarray(LAMS), NamedSharding(where, P("members")))
        for run in (grid, jax.jit(grid)):
            close(run(lams), expected)
        if "batch_size" not in options:
            close(jax.jit(jax.vmap(one))(lams), expected)


def test_the_derivative_by_members_on_a_mesh(ridge):
    where = mesh(AxisType.Explicit)

    def h(lams):
        run = train_grid(ridge.loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, optimizer=METHODS["sgd"], steps=300)
        return jnp.sum(run.params)

    A = lambda lam: ridge.covariance + lam * np.eye(5)
    expected = [-np.linalg.solve(A(lam), ridge.closed_form(lam)).sum() for lam in LAMS]
    with jax.set_mesh(where):
        lams = jax.device_put(jnp.asarray(LAMS), NamedSharding(where, P("members")))
        np.testing.assert_allclose(jax.grad(h)(lams), expected, rtol=1e-8)
