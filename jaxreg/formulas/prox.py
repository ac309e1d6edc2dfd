"""Proximal operators of the penalties: soft-thresholding, the elastic net, bounds.

    prox_{τψ}(z) = argmin_u  ½ (u − z)² + τ ψ(u)

Source: Parikh and Boyd, *Proximal Algorithms*, Foundations and Trends in Optimization 1(3), 2014, §6.5.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating

__all__ = ["prox_elastic_net", "soft_threshold"]


def soft_threshold(z: Any, threshold: Any) -> jax.Array:
    """`S(z, τ) = sign(z) max(|z| − τ, 0)`, the prox of `τ|·|`.

    Args:
        z: any shape. threshold: `τ ≥ 0`, of the same shape or a number.

    Returns:
        The shape of z. At the kinks `|z| = τ`, autodiff takes the derivative 0.

    Example:
        >>> import jax.numpy as jnp
        >>> soft_threshold(jnp.array([-3.0, 0.5, 2.0]), 1.0)
        Array([-2.,  0.,  1.], dtype=float32)
    """
    z, tau = floating(z=z, threshold=threshold)
    # 0 ∈ u − z + τ ∂|u|:
    #   u > 0:  u = z − τ, consistent iff z > τ
    #   u < 0:  u = z + τ, consistent iff z < −τ
    #   u = 0:  z ∈ [−τ, τ]
    return jnp.where(jnp.abs(z) <= tau, jnp.zeros_like(z), z - tau * jnp.sign(z))


def prox_elastic_net(
    z: Any, step_size: Any, l1: Any, l2: Any = 0.0, lower: ArrayLike = -jnp.inf, upper: ArrayLike = jnp.inf
) -> jax.Array:
    """argmin over `lower ≤ u ≤ upper` of `½ (u − z)² + τ ( l1 |u| + ½ l2 u² )`.

    Args:
        z: any shape. step_size: `τ > 0`. l1, l2: weights, none below 0. lower, upper: `lower ≤ 0 ≤ upper`. Each of the
            shape of z or a number.

    Returns:
        The shape of z.

    Example:
        >>> import jax.numpy as jnp
        >>> prox_elastic_net(jnp.array([-3.0, 0.5, 4.0]), 1.0, 1.0, 0.5, lower=0.0)
        Array([0., 0., 2.], dtype=float32)
    """
    z, tau, l1, l2, lower, upper = floating(z=z, step_size=step_size, l1=l1, l2=l2, lower=lower, upper=upper)
    # Without bounds, u ≠ 0:  u − z + τ l1 sign(u) + τ l2 u = 0  ⇒  u = S(z, τ l1) / (1 + τ l2).
    # With bounds: a convex function of one variable is minimised over an interval by clipping its free minimiser.
    return jnp.clip(soft_threshold(z, tau * l1) / (1.0 + tau * l2), lower, upper)
