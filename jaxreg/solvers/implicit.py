"""Derivatives of a solution by λ, l1_ratio, X, y, weights, factors and bounds, without unrolling the solver.

At a solution the interior coefficients I (not 0, not at a bound; free columns) satisfy

    R_I(w, data) = Z_Iᵀ(ỹ − Z w) − l1_I sign(w_I) − l2_I w_I = 0,        ∂R_I/∂w_I = −(Z_IᵀZ_I + diag(l2_I)) = −M

and while I does not change, the implicit function theorem gives  dw_I = M⁻¹ dR_I,  where dR_I is the change of R_I
with the data alone. The other coefficients stay at 0 or move with their bound. Adding M⁻¹(R_I − stop_gradient(R_I)),
which is 0, to a solution with no derivative gives it exactly this one, forwards and backwards.

The support-restricted system is small and well conditioned where the full one is not. Source: Bertrand, Klopfenstein,
Massias, Blondel, Vaiter, Gramfort and Salmon, J. Machine Learning Research 23, 2022. Where I changes, the solution has
a kink, and this is the derivative on the side of the support that was found.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from jaxreg.formulas._arrays import broadcast_columns
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import weighted_mean
from jaxreg.solvers.reduction import Data, column_norm

__all__ = ["with_derivatives"]


def with_derivatives(data: Data, params: Params, lams: jax.Array, l1_ratio: Any) -> Params:
    """``params`` themselves, with the derivatives of a solution.

    Args:
        data: X (n, p), Y (n, t). params: solutions without derivatives, coef (L, p, t), intercept (L, t).
        lams: (L, t). l1_ratio: ().

    Returns:
        Params of the same values.
    """
    p, dtype = data.X.shape[1], data.X.dtype
    rho = jnp.asarray(l1_ratio, dtype)
    Z, targets = (weighted_rows(a, data.sample_weight, data.fit_intercept) for a in (data.X, data.Y))
    size = jax.lax.stop_gradient(column_norm(Z))  # only conditions the linear system
    fixed_Z = jax.lax.stop_gradient(Z) / size[None, :]
    lower = broadcast_columns(data.lower, p, -jnp.inf, dtype)
    upper = broadcast_columns(data.upper, p, jnp.inf, dtype)

    def member(lam: jax.Array, w: jax.Array, target: jax.Array, tau: jax.Array) -> jax.Array:
        at_lower, at_upper = (w == lower) & (w != 0), (w == upper) & (w != 0)
        inside = (w != 0) & ~at_lower & ~at_upper
        w = jnp.where(at_lower, lower, jnp.where(at_upper, upper, w))
        l1, l2 = penalty_weights(lam, rho, data.penalty_factor, data.scale, p, tau)
        residual = (Z.T @ (target - Z @ w) - l1 * jnp.sign(w) - l2 * w) / size
        change = jnp.where(inside, residual - jax.lax.stop_gradient(residual), 0.0)
        added = jax.lax.stop_gradient(l2) / size**2

        def matrix(d: jax.Array) -> jax.Array:
            d_inside = jnp.where(inside, d, 0.0)
            return jnp.where(inside, fixed_Z.T @ (fixed_Z @ d_inside) + added * d_inside, d)

        # The value of ``change`` is 0, so this costs nothing until a derivative is asked for.
        most = 4 * min(Z.shape) + 100
        step, _ = cg(matrix, change, tol=4 * jnp.finfo(dtype).eps, maxiter=most)
        return w + jnp.where(inside, step, 0.0) / size

    over_targets = jax.vmap(member, in_axes=(0, 1, 1, 0), out_axes=1)
    found = jax.lax.stop_gradient(params.coef)
    coef = jax.vmap(over_targets, in_axes=(0, 0, None, None))(lams, found, targets, data.tau)
    if not data.fit_intercept:
        return Params(params.intercept, coef)
    # b = ȳ − x̄·w, again with the value that was given.
    x_mean, y_mean = weighted_mean(data.X, data.sample_weight), weighted_mean(data.Y, data.sample_weight)
    intercept = y_mean[None, :] - jnp.einsum("p,lpt->lt", x_mean, coef)
    given = jax.lax.stop_gradient(params.intercept)
    return Params(given + (intercept - jax.lax.stop_gradient(intercept)), coef)
