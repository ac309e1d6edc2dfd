"""A step that is too large: found, reported with the largest stable one, and without harm to the others."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from jaxreg import Params, datasets, fista, ista, train, train_grid
from jaxreg.formulas import soft_threshold, squared_error
from jaxreg.training import DivergenceWarning, curvature_along_steepest

LAM, STEPS = 0.3, 400


def grid_of_steps(ridge, rates, optimizer=optax.sgd, name="learning_rate", **options):
    grid = {name: np.asarray(rates)}
    return train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, LAM, optimizer=optimizer, steps=STEPS, **options)


def largest_stable(record):
    """The numbers after "is" in the one warning."""
    assert len(record) == 1
    found = re.findall(r"largest stable step of [a-z ]+ is ([-+.e\d]*\d)", str(record[0].message))
    return [float(number) for number in found]


@pytest.fixture
def lasso_method(ridge):
    def make(method):
        return lambda step_size: method(step_size, lambda w, step: soft_threshold(w, 1e-3 * step))

    return make


def test_a_step_of_two_over_the_curvature_is_the_border(ridge):
    L = ridge.curvature(LAM)
    with pytest.warns(DivergenceWarning) as record:
        result = grid_of_steps(ridge, [1.9 / L, 2.1 / L, 1.0 / L])
    np.testing.assert_array_equal(result.diverged, [False, True, False])
    np.testing.assert_allclose(largest_stable(record), [2 / L], rtol=1e-3)
    message = str(record[0].message)
    assert f"member 1 (learning_rate={2.1 / L:.6g}) in step {result.n_steps[1]}" in message
    assert "member 0" not in message
    assert "member 2" not in message
    assert record[0].filename == __file__  # the warning points at the caller
    # Growth by |1 − 2.1| = 1.1 a step: the loss, a square, has grown by 1e12 after ln 1e12 / (2 ln 1.1) = 145 steps.
    assert 100 < result.n_steps[1] < 200
    np.testing.assert_array_equal(np.asarray(result.n_steps)[[0, 2]], STEPS)
    np.testing.assert_allclose(result.params[0], ridge.closed_form(LAM), atol=1e-10)
    np.testing.assert_allclose(result.params[2], ridge.closed_form(LAM), atol=1e-10)


def test_below_the_border_there_is_no_warning(ridge, lasso_method):
    L = ridge.curvature(LAM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.any(grid_of_steps(ridge, [0.1 / L, 1.99 / L]).diverged)
        assert not np.any(grid_of_steps(ridge, [0.1 / L, 1.99 / L], lasso_method(ista), "step_size").diverged)
        assert not np.any(grid_of_steps(ridge, [0.1 / L, 1.0 / L], lasso_method(fista), "step_size").diverged)


@pytest.mark.parametrize(("method", "stable", "far"), [(ista, 2.0, 2.1), (fista, 1.0, 3.0)], ids=["ista", "fista"])
def test_proximal_methods_name_their_own_border(ridge, lasso_method, method, stable, far):
    L = ridge.curvature(LAM)
    with pytest.warns(DivergenceWarning) as record:
        result = grid_of_steps(ridge, [stable / L, far / L], lasso_method(method), "step_size")
    np.testing.assert_array_equal(result.diverged, [False, True])
    np.testing.assert_allclose(largest_stable(record), [stable / L], rtol=1e-3)
    assert f"step_size={far / L:.6g}" in str(record[0].message)
    with pytest.warns(DivergenceWarning, match=f"training in step [0-9]+, step size {far / L:.6g}"):
        single = train(
            ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=lasso_method(method)(far / L), steps=STEPS
        )
    assert single.diverged


@pytest.mark.parametrize(
    "optimizer",
    [optax.sgd(7.25), optax.sgd(optax.exponential_decay(7.25, 1, 1.5), momentum=0.9)],
    ids=["sgd", "schedule"],
)
def test_the_learning_rate_that_optax_keeps_to_itself(ridge, optimizer):
    with pytest.warns(
        DivergenceWarning, match=r"training in step \d+, learning rate 7.25 at first; the largest stable"
    ):
        train(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, optimizer=optimizer, steps=STEPS)


def test_the_step_named_for_the_houses(x64):
    # 1,000 features whose covariance has many eigenvalues near the largest.
    data = datasets.houses(seed=1)
    X = (data.X - data.X.mean(axis=0)) / data.X.std(axis=0)
    L = np.linalg.eigvalsh(X.T @ X / len(X))[-1]
    params = Params(jnp.zeros(()), jnp.zeros(1000))
    np.testing.assert_allclose(curvature_along_steepest(squared_error, params, X, data.y), L, rtol=1e-6)


def test_the_others_are_what_they_are_without_it(ridge):
    L = ridge.curvature(LAM)
    with pytest.warns(DivergenceWarning):
        with_it = grid_of_steps(ridge, [1.0 / L, 2.5 / L, 0.3 / L])
    without = grid_of_steps(ridge, [1.0 / L, 0.9 / L, 0.3 / L])
    assert with_it.diverged[1]
    for one, other in zip(jax.tree.leaves(with_it), jax.tree.leaves(without), strict=True):
        np.testing.assert_array_equal(np.asarray(one)[[0, 2]], np.asarray(other)[[0, 2]])  # bit by bit
    # In a grid of two the matrix products have other shapes: the same up to rounding.
    alone = grid_of_steps(ridge, [1.0 / L, 0.3 / L])
    np.testing.assert_allclose(np.asarray(with_it.params)[[0, 2]], alone.params, rtol=1e-13)


def test_params_stay_finite_and_the_history_ends(ridge):
    L = ridge.curvature(LAM)
    with pytest.warns(DivergenceWarning):
        result = grid_of_steps(ridge, [2.1 / L, 10 / L, 1e5 / L, 1e200], record_every=1)
    assert np.all(result.diverged)
    assert np.all(np.isfinite(result.params))
    for g in range(4):
        last = int(result.n_steps[g])
        assert last < STEPS
        np.testing.assert_array_equal(result.history.step[g, last:], last)
        assert np.all(result.history.loss[g, last:] == result.history.loss[g, -1])


@pytest.mark.parametrize("stride", [1, 7, 400])
def test_growth_is_noticed_at_a_record_and_overflow_in_its_step(ridge, stride):
    # On a quadratic the error along an eigenvector of eigenvalue h is multiplied by 1 − τh: in plain NumPy.
    L, A = ridge.curvature(LAM), ridge.covariance + LAM * np.eye(5)
    rates, firsts = np.array([2.5, 1e250]) / L, []
    grown = 1e12 * max(ridge.loss(ridge.start, ridge.X, ridge.y, LAM), 1.0)
    for rate, limit in zip(rates, (grown, np.inf), strict=True):
        w, k = ridge.start, 0
        with np.errstate(over="ignore", invalid="ignore"):
            while np.all(np.isfinite(w)) and not ridge.loss(w, ridge.X, ridge.y, LAM) > limit:
                w, k = w - rate * (A @ w - ridge.X.T @ ridge.y / 40), k + 1
        firsts.append(k)
    assert 20 < firsts[0] < 100
    with pytest.warns(DivergenceWarning):
        result = grid_of_steps(ridge, rates, record_every=stride)
    assert np.all(result.diverged)
    assert np.all(np.isfinite(result.params))
    assert result.n_steps[0] == -(-firsts[0] // stride) * stride  # the next record, and step 400 at the latest
    # The params overflow in step 2, unless a record after step 1 has seen the loss before: 1e500.
    assert firsts[1] == 2
    assert result.n_steps[1] == (1 if stride == 1 else 2)


def test_nan_and_inf_in_the_loss_or_the_gradient():
    # log w at w < 0 is NaN, cosh overflows, and √w has the derivative inf at 0 where the loss itself is finite.
    losses = {
        "nan": (lambda w: jnp.log(w) + 0.5 * w, jnp.array(1.0), 5.0),
        "overflow": (jnp.cosh, jnp.array(700.0), 1.0),
        "infinite slope": (jnp.sqrt, jnp.array(0.0), 0.1),
    }
    for loss, start, rate in losses.values():
        with pytest.warns(DivergenceWarning, match="training in step"):
            result = train(loss, start, optimizer=optax.sgd(rate), steps=20)
        assert result.diverged
        assert np.isfinite(result.params)


def test_a_start_that_is_already_lost():
    with pytest.warns(DivergenceWarning, match="in step 0"):
        result = train(jnp.log, jnp.array(-1.0), optimizer=optax.sgd(0.1), steps=5)
    assert result.diverged
    assert result.n_steps == 0
    assert result.params == -1.0


def test_the_loss_of_the_last_step_counts():
    # One step from 1 to −1: the params are finite, the loss there is not, and no further step would look at it.
    with pytest.warns(DivergenceWarning, match="in step 1"):
        result = train(jnp.log, jnp.array(1.0), optimizer=optax.sgd(2.0), steps=1)
    assert result.diverged
    assert np.isnan(result.loss)
    assert result.params == -1.0


def test_with_tol_a_diverged_member_ends_too(ridge):
    L = ridge.curvature(LAM)
    with pytest.warns(DivergenceWarning):
        result = train_grid(
            ridge.loss,
            ridge.start,
            {"learning_rate": np.array([1.0 / L, 2.5 / L])},
            ridge.X,
            ridge.y,
            LAM,
            optimizer=optax.sgd,
            steps=10**9,
            record_every=10**5,
            tol=1e-10,
        )
    np.testing.assert_array_equal(result.converged, [True, False])
    np.testing.assert_array_equal(result.diverged, [False, True])


def test_the_warning_names_five_members_and_counts_the_rest(ridge):
    keys = jax.random.split(jax.random.key(0), 7)
    grid = {"key": keys, "seed": np.arange(7) + 1234567}
    with pytest.warns(DivergenceWarning) as record:
        train_grid(
            ridge.loss,
            lambda key, seed: jax.random.normal(jax.random.fold_in(key, seed), (5,)),
            grid,
            ridge.X,
            ridge.y,
            LAM,
            optimizer=optax.sgd(5.0),
            steps=50,
        )
    message = str(record[0].message)
    assert "member 4 (seed=1234571)" in message
    assert "member 5" not in message
    assert message.endswith("and 2 more. Their params are the last finite ones.")


def test_derivatives_pass_a_diverged_member_by(ridge):
    L = ridge.curvature(LAM)
    rates = jnp.array([0.5, 2.5, 1.0]) / L

    def losses(rates):
        grid = {"learning_rate": rates}
        return train_grid(ridge.loss, ridge.start, grid, ridge.X, ridge.y, LAM, optimizer=optax.sgd, steps=60).loss

    def healthy(rates):
        return jnp.sum(losses(rates)[jnp.array([0, 2])])

    gradient = jax.grad(healthy)(rates)  # silent: a derivative is being traced
    expected = jax.grad(lambda rates: jnp.sum(losses(rates)))(rates.at[1].set(0.1 / L))
    np.testing.assert_allclose(gradient[jnp.array([0, 2])], expected[jnp.array([0, 2])], rtol=1e-10)
    assert gradient[1] == 0


# ------------------------------------------------------------------------------------------------ curvature


def test_curvature_is_the_largest_eigenvalue(ridge):
    L = ridge.curvature(LAM)
    np.testing.assert_allclose(curvature_along_steepest(ridge.loss, ridge.start, ridge.X, ridge.y, LAM), L, rtol=1e-12)
    # Five dimensions: five products do, and fewer bound it from below.
    few = [curvature_along_steepest(ridge.loss, ridge.start, ridge.X, ridge.y, LAM, iterations=k) for k in (1, 3, 5)]
    assert few[0] < few[1] < L
    np.testing.assert_allclose(few[2], L, rtol=1e-12)


def test_curvature_of_the_logistic_loss_at_any_point(ridge):
    y = (ridge.y > 0).astype(float)

    def loss(params, X, y):
        eta = X @ params["w"] + params["b"]
        return jnp.mean(jnp.logaddexp(0.0, eta) - y * eta)

    for scale in (0.0, 0.5):
        params = {"w": scale * jnp.arange(5.0), "b": jnp.array(scale)}
        flat, as_tree = ravel_pytree(params)
        hessian = jax.hessian(lambda flat, as_tree=as_tree: loss(as_tree(flat), ridge.X, y))(flat)
        L = np.linalg.eigvalsh(hessian)[-1]
        np.testing.assert_allclose(curvature_along_steepest(loss, params, ridge.X, y), L, rtol=1e-10)


def test_curvature_at_special_points():
    # A stationary start, no curvature at all, a maximum (by magnitude), one parameter.
    H = jnp.diag(jnp.array([3.0, 1.0]))
    np.testing.assert_allclose(curvature_along_steepest(lambda w: 0.5 * w @ H @ w, jnp.zeros(2)), 3.0, rtol=1e-12)
    assert curvature_along_steepest(jnp.sum, jnp.ones(3)) == 0
    np.testing.assert_allclose(curvature_along_steepest(lambda w: -2 * w**2, jnp.array(1.0)), 4.0)


def test_curvature_in_float32(ridge, x32):
    X, y = ridge.X.astype("float32"), ridge.y.astype("float32")
    L = curvature_along_steepest(ridge.loss, jnp.zeros(5), X, y, LAM)
    assert L.dtype == jnp.float32
    np.testing.assert_allclose(L, ridge.curvature(LAM), rtol=1e-5)
