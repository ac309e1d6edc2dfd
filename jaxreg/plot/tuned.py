"""How a criterion fell while hyperparameters were tuned."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import axes_for, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["trace_curves"]


def trace_curves(trace: ArrayLike, label: str, ax: "Axes | None" = None, **options: Any) -> "Axes":
    """The best value so far of every start, after each round; the best start stands out.

    Args:
        trace: (S, T). label: of the criterion. options: of the lines.

    Raises:
        ImportError: matplotlib is missing.
    """
    ax, trace = axes_for(ax), np.asarray(trace, float)
    trace = np.where(np.isfinite(trace), trace, np.nan)
    best, rounds = int(np.nanargmin(trace[:, -1])), np.arange(1, trace.shape[1] + 1)
    for k, values in enumerate(trace):
        if k != best:
            ax.plot(rounds, values, color=colours(ax)[0], linewidth=1.2, alpha=0.5, **options)
    name = "the best start" if len(trace) > 1 else None
    ax.plot(rounds, trace[best], color=colours(ax)[1], linewidth=2, label=name, **options)
    if name:
        ax.legend()
    ax.ticklabel_format(axis="y", useOffset=False)  # else matplotlib would write what is small above the axis
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("round")
    ax.set_ylabel(label)
    return ax
