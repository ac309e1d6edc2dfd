"""The inverse of a matrix on a changing set of coordinates, kept up to date instead of computed anew.

For a positive definite M (P, P) and a set A of active coordinates, `H = (M_AA)⁻¹`. Every active coordinate has a
*slot*, so that H is stored in the leading slots of a (W, W) array, whatever P is; the rows and columns of free slots
are 0. At most K coordinates leave or enter at a time, each time a change of rank K:

    L leaves:   H⁺ = H − H_{:L} (H_LL)⁻¹ H_{L:}
    E enters:   H⁺ = H + Vᵀ S⁻¹ V,      V = M_EA H − I_E,      S = M_EE − M_EA H M_AE   (the Schur complement)

With a C for which `C S Cᵀ = I`, the change is `(CV)ᵀ(CV)`: thin factors, kept beside the last full matrix,

    H = base + left · right,      left (W, M), right (M, W),

and added to it when the factor rows are full. Both layouts are kept because a thin product `A·Bᵀ` is slow on CPU.

Source: the block inverse, Horn and Johnson, *Matrix Analysis*, §0.7.3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.lax.linalg import cholesky, triangular_solve

from jaxreg.formulas.arrays import only_if, varying_like, with_few

__all__ = [
    "Inverse",
    "append",
    "empty",
    "free_slots",
    "from_slots",
    "inverse_factor",
    "invert",
    "refined",
    "rows",
    "times",
    "to_slots",
]

# Factor rows kept, as a multiple of K: folding costs W² M, the product with the factors W M.
FACTOR_BLOCKS = 8
# Slots a block, when the factors are folded into the base: unused blocks at the end are not touched.
FOLD = 128
# Products with H read the leading quarter, half or all of its slots, whichever holds those in use.
SHARES = (8, 4, 2, 1)


class Inverse(NamedTuple):
    """`H = base + left · right`, in slots.

    Attributes:
        base: (W, W). left: (W, M), right: (M, W), of which the first ``used``, (), are in use.
        column: (W,), the coordinate in each slot, P where it is free. slot: (P,), the slot of each coordinate, or W.
        high: (), all slots from here on are free.
    """

    base: jax.Array
    left: jax.Array
    right: jax.Array
    used: jax.Array
    column: jax.Array
    slot: jax.Array
    high: jax.Array


def empty(P: int, W: int, K: int, dtype: Any) -> Inverse:
    """The inverse on none of P coordinates, with W slots."""
    M, none = FACTOR_BLOCKS * K, jnp.zeros((), jnp.int32)
    thin = jnp.zeros((W, M), dtype), jnp.zeros((M, W), dtype)
    column, slot = jnp.full((W,), P, jnp.int32), jnp.full((P,), W, jnp.int32)
    return Inverse(jnp.zeros((W, W), dtype), *thin, none, column, slot, none)


def invert(M: jax.Array, active: jax.Array, like: Inverse, jitter: float) -> Inverse:
    """The inverse on ``active``, (P,), by a Cholesky factorisation.

    Args:
        M: (P, P), semidefinite up to rounding; ``jitter``, a share of its diagonal, makes it definite. like: gives the
            numbers of slots and of factor rows. At most W coordinates may be active.
    """
    W, P = len(like.column), len(like.slot)
    column = jnp.nonzero(active, size=W, fill_value=P)[0].astype(jnp.int32)
    slots = jnp.arange(W, dtype=jnp.int32)
    slot = jnp.full((P,), W, jnp.int32).at[column].set(slots, mode="drop")
    high = jnp.sum(active, dtype=jnp.int32)

    def leading(w: int) -> Callable[[jax.Array], jax.Array]:
        def solve(M: jax.Array) -> jax.Array:
            taken = column[:w] < P
            both = taken[:, None] & taken[None, :]
            inner = M.at[column[:w, None], column[None, :w]].get(mode="fill", fill_value=0)
            inner = inner + jnp.diag(jitter * jnp.diagonal(inner))
            C = inverse_factor(jnp.where(both, inner, jnp.eye(w, dtype=M.dtype)))
            return jnp.pad(jnp.where(both, C.T @ C, 0.0), (0, W - w))

        return solve

    none = {"left": jnp.zeros_like(like.left), "right": jnp.zeros_like(like.right), "used": jnp.zeros_like(like.used)}
    H = Inverse(like.base, **none, column=column, slot=slot, high=high)
    return H._replace(base=with_few_slots(H, leading, M))


def inverse_factor(S: jax.Array) -> jax.Array:
    """The lower triangular C with `C S Cᵀ = I`, for a positive definite S (k, k); NaN if it is not."""
    return triangular_solve(
        cholesky(S, symmetrize_input=False), jnp.eye(S.shape[0], dtype=S.dtype), left_side=True, lower=True
    )


def to_slots(H: Inverse, Q: jax.Array) -> jax.Array:
    """(..., P) by coordinate as (..., W) by slot; 0 in free slots."""
    # The barrier keeps XLA from storing the result by columns, for which it has no fast product on CPU.
    return jax.lax.optimization_barrier(jnp.take(Q, H.column, axis=-1, mode="fill", fill_value=0))


def from_slots(H: Inverse, Q: jax.Array) -> jax.Array:
    """(..., W) by slot as (..., P) by coordinate; 0 where a coordinate has no slot."""
    return jnp.take(Q, H.slot, axis=-1, mode="fill", fill_value=0)


def free_slots(H: Inverse, K: int) -> jax.Array:
    """The first K free slots, (K,); W where there are fewer."""
    W = len(H.column)
    order = jnp.where(H.column == len(H.slot), -jnp.arange(W, dtype=jnp.float32), -jnp.inf)
    value, slots = jax.lax.top_k(order, K)
    return jnp.where(value > -jnp.inf, slots, W).astype(jnp.int32)


def times(Q: jax.Array, H: Inverse) -> jax.Array:
    """Q H, (k, W), for Q (k, W) in slots."""
    W = len(H.column)
    leading = lambda w: lambda Q, base: jnp.pad(Q[:, :w] @ base[:w, :w], ((0, 0), (0, W - w)))
    return with_few_slots(H, leading, Q, H.base) + (Q @ H.left) @ H.right


def with_few_slots(H: Inverse, leading: Callable[[int], Callable[..., Any]], *arguments: Any) -> Any:
    """``leading(w)(*arguments)`` for a w, static, so that the first w slots hold all that are in use."""
    W = len(H.column)
    widths = sorted({max(FOLD, W // share) if W > FOLD else W for share in SHARES})
    return with_few(H.high, widths, leading, *arguments)


def refined(H: Inverse, G: jax.Array, l2: jax.Array, r: jax.Array, d: jax.Array, share: float, most: int) -> jax.Array:
    """d with  (G + diag(l2))_AA d = r  up to a share of r, where H is the inverse for another l2; all in slots, (W,).

    Conjugate gradients with H as preconditioner: the eigenvalues of H M lie between 1 and the ratio of the two l2,
    however many slots there are. Source: Golub and Van Loan, *Matrix Computations*, §11.5.

    Args:
        G: (P, P), l2: (P,). most: so many turns.
    """
    W, P = len(H.column), len(H.slot)

    def leading(w: int) -> Callable[..., jax.Array]:
        def solve(r: jax.Array, d: jax.Array) -> jax.Array:
            column, base, left, right = H.column[:w], H.base[:w, :w], H.left[:w], H.right[:, :w]
            M = G.at[column[:, None], column[None, :]].get(mode="fill", fill_value=0)
            M = M + jnp.diag(l2.at[column].get(mode="fill", fill_value=0))
            r, d = (jnp.where(column < P, v[:w], 0.0) for v in (r, d))
            enough = share * jnp.max(jnp.abs(r))
            conditioned = lambda q: q @ base + (q @ left) @ right

            def unfinished(carry: tuple) -> jax.Array:
                _, q, _, curved, turn = carry
                return (jnp.max(jnp.abs(q)) > enough) & (curved > 0) & (turn < most)

            def step(carry: tuple) -> tuple:
                d, q, direction, squared, turn = carry
                product = direction @ M
                t = squared / jnp.dot(direction, product)
                q = q - t * product
                z = conditioned(q)
                after = jnp.dot(q, z)
                return d + t * direction, q, z + (after / squared) * direction, after, turn + 1

            q = r - d @ M
            z = conditioned(q)
            start = d, q, z, jnp.dot(q, z), jnp.zeros((), jnp.int32)
            return jnp.pad(jax.lax.while_loop(unfinished, step, varying_like(start, H, G, l2, r, d))[0], (0, W - w))

        return solve

    return with_few_slots(H, leading, r, d)


def rows(H: Inverse, slots: jax.Array) -> jax.Array:
    """The rows of H in ``slots``, (k, W); rows of 0 where a slot is W."""
    base, left = (a.at[slots].get(mode="fill", fill_value=0) for a in (H.base, H.left))
    return base + left @ H.right


def append(H: Inverse, entered: jax.Array, left: jax.Array, n_entered: jax.Array, n_left: jax.Array) -> Inverse:
    """`H + enteredᵀ entered − leftᵀ left`; folded into the base when the factor rows are full.

    Args:
        entered, left: (K, W), of which the first n_entered, n_left rows are not 0.
    """
    K, M = entered.shape[0], H.right.shape[0]

    def write(H: Inverse, block: jax.Array, sign: float, count: jax.Array) -> Inverse:
        zero = jnp.zeros((), jnp.int32)
        right = jax.lax.dynamic_update_slice(H.right, block, (H.used, zero))
        columns = jax.lax.dynamic_update_slice(H.left, sign * block.T, (zero, H.used))
        return H._replace(left=columns, right=right, used=H.used + count)

    H = write(write(H, entered, 1.0, n_entered), left, -1.0, n_left)
    full = H.used > M - 2 * K
    return only_if(full, fold, H) if len(H.column) <= FOLD else fold_if(full, H)


def fold(H: Inverse) -> Inverse:
    """The same H with no factor rows in use."""
    return H._replace(base=H.base + H.left @ H.right, left=jnp.zeros_like(H.left), used=jnp.zeros_like(H.used))


def fold_if(condition: jax.Array, H: Inverse) -> Inverse:
    """:func:`fold` if the condition holds, in blocks of rows, up to the last slot in use."""
    W, M = H.left.shape
    zero = jnp.zeros((), jnp.int32)

    def one(k: jax.Array, base: jax.Array) -> jax.Array:
        start = (k * FOLD).astype(jnp.int32)
        block = jax.lax.dynamic_slice(H.left, (start, zero), (FOLD, M)) @ H.right
        return jax.lax.dynamic_update_slice(
            base, jax.lax.dynamic_slice(base, (start, zero), (FOLD, W)) + block, (start, zero)
        )

    base = jax.lax.fori_loop(0, jnp.where(condition, -(-H.high // FOLD), 0), one, H.base)
    left = jnp.where(condition, jnp.zeros_like(H.left), H.left)
    return H._replace(base=base, left=left, used=jnp.where(condition, 0, H.used))
