"""What is wrong with a vector that is not what it should be: the simplest explanation that leaves nothing over.

The explanations, in the order in which they are tried:

1. the whole is a multiple of the truth (a sign, a factor);
2. it is made up of the terms of the truth, with other coefficients;
3. all is right but at some coordinates: there a factor, a term left out, or a penalty where the loss has none;
4. both: other coefficients, and one coordinate or leaf besides;
5. it is the truth of a loss with a usual slip in it (:mod:`~jaxreg.checks.slips`);
6. it is the truth in another order (a transposed matrix, coordinates shifted by one).

An explanation counts only if it is exact at all points. The coefficients are measured again with fewer rows, fewer
columns and other scalars, and so become formulas.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxreg.checks.compare import Subject, each
from jaxreg.checks.data import like
from jaxreg.checks.expressions import Varied, recognise
from jaxreg.checks.fits import Fit, fit, independent, ratio
from jaxreg.checks.points import random_points
from jaxreg.checks.report import Finding
from jaxreg.checks.slips import slips
from jaxreg.checks.variation import Variation, rows_of, variations

__all__ = ["Case", "Evidence", "diagnose", "evidence"]

# Points at which explanations are tried; fewer than the comparison has, for each term is evaluated at each.
POINTS = 9


class Evidence(NamedTuple):
    """Values at (P, d) points: claimed (P, d), and the terms of the truth that can be told apart, (P, K, d)."""

    points: np.ndarray
    claimed: np.ndarray
    terms: np.ndarray
    names: tuple[str, ...]

    @property
    def truth(self) -> np.ndarray:
        return self.terms.sum(axis=1)


class Case(NamedTuple):
    """A comparison that failed.

    Attributes:
        build: the subject at other parameters and arguments; raises where they do not fit.
        given: the parameters as they were given.
        subject: the subject.
        constants: named numbers that may be in a factor.
        what: "gradient", "update", …: what is claimed.
        slack: relative rounding error of formulas that compute in less than float64.
        free_scale: an overall factor means nothing (a step size that was not given).
        data: the points are data sets, not parameters.
    """

    build: Callable[[Any, tuple[Any, ...]], Subject]
    given: Any
    subject: Subject
    constants: Mapping[str, float]
    what: str
    slack: float = 0.0
    free_scale: bool = False
    data: bool = False


class Explanation(NamedTuple):
    """One coefficient that is not 1: where and of what, and how it is measured."""

    term: str | None
    where: tuple[str, ...]
    coefficient: float
    again: Callable[[Evidence], float]


Explained = Sequence[Explanation | Finding] | None


def evidence(
    subject: Subject, points: np.ndarray, free_scale: bool = False, arrays: Sequence[Any] | None = None
) -> Evidence:
    """The values at (P, d) points, terms with parallel gradients together; with other `arrays` of equal shapes."""
    arrays = subject.args.arrays if arrays is None else arrays
    claimed = each(subject.smooth or subject.claimed, points, arrays)
    terms = each(subject.terms, points, arrays)
    good = np.isfinite(terms).all(axis=(1, 2)) & np.isfinite(claimed).all(axis=1)
    points, claimed, terms = points[good], claimed[good], terms[good]
    groups = independent(terms)
    names = tuple(" + ".join(subject.names[k] for k in group) for group in groups)
    found = Evidence(points, claimed, np.stack([terms[:, group].sum(axis=1) for group in groups], axis=1), names)
    if free_scale:
        scale = fit(claimed, found.terms).coefficients[0]
        found = found._replace(claimed=claimed / scale if scale else claimed)
    return found


def diagnose(case: Case, points: np.ndarray, wrong: np.ndarray, rng: np.random.Generator) -> list[Finding]:
    """The findings for a claim that disagrees at the coordinates `wrong`, (d,) booleans."""
    seen = evidence(case.subject, points[:POINTS], case.free_scale)
    if not len(seen.points):
        return []
    labels = np.array(case.subject.labels)
    vary = _Varying(case, rng, len(seen.names))
    for explain in (_whole, _terms, _coordinates, _terms_and_coordinates):
        found = explain(seen, labels, wrong, case)
        if found is not None:
            return [item if isinstance(item, Finding) else vary.finding(item) for item in found]
    second: list[Finding] = []
    for slip in slips(case.subject, seen.points):
        other = fit(seen.claimed, slip.terms, slack=case.slack)
        bad = _wrong(other)
        if not other.exact or (slip.needs is not None and not slip.needs(other.coefficients)):
            continue
        if slip.needs is not None or not bad:
            return [slip.finding]
        if len(bad) == 1 and not second:  # a slip and a factor besides: kept, if no single slip explains all
            name = case.subject.names[bad[0]]
            factor = Explanation(name, (), float(other.coefficients[bad[0]]), lambda e: float("nan"))
            second = [slip.finding, vary.finding(factor)]
    if second:
        return second
    return _order(seen, case) or []


def _wrong(found: Fit) -> list[int]:
    return [k for k, a in enumerate(found.coefficients) if found.known[k] and abs(a - 1) > found.accuracy[k]]


def _whole(seen: Evidence, labels: np.ndarray, wrong: np.ndarray, case: Case) -> Explained:
    c = ratio(seen.claimed, seen.truth, slack=case.slack)
    if c is None or case.free_scale:
        return None
    name = seen.names[0] if case.data and len(seen.names) == 1 else None  # of a closed form, against the first term
    return [Explanation(name, (), c, lambda e: _number(ratio(e.claimed, e.truth)))]


def _terms(seen: Evidence, labels: np.ndarray, wrong: np.ndarray, case: Case) -> Explained:
    found = fit(seen.claimed, seen.terms, slack=case.slack)
    if len(seen.names) < 2 or not found.exact:
        return None
    again = lambda k: lambda e: float(fit(e.claimed, e.terms).coefficients[k])
    return [Explanation(seen.names[k], (), float(found.coefficients[k]), again(k)) for k in _wrong(found)]


def _coordinates(seen: Evidence, labels: np.ndarray, wrong: np.ndarray, case: Case) -> Explained:
    """All is right but at the coordinates `wrong`."""
    if wrong.all():
        return None
    where = _where(wrong, case)
    found = fit(seen.claimed, seen.terms, wrong, case.slack)
    c = ratio(seen.claimed, seen.truth, wrong, case.slack)
    if c is not None:
        names = [name for name, known in zip(seen.names, found.known, strict=True) if known]
        again = lambda e: _number(ratio(e.claimed, e.truth, wrong))
        return [Explanation(names[0] if len(names) == 1 else None, where, c, again)]
    bad = _wrong(found)
    if found.exact and found.known.sum() >= 2 and bad:
        each_again = lambda k: lambda e: float(fit(e.claimed, e.terms, wrong).coefficients[k])
        return [Explanation(seen.names[k], where, float(found.coefficients[k]), each_again(k)) for k in bad]
    return _penalised(seen, wrong, where, case)


def _penalised(seen: Evidence, wrong: np.ndarray, where: tuple[str, ...], case: Case) -> Explained:
    """A multiple of θ_j or sign(θ_j) too much, where no term of the loss has one; or too little."""
    if seen.points.shape != seen.claimed.shape:
        return None
    extra = (seen.claimed - seen.truth)[:, wrong]
    for shape in (lambda x: x, np.sign):
        direction = shape(seen.points)
        c = ratio(extra, direction[:, wrong], slack=case.slack)
        if c is None:
            continue
        place = " and ".join(where)
        for k, name in enumerate(seen.names):
            inside = ~wrong & (np.abs(seen.terms[:, k]) > 0).any(axis=0)
            own = ratio(seen.terms[:, k], direction, inside) if inside.any() else None
            if own is not None:
                like = (
                    "as the others are" if abs(own - c) <= 1e-7 * abs(own) else f"with {c / own:.6g} times its weight"
                )
                sentence = f"{place} is penalised {like}, but the term {name} of the loss leaves it out"
                return [Finding("penalised", sentence, name, where, 0.0, ("0",))]
        return [Finding("penalised", f"{place} has a penalty of weight {c:.6g} that is not in the loss", None, where)]
    return None


def _terms_and_coordinates(seen: Evidence, labels: np.ndarray, wrong: np.ndarray, case: Case) -> Explained:
    """Other coefficients everywhere but at one coordinate or leaf, and something else there."""
    d = len(labels)
    leaves = case.subject.leaves
    places = [np.arange(d) == j for j in range(min(d, 24))] + [leaves == leaf for leaf in np.unique(leaves)]
    for place in places:
        if place.all() or d < 3:
            continue
        found = fit(seen.claimed, seen.terms, ~place, case.slack)
        bad = _wrong(found)
        if not found.exact or not bad or not found.known.all():
            continue
        again = lambda k, p=place: lambda e: float(fit(e.claimed, e.terms, ~p).coefficients[k])
        parts: list[Explanation | Finding] = [
            Explanation(seen.names[k], (), float(found.coefficients[k]), again(k)) for k in bad
        ]
        repaired = seen._replace(terms=seen.terms * found.coefficients[None, :, None])
        rest = _coordinates(repaired, labels, place, case)
        if rest is not None:
            return parts + [r for r in rest if not (isinstance(r, Explanation) and abs(r.coefficient - 1) < 1e-9)]
    return None


def _order(seen: Evidence, case: Case) -> list[Finding] | None:
    """The truth in another order."""
    d, subject = seen.claimed.shape[1], case.subject
    orders: list[tuple[str, str, np.ndarray]] = []
    for leaf, (name, shape) in enumerate(zip(subject.params.leaf_names, subject.params.shapes, strict=True)):
        inside = np.flatnonzero(subject.leaves == leaf)
        if len(inside) != int(np.prod(shape)):
            continue
        own = np.arange(d)
        if len(shape) == 2 and shape[0] == shape[1]:
            order = own.copy()
            order[inside] = inside.reshape(shape).T.ravel()
            orders.append(("transposed", f"the gradient by {name} is transposed", order))
        if len(inside) > 1:
            for shift, way in ((1, "down"), (-1, "up")):
                order = own.copy()
                order[inside] = np.roll(inside, shift)
                orders.append(("order", f"the coordinates of {name} are shifted {way} by one", order))
            order = own.copy()
            order[inside] = inside[::-1]
            orders.append(("order", f"the coordinates of {name} are in reverse order", order))
    for kind, sentence, order in orders:
        if fit(seen.claimed, seen.truth[:, None, order], slack=case.slack).exact:
            return [Finding(kind, sentence)]
    return None


def _where(wrong: np.ndarray, case: Case) -> tuple[str, ...]:
    """The names of the coordinates, or of whole leaves."""
    subject, names = case.subject, []
    for leaf in np.unique(subject.leaves[wrong]):
        inside = subject.leaves == leaf
        own = len(subject.labels) == len(subject.params.labels) and leaf < len(subject.params.leaf_names)
        whole = wrong[inside].all() and own
        names += [subject.params.leaf_names[leaf]] if whole else list(np.array(subject.labels)[inside & wrong])
    return tuple(map(str, names))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


class _Varying:
    """Measures coefficients again under variations of n, p and the scalars; each is evaluated once."""

    def __init__(self, case: Case, rng: np.random.Generator, terms: int):
        self.case, self.rng, self.terms = case, rng, terms
        self.cases: list[tuple[str, float, list[tuple[float, Evidence]]]] | None = None

    def finding(self, explained: Explanation) -> Finding:
        """The coefficient a in words: the claimed term is a times what it should be, it needs the factor 1/a."""
        a, what = explained.coefficient, self.case.what
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
        for name, given, others in self._cases():
            if name in ("n", "p") or not others:
                continue
            products = [value * explained.again(seen) for value, seen in others]
            constant = given * explained.coefficient
            if all(abs(product - constant) <= 1e-7 * abs(constant) for product in products):
                return f", as if {name} were {constant:.6g}"
        return ""

    def _expressions(self, value: float, again: Callable[[Evidence], float], invert: bool) -> list[str]:
        varied, names = [], set()
        for name, given, others in self._cases():
            try:
                measured = [again(seen) for _, seen in others]
            except (IndexError, ValueError):  # a coordinate that the smaller problem has not
                continue
            if others and np.isfinite(measured).all() and all(measured):
                names.add(name)
                values = [1 / m if invert else m for m in measured]
                varied.append(Varied(name, [given, *(v for v, _ in others)], [value, *values]))
        rest = {name: number for name, number in self._constants().items() if name not in names}
        accuracy = max(1e-8, 10 * self.case.slack)
        return recognise(value, varied, rest, accuracy) or recognise(value, (), self._constants(), accuracy)

    def _constants(self) -> dict[str, float]:
        subject = self.case.subject
        sizes = dict(_sizes(subject, self._p()))
        scalars = {
            name: float(a) for name, a in zip(subject.args.names, subject.args.arrays, strict=True) if np.ndim(a) == 0
        }
        sums = {
            f"Σ{name}": float(a.sum())
            for name, a in zip(subject.args.names, subject.args.arrays, strict=True)
            if np.ndim(a) == 1 and bool(np.all(np.asarray(a) > 0))
        }
        return {**sizes, **scalars, **sums, **self.case.constants}

    def _p(self) -> int:
        """The number of parameters."""
        subject = self.case.subject
        return len(subject.labels if self.case.data else subject.params.vector)

    def _cases(self) -> list[tuple[str, float, list[tuple[float, Evidence]]]]:
        if self.cases is None:
            self.cases = []
            for variation in variations(self.case.given, self.case.subject.args, self._p()):
                try:
                    others = [(value, self._evidence(variation, *rest)) for value, *rest in variation.others]
                    if any(len(seen.names) != self.terms for _, seen in others):
                        continue  # terms that cannot be told apart at that size
                except Exception:  # the user's formulas do not work at that size: then it is not varied
                    continue
                self.cases.append((variation.name, variation.value, others))
        return self.cases

    def _evidence(self, variation: Variation, params: Any, arrays: Sequence[Any]) -> Evidence:
        subject, free = self.case.subject, self.case.free_scale
        if self.case.data:  # the arrays are the points
            subject = self.case.build(params, subject.args.rebuild(arrays))
            return evidence(subject, like(subject.params, POINTS, self.rng), free)
        if variation.same_shapes:
            return evidence(subject, random_points(subject.params, POINTS, self.rng), free, arrays)
        subject = self.case.build(params, subject.args.rebuild(arrays))
        return evidence(subject, random_points(subject.params, POINTS, self.rng), free)


def _sizes(subject: Subject, p: int) -> Iterator[tuple[str, float]]:
    """n and p as far as they can be guessed: where they were varied these are not used."""
    n = rows_of(list(map(np.zeros, subject.params.shapes)), subject.args)
    arrays: Sequence[Any] = ()
    if n is None and subject.program is not None:
        arrays = [ref.value for o in subject.program.operations for ref in o.inputs if not isinstance(ref, int)]
        lengths = [np.shape(a)[0] for a in arrays if np.ndim(a)]
        n = max(lengths, key=lengths.count) if lengths else None
    if n is not None:
        yield "n", n
    yield "p", p
