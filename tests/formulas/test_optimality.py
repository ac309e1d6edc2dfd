"""λ_max and the KKT residual: tight, and against scikit-learn and one-sided differences of the objective."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LassoCV

from jaxreg import formulas
from jaxreg.formulas import Params, lam_max
from jaxreg.formulas import optimality as module
from jaxreg.formulas.objective import penalty_weights

EPS = np.finfo(float).eps
INF = np.inf
kkt_compiled = jax.jit(formulas.kkt_residual, static_argnames="fit_intercept")
lam_max_compiled = jax.jit(formulas.lam_max, static_argnames="fit_intercept")


def kkt(w, b, P, function=kkt_compiled):
    return float(function(Params(b, np.asarray(w)), *P.data, **P.options))


def without_y_scale(P):
    """The options of lam_max, which does not depend on τ."""
    return {name: value for name, value in P.options.items() if name != "y_scale"}


def largest(P, function=lam_max_compiled):
    return float(function(P.X, P.y, P.l1_ratio, **without_y_scale(P)))


# ------------------------------------------------------------------------------------------------ λ_max

GRIDS = {
    "lasso": {},
    "l1_ratio 0.3": {"l1_ratio": 0.3},
    "no intercept": {"fit_intercept": False},
    "weights and scale": {"sample_weight": [1, 2, 0.5, 0, 3, 1, 1, 0.25], "scale": [1, 2, 0.5, 3]},
    "penalty factors": {"penalty_factor": [1, 2, 0.5, 3], "l1_ratio": 0.3},
    "free column": {"penalty_factor": [1, 0, 2, 0.5]},
    "free columns, weights": {"penalty_factor": [0, 1, 0, 2], "sample_weight": [1, 2, 0.5, 0, 3, 1, 1, 0.25]},
    "free column, no intercept": {"penalty_factor": [1, 0, 2, 0.5], "fit_intercept": False, "l1_ratio": 0.3},
    "nonnegative": {"lower": [0] * 4},
    "nonpositive": {"upper": [0] * 4, "l1_ratio": 0.3, "seed": 1},
    "some one-sided": {"lower": [-INF, 0, -0.1, 0], "upper": [0, INF, 0.2, 0]},
    "free column and bounds": {"penalty_factor": [1, 0, 2, 0.5], "lower": [0, -INF, -INF, 0], "l1_ratio": 0.3},
}


def free_part(P):
    """(w, b) with the free columns fitted by least squares and the others 0."""
    root = np.sqrt(P.sample_weight)
    design = np.column_stack([P.X[:, P.free], *[np.ones(len(P.y))] * P.fit_intercept])
    fitted = np.linalg.lstsq(root[:, None] * design, root * P.y, rcond=None)[0]
    w = np.zeros(P.X.shape[1])
    w[P.free] = fitted[: np.sum(P.free)]
    return w, fitted[-1] if P.fit_intercept else 0.0


@pytest.mark.parametrize("kind", GRIDS)
def test_at_lam_max_everything_penalised_is_zero_and_below_it_is_not(kind, make_problem):
    P = make_problem(**GRIDS[kind])
    top, start = largest(P), free_part(P)
    assert top > 0.01
    # The free columns are fitted up to rounding: that, and no more, is what is left of the residual.
    assert kkt(*start, P._replace(lam=top * (1 + 8 * EPS))) <= 8 * EPS * np.linalg.norm(P.y)
    smallest = P.l1_ratio * np.min((P.scale * P.penalty_factor)[~P.free])
    assert kkt(*start, P._replace(lam=0.99 * top)) >= 0.009 * top * smallest


@pytest.mark.parametrize("kind", ["weights and scale", "free column", "nonpositive"])
def test_below_lam_max_the_minimiser_is_not_zero(kind, make_problem, plain_minimiser):
    P = make_problem(**GRIDS[kind])
    for factor, nonzero in ((1.01, False), (0.99, True)):
        w, _ = plain_minimiser(P._replace(lam=factor * largest(P)))
        assert np.any(w[~P.free] != 0) == nonzero


@pytest.mark.parametrize("weighted", [False, True])
def test_lam_max_is_the_alpha_max_of_scikit_learn(weighted, make_problem):
    P = make_problem("weights and scale" if weighted else "lasso", scale=[1] * 4)
    model = LassoCV(alphas=2, eps=1e-3, cv=2, tol=0.1).fit(P.X, P.y, sample_weight=P.sample_weight)
    np.testing.assert_allclose(lam_max(P.X, P.y, sample_weight=P.sample_weight), model.alphas_[0], rtol=1e-13)
    # By a fit instead, for the other options: all zero above, not below.
    for l1_ratio, positive in ((0.3, False), (1.0, True)):
        top = float(lam_max(P.X, P.y, l1_ratio, sample_weight=P.sample_weight, lower=0.0 if positive else None))
        for factor, nonzero in ((1.0001, False), (0.9999, True)):
            model = ElasticNet(alpha=factor * top, l1_ratio=l1_ratio, positive=positive, tol=1e-12, max_iter=10_000)
            assert np.any(model.fit(P.X, P.y, sample_weight=P.sample_weight).coef_ != 0) == nonzero


def test_lam_max_where_nothing_correlates(make_problem):
    x = np.array([1.0, -1, 1, -1, 1, -1, 1, -1])
    P = make_problem()._replace(X=np.column_stack([x, x * np.repeat([1, -1], 4), 0 * x, 0 * x + 7]))  # orthogonal
    assert largest(P._replace(y=np.full(8, 3.0))) == 0
    assert largest(P._replace(y=np.zeros(8), fit_intercept=False)) == 0
    x0 = P._replace(y=x)
    assert largest(x0) == pytest.approx(1, rel=4 * EPS)
    assert largest(x0._replace(upper=np.array([0, INF, INF, INF]))) <= 2 * EPS
    assert largest(x0._replace(penalty_factor=np.array([0.0, 1, 1, 1]))) <= 2 * EPS
    assert largest(x0._replace(penalty_factor=np.zeros(4))) == 0  # nothing is penalised


def test_lam_max_of_ridge_is_infinite(make_problem):
    P = make_problem()
    assert lam_max(P.X, P.y, 0.0) == INF


@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.0])
def test_lam_max_of_nan_is_nan(name, l1_ratio, make_problem):
    P = make_problem(l1_ratio=l1_ratio)
    value = getattr(P, name).copy()
    value[(0,) * value.ndim] = np.nan
    assert np.isnan(largest(P._replace(**{name: value})))


def test_lam_max_scales_as_y_and_inversely_as_the_ratio(make_problem):
    P = make_problem(**GRIDS["weights and scale"])
    top = largest(P)
    np.testing.assert_allclose(largest(P._replace(y=-5 * P.y)), 5 * top, rtol=1e-14)
    np.testing.assert_allclose(largest(P._replace(l1_ratio=0.1)), 10 * top, rtol=1e-14)
    np.testing.assert_allclose(largest(P._replace(y=P.y + 1e3)), top, rtol=1e-11)


# ------------------------------------------------------------------------------------------------ KKT residual


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_kkt_residual_vanishes_at_the_solutions_of_scikit_learn(l1_ratio, positive, make_problem):
    P = make_problem("weights and scale", scale=[1] * 4, l1_ratio=l1_ratio, lower=[0 if positive else -INF] * 4)
    model = ElasticNet(alpha=P.lam, l1_ratio=l1_ratio, positive=positive, tol=1e-14, max_iter=100_000)
    model.fit(P.X, P.y, sample_weight=P.sample_weight)
    w, b = model.coef_, model.intercept_
    assert 0 < np.sum(w != 0) <= 4
    assert kkt(w, b, P) < 1e-6
    for j in range(4):
        for step in (1e-4, -1e-4):
            if w[j] + step >= P.lower[j]:
                assert kkt(w + step * np.eye(4)[j], b, P) > 1e-5
    assert kkt(w, b + 1e-4, P) > 5e-5


def test_kkt_residual_vanishes_at_the_minimiser(problem, plain_minimiser):
    w, b = plain_minimiser(problem)
    assert kkt(w, b, problem) < 1e-14
    assert kkt(w + 1e-4 * (w < problem.upper), b, problem) > 1e-6


def largest_descent(w, b, P, plain_objective, h=1e-7):
    """How steeply F falls along the steepest feasible coordinate, by one-sided differences."""
    start = plain_objective(w, b, P)
    slopes = [0.0]
    for j, e in enumerate(np.eye(len(w))):
        if w[j] < P.upper[j]:
            slopes.append((start - plain_objective(w + h * e, b, P)) / h)
        if w[j] > P.lower[j]:
            slopes.append((start - plain_objective(w - h * e, b, P)) / h)
    if P.fit_intercept:
        slopes += [(start - plain_objective(w, b + step, P)) / h for step in (h, -h)]
    return max(slopes)


def test_kkt_residual_is_the_steepest_one_sided_difference(problem, rng, plain_objective):
    # Points with coefficients inside, at their kink and at their bounds.
    for k in range(4):
        w = np.clip(rng.normal(size=problem.X.shape[1]), problem.lower, problem.upper)
        w[k] = 0.0
        expected = largest_descent(w, 0.5 * k, problem, plain_objective)
        np.testing.assert_allclose(kkt(w, 0.5 * k, problem), expected, atol=5e-6)


def test_kkt_residual_counts_each_coordinate():
    # Orthogonal columns, so that each coordinate can be made the only one that violates its condition.
    X = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    y = X @ np.array([1.0, -2.0])

    def residual(w, **options):
        return float(kkt_compiled(Params(0.0, np.array(w)), X, y, 0.5, 1.0, **options))

    assert residual([0.5, -1.5]) == 0
    assert residual([0.0, -1.5]) == pytest.approx(0.5)
    assert residual([0.0, -1.5], upper=np.array([0.0, 0.0])) == 0  # held by its bound
    assert residual([0.5, 0.0]) == pytest.approx(1.5)
    assert residual([0.5, 0.0], lower=np.array([-1.0, 0.0])) == 0
    assert residual([0.5, 0.3], lower=np.array([-1.0, 0.0])) == pytest.approx(2.8)
    assert residual([-0.1, -1.5]) == pytest.approx(1.6)


def test_kkt_residual_ignores_the_intercept_if_there_is_none(make_problem):
    P = make_problem("no intercept", lam=100.0)
    assert kkt(np.zeros(4), 0.0, P) == 0
    assert kkt(np.zeros(4), 0.0, P._replace(fit_intercept=True)) == pytest.approx(abs(P.y.mean()))


@pytest.mark.parametrize("name", ["X", "y", "lam", "sample_weight"])
def test_kkt_residual_of_nan_data_is_nan(name, make_problem):
    P = make_problem()
    value = np.array(getattr(P, name), float)
    value[(0,) * value.ndim] = np.nan
    assert np.isnan(kkt(np.ones(4), 0.0, P._replace(**{name: value})))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("columns", [1, 4])
def test_kkt_residual_of_nan_is_nan(columns, fit_intercept, make_problem):
    P = make_problem(fit_intercept=fit_intercept)
    params = Params(0.0, np.where(np.arange(columns) == 0, np.nan, 1.0))
    assert np.isnan(formulas.kkt_residual(params, P.X[:, :columns], P.y, P.lam, fit_intercept=fit_intercept))


def test_vmap_is_a_loop(make_problem, rng):
    P = make_problem("box")
    w, lams = np.clip(rng.normal(size=(3, 4)), P.lower, P.upper), np.array([0.0, 0.1, 1.0])

    def residual(w, lam):
        return formulas.kkt_residual(Params(0.2, w), P.X, P.y, lam, P.l1_ratio, **P.options)

    loop = [kkt(w[k], 0.2, P._replace(lam=lams[k])) for k in range(3)]
    np.testing.assert_allclose(jax.jit(jax.vmap(residual))(w, lams), loop, rtol=1e-13)
    ys = rng.normal(size=(3, 8))
    loop = [largest(P._replace(y=y)) for y in ys]
    many = jax.jit(jax.vmap(lambda y: lam_max(P.X, y, P.l1_ratio, **without_y_scale(P))))
    np.testing.assert_allclose(many(ys), loop, rtol=1e-13)


# ------------------------------------------------------------------------------------------------ mutations


def test_no_term_of_lam_max_can_change_by_one_percent(make_problem, unnoticed):
    P = make_problem(**GRIDS["free columns, weights"])
    start = free_part(P)

    def check():
        with jax.disable_jit():
            top = largest(P, formulas.lam_max)
        assert kkt(*start, P._replace(lam=top * (1 + 8 * EPS))) <= 1e-13
        assert kkt(*start, P._replace(lam=top * 0.999)) > 1e-5

    for function in (formulas.lam_max, module.largest_lam):
        assert unnoticed(function, check) == []


def test_no_term_of_the_kkt_residual_can_change_by_one_percent(make_problem, plain_objective, unnoticed):
    # One column at a time and no intercept, so that each of the two conditions decides somewhere.
    P = make_problem("elastic net", fit_intercept=False, scale=[2] * 4)
    cut = {name: getattr(P, name)[:1] for name in ("penalty_factor", "scale", "lower", "upper")}
    P = P._replace(X=P.X[:, 2:3], **cut)
    points = [np.array([value]) for value in (-1.1, 0.0, 1.1)]
    cases = [(w, P._replace(y=sign * P.y)) for w in points for sign in (1, -1)]
    expected = [largest_descent(w, 0.0, P, plain_objective) for w, P in cases]
    assert min(expected) > 0.01

    def check():
        found = [kkt(w, 0.0, P, formulas.kkt_residual) for w, P in cases]
        np.testing.assert_allclose(found, expected, atol=5e-6)

    for function in (formulas.kkt_residual, penalty_weights):
        assert unnoticed(function, check) == []
