"""Targets that share their columns: the norm of each row of coefficients is penalised, so a column is in all or none.

    F(W, b) = 1/(2 Σs) Σ_i s_i ‖y_i − Wᵀx_i − b‖²  +  λ Σ_j ( ρ ‖W_j‖ + (1−ρ)/2 ‖W_j‖² )

with `W_j`, (t,), the coefficients of column j for all targets. For one target it is the objective of
:mod:`~jaxreg.formulas.objective`. As there, the derivative of the norm at `W_j = 0` is taken as 0.

Sources: Yuan and Lin, *Model selection and estimation in regression with grouped variables*, J. R. Stat. Soc. B 68(1),
2006; Obozinski, Taskar and Jordan, *Joint covariate selection and joint subspace selection for multiple classification
problems*, Statistics and Computing 20, 2010. The duality gap is in :mod:`~jaxreg.formulas.multi_task_duality`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating
from jaxreg.formulas.objective import Params, predict, squared_error
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import shares

__all__ = [
    "as_floats",
    "multi_task_gradient",
    "multi_task_kkt_residual",
    "multi_task_lam_max",
    "multi_task_objective",
    "product",
    "prox_rows",
    "row_norms",
]


def product(A: jax.Array, B: jax.Array) -> jax.Array:
    """A B, in the precision of its numbers on every device: a certificate rests on it."""
    return jnp.matmul(A, B, precision=jax.lax.Precision.HIGHEST)


def row_norms(W: Any) -> jax.Array:
    """`‖W_j‖` of every row, with the derivative 0 where `W_j = 0`.

    Args:
        W: (p, t).

    Returns:
        (p,). Squares neither overflow nor vanish.

    Example:
        >>> import jax.numpy as jnp
        >>> row_norms(jnp.array([[3.0, -4.0], [0.0, 0.0]]))
        Array([5., 0.], dtype=float32)
    """
    (W,) = floating(W=W)
    # ‖W_j‖ = m ‖W_j/m‖ for every m > 0, so m needs no derivative:  ∂‖W_j‖/∂W_j = m · (W_j/m)/‖W_j/m‖ · 1/m = W_j/‖W_j‖.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(W), axis=1, initial=0.0))
    unit = jnp.where(largest > 0, largest, 1.0)
    square = jnp.sum((W / unit[:, None]) ** 2, axis=1)
    zero = square == 0
    return jnp.where(zero, 0.0, unit * jnp.sqrt(jnp.where(zero, 1.0, square)))


def prox_rows(Z: Any, step_size: Any, l1: Any, l2: Any = 0.0) -> jax.Array:
    """argmin over U of `½ ‖U − Z‖² + τ Σ_j ( l1 ‖U_j‖ + ½ l2 ‖U_j‖² )`, the soft-thresholding of blocks.

    Args:
        Z: (p, t). step_size: `τ > 0`. l1, l2: weights, none below 0, () or (p,).

    Returns:
        (p, t). At the kinks `‖Z_j‖ = τ l1`, autodiff takes the derivative 0.

    Example:
        >>> import jax.numpy as jnp
        >>> prox_rows(jnp.array([[3.0, -4.0], [0.3, 0.4]]), 1.0, 2.5)
        Array([[ 1.5, -2. ],
               [ 0. ,  0. ]], dtype=float32)
    """
    Z, tau, l1, l2 = floating(Z=Z, step_size=step_size, l1=l1, l2=l2)
    # 0 ∈ u − z + τ l1 ∂‖u‖ + τ l2 u:
    #   u ≠ 0:  ∂‖u‖ = u/‖u‖, so u = κ z with κ > 0, and  κ (1 + τ l2) ‖z‖ = ‖z‖ − τ l1,  consistent iff ‖z‖ > τ l1
    #   u = 0:  ∂‖u‖ is the ball of radius 1:  ‖z‖ ≤ τ l1
    norm = row_norms(Z)
    kept = norm > tau * l1
    shrink = jnp.where(kept, (1.0 - tau * l1 / jnp.where(kept, norm, 1.0)) / (1.0 + tau * l2), 0.0)
    return shrink[:, None] * Z


def multi_task_objective(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
) -> jax.Array:
    """F(W, b), summed over the targets.

    Args:
        params: coef (p, t), intercept (t,). X: (n, p), y: (n, t). lam: `λ ≥ 0`, (). l1_ratio: ρ in [0, 1], ().
        sample_weight: `s ≥ 0`, (n,); ``None`` is 1.

    Returns:
        (), in squared units of y.

    Example:
        >>> import jax.numpy as jnp
        >>> X, Y = jnp.array([[1.0], [2.0]]), jnp.array([[3.0, 4.0], [6.0, 8.0]])
        >>> float(multi_task_objective(Params(jnp.zeros(2), jnp.array([[3.0, 4.0]])), X, Y, 2.0))
        10.0
    """
    b, W, X, Y, lam, rho, s = as_floats(params, X, y, lam, l1_ratio, sample_weight)
    penalty = rho * jnp.sum(row_norms(W)) + 0.5 * (1.0 - rho) * jnp.sum(W**2)
    return jnp.sum(squared_error(Params(b, W), X, Y, sample_weight=s)) + lam * penalty


def multi_task_gradient(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
) -> Params:
    """`(∂F/∂b, ∂F/∂W)`, with the subgradient 0 of `‖W_j‖` at `W_j = 0`.

    Args:
        params, X, y, lam, l1_ratio, sample_weight: as in :func:`multi_task_objective`.

    Returns:
        Params: intercept (t,), coef (p, t).

    Example:
        >>> import jax.numpy as jnp
        >>> X, Y = jnp.array([[1.0], [2.0]]), jnp.array([[3.0, 4.0], [6.0, 8.0]])
        >>> multi_task_gradient(Params(jnp.zeros(2), jnp.array([[3.0, 4.0]])), X, Y, 5.0).coef
        Array([[3., 4.]], dtype=float32)
    """
    b, W, X, Y, lam, rho, s = as_floats(params, X, y, lam, l1_ratio, sample_weight)
    # With r_i = y_i − Wᵀx_i − b, of t numbers:
    #
    #   ∂F/∂b   = −1/Σs Σ_i s_i r_i
    #   ∂F/∂W_j = −1/Σs Σ_i s_i x_ij r_i + λρ W_j/‖W_j‖ + λ(1−ρ) W_j
    R = shares(s, X.shape[0], X.dtype)[:, None] * (Y - predict(Params(b, W), X))
    norm = row_norms(W)
    direction = W / jnp.where(norm > 0, norm, 1.0)[:, None]
    return Params(-jnp.sum(R, axis=0), -product(X.T, R) + lam * rho * direction + lam * (1.0 - rho) * W)


def multi_task_lam_max(
    X: ArrayLike,
    y: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
) -> jax.Array:
    """The smallest λ at which every coefficient is 0: max over j of `‖Σ_i s_i x_ij (y_i − ȳ)‖ / (ρ Σs)`.

    Args:
        X: (n, p), y: (n, t). l1_ratio: `ρ > 0` (0 gives inf). fit_intercept: static. sample_weight: `s ≥ 0`, (n,).

    Returns:
        (), in the units of λ.

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(multi_task_lam_max(jnp.array([[-1.0], [1.0]]), jnp.array([[0.0, 0.0], [6.0, 8.0]]))), 4)
        5.0
    """
    X, Y, rho, s = floating(X=X, y=y, l1_ratio=l1_ratio, sample_weight=sample_weight)
    # From W = 0 in a direction U of column j, F changes by −⟨c_j, U⟩ + λρ ‖U‖ to first order, c_j = Σ_i s_i x_ij r_i/Σs
    # with r the residual of the intercept. That is ≥ 0 for every U iff ‖c_j‖ ≤ λρ.
    Z, target = weighted_rows(X, s, fit_intercept), weighted_rows(Y, s, fit_intercept)
    largest = jnp.max(row_norms(product(Z.T, target)), initial=0.0)
    return jnp.where(largest == 0, 0.0, largest / rho)


def multi_task_kkt_residual(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
) -> jax.Array:
    """How steeply F still falls, with respect to one column or the intercept; 0 at the minimum.

    Args:
        params, X, y, lam, l1_ratio, sample_weight: as in :func:`multi_task_objective`.
        fit_intercept: static; ``False`` ignores the derivative by the intercept.

    Returns:
        (), in the units of the gradient.

    Example:
        >>> import jax.numpy as jnp
        >>> X, Y = jnp.array([[-1.0], [1.0]]), jnp.array([[0.0, 0.0], [6.0, 8.0]])
        >>> float(multi_task_kkt_residual(Params(jnp.array([3.0, 4.0]), jnp.zeros((1, 2))), X, Y, lam=3.0))
        2.0
    """
    b, W, X, Y, lam, rho, s = as_floats(params, X, y, lam, l1_ratio, sample_weight)
    # The subgradient of least norm: where W_j ≠ 0 it is the gradient; where W_j = 0 that of the smooth part, less at
    # most λρ of its length.
    g = multi_task_gradient(Params(b, W), X, Y, lam, rho, sample_weight=s)
    slope, norm = row_norms(g.coef), row_norms(W)
    steepest = jnp.where(norm == 0, jnp.maximum(slope - lam * rho, 0.0), slope)
    largest = jnp.max(jnp.where(jnp.isnan(norm), jnp.nan, steepest), initial=0.0)
    return jnp.maximum(largest, row_norms(g.intercept[None, :])[0]) if fit_intercept else largest


def as_floats(params: Params, X: Any, y: Any, lam: Any, l1_ratio: Any, sample_weight: Any) -> tuple[jax.Array, ...]:
    """b (t,), W, X, y, λ, ρ and s as arrays of one floating dtype; an intercept that is a number is repeated."""
    given = {"X": X, "y": y, "lam": lam, "l1_ratio": l1_ratio, "sample_weight": sample_weight}
    b, W, *rest = floating(intercept=params.intercept, coef=params.coef, **given)
    return jnp.broadcast_to(b, W.shape[1:]), W, *rest
