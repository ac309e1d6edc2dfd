"""No correct formula is accused: 1,000 seeds each, every one with parameters and data of its own."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.checks import check_gradient
from jaxreg.checks.compare import Measured, allowed, disagreement, moved
from jaxreg.checks.gradients import gradient_subject
from jaxreg.formulas import Params, gradient, objective
from jaxreg.formulas import sources as s

SEEDS, N, P, T = 1000, 12, 4, 2
EPS = float(np.finfo(float).eps)


def sigmoid(z):
    return jax.nn.sigmoid(z)


def logistic(w, X, y, lam):
    z = X @ w
    return jnp.mean(jax.nn.softplus(z) - y * z) + lam / 2 * jnp.sum(w**2)


def poisson(w, X, y, lam):
    z = X @ w
    return jnp.mean(jnp.exp(z) - y * z) + lam / 2 * jnp.sum(w**2)


def huber(w, X, y, delta):
    r = X @ w - y
    return jnp.mean(jnp.where(jnp.abs(r) <= delta, r**2 / 2, delta * (jnp.abs(r) - delta / 2)))


def hinge(w, X, y, lam):
    return jnp.mean(jnp.maximum(0.0, 1 - y * (X @ w))) + lam * jnp.sum(w**2)


def group_lasso(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) / 2 + lam * (jnp.sqrt(jnp.sum(w[:2] ** 2)) + jnp.sqrt(jnp.sum(w[2:] ** 2)))


def group_gradient(w, X, y, lam):
    unit = lambda v: jnp.where(jnp.all(v == 0), 0.0, v / jnp.sqrt(jnp.sum(v**2)))
    return X.T @ (X @ w - y) / len(y) + lam * jnp.concatenate([unit(w[:2]), unit(w[2:])])


def many_targets(W, X, Y, lam):
    return jnp.mean(jnp.sum((X @ W - Y) ** 2, axis=1)) / 2 + lam / 2 * jnp.sum(W**2)


def network(w, X, y, lam):
    return jnp.mean((jnp.tanh(X @ w) - y) ** 2) / 2


def network_gradient(w, X, y, lam):
    a = jnp.tanh(X @ w)
    return X.T @ ((a - y) * (1 - a**2)) / len(y)


def rayleigh(w, X, y, lam):
    return (w @ (X.T @ X) @ w) / (w @ w)


def rayleigh_gradient(w, X, y, lam):
    A = X.T @ X
    return 2 * (A @ w) / (w @ w) - 2 * (w @ A @ w) * w / (w @ w) ** 2


def package(params, X, y, lam, rho, weight, factor, scale):
    return objective(params, X, y, lam, rho, sample_weight=weight, penalty_factor=factor, scale=scale)


def package_gradient(params, X, y, lam, rho, weight, factor, scale):
    return gradient(params, X, y, lam, rho, sample_weight=weight, penalty_factor=factor, scale=scale)


def mse_loss(theta, X, y, lam):
    return s.a_mse_loss(theta, X, y)


def mse_gradient(theta, X, y, lam):
    return s.a_mse_gradient(theta, X, y)


def regression(key):
    w, X, y, lam = (jax.random.fold_in(key, k) for k in range(4))
    size = 10.0 ** jax.random.uniform(lam, (), minval=-2, maxval=1)
    X = jax.random.normal(X, (N, P)).at[:, 0].set(1.0)
    return size * jax.random.normal(w, (P,)), (
        X,
        jax.random.normal(y, (N,)),
        10.0 ** jax.random.uniform(lam, (), minval=-3),
    )


def classes(key):
    w, (X, y, lam) = regression(key)
    return w, (X, jnp.sign(y), lam)


def counts(key):
    w, (X, y, lam) = regression(key)
    return w / 4, (X, jnp.floor(jnp.exp(y)), lam)


def targets(key):
    _, (X, _, lam) = regression(key)
    return jax.random.normal(key, (P, T)), (X, jax.random.normal(jax.random.fold_in(key, 9), (N, T)), lam)


def weighted(key):
    w, (X, y, lam) = regression(key)
    rho, weight, factor, scale = (jax.random.uniform(jax.random.fold_in(key, 5 + k), shape) for k, shape in
                                  enumerate([(), (N,), (P,), (P,)]))  # fmt: skip
    return Params(w[0], w), (X, y, lam, rho, weight, factor.at[0].set(0.0), scale + 0.1)


RIGHT = {
    "the package": (package, package_gradient, weighted),
    "A-mse": (mse_loss, mse_gradient, regression),
    "A-ridge corrected": (s.a_ridge_loss, s.a_ridge_gradient_corrected, regression),
    "A-ridge implied": (s.a_ridge_implied_loss, s.a_ridge_gradient_printed, regression),
    "A-lasso corrected": (s.a_lasso_loss, s.a_lasso_gradient_corrected, regression),
    "A-lasso implied": (s.a_lasso_implied_loss, s.a_lasso_gradient_printed, regression),
    "B-ridge": (s.b_ridge_loss, s.b_ridge_gradient, regression),
    "C-ridge": (s.c_ridge_loss, s.c_ridge_gradient, regression),
    "E-ridge": (s.e_ridge_implied_loss, s.e_ridge_gradient, regression),
    "logistic": (logistic, lambda w, X, y, lam: X.T @ (sigmoid(X @ w) - y) / len(y) + lam * w, classes),
    "Poisson": (poisson, lambda w, X, y, lam: X.T @ (jnp.exp(X @ w) - y) / len(y) + lam * w, counts),
    "Huber": (huber, lambda w, X, y, d: X.T @ jnp.clip(X @ w - y, -d, d) / len(y), regression),
    "hinge": (hinge, lambda w, X, y, lam: -X.T @ (y * (y * (X @ w) < 1)) / len(y) + 2 * lam * w, classes),
    "group lasso": (group_lasso, group_gradient, regression),
    "many targets": (many_targets, lambda W, X, Y, lam: X.T @ (X @ W - Y) / len(Y) + lam * W, targets),
    "network": (network, network_gradient, regression),
    "Rayleigh quotient": (rayleigh, rayleigh_gradient, regression),
}


def accused(loss, formula, draw):
    """How many of the seeds are accused, by the rule by which the check decides."""
    keys = jax.random.split(jax.random.key(0), SEEDS)
    params, args = jax.vmap(draw)(keys)
    first = jax.tree.map(lambda a: a[0], (params, args))
    subject = gradient_subject(loss, formula, first[0], first[1])
    points = np.asarray(jax.vmap(lambda p: jax.flatten_util.ravel_pytree(p)[0])(params))
    arrays = list(args)
    both = jax.jit(jax.vmap(lambda x, a: (subject.claimed(x, a), subject.truth(x, a))))
    rng = np.random.default_rng(0)
    claimed, truth = map(np.asarray, both(points, arrays))
    other_claim, other_truth = map(np.asarray, both(*moved(points, arrays, rng, EPS)))
    noise = np.maximum(np.abs(other_claim - claimed), np.abs(other_truth - truth))
    measured = Measured(points, claimed, truth, allowed(truth, noise, subject.leaves, EPS))
    assert np.isfinite(truth).all()
    return int(disagreement(measured).any(axis=1).sum())


@pytest.mark.slow
def test_no_right_formula_is_accused_over_a_thousand_seeds(x64):
    start = time.perf_counter()
    assert {name: accused(*row) for name, row in RIGHT.items()} == dict.fromkeys(RIGHT, 0)
    assert time.perf_counter() - start < 300


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if k % 4 == 0 else pytest.mark.slow) for k, n in enumerate(RIGHT)]
)
def test_the_whole_check_agrees_at_a_thousand_points(name, x64):
    """With kinks, central differences and all."""
    loss, formula, draw = RIGHT[name]
    params, args = draw(jax.random.key(1))
    report = check_gradient(loss, formula, params, *args, points=SEEDS)
    assert report, report
    assert report.points > 900


def test_a_slip_in_the_tenth_digit_is_accused(x64):
    """So that "none accused" is not won by looking away."""
    loss, formula, draw = RIGHT["logistic"]
    slipped = lambda *args: formula(*args) * (1 + 1e-9 * jnp.eye(P)[1])
    assert accused(loss, slipped, draw) > SEEDS // 2
