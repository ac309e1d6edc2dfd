"""The inverse of a matrix on a changing set of coordinates, kept up to date instead of computed anew.

For a positive definite M (p, p) and a set A of active coordinates, H (p, p) holds (M_AA)⁻¹ on A × A and 0 elsewhere.
At most K coordinates leave or enter at a time, each time a change of rank K:

    L leaves:   H⁺ = H − H_{:L} (H_LL)⁻¹ H_{L:}
    E enters:   H⁺ = H + Vᵀ S⁻¹ V,      V = M_EA H − I_E,      S = M_EE − M_EA H M_AE   (the Schur complement)

With C C-orthogonalising, C S Cᵀ = I, the change is (CV)ᵀ(CV): thin factors, kept beside the last full matrix,

    H = base + left · right,      left (p, M), right (M, p),

and added to it when the factor rows are full. Both layouts are kept because a thin product A·Bᵀ is slow on CPU.

Source: the block inverse, Horn and Johnson, *Matrix Analysis*, §0.7.3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.lax.linalg import cholesky, triangular_solve

__all__ = ["Inverse", "append", "empty", "inverse_factor", "invert", "only_if", "rows", "times"]

# Factor rows kept, as a multiple of K: folding costs p² M, the product with the factors p M.
FACTOR_BLOCKS = 8
# Arrays above so many entries are not masked in :func:`only_if`.
LARGE = 2**14


class Inverse(NamedTuple):
    """H = base + left · right.

    Attributes:
        base: (p, p). left: (p, M), right: (M, p), of which the first ``used``, (), are in use.
    """

    base: jax.Array
    left: jax.Array
    right: jax.Array
    used: jax.Array


def empty(p: int, K: int, dtype: jnp.dtype) -> Inverse:
    """The inverse on no coordinates: 0."""
    M = FACTOR_BLOCKS * K
    return Inverse(
        jnp.zeros((p, p), dtype), jnp.zeros((p, M), dtype), jnp.zeros((M, p), dtype), jnp.zeros((), jnp.int32)
    )


def invert(M: jax.Array, active: jax.Array, like: Inverse) -> Inverse:
    """The inverse on ``active``, (p,), by a Cholesky factorisation.

    Args:
        M: (p, p). like: gives the number of factor rows.
    """
    both = active[:, None] & active[None, :]
    # LAPACK reads columns. Mᵀ = M spares the caller's loop a copy of M to that layout in every turn.
    C = inverse_factor(jnp.where(both, M.T, jnp.eye(len(active), dtype=M.dtype)))
    nothing = jax.tree.map(jnp.zeros_like, like)
    return nothing._replace(base=jnp.where(both, C.T @ C, 0.0))


def inverse_factor(S: jax.Array) -> jax.Array:
    """The lower triangular C with C S Cᵀ = I, for a positive definite S (k, k); NaN if it is not."""
    return triangular_solve(
        cholesky(S, symmetrize_input=False), jnp.eye(S.shape[0], dtype=S.dtype), left_side=True, lower=True
    )


def times(Q: jax.Array, H: Inverse) -> jax.Array:
    """Q H, (k, p), for Q (k, p)."""
    return Q @ H.base + (Q @ H.left) @ H.right


def rows(H: Inverse, index: jax.Array) -> jax.Array:
    """H_{index:}, (k, p); rows of 0 where ``index`` is p."""
    base, left = (a.at[index].get(mode="fill", fill_value=0) for a in (H.base, H.left))
    return base + left @ H.right


def append(H: Inverse, entered: jax.Array, left: jax.Array, n_entered: jax.Array, n_left: jax.Array) -> Inverse:
    """H + enteredᵀ entered − leftᵀ left; folded into the base when the factor rows are full.

    Args:
        entered, left: (K, p), of which the first n_entered, n_left rows are not 0.
    """
    K, M = entered.shape[0], H.right.shape[0]

    def write(H: Inverse, block: jax.Array, sign: float, count: jax.Array) -> Inverse:
        zero = jnp.zeros((), jnp.int32)
        right = jax.lax.dynamic_update_slice(H.right, block, (H.used, zero))
        columns = jax.lax.dynamic_update_slice(H.left, sign * block.T, (zero, H.used))
        return H._replace(left=columns, right=right, used=H.used + count)

    H = write(write(H, entered, 1.0, n_entered), left, -1.0, n_left)
    full = H.used > M - 2 * K
    return only_if(full, fold, H)


def fold(H: Inverse) -> Inverse:
    """The same H with no factor rows in use."""
    return Inverse(H.base + H.left @ H.right, jnp.zeros_like(H.left), H.right, jnp.zeros_like(H.used))


def only_if(condition: jax.Array, change: Callable[[Any], Any], state: Any) -> Any:
    """``change(state)`` if the condition holds, else ``state``: a ``lax.cond`` that copies no large array.

    A branch that returns a large array as it came would copy it; a loop of no or one turn updates it in place. The
    state passes through the condition, so that nothing is computed before the loop in case it turns.
    """

    def turn(carry: tuple) -> tuple:
        condition, state = carry
        state = jax.tree.map(lambda x: jnp.where(condition, x, jnp.zeros_like(x)) if x.size <= LARGE else x, state)
        return jnp.zeros_like(condition), change(state)

    return jax.lax.while_loop(lambda carry: carry[0], turn, (condition, state))[1]
