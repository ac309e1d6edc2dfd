"""The hand derivatives against autodiff (backward, forward), differences, and what gradient descent does with L."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import formulas
from jaxreg.formulas import Params, objective
from jaxreg.formulas import gradients as module

KINDS = ["lasso", "ridge", "elastic net", "weights and scale", "free column", "more columns than rows"]


def point(P, rng, *, kinks):
    """Parameters, with one coefficient at its kink if asked for."""
    w = rng.normal(size=P.X.shape[1])
    w[-1] = 0.0 if kinks else 0.3
    return Params(jnp.array(0.7), jnp.array(w))


def flat(params):
    return jnp.concatenate([params.intercept[None], params.coef])


def unflat(x):
    return Params(x[0], x[1:])


def close(actual, expected, tolerance=1e-12):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.max(np.abs(expected)))


@jax.jit
def derivatives(params, data, factors):
    """Gradient and Hessian of the objective, each by autodiff (twice) and as central differences."""

    def F(x):
        return objective(unflat(x), *data, **factors)

    def differences(f, x, h=1e-5):
        return jax.vmap(lambda e: (f(x + e) - f(x - e)) / (2 * h))(h * jnp.eye(x.size))

    x = flat(params)
    gradients = jax.grad(F)(x), jax.jacfwd(F)(x), differences(F, x)
    return gradients, (jax.hessian(F)(x), jax.jacrev(jax.jacrev(F))(x), differences(jax.grad(F), x))


# ------------------------------------------------------------------------------------------------ gradient


def check_gradient(P, params):
    hand = flat(formulas.gradient(params, *P.data, **P.factors))
    (backward, forward, differences), _ = derivatives(params, P.data, P.factors)
    close(hand, backward)
    close(hand, forward)
    close(hand, differences, 1e-6)


@pytest.mark.parametrize("kinks", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_autodiff_and_finite_differences(kind, kinks, make_problem, rng):
    # At w_j = 0 the central difference of |w_j| is 0 too: the subgradient that is chosen.
    P = make_problem(kind)
    check_gradient(P, point(P, rng, kinks=kinks))


def test_an_option_left_out_is_one(make_problem, rng):
    P = make_problem()
    params = point(P, rng, kinks=True)
    expected = formulas.gradient(params, *P.data, **P.factors)
    jax.tree.map(close, formulas.gradient(params, *P.data), expected)
    jax.tree.map(close, formulas.gradient(params, P.X, P.y, P.lam), expected)


@jax.jit
def total_derivatives(params, X, y, lam, ratio, factors):
    def total(params):
        return jnp.sum(objective(params, X, y, lam, ratio, **factors))

    return jax.grad(total)(params), jax.jacfwd(total)(params)


@pytest.mark.parametrize(
    ("lam", "ratio"), [(0.4, 0.3), ([0.1, 2.0], 0.3), (0.4, [0.0, 1.0]), ([0.1, 2.0], [1.0, 0.25])]
)
def test_gradient_of_several_targets_is_autodiff(lam, ratio, make_problem, rng):
    # Each target has parameters of its own, so the gradient of the sum is the gradient of each.
    P = make_problem("weights and scale", penalty_factor=[1, 0, 2, 0.5])
    params = Params(jnp.array([0.5, -1.0]), jnp.array(rng.normal(size=(4, 2))).at[1, 1].set(0.0))
    arguments = params, P.X, rng.normal(size=(8, 2)), jnp.asarray(lam), jnp.asarray(ratio)
    hand = formulas.gradient(*arguments, **P.factors)
    for expected in total_derivatives(*arguments, P.factors):
        jax.tree.map(close, hand, expected)


# ------------------------------------------------------------------------------------------------ hessian


def check_hessian(P, params):
    hand = formulas.hessian(P.X, P.lam, P.l1_ratio, **P.factors)
    _, (forward, backward, differences) = derivatives(params, P.data, P.factors)
    close(hand, forward)
    close(hand, backward)
    close(hand, differences, 1e-6)


@pytest.mark.parametrize("kind", ["elastic net", "weights and scale", "more columns than rows"])
def test_hessian_is_autodiff_and_finite_differences(kind, make_problem, rng):
    P = make_problem(kind, l1_ratio=0.3)
    check_hessian(P, point(P, rng, kinks=False))


def test_hessian_without_options_is_that_of_the_squared_error(make_problem):
    P = make_problem()
    design = np.column_stack([np.ones(8), P.X])
    close(formulas.hessian(P.X, 0.5), design.T @ design / 8)


# ------------------------------------------------------------------------------------------------ Lipschitz constant

STEEP = {"l1_ratio": 0.3, "lam": 0.5}


def leading_eigenvector(H):
    """By power iteration."""
    u = np.ones(len(H))
    for _ in range(2000):
        u = H @ u / np.linalg.norm(H @ u)
    return u


def smooth_gradient(P, fit_intercept):
    """The gradient of the smooth part as a function of the flat parameters, by autodiff, and their number."""
    p = P.X.shape[1]
    ridge = {"penalty_factor": P.penalty_factor, "scale": P.scale}

    def smooth(x):
        params = Params(x[0], x[1:]) if fit_intercept else Params(0.0, x)
        loss = formulas.squared_error(params, P.X, P.y, sample_weight=P.sample_weight)
        return loss + (1 - P.l1_ratio) * formulas.ridge_penalty(params.coef, P.lam, **ridge)

    return jax.jit(jax.grad(smooth)), p + fit_intercept


def lipschitz(P, fit_intercept=True):
    return float(formulas.lipschitz(P.X, P.lam, P.l1_ratio, **P.factors, fit_intercept=fit_intercept))


def check_lipschitz(P, fit_intercept=True):
    L, (gradient, size) = lipschitz(P, fit_intercept), smooth_gradient(P, fit_intercept)
    u, x = leading_eigenvector(np.array(jax.jacfwd(gradient)(jnp.zeros(size)))), jnp.ones(size)
    np.testing.assert_allclose(np.linalg.norm(gradient(x + u) - gradient(x)), L, rtol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["weights and scale", "more columns than rows"])
def test_lipschitz_is_tight_and_a_bound(kind, fit_intercept, make_problem, rng):
    P = make_problem(kind, **STEEP)
    check_lipschitz(P, fit_intercept)
    L, (gradient, size) = lipschitz(P, fit_intercept), smooth_gradient(P, fit_intercept)
    for x, other in rng.normal(size=(20, 2, size)):
        assert np.linalg.norm(gradient(x) - gradient(other)) <= L * np.linalg.norm(x - other) * (1 + 1e-12)


def test_gradient_descent_converges_below_two_over_L_and_diverges_above(make_problem):
    P = make_problem("weights and scale", **STEEP)
    L, (gradient, size) = lipschitz(P), smooth_gradient(P, True)
    minimiser = jnp.linalg.solve(jax.jacfwd(gradient)(jnp.zeros(size)), -gradient(jnp.zeros(size)))

    def distance(factor, steps):
        x = jax.lax.fori_loop(0, steps, lambda _, x: x - factor / L * gradient(x), minimiser + 1.0)
        return float(jnp.linalg.norm(x - minimiser))

    assert distance(1.9, 2000) < 1e-10
    assert distance(2.1, 500) > 1e10


# ------------------------------------------------------------------------------------------------ mutations


@pytest.mark.parametrize("name", ["gradient", "hessian", "lipschitz", "penalty_weights"])
def test_no_term_can_change_by_one_percent(name, unnoticed, make_problem, rng):
    P = make_problem("weights and scale", l1_ratio=0.3)
    params = point(P, rng, kinks=False)
    check = {"hessian": lambda: check_hessian(P, params), "lipschitz": lambda: check_lipschitz(P)}
    assert unnoticed(getattr(module, name), check.get(name, lambda: check_gradient(P, params))) == []
