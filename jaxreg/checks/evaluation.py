"""How formulas are evaluated: in float64, compiled where JAX can trace them, one point after the other."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from jaxreg.checks.inputs import Function, Tree

__all__ = ["NOT_TRACEABLE", "Arrays", "Part", "Vector", "each", "flat", "in_float64", "name_of"]

NOT_TRACEABLE = (
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)

# The arrays of the arguments; and a vector (d,) of a point (d,) and of these.
Arrays = Sequence[jax.Array]
Vector = Callable[[jax.Array, Arrays], jax.Array]


@dataclass(frozen=True)
class Part:
    """A part of what a function returns: the whole is compiled once for all its parts.

    ``of`` takes the part from an array whose last axes are those that the whole returns.
    """

    whole: Vector
    of: Callable[[Any], Any]

    def __call__(self, x: jax.Array, arrays: Arrays) -> jax.Array:
        return jnp.asarray(self.of(self.whole(x, arrays)))


@contextmanager
def in_float64() -> Iterator[None]:
    """Float64 and JAX's usual promotions, whatever the user's settings."""
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def each(function: Function, points: ArrayLike, arrays: Arrays) -> np.ndarray:
    """The function at every point; compiled, or where it is no JAX function, in NumPy.

    One point after the other: a program of one point is compiled once for all numbers of points, and where a solver is
    in it that is most of the time.
    """
    if isinstance(function, Part):
        return np.asarray(function.of(each(function.whole, points, arrays)))
    points = np.asarray(points)
    try:
        run, given = _compiled(function), [jnp.asarray(array) for array in arrays]
        return np.stack([np.asarray(value) for value in [run(x, given) for x in points]])
    except NOT_TRACEABLE:
        plain = [np.asarray(array) for array in arrays]
        return np.stack([np.asarray(function(np.asarray(x), plain)) for x in points])


# Compiling is most of a check. But without XLA's optimisation, which would halve it, the right gradient of a small
# network is accused at some of a thousand points.
@lru_cache(maxsize=32)
def _compiled(function: Function) -> Function:
    """The compiled function, kept for the next call with it."""
    return jax.jit(function)


def flat(tree: Tree) -> jax.Array:
    """A pytree of numbers as one vector of float64."""
    return ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree))[0]


def name_of(function: object) -> str:
    """What a function is called in a report."""
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
    return "the formula" if name in (None, "<lambda>") else str(name)
