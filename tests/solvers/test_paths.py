"""`solvers.fit` and `solvers.path`: their answers are optimal whatever the options, and they are pure functions.

All problems of one shape go through one compiled program: weights, factors and bounds are always given, and those that
do nothing (1, ±∞) stand in for none.
"""

import itertools
from functools import partial

import jax
import numpy as np
import pytest

from jaxreg import solvers
from jaxreg.formulas import Params, duality_gap, kkt_residual, lam_max, objective

INF = np.inf


TRACED = []
# These programs run for milliseconds and take seconds to compile; with few optimisations it is half of that. What the
# user gets is compiled in the tests of the host functions.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def compiled(function):
    """The function under jit, with NumPy arrays in what it returns; ``TRACED`` grows with every compilation."""

    def counted(*args, **options):
        TRACED.append(function)
        return function(*args, **options)

    under_jit = jax.jit(counted, static_argnames=("fit_intercept", "standardize"), compiler_options=QUICKLY)

    def call(*args, fit_intercept=True, standardize=True, **options):
        found = under_jit(*args, fit_intercept=fit_intercept, standardize=standardize, **options)
        return jax.tree.map(np.asarray, found)

    return call


path_at = compiled(lambda X, y, lams, rho, **options: solvers.path(X, y, lams, rho, **options))
ridge_path = compiled(partial(solvers.path, l1_ratio=0))


def path(X, y, lams, rho, **options):
    return path_at(X, y, lams, np.asarray(rho, X.dtype), **options)  # a Python number would be another program


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def data(n, p, seed=0):
    """Correlated columns of very different size and location, one constant; a noisy y."""
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, p)) @ (np.eye(p) + 0.3)) * np.geomspace(0.2, 30, p) + np.linspace(-3, 20, p)
    X[:, 2] = 4.0
    coef = np.where(np.arange(p) % 2, 0, rng.normal(size=p)) / np.geomspace(0.2, 30, p)
    return X, X @ coef + rng.normal(size=n) + 3


WEIGHTS = {"ones": lambda n: np.ones(n), "weights": lambda n: np.arange(n) % 4 / 2.0}  # a quarter are 0
FACTORS = {
    "ones": lambda p: np.ones(p),
    "factors": lambda p: 0.5 + np.arange(p) % 3,
    "free": lambda p: np.where(np.arange(p) < 2, 0.0, 1.0 + np.arange(p) % 2),
}
BOUNDS = {
    "no bounds": lambda p: (np.full(p, -INF), np.full(p, INF)),
    "nonnegative": lambda p: (np.zeros(p), np.full(p, INF)),
    "box": lambda p: (np.where(np.arange(p) % 3, -0.1, -INF), np.where(np.arange(p) % 2, 0.05, 0.2)),
}
OPTIONS = list(itertools.product(WEIGHTS, FACTORS, BOUNDS, (1.0, 0.5, 0.0)))
CENTRING = [
    pytest.param(True, True, id="intercept, standardized"),
    pytest.param(False, False, id="origin, as given"),
    pytest.param(True, False, id="intercept, as given", marks=pytest.mark.slow),
    pytest.param(False, True, id="origin, standardized", marks=pytest.mark.slow),
]


def options_of(n, p, weights, factors, bounds):
    lower, upper = BOUNDS[bounds](p)
    arrays = {"sample_weight": WEIGHTS[weights](n), "penalty_factor": FACTORS[factors](p)}
    return arrays, {"lower": lower, "upper": upper}


@partial(jax.jit, static_argnames="fit_intercept")
def violations(lams, found, X, y, rho, factors, bounds, fit_intercept):
    """The KKT residual and the gradient of the objective by autodiff at every λ of the path."""
    factors = {**factors, "scale": found.scale, "y_scale": found.y_scale}

    def one(lam, params):
        gradient = jax.grad(objective)(params, X, y, lam, rho, **factors)
        return kkt_residual(params, X, y, lam, rho, fit_intercept=fit_intercept, **factors, **bounds), gradient

    return jax.vmap(one)(lams, Params(found.intercept, found.coef))


def at_bounds(found, bounds):
    """The path with coefficients that are one rounding away from their bound put on it."""
    near = lambda bound: np.isclose(found.coef, bound, rtol=4e-16, atol=0)
    coef = np.where(
        near(bounds["lower"]), bounds["lower"], np.where(near(bounds["upper"]), bounds["upper"], found.coef)
    )
    return found._replace(coef=coef)


def check_optimal(X, y, lams, rho, found, factors, bounds, fit_intercept, tolerance):
    """The path minimises ``objective(..., scale=found.scale)``, by its own conditions and by autodiff."""
    assert np.all(found.converged)
    assert np.all(found.gap <= 1e-10)
    found = at_bounds(found, bounds)
    kkt, gradient = violations(lams, found, X, y, rho, factors, bounds, fit_intercept)
    # The gradient is at most Σ s |x_j r| / Σs: rounding is measured by that.
    s = factors["sample_weight"] / factors["sample_weight"].sum()
    steepest = np.max(np.sqrt(s @ X**2) * np.sqrt(s @ y**2))
    assert np.all(kkt <= tolerance * steepest)
    if fit_intercept:
        assert np.all(np.abs(gradient.intercept) <= tolerance * steepest)
    else:
        assert np.all(found.intercept == 0)
    # Autodiff takes the subgradient 0 of |w| at 0, so g is the whole derivative where w ≠ 0, and the smooth one where
    # w = 0; there it must lie within ±l1, or point out of the bounds.
    w, g = np.asarray(found.coef), np.asarray(gradient.coef)
    l1 = lams[:, None] * rho * factors["penalty_factor"] * found.scale
    inside = (w > bounds["lower"]) & (w < bounds["upper"])
    slack = np.where(w == 0, l1, 0) + tolerance * steepest
    assert np.all(np.abs(g[inside]) <= np.broadcast_to(slack, w.shape)[inside])
    assert np.all((g >= -slack)[w <= bounds["lower"]])
    assert np.all((g <= slack)[w >= bounds["upper"]])
    # The constant column has no coefficient. Closed forms (ridge, λ = 0) leave rounding there: see below.
    np.testing.assert_allclose(w[:, 2], 0, atol=1e-13)
    if np.any(found.n_iter):
        assert not np.any(w[lams > 0, 2])
    assert np.all((w >= bounds["lower"]) & (w <= bounds["upper"]))


@pytest.mark.parametrize(("fit_intercept", "standardize"), CENTRING)
def test_every_combination_of_options_is_optimal(fit_intercept, standardize):
    """54 kinds of problem at λ = 0, small, middling and far above λ_max."""
    n, p = 30, 6
    X, y = data(n, p)
    if not fit_intercept:
        X[:, 2] = 0.0  # without an intercept a constant column is a column like any other, unless it is 0
    lams = np.array([0.0, 1e-3, 0.02, 1e4])
    for weights, factors, bounds, rho in OPTIONS:
        factor, bound = options_of(n, p, weights, factors, bounds)
        found = path(X, y, lams, rho, fit_intercept=fit_intercept, standardize=standardize, **factor, **bound)
        check_optimal(X, y, lams, rho, found, factor, bound, fit_intercept, 1e-11)  # worst seen: 2e-15
        penalised = (factor["penalty_factor"] > 0) & (np.arange(p) != 2)
        if rho > 0:
            assert not np.any(found.coef[3, penalised])
        assert np.all(found.coef[1:3, 0] != 0) or bounds != "no bounds"


@pytest.mark.parametrize("rho", [1.0, 0.5, 0.0])
def test_more_columns_than_rows(rho):
    n, p = 20, 40
    X, y = data(n, p, seed=1)
    lams = np.array([0.0, 1e-2, 0.3, 1e4])
    for weights, factors, bounds in itertools.product(WEIGHTS, FACTORS, BOUNDS):
        factor, bound = options_of(n, p, weights, factors, bounds)
        found = path(X, y, lams, rho, **factor, **bound)
        check_optimal(X, y, lams, rho, found, factor, bound, True, 1e-11)  # worst seen: 8e-14


@pytest.mark.parametrize(
    ("fit_intercept", "standardize"),
    [CENTRING[0], pytest.param(False, False, id="origin, as given", marks=pytest.mark.slow), *CENTRING[2:]],
)
def test_closed_form_ridge_is_optimal(fit_intercept, standardize):
    """The Python number 0 takes the closed form: no steps, and the same conditions."""
    n, p = 30, 6
    X, y = data(n, p)
    if not fit_intercept:
        X[:, 2] = 0.0
    lams = np.array([0.0, 1e-3, 0.3, 1e4])
    for weights, factors in itertools.product(WEIGHTS, FACTORS):
        factor, bound = options_of(n, p, weights, factors, "no bounds")
        found = ridge_path(X, y, lams, fit_intercept=fit_intercept, standardize=standardize, **factor)
        assert not np.any(found.n_iter)
        check_optimal(X, y, lams, 0.0, found, factor, bound, fit_intercept, 1e-11)


lam_max_at = jax.jit(lam_max, static_argnames="fit_intercept")


def largest_lam_by_numpy(X, y, rho, s, v, scale, lower, upper, fit_intercept):
    """max over penalised j of |x_jᵀ S r₀| / (Σs ρ v_j σ_j), r₀ the residual on the free columns."""
    n, p = X.shape
    constant = np.ptp(X[s > 0], axis=0) == 0
    free = [np.ones(n)] * fit_intercept + [X[:, j] for j in range(p) if v[j] == 0]
    residual = y
    if free:
        F = np.stack(free, axis=1)
        residual = y - F @ np.linalg.lstsq(np.sqrt(s)[:, None] * F, np.sqrt(s) * y, rcond=None)[0]
    start = 0.0
    for j in range(p):
        c = X[:, j] @ (s * residual) / s.sum()
        room = abs(c) if lower[j] < 0 < upper[j] else max(c, 0) if upper[j] > 0 else max(-c, 0)
        if v[j] > 0 and not (constant[j] and fit_intercept):
            start = max(start, room / (rho * v[j] * scale[j]))
    return start


@pytest.mark.parametrize(("fit_intercept", "standardize"), CENTRING[:2])
def test_all_zero_at_lam_max_and_not_below(fit_intercept, standardize):
    """λ_max by plain NumPy, by the formula, and as the place where coefficients begin."""
    n, p = 30, 6
    X, y = data(n, p, seed=5)
    kinds = itertools.product(WEIGHTS, FACTORS, ("no bounds", "nonnegative", "nonpositive"), (1.0, 0.3))
    for weights, factors, bounds, rho in kinds:
        factor, _ = options_of(n, p, weights, factors, "no bounds")
        lower, upper = np.full(p, -INF), np.full(p, INF)
        {"nonnegative": lower, "nonpositive": upper, "no bounds": np.zeros(p)}[bounds][3:5] = 0.0
        s, v = factor["sample_weight"], factor["penalty_factor"]
        spread = np.sqrt(np.average((X - np.average(X, axis=0, weights=s)) ** 2, axis=0, weights=s))
        scale = np.where(standardize & (np.arange(p) != 2), spread, 1.0)
        expected = largest_lam_by_numpy(X, y, rho, s, v, scale, lower, upper, fit_intercept)
        assert expected > 0.01

        options = {"fit_intercept": fit_intercept, **factor, "lower": lower, "upper": upper}
        start = float(lam_max_at(X, y, np.float64(rho), scale=scale, **options))
        np.testing.assert_allclose(start, expected, rtol=1e-10)
        lams = start * np.array([1 + 8 * np.finfo(float).eps, 0.99, 1.0, 2.0])
        found = path(X, y, lams, rho, standardize=standardize, **options)
        assert not np.any(found.coef[0, v > 0])
        assert np.any(found.coef[1, v > 0])
        assert not np.any(found.coef[3, v > 0])


def test_a_coefficient_at_its_bound_is_the_bound_and_is_no_degree_of_freedom():
    n, p = 30, 6
    X, y = data(n, p)
    factor, bound = options_of(n, p, "weights", "factors", "box")
    found = path(X, y, np.array([0.0, 1e-3, 0.3, 1e4]), 0.5, **factor, **bound)
    at = at_bounds(found, bound).coef
    np.testing.assert_array_equal(found.coef, at)
    interior = (at != 0) & (at > bound["lower"]) & (at < bound["upper"])
    assert np.all(found.df <= interior.sum(axis=1))


def test_a_constant_column_has_coefficient_zero_in_closed_form():
    X, y = data(30, 6)
    factor, _ = options_of(30, 6, "ones", "ones", "no bounds")
    found = ridge_path(X, y, np.array([0.0, 1e-3, 0.3, 1e4]), **factor)
    assert not np.any(found.coef[:, 2])
    assert np.all(found.n_nonzero == 5)


def test_the_check_of_optimality_can_fail():
    n, p = 30, 6
    X, y = data(n, p)
    lams = np.array([0.0, 1e-3, 0.3, 1e4])
    factor, bound = options_of(n, p, "weights", "factors", "box")
    found = path(X, y, lams, 0.5, **factor, **bound)
    wrong = {
        "scale": found._replace(scale=np.ones(p)),
        "coef": found._replace(coef=found.coef * (1 + 1e-8)),
        "intercept": found._replace(intercept=found.intercept + 1e-8),
        "gap": found._replace(gap=found.gap + 1e-9),
    }
    check_optimal(X, y, lams, 0.5, found, factor, bound, True, 1e-11)
    for changed in wrong.values():
        with pytest.raises(AssertionError):
            check_optimal(X, y, lams, 0.5, changed, factor, bound, True, 1e-11)


# ── pure functions ──


def close(a, b, tolerance=1e-9):
    """Two results agree, leaf by leaf, up to ``tolerance`` of the largest entry."""
    for name, u, v in zip(a._fields, a, b, strict=True):
        for x, z in zip(jax.tree.leaves(u), jax.tree.leaves(v), strict=True):
            x, z = np.asarray(x), np.asarray(z)
            assert x.shape == z.shape, name
            assert x.dtype == z.dtype, name
            if name == "gap":
                assert np.all((x <= 1e-10) & (z <= 1e-10))
            elif name != "n_iter":
                np.testing.assert_allclose(x, z, rtol=0, atol=tolerance * max(1, np.abs(z).max()), err_msg=name)


def plain(n, p):
    """All options of a problem without weights, factors or bounds."""
    factor, bound = options_of(n, p, "ones", "ones", "no bounds")
    return factor | bound


LAMS = np.array([0.5, 0.1, 0.02, 0.0])


def test_vmap_is_a_loop():
    """Over y, weights and l1_ratio at once."""
    X, _ = data(30, 6)
    rng = np.random.default_rng(2)
    Y, weights, ratios = rng.normal(size=(3, 30)) + X[:, 3], rng.uniform(0, 2, (3, 30)), np.array([1.0, 0.5, 0.1])
    others = {name: value for name, value in plain(30, 6).items() if name != "sample_weight"}
    together = jax.jit(
        jax.vmap(lambda y, s, rho: solvers.path(X, y, LAMS, rho, sample_weight=s, **others)), compiler_options=QUICKLY
    )
    found = jax.tree.map(np.asarray, together(Y, weights, ratios))
    for k in range(3):
        alone = path(X, Y[k], LAMS, ratios[k], sample_weight=weights[k], **others)
        close(jax.tree.map(lambda a, k=k: a[k], found), alone)


@pytest.mark.slow
def test_a_matrix_y_is_a_loop_over_its_columns():
    X, _ = data(30, 6)
    Y = np.random.default_rng(2).normal(size=(30, 3)) + X[:, :3]
    found = path(X, Y, LAMS, 0.7, **plain(30, 6))
    for k in range(3):
        target = {name: value[..., k] for name, value in found._asdict().items() if name not in ("lams", "scale")}
        close(found._replace(**target), path(X, Y[:, k], LAMS, 0.7, **plain(30, 6)))


@pytest.mark.slow
def test_fit_is_the_path_at_one_lam():
    X, y = data(30, 6)
    along = path(X, y, LAMS, 0.7, **plain(30, 6))
    fit = compiled(solvers.fit)
    for k, lam in enumerate(LAMS):
        solution = fit(X, y, lam, 0.7, **plain(30, 6))
        np.testing.assert_allclose(solution.params.coef, along.coef[k], rtol=0, atol=1e-11)
        np.testing.assert_allclose(solution.params.intercept, along.intercept[k], rtol=0, atol=1e-10)
        np.testing.assert_array_equal(solution.scale, along.scale)
        assert solution.gap.shape == solution.converged.shape == solution.n_iter.shape == ()


def test_the_second_call_does_not_trace_again():
    X, y = data(30, 6)
    first = path(X, y, LAMS, 0.7, **plain(30, 6))
    before = len(TRACED)
    assert before > 0
    second = path(X + 1, 2 * y, 2 * LAMS, 0.2, **{**plain(30, 6), "upper": np.ones(6)})
    assert len(TRACED) == before
    assert not np.allclose(first.coef, second.coef)


def test_float64_needs_64_bit_mode():
    X, y = data(30, 6)
    with jax.enable_x64(False), pytest.raises(TypeError, match=r"X is a NumPy float64 array.*enable_x64"):
        solvers.fit(X, y, 0.1)
    with jax.enable_x64(False), pytest.raises(TypeError, match="sample_weight is a NumPy float64"):
        solvers.fit(X.astype(np.float32), y.astype(np.float32), 0.1, sample_weight=np.ones(30))


def test_shapes_that_do_not_fit_are_refused():
    X, y = data(30, 6)
    for wrong in ((X[:, 0], y), (X, y[:-1]), (X, y[None, None])):
        with pytest.raises(ValueError, match="of the same n; got X"):
            solvers.path(*wrong, LAMS)


@pytest.mark.slow
def test_float32_stays_float32_and_its_gap_is_honest():
    """The gap that a float32 solution reports is that of its parameters, up to the rounding of its own sums."""
    X, y, lams = (a.astype(np.float32) for a in (*data(30, 6), LAMS))
    options = {name: value.astype(np.float32) for name, value in plain(30, 6).items()}
    with jax.enable_x64(False):
        found = path(X, y, lams, 0.5, **options)
    floats = {name for name, value in found._asdict().items() if value.dtype == np.float32}
    assert floats == {"lams", "coef", "intercept", "gap", "df", "scale", "y_scale"}
    assert np.all(found.converged)
    X, y, wide = np.float64(X), np.float64(y), jax.tree.map(np.float64, found)
    gap = jax.jit(lambda lam, params: duality_gap(params, X, y, lam, 0.5, scale=wide.scale, y_scale=wide.y_scale))
    exact = [gap(*member) for member in zip(wide.lams, map(Params, wide.intercept, wide.coef), strict=True)]
    np.testing.assert_allclose(found.gap, exact, rtol=0, atol=1e-5)
    assert np.max(exact) <= 2e-5
    reference = path(X, y, wide.lams, 0.5, **plain(30, 6))
    np.testing.assert_allclose(found.coef, reference.coef, rtol=0, atol=2e-3 * np.abs(reference.coef).max())
