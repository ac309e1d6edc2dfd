"""What all figures share: axes of their own or those handed in, colours and dashes, a legend, files."""

from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DASHES",
    "NAME_SIZE",
    "axes_for",
    "colours",
    "finite",
    "foreground",
    "label_y",
    "legend_above",
    "save",
    "to_axes",
    "width_of",
]

SIZE = (6.4, 4.2)  # inches: the width of a notebook's page
NAME_SIZE = 8  # points
# Colours that the colour-blind can tell apart: dark ones for white paper, light ones for black. The dashes tell them
# apart in grey.
ON_WHITE = ("#0072b2", "#c04e00", "#00795a", "#a3417f", "#3d3d3d", "#8a6100", "#56329b", "#7a4b2a")
ON_BLACK = ("#6cc0f5", "#ff9f50", "#4fd3a6", "#f293cb", "#d9d9d9", "#e3c43a", "#bda6ff", "#dca985")
DASHES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    (0, (1, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
    (0, (3, 1)),
    (0, (2, 2)),
)


def axes_for(ax: "Axes | None", size: tuple[float, float] = SIZE) -> "Axes":
    """The axes handed in, or those of a new figure that pyplot does not know of.

    Raises:
      ImportError: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the figures are drawn by matplotlib: pip install 'jaxreg[plots]'") from error
    if ax is not None:
        return ax
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots()


def foreground(ax: "Axes") -> Any:
    """The colour of the words beside the axes, which can be read on any paper that the user has chosen."""
    return ax.xaxis.label.get_color()


def colours(ax: "Axes") -> tuple[str, ...]:
    """Those for white paper or for black, whichever the words beside the axes are written on."""
    from matplotlib.colors import to_rgb

    return ON_BLACK if np.dot([0.299, 0.587, 0.114], to_rgb(foreground(ax))) > 0.5 else ON_WHITE


def finite(values: ArrayLike) -> np.ndarray:
    """The values, with a gap in the curve where one is not finite."""
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def to_axes(ax: "Axes", x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(m, 2): points of the data as fractions of the width and height of the axes."""
    ax.get_ylim()  # settles limits that matplotlib has put off
    return (ax.transData + ax.transAxes.inverted()).transform(np.column_stack([x, y]))


def width_of(ax: "Axes") -> float:
    """The width of the axes in points, as it is before the layout is settled."""
    return ax.get_window_extent().width * 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]


def label_y(ax: "Axes", words: str) -> None:
    """The words beside the vertical axis, with the power of ten of its numbers.

    matplotlib writes the power, or what it has subtracted from all numbers, into the corner above the axis, where other
    words stand. Call it when the limits are settled.
    """
    from matplotlib.ticker import FuncFormatter, ScalarFormatter

    largest = float(np.max(np.abs(ax.get_ylim())))
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    if -3 <= power < 5:
        ax.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
        ax.set_ylabel(words)
        return
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10.0**power:.6g}"))
    ax.set_ylabel(f"{words} ($10^{{{power}}}$)")


def legend_above(ax: "Axes") -> None:
    """The legend on top of the axes, where it covers no curve, in as many columns as there is room for."""
    labels = ax.get_legend_handles_labels()[1]
    size = NAME_SIZE + 1
    widest = size * (0.6 * max(map(len, labels)) + 4)  # a letter is about 0.6 of its height; 4 for the line beside it
    columns = max(1, min(len(labels), int(width_of(ax) / widest)))
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, fontsize=size, frameon=False, borderaxespad=0.2
    )
    # What is wider than the axes would make the layout narrow them, until nothing is left of them.
    legend.set_in_layout(widest <= width_of(ax))


def save(drawing: "Axes | Figure", file: "str | PathLike[str] | IO[bytes]", dpi: int = 150) -> None:
    """Write a figure to a file.

    Args:
      drawing: what the functions of :mod:`jaxreg.plot` return, or a matplotlib figure.
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
