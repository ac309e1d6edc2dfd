"""Distances to kinks against the knots of scikit-learn's LARS, and rank-deficient supports."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import lars_path

from jaxreg import datasets, solvers

TOLERANCE = {"rtol": 1e-9}


@pytest.fixture(scope="module")
def problem():
    data = datasets.diabetes()
    return np.asarray(data.X, float), np.asarray(data.y, float)


def test_between_the_knots_of_lars(problem):
    X, y = problem
    knots = lars_path((X - X.mean(axis=0)) / X.std(axis=0), y - y.mean(), method="lasso")[0]
    for k in (0, 3, 7):
        lam = 0.4 * knots[k] + 0.6 * knots[k + 1]
        found = solvers.kink_distance(X, y, lam)
        np.testing.assert_allclose([found.above, found.below], [knots[k], knots[k + 1]], **TOLERANCE)
        assert found.side == 0
        assert bool(found.full_rank)
        entered = solvers.fit(X, y, found.below * (1 - 1e-6)).params.coef[found.column_below]
        at = solvers.fit(X, y, lam).params.coef[found.column_below]
        assert (entered == 0) != (at == 0)
    above = solvers.kink_distance(X, y, 2 * knots[0])
    assert jnp.isinf(above.above)
    np.testing.assert_allclose([above.below, above.slack], [knots[0], 0.5], **TOLERANCE)


def test_at_a_kink_the_side_is_said(problem):
    """At λ_max all is 0: the derivative is 0, which is that towards larger λs."""
    X, y = problem
    largest = solvers.path(X, y, 2).lams[0]
    found = solvers.kink_distance(X, y, largest)
    assert int(found.side) == 1
    assert abs(float(found.slack)) < 1e-12
    assert not jax.jit(jax.jacfwd(lambda lam: solvers.fit(X, y, lam).params.coef))(largest).any()


def test_duplicate_columns_are_flagged_and_share_the_derivative():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3))
    X = np.column_stack([X[:, 0], X[:, 0], X[:, 1:]])
    y = X @ [1.0, 1.0, 1.0, 0.0] + rng.standard_normal(30)
    v = np.array([0.0, 0.0, 1.0, 1.0])
    assert not bool(solvers.kink_distance(X, y, 0.1, penalty_factor=v).full_rank)
    assert bool(solvers.kink_distance(X, y, 0.1, 0.5).full_rank)
    by_y = jax.jit(jax.jacrev(lambda y: solvers.fit(X, y, 0.1, penalty_factor=v).params.coef))(y)
    one = jax.jit(jax.jacrev(lambda y: solvers.fit(X[:, 1:], y, 0.1, penalty_factor=v[1:]).params.coef))(y)
    np.testing.assert_allclose(by_y[0], by_y[1], atol=1e-12)
    np.testing.assert_allclose(by_y[0] + by_y[1], one[0], atol=1e-9)
