"""Automatic λ-grids."""

import jax
import jax.numpy as jnp

from jaxreg.formulas.optimality import largest_lam

__all__ = ["default_eps", "geometric_grid", "grid_start"]

# A ridge penalty alone never makes a coefficient 0: below this l1_ratio the grid starts as if it were 0.001 (glmnet).
SMALLEST_L1_RATIO = 1e-3


def default_eps(n: int, p: int) -> float:
    """λ_min / λ_max: 1e-4 if n > p, else 1e-2 (glmnet's)."""
    return 1e-4 if n > p else 1e-2


def grid_start(
    correlation: jax.Array,
    l1_ratio: jax.Array,
    penalty_factor: jax.Array,
    scale: jax.Array,
    lower: jax.Array | None,
    upper: jax.Array | None,
) -> jax.Array:
    """λ_max over all targets, and 1 where it is 0 (a constant y, say), so that the grid is finite and positive.

    Args:
        correlation: x_jᵀ S r₀ / Σs, (p, t). l1_ratio: (). penalty_factor, scale: (p,). lower, upper: (p,) or None.

    Returns:
        ().
    """
    l1 = jnp.maximum(l1_ratio, SMALLEST_L1_RATIO) * penalty_factor * scale
    start = jnp.max(jax.vmap(lambda c: largest_lam(c, l1, lower, upper), 1)(correlation))
    return jnp.where(start > 0, start, 1.0)


def geometric_grid(start: jax.Array, count: int, eps: float | jax.Array) -> jax.Array:
    """``count`` λs from ``start`` down to ``eps·start`` in equal ratios, (count,)."""
    exponent = jnp.arange(count, dtype=start.dtype) / max(count - 1, 1)
    return start * jnp.asarray(eps, start.dtype) ** exponent
