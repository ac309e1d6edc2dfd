"""Elastic nets by blocks of λs: held against scikit-learn, against Newton steps one λ at a time, and where they end."""

import pickle

import jax
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

import jaxreg
from jaxreg import solvers
from jaxreg.engines import choose, columns, moments
from jaxreg.solvers import lam_blocks


@pytest.fixture
def ways(monkeypatch):
    """The ways that have been taken, in order."""
    taken = []
    for engine in (moments, columns):
        program = engine._program
        monkeypatch.setattr(
            engine,
            "_program",
            lambda *args, program=program, **more: taken.append(more["way"]) or program(*args, **more),
        )
    return taken


def table(n, p, correlation=0.5, seed=0):
    """Rows whose neighbouring columns are correlated."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    return X, X[:, :: max(p // 12, 1)].sum(axis=1) + rng.standard_normal(n)


SHAPES = {"tall": (150, 40), "square": (120, 120), "wide": (60, 400)}


@pytest.mark.parametrize("rho", [0.95, 0.5, 0.05])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_scikit_learn(ways, shape, rho):
    X, y = table(*SHAPES[shape])
    path = jaxreg.path(X, y, 30, rho, standardize=False)
    assert ways == ["blocks"]
    assert path.gap.max() < 1e-13
    for k in (5, 17, 29):
        model = ElasticNet(path.lams[k], l1_ratio=rho, tol=1e-13, max_iter=1_000_000).fit(X, y)
        np.testing.assert_allclose(path.coef[k], model.coef_, rtol=0, atol=1e-6 * np.abs(model.coef_).max())


OPTIONS = {
    "plain": {},
    "no intercept": {"fit_intercept": False},
    "factors": {"penalty_factor": 10 ** np.random.default_rng(0).uniform(-2, 2, 120)},
    "one side": {"lower": 0.0},
    "sides": {
        "lower": np.where(np.arange(120) % 3 == 0, 0, -np.inf),
        "upper": np.where(np.arange(120) % 3 == 1, 0, np.inf),
    },
    "weights": {"sample_weight": np.random.default_rng(1).uniform(0, 2, 200)},
}


@pytest.mark.parametrize("lams", [40, 3, np.array([0.02])], ids=["40", "far apart", "one"])
@pytest.mark.parametrize("options", OPTIONS)
def test_equals_newton_steps(monkeypatch, ways, options, lams):
    """Also with several targets, whose λ_max differ."""
    X, y = table(200, 120)
    Y = np.stack([y, X[:, 3] - 0.1 * y, np.random.default_rng(2).standard_normal(200)], axis=1)
    path = jaxreg.path(X, Y, lams, 0.4, eps=1e-3, **OPTIONS[options])
    assert ways == ["blocks"]
    monkeypatch.setattr(moments, "way", lambda *_: "newton")
    other = jaxreg.path(X, Y, lams, 0.4, eps=1e-3, **OPTIONS[options])
    assert ways == ["blocks", "newton"]
    np.testing.assert_allclose(path.coef, other.coef, rtol=0, atol=1e-8 * np.abs(other.coef).max())
    np.testing.assert_array_equal(path.n_nonzero, other.n_nonzero)
    np.testing.assert_allclose(path.df, other.df, rtol=1e-9)
    assert path.gap.max() < 1e-13


def test_columns_that_were_left_out_are_found(monkeypatch):
    """Where only columns far above the limit are taken, nearly every block is solved again."""
    X, y = table(200, 300)
    expected = jaxreg.path(X, y, 30, 0.5)
    monkeypatch.setattr(lam_blocks, "NEAR", 1.3)
    monkeypatch.setattr(lam_blocks, "ROOM", 0)
    monkeypatch.setattr(lam_blocks, "LEAST_WIDTH", 2)
    jax.clear_caches()  # the numbers are part of the program
    found = jaxreg.path(X, y, 30, 0.5)
    jax.clear_caches()
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-9 * np.abs(expected.coef).max())


def test_columns_that_nearly_depend_on_each_other_take_newton_steps(ways):
    X, y = table(400, 200, correlation=0.99)
    path = jaxreg.path(X, y, 100, 0.5)
    assert ways == ["blocks", "newton"]
    assert path.converged.all()
    assert path.gap.max() < 1e-13


def test_one_program_serves_all_l1_ratios():
    X, y = table(150, 40)
    jaxreg.path(X, y, 30, 0.5)
    before = moments._program._cache_size()
    jaxreg.path(X[:140, :35], y[:140], 25, 0.3)  # the same padded sizes
    assert moments._program._cache_size() == before


def test_inside_a_program_of_the_caller():
    """The pure path takes the same way."""
    X, y = table(150, 40)
    with jax.enable_x64(True):
        path = jax.jit(lambda X, y: solvers.path(X, y, 30, 0.5))(X, y)
    expected = jaxreg.path(X, y, 30, 0.5)
    np.testing.assert_allclose(path.coef, expected.coef, rtol=0, atol=1e-10 * np.abs(expected.coef).max())
    np.testing.assert_allclose(path.df, expected.df, rtol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_degrees_of_freedom_are_counted_when_they_are_read(monkeypatch, shape):
    """From nothing that the caller can write to, also after the result was stored; in a sweep for its path alone. Where
    too much would have to be kept, they are counted at once."""
    X, y = table(*SHAPES[shape])
    s = np.random.default_rng(1).uniform(0.5, 2, len(y))
    rho, path = 0.5, jaxreg.path(X, y, 20, 0.5, sample_weight=s)
    Z = np.sqrt(s / s.sum())[:, None] * (X - np.average(X, axis=0, weights=s))
    Z /= np.sqrt((Z**2).sum(axis=0))
    expected = []
    for lam, coef in zip(path.lams, path.coef, strict=True):
        d = np.linalg.svd(Z[:, coef != 0], compute_uv=False) ** 2
        expected.append((d / (d + lam * (1 - rho) / path.y_scale)).sum())
    sweep = jaxreg.sweep(X, y, path.lams, [0.9, rho], folds=3, sample_weight=s)
    assert callable(vars(path)["df"])
    again, path.coef[:], s[:] = pickle.loads(pickle.dumps(path)), 1.0, 7.0
    X[:], y[:] = 0.0, 5.0
    for found in (path, again):
        np.testing.assert_allclose(found.df, expected, rtol=1e-9)
    monkeypatch.setattr(choose, "MOST_KEPT", 0)
    assert callable(vars(jaxreg.path(*table(*SHAPES[shape]), 20, rho))["df"]) == (shape == "wide")
    if sweep.best.l1_ratio == rho:
        np.testing.assert_allclose(sweep.path.df, expected, rtol=1e-9)
