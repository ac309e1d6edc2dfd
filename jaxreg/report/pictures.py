"""The two figures of a sweep as PNG, for white paper and for black."""

import contextlib
import io
import warnings
from typing import NamedTuple

from jaxreg.results import Sweep

__all__ = ["BLACK", "Picture", "draw"]

BLACK = "#16181d"  # the paper of the dark figures, and of the page that they are in


class Picture(NamedTuple):
    """One figure, drawn on white and on black paper: two PNG files as bytes."""

    light: bytes
    dark: bytes


def draw(sweep: Sweep) -> dict[str, Picture]:
    """The figures ``error_curve`` and ``coefficient_paths`` of a sweep of one target.

    Raises:
        ImportError: matplotlib is missing.
    """
    from jaxreg import plot

    chosen = {"minimum": sweep.best.lam, "one standard error": sweep.one_se.lam}
    figures = {"error_curve": sweep.plot, "coefficient_paths": lambda: sweep.path.plot(chosen=chosen)}
    drawn: dict[str, list[bytes]] = {name: [] for name in figures}
    for paper in (contextlib.nullcontext(), _black_paper()):
        with warnings.catch_warnings(), paper:
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks
            for name, figure in figures.items():
                png = io.BytesIO()
                plot.save(figure(), png)
                drawn[name].append(png.getvalue())
    return {name: Picture(*both) for name, both in drawn.items()}


def _black_paper() -> contextlib.AbstractContextManager[None]:
    import matplotlib.style

    names = ("figure.facecolor", "figure.edgecolor", "savefig.facecolor", "savefig.edgecolor", "axes.facecolor")
    return matplotlib.style.context(["dark_background", dict.fromkeys(names, BLACK)])
