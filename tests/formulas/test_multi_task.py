"""The formulas for targets that share their columns: against a search, automatic differentiation and plain NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from jaxreg import formulas
from jaxreg.formulas import (
    Params,
    duality_gap,
    gradient,
    kkt_residual,
    lam_max,
    multi_task_gap,
    multi_task_gradient,
    multi_task_kkt_residual,
    multi_task_lam_max,
    multi_task_objective,
    objective,
    prox_elastic_net,
    prox_rows,
    row_norms,
)
from tests import together

N, P, T = 9, 5, 3
RNG = np.random.default_rng(3)
X = RNG.normal(size=(N, P)) + 0.5
TRUE = np.where(np.arange(P)[:, None] % 2, 0.0, RNG.normal(size=(P, T)))
Y = X @ TRUE + 0.3 * RNG.normal(size=(N, T)) + 2
S = np.array([1, 2, 0.5, 0, 3, 1, 1, 0.25, 1])
CASES = {
    "lasso": (0.3, 1.0, None, True),
    "elastic net": (0.8, 0.4, None, True),
    "weights": (0.2, 0.7, S, True),
    "no intercept": (0.5, 1.0, S, False),
}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def points(count=5):
    """Coefficients, some rows of which are 0, and intercepts."""
    rng = np.random.default_rng(8)
    for _ in range(count):
        yield rng.normal(size=(P, T)) * rng.choice([0.0, 0.1, 1.0], size=(P, 1)), rng.normal(size=T)


def weights_of(s):
    return np.ones(N) if s is None else s


# ------------------------------------------------------------------------------------------------ norms and prox


def test_norms_and_their_derivatives(central_differences):
    W = np.array([[3.0, -4.0], [0.0, 0.0], [1e-200, 0.0], [0.6e200, 0.8e200]])
    np.testing.assert_allclose(row_norms(W), [5, 0, 1e-200, 1e200], rtol=1e-15)
    expected = np.array([[0.6, -0.8], [0, 0], [1, 0], [0.6, 0.8]])
    for derivative in (jax.jacrev, jax.jacfwd):
        found = derivative(lambda W: jnp.sum(row_norms(W)))(jnp.asarray(W))
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    quotient = central_differences(lambda w: row_norms(w[None, :])[0], W[0])
    np.testing.assert_allclose(quotient, expected[0], rtol=1e-9)


ROWS = np.array([[3.0, -4.0], [0.2, 0.3], [0.0, 0.0], [-1.0, 0.5], [0.2412, 0.3216]])
WEIGHTS = {"lasso": (0.5, 1.0, 0.0), "elastic net": (0.5, 0.8, 3.0), "ridge": (0.7, 0.0, 2.0), "none": (2.0, 0.0, 0.0)}
EVERY_WEIGHT = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)


def prox_objective(u, z, tau, l1, l2):
    size = np.sqrt((u**2).sum())
    return 0.5 * ((u - z) ** 2).sum() + tau * (l1 * size + 0.5 * l2 * size**2)


def check_minimiser(weights):
    found = np.asarray(formulas.prox_rows(ROWS, *weights))
    for z, u in zip(ROWS, found, strict=True):
        reached = prox_objective(u, z, *weights)
        search = minimize(prox_objective, z + 0.01, args=(z, *weights), method="Nelder-Mead", options={"xatol": 1e-9})
        assert reached <= search.fun + 1e-14
        np.testing.assert_allclose(u, search.x, atol=1e-5)


@EVERY_WEIGHT
def test_prox_is_the_minimiser_that_a_search_finds(weights):
    check_minimiser(weights)


@EVERY_WEIGHT
def test_prox_satisfies_its_optimality_condition(weights):
    tau, l1, l2 = weights
    for z, u in zip(ROWS, np.asarray(prox_rows(ROWS, *weights)), strict=True):
        slope, size = u - z + tau * l2 * u, np.sqrt((u**2).sum())
        if size > 0:
            np.testing.assert_allclose(slope + tau * l1 * u / size, 0, atol=1e-15)
        else:
            assert np.sqrt((slope**2).sum()) <= tau * l1 + 1e-15


@EVERY_WEIGHT
def test_gradient_of_the_moreau_envelope(weights, central_differences):
    # M(Z) = min_U ½‖U − Z‖² + τ ψ(U)  has the derivative  Z − prox(Z).
    tau, l1, l2 = weights

    def envelope(z):
        Z = z.reshape(ROWS.shape)
        U = prox_rows(Z, *weights)
        size = row_norms(U)
        return 0.5 * jnp.sum((U - Z) ** 2) + tau * jnp.sum(l1 * size + 0.5 * l2 * size**2)

    expected = (ROWS - np.asarray(prox_rows(ROWS, *weights))).ravel()
    for derivative in (jax.jacrev, jax.jacfwd):
        np.testing.assert_allclose(derivative(envelope)(jnp.asarray(ROWS.ravel())), expected, atol=1e-14)
    np.testing.assert_allclose(central_differences(envelope, ROWS.ravel()), expected, atol=1e-9)


def test_prox_at_its_kink_and_for_one_target():
    np.testing.assert_array_equal(prox_rows(np.array([[3.0, 4.0]]), 1.0, 5.0), [[0, 0]])
    z = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        prox_rows(z[:, None], 0.5, 1.5, 0.7)[:, 0], prox_elastic_net(z, 0.5, 1.5, 0.7), atol=1e-15
    )
    each = np.array([1.0, 2.0, 0.5, 0.0, 0.3])
    rows = [prox_rows(row[None], 0.5, weight, 0.3)[0] for row, weight in zip(ROWS, each, strict=True)]
    np.testing.assert_allclose(prox_rows(ROWS, 0.5, each, 0.3), rows, rtol=1e-15)


@pytest.mark.parametrize("name", ["prox_rows"])
def test_no_term_can_change_by_one_percent(name, unnoticed):
    assert unnoticed(getattr(formulas, name), lambda: check_minimiser(WEIGHTS["elastic net"])) == []


# ------------------------------------------------------------------------------------------------ objective


@EVERY
def test_objective_and_gradient(case, central_differences):
    lam, rho, s, _ = case
    value = lambda params: multi_task_objective(params, X, Y, lam, rho, sample_weight=s)
    at = lambda W, b: value(Params(jnp.asarray(b), W.reshape(P, T)))
    for W, b in points():
        params = Params(jnp.asarray(b), jnp.asarray(W))
        np.testing.assert_allclose(value(params), together.objective(W, b, X, Y, lam, rho, weights_of(s)), rtol=1e-13)
        found = multi_task_gradient(params, X, Y, lam, rho, sample_weight=s)
        for derivative in (jax.jacrev, jax.jacfwd):
            expected = derivative(value)(params)
            np.testing.assert_allclose(found.coef, expected.coef, atol=1e-13)
            np.testing.assert_allclose(found.intercept, expected.intercept, atol=1e-13)
        moved = np.flatnonzero(np.repeat((W != 0).any(axis=1), T))  # off the kinks
        quotients = central_differences(partial(at, b=b), W.ravel())
        np.testing.assert_allclose(np.asarray(found.coef).ravel()[moved], quotients[moved], atol=1e-8)


@EVERY
def test_one_target_is_the_objective_of_a_single_one(case):
    lam, rho, s, intercept = case
    options = {"sample_weight": s}
    for W, b in points():
        one, flat, y = Params(b[:1], W[:, :1]), Params(b[0], W[:, 0]), Y[:, :1]
        of = lambda f, params, y, **more: f(params, X, y, lam, rho, **options, **more)
        np.testing.assert_allclose(of(multi_task_objective, one, y), of(objective, flat, y[:, 0]), rtol=1e-14)
        np.testing.assert_allclose(
            of(multi_task_gradient, one, y).coef[:, 0], of(gradient, flat, y[:, 0]).coef, atol=1e-14
        )
        for ours, theirs in ((multi_task_gap, duality_gap), (multi_task_kkt_residual, kkt_residual)):
            found = of(ours, one, y, fit_intercept=intercept)
            np.testing.assert_allclose(found, of(theirs, flat, y[:, 0], fit_intercept=intercept), rtol=1e-12)
    options |= {"fit_intercept": intercept}
    np.testing.assert_allclose(
        multi_task_lam_max(X, Y[:, :1], rho, **options), lam_max(X, Y[:, 0], rho, **options), rtol=1e-13
    )


# ------------------------------------------------------------------------------------------------ optimality


@EVERY
def test_every_coefficient_is_0_at_lam_max_and_not_below(case):
    _, rho, s, intercept = case
    start = float(multi_task_lam_max(X, Y, rho, fit_intercept=intercept, sample_weight=s))
    W, _ = together.minimiser(X, Y, start * (1 + 1e-12), rho, s, intercept)
    assert not W.any()
    W, _ = together.minimiser(X, Y, 0.99 * start, rho, s, intercept)
    assert W.any()


@EVERY
def test_residual_and_gap_close_at_the_minimum(case):
    lam, rho, s, intercept = case
    options = {"fit_intercept": intercept, "sample_weight": s}
    W, b = together.minimiser(X, Y, lam, rho, s, intercept)
    assert (W != 0).any(axis=1).any()
    assert not (W != 0).all()
    assert float(multi_task_kkt_residual(Params(b, W), X, Y, lam, rho, **options)) < 1e-13
    assert 0 <= float(multi_task_gap(Params(b, W), X, Y, lam, rho, **options)) < 1e-13
    minimum = together.objective(W, b, X, Y, lam, rho, weights_of(s))
    units = (together.weighted(X, Y, weights_of(s), intercept)[1] ** 2).sum()
    for W, b in points(20):
        b = b if intercept else 0 * b
        excess = together.objective(W, b, X, Y, lam, rho, weights_of(s)) - minimum
        assert -1e-14 <= excess <= float(multi_task_gap(Params(b, W), X, Y, lam, rho, **options)) * units + 1e-14


@EVERY
def test_residual_and_gap_are_those_of_plain_numpy(case):
    lam, rho, s, intercept = case
    options = {"fit_intercept": intercept, "sample_weight": s}
    minimum, centre = together.minimiser(X, Y, lam, rho, s, intercept)
    near = [(minimum + step * (minimum != 0), centre + step * intercept) for step in (1e-2, 1e-4, 1e-6, 0.0)]
    for W, b in [*points(), *near]:
        b = b if intercept else 0 * b
        found = float(multi_task_gap(Params(b, W), X, Y, lam, rho, **options))
        true = together.gap(W, b, X, Y, lam, rho, weights_of(s), intercept)
        assert found >= true * (1 - 1e-9) - 1e-15  # never below the truth, up to a rounding of F itself
        np.testing.assert_allclose(found, true, rtol=1e-8, atol=1e-14)
        residual = float(multi_task_kkt_residual(Params(b, W), X, Y, lam, rho, **options))
        np.testing.assert_allclose(residual, together.kkt(W, b, X, Y, lam, rho, weights_of(s), intercept), atol=1e-13)


def test_the_gap_has_no_units_and_weights_are_repeated_rows():
    counts = np.array([1, 2, 0, 3, 1, 1, 4, 1, 2])
    rows = np.repeat(np.arange(N), counts)
    for W, b in points():
        expected = float(multi_task_gap(Params(b, W), X, Y, 0.3, sample_weight=counts))
        repeated = multi_task_gap(Params(b, W), X[rows], Y[rows], 0.3)
        np.testing.assert_allclose(repeated, expected, rtol=1e-12)
        scaled = multi_task_gap(Params(8 * b, 8 * W), X, 8 * Y, 2.4, sample_weight=counts)
        np.testing.assert_allclose(scaled, expected, rtol=1e-12)
        moved = multi_task_gap(Params(b + 100, W), X, Y + 100, 0.3, sample_weight=counts)
        np.testing.assert_allclose(moved, expected, rtol=1e-9)


def test_targets_that_are_constant_or_missing():
    constant = np.full((N, T), 3.0)
    assert float(multi_task_gap(Params(np.full(T, 3.0), np.zeros((P, T))), X, constant, 0.1)) <= 1e-25
    assert float(multi_task_gap(Params(np.zeros(T), np.zeros((P, T))), X, constant, 0.1)) > 0.1
    assert float(multi_task_lam_max(X, constant)) == 0
    wrong = np.full((P, T), np.nan)
    assert np.isnan(multi_task_gap(Params(np.zeros(T), wrong), X, Y, 0.1))
    assert np.isnan(multi_task_kkt_residual(Params(np.zeros(T), wrong), X, Y, 0.1))


@pytest.mark.usefixtures("x32")
def test_in_float32():
    with jax.numpy_dtype_promotion("standard"):
        A, B = X.astype(np.float32), Y.astype(np.float32)
        W, b = together.minimiser(X, Y, 0.3, 0.4)
        found = multi_task_gap(Params(b.astype(np.float32), W.astype(np.float32)), A, B, 0.3, 0.4)
        assert found.dtype == np.float32
        assert 0 <= float(found) < 1e-6
        assert multi_task_objective(Params(b.astype(np.float32), W.astype(np.float32)), A, B, 0.3).dtype == np.float32
