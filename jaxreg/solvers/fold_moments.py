"""The moments of folds: of the rows that each holds out, and by subtraction of those that it trains on."""

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if, without_columns
from jaxreg.formulas.moments import Moments, all_but, lost, moments
from jaxreg.solvers.found import Arrays, Asked, Known
from jaxreg.solvers.members import by_moments_alone, engine
from jaxreg.solvers.moments_in_blocks import moments_of_folds, moments_of_parts

__all__ = ["KEPT_BYTES", "Kept", "kept_moments", "rest_of", "weights_of"]

# Of the digits of all rows' moments, so many may be lost by taking a fold's away.
MOST_LOST = 100.0
# Moments of all folds are kept up to this size; beyond, training means weights.
KEPT_BYTES = 2**29

Kept = tuple[Moments, Moments] | None


def weights_of(a: Arrays, held_out: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of training and of measuring, (n,) each."""
    s = jnp.ones((a.X.shape[0],), a.X.dtype) if a.sample_weight is None else a.sample_weight
    return jnp.where(held_out, 0.0, s), jnp.where(held_out, s, 0.0)


def kept_moments(asked: Asked, arrays: Arrays, held_out: jax.Array) -> Kept:
    """The moments of all rows, and of the rows that each fold holds out; None where they are not used or too large."""
    K, p, dtype = len(held_out), arrays.X.shape[1], arrays.X.dtype
    if by_moments_alone(asked):  # the folds are parts of the rows
        fold = jnp.argmax(held_out, axis=0).astype(jnp.int32)
        parts = moments_of_parts(arrays.X, arrays.Y, arrays.sample_weight, fold, K)
        return all_but(parts, K)[0], parts
    if engine(asked, arrays) != "moments" or K * p * p * dtype.itemsize > KEPT_BYTES:
        return None
    X, _ = without_columns(arrays.X, arrays.penalty_factor)
    return moments_of_folds(X, arrays.Y, arrays.sample_weight, held_out)


def rest_of(total: Moments, part: Moments, here: Arrays) -> Known:
    """All rows less those of a part; from the rows where too many digits would be lost."""
    rest = total - part
    times = jnp.where(part.weight > 0, lost(total, part, rest), 1.0)
    bad = ~(times <= MOST_LOST)
    rest = only_if(bad, lambda _: moments(here.X, here.Y, here.sample_weight), rest)
    return Known(rest, jnp.where(bad, 1.0, times))
