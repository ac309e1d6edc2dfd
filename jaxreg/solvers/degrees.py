"""Degrees of freedom: how many parameters a penalised fit is worth.

    df = trace of ∂ŷ/∂y = tr( G_II (G_II + diag(l2_I))⁻¹ ),   I the interior coefficients, G = ZᵀZ

For ridge I is everything (Hastie, Tibshirani and Friedman, §3.4.1); for the lasso l2 = 0 and df is the rank of the
active columns (Zou, Hastie and Tibshirani 2007; Tibshirani and Taylor 2012). Coefficients at a bound count nothing,
free columns count their rank, the intercept is excluded.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import broadcast_columns, change_of
from jaxreg.formulas.objective import penalty_weights
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import centred, shares
from jaxreg.solvers.reduction import Data, column_norm

__all__ = ["degrees_of_freedom", "trace_on_support"]

# Where l2 = 0 the rank is the trace with this share of the column's square added, rounded to a whole number: a
# direction counts if its eigenvalue is well above it. Where l2 is less than the other share, that is taken: a Gram
# matrix knows its eigenvalues to some ε of the largest.
RANK_THRESHOLD = {jnp.dtype(jnp.float64): 1e-11, jnp.dtype(jnp.float32): 1e-4}
LEAST_SQUARE = {jnp.dtype(jnp.float64): 1e-14, jnp.dtype(jnp.float32): 1e-6}


def degrees_of_freedom(
    data: Data, coef: jax.Array, lams: jax.Array, l1_ratio: Any, capacity: int | None = None
) -> jax.Array:
    """df of every member.

    Args:
        data: the problem, X (n, p). coef: (L, p, t). lams: (L,) or (L, t). l1_ratio: ().
        capacity: static; at least the largest number of non-zero coefficients. The work grows with its cube; None is
            min(n, p), which is always enough.

    Returns:
        (L, t).
    """
    X = data.X
    n, p = X.shape
    Z = weighted_rows(X, data.sample_weight, data.fit_intercept)
    size = jax.lax.stop_gradient(column_norm(Z))  # only conditions the matrix
    share = shares(data.sample_weight, n, X.dtype)
    A = (centred(X, data.sample_weight) if data.fit_intercept else X) / size[None, :]
    Z = Z / size[None, :]
    constant = jnp.all(Z == 0, axis=0)
    lower = broadcast_columns(data.lower, p, -jnp.inf, X.dtype)
    upper = broadcast_columns(data.upper, p, jnp.inf, X.dtype)
    rho = jnp.asarray(l1_ratio, X.dtype)
    k = min(n, p) if capacity is None else min(capacity, n, p)
    gathered = k < min(n, p)
    gram = Z.T @ Z if n >= p and not gathered else None

    def member(argument: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        w, lam, tau = argument
        inside = (w != 0) & (w > lower) & (w < upper) & ~constant
        _, l2 = penalty_weights(lam, rho, data.penalty_factor, data.scale, p, tau)
        added = l2 / size**2
        # With B = Z_I diag(added)^(−1/2):  tr( G (G + diag(added))⁻¹ ) = tr( BᵀB (BᵀB + I)⁻¹ ) = k − tr( (I + BᵀB)⁻¹ ),
        # the same with BBᵀ; k is the order of the matrix, and columns outside I add nothing.
        added = _told_apart(added)
        root = jnp.where(inside, 1.0 / jnp.sqrt(added), 0.0)
        if gram is not None:
            M = gram * root[:, None] * root[None, :]
        elif gathered:
            columns = jnp.nonzero(inside, size=k, fill_value=p)[0]
            B = (
                jnp.take(Z, columns, axis=1, mode="fill", fill_value=0)
                * jnp.take(root, columns, mode="fill", fill_value=0)[None, :]
            )
            M = B.T @ B
        else:
            B = Z * root[None, :]
            M = B @ B.T
        # Derivatives with the weights as they are: with S = diag(s/Σs), BᵀSB or BBᵀS; √s has none where s is 0.
        rows = A * root[None, :]
        weighted = rows.T @ (share[:, None] * rows) if n >= p else (rows @ rows.T) * share[None, :]
        inverse = jnp.linalg.inv(weighted + jnp.eye(len(weighted), dtype=X.dtype))
        trace = jax.lax.stop_gradient(_trace(M)) - change_of(jnp.trace(inverse))
        return jnp.where(jnp.any(inside & (l2 > 0)), trace, jnp.round(trace))

    L, _, t = coef.shape
    over = lambda v: jnp.broadcast_to(v, (L, t)).reshape(-1)
    members = jnp.moveaxis(coef, 1, 2).reshape(L * t, p), over(lams.reshape(L, -1)), over(data.tau[None, :])
    return jax.lax.map(member, members).reshape(L, t)


def trace_on_support(gram: jax.Array, inside: jax.Array, l2: jax.Array) -> jax.Array:
    """tr( G_II (G_II + diag(l2_I))⁻¹ ) from the Gram matrix, ().

    Args:
        gram: G with ones on its diagonal, (p, p). inside: (p,) booleans. l2: (p,); where it is 0 the rank is counted.
    """
    added = _told_apart(l2)
    root = jnp.where(inside, 1.0 / jnp.sqrt(added), 0.0)
    return _trace(gram * root[:, None] * root[None, :])


def _told_apart(l2: jax.Array) -> jax.Array:
    """What is added to the diagonal."""
    rank, least = RANK_THRESHOLD.get(l2.dtype, 1e-2), LEAST_SQUARE.get(l2.dtype, 1e-3)
    return jnp.where(l2 > 0, jnp.maximum(l2, least), rank)


def _trace(M: jax.Array) -> jax.Array:
    """tr( M (M + I)⁻¹ ) = k − tr( (M + I)⁻¹ ), M (k, k)."""
    k = M.shape[0]
    identity = jnp.eye(k, dtype=M.dtype)
    factor = jnp.linalg.cholesky(M + identity)
    return k - jnp.sum(jax.scipy.linalg.solve_triangular(factor, identity, lower=True) ** 2)
