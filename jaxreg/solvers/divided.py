"""The devices of a mesh, each with its share: of the rows where they are read, of the members where they are solved.

Where nothing is divided (:func:`jaxreg.devices.dividing`) these functions call what they are given, and do no more.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from jaxreg.devices import AXIS, dividing

__all__ = ["over_members", "over_rows"]


def over_rows(read: Callable[..., Any], merge: Callable[[Any, Any], Any], *rows: Any) -> Any:
    """``read(*rows)`` of each device's own rows, merged in the order of the rows.

    Args:
        rows: arrays whose leading axis is a multiple of the number of devices.
    """
    D = dividing()
    if D == 1:
        return read(*rows)
    of_one = lambda *rows: jax.tree.map(lambda v: v[None], read(*rows))
    parts = jax.shard_map(of_one, in_specs=PartitionSpec(AXIS), out_specs=PartitionSpec(AXIS))(*rows)
    at = lambda d: jax.tree.map(lambda v: v[d], parts)
    whole = at(0)
    for d in range(1, D):
        whole = merge(whole, at(d))
    return whole


def over_members(solve: Callable[..., Any], members: Any, shared: Any = ()) -> Any:
    """``solve(members, shared)``, each device solving its share of the members.

    Args:
        members: arrays with a leading axis B. Where B is no multiple of the number of devices, the last member is
            solved more than once. shared: arrays that each device needs whole.

    Returns:
        What ``solve`` returns, arrays with a leading axis B.
    """
    D = dividing()
    if D == 1:
        return solve(members, shared)
    B = jax.tree.leaves(members)[0].shape[0]
    fill = lambda v: jnp.pad(v, [(0, -B % D)] + [(0, 0)] * (v.ndim - 1), mode="edge")
    specs = PartitionSpec(AXIS), PartitionSpec()
    solved = jax.shard_map(solve, in_specs=specs, out_specs=PartitionSpec(AXIS))(jax.tree.map(fill, members), shared)
    return jax.tree.map(lambda v: v[:B], solved)
