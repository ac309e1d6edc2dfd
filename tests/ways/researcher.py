#!/usr/bin/env python
"""A researcher in a notebook: a loss of one's own, its gradient checked, a grid cross-validated, results looked at."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg

data = jaxreg.datasets.diabetes()
X, y = (data.X - data.X.mean(0)) / data.X.std(0), data.y - data.y.mean()


def huber(w, X, y, lam):
    """A loss that no program here has by name."""
    r = jnp.abs(y - X @ w)
    return jnp.mean(jnp.where(r <= 50, 0.5 * r**2, 50 * (r - 25))) + 0.5 * lam * jnp.sum(w**2)


def gradient(w, X, y, lam):
    return -X.T @ jnp.clip(y - X @ w, -50, 50) / len(y) + lam * w


report = jaxreg.check_gradient(huber, gradient, jnp.ones(10), X, y, 0.1)
print(report)
assert report
wrong = jaxreg.check_gradient(huber, lambda w, X, y, lam: gradient(w, X, y, lam) + lam * w, jnp.ones(10), X, y, 0.1)
print(wrong)
assert not wrong
assert "lam" in str(wrong)

absolute_error = lambda w, X, y: jnp.mean(jnp.abs(y - X @ w))
chosen = jaxreg.train_grid(
    huber,
    np.zeros(10),  # NumPy's float64 as it is
    {"lam": np.geomspace(1e-3, 10, 20)},
    X,
    y,
    steps=400,
    optimizer=optax.sgd(0.15),
    folds=5,
    measure=absolute_error,
)
print(chosen)
assert len(repr(chosen).splitlines()) <= 12
assert chosen.fold_error.shape == (20, 5)
assert "<table" in chosen._repr_html_()

sweep = jaxreg.sweep(data.X, data.y, l1_ratio=[0.5, 1.0], lams=30, folds=5)
print(sweep)
assert len(repr(sweep).splitlines()) <= 12
assert sweep.converged
with jax.enable_x64(True):  # the pure twin, under the user's own transformations
    slope = jax.grad(lambda lam: jnp.sum(jaxreg.solvers.fit(data.X, data.y, lam=lam).params.coef ** 2))(1.0)
    up, down = (np.sum(jaxreg.fit(data.X, data.y, lam=1.0 + h).coef ** 2) for h in (1e-5, -1e-5))
np.testing.assert_allclose(slope, (up - down) / 2e-5, rtol=1e-4)
assert not jax.config.jax_enable_x64
