"""Derivatives in twenty random directions of all arguments at once against differences of tightly solved problems, and
JAX's own checks in both modes; none of the problems within 1e-6 of a kink."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxreg import solvers, sweeps

H = 1e-6


def problem(n, p):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((n, p))
    y = X[:, :3] @ [2.0, -1.0, 1.0] + 0.5 * rng.standard_normal(n)
    return (0.15, 0.6, X, y, rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, p))


def tight(lam, rho, X, y, s, v):
    """All coefficients, from a solution whose gap is rounding."""
    how = {"sample_weight": s, "penalty_factor": v, "strategy": "active set", "tol": 1e-16}
    params = solvers.fit(X, y, lam, rho, **how).params
    return jnp.concatenate([params.coef, params.intercept[None]])


@pytest.mark.parametrize(("n", "p"), [(30, 6), (12, 30)])
def test_twenty_directions(n, p):
    at = problem(n, p)
    kink = solvers.kink_distance(*at[2:4], *at[:2], sample_weight=at[4], penalty_factor=at[5])
    assert min(float(kink.above) - at[0], at[0] - float(kink.below)) > 1e-4
    assert float(kink.slack) > 1e-4
    value = jax.jit(tight)
    forward = jax.jit(lambda at, d: jax.jvp(tight, at, d)[1])
    reverse = jax.jit(lambda at, c: jax.vjp(tight, *at)[1](c))
    rng = np.random.default_rng(0)
    for _ in range(20):
        direction = tuple(0.3 * rng.standard_normal(np.shape(a)) for a in at)
        up, down = (value(*(a + k * H * d for a, d in zip(at, direction, strict=True))) for k in (1, -1))
        tangent = forward(at, direction)
        # h² truncation and ε/h rounding of the solutions.
        np.testing.assert_allclose(tangent, (up - down) / (2 * H), rtol=1e-6, atol=1e-7)
        cotangent = rng.standard_normal(p + 1)
        back = reverse(at, cotangent)
        there = sum(np.sum(np.asarray(b) * d) for b, d in zip(back, direction, strict=True))
        np.testing.assert_allclose(there, cotangent @ np.asarray(tangent), rtol=1e-9)


def doors():
    _, rho, X, y, s, _ = problem(24, 4)
    held = np.arange(24)[None, :] % 3 == np.arange(3)[:, None]
    lams = jnp.array([0.2, 0.1])
    return {
        "fit": lambda lam, y: solvers.fit(X, y, lam, rho, sample_weight=s, tol=1e-15).params.coef,
        "ridge": lambda lam, y: solvers.fit(X, y, lam, 0.0, sample_weight=s).params.coef,
        "path": lambda lam, y: solvers.path(X, y, lam * lams, rho, tol=1e-15).coef,
        "degrees": lambda lam, y: solvers.path(X, y, lam * lams, rho, tol=1e-15).df,
        "cross_validate": lambda lam, y: sweeps.cross_validate(X, y, held, lam * lams, [rho], tol=1e-15).mean_mse,
        "fold_errors": lambda lam, y: sweeps.fold_errors(X, y, held[0], lam * lams, rho, tol=1e-15)[0],
        "ridge_leave_one_out": lambda lam, y: solvers.ridge_leave_one_out(X, y, lam * lams).mse,
    }, (jnp.asarray(0.8), jnp.asarray(y))


NAMES = ("fit", "ridge", "path", "degrees", "cross_validate", "fold_errors", "ridge_leave_one_out")


@pytest.mark.parametrize("name", NAMES)
def test_jaxs_checks_in_both_modes(name):
    every, at = doors()
    check_grads(jax.jit(every[name]), at, order=1, modes=("fwd", "rev"), eps=1e-5, rtol=1e-5, atol=1e-6)


def test_jacobians_and_hessians_agree_and_compile_once():
    lam, rho, X, y, _, v = problem(24, 4)
    traced = []

    def error(lam, v):
        traced.append(1)
        return jnp.sum(jnp.sin(solvers.fit(X, y, lam, rho, penalty_factor=v, strategy="active set").params.coef))

    hessian = jax.jit(jax.hessian(error, argnums=1))
    one = hessian(lam, v)
    count = len(traced)
    hessian(1.1 * lam, 1.1 * v)
    assert len(traced) == count
    other = jax.jit(jax.jacfwd(jax.jacfwd(error, argnums=1), argnums=1))(lam, v)
    last = jax.jit(jax.jacrev(jax.jacrev(error, argnums=1), argnums=1))(lam, v)
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one, last, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one, one.T, rtol=1e-8, atol=1e-10)
    slope, h = jax.jit(jax.grad(error, argnums=1)), 1e-5
    for k, e in enumerate(np.eye(4)):
        np.testing.assert_allclose(
            one[k], (slope(lam, v + h * e) - slope(lam, v - h * e)) / (2 * h), rtol=1e-6, atol=1e-8
        )
    mapped = jax.jit(jax.vmap(jax.grad(error), (0, None)))(jnp.array([0.1, 0.2, 5.0]), v)
    each = [jax.jit(jax.grad(error))(lam, v) for lam in (0.1, 0.2, 5.0)]
    np.testing.assert_allclose(mapped, each, rtol=1e-9)
    assert each[-1] == 0  # an empty support


def test_mixed_second_derivatives_by_lam_and_data():
    """By λ alone no row is read; its derivative by X and the weights reads them nevertheless."""
    lam, rho, X, y, s, _ = problem(24, 4)
    by_lam = jax.grad(
        lambda lam, X, s: jnp.sum(solvers.fit(X, y, lam, rho, sample_weight=s, tol=1e-15).params.coef ** 2)
    )
    rng = np.random.default_rng(0)
    for place, d in ((1, rng.standard_normal(X.shape)), (2, rng.uniform(size=len(s)))):
        at, h = [lam, jnp.asarray(X), jnp.asarray(s)], 1e-5
        mixed = jax.jit(jax.grad(by_lam, argnums=place))(*at)
        moved = [[*at[:place], at[place] + k * h * d, *at[place + 1 :]] for k in (1, -1)]
        up, down = (jax.jit(by_lam)(*arguments) for arguments in moved)
        np.testing.assert_allclose(jnp.sum(mixed * d), (up - down) / (2 * h), rtol=1e-6)
