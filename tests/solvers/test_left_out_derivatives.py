"""Derivatives of leave-one-out errors against fits in NumPy that really leave rows out, by complex steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import solvers

TINY = 1e-30


def by_leaving_out(lam, X, y, s, standardize):
    """(mse, gcv, df) with an intercept; analytic in all arguments."""
    n, p = X.shape
    share = s / s.sum()
    sigma = np.sqrt(share @ (X - share @ X) ** 2) if standardize else np.ones(p)
    tau = np.sqrt(share @ (y - share @ y) ** 2) if standardize else 1.0
    C, D = np.column_stack([np.ones(n), X]), np.append(0, sigma**2 / tau)
    solve = lambda weight, B: np.linalg.solve((C.T * weight) @ C + lam * np.diag(D), (C.T * weight) @ B)
    error = np.array([y[i] - C[i] @ solve(np.where(np.arange(n) == i, 0, share), y) for i in range(n)])
    H, rows = C @ solve(share, np.eye(n)), (s.real > 0).sum()
    trace = np.trace(H)
    return np.array([share @ error**2, share @ (y - H @ y) ** 2 / (1 - trace / rows) ** 2, trace - 1])


def one_hot(n):
    return np.eye(4)[np.arange(n) % 4]


def orthogonal(n):
    return np.linalg.qr(np.random.default_rng(0).standard_normal((n, 4)) - 0.1)[0]


def wide(n):
    return np.eye(n)[:, : n + 3] @ np.eye(n, n + 3) + 0.5


@pytest.mark.parametrize("weighted", [False, True], ids=["", "a weight of 0"])
@pytest.mark.parametrize("design", [one_hot, orthogonal, wide], ids=lambda f: f.__name__)
def test_where_singular_values_repeat_and_a_weight_is_0(design, weighted):
    n, standardize = 12, design is not wide
    X, rng = design(n), np.random.default_rng(1)
    y, s = X[:, 0] + rng.standard_normal(n), np.ones(n)
    if weighted:
        s[5] = 0
    at = (0.3, X, y, s)

    def f(lam, X, y, s):
        found = solvers.ridge_leave_one_out(X, y, lam[None], sample_weight=s, standardize=standardize)
        return jnp.stack([found.mse[0], found.gcv[0], found.df[0]])

    points = tuple(jnp.asarray(a) for a in at)
    value, reverse, forward = jax.jit(lambda *a: (f(*a), jax.jacrev(f, argnums=(0, 1, 2, 3))(*a), jax.jacfwd(f)(*a)))(
        *points
    )
    np.testing.assert_allclose(value, by_leaving_out(*at, standardize), rtol=1e-10)
    for i in range(4):
        direction = rng.standard_normal(np.shape(at[i]))
        moved = [a + (TINY * 1j * direction if j == i else 0) for j, a in enumerate(at)]
        expected = by_leaving_out(*moved, standardize).imag / TINY
        found = np.sum(np.asarray(reverse[i]) * direction, axis=tuple(range(1, 1 + np.ndim(direction))))
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
        if i == 0:
            np.testing.assert_allclose(forward * direction, expected, rtol=1e-8, atol=1e-10)
