"""Ridge in closed form: Cholesky, the dual where `p > n`, one eigendecomposition for a whole λ-grid.

All in the coordinates of :mod:`~jaxreg.solvers.reduction` with `d_j = σ_j √v_j`, where the penalty is `½ λ ‖u‖²`:

    min_u ½‖ỹ − A u‖² + ½ λ ‖u‖²      ⇔      (AᵀA + λI) u = Aᵀỹ

Source: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, §3.4.1.
"""

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from jaxreg.solvers.spectrum import shrink, spectrum_of_rows

__all__ = ["ridge_cholesky", "ridge_dual", "ridge_grid"]


def ridge_cholesky(rows: jax.Array, targets: jax.Array, lam: jax.Array) -> jax.Array:
    """`u = (AᵀA + λI)⁻¹ Aᵀỹ`, for `λ > 0`.

    Args:
        rows: A, (n, p), targets: `ỹ`, (n, t). lam: ().

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
    """`u = Aᵀ(AAᵀ + λI)⁻¹ ỹ`, for `λ > 0`: an `n × n` system instead of a `p × p` one.

    Args, Returns: as :func:`ridge_cholesky`.

    Example:
        >>> import jax.numpy as jnp
        >>> ridge_dual(jnp.array([[2.0], [2.0]]), jnp.array([[1.0], [4.0]]), jnp.array(8.0)).round(4)
        Array([[0.625]], dtype=float32)
    """
    # Aᵀ(AAᵀ + λI) = (AᵀA + λI)Aᵀ; multiply by the two inverses:  (AᵀA + λI)⁻¹Aᵀ = Aᵀ(AAᵀ + λI)⁻¹.
    n = rows.shape[0]
    return rows.T @ cho_solve(cho_factor(rows @ rows.T + lam * jnp.eye(n, dtype=rows.dtype)), targets)


def ridge_grid(rows: jax.Array, targets: jax.Array, lams: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`u(λ)` for every λ from one decomposition (:mod:`~jaxreg.solvers.spectrum`).

    Args:
        rows: A, (n, p), targets: `ỹ`, (n, t). lams: (L, t), one λ a target in each row; 0 gives the minimum-norm least
            squares.

    Returns:
        u, (L, p, t), and the squared singular values e of A, (min(n, p),); `Σ e/(e + λ)` are the degrees of freedom.

    Example:
        >>> import jax.numpy as jnp
        >>> u, e = ridge_grid(jnp.array([[2.0], [2.0]]), jnp.array([[1.0], [4.0]]), jnp.array([[8.0], [0.0]]))
        >>> u[:, 0, 0].round(4), e.round(4)
        (Array([0.625, 1.25 ], dtype=float32), Array([8.], dtype=float32))
    """
    spectrum = spectrum_of_rows(rows, targets, jnp.min(lams))
    shrunk = jax.vmap(lambda lam: shrink(spectrum.right, spectrum.e, lam))(lams)
    return jnp.einsum("pk,lkt->lpt", spectrum.left, shrunk), spectrum.e
