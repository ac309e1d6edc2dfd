"""Fits of many groups or windows: how coefficients spread over the groups, and how they move along the windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import DASHES, axes_for, colours, foreground

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["along", "spread"]

COEFFICIENT = "coefficient × scale of its feature (unit of y)"


def spread(coef: ArrayLike, *, names: Sequence[str], most: int = 30, ax: "Axes | None" = None) -> "Axes":
    """For each feature the middle half of the groups, 9 of 10 of them, and the median; the largest on top.

    Args:
      coef: (G, p), times the scale of each feature. names: p of them. most: features that are drawn.
      ax: where to draw.

    Returns:
      The axes.

    Raises:
      ImportError: matplotlib is missing.
    """
    coef, ax = np.asarray(coef, float), axes_for(ax)
    low, first, median, third, high = np.nanquantile(coef, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    order = np.argsort(-np.maximum(np.abs(low), np.abs(high)), kind="stable")[:most]
    colour = colours(ax)[0]
    for place, j in enumerate(order):
        ax.plot([low[j], high[j]], [place] * 2, color=colour, linewidth=1.2)
        ax.plot([first[j], third[j]], [place] * 2, color=colour, linewidth=5, solid_capstyle="butt")
        ax.plot(median[j], place, color=foreground(ax), marker="o", markersize=4)
    ax.axvline(0, color=foreground(ax), linewidth=0.6)
    ax.set_yticks(range(len(order)), [str(names[j]) for j in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_xlabel(COEFFICIENT)
    ax.set_title(f"median, middle half and 9 of 10 of {len(coef):,} groups")
    return ax


def along(
    at: ArrayLike,
    coef: ArrayLike,
    *,
    names: Sequence[str],
    label: str = "",
    most: int = 8,
    ax: "Axes | None" = None,
) -> "Axes":
    """Coefficients along the windows; the largest have a colour and a name.

    Args:
      at: (G,), where each window stands: rows, times or text. coef: (G, p), times the scale of each feature.
      names: p of them. label: of the horizontal axis. most: features with a colour. ax: where to draw.

    Returns:
      The axes.

    Raises:
      ImportError: matplotlib is missing.
    """
    coef, ax, at = np.asarray(coef, float), axes_for(ax), np.asarray(at)
    rank = np.argsort(-np.nanmean(np.abs(coef), axis=0), kind="stable")
    palette = colours(ax)
    for j in rank[most:]:
        ax.plot(at, coef[:, j], color=foreground(ax), linewidth=0.6, alpha=0.25)
    for k, j in enumerate(rank[:most]):
        style = {"color": palette[k % len(palette)], "linestyle": DASHES[k % len(DASHES)]}
        ax.plot(at, coef[:, j], linewidth=1.5, label=str(names[j]), **style)
    ax.axhline(0, color=foreground(ax), linewidth=0.6)
    ax.set_xlabel(label)
    ax.set_ylabel(COEFFICIENT)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax
