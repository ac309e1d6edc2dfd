"""Every public name explains itself: its arguments, their shapes, and an example that runs (tests/test_doctests.py)."""

import importlib
import inspect
import re

import pages
import pytest
from docstrings import mark_formulas

PUBLIC = [(module, name) for module in pages.present() for name in pages.documented(module)]
EVERY = pytest.mark.parametrize(("module", "name"), PUBLIC, ids=lambda part: part.removeprefix("jaxreg."))


def thing_and_text(module, name):
    thing = getattr(importlib.import_module(module), name)
    return thing, inspect.getdoc(thing) or ""


@pytest.mark.parametrize("module", pages.present())
def test_a_module_says_what_is_in_it_and_what_is_public(module):
    found = importlib.import_module(module)
    assert found.__doc__
    assert len(set(found.__all__)) == len(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)


@EVERY
def test_is_explained(module, name):
    thing, text = thing_and_text(module, name)
    if not callable(thing):
        return  # a table or a tuple of names: it has no docstring of its own
    assert text
    assert text != inspect.getdoc(type(thing))
    assert re.match(r"\S.*[.:]($|\n)|\S.*\n\S", text), "the first line is a sentence"


@EVERY
def test_every_argument_is_named_in_the_text(module, name):
    thing, text = thing_and_text(module, name)
    if not inspect.isfunction(thing) or module == "jaxreg.formulas.sources":
        return
    if re.search(r"^Args, Returns: as :func:", text, re.MULTILINE) or re.search(r"other(s:| options) as in", text):
        return
    missing = [name for name in inspect.signature(thing).parameters if not re.search(rf"\b{name}\b", text)]
    assert not missing
    assert not inspect.signature(thing).parameters or re.search(r"^Args:", text, re.MULTILINE)


@EVERY
def test_the_fields_of_a_class_are_named_in_the_text(module, name):
    thing, text = thing_and_text(module, name)
    if inspect.isclass(thing) and hasattr(thing, "__annotations__"):
        fields = [field for field in thing.__annotations__ if not field.startswith("_")]
        assert not [field for field in fields if not re.search(rf"\b{field}\b", text)]


@EVERY
def test_a_function_shows_an_example(module, name):
    thing, text = thing_and_text(module, name)
    if inspect.isfunction(thing) and module != "jaxreg.formulas.sources":
        assert re.search(r"^Example:\n +>>> ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("λ Σ_j v_j |w_j|.", ":math:`λ Σ_j v_j |w_j|`."),
        ("half of 1/(2 Σs) Σ_i r_i², or so", "half of :math:`1/(2 Σs) Σ_i r_i²`, or so"),
        ("the mean, (1/n) Σ r²", "the mean, :math:`(1/n) Σ r²`"),
        ("a λ-path.", "a :math:`λ`-path."),
        ("where n ≥ p, all λs", "where :math:`n ≥ p`, all :math:`λ`\\ s"),
        ("(n ≥ p, no bounds)", "(:math:`n ≥ p`, no bounds)"),
        ("a share of ‖ỹ‖², at w = 0 (not 1)", "a share of :math:`‖ỹ‖²`, at :math:`w = 0` (not 1)"),
        ("X: (n, p), y: (n,) or a number = 3", "X: (n, p), y: (n,) or a number = 3"),
        ("``λ = 1`` and :func:`fit` stay", "``λ = 1`` and :func:`fit` stay"),
        ("coef_ and fit_intercept", r"coef\_ and fit_intercept"),
        ("takes *args and **options", r"takes \*args and \*\*options"),
    ],
)
def test_formulas_in_a_line_are_found(text, marked):
    assert mark_formulas([text]) == [marked]


def test_blocks_are_formulas_or_code():
    lines = [
        "With",
        "",
        "    F = Σ_i r_i²",
        "",
        "run",
        "",
        "    loss(params, lam)",
        "",
        "Example:",
        "    >>> 1",
        "    1",
    ]
    assert mark_formulas(lines) == [
        *("With", "", ".. math::", "", "    F = Σ_i r_i²", "", ""),
        *("run", "", "::", "", "    loss(params, lam)", "", ""),
        *("Example:", "    >>> 1", "    1"),
    ]


def test_arguments_explained_on_one_line_get_one_each():
    lines = ["Args:", "    X: (n, p), y: (n,). fit_intercept, tol: static.", "    lower ≤ 0 ≤ upper: numbers."]
    assert mark_formulas(lines, ["X", "y", "fit_intercept", "tol", "lower", "upper"]) == [
        "Args:",
        "    X: (n, p)",
        "    y: (n,).",
        "    fit_intercept, tol: static.",
        "    lower, upper: :math:`lower ≤ 0 ≤ upper`, numbers.",
    ]


def test_attributes_named_together_get_one_line_each_with_all_that_is_said():
    lines = [
        "Attributes:",
        "    lams: (L,). gap, df: (L,) or",
        "        (L, t).",
        "    df: of freedom; tol: 1.",
        "",
        "More.",
    ]
    assert mark_formulas(lines, ["lams", "gap", "df", "tol"]) == [
        *(
            "Attributes:",
            "    lams: (L,).",
            "    gap: (L,) or (L, t).",
            "    df: (L,) or (L, t). of freedom",
            "    tol: 1.",
        ),
        *("", "More."),
    ]


def test_a_table_becomes_one():
    lines = ["| a | b |", "|---|---|", "| λ | 2 |"]
    expected = [".. list-table::", "   :header-rows: 1", "", "   * - a", "     - b", "   * - :math:`λ`", "     - 2", ""]
    assert mark_formulas(lines) == expected
