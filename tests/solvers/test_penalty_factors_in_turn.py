"""Penalty factors on the fast engines ("active set"): the same answers and derivatives as FISTA's, and for factors of
0 and ∞, which those do not take, too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers, sweeps


@pytest.mark.parametrize("shape", [(40, 6), (12, 30)])
@pytest.mark.parametrize("factors", ["positive", "some 0 and infinite"])
def test_as_the_other_engine(shape, factors):
    n, p = shape
    rng = np.random.default_rng(0)
    X, y, v = rng.standard_normal((n, p)), rng.standard_normal(n), rng.uniform(0.5, 2, p)
    y = y + 2 * X[:, 0]
    if factors != "positive":
        v[1], v[2] = 0.0, np.inf
    held, s = jnp.arange(n)[None, :] % 3 == jnp.arange(3)[:, None], rng.uniform(0.5, 2, n)

    def summary(lam, v, s, strategy):
        options = {"penalty_factor": v, "sample_weight": s, "strategy": strategy}
        solution = solvers.fit(X, y, lam, **options)
        error = sweeps.cross_validate(X, y, held, jnp.stack([lam, 2 * lam]), **options).mean_mse
        return (solution.params.coef**2).sum() + solution.params.intercept + error.sum()

    moves = (0, 1, 2) if factors == "positive" else (0, 2)
    program = jax.jit(jax.value_and_grad(summary, argnums=moves), static_argnames="strategy")
    (one, of_one), (other, of_other) = (program(0.1, v, s, strategy=name) for name in ("active set", "parallel"))
    np.testing.assert_allclose(one, other, rtol=1e-8)  # gaps of 1e-10
    for a, b in zip(of_one, of_other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
