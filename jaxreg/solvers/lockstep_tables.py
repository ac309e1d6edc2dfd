"""Two kinds of tables that know the tableaus of many problems: each with a Gram matrix of its own, or all on the same
rows.

**Gram matrices.** Each problem keeps its tableau S (:mod:`~jaxreg.solvers.tableau`), here the whole square. In narrow
problems its change of rank one is made at once. In wide ones, M changes are kept beside it, and added to it by one
product: of the cost of an event, `M p` numbers are read to have a row and `2 p²/M` are moved for the product, which is
least for `M = √(2p)`.

**Rows.** With `p ≫ n` no tableau of `p²` numbers is worth its memory. For a member with weights s, `W = Σs`, let

    x̂_j = (x_j − x̄_j) / d_j       ⟨a, b⟩ = Σ_i s_i a_i b_i / W        G_ij = ⟨x̂_i, x̂_j⟩

Row k of S follows from the inverse `H = G_AA⁻¹` of the active columns alone, and one product with the table:

    k enters:  c = H G_Ak,    v = x̂_k − Σ_a c_a x̂_a          S_kA = c,      S_kN = ⟨x̂_N, v⟩
    k leaves:  c = −H_k,      v = − Σ_a c_a x̂_a

What an entering column leaves, v, is taken twice, for c once more from v itself: after one time what rounding has made
of H remains in it, and adds up from knot to knot (twice is enough: Kahan, in Parlett, *The Symmetric Eigenvalue
Problem*, 1980, section 6-9).

The columns `x̂_N` of all members are those of one matrix X, moved and scaled, so that all these products together are
`Xᵀ (s v)`, one product of X with as many columns as there are members:

    ⟨x̂_j, v⟩ = ( Σ_i x_ij s_i v_i − x̄_j Σ_i s_i v_i ) / (W d_j)

The inverse changes by rank one, with `d = S_kk` and `e_k` where k enters:

    H ← H + (c − e_k)(c − e_k)ᵀ / d         or, where k leaves,      H ← H + c cᵀ / d,   d = −H_kk

An event costs `n p` for each member, in one product, and some `n |A|`.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.homotopy import Change, Step
from jaxreg.solvers.lockstep import NARROW, solve_paths
from jaxreg.solvers.reduction import LeastSquares

__all__ = ["Grams", "SameRows", "grams", "same_rows", "solve_path"]


class Grams(NamedTuple):
    """`S = base + diag(diagonal) − Σ_m w_m v_m v_mᵀ` of each problem.

    Attributes:
        base: (B, p, p). diagonal: (B, p). changes: (v, w), (B, M, p + 1), w being 0 where there is no change.
    """

    base: jax.Array
    diagonal: jax.Array
    changes: jax.Array

    @property
    def pending(self) -> int:
        return max(1, self.changes.shape[1])

    def rows(self, step: Step, k: jax.Array) -> tuple[jax.Array, None]:
        del step
        row = jnp.take_along_axis(self.base, k[:, None, None], axis=1)[:, 0]
        if self.changes.shape[1]:
            v, w = self.changes[..., :-1], self.changes[..., -1]
            at_k = jnp.take_along_axis(v, k[:, None, None], axis=2)[:, :, 0] * w
            row = row - jnp.einsum("bm,bmp->bp", at_k, v) + _at(k, self.diagonal)
        return row, None

    def changed(
        self, m: jax.Array, step: Step, k: jax.Array, passes: jax.Array, change: Change, of_row: None
    ) -> "Grams":
        del step, of_row
        one = jnp.ones_like(self.diagonal)
        weight, more = jnp.where(passes, 1.0 / change.d, 0.0)[:, None], change.more[:, None] * _at(k, one)
        if not self.changes.shape[1]:
            less = (weight * change.v)[:, :, None] * change.v[:, None, :]
            return self._replace(base=self.base - less + more[:, :, None] * jnp.eye(len(one.T), dtype=one.dtype)[None])
        new = jnp.concatenate([change.v, weight], axis=1)
        changes = jax.lax.dynamic_update_index_in_dim(self.changes, new, m, 1)
        return self._replace(diagonal=self.diagonal + more, changes=changes)

    def settled(self) -> "Grams":
        if not self.changes.shape[1]:
            return self
        v, w = self.changes[..., :-1], self.changes[..., -1:]
        less = jnp.einsum("bmi,bmj->bij", v * w, v)
        return self._replace(base=self.base - less, changes=jnp.zeros_like(self.changes))


def _at(k: jax.Array, values: jax.Array) -> jax.Array:
    """(B, p): the values in column k of each row, 0 elsewhere."""
    return jnp.where(jnp.arange(values.shape[1], dtype=k.dtype)[None, :] == k[:, None], values, 0.0)


def grams(G: jax.Array) -> Grams:
    """Without active columns S is G, (B, p, p)."""
    B, p = G.shape[:2]
    M = 0 if p <= NARROW else 1 << round(0.5 * math.log2(2 * p))
    return Grams(G, jnp.zeros((B, p), G.dtype), jnp.zeros((B, M, p + 1), G.dtype))


def solve_path(
    problem: LeastSquares, lams: jax.Array, count: Any, unit: Penalty, tol: Any, max_iter: Any
) -> tuple[jax.Array, jax.Array]:
    """:func:`jaxreg.solvers.homotopy.solve_path` of one problem, as an accelerator goes down its λs."""
    del tol, max_iter
    assert problem.gram is not None
    one = lambda values: jax.tree.map(lambda v: jnp.asarray(v)[None], values)
    count = jnp.asarray(count, jnp.int32)
    u, n_iter = solve_paths(grams(problem.gram[None]), one(problem.correlation), one(lams), one(count), one(unit))
    return u[0], n_iter[0]


class SameRows(NamedTuple):
    """The rows that all members share, and the inverse of each.

    Attributes:
        X: (n, p), of which no column is far from 0. share: `s/W`, (B, n). mean: `x̄`, size: d, (B, p).
        column: which column is in each of K slots, p where there is none, (B, K). active: these columns `x̂`, (B, K, n).
        inverse: H, (B, K, K), 0 where a slot is free.
    """

    X: jax.Array
    share: jax.Array
    mean: jax.Array
    size: jax.Array
    column: jax.Array
    active: jax.Array
    inverse: jax.Array

    @property
    def pending(self) -> int:
        return 1

    def rows(self, step: Step, k: jax.Array) -> tuple[jax.Array, Any]:
        of_k = lambda values: jnp.take_along_axis(values, k[:, None], axis=1)
        leaves = of_k(step.sign)[:, 0] != 0
        x = (self.X.T[k] - of_k(self.mean)) / of_k(self.size)
        here = jnp.argmax(self.column == jnp.where(leaves, k, self.X.shape[1])[:, None], axis=1)
        explained = lambda v: jnp.einsum("bkl,bl->bk", self.inverse, jnp.einsum("bkn,bn->bk", self.active, v))
        of_active = lambda c: jnp.einsum("bk,bkn->bn", c, self.active)
        c = explained(self.share * x)
        c = c + explained(self.share * (x - of_active(c)))
        leaving = -jnp.take_along_axis(self.inverse, here[:, None, None], axis=1)[:, 0]
        c = jnp.where(leaves[:, None], leaving, c)
        v = jnp.where(leaves[:, None], 0.0, x) - of_active(c)
        weighted = self.share * v
        row = (weighted @ self.X - self.mean * jnp.sum(weighted, axis=1, keepdims=True)) / self.size
        row = jax.vmap(lambda row, column, c: row.at[column].set(c, mode="drop"))(row, self.column, c)
        return step.scale * of_k(step.scale) * row, (here, leaves, c, x, of_k(row)[:, 0])

    def changed(
        self, m: jax.Array, step: Step, k: jax.Array, passes: jax.Array, change: Change, of_row: Any
    ) -> "SameRows":
        del m, step, change
        here, leaves, c, x, d = of_row
        K, p = self.column.shape[1], self.X.shape[1]
        slot = jnp.arange(K, dtype=here.dtype)[None, :] == here[:, None]
        w = jnp.where(slot & ~leaves[:, None], -1.0, c)
        factor = jnp.where(passes, 1.0 / jnp.where(d == 0, 1.0, d), 0.0)
        inverse = self.inverse + (factor[:, None] * w)[:, :, None] * w[:, None, :]
        gone = slot & (leaves & passes)[:, None]
        inverse = jnp.where(gone[:, :, None] | gone[:, None, :], 0.0, inverse)
        new = jnp.where(slot & passes[:, None], jnp.where(leaves, p, k).astype(self.column.dtype)[:, None], self.column)
        put = lambda active, here, x: jax.lax.dynamic_update_index_in_dim(active, x, here, 0)
        at_slot = jnp.take_along_axis(self.active, here[:, None, None], axis=1)[:, 0]
        x = jnp.where(passes[:, None], jnp.where(leaves[:, None], 0.0, x), at_slot)
        return self._replace(column=new, active=jax.vmap(put)(self.active, here, x), inverse=inverse)

    def settled(self) -> "SameRows":
        return self


def same_rows(X: jax.Array, share: jax.Array, mean: jax.Array, size: jax.Array, most: int) -> SameRows:
    """Without active columns.

    Args:
        X: (n, p). share: (B, n). mean, size: (B, p). most: static, rows of weight above 0: no more columns are active.
    """
    (n, p), B = X.shape, len(share)
    K = min(most, n, p) + 1
    nothing = jnp.full((B, K), p, jnp.int32), jnp.zeros((B, K, n), X.dtype), jnp.zeros((B, K, K), X.dtype)
    return SameRows(X, share, mean, size, *nothing)
