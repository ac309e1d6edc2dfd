"""A claimed vector beside the true one, at many points, with the rounding error of both measured."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.inputs import Arguments, Parameters
from jaxreg.checks.program import Program

__all__ = ["Measured", "Subject", "disagreement", "each", "lowest_precision", "measure"]

# Agreement, relative to the largest coordinate of a leaf; to it comes the rounding error, measured by moving the
# inputs by a few units in the last place. Sums of 10⁵ numbers stay below this, a slip in the eleventh digit does not.
TOLERANCE = 1e-11
# How many times the measured rounding error two right formulas may differ by.
SAFETY = 64
NOT_TRACEABLE = (
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)

# A vector (d,) of a point (d,) and of the arrays of the arguments.
Vector = Callable[[jax.Array, Sequence[Any]], Any]


class Subject(NamedTuple):
    """What is compared.

    Attributes:
        params, args: the inputs; labels: (d,) the name of each coordinate that is compared.
        leaves: (d,) which belong together.
        claimed: the vector of the hand-derived formula.
        truth: the vector that it should be.
        terms: (K, d), which add up to the truth; with changes made to the program of the loss.
        names: (K,) of the terms.
        program: of the loss, inputs the vector of parameters and the arrays; None where there is none to look into.
        value_names: of its inputs and of the leaves of the parameters.
        value: the loss, of the vector and the arrays; None where the truth is not the gradient of one.
        rebuild: the same comparison with other arrays, of other shapes perhaps.
        smooth: the claim away from kinks, which is what a diagnosis looks at; None where that is the claim itself.
    """

    params: Parameters
    args: Arguments
    labels: tuple[str, ...]
    leaves: np.ndarray
    claimed: Vector
    truth: Vector
    terms: Callable[..., Any]
    names: tuple[str, ...]
    program: Program | None = None
    value_names: Mapping[int, str] = MappingProxyType({})
    value: Callable[..., Any] | None = None
    rebuild: Callable[[Sequence[Any]], Any] | None = None
    smooth: Vector | None = None


class Measured(NamedTuple):
    """Values at P points: claimed, truth and the difference that rounding may make, each (P, d)."""

    points: np.ndarray
    claimed: np.ndarray
    truth: np.ndarray
    allowed: np.ndarray


def each(function: Callable[..., Any], points: Any, arrays: Sequence[Any]) -> np.ndarray:
    """The function at every point; compiled, or where it is no JAX function, in NumPy.

    One point after the other: a program of one point is compiled once for all numbers of points, and where a solver is
    in it that is most of the time.
    """
    points = np.asarray(points)
    try:
        run, given = _compiled(function), [jnp.asarray(array) for array in arrays]
        return np.stack([np.asarray(value) for value in [run(x, given) for x in points]])
    except NOT_TRACEABLE:
        plain = [np.asarray(array) for array in arrays]
        return np.stack([np.asarray(function(np.asarray(x), plain)) for x in points])


@lru_cache(maxsize=32)
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The compiled function, kept for the next call with it."""
    return jax.jit(function)


def measure(subject: Subject, points: np.ndarray, rng: np.random.Generator, eps: float) -> Measured:
    """Compares at (P, d) points. `eps`: the unit of the last place of the precision in which the formulas compute."""
    arrays = subject.args.arrays
    claimed, truth = (each(f, points, arrays) for f in (subject.claimed, subject.truth))
    moved_points, moved_arrays = moved(points, arrays, rng, eps)
    moved_claim, moved_truth = (each(f, moved_points, moved_arrays) for f in (subject.claimed, subject.truth))
    with np.errstate(invalid="ignore", over="ignore"):  # points at which the loss overflows are left out afterwards
        noise = np.maximum(np.abs(moved_claim - claimed), np.abs(moved_truth - truth))
        return Measured(points, claimed, truth, allowed(truth, noise, subject.leaves, eps))


def moved(points: Any, arrays: Sequence[Any], rng: np.random.Generator, eps: float) -> tuple[Any, list[Any]]:
    """The inputs, each number moved by up to four units in the last place."""

    def move(values: Any) -> Any:
        if not jnp.issubdtype(jnp.result_type(values), jnp.floating):
            return values
        return values * (1 + 4 * eps * rng.uniform(-1, 1, np.shape(values)))

    return move(points), [move(array) for array in arrays]


def allowed(truth: Any, noise: Any, leaves: np.ndarray, eps: float) -> Any:
    """How far a right formula may be from the truth, (P, d)."""
    scale = np.zeros_like(truth)
    for leaf in np.unique(leaves):
        inside = leaves == leaf
        scale[:, inside] = np.max(np.abs(truth[:, inside]), axis=1, keepdims=True)
    everywhere = np.max(np.abs(truth), axis=1, keepdims=True)
    relative = TOLERANCE if eps < 1e-12 else 16 * eps
    # A coordinate may be 0 by cancellation while others are not; the noise of neighbours is taken as its own.
    around = np.max(noise, axis=1, keepdims=True)
    return relative * scale + SAFETY * noise + around + 16 * eps * everywhere


def disagreement(measured: Measured) -> np.ndarray:
    """(P, d) booleans: where a finite truth is not met, to the accuracy that rounding allows."""
    good = np.isfinite(measured.truth)
    with np.errstate(invalid="ignore"):
        return good & ~(np.abs(measured.claimed - measured.truth) <= measured.allowed)


def lowest_precision(*programs: Program | None) -> float:
    """The unit of the last place of the coarsest floating type in which the programs compute; float64 if none does."""
    found = [
        float(jnp.finfo(dtype).eps)
        for program in programs
        if program is not None
        for operation in program.operations
        for dtype in operation.dtypes
        if jnp.issubdtype(dtype, jnp.floating)
    ]
    return max(found, default=float(np.finfo(np.float64).eps))
