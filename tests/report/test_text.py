"""What the terminal shows: a table whose columns line up."""

import dataclasses
import re

import numpy as np
import pytest

from jaxreg.params import Params
from jaxreg.report import named, sweep_report
from jaxreg.results import Choice, Path, Sweep


def made_up(coef, *, lams=None, ratios=(1.0,), names=None, folds=3, converged=True, intercept=7.25):
    """A sweep that nobody computed, over the L models coef (L, p): 0 is the minimum, the last one is one_se."""
    coef = np.asarray(coef, float)
    L, p = coef.shape
    lams = np.geomspace(0.01, 10, L) if lams is None else np.asarray(lams, float)
    names = tuple(f"x{j}" for j in range(p)) if names is None else names
    gap, used = np.full(L, 1e-12), (coef != 0).sum(axis=1)
    path = Path(lams, coef, np.full(L, intercept), gap, gap < 1, np.ones(L, int), used * 1.0, used, np.ones(p), names)
    mean = np.linspace(4.0, 6.0, L)

    def choice(l):
        params = Params(intercept, coef[l])
        return Choice(lams[l], ratios[0], np.array([0, l]), params, mean[l], 0.5, int(used[l]), names)

    R = len(ratios)
    folded = np.full((R, L, folds), 5.0), np.full((R, L, folds), 2e-12)
    means = np.tile(mean, (R, 1)), np.full((R, L), 0.5)
    chosen = choice(0), choice(L - 1)
    return Sweep(np.tile(lams, (R, 1)), np.array(ratios), *folded, *means, *chosen, path, converged, names)


def report(sweep, **changes):
    options = {"title": "t.csv: y", "shape": (50, sweep.path.coef.shape[1]), "folds": "3 folds, seed 0"}
    options |= {"seconds": (1.0, 2.0), "tol": None, "dtype": "float64"}
    return sweep_report(sweep, **(options | changes)).split("\n")


def table(lines):
    """The lines of the table: its head, the coefficients and the figures of merit."""
    start = next(i for i, line in enumerate(lines) if line.startswith("feature "))
    end = next(i for i, line in enumerate(lines) if line.startswith("features used"))
    return lines[start], lines[start + 1], lines[start + 2 : end + 1]


def assert_lined_up(lines):
    """Every line of the table has its three columns where the head has them."""
    head, rule, rows = table(lines)
    first, second = (re.search(words, head).end() for words in ("at the minimum", "one standard error"))
    assert set(rule) == {"─"}
    assert len(rule) == len(head) == second
    for line in filter(None, rows):
        assert len(line) == second
        for edge in (first, second):
            assert not line[edge - 1].isspace(), line
        assert line[first : first + 2] == "  "


# ---- The table ------------------------------------------------------------------------------------------------------

COEFFICIENTS = {
    "one scale": [[1.5, -2.25, 0, 3], [0, -1.0, 0, 2]],
    "mixed scales": [[1234.5, -0.00321, 0, 5], [1000.0, 0, 0, 4]],
    "beyond nine decimals": [[1e-9, 5.0, 0, -1e4], [0, 1.0, 0, -2e3]],
    "huge": [[-1.5e12, 2.0, 0, 1], [1e11, 0, 0, 1]],
    "all zero": [[0.0] * 4, [0.0] * 4],
    "tiny": [[1e-200, -2e-200, 0, 0], [0, -1e-200, 0, 0]],
}


@pytest.mark.parametrize("coef", COEFFICIENTS.values(), ids=COEFFICIENTS)
def test_the_columns_line_up(coef):
    lines = report(made_up(coef))
    assert_lined_up(lines)
    _, _, rows = table(lines)
    block = [row for row in rows if re.match(r"x\d|\(intercept\)", row)]
    assert [row.split()[0] for row in block] == ["x0", "x1", "x2", "x3", "(intercept)"]
    for k, values in ((1, coef[0]), (2, coef[1])):
        cells = [row.split()[k] for row in block]
        points = {len(cell) - cell.index(".") for cell in cells if "." in cell and "e" not in cell}
        assert len(points) <= 1  # as many decimals in every line
        for cell, value in zip(cells, values, strict=False):  # zeros and nothing else are a dot
            assert (cell == "·") == (value == 0)
            assert value == 0 or abs(float(cell) / value - 1) < 1e-2


def test_a_coefficient_keeps_three_digits_beside_one_that_is_a_million_times_larger():
    lines = report(made_up([[1234.5, -0.00321], [1234.5, -0.00321]]))
    _, _, rows = table(lines)
    assert rows[0].split()[1:] == ["1234.50000"] * 2
    assert rows[1].split()[1:] == ["-0.00321"] * 2


def test_what_the_lines_say():
    sweep = made_up([[1.5, -2.25, 0], [0, -1.0, 0]], lams=[0.5, 2.0])
    lines = report(sweep)
    assert lines[:3] == ["t.csv: y", "50 rows, 3 features; lasso (l1_ratio 1); 3 folds, seed 0", "2 λs from 2 to 0.5"]
    _, _, rows = table(lines)
    assert [row.split() for row in rows[-6:] if not row.startswith("R²")] == [
        [],
        ["λ", "0.5", "2"],
        ["mean", "squared", "error", "4", "6"],
        ["±", "standard", "error", "0.5", "0.5"],
        ["root", "mean", "squared", "error", "2", "2.44949"],
        ["features", "used", "2", "of", "3", "1", "of", "3"],
    ]
    assert lines[-2] == "largest duality gap 2.0e-12 in 8 fits, all within the tolerance 1e-10"
    assert re.fullmatch(r"\w+, float64: 1\.00 s, and 2\.00 s to compile", lines[-1])
    late = report(made_up([[1.0]], converged=False), tol=1e-13, dtype="float32")
    assert late[-2].endswith("NOT all within the tolerance 1e-13")
    assert report(made_up([[1.0]]), dtype="float32")[-2].endswith("the tolerance 1e-05")
    assert "λ 0.5 alone" in report(made_up([[1.0]], lams=[0.5]))


def test_many_zeros_are_one_line():
    coef = [[1.5, *[0.0] * 12], [1.0, *[0.0] * 12]]
    lines = report(made_up(coef))
    assert "(12 features are 0 in both)" in lines
    assert not any(line.startswith("x5") for line in lines)
    assert any(line.startswith("x5") for line in report(made_up([coef[0][:8], coef[1][:8]])))


def test_notes_of_the_file_stand_below_the_grid():
    lines = report(made_up([[1.0]]), notes=("cells end at ';'", "2 rows with missing cells left out: lines 4, 8"))
    assert lines[3:5] == ["Cells end at ';'", "2 rows with missing cells left out: lines 4, 8"]


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((1.0,), "lasso (l1_ratio 1);"),
        ((0.0,), "ridge (l1_ratio 0);"),
        ((0.5,), "elastic net (l1_ratio 0.5);"),
        ((0.25, 0.5, 1.0), "elastic net (l1_ratio 0.25, chosen from 0.25, 0.5, 1);"),
    ],
)
def test_the_model_has_its_name(ratios, words):
    assert words in report(made_up([[1.0], [0.0]], ratios=ratios))[1]


@pytest.mark.parametrize(("measure", "words"), [("mae", "mean absolute error"), ("r2", "R²")])
def test_the_measure_by_which_was_chosen_is_in_the_table(measure, words):
    sweep = made_up([[1.5, -2.25], [0, -1.0]])
    mean, se = np.array([[0.125, 0.25]]), np.array([[0.5, 0.75]])
    sweep = dataclasses.replace(sweep, measure=measure, **{f"mean_{measure}": mean, f"se_{measure}": se})
    lines = report(sweep)
    assert_lined_up(lines)
    _, _, rows = table(lines)
    assert [row.split() for row in rows[-3:-1]] == [
        [*words.split(), "0.125", "0.25"],
        ["±", "its", "standard", "error", "0.5", "0.75"],
    ]


def test_a_wide_table_is_cut_to_the_largest_and_says_so():
    rng = np.random.default_rng(0)
    coef = np.zeros((2, 1000))
    used = rng.choice(1000, 40, replace=False)
    coef[0, used] = rng.permutation(np.arange(1, 41)) * rng.choice([-1, 1], 40)
    sweep = made_up(coef)
    lines = report(sweep)
    assert_lined_up(lines)
    shown = [row.split()[0] for row in table(lines)[2] if re.match(r"x\d", row)]
    assert shown == [f"x{j}" for j in np.argsort(-np.abs(coef[0]))[:30]]
    note = "(the 30 largest by coefficient × scale; 10 more are not 0; --out DIR writes all)"
    assert note in lines
    assert lines[lines.index(note) - 1] == lines[lines.index(note) + 1] == ""
    assert len(lines) < 50
    short = report(sweep, rows=2)
    assert "(the 2 largest by coefficient × scale; 38 more are not 0; --out DIR writes all)" in short
    every = report(sweep, rows=1000)
    assert [row.split()[0] for row in table(every)[2] if re.match(r"x\d", row)] == [f"x{j}" for j in np.sort(used)]
    assert "(960 features are 0 in both)" in every
    assert not any("largest by" in line for line in every)


def test_of_a_wide_table_only_what_is_used_is_shown():
    coef = np.zeros((2, 100))
    coef[0, 70], coef[1, 3] = 2.0, -1.0
    lines = report(made_up(coef))
    assert [row.split()[0] for row in table(lines)[2] if re.match(r"x\d", row)] == ["x70", "x3"]
    assert "(the 2 largest by coefficient × scale; --out DIR writes all)" in lines
    empty = report(made_up(np.zeros((2, 100))))
    assert [row for row in table(empty)[2] if re.match(r"x\d", row)] == []


def test_the_size_of_a_coefficient_is_that_of_the_scaled_feature():
    sweep = made_up([[1.0, 3.0, 2.0], [0.0, 0.0, 0.0]])
    sweep.path.scale[:] = [100.0, 1.0, 2.0]
    lines = report(sweep, rows=2)
    assert [row.split()[0] for row in table(lines)[2] if re.match(r"x\d", row)] == ["x0", "x2"]


def test_names_of_every_length_and_with_line_breaks():
    names = ("a", "a name that is rather long, with spaces", "two\nlines\tand a tab")
    lines = report(made_up([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]], names=names))
    assert_lined_up(lines)
    assert any(line.startswith("two lines and a tab ") for line in lines)


def test_named_gives_the_names_to_every_part():
    sweep = named(made_up([[1.0, 2.0], [0.0, 0.0]]), ("left", "right"))
    for part in (sweep, sweep.best, sweep.one_se, sweep.path):
        assert part.feature_names == ("left", "right")
    assert sweep.one_se.params.coef.tolist() == [0, 0]
