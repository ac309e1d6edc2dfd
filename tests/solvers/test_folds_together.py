"""Derivatives of the errors of all folds together, by rows and weights: against each fold alone, whose derivatives are
held against complex steps and differences elsewhere, and against what the machine has to do for them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers, sweeps
from jaxreg.solvers import implicit

LAMS = jnp.array([0.3, 0.1])
OPTIONS = {
    "lasso": (1.0, {}),
    "elastic net with bounds": (0.6, {"lower": -0.1}),
    "without an intercept": (1.0, {"fit_intercept": False}),
    "as the columns are": (1.0, {"standardize": False}),
}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def problem(n, p, K=4):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 3, p) + 2
    y = X[:, :4] @ [1, -1, 2, 0.5] + rng.standard_normal(n)
    return X, y, rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, p), np.arange(n) % K == np.arange(K)[:, None]


def together_and_one_by_one(held_out, rho, options):
    """The mean error of all folds, and the same from folds that are solved one after the other."""

    def together(X, y, s, v):
        given = {"sample_weight": s, "penalty_factor": v} | options
        return sweeps.cross_validate(X, y, held_out, LAMS, [rho], **given).mean_mse[0]

    def alone(X, y, s, v):
        def error(held_out):
            train, test = jnp.where(held_out, 0.0, s), jnp.where(held_out, s, 0.0)
            found = solvers.path(X, y, LAMS, rho, sample_weight=train, penalty_factor=v, **options)
            residual = y[None, :] - found.coef @ X.T - found.intercept[:, None]
            return residual**2 @ test / jnp.sum(test), jnp.sum(test)

        errors, weights = jax.lax.map(error, jnp.asarray(held_out))
        return weights @ errors / jnp.sum(weights)

    return together, alone


def slow(kind, n, p):
    return pytest.param(kind, n, p, marks=pytest.mark.slow)  # each compiles two programs for several seconds


@pytest.mark.parametrize(
    ("kind", "n", "p"),
    [("lasso", 60, 8), *(slow(k, 60, 8) for k in [*OPTIONS][1:]), *(slow(k, 24, 40) for k in OPTIONS)],
)
def test_all_folds_together_as_each_alone(kind, n, p):
    *at, held_out = problem(n, p)
    rho, options = OPTIONS[kind]
    of = lambda f: jax.jit(jax.value_and_grad(lambda *a: f(*a) @ jnp.array([1.0, 2.0]), argnums=(0, 1, 2, 3)))(*at)
    (value, found), (expected_value, expected) = (of(f) for f in together_and_one_by_one(held_out, rho, options))
    np.testing.assert_allclose(value, expected_value, rtol=1e-9)  # gaps of 1e-10
    for name, ours, theirs in zip("Xysv", found, expected, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=1e-8 * scale, err_msg=name)


@pytest.mark.slow
def test_a_column_that_is_constant_in_one_training_part():
    """It is 0 but in the rows that one fold holds out: there it explains nothing, and elsewhere it counts."""
    X, y, s, v, held_out = problem(48, 5)
    X[:, 3] = np.where(held_out[1], X[:, 3], 0.0)
    slopes = (jax.grad(lambda s, f=f: f(X, y, s, v)[1]) for f in together_and_one_by_one(held_out, 1.0, {}))
    found, expected = (jax.jit(slope)(s) for slope in slopes)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.slow
def test_blocks_of_lams_make_no_difference(monkeypatch):
    X, y, s, _, held_out = problem(40, 6)
    lams = jnp.geomspace(0.5, 0.01, 6)
    error = lambda s: sweeps.cross_validate.__wrapped__(X, y, held_out, lams, sample_weight=s).mean_mse[0]
    slope = lambda: jax.jit(jax.jacrev(lambda s: error(s)))(s)
    whole = slope()
    monkeypatch.setattr(implicit, "AT_ONCE", 12)  # 12 residuals at once: three λs of four folds
    np.testing.assert_allclose(slope(), whole, rtol=1e-9, atol=1e-13)


@pytest.mark.slow
def test_no_fold_has_a_table_of_its_own():
    """What the gradient by weights needs beside the error itself: a few tables, and for 15 more folds not 15 more."""
    n, p = 2000, 60

    def beside(K):
        X, y, s, _, held_out = problem(n, p, K)

        def error(s):
            options = {"sample_weight": s, "strategy": "active set"}
            return sweeps.cross_validate(X, y, held_out, LAMS[:1], **options).mean_mse[0, 0]

        memory = lambda f: jax.jit(f).lower(s).compile().memory_analysis().temp_size_in_bytes
        return (memory(jax.grad(error)) - memory(error)) / X.nbytes

    few, many = beside(5), beside(20)
    assert few < 4
    assert many - few < 15 / 3  # a dozen vectors of n numbers a fold, each 1/60 of the table


@pytest.mark.slow
def test_a_gradient_by_factors_needs_no_more_memory_than_the_error():
    """All that grows with n or p² is there for the error already, so what it needs at any size is known from that."""
    X, y, _, v, held_out = problem(1000, 200, 10)

    def error(v):
        options = {"penalty_factor": v, "strategy": "active set"}
        return sweeps.cross_validate(X, y, held_out, LAMS[:1], **options).mean_mse[0, 0]

    memory = lambda f: jax.jit(f).lower(v).compile().memory_analysis().temp_size_in_bytes
    assert memory(jax.grad(error)) < 1.05 * memory(error)
