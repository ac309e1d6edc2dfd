"""A grid shared out among the cores of a CPU: the same program on several shares of the members, side by side.

A step multiplies thin matrices, (members, p) by (p, n). As long as they are too small to be divided among threads by
the compiler, the members can be, since they are independent; and a small share stays in a core's cache.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.training.loop import Training
from jaxreg.training.programs import Recipe, program

__all__ = ["joined", "rows_of", "run_side_by_side", "share_of"]

# Members × numbers in the data that make a share (2 MB of float64: what a step makes of them fits a core's cache),
# unless that is fewer members than are worth a product.
SHARE_OF_WORK, SMALLEST_SHARE = 2**18, 8


def rows_of(grid: dict[str, jax.Array], members: np.ndarray) -> dict[str, Any]:
    """The grid of these members; sliced by NumPy where it can be (keys and tracers it cannot), which is quicker."""

    def rows(values: jax.Array) -> Any:
        plain = not isinstance(values, jax.core.Tracer) and isinstance(values.dtype, np.dtype)
        return jnp.asarray(np.asarray(values)[members]) if plain else values[members]

    return {name: rows(values) for name, values in grid.items()}


def share_of(block: int, grid: Any, args: Any) -> int:
    """How many members make one program: the whole block on a GPU, within another program, or on large data."""
    leaves = jax.tree.leaves((grid, args))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return block  # within another program
    devices = set().union(*(leaf.devices() for leaf in leaves if isinstance(leaf, jax.Array)))
    share = SHARE_OF_WORK // max(sum(np.size(leaf) for leaf in jax.tree.leaves(args)), 1)
    if len(devices) != 1 or next(iter(devices)).platform != "cpu" or share < SMALLEST_SHARE:
        return block
    return min(block, max(SMALLEST_SHARE, min(share, math.ceil(block / cores()))))


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_side_by_side(
    recipe: Recipe, params: Any, hypers: list[dict[str, Any]], args: tuple, tol: Any, key: Any
) -> list[Training]:
    """One program on several grids: JAX runs side by side what different threads have started.

    JAX's settings (64-bit mode, for one) belong to a thread. So tracing, compiling and all conversions are done here;
    the threads start what is ready.
    """
    args, tol, key = jax.tree.map(jnp.asarray, (args, tol, key))
    compiled = program.lower(recipe, params, hypers[0], args, tol, key).compile()
    with ThreadPoolExecutor(min(len(hypers), cores())) as pool:
        return list(pool.map(lambda hyper: compiled(params, hyper, args, tol, key), hypers))


@partial(jax.jit, static_argnames=("counts",))
def joined(parts: list[Training], counts: tuple[int, ...]) -> Training:
    return jax.tree.map(lambda *a: jnp.concatenate([x[:c] for x, c in zip(a, counts, strict=True)]), *parts)
