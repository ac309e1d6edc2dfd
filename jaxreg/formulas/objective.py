"""What is minimised: squared error plus elastic-net penalty.

    F(w, b) = 1/(2 Σs) Σ_i s_i (y_i − x_i·w − b)²  +  λ Σ_j v_j ( ρ σ_j |w_j| + (1−ρ)/(2τ) σ_j² w_j² )

with `λ ≥ 0` ``lam``, ρ ``l1_ratio`` in [0, 1] (1 is the lasso, 0 is ridge), s ``sample_weight``, v ``penalty_factor``,
σ ``scale`` and τ ``y_scale``: the standard deviations of the columns and of y where the solvers standardise, else 1. A
column with `v_j = ∞` is left out: its coefficient is 0, at `λ = 0` too, and any other makes F infinite; derivatives by
it are 0. This is the only objective in jaxreg: every solver minimises it, every other program's λ is converted to it.
The intercept b carries no penalty.

**Units.** `σ_j w_j` is in units of y. With τ in the units of y, so is λ: measured in cents instead of euros, `y → cy`,
`λ → cλ`, `w → cw` multiply every term of F by `c²`, and the models are the same for every ρ. Without τ the squares
would need a λ without unit, and an elastic net would change with the currency. R's glmnet has the same τ.

Several targets at once: y is (n, t), the coefficients are (p, t), the intercepts (t,), and every function here returns
one value a target.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, floating, per_row
from jaxreg.params import Params
from jaxreg.precision import full_precision

__all__ = [
    "Params",
    "absolute",
    "elastic_net_penalty",
    "lasso_penalty",
    "objective",
    "penalty_weights",
    "predict",
    "ridge_penalty",
    "squared_error",
]


def absolute(w: jax.Array) -> jax.Array:
    """`|w|` as `w·sign(w)`, so that autodiff takes the subgradient 0 at `w = 0` (``jax.grad(jnp.abs)(0.)`` is 1).

    Args:
        w: any shape, floating.

    Example:
        >>> import jax
        >>> float(jax.grad(absolute)(0.0)), float(jax.grad(absolute)(-2.0))
        (0.0, -1.0)
    """
    # d/dw [w sign(w)] = sign(w) + w·0: JAX's derivative of sign is 0, and sign(0) = 0.
    return w * jnp.sign(w)


@full_precision
def predict(params: Params, X: ArrayLike) -> jax.Array:
    """`ŷ = Xw + b`.

    Args:
        params: coef (p,) or (p, t), intercept () or (t,).
        X: (n, p).

    Returns:
        (n,) or (n, t).

    Example:
        >>> import jax.numpy as jnp
        >>> predict(Params(1.0, jnp.array([2.0, 0.5])), jnp.array([[1.0, 2.0]]))
        Array([4.], dtype=float32)
    """
    b, w, X = floating(intercept=params.intercept, coef=params.coef, X=X)
    return X @ w + (b[None, :] if b.ndim else b)


def squared_error(params: Params, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> jax.Array:
    """`1/(2 Σs) Σ_i s_i (y_i − x_i·w − b)²`, half the weighted mean squared residual.

    Args:
        params: coef (p,) or (p, t), intercept () or (t,).
        X: (n, p).
        y: (n,) or (n, t).
        sample_weight: `s ≥ 0`, (n,); ``None`` is 1. Only the ratios matter.

    Returns:
        () or (t,), in squared units of y.

    Example:
        >>> import jax.numpy as jnp
        >>> float(squared_error(Params(0.0, jnp.array([1.0])), jnp.array([[1.0], [2.0]]), jnp.array([1.0, 4.0])))
        1.0
    """
    b, w, X, y, s = floating(intercept=params.intercept, coef=params.coef, X=X, y=y, sample_weight=sample_weight)
    residual = y - predict(Params(b, w), X)
    if s is None:
        return 0.5 * jnp.mean(residual**2, axis=0)
    return 0.5 * jnp.sum(per_row(s, residual) * residual**2, axis=0) / jnp.sum(s)


def penalty_weights(
    lam: jax.Array,
    l1_ratio: jax.Array,
    penalty_factor: jax.Array | None,
    scale: jax.Array | None,
    p: int,
    y_scale: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The weights (l1, l2) of `|w_j|` and `½ w_j²` in the objective, each (p,) for one λ and target.

    `l1_j = λ ρ v_j σ_j` and `l2_j = λ (1−ρ) v_j σ_j² / τ`.
    """
    v = broadcast_columns(penalty_factor, p, 1.0, lam.dtype)
    sigma = broadcast_columns(scale, p, 1.0, lam.dtype)
    square = lam * (1.0 - l1_ratio)
    return lam * l1_ratio * v * sigma, (square if y_scale is None else square / y_scale) * v * sigma**2


def _without_left_out(coef: jax.Array, penalty_factor: jax.Array | None) -> tuple[jax.Array, Any, Any]:
    """w and v with 0 where `v_j = ∞`, and what such columns add to F: 0, or ∞ where one of their w is not 0."""
    if penalty_factor is None:
        return coef, None, 0.0
    v = broadcast_columns(penalty_factor, coef.shape[0], 1.0, coef.dtype)
    out = jnp.isposinf(v)
    kept = jnp.where(per_row(out, coef), jnp.zeros_like(coef), coef)
    return kept, jnp.where(out, jnp.zeros_like(v), v), jnp.where(jnp.any(kept != coef, axis=0), jnp.inf, 0.0)


def lasso_penalty(
    coef: ArrayLike, lam: ArrayLike, *, penalty_factor: ArrayLike | None = None, scale: ArrayLike | None = None
) -> jax.Array:
    """`λ Σ_j v_j σ_j |w_j|`.

    Args:
        coef: w, (p,) or (p, t).
        lam: `λ ≥ 0`, () or (t,).
        penalty_factor: `v ≥ 0`, (p,) or a number; ``None`` is 1, ∞ leaves the column out.
        scale: `σ > 0`, (p,) or a number; ``None`` is 1.

    Returns:
        () or (t,).

    Example:
        >>> import jax.numpy as jnp
        >>> float(lasso_penalty(jnp.array([5.0, -3.0]), 2.0))
        16.0
    """
    w, lam, v, sigma = floating(coef=coef, lam=lam, penalty_factor=penalty_factor, scale=scale)
    w, v, infinite = _without_left_out(w, v)
    v, sigma = broadcast_columns(v, w.shape[0], 1.0, w.dtype), broadcast_columns(sigma, w.shape[0], 1.0, w.dtype)
    return lam * jnp.sum(per_row(v * sigma, w) * absolute(w), axis=0) + infinite


def ridge_penalty(
    coef: ArrayLike,
    lam: ArrayLike,
    *,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
) -> jax.Array:
    """`λ/(2τ) Σ_j v_j σ_j² w_j²`.

    Args:
        y_scale: `τ > 0`, () or (t,); ``None`` is 1. The others: as in :func:`lasso_penalty`.

    Returns:
        () or (t,).

    Example:
        >>> import jax.numpy as jnp
        >>> float(ridge_penalty(jnp.array([5.0, -3.0]), 2.0)), float(ridge_penalty(jnp.array([2.5, -1.5]), 2.0))
        (34.0, 8.5)
    """
    w, lam, v, sigma, tau = floating(coef=coef, lam=lam, penalty_factor=penalty_factor, scale=scale, y_scale=y_scale)
    w, v, infinite = _without_left_out(w, v)
    v, sigma = broadcast_columns(v, w.shape[0], 1.0, w.dtype), broadcast_columns(sigma, w.shape[0], 1.0, w.dtype)
    half = 0.5 * lam if tau is None else 0.5 * lam / tau
    return half * jnp.sum(per_row(v * sigma**2, w) * w**2, axis=0) + infinite


def elastic_net_penalty(
    coef: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike,
    *,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
) -> jax.Array:
    """`ρ · lasso + (1−ρ) · ridge` of the two penalties (Zou and Hastie 2005, in glmnet's parametrisation).

    Args:
        coef: w, (p,) or (p, t).
        lam: `λ ≥ 0`, () or (t,).
        l1_ratio: ρ in [0, 1], () or (t,).
        penalty_factor, scale: as in :func:`lasso_penalty`. y_scale: as in :func:`ridge_penalty`.

    Returns:
        () or (t,).

    Example:
        >>> import jax.numpy as jnp
        >>> float(elastic_net_penalty(jnp.array([5.0, -3.0]), 2.0, 0.5))
        25.0
    """
    w, lam, rho, v, sigma, tau = floating(
        coef=coef, lam=lam, l1_ratio=l1_ratio, penalty_factor=penalty_factor, scale=scale, y_scale=y_scale
    )
    w, v, infinite = _without_left_out(w, v)
    lasso = lasso_penalty(w, lam, penalty_factor=v, scale=sigma)
    ridge = ridge_penalty(w, lam, penalty_factor=v, scale=sigma, y_scale=tau)
    return rho * lasso + (1.0 - rho) * ridge + infinite


def objective(
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
) -> jax.Array:
    """F(w, b) = squared_error + elastic_net_penalty, the objective that every jaxreg solver minimises.

    Args:
        params: coef (p,) or (p, t), intercept () or (t,).
        X: (n, p), y: (n,) or (n, t).
        lam: `λ ≥ 0`, () or (t,).
        l1_ratio: ρ in [0, 1], () or (t,): 1 lasso, 0 ridge.
        sample_weight: `s ≥ 0`, (n,). penalty_factor: `v ≥ 0`, (p,). scale: `σ > 0`, (p,).
        y_scale: `τ > 0`, () or (t,). ``None`` is 1. Solutions have the σ and τ that they minimise it with.

    Returns:
        () or (t,), in squared units of y.

    Raises:
        TypeError: NumPy float64 input while JAX's 64-bit mode is off; complex input.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> X, y = jnp.array([[1.0], [2.0]]), jnp.array([1.0, 4.0])
        >>> float(objective(Params(0.0, jnp.array([1.0])), X, y, 0.1))
        1.100000023841858
        >>> jax.grad(objective)(Params(0.0, jnp.array([1.0])), X, y, 0.1).coef
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
    w, v, infinite = _without_left_out(w, v)
    penalty = elastic_net_penalty(w, lam, rho, penalty_factor=v, scale=sigma, y_scale=tau)
    return squared_error(Params(b, w), X, y, sample_weight=s) + penalty + infinite
