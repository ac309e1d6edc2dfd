"""Automatic λ-grids, and the steps between λs that are far apart."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.optimality import largest_lam

__all__ = ["STEPS", "default_eps", "geometric_grid", "grid_start", "with_steps"]

# A ridge penalty alone never makes a coefficient 0: below this l1_ratio the grid starts as if it were 0.001 (glmnet).
SMALLEST_L1_RATIO = 1e-3
# Where a λ is below this share of the one before it, or of λ_max, so many λs are put between λ_max and the last one.
FAR, STEPS = 0.75, 32


def default_eps(n: int, p: int) -> float:
    """`λ_min / λ_max`: 1e-4 if `n > p`, else 1e-2 (glmnet's)."""
    return 1e-4 if n > p else 1e-2


def grid_start(
    correlation: jax.Array,
    l1_ratio: jax.Array,
    penalty_factor: jax.Array,
    scale: jax.Array,
    lower: jax.Array | None,
    upper: jax.Array | None,
) -> jax.Array:
    """`λ_max` over all targets, and 1 where it is 0 (a constant y, say), so that the grid is finite and positive.

    Args:
        correlation: `x_jᵀ S r₀ / Σs`, (p, t). l1_ratio: (). penalty_factor, scale: (p,). lower, upper: (p,) or None.

    Returns:
        ().
    """
    l1 = jnp.maximum(l1_ratio, SMALLEST_L1_RATIO) * penalty_factor * scale
    start = jnp.max(jax.vmap(lambda c: largest_lam(c, l1, lower, upper), 1)(correlation))
    return jnp.where(start > 0, start, 1.0)


def geometric_grid(start: jax.Array, count: int, eps: ArrayLike) -> jax.Array:
    """``count`` λs from ``start`` down to ``eps·start`` in equal ratios, (count,)."""
    exponent = jnp.arange(count, dtype=start.dtype) / max(count - 1, 1)
    return start * jnp.asarray(eps, start.dtype) ** exponent


def with_steps(lams: jax.Array, count: jax.Array, start: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The λs with those between, (STEPS + L,); where the given ones stand, (L,); the first that is to be solved, ().

    A working set that is chosen at `λ_max` for a λ far below misses columns, and a walk on it is long.

    Args:
        lams: (L,), descending up to ``count``, (). start: `λ_max`, ().
    """
    number = jnp.arange(len(lams), dtype=jnp.int32)
    last = lams[count - 1]
    given = jnp.where(number < count, lams, last)
    start = jnp.maximum(start, given[0])
    far = jnp.any(given < FAR * jnp.concatenate([start[None], given[:-1]]))
    share = (1 + jnp.arange(STEPS, dtype=lams.dtype)) / (STEPS + 1)
    steps = jnp.where(far, start * (last / start) ** share, start)
    all_lams = jnp.concatenate([steps, given])
    order = jnp.argsort(-all_lams, stable=True)
    return all_lams[order], jnp.argsort(order)[STEPS:], jnp.where(far, 0, STEPS).astype(jnp.int32)
