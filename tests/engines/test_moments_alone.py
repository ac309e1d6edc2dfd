"""Lassos that an accelerator solves by moments alone: no other copy of the table, which may be of float32.

The default backend is said to be an accelerator.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import device_sweeps, device_tables, solvers, sweeps

N, P, K = 4000, 20, 4
DOORS = {
    "fit": lambda X, y, **how: jaxreg.fit(X, y, 0.1, **how),
    "path": lambda X, y, **how: jaxreg.path(X, y, 12, **how),
    "sweep": lambda X, y, **how: jaxreg.sweep(X, y, 12, folds=K, **how),
}
PROGRAMS = {
    "path": lambda X, y, held_out: solvers.path(X, y, 12, strategy="moments"),
    "sweep": lambda X, y, held_out: sweeps.cross_validate(X, y, held_out, 12, strategy="moments"),
}


def table(n=N, p=P):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.5 * np.eye(p, k=1)) + 5.0
    return X.astype(np.float32), X[:, :4] @ [1.0, -2, 1, 0.5] + rng.normal(size=n)


@pytest.fixture
def accelerator(monkeypatch):
    """strategies: of what the pure functions are asked."""
    strategies = []

    def noted(name):
        function = getattr(device_tables.paths, name, None) or getattr(device_sweeps, name)

        def call(*args, **how):
            strategies.append(how["strategy"])
            return function(*args, **how)

        return call

    for name in ("fit", "path"):
        monkeypatch.setattr(device_tables.paths, name, noted(name))
    monkeypatch.setattr(device_sweeps, "cross_validate", noted("cross_validate"))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    return strategies


@pytest.mark.parametrize("given", ["JAX's", "NumPy's"])
@pytest.mark.parametrize("door", DOORS)
def test_float32_answers_as_float64_does_on_the_same_numbers(accelerator, monkeypatch, door, given):
    X, y = table()
    how = {"dtype": "float64"}
    found = DOORS[door](jnp.asarray(X) if given == "JAX's" else X, y, device_arrays=True, **how)
    assert accelerator == ["moments"]
    monkeypatch.undo()
    expected = DOORS[door](X.astype(float), y)
    coef = lambda result: np.asarray(result.path.coef if door == "sweep" else getattr(result, "params", result).coef)
    assert coef(found).dtype == np.float64
    np.testing.assert_allclose(coef(found), coef(expected), rtol=1e-10, atol=1e-10)
    if door == "sweep":
        np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-10)
        assert found.path.lams.dtype == np.float64


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_copy_of_the_table_is_made(monkeypatch, program, dtype):
    """Read from the program as it is lowered, and from what the compiler sets aside for it."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with jax.enable_x64(True):
        of = lambda *shape, dtype=jnp.float64: jax.ShapeDtypeStruct(shape, dtype)
        given = of(N, P, dtype=dtype), of(N), of(K, N, dtype=jnp.bool_)
        lowered = jax.jit(PROGRAMS[program]).trace(*given).lower()
        if dtype == jnp.float32:
            assert f"{N}x{P}xf64" not in lowered.as_text()
        assert lowered.compile().memory_analysis().temp_size_in_bytes <= 1.5 * 8 * N * P


def test_what_moments_do_not_settle_is_solved_by_the_host(accelerator):
    """Near-copies of columns end paths in lockstep; what leaves is certified all the same."""
    X, y = table(150, 20)
    X = np.concatenate([X, X + 1e-6 * np.random.default_rng(1).normal(size=X.shape)], axis=1)
    found = jaxreg.sweep(X, y, lams=5, folds=3)
    assert accelerator == ["moments"]
    assert found.converged
    path = jaxreg.path(jax.device_put(X), y, lams=5, eps=1e-3, device_arrays=True, dtype="float64")
    assert accelerator[1] == "moments"
    assert path.converged.all()


@pytest.mark.parametrize(
    "how",
    [{"lower": np.zeros(P)}, {"penalty_factor": np.linspace(1, 3, P)}, {"sample_weight": np.arange(300) % 3 + 0.0}],
)
def test_factors_bounds_and_weights_are_those_of_a_cpu(accelerator, monkeypatch, how):
    X, y = table(300)
    X = X.astype(float)
    found = jaxreg.sweep(X, y, lams=12, folds=K, **how)
    assert accelerator == ["moments"]
    monkeypatch.undo()
    expected = jaxreg.sweep(X, y, lams=12, folds=K, **how)
    np.testing.assert_allclose(found.mean_mse, expected.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(found.path.coef, expected.path.coef, atol=1e-9)


@pytest.mark.parametrize("how", [{"penalty_factor": [0] + [1] * (P - 1)}, {"upper": 0.1}, {"l1_ratio": 0.5}])
def test_what_moments_do_not_take_is_not_asked_of_them(accelerator, how):
    X, y = table(100)
    assert jaxreg.path(jnp.asarray(X, jnp.float32), y, [0.1], **how).converged.all()
    assert accelerator == [None]
