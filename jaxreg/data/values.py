"""Numbers from outside as NumPy arrays of floats; what is none is refused by name and place."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxreg.data.frames import array_of, feature_names_of, refuse_lazy

__all__ = ["as_floats", "as_number", "check_finite", "check_magnitude", "largest_of", "place_of", "refuse_kinds"]


def as_number(value: Any) -> Any:
    """An array without axes as Python's number; everything else as it is."""
    return array_of(value).item() if hasattr(value, "__array__") and np.ndim(value) == 0 else value


def refuse_kinds(value: Any, name: str) -> None:
    """A TypeError for tracers, sparse, masked and lazy tables, moments, and mappings."""
    jax = sys.modules.get("jax")  # where it is not loaded, nothing is traced
    if jax is not None and isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"{name} is being traced by JAX (jit, vmap or grad), but this function works on NumPy arrays. "
            "Use its pure twin: jaxreg.solvers.fit, jaxreg.solvers.path or jaxreg.sweeps.cross_validate."
        )
    if type(value).__module__.startswith("scipy.sparse"):
        raise TypeError(f"{name} is a sparse matrix, which is not supported; use {name}.toarray() if memory allows.")
    if isinstance(value, np.matrix):
        raise TypeError(f"{name} is a np.matrix; use np.asarray({name}).")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be ignored; fill or drop the masked entries.")
    if all(hasattr(value, part) for part in ("x_mean", "xx", "xy", "yy")):
        raise TypeError(
            f"{name} are moments, and rows are needed; fit, path and sweep take moments by their own names."
        )
    if isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}; give an array or a data frame.")
    refuse_lazy(value, name)


def as_floats(value: Any, name: str, dtype: Any) -> np.ndarray:
    """``value`` as a native floating array; ``dtype`` None keeps float32 and makes all else float64."""
    refuse_kinds(value, name)
    try:
        array = array_of(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} is not a rectangular array: {error}") from None
    if np.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}.")
    if array.dtype.kind in "mM":
        raise ValueError(f"{name} has dtype {array.dtype}; encode dates and durations as numbers first.")
    if array.dtype.kind in "OUS":
        array = _parse(array, name, feature_names_of(value))
    if dtype is None:
        dtype = np.float32 if array.dtype == np.float32 else np.float64
    with np.errstate(over="ignore"):  # what does not fit becomes inf, and is then refused by name
        return np.asarray(array, dtype=dtype)


def _parse(array: np.ndarray, name: str, names: tuple[str, ...] | None) -> np.ndarray:
    """Text and objects as float64; missing values (None, NA) become NaN."""
    out = np.empty(array.shape, np.float64)
    for index in np.ndindex(array.shape):
        entry = array[index]
        missing = entry is None or type(entry).__name__ in ("NAType", "NaTType")
        try:
            out[index] = np.nan if missing else float(entry)
        except (TypeError, ValueError):
            raise ValueError(
                f"{place_of(name, index, names)} is {entry!r}, which is not a number; encode it first."
            ) from None
    return out


def place_of(name: str, index: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    """An entry in words: its row, and its column by name where there are names."""
    if not index:
        return name
    column = "" if len(index) == 1 else f", column {names[index[1]]!r}" if names else f", column {index[1]}"
    return f"{name} at row {index[0]}{column}" if len(index) > 1 or name in ("X", "y") else f"{name}[{index[0]}]"


def check_finite(values: np.ndarray, name: str, names: tuple[str, ...] | None) -> None:
    """A ValueError that names the first entry that is NaN or infinite."""
    if not np.isfinite([values.min(), values.max()]).all():  # NaN is both; no array is made where all is well
        finite = np.isfinite(values)
        index = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), values.shape))
        found = values[index]
        count = int((~finite).sum())
        what = "a missing value (NaN)" if np.isnan(found) else "infinite"
        advice = "drop or fill in" if np.isnan(found) else "drop or replace"
        more = "" if count == 1 else f" {count} entries are not finite."
        raise ValueError(f"{place_of(name, index, names)} is {what}; {advice} such rows.{more}")


def largest_of(values: Any) -> float:
    """The largest number whose squares can be summed over the whole array."""
    return float(np.sqrt(np.finfo(values.dtype).max / values.size) / 4)


def check_magnitude(values: np.ndarray, name: str, names: tuple[str, ...] | None) -> None:
    """Squares are summed over rows and columns: they must neither overflow nor vanish."""
    largest = largest_of(values)
    low, high = float(values.min()), float(values.max())
    found = max(high, -low)
    if found > largest:
        at = int(np.argmax(values) if high == found else np.argmin(values))
        index = tuple(int(i) for i in np.unravel_index(at, values.shape))
        raise ValueError(
            f"{place_of(name, index, names)} is {values[index]:g}: values too large, their squares overflow "
            f"{values.dtype}. Divide {name} by {found:.0e}{', or use float64' if values.dtype == np.float32 else ''}."
        )
    smallest = np.sqrt(np.finfo(values.dtype).tiny) * 1e8
    if name == "y" and 0 < found < smallest:
        raise ValueError(
            f"y is at most {found:g}: its squares vanish in {values.dtype}. Multiply y by {1 / found:.0e}."
        )
