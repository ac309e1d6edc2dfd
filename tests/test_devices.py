"""The device of the call decides who computes, and where: that on which X lies, else ``device=``, else JAX's default.

Eight virtual CPU devices, in a process of their own, stand in for others; that one is no CPU is pretended.
"""

import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import precision, solvers
from jaxreg.data.problem import check_problem
from jaxreg.engines import choose

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 4))
Y = X @ [1.0, 0, -2, 0] + RNG.normal(size=40)

PROGRAM = """
import sys, warnings
import jax, jax.numpy as jnp, numpy as np
import jaxreg
from jaxreg import programs, solvers
from jaxreg.estimators import ElasticNetCV, Lasso, LassoCV, Ridge, RidgeCV
warnings.simplefilter("ignore", jaxreg.GridEndWarning)
rng = np.random.default_rng(0)
X = rng.standard_normal((48, 5))
y = X @ np.arange(5.0) + rng.standard_normal(48)
first, *_, last = jax.devices()
seen, call = set(), programs.Program.__call__
def spied(self, *args, **options):
    found = call(self, *args, **options)
    if self.__module__ != "jaxreg.engines.certificate":  # in float64, on the host
        for leaf in jax.tree.leaves(found):
            if isinstance(leaf, jax.Array):
                seen.update(leaf.devices())
    return found
programs.Program.__call__ = spied
with jax.enable_x64(True):
    there = jax.device_put((X, y), last)
doors = {
    "fit": lambda X, y, **how: jaxreg.fit(X, y, 0.1, **how).coef,
    "path": lambda X, y, **how: jaxreg.path(X, y, 5, **how).coef,
    "path, ridge": lambda X, y, **how: jaxreg.path(X, y, 5, 0.0, **how).coef,
    "path, parallel": lambda X, y, **how: jaxreg.path(X, y, 5, strategy="parallel", **how).coef,
    "sweep": lambda X, y, **how: jaxreg.sweep(X, y, 5, folds=3, **how).best.params.coef,
    "sweep, ridge": lambda X, y, **how: jaxreg.sweep(X, y, 5, 0.0, folds=3, **how).best.params.coef,
    "leave-one-out": lambda X, y, **how: jaxreg.ridge_leave_one_out(X, y, 5, **how).best.params.coef,
    "Lasso": lambda X, y, **how: Lasso(0.1, **how).fit(X, y).coef_,
    "Ridge": lambda X, y, **how: Ridge(0.1, **how).fit(X, y).coef_,
    "LassoCV": lambda X, y, **how: LassoCV(alphas=5, cv=3, **how).fit(X, y).coef_,
    "ElasticNetCV": lambda X, y, **how: ElasticNetCV(alphas=5, cv=3, **how).fit(X, y).coef_,
    "RidgeCV": lambda X, y, **how: RidgeCV([0.1, 1.0], cv=3, **how).fit(X, y).coef_,
}
for name in sys.argv[1].split(",") if len(sys.argv) > 1 else doors:
    door = doors[name]
    seen.clear()
    expected = door(X, y)
    assert seen <= {first}, (name, seen)
    for how, call_it in {
        "device=": lambda: door(X, y, device=last),
        "device_put": lambda: door(*there),
        "default_device": lambda: door(X, y),
    }.items():
        seen.clear()
        with jax.default_device(last if how == "default_device" else None):
            found = call_it()
        assert seen <= {last} and (seen or name.startswith("Ridge")), (name, how, seen)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14, err_msg=name)
with jax.enable_x64(True):
    assert solvers.path(*there, 5).coef.devices() == {last}
"""


@pytest.mark.parametrize("which", [["fit,LassoCV"], pytest.param([], marks=pytest.mark.slow)])
def test_eight_devices_and_one_is_named(which):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [sys.executable, "-c", PROGRAM, *which]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


class Elsewhere:
    """A device that is no CPU, as far as anyone asks."""

    platform = "gpu"


@pytest.fixture
def default_is_a_gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.mark.usefixtures("default_is_a_gpu")
def test_a_cpu_that_is_named_is_a_cpu_though_the_default_is_none():
    by = lambda **how: choose.engine_of(check_problem(X, Y, 0.5, **how), 5)
    cpu = jax.devices("cpu")[0]
    assert by() is None  # the rows: all λs at once
    assert by(device=cpu) is choose.moments
    with jax.default_device(cpu):
        assert by() is choose.moments
        assert not precision.on_accelerator()
    assert precision.on_accelerator()
    assert precision.on_accelerator(Elsewhere)
    assert not precision.on_accelerator(cpu)
    assert not precision.takes_double(np.float32, None)
    assert precision.takes_double(np.float32, cpu)


def loops(**how):
    """Of a path's program: whether it goes down the λs, one after the other."""
    given = jax.ShapeDtypeStruct((33, 3), jnp.float32), jax.ShapeDtypeStruct((33,), jnp.float32)
    text = str(jax.make_jaxpr(lambda X, y: solvers.path(X, y, 6, **how))(*given))
    return text


def test_the_pure_functions_ask_for_the_device_of_the_call(default_is_a_gpu):
    jax.clear_caches()
    there = loops()
    jax.clear_caches()
    with jax.default_device(jax.devices("cpu")[0]):
        in_turn = loops(strategy="active set")
        assert loops() == in_turn
    assert in_turn != there


def test_two_devices_at_once_are_refused(monkeypatch):
    with jax.enable_x64(True):
        there = jax.device_put(X, jax.devices()[0])
    with pytest.raises(ValueError, match=r"device=.*but the data lie on .*cpu.*leave device out"):
        precision.device_of(Elsewhere, there)
    assert precision.device_of(None, jnp.ones(3), X) is None
    assert precision.device_of("cpu", there) == jax.devices("cpu")[0]


def test_a_default_device_counts_in_every_thread():
    """It is the thread's own in JAX; the door asks for it, and tells the others."""
    cpu = jax.devices("cpu")[0]
    with jax.default_device(cpu):
        assert check_problem(X, Y).device == cpu
    seen = []
    thread = threading.Thread(target=lambda: seen.append(jax.config.jax_default_device))
    with jax.default_device(cpu):
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.mark.parametrize("kind", ["sparse", "moments"])
def test_what_serves_a_cpu_alone_is_computed_there(kind, default_is_a_gpu, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    cpu, named = jax.devices("cpu")[0], []
    real = precision.computing
    spied = lambda double, device: named.append(device) or real(double, device)
    if kind == "sparse":
        table = sparse.csr_array(X * (np.abs(X) > 0.5))
        assert choose.ready(check_problem(table, Y)._replace(X=table)).device in (cpu, None)
        return
    monkeypatch.setattr("jaxreg.engines.known.computing", spied)
    with jax.enable_x64(True):
        m = jaxreg.formulas.moments(X, Y)
    assert jaxreg.path_from_moments(m, 4).converged.all()
    assert set(named) == {cpu}
