"""The coefficients along a path of penalties."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import DASHES, axes_for, colours, finite, foreground, legend_above
from jaxreg.plot.labels import names_at_the_ends
from jaxreg.plot.penalties import Place, descending, mark, one_a_penalty, penalty_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["coefficient_paths"]


def coefficient_paths(
    lams: ArrayLike,
    coef: ArrayLike,
    *,
    against: str = "lam",
    names: Sequence[str] | None = None,
    scale: ArrayLike | None = None,
    df: ArrayLike | None = None,
    chosen: Mapping[str, float] | None = None,
    ax: "Axes | None" = None,
    label_largest: int = 8,
) -> "Axes":
    """Each coefficient as a curve over λ, over `Σ|w|` or over the degrees of freedom.

    The curves that end furthest from zero have a colour, a dash and their name; the others are thin and grey. They
    start at the largest λ, on the left, whatever they are drawn against.

    Args:
      lams: (L,) penalties in any order, not negative.
      coef: (L, p), the coefficients at each of them, on the original scale of X.
      against: "lam"; "l1_norm", the sum of what is drawn, without signs; or "df": of models with as many degrees of
        freedom, that of the smallest λ is drawn.
      names: p names of the features; without them, their numbers from 0.
      scale: (p,), as a result returns it: ``coef * scale`` is drawn, in the unit of y, so that features measured in
        different units can be compared.
      df: (L,), degrees of freedom, for against="df".
      chosen: penalties to mark, each with the words to write: {"minimum": 0.3, "one standard error": 0.9}.
      ax: where to draw. Without it, a figure is made. The names stand to the right of it:
        ``plt.subplots(layout="constrained")`` makes room for them.
      label_largest: how many curves get their names.

    Returns:
      The axes; ``.figure`` is the figure.

    Raises:
      ImportError: matplotlib is missing.
      ValueError: the shapes do not fit, a penalty is negative or not finite, or ``against`` is not one of the three.

    Example:
      >>> from jaxreg import plot
      >>> ax = plot.coefficient_paths([1.0, 0.1, 0.01], [[0, 0], [1, 0], [2, -1]], names=["age", "bmi"])
      >>> ax.get_ylabel()
      'coefficient'
    """
    if against not in ("lam", "l1_norm", "df"):
        raise ValueError(f"against is {against!r}; it must be 'lam', 'l1_norm' or 'df'.")
    lams, order = descending(lams)
    curves = np.asarray(coef, dtype=float)
    if curves.ndim != 2 or len(curves) != len(lams):
        raise ValueError(f"coef must have the shape (L, p) with L={len(lams)} penalties; got {curves.shape}.")
    p = curves.shape[1]
    labels = [str(name) for name in (names if names is not None else [f"feature {j}" for j in range(p)])]
    if len(labels) != p:
        raise ValueError(f"coef has p={p} features, and there are {len(labels)} names.")
    if scale is not None:
        if np.shape(scale) != (p,):
            raise ValueError(f"scale must have the shape (p,) = ({p},); got {np.shape(scale)}.")
        curves = curves * np.asarray(scale, dtype=float)
    curves = finite(curves[order])
    chosen = dict(chosen or {})
    if against == "df":
        if df is None:
            raise ValueError('against="df" needs the degrees of freedom: df=path.df.')
        along = finite(one_a_penalty("df", df, lams)[order])
    else:
        along = np.sum(np.abs(curves), axis=1)

    ax = axes_for(ax)
    if against == "lam":
        place = penalty_axis(ax, np.append(lams, list(chosen.values())))
        x = place(lams)
    else:
        words = "Σ |coefficient|" if scale is None else "Σ |coefficient| × scale (unit of y)"
        ax.set_xlabel(words if against == "l1_norm" else "degrees of freedom, without the intercept")
        x, place = along, _between(lams, along)
    if against == "df":  # one model for each number of them: λ may fall far before the next coefficient joins
        last = len(x) - 1 - np.unique(np.round(x, 6)[::-1], return_index=True)[1]
        x, curves = x[last], curves[last]
    ax.set_ylabel("coefficient" if scale is None else "coefficient × scale of its feature (unit of y)")
    ax.axhline(0, color=foreground(ax), linewidth=0.6, alpha=0.6)
    ends = _draw(ax, x, curves, labels, label_largest)

    mark(ax, chosen, place)
    if against != "lam" and np.isfinite(x).any() and np.nanmax(x) > np.nanmin(x):
        ax.set_xlim(np.nanmin(x), np.nanmax(x))
    names_at_the_ends(ax, x[-1], ends)
    if chosen:
        legend_above(ax)
    return ax


def _draw(
    ax: "Axes", x: np.ndarray, curves: np.ndarray, labels: list[str], label_largest: int
) -> list[tuple[float, str, str]]:
    """The curves; of those that are to be named, the height at the end, the name and the colour."""
    ends = np.nan_to_num(curves[-1])
    named = [j for j in np.argsort(-np.abs(ends), kind="stable")[:label_largest] if ends[j] != 0]
    others = np.setdiff1d(np.flatnonzero(np.nan_to_num(curves).any(axis=0)), named)
    marker = "o" if len(x) == 1 else None
    if len(others):
        # One line with a gap after each curve: a thousand curves are drawn as quickly as one.
        gap = np.full((1, len(others)), np.nan)
        across = np.tile(np.append(x, np.nan), len(others))
        up = np.concatenate([curves[:, others], gap]).T.ravel()
        ax.plot(across, up, color=foreground(ax), linewidth=0.6, alpha=0.25, marker=marker, markersize=3, zorder=1.5)
    palette = colours(ax)
    for rank, j in enumerate(named):
        colour, dash = palette[rank % len(palette)], DASHES[rank % len(DASHES)]
        ax.plot(x, curves[:, j], color=colour, linestyle=dash, linewidth=1.6, marker=marker)
    return [(ends[j], labels[j], palette[rank % len(palette)]) for rank, j in enumerate(named)]


def _between(lams: np.ndarray, along: np.ndarray) -> Place:
    """From a λ to its place among those of the grid, straight in log λ between two of them; 0 as the smallest."""
    positive = lams > 0
    if not positive.any():
        return lambda lam: np.full(np.shape(lam), along[-1])
    from_the_left, heights = np.log(lams[positive])[::-1], along[positive][::-1]
    at = lambda lam: np.interp(np.log(np.where(lam > 0, lam, 1.0)), from_the_left, heights)
    return lambda lam: np.where(np.asarray(lam) > 0, at(np.asarray(lam, dtype=float)), along[-1])
