"""Moments of parts that make up all rows: their total, what each training part is, and what rounding does to them.

Adding keeps all digits but those of means that lie far from 0; taking away loses what the rest does not share with the
total (:mod:`jaxreg.formulas.moments`). So a training part is the total less its fold where few digits are lost, and
else the other folds together.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from jaxreg.formulas.moments import Moments, lost, together

__all__ = ["MOST_LOST", "UNIT", "Known", "Parts", "added", "lost_times", "offset", "squares_alone"]

# Moments about their means are known to so much of the columns' lengths: sums of products in blocks.
UNIT = 8 * float(np.finfo(float).eps)
# Of the digits of the moments of all rows, so many may be lost by taking a part away; else the other parts are added.
MOST_LOST = 100.0


class Known(NamedTuple):
    """Moments of training rows, as those of some rows less those of others, and by how much of the columns' lengths
    they may be off."""

    total: Moments
    without: Moments | None
    unit: float


class Parts:
    """K parts of NumPy arrays, with columns of 0 that fill up.

    Args:
        parts: at least two. unit: by how much of the columns' lengths each may be off.
    """

    def __init__(self, parts: Sequence[Moments], unit: float) -> None:
        self.parts = list(parts)
        self.total, self.unit = added(self.parts, unit)

    def __len__(self) -> int:
        return len(self.parts)

    @cached_property
    def _nothing(self) -> Moments:
        return Moments._make(np.zeros_like(v) for v in self.total)

    def training(self, b: int | None) -> Known:
        """All parts but number b, or all."""
        if b is None:
            return Known(self.total, self._nothing, self.unit)  # the program that serves the others
        if (times := lost_times(self.total, self.parts[b])) <= MOST_LOST:
            return Known(self.total, self.parts[b], self.unit * times)
        return Known(together(self.parts[:b] + self.parts[b + 1 :]), self._nothing, self.unit)


def added(parts: Sequence[Moments], unit: float) -> tuple[Moments, float]:
    """The moments of all parts, and by how much of the columns' lengths they may be off, where each may be by unit."""
    total = together(parts)
    with np.errstate(all="ignore"):
        moved = _moved([squares_alone(m) for m in parts])
        times = np.where(moved > 0, moved / squares_alone(total).yy, 0.0)
    return total, unit + UNIT * float(np.max(times, initial=0.0))


def lost_times(total: Moments, part: Moments) -> float:
    """By how many times the error of the moments grows where the part is taken away."""
    with np.errstate(all="ignore"):
        whole, some = squares_alone(total), squares_alone(part)
        times = float(lost(whole, some, whole - some))
    return times if times == times else np.inf


def squares_alone(m: Moments) -> Moments:
    """Those of all columns as if they were targets."""
    square, none = np.concatenate([np.diagonal(m.xx), m.yy]), m.xx[:0, :0]
    return Moments(
        m.weight, m.x_mean[:0], np.concatenate([m.x_mean, m.y_mean]), none, np.zeros((0, len(square))), square
    )


def offset(parts: Sequence[Moments]) -> float:
    """By how many times formula (1) of the moments adds to the error: `ε |x̄|` of a mean beside what it differs by.

    max over columns and targets of `2 Σ_k W_k |x̄_k − x̄_1| |x̄_k| / Σ_k xx_k,jj` with differences from the first
    part's.
    """
    of = [squares_alone(m) for m in parts]
    with np.errstate(all="ignore"):
        moved = _moved(of)
        times = np.where(moved > 0, moved / sum(m.yy for m in of), 0.0)
    return float(np.max(times, initial=0.0)) if not np.isnan(times).any() else np.inf


def _moved(of: Sequence[Moments]) -> np.ndarray:
    """`2 Σ_k W_k |x̄_k − x̄_1| |x̄_k|` of columns and targets: ε of it is what rounding of the means adds."""
    moved: Any = 2 * sum(m.weight * np.abs(m.y_mean - of[0].y_mean) * np.abs(m.y_mean) for m in of)
    return np.asarray(moved)
