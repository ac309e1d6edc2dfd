"""Derivatives where there is little to differentiate: an exact 0 or a number, and never NaN but of what is NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers, sweeps
from jaxreg.data.problem import check_problem
from jaxreg.sweeps.tuned_rows import rows_of, strategy_for
from jaxreg.sweeps.tuning import Given, Space, judge_of


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def problem(n, p):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] + rng.standard_normal(n), np.ones(n), np.arange(n) % 3 == np.arange(3)[:, None]


def slopes(X, y, s, held_out, lam, **options):
    """The gradient of the error by λ, y, weights and factors."""

    def error(lam, y, s, v):
        given = {"sample_weight": s, "penalty_factor": v} | options
        return sweeps.cross_validate(X, y, held_out, lam[None], **given).mean_mse[0, 0]

    at = jnp.asarray(lam), jnp.asarray(y), jnp.asarray(s), jnp.ones(X.shape[1])
    return jax.jit(jax.grad(error, argnums=(0, 1, 2, 3)))(*at)


def test_an_empty_support_moves_with_nothing_but_the_mean():
    X, y, s, held_out = problem(24, 4)
    by_lam, by_y, by_s, by_v = slopes(X, y, s, held_out, 50.0)
    assert by_lam == 0
    assert not by_v.any()

    def means(y, s):
        train, test = jnp.where(held_out, 0.0, s[None]), jnp.where(held_out, s[None], 0.0)
        mean = train @ y / train.sum(axis=1)
        return jnp.sum(test * (y[None] - mean[:, None]) ** 2) / test.sum()

    expected = jax.grad(means, argnums=(0, 1))(jnp.asarray(y), jnp.asarray(s))
    np.testing.assert_allclose(by_y, expected[0], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(by_s, expected[1], rtol=1e-9, atol=1e-13)


@pytest.mark.slow
def test_constant_columns_and_those_of_zeros_move_nothing():
    X, y, s, held_out = problem(24, 4)
    more = np.column_stack([X, np.full(24, 7.0), np.zeros(24)])
    found, expected = slopes(more, y, s, held_out, 0.1), slopes(X, y, s, held_out, 0.1)
    assert not found[3][4:].any()
    for ours, theirs in zip(found, (*expected[:3], np.append(expected[3], [0, 0])), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_least_squares_of_fewer_rows_than_columns_by_y():
    """At λ = 0 the solution goes through every y, and so it moves with each."""
    X, y, *_ = problem(6, 10)
    fit = lambda y: solvers.fit(X, y, 0.0, fit_intercept=False, standardize=False).params.coef
    found = jax.jit(jax.jacfwd(fit))(y)
    assert jnp.isfinite(found).all()
    np.testing.assert_allclose(X @ found, np.eye(6), atol=1e-8)


def test_weights_that_are_no_numbers_are_not_hidden():
    X, y, s, held_out = problem(24, 4)
    by_lam, *_ = slopes(X, y, np.where(np.arange(24) == 5, np.nan, s), held_out, 0.1)
    assert jnp.isnan(by_lam)


@pytest.mark.slow
def test_starts_as_one_batch_and_one_after_the_other():
    """An accelerator takes the starts by ``vmap``: the same criterion, gradients and gaps."""
    X, y, _, held_out = problem(30, 4)
    given = check_problem(X, y, 1.0)
    space, origin = Space(("lam", "penalty_factor"), 1.0, None), Given(0.1, None, None, np.arange(4), None, None)
    rows, how = rows_of(given, space, held_out, None), (True, True, strategy_for(given))
    points = np.log(0.1) * np.eye(1, 5) + 0.3 * np.random.default_rng(1).standard_normal((3, 5))
    each, batch = (judge_of("cv", space, origin, rows, together, *how)(points) for together in (False, True))
    for one, other in zip(each[:2], batch[:2], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-12)
    assert max(each[2].max(), batch[2].max()) < 1e-10
