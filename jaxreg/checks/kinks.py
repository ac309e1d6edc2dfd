"""Kinks: where a loss has no derivative, the value given must be a subgradient, and it is told which.

At a kink the derivative along u differs from the one along −u. Both are limits of ordinary derivatives,

    D₊(u) = lim ∇f(x + h u)·u,   D₋(u) = lim ∇f(x − h u)·u     for h ↓ 0

and g is in the (Clarke) subdifferential of f at x only if g·u lies between them for every direction u. That is asked
for each coordinate, for the direction in which g departs most from the middle, and for random ones. Where D₊ = D₋ for
every coordinate the point is no kink, and g must be the derivative. Automatic differentiation may be wrong there: of
relu(w) − relu(−w) = w, whose kinks cancel, it makes 0 at w = 0. Then g is held against the limits.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
    claimed = each(subject.claimed, np.stack([point.vector for point in points]), subject.args.arrays)
    sides = _sides(subject, points, rng)
    relative = TOLERANCE + 100 * slack
    sharp = [s.high - s.low > 10 * relative * s.scale for s in sides]
    smooth = [k for k, kink in enumerate(sharp) if len(kink) and not kink.any()]
    kinky = [k for k, kink in enumerate(sharp) if kink.any()]
    bad = {}
    for k in kinky:
        g, room = claimed[k][sides[k].coordinates], relative * sides[k].scale
        bad[k] = ~((g >= sides[k].low - room) & (g <= sides[k].high + room)) & sharp[k]
    whole = [k for k in kinky if not bad[k].any()]
    for k, found in zip(whole, _outside(subject, points, claimed, sides, sharp, whole, rng, relative), strict=True):
        bad[k] = found
    findings, notes, good = _cancelled(subject, points, claimed, sides, smooth, relative)
    values: dict[str, set[str]] = {}
    kinds = _kinds(subject.program)
    for k in kinky:
        side, g = sides[k], claimed[k]
        for place in np.flatnonzero(bad[k])[:1]:
            j = side.coordinates[place]
            findings.append(_finding(subject, points[k], j, g[j], side.low[place], side.high[place]))
        kind = kinds(points[k].vector, subject.args.arrays)
        for place in np.flatnonzero(sharp[k] & ~bad[k]):
            share = (g[side.coordinates[place]] - side.left[place]) / (side.right[place] - side.left[place])
            shown = f"{_plain(share)} of [0, 1]" if kind == "max" else f"{_plain(2 * share - 1)} of [-1, 1]"
            values.setdefault(kind, set()).add(shown)
    conventions = [f"at the kink of {kind} the slope taken is {' and '.join(sorted(v))}" for kind, v in values.items()]
    return Kinks(_distinct(findings), conventions, len(kinky), [points[k].vector for k in good], notes)


def _cancelled(
    subject: Subject,
    points: Sequence[KinkPoint],
    claimed: np.ndarray,
    sides: list["Sides"],
    smooth: list[int],
    relative: float,
) -> tuple[list[Finding], list[str], list[int]]:
    """Points that are no kinks of the loss: slips and a note where automatic differentiation errs, and the others."""
    findings: list[Finding] = []
    notes: dict[str, str] = {}
    good = []
    truth = each(subject.truth, np.stack([points[k].vector for k in smooth]), subject.args.arrays) if smooth else ()
    for k, automatic in zip(smooth, truth, strict=True):
        side, room = sides[k], 10 * relative * sides[k].scale
        middle = (side.low + side.high) / 2
        errs = np.abs(automatic[side.coordinates] - middle) > room  # False for NaN, which is reported elsewhere
        if not errs.any():
            good.append(k)
            continue
        wrong = ~(np.abs(claimed[k][side.coordinates] - middle) <= room)
        for place in np.flatnonzero(wrong)[:1]:
            j = side.coordinates[place]
            where = f"where {_condition(points[k], j, subject)}"
            sentence = f"{where}, which is no kink, the value for {subject.labels[j]} is {claimed[k][j]:.6g}"
            findings.append(
                Finding("kink", f"{sentence} and the slope {middle[place]:.6g}", None, (subject.labels[j],))
            )
        place = int(np.flatnonzero(errs)[0])
        j = side.coordinates[place]
        notes.setdefault(
            "errs",
            f"automatic differentiation of the loss errs where {_condition(points[k], j, subject)}: it makes "
            f"{automatic[j]:.6g} by {subject.labels[j]}, and the slope is {middle[place]:.6g} on both sides",
        )
    return findings, list(notes.values()), good


class Sides(NamedTuple):
    """One-sided derivatives by some coordinates of a point, from left and right; low ≤ high are the two."""

    coordinates: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @property
    def low(self) -> np.ndarray:
        return np.minimum(self.left, self.right)

    @property
    def high(self) -> np.ndarray:
        return np.maximum(self.left, self.right)

    @property
    def scale(self) -> float:
        return float(np.max(np.abs([self.left, self.right]), initial=1e-300))


def _sides(subject: Subject, points: Sequence[KinkPoint], rng: np.random.Generator) -> list[Sides]:
    """For each point and some of its coordinates, those at 0 first. Only the component moved is looked at: others may
    be at kinks of their own."""
    chosen, x, u = [], [], []
    for point in points:
        zero = np.flatnonzero(point.vector == 0)
        others = np.setdiff1d(np.arange(len(point.vector)), zero)
        coordinates = np.sort(np.concatenate([rng.permutation(zero), rng.permutation(others)])[:COORDINATES])
        directions = np.eye(len(point.vector))[coordinates]
        chosen.append(coordinates)
        x.append(np.tile(point.vector, (2 * len(coordinates), 1)))
        u.append(np.concatenate([directions, -directions]))
    limits = _limits(subject, np.concatenate(x), np.concatenate(u))
    found, start = [], 0
    for coordinates in chosen:
        k = len(coordinates)
        block, start = limits[start : start + 2 * k], start + 2 * k
        right, left = block[np.arange(k), coordinates], block[k + np.arange(k), coordinates]
        good = np.isfinite(right) & np.isfinite(left)
        found.append(Sides(coordinates[good], left[good], right[good]))
    return found


def _limits(subject: Subject, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """lim ∇f(x + h u) for h ↓ 0, (k, d), of the error h²: twice the value at h/2 less that at h."""
    h = STEP * np.maximum(1.0, np.max(np.abs(x), axis=1, keepdims=True))
    gradients = each(subject.truth, np.concatenate([x + h * u, x + h / 2 * u]), subject.args.arrays)
    whole, half = np.split(gradients, 2)
    return 2 * half - whole


def _outside(
    subject: Subject,
    points: Sequence[KinkPoint],
    claimed: np.ndarray,
    sides: list[Sides],
    sharp: list[np.ndarray],
    which: list[int],
    rng: np.random.Generator,
    relative: float,
) -> list[np.ndarray]:
    """For each point of `which`, whose value is right along every coordinate: booleans, true at the coordinate in which
    it departs most from the middle if along some other direction it is no subgradient."""
    if not which:
        return []
    x, u, departures = [], [], []
    for k in which:
        chosen = sides[k].coordinates[sharp[k]]
        departure = np.zeros(len(points[k].vector))
        departure[chosen] = claimed[k][chosen] - ((sides[k].low + sides[k].high) / 2)[sharp[k]]
        random = np.zeros((RANDOM, len(departure)))
        random[:, chosen] = rng.normal(size=(RANDOM, len(chosen)))
        if not departure.any():
            departure = random[0]
        directions = np.concatenate([departure[None], random])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        departures.append(departure)
        x.append(np.tile(points[k].vector, (2 * len(directions), 1)))
        u.append(np.concatenate([directions, -directions]))
    directions = np.concatenate(u)
    slopes = np.einsum("kd,kd->k", _limits(subject, np.concatenate(x), directions), directions)
    found = []
    for place, k in enumerate(which):
        mine = slice(2 * (RANDOM + 1) * place, 2 * (RANDOM + 1) * (place + 1))
        up, down = np.split(slopes[mine], 2)
        along = np.split(directions[mine], 2)[0] @ claimed[k]
        low, high = np.minimum(up, -down), np.maximum(up, -down)
        room = relative * max(float(np.nanmax(np.abs([low, high]))), 1e-300)
        worst = np.abs(departures[place][sides[k].coordinates]) * sharp[k]
        outside = bool(((along < low - room) | (along > high + room)).any())
        found.append((np.arange(len(worst)) == np.argmax(worst)) & outside)
    return found


def _finding(subject: Subject, point: KinkPoint, j: int, value: float, low: float, high: float) -> Finding:
    label = subject.labels[j]
    if not np.isfinite(value):
        sentence = f"at the kink {_condition(point, j, subject)} the value for {label} is {value}"
    else:
        sentence = (
            f"at the kink {_condition(point, j, subject)} the value for {label} is no subgradient: {value:.6g} is"
        )
    return Finding("kink", f"{sentence} not in [{low:.6g}, {high:.6g}]", None, (label,))


def _condition(point: KinkPoint, j: int, subject: Subject) -> str:
    return f"{subject.labels[j]} = 0" if point.vector[j] == 0 else f"({point.name})"


def _kinds(program: Program) -> Callable[[np.ndarray, Arrays], str]:
    """Which operations of the loss are at their kink at (x, arrays): "|·|", "max", "norm"."""
    words = {"abs": "|·|", "sign": "|·|", "max": "max", "min": "max", "reduce_max": "max", "reduce_min": "max"}
    kinky = [operation for operation in program.operations if operation.name in {*words, "sqrt"}]

    @jax.jit
    def at_kink(x: jax.Array, arrays: Arrays) -> list[jax.Array]:
        values: dict[int, Any] = dict(enumerate([x, *arrays]))
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
