"""Paths on data with names, against scikit-learn at its tightest tolerance and by the optimality conditions."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import lars_path, lasso_path

import jaxreg


def wide():
    """60 × 300, blocks of ten columns correlated 0.9."""
    rng = np.random.default_rng(12)
    X = np.repeat(rng.standard_normal((60, 30)), 10, axis=1) * np.sqrt(0.9)
    X = X + np.sqrt(0.1) * rng.standard_normal((60, 300))
    return X, X[:, ::25] @ rng.standard_normal(12) + rng.standard_normal(60)


def squares():
    """The diabetes data with squares and products: 64 columns."""
    X, y = load_diabetes(return_X_y=True)
    products = [X[:, i] * X[:, j] for i in range(10) for j in range(i, 10) if (i, j) != (1, 1)]
    Z = np.column_stack([X, *products])
    return (Z - Z.mean(axis=0)) / Z.std(axis=0), y


def wine():
    """13 measurements of 178 wines; alcohol from the others."""
    X, _ = load_wine(return_X_y=True)
    return X[:, 1:], X[:, 0]


def mtcars():
    """32 cars: miles a gallon from ten correlated columns, one of which is 0 or 1 and another up to 472."""
    table = np.loadtxt(Path(__file__).parents[1] / "reference" / "mtcars.csv", delimiter=",", skiprows=1)
    return table[:, 1:], table[:, 0]


@pytest.mark.parametrize("data", [wide, squares, wine, mtcars])
def test_equals_scikit_learn(data):
    X, y = data()
    found = jaxreg.path(X, y, lams=20, eps=1e-2, standardize=False)
    assert found.converged.all()
    Z, target = np.asfortranarray(X - X.mean(axis=0)), y - y.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says where it did not reach 1e-15
        _, coef, gap = lasso_path(Z, target, alphas=found.lams, tol=1e-15, max_iter=1_000_000)
    assert np.max(gap / (target @ target)) < 1e-9
    size = np.abs(coef.T * Z.std(axis=0)).max()
    # What scikit-learn's remaining gap leaves in a coefficient is its square root, times the condition of the columns.
    np.testing.assert_allclose(found.coef * Z.std(axis=0), coef.T * Z.std(axis=0), rtol=0, atol=1e-5 * size)
    # The conditions of optimality hold to rounding: |x_j·r|/n = λ on the active columns, ≤ λ elsewhere.
    z = (target - found.coef @ Z.T) @ Z / len(y)
    lams = found.lams[:, None]
    active = found.coef != 0
    np.testing.assert_allclose(
        np.where(active, z, 0), np.where(active, lams * np.sign(found.coef), 0), rtol=0, atol=1e-9 * lams.max()
    )
    assert np.all(np.abs(z) <= lams * (1 + 1e-9) + 1e-12)


def test_the_104_knots_of_64_columns():
    """A homotopy (scikit-learn), a method of another kind, gives the solutions where the active set changes."""
    X, y = squares()
    alphas, _, coef = lars_path(X, y - y.mean(), method="lasso", max_iter=1_000)
    knots, coef = alphas[alphas > 0], coef.T[alphas > 0]
    assert len(knots) == 104
    found = jaxreg.path(X, y, knots, standardize=False)
    assert found.gap.max() <= 1e-10
    largest = np.abs(coef).max()
    np.testing.assert_allclose(found.coef, coef, rtol=0, atol=1e-9 * largest)  # seen: 8e-12
    np.testing.assert_array_equal(np.abs(found.coef) > 1e-7 * largest, np.abs(coef) > 1e-7 * largest)
