"""The duality gap of a path from moments alone, and what rounding may make of it."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty, better_dual, largest_scale, penalty_free_scale, relative_gap
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params
from jaxreg.solvers.found import Found

__all__ = ["gap_from_moments", "unit_of"]


def unit_of(n: int, dtype: Any) -> float:
    """By how much of the columns' lengths moments of n rows may be off: their sums of products gather some √n ε."""
    return (8.0 + n**0.5 / 8.0) * float(jnp.finfo(dtype).eps)


def gap_from_moments(
    m: Moments, params: Params, found: Found, l1_ratio: jax.Array, fit_intercept: bool, unit: Any
) -> tuple[jax.Array, jax.Array]:
    """The gaps of ``params``, and what rounding may make of them, as shares of Σ s ỹ²/Σs, each (L, t).

    With c, G and yy the moments over W (about the means where an intercept is fitted) and z = c − G w,

        r·r = yy − w·(c + z),      ỹ·r = yy − c·w,      F = ½ r·r + ½ (ȳ − x̄·w − b)² + Σ_j h_j(w_j)

    Args:
        m: about their means, p columns. found: its λs and scales. unit: by how much of the columns' lengths the moments
            may be off.
    """
    eps, y_mean, x_mean = jnp.finfo(m.xx.dtype).eps, m.y_mean, m.x_mean
    original = m.yy / m.weight + y_mean**2
    m = m if fit_intercept else about_zero(m)
    square = jnp.diagonal(m.xx) / m.weight
    size, G, C = jnp.sqrt(square), m.xx / m.weight, m.xy / m.weight

    def target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        lams, W, b, c, yy, y_mean, m_y, tau, original = argument
        Z = c[None, :] - W @ G
        rr = jnp.maximum(yy - jnp.sum(W * (c[None, :] + Z), axis=1), 0.0)
        spread, far = jnp.sqrt(yy) + jnp.abs(W) @ size, jnp.abs(y_mean) + jnp.abs(b) + jnp.abs(W) @ jnp.abs(x_mean)
        left = m_y - W @ m.x_mean - b

        def one(lam: Any, w: Any, z: Any, rr: Any, left: Any, spread: Any) -> jax.Array:
            l1 = lam * l1_ratio * found.scale
            l2 = lam * (1.0 - l1_ratio) / tau * found.scale**2
            none = jnp.full_like(l1, jnp.inf)
            penalty = Penalty(l1, l2, -none, none)
            yr, rounding = yy - jnp.dot(c, w), 16 * eps * size * spread
            primal = 0.5 * (rr + left**2) + jnp.sum(l1 * jnp.abs(w) + 0.5 * l2 * w**2)
            c_max = largest_scale(z, penalty, rounding)
            c_free = penalty_free_scale(yr, rr, z, penalty, c_max)
            dual = better_dual(c_max, c_free, yr, rr, z, penalty)
            return relative_gap(primal, dual, yy, original)

        gap = jax.vmap(one)(lams, W, Z, rr, left, spread)
        noise = unit * spread**2 + (4 * eps * far) ** 2
        return gap, jnp.where(yy > 0, noise / jnp.where(yy > 0, yy, 1.0), 0.0)

    W = jnp.moveaxis(params.coef, 2, 0)
    m_y = m.y_mean
    each = found.lams.T, W, params.intercept.T, C.T, m.yy / m.weight, y_mean, m_y, found.y_scale, original
    gap, rounding = jax.lax.map(target, each)
    return gap.T, rounding.T
