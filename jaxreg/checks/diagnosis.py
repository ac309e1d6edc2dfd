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

from collections.abc import Sequence

import numpy as np

from jaxreg.checks.coefficients import Coefficients, Explanation
from jaxreg.checks.evidence import POINTS, Evidence, evidence
from jaxreg.checks.fits import Fit, fit, ratio
from jaxreg.checks.report import Finding
from jaxreg.checks.slips import slips
from jaxreg.checks.subjects import Check

__all__ = ["diagnose"]

Explained = Sequence[Explanation | Finding] | None


def diagnose(check: Check, points: np.ndarray, wrong: np.ndarray, rng: np.random.Generator) -> list[Finding]:
    """The findings for a claim that disagrees at the coordinates ``wrong``, (d,) booleans."""
    seen = evidence(check.subject, points[:POINTS], check.free_scale)
    if not len(seen.points):
        return []
    coefficients = Coefficients(check, rng, len(seen.names))
    for explain in (_whole, _terms, _coordinates, _terms_and_coordinates):
        found = explain(seen, wrong, check)
        if found is not None:
            return [item if isinstance(item, Finding) else coefficients.finding(item) for item in found]
    second: list[Finding] = []
    for slip in slips(check, seen.points):
        other = fit(seen.claimed, slip.terms, slack=check.slack)
        bad = _wrong(other)
        if not other.exact or (slip.needs is not None and not slip.needs(other.coefficients)):
            continue
        if slip.needs is not None or not bad:
            return [slip.finding]
        if len(bad) == 1 and not second:  # a slip and a factor besides: kept, if no single slip explains all
            name = check.subject.names[bad[0]]
            factor = Explanation(name, (), float(other.coefficients[bad[0]]), lambda e: float("nan"))
            second = [slip.finding, coefficients.finding(factor)]
    if second:
        return second
    return _order(seen, check) or []


def _wrong(found: Fit) -> list[int]:
    return [k for k, a in enumerate(found.coefficients) if found.known[k] and abs(a - 1) > found.accuracy[k]]


def _whole(seen: Evidence, wrong: np.ndarray, check: Check) -> Explained:
    c = ratio(seen.claimed, seen.truth, slack=check.slack)
    if c is None or check.free_scale:
        return None
    name = seen.names[0] if check.data and len(seen.names) == 1 else None  # of a closed form, against the first term
    return [Explanation(name, (), c, lambda e: _number(ratio(e.claimed, e.truth)))]


def _terms(seen: Evidence, wrong: np.ndarray, check: Check) -> Explained:
    found = fit(seen.claimed, seen.terms, slack=check.slack)
    if len(seen.names) < 2 or not found.exact:
        return None
    again = lambda k: lambda e: float(fit(e.claimed, e.terms).coefficients[k])
    return [Explanation(seen.names[k], (), float(found.coefficients[k]), again(k)) for k in _wrong(found)]


def _coordinates(seen: Evidence, wrong: np.ndarray, check: Check) -> Explained:
    """All is right but at the coordinates ``wrong``."""
    if wrong.all():
        return None
    where = _where(wrong, check)
    found = fit(seen.claimed, seen.terms, wrong, check.slack)
    c = ratio(seen.claimed, seen.truth, wrong, check.slack)
    if c is not None:
        names = [name for name, known in zip(seen.names, found.known, strict=True) if known]
        again = lambda e: _number(ratio(e.claimed, e.truth, wrong))
        return [Explanation(names[0] if len(names) == 1 else None, where, c, again)]
    bad = _wrong(found)
    if found.exact and found.known.sum() >= 2 and bad:
        each_again = lambda k: lambda e: float(fit(e.claimed, e.terms, wrong).coefficients[k])
        return [Explanation(seen.names[k], where, float(found.coefficients[k]), each_again(k)) for k in bad]
    return _penalised(seen, wrong, where, check)


def _penalised(seen: Evidence, wrong: np.ndarray, where: tuple[str, ...], check: Check) -> Explained:
    """A multiple of `θ_j` or `sign(θ_j)` too much, where no term of the loss has one; or too little."""
    if seen.points.shape != seen.claimed.shape:
        return None
    extra = (seen.claimed - seen.truth)[:, wrong]
    for shape in (lambda x: x, np.sign):
        direction = shape(seen.points)
        c = ratio(extra, direction[:, wrong], slack=check.slack)
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


def _terms_and_coordinates(seen: Evidence, wrong: np.ndarray, check: Check) -> Explained:
    """Other coefficients everywhere but at one coordinate or leaf, and something else there."""
    leaves = check.subject.leaves
    d = len(leaves)
    places = [np.arange(d) == j for j in range(min(d, 24))] + [leaves == leaf for leaf in np.unique(leaves)]
    for place in places:
        if place.all() or d < 3:
            continue
        found = fit(seen.claimed, seen.terms, ~place, check.slack)
        bad = _wrong(found)
        if not found.exact or not bad or not found.known.all():
            continue
        again = lambda k, p=place: lambda e: float(fit(e.claimed, e.terms, ~p).coefficients[k])
        parts: list[Explanation | Finding] = [
            Explanation(seen.names[k], (), float(found.coefficients[k]), again(k)) for k in bad
        ]
        repaired = seen._replace(terms=seen.terms * found.coefficients[None, :, None])
        rest = _coordinates(repaired, place, check)
        if rest is not None:
            return parts + [r for r in rest if not (isinstance(r, Explanation) and abs(r.coefficient - 1) < 1e-9)]
    return None


def _order(seen: Evidence, check: Check) -> list[Finding] | None:
    """The truth in another order."""
    d, subject = seen.claimed.shape[1], check.subject
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
        if fit(seen.claimed, seen.truth[:, None, order], slack=check.slack).exact:
            return [Finding(kind, sentence)]
    return None


def _where(wrong: np.ndarray, check: Check) -> tuple[str, ...]:
    """The names of the coordinates, or of whole leaves."""
    subject, names = check.subject, []
    for leaf in np.unique(subject.leaves[wrong]):
        inside = subject.leaves == leaf
        own = len(subject.labels) == len(subject.params.labels) and leaf < len(subject.params.leaf_names)
        whole = wrong[inside].all() and own
        names += [subject.params.leaf_names[leaf]] if whole else list(np.array(subject.labels)[inside & wrong])
    return tuple(map(str, names))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
