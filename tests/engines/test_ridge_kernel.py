"""Ridge for p > n from blocks of columns: against NumPy on the whole matrix, and the rows of a device."""

from functools import cached_property

import numpy as np
import pytest

import jaxreg
from jaxreg.engines import ridge_kernel
from jaxreg.engines.ridge_data import Blocks

N, P = 40, 130


def table(targets):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)) + 3
    X[:, 4], X[:, 7] = 7.0, X[:, 7] * 1e150  # a constant, and squares out of range
    y = X[:, :3] @ np.ones((3, targets)) + rng.normal(size=(N, targets))
    return X, y[:, 0] if targets == 1 else y


OPTIONS = [
    {},
    {"fit_intercept": False, "standardize": False},
    {"sample_weight": np.arange(N) % 3 / 2.0},
    {"penalty_factor": np.random.default_rng(1).uniform(0.5, 2, P)},
]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(ridge_kernel, "NUMBERS", 9 * N)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ", ".join(options) or "usual")
@pytest.mark.parametrize("targets", [1, 3])
def test_equals_the_rows(options, targets, small_blocks, monkeypatch):
    X, y = table(targets)
    if "standardize" in options:
        X[:, 7] /= 1e150
    found = jaxreg.path(X, y, 6, 0.0, **options), jaxreg.sweep(X, y, 6, 0.0, folds=3, **options)
    by_rows = cached_property(lambda _: False)
    by_rows.__set_name__(Blocks, "by_kernel")
    monkeypatch.setattr(Blocks, "by_kernel", by_rows)
    path, sweep = jaxreg.path(X, y, 6, 0.0, **options), jaxreg.sweep(X, y, 6, 0.0, folds=3, **options)
    size = np.abs(X).max(axis=0)[None, :] if targets == 1 else np.abs(X).max(axis=0)[None, :, None]
    np.testing.assert_allclose(found[0].lams, path.lams, rtol=1e-13)
    np.testing.assert_allclose(found[0].coef * size, path.coef * size, rtol=0, atol=1e-11 * np.abs(y).max())
    np.testing.assert_allclose(found[0].intercept, path.intercept, rtol=0, atol=1e-11 * np.abs(y).max())
    np.testing.assert_allclose(found[0].df, path.df, rtol=1e-12)
    np.testing.assert_allclose(found[0].scale, path.scale, rtol=1e-14)
    np.testing.assert_allclose(found[1].fold_mse, sweep.fold_mse, rtol=1e-11)
    assert not found[0].coef[:, 4].any() or not options.get("fit_intercept", True)
    assert found[0].converged.all()
    assert found[1].converged


def test_the_normal_equations_hold(small_blocks):
    X, y = table(1)
    X[:, 7] /= 1e150
    found = jaxreg.path(X, y, [2.0, 0.1], 0.0)
    Z = X - X.mean(axis=0)
    for lam, w, b in zip(found.lams, found.coef, found.intercept, strict=True):
        r = y - X @ w - b
        np.testing.assert_allclose(
            Z.T @ r / N, lam / y.std() * found.scale**2 * w, rtol=0, atol=1e-12 * np.abs(y).max()
        )
        np.testing.assert_allclose(r.mean(), 0, atol=1e-12)


def test_lams_that_eigenvalues_do_not_carry_are_left_to_the_rows():
    X, y = table(1)
    X[:, 7] /= 1e150
    found = jaxreg.path(X, y, [1.0, 1e-12], 0.0)
    assert found.converged.all()
    np.testing.assert_allclose(found.predict(X)[:, 1], y, atol=1e-8)
