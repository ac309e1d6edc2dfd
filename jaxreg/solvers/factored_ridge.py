"""A ridge problem factored once, for every `λ > 0` and all targets: from moments, or from the rows.

With `W = Σs` and `d_j = σ_j √v_j`, the reduction of :mod:`~jaxreg.solvers.reduction` needs no rows where the moments
are at hand:

    AᵀA = xx / (W d dᵀ),     Aᵀỹ = xy / (W d),     ‖ỹ‖² = yy / W,     σ_j = √(xx_jj / W),     τ = √(yy / W)

so standardising is a rescaling, and the λ of the decomposition is `λ/τ`. The moments come from one pass over the rows,
or, for the training part of a fold, from a subtraction.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import broadcast_columns
from jaxreg.formulas.duality import relative_gap
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import standard_deviation, weighted_mean
from jaxreg.solvers.spectrum import (
    Spectrum,
    coefficients,
    gap_bound,
    map_lams,
    of_other_targets,
    products,
    spectrum_of_gram,
    spectrum_of_rows,
)

__all__ = [
    "FactoredRidge",
    "factor_moments",
    "factor_other_targets",
    "factor_rows",
    "relative_gaps",
    "ridge_intercepts",
    "ridge_params",
    "scale_of",
    "spectral_lams",
    "y_scale_of",
]


class FactoredRidge(NamedTuple):
    """One decomposition and the way back to (b, w).

    Attributes:
        spectrum: of A, k values. x_mean: `x̄`, size: d, scale: σ, (p,); y_mean: `ȳ`, (t,). Without an intercept the
            means are 0. y_scale: τ, (t,), or (1,) where it is 1.
        yy: `Σ s ỹ²/W`, original_yy: `Σ s y²/W`, (t,): the scale of the duality gap.
    """

    spectrum: Spectrum
    x_mean: jax.Array
    y_mean: jax.Array
    size: jax.Array
    scale: jax.Array
    y_scale: jax.Array
    yy: jax.Array
    original_yy: jax.Array


def scale_of(m: Moments, standardize: bool) -> jax.Array:
    """σ, (p,): the standard deviations, 1 for a column that is constant; or 1 for all."""
    square = jnp.diagonal(m.xx)
    standard = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0) / m.weight), 1.0)
    return standard if standardize else jnp.ones_like(standard)


def y_scale_of(m: Moments, standardize: bool) -> jax.Array:
    """τ, (t,): the standard deviations of y, 1 for one that is constant; or 1, (1,)."""
    standard = jnp.sqrt(jnp.where(m.yy > 0, m.yy / m.weight, 1.0))
    return standard if standardize else jnp.ones_like(standard[:1])


def factor_moments(
    m: Moments, penalty_factor: jax.Array | None, fit_intercept: bool, standardize: bool
) -> FactoredRidge:
    """From the moments of the rows.

    Args:
        m: p columns, t targets. penalty_factor: `v > 0`, (p,) or None. fit_intercept, standardize: static.

    A column whose centred square is exactly 0 is constant.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxreg.formulas import moments
        >>> m = moments(jnp.array([[-1.0], [1.0]]), jnp.array([0.0, 4.0]))
        >>> ridge_params(factor_moments(m, None, True, True), jnp.array(1.0))
        Params(intercept=Array([2.], dtype=float32), coef=Array([[1.3333334]], dtype=float32))
    """
    scale, y_scale = scale_of(m, standardize), y_scale_of(m, standardize)
    size = scale * jnp.sqrt(broadcast_columns(penalty_factor, len(scale), 1.0, scale.dtype))
    original_yy = m.yy / m.weight + m.y_mean**2
    m = m if fit_intercept else about_zero(m)
    gram = m.xx / m.weight / size[:, None] / size[None, :]  # d dᵀ itself may overflow
    spectrum = spectrum_of_gram(gram, m.xy / m.weight / size[:, None])
    spectrum = _without_constants(spectrum, jnp.diagonal(m.xx) == 0)
    return FactoredRidge(spectrum, m.x_mean, m.y_mean, size, scale, y_scale, m.yy / m.weight, original_yy)


def factor_other_targets(factored: FactoredRidge, m: Moments, fit_intercept: bool, standardize: bool) -> FactoredRidge:
    """:func:`factor_moments` of other targets of the same rows, (p, t) of the same t: the decomposition is kept.

    Args:
        factored: of the same rows. m: their moments with the other targets; its ``xx`` is not looked at.
    """
    y_scale, original_yy = y_scale_of(m, standardize), m.yy / m.weight + m.y_mean**2
    m = m if fit_intercept else about_zero(m)
    spectrum = of_other_targets(factored.spectrum, m.xy / m.weight / factored.size[:, None])
    squares = {"yy": m.yy / m.weight, "original_yy": original_yy}
    return factored._replace(spectrum=spectrum, y_mean=m.y_mean, y_scale=y_scale, **squares)


def factor_rows(
    X: jax.Array,
    Y: jax.Array,
    sample_weight: jax.Array,
    penalty_factor: jax.Array | None,
    fit_intercept: bool,
    standardize: bool,
    smallest_lam: jax.Array,
) -> FactoredRidge:
    """From the rows themselves: for `p > n`, and where moments are not accurate enough.

    Args:
        X: (n, p), Y: (n, t). sample_weight: (n,). The others as in :func:`factor_moments`; smallest_lam: (), of λ.
    """
    p, t = X.shape[1], Y.shape[1]
    scale = standard_deviation(X, sample_weight) if standardize else jnp.ones((p,), X.dtype)
    size = scale * jnp.sqrt(broadcast_columns(penalty_factor, p, 1.0, X.dtype))
    y_scale = standard_deviation(Y, sample_weight) if standardize else jnp.ones((1,), X.dtype)
    rows = weighted_rows(X, sample_weight, fit_intercept) / size[None, :]
    targets = weighted_rows(Y, sample_weight, fit_intercept)
    x_mean, y_mean = jnp.zeros((p,), X.dtype), jnp.zeros((t,), X.dtype)
    if fit_intercept:
        x_mean, y_mean = weighted_mean(X, sample_weight), weighted_mean(Y, sample_weight)
    spectrum = _without_constants(
        spectrum_of_rows(rows, targets, smallest_lam / jnp.max(y_scale)), jnp.all(rows == 0, axis=0)
    )
    original_yy = weighted_mean(Y**2, sample_weight)
    return FactoredRidge(spectrum, x_mean, y_mean, size, scale, y_scale, jnp.sum(targets**2, axis=0), original_yy)


def _without_constants(spectrum: Spectrum, constant: jax.Array) -> Spectrum:
    """A column that explains nothing has the coefficient 0, without rounding."""
    return spectrum._replace(left=jnp.where(constant[:, None], 0.0, spectrum.left))


def ridge_params(factored: FactoredRidge, lam: jax.Array) -> Params:
    """(b, w) on the original scale for `λ > 0` of shape () or (t,), one a target: coef (p, t), intercept (t,)."""
    coef = coefficients(factored.spectrum, lam / factored.y_scale) / factored.size[:, None]
    return Params(factored.y_mean - factored.x_mean @ coef, coef)


def ridge_intercepts(factored: FactoredRidge, lams: jax.Array) -> jax.Array:
    """b for every `λ > 0` of (L,) and target, (L, t), without the coefficients."""
    # b = ȳ − x̄·w = ȳ − (x̄/d)·(left a) = ȳ − (leftᵀ(x̄/d))·a
    e, left, right = factored.spectrum[:3]
    row = ((factored.x_mean / factored.size) @ left)[None, :]
    one = lambda lam: products(row, right, e, lam)[0]
    of_targets = spectral_lams(factored, lams)
    width = right.size if of_targets.shape[1] > 1 else right.shape[1]
    return factored.y_mean[None, :] - map_lams(one, of_targets, width)


def spectral_lams(factored: FactoredRidge, lams: jax.Array) -> jax.Array:
    """`λ/τ`, the λ of the decomposition, for λs (L,): (L, t), or (L, 1) where τ is 1."""
    return lams[:, None] / factored.y_scale[None, :]


def relative_gaps(factored: FactoredRidge, lams: jax.Array) -> jax.Array:
    """The certificate of every `λ > 0` of (L,) and target, (L, t): :func:`gap_bound` as a share of `‖ỹ‖²`."""
    # b = ȳ − x̄·w is off by some ε of |ȳ| + ‖x̄/d‖ ‖u‖, and ½ λ ‖u‖² ≤ ½ ‖ỹ‖², for u = 0 is worth that.
    per_tau = spectral_lams(factored, lams)
    offset = (
        factored.y_mean[None, :] ** 2 + jnp.sum((factored.x_mean / factored.size) ** 2) * factored.yy[None, :] / per_tau
    )
    gap = gap_bound(factored.spectrum, per_tau) + (4 * jnp.finfo(offset.dtype).eps) ** 2 * offset
    return relative_gap(gap, jnp.zeros_like(gap), factored.yy[None, :], factored.original_yy[None, :])
