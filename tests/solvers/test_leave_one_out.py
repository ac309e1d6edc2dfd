"""Leave-one-out and GCV of ridge against fits that really leave a row out, and against scikit-learn's RidgeCV."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg import solvers
from jaxreg.engines import ridge_blocks, ridge_data
from jaxreg.formulas import duality_gap
from jaxreg.solvers import leave_one_out as module
from jaxreg.solvers import left_out_sums
from jaxreg.solvers.reduced import prepare

LAMS = np.array([10.0, 0.01, 1.0, 0.1])
pure = jax.jit(solvers.ridge_leave_one_out, static_argnames=("fit_intercept", "standardize"))


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 30, p) + 2
    return X, X[:, 0] + rng.normal(size=n), rng.uniform(0.2, 2, n)


def deviation(y, s):
    """τ."""
    return np.sqrt(np.average((y - np.average(y, weights=s)) ** 2, weights=s))


def by_leaving_out(X, y, lam, s=None, v=None, fit_intercept=True, standardize=True):
    """(mse, se, gcv, df): a fit without each row, with σ, τ and the penalty λΣs of all of them; and the trace of H."""
    n, p = X.shape
    s, v = np.ones(n) if s is None else s, np.ones(p) if v is None else v
    lam = lam / deviation(y, s) if standardize else lam
    sigma = np.sqrt(np.cov(X, rowvar=False, aweights=s, ddof=0).diagonal()) if standardize else np.ones(p)
    C, D = X, v * sigma**2
    if fit_intercept:
        C, D = np.column_stack([np.ones(n), X]), np.append(0, D)
    solve = lambda weight, B: np.linalg.solve((C.T * weight) @ C + lam * s.sum() * np.diag(D), (C.T * weight) @ B)
    error = np.array([y[i] - C[i] @ solve(np.where(np.arange(n) == i, 0, s), y) for i in range(n)])
    H, rows = C @ solve(s, np.eye(n)), (s > 0).sum()
    mse = np.average(error**2, weights=s)
    se = np.sqrt(np.average((error**2 - mse) ** 2, weights=s) / (rows - 1))
    gcv = np.average((y - H @ y) ** 2, weights=s) / (1 - np.trace(H) / rows) ** 2
    return mse, se, gcv, np.trace(H) - fit_intercept


@pytest.mark.parametrize("free", [False, True], ids=["", "free"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize(
    "centring", [(True, True), (False, True), pytest.param((True, False), marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize(("n", "p"), [(16, 4), (9, 14)])
def test_equals_leaving_out(n, p, centring, weighted, free):
    """A row of weight 0 and a column without penalty among them. Solving the reference loses up to 1e-12."""
    X, y, s = problem(n, p)
    s[3] = 0
    weight = s if weighted else None
    factor = np.where(np.arange(p) == 1, 0.0, 1.5) if free else None
    found = pure(
        X, y, LAMS, fit_intercept=centring[0], standardize=centring[1], sample_weight=weight, penalty_factor=factor
    )
    for l, lam in enumerate(LAMS):
        expected = by_leaving_out(X, y, lam, weight, factor, *centring)
        np.testing.assert_allclose([found.mse[l], found.se_mse[l], found.gcv[l], found.df[l]], expected, rtol=1e-10)
    assert found.gap.max() <= 1e-18


@pytest.mark.parametrize(("n", "p"), [(16, 4), (9, 14)])
def test_the_residual_of_every_row(n, p):
    """Their squares add up to the error; a row of weight 0 and a column without penalty among them."""
    X, y, s = problem(n, p)
    s[3] = 0
    factor = np.where(np.arange(p) == 1, 0.0, 1.5)
    data = prepare(X, np.stack([y, y**2], axis=1), True, True, s, factor, None, None)
    residuals = np.asarray(module.left_out_residuals(data, jnp.asarray(LAMS)))
    found, _ = module.leave_one_out_of(data, jnp.asarray(LAMS))
    assert residuals.shape == (4, n, 2)
    assert np.abs(residuals[:, 3]).max() < 1e-14 * np.abs(residuals).max()
    np.testing.assert_allclose((residuals**2).sum(axis=1), found.mse, rtol=1e-12)
    without = np.arange(n) != 5
    size = np.sqrt(np.cov(X, rowvar=False, aweights=s, ddof=0).diagonal()) * np.sqrt(factor)
    C, D = np.column_stack([np.ones(n), X]), np.append(0, size**2)
    M = (C[without].T * s[without]) @ C[without] + LAMS[2] / deviation(y, s) * s.sum() * np.diag(D)
    error = y[5] - C[5] @ np.linalg.solve(M, (C[without].T * s[without]) @ y[without])
    np.testing.assert_allclose(residuals[2, 5, 0], np.sqrt(s[5] / s.sum()) * error, rtol=1e-9)


@pytest.mark.parametrize(("n", "p"), [(40, 6), (12, 20)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_equals_scikit_learn(n, p, fit_intercept):
    """RidgeCV(cv=None) on standardised columns, whose alpha is nλ/τ; the errors of each row, and the chosen model."""
    X, y, _ = problem(n, p)
    Z = StandardScaler(with_mean=fit_intercept).fit_transform(X)
    tau = y.std()
    peer = RidgeCV(LAMS * n / tau, fit_intercept=fit_intercept, store_cv_results=True).fit(Z, y)
    found = jaxreg.ridge_leave_one_out(X, y, LAMS, fit_intercept=fit_intercept)
    np.testing.assert_allclose(found.mse, peer.cv_results_.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.best.lam * n / tau, peer.alpha_, rtol=1e-14)
    np.testing.assert_allclose(found.params.coef * found.scale, peer.coef_, rtol=1e-9)
    np.testing.assert_allclose(found.predict(X), peer.predict(Z), rtol=1e-9)
    assert found.one_se.lam >= found.best.lam
    within = found.mse <= found.mse.min() + found.se_mse[found.mse.argmin()]
    assert found.one_se.lam == LAMS[within].max()


def test_one_lam_for_each_target():
    """scikit-learn's choice for each target; and every target is as if it were alone."""
    X, y, s = problem(40, 6)
    Y = np.stack([y, 20 * s, y - X[:, 1]], axis=1)
    found = jaxreg.ridge_leave_one_out(X, Y, LAMS)
    Z, tau = StandardScaler().fit_transform(X), Y.std(axis=0)
    for t in range(3):
        peer = RidgeCV(LAMS * 40 / tau[t]).fit(Z, Y[:, t])
        np.testing.assert_allclose(found.best.lam[t] * 40 / tau[t], peer.alpha_)
        np.testing.assert_allclose(found.params.coef[:, t] * found.scale, peer.coef_, rtol=1e-9, atol=1e-12)
    assert found.mse.shape == found.se_mse.shape == found.gcv.shape == found.gap.shape == (4, 3)
    assert found.best.index.shape == (3, 2)
    assert len(set(found.best.lam)) > 1
    for t in range(3):
        alone = jaxreg.ridge_leave_one_out(X, Y[:, t], LAMS)
        np.testing.assert_allclose(found.mse[:, t], alone.mse, rtol=1e-12)
        np.testing.assert_allclose(found.gcv[:, t], alone.gcv, rtol=1e-12)
        assert found.one_se.lam[t] == alone.one_se.lam
        np.testing.assert_allclose(found.params.intercept[t], alone.params.intercept, rtol=1e-11)


def test_blocks_of_rows_and_of_targets_change_nothing(monkeypatch):
    """11 rows in blocks of 4, the last of which is filled up, as is the last of the blocks of 2 of 3 targets."""
    X, y, s = problem(11, 3)
    Y = np.stack([y, s, y * s], axis=1)
    expected = jaxreg.ridge_leave_one_out(X, Y, LAMS, sample_weight=s)
    monkeypatch.setattr(ridge_data, "MOST_ROWS", 4)
    monkeypatch.setattr(ridge_data, "TARGET_BLOCK_BYTES", 4 * 14 * 8 * 2)
    found = jaxreg.ridge_leave_one_out(X, Y, LAMS, sample_weight=s)
    for name in ("mse", "se_mse", "gcv", "df"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-13)
    np.testing.assert_allclose(found.params.coef, expected.params.coef, rtol=1e-12)
    np.testing.assert_allclose(found.one_se.params.intercept, expected.one_se.params.intercept, rtol=1e-12)


def test_blocks_of_rows_on_the_device_change_nothing(monkeypatch):
    """11 rows in blocks of 4, the last of which overlaps."""
    X, y, s = problem(11, 3)
    expected = pure(X, y, LAMS, sample_weight=s)
    monkeypatch.setattr(left_out_sums, "ROW_BLOCK", 4)
    pure.clear_cache()
    found = pure(X, y, LAMS, sample_weight=s)
    pure.clear_cache()
    for name in ("mse", "se_mse", "gcv", "df", "largest_leverage"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-13)


def test_more_rows_than_columns_are_not_copied_to_the_device(monkeypatch):
    """Unless AᵀA is too ill-conditioned for the λs."""
    X, y, s = problem(40, 6)
    taken, device = [], ridge_data.Blocks.X.func
    monkeypatch.setattr(ridge_data.Blocks, "X", property(lambda self: taken.append(True) or device(self)))
    jaxreg.ridge_leave_one_out(X, y, sample_weight=s)
    jaxreg.sweep(X, y, l1_ratio=0, folds=4, sample_weight=s)
    assert not taken
    X[:, 1] = X[:, 0] + 1e-7 * X[:, 1]
    lams = LAMS * 1e-9
    found = jaxreg.ridge_leave_one_out(X, y, lams, sample_weight=s)
    assert taken
    np.testing.assert_allclose(found.mse, pure(X, y, lams, sample_weight=s).mse, rtol=1e-9)


def test_the_degrees_of_freedom_are_the_derivative_of_the_fit_and_gcv_is_made_of_them():
    """df = Σ ∂ŷ_i/∂y_i − 1 at a fixed λ/τ, by autodiff through another solver.

    Hastie, Tibshirani and Friedman (7.33).
    """
    X, y, _ = problem(16, 4)
    found = pure(X, y, LAMS)
    sigma, tau = X.std(axis=0), y.std()

    def fitted(y, lam):
        A = (X - X.mean(axis=0)) / sigma / 4
        return y.mean() + 4 * A @ solvers.ridge_cholesky(A, (y - y.mean())[:, None] / 4, lam / tau)[:, 0]

    for l, lam in enumerate(LAMS):
        trace = jnp.trace(jax.jacfwd(fitted)(y, lam))
        np.testing.assert_allclose(found.df[l], trace - 1, rtol=1e-12)
        mean_square = np.mean((y - fitted(y, lam)) ** 2)
        np.testing.assert_allclose(found.gcv[l], mean_square / (1 - trace / 16) ** 2, rtol=1e-12)


@pytest.mark.parametrize(("n", "p"), [(16, 4), (9, 14)])
def test_derivatives_by_lam(n, p, central_differences):
    """jax.grad of the error and of GCV, by forward and reverse mode, against quotients of differences."""
    X, y, _ = problem(n, p)
    for name in ("mse", "gcv", "df"):
        value = lambda lams, name=name: getattr(pure(X, y, lams), name)[0]
        forward, reverse = jax.jacfwd(value)(np.array([0.3])), jax.grad(value)(np.array([0.3]))
        np.testing.assert_allclose(forward, central_differences(value, [0.3]), rtol=1e-8)
        np.testing.assert_allclose(reverse, forward, rtol=1e-11)


def test_vmap_is_a_loop():
    X, y, _ = problem(16, 4)
    ys = np.stack([y, y**2])
    together = jax.vmap(lambda y: pure(X, y, LAMS))(ys)
    for k in range(2):
        np.testing.assert_allclose(together.mse[k], pure(X, ys[k], LAMS).mse, rtol=1e-12)


def test_constant_columns_and_wild_scales():
    """As without the constant column, whose coefficient is exactly 0; columns in any units have the same errors."""
    X, y, _ = problem(40, 4)
    expected = jaxreg.ridge_leave_one_out(X, y, LAMS)
    wild = X * [1e-120, 1, 1e100, 1e-9]
    constant = np.insert(wild, 2, 0.1, axis=1)
    found = jaxreg.ridge_leave_one_out(constant, y, LAMS)
    np.testing.assert_allclose(found.mse, expected.mse, rtol=1e-11)
    np.testing.assert_allclose(found.df, expected.df, rtol=1e-11)
    assert found.params.coef[2] == 0
    np.testing.assert_allclose(found.predict(constant), expected.predict(X), rtol=1e-10)


def test_small_penalties_where_p_exceeds_n():
    """1 − h goes to 0 with λ. The limit of the errors is known: that of the interpolating fits of least norm (D25)."""
    X, y, _ = problem(9, 14)
    A = X - X.mean(axis=0)
    found = jaxreg.ridge_leave_one_out(X, y, [1e-6, 1e-9], standardize=False)
    # λ → 0 of (3): residual_i = (K⁺y)_i / (K⁺)_ii, K = AAᵀ of rank n − 1.
    K = np.linalg.pinv(A @ A.T, rcond=1e-10)
    limit = np.mean((K @ y / K.diagonal()) ** 2)
    np.testing.assert_allclose(found.mse, limit, rtol=1e-6)
    np.testing.assert_allclose(found.mse[1], limit, rtol=1e-8)
    assert found.converged


def test_a_row_that_stands_alone():
    """The only row with a 1 in a free column: nothing is known of that column when the row is left out."""
    X, y, _ = problem(16, 4)
    X[:, 1] = np.arange(16) == 5
    with pytest.raises(ValueError, match=r"at lam=10 a row has the leverage 1 .* larger λs"):
        jaxreg.ridge_leave_one_out(X, y, LAMS, penalty_factor=[1, 0, 1, 1])
    penalised = jaxreg.ridge_leave_one_out(X, y, LAMS)
    for l, lam in enumerate(LAMS):
        np.testing.assert_allclose(penalised.mse[l], by_leaving_out(X, y, lam)[0], rtol=1e-11)


def test_bad_arguments():
    X, y, _ = problem(16, 4)
    with pytest.raises(ValueError, match=r"lams\[1\] is 0; leave-one-out needs a penalty"):
        jaxreg.ridge_leave_one_out(X, y, [1.0, 0.0])
    with pytest.raises(ValueError, match="at least two rows of positive sample_weight"):
        jaxreg.ridge_leave_one_out(X, y, LAMS, sample_weight=np.arange(16) == 3)
    with pytest.raises(ValueError, match="X has 16 rows but y has 15"):
        jaxreg.ridge_leave_one_out(X, y[1:], LAMS)


def test_the_parameters_are_certified_and_the_second_call_does_not_compile():
    X, y, s = problem(40, 6)
    found = jaxreg.ridge_leave_one_out(X, y, LAMS, sample_weight=s)
    programs = [
        v for v in (*vars(jaxreg.leave_one_out).values(), *vars(ridge_blocks).values()) if hasattr(v, "_cache_size")
    ]
    assert len(programs) >= 10
    before = [program._cache_size() for program in programs]
    jaxreg.ridge_leave_one_out(X + 1, 2 * y, LAMS / 2, sample_weight=s[::-1])
    assert [program._cache_size() for program in programs] == before
    for choice in (found.best, found.one_se):
        scales = {"scale": found.scale, "y_scale": found.y_scale}
        gap = duality_gap(choice.params, X, y, choice.lam, 0.0, sample_weight=s, **scales)
        assert gap <= 1e-15
    model = Ridge(found.best.lam / found.y_scale * s.sum(), solver="svd")
    Z = (X - np.average(X, axis=0, weights=s)) / found.scale
    np.testing.assert_allclose(model.fit(Z, y, s).coef_ / found.scale, found.params.coef, rtol=1e-10)


def test_it_is_not_cross_validation_with_n_folds():
    """There σ and Σs are those of the n − 1 rows left; the two come together as n grows."""
    difference = []
    for n in (16, 64):
        X, y, _ = problem(n, 4)
        by_folds = jaxreg.sweep(X, y, [0.1], l1_ratio=0, folds=n).mean_mse[0, 0]
        difference.append(abs(by_folds / jaxreg.ridge_leave_one_out(X, y, [0.1]).mse[0] - 1))
    assert difference[0] > 1e-4
    assert difference[1] < difference[0] / 4


@pytest.mark.parametrize(("n", "p"), [(40, 6), (12, 20)])
def test_float32(n, p):
    """Computed in float64 from the rounded table, and returned in float32."""
    X, y, _ = problem(n, p)
    exact = jaxreg.ridge_leave_one_out(X, y, LAMS)
    found = jaxreg.ridge_leave_one_out(X.astype(np.float32), y, LAMS)
    assert found.mse.dtype == found.gap.dtype == found.params.coef.dtype == np.float32
    np.testing.assert_allclose(found.mse, exact.mse, rtol=2e-4)
    np.testing.assert_allclose(found.gcv, exact.gcv, rtol=2e-4)
    assert found.converged
