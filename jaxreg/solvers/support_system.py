"""The linear system of a support, `M z = r` with `M = A_Iᵀ S A_I + diag(l2_I)`, factored once a solve.

Which factor is the least work depends on the number k of columns in I:

    k ≤ min(n, p)     M itself, (k, k), from moments or from the support's rows, by Cholesky
    k > n             M⁻¹ = D⁻¹ − D⁻¹Bᵀ (I + B D⁻¹ Bᵀ)⁻¹ B D⁻¹,   B = √S A_I,   D = diag(l2_I)   (Woodbury 1950)

In the second D is made at least ``LEAST``, and what that changes is put right by conjugate gradients, of which two
turns suffice where D was large enough. Where M is singular z is the solution of least squares and least norm, in units
in which M has ones on its diagonal.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve

from jaxreg.formulas.arrays import only_if, varying_like, with_few
from jaxreg.solvers.conjugate_gradients import conjugate_gradients

__all__ = ["singular_below", "support_solve"]

# What is added to a diagonal of zeros in the second form, for the preconditioner alone.
LEAST = 1e-6
# The least width of a factor; each further one is twice as wide, and is a program of its own.
LEAST_WIDTH = 32
# Most turns of conjugate gradients.
TURNS = 200


def singular_below(k: int, dtype: Any) -> float:
    """The share of the largest eigenvalue up to which one of k is rounding."""
    return 8.0 * k * float(jnp.finfo(dtype).eps)


def support_solve(products: Any, inside: jax.Array, l2: jax.Array, right: jax.Array) -> jax.Array:
    """`M⁻¹ right` at the columns ``inside``, 0 elsewhere, (L, K, p), with derivatives by M and ``right``, of any order.

    0 for the members whose ``right`` is 0, at no cost. NaN where something is not a number.

    Args:
        products: :class:`jaxreg.solvers.products.Products`. inside: (L, K, p) booleans. l2, right: (L, K, p).
    """
    # In units in which M has ones on its diagonal.
    square = jax.lax.stop_gradient(products.square[None] + l2)
    unit = jnp.where(inside, 1.0 / jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)

    def matrix(z: jax.Array) -> jax.Array:
        step = unit * z
        return jnp.where(inside, unit * (products.times(step) + l2 * step), z)

    products_at_hand, l2_at_hand = jax.lax.stop_gradient((products, l2))

    def solve(_: Callable[[jax.Array], jax.Array], right: jax.Array) -> jax.Array:
        right = varying_like(right, (products_at_hand, l2_at_hand, inside))

        def member(argument: tuple[jax.Array, ...]) -> jax.Array:
            right = argument[-1]
            solved = lambda _: _solved(products_at_hand, *argument)
            return only_if(jnp.any(right != 0), solved, jnp.zeros_like(right))

        k = jnp.broadcast_to(jnp.arange(right.shape[1], dtype=jnp.int32), right.shape[:2])
        each = jax.tree.map(lambda v: v.reshape(-1, *v.shape[2:]), (k, l2_at_hand, inside, unit, right))
        return jax.lax.map(member, each).reshape(right.shape)

    return unit * jax.lax.custom_linear_solve(matrix, unit * right, solve, symmetric=True)


def _solved(
    products: Any, k: jax.Array, l2: jax.Array, inside: jax.Array, unit: jax.Array, right: jax.Array
) -> jax.Array:
    """Of one member, with the weights of set k."""
    n, p = products.rows.shape
    most = p if products.gram is not None else min(n, p)
    doubled = (LEAST_WIDTH << octave for octave in range(most.bit_length()))
    widths = [*(w for w in doubled if w < most), most]

    def about_mean(A: jax.Array, share: jax.Array) -> jax.Array:
        return A - jnp.where(products.centred, share @ A, 0.0)[None, :]

    def system(w: int) -> tuple[jax.Array, jax.Array, Callable[[jax.Array], jax.Array]]:
        """The columns of the support, filled up to w of them, M with ones on its diagonal, and the right side there."""
        index = jnp.nonzero(inside, size=w, fill_value=p)[0].astype(jnp.int32)
        at = lambda v: jnp.take(v, index, mode="fill", fill_value=0)
        if products.gram is not None:
            M = products.gram.at[k, index[:, None], index[None, :]].get(mode="fill", fill_value=0)
        else:
            share = products.share[k]
            A = about_mean(jnp.take(products.rows, index, axis=1, mode="fill", fill_value=0), share)
            M = A.T @ (share[:, None] * A)
        M = M * at(unit)[:, None] * at(unit)[None, :] + jnp.diag(jnp.where(index < p, at(l2 * unit * unit), 1.0))
        return M, at(right), lambda x: jnp.zeros_like(right).at[index].set(x, mode="drop")

    def narrow(w: int) -> Callable[..., tuple[jax.Array, jax.Array]]:
        def solved() -> tuple[jax.Array, jax.Array]:
            M, r, put = system(w)
            factor = jnp.linalg.cholesky(M)
            improved = lambda _, x: x + cho_solve((factor, True), r - M @ x)
            x = jax.lax.fori_loop(0, 2, improved, jnp.zeros_like(r))
            return put(x), ~(jnp.min(jnp.diagonal(factor)) ** 2 > singular_below(w, M.dtype))

        return solved

    def of_least_norm(_: jax.Array) -> jax.Array:
        M, r, put = system(most)
        return put(_least_norm(M, r, singular_below(most, M.dtype)))

    def wide() -> tuple[jax.Array, jax.Array]:
        share = products.share[k]
        B = jnp.sqrt(share)[:, None] * about_mean(products.rows * unit[None, :], share)
        D = l2 * unit * unit
        known = jnp.where(inside, 1.0 / jnp.maximum(D, LEAST), 0.0)
        factor = jnp.linalg.cholesky((B * known[None, :]) @ B.T + jnp.eye(n, dtype=B.dtype))
        matrix = lambda z: jnp.where(inside, B.T @ (B @ z) + D * z, z)

        def nearly(r: jax.Array) -> jax.Array:
            z = known * r
            return jnp.where(inside, z - known * (B.T @ cho_solve((factor, True), B @ z)), r)

        def nothing_added(_: jax.Array) -> jax.Array:
            small, within = singular_below(n, B.dtype), jnp.where(inside, right, 0.0)
            inner = B @ B.T
            twice = lambda r: _least_norm(inner, _least_norm(inner, r, small), small)
            return B.T @ twice(B @ within)

        none = jnp.all(~inside | (D == 0))
        some = jnp.where(none, 0.0, right)
        tol = 4 * float(jnp.finfo(right.dtype).eps)
        z = conjugate_gradients(matrix, some, jnp.zeros_like(some), TURNS, tol, inverse=nearly)
        z = z + 0.0 * jnp.sum(right)  # not a number if the right side is none
        return only_if(none, nothing_added, z), jnp.zeros_like(none)

    leading = lambda w: wide if w > most else narrow(w)
    z, singular = with_few(jnp.sum(inside, dtype=jnp.int32), widths if most == p else [*widths, p], leading)
    return only_if(singular, of_least_norm, z)


def _least_norm(M: jax.Array, right: jax.Array, small: float) -> jax.Array:
    """`M⁺ right` for a symmetric M, (k, k); eigenvalues up to a share ``small`` of the largest count as 0."""
    e, V = jnp.linalg.eigh(jnp.where(jnp.isfinite(M), M, 0.0))
    inverse = jnp.where(e > small * jnp.max(e), 1.0 / jnp.where(e > 0, e, 1.0), 0.0)
    return V @ (inverse * (V.T @ right))
