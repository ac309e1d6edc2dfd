"""Document 004: ridge by weight decay and by the normal equations, for `1/(2m) [Σ r² + λ Σ_{j≥1} θ_j²]`.

``m`` rows and ``n`` features behind a leading column of ones, `r = Xθ − y`. The intercept `θ₀` is not penalised.
"""

import jax.numpy as jnp
from jax import Array

from jaxreg.precision import full_precision

# In the order in which one would learn.
__all__ = [  # noqa: RUF022
    "e_ridge_implied_loss",
    "e_ridge_gradient",
    "e_ridge_update",
    "e_decay_factor",
    "e_decay_update",
    "e_penalty_matrix",
    "e_ridge_matrix",
    "e_ridge_closed_form",
    "e_ols_closed_form",
]


@full_precision
def e_ridge_implied_loss(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """The loss of the whole document: `1/(2m) [Σ r² + λ Σ_{j≥1} θ_j²]`.

    Args:
        theta: (n + 1,) floating, the intercept `θ₀` first.
        X: (m, n + 1) of the same dtype, its first column ones.
        y: (m,) of the same dtype.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The loss, (), in the dtype of the inputs.

    Source: document 004 (row E-ridge) does not print it; its update and its closed form imply it.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> float(e_ridge_implied_loss(jnp.array([1.0, 2.0]), X, y, 3.0))
        4.0
    """
    m = X.shape[0]
    r = X @ theta - y
    return 1 / (2 * m) * (jnp.sum(r**2) + lam * jnp.sum(theta[1:] ** 2))


# With r = Xθ − y, ∂r_i/∂θ_j = x_ij and x_i0 = 1, the ½ cancels the 2 of both squares:
#     ∂J/∂θ_0 = (1/m) Σ_i r_i
#     ∂J/∂θ_j = (1/m) Σ_i r_i x_ij + (λ/m) θ_j     for j ≥ 1
@full_precision
def e_ridge_gradient(theta: Array, X: Array, y: Array, lam: Array | float) -> Array:
    """Gradient of ``e_ridge_implied_loss``: `(1/m) Σ r` for `θ₀`, `(1/m) Σ r x_j + (λ/m) θ_j` for the others.

    Args:
        theta, X, y, lam: as in ``e_ridge_implied_loss``.

    Returns:
        The gradient, (n + 1,), in the dtype of the inputs.

    Source: document 004 (row E-ridge): what its update multiplies by α.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> e_ridge_gradient(jnp.array([1.0, 2.0]), X, y, 3.0).tolist()
        [1.0, 5.0]
    """
    m = X.shape[0]
    r = X @ theta - y
    gradient_0 = jnp.sum(r) / m
    gradient_j = X[:, 1:].T @ r / m + lam / m * theta[1:]
    return jnp.concatenate([gradient_0[None], gradient_j])


def e_ridge_update(theta: Array, X: Array, y: Array, lam: Array | float, alpha: Array | float) -> Array:
    """One step of gradient descent: `θ₀ − α(1/m) Σ r`, and `θ_j − α[(1/m) Σ r x_j + (λ/m) θ_j]`.

    Args:
        theta, X, y, lam: as in ``e_ridge_implied_loss``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 004 (row E-ridge); right as printed (the scraped text has lost the minus sign).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> e_ridge_update(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [0.5, -0.5]
    """
    return theta - alpha * e_ridge_gradient(theta, X, y, lam)


def e_decay_factor(m: int, lam: Array | float, alpha: Array | float) -> Array | float:
    """The weight decay `1 − αλ/m`, by which each step shrinks `θ_j` before the data speak.

    It lies in (0, 1) exactly when `0 < αλ < m`.

    Args:
        m: number of rows.
        lam: `λ ≥ 0`, a scalar.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The factor, a scalar in the dtype of ``lam`` and ``alpha``.

    Source: document 004 (row E-decay).

    Example:
        >>> e_decay_factor(2, 3.0, 0.5)
        0.25
    """
    return 1 - alpha * lam / m


# Collect the two terms with θ_j in the update of row E-ridge, j ≥ 1:
#     θ_j − α[(1/m) Σ r x_j + (λ/m) θ_j]  =  θ_j (1 − αλ/m)  −  (α/m) Σ r x_j
# θ₀ is not penalised and does not decay.
@full_precision
def e_decay_update(theta: Array, X: Array, y: Array, lam: Array | float, alpha: Array | float) -> Array:
    """The update of row E-ridge as weight decay: `θ_j(1 − αλ/m) − α(1/m) Σ r x_j`.

    Args:
        theta, X, y, lam: as in ``e_ridge_implied_loss``.
        alpha: step size `α > 0`, a scalar.

    Returns:
        The next θ, (n + 1,), in the dtype of the inputs.

    Source: document 004 (row E-decay); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> e_decay_update(jnp.array([1.0, 2.0]), X, y, 3.0, 0.5).tolist()
        [0.5, -0.5]
    """
    m = X.shape[0]
    r = X @ theta - y
    theta_0 = theta[0] - alpha / m * jnp.sum(r)
    theta_j = theta[1:] * e_decay_factor(m, lam, alpha) - alpha / m * (X[:, 1:].T @ r)
    return jnp.concatenate([theta_0[None], theta_j])


def e_penalty_matrix(X: Array) -> Array:
    """L = diag(0, 1, …, 1): it penalises every weight but the intercept.

    Args:
        X: (m, n + 1) floating; only its width and dtype are used.

    Returns:
        L, (n + 1, n + 1), in the dtype of ``X``.

    Source: document 004 (row E-ridge).

    Example:
        >>> import jax.numpy as jnp
        >>> e_penalty_matrix(jnp.ones((5, 3))).tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return jnp.eye(X.shape[1], dtype=X.dtype).at[0, 0].set(0)


# Why it is invertible for λ > 0: vᵀ(XᵀX + λL)v = ‖Xv‖² + λ Σ_{j≥1} v_j² = 0 forces v_j = 0 for j ≥ 1, hence
# Xv = v_0 · (column of ones) = 0 and v_0 = 0. For λ = 0 its rank is at most m, so it is singular for every m ≤ n.
@full_precision
def e_ridge_matrix(X: Array, lam: Array | float) -> Array:
    """The matrix of the normal equations: `XᵀX + λL`.

    Args:
        X: (m, n + 1) floating, its first column ones.
        lam: `λ ≥ 0`, a scalar.

    Returns:
        The matrix, (n + 1, n + 1), in the dtype of ``X``; invertible for `λ > 0`, and singular for `λ = 0` and `m ≤ n`.

    Source: document 004 (rows E-ridge and E-ols). The document says that `XᵀX` "may or may not" be singular for m = n;
    with its column of ones there are n + 1 unknowns, and m = n equations never suffice.

    Example:
        >>> import jax.numpy as jnp
        >>> e_ridge_matrix(jnp.array([[1.0, 0.0], [1.0, 2.0]]), 3.0).tolist()
        [[2.0, 2.0], [2.0, 7.0]]
    """
    return X.T @ X + lam * e_penalty_matrix(X)


# The gradient of e_ridge_implied_loss is zero at its minimum:
#     (1/m) Xᵀ(Xθ − y) + (λ/m) Lθ = 0      times m
#     (XᵀX + λL) θ                = Xᵀy
@full_precision
def e_ridge_closed_form(X: Array, y: Array, lam: Array | float) -> Array:
    """The minimiser of ``e_ridge_implied_loss``: `(XᵀX + λL)⁻¹Xᵀy`.

    Args:
        X: (m, n + 1) floating, its first column ones.
        y: (m,) of the same dtype.
        lam: `λ > 0`, a scalar (`λ = 0` is allowed where `XᵀX` is invertible).

    Returns:
        θ, (n + 1,), in the dtype of the inputs, the intercept `θ₀` first.

    Source: document 004 (row E-ridge); right as printed.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> e_ridge_closed_form(X, y, 2.0).tolist()
        [1.5, 0.5]
    """
    return jnp.linalg.solve(e_ridge_matrix(X, lam), X.T @ y)


@full_precision
def e_ols_closed_form(X: Array, y: Array) -> Array:
    """Ordinary least squares, the case `λ = 0`: `(XᵀX)⁻¹Xᵀy`.

    Args:
        X: (m, n + 1) floating, its first column ones; `m ≥ n + 1` and of full column rank.
        y: (m,) of the same dtype.

    Returns:
        θ, (n + 1,), in the dtype of the inputs; not finite, or noise, where `XᵀX` is singular, as it is for every
        `m ≤ n`.

    Source: document 004 (row E-ols).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([1.0, 3.0])
        >>> e_ols_closed_form(X, y).tolist()
        [1.0, 1.0]
    """
    return jnp.linalg.solve(X.T @ X, X.T @ y)
