"""What is said of answers that are less than was asked for, once a call and at the caller's line."""

import os
import sys
import warnings
from types import FrameType

import numpy as np

__all__ = [
    "ConvergenceWarning",
    "GridEndWarning",
    "IllConditionedWarning",
    "TuningWarning",
    "warn_caller",
    "warn_unless_converged",
]

_OURS = os.path.join(os.path.dirname(__file__), "")


class ConvergenceWarning(UserWarning):
    """Some fits have a duality gap above the tolerance."""


class GridEndWarning(UserWarning):
    """The best λ of a sweep stands at an end of its grid, and the error still falls there."""


class IllConditionedWarning(UserWarning):
    """Rounding of the moments leaves less accuracy than was asked for."""


class TuningWarning(UserWarning):
    """A criterion does not depend on what is tuned, or still falls at a bound."""


def warn_caller(text: str, category: type[Warning]) -> None:
    """A warning that names the line which called this package."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


def warn_unless_converged(gap: np.ndarray, lams: np.ndarray, tol: float, where: str, steps: bool = True) -> bool:
    """One warning that names the worst λ; lams broadcasts against gap. True if all converged.

    Args:
        steps: whether some were taken; without, it is rounding that keeps the gap up.
    """
    late = ~(gap <= tol)
    if not late.any():
        return True
    worst = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
    lam = np.broadcast_to(lams, gap.shape).flat[worst]
    advice = "Raise max_iter" if steps else "Rounding leaves no less: take offsets off the columns, rescale them"
    warn_caller(
        f"{where}: {int(late.sum())} of {gap.size} fits did not reach the duality gap {tol:g}; the largest is "
        f"{gap.flat[worst]:.2g} at lam={lam:.6g}. {advice}, or loosen tol.",
        ConvergenceWarning,
    )
    return False
