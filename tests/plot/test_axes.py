"""What all figures share: pyplot is left alone, and curves can be told apart on white and black paper and in grey."""

import io
import subprocess
import sys

import numpy as np
import pytest

from jaxreg import plot
from jaxreg.plot import axes

pytest.importorskip("matplotlib")

import matplotlib
import matplotlib.style
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

X = np.array([[1.0, 0.2], [0.3, 1.0], [-1.0, -0.4], [0.1, -1.0]])
FIGURES = {
    "paths": lambda **ax: plot.coefficient_paths([2.0, 1.0], [[0.0, 0.1], [1.0, -2.0]], chosen={"minimum": 1.0}, **ax),
    "errors": lambda **ax: plot.error_curve([2.0, 1.0], [2.0, 1.0], [0.1, 0.1], n_nonzero=[0, 1], minimum=1.0, **ax),
    "contours": lambda **ax: plot.contours(X, X @ [1.0, 2.0], 0.1, iterates=[[0, 0], [0.5, 1]], **ax),
    "gaps": lambda **ax: plot.gap_against_time({"a": ([1, 2], [0.1, 0]), "b": ([1], [0.1])}, tol=1e-3, **ax),
}


def luminance(colour):
    return np.dot([0.299, 0.587, 0.114], to_rgb(colour))


def test_pyplot_is_never_imported():
    code = (
        "import sys, io; from jaxreg import plot; assert 'matplotlib' not in sys.modules\n"
        "ax = plot.coefficient_paths([2.0, 1.0], [[0.0], [1.0]], chosen={'minimum': 1.0})\n"
        "plot.save(plot.error_curve([2.0, 1.0], [2.0, 1.0], [0.1, 0.1], n_nonzero=[0, 1]), io.BytesIO())\n"
        "plot.save(plot.gap_against_time({'a': ([1, 2], [0.1, 0])}, tol=1e-3), io.BytesIO())\n"
        "plot.save(plot.contours([[1, 0], [0, 1], [-1, -1]], [1, 2, 4], 0.1), io.BytesIO())\n"
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_missing_matplotlib_names_the_extra(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'jaxreg\[plots\]'"):
        draw()


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_axes_handed_in_are_used_and_returned(draw):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw(ax=left) is left
    assert left.lines
    assert not right.lines
    assert len(figure.axes) == 2
    assert draw().figure is not draw().figure


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_every_colour_stands_out_from_the_paper(draw, style):
    with matplotlib.style.context(style):
        ax = draw()
        paper = luminance(ax.get_facecolor())
        assert (paper < 0.5) == (style == "dark_background")
        for line in ax.lines:
            assert abs(luminance(line.get_color()) - paper) > 0.3
        plot.save(ax, io.BytesIO())


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("size", [(6.4, 4.2), (4.0, 3.2)])
def test_words_stay_on_the_page(draw, size):
    figure = Figure(figsize=size, layout="constrained")
    ax = draw(ax=figure.subplots())
    figure.draw_without_rendering()
    for artist in (ax.xaxis.label, ax.yaxis.label, *ax.texts):
        box = artist.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1


def test_curves_can_be_told_apart_in_grey():
    assert len({str(dash) for dash in axes.DASHES}) == len(axes.DASHES) >= 8
    for colours in (axes.ON_WHITE, axes.ON_BLACK):
        assert len(set(colours)) == len(axes.DASHES)
    assert all(luminance(colour) < 0.5 for colour in axes.ON_WHITE)
    assert all(luminance(colour) > 0.6 for colour in axes.ON_BLACK)


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_three_beside_each_other_keep_their_room(draw):
    """A legend that is wider than its axes makes a constrained layout narrow them, until nothing is left."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    panels = [draw(ax=ax) for ax in figure.subplots(1, 3)]
    figure.draw_without_rendering()
    for ax in panels:
        assert ax.get_window_extent().width > 0.15 * figure.bbox.width
