"""A claimed vector beside the true one, at many points, with the rounding error of both measured."""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.evaluation import Arrays, each
from jaxreg.checks.program import Program
from jaxreg.checks.subjects import Subject

__all__ = ["Measured", "allowed", "disagreement", "leaf_scale", "lowest_precision", "measure", "moved"]

Numbers = TypeVar("Numbers", np.ndarray, jax.Array)

# Agreement, relative to the largest coordinate of a leaf; to it comes the rounding error, measured by moving the
# inputs by a few units in the last place. Sums of 10⁵ numbers stay below this, a slip in the eleventh digit does not.
TOLERANCE = 1e-11
# How many times the measured rounding error two right formulas may differ by.
SAFETY = 64


class Measured(NamedTuple):
    """Values at P points: claimed, truth and the difference that rounding may make, each (P, d)."""

    points: np.ndarray
    claimed: np.ndarray
    truth: np.ndarray
    allowed: np.ndarray


def measure(subject: Subject, points: np.ndarray, rng: np.random.Generator, eps: float) -> Measured:
    """Compares at (P, d) points. ``eps``: the unit of the last place of the precision in which the formulas compute."""
    arrays = subject.args.arrays
    claimed, truth = (each(f, points, arrays) for f in (subject.claimed, subject.truth))
    moved_points, moved_arrays = moved(points, arrays, rng, eps)
    moved_claim, moved_truth = (each(f, moved_points, moved_arrays) for f in (subject.claimed, subject.truth))
    with np.errstate(invalid="ignore", over="ignore"):  # points at which the loss overflows are left out afterwards
        noise = np.maximum(np.abs(moved_claim - claimed), np.abs(moved_truth - truth))
        return Measured(points, claimed, truth, allowed(truth, noise, subject.leaves, eps))


def moved(points: np.ndarray, arrays: Arrays, rng: np.random.Generator, eps: float) -> tuple[np.ndarray, Arrays]:
    """The inputs, each number moved by up to four units in the last place."""

    def move(values: Numbers) -> Numbers:
        if not jnp.issubdtype(jnp.result_type(values), jnp.floating):
            return values
        return values * (1 + 4 * eps * rng.uniform(-1, 1, np.shape(values)))

    return move(points), [move(array) for array in arrays]


def leaf_scale(truth: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """(P, d): the largest number of the leaf that a coordinate belongs to, at each point."""
    scale = np.zeros_like(truth)
    for leaf in np.unique(leaves):
        inside = leaves == leaf
        scale[:, inside] = np.max(np.abs(truth[:, inside]), axis=1, keepdims=True)
    return scale


def allowed(truth: np.ndarray, noise: np.ndarray, leaves: np.ndarray, eps: float) -> np.ndarray:
    """How far a right formula may be from the truth, (P, d)."""
    everywhere = np.max(np.abs(truth), axis=1, keepdims=True)
    relative = TOLERANCE if eps < 1e-12 else 16 * eps
    # A coordinate may be 0 by cancellation while others are not; the noise of neighbours is taken as its own.
    around = np.max(noise, axis=1, keepdims=True)
    return relative * leaf_scale(truth, leaves) + SAFETY * noise + around + 16 * eps * everywhere


def disagreement(measured: Measured) -> np.ndarray:
    """(P, d) booleans: where a finite truth is not met, to the accuracy that rounding allows."""
    good = np.isfinite(measured.truth)
    with np.errstate(invalid="ignore"):
        return good & ~(np.abs(measured.claimed - measured.truth) <= measured.allowed)


def lowest_precision(*programs: Program) -> float:
    """The unit of the last place of the coarsest floating type in which the programs compute; float64 if none does."""
    found = [
        float(jnp.finfo(dtype).eps)
        for program in programs
        for operation in program.operations
        for dtype in operation.dtypes
        if jnp.issubdtype(dtype, jnp.floating)
    ]
    return max(found, default=float(np.finfo(np.float64).eps))
