"""Document 000, first half: the mean squared error `1/(2m) Σ r²`, its gradient descent, and ridge.

``m`` rows and ``n`` features behind a leading column of ones, `r = Xθ − y`. The intercept `θ₀` is not penalised. The
printed ridge update is not the gradient of the printed ridge loss: see ``a_ridge_gradient_printed``.
"""

import jax.numpy as jnp
from jax import Array

from jaxreg.precision import full_precision

# In the order in which one would learn.
__all__ = [  # noqa: RUF022
    "a_mse_loss",
    "a_mse_gradient",
    "a_mse_update",
    "a_without_intercept",
    "a_ridge_loss",
    "a_ridge_gradient_printed",
    "a_ridge_update_printed",
    "a_ridge_gradient_corrected",
    "a_ridge_update_corrected",
    "a_ridge_implied_loss",
]


@full_precision
def a_mse_loss(theta: Array, X: Array, y: Array) -> Array:
    """Half the mean squared error: `J = 1/(2m) Σ r²`.

    Args:
        theta: (n + 1,) floating, the intercept `θ₀` first.
        X: (m, n + 1) of the same dtype, its first column ones.
        y: (m,) of the same dtype.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 000 (row A-mse).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> float(a_mse_loss(jnp.array([1.0, 2.0]), X, y))
        1.0
    """
    m = X.shape[0]
    r = X @ theta - y
    return 1 / (2 * m) * jnp.sum(r**2)


# With r = Xθ − y, ∂r_i/∂θ_j = x_ij:
#     ∂J/∂θ_j = 1/(2m) Σ_i 2 r_i x_ij = (1/m) Σ_i x_ij r_i
@full_precision
def a_mse_gradient(theta: Array, X: Array, y: Array) -> Array:
    """Gradient of ``a_mse_loss``: `(1/m) Xᵀr`.

    Args:
        theta, X, y: as in ``a_mse_loss``.

    Returns:
        The gradient, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-mse); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_mse_gradient(jnp.array([1.0, 2.0]), X, y).tolist()
        [1.0, 2.0]
    """
    m = X.shape[0]
    r = X @ theta - y
    return X.T @ r / m


def a_mse_update(theta: Array, X: Array, y: Array, alpha: Array | float) -> Array:
    """One step of gradient descent: `θ − α (1/m) Xᵀr`.

    Args:
        theta, X, y: as in ``a_mse_gradient``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-mse); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_mse_update(jnp.array([1.0, 2.0]), X, y, 0.5).tolist()
        [0.5, 1.0]
    """
    return theta - alpha * a_mse_gradient(theta, X, y)


def a_without_intercept(theta: Array) -> Array:
    """The penalised part of θ: `θ̃ = θ` with `θ̃₀ = 0`.

    Args:
        theta: (n + 1,) of any dtype, the intercept `θ₀` first.

    Returns:
        `θ̃`, (n + 1,), in the dtype of ``theta``.

    Source: document 000 (rows A-ridge and A-lasso).

    Example:
        >>> import jax.numpy as jnp
        >>> a_without_intercept(jnp.array([1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return theta.at[0].set(0)


def a_ridge_loss(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Ridge loss as printed: `J = 1/(2m) Σ r² + λ Σ_{j≥1} θ_j²`.

    Args:
        theta: (n + 1,) floating, the intercept `θ₀` first.
        X: (m, n + 1) of the same dtype, its first column ones.
        y: (m,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 000 (row A-ridge).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> float(a_ridge_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        13.0
    """
    return a_mse_loss(theta, X, y) + lam * jnp.sum(theta[1:] ** 2)


def a_ridge_gradient_printed(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """The bracket of the printed ridge update: `(1/m) Xᵀr + (λ/m) θ̃`, the gradient of ``a_ridge_implied_loss``.

    Args:
        theta, X, y, lam: as in ``a_ridge_loss``.

    Returns:
        The bracket, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-ridge). Its penalty term is that of the gradient of ``a_ridge_loss`` divided by 2m.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_ridge_gradient_printed(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [1.0, 5.0]
    """
    m = X.shape[0]
    return a_mse_gradient(theta, X, y) + lam / m * a_without_intercept(theta)


def a_ridge_update_printed(theta: Array, X: Array, y: Array, lam: Array | float, alpha: Array | float) -> Array:
    """The ridge update as printed: `θ − α[(1/m) Xᵀr + (λ/m) θ̃]`.

    Args:
        theta, X, y, lam: as in ``a_ridge_loss``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-ridge). It descends ``a_ridge_implied_loss``, not ``a_ridge_loss``.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_ridge_update_printed(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [0.5, -0.5]
    """
    return theta - alpha * a_ridge_gradient_printed(theta, X, y, lam)


# The penalty has no factor 1/(2m) before it:
#     ∂/∂θ_j λ Σ_{k≥1} θ_k² = 2λ θ_j  for j ≥ 1,  and 0 for j = 0
def a_ridge_gradient_corrected(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Gradient of ``a_ridge_loss``: `(1/m) Xᵀr + 2λθ̃`.

    Args:
        theta, X, y, lam: as in ``a_ridge_loss``.

    Returns:
        The gradient, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-ridge), corrected.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_ridge_gradient_corrected(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [1.0, 14.0]
    """
    return a_mse_gradient(theta, X, y) + 2 * lam * a_without_intercept(theta)


def a_ridge_update_corrected(theta: Array, X: Array, y: Array, lam: Array | float, alpha: Array | float) -> Array:
    """The ridge update that descends ``a_ridge_loss``: `θ − α[(1/m) Xᵀr + 2λθ̃]`.

    Args:
        theta, X, y, lam: as in ``a_ridge_loss``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-ridge), corrected.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_ridge_update_corrected(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [0.5, -5.0]
    """
    return theta - alpha * a_ridge_gradient_corrected(theta, X, y, lam)


def a_ridge_implied_loss(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """The loss that ``a_ridge_update_printed`` descends: `1/(2m) [Σ r² + λ Σ_{j≥1} θ_j²]`.

    Args:
        theta, X, y, lam: as in ``a_ridge_loss``.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: implied by document 000 (row A-ridge).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> float(a_ridge_implied_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        4.0
    """
    m = X.shape[0]
    return a_mse_loss(theta, X, y) + lam / (2 * m) * jnp.sum(theta[1:] ** 2)
