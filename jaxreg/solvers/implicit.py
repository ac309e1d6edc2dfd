"""Derivatives of a solution by λ, l1_ratio, X, y, weights, factors and bounds, without unrolling the solver.

With `x_j` and y centred by their weighted means and `S = diag(s/Σs)`, a solution satisfies, at its interior
coefficients I (where `|w_j|` has no kink, and not at a bound),

    R_I(w, data) = X_Iᵀ S (y − X w) − l1_I sign(w_I) − l2_I w_I = 0,     M = −∂R_I/∂w_I = X_Iᵀ S X_I + diag(l2_I)

The other coefficients stay at 0 or move with their bound. R is linear in w while I and the signs stay. So for other
data near by the solution is one Newton step from *any* point, also from the solution `w⁰` of the data at hand:

    w_I(data) = w⁰_I + M(data)⁻¹ R_I(w⁰, data),        R_I(w⁰, data at hand) = 0.                                    (1)

This has the value `w⁰` and, with `w⁰` constant, all derivatives of the solution, of any order, forwards and backwards.
The weights come in linearly, so a weight of 0 has its derivative too (`√s` has none there).

**Kinks.** Where I changes there is no derivative, and this is the one on the side of the I that was found: a
coefficient at 0 stays there if `|w_j|` has a weight, and one that is pressed against a bound moves with it, also if the
bound is 0 (on the side of `lower < 0`, the only one there is). Where M is singular and the change of R is not in its
range, there is none either: NaN.

Source: Bertrand, Klopfenstein, Massias, Blondel, Vaiter, Gramfort and Salmon, J. Machine Learning Research 23, 2022.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, change_of, varying_like
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import centred, shares, weighted_mean
from jaxreg.solvers.conjugate_gradients import conjugate_gradients
from jaxreg.solvers.reduction import Data, column_norm

__all__ = ["definite_solve", "with_derivatives"]


def with_derivatives(data: Data, params: Params, lams: jax.Array, l1_ratio: ArrayLike) -> Params:
    """``params`` themselves, with the derivatives of a solution.

    Args:
        data: X (n, p), Y (n, t). params: solutions without derivatives, coef (L, p, t), intercept (L, t).
        lams: (L, t). l1_ratio: ().

    Returns:
        Params of the same values.
    """
    # Under shard_map the linear system asks that all of it differ between devices if any of it does.
    everything = (data[:-1], params, lams, jnp.asarray(l1_ratio, data.X.dtype))
    arrays, params, lams, rho = varying_like(everything, everything)
    data = Data._make((*arrays, data.fit_intercept))
    X, Y, s = data.X, data.Y, data.sample_weight
    (n, p), dtype = X.shape, X.dtype
    share = varying_like(shares(s, n, dtype), lams)
    # In units of the columns, u = size · w: this only conditions the linear system.
    size = column_norm(weighted_rows(*jax.lax.stop_gradient((X, s)), data.fit_intercept))
    A, targets = (centred(X, s), centred(Y, s)) if data.fit_intercept else (X, Y)
    A = A / size[None, :]
    explains = jnp.any((A != 0) & (share > 0)[:, None], axis=0)
    lower = broadcast_columns(data.lower, p, -jnp.inf, dtype)
    upper = broadcast_columns(data.upper, p, jnp.inf, dtype)

    def member(lam: jax.Array, w: jax.Array, target: jax.Array, tau: jax.Array) -> jax.Array:
        l1, l2 = penalty_weights(lam, rho, data.penalty_factor, data.scale, p, tau)
        l1, l2 = l1 / size, l2 / size / size
        # A coefficient of 0 is held there by its bound if the residual pulls beyond it by more than l1.
        pull = jnp.where(w == 0, A.T @ (share * (target - A @ (size * w))), 0.0)
        at_lower = (w == lower) & ((w != 0) | (pull < -l1))
        at_upper = (w == upper) & ((w != 0) | (pull > l1))
        inside = ((w != 0) | (l1 == 0)) & ~at_lower & ~at_upper & (explains | (l2 > 0))
        w = jnp.where(at_lower, lower, jnp.where(at_upper, upper, w))
        residual = A.T @ (share * (target - A @ (size * w))) - l1 * jnp.sign(w) - l2 * size * w

        # In further units, so that M has ones on its diagonal.
        unit = jax.lax.stop_gradient(jnp.where(inside, 1.0 / jnp.sqrt(1.0 + l2), 0.0))

        def matrix(d: jax.Array) -> jax.Array:
            step = unit * d
            return jnp.where(inside, unit * (A.T @ (share * (A @ step)) + l2 * step), d)

        step = unit * definite_solve(matrix, unit * change_of(residual), 4 * min(n, p) + 100)
        return w + step / size

    over_targets = jax.vmap(member, in_axes=(0, 1, 1, 0), out_axes=1)
    found = jax.lax.stop_gradient(params.coef)
    coef = jax.vmap(over_targets, in_axes=(0, 0, None, None))(lams, found, targets, data.tau)
    if not data.fit_intercept:
        return Params(params.intercept, coef)
    # b = ȳ − x̄·w, again with the value that was given.
    intercept = weighted_mean(Y, s)[None, :] - jnp.einsum("p,lpt->lt", weighted_mean(X, s), coef)
    return Params(jax.lax.stop_gradient(params.intercept) + change_of(intercept), coef)


def definite_solve(matrix: Callable[[jax.Array], jax.Array], right: jax.Array, most: int) -> jax.Array:
    """`M⁻¹ right`, (p,), by conjugate gradients, with derivatives by M and ``right``, of any order.

    0 where ``right`` is 0, at no cost. NaN where something is not a number, or M is singular and has no solution.

    Args:
        matrix: v ↦ M v, M positive semidefinite. most: iterations, static.
    """
    eps = float(jnp.finfo(right.dtype).eps)

    def solve(matrix: Callable[[jax.Array], jax.Array], right: jax.Array) -> jax.Array:
        largest = jnp.max(jnp.abs(right))
        scaled = right / jnp.where(largest > 0, largest, 1.0)
        solution = conjugate_gradients(matrix, scaled, jnp.zeros_like(scaled), most, 4 * eps)
        off = jnp.max(jnp.abs(scaled - matrix(solution)))
        return jnp.where(largest == 0, 0.0, jnp.where(off <= eps ** (1 / 3), largest * solution, jnp.nan))

    return jax.lax.custom_linear_solve(matrix, right, solve, symmetric=True)
