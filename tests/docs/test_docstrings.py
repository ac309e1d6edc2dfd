"""Every public name explains itself: its arguments, their shapes, and an example that runs (tests/test_doctests.py).

And every docstring marks its formulas.
"""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pages
import pytest
from docstrings import LETTER, MARKED, parts, restructured

import jaxreg

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


# ---- Formulas are marked --------------------------------------------------------------------------------------------

# What only mathematics uses, and an operator beside a formula, which belongs to it. Numbers may have a minus.
SIGN = re.compile(
    r"[Α-ω√∂∇‖½∞·×⁰¹²³⁴-⁹⁺⁻ᵀᵏⁿ₀-₉\u0302-\u0304ŷỹȳ⌈⌉≤≥≠≈≪≫∈]|−(?!\d)|\b[A-Za-z]_([A-Za-z0-9]{1,2}\b|\{|max|min)"
    r"|◦ [=<>+/→]|[=<>+/→] ◦|`"
)


def unmarked(text):
    """The lines of a docstring that have something of a formula outside of marks."""
    prose = [line for kind, part in parts(text.splitlines()) if kind == "text" for line in part]
    return [line for line in prose if SIGN.search(LETTER.sub("◦", MARKED.sub(placeholder, line)))]


def placeholder(mark):
    return "◦" if re.fullmatch("`[^`]+`", mark[0]) else ""


def docstrings_of(path):
    """(line, text) of every docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def test_formulas_are_marked_in_every_docstring():
    files = sorted(Path(jaxreg.__path__[0]).rglob("*.py"))
    texts = [(f"{path}:{line}", text) for path in files for line, text in docstrings_of(path)]
    assert len(texts) > 1000
    left = [f"{where}: {line.strip()}" for where, text in texts for line in unmarked(text)]
    assert not left, "formulas stand between single backticks:\n" + "\n".join(left)


@pytest.mark.parametrize(
    "text",
    [
        "half of Σ_i r_i², or so",
        "where λ > 0",
        "where n ≥ p",
        "at `w` = 0",
        "a share of ‖y‖",
        "the largest x_j",
        "the mean x̄",
        "n − 1 rows",
        "a `mark that has no end",
        "Args:\n    lam: λ ≥ 0.",
        "Example:\n    >>> 1\n    1\n\nand then θ²",
    ],
)
def test_what_is_not_marked_is_refused(text):
    assert unmarked(text)


@pytest.mark.parametrize(
    "text",
    [
        "half of `Σ_i r_i²`, at three λs, a λ-path (λ, or ρ)",
        "With\n\n    F = Σ_i r_i²",
        "run::\n\n    f(x) >= λ_max\n\nand ``λ >= 0``",
        "Example:\n    >>> print('λ²')\n    λ²",
        "Args:\n    X: (n, p). lam: `λ ≥ 0`. n_iter, fit_intercept: as in :func:`fit`; −1 is the last.",
    ],
)
def test_what_is_marked_or_code_is_not_refused(text):
    assert not unmarked(text)


# ---- What Sphinx reads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("half of `Σ_i r_i²`, or so", "half of `Σ_i r_i²`, or so"),
        ("a λ-path, (ρ, λ)", "a `λ`-path, (`ρ`, `λ`)"),
        ("at all λs", r"at all `λ`\ s"),
        ("``λ = 1`` and :func:`fit` stay", "``λ = 1`` and :func:`fit` stay"),
        ("coef_ and fit_intercept, ``coef_``", r"coef\_ and fit_intercept, ``coef_``"),
        ("takes *args and **options", r"takes \*args and \*\*options"),
    ],
)
def test_a_line(text, expected):
    assert restructured([text]) == [expected]


def test_blocks_are_formulas_and_code_follows_two_colons():
    lines = [
        *("With", "", "    F = Σ_i r_i²", "", "run λ::", "", "    loss(params, λ)", "", "    more(λ)", ""),
        *("Example:", "    Of λ.", "    >>> λ", "    λ", "", "    >>> λ"),
    ]
    assert restructured(lines) == [
        *("With", "", ".. math::", "", "    F = Σ_i r_i²", "", "run `λ`::", "", "    loss(params, λ)", ""),
        *("    more(λ)", "", "Example:", "    Of `λ`.", "", "    >>> λ", "    λ", "", "    >>> λ"),
    ]


def test_arguments_explained_on_one_line_get_one_each():
    lines = [
        "Args:",
        "    X: (n, p), y: (n,). fit_intercept, tol: static.",
        "    lower, upper: `lower ≤ 0 ≤ upper`, numbers.",
    ]
    assert restructured(lines, ["X", "y", "fit_intercept", "tol", "lower", "upper"]) == [
        "Args:",
        "    X: (n, p)",
        "    y: (n,).",
        "    fit_intercept, tol: static.",
        "    lower, upper: `lower ≤ 0 ≤ upper`, numbers.",
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
    assert restructured(lines, ["lams", "gap", "df", "tol"]) == [
        *(
            "Attributes:",
            "    lams: (L,).",
            "    gap: (L,) or (L, t).",
            "    df: (L,) or (L, t). of freedom",
            "    tol: 1.",
        ),
        *("", "More."),
    ]
