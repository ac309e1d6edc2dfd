"""The moments of many weightings of the same rows.

With the rows about a common origin o, `z_i = (x_i − o, y_i − o_y)`, every weighting's sums of products are

    S_b = Σ_i s_bi z_i z_iᵀ

the product of the weights, (B, n), with a table of all products of two columns, (n, pairs), which is made once. About
the means `o + d_b`, `d_b = Σ_i s_bi z_i / W_b`, they are `S_b − W_b d_b d_bᵀ`. What that takes away costs digits: a
relative error of `S_jj + W d_j²` becomes by

    (xx_jj + 2 W d_j²) / xx_jj

times as large in `xx_jj`. The origin is the mean of all rows, so `d_b` is small where a weighting is like the others. A
column that does not vary in the rows of a weighting is found by comparison, and its sums are exactly 0.

A table of many columns has too many pairs: the rows of each weighting are gathered and their moments formed, or those
of the diagonal alone.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.formulas.moments import Moments, moments

__all__ = ["moments_of_weights", "moments_with_weight", "squares_of_weights"]

# Columns up to which products of two of them are made beforehand.
NARROW = 64
# Weightings whose rows an accelerator gathers together.
TOGETHER = 64


def moments_of_weights(X: jax.Array, Y: jax.Array, weights: jax.Array, most: int) -> tuple[Moments, jax.Array]:
    """:func:`jaxreg.formulas.moments.moments` for each of B sets of weights.

    Args:
        X: (n, p). Y: (n, t). weights: (B, n). most: static, so many rows at most have weight in a set.

    Returns:
        Moments with a leading axis B, and by how many times their relative error is larger than that of sums about
        their own means, (B,).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y, s = jnp.array([[0.0], [2.0], [9.0]]), jnp.zeros((3, 1)), jnp.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
        >>> [round(v, 4) for v in moments_of_weights(X, y, s, 2)[0].xx[:, 0, 0].tolist()]
        [2.0, 24.5]
    """
    p, q = X.shape[1], X.shape[1] + Y.shape[1]
    if q > NARROW:
        each = lambda s: moments_with_weight(X, Y, s, most)
        cpu, other = (lambda w, size=size: jax.lax.map(each, w, batch_size=size) for size in (None, TOGETHER))
        return jax.lax.platform_dependent(weights, cpu=cpu, default=other), jnp.ones((len(weights),), X.dtype)
    Z, origin = _about_means(jnp.concatenate([X, Y], axis=1))
    i, j = np.tril_indices(q)
    place = np.zeros((q, q), int)
    place[i, j] = place[j, i] = np.arange(len(i))
    weight, d, varies = _weighted(Z, weights)
    sums = (weights @ (Z[:, i] * Z[:, j]))[:, place]
    away = weight[:, None, None] * (d[:, :, None] * d[:, None, :])
    about = jnp.where(varies[:, :, None] & varies[:, None, :], sums - away, 0.0)
    diagonal = lambda v: jnp.diagonal(v, axis1=1, axis2=2)
    squares, times = _squares(diagonal(sums), diagonal(away), varies)
    mean = origin[None, :] + d
    parts = about[:, :p, :p], about[:, :p, p:], squares[:, p:]
    return Moments(weight, mean[:, :p], mean[:, p:], *parts), times


def moments_with_weight(X: jax.Array, Y: jax.Array, s: jax.Array, most: int) -> Moments:
    """Moments of the rows that have weight, at most so many (static): of a bootstrap's, 63 in 100."""
    if most >= len(s):
        return moments(X, Y, s)
    (rows,) = jnp.nonzero(s, size=most, fill_value=len(s) - 1)
    first = jnp.arange(most) < jnp.count_nonzero(s)
    return moments(X[rows], Y[rows], jnp.where(first, s[rows], 0.0))


def squares_of_weights(X: jax.Array, Y: jax.Array, weights: jax.Array) -> tuple[Moments, jax.Array]:
    """The same, but of xx its diagonal alone, (B, p).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y, s = jnp.array([[0.0], [2.0], [9.0]]), jnp.zeros((3, 1)), jnp.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
        >>> [round(v, 4) for v in squares_of_weights(X, y, s)[0].xx[:, 0].tolist()]
        [2.0, 24.5]
    """
    p = X.shape[1]
    Z, origin = _about_means(jnp.concatenate([X, Y], axis=1))
    weight, d, varies = _weighted(Z, weights)
    squares, times = _squares(weights @ Z**2, weight[:, None] * d**2, varies)
    R = Z[None, :, p:] - d[:, None, p:]
    xy = jnp.stack([(weights * R[:, :, k]) @ Z[:, :p] for k in range(Y.shape[1])], axis=2)
    xy = jnp.where(varies[:, :p, None] & varies[:, None, p:], xy, 0.0)
    mean = origin[None, :] + d
    return Moments(weight, mean[:, :p], mean[:, p:], squares[:, :p], xy, squares[:, p:]), times


def _about_means(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rows about their means, and these. A column that is constant becomes 0, without rounding."""
    Z = rows - rows[:1]
    moved = jnp.mean(Z, axis=0)
    return Z - moved[None, :], rows[0] + moved


def _weighted(Z: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """W, (B,), the means d, (B, q), and whether a column varies in the rows of weight above 0, (B, q)."""
    weight = jnp.sum(weights, axis=1)
    d = weights @ Z / jnp.where(weight > 0, weight, 1.0)[:, None]
    first = Z[jnp.argmax(weights > 0, axis=1)]
    differs = (Z[None, :, :] != first[:, None, :]) & (weights > 0)[:, :, None]
    return weight, d, jnp.any(differs, axis=1)


def _squares(sums: jax.Array, away: jax.Array, varies: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums of squares about the means, (B, q), and by how much at most their relative error has grown, (B,)."""
    left = jnp.where(varies, sums - away, 0.0)
    times = jnp.where(varies, (sums + away) / jnp.where(left > 0, left, 0.0), 1.0)
    return jnp.maximum(left, 0.0), jnp.max(times, axis=1)
