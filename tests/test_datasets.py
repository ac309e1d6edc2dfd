"""The built-in data: the measured table against another copy, the made-up one against what its docstring promises."""

import doctest

import numpy as np
import pytest

from jaxreg import datasets
from jaxreg.datasets import built_in


def test_doctests():
    result = doctest.testmod(built_in)
    assert result.attempted >= 6
    assert result.failed == 0


def test_diabetes_is_the_table_that_scikit_learn_has():
    reference = pytest.importorskip("sklearn.datasets").load_diabetes()
    data = datasets.diabetes()
    np.testing.assert_allclose(data.X, reference.data, rtol=0, atol=1e-15)  # scikit-learn scales as it loads
    np.testing.assert_array_equal(data.y, reference.target)
    assert data.feature_names == tuple(reference.feature_names)
    assert data.target_name == "progression"


def test_diabetes_is_centred_with_columns_of_length_1():
    data = datasets.diabetes()
    assert data.X.shape == (442, 10)
    assert data.X.dtype == data.y.dtype == np.float64
    np.testing.assert_allclose(data.X.sum(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose((data.X**2).sum(axis=0), 1, rtol=1e-13)
    assert "Efron" in data.source
    assert data.coef is None
    assert data.intercept is None


def test_houses_have_the_promised_shapes_and_dtypes():
    data = datasets.houses()
    assert data.X.shape == (1500, 1000)
    assert data.y.shape == (1500,)
    assert data.coef.shape == (1000,)
    assert data.X.dtype == data.y.dtype == data.coef.dtype == np.float64
    assert np.count_nonzero(data.coef) == 100
    assert len(set(data.feature_names)) == 1000
    assert data.target_name == "price"


def test_houses_do_not_change():
    # Written down once: the numbers must be the same for everyone, in every version.
    data = datasets.houses(n=3, p=12, relevant=4)
    np.testing.assert_allclose(data.X[0, :3], [30.185508142410754, 3111.1109030474763, 76.75627556085242], rtol=1e-12)
    np.testing.assert_allclose(data.y, [336.44011362708073, 266.7946275717592, 421.31485288806937], rtol=1e-12)
    np.testing.assert_array_equal(datasets.houses(n=3, p=12, relevant=4).y, data.y)
    assert not np.allclose(datasets.houses(n=3, p=12, relevant=4, seed=1).y, data.y)


def test_houses_are_priced_by_the_stated_formula():
    exact = datasets.houses(n=50, noise=0)
    np.testing.assert_allclose(exact.X @ exact.coef + exact.intercept, exact.y, rtol=1e-12)
    noisy = datasets.houses(n=20_000, p=20, relevant=5, noise=7.0)
    assert (noisy.y - noisy.X @ noisy.coef - noisy.intercept).std() == pytest.approx(7.0, rel=0.02)


@pytest.mark.parametrize(("p", "relevant"), [(20, 20), (20, 5), (37, 9)])
def test_houses_have_the_stated_signal_and_base_price(p, relevant):
    # The variance of n normal numbers has a relative standard error of √(2/n) = 0.01.
    data = datasets.houses(n=20_000, p=p, relevant=relevant, noise=0)
    assert data.y.var() == pytest.approx(80.0**2, rel=0.04)
    assert data.y.mean() == pytest.approx(400.0, abs=2.5)


def test_houses_correlate_inside_blocks_of_ten_alone():
    correlation = np.corrcoef(datasets.houses(n=20_000, p=25, relevant=3).X.T)
    block = np.arange(25) // 10
    expected = np.where(block[:, None] == block, 0.3, 0.0)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(correlation, expected, atol=0.035)


def test_standardisation_matters_for_houses():
    sd = datasets.houses(n=500, p=100).X.std(axis=0)
    assert sd.max() / sd.min() > 1e5


def test_more_houses_are_further_rows_with_the_same_truth():
    few, many = datasets.houses(n=40, p=60, relevant=6), datasets.houses(n=90, p=60, relevant=6)
    np.testing.assert_array_equal(many.coef, few.coef)
    np.testing.assert_array_equal(many.X[:40], few.X)
    np.testing.assert_allclose(many.y[:40], few.y, rtol=1e-13)


def test_relevant_features_stand_anywhere():
    # The positions of 100 out of 1,000 drawn at random average 499.5 with a standard deviation of 27.4.
    position = np.flatnonzero(datasets.houses(n=1).coef)
    assert abs(position.mean() - 499.5) < 4 * 27.4
    # All ten kinds of column are among them: a kind is missing with probability 10 · 0.9¹⁰⁰ < 0.0003.
    assert len(set(position % 10)) == 10


def test_nothing_relevant_leaves_the_noise():
    data = datasets.houses(n=10, p=5, relevant=0)
    np.testing.assert_array_equal(data.coef, 0)
    assert data.intercept == 400.0
    assert np.all(np.isfinite(data.y))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n": 0}, "n=0"),
        ({"p": 0}, "p=0"),
        ({"relevant": 1001}, "relevant"),
        ({"relevant": -1}, "relevant"),
        ({"noise": -1.0}, "noise"),
        ({"noise": float("nan")}, "noise"),
    ],
)
def test_houses_refuses_impossible_sizes(wrong, named):
    with pytest.raises(ValueError, match=named):
        datasets.houses(**wrong)


def test_load_gives_each_by_name():
    assert datasets.load("diabetes").target_name == "progression"
    assert datasets.load("houses").target_name == "price"
    for name in datasets.NAMES:
        assert np.all(np.isfinite(datasets.load(name).X))


@pytest.mark.parametrize(("typed", "meant"), [("diabets", "diabetes"), ("Houses", "houses"), ("house", "houses")])
def test_load_suggests_the_near_name(typed, meant):
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        datasets.load(typed)


def test_load_lists_the_names_when_none_is_near():
    with pytest.raises(ValueError, match=r"'prostate'\. Known names: diabetes, houses\."):
        datasets.load("prostate")
