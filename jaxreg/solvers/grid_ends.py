"""Where the best λ stands at an end of its grid and the error still falls there, the grid ends too early.

An end at which the curve is flat is one of the valley, not of the grid: the error has to fall by more than a thousandth
over the last tenth of the λs. At the largest λ it is none either where all coefficients are 0: a larger λ has the same;
and beyond `λ = 0` there is nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["beyond", "open_end", "open_end_of_any", "open_ends"]

# The error counts as flat if it falls by at most this share over this part of the grid.
FLAT, PART = 1e-3, 0.1


def open_end(error: np.ndarray, lams: np.ndarray, n_nonzero: np.ndarray) -> str | None:
    """ "smallest" or "largest", where the least error is at that end of the λs and the curve falls towards it.

    Args:
        error: mean held-out error, lams, n_nonzero: at every λ, in any order, (L,).

    Example:
        >>> open_end(np.array([4.0, 3.0, 2.0]), np.array([1.0, 0.1, 0.01]), np.array([0, 1, 2]))
        'smallest'
        >>> open_end(np.array([4.0, 2.0, 3.0]), np.array([1.0, 0.1, 0.01]), np.array([0, 1, 2])) is None
        True
    """
    order = np.argsort(-lams, kind="stable")
    error, last = error[order], len(order) - 1
    if last == 0 or not np.isfinite(error).all():
        return None
    step, best = max(1, round(PART * last)), int(np.argmin(error))
    if best == last and lams[order[last]] > 0 and error[last] < (1 - FLAT) * error[last - step]:
        return "smallest"
    if best == 0 and error[0] < (1 - FLAT) * error[step] and n_nonzero[order[0]] > 0:
        return "largest"
    return None


def open_end_of_any(
    errors: Sequence[np.ndarray], lams: Sequence[np.ndarray], n_nonzero: Callable[[int, int], np.ndarray]
) -> str | None:
    """:func:`open_end` of the first of t targets that has one, each at its l1_ratio of least error.

    Args:
        errors: R of (L, t). lams: R of (L,). n_nonzero: of the l1_ratio and the target of these numbers, (L,).
    """
    for target in range(errors[0].shape[1]):
        r = int(np.argmin([np.min(error[:, target]) for error in errors]))
        if end := open_end(errors[r][:, target], lams[r], n_nonzero(r, target)):
            return end
    return None


def open_ends(lams: np.ndarray, error: np.ndarray, n_nonzero: np.ndarray) -> list[str | None]:
    """:func:`open_end` of each of G groups, (G, L), with NaN beyond a group's own λs."""
    own = ~np.isnan(lams)
    return [open_end(*(v[g][own[g]] for v in (error, lams, n_nonzero))) for g in range(len(lams))]


def beyond(lams: np.ndarray, end: str) -> np.ndarray:
    """Half as many λs again beyond one end of a geometric grid that descends, in the same ratio and order; (L/2,)."""
    more = (len(lams) + 1) // 2
    ratio = (lams[-1] / lams[0]) ** (1.0 / (len(lams) - 1))
    steps: Any = np.arange(1, more + 1)
    return lams[-1] * ratio**steps if end == "smallest" else (lams[0] / ratio**steps)[::-1]
