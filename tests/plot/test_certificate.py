"""Gaps over time: what is drawn is what was measured, and a gap of 0 is seen as 0."""

import io

import numpy as np
import pytest

from jaxreg import plot

pytest.importorskip("matplotlib")

SECONDS = np.array([0.1, 0.2, 0.4])
RUNS = {"slow": (SECONDS, [1e-1, 1e-2, 1e-3]), "fast": (SECONDS[:2], [1e-4, 1e-9])}


def line(ax, name):
    (found,) = [line for line in ax.lines if line.get_label() == name]
    return found


def test_every_run_is_its_numbers():
    ax = plot.gap_against_time(RUNS)
    for name, (seconds, gaps) in RUNS.items():
        np.testing.assert_array_equal(line(ax, name).get_xdata(), seconds)
        np.testing.assert_array_equal(line(ax, name).get_ydata(), gaps)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["slow", "fast"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("seconds", "relative duality gap")
    assert ax.get_xlim()[0] == 0
    low, high = ax.get_ylim()
    assert low < 1e-9 < 1e-1 < high
    assert "0" not in {tick.get_text() for tick in ax.get_yticklabels()}


def test_runs_differ_in_more_than_colour():
    ax = plot.gap_against_time({f"solver {k}": (SECONDS, [0.1, 0.01, 0.001]) for k in range(8)})
    assert len({(line._dash_pattern[1] and tuple(line._dash_pattern[1]), line.get_marker()) for line in ax.lines}) == 8


def test_a_gap_of_0_stands_below_the_others_on_a_tick_of_its_own():
    ax = plot.gap_against_time({"exact": (SECONDS, [1e-3, 1e-12, 0.0])})
    heights = line(ax, "exact").get_ydata()
    assert ax.get_ylim()[0] < heights[-1] < 1e-12
    ticks = dict(zip((tick.get_text() for tick in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    assert ticks["0"] == heights[-1]
    assert all(place > heights[-1] for words, place in ticks.items() if words != "0")


def test_the_tolerance_is_marked():
    ax = plot.gap_against_time(RUNS, tol=1e-12)
    assert set(line(ax, "tolerance 1e-12").get_ydata()) == {1e-12}
    assert ax.get_ylim()[0] < 1e-12


def test_times_of_many_magnitudes_are_on_a_logarithmic_axis():
    ax = plot.gap_against_time({"fast": ([0.001, 0.01], [1e-2, 1e-9]), "slow": ([1, 100], [1e-2, 1e-9])})
    assert ax.get_xscale() == "log"


def test_points_are_put_in_the_order_of_time():
    ax = plot.gap_against_time({"mixed": ([0.4, 0.1, 0.2], [1e-3, 1e-1, 1e-2])})
    np.testing.assert_array_equal(line(ax, "mixed").get_ydata(), [1e-1, 1e-2, 1e-3])


@pytest.mark.parametrize("gaps", [[0.0], [0.0, 0.0], [1e-300, 1e-310], [1.0, 1.0]])
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_what_is_unusual_can_be_drawn(gaps, seconds):
    ax = plot.gap_against_time({"a $ and $ <b>": (np.full(len(gaps), seconds), gaps)}, tol=1e-10)
    plot.save(ax, io.BytesIO())


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({}, "runs is empty; give at least one name with its"),
        ({"a": (SECONDS, [1.0])}, r"the run 'a' must have one gap for each .* got the shapes \(3,\) and \(1,\)"),
        ({"a": ([], [])}, "the run 'a' must have one gap for each"),
        ({"a": (SECONDS, [1.0, np.nan, 0.1])}, r"the run 'a' has gaps\[1\] = nan"),
        ({"a": ([0.1, 0.2, -1], [1.0, 0.5, 0.1])}, r"the run 'a' has seconds\[2\] = -1"),
        ({"a": SECONDS}, "the run 'a' must be a pair"),
        ({"a": (["x"], [1.0])}, "the run 'a' must be a pair"),
        ({"a": None}, "the run 'a' must be a pair"),
    ],
)
def test_bad_input(runs, message):
    with pytest.raises(ValueError, match=message):
        plot.gap_against_time(runs)


@pytest.mark.parametrize("tol", [0.0, -1.0, np.nan])
def test_a_tolerance_that_has_no_place(tol):
    with pytest.raises(ValueError, match="it must be above 0"):
        plot.gap_against_time(RUNS, tol=tol)
