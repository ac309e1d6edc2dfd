"""The largest stable step: 2/L for gradient descent and ISTA, 1/L for FISTA.

On a quadratic with Hessian H, gradient descent multiplies the error along an eigenvector of eigenvalue h by `1 − τh` in
every step: it shrinks iff `τ < 2/h`, for all of them iff `τ < 2/L` with `L = λ_max(H)`. FISTA's guarantee needs
`τ ≤ 1/L`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxreg.training.arguments import Tree

__all__ = ["curvature_along_steepest"]

Carry = tuple[jax.Array, jax.Array, jax.Array]


def curvature_along_steepest(
    loss: Callable[..., jax.Array], params: Tree, *args: Tree, iterations: int = 100
) -> jax.Array:
    """`L = λ_max(∇²loss(params))`, by Lanczos's method on Hessian-vector products.

    The Hessian H is never formed: Hv is the derivative of the gradient along v. Started from the gradient (which has a
    share of every direction that training moves in).

    Args:
        loss: (params, *args) -> (). params: any pytree of floating arrays. iterations: static; one Hv each.

    Returns:
        (), at most L (up to rounding) and close to it; the largest by magnitude where the loss is not convex.

    Example:
        >>> import jax.numpy as jnp
        >>> loss = lambda w: 1.5 * w[0] ** 2 + 0.5 * w[1] ** 2
        >>> round(float(curvature_along_steepest(loss, jnp.array([1.0, 1.0]))), 4)
        3.0

    References:
        Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, §10.1.
    """
    gradient = jax.grad(loss)
    start, as_tree = ravel_pytree(gradient(params, *args))

    def product(v: jax.Array) -> jax.Array:
        return ravel_pytree(jax.jvp(lambda params: gradient(params, *args), (params,), (as_tree(v),))[1])[0]

    def normalised(v: jax.Array) -> tuple[jax.Array, jax.Array]:
        size = jnp.sqrt(jnp.sum(v**2))
        return jnp.where(size > 0, v / jnp.where(size > 0, size, 1.0), 0.0), size

    # H v_k = β_{k−1} v_{k−1} + α_k v_k + β_k v_{k+1}: in the basis v, H is tridiagonal, with α on and β beside the
    # diagonal. Its outermost eigenvalues come first. v that lose their orthogonality only repeat them.
    def body(carry: Carry, _: None) -> tuple[Carry, tuple[jax.Array, jax.Array]]:
        before, v, beta = carry
        rest = product(v) - beta * before
        alpha = jnp.sum(v * rest)
        after, beta = normalised(rest - alpha * v)
        return (v, after, beta), (alpha, beta)

    # At a stationary point the gradient says nothing.
    v, _ = normalised(jnp.where(jnp.any(start != 0), start, jnp.ones_like(start)))
    none = jnp.zeros_like(v), v, jnp.zeros((), v.dtype)
    _, (alpha, beta) = jax.lax.scan(body, none, None, length=iterations)
    tridiagonal = jnp.diag(alpha) + jnp.diag(beta[:-1], 1) + jnp.diag(beta[:-1], -1)
    return jnp.max(jnp.abs(jnp.linalg.eigvalsh(tridiagonal)))
