"""Bands of columns: one number each, or how it is spread over many targets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import axes_for, colours, foreground

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["of_bands"]


def of_bands(
    values: ArrayLike, names: Sequence[str], words: str, *, log: bool = False, ax: "Axes | None" = None
) -> "Axes":
    """A row a band: a point, or of several targets the median, the middle half (thick) and nine tenths (thin).

    Args:
      values: (q,) or (q, t). names: q of them. words: what is shown. log: whether the axis is. ax: where to draw.

    Returns:
      The axes.

    Raises:
      ImportError: matplotlib is missing.
    """
    ax = axes_for(ax)
    shown = np.asarray(values, float).reshape(len(names), -1)
    low, first, median, third, high = np.quantile(shown, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
    palette = colours(ax)
    for b in range(len(names)):
        colour = palette[b % len(palette)]
        ax.plot([low[b], high[b]], [b, b], color=colour, linewidth=1.0)
        ax.plot([first[b], third[b]], [b, b], color=colour, linewidth=4.0, solid_capstyle="butt")
        ax.plot(median[b], b, color=foreground(ax), marker="o", markersize=4)
    if log:
        ax.set_xscale("log")
    else:
        ax.axvline(0, color=foreground(ax), linewidth=0.6)
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(words if shown.shape[1] == 1 else f"{words}, {shown.shape[1]:,} targets")
    return ax
