"""ISTA and FISTA: their fixed points are the certified solutions, exact zeros included."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg
from jaxreg import Params, fista, ista, train, train_grid
from jaxreg.formulas import (
    duality_gap,
    kkt_residual,
    lam_max,
    objective,
    prox_elastic_net,
    soft_threshold,
    sources,
    squared_error,
)
from jaxreg.training import methods


class Lasso(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    lam: float
    L: float
    solution: jaxreg.results.Solution

    @property
    def start(self):
        return Params(jnp.zeros(()), jnp.zeros(self.X.shape[1]))

    def prox(self, params, step_size):
        return Params(params.intercept, soft_threshold(params.coef, step_size * self.lam))


@pytest.fixture(scope="module")
def houses():
    """1,500 houses with 1,000 features in standard units, at λ = 0.1 λ_max, and the solution to a gap of 1e-14."""
    data = jaxreg.datasets.houses()
    X = (data.X - data.X.mean(axis=0)) / data.X.std(axis=0)
    lam = 0.1 * np.abs(X.T @ (data.y - data.y.mean())).max() / len(X)
    # The Hessian of the smooth part; the column of ones is orthogonal to the others and adds the eigenvalue 1.
    L = np.linalg.eigvalsh(X.T @ X / len(X))[-1]
    solution = jaxreg.fit(X, data.y, lam, standardize=False, tol=1e-14)
    return Lasso(X, data.y, float(lam), float(L), solution)


def test_the_problem_is_a_selection(houses):
    np.testing.assert_allclose(houses.lam, 0.1 * lam_max(houses.X, houses.y), rtol=1e-10)
    assert houses.L > 1
    assert 100 <= (houses.solution.coef != 0).sum() <= 300  # of 1,000


@pytest.mark.parametrize(("method", "share", "steps"), [(fista, 1.0, 400), (ista, 1.9, 1000)], ids=["fista", "ista"])
def test_the_zeros_are_those_of_the_certified_solution(houses, method, share, steps):
    optimizer = method(share / houses.L, houses.prox)
    result = train(squared_error, houses.start, houses.X, houses.y, optimizer=optimizer, steps=steps)
    np.testing.assert_array_equal(result.params.coef != 0, houses.solution.coef != 0)
    np.testing.assert_allclose(result.params.coef, houses.solution.coef, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.params.intercept, houses.solution.intercept, rtol=1e-10)
    assert duality_gap(result.params, houses.X, houses.y, houses.lam) < 1e-13
    assert kkt_residual(result.params, houses.X, houses.y, houses.lam) < 1e-10
    assert result.residual < 1e-10


def test_the_sign_subgradient_leaves_no_zero(houses):
    # Document 000's update, on its own objective: its λ/m is our λ. It oscillates around 0.
    m = len(houses.y)
    X = np.column_stack([np.ones(m), houses.X])
    rate = 1.0 / houses.L
    result = train(
        sources.a_lasso_implied_loss, jnp.zeros(1001), X, houses.y, m * houses.lam, optimizer=optax.sgd(rate), steps=400
    )
    w = np.asarray(result.params[1:])
    zero = houses.solution.coef == 0
    assert zero.sum() > 700
    assert np.all(w != 0)
    assert np.abs(w[zero]).max() > 0.1  # far above rounding: no threshold would tell them from the others
    assert np.abs(w[zero]).max() > np.abs(houses.solution.coef[~zero]).min()
    reached = objective(Params(result.params[0], result.params[1:]), houses.X, houses.y, houses.lam)
    assert reached > 1.0001 * objective(houses.solution.params, houses.X, houses.y, houses.lam)


# ------------------------------------------------------------------------------------------------ fixed points

# l1_ratio, lower, upper
PENALTIES = np.array(
    [[1.0, -np.inf, np.inf], [0.5, -np.inf, np.inf], [0.0, -np.inf, np.inf], [0.9, 0.0, np.inf], [0.3, -0.2, 0.3]]
)


@pytest.mark.parametrize(("method", "share"), [(fista, 1.0), (ista, 1.99)], ids=["fista", "ista"])
def test_fixed_points_satisfy_the_optimality_conditions(make_problem, method, share):
    problem = make_problem(n=30, p=6)
    X, y, lam = problem.X, problem.y, 0.15
    ones = np.column_stack([np.ones(30), X])
    L = float(np.linalg.eigvalsh(ones.T @ ones / 30)[-1])

    def optimizer(l1_ratio, lower, upper):
        def prox(params, step_size):
            l1, l2 = lam * l1_ratio, lam * (1 - l1_ratio)
            return Params(params.intercept, prox_elastic_net(params.coef, step_size, l1, l2, lower, upper))

        return method(share / L, prox)

    # Bounds that are inf are no hyperparameters: a grid refuses them. The largest float does what they do.
    bounds = np.nan_to_num(PENALTIES[:, 1:])
    grid = {"l1_ratio": PENALTIES[:, 0], "lower": bounds[:, 0], "upper": bounds[:, 1]}
    start = Params(jnp.zeros(()), jnp.zeros(6))
    result = train_grid(squared_error, start, grid, X, y, optimizer=optimizer, steps=3000)
    assert np.all(result.residual < 1e-13)
    for g, (l1_ratio, lower, upper) in enumerate(PENALTIES):
        params = Params(result.params.intercept[g], result.params.coef[g])
        options = {"lower": lower, "upper": upper}
        assert kkt_residual(params, X, y, lam, l1_ratio, **options) < 1e-13
        away = params._replace(coef=params.coef * 0.9)  # feasible, and not optimal
        assert kkt_residual(away, X, y, lam, l1_ratio, **options) > 1e-3


def test_the_residual_is_the_gradient_where_there_is_no_penalty(ridge):
    def loss(w):
        return ridge.loss(w, ridge.X, ridge.y, 0.3)

    plain = train(loss, ridge.start, optimizer=optax.sgd(0.3), steps=10, record_every=1)
    for method in (ista(0.3, lambda w, step: w), fista(0.3, lambda w, step: w)):
        result = train(loss, ridge.start, optimizer=method, steps=10, record_every=1)
        assert result.residual > 1e-6
        gradient = ridge.covariance @ result.params - ridge.X.T @ ridge.y / 40 + 0.3 * result.params
        np.testing.assert_allclose(result.residual, np.abs(gradient).max(), rtol=1e-12)
    ista_without_prox = train(loss, ridge.start, optimizer=ista(0.3, lambda w, step: w), steps=10, record_every=1)
    np.testing.assert_allclose(ista_without_prox.history.loss, plain.history.loss, rtol=1e-13)


def test_fista_steps_are_those_of_the_paper(ridge):
    # Beck and Teboulle 2009, (4.1)–(4.3), with the restart of O'Donoghue and Candès 2015, in plain NumPy.
    C, c, tau, lam = ridge.covariance, ridge.X.T @ ridge.y / 40, 0.3, 0.1
    w, v, t, losses, restarts = ridge.start, ridge.start, 1.0, [], 0
    for _ in range(60):
        z = v - tau * (C @ v - c)
        new = np.sign(z) * np.maximum(np.abs(z) - tau * lam, 0.0)
        if (v - new) @ (new - w) > 0:
            t, restarts = 1.0, restarts + 1
        t_new = (1 + np.sqrt(1 + 4 * t**2)) / 2
        v, w, t = new + (t - 1) / t_new * (new - w), new, t_new
        losses.append(0.5 * np.mean((ridge.X @ w - ridge.y) ** 2))
    assert restarts > 0
    optimizer = fista(tau, lambda w, step: soft_threshold(w, lam * step))
    result = train(lambda w: ridge.loss(w, ridge.X, ridge.y, 0.0), ridge.start, optimizer=optimizer, steps=60)
    np.testing.assert_allclose(result.history.loss, losses, rtol=1e-13)
    np.testing.assert_allclose(result.params, w, rtol=1e-12, atol=1e-13)


def test_a_prox_after_adam_would_solve_another_problem(ridge):
    assert "prox is not offered after Adam" in " ".join(methods.__doc__.split())
    # The reason given there: u = prox_τ(u − D∇loss(u)) with a diagonal D ≠ τI is not the lasso's condition.
    C, c, lam, tau = ridge.covariance, ridge.X.T @ ridge.y / 40, 0.3, 0.1

    def step(u, D):
        z = u - D * (C @ u - c)
        return np.sign(z) * np.maximum(np.abs(z) - tau * lam, 0.0)

    for D, solved in ((np.full(5, tau), True), (tau * np.array([1.0, 0.5, 2.0, 1.5, 0.7]), False)):
        u = ridge.start
        for _ in range(3000):
            u = step(u, D)
        np.testing.assert_allclose(u, step(u, D), atol=1e-14)
        residual = kkt_residual(Params(0.0, u), ridge.X, ridge.y, lam, fit_intercept=False)
        assert residual < 1e-13 if solved else residual > 1e-2
