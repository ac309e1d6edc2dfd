"""Names beside the ends of curves, moved apart as little as possible."""

from typing import TYPE_CHECKING

import numpy as np

from jaxreg.plot.axes import NAME_SIZE, to_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["apart", "names_at_the_ends"]

_LONGEST_NAME = 24  # letters


def names_at_the_ends(ax: "Axes", x: float, curves: list[tuple[float, str, str]]) -> None:
    """Write each name in the right-hand margin, as near to the end of its curve as the other names allow.

    Args:
      x: where the curves end.
      curves: of each, the height at which it ends, its name and its colour.
    """
    if not curves:
        return
    ax.set_ylim(ax.get_ylim())  # the names stand at fixed places, so the limits must stay
    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    gap = 1.3 * NAME_SIZE / points
    curves = sorted(curves[: int(1 / gap) + 1])
    heights = np.array([height for height, _, _ in curves])
    ends = to_axes(ax, np.full(len(curves), x), heights)[:, 1]
    for (height, name, colour), place in zip(curves, apart(ends, gap), strict=True):
        shown = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        ax.annotate(
            shown.replace("$", r"\$"),
            xy=(x, height),
            xytext=(1.05, place),
            textcoords=ax.transAxes,
            color=colour,
            fontsize=NAME_SIZE,
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "relpos": (0, 0.5),  # the line starts at the middle of the name's left edge
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Move ascending places in [0, 1] as little as possible, in squares, until each is ``gap`` above the last.

    With `u_i = place_i − i·gap` the condition is that u does not fall: isotonic regression, by pooling neighbours that
    stand in the wrong order until none are left. Clipping its answer keeps it the nearest within the bounds.

    Example:
      >>> apart(np.array([0.5, 0.5]), 0.1)
      array([0.45, 0.55])
    """
    steps = gap * np.arange(len(places))
    pools: list[tuple[float, int]] = []  # the mean of each pool and the number of its members
    for mean, size in zip(places - steps, [1] * len(places), strict=True):
        while pools and pools[-1][0] >= mean:
            below, members = pools.pop()
            mean, size = (mean * size + below * members) / (size + members), size + members
        pools.append((mean, size))
    level = np.concatenate([np.full(size, mean) for mean, size in pools])
    return np.clip(level, 0, max(0.0, 1 - steps[-1])) + steps
