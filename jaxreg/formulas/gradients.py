"""Gradient, Hessian and Lipschitz constant of the objective, derived by hand.

Notation: `r = y − Xw − b` the residual, `S = diag(s)`, l1 and l2 the penalty weights of
:func:`~jaxreg.formulas.objective.penalty_weights`. Textbook source: Hastie, Tibshirani and Friedman, *The Elements of
Statistical Learning* (2nd ed.), §3.4.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating, per_row, without_columns
from jaxreg.formulas.objective import Params, penalty_weights, predict
from jaxreg.precision import full_precision

__all__ = ["gradient", "hessian", "lipschitz"]


@full_precision
def gradient(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
) -> Params:
    """`(∂F/∂b, ∂F/∂w)` of the objective, with the subgradient 0 of `|w_j|` at `w_j = 0`.

    Args:
        params, X, y, lam, l1_ratio, sample_weight, penalty_factor, scale, y_scale: as in
            :func:`~jaxreg.formulas.objective.objective`.

    Returns:
        Params: intercept () or (t,), coef (p,) or (p, t); in the units of F over those of the parameter.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0], [2.0]]), jnp.array([1.0, 4.0])
        >>> gradient(Params(0.0, jnp.array([1.0])), X, y, 0.1).coef
        Array([-1.9], dtype=float32)
    """
    b, w, X, y, lam, rho, s, v, sigma, tau = floating(
        intercept=params.intercept,
        coef=params.coef,
        X=X,
        y=y,
        lam=lam,
        l1_ratio=l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        scale=scale,
        y_scale=y_scale,
    )
    # F = 1/(2Σs) Σ s_i r_i² + Σ_j l1_j |w_j| + ½ Σ_j l2_j w_j²,   r_i = y_i − x_i·w − b
    #
    #   ∂r_i/∂b   = −1       ⇒  ∂F/∂b   = −1/Σs Σ_i s_i r_i
    #   ∂r_i/∂w_j = −x_ij    ⇒  ∂F/∂w_j = −1/Σs Σ_i s_i x_ij r_i + l1_j sign(w_j) + l2_j w_j
    #
    # where a column with v_j = ∞ is left out: x_ij = 0 = v_j.
    X, v = without_columns(X, v, instead=0.0)
    r = y - predict(Params(b, w), X)
    if s is None:
        s = jnp.ones((X.shape[0],), X.dtype)
    sr = per_row(s, r) * r / jnp.sum(s)
    tau = jnp.ones_like(lam) if tau is None else tau
    weights: Any = penalty_weights
    if lam.ndim or rho.ndim or tau.ndim:
        weights = jax.vmap(penalty_weights, (0, 0, None, None, None, 0), (1, 1))
        lam, rho, tau = jnp.broadcast_arrays(lam, rho, tau)
    l1, l2 = weights(lam, rho, v, sigma, X.shape[1], tau)
    l1, l2 = per_row(l1, w), per_row(l2, w)
    return Params(-jnp.sum(sr, axis=0), -X.T @ sr + l1 * jnp.sign(w) + l2 * w)


@full_precision
def hessian(
    X: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
) -> jax.Array:
    """`∇²F` with respect to `(b, w_1, …, w_p)`, where every `w_j ≠ 0`. It depends neither on y nor on the parameters.

    Args:
        X: (n, p). lam: (). l1_ratio: (). sample_weight: (n,). penalty_factor, scale: (p,). y_scale: ().

    Returns:
        (1 + p, 1 + p), symmetric; row and column 0 belong to the intercept; those of a column with `v_j = ∞` are 0.

    Example:
        >>> import jax.numpy as jnp
        >>> hessian(jnp.array([[1.0], [3.0]]), 0.5, 0.0)
        Array([[1. , 2. ],
               [2. , 5.5]], dtype=float32)
    """
    X, lam, rho, s, v, sigma, tau = floating(
        X=X,
        lam=lam,
        l1_ratio=l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        scale=scale,
        y_scale=y_scale,
    )
    # Differentiate the gradient once more; |w_j| is linear off its kink, so only the squares remain:
    #
    #   ∂²F/∂b²       = 1
    #   ∂²F/∂b ∂w_j   = 1/Σs Σ_i s_i x_ij
    #   ∂²F/∂w_j ∂w_k = 1/Σs Σ_i s_i x_ij x_ik + l2_j δ_jk
    n, p = X.shape
    X, v = without_columns(X, v, instead=0.0)
    if s is None:
        s = jnp.ones((n,), X.dtype)
    design = jnp.concatenate([jnp.ones((n, 1), X.dtype), X], axis=1)
    _, l2 = penalty_weights(lam, rho, v, sigma, p, tau)
    return (design.T * (s / jnp.sum(s))[None, :]) @ design + jnp.diag(jnp.concatenate([jnp.zeros((1,), X.dtype), l2]))


@full_precision
def lipschitz(
    X: ArrayLike,
    lam: ArrayLike = 0.0,
    l1_ratio: ArrayLike = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
    fit_intercept: bool = True,
) -> jax.Array:
    """L, the smallest Lipschitz constant of the gradient of F's smooth part (squared error and ridge penalty).

    Gradient descent and ISTA descend with a step of at most 1/L and diverge beyond 2/L.

    Args:
        X: (n, p). lam, l1_ratio, sample_weight, penalty_factor, scale, y_scale: as in :func:`hessian`.
        fit_intercept: whether the intercept is among the parameters; ``False`` leaves row and column 0 out.

    Returns:
        (), the largest eigenvalue of the Hessian.

    Example:
        >>> import jax.numpy as jnp
        >>> float(lipschitz(jnp.array([[1.0], [3.0]]), fit_intercept=False))
        5.0
    """
    # The gradient of a quadratic with Hessian H satisfies ‖∇F(u) − ∇F(u')‖ = ‖H(u − u')‖ ≤ λ_max(H) ‖u − u'‖,
    # with equality along the leading eigenvector.
    given = {"sample_weight": sample_weight, "penalty_factor": penalty_factor, "scale": scale, "y_scale": y_scale}
    H = hessian(X, lam, l1_ratio, **given)
    return jnp.linalg.eigvalsh(H if fit_intercept else H[1:, 1:])[-1]
