"""Products of float32 are float32's own on a GPU too, where JAX would round their factors to 10 bits.

No GPU is needed: what is compiled for one says with which precision it multiplies, and a CPU can round as one would.
"""

import re
import threading
from contextlib import nullcontext
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import formulas, programs, solvers, sweeps
from jaxreg.engines import certificate, ridge_blocks, rows
from jaxreg.formulas.duality import duality_gap
from jaxreg.precision import full_precision

N, P, L = 60, 7, 12
array = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
X, Y, Z, LAMS = array(N, P), array(N), array(N, 2), array(L)
HELD, LAM = jax.ShapeDtypeStruct((3, N), jnp.bool_), array()
WIDE = array(20, 90), array(20)
PARAMS = jaxreg.Params(array(), array(P))
one = lambda found: found.params.coef.sum()

# Each with the arguments that it is traced with.
PROGRAMS = {
    "fit": (lambda X, y, lam: solvers.fit(X, y, lam), X, Y, LAM),
    "fit, a batch": (lambda X, y, lam: solvers.fit(X, y, lam, strategy="parallel"), X, Z, LAM),
    "fit, elastic net": (lambda X, y, lam: solvers.fit(X, y, lam, 0.5), X, Y, LAM),
    "fit, bounds": (lambda X, y, lam: solvers.fit(X, y, lam, 0.5, lower=0.0), X, Y, LAM),
    "path": (lambda X, y: solvers.path(X, y, L), X, Y),
    "path, a batch": (lambda X, y: solvers.path(X, y, L, strategy="parallel"), X, Y),
    "path, wide": (lambda X, y: solvers.path(X, y, L), *WIDE),
    "path, wide, a batch": (lambda X, y: solvers.path(X, y, L, strategy="parallel"), *WIDE),
    "path, ridge": (lambda X, y: solvers.path(X, y, L, 0.0), X, Z),
    "leave-one-out": (lambda X, y, lams: solvers.ridge_leave_one_out(X, y, lams), X, Z, LAMS),
    "cross-validation": (lambda X, y, held: sweeps.cross_validate(X, y, held, L, strategy="parallel"), X, Y, HELD),
    "cross-validation, ridge": (lambda X, y, held: sweeps.cross_validate(X, y, held, L, [0.0]), X, Y, HELD),
    "gradient": (jax.grad(lambda lam, X, y: one(solvers.fit(X, y, lam))), LAM, X, Y),
    "gradient, ridge": (jax.grad(lambda lam, X, y: one(solvers.fit(X, y, lam, 0.0))), LAM, X, Y),
    "forward": (jax.jacfwd(lambda lam, X, y: one(solvers.fit(X, y, lam))), LAM, X, Y),
    "gradient of a path": (jax.grad(lambda y, X: solvers.path(X, y, L).coef.sum()), Y, X),
    "a batch of weights": (
        jax.vmap(lambda s, X, y: solvers.path(X, y, L, sample_weight=s, strategy="parallel").gap, (0, None, None)),
        *(array(3, N), X, Y),
    ),
    "moments": (formulas.moments, X, Z),
    "objective": (jax.value_and_grad(lambda w, X, y: formulas.objective(w, X, y, 0.1)), PARAMS, X, Y),
    "duality gap": (lambda w, X, y: duality_gap(w, X, y, 0.1, 0.5), PARAMS, X, Y),
    "kkt residual": (lambda w, X, y: formulas.kkt_residual(w, X, y, 0.1, 0.5), PARAMS, X, Y),
}


def products(lowered):
    return [line for line in lowered.as_text().splitlines() if "stablehlo.dot_general" in line]


@pytest.fixture(params=PROGRAMS)
def program(request):
    function, *given = PROGRAMS[request.param]
    return jax.jit(function).trace(*given).lower(lowering_platforms=("cuda",))


def test_every_product_of_float32_is_asked_for_in_full_precision(program, x32):
    made = products(program)
    assert made
    assert [line for line in made if "HIGHEST" not in line] == []
    assert "callback" not in program.as_text()


def test_programs_of_the_host_functions_too():
    """All of them are ``programs.Program``; nothing under the doors calls ``jax.jit`` by itself."""
    square = programs.compiled(lambda x: x @ x)
    assert "HIGHEST" in square.lower(array(3, 3)).as_text()
    for program in (rows._solve, ridge_blocks._from_moments, certificate._program):
        assert isinstance(program, programs.Program)
    folder = Path(jaxreg.__file__).parent
    files = [file for room in ("solvers", "engines", "sweeps") for file in (folder / room).glob("*.py")]
    assert [file.name for file in files if re.search(r"jax\.jit\(|@jax\.jit", file.read_text())] == []


def test_the_user_s_own_setting_stays(x32):
    seen = []
    inside = full_precision(lambda: seen.append(jax.config.jax_default_matmul_precision))
    with jax.default_matmul_precision("bfloat16"):
        inside()
        assert jax.config.jax_default_matmul_precision == "bfloat16"
        with pytest.raises(ZeroDivisionError):
            full_precision(lambda: 1 / 0)()
        assert jax.config.jax_default_matmul_precision == "bfloat16"
        mine = jax.jit(lambda X, y: (X @ X.T, solvers.fit(X, y, 0.1).gap)).lower(X, Y)
        assert sum("HIGHEST" not in line for line in products(mine)) == 1
    other = lambda: seen.append(jax.config.jax_default_matmul_precision)
    with_thread = lambda: (thread := threading.Thread(target=other), thread.start(), thread.join())
    full_precision(with_thread)()
    assert seen == ["highest", None]


# A product in TF32: both factors keep 10 of their 23 bits, sums are float32's.
@pytest.fixture
def tensor_cores(monkeypatch, x32):
    primitive = jax.lax.dot_general
    exact = jax.lax.Precision.HIGHEST

    def rounded(lhs, rhs, *args, precision=None, **options):
        chosen = precision if precision is not None else jax.config.jax_default_matmul_precision
        if lhs.dtype == jnp.float32 and chosen not in ("highest", exact, (exact, exact)):
            lhs, rhs = (jax.lax.reduce_precision(factor, 8, 10) for factor in (lhs, rhs))
        return primitive(lhs, rhs, *args, precision=precision, **options)

    monkeypatch.setattr(jax.lax, "dot_general", rounded)
    monkeypatch.setattr("jax._src.lax.lax.dot_general", rounded)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.0])
def test_a_path_of_float32_converges_where_products_are_rounded(l1_ratio, tensor_cores, monkeypatch):
    """Columns correlate. Without ``full_precision`` it must not converge, or the test says nothing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((301, 20))
    for j in range(1, 20):
        X[:, j] = 0.7 * X[:, j - 1] + np.sqrt(0.51) * X[:, j]
    y = X[:, :5] @ rng.standard_normal(5) + rng.standard_normal(301)
    given = X.astype(np.float32), y.astype(np.float32)
    path = lambda: solvers.path(*given, 15, l1_ratio, strategy="parallel")
    found = path()
    assert found.converged.all()
    # The gap in float64 of what was found in float32.
    with jax.enable_x64(True):
        double = [jnp.asarray(v, jnp.float64) for v in (*given, found.scale, found.y_scale)]
        for lam, w, b in zip(*(np.asarray(v, float) for v in (found.lams, found.coef, found.intercept)), strict=True):
            gap = duality_gap(jaxreg.Params(b, w), *double[:2], lam, l1_ratio, scale=double[2], y_scale=double[3])
            assert gap <= 1e-5
    jax.clear_caches()
    monkeypatch.setattr("jaxreg.precision.jax.default_matmul_precision", lambda _: nullcontext())
    assert not path().converged.all()
