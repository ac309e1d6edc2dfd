"""Calls without ``jit`` compile once a shape, and what is compiled does not fill the process."""

import logging
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import programs, solvers, sweeps

on_linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="memory maps are counted on Linux alone")


@pytest.fixture
def compilations(caplog):
    """compilations(f): how many programs XLA makes during f()."""

    def count(f):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            jax.block_until_ready(f())
        return sum(record.getMessage().startswith("Compiling") for record in caplog.records)

    return count


def test_the_pure_functions_compile_once_a_shape(compilations):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 2)).astype("float32"), rng.standard_normal(9).astype("float32")
    held = np.arange(9) % 3 == 0
    doors = {
        "fit": lambda k: solvers.fit(X + k, y, 0.1 * k, 0.0),
        "fit of lists": lambda k: solvers.fit(jnp.asarray(X), jnp.asarray(y), jnp.float32(k), 0),
        "path": lambda k: solvers.path(X, k * y, 3, 0.0, eps=0.1 * k),
        "leave one out": lambda k: solvers.ridge_leave_one_out(X, y, [0.1 * k, 1.0]),
        "fold": lambda k: sweeps.fold_errors(X, y, held, [0.1 * k], 0.0),
    }
    for name, door in doors.items():
        door(1)
        assert compilations(lambda door=door: door(2)) == 0, name


def test_transformations_of_a_call_without_jit_compile_once(compilations):
    X, y = np.arange(10.0, dtype="float32").reshape(5, 2) ** 2, np.arange(5, dtype="float32")
    derivative = jax.vmap(jax.grad(lambda lam: solvers.fit(X, y, lam, 0.0).params.coef.sum()))
    derivative(jnp.array([0.1, 0.2]))
    assert compilations(lambda: derivative(jnp.array([0.3, 0.4]))) == 0


def test_a_numpy_array_of_64_bits_is_still_refused():
    with pytest.raises(TypeError, match="y is a NumPy float64 array"):
        solvers.fit(np.ones((3, 1), "float32"), np.ones(3), 0.1)


def test_programs_are_given_back(monkeypatch):
    """Those of jaxreg alone: the user's stay."""
    square, user = programs.compiled(lambda x: x * x), jax.jit(lambda x: x + 1)
    user(jnp.ones(3))
    monkeypatch.setattr(programs, "_all", [square])
    monkeypatch.setattr(programs, "too_many", lambda: square._cache_size() > 3)
    for n in range(1, 20):
        assert float(square(jnp.full(n, 3.0))[0]) == 9
        assert square._cache_size() <= 3
    assert user._cache_size() == 1


@on_linux
def test_the_number_of_maps_stays_bounded(monkeypatch):
    maps = lambda: Path("/proc/self/maps").read_bytes().count(b"\n")
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    program = programs.compiled(lambda x: jnp.linalg.eigh(jnp.sort(x @ x.T))[1].sum())
    monkeypatch.setattr(programs, "_all", [program])
    program(jnp.ones((1, 1)))
    monkeypatch.setattr(programs, "SHARE", (maps() + 150) / most)
    sizes = []
    for n in range(2, 30):
        program(jnp.ones((n, n)))
        sizes.append(maps())
        assert sizes[-1] <= SHARE_WITH_ONE * programs.SHARE * most
    assert np.min(np.diff(sizes)) < 0, "nothing was given back"


# The last program is counted after it was made.
SHARE_WITH_ONE = 1.5

MANY = """
import numpy as np
import jaxreg
from jaxreg import solvers
from jaxreg.estimators import Ridge
rng = np.random.default_rng(0)
doors = [
    lambda X, y: solvers.fit(X, y, 0.1, 0.0).gap,
    lambda X, y: jaxreg.fit(X, y, 0.1).gap,
    lambda X, y: jaxreg.path(X, y, 5, 0.0).gap.max(),
    lambda X, y: jaxreg.sweep(X, y, 5, folds=3).fold_mse.min(),
    lambda X, y: abs(Ridge().fit(X, y).coef_).max(),
]
for k in range(2000):
    n, p = 12 + k % 300 % 60, 2 + k % 300 // 60
    X = rng.standard_normal((n, p)).astype(np.float32)
    assert doors[k % 5](X, X[:, 0] + rng.standard_normal(n).astype(np.float32)) >= 0
maps = open("/proc/self/maps").read().count("\\n")
print(maps < 0.75 * int(open("/proc/sys/vm/max_map_count").read()))
"""


@on_linux
@pytest.mark.slow
def test_two_thousand_calls_of_three_hundred_shapes_in_one_process():
    run = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "True"), run.stderr[-2000:]
