"""Formulas in plain text become mathematics: fractions, sums, sub- and superscripts, brackets that grow."""

import importlib
import inspect
import re
from xml.etree import ElementTree

import docstrings
import mathematics
import pages
import pytest


def tree(text):
    return ElementTree.fromstring(mathematics.inline(text).replace("&nbsp;", " "))


def shape(node):
    """A formula as nested text: tag(child child …), letters and signs as they are, plain groups as brackets."""
    if not len(node):
        return (node.text or "").strip()
    inside = " ".join(shape(child) for child in node)
    return f"[{inside}]" if node.tag in ("math", "mrow") else f"{node.tag.removeprefix('m')}({inside})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x_ij²", "[subsup(x [i j] [2])]"),
        ("(A)⁻¹", "[sup([( A )] [− 1])]"),
        ("Aᵀỹ", "[sup(A [⊤]) over(y ~)]"),
        ("r₀", "[sub(r [0])]"),
        ("l1_j", "[sub(l [1 j])]"),
        ("λ_max", "[sub(λ [max])]"),
        ("½ u", "[frac(1 2) u]"),
        ("a b/c", "[a frac([b] [c])]"),
        ("a b / c d", "[frac([a b] [c d])]"),
        ("(1−ρ)/2 x", "[frac([1 − ρ] [2]) x]"),
        ("x + a / b − c", "[x + frac([a] [b]) − c]"),
        ("Σ_k a_k / (e_k + λ)", "[under(∑ [k]) frac([sub(a [k])] [sub(e [k]) + λ])]"),
        ("a / Σ_k b_k", "[frac([a] [under(∑ [k]) sub(b [k])])]"),
        ("Σs", "[[∑ s]]"),
        ("1/(2 Σs)", "[frac([1] [2 [∑ s]])]"),
        ("Σ_{j≥1} θ_j", "[under(∑ [j ≥ 1]) sub(θ [j])]"),
        ("√(1 + t²)", "[sqrt(1 + sup(t [2]))]"),
        ("argmin_u f", "[under(argmin [u]) f]"),
        ("h_j*(z)", "[subsup(h [j] ∗) [( z )]]"),
        ("‖y − Xw‖²", "[sup([‖ y − X w ‖] [2])]"),
        ("|u|·|v|", "[[| u |] · [| v |]]"),
        ("r·d / d·Md", "[frac([r · d] [d · M d])]"),
        ("c in (0, 1]", "[c in [( 0 , 1 ]]]"),
        ("a,    b", "[a ,  b]"),
        ("a  =  b", "[a = b]"),
        ("a < b", "[a < b]"),
    ],
)
def test_what_a_formula_becomes(text, expected):
    assert shape(tree(text)) == expected


def test_brackets_grow_around_fractions_only():
    sizes = [
        {node.get("stretchy") for node in tree(text).iter("mo") if node.get("fence")}
        for text in ("(a + b)", "(a/b)", "(Σ_i x_i)")
    ]
    assert sizes == [{"false"}, {"true"}, {"true"}]


def test_rows_and_their_numbers():
    block = ElementTree.fromstring(mathematics.block("a = b\nc = d          (2)"))
    assert block.get("display") == "block"
    assert [len(row) for row in block.iter("mtr")] == [1, 2]
    assert block.findall(".//mtext")[0].text == "(2)"


def formulas():
    """Every formula in the docstrings that have a place in the reference."""
    for module in pages.present():
        found = importlib.import_module(module)
        things = [getattr(found, name) for name in pages.documented(module)]
        things += [importlib.import_module(name) for name in pages.modules_below(module)]
        for thing in [found, *things]:
            for kind, part in docstrings.parts((inspect.getdoc(thing) or "").splitlines()):
                marked = [piece for line in part for piece in docstrings.MARKED.split(line)[1::2]]
                yield from part if kind == "formula" else [mark[1:-1] for mark in marked if re.match("`[^`]", mark)]


def test_all_formulas_of_the_docstrings_are_mathematics():
    seen = set(formulas())
    assert len(seen) > 150
    for formula in seen:
        found = ElementTree.fromstring(mathematics.block(formula).replace("&nbsp;", " "))
        left = {node.text for node in found.iter("mo")} & {"/", "_", "{", "}", "^"}
        assert not left - ({"{", "}"} if "{" in formula else set()) - {"^"}, formula
