"""Derivatives of ridge's leave-one-out errors, by solves: those of eigenvectors are infinite where eigenvalues repeat.

With X and y centred, `S = diag(s/Σs)`, λ in units of y and `D = diag(v σ²)`, the formulas of
:mod:`~jaxreg.solvers.leave_one_out` are, with nothing but s itself of the weights (`√s` has no derivative at 0),

    M = XᵀSX + λD,     h_i = s_i/Σs (1 + x_iᵀ M⁻¹ x_i),     y_i − ŷ_i = y_i − x_iᵀ M⁻¹ XᵀS y

and for `p ≥ n`, with `K = X D⁻¹ Xᵀ S`, whose eigenvectors of eigenvalue 0 are 1 (right) and s (left) if X is centred,
and `κ 1sᵀ/Σs` added so that small λ lose no digits:

    G = (K + κ 1sᵀ/Σs + λI)⁻¹,     (1 − h_i)/λ = G_ii − s_i/Σs / (κ + λ),     (y − ŷ)/λ = G y.

They have all derivatives of the errors, which do not depend on how they are computed. (Without an intercept nothing is
centred, and the terms 1 and `s/Σs` are not there.)
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from jaxreg.formulas.arrays import broadcast_columns
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import centred, shares
from jaxreg.precision import full_precision
from jaxreg.solvers.reduction import Data, column_norm

__all__ = ["differentiated", "left_out_by_solves"]


def left_out_by_solves(data: Data, lams: jax.Array) -> tuple[jax.Array, ...]:
    """mse, se_mse, gcv, 0 for the gap, which has no derivative, df and largest leverage, each (L, t).

    Args:
        data: X (n, p), Y (n, t). lams: (L,), above 0.
    """
    X, Y, s = data.X, data.Y, data.sample_weight
    n, p = X.shape
    share = shares(s, n, X.dtype)
    A, targets = (centred(X, s), centred(Y, s)) if data.fit_intercept else (X, Y)
    v = broadcast_columns(data.penalty_factor, p, 1.0, X.dtype)
    # In units of the columns, which only conditions M.
    size = column_norm(weighted_rows(*jax.lax.stop_gradient((X, s)), data.fit_intercept))
    A, D = A / size[None, :], v * (data.scale / size) ** 2
    positive = jnp.sum(share > 0).astype(X.dtype)
    base = share if data.fit_intercept else jnp.zeros_like(share)
    rows = _dual if p >= n and data.penalty_factor is None else _primal

    def member(lam: jax.Array, target: jax.Array, tau: jax.Array) -> tuple[jax.Array, ...]:
        residual, remaining = rows(A, D, share, base, target, lam / tau)
        error = residual / remaining
        left = jnp.sum(remaining) - (n - positive)  # rows of weight 0 have 1 − h = 1
        mse = jnp.dot(share, error**2)
        spread = (jnp.dot(share, error**4) - mse**2) / (positive - 1.0)
        se = jnp.where(spread > 0, jnp.sqrt(jnp.where(spread > 0, spread, 1.0)), 0.0)
        gcv = jnp.dot(share, residual**2) / (left / positive) ** 2
        df = positive - left - (1.0 if data.fit_intercept else 0.0)
        return mse, se, gcv, jnp.zeros_like(mse), df, 1.0 - jnp.min(remaining)

    over_targets = jax.vmap(member, in_axes=(None, 1, 0))
    return jax.lax.map(lambda lam: over_targets(lam, targets, data.tau), lams)


def _primal(
    A: jax.Array, D: jax.Array, share: jax.Array, base: jax.Array, target: jax.Array, lam: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`y − ŷ` and `1 − h`, (n,), by a Cholesky factorisation of M."""
    weighted = A * share[:, None]
    M = A.T @ weighted
    nothing = (jnp.diagonal(M) == 0) & (D == 0)  # a constant column without a penalty
    factor = cho_factor(M + jnp.diag(lam * D + jnp.where(nothing, 1.0, 0.0)))
    residual = target - A @ cho_solve(factor, weighted.T @ target)
    return residual, 1.0 - base - share * jnp.sum(A * cho_solve(factor, A.T).T, axis=1)


def _dual(
    A: jax.Array, D: jax.Array, share: jax.Array, base: jax.Array, target: jax.Array, lam: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`y − ŷ` and `1 − h`, (n,), by the inverse of an `n × n` matrix."""
    n = A.shape[0]
    K = ((A / D[None, :]) @ A.T) * share[None, :]
    kappa = jax.lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(K), axis=1)))
    G = jnp.linalg.inv(K + kappa * base[None, :] + lam * jnp.eye(n, dtype=A.dtype))
    return lam * (G @ target), lam * (jnp.diagonal(G) - base / (kappa + lam))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def differentiated(values: Any, fit_intercept: bool, arrays: tuple[Any, ...], lams: jax.Array) -> tuple[Any, ...]:
    """``values(data, lams)``, with the derivatives of :func:`left_out_by_solves`."""
    return values(Data._make((*arrays, fit_intercept)), lams)


@differentiated.defjvp
@full_precision
def _derivatives(values: Any, fit_intercept: bool, primals: Any, tangents: Any) -> Any:
    by_solves = lambda arrays, lams: left_out_by_solves(Data._make((*arrays, fit_intercept)), lams)
    return differentiated(values, fit_intercept, *primals), jax.jvp(by_solves, primals, tangents)[1]
