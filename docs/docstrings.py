"""From a docstring to the text that Sphinx reads. What is a formula is marked in the docstring itself:

- in a line, between single backticks, `λ Σ_j v_j |w_j|`; code stands between double ones;
- a block, indented and after an empty line, is a displayed formula; before code the line ends with ``::``;
- a single Greek letter, ∞ or ½ is one without a mark, as in "three λs" and "a λ-path".

A mark ends in the line in which it begins. :mod:`mathematics` draws the formulas.
"""

import re
from collections.abc import Collection, Iterator
from itertools import groupby

__all__ = ["LETTER", "MARKED", "parts", "restructured"]

MARKED = re.compile(r"(``.+?``|:[a-z:]+:`.+?`|`[^`]+`)")
LETTER = re.compile(r"(?<!\w)([α-ω∞½])(s?)(?!\w)")
NO_MARKUP = re.compile(r"(?<=\w)_(?!\w)|(?<![\w*])\*{1,2}(?=(?:args|arrays|options)\b)")  # coef_ is no link
BROKEN = re.compile(r"    [\w, ]+,")  # names whose colon stands in the next line


def restructured(lines: list[str], names: Collection[str] = ()) -> list[str]:
    """The docstring as reStructuredText, with `math` as what single backticks mean.

    Args:
        names: of arguments or attributes; each gets a line of its own where several are explained in one.
    """
    text: list[str] = []
    for kind, part in parts(_one_attribute_each(_one_a_line(lines, names))):
        if kind == "text":
            part = [_line(line) for line in part]
        elif kind == "formula":
            part = [".. math::", "", *part]
        text += [*part, ""]
    return text[:-1]


def parts(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The paragraphs, each as "text", "formula" or "code", which an example is from its first prompt on."""
    section = code = False
    for empty, group in groupby(lines, lambda line: not line.strip()):
        if empty:
            continue
        paragraph = list(group)
        indented = paragraph[0].startswith("    ")
        code = code and indented
        if not indented:
            section = paragraph[0].endswith(":") and paragraph[-1].startswith("  ")
        if code:
            yield "code", paragraph
        elif indented and not section:
            yield "formula", paragraph
        else:
            prompts = (k for k, line in enumerate(paragraph) if line.lstrip().startswith(">>>"))
            example = next(prompts, len(paragraph))
            if example:
                yield "text", paragraph[:example]
            if example < len(paragraph):
                yield "code", paragraph[example:]
            code = paragraph[-1].endswith("::")


def _line(line: str) -> str:
    """A line with its letters marked, and what would be markup by chance freed of that."""
    pieces = MARKED.split(line)
    for k in range(0, len(pieces), 2):
        free = NO_MARKUP.sub(lambda match: "".join(f"\\{sign}" for sign in match[0]), pieces[k])
        pieces[k] = LETTER.sub(lambda match: f"`{match[1]}`" + (r"\ s" if match[2] else ""), free)
    return "".join(pieces)


def _one_a_line(lines: list[str], names: Collection[str]) -> list[str]:
    """``X: (n, p). y: (n,).`` on two lines."""
    if not names:
        return lines
    name = "(?:" + "|".join(map(re.escape, names)) + ")"
    follows = re.compile(rf"(?<=[.,;]) (?={name}(?:, {name})*: )")
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
    return [*lines[:start], *(f"    {name}: {' '.join(text)}" for name, text in said.items()), *lines[end:]]
