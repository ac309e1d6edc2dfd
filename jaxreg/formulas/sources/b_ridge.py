"""Document 001: ridge as a sum of squares plus a sum of squares, `‖y − Xβ‖² + λ‖β‖²`, without an intercept.

``m`` rows and ``n`` features; neither sum is divided by anything.
"""

import jax.numpy as jnp
from jax import Array

from jaxreg.precision import full_precision

__all__ = ["b_ridge_gradient", "b_ridge_loss", "b_ridge_penalty"]


def b_ridge_penalty(beta: Array, lam: Array | float) -> Array:
    """What the coefficients cost: `λ‖β‖²`.

    Args:
        beta: (n,) floating.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The penalty, (), in the dtype of ``beta``.

    Source: document 001 (row B-ridge), with its worked example: `(5, −3)` costs `34λ`, and `(2.5, −1.5)` costs `8.5λ`.

    Example:
        >>> import jax.numpy as jnp
        >>> float(b_ridge_penalty(jnp.array([5.0, -3.0]), 1.0)), float(b_ridge_penalty(jnp.array([2.5, -1.5]), 1.0))
        (34.0, 8.5)
    """
    return lam * jnp.sum(beta**2)


@full_precision
def b_ridge_loss(beta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Ridge loss: `‖y − Xβ‖² + λ‖β‖²`.

    Args:
        beta: (n,) floating.
        X: (m, n) of the same dtype.
        y: (m,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 001 (row B-ridge).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> float(b_ridge_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        19.0
    """
    return jnp.sum((y - X @ beta) ** 2) + b_ridge_penalty(beta, lam)


# With e = y − Xβ, ∂e_i/∂β_j = −x_ij:
#     ∂/∂β_j Σ_i e_i²  = −2 Σ_i x_ij e_i     the data term,    −2Xᵀe
#     ∂/∂β_j λ Σ_k β_k² = 2λ β_j             the penalty term,  2λβ
@full_precision
def b_ridge_gradient(beta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Gradient of ``b_ridge_loss``: `−2Xᵀ(y − Xβ) + 2λβ`.

    Args:
        beta, X, y, lam: as in ``b_ridge_loss``.

    Returns:
        The gradient, (n,), in the dtype of the inputs.

    Source: document 001 (row B-ridge); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> b_ridge_gradient(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [6.0, 20.0]
    """
    return -2 * X.T @ (y - X @ beta) + 2 * lam * beta
