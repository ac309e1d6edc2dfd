"""The axis of the penalties λ, and the marks at those that were chosen.

λ falls from left to right on a logarithmic axis. A path is computed in that order, and the curves spread from zero
towards the right-hand border, where there is room to write the names at their ends. A λ of 0 has no place on such an
axis: it is drawn a little to the right of the smallest positive one, above a tick that says 0.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import foreground

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["descending", "mark", "one_a_penalty", "penalty_axis"]

Place = Callable[[ArrayLike], np.ndarray]

# Where the largest λ is less than this many times the smallest, powers of ten alone would leave the axis bare.
NARROW = 50.0

_CHOICE_DASHES = ((0, (5, 3)), (0, (1, 2)), (0, (5, 2, 1, 2)), (0, (10, 3)))


def descending(lams: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The penalties from the largest to the smallest, and the order that puts them so."""
    lams = np.asarray(lams, dtype=float)
    if lams.ndim != 1 or not len(lams):
        raise ValueError(f"lams must have the shape (L,) with L at least 1; got {lams.shape}.")
    if not np.all(np.isfinite(lams) & (lams >= 0)):
        raise ValueError("lams must be finite and not negative.")
    order = np.argsort(-lams, kind="stable")
    return lams[order], order


def one_a_penalty(name: str, values: ArrayLike, lams: np.ndarray) -> np.ndarray:
    """The values as (L,) floats, one a penalty."""
    values = np.asarray(values, dtype=float)
    if values.shape != lams.shape:
        raise ValueError(f"{name} must have one number for each of the {len(lams)} penalties; got {values.shape}.")
    return values


def penalty_axis(ax: "Axes", lams: np.ndarray) -> Place:
    """Make the horizontal axis one for these penalties, and return the function from λ to its place on it."""
    positive = lams[lams > 0] if np.any(lams > 0) else np.ones(1)
    low, high = np.min(positive), np.max(positive)
    width = high / low if high > low else 4.0
    margin = width**0.02 if high > low else 2.0
    zero = low * width**-0.08
    has_zero = bool(np.any(lams == 0))

    ax.set_xscale("log")
    ax.set_xlim(high * margin, (zero if has_zero else low) / margin)
    ax.set_xlabel("λ, falling to the right (logarithmic" + (", at the end 0)" if has_zero else ")"))
    if has_zero:
        powers = np.arange(np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high) + 1e-9) + 1)
        ticks = {10.0**k: f"$\\mathdefault{{10^{{{k:.0f}}}}}$" for k in powers[:: len(powers) // 8 + 1]}
        if len(ticks) < 2:
            ticks = {lam: f"{lam:.3g}" for lam in (low, high)}
        ax.set_xticks([*ticks, zero], [*ticks.values(), "0"])
        ax.minorticks_off()
    elif width < NARROW:
        powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
        places = np.outer(powers, (1, 2, 3, 5)).ravel()
        inside = places[(places > low * (1 - 1e-9)) & (places < high * (1 + 1e-9))]
        numbers = inside if len(inside) > 1 else np.unique([low, high])
        ax.set_xticks(numbers, [f"{lam:.4g}" if lam < 1e4 else f"{lam:.0f}" for lam in numbers])
        ax.minorticks_off()
    return lambda lam: np.where(np.asarray(lam) > 0, lam, zero)


def mark(ax: "Axes", chosen: Mapping[str, float], place: Place) -> None:
    """An upright line at each chosen λ; choices that agree share one."""
    words: dict[float, str] = {}
    for label, lam in chosen.items():
        words[lam] = f"{words[lam]} and {label}" if lam in words else label
    for dash, (lam, label) in zip(_CHOICE_DASHES * len(words), words.items(), strict=False):
        ax.axvline(
            float(place(lam)), color=foreground(ax), linestyle=dash, linewidth=1.3, label=f"{label}: λ = {lam:.3g}"
        )
