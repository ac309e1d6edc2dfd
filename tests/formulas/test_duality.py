"""The duality gap against plain NumPy with a search for c, weak and strong duality, and scikit-learn's."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet

from jaxreg.formulas import Params, duality_gap
from jaxreg.formulas import duality as module
from tests import longdouble

INF = np.inf
compiled = jax.jit(duality_gap, static_argnames="fit_intercept")


def gap(w, b, P, function=compiled):
    return float(function(Params(np.asarray(b, float), np.asarray(w, float)), *P.data, **P.options))


def feasible(P, rng, count):
    """Random parameters within the bounds, some coefficients 0, some at a bound."""
    for _ in range(count):
        w = rng.normal(size=P.X.shape[1]) * rng.choice([0.0, 0.1, 1.0], size=P.X.shape[1])
        yield np.clip(w, P.lower, P.upper), rng.normal() if P.fit_intercept else 0.0


# ------------------------------------------------------------------------------------------------ plain NumPy


def project_out_free(vector, P):
    """The weighted projection on the free columns and the intercept removed, in the units of the vector."""
    root = np.sqrt(P.sample_weight)
    design = np.column_stack([P.X[:, P.free], *[np.ones(len(vector))] * P.fit_intercept])
    if not design.shape[1]:
        return vector
    return vector - design @ np.linalg.lstsq(root[:, None] * design, root * vector, rcond=1e-12)[0]


def plain_conjugate(z, j, P):
    """max over lower_j ≤ w ≤ upper_j of z w − penalty_j(w), by trying every place where the maximum can be."""
    l1, l2 = (weights[j] for weights in P.weights)
    lower, upper = P.lower[j], P.upper[j]
    if l2 == 0 and ((z > l1 and upper == INF) or (z < -l1 and lower == -INF)):
        return INF
    stationary = [np.sign(z) * max(abs(z) - l1, 0) / l2] if l2 > 0 else []
    places = np.clip([0.0, *stationary, *[bound for bound in (lower, upper) if np.isfinite(bound)]], lower, upper)
    return np.max(z * places - l1 * np.abs(places) - l2 / 2 * places**2)


def plain_dual(theta, target, P):
    """D(θ) as design.md states it; the target is ỹ."""
    s = P.sample_weight
    value = np.sum(s * (target**2 - (target - theta) ** 2)) / (2 * np.sum(s))
    for j in np.flatnonzero(~P.free):
        value -= plain_conjugate(P.X[:, j] @ (s * theta) / np.sum(s), j, P)
    return value


def spread(P):
    """Σ s ỹ² / Σs."""
    return np.average(project_out_free(P.y, P) ** 2, weights=P.sample_weight)


def plain_best_dual(r, P):
    """max over c in (0, 1] of D(c r), by ternary search: D is concave along a ray, and −∞ where it is not finite."""
    target, low, high = project_out_free(P.y, P), 0.0, 1.0
    for _ in range(100):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if plain_dual(left * r, target, P) < plain_dual(right * r, target, P) else (low, right)
    return max(plain_dual(c * r, target, P) for c in (low, high))


def plain_gap(w, b, P, plain_objective):
    return (plain_objective(w, b, P) - plain_best_dual(project_out_free(P.y - P.X @ w, P), P)) / spread(P)


def test_gap_is_the_one_of_the_design(problem, rng, plain_objective):
    # Where an unpenalised column lacks a bound, D may be −∞ for every c > 0: then the gap is F itself.
    for w, b in feasible(problem, rng, 4):
        np.testing.assert_allclose(gap(w, b, problem), plain_gap(w, b, problem, plain_objective), rtol=1e-9, atol=1e-11)


# ------------------------------------------------------------------------------------------------ duality


def test_gap_bounds_the_distance_to_the_minimum_and_closes_there(problem, rng, plain_objective, plain_minimiser):
    w, b = plain_minimiser(problem)
    minimum, units = plain_objective(w, b, problem), spread(problem)
    assert 0 <= gap(w, b, problem) <= 1e-12
    for w, b in feasible(problem, rng, 20):
        excess = plain_objective(w, b, problem) - minimum
        assert -1e-14 <= excess <= gap(w, b, problem) * units + 1e-14


def test_gap_closes_as_the_parameters_approach_the_minimiser(make_problem, rng, plain_minimiser):
    P = make_problem("elastic net")
    w, b = plain_minimiser(P)
    gaps = [gap(w + step, b, P) for step in (1e-1, 1e-2, 1e-3, 1e-4)]
    assert np.all(np.diff(gaps) < 0)
    assert gaps[-1] < 1e-4


@pytest.mark.parametrize("kind", ["weights and scale", "elastic net", "ridge"])
def test_maximum_of_the_dual_is_the_minimum_of_the_objective(kind, make_problem, plain_objective, plain_minimiser):
    # Strong duality: D is maximised over all θ by sequential quadratic programming.
    P = make_problem(kind)
    s, (l1, l2) = P.sample_weight / P.sample_weight.sum(), P.weights
    centred, target = P.X - s @ P.X, P.y - s @ P.y

    def negative(theta):
        theta = theta - s @ theta  # the direction of the intercept has no say
        return -plain_dual(theta, target, P) if np.all(l2 > 0) else 0.5 * s @ ((target - theta) ** 2 - target**2)

    def room(theta):  # without a square, every |z_j| must be at most l1_j, and then h_j* is 0
        z = centred.T @ (s * theta)
        return np.concatenate([l1 - z, l1 + z])

    constraints = {"type": "ineq", "fun": room} if np.all(l2 == 0) else ()
    start = np.zeros(8)
    found = minimize(negative, start, method="SLSQP", constraints=constraints, options={"ftol": 1e-14, "maxiter": 500})
    minimum = plain_objective(*plain_minimiser(P), P)
    np.testing.assert_allclose(-found.fun, minimum, rtol=1e-7)


# ------------------------------------------------------------------------------------------------ scikit-learn


@pytest.mark.parametrize("max_iter", [1, 3, 1000])
@pytest.mark.parametrize(("l1_ratio", "positive"), [(1.0, False), (1.0, True), (0.5, False)])
def test_gap_is_that_of_scikit_learn(l1_ratio, positive, max_iter, make_problem):
    P = make_problem(l1_ratio=l1_ratio, lower=[0 if positive else -INF] * 4)
    model = ElasticNet(alpha=P.lam, l1_ratio=l1_ratio, positive=positive, max_iter=max_iter, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(P.X, P.y)
    ours, theirs = gap(model.coef_, model.intercept_, P), model.dual_gap_ / spread(P)
    if l1_ratio == 1:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    else:  # theirs holds the dual of the ridge part at c times its primal value; ours maximises over it
        assert 0 < ours <= theirs * (1 + 1e-9)


# ------------------------------------------------------------------------------------------------ invariance


@pytest.mark.parametrize("kind", ["weights and scale", "box", "free column, bounds"])
def test_gap_has_no_units(kind, make_problem, rng):
    P = make_problem(kind)
    for w, b in feasible(P, rng, 2):
        expected = gap(w, b, P)
        for unit in (2.0**-10, 2.0**13):  # of y: in it, the weight of |w_j| grows and that of w_j² stays
            lam = P.lam * (unit * P.l1_ratio + 1 - P.l1_ratio)
            bounds = {"lower": unit * P.lower, "upper": unit * P.upper}
            scaled = P._replace(y=unit * P.y, lam=lam, l1_ratio=unit * P.lam * P.l1_ratio / lam, **bounds)
            np.testing.assert_allclose(gap(unit * w, unit * b, scaled), expected, rtol=1e-9)
        moved = P._replace(y=P.y + 100)
        np.testing.assert_allclose(gap(w, b + 100, moved), expected, rtol=1e-10)
        heavier = P._replace(sample_weight=1e6 * P.sample_weight)
        np.testing.assert_allclose(gap(w, b, heavier), expected, rtol=1e-12)


@pytest.mark.parametrize("ratio", [1 - 2.0**-53, 1 - 1e-12])
def test_gap_does_not_jump_where_the_square_vanishes(ratio, make_problem, plain_minimiser):
    # A conversion between scalings may round l1_ratio = 1 to its neighbour.
    P = make_problem("nonnegative", lower=[-INF] * 4)
    minimiser, b = plain_minimiser(P)
    for step in (1e-9, 1e-6, 1e-3):
        w = minimiser + step * np.array([1, -1, 1, 1])
        np.testing.assert_allclose(gap(w, b, P._replace(l1_ratio=ratio)), gap(w, b, P), rtol=0.01)


def test_integer_weights_are_repeated_rows(make_problem, rng):
    counts = np.array([1, 2, 0, 3, 1, 1, 4, 1])
    P = make_problem("box", sample_weight=counts)
    rows = np.repeat(np.arange(8), counts)
    repeated = P._replace(X=P.X[rows], y=P.y[rows], sample_weight=np.ones(len(rows)))
    for w, b in feasible(P, rng, 2):
        np.testing.assert_allclose(gap(w, b, P), gap(w, b, repeated), rtol=1e-12)


def test_a_fixed_column_is_as_if_it_were_absent(make_problem, rng):
    P = make_problem("elastic net", lower=[-INF, 0, -INF, -INF], upper=[INF, 0, INF, INF])
    keep = [0, 2, 3]
    rest = make_problem("elastic net")
    rest = rest._replace(**{name: getattr(rest, name)[keep] for name in ("penalty_factor", "scale", "lower", "upper")})
    rest = rest._replace(X=P.X[:, keep])
    for w, b in feasible(P, rng, 2):
        np.testing.assert_allclose(gap(w, b, P), gap(w[keep], b, rest), rtol=1e-12)


def test_options_left_out_and_given_as_numbers(make_problem, rng):
    P = make_problem()
    (w, b), *_ = feasible(P, rng, 1)
    params = Params(b, w)
    np.testing.assert_allclose(duality_gap(params, P.X, P.y, P.lam), gap(w, b, P), rtol=1e-13)
    boxed = P._replace(lower=np.full(4, -2.0), upper=np.full(4, 2.0), scale=np.full(4, 3.0), l1_ratio=0.5)
    numbers = duality_gap(params, P.X, P.y, P.lam, 0.5, lower=-2, upper=2.0, scale=3.0, penalty_factor=1)
    np.testing.assert_allclose(numbers, gap(w, b, boxed), rtol=1e-13)


# ------------------------------------------------------------------------------------------------ edges


@pytest.mark.parametrize("kind", ["lasso", "ridge", "free column", "box", "nonnegative"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e8])
def test_constant_y(kind, value, make_problem):
    P = make_problem(kind)
    P = P._replace(y=np.full(8, value))
    assert gap(np.zeros(4), value, P) <= (16 * np.finfo(float).eps) ** 2  # the means are known to some ε
    if value != 0:
        w = np.clip(np.array([0.1, 0.1, -0.1, -0.1]) * abs(value), P.lower, P.upper)
        assert 0 < gap(w, value, P) < INF
        assert 0 < gap(np.zeros(4), 2 * value, P) < INF


def test_y_explained_by_the_free_columns(make_problem):
    P = make_problem("free column")
    P = P._replace(y=3 + 2 * P.X[:, 1])
    assert gap([0, 2, 0, 0], 3.0, P) <= 1e-12
    assert gap([0.1, 2, 0, 0], 3.0, P) > 1e-4
    assert gap([0, 2.1, 0, 0], 3.0, P) > 1e-4


@pytest.mark.parametrize("place", ["intercept", "coef", "every coef"])
def test_gap_of_nan_is_nan(place, make_problem):
    P = make_problem("box")
    w = np.full(4, np.nan) if place == "every coef" else np.zeros(4)
    if place == "coef":
        w[1] = np.nan
    assert np.isnan(gap(w, np.nan if place == "intercept" else 0.0, P))


@pytest.mark.parametrize("name", ["X", "y", "lam", "l1_ratio", "sample_weight"])
def test_gap_of_nan_data_is_nan(name, make_problem):
    P = make_problem("weights and scale")
    value = np.array(getattr(P, name), float)
    value[(0,) * value.ndim] = np.nan
    assert np.isnan(gap(np.ones(4), 0.0, P._replace(**{name: value})))


def test_gap_outside_the_bounds_is_infinite(make_problem):
    P = make_problem("box")
    inside = np.array([0.4, 0.0, 0.0, -5.0])
    assert gap(inside, 0.0, P) < INF
    for j, value in ((0, 0.4 + 1e-12), (0, -0.2), (1, 1e-300), (2, -1e-9), (3, 1.0)):
        outside = inside.copy()
        outside[j] = value
        assert gap(outside, 0.0, P) == INF


def test_constant_and_zero_columns_do_no_harm(make_problem, plain_minimiser):
    P = make_problem("free column")
    X = P.X.copy()
    X[:, 0], X[:, 1] = 0.1, 0.0
    value = gap(np.zeros(4), P.y.mean(), P._replace(X=X))
    assert 0 < value < 1


@pytest.mark.parametrize("kind", ["lasso", "ridge", "weights and scale", "free column, bounds"])
def test_float32_agrees_with_float64(kind, make_problem, rng, plain_minimiser):
    P = make_problem(kind)
    narrow = P._replace(**{name: np.float32(value) for name, value in P._asdict().items() if name != "fit_intercept"})
    wide = P._replace(**{name: np.float64(getattr(narrow, name)) for name in P._fields if name != "fit_intercept"})
    for w, b in [*feasible(P, rng, 3), plain_minimiser(P)]:
        params = Params(np.float32(b), np.clip(np.float32(w), narrow.lower, narrow.upper))
        rounded = compiled(params, *narrow.data, **narrow.options)
        assert rounded.dtype == np.float32
        np.testing.assert_allclose(rounded, gap(params.coef, params.intercept, wide), rtol=1e-4, atol=3e-6)


def test_vmap_is_a_loop(make_problem, rng):
    P = make_problem("free column, bounds")
    w, b = (np.array(column) for column in zip(*feasible(P, rng, 3), strict=True))
    lams, ratios = np.array([0.0, 0.1, 1.0]), np.array([1.0, 0.5, 0.0])

    def one(w, b, lam, ratio):
        return duality_gap(Params(b, w), P.X, P.y, lam, ratio, **P.options)

    loop = [gap(w[k], b[k], P._replace(lam=lams[k], l1_ratio=ratios[k])) for k in range(3)]
    np.testing.assert_allclose(jax.jit(jax.vmap(one))(w, b, lams, ratios), loop, rtol=1e-12)


# ------------------------------------------------------------------------------------------------ parts


def check_conjugate(P, points):
    l1, l2 = P.weights
    penalty = module.Penalty(*(jnp.array(value) for value in (l1, l2, P.lower, P.upper)))
    for z in points:
        value, w = (np.asarray(part) for part in module.conjugate(jnp.array(z), penalty))
        infinite = np.asarray(module.unreachable(jnp.array(z), penalty)) & (np.abs(z) > l1)
        expected = np.array([plain_conjugate(z[j], j, P) for j in range(len(l1))])
        np.testing.assert_array_equal(np.isinf(expected), infinite)
        expected = np.where(infinite, 0.0, expected)
        np.testing.assert_allclose(value, expected, atol=1e-15)
        np.testing.assert_allclose(z * w - l1 * np.abs(w) - l2 / 2 * w**2, expected, atol=1e-15)
        assert np.all((w >= P.lower) & (w <= P.upper))


def test_conjugate_is_the_maximum(problem, rng):
    l1, _ = problem.weights
    check_conjugate(problem, [*rng.normal(size=(3, len(l1))), l1, -l1, np.zeros(len(l1))])


def check_best_dual(P, w):
    w, s = np.array(w), P.sample_weight / P.sample_weight.sum()
    r, target = project_out_free(P.y - P.X @ w, P), project_out_free(P.y, P)
    z = np.where(P.free, 0.0, P.X.T @ (s * r))
    penalty = module.Penalty(*(jnp.array(value) for value in (*P.weights, P.lower, P.upper)))
    with jax.disable_jit():  # a compilation for each change would take longer than the loop in Python
        found = module.best_dual(jnp.array(s @ (target * r)), jnp.array(s @ r**2), jnp.array(z), penalty)
    np.testing.assert_allclose(found, plain_best_dual(r, P), rtol=1e-9)


# ------------------------------------------------------------------------------------------------ mutations


def test_no_term_of_the_conjugate_can_change_by_one_percent(make_problem, unnoticed):
    problems = [make_problem(kind) for kind in ("free column", "box")]
    points = [np.array([1.0, 0.0, 0.5, -0.7]), np.array([0.02, -0.08, 2.0, 0.1])]
    assert unnoticed(module.conjugate, lambda: [check_conjugate(P, points) for P in problems]) == []


@pytest.mark.parametrize("name", ["best_dual", "dual_at", "largest_scale", "penalty_free_scale"])
def test_no_term_of_the_best_dual_can_change_by_one_percent(name, make_problem, unnoticed):
    # The best c is at its limit, inside, and within rounding of a kink.
    limited, inside = make_problem("weights and scale"), make_problem("free column")
    kink = make_problem("weights and scale", l1_ratio=1 - 2.0**-53)

    def check():
        check_best_dual(kink, [0.5, 0, -0.4, 0.1])
        check_best_dual(limited, [0.5, 0, -0.4, 0.1])
        check_best_dual(inside, [0.5, -0.4, 0.0, 0.1])

    # The bisection needs only the sign of the derivative, and may cut its bracket at 0.505 of it. It finds a c beside
    # the kinks as well as the quotient does.
    harmless = {"0.5 * (low + high)", "low + high", "yr - c * rr - (z * conjugate(c * z, penalty)[1]).sum(axis=0)"}
    harmless.add("yr / xp.where(rr > 0, rr, 1.0)")
    assert set(unnoticed(getattr(module, name), check)) <= harmless


def held_by_a_bound_alone(make_problem, plain_objective):
    """A problem whose second column has no penalty and one bound, w with z_2 = 0 but for rounding, and the gap there.

    D is that of the problem without the bound: where the bound is not met, it takes nothing away.
    """
    P = make_problem("weights and scale", penalty_factor=[1, 0, 1, 1], lower=[-INF, -50, -INF, -INF])
    without = P._replace(lower=np.full(4, -INF))
    w = np.array([0.5, 0.0, -0.4, 0.1])
    s, x = P.sample_weight / P.sample_weight.sum(), P.X[:, 1] - np.average(P.X[:, 1], weights=P.sample_weight)
    w[1] = (s * x) @ (P.y - P.X @ w) / ((s * x) @ x) - 4e-16  # z_2 > 0, on the side without a bound
    dual = plain_best_dual(project_out_free(P.y - P.X @ w, without), without)
    return P, w, (plain_objective(w, 0.3, P) - dual) / spread(P)


def test_bound_that_is_not_met_costs_nothing_of_the_dual(make_problem, plain_objective):
    P, w, value = held_by_a_bound_alone(make_problem, plain_objective)
    np.testing.assert_allclose(gap(w, 0.3, P), value, rtol=1e-9)


def test_columns_that_all_but_depend_on_each_other_are_not_excused_by_rounding(rng):
    # 1e13 and noise of size 1, no penalty, a box: w may still move along the differences, as far as the box allows.
    X = 1e13 + np.round(rng.normal(size=(6, 3)), 2)
    y = 1e4 + 300 * rng.normal(size=6)
    w = np.full(3, y.mean() / X.mean() / 3)
    step = np.array([0.2, -0.1, -0.1])  # the better of ± step is inside the box
    F = lambda w: float(np.mean((np.asarray(y, np.longdouble) - X.astype(np.longdouble) @ w) ** 2) / 2)
    excess = F(w) - min(F(w + step), F(w - step))
    found = duality_gap(Params(0.0, w), X, y, 0.0, fit_intercept=False, lower=-0.3, upper=0.3)
    assert found >= 0.9 * excess / np.mean(y**2) > 1e-9


def test_an_intercept_of_1e15_is_judged_by_what_it_can_be_known_to(rng):
    # Columns of 1e12 and coefficients of 1e3: b is rounded to 0.1, and so are products with columns not centred.
    for _ in range(20):
        X, y = 1e12 + np.round(rng.normal(size=(14, 2)), 2), 1e4 * rng.normal(size=14)
        centred = X - X.mean(axis=0)
        w = np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
        b = y.mean() - X.mean(axis=0) @ w
        ones, none = np.ones(2), np.full(2, INF)
        true = longdouble.gap(
            X, y, w, b, 0.0, 1.0, weight=np.ones(14), factor=ones, sigma=ones, tau=1.0, lower=-none, upper=none,
            intercept=True,
        )  # fmt: skip
        assert duality_gap(Params(b, w), X, y, 0.0) >= 0.999 * true


@pytest.mark.parametrize("name", ["duality_gap", "gap_given_basis", "relative_gap"])
def test_no_term_of_the_gap_can_change_by_one_percent(name, make_problem, unnoticed, monkeypatch, plain_objective):
    # The best c is at its limit, below 1 and 1: no search is needed.
    monkeypatch.setattr(
        module,
        "best_dual",
        lambda yr, rr, z, h, _: module.dual_at(module.largest_scale(z, h), yr, rr, z, h),
    )
    cases = [
        (make_problem("weights and scale"), [0.5, 0, -0.4, 0.1]),
        (make_problem("weights and scale", lam=5.0, l1_ratio=0.5), [0.2, 0, 0, 0]),
        (make_problem("no intercept", sample_weight=np.arange(8) % 4), [0.5, 0, -0.4, 0.1]),
    ]
    expected = [plain_gap(np.array(w), 0.3, P, plain_objective) for P, w in cases]
    P, w, value = held_by_a_bound_alone(make_problem, plain_objective)
    cases, expected = [*cases, (P, w)], [*expected, value]

    def check():
        with jax.disable_jit():
            for (P, w), value in zip(cases, expected, strict=True):
                np.testing.assert_allclose(gap(w, 0.3, P, module.duality_gap), value, rtol=1e-9)
            P = cases[0][0]._replace(lower=None, upper=None)  # without bounds θ = c r alone is tried
            np.testing.assert_allclose(gap(cases[0][1], 0.3, P, module.duality_gap), expected[0], rtol=1e-9)

    assert unnoticed(getattr(module, name), check) == []
