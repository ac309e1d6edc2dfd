"""When a run stops, and what its history says."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import Params, fista, train, train_grid
from jaxreg.formulas import duality_gap, soft_threshold, squared_error

SGD = optax.sgd(0.2)
LAMS = np.array([0.05, 0.3, 2.0])


@pytest.mark.parametrize(
    ("steps", "record_every", "expected"),
    [
        (10, 1, list(range(1, 11))),
        (10, 4, [4, 8, 10]),
        (10, 10, [10]),
        (10, 99, [10]),
        (250, None, list(range(2, 251, 2))),
        (7, None, list(range(1, 8))),
    ],
)
def test_the_steps_of_the_records(ridge, steps, record_every, expected):
    result = train(
        ridge.loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=SGD, steps=steps, record_every=record_every
    )
    np.testing.assert_array_equal(result.history.step, expected)
    assert result.n_steps == steps
    assert not result.converged


def test_a_record_is_a_shorter_run(ridge):
    # The loss and the residual of every record belong to the params of that step, the last ones to those returned.
    def run(steps, record_every):
        return train(
            ridge.loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=SGD, steps=steps, record_every=record_every
        )

    A, c = ridge.covariance + 0.3 * np.eye(5), ridge.X.T @ ridge.y / 40
    result = run(11, 4)
    for step, loss, residual in zip(*map(np.asarray, result.history), strict=True):
        params = np.asarray(run(int(step), 1).params)
        np.testing.assert_allclose(loss, ridge.loss(params, ridge.X, ridge.y, 0.3), rtol=1e-13)
        np.testing.assert_allclose(residual, np.abs(A @ params - c).max(), rtol=1e-12)
    assert (result.loss, result.residual) == (result.history.loss[-1], result.history.residual[-1])


def test_tol_stops_every_member_at_its_own_record(ridge):
    options = {"optimizer": SGD, "steps": 200, "record_every": 7}
    free = train_grid(ridge.loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, **options)
    result = train_grid(ridge.loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, **options, tol=1e-6)
    assert np.all(result.converged)
    assert np.all(result.residual <= 1e-6)
    assert len(set(np.asarray(result.n_steps).tolist())) == 3
    for g, lam in enumerate(LAMS):
        first = int(np.argmax(free.history.residual[g] <= 1e-6))
        assert result.n_steps[g] == free.history.step[g, first]
        # Up to there the same history, afterwards the last record again.
        for now, then in zip(result.history, free.history, strict=True):
            np.testing.assert_allclose(now[g, : first + 1], then[g, : first + 1], rtol=1e-9)
            assert np.all(now[g, first:] == now[g, first])
        # ‖∇F‖∞ ≤ tol and ∇F = (C + λI)(w − w*)  ⇒  ‖w − w*‖ ≤ √p tol / λ_min
        bound = np.sqrt(5) * 1e-6 / (np.linalg.eigvalsh(ridge.covariance)[0] + lam)
        assert np.linalg.norm(result.params[g] - ridge.closed_form(lam)) <= bound


def test_all_members_end_the_loop_and_one_alone_does_not(ridge):
    def run(steps, record_every):
        options = {"optimizer": SGD, "steps": steps, "record_every": record_every}
        return train_grid(ridge.loss, ridge.start, {"lam": LAMS}, ridge.X, ridge.y, **options, tol=1e-3)

    # A billion steps would take many minutes; the history repeats the only record.
    result = run(10**9, 10**5)
    assert np.all(result.converged)
    assert result.history.step.shape == (3, 10**4)
    np.testing.assert_array_equal(result.history.step, 10**5)
    result = run(30, 1)
    np.testing.assert_array_equal(result.converged, np.asarray(result.n_steps) < 30)
    assert 0 < result.converged.sum() < 3


def test_a_start_at_the_solution_takes_no_step(ridge):
    start = ridge.closed_form(0.3)
    options = {"optimizer": SGD, "steps": 30, "record_every": 4, "tol": 1e-12}
    result = train_grid(ridge.loss, start, {"lam": np.array([0.3, 0.5])}, ridge.X, ridge.y, **options)
    assert np.all(result.n_steps == np.array([0, 30]))
    np.testing.assert_array_equal(result.converged, [True, False])
    np.testing.assert_array_equal(result.params[0], start)
    np.testing.assert_array_equal(result.history.step[0], 0)


def test_a_tolerance_out_of_reach(ridge):
    result = train(ridge.loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=SGD, steps=50, tol=0.0)
    assert not result.converged
    assert result.n_steps == 50
    free = train(ridge.loss, ridge.start, ridge.X, ridge.y, 0.3, optimizer=SGD, steps=50)
    np.testing.assert_allclose(result.params, free.params, rtol=1e-13)
    np.testing.assert_allclose(result.history.loss, free.history.loss, rtol=1e-13)


def test_the_duality_gap_stops_a_lasso(make_problem):
    problem = make_problem(n=30, p=6)
    ones = np.column_stack([np.ones(30), problem.X])
    L = float(np.linalg.eigvalsh(ones.T @ ones / 30)[-1])

    def optimizer(lam):
        return fista(1 / L, lambda params, step: Params(params.intercept, soft_threshold(params.coef, step * lam)))

    lams = np.array([0.02, 0.1, 0.5])
    start = Params(jnp.zeros(()), jnp.zeros(6))
    options = {"optimizer": optimizer, "gap": duality_gap, "steps": 5000, "record_every": 10}

    def run(tol):
        return train_grid(squared_error, start, {"lam": lams}, problem.X, problem.y, **options, tol=tol)

    loose, tight = run(1e-4), run(1e-12)
    for result, tol in ((loose, 1e-4), (tight, 1e-12)):
        assert np.all(result.converged)
        assert np.all(result.n_steps < 5000)
        assert np.all(result.n_steps % 10 == 0)
        for g, lam in enumerate(lams):
            params = jax.tree.map(lambda leaf, g=g: leaf[g], result.params)
            gap = jax.jit(duality_gap)(params, problem.X, problem.y, lam)
            assert gap <= tol
            np.testing.assert_allclose(result.residual[g], gap, rtol=1e-6, atol=1e-15)
            stopped = int(result.n_steps[g]) // 10 - 1
            assert np.all(result.history.residual[g, :stopped] > tol)
    assert np.all(loose.n_steps < tight.n_steps)
