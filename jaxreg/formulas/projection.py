"""Columns without a penalty: the intercept and the free columns, removed by a weighted projection.

In the coordinates `Z = √(S/Σs) (X − x̄)`, `ỹ = √(S/Σs) (y − ȳ)` the weighted squared error is the plain `½‖ỹ − Zw‖²`,
and the best intercept is already in it (`x̄` and `ȳ` are weighted means; without an intercept they are 0). Free columns
`Z_f` are those that neither penalty nor bounds hold. For any value of the others, the best free coefficients leave the
residual `(I − P)(ỹ − Z_c w_c)` with P the orthogonal projection on the span of `Z_f`: so they can be removed from `ỹ`
and from `Z_c` beforehand (Frisch and Waugh 1933; Lovell 1963).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import per_row, varying_like
from jaxreg.formulas.scaling import is_constant, weighted_mean

# A direction counts as dependent if its singular value is at most so many ε of the largest, for columns of length 1.
# The rounding of the entries makes one of an ε, however many rows there are; that of the decomposition grows with the
# smaller side.
DEPENDENT, A_COLUMN = 32.0, 2.0

__all__ = ["Basis", "free_basis", "free_columns", "project_out", "weighted_rows"]


class Basis(NamedTuple):
    """Orthonormal basis of the span of the free columns, and what recovers their coefficients.

    Attributes:
        vectors: Q, (n, k) with k = min(n, p); unused columns are 0.
        recover: R, (p, k): the free coefficients that fit a vector z are `R Qᵀz`, 0 for the other columns.
    """

    vectors: jax.Array
    recover: jax.Array


def weighted_rows(B: jax.Array, sample_weight: jax.Array | None, fit_intercept: bool) -> jax.Array:
    """`√(S/Σs) (B − b̄)`, with `b̄ = 0` without an intercept.

    Args:
        B: (n,) or (n, k). sample_weight: (n,) or None. fit_intercept: static.

    Returns:
        The shape of B. A constant column becomes exactly 0 if the intercept is fitted.
    """
    n = B.shape[0]
    if fit_intercept:
        centred = B - (mean if (mean := weighted_mean(B, sample_weight)).ndim == 0 else mean[None, :])
        constant = is_constant(B.reshape(n, -1), sample_weight).reshape(B.shape[1:])
        B = jnp.where(constant if constant.ndim == 0 else constant[None, :], jnp.zeros_like(B), centred)
    if sample_weight is None:
        return B / jnp.sqrt(jnp.asarray(n, B.dtype))
    return per_row(jnp.sqrt(sample_weight / jnp.sum(sample_weight)), B) * B


def free_columns(
    lam: jax.Array, penalty_factor: jax.Array | None, lower: jax.Array | None, upper: jax.Array | None, p: int
) -> jax.Array:
    """(p,) booleans: unbounded columns with `v_j = 0`; all unbounded ones if `λ = 0`."""
    free = jnp.full((p,), lam == 0)
    if penalty_factor is not None:
        free = free | (penalty_factor == 0)
    if lower is not None:
        free = free & jnp.isneginf(lower)
    if upper is not None:
        free = free & jnp.isposinf(upper)
    return free


def free_basis(Z: jax.Array, free: jax.Array, norm_scale: jax.Array | None = None) -> Basis:
    """The span of the free columns of Z by a singular value decomposition.

    Args:
        Z: (n, p). free: (p,) booleans.
        norm_scale: σ, (p,): where the free columns depend on each other, the recovered coefficients are the ones of
            least `Σ σ_j² w_j²`, the limit of ridge as `λ → 0`.

    Returns:
        Basis. Directions below :func:`smallest_direction` of the largest singular value count as dependent.
    """
    # With columns of unit norm, D = diag(‖Z_j‖), the rank does not depend on units:  Z_f D⁻¹ = Q diag(sv) Vᵀ,  kept to
    # its rank. Then Z_f w = QQᵀz means  VᵀD w = diag(1/sv) Qᵀz  =: a.  With t = σ w this is  B t = a,
    # B = VᵀD diag(1/σ), whose solution of least ‖t‖ is B⁺a. If the columns are independent, B is invertible and σ plays
    # no part.
    n, p = Z.shape
    k = min(n, p)
    sigma = jnp.ones((p,), Z.dtype) if norm_scale is None else norm_scale

    def decomposition() -> Basis:
        norm = jnp.linalg.norm(Z, axis=0)
        norm = jnp.where(norm > 0, norm, jnp.ones_like(norm))
        A = jnp.where(free[None, :], Z / norm[None, :], 0.0)
        Q, sv, Vt = jnp.linalg.svd(A, full_matrices=False)
        keep = sv > smallest_direction(k, Z.dtype) * jnp.max(sv, initial=0.0)
        inverse = jnp.where(keep, 1.0 / jnp.where(keep, sv, 1.0), 0.0)
        used = free & (jnp.linalg.norm(A, axis=0) > 0)

        def independent() -> jax.Array:
            return Vt.T / norm[:, None]

        def dependent() -> jax.Array:
            B = jnp.where(keep[:, None] & used[None, :], Vt * (norm / sigma)[None, :], 0.0)
            row = jnp.linalg.norm(B, axis=1)  # rows of norm 1: a small column is not taken for a dependent one
            row = jnp.where(row > 0, row, 1.0)
            return jnp.linalg.pinv(B / row[:, None], rtol=jnp.finfo(Z.dtype).eps) / (sigma[:, None] * row[None, :])

        solve = jax.lax.cond(jnp.sum(keep) < jnp.sum(used), dependent, independent)
        recover = jnp.where(used[:, None], solve * inverse[None, :], 0.0)
        return Basis(jnp.where(keep[None, :], Q, 0.0), recover)

    nothing = Basis(jnp.zeros((n, k), Z.dtype), jnp.zeros((p, k), Z.dtype))
    return jax.lax.cond(jnp.any(free), decomposition, lambda: varying_like(nothing, Z, free, sigma))


def smallest_direction(k: int, dtype: Any) -> float:
    """The share of the largest singular value of k directions up to which one is rounding; it does not grow with n."""
    return max(DEPENDENT, A_COLUMN * k) * float(jnp.finfo(dtype).eps)


def project_out(B: jax.Array, basis: Basis | None) -> jax.Array:
    """`(I − QQᵀ) B`, twice, so that rounding of the first time is removed too; ``None`` removes nothing.

    Args:
        B: (n,) or (n, k), in weighted rows.
    """
    if basis is None:
        return B
    Q: Any = basis.vectors
    B = B - Q @ (Q.T @ B)
    return B - Q @ (Q.T @ B)
