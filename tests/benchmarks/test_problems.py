"""The data and the gap of the benchmarks, held against jaxreg's own certificate and against what they promise."""

import jax
import numpy as np
import problems
import pytest

import jaxreg
from jaxreg.formulas import duality_gap


@pytest.fixture(scope="module")
def problem():
    return problems.make(problems.Shape(40, 6, 3), lams=5, folds=4)


def test_the_grid_starts_where_the_first_coefficient_enters(problem):
    X, y, lams, _ = problem
    path = jaxreg.path(X, y, [lams[0] * (1 + 1e-12), 0.99 * lams[0]], standardize=False)
    assert path.n_nonzero.tolist() == [0, 1]
    np.testing.assert_allclose(lams / lams[0], 10.0 ** np.linspace(0, -3, 5), rtol=1e-12)
    wide = problems.make(problems.Shape(6, 9, 2), lams=3, folds=2)
    np.testing.assert_allclose(wide.lams / wide.lams[0], [1, 0.1, 0.01], rtol=1e-12)


def test_the_columns_and_the_signal_are_as_described():
    X, y, _, folds = problems.make(problems.Shape(200_000, 4, 4), lams=2)
    correlation = np.corrcoef(X, rowvar=False)
    # The standard error of a correlation is at most 1/√n = 0.0022.
    np.testing.assert_allclose(correlation, 0.5 ** np.abs(np.subtract.outer(range(4), range(4))), atol=0.01)
    explained = X @ np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(explained.var() / (y - explained).var(), 3.0, rtol=0.03)
    assert np.bincount(folds).tolist() == [20_000] * 10
    assert X.flags.f_contiguous


@pytest.mark.parametrize("kind", ["solution", "shrunk", "other intercept", "zero", "noise"])
def test_the_gap_is_that_of_jaxreg(problem, kind):
    """At optimal, suboptimal and meaningless coefficients, the intercept being anything."""
    X, y, lams, _ = problem
    path = jaxreg.path(X, y, lams, standardize=False)
    coef = np.column_stack([path.intercept, path.coef])
    if kind == "shrunk":
        coef *= 0.9
    elif kind == "other intercept":
        coef[:, 0] += 0.3
    elif kind == "zero":
        coef[:] = 0
    elif kind == "noise":
        coef = np.random.default_rng(1).normal(size=coef.shape)
    with jax.enable_x64(True):
        params = [jaxreg.Params(row[0], row[1:]) for row in coef]
        expected = [float(duality_gap(w, X, y, lam)) for w, lam in zip(params, lams, strict=True)]
    # Both lose the digits that F and D share: they are numbers of the size of the gap's scale.
    assert problems.largest_gap(X, y, lams, coef) == pytest.approx(max(expected), rel=1e-7, abs=1e-15)


def test_a_coefficient_that_is_not_finite_is_not_taken_for_a_solution(problem):
    coef = np.zeros((5, 7))
    coef[3, 2] = np.nan
    assert not problems.largest_gap(problem.X, problem.y, problem.lams, coef) <= 1e300


def test_what_is_saved_is_loaded(problem, tmp_path):
    problems.save(problem, tmp_path)
    for before, after in zip(problem, problems.load(tmp_path), strict=True):
        np.testing.assert_array_equal(before, after)
    assert problems.load(tmp_path).X.flags.f_contiguous
