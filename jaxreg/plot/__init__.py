"""Figures: coefficient paths, the held-out error, the constraint region of two coefficients, the gap against time.

Each function takes an ``ax`` and returns it. Matplotlib is needed (``pip install 'jaxreg[plots]'``), and pyplot is left
alone: a figure made here belongs to whoever asked for it, no window opens and no backend changes. In a notebook, hand
in an ``ax`` of your own, or let the figure be the last value of a cell: ``path.plot().figure``.

Curves differ in colour and in dash, so that they can be told apart in grey, and the colours are those of the paper they
are drawn on, white or black.
"""

from jaxreg.plot.axes import save
from jaxreg.plot.certificate import gap_against_time
from jaxreg.plot.constraint import contours
from jaxreg.plot.errors import error_curve
from jaxreg.plot.paths import coefficient_paths

__all__ = ["coefficient_paths", "contours", "error_curve", "gap_against_time", "save"]
