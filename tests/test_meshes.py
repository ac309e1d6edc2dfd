"""``mesh=``: eight devices share the rows, the members of sweeps and bootstraps and those of a training grid.

The answers are those of one device, which other tests hold against other programs. Here the rows are no multiple of the
devices, one column is constant and none is centred, so that rows that fill up would be seen.
"""

import os
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

import jaxreg

START = """
import re, sys, warnings
import jax, jax.numpy as jnp, numpy as np, optax
import jaxreg
from jaxreg import programs

warnings.simplefilter("error")
warnings.simplefilter("ignore", jaxreg.GridEndWarning)
rng = np.random.default_rng(0)
X = rng.normal(size=(203, 6)) + 3.0
X[:, 1] = 7.0
y = X[:, 2:5] @ [1.0, 2.0, -1.0] + rng.normal(size=203)
Y = np.column_stack([y, X[:, 3] - y])
s = rng.uniform(0.5, 2.0, 203)
lams = np.geomspace(2.0, 0.05, 8)

def same(mine, theirs, **bounds):
    for name, bound in bounds.items():
        mine_, theirs_ = np.asarray(getattr(mine, name)), np.asarray(getattr(theirs, name))
        assert mine_.shape == theirs_.shape, name
        np.testing.assert_allclose(mine_, theirs_, rtol=bound, atol=bound, err_msg=name)
"""
SWEEPS = """
for rho, target in {cases}:
    how = dict(lams=lams, l1_ratio=rho, folds=5, sample_weight=s)
    mine, theirs = jaxreg.sweep(X, target, mesh=8, **how), jaxreg.sweep(X, target, **how)
    assert mine.converged and np.max(mine.fold_gap) <= 1e-10
    same(mine, theirs, fold_mse=1e-9, mean_mse=1e-9)  # a quadratic form in moments: ACCURACY is 1e-10
    same(mine.path, theirs.path, coef=1e-9, intercept=1e-9, df=1e-9, scale=1e-12)
"""
ROWS = """
# Each device holds 26 of 208 rows; moments and paths bring no device the rows of another, only numbers of the columns.
seen, call = [], programs.Program.__call__
def spied(self, *args, **options):
    seen.append((self.__name__, jax.tree.leaves((args, options)), self._jitted.lower(*args, **options).as_text()))
    return call(self, *args, **options)
programs.Program.__call__ = spied
jaxreg.path(X, y, lams, mesh=8)
programs.Program.__call__ = call
(table,) = (leaf for name, leaves, _ in seen for leaf in leaves if name == "path" and np.shape(leaf) == (208, 6))
assert {shard.data.shape for shard in table.addressable_shards} == {(26, 6)}

from jaxreg.devices import check_mesh
from jaxreg.solvers.moments_in_blocks import moments_of_folds
devices = check_mesh(8, None, 203)
held = np.pad(np.arange(203)[None, :] % 5 == np.arange(5)[:, None], ((0, 0), (0, 5)))
with jax.enable_x64(True), jax.set_mesh(devices.mesh):
    rows = devices.placed(X), devices.placed(y[:, None]), devices.placed(s)
    program = jax.jit(moments_of_folds).lower(*rows, held).compile()
    total, parts = program(*rows, held)
gathered = re.findall(r"f64\\[(\\d+),6\\]\\S* all-gather", program.as_text())
assert all(int(rows) <= 8 for rows in gathered), gathered
d = X - np.average(X, axis=0, weights=s)
np.testing.assert_allclose(total.xx, (d * s[:, None]).T @ d, atol=1e-11)
total = jax.tree.map(np.asarray, total)
assert np.all(total.xx[1] == 0)  # the column that is constant stays so
here = held[2, :203]
d = X[here] - np.average(X[here], axis=0, weights=s[here])
np.testing.assert_allclose(parts.xx[2], (d * s[here, None]).T @ d, atol=1e-11)
"""
BOOTSTRAPS = """
wide = rng.normal(size=(30, 70))
for table, target, options in {cases}:
    how = dict(lams=lams, n_resamples=21) | options
    mine, theirs = jaxreg.bootstrap(table, target, mesh=8, **how), jaxreg.bootstrap(table, target, **how)
    assert mine.converged.all()
    same(mine, theirs, coef=1e-10, intercepts=1e-10)
"""
GRIDS = """
def loss(w, X, y, lam):
    return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * lam * jnp.sum(w**2)
with jax.enable_x64(True):
    Z, r = X - X.mean(axis=0), y - y.mean()
    grid = {"lam": jnp.geomspace(0.1, 3.0, 21)}
    for block in (None, 10):
        train = lambda **how: jaxreg.train_grid(
            loss, jnp.zeros(6), grid, Z, r, optimizer=optax.sgd(0.1), steps=300, block=block, **how
        )
        mine = train(mesh=8)
        same(mine, train(), params=1e-14, loss=1e-14)
    closed = [np.linalg.solve(Z.T @ Z / 203 + lam * np.eye(6), Z.T @ r / 203) for lam in grid["lam"]]
    np.testing.assert_allclose(mine.params, closed, atol=1e-9)
    even = jaxreg.train_grid(
        loss, jnp.zeros(6), {"lam": grid["lam"][:16]}, Z, r, optimizer=optax.sgd(0.1), steps=3, mesh=8
    )
    assert {shard.data.shape for shard in even.params.addressable_shards} == {(2, 6)}
"""
QUICK = SWEEPS.replace("{cases}", "[(1.0, Y)]") + ROWS + BOOTSTRAPS.replace("{cases}", "[(X, y, {})]") + GRIDS
SLOW_SWEEPS = SWEEPS.replace("{cases}", "[(1.0, y), (0.5, y), (0.5, Y), (0.0, y), (0.0, Y)]")
RESAMPLED = [
    "(wide, wide[:, 0] + rng.normal(size=30), {})",
    "(X, y, {'l1_ratio': 0.5})",
    "(X, y, {'l1_ratio': 0.0})",
    "(X, Y, {})",
    "(X, y, {'n_resamples': 600})",
    "(X, y, {'kind': 'residual'})",
    "(X, y, {'folds': 5})",
]
SLOW_BOOTSTRAPS = BOOTSTRAPS.replace("{cases}", f"[{', '.join(RESAMPLED)}]")
WIDE = """
Z = rng.normal(size=(31, 90))
t = Z[:, 0] - Z[:, 1] + rng.normal(size=31)
for rho in (1.0, 0.5):
    same(jaxreg.path(Z, t, 10, rho, mesh=8), jaxreg.path(Z, t, 10, rho), coef=1e-9, intercept=1e-9)
mine, theirs = jaxreg.sweep(Z, t, 10, folds=5, mesh=3), jaxreg.sweep(Z, t, 10, folds=5)
same(mine, theirs, fold_mse=1e-9)
"""


def runs(program, tmp_path):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    flags |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    file = tmp_path / "program.py"
    file.write_text(START + textwrap.dedent(program))
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, env=os.environ | flags, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_eight_devices_give_the_answers_of_one(tmp_path):
    runs(QUICK, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("program", [SLOW_SWEEPS, SLOW_BOOTSTRAPS, WIDE], ids=["sweeps", "bootstraps", "wide"])
def test_of_every_penalty_and_kind(program, tmp_path):
    runs(program, tmp_path)


def test_one_device_is_a_mesh_too():
    data = jaxreg.datasets.diabetes()
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]).reshape(1, 1), ("a", "b"))
    found = jaxreg.path(data.X, data.y, 10, mesh=mesh)
    np.testing.assert_allclose(found.coef, jaxreg.path(data.X, data.y, 10).coef, atol=1e-9)
    assert isinstance(found.coef, np.ndarray)


X = np.random.default_rng(0).normal(size=(20, 2))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"mesh": 99}, r"mesh=99, and JAX has \d+ devices? here\."),
        ({"mesh": 0}, "mesh=0, and JAX has"),
        ({"mesh": 1, "device": "cpu"}, "mesh are both given"),
        ({"mesh": 1, "by": np.arange(20) % 2}, "mesh divides the rows of one table"),
        ({"mesh": 1, "measure": "mae"}, "mesh it must be 'mse'"),
    ],
)
def test_what_cannot_be_divided_is_said_in_one_line(how, message):
    with pytest.raises(ValueError, match=message) as error:
        jaxreg.sweep(X, X[:, 0], **how)
    assert "\n" not in str(error.value)


def test_a_mesh_is_devices():
    with pytest.raises(TypeError, match=r"must be a jax\.sharding\.Mesh, a list of devices, or how many"):
        jaxreg.path(X, X[:, 0], mesh="all")


def test_columns_far_from_0_whose_moments_lose_digits_are_solved_on_the_rows():
    """The λs and coefficients do not depend on where 0 is; moments of blocks that are put together have 1e-9 there."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(61, 5))
    y = table[:, 0] - table[:, 1] + rng.normal(size=61)
    far = table + 1e8
    found, exact = jaxreg.path(far, y, 6, mesh=1), jaxreg.path(far - 1e8, y, 6)
    assert found.converged.all()
    np.testing.assert_allclose(found.lams, exact.lams, rtol=1e-12)
    np.testing.assert_allclose(found.coef, exact.coef, atol=1e-12)
