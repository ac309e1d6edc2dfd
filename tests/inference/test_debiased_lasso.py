"""The debiased lasso: held against scikit-learn's lassos put together by NumPy, least squares, and simulations."""

import jax
import numpy as np
import pytest
from scipy import stats

import jaxreg
from jaxreg.data.problem import check_problem
from jaxreg.engines import nodewise

DATA = jaxreg.datasets.diabetes()


def table(rng, n, p, correlation=0.5):
    """Rows of an autoregressive process: neighbouring columns have this correlation."""
    X = rng.normal(size=(n, p))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    return X


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = table(rng, n, p) * rng.uniform(0.1, 10, p) + rng.normal(size=p)
    return X, 3.0 + (X / X.std(axis=0))[:, :4] @ [1.0, -1.0, 0.5, 2.0] + rng.normal(size=n)


def put_together(X, y, lam, node_lam):
    """Estimates, standard errors, σ̂, the rows of ΘΣ̂ − I and the bound on them by scikit-learn's lassos."""
    Lasso = pytest.importorskip("sklearn.linear_model").Lasso
    n, p = X.shape
    scale = X.std(axis=0)
    Z, target = (X - X.mean(axis=0)) / scale, y - y.mean()
    fitted = lambda mu, A, b: Lasso(mu, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(A, b).coef_
    u = fitted(lam, Z, target)
    residual = target - Z @ u
    estimate, error, off, bound = np.empty((4, p))
    sigma = np.sqrt(residual @ residual / (n - 1 - np.count_nonzero(u)))
    for j in range(p):
        others = np.delete(np.arange(p), j)
        r = Z[:, j] - Z[:, others] @ fitted(node_lam[j], Z[:, others], Z[:, j])
        estimate[j] = u[j] + r @ residual / (r @ Z[:, j])
        error[j] = sigma * np.linalg.norm(r) / abs(r @ Z[:, j])
        off[j] = np.max(np.abs(r @ Z / (r @ Z[:, j]) - (np.arange(p) == j)))
        bound[j] = node_lam[j] / (r @ Z[:, j] / n)
    return estimate / scale, error / scale, sigma, off, bound


@pytest.mark.parametrize(("n", "p"), [(40, 60), (80, 12)])
def test_it_is_the_formula_put_together_from_lassos_of_scikit_learn(n, p):
    X, y = problem(n, p)
    node_lam = np.linspace(0.1, 0.4, p)
    found = jaxreg.debiased_lasso(X, y, 0.3, node_lam=node_lam)
    estimate, error, sigma, off, bound = put_together(X, y, 0.3, node_lam)
    # scikit-learn stops at gaps of 1e-14 ‖y‖², where coefficients are right to 1e-7.
    np.testing.assert_allclose(found.estimate * found.scale, estimate * found.scale, atol=1e-6)
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-6)
    np.testing.assert_allclose(found.off_identity, off, rtol=1e-6)
    assert found.noise == pytest.approx(sigma, rel=1e-7)
    assert found.degrees == n - 1 - np.count_nonzero(found.lasso.coef)
    np.testing.assert_array_equal(found.node_lam, node_lam)
    assert found.converged
    assert found.node_gap.max() <= 1e-12
    assert (found.off_identity <= bound * (1 + 1e-9)).all()


def test_the_lams_of_the_scaled_lasso():
    X, y = problem(50, 70)
    found = jaxreg.debiased_lasso(X, y)
    lam0 = np.sqrt(2 * np.log(70) / 50)
    fitted = found.lasso.intercept + X @ found.lasso.coef
    assert found.lam == pytest.approx(lam0 * np.linalg.norm(y - fitted) / np.sqrt(50), rel=1e-6)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    for j in range(0, 70, 7):
        others = np.delete(np.arange(70), j)
        r = Z[:, j] - Z[:, others] @ jaxreg.fit(Z[:, others], Z[:, j], found.node_lam[j]).coef
        assert found.node_lam[j] == pytest.approx(lam0 * np.linalg.norm(r) / np.sqrt(50), rel=1e-6)
        assert np.max(np.abs(r @ Z[:, others])) / np.linalg.norm(r) <= np.sqrt(2 * np.log(70)) * (1 + 1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_without_penalties_it_is_least_squares_with_its_classical_intervals(fit_intercept):
    X, y = problem(60, 9)
    A = np.column_stack([X, np.ones(60)]) if fit_intercept else X
    w, rss, rank, _ = np.linalg.lstsq(A, y)
    error = np.sqrt(rss[0] / (60 - rank) * np.diagonal(np.linalg.inv(A.T @ A)))
    for lam in (0.0, 0.5):  # whatever the lasso is, nothing is left of its bias
        found = jaxreg.debiased_lasso(X, y, lam, node_lam=0, fit_intercept=fit_intercept)
        np.testing.assert_allclose(found.estimate, w[:9], rtol=1e-9)
        assert found.off_identity.max() < 1e-10
        assert found.node_gap.max() < 1e-12
    found = jaxreg.debiased_lasso(X, y, 0.0, node_lam=0, fit_intercept=fit_intercept)
    np.testing.assert_allclose(found.standard_error, error[:9], rtol=1e-9)
    low, high = found.interval(0.9)
    half = stats.t.ppf(0.95, 60 - rank) * error[:9]
    np.testing.assert_allclose([low, high], [w[:9] - half, w[:9] + half], rtol=1e-8)
    np.testing.assert_allclose(found.p_value, 2 * stats.t.sf(np.abs(w / error)[:9], 60 - rank), rtol=1e-7)
    # A lasso of y that is not penalised has no bias either, whatever the nodewise lassos are.
    np.testing.assert_allclose(
        jaxreg.debiased_lasso(X, y, 0.0, node_lam=0.3, fit_intercept=fit_intercept).estimate, w[:9], rtol=1e-8
    )


def test_known_noise_and_the_normal_distribution():
    X, y = problem(40, 60)
    found, known = jaxreg.debiased_lasso(X, y, 0.3), jaxreg.debiased_lasso(X, y, 0.3, noise=2.0)
    np.testing.assert_array_equal(found.estimate, known.estimate)
    np.testing.assert_allclose(known.standard_error / found.standard_error, 2.0 / found.noise, rtol=1e-12)
    low, high = known.interval(0.95)
    np.testing.assert_allclose((high - low) / known.standard_error, 2 * stats.norm.ppf(0.975), rtol=1e-9)
    np.testing.assert_allclose(known.p_value, 2 * stats.norm.sf(np.abs(known.z)), rtol=1e-9)


def test_holm():
    found = jaxreg.debiased_lasso(*problem(40, 60))
    raw, corrected = found.p_value, found.holm()
    for j in range(60):  # as the procedure is told: go up from the smallest, and never down again
        smaller = [k for k in range(60) if raw[k] <= raw[j]]
        steps = [(60 - np.sum(raw < raw[k])) * raw[k] for k in smaller]
        assert corrected[j] == pytest.approx(min(1.0, max(steps)))


def test_units_do_not_matter():
    X, y = problem(40, 60)
    one, size = jaxreg.debiased_lasso(X, y), np.geomspace(1e-3, 1e3, 60)
    other = jaxreg.debiased_lasso(X * size + 5, 100 * y - 7)
    np.testing.assert_allclose(other.estimate * size / 100, one.estimate, rtol=1e-6)
    np.testing.assert_allclose(other.p_value, one.p_value, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(other.node_lam, one.node_lam, rtol=1e-6)


def test_float32():
    X, y = problem(40, 60)
    one, other = jaxreg.debiased_lasso(X, y), jaxreg.debiased_lasso(X.astype(np.float32), y)
    assert other.estimate.dtype == other.standard_error.dtype == np.float32
    np.testing.assert_allclose(other.estimate * one.scale, one.estimate * one.scale, atol=1e-4)
    assert other.converged


def test_a_column_twice_is_not_told_apart():
    X, y = problem(60, 20)
    found = jaxreg.debiased_lasso(np.column_stack([X, X[:, 3]]), y)
    np.testing.assert_allclose(found.off_identity[[3, 20]], 1.0, rtol=1e-9)
    assert found.off_identity[:3].max() < 0.9


def test_newton_steps_find_the_same_columns():
    X, y = problem(40, 60)
    columns = nodewise.columns_of(check_problem(X, y))
    lams = np.linspace(0.1, 0.4, 60)
    one, other = (nodewise.nodes_of(columns, lams, tol) for tol in (1e-10, -1.0))
    np.testing.assert_allclose(other.coef, one.coef, atol=1e-10)
    assert not np.array_equal(other.coef, one.coef)
    assert max(one.gap.max(), other.gap.max()) < 1e-11


def test_no_matrix_is_copied_for_a_column():
    """For 16 columns the program has less than half of the memory that Σ̂ takes, besides what is given and returned."""
    columns = nodewise.columns_of(check_problem(*problem(100, 500)))
    G = columns.posed.gram
    with jax.enable_x64(True):
        given = G, np.arange(16, dtype=np.int32), np.int32(16), np.float64(columns.lam0)
        program = nodewise._nodes.lower(*given, blocks=0).compile()
    assert program.memory_analysis().temp_size_in_bytes < 0.5 * G.nbytes


def test_columns_of_many_knots():
    """Of more than are kept beside Σ̂: such a column has a tableau of its own, and the default μ too."""
    X, y = problem(300, 200)
    columns = nodewise.columns_of(check_problem(X, y))
    found = nodewise.nodes_of(columns, np.full(200, 0.01), 1e-10)
    assert np.count_nonzero(found.coef, axis=1).min() > 63
    assert found.gap.max() < 1e-11
    columns = columns._replace(lam0=0.02)
    found = nodewise.nodes_of(columns, None, 1e-10)
    assert np.count_nonzero(found.coef, axis=1).max() > 63
    assert found.gap.max() < 1e-11
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    r = Z - Z @ found.coef[:, :200].T
    np.testing.assert_allclose(found.lam, 0.02 * np.linalg.norm(r, axis=0) / np.sqrt(300), rtol=1e-6)


def coverage(n, p, active, size, repeats, seed, correlation=0.5, **options):
    """The share of 95 % intervals that hold the coefficient, of those that are not 0 and those that are."""
    rng = np.random.default_rng(seed)
    hold = {True: [], False: []}
    for _ in range(repeats):
        X, w = table(rng, n, p, correlation), np.zeros(p)
        w[rng.choice(p, active, replace=False)] = size * rng.choice([-1, 1], active)
        found = jaxreg.debiased_lasso(X, X @ w + rng.normal(size=n), **options)
        low, high = found.interval(0.95)
        for is_active in hold:
            hold[is_active] += list(((low <= w) & (w <= high))[(w != 0) == is_active])
    return np.mean(hold[True]), np.mean(hold[False])


def test_intervals_cover():
    """60 tables: of 240 active coefficients the share has a standard error of 0.014."""
    active, null = coverage(100, 120, 4, 1.0, 60, seed=1)
    assert 0.95 - 3 * 0.014 < active < 0.95 + 3 * 0.014
    assert abs(null - 0.95) < 0.015


@pytest.mark.slow
@pytest.mark.parametrize("size", [1.0, 0.3])
def test_intervals_cover_in_many_tables(size):
    """150 tables of 200 rows and 300 columns: standard errors of 0.008 (active) and, of columns that depend on each
    other, about 0.003."""
    active, null = coverage(200, 300, 5, size, 150, seed=2)
    assert 0.925 < active < 0.97
    assert 0.94 < null < 0.965


@pytest.mark.slow
def test_where_it_fails():
    """60 of 300 coefficients are not 0, where √n / log p is 2.5: the bias is as large as the noise, which is known."""
    active, null = coverage(200, 300, 60, 0.3, 30, seed=3, noise=1.0)
    assert active < 0.75
    assert null < 0.9


def test_it_is_read_saved_and_drawn(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DATA.X, columns=DATA.feature_names)
    found = jaxreg.debiased_lasso(frame, DATA.y)
    lines = repr(found).splitlines()
    assert lines[0].startswith("DebiasedLasso: 10 columns, λ = ")
    assert len(lines) <= 12
    assert "bmi" in lines[2]
    columns = found.to_frame("dict")
    assert list(columns["column"]) == list(DATA.feature_names)
    np.testing.assert_array_equal(columns["low"], found.interval()[0])
    found.save(tmp_path / "found.npz")
    again = jaxreg.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(again.holm(), found.holm())
    np.testing.assert_array_equal(again.lasso.coef, found.lasso.coef)
    pytest.importorskip("matplotlib")
    assert again.plot().get_yticklabels()[0].get_text() == "s5"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": np.column_stack([DATA.y, DATA.y])}, "several targets"),
        ({"lam": -1.0}, "lam is -1"),
        ({"node_lam": -0.1}, "node_lam must be"),
        ({"node_lam": np.ones(3)}, "or 10 of them"),
        ({"node_lam": np.arange(10.0)}, r"node_lam\[0\] is 0"),
        ({"noise": 0}, "noise is 0"),
        ({"X": np.column_stack([DATA.X, np.ones(442)])}, "column 10 of X is constant"),
        ({"X": np.column_stack([DATA.X, DATA.X[:, 0]]), "node_lam": 0}, "depend on each other"),
        ({"X": DATA.X[:9], "y": DATA.y[:9], "lam": 0.0}, "fits all rows"),
    ],
)
def test_what_is_refused(options, message):
    arguments = {"X": DATA.X, "y": DATA.y} | options
    with pytest.raises(ValueError, match=message):
        jaxreg.debiased_lasso(arguments.pop("X"), arguments.pop("y"), **arguments)


def test_a_level_is_between_0_and_1():
    found = jaxreg.debiased_lasso(DATA.X, DATA.y)
    with pytest.raises(ValueError, match="level"):
        found.interval(1.0)
