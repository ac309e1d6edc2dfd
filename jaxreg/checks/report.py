"""What a check answers: true or false, the slip in words, and the numbers behind it."""

import html
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxreg.checks.inputs import Tree

__all__ = ["Finding", "Report"]

RED, GREEN, YELLOW, BOLD, PLAIN = "\033[31m", "\033[32m", "\033[33m", "\033[1m", "\033[0m"


class Finding(NamedTuple):
    """One slip.

    Attributes:
        kind: "factor", "sign", "missing", "coordinates", "penalised", "data", "transposed", "branch", "chain rule",
            "order", "kink", "autodiff", "not finite" or "unexplained".
        sentence: the slip in words.
        term: the term that is wrong, as a formula or by its name in the loss; None where it is not one term.
        where: labels of the coordinates that are wrong; () where all are.
        factor: what the claimed term has to be multiplied by; None where that is not what is wrong.
        expressions: the factor as a formula, every one that matches.
    """

    kind: str
    sentence: str
    term: str | None = None
    where: tuple[str, ...] = ()
    factor: float | None = None
    expressions: tuple[str, ...] = ()

    @property
    def expression(self) -> str:
        """The simplest formula of the factor, "?" where none was found."""
        return self.expressions[0] if self.expressions else "?"


@dataclass(frozen=True)
class Report:
    """The outcome of a check. It is true when all is well.

    Attributes:
        title: what was held against what.
        findings: the slips; empty when all is well.
        errors: for every coordinate its largest relative error, relative to the largest one of its leaf.
        tolerance: the largest relative error that rounding alone may make, measured.
        points, kinks: how many random points and points with a kink were compared.
        conventions: the subgradient taken at each kink, in words.
        notes: what else is to be known.
        implied: the loss that has the claimed gradient, in words; None where there is nothing to say.
        implied_loss: its value at given parameters, less that at 0, by integration along a ray; None where there is no
            such loss, or the check is no check of a gradient.
        numbers: other results by name, such as the λ at which a closed form would be right.

    Example:
        >>> report = Report("gradient of half a square", errors={"w": 0.0}, points=24)
        >>> bool(report), report.largest_error
        (True, 0.0)
        >>> report.assert_ok()
        >>> print(report)
        ok: gradient of half a square
          largest relative error 0 at 24 points
    """

    title: str
    findings: tuple[Finding, ...] = ()
    errors: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.0
    points: int = 0
    kinks: int = 0
    conventions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    implied: str | None = None
    implied_loss: Callable[[Tree], float] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return not self.findings

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return bool(self)

    @property
    def largest_error(self) -> float:
        """The largest relative error of any coordinate; nan where one is not finite."""
        values = list(self.errors.values())
        return float("nan") if any(v != v for v in values) else max(values, default=0.0)

    @property
    def factor(self) -> float | None:
        """What the wrong part has to be multiplied by, where a factor is what is wrong; the first if there are two."""
        return next((f.factor for f in self.findings if f.factor is not None), None)

    @property
    def expression(self) -> str:
        """The factor as a formula; "1" when all is well, "?" where none was recognised."""
        return next((f.expression for f in self.findings if f.factor is not None), "?") if self.findings else "1"

    def assert_ok(self) -> None:
        """Raises AssertionError with the report as its message, unless all is well."""
        if self.findings:
            raise AssertionError(self.text())

    def text(self) -> str:
        """The report as plain text."""
        return "\n".join(f"{indent}{line}" for indent, _, line in self._lines())

    def __str__(self) -> str:
        return self._coloured() if _on_terminal() else self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        colours = {GREEN: "#1a7f37", RED: "#cf222e", BOLD: "inherit", YELLOW: "#57606a", "": "inherit"}
        lines = [
            f'<div style="margin-left:{len(indent)}em;color:{colours[style]}'
            f'{";font-weight:600" if style in (GREEN, RED, BOLD) else ""}">{html.escape(line)}</div>'
            for indent, style, line in self._lines()
        ]
        edge = colours[RED if self.findings else GREEN]
        return f'<div style="border-left:4px solid {edge};padding-left:.7em">{"".join(lines)}</div>'

    def _coloured(self) -> str:
        return "\n".join(
            f"{indent}{style}{line}{PLAIN}" if style else indent + line for indent, style, line in self._lines()
        )

    def _lines(self) -> list[tuple[str, str, str]]:
        """(indent, style, text) of each line."""
        wrong = bool(self.findings)
        lines = [("", RED if wrong else GREEN, f"{'WRONG' if wrong else 'ok'}: {self.title}")]
        lines += [("  ", BOLD, finding.sentence) for finding in self.findings]
        if self.implied:
            lines.append(("  ", "", self.implied))
        lines += [("  ", "", text) for text in self.conventions]
        lines += [("  ", YELLOW, text) for text in (*self._worst(), *self.notes)]
        return lines

    def _worst(self) -> list[str]:
        if not self.points:
            return []
        places = f"{self.points} points" + (f" and {self.kinks} with kinks" if self.kinks else "")
        if not self.findings:
            return [f"largest relative error {self.largest_error:.2g} at {places}"]
        order = sorted(self.errors, key=lambda name: -_size(self.errors[name]))
        shown = [name for name in order if not self.errors[name] <= self.tolerance][:4]
        worst = ", ".join(f"{name} {self.errors[name]:.2g}" for name in shown)
        return [f"largest relative errors at {places}: {worst}"] if worst else []


def _size(value: float) -> float:
    return float("inf") if value != value else value


def _on_terminal() -> bool:
    return bool(getattr(sys.stdout, "isatty", lambda: False)()) and "NO_COLOR" not in os.environ
