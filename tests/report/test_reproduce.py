"""The command and the Python of a report make the same sweep again."""

import ast
import shlex

import numpy as np
import pytest

from jaxreg import cli
from jaxreg.report import command_line, python_code

COMMANDS = {
    "the shortest": ["a.csv", "--target", "y"],
    "built-in data": ["--dataset", "houses", "--folds", "5"],
    "grids": ["a.csv", "--target", "y", "--l1-ratio", "0", "0.5", "--lams", "1", "0.1", "--eps", "1e-3"],
    "columns": ["a.csv", "--target", "a b", "--ignore", "x$y", "'", '"', "--folds", "part", "--sample-weight", "w"],
    "strange text": ["a b;c.csv", "--target", "<b>\n", "--delimiter", "\t", "--na", "drop", "--encoding", "latin-1"],
    "a leading dash": ["./-a.csv", "--target=-y", "--lower", "-1", "--upper", "2.5"],
    "switches": ["a.csv", "--target", "y", "--no-fit-intercept", "--no-standardize", "--measure", "mae", "--seed", "3"],
    "the run": ["a.csv", "--target", "y", "--tol", "1e-8", "--max-iter", "7", "--strategy", "active set"],
    "single precision": ["a.csv", "--target", "y", "--dtype", "float32", "--device", "cpu"],
    "what is no setting": ["a.csv", "--target", "y", "--out", "somewhere", "--rows", "3"],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_the_command_is_understood_as_the_one_that_was_given(words):
    options = cli.parser().parse_args(["sweep", *words])
    again = command_line(options.parser, options)
    program, *rest = shlex.split(again)
    assert program == "jaxreg"
    found, expected = (vars(cli.parser().parse_args(w)) for w in (rest, ["sweep", *words]))
    for name in ("parser", "run"):
        del found[name], expected[name]
    assert found == {**expected, "out": None, "rows": 30}


def test_what_is_a_default_is_not_written_and_folders_are_not_either():
    options = cli.parser().parse_args(["sweep", "/home/somebody/a.csv", "--target", "y", "--seed", "0"])
    assert command_line(options.parser, options) == "jaxreg sweep a.csv --target y"
    assert "somebody" not in python_code(options, {})


def test_the_python_is_short():
    options = cli.parser().parse_args(["sweep", "a.csv", "--target", "y", "--ignore", "id", "--folds", "part"])
    settings = {"lams": 100, "l1_ratio": [1.0], "folds": np.ones(3), "seed": 0, "tol": None, "dtype": "float64"}
    assert python_code(options, settings).splitlines() == [
        "import jaxreg",
        "from jaxreg.tables import read_table",
        "",
        "table = read_table('a.csv', ignore=['id'], text=['part'])",
        "features = table.without('y')",
        "sweep = jaxreg.sweep(features.values, table.column('y'), lams=100, l1_ratio=1.0, "
        "folds=table.words['part'].astype(float), seed=0)",
        "print(sweep.best.lam, sweep.one_se.lam)",
    ]


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_the_python_can_be_parsed(words):
    options = cli.parser().parse_args(["sweep", *words])
    settings = {"folds": np.ones(3), "l1_ratio": options.l1_ratio, "lower": options.lower, "sample_weight": np.ones(3)}
    if options.dataset:
        settings = {"folds": 5}
    ast.parse(python_code(options, settings))
