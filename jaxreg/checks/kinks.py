"""Kinks: where a loss has no derivative, the value given must be a subgradient, and it is told which.

At a kink the derivative along u differs from the one along −u. Both are limits of ordinary derivatives,

    D₊(u) = lim ∇f(x + h u)·u,   D₋(u) = lim ∇f(x − h u)·u     for h ↓ 0

and g is in the (Clarke) subdifferential of f at x only if g·u lies between them for every direction u. That is asked
for each coordinate, for the direction in which g departs most from the middle, and for random ones. Where D₊ = D₋ for
every coordinate the point is no kink, and g must be the derivative.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxreg.checks.compare import Subject, each
from jaxreg.checks.points import KinkPoint
from jaxreg.checks.program import Program
from jaxreg.checks.report import Finding

__all__ = ["Kinks", "at_kinks"]

# h, relative to the size of the point; two of them, so that the error is of the order h².
STEP = 1e-6
TOLERANCE = 1e-7
# Coordinates looked at one by one at each point, and random directions besides.
COORDINATES, RANDOM = 24, 3


class Kinks(NamedTuple):
    """What was found at the points with kinks: slips, conventions in words, how many points have one, which are smooth."""

    findings: list[Finding]
    conventions: list[str]
    count: int
    smooth: list[np.ndarray]


def at_kinks(subject: Subject, points: Sequence[KinkPoint], rng: np.random.Generator, slack: float) -> Kinks:
    """Looks at every point on which there may be a kink."""
    findings: list[Finding] = []
    values: dict[tuple[str, str], set[str]] = {}
    count, smooth = 0, []
    vectors = np.stack([point.vector for point in points])
    claimed = each(subject.claimed, vectors, subject.args.arrays)
    for point, g in zip(points, claimed, strict=True):
        sides = _sides(subject, point.vector, rng)
        if sides is None:
            continue
        coordinates, low, high, left, right, scale = sides
        tolerance = (TOLERANCE + 100 * slack) * scale
        sharp = high - low > 10 * tolerance
        if not sharp.any():
            smooth.append(point.vector)
            continue
        count += 1
        bad = ~((g[coordinates] >= low - tolerance) & (g[coordinates] <= high + tolerance)) & sharp
        if not bad.any():
            bad = _outside_in_some_direction(subject, point.vector, g, coordinates, sharp, (low + high) / 2, rng, slack)
        for place in np.flatnonzero(bad)[:1]:
            j = coordinates[place]
            findings.append(_finding(subject, point, j, g[j], low[place], high[place]))
        for place in np.flatnonzero(sharp & ~bad):
            j = coordinates[place]
            share = (g[j] - left[place]) / (right[place] - left[place])
            kind, shown = _kinds(subject.program, point.vector, subject.args.arrays), ""
            shown = f"{_plain(2 * share - 1)} of [-1, 1]" if "max" not in kind else f"{_plain(share)} of [0, 1]"
            values.setdefault((kind, "where " + _condition(point, j, subject)), set()).add(shown)
    by_kind: dict[str, set[str]] = {}
    for (kind, _), shown in values.items():
        by_kind.setdefault(kind, set()).update(shown)
    conventions = [f"at the kink of {kind} the slope taken is {' and '.join(sorted(v))}" for kind, v in by_kind.items()]
    return Kinks(_distinct(findings), conventions, count, smooth)


def _sides(subject: Subject, x: np.ndarray, rng: np.random.Generator) -> Any:
    """For some coordinates: (coordinates, low, high, left, right, scale) of the one-sided derivatives."""
    d = len(x)
    zero = np.flatnonzero(x == 0)
    others = np.setdiff1d(np.arange(d), zero)
    order = np.concatenate([rng.permutation(zero), rng.permutation(others)])
    coordinates = np.sort(order[:COORDINATES])
    directions = np.eye(d)[coordinates]
    right, left = (_along(subject, x, sign * directions, coordinates) for sign in (1.0, -1.0))
    good = np.isfinite(right) & np.isfinite(left)
    if not good.any():
        return None
    coordinates, left, right = coordinates[good], left[good], right[good]
    scale = max(np.max(np.abs(left)), np.max(np.abs(right)), 1e-300)
    return coordinates, np.minimum(left, right), np.maximum(left, right), left, right, scale


def _along(subject: Subject, x: np.ndarray, directions: np.ndarray, coordinates: np.ndarray | None) -> np.ndarray:
    """lim ∇f(x + h u)·u for every direction u, signed: for −e_j it is ∂f/∂x_j from the left.

    With `coordinates` only those components of the gradient are taken: others may be at kinks of their own.
    """
    h = STEP * max(1.0, float(np.max(np.abs(x))))
    limit = []
    for step in (h, h / 2):
        gradients = each(subject.truth, x + step * directions, subject.args.arrays)
        if coordinates is not None:
            limit.append(gradients[np.arange(len(directions)), coordinates])
        else:
            limit.append(np.einsum("kd,kd->k", gradients, directions))
    return 2 * limit[1] - limit[0]


def _outside_in_some_direction(
    subject: Subject,
    x: np.ndarray,
    g: np.ndarray,
    coordinates: np.ndarray,
    sharp: np.ndarray,
    middle: np.ndarray,
    rng: np.random.Generator,
    slack: float,
) -> np.ndarray:
    """The coordinate in which g departs most, if along some direction it is no subgradient."""
    chosen = coordinates[sharp]
    departure = np.zeros(len(x))
    departure[chosen] = g[chosen] - middle[sharp]
    random = np.zeros((RANDOM, len(x)))
    random[:, chosen] = rng.normal(size=(RANDOM, len(chosen)))
    directions = np.concatenate([departure[None], random])
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions[norms[:, 0] > 0] / norms[norms[:, 0] > 0]
    up, down = _along(subject, x, directions, None), -_along(subject, x, -directions, None)
    low, high = np.minimum(up, down), np.maximum(up, down)
    along = directions @ np.where(np.isfinite(g), g, 0.0)
    tolerance = (TOLERANCE + 100 * slack) * max(float(np.nanmax(np.abs([low, high]))), 1e-300)
    outside = ((along < low - tolerance) | (along > high + tolerance)).any()
    worst = np.abs(departure[coordinates])
    return (worst == worst.max()) & sharp & bool(outside) & (np.cumsum(worst == worst.max()) == 1)


def _finding(subject: Subject, point: KinkPoint, j: int, value: float, low: float, high: float) -> Finding:
    label = subject.labels[j]
    if not np.isfinite(value):
        sentence = f"at the kink {_condition(point, j, subject)} the value for {label} is {value}"
    else:
        sentence = f"at the kink {_condition(point, j, subject)} the value for {label} is no subgradient: {value:.6g} is"
    return Finding("kink", f"{sentence} not in [{low:.6g}, {high:.6g}]", None, (label,))


def _condition(point: KinkPoint, j: int, subject: Subject) -> str:
    return f"{subject.labels[j]} = 0" if point.vector[j] == 0 else f"({point.name})"


def _kinds(program: Program | None, x: np.ndarray, arrays: Sequence[Any]) -> str:
    """Which operations of the loss are at their kink: "|·|", "max", "norm"."""
    if program is None:
        return "the loss"
    values: dict[int, Any] = dict(enumerate([jnp.asarray(x), *arrays]))
    program.run_into(values, {})
    found = []
    for operation in program.operations:
        inputs = [values[ref] if isinstance(ref, int) else ref.value for ref in operation.inputs]
        if operation.name in ("abs", "sign") and bool(jnp.any(inputs[0] == 0)):
            found.append("|·|")
        if operation.name in ("max", "min") and bool(jnp.any(inputs[0] == inputs[1])):
            found.append("max")
        if operation.name in ("reduce_max", "reduce_min"):
            found.append("max")
        if operation.name == "sqrt" and bool(jnp.any(inputs[0] == 0)):
            found.append("a norm")
    return ", ".join(dict.fromkeys(found)) or "the loss"


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
