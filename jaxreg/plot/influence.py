"""Rows by how far they lie out, and how badly they fit."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import axes_for, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["residuals_over_leverages"]


def residuals_over_leverages(
    leverage: ArrayLike, residual: ArrayLike, distance: ArrayLike, labelled: ArrayLike, ax: "Axes | None" = None
) -> "Axes":
    """Residuals over leverages; the area of a mark grows with the distance of its row.

    Args:
        leverage, residual, distance: (n,). labelled: numbers of the rows that are named.

    Raises:
        ImportError: matplotlib is missing.
    """
    ax, h, r, d = axes_for(ax), np.asarray(leverage), np.asarray(residual), np.asarray(distance)
    ax.scatter(h, r, s=8 + 120 * d / max(d.max(), 1e-300), color=colours(ax)[0], alpha=0.5, linewidths=0)
    chosen = np.asarray(labelled)
    ax.scatter(h[chosen], r[chosen], s=8 + 120 * d[chosen] / max(d.max(), 1e-300), color=colours(ax)[1], linewidths=0)
    for i in chosen:
        ax.annotate(str(i), (h[i], r[i]), xytext=(6, 4), textcoords="offset points", fontsize=9)
    ax.axhline(0.0, linewidth=0.8, color=colours(ax)[0], alpha=0.4)
    ax.set_xlabel("leverage ∂ŷ/∂y")
    ax.set_ylabel("residual y − ŷ")
    return ax
