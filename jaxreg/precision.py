"""In which precision and where it is computed: for one block and one thread, whatever the settings of the user are."""

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

import jax
import numpy as np

from jaxreg.devices import Devices

__all__ = ["computing", "device_of", "find_device", "full_precision", "host", "on_accelerator", "takes_double"]

F = TypeVar("F", bound=Callable[..., Any])


def find_device(device: Any) -> Any:
    """A jax.Device, by itself or by the name of its platform; None is JAX's default.

    Raises:
        ValueError: there is none.
    """
    if not isinstance(device, str):
        return device
    try:
        return jax.local_devices(backend=device)[0]
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is not available: {error}") from None


def host() -> Any:
    """The CPU; None, which is JAX's default, where JAX was told to do without one (``JAX_PLATFORMS=cuda``)."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def device_of(device: Any, *arrays: Any) -> Any:
    """Where a call computes: where the user has put the first of the arrays that lies on one device by their will
    (``jax.device_put(X, device)``); else what the call names; else what ``jax.default_device`` names; None is JAX's own
    default. Traced arrays lie nowhere yet.

    Raises:
        ValueError: the two differ; there is no such device.
    """
    named = find_device(device)
    for array in arrays:
        if isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer) and array.committed:
            (lies, *others) = array.devices()
            if named is not None and named != lies and not others:
                raise ValueError(
                    f"device={device!r}, but the data lie on {lies}; leave device out, or move them by jax.device_put."
                )
            if not others:
                usual = named is None and jax.config.jax_default_device is None and lies == jax.local_devices()[0]
                return None if usual else lies  # the programs are those of data that lie nowhere
    return find_device(jax.config.jax_default_device) if named is None else named


def on_accelerator(device: Any = None) -> bool:
    """Whether the device is something else than a CPU; None is the one that ``jax.default_device`` names, as
    :func:`computing` and the pure functions have it do, or JAX's own default."""
    device = jax.config.jax_default_device if device is None else device
    return (jax.default_backend() if device is None else getattr(device, "platform", device)) != "cpu"


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
        if isinstance(device, Devices):
            stack.enter_context(jax.set_mesh(device.mesh))
        elif device:
            stack.enter_context(jax.default_device(device))
        for direction in ("host_to_device", "device_to_device", "device_to_host"):
            if getattr(jax.config, f"jax_transfer_guard_{direction}") in ("disallow", "log"):
                stack.enter_context(getattr(jax, f"transfer_guard_{direction}")("allow"))
        stack.enter_context(jax.debug_infs(False))
        yield
