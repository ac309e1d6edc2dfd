"""The programs of the pure functions: who solves what, gaps from moments, and what is not certified at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import solvers
from jaxreg.formulas import Params, duality_gap
from jaxreg.formulas.moments import moments
from jaxreg.solvers import members as members_module
from jaxreg.solvers.found import Arrays, Asked, Settings
from jaxreg.solvers.members import engine
from jaxreg.solvers.moment_problem import judge, moment_problem, unit_of
from tests import longdouble

path = solvers.path


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.5 * rng.normal(size=(n, 1)) + np.arange(p)
    return X, X[:, :3] @ [2.0, -1.0, 0.5] + rng.normal(size=n) + 3.0


def true_gaps(X, y, found, ratio):
    options = {"weight": np.ones(len(y)), "factor": np.ones(X.shape[1]), "sigma": found.scale, "tau": found.y_scale}
    options |= {"lower": np.full(X.shape[1], -np.inf), "upper": np.full(X.shape[1], np.inf), "intercept": True}
    models = zip(found.coef, found.intercept, found.lams, strict=True)
    return [longdouble.gap(X, y, w, b, lam, ratio, **options) for w, b, lam in models]


@pytest.mark.parametrize(
    ("n", "p", "name"), [(40, 6, "moments"), (10, 16, "moments"), (12, 60, "columns")], ids=["tall", "square", "wide"]
)
def test_the_engine_and_the_true_gap(n, p, name):
    X, y = problem(n, p)
    empty = [None] * 5
    asked = Asked(True, True, 5, 1.0, 100, None, True)
    assert engine(asked, Arrays(X, y[:, None], *empty, 1.0, 0.1, 1e-10)) == name
    found = path(X, y, 6)
    assert np.all(found.converged)
    assert max(true_gaps(X, y, found, 1.0)) <= 1e-10
    host = jaxreg.path(X, y, 6)
    np.testing.assert_allclose(found.coef, host.coef, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found.df, host.df)


def test_columns_that_depend_on_each_other_are_repaired():
    """A path from knot to knot ends where an equal column would enter; what it leaves is solved otherwise."""
    X, y = problem(40, 6)
    X = np.column_stack([X, X[:, 0] + X[:, 1], X[:, 2]])[:, [6, 0, 1, 7, 2, 3]]
    found = path(X, y, np.geomspace(1.0, 1e-6, 6))
    assert np.all(found.converged)
    assert max(true_gaps(X, y, found, 1.0)) <= 1e-9
    assert np.all(np.asarray(found.df) <= np.linalg.matrix_rank(X - X.mean(axis=0)))


@pytest.mark.parametrize("ratio", [1.0, 0.4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_gap_from_moments_is_the_formula(ratio, fit_intercept):
    X, y = problem(40, 6)
    w, b = np.linspace(-0.5, 2, 6), 0.3 if fit_intercept else 0.0
    lam, sigma, tau = 0.2, X.std(axis=0), y.std()
    columns, no_bound = jnp.ones(6), jnp.full(6, jnp.inf)
    asked = Settings(
        jnp.asarray(ratio),
        columns,
        -no_bound,
        no_bound,
        *jnp.array([1e-10, 1]),
        *jnp.array([fit_intercept, True, False, False]),
    )
    params = Params(jnp.full((1, 1), b), jnp.asarray(w)[None, :, None])

    @jax.jit
    def judged(m):
        moment = moment_problem(m, asked)
        return judge(
            moment, asked, jnp.full((1, 1), lam), params, params.coef * moment.size[None, :, None], unit_of(40, float)
        )

    gap, rounding, settled = judged(moments(X, y))
    assert not settled[0, 0]
    expected = duality_gap(Params(b, w), X, y, lam, ratio, fit_intercept=fit_intercept, scale=sigma, y_scale=tau)
    # Of two values of c the formula searches the best: the bound from moments may be the larger one where ρ < 1.
    assert gap[0, 0] >= expected * (1 - 1e-9)
    if ratio == 1:
        np.testing.assert_allclose(gap[0, 0], expected, rtol=1e-9)
    assert 0 < rounding[0, 0] < 1e-11


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_least_squares_are_those_of_numpy_whatever_the_path_has_found(unit, ratio):
    """λ = 0 is no member of the path: at the λ that stands for it there, coefficients of 0 may be right."""
    X, y = problem(40, 6)
    expected = np.linalg.lstsq(X - X.mean(axis=0), unit * (y - y.mean()), rcond=None)[0]
    for lams in ([0.0], [0.0, 2.0 * unit], [0.1 * unit, 0.0]):
        found = path(X, unit * y, np.array(lams), ratio)
        assert found.converged.all()
        np.testing.assert_allclose(found.coef[lams.index(0.0)], expected, rtol=1e-9, atol=1e-12 * unit)


def test_a_derivative_costs_nothing_where_none_is_asked_for(monkeypatch):
    """The linear systems of the derivatives are no part of the program that solves."""

    def refuse(*_):
        raise AssertionError("derivatives were made though none was asked for")

    monkeypatch.setattr(members_module, "with_derivatives", refuse)
    X, y = problem(40, 6)
    jax.make_jaxpr(partial(solvers.path.__wrapped__, lams=4))(X, y)
    with pytest.raises(AssertionError, match="derivatives were made"):
        jax.make_jaxpr(jax.grad(lambda y: jnp.sum(solvers.path.__wrapped__(X, y, lams=4).coef)))(y)


@pytest.mark.parametrize(("n", "p"), [(30, 3), (5, 12)], ids=["moments", "columns"])
def test_a_column_whose_square_underflows_is_not_lost(n, p):
    """The same models in units in which it does not."""
    X, y = problem(n, p)
    lams, units = np.array([0.5, 0.1]), np.where(np.arange(p) == 0, 1e-170, 1.0)
    found, expected = path(X * units, y, lams), path(X, y, lams)
    assert np.all(found.converged)
    np.testing.assert_allclose(np.asarray(found.coef) * units, expected.coef, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.asarray(found.scale) / units, expected.scale, rtol=1e-12)
    np.testing.assert_array_equal(found.df, expected.df)
