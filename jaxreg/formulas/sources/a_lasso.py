"""Document 000, second half: lasso, `1/(2m) Σ r² + λ Σ_{j≥1} |θ_j|`, by (sub)gradient descent.

``m`` rows and ``n`` features behind a leading column of ones, `r = Xθ − y`. The intercept `θ₀` is not penalised. At
`θ_j = 0` the subgradient is any number in `[−1, 1]`; the document takes `sign(0) = 0`, and so does every formula here.
The printed update is not a subgradient of the printed loss: see ``a_lasso_gradient_printed``.
"""

import jax.numpy as jnp
from jax import Array

from jaxreg.formulas.sources.a_ridge import a_mse_gradient, a_mse_loss, a_without_intercept

# In the order in which one would learn.
__all__ = [  # noqa: RUF022
    "a_lasso_loss",
    "a_lasso_gradient_printed",
    "a_lasso_update_printed",
    "a_lasso_gradient_corrected",
    "a_lasso_update_corrected",
    "a_lasso_implied_loss",
]


# |w| = w · sign(w). Written so, its automatic derivative is sign(w), hence 0 at w = 0; that of jnp.abs is 1 there.
def _absolute(w: Array) -> Array:
    return w * jnp.sign(w)


def a_lasso_loss(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Lasso loss as printed: `J = 1/(2m) Σ r² + λ Σ_{j≥1} |θ_j|`.

    Args:
        theta: (n + 1,) floating, the intercept `θ₀` first.
        X: (m, n + 1) of the same dtype, its first column ones.
        y: (m,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs. The automatic derivative of `|θ_j|` at `θ_j = 0` is 0.

    Source: document 000 (row A-lasso).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> float(a_lasso_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        7.0
    """
    return a_mse_loss(theta, X, y) + lam * jnp.sum(_absolute(theta[1:]))


def a_lasso_gradient_printed(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """The bracket of the printed lasso update: `(1/m) Xᵀr + (λ/m) sign(θ̃)`, a subgradient of ``a_lasso_implied_loss``.

    Args:
        theta, X, y, lam: as in ``a_lasso_loss``.

    Returns:
        The bracket, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-lasso). Its penalty term is that of the subgradient of ``a_lasso_loss`` divided by m.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_lasso_gradient_printed(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [1.0, 3.5]
    """
    m = X.shape[0]
    return a_mse_gradient(theta, X, y) + lam / m * jnp.sign(a_without_intercept(theta))


def a_lasso_update_printed(theta: Array, X: Array, y: Array, lam: Array | float, alpha: Array | float) -> Array:
    """The lasso update as printed: `θ − α[(1/m) Xᵀr + (λ/m) sign(θ̃)]`.

    Args:
        theta, X, y, lam: as in ``a_lasso_loss``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-lasso). It descends ``a_lasso_implied_loss``, not ``a_lasso_loss``; it oscillates around
    0 and leaves no exact zero.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_lasso_update_printed(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [0.5, 0.25]
    """
    return theta - alpha * a_lasso_gradient_printed(theta, X, y, lam)


# The penalty has no factor 1/m before it:
#     ∂/∂θ_j λ Σ_{k≥1} |θ_k| = λ sign(θ_j)  for j ≥ 1 (0 chosen at θ_j = 0),  and 0 for j = 0
def a_lasso_gradient_corrected(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Subgradient of ``a_lasso_loss``: `(1/m) Xᵀr + λ sign(θ̃)`.

    Args:
        theta, X, y, lam: as in ``a_lasso_loss``.

    Returns:
        The subgradient, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-lasso), corrected.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_lasso_gradient_corrected(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [1.0, 5.0]
    """
    return a_mse_gradient(theta, X, y) + lam * jnp.sign(a_without_intercept(theta))


def a_lasso_update_corrected(theta: Array, X: Array, y: Array, lam: Array | float, alpha: Array | float) -> Array:
    """The lasso update that descends ``a_lasso_loss``: `θ − α[(1/m) Xᵀr + λ sign(θ̃)]`.

    Args:
        theta, X, y, lam: as in ``a_lasso_loss``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 000 (row A-lasso), corrected.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> a_lasso_update_corrected(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [0.5, -0.5]
    """
    return theta - alpha * a_lasso_gradient_corrected(theta, X, y, lam)


def a_lasso_implied_loss(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """The loss that ``a_lasso_update_printed`` descends: `1/(2m) Σ r² + (λ/m) Σ_{j≥1} |θ_j|`.

    Args:
        theta, X, y, lam: as in ``a_lasso_loss``.

    Returns:
        The loss, (), in the dtype of the inputs. The automatic derivative of `|θ_j|` at `θ_j = 0` is 0.

    Source: implied by document 000 (row A-lasso).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> float(a_lasso_implied_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        4.0
    """
    m = X.shape[0]
    return a_mse_loss(theta, X, y) + lam / m * jnp.sum(_absolute(theta[1:]))
