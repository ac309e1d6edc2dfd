"""A coefficient that is not 1, in words: measured again with other n, p and scalars, it becomes a formula."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from jaxreg.checks.data import like
from jaxreg.checks.evaluation import Arrays
from jaxreg.checks.evidence import POINTS, Evidence, evidence
from jaxreg.checks.expressions import Varied, recognise
from jaxreg.checks.inputs import Tree
from jaxreg.checks.points import random_points
from jaxreg.checks.report import Finding
from jaxreg.checks.subjects import Check
from jaxreg.checks.variation import Variation, rows_of, variations

__all__ = ["Coefficients", "Explanation"]


class Explanation(NamedTuple):
    """One coefficient that is not 1: where and of what, and how it is measured."""

    term: str | None
    where: tuple[str, ...]
    coefficient: float
    again: Callable[[Evidence], float]


class Coefficients:
    """Measures coefficients again under variations of n, p and the scalars; each is evaluated once."""

    def __init__(self, check: Check, rng: np.random.Generator, terms: int):
        self.check, self.rng, self.terms = check, rng, terms

    def finding(self, explained: Explanation) -> Finding:
        """The coefficient a in words: the claimed term is a times what it should be, it needs the factor 1/a."""
        a, what = explained.coefficient, self.check.what
        thing = f"the term {explained.term}" if explained.term else f"the whole {what}"
        place = f" at {', '.join(explained.where[:6])}{' …' * (len(explained.where) > 6)}" if explained.where else ""
        if explained.where and not explained.term:
            thing = f"the {what}"
        if abs(a) < 1e-9:
            return Finding("missing", f"{thing} is missing{place}", explained.term, explained.where, np.inf, ("∞",))
        needs = self._expressions(1 / a, explained.again, invert=True)
        if abs(a + 1) < 1e-9:
            return Finding("sign", f"{thing} has the wrong sign{place}", explained.term, explained.where, -1.0, ("-1",))
        size = needs if abs(a) < 1 else self._expressions(a, explained.again, invert=False)
        amount = " = ".join(text.lstrip("-") for text in size) or f"{abs(1 / a) if abs(a) < 1 else abs(a):.6g}"
        way = "small" if abs(a) < 1 else "large"
        sign = "has the wrong sign and " if a < 0 else ""
        sentence = f"{thing} {sign}is {amount} times too {way}{place}{self._stale(explained)}"
        return Finding("factor", sentence, explained.term, explained.where, 1 / a, tuple(needs))

    def _stale(self, explained: Explanation) -> str:
        """A scalar that was replaced by a constant: then the coefficient is that constant over the scalar."""
        if explained.term is None:
            return ""
        for name, given, others in self._cases:
            if name in ("n", "p") or not others:
                continue
            products = [value * explained.again(seen) for value, seen in others]
            constant = given * explained.coefficient
            if all(abs(product - constant) <= 1e-7 * abs(constant) for product in products):
                return f", as if {name} were {constant:.6g}"
        return ""

    def _expressions(self, value: float, again: Callable[[Evidence], float], invert: bool) -> list[str]:
        varied, names = [], set()
        for name, given, others in self._cases:
            try:
                measured = [again(seen) for _, seen in others]
            except (IndexError, ValueError):  # a coordinate that the smaller problem has not
                continue
            if others and np.isfinite(measured).all() and all(measured):
                names.add(name)
                values = [1 / m if invert else m for m in measured]
                varied.append(Varied(name, [given, *(v for v, _ in others)], [value, *values]))
        rest = {name: number for name, number in self._constants().items() if name not in names}
        accuracy = max(1e-8, 10 * self.check.slack)
        return recognise(value, varied, rest, accuracy) or recognise(value, (), self._constants(), accuracy)

    @cached_property
    def _cases(self) -> list[tuple[str, float, list[tuple[float, Evidence]]]]:
        found = []
        for variation in variations(self.check.given, self.check.subject.args, self._p()):
            try:
                others = [(value, self._evidence(variation, *rest)) for value, *rest in variation.others]
            except Exception:  # the user's formulas do not work at that size: then it is not varied
                continue
            if all(len(seen.names) == self.terms for _, seen in others):  # all terms can be told apart at that size
                found.append((variation.name, variation.value, others))
        return found

    def _evidence(self, variation: Variation, params: Tree, arrays: Arrays) -> Evidence:
        subject, draw = self.check.subject, like if self.check.data else random_points
        same = variation.same_shapes and not self.check.data  # of data, the arrays are the points
        if not same:
            subject = self.check.build(params, subject.args.rebuild(arrays))
        points = draw(subject.params, POINTS, self.rng)
        return evidence(subject, points, self.check.free_scale, arrays if same else None)

    def _constants(self) -> dict[str, float]:
        """What may be part of a factor besides what was varied: sizes, scalars, sums of positive arrays."""
        subject = self.check.subject
        named = list(zip(subject.args.names, subject.args.arrays, strict=True))
        scalars = {name: float(a) for name, a in named if np.ndim(a) == 0}
        positive = {f"Σ{name}": a for name, a in named if np.ndim(a) == 1 and bool(np.all(np.asarray(a) > 0))}
        sums = {name: float(a.sum()) for name, a in positive.items()}
        return {**self._sizes(), **scalars, **sums, **(self.check.constants or {})}

    def _sizes(self) -> dict[str, float]:
        """n and p as far as they can be guessed: where they were varied these are not used."""
        subject = self.check.subject
        n = rows_of(list(map(np.zeros, subject.params.shapes)), subject.args)
        if n is None:
            values = [ref.value for o in subject.program.operations for ref in o.inputs if not isinstance(ref, int)]
            lengths = [np.shape(a)[0] for a in values if np.ndim(a)]
            n = max(lengths, key=lengths.count) if lengths else None
        return {"p": self._p()} if n is None else {"n": n, "p": self._p()}

    def _p(self) -> int:
        """The number of parameters."""
        subject = self.check.subject
        return len(subject.labels if self.check.data else subject.params.vector)
