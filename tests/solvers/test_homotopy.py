"""The path from knot to knot, held against scikit-learn, Newton steps, and what the tableau is defined to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import lars_path, lasso_path

import jaxreg
from jaxreg.engines import moments
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import homotopy, tableau
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.walks import Knots

P, N = 64, 300


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def gram_problem(seed, n=N, p=50):
    """G with ones on its diagonal, c and ‖y‖², filled up with zeros to P columns; and the columns behind them."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, p)) @ (np.eye(p) + 0.5 * np.eye(p, k=1))
    A /= np.linalg.norm(A, axis=0)
    y = A @ (rng.standard_normal(p) * (rng.random(p) < 0.4)) + 0.05 * rng.standard_normal(n)
    fill = P - p
    return LeastSquares(A, np.pad(A.T @ A, (0, fill)), np.pad(A.T @ y, (0, fill)), y @ y), A, y


def unit(lower=-np.inf, upper=np.inf):
    return Penalty(np.ones(P), np.zeros(P), np.full(P, lower), np.full(P, upper))


solve = jax.jit(homotopy.solve_path)


def test_knots_are_those_of_lars():
    """scikit-learn's lars_path(method="lasso"): at its knots the same coefficients, to rounding."""
    problem, A, y = gram_problem(0)
    knots, _, coef = lars_path(A, y, method="lasso")
    lams, coef = knots[1:-1] * len(y), coef.T[1:-1]
    u, n_iter = solve(problem, lams, len(lams), unit(), 1e-10, 10)
    np.testing.assert_allclose(u[:, :50], coef, atol=1e-12 * np.abs(coef).max())
    assert int(np.sum(n_iter)) in (len(lams), len(lams) + 1)  # the last knot is at the last λ, up to rounding


def test_one_sided_bounds():
    problem, A, y = gram_problem(1)
    lams = np.geomspace(1, 1e-3, 20) * np.abs(problem.correlation).max()
    _, expected, _ = lasso_path(A, y, alphas=lams / len(y), positive=True, tol=1e-14, max_iter=100_000)
    u, _ = solve(problem, lams, len(lams), unit(lower=0.0), 1e-10, 10)
    assert np.all(u >= 0)
    np.testing.assert_allclose(u[:, :50], expected.T, atol=1e-7 * np.abs(expected).max())


def assert_defined(step, G, c):
    """S = (−H, HG; GH, G − GHG), x₀ and x₁ with the scales taken off."""
    S = np.stack([tableau.row(step.tableau, jnp.int32(k)) for k in range(P)])
    q, A = np.asarray(step.scale), np.asarray(step.sign) != 0
    S = S / q[:, None] / q[None, :]
    H = np.linalg.inv(G[np.ix_(A, A)])
    np.testing.assert_allclose(S[np.ix_(A, A)], -H, atol=1e-11)
    np.testing.assert_allclose(S[np.ix_(A, ~A)], H @ G[np.ix_(A, ~A)], atol=1e-11)
    schur = G[np.ix_(~A, ~A)] - G[np.ix_(~A, A)] @ H @ G[np.ix_(A, ~A)]
    np.testing.assert_allclose(S[np.ix_(~A, ~A)], schur, atol=1e-11)
    u0, u1 = H @ c[A], -H @ np.asarray(step.sign)[A]
    np.testing.assert_allclose((step.at_zero / q)[A], u0, atol=1e-11)
    np.testing.assert_allclose((step.slope / q)[A], u1, atol=1e-11)
    np.testing.assert_allclose((step.at_zero / q)[~A], c[~A] - G[np.ix_(~A, A)] @ u0, atol=1e-11)
    np.testing.assert_allclose((step.slope / q)[~A], -G[np.ix_(~A, A)] @ u1, atol=1e-11)


BLOCKS = P // tableau.block_rows(P)
one_knot = jax.jit(lambda step: homotopy.pass_knot(step, unit(), jnp.full(3, 1e-9), jnp.int32(3), BLOCKS))


@pytest.mark.parametrize("steps", [1, 7, tableau.PENDING + 5])
def test_tableau_is_what_it_is_defined_to_be(steps):
    """After so many knots, some kept beside it and some added."""
    problem, _, _ = gram_problem(2)
    G, c = problem.gram, problem.correlation
    step = homotopy.start(jnp.asarray(G), jnp.asarray(c), 3)
    left = 0
    for _ in range(steps):
        active = int(np.sum(step.sign != 0))
        step = one_knot(step)
        left += int(np.sum(step.sign != 0)) < active
    assert_defined(step, G, c)
    assert_defined(homotopy.rebuilt(step, jnp.asarray(G), jnp.asarray(c), unit()), G, c)
    if steps > 50:
        assert left > 0, "no column left the active set: the test shows less than it should"


@pytest.mark.parametrize("steps", [0, 12, tableau.PENDING + 5])
def test_tableau_takes_in_and_gives_back_columns(steps):
    """After so many knots of 30 columns, 20 more join; after as many again, those that are not active leave."""
    problem, _, _ = gram_problem(4)
    G, c = problem.gram, problem.correlation
    first = np.arange(P) < 30
    some = np.where(first[:, None] & first, G, 0)
    knots = Knots.start(P, jnp.ones(3))._replace(
        step=homotopy.start(jnp.asarray(some), jnp.asarray(np.where(first, c, 0)), 3)
    )
    for _ in range(steps):
        knots = knots._replace(step=one_knot(knots.step))
    knots = jax.jit(Knots.join)(knots, jnp.int32(30), G[30:50], c[30:50], c[30:50])
    assert_defined(knots.step, G, c)
    for _ in range(steps):
        knots = knots._replace(step=one_knot(knots.step))
    assert_defined(knots.step, G, c)
    order = np.pad(np.flatnonzero(knots.active), (0, P - int(knots.active.sum())), constant_values=P)
    kept = jax.jit(Knots.keep)(knots, order)
    moved = lambda a: np.pad(a, [(0, 1)] * a.ndim)[np.ix_(*[order] * a.ndim)]
    assert_defined(kept.step, moved(G), moved(c))


def test_columns_that_are_equal_do_not_end_the_path():
    """Nor do those that are the negative of one another: whichever comes first enters."""
    rng = np.random.default_rng(8)
    X = rng.standard_normal((40, 12))
    y = X[:, :4] @ [3.0, -2.0, 1.0, 0.5] + rng.standard_normal(40)
    A = np.hstack([X, X, -X])
    gram, c = np.zeros((P, P)), np.zeros(P)
    gram[:36, :36], c[:36] = A.T @ A, A.T @ y
    lams = np.geomspace(1, 1e-4, 30) * np.abs(c).max()
    u, n_iter = solve(LeastSquares(A, gram, c, y @ y), lams, 30, unit(), 1e-10, 10)
    assert int(np.sum(n_iter)) >= 12
    u = np.asarray(u)
    z = c - u @ gram
    assert np.all(np.abs(z) <= lams[:, None] * (1 + 1e-9))
    np.testing.assert_allclose(np.where(u != 0, z, 0), lams[:, None] * np.sign(u), rtol=1e-9)


def test_ends_where_a_column_depends_on_the_active_ones():
    """Two columns that are all but equal, and a y that needs both: the path ends there; the public one is solved."""
    rng = np.random.default_rng(3)
    Z, _ = np.linalg.qr(rng.standard_normal((12, 3)))
    y = Z @ [3.0, 1.0, 0.5]
    Z[:, 1] = Z[:, 0] + 1e-5 * Z[:, 1]
    gram, c = np.zeros((P, P)), np.zeros(P)
    gram[:3, :3], c[:3] = Z.T @ Z, Z.T @ y
    lams = np.geomspace(1, 1e-6, 40) * np.abs(c).max()
    u, n_iter = solve(LeastSquares(Z, gram, c, y @ y), lams, 40, unit(), 1e-10, 10)
    assert np.all(np.isfinite(u))
    assert np.any(u[:, :3] != 0, axis=0).sum() == 2, "the third column must not enter"
    assert np.all(u[-1] == 0), "solved beyond a dependent column"
    assert int(np.sum(n_iter)) == 3
    path = jaxreg.path(Z, y, lams[:38] / 12, fit_intercept=False, standardize=False)
    assert path.converged.all()
    assert path.n_nonzero[-1] > 0


def test_newton_steps_are_not_compiled_where_knots_suffice(monkeypatch):
    """A lasso takes one program a padded size; an elastic net the other one."""
    asked = []
    program = moments._program
    monkeypatch.setattr(moments, "_program", lambda *args, way: asked.append(way) or program(*args, way=way))
    rng = np.random.default_rng(5)
    X = rng.standard_normal((90, 20))
    y = X[:, 0] + rng.standard_normal(90)
    assert jaxreg.path(X, y, 30).converged.all()
    assert asked == ["knots"]
    before = program._cache_size()
    assert jaxreg.path(X[:80, :18], y[:80], 31).converged.all()  # the same padded sizes
    assert program._cache_size() == before
    assert jaxreg.path(X, y, 30, l1_ratio=0.5).converged.all()
    assert asked == ["knots", "knots", "blocks"]


def test_equals_the_newton_path(monkeypatch):
    rng = np.random.default_rng(6)
    X = rng.standard_normal((120, 40)) @ (np.eye(40) + 0.9 * np.eye(40, k=1))
    y = X[:, :10] @ rng.standard_normal(10) + rng.standard_normal(120)
    weight, factor = rng.random(120) + 0.1, rng.random(40) + 0.5
    options = {"sample_weight": weight, "penalty_factor": factor, "upper": np.where(np.arange(40) % 3 == 0, 0, np.inf)}
    by_knots = jaxreg.path(X, y, 50, **options)
    program = moments._program
    monkeypatch.setattr(moments, "_program", lambda *args, way: program(*args, way="newton"))
    by_newton = jaxreg.path(X, y, 50, **options)
    assert by_knots.converged.all()
    np.testing.assert_allclose(by_knots.coef, by_newton.coef, atol=1e-11 * np.abs(by_newton.coef).max())
    np.testing.assert_array_equal(by_knots.n_nonzero, by_newton.n_nonzero)
    assert jnp.isfinite(by_knots.gap).all()


@pytest.mark.parametrize("seed", range(3))
def test_rounding_errors_of_a_walk_are_corrected_on_its_supports(monkeypatch, seed):
    """Spectra: 50 channels that show six substances. The knots are right, but the numbers drift."""
    asked = []
    program = moments._program
    note = lambda *args, way, known=None: asked.append((way, known is None)) or program(*args, way=way, known=known)
    monkeypatch.setattr(moments, "_program", note)
    rng, channel = np.random.default_rng(seed), np.linspace(0, 1, 50)
    amounts = rng.standard_normal((120, 6))
    X = amounts @ np.exp(-(((channel - np.linspace(0.1, 0.9, 6)[:, None]) / 0.25) ** 2))
    X += 1e-3 * rng.standard_normal(X.shape)
    y = 2 * amounts[:, 1] - amounts[:, 4] + 0.3 * rng.standard_normal(120)
    path = jaxreg.path(X, y, 100, eps=1e-3)
    assert asked == [("knots", True), ("knots", False)]
    assert path.gap.max() < 1e-12
    # The conditions of optimality in extended precision, from the coefficients as they are returned.
    Z = X.astype(np.longdouble) - X.astype(np.longdouble).mean(axis=0)
    for lam, coef in zip(path.lams, path.coef, strict=True):
        g = Z.T @ (y - y.astype(np.longdouble).mean() - Z @ coef) / len(y) / path.scale
        assert np.all(np.abs(g) <= lam * (1 + 1e-9))
        np.testing.assert_allclose(g[coef != 0] * np.sign(coef[coef != 0]), lam, rtol=1e-9)
