"""What comes in from outside: every argument is checked before anything is compiled or computed.

Errors name the argument, the row or column, the value found and what to do about it. Arrays come out as NumPy arrays,
native byte order, float64 (float32 where the input is float32 or ``dtype`` asks for it). Nothing is modified, and a
table that is right as it is is not copied.
"""

import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.frames import advice_for_one_column, array_of, check_columns, feature_names_of, refuse_lazy
from jaxreg.data.sparse import DENSE_BYTES, check_entries, is_sparse
from jaxreg.formulas.arrays import NO_BOUND

__all__ = [
    "Arguments",
    "as_number",
    "check_bounds",
    "check_factors",
    "check_l1_ratio",
    "check_lam",
    "check_lams",
    "check_matrix",
    "check_positive",
    "check_target",
    "check_values",
    "check_weights",
    "check_whole_number",
    "feature_names_of",
]


class Arguments(NamedTuple):
    """The checked data of one call: X (n, p), y (n,) or (n, t); what weights rows (n,) and columns (p,), or None.

    X is of the dtype in which results are returned, all else of float64.
    """

    X: np.ndarray
    y: np.ndarray
    names: tuple[str, ...] | None
    sample_weight: np.ndarray | None
    penalty_factor: np.ndarray | None
    lower: np.ndarray | None
    upper: np.ndarray | None


def check_matrix(X: Any, name: str = "X", dtype: Any = None, values: bool = True, sparse: bool = False) -> Any:
    """X as an (n, p) array of float64 or float32; a sparse table becomes a dense one, if that is small.

    Args:
        values: whether every number is looked at; without, the caller does so by :func:`check_values` where its results
            are not finite.
        sparse: whether a sparse table that would be large comes back by rows, instead of an error.

    Raises:
        TypeError: masked matrices, np.matrix, tracers. ValueError: everything else that is not a table of finite real
            numbers with at least one row and column, and a large sparse table where ``sparse`` is False.
    """
    if is_sparse(X):
        table = _check_sparse(X, name, dtype, sparse)
    else:
        _refuse_kinds(X, name)
        check_columns(X, name)
        table = _as_floats(X, name, dtype)
    if table.ndim != 2:
        hint = advice_for_one_column(X, name) if table.ndim < 2 else ""
        raise ValueError(f"{name} must be a table (n, p); got an array of shape {table.shape}. {hint}".strip())
    n, p = table.shape
    if n == 0 or p == 0:
        raise ValueError(f"{name} has {n} rows and {p} columns; at least one of each is needed.")
    if values:
        check_values(table, feature_names_of(X))
    return table


def _check_sparse(X: Any, name: str, dtype: Any, large: bool) -> Any:
    """A sparse table as a dense one if that is small, else by rows, if that is allowed."""
    rows = check_entries(X, name, dtype)
    size = rows.shape[0] * rows.shape[1] * rows.dtype.itemsize
    if size <= DENSE_BYTES:
        return rows.toarray()
    if not large:
        raise ValueError(
            f"{name} is sparse and would be a dense table of {size / 2**30:.3g} GiB, more than the "
            f"{DENSE_BYTES / 2**20:.0f} MiB that are made without asking; use {name}.toarray() if memory allows."
        )
    return rows


def check_values(X: Any, names: tuple[str, ...] | None) -> None:
    """The numbers in X, where :func:`check_matrix` was told not to look at them.

    Raises:
        ValueError: NaN, infinite, or squares that overflow; the message names the row and column.
    """
    if is_sparse(X):
        entries = X.tocoo()
        wrong = ~(np.abs(X.data) <= _largest(X.data)) if X.nnz else np.zeros(0, bool)
        for k in np.flatnonzero(wrong)[:1]:
            where = _where("X", (int(entries.row[k]), int(entries.col[k])), names)
            raise ValueError(f"{where} is {entries.data[k]}; it must be finite, and its square too.")
        return
    _check_finite(X, "X", names)
    _check_magnitude(X, "X", names)


def check_target(y: Any, n: int, dtype: Any) -> np.ndarray:
    """y as an (n,) or (n, t) array of ``dtype``."""
    values = _as_floats(y, "y", dtype)
    if values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise ValueError(f"y must be (n,) or (n, t); got shape {values.shape}.")
    if values.shape[0] != n:
        raise ValueError(f"X has {n} rows but y has {values.shape[0]}; they must belong to the same rows.")
    _check_finite(values, "y", None)
    _check_magnitude(values, "y", None)
    return values


def check_weights(value: Any, n: int, dtype: Any) -> np.ndarray | None:
    """``sample_weight`` as an (n,) array, finite, ≥ 0, not all 0; None stays None, a number is repeated."""
    if value is None:
        return None
    values = _one_each(value, "sample_weight", n, dtype)
    _check_finite(values, "sample_weight", None)
    return _check_sizes(values, "sample_weight", "at least one row must count")


def check_factors(value: Any, p: int, dtype: Any) -> np.ndarray | None:
    """``penalty_factor`` as a (p,) array, ≥ 0, not all 0; ∞ leaves a column out. None stays None, a number is repeated.

    Where all are infinite, all columns are left out.
    """
    if value is None:
        return None
    values = _one_each(value, "penalty_factor", p, dtype)
    if np.isnan(values).any():
        j = int(np.argmax(np.isnan(values)))
        raise ValueError(
            f"penalty_factor[{j}] is a missing value (NaN); give column {j} a factor, inf to leave it out."
        )
    return _check_sizes(values, "penalty_factor", "use lam=0 for least squares")


def _one_each(value: Any, name: str, length: int, dtype: Any) -> np.ndarray:
    values = _as_floats(value, name, dtype)
    values = np.full(length, values) if values.ndim == 0 else values
    if values.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},); got {values.shape}.")
    return values


def _check_sizes(values: np.ndarray, name: str, advice: str) -> np.ndarray:
    """At least 0, not all 0, and with a sum that is finite."""
    dtype = values.dtype
    if (values < 0).any():
        i = int(np.argmax(values < 0))
        raise ValueError(f"{name}[{i}] is {values[i]:g}; weights must be at least 0.")
    if not values.any():
        raise ValueError(f"{name} is 0 everywhere; {advice}.")
    with np.errstate(over="ignore"):
        finite = values[np.isfinite(values)]
        total = finite.sum(dtype=dtype)
    if not np.isfinite(total):
        raise ValueError(f"{name} adds up to more than {dtype} holds; divide it by {finite.max():.3g}.")
    return values


def check_bounds(lower: Any, upper: Any, p: int, dtype: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(lower, upper), each (p,) or None, with lower ≤ 0 ≤ upper; entries of 1e300 or more are no bound."""
    checked: list[np.ndarray | None] = []
    for name, value, wrong in (("lower", lower, lambda a: a > 0), ("upper", upper, lambda a: a < 0)):
        if value is None:
            checked.append(None)
            continue
        values = _as_floats(value, name, dtype)
        values = np.full(p, values, dtype) if values.ndim == 0 else values
        if values.shape != (p,):
            raise ValueError(f"{name} must be a number or have shape ({p},); got {values.shape}.")
        if np.isnan(values).any():
            raise ValueError(f"{name}[{int(np.argmax(np.isnan(values)))}] is NaN; use ±inf for no bound.")
        if wrong(values).any():
            j = int(np.argmax(wrong(values)))
            raise ValueError(f"{name}[{j}] is {values[j]:g}; bounds must enclose 0 (lower ≤ 0 ≤ upper).")
        values = np.where(np.abs(values) >= NO_BOUND, np.copysign(np.inf, values), values)
        checked.append(None if np.isinf(values).all() else values)
    return checked[0], checked[1]


def check_lams(lams: Any, dtype: Any) -> int | np.ndarray:
    """The number of λs of an automatic grid, or the (L,) grid itself: finite, at least 0, not empty."""
    _refuse_kinds(lams, "lams")
    lams = as_number(lams)
    if isinstance(lams, numbers.Integral) and not isinstance(lams, bool):
        if lams < 1:
            raise ValueError(f"lams={lams}: an automatic grid needs at least one λ.")
        return int(lams)
    values = _as_floats(lams, "lams", dtype)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"lams must be a whole number or a list of at least one λ; got shape {values.shape}.")
    return _check_penalties(values, "lams")


def check_lam(lam: Any, t: int | None, dtype: Any) -> np.ndarray:
    """One λ, () — or one a target, (t,)."""
    if isinstance(lam, (str, bool)):
        raise ValueError(f"lam is {lam!r}, which is not a number; give one of at least 0.")
    values = _as_floats(lam, "lam", dtype)
    if values.shape not in ((), (t,)):
        wanted = "a number" if t is None else f"a number or one for each of the {t} targets"
        raise ValueError(f"lam must be {wanted}; got shape {values.shape}. For several λs use path().")
    return _check_penalties(values, "lam")


def check_l1_ratio(value: Any, name: str = "l1_ratio") -> float:
    """ρ in [0, 1]."""
    _refuse_kinds(value, name)
    value = as_number(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) <= 1:
        raise ValueError(f"{name} is {value!r}; it must be a number from 0 (ridge) to 1 (lasso).")
    return float(value)


def check_positive(value: Any, name: str, kind: type = float, below: float = np.inf) -> Any:
    """A positive number of ``kind`` (int or float), smaller than ``below``."""
    _refuse_kinds(value, name)
    value = as_number(value)
    right = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, right) or not 0 < float(value) < below:
        what = "a whole number of at least 1" if kind is int else "a positive number"
        limit = "" if below == np.inf else f" below {below:g}"
        raise ValueError(f"{name} is {value!r}; it must be {what}{limit}.")
    return kind(value)


def check_whole_number(value: Any, name: str) -> int:
    """A whole number of at least 0."""
    _refuse_kinds(value, name)
    value = as_number(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 0.")
    return int(value)


def as_number(value: Any) -> Any:
    """An array without axes as Python's number; everything else as it is."""
    return array_of(value).item() if hasattr(value, "__array__") and np.ndim(value) == 0 else value


def _check_penalties(values: np.ndarray, name: str) -> np.ndarray:
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        found = values[wrong].flat[0]
        where = f"{name}[{int(np.argmax(wrong))}]" if values.ndim else name
        raise ValueError(f"{where} is {found}; a penalty must be finite and at least 0.")
    return values


def _refuse_kinds(value: Any, name: str) -> None:
    if isinstance(value, jax.core.Tracer):
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
    if isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}; give an array or a data frame.")
    refuse_lazy(value, name)


def _as_floats(value: Any, name: str, dtype: Any) -> np.ndarray:
    """``value`` as a native floating array; ``dtype`` None keeps float32 and makes all else float64."""
    _refuse_kinds(value, name)
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
                f"{_where(name, index, names)} is {entry!r}, which is not a number; encode it first."
            ) from None
    return out


def _where(name: str, index: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    if not index:
        return name
    column = "" if len(index) == 1 else f", column {names[index[1]]!r}" if names else f", column {index[1]}"
    return f"{name} at row {index[0]}{column}" if len(index) > 1 or name in ("X", "y") else f"{name}[{index[0]}]"


def _check_finite(values: np.ndarray, name: str, names: tuple[str, ...] | None) -> None:
    if not np.isfinite([values.min(), values.max()]).all():  # NaN is both; no array is made where all is well
        finite = np.isfinite(values)
        index = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), values.shape))
        found = values[index]
        count = int((~finite).sum())
        what = "a missing value (NaN)" if np.isnan(found) else "infinite"
        advice = "drop or fill in" if np.isnan(found) else "drop or replace"
        more = "" if count == 1 else f" {count} entries are not finite."
        raise ValueError(f"{_where(name, index, names)} is {what}; {advice} such rows.{more}")


def _largest(values: np.ndarray) -> float:
    return float(np.sqrt(np.finfo(values.dtype).max / values.size) / 4)


def _check_magnitude(values: np.ndarray, name: str, names: tuple[str, ...] | None) -> None:
    """Squares are summed over rows and columns: they must neither overflow nor vanish."""
    largest = _largest(values)
    low, high = float(values.min()), float(values.max())
    found = max(high, -low)
    if found > largest:
        at = int(np.argmax(values) if high == found else np.argmin(values))
        index = tuple(int(i) for i in np.unravel_index(at, values.shape))
        raise ValueError(
            f"{_where(name, index, names)} is {values[index]:g}: values too large, their squares overflow "
            f"{values.dtype}. Divide {name} by {found:.0e}{', or use float64' if values.dtype == np.float32 else ''}."
        )
    smallest = np.sqrt(np.finfo(values.dtype).tiny) * 1e8
    if name == "y" and 0 < found < smallest:
        raise ValueError(
            f"y is at most {found:g}: its squares vanish in {values.dtype}. Multiply y by {1 / found:.0e}."
        )
