"""The proximal operators against a search for the minimum, their optimality conditions and the Moreau identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxreg import formulas
from jaxreg.formulas import prox_elastic_net, soft_threshold

INF = np.inf
Z = np.array([-3.0, -1.2, -0.5, -0.1, 0.0, 0.05, 0.5, 0.9, 2.5])
# step_size, l1, l2, lower, upper
PENALTIES = {
    "lasso": (0.5, 1.0, 0.0, -INF, INF),
    "ridge": (0.7, 0.0, 2.0, -INF, INF),
    "elastic net": (0.5, 0.4, 3.0, -INF, INF),
    "no penalty": (2.0, 0.0, 0.0, -INF, INF),
    "nonnegative": (0.5, 0.4, 0.0, 0.0, INF),
    "nonpositive": (0.5, 0.4, 1.0, -INF, 0.0),
    "box": (0.3, 0.4, 1.0, -0.7, 0.2),
    "fixed at zero": (0.3, 0.4, 1.0, 0.0, 0.0),
}
EVERY = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)


def prox_objective(u, z, tau, l1, l2):
    return 0.5 * (u - z) ** 2 + tau * (l1 * abs(u) + 0.5 * l2 * u**2)


def check_minimiser(penalty):
    tau, l1, l2, lower, upper = penalty
    found = np.asarray(formulas.prox_elastic_net(Z, *penalty))
    assert np.all((found >= lower) & (found <= upper))
    for z, u in zip(Z, found, strict=True):
        bounds = max(lower, -5.0), min(upper, 5.0)
        if bounds[0] < bounds[1]:
            search = minimize_scalar(
                prox_objective, bounds=bounds, args=(z, tau, l1, l2), method="bounded", options={"xatol": 1e-10}
            )
            assert prox_objective(u, z, tau, l1, l2) <= search.fun + 1e-15
            np.testing.assert_allclose(u, search.x, atol=1e-6)


@EVERY
def test_prox_is_the_minimiser_that_a_search_finds(penalty):
    check_minimiser(penalty)


@EVERY
def test_prox_satisfies_its_optimality_condition(penalty):
    # 0 ∈ u − z + τ (l1 ∂|u| + l2 u) + normal cone of [lower, upper] at u
    tau, l1, l2, lower, upper = penalty
    u = np.asarray(prox_elastic_net(Z, *penalty))
    slope = u - Z + tau * l2 * u
    right, left = slope + tau * l1 * np.where(u >= 0, 1, -1), slope + tau * l1 * np.where(u > 0, 1, -1)
    assert np.all((right >= -1e-15) | (u == upper))
    assert np.all((left <= 1e-15) | (u == lower))


def test_soft_threshold_is_the_prox_of_the_absolute_value():
    for threshold in (0.0, 0.5, 4.0):
        expected = [
            minimize_scalar(prox_objective, bounds=(-5, 5), args=(z, threshold, 1.0, 0.0), method="bounded").x
            for z in Z
        ]
        np.testing.assert_allclose(soft_threshold(Z, threshold), expected, atol=1e-4)
        # Moreau's decomposition: z = S(z, τ) + projection of z on [−τ, τ].
        np.testing.assert_allclose(soft_threshold(Z, threshold) + np.clip(Z, -threshold, threshold), Z, atol=1e-15)


def test_kinks():
    kinks = jnp.array([-1.5, 0.0, 1.5])
    np.testing.assert_array_equal(soft_threshold(kinks, 1.5), [0, 0, 0])
    np.testing.assert_array_equal(prox_elastic_net(kinks, 0.5, 3.0, 2.0), [0, 0, 0])
    for derivative in (jax.jacrev, jax.jacfwd):
        np.testing.assert_array_equal(derivative(soft_threshold)(kinks, 1.5), np.zeros((3, 3)))
    inside = jnp.nextafter(kinks, jnp.array([-INF, 0.0, INF]))
    np.testing.assert_array_equal(jnp.sign(soft_threshold(inside, 1.5)), [-1, 0, 1])


@EVERY
def test_gradient_of_the_moreau_envelope(penalty, central_differences):
    # M(z) = min_u ½ (u − z)² + τ ψ(u)  has the derivative  z − prox(z).
    def envelope(z):
        return jnp.sum(prox_objective(prox_elastic_net(z, *penalty), z, *penalty[:3]))

    residual = Z - prox_elastic_net(Z, *penalty)
    np.testing.assert_allclose(jax.grad(envelope)(jnp.array(Z)), residual, atol=1e-14)
    # Where a kink of the prox lies within the step h = 1e-5 of the difference, that is off by up to h.
    np.testing.assert_allclose(central_differences(envelope, Z), residual, atol=1e-5)


@EVERY
def test_prox_is_firmly_nonexpansive(penalty, rng):
    # (prox a − prox b)² ≤ (prox a − prox b)(a − b)
    a, b = rng.normal(size=(2, 500))
    moved = np.asarray(prox_elastic_net(a, *penalty) - prox_elastic_net(b, *penalty))
    assert np.all(moved**2 <= moved * (a - b) + 1e-15)


@EVERY
def test_vmap_is_a_loop(penalty):
    batched = jax.vmap(lambda z: prox_elastic_net(z, *penalty))(jnp.array(Z))
    np.testing.assert_allclose(batched, [prox_elastic_net(z, *penalty) for z in Z], rtol=1e-15)
    np.testing.assert_array_equal(batched, prox_elastic_net(Z, *penalty))


def test_arguments_may_differ_by_element():
    columns = [np.array(column) for column in zip(*PENALTIES.values(), strict=True)]
    z = np.full(len(PENALTIES), 2.0)
    each = [prox_elastic_net(2.0, *penalty) for penalty in PENALTIES.values()]
    np.testing.assert_array_equal(prox_elastic_net(z, *columns), each)


def test_infinite_and_missing_values():
    np.testing.assert_array_equal(soft_threshold(np.array([-INF, INF]), 1.0), [-INF, INF])
    np.testing.assert_array_equal(soft_threshold(Z, INF), np.zeros(len(Z)))
    np.testing.assert_array_equal(prox_elastic_net(np.array([-INF, INF]), 1.0, 1.0, 0.0, -2.0, 3.0), [-2, 3])


def test_nan_stays_nan():
    assert np.isnan(soft_threshold(np.nan, 1.0))
    assert np.isnan(prox_elastic_net(np.nan, 1.0, 1.0, 1.0, -1.0, 1.0))


@pytest.mark.parametrize("name", ["soft_threshold", "prox_elastic_net"])
def test_no_term_can_change_by_one_percent(name, unnoticed):
    assert unnoticed(getattr(formulas, name), lambda: check_minimiser(PENALTIES["elastic net"])) == []
