"""What a GPU is given for a lasso: loops whose length is known, no eigenvalues, no singular values, no host.

Nothing is run on one: the programs are read, as JAX traces them and as they are lowered for CUDA.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers, sweeps
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import support
from jaxreg.solvers.conjugate_gradients import BURST, conjugate_gradients
from jaxreg.solvers.fista import SQUARINGS, STEPS_A_CHECK, largest_eigenvalue
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.support import newton_on_support

N, P, L = 40, 6, 9
array = lambda *shape, dtype=jnp.float64: jax.ShapeDtypeStruct(shape, dtype)
X, Y = array(N, P), array(N)
batch = {"strategy": "parallel"}
LASSOS = {
    "path": (lambda X, y: solvers.path(X, y, L, **batch), X, Y),
    "elastic net": (lambda X, y: solvers.path(X, y, L, 0.5, **batch), X, Y),
    "wide": (lambda X, y: solvers.path(X, y, L, **batch), array(15, 50), array(15)),
    "nonnegative": (lambda X, y: solvers.path(X, y, L, lower=0.0, **batch), X, Y),
    "folds": (lambda X, y, held: sweeps.cross_validate(X, y, held, L, **batch), X, Y, array(3, N, dtype=jnp.bool_)),
    "a batch of weights": (
        jax.vmap(lambda s, X, y: solvers.path(X, y, L, sample_weight=s, **batch).gap, (0, None, None)),
        *(array(4, N), X, Y),
    ),
}


@pytest.fixture(autouse=True, scope="module")
def as_on_a_gpu():
    jax.clear_caches()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "gpu")
        yield
    jax.clear_caches()


def inner(equation):
    for value in equation.params.values():
        for part in value if isinstance(value, (tuple, list)) else [value]:
            jaxpr = getattr(part, "jaxpr", part)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr


def walk(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for part in inner(equation):
            yield from walk(part)


@pytest.mark.parametrize("name", LASSOS)
def test_the_innermost_loops_that_multiply_have_a_known_length(name):
    function, *given = LASSOS[name]
    loops = [e for e in walk(jax.make_jaxpr(function)(*given).jaxpr) if e.primitive.name in ("while", "scan")]
    of = lambda loop: {e.primitive.name for part in inner(loop) for e in walk(part)}
    innermost = [loop for loop in loops if "dot_general" in of(loop) and not of(loop) & {"while", "scan"}]
    assert {loop.primitive.name for loop in innermost} == {"scan"}
    assert {STEPS_A_CHECK, BURST, SQUARINGS} <= {loop.params["length"] for loop in innermost}


@pytest.mark.parametrize("name", sorted(LASSOS.keys() - {"nonnegative"}))
def test_no_eigenvalues_and_no_host(name):
    """A certificate beside bounds may need the span of columns that are nearly free: a branch with singular values."""
    function, *given = LASSOS[name]
    text = jax.jit(function).trace(*given).lower(lowering_platforms=("cuda",)).as_text()
    calls = set(re.findall(r"custom_call @(\w+)", text))
    assert not [call for call in calls if re.search("syev|gesvd|geqrf|callback", call)], calls


# ------------------------------------------------------------------------------------------------ what they are made of

DESIGNS = {
    "one column": lambda rng: rng.normal(size=(5, 1)),
    "independent": lambda rng: np.eye(64),  # all eigenvalues are alike: the bound is at its loosest
    "of rank one": lambda rng: np.outer(rng.normal(size=9), rng.normal(size=7)),
    "correlated": lambda rng: rng.normal(size=(50, 1)) + 0.3 * rng.normal(size=(50, 30)),
    "large": lambda rng: 1e90 * rng.normal(size=(20, 5)),
    "small": lambda rng: 1e-90 * rng.normal(size=(20, 5)),
    "wide": lambda rng: rng.normal(size=(6, 40)),
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_largest_eigenvalue_is_bounded_from_above_and_hardly_missed(design, dtype, rng):
    A = DESIGNS[design](rng)
    A = (A if dtype == np.float64 else A / np.abs(A).max()).astype(dtype)
    gram = A.T @ A if len(A) >= A.shape[1] else None
    found = float(
        largest_eigenvalue(LeastSquares(jnp.asarray(A), None if gram is None else jnp.asarray(gram), A[0], 1))
    )
    right = np.linalg.norm(A.astype(float), 2) ** 2
    assert right * (1 - 1e-15) <= found
    assert found <= right * min(A.shape) ** (1 / 128) * (1 + 200 * np.finfo(dtype).eps)
    if design == "independent" and dtype == np.float64:
        assert found == pytest.approx(64 ** (1 / 128), rel=1e-13)


def test_without_rows_that_count_it_is_one():
    zero = jnp.zeros((4, 3))
    assert float(largest_eigenvalue(LeastSquares(zero, zero.T @ zero, zero[0], 0.0))) == 1


@pytest.mark.parametrize("singular", [False, True])
def test_conjugate_gradients_solve(singular, rng):
    A = rng.normal(size=(30, 12))
    A[:, 0] = A[:, 1] if singular else A[:, 0]
    M, x = A.T @ A, rng.normal(size=12)
    solve = lambda most, **how: conjugate_gradients(lambda v: M @ v, M @ x, jnp.ones(12), most, 1e-15, **how)
    found = solve(100)
    np.testing.assert_allclose(M @ found, M @ x, rtol=1e-10)
    np.testing.assert_allclose(M @ solve(100, inverse=lambda r: r / np.diag(M)), M @ x, rtol=1e-10)
    # So many steps and no more, wherever in a burst: p of them solve it.
    off = [float(jnp.linalg.norm(M @ (solve(most) - x))) for most in range(14)]
    assert len(set(off[:10])) == 10
    assert off[0] == pytest.approx(np.linalg.norm(M @ (np.ones(12) - x)))
    assert off[13] < 1e-6 * off[0]
    # Roughly: at a tenth of where they began.
    rough = jnp.linalg.norm(M @ (solve(100, fall=0.1) - x))
    assert 1e-4 * off[0] < rough <= 0.1 * off[0]


def test_newton_steps_from_a_wrong_support_settle_on_the_right_one(rng):
    """Held against the λ path from knot to knot."""
    X = rng.normal(size=(50, 8))
    y = X[:, :3] @ [2.0, -1.0, 1.5] + rng.normal(size=50)
    A, target = (v - v.mean(0) for v in (X, y))
    size = np.linalg.norm(A, axis=0)
    gram, c = (A / size).T @ (A / size), (A / size).T @ target
    lam = 0.05
    found = solvers.fit(X, y, lam, standardize=False)
    none = jnp.full(8, jnp.inf)
    penalty = Penalty(jnp.asarray(50 * lam / size), jnp.zeros(8), -none, none)
    problem = LeastSquares(jnp.asarray(A / size), jnp.asarray(gram), jnp.asarray(c), jnp.asarray(target @ target))
    for start in (jnp.zeros(8), jnp.ones(8), jnp.asarray(c)):
        u, settled = newton_on_support(problem, penalty, start, problem.gram @ start)
        assert bool(settled)
        np.testing.assert_allclose(u / size, found.params.coef, rtol=1e-9, atol=1e-12)


def test_less_is_multiplied_while_the_support_moves(rng, monkeypatch):
    """From a start whose support changes in many rounds, roughly solved systems take fewer products than exact ones."""
    X = rng.normal(size=(60, 30))
    for j in range(1, 30):
        X[:, j] = 0.95 * X[:, j - 1] + 0.3 * X[:, j]
    y = X[:, ::5] @ np.arange(1.0, 7) + rng.normal(size=60)
    A, target = (v - v.mean(0) for v in (X, y))
    A = jnp.asarray(A / np.linalg.norm(A, axis=0))
    c, none = A.T @ target, jnp.full(30, jnp.inf)
    problem = LeastSquares(A, A.T @ A, c, jnp.asarray(target @ target))
    penalty = Penalty(jnp.full(30, 0.02 * float(jnp.abs(c).max())), jnp.zeros(30), -none, none)
    real, products = support.conjugate_gradients, []

    def counted(matrix, *given):
        def with_word(v):
            jax.debug.callback(lambda: products.append(1))
            return matrix(v)

        return real(with_word, *given)

    monkeypatch.setattr(support, "conjugate_gradients", counted)
    counts = []
    for roughly in (support.ROUGHLY, 0.0):
        monkeypatch.setattr(support, "ROUGHLY", roughly)
        products.clear()
        newton_on_support(problem, penalty, jnp.zeros(30), jnp.zeros(30))
        jax.effects_barrier()
        counts.append(len(products))
    assert counts[0] < 0.8 * counts[1], counts
