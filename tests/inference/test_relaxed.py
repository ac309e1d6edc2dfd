"""The relaxed path: held against numpy.linalg.lstsq on each support, and a cross-validation written out."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg.data.problem import check_problem
from jaxreg.engines import relaxed
from jaxreg.solvers import support

DATA = jaxreg.datasets.diabetes()
WIDE = pytest.mark.parametrize(("n", "p"), [(60, 12), (30, 50)])


def problem(n, p, seed=0, signal=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, p) + rng.normal(size=p)
    return X, 3.0 + signal * (X / X.std(axis=0))[:, :4] @ [1.0, -1.0, 0.5, 2.0] + rng.normal(size=n)


def least_squares(X, y, inside, fit_intercept=True, s=None):
    """(b, w) by singular values of the rows."""
    root = np.sqrt(np.ones(len(y)) if s is None else s)[:, None]
    A = np.column_stack([np.ones((len(y), int(fit_intercept))), X[:, inside]])
    found = np.linalg.lstsq(root * A, root[:, 0] * y)[0]
    w = np.zeros(X.shape[1])
    w[inside] = found[int(fit_intercept) :]
    return (found[0] if fit_intercept else 0.0), w


@WIDE
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_at_0_it_is_least_squares_on_each_support_and_at_1_the_path(n, p, fit_intercept, weighted, l1_ratio):
    X, y = problem(n, p)
    s = np.random.default_rng(1).integers(0, 3, n).astype(float) if weighted else None
    lams = np.geomspace(2.0, 0.2, 12)[np.random.default_rng(2).permutation(12)]
    options = {"l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "sample_weight": s}
    found, path = jaxreg.relaxed_path(X, y, lams, **options), jaxreg.path(X, y, lams, **options)
    np.testing.assert_array_equal(found.lams, lams)
    for name in ("coef", "intercept"):
        np.testing.assert_array_equal(getattr(found.at(1.0), name), getattr(path, name))
    refit = found.at(0.0)
    for l in range(12):
        b, w = least_squares(X, y, path.coef[l] != 0, fit_intercept, s)
        np.testing.assert_allclose(refit.coef[l] * path.scale, w * path.scale, atol=1e-10)
        np.testing.assert_allclose(refit.intercept[l], b, atol=1e-10)
        between = found.at(0.25)
        np.testing.assert_allclose(between.coef[l], 0.25 * path.coef[l] + 0.75 * w, atol=1e-10)
        np.testing.assert_allclose(
            found.predict(X, 0.25)[:, l],
            0.25 * path.predict(X)[:, l] + 0.75 * (X @ w + b),
            atol=1e-9,
        )
    assert found.converged.all()
    assert found.refit_gap.max() < 1e-11


def test_each_support_is_fitted_once(monkeypatch):
    X, y = problem(60, 12)
    seen = []
    by_size = relaxed._by_size
    monkeypatch.setattr(relaxed, "_by_size", lambda inside: seen.append(inside) or by_size(inside))
    found = jaxreg.relaxed_path(X, y, 100)
    supports = {tuple(row) for row in (found.path.coef != 0).tolist()}
    assert len(seen[0]) == len(supports) < 30


def test_columns_that_depend_on_each_other_have_the_least_norm():
    X, y = problem(60, 6)
    X = np.column_stack([X, X[:, 0] + X[:, 3]])
    coef = np.ones((1, 7))  # a lasso would not choose all of them
    found = relaxed.refits(check_problem(X, y), coef)
    size = X.std(axis=0)
    w = np.linalg.lstsq((X - X.mean(axis=0)) / size, y - y.mean())[0] / size
    np.testing.assert_allclose(found.coef[0] * size, w * size, atol=1e-10)
    assert found.gap[0] < 1e-25


def test_a_support_as_large_as_the_rows_interpolates():
    X, y = problem(20, 40)
    found = jaxreg.relaxed_path(X, y, [1e-3])
    assert found.path.n_nonzero[0] == 19
    np.testing.assert_allclose(found.predict(X, 0.0)[:, 0], y, atol=1e-8)
    assert found.converged.all()


def test_a_gap_is_what_squares_could_still_fall(monkeypatch, x64):
    """Without a step from u the gap is that of u."""
    X, y = problem(60, 6)
    Z, target = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
    u, inside = (
        np.linspace(-1, 1, 6)[None] * [[True, True, False, True, True, True]],
        np.array([[1, 1, 0, 1, 1, 1]]) > 0,
    )
    monkeypatch.setattr(support, "CORRECTIONS", 0)
    G, c = Z.T @ Z / 60, Z.T @ target / 60
    same, gain = support.on_supports(*(jnp.asarray(v) for v in (G, c[None], np.zeros((1, 6)), u, inside)))
    np.testing.assert_array_equal(same, u)
    least = target - Z[:, inside[0]] @ np.linalg.lstsq(Z[:, inside[0]], target)[0]
    expected = (np.sum((target - Z @ u[0]) ** 2) - np.sum(least**2)) / 120
    assert float(gain[0]) == pytest.approx(expected, rel=1e-10)


@WIDE
def test_the_sweep_is_the_cross_validation_written_out(n, p):
    X, y = problem(n, p)
    lams, gammas = np.geomspace(1.5, 0.02, 8), (1.0, 0.4, 0.0)
    labels = np.arange(n) % 4
    found = jaxreg.relaxed_sweep(X, y, lams, gammas, folds=labels)
    mse = np.empty((3, 8, 4))
    for k in range(4):
        train, test = labels != k, labels == k
        path = jaxreg.path(X[train], y[train], lams)
        for l in range(8):
            b, w = least_squares(X[train], y[train], path.coef[l] != 0)
            for g, gamma in enumerate(gammas):
                predicted = gamma * (X[test] @ path.coef[l] + path.intercept[l]) + (1 - gamma) * (X[test] @ w + b)
                mse[g, l, k] = np.mean((y[test] - predicted) ** 2)
    np.testing.assert_allclose(found.fold_mse, mse, rtol=1e-8)
    size = np.bincount(labels)
    mean = np.average(mse, axis=2, weights=size)
    np.testing.assert_allclose(found.mean_mse, mean, rtol=1e-8)
    g, l = np.unravel_index(np.argmin(mean), mean.shape)
    assert (found.best.index == [g, l]).all()
    assert (found.best.gamma, found.best.lam) == (gammas[g], lams[l])
    se = np.sqrt(np.average((mse - mean[..., None]) ** 2, axis=2, weights=size) / 3)
    within = np.flatnonzero(mean[g] <= mean[g, l] + se[g, l])
    assert (found.one_se.index == [g, within.min()]).all()
    np.testing.assert_array_equal(found.params.coef, found.path.at(gammas[g]).coef[l])
    assert found.converged


def test_at_gamma_1_it_is_the_sweep_of_the_lasso():
    lams = np.geomspace(40, 0.1, 30)
    found, sweep = jaxreg.relaxed_sweep(DATA.X, DATA.y, lams, 1.0), jaxreg.sweep(DATA.X, DATA.y, lams)
    np.testing.assert_allclose(found.mean_mse, sweep.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(found.se_mse, sweep.se_mse, rtol=1e-7)
    assert found.best.lam == sweep.best.lam
    np.testing.assert_allclose(found.params.coef, sweep.params.coef, rtol=1e-9)


def test_where_the_signal_is_strong_the_bias_is_gone_and_where_it_is_weak_the_lasso_stays():
    """20 tables each of 100 rows and 30 columns, 3 of them with a coefficient: by how much these are too small, the
    squared errors of all beside those of a lasso chosen by the same folds, and the mean γ."""
    ratio, gamma, bias = {}, {}, {}
    for size in (3.0, 0.15):
        errors, chosen, short = [], [], []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            X, w = rng.normal(size=(100, 30)), np.repeat([size, 0.0], [3, 27])
            y = X @ w + rng.normal(size=100)
            found = jaxreg.relaxed_sweep(X, y, 40, folds=5)
            l = np.argmin(found.mean_mse[0])
            lasso = found.path.at(1.0).coef[l]
            errors.append([np.sum((found.params.coef - w) ** 2), np.sum((lasso - w) ** 2)])
            chosen.append(found.best.gamma)
            short.append([np.mean(w[:3] - coef[:3]) for coef in (found.params.coef, lasso)])
        bias[size] = np.mean(short, axis=0)
        ratio[size], gamma[size] = np.divide(*np.mean(errors, axis=0)), np.mean(chosen)
    assert abs(bias[3.0][0]) < 3 * 0.1 / np.sqrt(60) < bias[3.0][1]  # three standard errors of least squares
    assert ratio[3.0] < 0.7
    assert gamma[3.0] < 0.2
    assert gamma[0.15] > 0.4
    assert ratio[0.15] < 1.3


def test_penalty_factors_sparse_tables_and_float32():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 10)) * (rng.uniform(size=(80, 10)) < 0.3), rng.normal(size=80)
    v = np.array([0.0, np.inf, *[1.0] * 8])
    one = jaxreg.relaxed_path(X, y, [0.1, 0.05], penalty_factor=v)
    assert one.refit_coef[:, 0].all()
    assert not one.refit_coef[:, 1].any()
    for l in range(2):
        _, w = least_squares(X, y, one.path.coef[l] != 0)
        np.testing.assert_allclose(one.refit_coef[l], w, atol=1e-12)
    other = jaxreg.relaxed_path(sparse.csr_array(X), y, [0.1, 0.05], penalty_factor=v)
    np.testing.assert_allclose(other.refit_coef, one.refit_coef, atol=1e-10)
    single = jaxreg.relaxed_path(X.astype(np.float32), y, [0.1, 0.05], penalty_factor=v)
    assert single.at(0.3).coef.dtype == np.float32
    np.testing.assert_allclose(single.refit_coef, one.refit_coef, atol=1e-4)


def test_they_are_read_saved_and_drawn(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DATA.X, columns=DATA.feature_names)
    found = jaxreg.relaxed_sweep(frame, DATA.y, 30, folds=4)
    for result in (found, found.path, found.best):
        assert len(repr(result).splitlines()) <= 12
    assert repr(found).splitlines()[0] == "RelaxedSweep: 5 γs × 30 λs, 4 folds, 10 columns"
    assert "γ" in repr(found).splitlines()[3]
    assert len(found.to_frame("dict")["mean_mse"]) == 150
    assert "bmi" in found.path.to_frame("dict")
    for result in (found, found.path):
        result.save(tmp_path / "found.npz")
        again = jaxreg.load(tmp_path / "found.npz")
        assert type(again) is type(result)
    found.save(tmp_path / "found.npz")
    again = jaxreg.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(again.predict(frame), found.predict(frame))
    np.testing.assert_array_equal(again.path.at(0.3).coef, found.path.at(0.3).coef)
    pytest.importorskip("matplotlib")
    assert again.plot() is not None
    assert again.path.plot(gamma=0.5) is not None


@pytest.mark.parametrize(
    ("door", "options", "message"),
    [
        ("relaxed_path", {"l1_ratio": 0.0}, "ridge chooses no support"),
        ("relaxed_path", {"y": np.column_stack([DATA.y, DATA.y])}, "several targets; call relaxed_path"),
        ("relaxed_sweep", {"gammas": [0.5, 1.2]}, r"gammas\[1\] is 1.2"),
        ("relaxed_sweep", {"gammas": []}, "at least one"),
        ("relaxed_sweep", {"folds": 1}, "at least 2 folds"),
    ],
)
def test_what_is_refused(door, options, message):
    arguments = {"X": DATA.X, "y": DATA.y, "lams": 5} | options
    with pytest.raises(ValueError, match=message):
        getattr(jaxreg, door)(**arguments)


def test_a_gamma_is_from_0_to_1():
    with pytest.raises(ValueError, match="gamma is 2"):
        jaxreg.relaxed_path(DATA.X, DATA.y, 5).at(2)
