"""In which precision and where it is computed: for one block and one thread, whatever the settings of the user are."""

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

import jax
import numpy as np

__all__ = ["computing", "find_device", "full_precision", "on_accelerator", "takes_double"]

F = TypeVar("F", bound=Callable[..., Any])


def find_device(device: Any) -> Any:
    """A jax.Device, by itself or by the name of its platform; None is JAX's default.

    Raises:
        ValueError: there is none.
    """
    if not isinstance(device, str):
        return device
    try:
        return jax.devices(device)[0]
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is not available: {error}") from None


def on_accelerator(device: Any) -> bool:
    """Whether the device, or JAX's default, is something else than a CPU."""
    return (jax.default_backend() if device is None else device.platform) != "cpu"


def takes_double(dtype: Any, device: Any) -> bool:
    """Whether it is computed in float64: always on a CPU, for float32 sums over many rows and factors of correlated
    columns lose what the data hold; on an accelerator as the caller's table is."""
    return dtype == np.float64 or not on_accelerator(device)


# A GPU multiplies float32 matrices in TF32 unless told otherwise: each factor is rounded to 10 bits, and a gap of 1e-5
# cannot be seen any more, let alone reached. The scope works while a function is traced, and for this thread alone: the
# products that are made in it carry the precision into whatever program, derivative or batch is made of them, and what
# the user has set counts outside of it as before. What JAX traces later, the rules of derivatives, needs it again.
def full_precision(function: F) -> F:
    """``function`` with its products of float32 in float32, on every device: a certificate rests on them."""

    @wraps(function)
    def exactly(*args: Any, **kwargs: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return exactly  # type: ignore[return-value]


@contextlib.contextmanager
def computing(double: bool, device: Any) -> Iterator[None]:
    """64-bit mode and the device, for this block and this thread alone; settings for finding faults do not reach in.

    Who gives NumPy arrays to jaxreg asks for their transfer, so a guard against transfers that nobody asked for lets
    them pass; one against all transfers ("disallow_explicit") does not. Infinities are no fault: they are "no bound".
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(double))
        if device:
            stack.enter_context(jax.default_device(device))
        for direction in ("host_to_device", "device_to_device", "device_to_host"):
            if getattr(jax.config, f"jax_transfer_guard_{direction}") in ("disallow", "log"):
                stack.enter_context(getattr(jax, f"transfer_guard_{direction}")("allow"))
        stack.enter_context(jax.debug_infs(False))
        yield
