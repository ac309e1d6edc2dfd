"""A grid shared out among the cores of a CPU: the same program on several shares of the members, side by side.

A step multiplies thin matrices, (members, p) by (p, n). As long as they are too small to be divided among threads by
the compiler, the members can be, since they are independent; and a small share stays in a core's cache.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxreg.devices import AXIS, Devices
from jaxreg.training.arguments import Tree
from jaxreg.training.programs import Inputs, Member, Recipe, program
from jaxreg.training.result import Training

__all__ = ["divided", "joined", "rows_of", "run_side_by_side", "share_of"]

# Members × numbers in the data that make a share (2 MB of float64: what a step makes of them fits a core's cache),
# unless that is fewer members than are worth a product.
SHARE_OF_WORK, SMALLEST_SHARE = 2**18, 8


def rows_of(members: Member, places: np.ndarray) -> Member:
    """These members; sliced by NumPy where they can be (keys and tracers cannot), which is quicker."""

    def rows(values: jax.Array) -> jax.Array:
        plain = not isinstance(values, jax.core.Tracer) and isinstance(values.dtype, np.dtype)
        return jnp.asarray(np.asarray(values)[places]) if plain else values[places]

    return jax.tree.map(rows, members)


def divided(devices: Devices, tree: Tree, whole: bool = False) -> Tree:
    """Arrays on all devices, each holding its share of the leading axis, or the ``whole``."""
    where = NamedSharding(devices.mesh, PartitionSpec() if whole else PartitionSpec(AXIS))
    place = lambda leaf: jax.device_put(leaf, where) if isinstance(leaf, (jax.Array, np.ndarray)) else leaf
    return jax.tree.map(place, tree)


def share_of(block: int, members: Member, args: Tree) -> int:
    """How many members make one program: the whole block on a GPU, within another program, or on large data."""
    leaves = jax.tree.leaves((members, args))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return block  # within another program
    devices = set().union(*(leaf.devices() for leaf in leaves if isinstance(leaf, jax.Array)))
    share = SHARE_OF_WORK // max(sum(np.size(leaf) for leaf in jax.tree.leaves(args)), 1)
    if len(devices) != 1 or next(iter(devices)).platform != "cpu" or share < SMALLEST_SHARE:
        return block
    return min(block, max(SMALLEST_SHARE, min(share, math.ceil(block / cores()))))


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_side_by_side(recipe: Recipe, inputs: Inputs, shares: list[Member]) -> list[Training]:
    """One program on several grids: JAX runs side by side what different threads have started.

    JAX's settings (64-bit mode, for one) belong to a thread. So tracing, compiling and all conversions are done here;
    the threads start what is ready.
    """
    inputs = jax.tree.map(jnp.asarray, inputs)
    compiled = program.lower(recipe, inputs, shares[0]).compile()
    with ThreadPoolExecutor(min(len(shares), cores())) as pool:
        return list(pool.map(lambda share: compiled(inputs, share), shares))


@partial(jax.jit, static_argnames=("counts",))
def joined(parts: list[Training], counts: tuple[int, ...]) -> Training:
    return jax.tree.map(lambda *a: jnp.concatenate([x[:c] for x, c in zip(a, counts, strict=True)]), *parts)
