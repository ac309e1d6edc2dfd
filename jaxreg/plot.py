"""Two figures: the coefficients along a grid of penalties, and the held-out error with the two choices it leads to.

λ falls from left to right on a logarithmic axis in both. A path is computed in that order, and the curves spread from
zero towards the right-hand border, where there is room to write the names at their ends. A λ of 0 has no place on such
an axis: it is drawn a little to the right of the smallest positive one, above a tick that says 0.

Matplotlib is needed (`pip install 'jaxreg[plots]'`), and pyplot is left alone: a figure made here belongs to whoever
asked for it, no window opens and no backend changes. In a notebook, hand in an `ax` of your own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["coefficient_paths", "error_curve", "save"]

_SIZE = (6.4, 4.2)  # inches: the width of a notebook's page
_NAME_SIZE = 8  # points
_LONGEST_NAME = 24  # letters
# Colours that the colour-blind can tell apart, dark enough for white paper. The dashes tell them apart in grey.
_COLOURS = ("#0072b2", "#c04e00", "#00795a", "#a3417f", "#3d3d3d", "#8a6100", "#56329b", "#7a4b2a")
_DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)), (0, (2, 2)))
_CHOICE_DASHES = ((0, (5, 3)), (0, (1, 2)), (0, (5, 2, 1, 2)), (0, (10, 3)))


def coefficient_paths(
    lams: ArrayLike,
    coef: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    scale: ArrayLike | None = None,
    chosen: Mapping[str, float] | None = None,
    ax: "Axes | None" = None,
    label_largest: int = 8,
) -> "Axes":
    """Each coefficient as a curve over λ.

    The curves that end furthest from zero have a colour, a dash and their name; the others are thin and grey.

    Args:
      lams: (L,) penalties in any order, not negative.
      coef: (L, p), the coefficients at each of them, on the original scale of X.
      names: p names of the features; without them, their numbers from 0.
      scale: (p,), as a result returns it: coef · scale is drawn, in the unit of y, so that features measured in
        different units can be compared.
      chosen: penalties to mark, each with the words to write: {"minimum": 0.3, "one standard error": 0.9}.
      ax: where to draw. Without it, a figure is made. The names stand to the right of it:
        `plt.subplots(layout="constrained")` makes room for them.
      label_largest: how many curves get their names.

    Returns:
      The axes; `.figure` is the figure.

    Raises:
      ImportError: matplotlib is missing.
      ValueError: the shapes do not fit, or a penalty is negative or not finite.

    Example:
      >>> from jaxreg import plot
      >>> ax = plot.coefficient_paths([1.0, 0.1, 0.01], [[0, 0], [1, 0], [2, -1]], names=["age", "bmi"])
      >>> ax.get_ylabel()
      'coefficient'
    """
    lams, order = _descending(lams)
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
    curves = _finite(curves[order])
    chosen = dict(chosen or {})

    ax = _axes(ax)
    foreground = ax.xaxis.label.get_color()
    place = _penalty_axis(ax, np.append(lams, list(chosen.values())))
    x = place(lams)
    ax.set_ylabel("coefficient" if scale is None else "coefficient × scale of its feature (unit of y)")
    ax.axhline(0, color=foreground, linewidth=0.6, alpha=0.6)

    ends = np.nan_to_num(curves[-1])
    named = [j for j in np.argsort(-np.abs(ends), kind="stable")[:label_largest] if ends[j] != 0]
    others = np.setdiff1d(np.flatnonzero(np.nan_to_num(curves).any(axis=0)), named)
    marker = "o" if len(lams) == 1 else None
    if len(others):
        # One line with a gap after each curve: a thousand curves are drawn as quickly as one.
        gap = np.full((1, len(others)), np.nan)
        across = np.tile(np.append(x, np.nan), len(others))
        up = np.concatenate([curves[:, others], gap]).T.ravel()
        ax.plot(across, up, color=foreground, linewidth=0.6, alpha=0.25, marker=marker, markersize=3, zorder=1.5)
    for rank, j in enumerate(named):
        colour, dash = _COLOURS[rank % len(_COLOURS)], _DASHES[rank % len(_DASHES)]
        ax.plot(x, curves[:, j], color=colour, linestyle=dash, linewidth=1.6, marker=marker)
    _names_at_the_ends(ax, x[-1], [(ends[j], labels[j], _COLOURS[r % len(_COLOURS)]) for r, j in enumerate(named)])

    _mark(ax, chosen, place)
    if chosen and p:
        _legend(ax, x, np.nanmin(curves, axis=1, initial=0), np.nanmax(curves, axis=1, initial=0))
    return ax


def error_curve(
    lams: ArrayLike,
    mean_mse: ArrayLike,
    se_mse: ArrayLike,
    *,
    n_nonzero: ArrayLike | None = None,
    minimum: float | None = None,
    one_se: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """The held-out mean squared error over λ, with a band of one standard error on either side.

    Where both choices are given, a thin level line stands one standard error above the smallest error: the rule takes
    the largest λ whose error does not exceed it.

    Args:
      lams: (L,) penalties in any order, not negative.
      mean_mse: (L,), the error averaged over the folds.
      se_mse: (L,), its standard error.
      n_nonzero: (L,), how many coefficients are not 0, written along the top.
      minimum: the λ of the smallest error, to be marked.
      one_se: the λ that the rule of one standard error takes, to be marked.
      ax: where to draw. Without it, a figure is made.

    Returns:
      The axes; `.figure` is the figure.

    Raises:
      ImportError: matplotlib is missing.
      ValueError: the shapes do not fit, or a penalty is negative or not finite.

    Example:
      >>> from jaxreg import plot
      >>> ax = plot.error_curve([1.0, 0.1, 0.01], [5.0, 3.0, 3.2], [0.5, 0.4, 0.4], minimum=0.1, one_se=0.1)
      >>> [text.get_text() for text in ax.get_legend().get_texts()]
      ['minimum and one standard error: λ = 0.1']
    """
    lams, order = _descending(lams)
    mean, se = (
        _finite(_one_a_penalty(name, values, lams)[order])
        for name, values in (("mean_mse", mean_mse), ("se_mse", se_mse))
    )
    chosen = {"minimum": minimum, "one standard error": one_se}
    marked = {words: float(lam) for words, lam in chosen.items() if lam is not None}

    ax = _axes(ax)
    foreground = ax.xaxis.label.get_color()
    place = _penalty_axis(ax, np.append(lams, list(marked.values())))
    x = place(lams)
    ax.set_ylabel("held-out mean squared error")
    ax.fill_between(x, mean - se, mean + se, color=_COLOURS[0], alpha=0.2, linewidth=0)
    ax.plot(x, mean, color=_COLOURS[0], linewidth=1.6, marker="o", markersize=2.5)

    if minimum is not None and one_se is not None:
        level = (mean + se)[np.isclose(lams, minimum, rtol=1e-9, atol=0)]
        ax.hlines(level[:1], place(one_se), place(minimum), color=foreground, linewidth=0.8)
    _mark(ax, marked, place)
    if marked:
        _legend(ax, x, mean - se, mean + se)
    if n_nonzero is not None:
        _counts_on_top(ax, x, _one_a_penalty("n_nonzero", n_nonzero, lams)[order])
    return ax


def save(drawing: "Axes | Figure", file: "str | PathLike[str] | IO[bytes]", dpi: int = 150) -> None:
    """Write a figure to a file.

    Args:
      drawing: what the functions above return, or a matplotlib figure.
      file: a path, whose ending says the format (.png, .pdf, .svg), or a binary file, which gets a PNG.
      dpi: dots an inch, for the formats that have dots.

    Raises:
      ValueError: the ending is not one that matplotlib knows.

    Example:
      >>> import io
      >>> from jaxreg import plot
      >>> plot.save(plot.error_curve([1.0, 0.1], [5.0, 3.0], [0.5, 0.4]), io.BytesIO())
    """
    figure: Any = drawing.get_figure(root=True)
    figure.savefig(file, dpi=dpi)


def _axes(ax: "Axes | None") -> "Axes":
    """The axes handed in, or those of a new figure that pyplot does not know of."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the figures are drawn by matplotlib: pip install 'jaxreg[plots]'") from error
    if ax is not None:
        return ax
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots()


def _descending(lams: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The penalties from the largest to the smallest, and the order that puts them so."""
    lams = np.asarray(lams, dtype=float)
    if lams.ndim != 1 or not len(lams):
        raise ValueError(f"lams must have the shape (L,) with L at least 1; got {lams.shape}.")
    if not np.all(np.isfinite(lams) & (lams >= 0)):
        raise ValueError("lams must be finite and not negative.")
    order = np.argsort(-lams, kind="stable")
    return lams[order], order


def _one_a_penalty(name: str, values: ArrayLike, lams: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.shape != lams.shape:
        raise ValueError(f"{name} must have one number for each of the {len(lams)} penalties; got {values.shape}.")
    return values


def _finite(values: np.ndarray) -> np.ndarray:
    """The values, with a gap in the curve where one is not finite."""
    return np.where(np.isfinite(values), values, np.nan)


def _penalty_axis(ax: "Axes", lams: np.ndarray) -> Callable[[ArrayLike], np.ndarray]:
    """Make the horizontal axis one for these penalties, and return the function from λ to its place on it."""
    positive = lams[lams > 0] if np.any(lams > 0) else np.ones(1)
    low, high = np.min(positive), np.max(positive)
    width = high / low if high > low else 4.0
    margin = width**0.02 if high > low else 2.0
    zero = low * width**-0.08
    has_zero = bool(np.any(lams == 0))

    ax.set_xscale("log")
    ax.set_xlim(high * margin, (zero if has_zero else low) / margin)
    ax.set_xlabel("penalty λ (logarithmic, falling to the right" + ("; at the end 0)" if has_zero else ")"))
    if has_zero:
        powers = np.arange(np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high) + 1e-9) + 1)
        ticks = {10.0**k: f"$\\mathdefault{{10^{{{k:.0f}}}}}$" for k in powers[:: len(powers) // 8 + 1]}
        if len(ticks) < 2:
            ticks = {lam: f"{lam:.3g}" for lam in (low, high)}
        ax.set_xticks([*ticks, zero], [*ticks.values(), "0"])
        ax.minorticks_off()
    return lambda lam: np.where(np.asarray(lam) > 0, lam, zero)


def _to_axes(ax: "Axes", x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(m, 2): points of the data as fractions of the width and height of the axes."""
    ax.get_ylim()  # settles limits that matplotlib has put off
    return (ax.transData + ax.transAxes.inverted()).transform(np.column_stack([x, y]))


def _names_at_the_ends(ax: "Axes", x: float, curves: list[tuple[float, str, str]]) -> None:
    """Write each name in the right-hand margin, as near to the end of its curve as the other names allow.

    Args:
      x: where the curves end.
      curves: of each, the height at which it ends, its name and its colour.
    """
    if not curves:
        return
    ax.set_ylim(ax.get_ylim())  # the names stand at fixed places, so the limits must stay
    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    gap = 1.3 * _NAME_SIZE / points
    curves = sorted(curves[: int(1 / gap) + 1])
    heights = np.array([height for height, _, _ in curves])
    ends = _to_axes(ax, np.full(len(curves), x), heights)[:, 1]
    for (height, name, colour), place in zip(curves, _apart(ends, gap), strict=True):
        shown = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        ax.annotate(
            shown.replace("$", r"\$"),
            xy=(x, height),
            xytext=(1.05, place),
            textcoords=ax.transAxes,
            color=colour,
            fontsize=_NAME_SIZE,
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


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Move ascending places in [0, 1] as little as possible, in squares, so that each is `gap` or more above the last.

    With u_i = place_i − i·gap the condition is that u does not fall: isotonic regression, by pooling neighbours that
    stand in the wrong order until none are left. Clipping its answer keeps it the nearest within the bounds.
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


def _mark(ax: "Axes", chosen: Mapping[str, float], place: Callable[[ArrayLike], np.ndarray]) -> None:
    """An upright line at each chosen λ; choices that agree share one."""
    words: dict[float, str] = {}
    for label, lam in chosen.items():
        words[lam] = f"{words[lam]} and {label}" if lam in words else label
    for dash, (lam, label) in zip(_CHOICE_DASHES * len(words), words.items(), strict=False):
        colour = ax.xaxis.label.get_color()
        ax.axvline(float(place(lam)), color=colour, linestyle=dash, linewidth=1.3, label=f"{label}: λ = {lam:.3g}")


def _legend(ax: "Axes", x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """The legend, in the corner with the most room above or below the curves, which lie between low and high."""
    across, bottom = _to_axes(ax, x, low).T
    top = _to_axes(ax, x, high)[:, 1]
    room = {}
    for side, here in (("right", across > 0.5), ("left", across <= 0.5)):
        room[f"upper {side}"] = 1 - np.nanmax(top[here], initial=0)
        room[f"lower {side}"] = np.nanmin(bottom[here], initial=1)
    corner: Any = max(room, key=lambda name: room[name])
    ax.legend(loc=corner, fontsize=_NAME_SIZE + 1, framealpha=0.9)


def _counts_on_top(ax: "Axes", x: np.ndarray, n_nonzero: np.ndarray) -> None:
    """How many coefficients are not 0, at up to nine penalties spread over the axis."""
    across = _to_axes(ax, x, np.zeros(len(x)))[:, 0]
    shown = np.unique([np.argmin(np.abs(across - place)) for place in np.linspace(0, 1, 9)])
    top = ax.secondary_xaxis("top")
    top.set_xticks(x[shown], [f"{n_nonzero[i]:.0f}" for i in shown])
    top.minorticks_off()
    top.set_xlabel("coefficients that are not 0")
