"""Ridge in closed form: Cholesky, the dual where p > n, one eigendecomposition for a whole λ-grid.

All in the coordinates of :mod:`~jaxreg.solvers.reduction` with d_j = σ_j √v_j, where the penalty is ½ λ ‖u‖²:

    min_u ½‖ỹ − A u‖² + ½ λ ‖u‖²      ⇔      (AᵀA + λI) u = Aᵀỹ

Source: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, §3.4.1.
"""

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

__all__ = ["ridge_cholesky", "ridge_dual", "ridge_grid"]

# AᵀA has the square of A's condition number κ. Its eigenvectors leave a relative error of about κ²ε in u; where that
# exceeds this, a tenth of the default tolerance, the singular value decomposition of A itself is taken (error κε).
LARGEST_ERROR = {jnp.dtype(jnp.float64): 1e-11, jnp.dtype(jnp.float32): 1e-6}


def ridge_cholesky(rows: jax.Array, targets: jax.Array, lam: jax.Array) -> jax.Array:
    """u = (AᵀA + λI)⁻¹ Aᵀỹ, for λ > 0.

    Args:
        rows: A, (n, p), targets: ỹ, (n, t). lam: ().

    Returns:
        (p, t).

    Example:
        >>> import jax.numpy as jnp
        >>> ridge_cholesky(jnp.array([[2.0], [2.0]]), jnp.array([[1.0], [4.0]]), jnp.array(8.0))
        Array([[0.625]], dtype=float32)
    """
    # Set the gradient −Aᵀ(ỹ − Au) + λu to zero. AᵀA + λI is positive definite.
    p = rows.shape[1]
    return cho_solve(cho_factor(rows.T @ rows + lam * jnp.eye(p, dtype=rows.dtype)), rows.T @ targets)


def ridge_dual(rows: jax.Array, targets: jax.Array, lam: jax.Array) -> jax.Array:
    """u = Aᵀ(AAᵀ + λI)⁻¹ ỹ, for λ > 0: an n × n system instead of a p × p one.

    Args, Returns: as :func:`ridge_cholesky`.
    """
    # Aᵀ(AAᵀ + λI) = (AᵀA + λI)Aᵀ; multiply by the two inverses:  (AᵀA + λI)⁻¹Aᵀ = Aᵀ(AAᵀ + λI)⁻¹.
    n = rows.shape[0]
    return rows.T @ cho_solve(cho_factor(rows @ rows.T + lam * jnp.eye(n, dtype=rows.dtype)), targets)


def ridge_grid(rows: jax.Array, targets: jax.Array, lams: jax.Array) -> tuple[jax.Array, jax.Array]:
    """u(λ) for every λ from one decomposition.

    Args:
        rows: A, (n, p), targets: ỹ, (n, t). lams: (L, t), one λ a target in each row; 0 gives the minimum-norm least
            squares.

    Returns:
        u, (L, p, t), and the squared singular values e of A, (min(n, p),); Σ e/(e + λ) are the degrees of freedom.
    """
    # A = U diag(√e) Vᵀ  ⇒  u(λ) = V diag(√e/(e + λ)) Uᵀỹ.
    #   n ≥ p:  AᵀA = V diag(e) Vᵀ,  and  √e Uᵀỹ = Vᵀ(Aᵀỹ)
    #   p > n:  AAᵀ = U diag(e) Uᵀ,  and  V diag(√e) = AᵀU
    # Either way  u(λ) = left · (right / (e + λ)).
    n, p = rows.shape

    def eigen(_: None) -> tuple[jax.Array, jax.Array, jax.Array]:
        e, V = gram_eigen
        left = V if n >= p else rows.T @ V
        right = V.T @ (rows.T @ targets) if n >= p else V.T @ targets
        return left, right, jnp.maximum(e, 0.0)

    def singular(_: None) -> tuple[jax.Array, jax.Array, jax.Array]:
        U, sv, Vt = jnp.linalg.svd(rows, full_matrices=False)
        keep = sv > max(n, p) * jnp.finfo(rows.dtype).eps * sv[0]
        sv = jnp.where(keep, sv, 0.0)
        return Vt.T, jnp.where(keep, sv, 0.0)[:, None] * (U.T @ targets), sv**2

    gram_eigen = jnp.linalg.eigh(rows.T @ rows if n >= p else rows @ rows.T)
    e = gram_eigen[0]
    error = jnp.finfo(rows.dtype).eps * e[-1] / (jnp.maximum(e[0], 0.0) + jnp.min(lams))
    left, right, e = jax.lax.cond(error <= LARGEST_ERROR.get(rows.dtype, 0.0), eigen, singular, None)
    denominator = e[None, :, None] + lams[:, None, :]
    shrunk = jnp.where(denominator > 0, right[None] / jnp.where(denominator > 0, denominator, 1.0), 0.0)
    return jnp.einsum("pk,lkt->lpt", left, shrunk), e
