"""What every row does to a solution: the hat matrix, derivatives by its weight, and the solution without it.

On the support I of a solution, with columns centred by their weighted means, `S = diag(s/Σs)` and
`M = A_Iᵀ S A_I + diag(l2_I)`,

    ∂ŷ_i/∂y_k = s_k/Σs ( 1 + a_i M⁻¹ a_k ),      h_i = ∂ŷ_i/∂y_i                                                   (1)

without the 1 where no intercept is fitted. Scales σ and τ are held fixed here, as the leave-one-out of ridge holds
them. Row i is taken away, `s_i → 0`, by one Newton step on the support:

    Δw_I = − (s_i/Σs) M⁻¹ a_i r_i / (1 − h_i),      r_i = y_i − ŷ_i                                                 (2)

which is the solution without the row if the support and the signs stay (Sherman and Morrison), with the penalty's
`λ Σs` and scales of all rows. The derivative by the weight, times `−s_i`, is (2) without the division.

Sources: Cook and Weisberg, *Residuals and Influence in Regression*, 1982; Rad and Maleki, *J. R. Stat. Soc. B* 82,
2020.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import broadcast_columns
from jaxreg.formulas.objective import penalty_weights
from jaxreg.formulas.scaling import centred, shares
from jaxreg.solvers.found import Arrays, Asked
from jaxreg.solvers.reduced import prepare

__all__ = ["Influence", "influence_of", "leverages"]

# Added to a diagonal of ones: columns that depend on each other have an inverse also where the penalty has no squares.
LEAST = 1e-10


class Influence(NamedTuple):
    """Of n rows.

    Attributes:
        leverage: h, (n,). residual: r, (n,). hat: `∂ŷ/∂y`, (n, n), or None.
        by_weight: `∂w/∂s_i`, (n, p). change: w without row i less w, (n, p). intercept_change: (n,).
        fitted_change: `ŷ_i` without row i less `ŷ_i`, (n,).
    """

    leverage: jax.Array
    residual: jax.Array
    hat: jax.Array | None
    by_weight: jax.Array
    change: jax.Array
    intercept_change: jax.Array
    fitted_change: jax.Array


def _system(asked: Asked, a: Arrays, coef: jax.Array, lam: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A, (n, p), `s/Σs`, (n,), and `M⁻¹ Aᵀ` with rows of 0 outside the support, (p, n)."""
    weights = a.sample_weight, a.penalty_factor, a.lower, a.upper
    data = prepare(a.X, a.Y, asked.fit_intercept, asked.standardize, *weights)
    (n, p), dtype = a.X.shape, a.X.dtype
    share = shares(data.sample_weight, n, dtype)
    A = centred(data.X, data.sample_weight) if asked.fit_intercept else data.X
    l1, l2 = penalty_weights(lam, a.l1_ratio, data.penalty_factor, data.scale, p, data.tau[0])
    lower, upper = broadcast_columns(data.lower, p, -jnp.inf, dtype), broadcast_columns(data.upper, p, jnp.inf, dtype)
    square = share @ A**2
    inside = ((coef != 0) | (l1 == 0)) & (coef > lower) & (coef < upper) & ((square > 0) | (l2 > 0))
    size = jax.lax.stop_gradient(jnp.sqrt(jnp.where(square > 0, square, 1.0)))
    A = jnp.where(inside[None, :], A / size[None, :], 0.0)
    added = jnp.where(inside, l2 / size**2 + LEAST, 1.0)
    if p <= n:
        solved = jnp.linalg.solve((A * share[:, None]).T @ A + jnp.diag(added), A.T)
    else:  # M⁻¹Aᵀ = D⁻¹Aᵀ (I + S A D⁻¹ Aᵀ)⁻¹
        wide = A / added[None, :]
        solved = jnp.linalg.solve(jnp.eye(n, dtype=dtype) + (A @ wide.T) * share[None, :], wide).T
    return A * size[None, :], share, solved / size[:, None]


def leverages(asked: Asked, arrays: Arrays, coef: jax.Array, lam: jax.Array) -> jax.Array:
    """`h_i` of formula (1), (n,), at a solution w, (p,)."""
    A, share, solved = _system(asked, arrays, coef, lam)
    return share * (jnp.sum(A * solved.T, axis=1) + float(asked.fit_intercept))


def influence_of(
    asked: Asked, arrays: Arrays, coef: jax.Array, intercept: jax.Array, lam: jax.Array, hat: bool
) -> Influence:
    """All of it at a solution w, (p,), of one target; ``hat``: static, whether the (n, n) matrix is made."""
    A, share, solved = _system(asked, arrays, coef, lam)
    one = float(asked.fit_intercept)
    h = share * (jnp.sum(A * solved.T, axis=1) + one)
    residual = arrays.Y[:, 0] - arrays.X @ coef - intercept
    away = solved.T * (-residual)[:, None]  # the direction of w when s_i falls, (n, p)
    total = len(share) if arrays.sample_weight is None else jnp.sum(arrays.sample_weight)
    newton = share / (1.0 - h)
    change = away * newton[:, None]
    x_mean = share @ arrays.X
    fitted = -residual * h / (1.0 - h)
    intercept_change = -one * (residual * newton + change @ x_mean)
    matrix = share[None, :] * (A @ solved + one) if hat else None
    return Influence(h, residual, matrix, -away / total, change, intercept_change, fitted)
