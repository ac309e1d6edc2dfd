"""Automatic derivatives held against central differences of the loss, so that a wrong custom rule in it is seen too.

(f(x + h u) − f(x − h u)) / 2h has the error h² f‴/6 + ε |f| / h. The best of several h is taken: some 10⁻⁹ of the
derivative in float64.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxreg.checks.compare import Subject, each

__all__ = ["Differences", "against_differences"]

STEPS = np.geomspace(1e-2, 1e-7, 6)
TOLERANCE = 1e-6
POINTS, DIRECTIONS = 6, 3


class Differences(NamedTuple):
    """Whether autodiff and the claim agree with the differences at most points, and the median error of autodiff."""

    autodiff: bool
    claimed: bool
    error: float


def against_differences(
    subject: Subject,
    value: Callable[[Any, Any], Any],
    points: np.ndarray,
    rng: np.random.Generator,
    eps: float,
) -> Differences:
    """Compares along random directions at some of the (P, d) points; `value` is the loss, of the vector and arrays."""
    points = points[:POINTS]
    arrays = subject.args.arrays
    truth, claimed = (each(f, points, arrays) for f in (subject.truth, subject.claimed))
    tolerance = max(TOLERANCE, 10 * eps ** (2 / 3))
    errors = []
    for x, true, claim in zip(points, truth, claimed, strict=True):
        size = max(float(np.max(np.abs(x))), 1e-3)
        directions = rng.normal(size=(DIRECTIONS, len(x)))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        moves = (STEPS[:, None, None] * size * directions[None]).reshape(-1, len(x))
        up, down = each(value, x + moves, arrays), each(value, x - moves, arrays)
        slopes = ((up - down) / 2).reshape(len(STEPS), DIRECTIONS) / (STEPS * size)[:, None]
        # A slope may be small by cancellation: the error counts relative to the gradient.
        scale = max(float(np.linalg.norm(true)), float(np.nanmax(np.abs(slopes), initial=0.0)), 1e-300)
        best = lambda g, s=slopes, d=directions, c=scale: float(np.max(np.min(np.abs(s - (d @ g)[None]), axis=0)) / c)
        errors.append((best(true), best(claim)))
    autodiff, claim = (np.sort(column) for column in np.array(errors).T)
    middle = (len(errors) - 1) // 2
    good = lambda sorted_errors: bool(sorted_errors[middle] <= tolerance)
    return Differences(good(autodiff), good(claim), float(autodiff[middle]))
