"""The two figures of a sweep as PNG: for a file, and for a page on white paper and on black."""

import contextlib
import io
import warnings
from functools import partial
from typing import Any, NamedTuple

from jaxreg.results import Sweep

__all__ = ["BLACK", "Picture", "draw"]

BLACK = "#16181d"  # the paper of the dark figures, and of the page that they are in
SIZE, DPI = (5.0, 3.875), 192  # of the page's figures, in inches: their words can be read on the width of a phone


class Picture(NamedTuple):
    """One figure as PNG: for a file, and smaller, with larger words, for a page on white and on black paper."""

    file: bytes
    light: bytes
    dark: bytes


def draw(sweep: Sweep) -> dict[str, Picture]:
    """The figures ``error_curve`` and ``coefficient_paths`` of a sweep of one target.

    Raises:
        ImportError: matplotlib is missing.
    """
    from jaxreg import plot
    from jaxreg.plot.axes import axes_for

    chosen = {"minimum": sweep.best.lam, "one standard error": sweep.one_se.lam}
    figures: dict[str, Any] = {"error_curve": sweep.plot, "coefficient_paths": partial(sweep.path.plot, chosen=chosen)}
    drawn: dict[str, list[bytes]] = {name: [] for name in figures}
    for size, paper in ((None, contextlib.nullcontext()), (SIZE, contextlib.nullcontext()), (SIZE, _black_paper())):
        with warnings.catch_warnings(), paper:
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks
            for name, figure in figures.items():
                png = io.BytesIO()
                ax = None if size is None else axes_for(None, size)
                plot.save(figure(ax=ax), png, dpi=150 if size is None else DPI)
                drawn[name].append(png.getvalue())
    return {name: Picture(*three) for name, three in drawn.items()}


def _black_paper() -> contextlib.AbstractContextManager[None]:
    import matplotlib.style

    names = ("figure.facecolor", "figure.edgecolor", "savefig.facecolor", "savefig.edgecolor", "axes.facecolor")
    return matplotlib.style.context(["dark_background", dict.fromkeys(names, BLACK)])
