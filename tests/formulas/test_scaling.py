"""Weighted means and standard deviations against NumPy, down to constant columns, zero weights and extreme units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import formulas
from jaxreg.formulas import standard_deviation, weighted_mean
from jaxreg.formulas.scaling import is_constant

WEIGHTS = np.array([1, 2, 0.5, 0, 3])


@pytest.fixture
def X(rng):
    return rng.normal(size=(5, 3)) * [1.0, 20.0, 0.3] + [5.0, -1.0, 0.0]


def check_moments(X):
    mean, deviation = formulas.weighted_mean(X, WEIGHTS), formulas.standard_deviation(X, WEIGHTS)
    by_hand = [sum(WEIGHTS[i] * X[i, j] for i in range(5)) / sum(WEIGHTS) for j in range(3)]
    np.testing.assert_allclose(mean, by_hand, rtol=1e-14)
    squares = [sum(WEIGHTS[i] * (X[i, j] - by_hand[j]) ** 2 for i in range(5)) for j in range(3)]
    np.testing.assert_allclose(deviation, np.sqrt(np.array(squares) / sum(WEIGHTS)), rtol=1e-14)


def test_weighted_moments_by_hand(X):
    check_moments(X)
    np.testing.assert_allclose(weighted_mean(X[:, 0], WEIGHTS), np.average(X[:, 0], weights=WEIGHTS), rtol=1e-14)


def test_without_weights_they_are_those_of_numpy(X):
    np.testing.assert_allclose(weighted_mean(X), X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(standard_deviation(X), X.std(axis=0, ddof=0), rtol=1e-14)
    np.testing.assert_allclose(standard_deviation(X, 7.0 * np.ones(5)), X.std(axis=0, ddof=0), rtol=1e-14)


def test_integer_weights_are_repeated_rows_and_zero_ones_are_dropped(X):
    counts = np.array([1, 2, 0, 3, 1])
    rows = np.repeat(np.arange(5), counts)
    np.testing.assert_allclose(standard_deviation(X, counts), X[rows].std(axis=0), rtol=1e-14)
    X[2] = 1e200  # the row of weight 0 has no say, however large
    np.testing.assert_allclose(standard_deviation(X, counts), X[rows].std(axis=0), rtol=1e-14)
    np.testing.assert_allclose(weighted_mean(X, counts), X[rows].mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("unit", [1e150, 1e-150, 1e-300, 1e300])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_extreme_units_neither_overflow_nor_vanish(X, unit, weights):
    expected = np.sqrt(np.cov(X.T, aweights=weights, ddof=0).diagonal())
    np.testing.assert_allclose(np.asarray(standard_deviation(X * unit, weights)) / unit, expected, rtol=1e-13)


def test_subnormal_columns_stay_finite_and_positive(X):
    # XLA takes them as zeros.
    deviation = np.asarray(standard_deviation(X * 1e-310))
    assert np.all(np.isfinite(deviation) & (deviation > 0))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e150, 1e-300])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_constant_column_has_deviation_one(X, value, weights):
    # The mean of 0.1, 0.1, … need not be 0.1: the test for constancy is exact all the same.
    X[:, 1] = value
    deviation = np.asarray(standard_deviation(X, weights))
    assert deviation[1] == 1.0
    assert np.all(deviation[[0, 2]] != 1.0)
    np.testing.assert_array_equal(is_constant(jnp.array(X), None if weights is None else jnp.array(weights)), [0, 1, 0])


def test_a_column_is_constant_if_it_is_over_the_rows_that_count(X):
    X[:, 1] = [4.0, 4.0, 4.0, 9.0, 4.0]
    assert standard_deviation(X, WEIGHTS)[1] == 1.0
    assert standard_deviation(X)[1] == pytest.approx(2.0)
    X[:, 1] = np.nextafter(0.1, [0, 0, 0, 0, 1])  # two neighbouring numbers are not constant
    assert 0 < standard_deviation(X)[1] < 1e-16


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_derivative_is_that_of_numpy_and_zero_at_a_constant_column(X, weights, central_differences):
    X[:, 1] = 0.1

    def total(flat):
        return jnp.sum(standard_deviation(flat.reshape(5, 3), weights))

    derivative = np.asarray(jax.grad(total)(jnp.array(X.ravel()))).reshape(5, 3)
    np.testing.assert_array_equal(derivative[:, 1], 0.0)
    s = np.ones(5) if weights is None else weights

    def plain(flat):
        columns = np.delete(np.asarray(flat).reshape(5, 3), 1, axis=1)
        return np.sqrt(np.cov(columns.T, aweights=s, ddof=0).diagonal()).sum()

    np.testing.assert_allclose(derivative.ravel(), central_differences(plain, X.ravel()), atol=1e-7)


@pytest.mark.parametrize("name", ["weighted_mean", "standard_deviation"])
def test_no_term_can_change_by_one_percent(name, unnoticed, X):
    limit = "jnp.finfo(X.dtype).max ** 0.25"  # any large number will do
    assert set(unnoticed(getattr(formulas, name), lambda: check_moments(X))) <= {limit}
