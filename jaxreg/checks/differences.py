"""Automatic derivatives held against central differences of the loss, so that a wrong custom rule in it is seen too.

`(f(x + h u) − f(x − h u)) / 2h` has the error `h² c/6 + ε |f| / h`, c a third derivative. The best of several h is
taken: some `10⁻⁹` of the derivative in float64.
"""

from typing import NamedTuple

import numpy as np

from jaxreg.checks.evaluation import each
from jaxreg.checks.subjects import Subject

__all__ = ["Differences", "against_differences"]

STEPS = np.geomspace(1e-2, 1e-7, 6)
TOLERANCE = 1e-6
POINTS, DIRECTIONS = 6, 3


class Differences(NamedTuple):
    """Whether autodiff and the claim agree with the differences at most points, and the median error of autodiff."""

    autodiff: bool
    claimed: bool
    error: float


def against_differences(subject: Subject, points: np.ndarray, rng: np.random.Generator, eps: float) -> Differences:
    """Compares along random directions at some of the (P, d) points."""
    points = points[:POINTS]
    arrays = subject.args.arrays
    truth, claimed = (each(f, points, arrays) for f in (subject.truth, subject.claimed))
    tolerance = max(TOLERANCE, 10 * eps ** (2 / 3))
    size = np.maximum(np.max(np.abs(points), axis=1), 1e-3)
    directions = rng.normal(size=(len(points), DIRECTIONS, points.shape[1]))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    h = STEPS[None, :, None] * size[:, None, None]  # (points, steps, 1)
    moves = h[..., None] * directions[:, None]  # (points, steps, directions, d)
    both = np.stack([points[:, None, None] + moves, points[:, None, None] - moves])
    # A step from a point near overflow may overflow: the other steps are taken then.
    up, down = each(subject.loss.value, both.reshape(-1, points.shape[1]), arrays).reshape(both.shape[:-1])
    with np.errstate(invalid="ignore"):
        slopes = np.where(np.isfinite(up) & np.isfinite(down), up - down, np.nan) / (2 * h)

    def error(gradient: np.ndarray) -> np.ndarray:
        """(points,): relative to the gradient, for a slope may be small by cancellation."""
        off = np.abs(slopes - np.einsum("pkd,pd->pk", directions, gradient)[:, None])
        scale = np.maximum(np.max(np.abs(truth), axis=1), np.nanmax(np.abs(slopes), axis=(1, 2), initial=0.0))
        return np.sort(
            np.max(np.nanmin(np.where(np.isfinite(off), off, np.inf), axis=1), axis=1) / np.maximum(scale, 1e-300)
        )

    errors = np.stack([error(truth), error(claimed)], axis=1)
    autodiff, claim = errors.T
    middle = (len(errors) - 1) // 2
    good = lambda sorted_errors: bool(sorted_errors[middle] <= tolerance)
    return Differences(good(autodiff), good(claim), float(autodiff[middle]))
