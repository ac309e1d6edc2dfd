"""Document 003: ridge as a mean of squares plus a penalty, by hand for one feature, and in closed form for many.

``n`` rows (the document's letter for them) and ``p`` features, without an intercept.
"""

import jax.numpy as jnp
from jax import Array

from jaxreg.precision import full_precision

__all__ = [
    "d_ridge_1d_gradient",
    "d_ridge_1d_loss",
    "d_ridge_closed_form_corrected",
    "d_ridge_closed_form_printed",
    "d_ridge_implied_loss",
    "d_ridge_loss",
]


def d_ridge_1d_loss(w: Array, x: Array, y: Array, lam: Array | float) -> Array:
    """Ridge loss of one feature: `(1/n) Σ (y − wx)² + λw²`.

    Args:
        w: (), floating: the one weight.
        x: (n,) of the same dtype.
        y: (n,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 003 (row D-ridge-1d).

    Example:
        >>> import jax.numpy as jnp
        >>> x, y = jnp.array([1.0, 2.0]), jnp.array([2.0, 6.0])
        >>> float(d_ridge_1d_loss(jnp.array(2.0), x, y, 3.0))
        14.0
    """
    n = x.shape[0]
    return jnp.sum((y - w * x) ** 2) / n + lam * w**2


# d/dw (y_i − w x_i)² = −2 x_i (y_i − w x_i)  and  d/dw λw² = 2λw.
def d_ridge_1d_gradient(w: Array, x: Array, y: Array, lam: Array | float) -> Array:
    """Derivative of ``d_ridge_1d_loss``: `−(2/n) Σ x(y − wx) + 2λw`.

    Args:
        w, x, y, lam: as in ``d_ridge_1d_loss``.

    Returns:
        The derivative, (), in the dtype of the inputs.

    Source: document 003 (row D-ridge-1d); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> x, y = jnp.array([1.0, 2.0]), jnp.array([2.0, 6.0])
        >>> float(d_ridge_1d_gradient(jnp.array(2.0), x, y, 3.0))
        8.0
    """
    n = x.shape[0]
    return -(2 / n) * jnp.sum(x * (y - w * x)) + 2 * lam * w


@full_precision
def d_ridge_loss(w: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Ridge loss: `(1/n) Σ (y − wᵀx)² + λ Σ w²`.

    Args:
        w: (p,) floating.
        X: (n, p) of the same dtype.
        y: (n,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 003 (row D-ridge).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[2.0, 0.0], [0.0, 2.0]]), jnp.array([12.0, 24.0])
        >>> float(d_ridge_loss(jnp.array([3.0, 6.0]), X, y, 4.0))
        270.0
    """
    n = X.shape[0]
    return jnp.sum((y - X @ w) ** 2) / n + lam * jnp.sum(w**2)


@full_precision
def d_ridge_closed_form_printed(X: Array, y: Array, lam: Array | float) -> Array:
    """The closed form as printed, `(XᵀX + λI)⁻¹Xᵀy`: it minimises ``d_ridge_implied_loss``, not ``d_ridge_loss``.

    Args:
        X: (n, p) floating.
        y: (n,) of the same dtype.
        lam: `λ > 0`, a scalar (`λ = 0` is allowed where `XᵀX` is invertible).

    Returns:
        w, (p,), in the dtype of the inputs.

    Source: document 003 (row D-ridge). Its λ is too small by the factor n.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[2.0, 0.0], [0.0, 2.0]]), jnp.array([12.0, 24.0])
        >>> d_ridge_closed_form_printed(X, y, 4.0).tolist()
        [3.0, 6.0]
    """
    identity = jnp.eye(X.shape[1], dtype=X.dtype)
    return jnp.linalg.solve(X.T @ X + lam * identity, X.T @ y)


# The gradient of d_ridge_loss is zero at its minimum:
#     −(2/n) Xᵀ(y − Xw) + 2λw = 0      times n/2
#     (XᵀX + nλI) w           = Xᵀy
@full_precision
def d_ridge_closed_form_corrected(X: Array, y: Array, lam: Array | float) -> Array:
    """The minimiser of ``d_ridge_loss``: `(XᵀX + nλI)⁻¹Xᵀy`.

    Args:
        X, y, lam: as in ``d_ridge_closed_form_printed``.

    Returns:
        w, (p,), in the dtype of the inputs.

    Source: document 003 (row D-ridge), corrected.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[2.0, 0.0], [0.0, 2.0]]), jnp.array([12.0, 24.0])
        >>> d_ridge_closed_form_corrected(X, y, 4.0).tolist()
        [2.0, 4.0]
    """
    n, p = X.shape
    identity = jnp.eye(p, dtype=X.dtype)
    return jnp.linalg.solve(X.T @ X + n * lam * identity, X.T @ y)


@full_precision
def d_ridge_implied_loss(w: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """The loss that ``d_ridge_closed_form_printed`` minimises: `‖y − Xw‖² + λ‖w‖²`.

    Args:
        w, X, y, lam: as in ``d_ridge_loss``.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: implied by document 003 (row D-ridge). It is the printed loss of document 001.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[2.0, 0.0], [0.0, 2.0]]), jnp.array([12.0, 24.0])
        >>> float(d_ridge_implied_loss(jnp.array([3.0, 6.0]), X, y, 4.0))
        360.0
    """
    return jnp.sum((y - X @ w) ** 2) + lam * jnp.sum(w**2)
