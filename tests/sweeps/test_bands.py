"""Banded ridge: held against himalaya, scikit-learn, a grid over both λs, and finite differences."""

import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import bands as doors
from jaxreg.engines import ridge_bands, ridge_data
from jaxreg.engines.band_descent import descend
from jaxreg.solvers.bands import ColumnFold, KernelFold, error_and_gap, fold_of
from jaxreg.sweeps.proportions import LEAST, drawn_proportions

CASES = json.loads((Path(__file__).parent.parent / "reference" / "himalaya_bands.json").read_text())
SHAPES = {"n > p": (48, 12), "p > n": (30, 50)}


def table(n, p, t=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 2, p) + 1
    bands = np.array(["b", "a", "c"])[np.arange(p) % 3]  # not beside each other
    Y = X[:, bands == "a"] @ rng.normal(size=((bands == "a").sum(), t)) + rng.normal(size=(n, t))
    return X, Y, bands


@pytest.mark.parametrize("case", CASES, ids=["n > p", "p > n"])
def test_equals_himalaya(case):
    """The same proportions, λs and folds: errors, choices, coefficients, and what each band explains."""
    data = {name: np.array(value) for name, value in case.items()}
    X, y, n = data["X"], data["y"], len(data["X"])
    found = jaxreg.banded_ridge(
        X, y, data["bands"], data["lams"], data["gamma"], data["fold"], standardize=False, fit_intercept=True
    )
    # himalaya takes 1e-10 log α off a score, so that ties go to the larger α; log α is below 6 here
    np.testing.assert_allclose(found.search_mse, -data["cv_scores"], rtol=0, atol=6e-10)
    np.testing.assert_allclose(found.mean_mse, -data["cv_scores"].max(axis=0), rtol=0, atol=6e-10)
    training = n - n // 4  # it holds α = nλ of the training rows for all rows too
    np.testing.assert_allclose(np.log(found.lam), -data["deltas"] - np.log(training), atol=1e-12)
    for k in range(3):
        given = {"penalty_factor": found.lam[found.band, k], "standardize": False}
        at_alpha = jaxreg.fit(X, y[:, k], training / n, 0.0, **given)
        np.testing.assert_allclose(at_alpha.coef, data["coef"][:, k], rtol=0, atol=1e-11)
    given = found.params._replace(coef=data["coef"], intercept=data["intercept"])
    object.__setattr__(found, "params", given)
    np.testing.assert_allclose(found.split_r2(X, y), data["r2_split"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("standardize", [False, True])
def test_is_scikit_learns_ridge_on_scaled_columns(shape, standardize):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, Y, bands = table(*SHAPES[shape])
    s = np.arange(len(X)) % 3 + 0.5
    found = jaxreg.banded_ridge(
        X, Y, bands, 6, 5, 3, sample_weight=s, standardize=standardize, fit_intercept=standardize
    )
    assert found.band_names == ("a", "b", "c")
    mean = np.average(X, axis=0, weights=s)
    sigma = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=s)) if standardize else np.ones(X.shape[1])
    tau = (
        np.sqrt(np.average((Y - np.average(Y, axis=0, weights=s)) ** 2, axis=0, weights=s)) if standardize else [1] * 3
    )
    for k in range(3):
        size = sigma * np.sqrt(found.lam[found.band, k])
        theirs = linear_model.Ridge(alpha=s.sum() / tau[k], fit_intercept=standardize, solver="svd")
        theirs.fit(X / size, Y[:, k], sample_weight=s)
        # κ of the columns divided by √λ is up to 1e5: 1e-11 is what their product with ε leaves
        np.testing.assert_allclose(found.coef[:, k], theirs.coef_ / size, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.intercept[k], theirs.intercept_, atol=1e-8)
    np.testing.assert_allclose(found.scale, sigma, rtol=1e-12)
    np.testing.assert_allclose(found.y_scale, tau, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_certificate_is_that_of_fit(shape):
    X, Y, bands = table(*SHAPES[shape])
    found = jaxreg.banded_ridge(X, Y, bands, 8, 6)
    for k in range(3):
        alone = jaxreg.fit(X, Y[:, k], 1.0, 0.0, penalty_factor=found.lam[found.band, k])
        np.testing.assert_allclose(found.coef[:, k], alone.coef, rtol=1e-9, atol=1e-11)
        worse = found.coef[:, k] * 1.001
        params = jaxreg.Params(found.intercept[k], worse)
        options = {"penalty_factor": found.lam[found.band, k], "scale": found.scale, "y_scale": found.y_scale[k]}
        with jax.enable_x64(True):
            best, off = (
                jaxreg.objective(jaxreg.Params(*map(jnp.asarray, of)), X, Y[:, k], 1.0, 0.0, **options)
                for of in (jaxreg.Params(found.intercept[k], found.coef[:, k]), params)
            )
        assert best < off
    assert found.gap.max() <= 1e-10
    assert found.fold_gap.max() <= 1e-10
    assert found.converged.all()


@pytest.mark.parametrize("shape", SHAPES)
def test_two_bands_by_brute_force(shape):
    """All pairs of λs, every fold fitted from the normal equations: the least error is the one found."""
    X, Y, bands = table(*SHAPES[shape])
    band = (bands == "a").astype(int)
    lams = np.geomspace(10, 0.01, 7)
    ratio = lams[:, None] / lams[None, :]
    gamma = np.array([[g / (1 + g), 1 / (1 + g)] for g in np.unique(ratio.round(12))])
    fold = np.arange(len(X)) % 4
    error = np.zeros((7, 7))
    for (i, a), (j, b) in itertools.product(enumerate(lams), enumerate(lams)):
        for k in range(4):
            train = fold != k
            mean, level = X[train].mean(axis=0), Y[train, 0].mean()
            Z = X[train] - mean
            G = Z.T @ Z / train.sum() + np.diag(np.where(band == 0, a, b))
            w = np.linalg.solve(G, Z.T @ (Y[train, 0] - level) / train.sum())
            left = Y[~train, 0] - level - (X[~train] - mean) @ w
            error[i, j] += (left**2).sum() / len(X)
    # of each proportion, the λ at which the pair is on the grid: λ_b = λ/γ_b
    alone = np.unique((1 / (1 / lams[:, None] + 1 / lams[None, :])).ravel().round(12))
    found = jaxreg.banded_ridge(X, Y[:, 0], band, alone, gamma, fold, standardize=False)
    assert found.mean_mse <= error.min() * (1 + 1e-9)  # it tries more pairs than those on the grid
    exact = jaxreg.banded_ridge(X, Y[:, 0], band, [1.0], gamma[:1], fold, standardize=False)
    i, j = np.unravel_index(np.argmin(error), error.shape)
    at = np.array([lams[i], lams[j]])
    alone = 1 / (1 / at).sum()
    exact = jaxreg.banded_ridge(X, Y[:, 0], band, [alone], [alone / at], fold, standardize=False)
    np.testing.assert_allclose(exact.lam, at, rtol=1e-12)
    np.testing.assert_allclose(exact.mean_mse, error.min(), rtol=1e-9)


def test_one_band_is_a_sweep():
    X, Y, _ = table(48, 12)
    lams = np.geomspace(10, 0.01, 9)
    found = jaxreg.banded_ridge(X, Y, np.zeros(12, int), lams, 7, 4)
    sweep = jaxreg.sweep(X, Y, lams, 0.0, 4)
    np.testing.assert_allclose(found.lam[0], sweep.best.lam, rtol=1e-13)
    np.testing.assert_allclose(found.mean_mse, sweep.best.mean_mse, rtol=1e-11)
    np.testing.assert_allclose(found.se_mse, sweep.best.se_mse, rtol=1e-9)
    np.testing.assert_allclose(found.coef, sweep.best.params.coef, rtol=1e-10)
    target = np.arange(3)
    np.testing.assert_allclose(found.mean_r2, sweep.mean_r2[0, sweep.best.index[:, 1], target], rtol=1e-11)
    assert found.search_mse.shape == (1, 3)


# ---- The gradient ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("standardize", [False, True])
def test_gradient_is_that_of_finite_differences(shape, standardize, central_differences, x64):
    X, Y, _ = table(*SHAPES[shape])
    ends, rows, p = (4, 9, X.shape[1]), np.arange(len(X)) % 3 > 0, X.shape[1]
    share = np.full((~rows).sum(), 1 / (~rows).sum())
    given = (X[rows], Y[rows], np.arange(rows.sum()) % 2 + 1.0, X[~rows], Y[~rows], share)
    fold = fold_of(*map(jnp.asarray, given), ends=ends, fit_intercept=True, standardize=standardize)
    assert isinstance(fold, ColumnFold if rows.sum() >= p else KernelFold)
    own = ("correlation", "targets", "held_out", "yy", "y_scale")
    one = fold._replace(**{name: getattr(fold, name)[1] for name in own if hasattr(fold, name)})
    f = lambda log_lam: error_and_gap(log_lam, one)[0]
    at = jnp.log(jnp.array([0.3, 2.0, 0.05]))
    np.testing.assert_allclose(jax.grad(f)(at), central_differences(f, at), rtol=1e-7, atol=1e-8)
    # the error itself, by the normal equations
    s = given[2] / given[2].sum()
    mean, level = s @ given[0], s @ given[1][:, 1]
    Z, r = given[0] - mean, given[1][:, 1] - level
    sigma = np.sqrt(s @ Z**2) if standardize else np.ones(p)
    tau = np.sqrt(s @ r**2) if standardize else 1.0
    v = np.repeat(np.exp(at), np.diff([0, *ends])) * sigma**2 / tau
    w = np.linalg.solve(Z.T @ (s[:, None] * Z) + np.diag(v), Z.T @ (s * r))
    np.testing.assert_allclose(f(at), np.mean((Y[~rows, 1] - level - (X[~rows] - mean) @ w) ** 2), rtol=1e-10)
    assert error_and_gap(at, one)[1] < 1e-20


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_ends_where_no_lam_is_better(shape):
    X, Y, bands = table(*SHAPES[shape])
    options = {"lams": np.geomspace(30, 0.03, 12), "candidates": 12, "folds": 4}
    searched = jaxreg.banded_ridge(X, Y, bands, **options)
    found = jaxreg.banded_ridge(X, Y, bands, method="gradient", **options)
    assert np.all(found.mean_mse <= searched.mean_mse)
    assert np.any(found.mean_mse < 0.999 * searched.mean_mse)
    np.testing.assert_array_equal(found.search_mse, searched.search_mse)
    for k, b, factor in itertools.product(range(3), range(3), (0.9, 1.1)):
        each = found.lam[:, k] * np.where(np.arange(3) == b, factor, 1.0)
        alone = 1 / (1 / each).sum()
        near = jaxreg.banded_ridge(X, Y[:, k], bands, [alone], [alone / each], 4)
        assert near.mean_mse >= found.mean_mse[k] * (1 - 1e-6)
    assert found.converged.all()


def test_descent_finds_minima_and_keeps_to_limits():
    A = np.array([[3.0, 1.0], [1.0, 0.5]])
    centre = np.array([[0.5, -1.0], [2.0, 0.2]])

    def f(x, some):
        d = x - centre[some]
        return 1 + np.einsum("ti,ij,tj->t", d, A, d), 2 * d @ A

    end = descend(f, np.array([[1.5, 1.0], [0.0, 0.0]]), (-3.0, 3.0), 50, lambda done, total: None)
    np.testing.assert_allclose(end, centre, atol=1e-5)
    end = descend(f, np.zeros((2, 2)), (-3.0, 1.0), 50, lambda done, total: None)
    np.testing.assert_allclose(end[1], [1.0, 0.2 + 2.0], atol=3.0)
    assert end[1, 0] == 1.0
    assert end.max() <= 1.0


# ---- Blocks, proportions, results -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_targets_in_blocks(shape, monkeypatch):
    X, Y, bands = table(*SHAPES[shape], t=11)
    whole = jaxreg.banded_ridge(X, Y, bands, 6, 5, 3)
    monkeypatch.setattr(ridge_data, "TARGET_BLOCK_BYTES", 2**13)
    blocks = jaxreg.banded_ridge(X, Y, bands, 6, 5, 3)
    np.testing.assert_allclose(blocks.lam, whole.lam, rtol=1e-14)
    np.testing.assert_allclose(blocks.coef, whole.coef, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(blocks.mean_mse, whole.mean_mse, rtol=1e-11)


def test_a_fit_that_moments_do_not_certify_is_made_on_the_rows(monkeypatch):
    X, Y, bands = table(48, 12)
    whole = jaxreg.banded_ridge(X, Y, bands, 6, 5, 3)

    def wrong(self, groups, lam):
        return jaxreg.Params(np.zeros(3), np.zeros((12, 3)))

    monkeypatch.setattr(ridge_bands.Banded, "_from_moments", wrong)
    again = jaxreg.banded_ridge(X, Y, bands, 6, 5, 3)
    np.testing.assert_allclose(again.coef, whole.coef, rtol=1e-8, atol=1e-11)
    assert again.converged.all()


def test_proportions():
    drawn = drawn_proportions(3, 200, seed=1)
    np.testing.assert_allclose(drawn.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(drawn[0], 1 / 3)
    np.testing.assert_array_equal(drawn[:5], drawn_proportions(3, 5, seed=1))
    assert drawn.min() >= LEAST / 2
    # variance of a share: (q − 1)/(q² (q c + 1)) for concentration c
    for start, c in ((1, 0.1), (2, 1.0)):
        many = drawn_proportions(3, 20_001, seed=0)[start::2]
        np.testing.assert_allclose(many.var(axis=0), 2 / 9 / (3 * c + 1), rtol=0.03)


def test_a_band_that_has_nothing_is_left_out():
    X, Y, bands = table(48, 12)
    found = jaxreg.banded_ridge(X, Y[:, 0], bands, [1.0, 0.1], [[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(found.coef[found.band != 0], 0, atol=1e-9)
    only = jaxreg.fit(X[:, bands == "a"], Y[:, 0], found.lam[0], 0.0)
    np.testing.assert_allclose(found.coef[found.band == 0], only.coef, rtol=1e-7)


def test_result(tmp_path):
    X, Y, bands = table(48, 12)
    found = jaxreg.banded_ridge(X, Y, bands, 6, 5, 3, seed=4)
    np.testing.assert_allclose(found.predict(X), X @ found.coef + found.intercept, rtol=1e-12)
    np.testing.assert_allclose(found.proportions.sum(axis=0), 1)
    total = 1 - ((Y - found.predict(X)) ** 2).sum(axis=0) / ((Y - Y.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(found.split_r2(X, Y).sum(axis=0), total, rtol=1e-10)
    found.save(tmp_path / "bands.npz")
    again = jaxreg.load(tmp_path / "bands.npz")
    np.testing.assert_array_equal(again.coef, found.coef)
    assert again.band_names == ("a", "b", "c")
    assert len(found.summary().splitlines()) <= 12
    assert "3 bands, 12 columns, 3 targets" in repr(found)
    one = jaxreg.banded_ridge(X, Y[:, 0], bands, 6, 5, 3, seed=4)
    np.testing.assert_allclose(one.coef, found.coef[:, 0], rtol=1e-9, atol=1e-11)
    assert one.lam.shape == one.proportions.shape == (3,)
    assert np.ndim(one.gap) == np.ndim(one.intercept) == 0
    assert one.split_r2(X, Y[:, 0]).shape == (3,)
    assert one.to_frame("dict")["lam"].shape == (3,)
    assert found.to_frame("dict")["target"].tolist() == [0, 1, 2] * 3
    one.save(tmp_path / "one.npz")
    assert jaxreg.load(tmp_path / "one.npz").seed == 4
    single = jaxreg.banded_ridge(X.astype(np.float32), Y, bands, 6, 5, 3, seed=4)
    assert single.coef.dtype == np.float32
    np.testing.assert_allclose(single.coef, found.coef, rtol=1e-3, atol=1e-4)
    assert single.converged.all()


def test_figures():
    pytest.importorskip("matplotlib")
    X, Y, bands = table(48, 12)
    found = jaxreg.banded_ridge(X, Y, bands, 6, 5, 3)
    ax = found.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_xscale() == "log"
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(medians, np.median(found.lam, axis=1))
    split = found.plot("r2", X, Y)
    medians = [line.get_xdata()[0] for line in split.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(medians, np.median(found.split_r2(X, Y), axis=1))
    with pytest.raises(ValueError, match="needs X and y"):
        found.plot("r2")
    with pytest.raises(ValueError, match="what is 'lams'"):
        found.plot("lams")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bands": [0, 1]}, r"bands must have a label for each of the 12 columns, \(12,\); got shape \(2,\)"),
        ({"bands": [0] * 6 + [2] * 6}, "bands: band 1 has no columns"),
        ({"bands": [0.5] * 12}, "bands has labels of float64"),
        ({"bands": ["a"] * 11 + [None]}, r"bands\[11\] is missing"),
        ({"bands": np.array(["a"] * 11 + [3], object)}, "bands has labels of several kinds"),
        ({"lams": [1.0, 0.0]}, r"lams\[1\] is 0"),
        ({"candidates": 0}, "candidates is 0"),
        ({"candidates": [[0.5, 0.5]]}, r"proportions \(C, 3\)"),
        ({"candidates": [[1, 1, 1], [0.5, -0.5, 1.0]]}, r"candidates\[1\] is"),
        ({"folds": 1}, "folds=1: there must be at least 2"),
        ({"folds": 49}, "folds=49"),
        ({"method": "newton"}, "method is 'newton'"),
        ({"y": np.full((48, 2), np.nan)}, "y at row 0, column 0 is a missing value"),
        ({"y": np.column_stack([np.arange(48.0), np.full(48, 7.0)])}, "y: target 1 is constant, 7"),
        ({"y": np.full(48, 7.0)}, "y is constant"),
        ({"y": np.full((48, 3), 7.0)}, r"y: target 0 \(and 2 more\) is constant"),
        ({"n_candidates": 4}, "n_candidates"),
        ({"alphas": 4}, "it is lams here"),
    ],
)
def test_errors_name_the_argument(changes, says):
    X, Y, bands = table(48, 12)
    given = {"y": Y, "bands": bands} | changes
    with pytest.raises((ValueError, TypeError), match=says):
        jaxreg.banded_ridge(X, **given)


def test_what_no_memory_holds_is_refused(monkeypatch):
    X, Y, bands = table(30, 50)
    monkeypatch.setattr(ridge_bands, "MOST_BYTES", 8 * 5 * 3 * 30**2 - 1)
    with pytest.raises(MemoryError, match="kernels of 3 bands in 5 folds"):
        jaxreg.banded_ridge(X, Y, bands)
    monkeypatch.setattr(doors, "MOST_BYTES", 8 * 50 * 3 - 1)
    with pytest.raises(MemoryError, match="coefficients of 50 columns and 3 targets"):
        jaxreg.banded_ridge(X, Y, bands)
