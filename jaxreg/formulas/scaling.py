"""Weighted means and standard deviations of columns: what centring and standardisation use."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating, per_row

__all__ = ["centred", "is_constant", "shares", "standard_deviation", "weighted_mean"]


def weighted_mean(X: ArrayLike, sample_weight: ArrayLike | None = None) -> jax.Array:
    """`x̄ = Σ_i s_i x_i / Σs`, over the rows.

    Args:
        X: (n,) or (n, p). sample_weight: `s ≥ 0`, (n,); ``None`` is 1.

    Returns:
        () or (p,).

    Example:
        >>> import jax.numpy as jnp
        >>> float(weighted_mean(jnp.array([1.0, 4.0]), jnp.array([2.0, 1.0])))
        2.0
    """
    X, s = floating(X=X, sample_weight=sample_weight)
    if s is None:
        return jnp.mean(X, axis=0)
    return jnp.sum(per_row(s, X) * X, axis=0) / jnp.sum(s)


def is_constant(X: jax.Array, s: jax.Array | None) -> jax.Array:
    """(p,) booleans: whether a column has one value over all rows of positive weight. Exact, no tolerance."""
    keep = True if s is None else per_row(s, X) > 0
    return jnp.max(X, axis=0, where=keep, initial=-jnp.inf) <= jnp.min(X, axis=0, where=keep, initial=jnp.inf)


def shares(sample_weight: jax.Array | None, n: int, dtype: Any) -> jax.Array:
    """`s_i / Σs`, (n,); 1/n without weights."""
    return jnp.full((n,), 1.0 / n, dtype) if sample_weight is None else sample_weight / jnp.sum(sample_weight)


def centred(X: jax.Array, sample_weight: jax.Array | None) -> jax.Array:
    """`X − x̄`, (n,) or (n, p); a column that is constant over the rows of positive weight is exactly 0 there.

    Rows of weight 0 keep what they are away from the mean, as their derivative by the weight needs it.
    """
    # Shifting by any number changes nothing in exact arithmetic, so it needs no derivative.
    positive = True if sample_weight is None else per_row(sample_weight, X) > 0
    largest = jnp.max(X, axis=0, where=positive, initial=-jnp.inf)
    shift = jnp.where(is_constant(X, sample_weight), largest, weighted_mean(X, sample_weight))
    X = X - jax.lax.stop_gradient(shift if shift.ndim == 0 else shift[None, :])
    mean = weighted_mean(X, sample_weight)
    return X - (mean if mean.ndim == 0 else mean[None, :])


def standard_deviation(X: ArrayLike, sample_weight: ArrayLike | None = None) -> jax.Array:
    """`σ_j = √( Σ_i s_i (x_ij − x̄_j)² / Σs )`, and 1 for a constant column.

    The divisor is `Σs` (glmnet's and scikit-learn's, not `Σs − 1`). Each column is divided by its largest deviation
    before it is squared, so that 1e±200 neither overflows nor vanishes; the derivative of a constant column is 0, not
    NaN.

    Args:
        X: (n, p). sample_weight: `s ≥ 0`, (n,); ``None`` is 1.

    Returns:
        (p,), in units of X.

    Example:
        >>> import jax.numpy as jnp
        >>> standard_deviation(jnp.array([[1.0, 7.0], [3.0, 7.0]]))
        Array([1., 1.], dtype=float32)
    """
    X, s = floating(X=X, sample_weight=sample_weight)
    constant = is_constant(X, s)
    deviation = jnp.where(constant[None, :], jnp.ones_like(X), X - weighted_mean(X, s)[None, :])
    positive = True if s is None else per_row(s, X) > 0
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(deviation), axis=0, where=positive, initial=0.0))
    largest = jnp.where(largest > 0, largest, jnp.ones_like(largest))
    ratio = deviation / largest[None, :]
    if s is not None:  # a row of weight 0 is as if it were absent, and its derivative by the weight is ratio²
        most = jnp.finfo(X.dtype).max ** 0.25
        ratio = jnp.where(positive, ratio, jnp.clip(ratio, -most, most))
    variance = weighted_mean(ratio**2, s)
    return jnp.where(constant, jnp.ones_like(largest), largest * jnp.sqrt(jnp.where(constant, 1.0, variance)))
