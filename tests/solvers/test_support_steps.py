"""Steps on the support from the rows, where a Gram matrix has lost the digits; judged in extended precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg.formulas.objective import Params
from jaxreg.solvers.reduced import prepare
from jaxreg.solvers.support_steps import support_from_rows
from tests import longdouble

INF = np.inf


def spectra(n=60, p=24, seed=0):
    """Smooth curves of few components and little else: the condition is above 1e6, its square beyond float64."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, p)
    shapes = np.exp(-(((t - np.linspace(0.1, 0.9, 6)[:, None]) / 0.25) ** 2))
    amounts = rng.normal(size=(n, 6)).cumsum(axis=1)
    X = 3 + amounts @ shapes + 1e-5 * rng.normal(size=(n, p)).cumsum(axis=1)
    return X, 2 * amounts[:, 2] - amounts[:, 5] + 0.3 * rng.normal(size=n)


def true_gap(X, y, coef, intercept, lam, rho, scale, y_scale, lower=-INF, upper=INF, weight=None):
    p = X.shape[1]
    return longdouble.gap(
        X, y, coef, intercept, lam, rho, weight=np.ones(len(y)) if weight is None else weight, factor=np.ones(p),
        sigma=scale, tau=y_scale, lower=np.full(p, lower), upper=np.full(p, upper), intercept=True,
    )  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("rho", "lower"), [(1.0, -INF), (1.0, 0.0), (0.5, -INF)], ids=["lasso", "signs", "elastic net"]
)
def test_it_ends_at_the_minimum_from_a_guess_far_away(rho, lower, weighted):
    X, y = spectra()
    assert np.linalg.cond(X - X.mean(axis=0)) > 1e6
    weight = np.arange(60) % 3 + 1.0 if weighted else None
    lams = np.array([[0.3], [0.003], [3e-5]])
    guess = Params(jnp.zeros((3, 1)), jnp.zeros((3, 24, 1)))
    bounds = np.full(24, lower), np.full(24, INF)

    @jax.jit
    def solve(X, y, lams):
        data = prepare(X, y, True, True, weight, None, *bounds)
        return support_from_rows(data, guess, lams, jnp.float64(rho), 500), data.scale, data.tau

    found, scale, tau = solve(X, y, lams)
    for l, lam in enumerate(lams[:, 0]):
        of = found.coef[l, :, 0], found.intercept[l, 0], lam, rho, scale, tau[0]
        assert (
            true_gap(X, y, *(np.asarray(v) for v in of), lower=lower, weight=weight) <= 1e-11
        )  # what c r leaves of it at this condition


def test_no_steps_leave_the_guess(rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    data = prepare(X, y, True, True, None, None, None, None)
    guess = Params(jnp.zeros((1, 1)), jnp.asarray(rng.normal(size=(1, 3, 1))))
    found = support_from_rows(data, guess, jnp.ones((1, 1)), jnp.float64(1.0), 0)
    np.testing.assert_allclose(found.coef, guess.coef, rtol=1e-14)


@pytest.mark.parametrize("family", ["spectra", "powers", "copies to 1e-6", "copies to 1e-9"])
def test_paths_that_moments_do_not_carry_are_certified(family, rng):
    if family == "spectra":
        X, y = spectra(n=70, p=40, seed=1)
    elif family == "powers":
        x = np.linspace(0, 1, 200)
        X, y = np.vander(x, 13, increasing=True)[:, 1:], np.sin(9 * x) + 0.1 * rng.normal(size=200)
    else:
        Z = rng.normal(size=(100, 15))
        X, y = np.hstack([Z, Z + float(family[10:]) * rng.normal(size=Z.shape)]), Z[:, :5].sum(axis=1)
        y = y + rng.normal(size=100)
    with jax.enable_x64(False):
        found = jaxreg.path(X, y, 60, eps=1e-7)
    assert found.converged.all()
    np.testing.assert_array_equal(found.df, found.n_nonzero)
    for l in range(0, 60, 6):
        of = found.coef[l], found.intercept[l], found.lams[l], 1.0, found.scale, found.y_scale
        assert true_gap(X, y, *of) <= 1e-10


def test_degrees_of_freedom_are_those_of_what_is_returned():
    """An elastic net whose moments have lost the digits: tr Z_I (Z_IᵀZ_I + λ2)⁻¹ Z_Iᵀ by singular values."""
    X, y = spectra(n=70, p=40, seed=1)
    with jax.enable_x64(False):
        found = jaxreg.path(X, y, 30, 0.9, eps=1e-7)
    assert found.converged.all()
    Z = (X - X.mean(axis=0)) / found.scale / np.sqrt(len(y))
    for l in range(30):
        squares = np.linalg.svd(Z[:, found.coef[l] != 0], compute_uv=False) ** 2
        expected = np.sum(squares / (squares + 0.1 * found.lams[l] / found.y_scale))
        np.testing.assert_allclose(found.df[l], expected, rtol=1e-3, atol=1e-9)
