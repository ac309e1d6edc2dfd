"""The picture of two coefficients: its region, its contours and its marks are where the mathematics has them."""

import io

import numpy as np
import pytest

import jaxreg
from jaxreg import plot
from jaxreg.plot.constraint import border

pytest.importorskip("matplotlib")

from matplotlib.patches import Polygon

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 2)) @ [[1.0, 0.6], [0.0, 0.8]] + [3.0, -1.0]
Y = X @ [2.0, 0.6] + 7.0 + 0.5 * RNG.normal(size=40)


def penalty(w, rho):
    w = np.atleast_2d(w)
    return rho * np.abs(w).sum(axis=1) + (1 - rho) / 2 * (w**2).sum(axis=1)


def error(w):
    """½ mean squared residual at the best intercept."""
    residual = Y[:, None] - X @ np.atleast_2d(w).T
    return 0.5 * residual.var(axis=0)


def line(ax, words):
    (found,) = [line for line in ax.lines if line.get_label().startswith(words)]
    return found


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_the_border_has_the_penalty_of_the_minimum(rho):
    minimum = np.array([1.5, -0.7])
    edge = border(minimum, rho)
    np.testing.assert_allclose(penalty(edge, rho), penalty(minimum, rho)[0], rtol=1e-13)
    np.testing.assert_allclose(edge[[0, 90, 180, 270]].min(axis=1), [0, 0, edge[180, 0], edge[270, 1]], atol=1e-12)


def test_ridge_is_a_disc_and_lasso_a_diamond():
    np.testing.assert_allclose(np.linalg.norm(border([3.0, 4.0], 0.0), axis=1), 5.0, rtol=1e-13)
    np.testing.assert_allclose(np.abs(border([3.0, -4.0], 1.0)).sum(axis=1), 7.0, rtol=1e-13)
    assert border([0.0, 0.0], 0.5).shape == (0, 2)


@pytest.mark.parametrize(("rho", "words"), [(1.0, "|w₁| + |w₂| ≤"), (0.0, "w₁² + w₂² ≤"), (0.5, "elastic net ≤ ")])
def test_the_minimum_is_where_the_error_touches_the_region(rho, words):
    """No point of the region has a smaller error than the minimum, which is on its border."""
    ax = plot.contours(X, Y, 0.6, rho)
    star = np.ravel(line(ax, "minimum").get_data())
    expected = jaxreg.fit(X, Y, 0.6, rho, standardize=False).coef
    np.testing.assert_allclose(star, expected, rtol=1e-12, atol=1e-12)
    (region,) = [patch for patch in ax.patches if isinstance(patch, Polygon)]
    assert region.get_label().startswith(words)
    edge = region.get_xy()
    np.testing.assert_allclose(penalty(edge, rho), penalty(star, rho)[0], rtol=1e-12)
    assert error(edge).min() >= error(star)[0] * (1 - 1e-9)
    cross = np.ravel(line(ax, "least squares").get_data())
    np.testing.assert_allclose(cross, np.linalg.lstsq(X - X.mean(0), Y - Y.mean(), rcond=None)[0], rtol=1e-10)


def test_the_contours_are_those_of_the_error():
    ax = plot.contours(X, Y, 0.6)
    light, heavy = (collection for collection in ax.collections if collection.get_paths())
    star = np.ravel(line(ax, "minimum").get_data())
    points = heavy.get_paths()[0].vertices
    np.testing.assert_allclose(error(points), error(star)[0], rtol=2e-3)
    sizes = [error(path.vertices) for path in light.get_paths() if len(path.vertices)]
    assert len(sizes) >= 5
    for values in sizes:
        np.testing.assert_allclose(values, np.median(values), rtol=5e-3)


def test_the_contours_of_the_objective():
    ax = plot.contours(X, Y, 0.6, 0.3, of="objective")
    (contours,) = [collection for collection in ax.collections if collection.get_paths()]
    for path in contours.get_paths():
        if len(path.vertices):
            values = error(path.vertices) + 0.6 * penalty(path.vertices, 0.3)
            np.testing.assert_allclose(values, np.median(values), rtol=5e-3)


def test_the_descent_is_drawn_as_it_went():
    way = np.array([[0.0, 0.0], [1.0, 0.5], [np.nan, 0.0], [1.5, 0.6]])
    ax = plot.contours(X, Y, 0.6, iterates=way)
    drawn = line(ax, "descent, 3 steps")
    np.testing.assert_array_equal(np.transpose(drawn.get_data())[[0, 1, 3]], way[[0, 1, 3]])
    assert line(plot.contours(X, Y, 0.6, iterates=way[:2]), "descent, 1 step").get_label() == "descent, 1 step"


def test_everything_is_on_the_page_and_a_disc_is_round():
    way = np.array([[-20.0, 3.0], [0.0, 0.0]])
    ax = plot.contours(X, Y, 0.6, 0.0, iterates=way)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for x, y in (*way, (0, 0), *ax.patches[0].get_xy()):
        assert left < x < right
        assert low < y < high
    assert ax.get_aspect() == 1
    assert right - left == pytest.approx(high - low)


@pytest.mark.parametrize("lam", [0.0, 1e6])
def test_without_a_region(lam):
    """No penalty allows everything; where the minimum is at 0, the region is that point."""
    ax = plot.contours(X, Y, lam)
    assert not ax.patches
    plot.save(ax, io.BytesIO())


def test_columns_that_are_the_same():
    plot.save(plot.contours(X[:, [0, 0]], Y, 0.5), io.BytesIO())
    plot.save(plot.contours(0 * X, Y, 0.0), io.BytesIO())


def test_the_names_of_a_frame_are_on_the_axes():
    pandas = pytest.importorskip("pandas")
    ax = plot.contours(pandas.DataFrame(X, columns=["area", "age"]), pandas.Series(Y), 0.6)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("area", "age")
    assert plot.contours(X, Y, 0.6, names=["a", "b"]).get_ylabel() == "b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": X[:, :1]}, r"X must have two columns, .*; it has 1"),
        ({"X": np.column_stack([X, X])}, "it has 4"),
        ({"y": Y[:5]}, "X has 40 rows but y has 5"),
        ({"y": np.column_stack([Y, Y])}, r"y must be \(n,\), one target; got \(40, 2\)"),
        ({"lam": -1.0}, "lam"),
        ({"l1_ratio": 2.0}, "l1_ratio"),
        ({"iterates": [1.0, 2.0]}, r"iterates must be \(k, 2\), one row a step; got \(2,\)"),
        ({"iterates": np.zeros((3, 3))}, r"got \(3, 3\)"),
        ({"names": ["a"]}, "names must be two, one for each column of X; got 1"),
        ({"of": "loss"}, "of is 'loss'; it must be 'squared error' or 'objective'"),
        ({"X": np.where(X > 4, np.nan, X)}, "X at row 2, column 0 is a missing value"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot.contours(**({"X": X, "y": Y, "lam": 0.6} | arguments))
