"""Moments: all that least squares needs to know about X and y, small where `n ≫ p`, and additive over rows.

    W = Σs        x̄ = Σ s x / W        xx = Σ s (x − x̄)(x − x̄)ᵀ        xy = Σ s (x − x̄)(y − ȳ)ᵀ        yy = Σ s (y − ȳ)²

Sets of rows `k = 1, 2, …` together:

    x̄ = Σ_k (W_k/W) x̄_k,      xx = Σ_k ( xx_k + W_k (x̄_k − x̄)(x̄_k − x̄)ᵀ ),     W = Σ_k W_k                     (1)

because in `Σ_{i in k} s (x − x̄)(x − x̄)ᵀ` the products of `x − x̄_k` with `x̄_k − x̄` sum to 0. Of two sets, a and b,
the last terms are `W_a W_b/W d dᵀ` with `d = x̄_b − x̄_a`. Solved for a, with d measured from the mean of all rows,
this says how rows are taken away:

    x̄_a = x̄ − (W_b/W_a) d,     xx_a = xx − xx_b − (W W_b/W_a) d dᵀ,     d = x̄_b − x̄                           (2)

Adding keeps all digits; taking away loses those that a and the total do not share (1e6 times less left: six digits).

Source: Chan, Golub and LeVeque, *The American Statistician* 37(3), 1983.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating, row_of
from jaxreg.formulas.objective import Params
from jaxreg.precision import full_precision

__all__ = ["Moments", "about_zero", "all_but", "lost", "mean_squared_error", "moments", "together"]

# From so many columns on, three products of halves cost less than one of all.
LARGE = 256
# Tables of so many numbers are centred only where a mean's square is more than this share of a column's mean square.
MANY, SMALL_MEAN = 2**20, 0.1


class Moments(NamedTuple):
    """Weighted moments of p columns and t targets about their means.

    Attributes:
        weight: W, (). x_mean: `x̄`, (p,). y_mean: `ȳ`, (t,).
        xx: (p, p), xy: (p, t), yy: (t,), sums (not means) about the means. Where it is said, xx is its diagonal, (p,).

    ``a + b`` are the moments of the rows of both, ``total - b`` those of the rest; of NumPy arrays they are NumPy
    arrays. As a pytree of sums about their own means they cannot be added leaf by leaf; over devices, gather them and
    add.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0], [2.0], [6.0]]), jnp.array([0.0, 1.0, 2.0])
        >>> total = moments(X[:2], y[:2]) + moments(X[2:], y[2:])
        >>> float(total.x_mean[0]), float(total.xx[0, 0]), float(moments(X, y).xx[0, 0])
        (3.0, 14.0, 14.0)
    """

    weight: Any
    x_mean: Any
    y_mean: Any
    xx: Any
    xy: Any
    yy: Any

    def __add__(self, other: "Moments") -> "Moments":  # type: ignore[override]
        """Formula (1)."""
        return together([self, other])

    def __sub__(self, other: "Moments") -> "Moments":
        """Formula (2); ``other`` must be of some, but not all, of the rows."""
        weight = self.weight - other.weight
        ratio = other.weight / weight
        d, e = other.x_mean - self.x_mean, other.y_mean - self.y_mean
        factor = self.weight * ratio
        return Moments(
            weight,
            self.x_mean - ratio * d,
            self.y_mean - ratio * e,
            self.xx - other.xx - factor * (d[:, None] * d[None, :]),
            self.xy - other.xy - factor * (d[:, None] * e[None, :]),
            self.yy - other.yy - factor * e**2,
        )


@full_precision
def moments(X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Moments:
    """The moments of one block of rows.

    The first row is taken off before the mean: a column that is constant comes out as exactly 0, and a mean far from 0
    costs no digits.

    Args:
        X: (n, p), y: (n,) or (n, t), floating. sample_weight: `s ≥ 0`, (n,); ``None`` is 1. Rows of weight 0 count for
            nothing, whatever finite numbers they hold.

    Returns:
        Moments with `t = 1` for y (n,).

    Raises:
        TypeError: NumPy float64 while JAX's 64-bit mode is off.

    Example:
        >>> import jax.numpy as jnp
        >>> m = moments(jnp.array([[1.0, 5.0], [3.0, 5.0]]), jnp.array([0.0, 4.0]))
        >>> m.xx.tolist(), m.xy[:, 0].tolist()
        ([[2.0, 0.0], [0.0, 0.0]], [4.0, 0.0])
    """
    X, y, s = floating(X=X, y=y, sample_weight=sample_weight)
    n = X.shape[0]
    Y = y.reshape(n, -1)
    if s is None and X.size >= MANY:
        return _where_means_are_small(X, Y)
    return _about_means(X, Y, jnp.ones((n,), X.dtype) if s is None else s)


def _about_means(X: jax.Array, Y: jax.Array, s: jax.Array) -> Moments:
    weight = jnp.sum(s)
    share = s / jnp.where(weight > 0, weight, 1.0)
    first = jnp.argmax(s > 0)  # rows of weight 0 may be padding
    x_first, y_first = row_of(X, first), row_of(Y, first)
    X, Y = X - x_first[None, :], Y - y_first[None, :]
    x_mean, y_mean = share @ X, share @ Y
    root = jnp.sqrt(s)[:, None]
    # Barriers keep XLA from centring the rows anew for each product; one for both could not be transposed by JAX where
    # only one of them is differentiated.
    Z, R = map(jax.lax.optimization_barrier, (root * (X - x_mean[None, :]), root * (Y - y_mean[None, :])))
    return Moments(weight, x_first + x_mean, y_first + y_mean, _gram(Z), Z.T @ R, jnp.sum(R**2, axis=0))


def _where_means_are_small(X: jax.Array, Y: jax.Array) -> Moments:
    """Sums about 0, moved to the means by `xx = XᵀX − n x̄ x̄ᵀ`, which spares a centred copy of X.

    Where that takes away a tenth of a column's square digits may be lost; then the rows are centred.
    """
    n = X.shape[0]
    x_mean, y_mean, squares = jnp.mean(X, axis=0), jnp.mean(Y, axis=0), jnp.sum(X**2, axis=0)
    small = jnp.all(n * x_mean**2 <= SMALL_MEAN * squares)

    def about_zero(X: jax.Array, Y: jax.Array) -> Moments:
        R = Y - y_mean[None, :]
        xx = _gram(X) - (n * x_mean)[:, None] * x_mean[None, :]
        return Moments(jnp.asarray(n, X.dtype), x_mean, y_mean, xx, X.T @ R, jnp.sum(R**2, axis=0))

    return jax.lax.cond(small, about_zero, lambda X, Y: _about_means(X, Y, jnp.ones((n,), X.dtype)), X, Y)


@full_precision
def together(parts: Sequence["Moments"]) -> "Moments":
    """The moments of the rows of all parts, formula (1).

    Means are measured from that of the first part: a column that is constant in all parts stays so, exactly.

    Args:
        parts: at least one, of the same columns and targets; all of NumPy or all of JAX arrays.

    Example:
        >>> import jax.numpy as jnp
        >>> rows = [(jnp.array([[x]]), jnp.array([y])) for x, y in ((1.0, 0.0), (2.0, 1.0), (6.0, 2.0))]
        >>> m = together([moments(X, y) for X, y in rows])
        >>> float(m.x_mean[0]), float(m.xx[0, 0])
        (3.0, 14.0)
    """
    first = parts[0]
    xp = first.xx.__array_namespace__()
    weight = sum((m.weight for m in parts[1:]), first.weight)
    shares = [m.weight / xp.where(weight > 0, weight, 1.0) for m in parts]
    x = first.x_mean + sum(share * (m.x_mean - first.x_mean) for share, m in zip(shares, parts, strict=True))
    y = first.y_mean + sum(share * (m.y_mean - first.y_mean) for share, m in zip(shares, parts, strict=True))
    D = xp.stack([m.weight**0.5 * (m.x_mean - x) for m in parts])
    E = xp.stack([m.weight**0.5 * (m.y_mean - y) for m in parts])
    xx, xy, yy = D.T @ D, D.T @ E, (E**2).sum(axis=0)
    for m in parts:
        xx += m.xx  # NumPy adds in place, where large arrays need no more memory
        xy += m.xy
        yy += m.yy
    return Moments(weight, x, y, xx, xy, yy)


@full_precision
def all_but(parts: "Moments", k: ArrayLike) -> tuple["Moments", jax.Array]:
    """The moments of the rows of all parts but one, by formula (1), which takes nothing away and so loses nothing.

    Args:
        parts: of JAX arrays with a leading axis K; those of weight 0 count for nothing. k: the number of the part that
            is left out, (); K leaves out none.

    Returns:
        Moments, and by how many times ε the means that differ add to the error of a column's or target's square, ():
        the largest `2 Σ W_k |x̄_k − x̄| |x̄_k| / xx_jj`.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[[1.0], [2.0]], [[6.0], [8.0]]]), jnp.zeros((2, 2))
        >>> m, _ = all_but(jax.vmap(moments)(X, y), 2)
        >>> float(m.x_mean[0]), float(m.xx[0, 0])
        (4.25, 32.75)
    """
    keep = (jnp.arange(len(parts.weight)) != k).astype(parts.xx.dtype)
    W = keep * parts.weight
    weight, first = jnp.sum(W), jnp.argmax(W)

    def mean_of(means: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = means[first] + W @ (means - means[first][None, :]) / jnp.where(weight > 0, weight, 1.0)
        return mean, means - mean[None, :]

    (x, D), (y, E) = mean_of(parts.x_mean), mean_of(parts.y_mean)
    squares = jnp.diagonal(parts.xx, axis1=1, axis2=2)
    times = []
    for means, away, square in ((parts.x_mean, D, squares), (parts.y_mean, E, parts.yy)):
        moved, all_square = 2.0 * W @ (jnp.abs(away) * jnp.abs(means)), W @ away**2 + keep @ square
        times.append(
            jnp.max(jnp.where(moved > 0, moved / jnp.where(all_square > 0, all_square, 1.0), 0.0), initial=0.0)
        )
    xx, xy = jnp.einsum("k,kpq->pq", keep, parts.xx), jnp.einsum("k,kpt->pt", keep, parts.xy)
    weighted = W[:, None] * D
    together = Moments(weight, x, y, xx + weighted.T @ D, xy + weighted.T @ E, keep @ parts.yy + W @ E**2)
    return together, jnp.maximum(*times)


def lost(total: "Moments", part: "Moments", rest: "Moments") -> Any:
    """By how many times the relative error of moments grows in ``rest = total - part``, formula (2), ().

    The square of a column, or of y, that is left is the difference of larger ones; and d, the difference of two means
    that are each off by an ε of themselves, is multiplied by `W W_b/W_a`, which is large where little *weight* is left.

        max over columns and targets of  ( xx_jj + xx_b,jj + 2 (W W_b/W_a) |d_j| (|x̄_j| + |x̄_b,j|) ) / xx_a,jj

    Args:
        total, part, rest: of NumPy or JAX arrays. A column without variance in ``total`` counts as 1.

    Example:
        >>> import jax.numpy as jnp
        >>> rows = moments(jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([-1.0, 1.0, -1.0, 1.0]))
        >>> half = moments(jnp.array([[-1.0], [1.0]]), jnp.array([-1.0, 1.0]))
        >>> float(lost(rows, half, rows - half))
        3.0
    """
    xp = total.xx.__array_namespace__()
    factor = 2.0 * total.weight * part.weight / xp.where(rest.weight > 0, rest.weight, 0.0)

    def growth(squares: tuple[Any, ...], means: tuple[Any, ...]) -> Any:
        (all_, some, left), (mean, other) = squares, means
        moved = xp.where(mean == other, 0.0, factor * xp.abs(mean - other) * (xp.abs(mean) + xp.abs(other)))
        return xp.where(all_ > 0, (all_ + some + moved) / xp.where(left > 0, left, 0.0), 1.0)

    diagonals = tuple(xp.diagonal(m.xx) for m in (total, part, rest))
    columns = growth(diagonals, (total.x_mean, part.x_mean))
    targets = growth((total.yy, part.yy, rest.yy), (total.y_mean, part.y_mean))
    return xp.maximum(xp.max(columns, initial=1.0), xp.max(targets, initial=1.0))


def _gram(Z: jax.Array) -> jax.Array:
    """`ZᵀZ`; of a large one, a quarter of the work is saved by its symmetry."""
    half = Z.shape[1] // 2
    if Z.shape[1] < LARGE:
        return Z.T @ Z
    A, B = Z[:, :half], Z[:, half:]
    across = A.T @ B
    return jnp.block([[A.T @ A, across], [across.T, B.T @ B]])


def about_zero(m: Moments) -> Moments:
    """The same rows without an intercept: sums about 0, `xx + W x̄ x̄ᵀ` and so on, and means of 0."""
    x, y = m.x_mean, m.y_mean
    product = x * x if m.xx.ndim == 1 else x[:, None] * x[None, :]
    return Moments(
        m.weight,
        x * 0.0,  # NumPy's arrays stay NumPy's
        y * 0.0,
        m.xx + m.weight * product,
        m.xy + m.weight * (x[:, None] * y[None, :]),
        m.yy + m.weight * y**2,
    )


@full_precision
def mean_squared_error(params: Params, m: Moments) -> jax.Array:
    """`Σ s (y − x·w − b)² / Σs` of one model a target, as a quadratic form in the moments, (t,).

    With `r̄ = ȳ − x̄·w − b` it is `(yy − 2 w·xy + w·xx w + W r̄²) / W`. What is left is the difference of numbers as
    large as yy: where the error is a share f of yy, its relative accuracy is `ε/f`. From the rows it is ε.

    Args:
        params: coef (p, t), intercept (t,); JAX or NumPy arrays, as those of m.

    Example:
        >>> import jax.numpy as jnp
        >>> m = moments(jnp.array([[1.0], [2.0], [6.0]]), jnp.array([0.0, 1.0, 2.0]))
        >>> round(float(mean_squared_error(Params(jnp.array([1.0]), jnp.array([[0.0]])), m)[0]), 4)
        0.6667
    """
    w, residual_mean = params.coef, m.y_mean - m.x_mean @ params.coef - params.intercept
    about_means = m.yy - 2.0 * (w * m.xy).sum(axis=0) + (w * (m.xx @ w)).sum(axis=0)
    return about_means.clip(0.0) / m.weight + residual_mean**2
