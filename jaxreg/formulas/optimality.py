"""When is a solution optimal? `λ_max`, and the Karush–Kuhn–Tucker residual.

Source: Hastie, Tibshirani and Wainwright, *Statistical Learning with Sparsity*, 2015, §2.2 and §5.2.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, change_of, floating, without_columns
from jaxreg.formulas.gradients import gradient
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.projection import free_basis, free_columns, project_out, weighted_rows
from jaxreg.formulas.scaling import centred, shares
from jaxreg.precision import full_precision

__all__ = ["kkt_residual", "lam_max"]


@full_precision
def lam_max(
    X: ArrayLike,
    y: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> jax.Array:
    """The smallest λ at which every penalised coefficient is 0.

    `λ_max = max_j |x_jᵀ S r₀| / (Σs ρ v_j σ_j)` over the penalised j, where `r₀` is the residual of y on the free
    columns (intercept; `v_j = 0` without bounds). With `lower_j = 0` only a positive correlation counts, with
    `upper_j = 0` only a negative one. A column with `v_j = 0` and a bound is neither free nor penalised: it counts as
    0.

    Args:
        X: (n, p), y: (n,). l1_ratio: `ρ > 0` (0 gives inf: no ridge λ makes a coefficient 0).
        fit_intercept: static. sample_weight: (n,). penalty_factor, scale: (p,). lower, upper: `lower ≤ 0 ≤ upper`, (p,)
            or numbers.

    Returns:
        (), in the units of λ.

    Example:
        >>> import jax.numpy as jnp
        >>> float(lam_max(jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0.0, 3.0, 0.0, 3.0])))
        1.5
    """
    X, y, rho, s, v, sigma, lower, upper = floating(
        X=X,
        y=y,
        l1_ratio=l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        scale=scale,
        lower=lower,
        upper=upper,
    )
    p = X.shape[1]
    X, v = without_columns(X, v)
    Z, target = weighted_rows(X, s, fit_intercept), weighted_rows(y, s, fit_intercept)
    basis = None
    if v is not None:
        basis = free_basis(Z, free_columns(jnp.ones((), X.dtype), v, lower, upper, p))
    # At w = 0 (free columns fitted), F has the directional derivatives −c_j + l1_j upwards and c_j + l1_j downwards,
    # c_j = x_jᵀ S r₀ / Σs and l1_j = λ ρ v_j σ_j. Zero is optimal iff both are ≥ 0 wherever the bounds leave room:
    #   c_j ≤ l1_j  if upper_j > 0,    −c_j ≤ l1_j  if lower_j < 0.
    c = Z.T @ project_out(target, basis)
    if basis is None:
        c = with_weights_as_they_are(c, X, y[:, None], s, fit_intercept)[:, 0]
    l1, _ = penalty_weights(jnp.ones_like(rho), jnp.ones_like(rho), v, sigma, p)
    at_lasso = largest_lam(c, l1, lower, upper)
    return jnp.where(at_lasso == 0, 0.0, at_lasso / rho)


def with_weights_as_they_are(
    c: jax.Array, X: jax.Array, Y: jax.Array, sample_weight: jax.Array | None, fit_intercept: bool
) -> jax.Array:
    """`c_j = x_jᵀ S y / Σs` of centred X and Y, (p, t), as given, with derivatives also where a weight is 0.

    Rows times the roots of their weights have none there.
    """
    A, targets = (centred(X, sample_weight), centred(Y, sample_weight)) if fit_intercept else (X, Y)
    share = shares(sample_weight, X.shape[0], X.dtype)
    return jax.lax.stop_gradient(c).reshape(X.shape[1], -1) + change_of(A.T @ (share[:, None] * targets))


def largest_lam(c: jax.Array, l1: jax.Array, lower: jax.Array | None, upper: jax.Array | None) -> jax.Array:
    """`max_j` of `c_j` (where the bounds leave room) over `l1_j`, the penalty weight at `λ = 1`. Shapes (p,)."""
    up = c if upper is None else jnp.where(upper > 0, c, 0.0)
    down = -c if lower is None else jnp.where(lower < 0, -c, 0.0)
    room = jnp.maximum(jnp.maximum(up, down), 0.0)
    return jnp.max(jnp.where(l1 > 0, room / jnp.where(l1 > 0, l1, 1.0), 0.0), initial=0.0)


@full_precision
def kkt_residual(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> jax.Array:
    """The largest violation of the optimality conditions, 0 at a minimiser of F over `lower ≤ w ≤ upper`.

    Args:
        params: one target: coef (p,), intercept (); within the bounds. X: (n, p), y: (n,). lam, l1_ratio: ().
        fit_intercept: static; ``False`` ignores the derivative by the intercept. y_scale: (). The others: as in
            :func:`lam_max`.

    Returns:
        (), in the units of the gradient: how steeply F still falls along the steepest feasible coordinate.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0]]), jnp.array([0.0, 3.0])
        >>> float(kkt_residual(Params(1.5, jnp.array([0.0])), X, y, lam=1.0))
        0.5
    """
    b, w, X, y, lam, rho, s, v, sigma, tau, lower, upper = floating(
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
        lower=lower,
        upper=upper,
    )
    p = X.shape[1]
    outside = jnp.any(jnp.isposinf(broadcast_columns(v, p, 1.0, X.dtype)) & (w != 0))
    X, v = without_columns(X, v)
    l1, _ = penalty_weights(lam, rho, v, sigma, p)
    lower, upper = broadcast_columns(lower, p, -jnp.inf, X.dtype), broadcast_columns(upper, p, jnp.inf, X.dtype)
    # One coordinate of a convex F is minimal at w_j iff F cannot fall to the right (unless w_j is at its upper bound)
    # nor to the left (unless it is at its lower bound):
    #   right derivative  D₊ = smooth_j + l1_j · (+1 if w_j ≥ 0 else −1)  ≥ 0
    #   left derivative   D₋ = smooth_j + l1_j · (+1 if w_j > 0 else −1)  ≤ 0
    g = gradient(Params(b, w), X, y, lam, rho, sample_weight=s, penalty_factor=v, scale=sigma, y_scale=tau)
    smooth = g.coef - l1 * jnp.sign(w)
    right = smooth + l1 * jnp.where(w >= 0, 1.0, -1.0)
    left = smooth + l1 * jnp.where(w > 0, 1.0, -1.0)
    violation = jnp.maximum(jnp.where(w < upper, -right, 0.0), jnp.where(w > lower, left, 0.0))
    largest = jnp.max(jnp.where(jnp.isnan(w), jnp.nan, violation), initial=0.0)
    largest = jnp.where(outside, jnp.inf, largest)
    return jnp.maximum(largest, jnp.abs(g.intercept)) if fit_intercept else largest
