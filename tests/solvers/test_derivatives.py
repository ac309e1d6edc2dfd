"""Derivatives of solutions against the closed form on the support, in NumPy, differentiated by complex steps.

On fixed pieces (interior with a sign, at 0, at a bound) a solution is the solution of a linear system, an analytic
function of all data: the imaginary part at data + 1e-30·i·direction is 1e-30 times the derivative, without rounding.
Second derivatives are central differences of those.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers, sweeps
from jaxreg.formulas import Params
from jaxreg.solvers.implicit import with_derivatives
from jaxreg.solvers.products import Products
from jaxreg.solvers.reduced import prepare
from jaxreg.solvers.support_system import support_solve

N, P, TINY = 20, 4, 1e-30
NAMES = ("lam", "l1_ratio", "X", "y", "sample_weight", "lower")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)) * [1, 2, 0.5, 1] + 1
    s = rng.uniform(0.5, 2, N)
    s[3] = 0
    return {
        "X": X,
        "y": X @ [1.5, -0.5, 0.1, 0] + rng.standard_normal(N),
        "sample_weight": s,
        "lower": np.full(P, -0.2),
    }


def plain(w, lam, l1_ratio, X, y, sample_weight, lower, *, standardize, bound=False, fit_intercept=True):
    """(b, w) on the pieces of the real solution w, of which those flagged ``bound`` are at ``lower``."""
    share = sample_weight / sample_weight.sum()
    x_mean, y_mean = (share @ X, share @ y) if fit_intercept else (np.zeros(P), 0.0)
    A, target = X - x_mean, y - y_mean
    sigma = np.sqrt(share @ (X - share @ X) ** 2) if standardize else np.ones(P)
    inside = np.logical_not(bound) & ((w != 0) | (l1_ratio == 0))
    tau = np.sqrt(share @ (y - share @ y) ** 2) if standardize else 1.0
    found = np.where(bound, lower, 0.0).astype(np.result_type(lower, X, y, share, lam))
    M = A.T @ (share[:, None] * A) + np.diag(lam * (1 - l1_ratio) * sigma**2 / tau)
    right = A.T @ (share * target) - lam * l1_ratio * sigma * np.sign(w) - M @ found
    found[inside] = np.linalg.solve(M[np.ix_(inside, inside)], right[inside])
    return y_mean - x_mean @ found, found


def summary(b, w):
    """A smooth function of all of them, so that a wrong entry shows."""
    return (w * w * np.arange(1.0, P + 1) + w).sum() + 0.3 * b


def with_numpy(*args, **options):
    return summary(*plain(*args, **options))


def with_jaxreg(found, lam, l1_ratio, X, y, sample_weight, lower, standardize):
    """The summary of solutions (b, w) without derivatives, with those that jaxreg gives them."""
    data = prepare(X, y, True, standardize, sample_weight, None, lower, None)
    params = Params(jnp.full((1, 1), found[0]), jnp.asarray(found[1])[None, :, None])
    params = with_derivatives(data, params, jnp.full((1, 1), lam), l1_ratio)
    return summary(params.intercept[0, 0], params.coef[0, :, 0])


def along(f, at, directions):
    """t ↦ f(at + t·directions)."""
    return lambda t: f(*(a + t * d for a, d in zip(at, directions, strict=True)))


KINDS = {"ridge": (0.0, None), "lasso": (1.0, None), "elastic net": (0.4, None), "bounds": (0.4, "lower")}


CASES = [(kind, True) for kind in KINDS] + [pytest.param(kind, False, marks=pytest.mark.slow) for kind in KINDS]


@pytest.mark.parametrize(("kind", "standardize"), CASES)
def test_first_and_second_derivatives_where_a_weight_is_0(data, kind, standardize):
    ratio, bounded = KINDS[kind]
    lam, options = 0.4, {"standardize": standardize}
    everything = [lam, ratio, *data.values()]
    free = slice(0, 6) if bounded else slice(0, 5)
    X, y, s, lower = data.values()
    solve = jax.jit(solvers.fit, static_argnames=("standardize",) + (("l1_ratio",) if kind == "ridge" else ()))
    given = {"l1_ratio": ratio, "sample_weight": s, "lower": lower if bounded else None}
    solution = solve(X, y, lam, tol=1e-15, **given, **options).params
    w = np.asarray(solution.coef)
    bound = (w == lower) & bool(bounded)
    assert (w == 0).any() == (kind != "ridge")
    assert bound.any() == bool(bounded)
    at, rest, options = everything[free], () if bounded else (np.zeros(P),), options | {"bound": bound}
    reference = lambda *a: with_numpy(w, *a, *rest, **options)
    np.testing.assert_allclose(summary(*solution), reference(*at), rtol=1e-10)
    found = plain(w, *at, *rest, **options)
    f = lambda *a: with_jaxreg(found, *a, *(() if bounded else (None,)), standardize)

    rng = np.random.default_rng(1)
    directions = [rng.standard_normal(np.shape(a)) for a in at]
    directions[1] *= 0 < ratio < 1  # at the ends of the range there is one side only
    line = along(f, [jnp.asarray(a, float) for a in at], [jnp.asarray(d, float) for d in directions])
    operators = {
        "forward": jax.jacfwd,
        "hessian": jax.hessian,
        "reverse twice": lambda f: jax.grad(jax.grad(f)),
        "forward twice": lambda f: jax.jacfwd(jax.jacfwd(f)),
    }
    gradient, numbers = jax.jit(
        lambda at: (jax.grad(f, argnums=tuple(range(len(at))))(*at), {k: g(line)(0.0) for k, g in operators.items()})
    )(tuple(at))
    derivative = lambda point, directions: (
        reference(*(a + TINY * 1j * d for a, d in zip(point, directions, strict=True))).imag / TINY
    )
    total = 0.0
    for i, name in enumerate(NAMES[: len(at)]):
        alone = [d if j == i else 0 * d for j, d in enumerate(directions)]
        expected = derivative(at, alone)
        total += expected
        np.testing.assert_allclose(np.sum(gradient[i] * directions[i]), expected, rtol=1e-9, err_msg=name)

    np.testing.assert_allclose(numbers.pop("forward"), total, rtol=1e-9)
    h = 1e-5
    moved = lambda t: [a + t * d for a, d in zip(at, directions, strict=True)]
    second = (derivative(moved(h), directions) - derivative(moved(-h), directions)) / (2 * h)
    for name, number in numbers.items():  # the differences are exact to about h² and 1e-16/h
        np.testing.assert_allclose(number, second, rtol=1e-6, err_msg=name)


def test_ridge_moves_with_y_also_where_y_is_0(data):
    """w = 0 is no kink of w²: dw/dy is the matrix of the closed form, wherever y is."""
    X, s = data["X"], data["sample_weight"]
    options = {"sample_weight": s, "standardize": False}
    share = s / s.sum()
    A = X - share @ X
    expected = np.linalg.solve(A.T @ (share[:, None] * A) + 0.4 * np.eye(P), A.T * share)
    closed = lambda y: solvers.fit(X, y, 0.4, 0.0, **options).params.coef
    iterated = lambda y: solvers.fit(X, y, 0.4, jnp.asarray(0.0), **options).params.coef
    for f in (closed, iterated):
        for jacobian in (jax.jacfwd, jax.jacrev):
            np.testing.assert_allclose(jax.jit(jacobian(f))(np.zeros(N)), expected, atol=1e-13)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_coefficient_pressed_against_a_bound_of_0_moves_with_it(data, l1_ratio):
    """It does on the side of lower < 0, the only one there is; one that the penalty holds at 0 does not."""
    X, y, s, _ = data.values()
    lam, lower = 0.05, np.zeros(P)
    y = X @ [1.5, -0.5, 0.3, -1] + 0.1 * y
    fit = lambda lower: solvers.fit(X, y, lam, l1_ratio, sample_weight=s, lower=lower, standardize=False, tol=1e-15)
    coef = jax.jit(lambda lower: fit(lower).params.coef)
    w = np.asarray(coef(lower))
    assert list(w == 0) == [False, True, False, True]
    found = [np.asarray(jax.jit(jacobian(coef))(lower)) for jacobian in (jax.jacfwd, jax.jacrev)]
    for j in range(P):
        moved = plain(w, lam, l1_ratio, X, y, s, lower + TINY * 1j * np.eye(P)[j], standardize=False, bound=w == 0)[1]
        for jacobian in found:
            np.testing.assert_allclose(jacobian[:, j], moved.imag / TINY, atol=1e-10)
    strong = jax.jit(jax.jacfwd(lambda lower: solvers.fit(X, y, 50.0, lower=lower).params.coef))
    assert not strong(lower).any()


@pytest.mark.parametrize("standardize", [True, False])
def test_a_held_out_error_by_the_weights(data, standardize):
    """Positive weights: the fold sets those of its own rows to 0."""
    X, y, s, _ = data.values()
    s, held, lam = s + 0.1, np.arange(N) < 5, 0.3
    error = lambda s: sweeps.fold_errors(X, y, held, jnp.array([lam]), 0.0, sample_weight=s, standardize=standardize)[
        0
    ][0]

    def reference(s):
        b, w = plain(np.ones(P), lam, 0.0, X, y, np.where(held, 0, s), np.zeros(P), standardize=standardize)
        return (s * (y - X @ w - b) ** 2)[held].sum() / s[held].sum()

    expected = [reference(s + TINY * 1j * e).imag / TINY for e in np.eye(N)]
    np.testing.assert_allclose(jax.jit(error)(s), reference(s), rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.grad(error))(s), expected, atol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(error))(s), expected, atol=1e-12)


@pytest.mark.parametrize("wide", [False, True])
def test_a_singular_system_has_the_solution_of_least_norm(wide):
    """Duplicate columns, and more columns than rows without a penalty: the pseudo-inverse, and nothing where nothing
    is asked; what is not a number stays none."""
    A = np.random.default_rng(0).standard_normal((4, 7) if wide else (9, 3))
    A[:, 1] = A[:, 0]
    A /= np.linalg.norm(A, axis=0)
    n, p = A.shape
    gram, square = None if wide else jnp.asarray(A.T @ A)[None], jnp.ones((1, p))
    table, centred = (jnp.asarray(A), jnp.ones((1, n)), jnp.zeros((1, n))), jnp.zeros((), bool)
    products = Products(*table, centred, jnp.ones(p), jnp.zeros(p), square, gram, None)
    of = lambda right: support_solve(products, jnp.ones((1, 1, p), bool), jnp.zeros((1, 1, p)), right[None, None])[0, 0]
    solve = jax.jit(of)
    for right in (A.T @ np.arange(n), 1e-200 * A.T @ np.arange(n), np.eye(p)[0]):
        np.testing.assert_allclose(
            solve(right), np.linalg.pinv(A.T @ A) @ right, rtol=1e-9, atol=1e-11 * abs(right).max()
        )
    assert not solve(jnp.zeros(p)).any()
    assert jnp.isnan(solve(jnp.full(p, jnp.nan))).all()


def test_a_tangent_that_is_not_a_number_stays_one(data):
    X, y = data["X"], data["y"]
    fit = lambda y: solvers.fit(X, y, 0.1, 0.0).params.coef
    value, tangent = jax.jit(lambda y, dy: jax.jvp(fit, (y,), (dy,)))(y, np.full(N, np.nan))
    assert jnp.isfinite(value).all()
    assert jnp.isnan(tangent).all()


@pytest.mark.parametrize("n", [N, 5])
def test_degrees_of_freedom_and_the_largest_lam_where_a_weight_is_0(data, n):
    """By the weights, against the trace of the hat matrix and max |x_jᵀSy| / σ_j; n = 5 is fewer rows than columns."""
    X, y, s = np.hstack([data["X"], data["X"] ** 2])[:n], data["y"][:n], np.append(0, data["sample_weight"][1:n] + 0.1)

    def reference(s):
        share = s / s.sum()
        A, target = X - share @ X, y - share @ y
        G, sigma = A.T @ (share[:, None] * A), np.sqrt(share @ A**2)
        D = np.diag(0.3 * sigma**2 / np.sqrt(share @ target**2))
        ratio = A.T @ (share * target) / sigma
        return np.trace(np.linalg.solve(G + D, G)), ratio[abs(ratio).argmax()] * np.sign(ratio.real)[
            abs(ratio).argmax()
        ]

    moved = [reference(s + TINY * 1j * e) for e in np.eye(n)]
    df = lambda s: solvers.path(X, y, jnp.array([0.3]), 0.0, sample_weight=s).df[0]
    largest = lambda s: solvers.path(X, y, 2, 0.0, sample_weight=s, eps=0.1).lams[0] * 1e-3
    for i, f in enumerate((df, largest)):
        value, derivative = jax.jit(jax.value_and_grad(f))(s)
        np.testing.assert_allclose(value, reference(s)[i], rtol=1e-10)
        np.testing.assert_allclose(derivative, [m[i].imag / TINY for m in moved], rtol=1e-8, atol=1e-9)
