"""A table whose columns are asked for by number, and all of whose columns are multiplied at once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["ColumnTable"]


class ColumnTable(NamedTuple):
    """The columns of a problem, √(s/Σs) (x_j − m_j)/d_j.

    Attributes:
        features: xᵀ, (p, n). root: √(s/Σs), (n,). mean: m, size: d, (p,).
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
