"""The tableau of a set of columns of which some are active: all that changes when one of them enters or leaves.

For columns with Gram matrix G, the active ones A, the others N and `H = G_AA⁻¹`, it is the symmetric matrix

    S = ( −H      H G_AN              )
        ( G_NA H  G_NN − G_NA H G_AN  )

When column k enters or leaves A, with `d = S_kk`, not 0, the sweep operator gives the next one:

    S_ij ← S_ij − S_ik S_jk / d     (i, j ≠ k),        S_ik ← S_ik / |d|,        S_kk ← −1/d.

**One rank.** Let row and column k be scaled by `√|d|` besides. Then the change is one of rank one, and of one diagonal
entry: with `t = S_k` and `τ = √|d| sign d`,

    S ← S − v vᵀ / d − 2τ e_k e_kᵀ,        v = t − τ e_k

for row k becomes `t_i − t_i (d − τ)/d = t_i / √|d|`, and the diagonal `d − (d − τ)²/d − 2τ = −sign d`. So all that
belongs to a column stands here multiplied by its scale q (`S_ij` by `q_i q_j`), and `q_k ← √|d| / q_k`. Changes are
kept beside S, and added to it by one product when there are many.

**More columns.** Columns J that join the set, in N, bring the rows

    S_JA = G_JA H = −G_JA S_AA       S_JN = G_JN − G_JA S_AN       S_JJ = G_JJ − G_JA S_AJ

so, with `P = G_JA S_A` of all columns that were there: `S_JA = −P_A`, `S_JN = G_JN − P_N`, `S_JJ = G_JJ + G_JA P_Aᵀ`.

Source: Goodnight, *The American Statistician* 33(3), 1979 (the sweep operator).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like

__all__ = ["PENDING", "Tableau", "block_number", "block_rows", "change", "copied", "join", "keep", "row", "start"]

# Changes that are kept beside the tableau, and the rows a block in which they are added to it.
PENDING, ROWS = 64, 128


class Tableau(NamedTuple):
    """`S = base + diag(diagonal) − Σ_m w_m v_m v_mᵀ`.

    Attributes:
        base: (p, p), of which what stands on and below the diagonal counts. diagonal: (p,). changes: v, (M, p).
        weight: w, (M,), 0 where there is no change. used: (), of the M.
    """

    base: jax.Array
    diagonal: jax.Array
    changes: jax.Array
    weight: jax.Array
    used: jax.Array


def start(G: jax.Array) -> Tableau:
    """Without active columns S is G, (p, p), p a power of two."""
    p, dtype = len(G), G.dtype
    none = jnp.zeros((), jnp.int32)
    return Tableau(G, jnp.zeros((p,), dtype), jnp.zeros((PENDING, p), dtype), jnp.zeros((PENDING,), dtype), none)


def block_rows(p: int) -> int:
    """The rows, and columns, a block."""
    return min(ROWS, p // 2)


def block_number(p: int) -> int:
    """The rows of blocks in all."""
    return p // block_rows(p)


def entries(base: jax.Array, i: jax.Array, j: jax.Array) -> jax.Array:
    """Those in rows i, (r,), and columns j, (c,), from below the diagonal; 0 where i or j is p."""
    i, j = i[:, None], j[None, :]
    return base.at[jnp.maximum(i, j), jnp.minimum(i, j)].get(mode="fill", fill_value=0)


def each_block(turns: jax.Array | int, change: Callable[..., jax.Array], base: jax.Array) -> jax.Array:
    """The base after ``change(base, (i, j))``, the first row and column of a block, in the first so many blocks.

    They are those on and below the diagonal, row by row. A loop of no turn leaves the base where it is; a condition
    would copy it.
    """
    rows, none = block_rows(len(base)), jnp.zeros((), jnp.int32)

    def turn(_: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        base, i, j = carry
        base, last = change(base, (i * rows, j * rows)), i == j
        return base, jnp.where(last, i + 1, i), jnp.where(last, 0, j + 1)

    return jax.lax.fori_loop(0, turns, turn, varying_like((base, none, none), base))[0]


def row(S: Tableau, k: jax.Array) -> jax.Array:
    """`S_k`, (p,)."""
    base = entries(S.base, k[None], jnp.arange(len(S.diagonal), dtype=jnp.int32))[0]
    return base.at[k].add(S.diagonal[k]) - (S.changes[:, k] * S.weight) @ S.changes


def change(S: Tableau, k: jax.Array, v: jax.Array, d: jax.Array, more: jax.Array, blocks: jax.Array | int) -> Tableau:
    """`S − v vᵀ / d + more e_k e_kᵀ`, where S has entries in its first ``blocks`` of rows alone."""
    M, p = S.changes.shape
    rows, none = block_rows(p), jnp.zeros((), jnp.int32)
    changes = jax.lax.dynamic_update_slice(S.changes, v[None, :], (S.used, none))
    weight = S.weight.at[S.used].set(1.0 / d)
    full = S.used == M - 1

    def add(base: jax.Array, at: tuple[jax.Array, jax.Array]) -> jax.Array:
        left = jax.lax.dynamic_slice(changes, (none, at[0]), (M, rows)) * weight[:, None]
        right = jax.lax.dynamic_slice(changes, (none, at[1]), (M, rows))
        here = jax.lax.dynamic_slice(base, at, (rows, rows)) - left.T @ right
        return jax.lax.dynamic_update_slice(base, here, at)

    base = each_block(jnp.where(full, blocks * (blocks + 1) // 2, 0), add, S.base)
    weight, used = jnp.where(full, 0.0, weight), jnp.where(full, 0, S.used + 1)
    return Tableau(base, S.diagonal.at[k].add(more), changes, weight, used)


def join(S: Tableau, at: jax.Array, G: jax.Array, active: jax.Array, scale: jax.Array) -> Tableau:
    """S with more columns J, in N and with scale 1.

    Args:
        at: (), the number of the first of J; no entries stand in S from here on. G: (k, p), `G_J` with all columns, J
            among them. active: (p,) booleans. scale: q, (p,).
    """
    k, p = G.shape
    rows, none = block_rows(p), jnp.zeros((), jnp.int32)
    G_A = jnp.where(active, 1.0 / scale, 0.0)[None, :] * G
    order = jnp.nonzero(active, size=p, fill_value=p)[0].astype(jnp.int32)
    n_active, columns = (jnp.sum(active, dtype=jnp.int32) + rows - 1) // rows, (at + rows - 1) // rows

    def add(_: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        product, i, j = carry
        some = jax.lax.dynamic_slice(order, (i * rows,), (rows,))
        here = some, j * rows + jnp.arange(rows, dtype=jnp.int32)
        more = G_A.T.at[some].get(mode="fill", fill_value=0).T @ entries(S.base, *here)
        start = none, here[1][0]
        so_far = jax.lax.dynamic_slice(product, start, (k, rows))
        last = j == columns - 1
        product = jax.lax.dynamic_update_slice(product, so_far + more, start)
        return product, jnp.where(last, i + 1, i), jnp.where(last, 0, j + 1)

    pending = (S.changes @ G_A.T) * S.weight[:, None]
    begin = G_A * S.diagonal[None, :] - pending.T @ S.changes
    product = jax.lax.fori_loop(0, n_active * columns, add, varying_like((begin, none, none), S, begin))[0]
    own = jax.lax.dynamic_slice(G, (none, at), (k, k)) + G_A @ product.T
    new = jax.lax.dynamic_update_slice(jnp.where(active, 0.0, scale)[None, :] * G - product, own, (none, at))
    return S._replace(base=jax.lax.dynamic_update_slice(S.base, new, (at, none)))


def keep(S: Tableau, order: jax.Array) -> Tableau:
    """The columns numbered ``order``, (p,), p where there is none; all that are active must be among them."""
    take = lambda a: a.at[order].get(mode="fill", fill_value=0)
    rows, blocks = block_rows(len(order)), block_number(len(order))

    def move(base: jax.Array, at: tuple[jax.Array, jax.Array]) -> jax.Array:
        i, j = (jax.lax.dynamic_slice(order, (k,), (rows,)) for k in at)
        return jax.lax.dynamic_update_slice(base, entries(S.base, i, j), at)

    base = each_block(blocks * (blocks + 1) // 2, move, varying_like(jnp.zeros_like(S.base), S, order))
    return S._replace(base=base, diagonal=take(S.diagonal), changes=take(S.changes.T).T)


def copied(S: Tableau, into: Tableau, blocks: jax.Array) -> tuple[Tableau, Tableau]:
    """S, and a copy of it in the place of ``into``: of the base so many blocks of rows, the others being equal."""
    p = len(S.diagonal)
    rows, none = block_rows(p), jnp.zeros((), jnp.int32)

    def block(i: jax.Array, both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        base, copy = both
        start = (i * rows).astype(jnp.int32)
        here = jax.lax.dynamic_slice(base, (start, none), (rows, p))
        return base, jax.lax.dynamic_update_slice(copy, here, (start, none))

    both = jax.lax.fori_loop(0, blocks, block, (S.base, into.base))
    base, copy = jax.lax.optimization_barrier(both)  # else XLA copies S whole: what follows would not wait for the loop
    return S._replace(base=base), S._replace(base=copy)
