"""Where the arrays of a run lie on a mesh, as JAX's types tell it: within a loop it must not change.

A type of JAX says over which axes of a ``shard_map`` a value varies, and, on a mesh of explicit axes, how it is divided
among the devices. Zeros that a run starts from vary over none and are divided by none; after one step they are as the
hyperparameters and the data are. So, on a mesh, each array of the run is selected between itself and itself by a
condition that depends on the step: the value is the same, the type is that of all that the step depends on, and the
compiler removes both the selection and the step.
"""

from functools import reduce

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

from jaxreg.training.arguments import Tree

__all__ = ["as_after", "members_placed", "on_a_mesh"]


def on_a_mesh() -> bool:
    return not jax.sharding.get_abstract_mesh().empty


def as_after(run: Tree, after: Tree, axes: int = 0) -> Tree:
    """The values of ``run``, with types as those of ``after``; ``axes`` leading axes (one, of members, or none)."""
    numbers = [leaf for leaf in jax.tree.leaves(after) if not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)]
    same = [jnp.all(leaf == leaf, axis=tuple(range(axes, leaf.ndim))) for leaf in numbers]
    condition = reduce(jnp.logical_or, same)

    def select(leaf: jax.Array) -> jax.Array:
        return jnp.where(jnp.expand_dims(condition, range(axes, leaf.ndim)), leaf, leaf)

    return jax.tree.map(select, run)


def members_placed(run: Tree, members: Tree) -> Tree:
    """On a mesh of explicit axes: the run's member axis divided as that of the members."""
    axes = [spec[0] for leaf in jax.tree.leaves(members) if (spec := _spec(leaf)) and spec[0] is not None]
    if not axes:
        return run

    def place(leaf: jax.Array) -> jax.Array:
        spec = (*_spec(leaf), *[None] * leaf.ndim)[: leaf.ndim]
        return leaf if spec[0] == axes[0] else jax.sharding.reshard(leaf, PartitionSpec(axes[0], *spec[1:]))

    return jax.tree.map(place, run)


def _spec(leaf: jax.Array) -> tuple:
    """How the axes are divided, where this is part of the type."""
    sharding = getattr(jax.typeof(leaf), "sharding", None)
    mesh = getattr(sharding, "mesh", None)
    explicit = mesh is not None and AxisType.Explicit in mesh.axis_types
    return tuple(sharding.spec) if explicit else ()  # type: ignore[union-attr]
