"""``implicit`` for losses of other kinds than squared errors: against differences of retrained solutions, a closed
form, and the library's own lasso."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import solvers
from jaxreg.formulas import soft_threshold
from jaxreg.formulas.multi_task import prox_rows
from jaxreg.training import stationary

N, P = 40, 6
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, P))
SIGNAL = X @ [1.0, -1, 0.5, 0, 0, 0]
TARGETS = {
    "logistic": (RNG.uniform(size=N) < 1 / (1 + np.exp(-SIGNAL))).astype(float),
    "poisson": RNG.poisson(np.exp(0.5 * SIGNAL)).astype(float),
    "huber": SIGNAL + RNG.standard_t(2, N),
}


def huber(r):
    return jnp.where(jnp.abs(r) < 1.0, 0.5 * r**2, jnp.abs(r) - 0.5)


LOSSES = {
    "logistic": lambda w, y, lam: jnp.mean(jnp.logaddexp(0.0, X @ w) - y * (X @ w)),
    "poisson": lambda w, y, lam: jnp.mean(jnp.exp(X @ w) - y * (X @ w)),
    "huber": lambda w, y, lam: jnp.mean(huber(y - X @ w)),
}


def elastic_net(w, step, y, lam):
    return soft_threshold(w, 0.7 * lam * step) / (1 + 0.3 * lam * step)


def groups_of_two(w, step, y, lam):
    """The norm of each pair of coefficients."""
    return prox_rows(w.reshape(-1, 2), lam * step * np.sqrt(2), 0.0).reshape(-1)


PENALTIES = {"elastic net": elastic_net, "group": groups_of_two}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def solved(kind, prox, y, lam):
    """By FISTA, to the last digits."""
    proximal = lambda w, step: prox(w, step, y, lam)
    found = jaxreg.train(
        LOSSES[kind], jnp.zeros(P), y, lam, optimizer=jaxreg.fista(0.2, proximal), steps=4000, record_every=4000
    )
    return found.params


QUICK = [("logistic", "group"), ("poisson", "elastic net"), ("huber", "elastic net")]
SLOW = [(kind, penalty) for kind in LOSSES for penalty in PENALTIES if (kind, penalty) not in QUICK]


@pytest.mark.parametrize(("kind", "penalty"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)])
def test_first_and_second_derivatives_of_other_losses(kind, penalty):
    prox, y, lam = PENALTIES[penalty], jnp.asarray(TARGETS[kind]), 0.05
    w = solved(kind, prox, y, lam)
    optimality = stationary(LOSSES[kind], prox, 0.2)
    found = jaxreg.implicit(w, optimality, y, lam)
    assert float(found.residual) < 1e-12
    assert bool(found.converged)
    np.testing.assert_array_equal(found.params, w)
    of = lambda lam: jaxreg.implicit(w, optimality, y, lam).params
    h = 1e-5
    up, down = (solved(kind, prox, y, lam + k * h) for k in (1, -1))
    first = jax.jit(jax.jacfwd(of))(lam)
    np.testing.assert_allclose(first, (up - down) / (2 * h), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacrev(of))(lam), first, rtol=1e-9, atol=1e-12)
    direction = jnp.asarray(RNG.standard_normal(N))
    by_y = jax.jvp(lambda y: jaxreg.implicit(w, optimality, y, lam).params, (y,), (direction,))[1]
    up, down = (solved(kind, prox, y + k * h * direction, lam) for k in (1, -1))
    np.testing.assert_allclose(by_y, (up - down) / (2 * h), rtol=1e-5, atol=1e-7)
    slope = lambda w, lam: jax.jacfwd(lambda lam: jaxreg.implicit(w, optimality, y, lam).params)(lam)
    up, down = (slope(solved(kind, prox, y, lam + k * h), lam + k * h) for k in (1, -1))
    second = jax.jit(jax.hessian(of))(lam)
    np.testing.assert_allclose(second, (up - down) / (2 * h), rtol=1e-5, atol=1e-6)


def test_the_librarys_own_lasso():
    """Squared errors, by another way: the derivative of solvers.fit."""
    loss = lambda w, y, lam: 0.5 * jnp.mean((y - X @ w) ** 2)
    prox = lambda w, step, y, lam: soft_threshold(w, lam * step)
    y = jnp.asarray(SIGNAL)
    fit = lambda y, lam: solvers.fit(X, y, lam, fit_intercept=False, standardize=False, tol=1e-14).params.coef
    at = lambda y, lam: jaxreg.implicit(fit(y, lam), stationary(loss, prox), y, lam).params
    for k in range(2):
        own, other = (jax.jit(jax.jacrev(f, argnums=k))(y, 0.1) for f in (at, fit))
        np.testing.assert_allclose(own, other, atol=1e-10)


def test_a_tree_and_a_training_and_what_is_no_solution():
    loss = lambda tree, y: jnp.mean((tree["a"] + tree["b"] * X[:, 0] - y) ** 2)
    y = jnp.asarray(SIGNAL)
    start = {"a": jnp.zeros(()), "b": jnp.zeros(())}
    trained = jaxreg.train(loss, start, y, optimizer=jaxreg.ista(0.3, lambda w, step: w), steps=300)
    found = jax.jit(lambda y: jaxreg.implicit(trained.params, stationary(loss), y).params["b"])
    A = np.column_stack([np.ones(N), X[:, 0]])
    np.testing.assert_allclose(jax.grad(found)(y), np.linalg.pinv(A)[1], atol=1e-12)
    assert bool(jaxreg.implicit(trained, stationary(loss), y).converged)
    assert not bool(jaxreg.implicit(start, stationary(loss), y).converged)


@pytest.mark.parametrize(
    ("optimality", "message"),
    [(lambda w, y: (w, w), "must be like the params"), (lambda w, y: w[:2], "2 numbers for 3 params")],
)
def test_an_optimality_of_another_form_is_named(optimality, message):
    with pytest.raises(ValueError, match=message):
        jaxreg.implicit(jnp.zeros(3), optimality, 1.0)


def test_too_many_parameters_are_refused():
    with pytest.raises(ValueError, match="5,000 numbers"):
        jaxreg.implicit(jnp.zeros(5000), lambda w, y: w, 1.0)
