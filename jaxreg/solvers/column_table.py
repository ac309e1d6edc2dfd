"""Tables whose columns are asked for by number, and all of whose columns are multiplied at once."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

__all__ = ["ColumnTable", "GramTable", "RowTable", "Table"]


class ColumnTable(NamedTuple):
    """The columns of a problem, `√(s/Σs) (x_j − m_j)/d_j`.

    Attributes:
        features: `xᵀ`, (p, n). root: `√(s/Σs)`, (n,). mean: m, size: d, (p,).
    """

    features: jax.Array
    root: jax.Array
    mean: jax.Array
    size: jax.Array

    def columns(self, index: jax.Array) -> jax.Array:
        """The columns numbered ``index``, (k,), as rows, (k, n); 0 where it is p."""
        at = lambda a, fill: a.at[index].get(mode="fill", fill_value=fill)
        rows = at(self.features, 0) - at(self.mean, 0)[:, None]
        return rows / at(self.size, 1)[:, None] * self.root[None, :]

    def products(self, R: jax.Array) -> jax.Array:
        """With every column, (p, L), of R (L, n)."""
        weighted = R * self.root[None, :]
        total = jnp.sum(weighted, axis=1)
        return (self.features @ weighted.T - self.mean[:, None] * total[None, :]) / self.size[:, None]


class Table(Protocol):
    """What a least-squares problem of P columns is made of: G, of which some columns are asked for, and c."""

    def rows_of(self, index: jax.Array) -> jax.Array:
        """What the others need of the columns numbered ``index``, (w,); 0 where it is P."""

    def factors_of(self, rows: jax.Array, index: jax.Array) -> tuple[jax.Array, ...]:
        """Matrices whose product is their G, (w, w): a vector is multiplied with one after the other."""

    def gradient(self, u: jax.Array, rows: jax.Array) -> jax.Array:
        """`g = c − G u` of all columns, (m, P), for their coefficients u (m, w)."""


class GramTable(NamedTuple):
    """A :class:`Table` of G, (P, P), and c, (P,), themselves."""

    gram: jax.Array
    correlation: jax.Array

    def rows_of(self, index: jax.Array) -> jax.Array:
        return jnp.take(self.gram, index, axis=0, mode="fill", fill_value=0)

    def factors_of(self, rows: jax.Array, index: jax.Array) -> tuple[jax.Array, ...]:
        return (jnp.take(rows, index, axis=1, mode="fill", fill_value=0),)

    def gradient(self, u: jax.Array, rows: jax.Array) -> jax.Array:
        return self.correlation[None, :] - u @ rows


class RowTable(NamedTuple):
    """A :class:`Table` of columns A and `ỹ`, (n,): `G = AᵀA`, `c = Aᵀỹ`."""

    table: ColumnTable
    target: jax.Array

    def rows_of(self, index: jax.Array) -> jax.Array:
        return self.table.columns(index)

    def factors_of(self, rows: jax.Array, index: jax.Array) -> tuple[jax.Array, ...]:
        w, n = rows.shape
        # Where there are fewer rows, two products with them cost less. Both layouts: a thin A·Bᵀ is slow on a CPU.
        return (rows @ rows.T,) if w <= 2 * n else jax.lax.optimization_barrier((rows, rows.T))

    def gradient(self, u: jax.Array, rows: jax.Array) -> jax.Array:
        return self.table.products(self.target[None, :] - u @ rows).T
