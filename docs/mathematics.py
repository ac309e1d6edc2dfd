"""Formulas written in plain text, as the docstrings have them, become MathML, which browsers draw by themselves.

    λ Σ_j v_j σ_j |w_j|        1/(2 Σs) Σ_i s_i (y_i − ŷ_i)²        u = (AᵀA + λI)⁻¹ Aᵀỹ

Subscripts stand behind an underscore, superscripts and accents are those of Unicode, and / is a fraction. A fraction
without spaces around its bar takes what touches it; one with spaces takes the whole product on either side, but not the
sum before it: Σ_k a_k / (e_k + λ) is a sum of fractions. Words of three letters or more are names, set upright; shorter
ones are products of variables. Two or more spaces are a gap.
"""

import re
import unicodedata
from html import escape
from typing import NamedTuple

__all__ = ["block", "inline"]

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵏⁿ", "0123456789+−Tkn", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "¯"}
FENCES = {"(": ")]", "[": "])", "{": "}", "⌈": "⌉", "⌊": "⌋"}
LIMITS = {"Σ", "min", "max", "argmin", "argmax"}  # what is written under them is written below
SHORT = ("xx", "xy", "yy", "sd", "se", "df", "tr", "of", "or", "if", "in", "is", "at", "so")  # words, and no products
TEXT = (
    "over of and or if iff for with where the at in is as from so penalised positive weight rows degrees freedom "
    "active set outside interior fixed bound"
)
WORDS = frozenset(TEXT.split())

TOKEN = re.compile(
    r"(?P<gap>\s{2,})|(?P<space>\s)"
    r"|(?P<number>\d+(\.\d+)?(e[+−-]?\d+)?)"
    rf"|(?P<sup>[{''.join(SUPERSCRIPTS)}]+)"
    rf"|(?P<sub>[{''.join(SUBSCRIPTS)}]+)"
    r"|(?P<code>[A-Za-z]{3,}(_[a-z]{3,})+)"
    rf"|(?P<word>[A-Za-z]{{3,}}|(?<![A-Za-z])({'|'.join(SHORT)})(?![A-Za-z]))"
    r"|(?P<letter>[^\W\d_][\u0300-\u036f]*)"
    rf"|(?P<under>_(?=\{{)|_[^\W_{''.join(SUPERSCRIPTS)}]+)"
    r"|(?P<arrow>->)|(?P<symbol>.)"
)


class Item(NamedTuple):
    """A piece of a row: an operand, an operator, a fraction bar, a sum sign."""

    kind: str  # "operand", "operator", "bar", "big" (a sign that everything behind it belongs to) or "gap"
    mathml: str
    tight: bool  # nothing stands between it and the piece before
    inside: str = ""  # of a pair of parentheses, without them


def inline(text: str) -> str:
    """A formula in a line of text; one with a fraction or a sum is given the room of a displayed one."""
    row = _Parser(text).row()
    style = " displaystyle='true'" if re.search("<(mfrac|munder)", row) else ""
    return f"<math{style}>{row}</math>"


def block(text: str) -> str:
    """A displayed formula; every line is a row, and a number in parentheses at its end its number."""
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        numbered = re.fullmatch(r"(.*?)\s{4,}\((\d+)\)", line)
        formula, number = numbered.groups() if numbered else (line, "")
        tag = f"<mtd class='number'><mtext>({number})</mtext></mtd>" if number else ""
        rows.append(f"<mtr><mtd>{_Parser(formula).row()}</mtd>{tag}</mtr>")
    return f"<math display='block'><mtable displaystyle='true'>{''.join(rows)}</mtable></math>"


class _Parser:
    def __init__(self, text: str):
        text = "".join(
            unicodedata.normalize("NFD", c) if c.isalpha() else c for c in unicodedata.normalize("NFC", text)
        )
        self.tokens = [(match.lastgroup, match.group()) for match in TOKEN.finditer(text.strip())]
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str | None, str]:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else (None, "")

    def row(self, closing: str = "") -> str:
        """Everything up to a closing sign, which is left for the caller, or to the end."""
        items: list[Item] = []
        tight = True
        while self.peek()[0] is not None and not (self.peek()[1] in closing and self.peek()[0] == "symbol"):
            kind = self.peek()[0]
            if kind in ("space", "gap"):
                self.at += 1
                tight = False
                if kind == "gap":
                    items.append(Item("gap", "<mspace width='2em'></mspace>", False))
                continue
            items.append(self.item(tight, items))
            tight = True
        items = _fractions(items)
        return "".join(item.mathml for k, item in enumerate(items) if item.kind != "gap" or _separates(items, k))

    def item(self, tight: bool, before: list[Item]) -> Item:
        kind, value = self.peek()
        if kind == "word" and value in WORDS:
            self.at += 1
            return Item("operator", f"<mtext>&nbsp;{value}&nbsp;</mtext>", tight)
        if value == "Σ" or (kind == "word" and value in LIMITS):
            return self.big(tight)
        if value == "√":
            self.at += 1
            atom = self.atom(False)
            return Item("operand", f"<msqrt>{atom.inside or atom.mathml}</msqrt>", tight)
        if kind == "symbol" and value == "/":
            self.at += 1
            return Item("bar", "<mo>/</mo>", tight)
        if kind == "symbol" and value == "·" and tight and before and self.peek(1)[0] not in ("space", "gap", None):
            self.at += 1
            return Item("operand", "<mo>·</mo>", tight)
        opens = value in FENCES or value in "|‖"
        if kind in ("arrow", "under") or (kind == "symbol" and not opens and value not in "½∇∂∞…"):
            self.at += 1
            sign = {"-": "−", "->": "→", "*": "∗"}.get(value, value.lstrip("_"))
            return Item("operator", f"<mo>{escape(sign)}</mo>", tight)
        return self.atom(tight)

    def big(self, tight: bool) -> Item:
        """A sum, minimum or maximum with what stands under it; Σs without a space is an operand."""
        value = self.peek()[1]
        self.at += 1
        sign = "<mo>∑</mo>" if value == "Σ" else f"<mo movablelimits='true'>{value}</mo>"
        if self.peek()[0] == "under":
            sign = f"<munder>{sign}{self.subscript()}</munder>"
        elif value == "Σ" and self.peek()[0] == "letter":
            return Item("operand", f"<mrow>{sign}{self.atom(True).mathml}</mrow>", tight)
        return Item("big", sign, tight)

    def atom(self, tight: bool) -> Item:
        """A letter, number, name or pair of brackets, with its sub- and superscripts."""
        kind, value = self.peek()
        self.at += 1
        inside = ""
        if kind == "number":
            core = f"<mn>{value}</mn>"
        elif value == "½":
            core = "<mfrac><mn>1</mn><mn>2</mn></mfrac>"
        elif kind in ("word", "code"):
            core = f"<mi>{value}</mi>"
        elif kind == "letter":
            core = f"<mi>{value[0]}</mi>"
            for accent in value[1:]:
                core = f"<mover accent='true'>{core}<mo>{ACCENTS.get(accent, accent)}</mo></mover>"
        elif kind == "symbol" and (value in FENCES or value in "|‖"):
            start = self.at
            inside = self.row(FENCES.get(value, value))
            if self.peek()[0] is None:  # it is never closed
                self.at = start
                return Item("operator", f"<mo stretchy='false'>{value}</mo>", tight)
            closing = self.peek()[1]
            self.at += 1
            tall = "true" if re.search("<(mfrac|munder|mtable)", inside) else "false"
            sides = [f"<mo stretchy='{tall}' fence='true' form='{form}'>" for form in ("prefix", "postfix")]
            core = f"<mrow>{sides[0]}{value}</mo>{inside}{sides[1]}{closing}</mo></mrow>"
            inside = inside if value == "(" and closing == ")" else ""
        else:
            core = f"<mi>{escape(value)}</mi>"
        sub = self.subscript(kind == "letter")
        sup = self.superscript(bool(sub))
        if sub and sup:
            return Item("operand", f"<msubsup>{core}{sub}{sup}</msubsup>", tight)
        if sub or sup:
            tag = "msub" if sub else "msup"
            return Item("operand", f"<{tag}>{core}{sub or sup}</{tag}>", tight)
        return Item("operand", core, tight, inside)

    def subscript(self, of_letter: bool = False) -> str:
        """What is written below, "" if nothing: x_ij, x_{j≥1}, x₀, and for l1_j the digit too."""
        parts = ""
        if of_letter and self.peek()[0] == "number" and self.peek()[1].isdigit():
            parts += f"<mn>{self.peek()[1]}</mn>"
            self.at += 1
        if self.peek()[0] == "sub":
            parts += f"<mn>{''.join(SUBSCRIPTS[c] for c in self.peek()[1])}</mn>"
            self.at += 1
        if self.peek()[0] == "under":
            value = self.peek()[1][1:]
            self.at += 1
            if value:
                parts += f"<mi>{value}</mi>" if value in ("max", "min") else _Parser(" ".join(value)).row()
            else:  # in braces
                self.at += 1
                parts += self.row("}")
                self.at += 1
        return f"<mrow>{parts}</mrow>" if parts else ""

    def superscript(self, after_subscript: bool) -> str:
        kind, value = self.peek()
        if kind == "sup":
            self.at += 1
            signs = "".join(SUPERSCRIPTS[c] for c in value)
            parts = re.findall(r"\d+|.", signs)
            return f"<mrow>{''.join(_sign(part) for part in parts)}</mrow>"
        if value == "*" and (after_subscript or self.peek(1)[1] == "("):  # a conjugate, h_j*
            self.at += 1
            return "<mo>∗</mo>"
        return ""


def _sign(part: str) -> str:
    if part.isdigit():
        return f"<mn>{part}</mn>"
    return f"<mo>{part}</mo>" if part in "+−" else f"<mi>{'⊤' if part == 'T' else part}</mi>"


def _separates(items: list[Item], gap: int) -> bool:
    """Whether a gap parts two formulas; one beside an operator other than a comma does not."""
    sides = [items[k].mathml for k in (gap - 1, gap + 1) if 0 <= k < len(items) and items[k].kind == "operator"]
    return all(side in ("<mo>,</mo>", "<mo>;</mo>") for side in sides)


def _fractions(items: list[Item]) -> list[Item]:
    """Puts numerator over denominator: first where nothing separates them from the bar, then in whole products."""
    for touching in (True, False):
        k = 0
        while k < len(items):
            if items[k].kind == "bar" and 0 < k < len(items) - 1:
                bar_tight = items[k].tight and items[k + 1].tight
                if bar_tight or not touching:
                    low, high = _reach(items, k, bar_tight)
                    if low < k < high - 1:
                        over, under = (_group(part) for part in (items[low:k], items[k + 1 : high]))
                        fraction = f"<mfrac>{over}{under}</mfrac>"
                        items[low:high] = [Item("operand", fraction, items[low].tight)]
                        k = low
            k += 1
    return items


def _reach(items: list[Item], bar: int, tight: bool) -> tuple[int, int]:
    low, high = bar, bar + 1
    if items[high].kind == "big" and not tight:  # a sum below the bar
        high += 1
    while low and items[low - 1].kind == "operand" and (not tight or low == bar or items[low].tight):
        low -= 1
    while high < len(items) and items[high].kind == "operand" and (not tight or high == bar + 1 or items[high].tight):
        high += 1
    return low, high


def _group(items: list[Item]) -> str:
    if len(items) == 1 and items[0].inside:
        return f"<mrow>{items[0].inside}</mrow>"
    return f"<mrow>{''.join(item.mathml for item in items)}</mrow>"
