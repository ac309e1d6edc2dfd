"""Other data like the data given: what a closed form or a bound is compared at."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from jaxreg.checks.evaluation import Arrays
from jaxreg.checks.inputs import Arguments, Parameters

__all__ = ["as_parameters", "like", "unpack"]

# Every number of the data is changed by up to this share of itself: zeros stay zero and weights positive.
SPREAD = 0.5


def as_parameters(args: Arguments) -> Parameters:
    """The floating-point arrays of the arguments as one vector, in the place of parameters; numbers are left out."""
    varied = [array for array in args.arrays if _is_data(array)]
    vector, restore = ravel_pytree(varied) if varied else (jnp.zeros(1), lambda x: [])
    d = len(vector)
    return Parameters(vector, restore, tuple(f"data[{j}]" for j in range(d)), np.zeros(d, int), ("data",), ((d,),))


def like(data: Parameters, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, d): the data given, and others like them."""
    factors = 1 + SPREAD * rng.uniform(-1, 1, (count, len(data.vector)))
    factors[0] = 1
    return np.asarray(data.vector)[None] * factors


def unpack(x: jax.Array, data: Parameters, arrays: Arrays) -> Arrays:
    """The arrays of the arguments that a vector stands for; the others as they are."""
    varied = iter(data.restore(x))
    return [next(varied) if _is_data(array) else array for array in arrays]


def _is_data(array: ArrayLike) -> bool:
    return jnp.ndim(array) > 0 and bool(jnp.issubdtype(jnp.result_type(array), jnp.floating))
