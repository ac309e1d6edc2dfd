"""What the conditions of optimality are made of: products with one table, for K sets of weights of its rows at once.

A fold trains with weights of 0 on the rows that it holds out, so K folds are K sets of weights of one table. With
`S = diag(s/Σs)` of one of them and `e = y − X w`, the columns need not be centred: vectors are,

    X_cᵀ S (y_c − X_c w) = Xᵀ S (e − ē),       ē = Σ_i s_i e_i / Σs

and the rows about any fixed numbers, in any fixed units, serve all sets. So the slopes of K sets cost two products of
the table with K columns, and so does the way back, by the weights too: no set has a table of its own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import change_of, only_if, varying_like, without_columns
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.scaling import is_constant, shares, standard_deviation, weighted_mean
from jaxreg.solvers.reduction import Data

__all__ = ["Products", "products_of", "products_of_moments", "scales_of"]

# Variances below this share of a mean square are computed again, about the mean of their own rows.
DOUBTFUL = 1e-6


class Products(NamedTuple):
    """Of n rows, p columns, t targets and K sets of weights.

    Attributes:
        rows: A, (n, p), columns about fixed numbers and in fixed units, with the derivatives of X.
        share: `s/Σs`, (K, n). targets: (t, n). centred: whether vectors are, ().
        size: the units d, mean: the fixed numbers, (p,), without derivatives.
        square: `Σ s a² / Σs` about the mean where ``centred``, (K, p), without derivatives; 0 for a column that
            explains nothing.
        gram: `AᵀSA` about the mean, (K, p, p), without derivatives; None: to be made from the rows.
        correlation: `AᵀSy`, (K, t, p), where rows and weights are fixed and all products come from moments; else None.
    """

    rows: jax.Array
    share: jax.Array
    targets: jax.Array
    centred: jax.Array
    size: jax.Array
    mean: jax.Array
    square: jax.Array
    gram: jax.Array | None
    correlation: jax.Array | None

    def about_mean(self, e: jax.Array) -> jax.Array:
        """e, (..., K, n), about its weighted means."""
        mean = jnp.einsum("...kn,kn->...k", e, self.share)
        return e - jnp.where(self.centred, mean, 0.0)[..., None]

    def to_columns(self, e: jax.Array) -> jax.Array:
        """`AᵀS e`, (L, K, p), for e, (L, K, n), about its means."""
        return (self.share[None] * e) @ self.rows

    def times(self, u: jax.Array) -> jax.Array:
        """`AᵀSA u`, (L, K, p)."""
        if self.correlation is not None:
            return jnp.einsum("kpq,lkq->lkp", self.gram, u)
        return self.to_columns(self.about_mean(u @ self.rows.T))

    def residual(self, u: jax.Array, y: jax.Array) -> jax.Array:
        """`y − A u`, (L, K, n), as it is: not about its means."""
        return y[None, None, :] - u @ self.rows.T

    def slope(self, u: jax.Array, target: jax.Array) -> jax.Array:
        """`AᵀS (y − A u)`, (L, K, p); ``target``: y, (n,), or where all comes from moments `AᵀSy`, (K, p)."""
        if self.correlation is not None:
            return target[None] - self.times(u)
        return self.to_columns(self.about_mean(self.residual(u, target)))

    @property
    def of_targets(self) -> jax.Array:
        """What :meth:`slope` takes for every target, (t, n) or (t, K, p)."""
        return self.targets if self.correlation is None else jnp.moveaxis(self.correlation, 1, 0)


def products_of(data: Data, share: jax.Array, known: Moments | None = None, near: jax.Array | None = None) -> Products:
    """From the rows.

    Args:
        data: its weights are not looked at. share: (K, n), weights of rows that sum to 1.
        known: moments of the same rows and weights, stacked, (K, ...), where they are at hand. near: numbers near the
            means of the columns, (p,), where they are.
    """
    X, _ = without_columns(data.X, data.penalty_factor)
    still, fixed_share, known, near = jax.lax.stop_gradient((X, share, known, near))
    weight = jnp.sum(fixed_share, axis=0)
    if not data.fit_intercept:
        near = jnp.zeros_like(X[0])
    elif near is None:
        near = weighted_mean(still, weight)
    most = jnp.max(jnp.where((weight > 0)[:, None], jnp.abs(still - near[None, :]), 0.0), axis=0)
    size = jnp.where(most > 0, most, 1.0)
    rows, gram = (X - near[None, :]) / size[None, :], None
    if known is not None:
        m = known if data.fit_intercept else jax.vmap(about_zero)(known)
        gram = m.xx * (1.0 / m.weight[:, None] / size[None, :])[:, :, None] * (1.0 / size)[None, None, :]
        square = jnp.diagonal(gram, axis1=1, axis2=2)
    elif data.fit_intercept:
        square = _variances(jax.lax.stop_gradient(rows), fixed_share)
    else:
        square = fixed_share @ jax.lax.stop_gradient(rows) ** 2
    return Products(rows, share, data.Y.T, jnp.asarray(data.fit_intercept), size, near, square, gram, None)


def products_of_moments(m: Moments, data: Data) -> Products:
    """From moments, with their derivatives, which the Gram matrix and the means then have too; K is 1."""
    n, dtype = len(data.X), data.X.dtype
    m = m if data.fit_intercept else about_zero(m)
    square = jax.lax.stop_gradient(jnp.diagonal(m.xx) / m.weight)
    size = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    gram = m.xx * (1.0 / size / m.weight)[:, None] * (1.0 / size)[None, :]
    correlation = (m.xy / m.weight / size[:, None]).T
    fixed = (size, m.x_mean, (square / size / size)[None], gram[None], correlation[None])
    share = shares(data.sample_weight, n, dtype)[None]
    return Products(data.X, share, data.Y.T, jnp.asarray(data.fit_intercept), *fixed)


def scales_of(products: Products, known: Moments | None) -> jax.Array:
    """σ of every set of weights, (K, p), and 1 for a constant column; ``known`` as in :func:`products_of`."""
    rows, share, size = products.rows, products.share, products.size
    if known is not None:
        variance = jnp.diagonal(known.xx, axis1=1, axis2=2) / known.weight[:, None] / size[None] / size[None]
    else:
        variance = _variances(*jax.lax.stop_gradient((rows, share)))
    variance = jax.lax.stop_gradient(variance)
    moved = variance + change_of(share @ rows**2 - (share @ rows) ** 2)
    some = variance > 0
    return jnp.where(some, size[None] * jnp.sqrt(jnp.where(some, moved, 1.0)), 1.0)


def _variances(rows: jax.Array, share: jax.Array) -> jax.Array:
    """`Σ s a² / Σs − ā²`, (K, p): products with the table and its squares; about the means of their own rows, and
    exactly 0 for a constant column, where that loses digits."""
    squares, means = share @ rows**2, share @ rows
    fast = squares - means**2

    def exact(_: jax.Array) -> jax.Array:
        one = lambda s: jnp.where(is_constant(rows, s), 0.0, standard_deviation(rows, s) ** 2)
        return jax.lax.map(one, share)

    return only_if(~jnp.all(fast > DOUBTFUL * squares), exact, varying_like(fast, (rows, share)))
