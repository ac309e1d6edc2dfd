"""Coefficient paths and error curves show the numbers that they were given, and their words can be read."""

import io
import itertools
import struct

import numpy as np
import pytest

from jaxreg import plot
from jaxreg.plot.labels import apart

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from matplotlib.text import Text

LAMS = np.geomspace(10, 0.01, 30)
# Soft thresholding, the lasso of orthonormal columns: ten coefficients that leave 0 one after the other.
TARGETS = np.array([9.0, -8.0, 7.0, -6.0, 5.0, -4.0, 3.0, -2.0, 1.0, 0.5])
COEF = np.sign(TARGETS) * np.maximum(np.abs(TARGETS) - LAMS[:, None], 0)
MEAN, SE = 3 + (np.log(LAMS) ** 2), 0.2 + 0.01 * np.arange(30)


def names_at_the_ends(ax):
    return [text for text in ax.texts if text.get_text()]


def curve(ax, values):
    """The line of the axes that has these heights."""
    found = [line for line in ax.lines if np.array_equal(line.get_ydata(), values, equal_nan=True)]
    assert len(found) == 1
    return found[0]


def legend_words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_each_named_curve_is_its_coefficient():
    ax = plot.coefficient_paths(LAMS, COEF, label_largest=10)
    for j in range(10):
        np.testing.assert_array_equal(curve(ax, COEF[:, j]).get_xdata(), LAMS)
    assert ax.get_ylabel() == "coefficient"


def test_scale_makes_coefficients_comparable():
    scale = np.linspace(1, 100, 10)
    ax = plot.coefficient_paths(LAMS, COEF / scale, scale=scale, label_largest=10)
    drawn = sorted(line.get_ydata()[-1] for line in ax.lines if len(line.get_ydata()) == 30)
    np.testing.assert_allclose(drawn, np.sort(COEF[-1]), rtol=1e-14)
    assert "scale" in ax.get_ylabel()


def test_unnamed_curves_are_one_grey_line_with_gaps():
    ax = plot.coefficient_paths(LAMS, COEF, label_largest=7)
    others = np.concatenate([np.append(COEF[:, j], np.nan) for j in (7, 8, 9)])
    line = curve(ax, others)
    np.testing.assert_array_equal(line.get_xdata(), np.tile(np.append(LAMS, np.nan), 3))


def test_the_largest_at_the_end_are_named():
    names = list("abcdefghij")
    ax = plot.coefficient_paths(LAMS, COEF, names=names, label_largest=3)
    assert {text.get_text() for text in names_at_the_ends(ax)} == {"a", "b", "c"}
    for text in names_at_the_ends(ax):
        j = names.index(text.get_text())
        np.testing.assert_array_equal(text.xy, [LAMS[-1], COEF[-1, j]])
        assert text.get_color() == curve(ax, COEF[:, j]).get_color()


def test_zero_coefficients_get_no_name():
    assert names_at_the_ends(plot.coefficient_paths([1.0, 0.1], np.zeros((2, 3)))) == []


@pytest.mark.parametrize("ends", [np.linspace(1, 1.001, 12), np.linspace(-3, 3, 12), np.r_[np.full(11, 5.0), -5.0]])
@pytest.mark.parametrize("size", [(6.4, 4.2), (4.0, 2.5)])
def test_names_do_not_overlap_and_stay_on_the_page(ends, size):
    figure = Figure(figsize=size, layout="constrained")
    ax = plot.coefficient_paths(
        [1.0, 0.1], np.stack([0 * ends, ends]), names=[f"a_long_name_{j}" for j in range(12)], ax=figure.subplots()
    )
    figure.draw_without_rendering()
    # Of the letters alone: an annotation's own extent takes in its line.
    boxes = sorted((Text.get_window_extent(text) for text in names_at_the_ends(ax)), key=lambda box: box.y0)
    assert len(boxes) == 8
    for below, above in itertools.pairwise(boxes):
        assert above.y0 >= below.y1 - 2  # dots: the box of a text has air above and below the letters
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 and box.y0 >= 0 for box in boxes)


def test_long_and_strange_names():
    ax = plot.coefficient_paths([1.0, 0.1], [[0, 0], [1, 2]], names=["price in $ and $", "x" * 100])
    plot.save(ax, io.BytesIO())
    assert max(len(text.get_text()) for text in names_at_the_ends(ax)) <= 24


def test_apart_is_the_least_squares_answer():
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(0)
    for _ in range(50):
        wanted, gap = np.sort(rng.uniform(size=9)), rng.uniform(0.01, 0.12)
        steps = gap * np.arange(9)
        reference = isotonic.isotonic_regression(wanted - steps, y_min=0, y_max=1 - steps[-1]) + steps
        np.testing.assert_allclose(apart(wanted, gap), reference, atol=1e-14)


def test_apart_leaves_what_is_apart_already():
    places = np.array([0.0, 0.3, 0.5, 1.0])
    np.testing.assert_allclose(apart(places, 0.2), places, atol=1e-15)


def test_against_the_l1_norm():
    """The sum of what is drawn; the marks stand at the norms of their models, between the grid's λs too."""
    scale = np.linspace(1, 2, 10)
    norm = np.abs(COEF * scale).sum(axis=1)
    between = float(np.sqrt(LAMS[20] * LAMS[21]))
    chosen = {"minimum": LAMS[25], "one standard error": LAMS[15], "between": between, "beyond": 1e-9, "none": 0.0}
    ax = plot.coefficient_paths(LAMS, COEF, against="l1_norm", scale=scale, chosen=chosen, label_largest=10)
    for j in range(10):
        np.testing.assert_allclose(curve(ax, COEF[:, j] * scale[j]).get_xdata(), norm, rtol=1e-14)
    upright = [line.get_xdata()[0] for line in ax.lines if line.get_label()[:1] != "_"]
    expected = [norm[25], norm[15], (norm[20] + norm[21]) / 2, norm[-1], norm[-1]]
    np.testing.assert_allclose(upright, expected, rtol=1e-9)
    assert ax.get_xscale() == "linear"
    assert ax.get_xlim() == (norm.min(), norm.max())
    assert ax.get_xlabel() == "Σ |coefficient| × scale (unit of y)"


def test_against_degrees_of_freedom_one_model_for_each():
    df = (COEF != 0).sum(axis=1) + 1e-12 * np.arange(30)
    df[22] = df[18]  # a coefficient that leaves again
    ax = plot.coefficient_paths(LAMS, COEF, against="df", df=df, chosen={"minimum": LAMS[9]}, label_largest=10)
    counts = np.unique(np.round(df))
    last = [np.flatnonzero(np.round(df) == count)[-1] for count in counts]
    for j in range(10):
        np.testing.assert_allclose(curve(ax, COEF[last, j]).get_xdata(), counts, atol=1e-9)
    assert "degrees of freedom" in ax.get_xlabel()
    assert legend_words(ax) == [f"minimum: λ = {LAMS[9]:.3g}"]
    (upright,) = [line for line in ax.lines if line.get_label()[:1] != "_"]
    np.testing.assert_allclose(upright.get_xdata(), df[9])


@pytest.mark.parametrize("against", ["l1_norm", "df"])
def test_the_order_does_not_matter_for_other_axes(against):
    pictures = []
    for order in (np.arange(30), np.random.default_rng(1).permutation(30)):
        df = (COEF != 0).sum(axis=1)
        ax = plot.coefficient_paths(LAMS[order], COEF[order], df=df[order], against=against, chosen={"minimum": 0.3})
        pictures.append(io.BytesIO())
        plot.save(ax, pictures[-1])
    assert pictures[0].getvalue() == pictures[1].getvalue()


@pytest.mark.parametrize("against", ["l1_norm", "df"])
@pytest.mark.parametrize("lams", [[1.0], [0.0], [3.0, 2.0, 0.0], [2.0, 2.0]])
def test_short_grids_on_other_axes(against, lams):
    for size in (1.0, 0.0):
        coef = size * np.outer(np.arange(1.0, len(lams) + 1), [1, -1, 0])
        df = np.arange(len(lams))
        ax = plot.coefficient_paths(lams, coef, df=df, against=against, chosen={"minimum": lams[-1]})
        plot.save(ax, io.BytesIO())


def test_the_legend_of_the_paths_covers_no_curve():
    ax = plot.coefficient_paths(LAMS, COEF, chosen={"minimum": 0.2, "one standard error": 1.25})
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1
    assert ax.get_legend().get_window_extent().x1 <= ax.figure.bbox.x1


def test_choices_are_marked_in_words():
    ax = plot.coefficient_paths(LAMS, COEF, chosen={"minimum": 0.2, "one standard error": 1.25})
    assert legend_words(ax) == ["minimum: λ = 0.2", "one standard error: λ = 1.25"]
    upright = [line for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert [line.get_xdata()[0] for line in upright] == [0.2, 1.25]
    assert upright[0].get_linestyle() == upright[1].get_linestyle() == "--"
    assert upright[0]._dash_pattern != upright[1]._dash_pattern


def test_the_order_of_the_grid_does_not_matter():
    mixed = np.random.default_rng(0).permutation(30)
    for draw in (
        lambda i: plot.coefficient_paths(LAMS[i], COEF[i]),
        lambda i: plot.error_curve(LAMS[i], MEAN[i], SE[i], n_nonzero=np.arange(30)[i]),
    ):
        pictures = [io.BytesIO(), io.BytesIO()]
        plot.save(draw(np.arange(30)), pictures[0])
        plot.save(draw(mixed), pictures[1])
        assert pictures[0].getvalue() == pictures[1].getvalue()


@pytest.mark.parametrize("draw", [lambda: plot.coefficient_paths(LAMS, COEF), lambda: plot.error_curve(LAMS, MEAN, SE)])
def test_the_penalty_falls_to_the_right(draw):
    left, right = draw().get_xlim()
    assert left > LAMS.max() > LAMS.min() > right > 0


def test_error_curve_draws_the_mean_and_one_standard_error():
    ax = plot.error_curve(LAMS, MEAN, SE)
    np.testing.assert_array_equal(curve(ax, MEAN).get_xdata(), LAMS)
    band = ax.collections[0].get_paths()[0].vertices
    for edge in (MEAN - SE, MEAN + SE):
        assert {(x, y) for x, y in zip(LAMS, edge, strict=True)} <= {(x, y) for x, y in band}
    assert ax.get_legend() is None


def test_error_curve_shows_why_one_se_was_chosen():
    i = int(MEAN.argmin())
    one_se = LAMS[np.flatnonzero(MEAN[i] + SE[i] >= MEAN)[0]]
    ax = plot.error_curve(LAMS, MEAN, SE, minimum=LAMS[i], one_se=one_se)
    assert [words.split(":")[0] for words in legend_words(ax)] == [
        "minimum",
        "one standard error",
        "one standard error above the minimum",
    ]
    level = ax.collections[1].get_segments()[0]
    np.testing.assert_allclose(level, [[one_se, MEAN[i] + SE[i]], [LAMS[i], MEAN[i] + SE[i]]], rtol=1e-14)


def test_a_curve_of_r2_has_its_level_below_the_best():
    r2 = 0.9 - 0.02 * np.log(LAMS) ** 2
    i = int(r2.argmax())
    ax = plot.error_curve(LAMS, r2, SE / 10, measure="r2", minimum=LAMS[i], one_se=LAMS[3])
    assert ax.get_ylabel() == "held-out R²"
    assert [words.split(":")[0] for words in legend_words(ax)] == [
        "maximum",
        "one standard error",
        "one standard error below the maximum",
    ]
    level = ax.collections[1].get_segments()[0]
    np.testing.assert_allclose(level[:, 1], r2[i] - SE[i] / 10, rtol=1e-14)
    assert plot.error_curve(LAMS, MEAN, SE, measure="mae").get_ylabel() == "held-out mean absolute error"


@pytest.mark.parametrize("measure", ["mse", "r2"])
def test_the_view_follows_the_valley_and_not_the_null_model(measure):
    error = np.concatenate([np.full(10, 100.0), np.geomspace(80, 10.2, 8), 10 + 0.01 * np.arange(-6, 6.0) ** 2])
    se = np.full(30, 0.5)
    mean = 100 - error if measure == "r2" else error
    ax = plot.error_curve(LAMS, mean, se, measure=measure, minimum=LAMS[24], one_se=LAMS[18])
    low, high = ax.get_ylim()
    shown = (mean - se >= low) & (mean + se <= high)
    assert shown[17:].all()  # the valley
    assert high - low < 20 < np.ptp(mean)
    assert not shown[0]
    flat = 5 + np.linspace(-1, 1, 30) ** 2  # nothing is cut off where all is of one size
    whole = plot.error_curve(LAMS, flat, SE)
    assert whole.get_ylim()[0] <= np.min(flat - SE)
    assert whole.get_ylim()[1] >= np.max(flat + SE)


@pytest.mark.parametrize(("factor", "power"), [(1e9, 9), (1e-6, -6), (1.0, None)])
def test_a_power_of_ten_stands_beside_the_axis(factor, power):
    mean = factor * (5 + np.linspace(-1, 1, 30) ** 2)
    ax = plot.error_curve(LAMS, mean, mean / 30)
    ax.figure.draw_without_rendering()
    assert ax.yaxis.get_offset_text().get_text() == ""
    assert ax.get_ylabel() == "held-out mean squared error" + ("" if power is None else f" ($10^{{{power}}}$)")
    assert {float(label.get_text()) for label in ax.get_yticklabels()} >= {5.0, 6.0}


def test_large_counts_do_not_touch_each_other():
    figure = Figure(figsize=(4.5, 3.5), layout="constrained")
    ax = plot.error_curve(LAMS, MEAN, SE, n_nonzero=10_000 + np.arange(30), ax=figure.subplots())
    figure.draw_without_rendering()
    (top,) = ax.child_axes
    boxes = [label.get_window_extent() for label in top.get_xticklabels()]
    assert len(boxes) >= 3
    assert all(left.x1 + 3 < right.x0 for left, right in itertools.pairwise(boxes))


def test_the_legend_goes_where_the_curve_is_not():
    """Between the two ends of a valley, if there is no room in a corner."""
    valley = 1 + np.linspace(-1, 1, 30) ** 2
    ax = plot.error_curve(LAMS, valley, 0 * valley, minimum=LAMS[15])
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    points = ax.transData.transform(np.column_stack([LAMS, valley]))
    assert not any(box.contains(*point) for point in points)


def test_choices_that_agree_share_a_line():
    ax = plot.error_curve(LAMS, MEAN, SE, minimum=LAMS[3], one_se=LAMS[3])
    assert legend_words(ax) == [f"minimum and one standard error: λ = {LAMS[3]:.3g}"]


@pytest.mark.parametrize("lams", [LAMS, np.append(LAMS[:-1], 0.0)])
def test_counts_stand_above_their_penalties(lams):
    count = np.arange(100, 130)
    ax = plot.error_curve(lams, MEAN, SE, n_nonzero=count)
    ax.figure.draw_without_rendering()
    (top,) = ax.child_axes
    drawn = curve(ax, MEAN)
    places = top.xaxis.get_majorticklocs()
    assert 5 <= len(places) <= 9
    for place, label in zip(places, top.get_xticklabels(), strict=True):
        i = np.flatnonzero(drawn.get_xdata() == place)
        assert label.get_text() == str(*count[i])
        # Above it on the page as well, not in numbers alone.
        np.testing.assert_allclose(
            top.transData.transform((place, 0))[0], ax.transData.transform((place, 0))[0], rtol=1e-9
        )


@pytest.mark.parametrize("draw", ["paths", "error"])
def test_a_penalty_of_zero_stands_right_of_the_others(draw):
    lams = np.append(LAMS[:-1], 0.0)
    if draw == "paths":
        ax = plot.coefficient_paths(lams, COEF, chosen={"minimum": 0.0})
        x = curve(ax, COEF[:, 0]).get_xdata()
    else:
        ax = plot.error_curve(lams, MEAN, SE, minimum=0.0, one_se=1.0)
        x = curve(ax, MEAN).get_xdata()
    assert legend_words(ax)[0] == "minimum: λ = 0"
    np.testing.assert_array_equal(x[:-1], lams[:-1])
    assert ax.get_xlim()[1] < x[-1] < lams[-2]
    labels = {label.get_text(): place for label, place in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)}
    assert labels["0"] == x[-1]
    assert all(place in (10.0, 1.0, 0.1, x[-1]) for place in labels.values())


@pytest.mark.parametrize(
    ("lams", "words"),
    [
        ([40.0, 20.0, 7.0], ["10", "20", "30"]),
        ([0.31, 0.1], ["0.1", "0.2", "0.3"]),
        ([1.4, 1.3], ["1.3", "1.4"]),
        ([30_000.0, 9_000.0], ["10000", "20000", "30000"]),
        ([2.0], ["2"]),
    ],
)
def test_a_narrow_grid_has_plain_numbers_at_its_axis(lams, words):
    ax = plot.error_curve(lams, *np.ones((2, len(lams))))
    assert sorted((tick.get_text() for tick in ax.get_xticklabels()), key=float) == words
    assert not len(ax.get_xticks(minor=True))


@pytest.mark.parametrize("lams", [[1.0], [0.0], [3.0, 2.0], [3.0, 2.0, 0.0], [1e-300, 1e-310], [2.0, 2.0]])
def test_short_grids_can_be_drawn(lams):
    number = np.arange(1.0, len(lams) + 1)
    paths = plot.coefficient_paths(lams, np.outer(number, [1, -1, 0]), chosen={"minimum": lams[-1]})
    error = plot.error_curve(lams, number, number / 9, n_nonzero=number, minimum=lams[-1], one_se=lams[0])
    for ax in (paths, error):
        plot.save(ax, io.BytesIO())


def test_what_is_not_finite_leaves_a_gap():
    coef, mean, se = COEF.copy(), MEAN.copy(), SE.copy()
    coef[4], coef[-1, 0], mean[[0, 7]], se[9] = np.nan, np.inf, [np.inf, np.nan], np.nan
    paths = plot.coefficient_paths(LAMS, coef, chosen={"minimum": 0.1})
    error = plot.error_curve(LAMS, mean, se, minimum=LAMS[12], one_se=LAMS[8])
    for ax in (paths, error):
        plot.save(ax, io.BytesIO())
        assert np.all(np.isfinite(ax.get_ylim()))
    assert "feature 0" not in {text.get_text() for text in names_at_the_ends(paths)}


def test_the_axes_handed_in_are_used():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot.coefficient_paths(LAMS, COEF, ax=left) is left
    assert plot.error_curve(LAMS, MEAN, SE, ax=right) is right
    assert left.lines
    assert right.lines
    assert len(figure.axes) == 2


def test_without_axes_each_call_makes_its_own_figure():
    one, two = plot.error_curve(LAMS, MEAN, SE), plot.error_curve(LAMS, MEAN, SE)
    assert one.figure is not two.figure
    np.testing.assert_array_equal(one.figure.get_size_inches(), [6.4, 4.2])


def test_a_thousand_coefficients_are_quick_to_draw():
    coef = np.random.default_rng(0).normal(size=(100, 1000)).cumsum(axis=0)
    ax = plot.coefficient_paths(np.geomspace(1, 0.01, 100), coef)
    assert len(ax.lines) == 1 + 1 + 8  # the level of 0, all the grey ones together, and those with names


@pytest.mark.parametrize("kind", ["axes", "figure"])
@pytest.mark.parametrize("dpi", [150, 40])
def test_save_writes_a_png_of_the_asked_size(tmp_path, kind, dpi):
    ax = plot.coefficient_paths(LAMS, COEF)
    drawing = ax if kind == "axes" else ax.figure
    memory = io.BytesIO()
    plot.save(drawing, memory, dpi=dpi)
    plot.save(drawing, tmp_path / "paths.png", dpi=dpi)
    for png in (memory.getvalue(), (tmp_path / "paths.png").read_bytes()):
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", png[16:24]) == (round(6.4 * dpi), round(4.2 * dpi))


def test_save_follows_the_ending(tmp_path):
    ax = plot.error_curve(LAMS, MEAN, SE, n_nonzero=np.arange(30))
    plot.save(ax, tmp_path / "error.pdf")
    plot.save(ax, str(tmp_path / "error.svg"))
    assert (tmp_path / "error.pdf").read_bytes()[:5] == b"%PDF-"
    assert b"<svg" in (tmp_path / "error.svg").read_bytes()
    with pytest.raises(ValueError, match="xyz"):
        plot.save(ax, tmp_path / "error.xyz")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: plot.coefficient_paths(LAMS, COEF[:5]), "coef"),
        (lambda: plot.coefficient_paths(LAMS, COEF[:, :, None]), "coef"),
        (lambda: plot.coefficient_paths(LAMS, COEF, names=["a"]), "names"),
        (lambda: plot.coefficient_paths(LAMS, COEF, scale=2.0), "scale"),
        (lambda: plot.coefficient_paths([], np.zeros((0, 3))), "lams"),
        (lambda: plot.coefficient_paths(LAMS[:, None], COEF), "lams"),
        (lambda: plot.coefficient_paths(-LAMS, COEF), "lams"),
        (lambda: plot.error_curve(np.append(LAMS[1:], np.nan), MEAN, SE), "lams"),
        (lambda: plot.error_curve(LAMS, MEAN[:2], SE), "mean must"),
        (lambda: plot.error_curve(LAMS, MEAN, SE[:2]), "se must"),
        (lambda: plot.error_curve(LAMS, MEAN, SE, n_nonzero=[1]), "n_nonzero"),
        (
            lambda: plot.error_curve(LAMS, MEAN, SE, measure="rmse"),
            "measure is 'rmse'; it must be 'mse', 'mae' or 'r2'",
        ),
        (lambda: plot.coefficient_paths(LAMS, COEF, against="lambda"), "against is 'lambda'"),
        (lambda: plot.coefficient_paths(LAMS, COEF, against="df"), "df=path.df"),
        (lambda: plot.coefficient_paths(LAMS, COEF, against="df", df=[1, 2]), "df must have one number"),
    ],
)
def test_wrong_shapes_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
