"""All n ridge models that leave out one row, from one decomposition; and the certificate of each.

In the notation of :mod:`~jaxreg.solvers.leave_one_out`, with rows `a_i` of A, `M = AᵀA + (λ/τ) I` and left-out
residuals

    R_i = (y_i − ŷ_i) / (1 − h_i),

the model without row i is

    u_(i) = u − M⁻¹a_i R_i/√n,       b_(i) = ȳ − R_i/n − x̄·w_(i),

with `b_(i) = 0` where no intercept is fitted. For `n > p`, `A = B Vᵀ` gives `M⁻¹a_i = V diag(1/(e + λ/τ)) B_i`, and
else the eigenvectors U of `AAᵀ`, `M⁻¹a_i = AᵀU diag(1/(e + λ/τ)) U_i`.

**The certificate.** With the residuals `E_l = (y_l − x_l·w − b)/√n` of a model, over the rows `l ≠ i`, and their mean
m, moving b by `√n m` takes `½ (n − 1) m²` off the objective, and leaves the gradient

    g = (λ/τ) u − Σ_{l ≠ i} a_l (E_l − m) = (λ/τ) u − Aᵀ(ỹ − A u) + a_i (E_i − m)

(the columns of A sum to 0). What is left to gain is at most `‖g‖²/(2 λ/τ)`, for the objective is that strongly convex.

Source: Sherman and Morrison, *Ann. Math. Statist.* 21, 1950; Barber, Candès, Ramdas and Tibshirani, *Ann. Statist.* 49,
2021, for what the models are used for.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating
from jaxreg.formulas.duality import relative_gap
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import weighted_mean
from jaxreg.solvers.left_out_sums import decomposition
from jaxreg.solvers.reduced import prepare
from jaxreg.solvers.spectrum import spectrum_of_rows

__all__ = ["LeftOut", "gaps_of_left_out", "left_out_models"]


class LeftOut(NamedTuple):
    """n + 1 models, of which the last one is that of all rows.

    Attributes:
        coef: (n + 1, p), intercept: (n + 1,), gap: (n + 1,), relative duality gaps, with the penalty (n λ) and the
            scales of all rows.
        residual: R, (n,); infinite where a row alone determines a coefficient. scale: σ, (p,). y_scale: τ, ().
    """

    coef: jax.Array
    intercept: jax.Array
    gap: jax.Array
    residual: jax.Array
    scale: jax.Array
    y_scale: jax.Array


def left_out_models(
    X: ArrayLike, y: ArrayLike, lam: ArrayLike, *, fit_intercept: bool = True, standardize: bool = True
) -> LeftOut:
    """The ridge models without each row, and that of all rows.

    Args:
        X: (n, p), y: (n,), floating. lam: `λ > 0`, (). fit_intercept, standardize: static.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0.0, 3.0, 1.0, 2.0])
        >>> [round(float(r), 3) for r in left_out_models(X, y, jnp.array(1.0)).residual]
        [-1.573, 1.573, 0.045, -0.045]
    """
    data = prepare(X, y, fit_intercept, standardize, None, None, None, None)
    (lam,) = floating(lam=jnp.asarray(lam).astype(data.X.dtype))
    X, Y = data.X, data.Y
    n, p = X.shape
    lam = lam / data.tau[0]
    rows, target = weighted_rows(X, None, fit_intercept) / data.scale[None, :], weighted_rows(Y, None, fit_intercept)
    root = jnp.full((n, 1 if fit_intercept else 0), n**-0.5, X.dtype)
    if n > p:
        e, V, right = spectrum_of_rows(rows, target, lam)[:3]
        Q, left, shrunk = rows @ V, V, 1.0 / (e + lam)
        e_i = target[:, 0] - Q @ (shrunk * right[:, 0])
        remaining = 1.0 - jnp.sum(root**2, axis=1) - Q**2 @ shrunk
    else:
        Q, e, _, kept = decomposition(rows, root, lam[None])
        left, shrunk = rows.T @ Q, jnp.where(kept, 1.0 / (e + lam), 0.0)
        right = Q.T @ target
        e_i, remaining = Q @ (shrunk * right[:, 0]), Q**2 @ shrunk  # both less a factor λ/τ
    known = remaining > 64 * jnp.finfo(X.dtype).eps * (1.0 if n > p else shrunk.max())
    weighted = jnp.where(known, e_i / jnp.where(known, remaining, 1.0), jnp.inf)
    u = left @ (shrunk * right[:, 0])
    U = jnp.concatenate([u[None, :] - weighted[:, None] * ((Q * shrunk[None, :]) @ left.T), u[None, :]])
    coef = U / data.scale[None, :]
    intercept = jnp.zeros((n + 1,), X.dtype)
    if fit_intercept:
        moved = jnp.append(weighted * n**-0.5, 0.0)
        intercept = weighted_mean(Y, None)[0] - moved - coef @ weighted_mean(X, None)
    gap = gaps_of_left_out(X, Y[:, 0], coef, intercept, lam, data.scale, fit_intercept)
    return LeftOut(coef, intercept, gap, weighted * n**0.5, data.scale, data.tau[0])


def gaps_of_left_out(
    X: jax.Array,
    y: jax.Array,
    coef: jax.Array,
    intercept: jax.Array,
    lam: jax.Array,
    scale: jax.Array,
    fit_intercept: bool,
) -> jax.Array:
    """The relative duality gaps, (n + 1,), of models without each row, and of the last one, with all.

    Args:
        coef: (n + 1, p), intercept: (n + 1,). lam: λ/τ, (). scale: σ, (p,).
    """
    n, p = X.shape
    A, target = weighted_rows(X, None, fit_intercept) / scale[None, :], weighted_rows(y, None, fit_intercept)
    U, out = coef * scale[None, :], jnp.append(jnp.ones((n,), X.dtype), 0.0)
    own, own_y = jnp.concatenate([A, jnp.zeros((1, p), X.dtype)]), jnp.append(target, 0.0)
    x_mean, y_mean = weighted_mean(X, None), weighted_mean(y, None)
    missed = y_mean - intercept - coef @ x_mean if fit_intercept else jnp.zeros((n + 1,), X.dtype)
    E = out * (own_y - jnp.sum(own * U, axis=1) + missed * n**-0.5)
    count = n - out
    m = (n**0.5 * missed - E) / count if fit_intercept else jnp.zeros_like(E)
    product = U @ (A.T @ A) if n > p else (U @ A.T) @ A
    g = lam * U - (target @ A)[None, :] + product + own * (E - m)[:, None]
    excess = 0.5 * count * m**2 + jnp.sum(g**2, axis=1) / (2.0 * lam)
    yy = jnp.sum(target**2) - own_y**2 * (n / count if fit_intercept else 1.0)
    return relative_gap(excess, jnp.zeros_like(excess), yy, yy + y_mean**2)
