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


def compiled(function):
    """The function under jit, with NumPy arrays in what it returns."""
    under_jit = jax.jit(function, static_argnames=("fit_intercept", "standardize"))
    return lambda *args, **options: jax.tree.map(np.asarray, under_jit(*args, **options))


path = compiled(solvers.path)
ridge_path = compiled(partial(solvers.path, l1_ratio=0))


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
    factors = {**factors, "scale": found.scale}

    def one(lam, params):
        gradient = jax.grad(objective)(params, X, y, lam, rho, **factors)
        return kkt_residual(params, X, y, lam, rho, fit_intercept=fit_intercept, **factors, **bounds), gradient

    return jax.vmap(one)(lams, Params(found.intercept, found.coef))


def check_optimal(X, y, lams, rho, found, factors, bounds, fit_intercept, tolerance):
    """The path minimises ``objective(..., scale=found.scale)``, by its own conditions and by autodiff."""
    assert np.all(found.converged)
    assert np.all(found.gap <= 1e-10)
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
    assert np.all(w[:, 2] == 0), "the constant column"
    assert np.all((w >= bounds["lower"]) & (w <= bounds["upper"]))


@pytest.mark.parametrize(("fit_intercept", "standardize"), CENTRING)
def test_every_combination_of_options_is_optimal(fit_intercept, standardize):
    """54 kinds of problem at λ = 0, small, middling and far above λ_max."""
    n, p = 30, 6
    X, y = data(n, p)
    if not fit_intercept:
        X[:, 2] = 0.0  # without an intercept a constant column is a column like any other, unless it is 0
    lams = np.array([0.0, 1e-3, 0.3, 1e4])
    for weights, factors, bounds, rho in OPTIONS:
        factor, bound = options_of(n, p, weights, factors, bounds)
        found = path(X, y, lams, rho, fit_intercept=fit_intercept, standardize=standardize, **factor, **bound)
        check_optimal(X, y, lams, rho, found, factor, bound, fit_intercept, 1e-11)
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
        check_optimal(X, y, lams, rho, found, factor, bound, True, 1e-9)


@pytest.mark.parametrize(("fit_intercept", "standardize"), CENTRING)
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


@pytest.mark.parametrize("rho", [1.0, 0.3])
@pytest.mark.parametrize(
    ("fit_intercept", "standardize"), CENTRING[:2]
)
def test_all_zero_at_lam_max_and_not_below(fit_intercept, standardize, rho):
    """λ_max by plain NumPy, by the formula, and as the place where coefficients begin."""
    n, p = 30, 6
    X, y = data(n, p, seed=5)
    for weights, factors, bounds in itertools.product(WEIGHTS, FACTORS, ("no bounds", "nonnegative", "nonpositive")):
        factor, _ = options_of(n, p, weights, factors, "no bounds")
        lower, upper = np.full(p, -INF), np.full(p, INF)
        if bounds == "nonnegative":
            lower[2:] = 0.0
        if bounds == "nonpositive":
            upper[2:] = 0.0
        s, v = factor["sample_weight"], factor["penalty_factor"]
        scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=s)) ** 2, axis=0, weights=s))
        scale = np.where(standardize & (scale > 1e-12), scale, 1.0)
        free = [np.ones(n)] * fit_intercept + [X[:, j] for j in range(p) if v[j] == 0]
        residual = y.copy()
        if free:
            F = np.stack(free, axis=1) * np.sqrt(s)[:, None]
            residual = y - np.stack(free, axis=1) @ np.linalg.lstsq(F, np.sqrt(s) * y, rcond=None)[0]
        c = X.T @ (s * residual) / s.sum()
        c = np.where(lower == 0, np.maximum(c, 0), np.where(upper == 0, np.minimum(c, 0), c))
        if fit_intercept:
            c[2] = 0.0  # the constant column
        expected = max(abs(c[j]) / (rho * v[j] * scale[j]) for j in range(p) if v[j] > 0)

        options = {"fit_intercept": fit_intercept, **factor, "lower": lower, "upper": upper}
        np.testing.assert_allclose(lam_max(X, y, rho, scale=scale, **options), expected, rtol=1e-10)
        start = float(lam_max(X, y, rho, scale=scale, **options))
        lams = start * np.array([1 + 8 * np.finfo(float).eps, 0.99, 1.0, 2.0])
        found = path(X, y, lams, rho, standardize=standardize, **options)
        assert not np.any(found.coef[0, v > 0])
        assert np.any(found.coef[1, v > 0])
        assert not np.any(found.coef[3, v > 0])


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


LAMS = np.array([0.5, 0.1, 0.02])


def test_vmap_over_targets_is_a_loop_and_so_is_a_matrix_y():
    X, _ = data(30, 6)
    Y = np.random.default_rng(2).normal(size=(30, 3)) + X[:, :3]
    one = jax.jit(lambda y: solvers.path(X, y, LAMS, 0.7))
    loop = [one(Y[:, k]) for k in range(3)]
    together = jax.jit(jax.vmap(one, in_axes=1, out_axes=0))(Y)
    matrix = jax.jit(lambda Y: solvers.path(X, Y, LAMS, 0.7))(Y)
    for k in range(3):
        close(jax.tree.map(lambda a, k=k: a[k], together), loop[k])
        target = {name: value[..., k] for name, value in matrix._asdict().items() if name not in ("lams", "scale")}
        close(matrix._replace(**target), loop[k])


def test_vmap_over_weights_and_over_l1_ratio_is_a_loop():
    X, y = data(30, 6)
    weights, ratios = np.random.default_rng(3).uniform(0, 2, (3, 30)), np.array([1.0, 0.5, 0.1])
    one = jax.jit(lambda s, rho: solvers.path(X, y, LAMS, rho, sample_weight=s))
    together = jax.jit(jax.vmap(one))(weights, ratios)
    for k in range(3):
        close(jax.tree.map(lambda a, k=k: a[k], together), one(weights[k], ratios[k]))


def test_fit_is_the_path_at_one_lam():
    X, y = data(30, 6)
    along = jax.jit(lambda y: solvers.path(X, y, LAMS, 0.7))(y)
    fit = jax.jit(lambda lam: solvers.fit(X, y, lam, 0.7))
    for k, lam in enumerate(LAMS):
        solution = fit(lam)
        np.testing.assert_allclose(solution.params.coef, along.coef[k], rtol=0, atol=1e-12)
        np.testing.assert_allclose(solution.params.intercept, along.intercept[k], rtol=0, atol=1e-11)
        assert solution.gap.shape == solution.converged.shape == solution.n_iter.shape == ()


def test_the_second_call_does_not_trace_again():
    traced = []

    @jax.jit
    def fit(X, y, lam):
        traced.append(lam)
        return solvers.fit(X, y, lam, 0)

    X, y = data(30, 6)
    first, second, third = fit(X, y, 0.1), fit(X + 1, 2 * y, 0.1), fit(X, y, 5.0)
    assert len(traced) == 1
    assert not np.allclose(first.params.coef, second.params.coef)
    assert not np.allclose(first.params.coef, third.params.coef)


def test_float64_needs_64_bit_mode():
    X, y = data(30, 6)
    with jax.enable_x64(False), pytest.raises(TypeError, match="X is a NumPy float64 array.*enable_x64"):
        solvers.fit(X, y, 0.1)
    with jax.enable_x64(False), pytest.raises(TypeError, match="sample_weight is a NumPy float64"):
        solvers.fit(X.astype(np.float32), y.astype(np.float32), 0.1, sample_weight=np.ones(30))


def test_shapes_that_do_not_fit_are_refused():
    X, y = data(30, 6)
    for wrong in ((X[:, 0], y), (X, y[:-1]), (X, y[None, None])):
        with pytest.raises(ValueError, match="of the same n; got X"):
            solvers.path(*wrong, LAMS)


def test_float32_stays_float32_and_its_gap_is_honest():
    """The gap that a float32 solution reports is that of its parameters, up to the rounding of its own sums."""
    X, y = (a.astype(np.float32) for a in data(30, 6))
    lams = LAMS.astype(np.float32)
    with jax.enable_x64(False):
        found = jax.jit(partial(solvers.path, l1_ratio=0.5))(X, y, lams)
    floats = {name for name, value in found._asdict().items() if value.dtype == np.float32}
    assert floats == {"lams", "coef", "intercept", "gap", "df", "scale"}
    assert np.all(found.converged)
    exact = [
        duality_gap(
            Params(np.float64(b), np.float64(w)), np.float64(X), np.float64(y), np.float64(lam), 0.5,
            scale=np.float64(found.scale),
        )
        for b, w, lam in zip(found.intercept, found.coef, found.lams, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(found.gap, exact, rtol=0, atol=1e-5)
    assert np.max(exact) <= 2e-5
