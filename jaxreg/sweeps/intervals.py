"""Intervals from resamples, and how often a feature was chosen.

Of B resampled values `θ*_b` of an estimate `θ̂` the interval of level `1 − α` is read off their quantiles:

    percentile   from the α/2 to the 1 − α/2 quantile                                          (Efron 1979)
    BCa          from the Φ(z0 + (z0 + z)/(1 − a (z0 + z))) quantiles, z = Φ⁻¹(α/2) and Φ⁻¹(1 − α/2)     (Efron 1987)
    studentised  from θ̂ − t_{1−α/2} se to θ̂ − t_{α/2} se, with the quantiles of t*_b = (θ*_b − θ̂)/se*_b   (Efron 1982)

z0, `Φ⁻¹` of the share of `θ*_b` below `θ̂`, corrects for resamples that are off on one side, where half of those equal
to `θ̂` count as below; and a, the skewness of the estimate, comes from leaving out groups of rows, `θ̂_(g)` with mean
`θ̄`:

    a = Σ_g (θ̄ − θ̂_(g))³ / ( 6 (Σ_g (θ̄ − θ̂_(g))²)^{3/2} )

The studentised one needs the standard error of every resample (:mod:`~jaxreg.sweeps.standard_errors`). One-sided, its
level is off by an order of 1/n, that of the percentile by `1/√n`. Source: Efron and Tibshirani, *An Introduction to the
Bootstrap*, 1993, §12.5; Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, ch. 5.

Under a penalty all are intervals of the *penalised* estimate, of what the same procedure would give on other samples:
they are centred where the penalty draws it, not at the true coefficient, and an interval of a lasso's coefficient that
is often 0 has 0 as an end. They say how stable an answer is; only at `λ = 0` do they cover the truth at their level.
"""

import numpy as np

from jaxreg.data.parameters import check_positive

__all__ = ["bca", "percentile", "selection_frequency", "sign_stability", "studentized"]


def percentile(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile interval over the first axis, (B, ...)."""
    outside = (1.0 - _checked(level)) / 2
    low, high = np.quantile(values, [outside, 1.0 - outside], axis=0)
    return low, high


def bca(values: np.ndarray, estimate: np.ndarray, left_out: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the BCa interval.

    Args:
        values: `θ*`, (B, ...). estimate: `θ̂`, (...). left_out: `θ̂_(g)`, (G, ...).
    """
    from scipy.special import ndtr, ndtri

    B = len(values)
    z = ndtri((1.0 - _checked(level)) / 2)
    below = ((values < estimate).sum(axis=0) + 0.5 * (values == estimate).sum(axis=0)) / B
    z0 = ndtri(np.clip(below, 0.5 / B, 1.0 - 0.5 / B))
    off = left_out.mean(axis=0) - left_out
    spread = (off**2).sum(axis=0) ** 1.5
    a = (off**3).sum(axis=0) / (6.0 * np.where(spread > 0, spread, 1.0))
    sorted_values = np.sort(values, axis=0)
    ends = []
    for side in (z, -z):
        share = ndtr(z0 + (z0 + side) / (1.0 - a * (z0 + side)))
        place = share * (B - 1)
        first = np.clip(np.floor(place).astype(int), 0, B - 2)
        here, there = (np.take_along_axis(sorted_values, (first + k)[None], axis=0)[0] for k in (0, 1))
        ends.append(here + (place - first) * (there - here))
    return ends[0], ends[1]


def studentized(
    values: np.ndarray, estimate: np.ndarray, errors: np.ndarray, error: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the studentised interval.

    Args:
        values, errors: of the resamples, (B, ...). estimate, error: of the data, (...); where the error is 0 the
            interval is the estimate alone.

    Raises:
        ValueError: a standard error is missing.
    """
    missing = ~(errors > 0) & (error != 0)
    if missing.any():
        raise ValueError(
            f"{missing.any(axis=tuple(range(1, missing.ndim))).sum()} of {len(values)} resamples have coefficients "
            "without a standard error: columns that depend on each other or do not vary, or no more rows than columns. "
            "Take 'percentile', or leave columns out."
        )
    t = (values - estimate) / np.where(error != 0, errors, 1.0)
    low, high = percentile(t, level)
    return estimate - high * error, estimate - low * error


def selection_frequency(coef: np.ndarray) -> np.ndarray:
    """The share of the resamples, the first axis, in which a coefficient is not 0."""
    return (coef != 0).mean(axis=0)


def sign_stability(coef: np.ndarray) -> np.ndarray:
    """The share of the resamples with the more frequent of the two signs; 0 where the coefficient is always 0."""
    return np.maximum((coef > 0).mean(axis=0), (coef < 0).mean(axis=0))


def _checked(level: float) -> float:
    return float(check_positive(level, "level", below=1.0))
