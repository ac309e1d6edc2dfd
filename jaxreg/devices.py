"""Several devices as one: the rows of a table divided among them, and the members of a batch.

What reads rows reads on each device those that lie there, and sums are added over the devices; what solves members
solves on each device its share of them (:mod:`jaxreg.solvers.divided`). A table whose rows are no multiple of the
number of devices is filled up with rows of weight 0, which count for nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

__all__ = ["AXIS", "Devices", "check_mesh", "dividing"]

# The axis of the mesh, whatever axes the caller's has.
AXIS = "jaxreg"


class Devices(NamedTuple):
    """Where a call computes, in place of one device.

    Attributes:
        mesh: of one axis. rows: of the table, before it is filled up.
    """

    mesh: Mesh
    rows: int

    @property
    def platform(self) -> str:
        return str(self.mesh.devices.flat[0].platform)

    @property
    def number(self) -> int:
        return int(self.mesh.devices.size)

    def filled_up(self, values: Any, axis: int = 0) -> Any:
        """With zeros, to a multiple of the number of devices along ``axis``."""
        widths = [(0, -values.shape[k] % self.number if k == axis else 0) for k in range(values.ndim)]
        return (jnp if isinstance(values, jax.Array) else np).pad(values, widths)

    def placed(self, values: Any) -> jax.Array:
        """Rows, each device having as many of them."""
        return jax.device_put(self.filled_up(values), NamedSharding(self.mesh, PartitionSpec(AXIS)))


def dividing() -> int:
    """Among how many devices work is divided where this is traced: by a mesh of :class:`Devices` alone. Under the
    caller's own ``shard_map``, and within our own, a device does what it is given."""
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return int(mesh.shape[AXIS]) if types.get(AXIS) == AxisType.Auto else 1


def check_mesh(mesh: Any, device: Any, rows: int) -> Devices:
    """The devices that ``mesh`` means: a ``jax.sharding.Mesh`` (all of its devices), devices in a list, or how many.

    Raises:
        ValueError: more than there are; ``device`` is given too. TypeError: something else.
    """
    if device is not None:
        raise ValueError(f"device={device!r} and mesh are both given; mesh names all devices, leave device out.")
    if isinstance(mesh, int) and not isinstance(mesh, bool):
        there = jax.local_devices()
        if not 1 <= mesh <= len(there):
            raise ValueError(f"mesh={mesh}, and JAX has {len(there)} device{'s' * (len(there) > 1)} here.")
        chosen: Any = there[:mesh]
    elif isinstance(mesh, Mesh):
        chosen = mesh.devices.ravel()
    elif isinstance(mesh, Sequence) and mesh and all(isinstance(one, jax.Device) for one in mesh):
        chosen = mesh
    else:
        raise TypeError(f"mesh is {mesh!r}; it must be a jax.sharding.Mesh, a list of devices, or how many.")
    return Devices(Mesh(np.asarray(chosen), (AXIS,), axis_types=(AxisType.Auto,)), rows)
