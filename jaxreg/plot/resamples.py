"""Resamples: how often each feature was chosen along the penalties, and intervals of coefficients."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import DASHES, axes_for, colours, foreground
from jaxreg.plot.labels import names_at_the_ends
from jaxreg.plot.penalties import descending, penalty_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["frequencies", "intervals"]


def frequencies(
    lams: ArrayLike,
    share: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    threshold: float | None = None,
    label_largest: int = 8,
    ax: "Axes | None" = None,
) -> "Axes":
    """The share of resamples in which each feature was chosen, over λ.

    Args:
      lams: (L,). share: (L, p), from 0 to 1. names: p of them. threshold: a share to mark.
      label_largest: how many curves, of the largest area, get a colour and their name. ax: where to draw.

    Returns:
      The axes.

    Raises:
      ImportError: matplotlib is missing.
    """
    lams, order = descending(lams)
    curves = np.asarray(share, float)[order]
    labels = [str(name) for name in (names if names is not None else range(curves.shape[1]))]
    ax = axes_for(ax)
    x = penalty_axis(ax, lams)(lams)
    rank = np.argsort(-curves.mean(axis=0), kind="stable")
    palette = colours(ax)
    for j in rank[label_largest:]:
        ax.plot(x, curves[:, j], color=foreground(ax), linewidth=0.6, alpha=0.25)
    ends = []
    for k, j in enumerate(rank[:label_largest]):
        colour = palette[k % len(palette)]
        ax.plot(x, curves[:, j], color=colour, linestyle=DASHES[k % len(DASHES)], linewidth=1.6)
        ends.append((float(curves[-1, j]), labels[j], colour))
    if threshold is not None:
        ax.axhline(threshold, color=foreground(ax), linewidth=0.8, linestyle="--")
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("share of resamples that choose it")
    names_at_the_ends(ax, x[-1], ends)
    return ax


def intervals(
    estimate: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    title: str = "",
    most: int = 30,
    ax: "Axes | None" = None,
) -> "Axes":
    """An interval for each coefficient, the largest on top; those whose interval holds 0 are faint.

    Args:
      estimate, low, high: (p,). names: p of them. title: above the figure. most: intervals that are drawn.
      ax: where to draw.

    Returns:
      The axes.

    Raises:
      ImportError: matplotlib is missing.
    """
    estimate, low, high = (np.asarray(v, float) for v in (estimate, low, high))
    labels = [str(name) for name in (names if names is not None else range(len(estimate)))]
    ax = axes_for(ax)
    order = np.argsort(-np.maximum(np.abs(low), np.abs(high)), kind="stable")[:most]
    for place, j in enumerate(order):
        holds_zero = low[j] <= 0 <= high[j]
        colour, alpha = colours(ax)[0], 0.4 if holds_zero else 1.0
        ax.plot([low[j], high[j]], [place, place], color=colour, linewidth=2.5, alpha=alpha, solid_capstyle="butt")
        ax.plot(estimate[j], place, color=foreground(ax), marker="o", markersize=4, alpha=alpha)
    ax.axvline(0, color=foreground(ax), linewidth=0.6)
    ax.set_yticks(range(len(order)), [labels[j] for j in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_xlabel("coefficient × scale of its feature (unit of y)")
    ax.set_title(title)
    return ax
