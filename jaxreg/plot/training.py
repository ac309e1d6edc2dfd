"""Training: loss curves, and a measure over one or two hyperparameters of a grid."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import axes_for, colours, foreground

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["loss_curves", "over_hyperparameters"]

# An axis of positive numbers is logarithmic where the largest is so many times the least.
DECADES = 50.0
# Most curves that are drawn: the others would hide each other.
MOST_CURVES = 200


def loss_curves(
    step: ArrayLike, loss: ArrayLike, chosen: int | None = None, diverged: Any = None, ax: "Axes | None" = None
) -> "Axes":
    """The loss of every member against the step; one of them, ``chosen``, stands out.

    Args:
        step, loss: (G, T). chosen: the number of a member. diverged: (G,) booleans; such curves may leave the figure.

    Raises:
        ImportError: matplotlib is missing.
    """
    step, loss = np.asarray(step), np.asarray(loss, float)
    ax = axes_for(ax)
    every = range(0, len(loss), -(-len(loss) // MOST_CURVES))
    faint = 1.0 if len(loss) == 1 else max(0.15, 1 / np.sqrt(len(loss)))
    finite = np.where(np.isfinite(loss), loss, np.nan)
    for k in every:
        ax.plot(step[k], finite[k], color=colours(ax)[0], linewidth=1.2, alpha=faint)
    if chosen is not None:
        ax.plot(step[chosen], finite[chosen], color=colours(ax)[1], linewidth=2, label=f"member {chosen}, the best")
        ax.legend()
    kept = finite if diverged is None or np.all(diverged) else finite[~np.asarray(diverged)]
    low, high = np.nanmin(kept, initial=np.inf), np.nanmax(kept, initial=-np.inf)
    if 0 < low < high / DECADES:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.3, high * 1.3)
    elif low < high:
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    return ax


def over_hyperparameters(hyper: dict[str, Any], measure: str, values: ArrayLike, ax: "Axes | None" = None) -> "Axes":
    """A measure of every member over one hyperparameter, or as colours over two; the least is marked.

    Args:
        hyper: one or two names with their numbers, (G,). measure: its name. values: (G,), NaN where there is none.

    Raises:
        ImportError: matplotlib is missing.
    """
    ax, values = axes_for(ax), np.asarray(values, float)
    names, numbers = list(hyper), [np.asarray(v, float) for v in hyper.values()]
    x, y = numbers[0], numbers[1] if len(numbers) == 2 else values
    if len(numbers) == 2:
        from matplotlib.colors import LogNorm

        shown = values[np.isfinite(values)]
        norm = LogNorm() if len(shown) and 0 < shown.min() < shown.max() / DECADES else None
        points = ax.scatter(x, y, c=values, norm=norm, cmap="viridis", s=36)
        ax.figure.colorbar(points, ax=ax, label=measure)
        missing = ~np.isfinite(values)
        ax.scatter(x[missing], y[missing], marker="x", color=foreground(ax), s=24, linewidths=1)
    else:
        ax.plot(x, y, linestyle="", marker="o", markersize=4, color=colours(ax)[0])
    if np.isfinite(values).any():
        best = int(np.nanargmin(values))
        ax.scatter(x[best], y[best], s=140, facecolors="none", edgecolors=colours(ax)[1], linewidths=2)
    for numbers_of, scale in ((x, ax.set_xscale), (y, ax.set_yscale)):
        known = numbers_of[np.isfinite(numbers_of)]
        if len(known) and 0 < known.min() < known.max() / DECADES:
            scale("log")
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1] if len(names) == 2 else measure)
    return ax
