"""The largest stable step: 2/L for gradient descent and ISTA, 1/L for FISTA.

On a quadratic with Hessian H, gradient descent multiplies the error along an eigenvector of eigenvalue h by 1 − τh in
every step: it shrinks iff τ < 2/h, for all of them iff τ < 2/L with L = λ_max(H). FISTA's guarantee needs τ ≤ 1/L.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["curvature_along_steepest"]


def curvature_along_steepest(
    loss: Callable[..., jax.Array], params: Any, *args: Any, iterations: int = 100
) -> jax.Array:
    """L = λ_max(∇²loss(params)), by power iteration on Hessian-vector products.

    The Hessian is never formed: Hv is the derivative of the gradient along v. Started from the gradient (which has a
    share of every direction that training moves in).

    Args:
        loss: (params, *args) -> (). params: any pytree of floating arrays. iterations: static.

    Returns:
        (), at most L and close to it; the largest by magnitude where the loss is not convex.

    Example:
        >>> import jax.numpy as jnp
        >>> loss = lambda w: 1.5 * w[0] ** 2 + 0.5 * w[1] ** 2
        >>> round(float(curvature_along_steepest(loss, jnp.array([1.0, 1.0]))), 4)
        3.0
    """
    gradient = jax.grad(loss)

    def product(v: Any) -> Any:
        return jax.jvp(lambda params: gradient(params, *args), (params,), (v,))[1]

    def norm(v: Any) -> jax.Array:
        squares = jnp.stack([jnp.sum(leaf**2) for leaf in jax.tree.leaves(v)])
        return jnp.sqrt(jnp.sum(squares))

    def body(_: Any, carry: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
        v, _size = carry
        Hv = product(v)
        size = norm(Hv)
        return jax.tree.map(lambda leaf: leaf / jnp.where(size > 0, size, 1.0).astype(leaf.dtype), Hv), size

    start = gradient(params, *args)
    size = norm(start)
    ones = jax.tree.map(jnp.ones_like, params)  # at a stationary point the gradient says nothing
    start = jax.tree.map(lambda g, one: jnp.where(size > 0, g / jnp.where(size > 0, size, 1.0), one), start, ones)
    return jax.lax.fori_loop(0, iterations, body, (start, size))[1]
