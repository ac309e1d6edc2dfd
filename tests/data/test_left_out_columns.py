"""A penalty_factor of infinity leaves the column out, as 1/0 does in the adaptive lasso: everywhere, and at every λ."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.model_selection import KFold

import jaxreg
from jaxreg.data import sparse
from jaxreg.engines import ridge
from jaxreg.formulas.moments import moments

# Small tables have grids that end too early; that is said elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::jaxreg.GridEndWarning")

N, P = 40, 6
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, P)) * [1, 3, 0.5, 2, 1, 10] + [0, 1, 0, 0, 2, 5]
Y = X @ [1.0, 0.5, 2, 0, 0.3, 0] + RNG.normal(size=N)
S = RNG.uniform(0.5, 2, N)
V = np.array([1.0, np.inf, 1, 1, np.inf, 1])  # two columns that matter
KEPT = np.isfinite(V)
WIDE = RNG.normal(size=(12, 30))
LAMS = np.array([0.3, 0.05, 0.0])


def scikit_learns(lam, ratio, fit_intercept=True):
    """Coefficients on the columns that are kept, 0 for the others, and the intercept; by other programs."""
    if lam == 0:
        model = LinearRegression(fit_intercept=fit_intercept)
    elif ratio == 0:
        model = Ridge(alpha=lam * S.sum(), fit_intercept=fit_intercept)
    else:
        model = ElasticNet(lam, l1_ratio=ratio, fit_intercept=fit_intercept, tol=1e-14, max_iter=100_000)
    model.fit(X[:, KEPT], Y, sample_weight=S)
    coef = np.zeros(P)
    coef[KEPT] = model.coef_
    return coef, model.intercept_


def assert_fits(coef, intercept, lam, ratio, **options):
    """1e-6: of a tolerance of 1e-14 and a little more for the objective, the root is in the coefficients."""
    expected = scikit_learns(lam, ratio, **options)
    np.testing.assert_allclose(coef, expected[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(intercept, expected[1], rtol=1e-6, atol=1e-7)
    assert not np.asarray(coef)[~KEPT].any()


@pytest.mark.parametrize("strategy", [None, "parallel"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_fit_and_path_are_those_without_the_columns(ratio, intercept, strategy):
    options = {"sample_weight": S, "penalty_factor": V, "standardize": False}
    options |= {"fit_intercept": intercept, "strategy": strategy, "tol": 1e-14}
    path = jaxreg.path(X, Y, LAMS, ratio, **options)
    for l, lam in enumerate(LAMS):
        solution = jaxreg.fit(X, Y, lam, ratio, **options)
        for coef, b in ((solution.coef, solution.intercept), (path.coef[l], path.intercept[l])):
            assert_fits(coef, b, lam, ratio, fit_intercept=intercept)
    assert path.df[-1] == pytest.approx(KEPT.sum(), rel=1e-12)
    assert path.df.max() <= KEPT.sum() + 1e-12
    assert path.scale.tolist() == [1] * P


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_every_door_is_as_without_the_columns(ratio):
    """With standardisation, weights, factors and several targets; where the scale stays the column's own."""
    v = np.where(KEPT, [0.5, 1, 2, 1, 1, 3], np.inf)
    Z = np.column_stack([Y, -(Y**2)])
    some = {"sample_weight": S, "penalty_factor": v[KEPT]}
    all_ = {"sample_weight": S, "penalty_factor": v}
    sigma = np.sqrt(np.average((X - np.average(X, axis=0, weights=S)) ** 2, axis=0, weights=S))

    def same(found, expected):
        assert (found[..., ~KEPT, :] == 0).all()
        np.testing.assert_allclose(found[..., KEPT, :], expected, rtol=1e-7, atol=1e-9)

    for y in (Z, Z[:, :1]):
        found, expected = jaxreg.path(X, y, LAMS, ratio, **all_), jaxreg.path(X[:, KEPT], y, LAMS, ratio, **some)
        same(found.coef, expected.coef)
        np.testing.assert_allclose(found.scale, sigma, rtol=1e-12)
        np.testing.assert_allclose(found.df, expected.df, rtol=1e-8)
        np.testing.assert_array_equal(found.n_nonzero, expected.n_nonzero)
        assert found.converged.all()
        found = jaxreg.sweep(X, y, 6, ratio, 4, **all_)
        expected = jaxreg.sweep(X[:, KEPT], y, 6, ratio, 4, **some)
        np.testing.assert_allclose(found.lams, expected.lams, rtol=1e-12)  # λ_max too
        np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-7)
        same(found.best.params.coef, expected.best.params.coef)
        np.testing.assert_allclose(found.path.scale, sigma, rtol=1e-12)
        np.testing.assert_allclose(jaxreg.fit(X, y, 0.1, ratio, **all_).scale, sigma, rtol=1e-12)


def test_leave_one_out_and_moments():
    found = jaxreg.ridge_leave_one_out(X, Y, 5, penalty_factor=V, sample_weight=S)
    expected = jaxreg.ridge_leave_one_out(X[:, KEPT], Y, found.lams, sample_weight=S)
    np.testing.assert_allclose(found.mse, expected.mse, rtol=1e-10)
    np.testing.assert_allclose(found.df, expected.df, rtol=1e-10)
    np.testing.assert_allclose(found.best.params.coef[KEPT], expected.best.params.coef, rtol=1e-8)
    assert not found.best.params.coef[~KEPT].any()
    with jax.enable_x64(True):
        m = moments(X, Y)
    for intercept in (True, False):
        options = {"penalty_factor": V, "fit_intercept": intercept}
        found, expected = jaxreg.path_from_moments(m, 5, **options), jaxreg.path(X, Y, 5, **options)
        np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.scale, X.std(axis=0), rtol=1e-10)


def test_wide_and_sparse_tables(monkeypatch):
    out = np.arange(30) % 3 == 0
    v = np.where(out, np.inf, 1.0)
    y = WIDE[:, 0] + WIDE[:, 1]
    found, expected = jaxreg.path(WIDE, y, 8, penalty_factor=v), jaxreg.path(WIDE[:, ~out], y, 8)
    np.testing.assert_allclose(found.lams, expected.lams, rtol=1e-12)
    np.testing.assert_allclose(found.coef[:, ~out], expected.coef, rtol=1e-6, atol=1e-8)
    assert not found.coef[:, out].any()
    table = scipy.sparse.csr_array(np.where(np.abs(X) > 1, X, 0.0))
    dense = jaxreg.path(table, Y, 5, penalty_factor=V)
    monkeypatch.setattr(sparse, "DENSE_BYTES", 0)
    monkeypatch.setattr("jaxreg.data.inputs.DENSE_BYTES", 0)
    monkeypatch.setattr("jaxreg.data.left_out_columns.NUMBERS", N)  # one column at a time
    found = jaxreg.path(table, Y, 5, penalty_factor=V)
    np.testing.assert_allclose(found.coef, dense.coef, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.scale, dense.scale, rtol=1e-12)
    np.testing.assert_allclose(found.scale, table.toarray().std(axis=0), rtol=1e-12)


def test_a_sweep_of_many_targets(monkeypatch):
    monkeypatch.setattr(ridge, "COEF_BYTES", 0)
    Z = np.column_stack([Y, -Y])
    found = jaxreg.sweep(X, Z, 5, 0.0, 3, penalty_factor=V)
    expected = jaxreg.sweep(X[:, KEPT], Z, 5, 0.0, 3)
    np.testing.assert_allclose(found.best.params.coef[KEPT], expected.best.params.coef, rtol=1e-9)
    np.testing.assert_allclose(found.path.coef[:, KEPT], expected.path.coef, rtol=1e-9)
    np.testing.assert_allclose(found.path.scale, X.std(axis=0), rtol=1e-12)


def test_bounds_and_free_columns_beside():
    options = {"penalty_factor": [1, np.inf, 0, 1, np.inf, 1], "lower": [0, 0, -np.inf, -np.inf, -1, 0], "upper": 0.4}
    found = jaxreg.path(X, Y, LAMS, 0.7, **options)
    some = {"penalty_factor": [1, 0, 1, 1], "lower": [0, -np.inf, -np.inf, 0], "upper": 0.4}
    expected = jaxreg.path(X[:, KEPT], Y, LAMS, 0.7, **some)
    np.testing.assert_allclose(found.coef[:, KEPT], expected.coef, rtol=1e-6, atol=1e-8)
    assert not found.coef[:, ~KEPT].any()


def test_estimators():
    options = {"penalty_factor": V, "fit_intercept": True}
    for model, lam, ratio in (
        (jaxreg.Lasso(0.3, tol=1e-14, **options), 0.3, 1.0),
        (jaxreg.ElasticNet(0.3, l1_ratio=0.5, tol=1e-14, **options), 0.3, 0.5),
        (jaxreg.Ridge(0.3 * S.sum(), **options), 0.3, 0.0),
        (jaxreg.Lasso(0.0, **options), 0.0, 1.0),
    ):
        model.fit(X, Y, S)
        assert_fits(model.coef_, model.intercept_, lam, ratio)
    folds = KFold(4)
    for model in (
        jaxreg.LassoCV(alphas=6, cv=folds, **options),
        jaxreg.RidgeCV([0.1, 1, 10], cv=folds, **options),
        jaxreg.RidgeCV([0.1, 1, 10], **options),
    ):
        found = model.fit(X, Y)
        expected = type(model)(**model.get_params() | {"penalty_factor": None}).fit(X[:, KEPT], Y)
        assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-10)
        np.testing.assert_allclose(found.coef_[KEPT], expected.coef_, rtol=1e-6)
        assert not found.coef_[~KEPT].any()


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_where_all_are_left_out_the_mean_is_left(ratio):
    """As after an adaptive lasso's first fit in which nothing was found."""
    v = np.full(P, np.inf)
    path = jaxreg.path(X, Y, 4, ratio, penalty_factor=v)
    assert not path.coef.any()
    assert path.converged.all()
    assert path.df.tolist() == [0] * 4
    np.testing.assert_allclose(path.intercept, Y.mean(), rtol=1e-14)
    np.testing.assert_allclose(path.scale, X.std(axis=0), rtol=1e-12)
    solution = jaxreg.fit(X, Y, 0.0, ratio, penalty_factor=np.inf)
    assert not solution.coef.any()
    assert jaxreg.sweep(X, Y, [0.1, 1.0], ratio, 4, penalty_factor=v).best.n_nonzero == 0
    assert not jaxreg.Lasso(0.1, penalty_factor=v).fit(X, Y).coef_.any()


def test_the_adaptive_lasso_with_one_over_zero():
    with np.errstate(divide="ignore"):
        v = 1 / np.abs(jaxreg.fit(X, Y, 0.5).coef)
    assert np.isinf(v).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        sweep = jaxreg.sweep(X, Y, penalty_factor=v)
    # The textbook's way: columns times the first coefficients, those of 0 among them, and no factor.
    first = np.where(np.isinf(v), 0.0, 1 / v)
    lasso = ElasticNet(sweep.best.lam, l1_ratio=1.0, tol=1e-14, max_iter=100_000).fit(X / X.std(axis=0) * first, Y)
    np.testing.assert_allclose(sweep.best.params.coef * X.std(axis=0), lasso.coef_ * first, rtol=1e-6, atol=1e-7)


def test_what_is_no_factor_is_refused_by_column():
    for value, match in (
        (
            [1, np.nan, 1, 1, 1, 1],
            r"penalty_factor\[1\] is a missing value \(NaN\); give column 1 a factor, inf to",
        ),
        ([1, -np.inf, 1, 1, 1, 1], r"penalty_factor\[1\] is -inf; weights must be at least 0"),
    ):
        with pytest.raises(ValueError, match=match):
            jaxreg.fit(X, Y, 0.1, penalty_factor=value)
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="X at row 3, column 1 is a missing value"):
        jaxreg.fit(bad, Y, 0.1, penalty_factor=V)


def test_the_callers_table_is_as_it_was():
    table, factors = X.copy(), V.copy()
    jaxreg.fit(table, Y, 0.1, penalty_factor=factors)
    np.testing.assert_array_equal(table, X)
    np.testing.assert_array_equal(factors, V)


# ---- The pure twins and the formulas --------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.3, 0.0])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_pure_solutions_and_their_derivatives(x64, ratio, lam):
    def solve(X, y, v, lam):
        return jaxreg.solvers.fit(X, y, lam, ratio, penalty_factor=v, sample_weight=S, standardize=False, tol=1e-14)

    solution = jax.jit(solve)(X, Y, V, lam)
    assert_fits(solution.params.coef, solution.params.intercept, lam, ratio)
    arguments = X, Y, V, lam
    found = jax.jacrev(lambda *a: solve(*a).params.coef, (0, 1, 2, 3))(*arguments)
    some = X[:, KEPT], Y, V[KEPT], lam
    expected = jax.jacrev(lambda *a: solve(*a).params.coef, (0, 1, 2, 3))(*some)
    for d, of, columns in zip(found, expected, (1, None, 1, None), strict=True):
        assert np.isfinite(d).all()
        assert not np.asarray(d)[~KEPT].any()
        kept = np.asarray(d)[KEPT]
        if columns is not None:
            assert not np.asarray(d)[..., ~KEPT].any()
            kept = kept[..., KEPT]
        np.testing.assert_allclose(kept, of, rtol=1e-6, atol=1e-9)


def test_pure_path_and_cross_validation(x64):
    path = jaxreg.solvers.path(X, Y, 5, penalty_factor=V)
    expected = jaxreg.solvers.path(X[:, KEPT], Y, 5)
    np.testing.assert_allclose(path.coef[:, KEPT], expected.coef, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(path.scale, X.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(path.df, expected.df)
    masks = jnp.arange(N)[None, :] % 4 == jnp.arange(4)[:, None]
    found = jaxreg.sweeps.cross_validate(X, Y, masks, 5, penalty_factor=V)
    expected = jaxreg.sweeps.cross_validate(X[:, KEPT], Y, masks, 5)
    np.testing.assert_allclose(found.mean_mse, expected.mean_mse, rtol=1e-8)
    loo = jaxreg.solvers.ridge_leave_one_out(X, Y, LAMS[:2], penalty_factor=V)
    np.testing.assert_allclose(loo.mse, jaxreg.solvers.ridge_leave_one_out(X[:, KEPT], Y, LAMS[:2]).mse, rtol=1e-10)


@pytest.mark.parametrize("lam", [0.3, 0.0])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_formulas_are_those_without_the_columns(x64, ratio, lam):
    from jaxreg import formulas

    w = np.where(KEPT, [0.5, 0, -0.2, 0, 0, 0.1], 0.0)
    Params = formulas.Params
    all_, some = Params(0.3, w), Params(0.3, w[KEPT])
    given = {"penalty_factor": V, "sample_weight": S}
    kept = {"penalty_factor": V[KEPT], "sample_weight": S}
    arguments, fewer = (X, Y, lam, ratio), (X[:, KEPT], Y, lam, ratio)
    for formula in (formulas.objective, formulas.duality_gap, formulas.kkt_residual):
        assert formula(all_, *arguments, **given) == pytest.approx(float(formula(some, *fewer, **kept)), rel=1e-12)
        outside = Params(0.3, np.where(KEPT, w, 1e-9))
        assert formula(outside, *arguments, **given) == np.inf
    if ratio:
        expected = formulas.lam_max(X[:, KEPT], Y, ratio, **kept)
        assert formulas.lam_max(X, Y, ratio, **given) == pytest.approx(float(expected), rel=1e-12)
    by_hand = formulas.gradient(all_, *arguments, **given)
    by_jax = jax.grad(formulas.objective)(Params(jnp.array(0.3), jnp.asarray(w)), *arguments, **given)
    expected = formulas.gradient(some, *fewer, **kept)
    for found in (by_hand, by_jax):
        np.testing.assert_allclose(found.coef[KEPT], expected.coef, rtol=1e-12)
        assert not found.coef[~KEPT].any()
    for argument in range(1, 5):
        d = jax.grad(lambda *a: formulas.objective(all_, *a, **given), argument - 1)(*map(jnp.asarray, arguments))
        assert np.isfinite(d).all()
    H = formulas.hessian(X, lam, ratio, **given)
    rows = np.append(True, KEPT)
    np.testing.assert_allclose(H[rows][:, rows], formulas.hessian(X[:, KEPT], lam, ratio, **kept), rtol=1e-12)
    assert not H[~rows].any()
    assert formulas.lipschitz(X, lam, ratio, **given) == pytest.approx(
        float(formulas.lipschitz(X[:, KEPT], lam, ratio, **kept)), rel=1e-12
    )


def test_several_targets_with_one_outside(x64):
    from jaxreg import formulas

    w = np.zeros((P, 2))
    w[1, 1] = 1.0  # left out, and not 0
    found = formulas.objective(formulas.Params(np.zeros(2), w), X, np.column_stack([Y, Y]), 0.3, penalty_factor=V)
    assert found[0] == pytest.approx((Y**2).mean() / 2)
    assert found[1] == np.inf
    for penalty in (formulas.lasso_penalty, formulas.ridge_penalty):
        assert penalty(w, 0.0, penalty_factor=V).tolist() == [0, np.inf]


def test_proximal_operators_take_infinite_weights(x64):
    from jaxreg.formulas import prox_elastic_net

    z = jnp.array([2.0, -3.0, 0.0])
    for l1, l2 in ((np.inf, 0.0), (0.0, np.inf), (np.inf, np.inf)):
        assert prox_elastic_net(z, 0.5, l1, l2).tolist() == [0, 0, 0]
        assert np.isfinite(jax.jacobian(lambda z, l1=l1, l2=l2: prox_elastic_net(z, 0.5, l1, l2))(z)).all()
