"""The derivative of a solution against central differences of re-solved problems, and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers

ARGUMENTS = ("lam", "l1_ratio", "X", "y", "sample_weight", "penalty_factor", "lower")


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n, p = 40, 6
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 3, p)
    y = 1.5 * X[:, 0] - X[:, 1] + rng.standard_normal(n)
    v = np.array([1, 0.5, 0, 1, 2, 1.0])
    return {"X": X, "y": y, "sample_weight": rng.uniform(0.5, 2, n), "penalty_factor": v, "lower": np.full(p, -0.3)}


def summary(lam, l1_ratio, X, y, sample_weight, penalty_factor, lower):
    """A smooth function of all coefficients, so that a wrong entry shows."""
    options = {"sample_weight": sample_weight, "penalty_factor": penalty_factor, "lower": lower}
    solution = solvers.fit(X, y, lam, l1_ratio, **options)
    return jnp.sum(jnp.sin(solution.params.coef) * jnp.arange(1.0, 7.0)) + 0.3 * solution.params.intercept


value, derivative = jax.jit(summary), jax.jit(jax.grad(summary, argnums=tuple(range(7))))


@pytest.mark.parametrize("lam", [0.15, 0.0])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.7, 0.0])
def test_equals_central_differences_of_solutions(data, l1_ratio, lam):
    arguments = [jnp.asarray(lam), jnp.asarray(l1_ratio), *(jnp.asarray(a) for a in data.values())]
    rng = np.random.default_rng(1)
    for i, analytic in enumerate(derivative(*arguments)):
        name = ARGUMENTS[i]
        if (name == "lam" and lam == 0) or (name == "l1_ratio" and l1_ratio in (0, 1)):
            continue  # the end of the range: no central difference
        direction = rng.standard_normal(np.shape(arguments[i]))
        if name == "penalty_factor":
            direction *= data["penalty_factor"] > 0
        h = 1e-6
        up, down = list(arguments), list(arguments)
        up[i], down[i] = arguments[i] + h * direction, arguments[i] - h * direction
        numeric = (value(*up) - value(*down)) / (2 * h)
        # h² truncation plus 1e-15/h rounding of the solution: about 1e-8.
        np.testing.assert_allclose(np.sum(analytic * direction), numeric, rtol=1e-6, atol=1e-6, err_msg=name)


def test_ridge_derivative_by_lam_is_the_closed_form(data):
    X, y = data["X"], data["y"]
    n, p = X.shape
    fit = lambda lam: solvers.fit(X, y, lam, 0.0, fit_intercept=False, standardize=False).params.coef
    w = np.linalg.solve(X.T @ X / n + 0.4 * np.eye(p), X.T @ y / n)
    expected = -np.linalg.solve(X.T @ X / n + 0.4 * np.eye(p), w)  # dw/dλ = −(XᵀX/n + λI)⁻¹ w
    np.testing.assert_allclose(jax.jit(jax.jacfwd(fit))(0.4), expected, rtol=1e-10)
    np.testing.assert_allclose(jax.jit(jax.jacrev(fit))(0.4), expected, rtol=1e-10)


def test_lasso_derivative_under_jit_and_vmap(data):
    fit = jax.jit(lambda lam: solvers.fit(data["X"], data["y"], lam).params.coef)
    lams = jnp.array([0.1, 0.3, 0.9])
    derivative = jax.vmap(jax.jacfwd(fit))(lams)
    h = 1e-6
    numeric = jnp.stack([(fit(lam + h) - fit(lam - h)) / (2 * h) for lam in lams])
    np.testing.assert_allclose(derivative, numeric, atol=1e-7)
    zero = jax.vmap(fit)(lams) == 0
    assert zero.any()
    assert jnp.all(derivative[zero] == 0)


def test_more_columns_than_rows():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((15, 30)), rng.standard_normal(15)
    fit = jax.jit(lambda lam, y: solvers.fit(X, y, lam).params.coef)
    derivative = jax.jacrev(fit, argnums=1)(0.2, y)
    direction = rng.standard_normal(15)
    numeric = (fit(0.2, y + 1e-6 * direction) - fit(0.2, y - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(derivative @ direction, numeric, atol=1e-7)
