"""Kinks: where a loss has no derivative, the value given must be a subgradient, and it is told which.

At a kink the derivative along u differs from the one along `−u`. Both are limits of ordinary derivatives,

    D₊(u) = lim ∇f(x + h u)·u,   D₋(u) = lim ∇f(x − h u)·u     for h ↓ 0

and g is in the (Clarke) subdifferential of f at x only if `g·u` lies between them for every direction u. That is asked
for each coordinate, for the direction in which g departs most from the middle, and for random ones. Where `D₊ = D₋` for
every coordinate the point is no kink, and g must be the derivative. Automatic differentiation may be wrong there: of
`relu(w) − relu(−w) = w`, whose kinks cancel, it makes 0 at `w = 0`. Then g is held against the limits.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.evaluation import Arrays, each
from jaxreg.checks.points import KinkPoint
from jaxreg.checks.program import Program
from jaxreg.checks.report import Finding
from jaxreg.checks.subjects import Subject

__all__ = ["Kinks", "at_kinks"]

# h, relative to the size of the point; two of them, so that the error is of the order h².
STEP = 1e-6
TOLERANCE = 1e-7
# Coordinates looked at one by one at each point, and random directions besides.
COORDINATES, RANDOM = 24, 3


class Kinks(NamedTuple):
    """What was found: slips, conventions in words, how many points have a kink, and those that have none; notes."""

    findings: Sequence[Finding] = ()
    conventions: Sequence[str] = ()
    kinky: int = 0
    smooth: Sequence[np.ndarray] = ()
    notes: Sequence[str] = ()


def at_kinks(subject: Subject, points: Sequence[KinkPoint], rng: np.random.Generator, slack: float) -> Kinks:
    """Looks at every point on which there may be a kink, and where the loss is finite."""
    finite = np.isfinite(each(subject.loss.value, np.stack([point.vector for point in points]), subject.args.arrays))
    points = [point for point, good in zip(points, finite, strict=True) if good]
    if not points:
        return Kinks()
    relative = TOLERANCE + 100 * slack
    places = _places(subject, points, rng)
    kinky = [place for place in places if place.sharp(relative).any()]
    smooth = [place for place in places if len(place.left) and not place.sharp(relative).any()]
    bad = [place.sharp(relative) & ~place.between(relative) for place in kinky]
    whole = [k for k, wrong in enumerate(bad) if not wrong.any()]
    for k, wrong in zip(whole, _outside(subject, [kinky[k] for k in whole], rng, relative), strict=True):
        bad[k] = wrong
    findings, notes, good = _cancelled(subject, smooth, relative)
    values: dict[str, set[str]] = {}
    kinds = _kinds(subject.program)
    for place, wrong in zip(kinky, bad, strict=True):
        for at in np.flatnonzero(wrong)[:1]:
            findings.append(_finding(subject, place, at))
        kind = kinds(place.point.vector, subject.args.arrays)
        for at in np.flatnonzero(place.sharp(relative) & ~wrong):
            share = (place.values[at] - place.left[at]) / (place.right[at] - place.left[at])
            shown = f"{_plain(share)} of [0, 1]" if kind == "max" else f"{_plain(2 * share - 1)} of [-1, 1]"
            values.setdefault(kind, set()).add(shown)
    conventions = [f"at the kink of {kind} the slope taken is {' and '.join(sorted(v))}" for kind, v in values.items()]
    return Kinks(_distinct(findings), conventions, len(kinky), good, notes)


class Place(NamedTuple):
    """A point, the claim there (d,), and one-sided derivatives by some coordinates, from left and right."""

    point: KinkPoint
    claimed: np.ndarray
    coordinates: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @property
    def values(self) -> np.ndarray:
        return self.claimed[self.coordinates]

    @property
    def low(self) -> np.ndarray:
        return np.minimum(self.left, self.right)

    @property
    def high(self) -> np.ndarray:
        return np.maximum(self.left, self.right)

    @property
    def scale(self) -> float:
        return float(np.max(np.abs([self.left, self.right]), initial=1e-300))

    def sharp(self, relative: float) -> np.ndarray:
        """By which coordinates there is a kink."""
        return self.high - self.low > 10 * relative * self.scale

    def between(self, relative: float) -> np.ndarray:
        """By which coordinates the claim lies between the derivatives."""
        room = relative * self.scale
        return (self.values >= self.low - room) & (self.values <= self.high + room)


def _places(subject: Subject, points: Sequence[KinkPoint], rng: np.random.Generator) -> list[Place]:
    """For each point some of its coordinates, those at 0 first. Only the component moved is looked at: others may be at
    kinks of their own."""
    chosen, x, u = [], [], []
    for point in points:
        zero = np.flatnonzero(point.vector == 0)
        others = np.setdiff1d(np.arange(len(point.vector)), zero)
        coordinates = np.sort(np.concatenate([rng.permutation(zero), rng.permutation(others)])[:COORDINATES])
        directions = np.eye(len(point.vector))[coordinates]
        chosen.append(coordinates)
        x.append(np.tile(point.vector, (2 * len(coordinates), 1)))
        u.append(np.concatenate([directions, -directions]))
    claimed = each(subject.claimed, np.stack([point.vector for point in points]), subject.args.arrays)
    limits = _limits(subject, np.concatenate(x), np.concatenate(u))
    found, start = [], 0
    for point, claim, coordinates in zip(points, claimed, chosen, strict=True):
        k = len(coordinates)
        block, start = limits[start : start + 2 * k], start + 2 * k
        right, left = block[np.arange(k), coordinates], block[k + np.arange(k), coordinates]
        good = np.isfinite(right) & np.isfinite(left)
        found.append(Place(point, claim, coordinates[good], left[good], right[good]))
    return found


def _limits(subject: Subject, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """lim `∇f(x + h u)` for `h ↓ 0`, (k, d), of the error `h²`: twice the value at h/2 less that at h."""
    h = STEP * np.maximum(1.0, np.max(np.abs(x), axis=1, keepdims=True))
    gradients = each(subject.truth, np.concatenate([x + h * u, x + h / 2 * u]), subject.args.arrays)
    whole, half = np.split(gradients, 2)
    return 2 * half - whole


def _cancelled(
    subject: Subject, smooth: list[Place], relative: float
) -> tuple[list[Finding], list[str], list[np.ndarray]]:
    """Points that are no kinks of the loss: slips and a note where automatic differentiation errs, and the others."""
    findings: list[Finding] = []
    notes: list[str] = []
    good = []
    vectors = [place.point.vector for place in smooth]
    truth = each(subject.truth, np.stack(vectors), subject.args.arrays) if smooth else ()
    for place, automatic in zip(smooth, truth, strict=True):
        room, middle = 10 * relative * place.scale, (place.low + place.high) / 2
        errs = np.abs(automatic[place.coordinates] - middle) > room  # False for NaN, which is reported elsewhere
        if not errs.any():
            good.append(place.point.vector)
            continue
        for at in np.flatnonzero(~(np.abs(place.values - middle) <= room))[:1]:
            label, where = _names(subject, place, at)
            sentence = f"where {where}, which is no kink, the value for {label} is {place.values[at]:.6g}"
            findings.append(Finding("kink", f"{sentence} and the slope {middle[at]:.6g}", None, (label,)))
        at = int(np.flatnonzero(errs)[0])
        label, where = _names(subject, place, at)
        notes.append(
            f"automatic differentiation of the loss errs where {where}: it makes "
            f"{automatic[place.coordinates[at]]:.6g} by {label}, and the slope is {middle[at]:.6g} on both sides"
        )
    return findings, notes[:1], good


def _outside(subject: Subject, places: list[Place], rng: np.random.Generator, relative: float) -> list[np.ndarray]:
    """For each place, whose value is right along every coordinate: booleans, true at the coordinate in which it departs
    most from the middle if along some other direction it is no subgradient."""
    if not places:
        return []
    x, u, departures = [], [], []
    for place in places:
        sharp = place.sharp(relative)
        departure = np.where(sharp, place.values - (place.low + place.high) / 2, 0.0)
        random = np.zeros((RANDOM, len(sharp)))
        random[:, sharp] = rng.normal(size=(RANDOM, int(sharp.sum())))
        first = departure if departure.any() else random[0]
        directions = np.zeros((RANDOM + 1, len(place.claimed)))
        directions[:, place.coordinates] = np.concatenate([first[None], random])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        departures.append(np.abs(first))
        x.append(np.tile(place.point.vector, (2 * len(directions), 1)))
        u.append(np.concatenate([directions, -directions]))
    directions = np.concatenate(u)
    slopes = np.einsum("kd,kd->k", _limits(subject, np.concatenate(x), directions), directions)
    shape = len(places), 2, RANDOM + 1
    found = []
    for place, departure, (up, down), own in zip(
        places, departures, slopes.reshape(shape), directions.reshape(*shape, -1)[:, 0], strict=True
    ):
        along = own @ place.claimed
        low, high = np.minimum(up, -down), np.maximum(up, -down)
        room = relative * max(float(np.nanmax(np.abs([low, high]))), 1e-300)
        outside = bool(((along < low - room) | (along > high + room)).any())
        found.append((np.arange(len(departure)) == np.argmax(departure)) & outside)
    return found


def _finding(subject: Subject, place: Place, at: int) -> Finding:
    (label, where), value = _names(subject, place, at), place.values[at]
    said = f"no subgradient: {value:.6g} is" if np.isfinite(value) else str(value)
    sentence = f"at the kink {where} the value for {label} is {said} not in"
    return Finding("kink", f"{sentence} [{place.low[at]:.6g}, {place.high[at]:.6g}]", None, (label,))


def _names(subject: Subject, place: Place, at: int) -> tuple[str, str]:
    """The name of a coordinate, and the condition under which it is looked at."""
    j = place.coordinates[at]
    label = subject.labels[j]
    return label, f"{label} = 0" if place.point.vector[j] == 0 else f"({place.point.name})"


def _kinds(program: Program) -> Callable[[np.ndarray, Arrays], str]:
    """Which operations of the loss are at their kink at (x, arrays): ``"|·|"``, ``"max"``, ``"norm"``."""
    words = {"abs": "|·|", "sign": "|·|", "max": "max", "min": "max", "reduce_max": "max", "reduce_min": "max"}
    kinky = [operation for operation in program.operations if operation.name in {*words, "sqrt"}]

    @jax.jit
    def at_kink(x: jax.Array, arrays: Arrays) -> list[jax.Array]:
        values = dict(enumerate([x, *arrays]))
        program.run_into(values, {})
        found = []
        for operation in kinky:
            inputs = [values[ref] if isinstance(ref, int) else ref.value for ref in operation.inputs]
            if operation.name in ("reduce_max", "reduce_min"):
                found.append(jnp.ones((), bool))
            else:
                found.append(jnp.any(inputs[0] == (inputs[1] if operation.name in ("max", "min") else 0)))
        return found

    def kinds(x: np.ndarray, arrays: Arrays) -> str:
        there = [words.get(o.name, "a norm") for o, at in zip(kinky, at_kink(x, list(arrays)), strict=True) if at]
        return ", ".join(dict.fromkeys(there)) or "the loss"

    return kinds


def _plain(value: float) -> str:
    """0, 1, -1 or ½ where it is one of these."""
    for number, text in ((0.0, "0"), (1.0, "1"), (-1.0, "-1"), (0.5, "½"), (-0.5, "-½")):
        if abs(value - number) < 1e-5:
            return text
    return f"{value:.3g}"


def _distinct(findings: list[Finding]) -> list[Finding]:
    """One finding a coordinate."""
    found: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        found.setdefault(finding.where, finding)
    return list(found.values())[:4]
