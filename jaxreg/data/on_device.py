"""Tables that stay where they are: JAX arrays are looked at on their device, and never become NumPy arrays.

A few numbers come to the host, the largest entries and the sum of the weights; where they are not what they should be,
the checks of NumPy arrays say which entry is wrong.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data import inputs
from jaxreg.data.values import largest_of
from jaxreg.devices import Devices
from jaxreg.precision import computing, device_of, on_accelerator
from jaxreg.programs import compiled

__all__ = ["check_table", "stays"]


def stays(X: Any, device: Any, wanted: bool, grouped: bool = False, mesh: Any = None) -> bool:
    """Whether a table is solved where it lies: results are to stay on the device, X is an array on an accelerator, or
    its rows are divided among the devices of a mesh.

    Raises:
        ValueError: it is wanted of groups of rows.
    """
    if wanted and grouped:
        raise ValueError("device_arrays=True is for one table; leave by out, or the results come as NumPy arrays.")
    if mesh is not None and grouped:
        raise ValueError("mesh divides the rows of one table; leave by out.")
    if wanted or grouped or mesh is not None:
        return wanted or mesh is not None
    given = isinstance(X, jax.Array) and not isinstance(X, jax.core.Tracer) and X.ndim == 2
    return given and jnp.issubdtype(X.dtype, jnp.floating) and on_accelerator(device_of(device, X))


def check_table(X: Any, y: Any, sample_weight: Any, dtype: Any, device: Any) -> tuple[Any, Any, Any, bool]:
    """X (n, p), y (n, t) and weights (n,) or None, as JAX arrays, checked; and whether y was (n,).

    They are of the dtype that is asked for, or of that of X; X of float32 stays so where float64 is asked for.

    Args:
        X, y, sample_weight: JAX arrays are used as they are; all else is checked by NumPy, and handed over once.

    Raises:
        ValueError, TypeError: as for NumPy arrays.
    """
    if not _is_table(X):
        X = inputs.check_matrix(X, "X", None if getattr(X, "dtype", None) == np.float32 else dtype)
    n, dtype = X.shape[0], _dtype(X, dtype)
    own = X.dtype if X.dtype == np.float32 else dtype
    if not _is_table(y):
        y = inputs.check_target(y, n, dtype)
    elif y.ndim not in (1, 2) or y.shape[0] != n or 0 in y.shape:
        raise ValueError(f"X has {n} rows and y is {y.shape}; it must be ({n},) or ({n}, t).")
    if sample_weight is not None and not _is_table(sample_weight):
        sample_weight = inputs.check_weights(sample_weight, n, dtype)
    elif sample_weight is not None and sample_weight.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},); got {sample_weight.shape}.")
    with computing(dtype == np.float64, device):
        flat, others = y.ndim == 1, (y.reshape(n, -1), sample_weight)
        place: Any = jnp.asarray
        if isinstance(device, Devices):
            others = (others[0], np.ones(n) if sample_weight is None else sample_weight)
            place = lambda v, dtype: device.placed(v.astype(dtype))
        table = place(X, own), *jax.tree.map(lambda v: place(v, dtype), others)
        seen = [float(v) for v in _extremes(*table)]
    if not _is_right(seen, *table):
        inputs.check_matrix(X, "X", dtype)
        inputs.check_target(y, n, dtype)
        inputs.check_weights(sample_weight, n, dtype)
    return *table, flat


def _is_table(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating) and value.size > 0


def _dtype(X: Any, asked: Any) -> Any:
    """Float32 or float64, as of NumPy arrays."""
    return np.dtype(asked or (np.float32 if X.dtype == np.float32 else np.float64))


@compiled
def _extremes(X: jax.Array, y: jax.Array, s: jax.Array | None) -> tuple[jax.Array, ...]:
    """The largest sizes in X and y, the least weight and their sum; NaN where something is.

    XLA's maximum of a large array passes over NaN on a CPU.
    """
    s = jnp.ones((len(y),), y.dtype) if s is None else s
    size = lambda v: jnp.where(jnp.any(jnp.isnan(v)), jnp.nan, jnp.max(jnp.abs(v)))
    return size(X), size(y), jnp.min(s), jnp.sum(s)


def _is_right(seen: list[float], X: jax.Array, y: jax.Array, s: jax.Array | None) -> bool:
    x_size, y_size, least, total = seen
    smallest = float(np.sqrt(np.finfo(y.dtype).tiny)) * 1e8
    right = x_size <= largest_of(X) and (y_size == 0 or smallest <= y_size <= largest_of(y))
    return right and least >= 0 and 0 < total < np.inf
