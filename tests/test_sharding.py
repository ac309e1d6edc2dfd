"""λs shared among devices, by ``jax.shard_map`` and on a mesh of explicit axes: the answers are those of one device."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np, sys
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from jaxreg import solvers, sweeps
rng = np.random.default_rng(0)
X, y = rng.standard_normal((12, 3)).astype("float32"), rng.standard_normal(12).astype("float32")
lams, held = np.geomspace(0.01, 0.5, 8).astype("float32"), np.arange(12) % 4 == 0
factor = np.array([1, 0, 1], "float32")
fit = lambda lam: solvers.fit(X, y, lam, 0.0).params.coef
doors = {
    "fit": jax.vmap(fit),
    "derivative": jax.vmap(jax.grad(lambda lam: fit(lam).sum())),
    "forward": jax.vmap(jax.jacfwd(fit)),
    "path": lambda lams: solvers.path(X, y, lams).coef,
    "parallel": lambda lams: solvers.path(X, y, lams, 0.5, strategy="parallel").coef,
    "free": lambda lams: solvers.path(X, y, lams, 0.5, penalty_factor=factor).coef,
    "wide": lambda lams: solvers.path(X.T, y[:3], lams).coef,
    "fold": lambda lams: sweeps.fold_errors(X, y, held, lams)[0],
    "folds": lambda lams: sweeps.cross_validate(X, y, np.stack([held, ~held]), lams).mean_mse[0],
    "leave one out": lambda lams: solvers.ridge_leave_one_out(X, y, lams).mse,
}
run = {"fit", "path"} if sys.argv[1] == "some" else set(doors)
automatic = jax.make_mesh((4,), ("h",), axis_types=(AxisType.Auto,))
explicit = jax.make_mesh((4,), ("h",), axis_types=(AxisType.Explicit,))
for name, door in doors.items():
    mapped = jax.jit(jax.shard_map(door, mesh=automatic, in_specs=P("h"), out_specs=P("h")))
    shape = jax.eval_shape(mapped, lams).shape
    with jax.set_mesh(explicit):
        sharded = jax.device_put(lams, NamedSharding(explicit, P("h")))
        assert jax.eval_shape(jax.jit(door), sharded).shape == shape, name
        here = np.asarray(jax.jit(door)(sharded)) if name in run else None
    if name in run:
        expected = np.asarray(door(lams))
        np.testing.assert_allclose(mapped(lams), expected, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(here, expected, rtol=1e-5, atol=1e-6, err_msg=name)
"""


@pytest.mark.parametrize("which", ["some", pytest.param("all", marks=pytest.mark.slow)])
def test_shared_among_four_devices(which):
    """Those that are not run are traced."""
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", PROGRAM, which]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


SHARED = """
import jax, numpy as np
from jax.sharding import PartitionSpec as P
jax.config.update("jax_enable_x64", True)
from jaxreg.engines.order import Order, settings
from jaxreg.solvers.from_many_moments import paths_of_weights
from jaxreg.solvers.from_same_rows import paths_of_weights_on_rows
rng = np.random.default_rng(0)
how = dict(l1_ratio=1.0, fit_intercept=True, standardize=True, tol=1e-10, max_iter=10_000)
for p in (6, 60):
    X, weights = rng.normal(size=(25, p)), rng.integers(0, 3, size=(16, 25)).astype(float)
    y, factors = X[:, :2].sum(axis=1, keepdims=True) + rng.normal(size=(25, 1)), np.ones((16, p))
    grid = Order(np.geomspace(1, 0.05, 8)[:, None], 1, 1e-3).grid
    asked, unit = settings(p, None, None, None, **how), 2e-15
    def solve(weights, factors, p=p, X=X, y=y, grid=grid, asked=asked):
        given = X, y, weights, factors, np.int32(len(weights)), grid, asked, unit
        if p > 25:
            return paths_of_weights_on_rows(*given, 25)
        return paths_of_weights(*given, way="lockstep", most=25)
    mesh = jax.make_mesh((8,), ("members",), axis_types=(jax.sharding.AxisType.Auto,))
    shared = jax.jit(jax.shard_map(solve, mesh=mesh, in_specs=P("members"), out_specs=P("members")))(weights, factors)
    assert len(shared.coef.devices()) == 8
    alone = jax.jit(solve)(weights, factors)
    assert float(alone.gap[:, :8].max()) <= 1e-10
    np.testing.assert_allclose(shared.coef, alone.coef, atol=1e-12)
    np.testing.assert_array_equal(shared.n_iter, alone.n_iter)
"""


def test_a_batch_in_lockstep_is_shared_among_eight_devices():
    """Sixteen lassos, two a device, by their Gram matrices and on the rows that they share."""
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run([sys.executable, "-c", SHARED], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
