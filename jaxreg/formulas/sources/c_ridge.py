"""Document 002: ridge as a mean of squares plus a penalty, `(1/n) Σ (y − ŷ)² + λ Σ w²`, by gradient descent.

``n`` rows (the document's letter for them) and ``p`` features, `ŷ = Xw`.
"""

import jax.numpy as jnp
from jax import Array

from jaxreg.precision import full_precision

__all__ = ["c_mse_gradient", "c_ridge_gradient", "c_ridge_loss", "c_ridge_update"]


@full_precision
def c_ridge_loss(w: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Ridge loss: `(1/n) Σ (y − ŷ)² + λ Σ w²`, with `ŷ = Xw`.

    Args:
        w: (p,) floating.
        X: (n, p) of the same dtype.
        y: (n,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 002 (row C-ridge).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> float(c_ridge_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        17.0
    """
    n = X.shape[0]
    return jnp.sum((y - X @ w) ** 2) / n + lam * jnp.sum(w**2)


# MSE = (1/n) Σ_i e_i², e = y − Xw, ∂e_i/∂w_j = −x_ij:
#     ∂MSE/∂w_j = −(2/n) Σ_i x_ij e_i
@full_precision
def c_mse_gradient(w: Array, X: Array, y: Array) -> Array:
    """Gradient of the mean squared error, `∇MSE = −(2/n) Xᵀ(y − Xw)`.

    Args:
        w: (p,) floating.
        X: (n, p) of the same dtype.
        y: (n,) of the same dtype.

    Returns:
        The gradient, (p,), in the dtype of the inputs.

    Source: document 002 (row C-ridge) writes `∇MSE` and leaves the derivative to the reader; it is done above.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> c_mse_gradient(jnp.array([0.0, 2.0]), X, y).tolist()
        [-1.0, 4.0]
    """
    n = X.shape[0]
    return -(2 / n) * (X.T @ (y - X @ w))


# The penalty adds ∂/∂w_j λ Σ_k w_k² = 2λ w_j.
def c_ridge_gradient(w: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Gradient of ``c_ridge_loss``: `∇MSE + 2λw`.

    Args:
        w, X, y, lam: as in ``c_ridge_loss``.

    Returns:
        The gradient, (p,), in the dtype of the inputs.

    Source: document 002 (row C-ridge); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> c_ridge_gradient(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [6.0, 16.0]
    """
    return c_mse_gradient(w, X, y) + 2 * lam * w


def c_ridge_update(w: Array, X: Array, y: Array, lam: Array | float, eta: Array | float) -> Array:
    """One step of gradient descent: `w − η(∇MSE + 2λw)`.

    Args:
        w, X, y, lam: as in ``c_ridge_loss``.
        eta: step size `η > 0`, a scalar.

    Returns:
        The next w, (p,), in the dtype of the inputs.

    Source: document 002 (row C-ridge); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> c_ridge_update(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [-2.0, -6.0]
    """
    return w - eta * c_ridge_gradient(w, X, y, lam)
