"""The held-out error over the penalties, with the two choices that it leads to."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import NAME_SIZE, axes_for, colours, finite, foreground, label_y, to_axes, width_of
from jaxreg.plot.penalties import descending, mark, one_a_penalty, penalty_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MEASURES", "error_curve"]

# Of the view, in bands of two standard errors above the smallest error.
HEIGHT = 4
MEASURES = {"mse": "mean squared error", "mae": "mean absolute error", "r2": "R²"}


def error_curve(
    lams: ArrayLike,
    mean: ArrayLike,
    se: ArrayLike,
    *,
    measure: str = "mse",
    n_nonzero: ArrayLike | None = None,
    minimum: float | None = None,
    one_se: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """The held-out error over λ, with a band of one standard error on either side.

    Where both choices are given, a thin level line stands one standard error above the smallest error (below the
    largest `R²`): the rule takes the largest λ that is not beyond it. The view follows the valley: what is far above
    it, such as the error of the model without features, is cut off.

    Args:
      lams: (L,) penalties in any order, not negative.
      mean: (L,), the error averaged over the folds, or `R²`.
      se: (L,), its standard error.
      measure: "mse", "mae" or "r2": what ``mean`` is.
      n_nonzero: (L,), how many coefficients are not 0, written along the top.
      minimum: the λ of the smallest error, to be marked.
      one_se: the λ that the rule of one standard error takes, to be marked.
      ax: where to draw. Without it, a figure is made.

    Returns:
      The axes; ``.figure`` is the figure.

    Raises:
      ImportError: matplotlib is missing.
      ValueError: the shapes do not fit, a penalty is negative or not finite, or the measure is not one of the three.

    Example:
      >>> from jaxreg import plot
      >>> ax = plot.error_curve([1.0, 0.1, 0.01], [5.0, 3.0, 3.2], [0.5, 0.4, 0.4], minimum=0.1, one_se=0.1)
      >>> [text.get_text() for text in ax.get_legend().get_texts()]
      ['minimum and one standard error: λ = 0.1']
    """
    if measure not in MEASURES:
        raise ValueError(f"measure is {measure!r}; it must be 'mse', 'mae' or 'r2'.")
    lams, order = descending(lams)
    mean, se = (finite(one_a_penalty(name, values, lams)[order]) for name, values in (("mean", mean), ("se", se)))
    best = "maximum" if measure == "r2" else "minimum"
    chosen = {best: minimum, "one standard error": one_se}
    marked = {words: float(lam) for words, lam in chosen.items() if lam is not None}

    ax = axes_for(ax)
    colour = colours(ax)[0]
    place = penalty_axis(ax, np.append(lams, list(marked.values())))
    x = place(lams)
    ax.fill_between(x, mean - se, mean + se, color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, mean, color=colour, linewidth=1.6, marker="o", markersize=2.5)

    if minimum is not None and one_se is not None:
        level = (mean - se if measure == "r2" else mean + se)[np.isclose(lams, minimum, rtol=1e-9, atol=0)]
        side = "below the maximum" if measure == "r2" else "above the minimum"
        words = f"one standard error {side}" if one_se != minimum else "_"
        ax.hlines(level[:1], place(one_se), place(minimum), color=foreground(ax), linewidth=0.8, label=words)
    _follow_the_valley(ax, -mean if measure == "r2" else mean, se, measure == "r2")
    label_y(ax, f"held-out {MEASURES[measure]}")
    mark(ax, marked, place)
    if marked:
        _legend(ax, x, mean - se, mean + se)
    if n_nonzero is not None:
        _counts_on_top(ax, x, one_a_penalty("n_nonzero", n_nonzero, lams)[order])
    return ax


def _follow_the_valley(ax: "Axes", error: np.ndarray, se: np.ndarray, upside_down: bool) -> None:
    """Cut off what is more than HEIGHT bands of two standard errors above the smallest error.

    Half the λs at least stay in the picture, however the curve falls.
    """
    known = np.isfinite(error) & np.isfinite(se)
    if not known.any():
        return
    error, se = error[known], se[known]
    i = int(np.argmin(error))
    bottom, top = np.min(error - se), np.max(error + se)
    view = max(error[i] + se[i] + HEIGHT * 2 * se[i], np.median(error + se))
    if se[i] == 0 or view >= bottom + 0.8 * (top - bottom):
        return
    margin = 0.05 * (view - bottom)
    low, high = bottom - margin, view + margin
    ax.set_ylim((-high, -low) if upside_down else (low, high))


def _legend(ax: "Axes", x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """The legend, where there is the most room above or below the curves, which lie between low and high."""
    across, bottom = to_axes(ax, x, low).T
    top = to_axes(ax, x, high)[:, 1]
    room = {}
    sides = {"right": across > 0.5, "left": across <= 0.5, "center": np.abs(across - 0.5) < 0.3}
    for side, here in sides.items():
        room[f"upper {side}"] = 1 - np.nanmax(top[here], initial=0)
        room[f"lower {side}"] = np.nanmin(bottom[here], initial=1)
    place: Any = max(room, key=lambda name: room[name])
    # The level line, a collection, explains the lines before it.
    entries = sorted(
        zip(*ax.get_legend_handles_labels(), strict=True), key=lambda entry: hasattr(entry[0], "get_segments")
    )
    handles, labels = zip(*entries, strict=True)
    ax.legend(handles, labels, loc=place, fontsize=NAME_SIZE + 1, framealpha=0.9)


def _counts_on_top(ax: "Axes", x: np.ndarray, n_nonzero: np.ndarray) -> None:
    """How many coefficients are not 0, at up to nine penalties spread over the axis, fewer if there is no room."""
    words = [f"{count:.0f}" for count in n_nonzero]
    room = width_of(ax) / (10 * (0.65 * max(map(len, words)) + 1))
    across = to_axes(ax, x, np.zeros(len(x)))[:, 0]
    places = np.linspace(0, 1, max(2, min(9, int(room))))
    shown = np.unique([np.argmin(np.abs(across - place)) for place in places])
    top = ax.secondary_xaxis("top")
    top.set_xticks(x[shown], [words[i] for i in shown])
    top.minorticks_off()
    top.set_xlabel("coefficients that are not 0")
