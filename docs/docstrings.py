"""Marks the formulas in docstrings, so that Sphinx hands them to :mod:`mathematics`.

An indented block after an empty line is a formula if it holds a sign that only mathematics uses, and code if not. In a
line of text a formula is a longest run of words that are mathematics: signs, variables with a subscript, and whatever
an operator joins to them. A pair of brackets counts as one word if all in it is mathematics.
"""

import re
from collections.abc import Collection
from itertools import accumulate

__all__ = ["mark_formulas"]

SIGNS = "α-ωΑ-ΩΣ√∂∇‖½∞·×⁰¹²³⁴-⁹⁺⁻ᵀᵏⁿ₀-₉\u0302-\u0304ŷỹȳ⌈⌉"
SUBSCRIPTED = r"(?<![\w`.])(?:[A-Za-z]|sd|xx|l[12]|lower|upper|max|min|argmin)_(?:[A-Za-z0-9]{1,2}(?![\w])|\{|max|min)"
MATHEMATICAL = re.compile(rf"[{SIGNS}]|{SUBSCRIPTED}|(?<!\|)\|[^|\s]+\|(?!\|)")
COMPARISONS = {"≤", "≥", "<", ">", "≠", "∈", "≪", "≫", "≈"}
OPERATORS = COMPARISONS | {"=", "+", "−", "·", "×", "/", "→", "⇔"}
OPERAND = re.compile(
    r"[(\[]*(?:[A-Za-z]|l[12]|[A-Z][a-z]|\d+(?:\.\d+)?|\d+/\(.*|\d+/[A-Za-z]|(?:max|min|sign|diag|tr|[A-Za-z])\(.*)[)\],.]*"
)
NAME = re.compile(r"[A-Za-z_0-9]+[,.:;)]*")
LITERAL = re.compile(r"(``.+?``|:[a-z:]+:`.+?`|`[^`]+`_?|\"[^\"]*\")")
SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields|Warns|References|Example|Examples)(, \w+)*:\s*$")
FIELD = re.compile(r"\s+(?:[\w*, \\]|≤)+: ")
BOUNDS = re.compile(r"^(\s+)lower ≤ 0 ≤ upper: ")  # what they are, in the place of the names
BROKEN = re.compile(r"    [\w, ]+,")  # names whose colon stands in the next line
NOT_FIRST = re.compile(r"(?<=,) \*args")
SEVERAL = re.compile(r"[α-ω](?:s|-\w+)[,.:;)]*")  # "at three λs" and "a λ-path", no products
BACKSLASHED = r"\\_"
TRAILING = re.compile(r"(?<=\w)_(?!\w)")  # coef_ is no link
STARRED = re.compile(r"(?<![\w\\*])(\*{1,2})(args|arrays|options)\b")


def mark_formulas(lines: list[str], names: Collection[str] = ()) -> list[str]:
    """The docstring with its formulas as ``math`` directives and roles, and blocks of code marked as such.

    Args:
        names: of arguments or attributes; each gets a line of its own where several are explained in one.
    """
    lines = _one_attribute_each(_one_a_line(lines, names))
    marked: list[str] = []
    in_section = in_example = False
    k = 0
    while k < len(lines):
        line = lines[k]
        if not line.strip():
            in_example = False
        elif not line.startswith(" "):
            in_section = bool(SECTION.match(line))
        in_example = in_example or line.lstrip().startswith(">>>")
        after_space = not marked or not marked[-1].strip()
        if line.startswith("| ") and after_space:
            end = next((j for j in range(k, len(lines)) if not lines[j].startswith("|")), len(lines))
            marked += _table(lines[k:end])
            k = end
            continue
        if not in_section and not in_example and line.startswith("    ") and after_space:
            end = k
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            formula = any(MATHEMATICAL.search(part) for part in lines[k:end])
            marked += [".. math::" if formula else "::", "", *lines[k:end], ""]
            k = end
            continue
        marked.append(line if in_example else _mark_line(line, in_section))
        k += 1
    return marked


def _one_a_line(lines: list[str], names: Collection[str]) -> list[str]:
    """``X: (n, p). y: (n,).`` on two lines."""
    if not names:
        return lines
    name = "(?:" + "|".join(map(re.escape, names)) + ")"
    follows = re.compile(rf"(?<=[.,;]) (?={name}(?:, {name})*: |lower ≤ 0 ≤ upper: )")
    separate, indent = [], None
    for line in lines:
        if line.strip() and not line.startswith(" "):
            indent = 0 if re.match("(Args|Attributes):$", line) else None
        elif line.strip() and indent is not None:
            indent = indent or len(line) - len(line.lstrip())
            if separate and BROKEN.fullmatch(separate[-1]):
                line = f"{separate.pop()} {line.strip()}"
            line, *others = follows.split(line)
            for other in others:
                if ":" in line:
                    separate.append(line.rstrip(",;"))
                    line = " " * indent + other
                else:  # the comma stands between two names
                    line = f"{line} {other}"
        separate.append(line)
    return separate


def _one_attribute_each(lines: list[str]) -> list[str]:
    """``gap, df: (L,).`` as two attributes, and all that is said of an attribute in its place."""
    if "Attributes:" not in lines:
        return lines
    start = lines.index("Attributes:") + 1
    end = next((k for k in range(start, len(lines)) if not lines[k].strip()), len(lines))
    said: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines[start:end]:
        entry = re.match(r"\s+(\w+(?:, \w+)*): (.*)", line)
        if entry:
            names = entry[1].split(", ")
        for name in names:
            said.setdefault(name, []).append(entry[2] if entry else line.strip())
    entries = [f"    {TRAILING.sub(BACKSLASHED, name)}: {' '.join(text)}" for name, text in said.items()]
    return [*lines[:start], *entries, *lines[end:]]


def _table(lines: list[str]) -> list[str]:
    """A table in Markdown as one of reStructuredText."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split(" |")] for line in lines]
    listed = [".. list-table::", "   :header-rows: 1", ""]
    for row in [rows[0], *rows[2:]]:
        listed += [f"   {'*' if k == 0 else ' '} - {_mark_line(cell, False)}" for k, cell in enumerate(row)]
    return [*listed, ""]


def _mark_line(line: str, in_section: bool) -> str:
    line = BOUNDS.sub(r"\1lower, upper: lower ≤ 0 ≤ upper, ", line) if in_section else line
    field = FIELD.match(line) if in_section else None
    start = field.end() if field else 0
    names = NOT_FIRST.sub(r" \\*args", line[:start])
    pieces = LITERAL.split(line[start:])
    return names + "".join(piece if k % 2 else _mark_text(piece) for k, piece in enumerate(pieces))


def _mark_text(text: str) -> str:
    words, spaces = _words(text)
    found = [bool(MATHEMATICAL.search(word)) for word in words]
    marked, k = "", 0
    while k < len(words):
        end = _end_of_formula(words, found, k)
        if end == k:
            word = STARRED.sub(lambda match: match[1].replace("*", r"\*") + match[2], words[k])
            marked += TRAILING.sub(BACKSLASHED, word)
            end = k + 1
        else:
            formula = "".join(word + space for word, space in zip(words[k:end], spaces[k:end], strict=True))
            before, formula, after = _trimmed(formula[: len(formula) - len(spaces[end - 1])])
            gap = "\\ " if after[:1].isalnum() else ""
            marked += before + (f":math:`{formula}`{gap}" if formula and _balanced(formula) else formula) + after
        marked += spaces[end - 1]
        k = end
    return marked


def _words(text: str) -> tuple[list[str], list[str]]:
    """The words of a text and the space behind each; a bracket that holds nothing but mathematics is one word."""
    parts = re.split(r"(\s+)", text)
    words, spaces = parts[::2], [*parts[1::2], ""]
    k = 0
    while k < len(words):
        if not _closed(words[k]):
            end = next((j for j in range(k + 2, min(k + 16, len(words) + 1)) if _closed(" ".join(words[k:j]))), None)
            inside = words[k:end]
            if end and all(_is_mathematics(word) for word in inside) and any(map(MATHEMATICAL.search, inside)):
                joined = "".join(word + space for word, space in zip(inside, spaces[k:end], strict=True))
                words[k:end], spaces[k:end] = [joined.rstrip()], [spaces[end - 1]]
            elif words[k][0] in "([" and len(words[k]) > 1:  # the bracket belongs to the sentence
                words[k : k + 1], spaces[k:k] = [words[k][0], words[k][1:]], [""]
        k += 1
    return words, spaces


def _is_mathematics(word: str) -> bool:
    bare = word.strip(".,:;)]([")
    return bool(bare in OPERATORS or bare in ("", "…") or MATHEMATICAL.search(word) or OPERAND.fullmatch(word))


def _end_of_formula(words: list[str], found: list[bool], start: int) -> int:
    """Behind the last word of the formula that begins with word `start`; `start` if none does."""
    if SEVERAL.fullmatch(words[start]):
        return start + 1
    end = start
    while end < len(words):
        word, before = words[end], words[end - 1] if end > start else ""
        if before[-1:] and before[-1] in ".:;," and not before.endswith("…,"):
            break
        following = words[end + 1] if end + 1 < len(words) else ""
        if word in OPERATORS:
            good = end > start and bool(following) and (_is_mathematics(following) or word in COMPARISONS)
        elif before in OPERATORS or following in OPERATORS:
            comparison = before in COMPARISONS or following in COMPARISONS
            good = found[end] or bool(OPERAND.fullmatch(word)) or (comparison and bool(NAME.fullmatch(word)))
        else:
            variable = OPERAND.fullmatch(word) and word.strip("(),.") not in ("a", "A", "I")
            factor = any(found[end + 1 : end + 2]) and not SEVERAL.fullmatch(following)
            good = found[end] or bool(variable and factor)
        if not good:
            break
        end += 1
    while end > start and words[end - 1] in OPERATORS:
        end -= 1
    formula = words[start:end]
    assignment = len(formula) > 2 and formula[1] == "=" and len(formula[0]) == 1 and formula[2][0].isdigit()
    comparison = len(formula) > 2 and any(word in COMPARISONS for word in formula)
    return end if any(found[start:end]) or assignment or comparison else start


def _closed(text: str) -> bool:
    return text.count("(") + text.count("[") <= text.count(")") + text.count("]")


def _balanced(text: str) -> bool:
    depths = list(accumulate((c in "([") - (c in ")]") for c in text))
    return min(depths) >= 0 and depths[-1] == 0


def _trimmed(formula: str) -> tuple[str, str, str]:
    """What belongs to the sentence is put outside: punctuation at the end, brackets without a partner."""
    before = after = ""
    changed = True
    while changed and formula:
        changed = False
        if formula[-1] in ",.:;" and not formula.endswith("…"):
            formula, after, changed = formula[:-1], formula[-1] + after, True
        opened, closed = (sum(formula.count(c) for c in both) for both in ("([", ")]"))
        if formula and closed > opened and formula[-1] in ")]":
            formula, after, changed = formula[:-1], formula[-1] + after, True
        elif formula and opened > closed and formula[0] in "([":
            formula, before, changed = formula[1:], before + formula[0], True
    if SEVERAL.fullmatch(formula):
        formula, after = formula[0], formula[1:] + after
    return before, formula.rstrip(), after
