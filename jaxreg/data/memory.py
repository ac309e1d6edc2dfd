"""How much a block of work may hold: a share of what is free on the device; and what is done where it was too much."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import jax

from jaxreg.devices import Devices
from jaxreg.precision import find_device

__all__ = ["SHARE", "block_bytes", "in_less_memory", "said_clearly"]

R = TypeVar("R")

# The work arrays of a block may take so much of what is free; the rest is for tables, results and fragments.
SHARE = 0.5


def block_bytes(device: Any, of_host: int) -> int:
    """Bytes for the work arrays of a block.

    Args:
        device: a jax.Device, or several that share the members; None is that which
            ``jax.default_device`` names, or JAX's own default.
        of_host: what a CPU takes, which does not say what is free, and any other device that does not.
    """
    if isinstance(device, Devices):
        return device.number * block_bytes(device.mesh.devices.flat[0], of_host)
    device = find_device(jax.config.jax_default_device) if device is None else device
    device = jax.local_devices()[0] if device is None else device
    said: Any = getattr(device, "memory_stats", lambda: None)() or {}
    if "bytes_limit" not in said:
        return of_host
    return max(1, int(SHARE * (said["bytes_limit"] - said.get("bytes_in_use", 0))))


def in_less_memory(solve: Callable[[int], R], length: int, what: str) -> R:
    """``solve(length)``, in blocks of so many; where the device has no memory for one, of half as many, and so on.

    Args:
        what: of what a block holds so many, in words.

    Raises:
        MemoryError: there is none for a single one.
    """
    while True:
        try:
            with said_clearly(what if length == 1 else None):
                return solve(length)
        except jax.errors.JaxRuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            length = -(-length // 2)


@contextmanager
def said_clearly(what: str | None) -> Iterator[None]:
    """An error of XLA's for want of memory as a MemoryError of one line; ``what`` is None where it is to stay.

    Raises:
        MemoryError: there was not enough of it for ``what``.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if what is None or not _is_out_of_memory(error):
            raise
        said = str(error).splitlines()[0].removeprefix("RESOURCE_EXHAUSTED: ")
        raise MemoryError(
            f"the device has no memory for {what} ({said}); give fewer rows or columns, float32, or device='cpu'."
        ) from None


def _is_out_of_memory(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error)
