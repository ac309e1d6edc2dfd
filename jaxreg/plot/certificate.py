"""How far several solvers are from the minimum, by their own certificate, as time goes by."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import DASHES, axes_for, colours, foreground, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gap_against_time"]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")


def gap_against_time(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike]], *, tol: float | None = None, ax: "Axes | None" = None
) -> "Axes":
    """The relative duality gap of each run over its seconds, the gap on a logarithmic axis.

    A gap of 0 has no place on such an axis: it is drawn below the smallest of the others, above a tick that says 0.
    The seconds are on a logarithmic axis where the slowest run takes a hundred times as long as the fastest.

    Args:
      runs: name → (seconds, gaps), each (k,) with k of its own: the gap after so many seconds.
      tol: the gap at which a fit counts as converged, to be marked by a level line.
      ax: where to draw. Without it, a figure is made.

    Returns:
      The axes; ``.figure`` is the figure.

    Raises:
      ImportError: matplotlib is missing.
      ValueError: there is no run, seconds and gaps differ in length, or one is negative or not a number.

    Example:
      >>> from jaxreg import plot
      >>> ax = plot.gap_against_time({"descent": ([0.1, 0.2], [1e-2, 1e-4]), "Newton": ([0.1, 0.2], [1e-3, 0.0])})
      >>> [text.get_text() for text in ax.get_legend().get_texts()]
      ['descent', 'Newton']
    """
    checked = {str(name): _run(str(name), run) for name, run in runs.items()}
    if not checked:
        raise ValueError("runs is empty; give at least one name with its (seconds, gaps).")
    if tol is not None and not (np.isfinite(tol) and tol > 0):
        raise ValueError(f"tol is {tol!r}; it must be above 0, to have a place on a logarithmic axis.")
    gaps = np.concatenate([gap for _, gap in checked.values()])
    positive = gaps[gaps > 0] if (gaps > 0).any() else np.array([1e-16 if tol is None else tol])
    marked = [] if tol is None else [tol]
    low, high = min(positive.min(), *marked, np.inf), max(positive.max(), *marked, 0.0)
    zero = low * min(0.1, (low / high) ** 0.12)

    ax = axes_for(ax)
    palette = colours(ax)
    ax.set_yscale("log")
    ends = np.array([second[-1] for second, _ in checked.values()])
    seconds = np.concatenate([second for second, _ in checked.values()])
    if seconds.min() > 0 and ends.max() >= 100 * ends.min():
        ax.set_xscale("log")
    else:
        ax.set_xlim(0, seconds.max() * 1.04 or 1.0)
    _gap_ticks(ax, low, high, zero if (gaps == 0).any() else None)
    for k, (name, (second, gap)) in enumerate(checked.items()):
        style: dict[str, Any] = {"color": palette[k % len(palette)], "linestyle": DASHES[k % len(DASHES)]}
        style |= {"marker": _MARKERS[k % len(_MARKERS)], "markersize": 4.5, "markevery": max(1, len(gap) // 20)}
        ax.plot(second, np.where(gap > 0, gap, zero), linewidth=1.6, label=name.replace("$", r"\$"), **style)
    if tol is not None:
        ax.axhline(tol, color=foreground(ax), linewidth=0.9, label=f"tolerance {tol:g}")
    ax.set_xlabel("seconds")
    ax.set_ylabel("relative duality gap")
    legend_above(ax)
    return ax


def _run(name: str, run: tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    """The (seconds, gaps) of one run, in the order of time."""
    try:
        seconds, gaps = (np.asarray(values, dtype=float) for values in run)
    except (TypeError, ValueError):
        raise ValueError(f"the run {name!r} must be a pair (seconds, gaps) of numbers.") from None
    if seconds.ndim != 1 or seconds.shape != gaps.shape or not len(seconds):
        raise ValueError(
            f"the run {name!r} must have one gap for each of its seconds, at least one; got the shapes "
            f"{seconds.shape} and {gaps.shape}."
        )
    for what, values in (("seconds", seconds), ("gaps", gaps)):
        wrong = ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(f"the run {name!r} has {what}[{i}] = {values[i]:g}; they must be finite and not negative.")
    order = np.argsort(seconds, kind="stable")
    return seconds[order], gaps[order]


def _gap_ticks(ax: "Axes", low: float, high: float, zero: float | None) -> None:
    """Powers of ten, and 0 where a gap is 0."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    powers = range(first, last + 1)[:: max(1, -(-(last - first) // 8))]
    ticks = {10.0**k: f"$\\mathdefault{{10^{{{k}}}}}$" for k in powers if 10.0**k > (zero or 0)}
    ax.set_ylim(low / 3 if zero is None else zero / 3, high * 3)
    if zero is not None:
        ticks = {place: words for place, words in ticks.items() if place > 2 * zero} | {zero: "0"}
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.minorticks_off()
