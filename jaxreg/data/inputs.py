"""What comes in from outside: every argument is checked before anything is compiled or computed.

Errors name the argument, the row or column, the value found and what to do about it. Arrays come out as NumPy arrays,
native byte order, float64 (float32 where the input is float32 or ``dtype`` asks for it). Nothing is modified, and a
table that is right as it is is not copied.
"""

from typing import Any

import numpy as np

from jaxreg.data.frames import advice_for_one_column, check_columns, feature_names_of
from jaxreg.data.sparse import DENSE_BYTES, check_entries, dense_bytes, is_small, is_sparse
from jaxreg.data.values import as_floats, check_finite, check_magnitude, largest_of, place_of, refuse_kinds

__all__ = [
    "check_bounds",
    "check_factors",
    "check_matrix",
    "check_target",
    "check_values",
    "check_weights",
    "feature_names_of",
]


def check_matrix(X: Any, name: str = "X", dtype: Any = None, values: bool = True, sparse: bool = False) -> Any:
    """X as an (n, p) array of float64 or float32.

    Args:
        values: whether every number is looked at; without, the caller does so by :func:`check_values` where its results
            are not finite.
        sparse: whether a sparse table comes back by rows; else a small one becomes dense, and a large one is an error.

    Raises:
        TypeError: masked matrices, np.matrix, tracers. ValueError: everything else that is not a table of finite real
            numbers with at least one row and column, and a large sparse table where ``sparse`` is False.
    """
    if is_sparse(X):
        table = _check_sparse(X, name, dtype, sparse)
    else:
        refuse_kinds(X, name)
        check_columns(X, name)
        table = as_floats(X, name, dtype)
    if table.ndim != 2:
        hint = advice_for_one_column(X, name) if table.ndim < 2 else ""
        raise ValueError(f"{name} must be a table (n, p); got an array of shape {table.shape}. {hint}".strip())
    n, p = table.shape
    if n == 0 or p == 0:
        raise ValueError(f"{name} has {n} rows and {p} columns; at least one of each is needed.")
    if values:
        check_values(table, feature_names_of(X))
    return table


def _check_sparse(X: Any, name: str, dtype: Any, stays: bool) -> Any:
    """A sparse table by rows, if it may stay so, or a dense copy, if that is small."""
    rows = check_entries(X, name, dtype)
    if stays:
        return rows
    if is_small(rows):
        return rows.toarray()
    raise ValueError(
        f"{name} is sparse and would be a dense table of {dense_bytes(rows) / 2**30:.3g} GiB, more than the "
        f"{DENSE_BYTES / 2**20:.0f} MiB that are made without asking; use {name}.toarray() if memory allows."
    )


def check_values(X: Any, names: tuple[str, ...] | None) -> None:
    """The numbers in X, where :func:`check_matrix` was told not to look at them.

    Raises:
        ValueError: NaN, infinite, or squares that overflow; the message names the row and column.
    """
    if is_sparse(X):
        wrong = ~(np.abs(X.data) <= largest_of(X.data)) if X.nnz else np.zeros(0, bool)
        entries = X.tocoo() if wrong.any() else X
        for k in np.flatnonzero(wrong)[:1]:
            where = place_of("X", (int(entries.row[k]), int(entries.col[k])), names)
            raise ValueError(f"{where} is {entries.data[k]}; it must be finite, and its square too.")
        return
    check_finite(X, "X", names)
    check_magnitude(X, "X", names)


def check_target(y: Any, n: int, dtype: Any) -> np.ndarray:
    """y as an (n,) or (n, t) array of ``dtype``."""
    values = as_floats(y, "y", dtype)
    if values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise ValueError(f"y must be (n,) or (n, t); got shape {values.shape}.")
    if values.shape[0] != n:
        raise ValueError(f"X has {n} rows but y has {values.shape[0]}; they must belong to the same rows.")
    check_finite(values, "y", None)
    check_magnitude(values, "y", None)
    return values


def check_weights(value: Any, n: int, dtype: Any) -> np.ndarray | None:
    """``sample_weight`` as an (n,) array, finite, none below 0, not all 0; None stays None, a number is repeated."""
    if value is None:
        return None
    values = _one_each(value, "sample_weight", n, dtype)
    check_finite(values, "sample_weight", None)
    return _check_sizes(values, "sample_weight", "at least one row must count")


def check_factors(value: Any, p: int, dtype: Any) -> np.ndarray | None:
    """``penalty_factor`` as (p,), finite or ∞, none below 0, not all 0. None stays None, a number is repeated.

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
    values = as_floats(value, name, dtype)
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
    """(lower, upper), each (p,) or None, with `lower ≤ 0 ≤ upper`; entries of 1e300 or more are no bound."""
    from jaxreg.formulas.arrays import NO_BOUND

    checked: list[np.ndarray | None] = []
    for name, value, wrong in (("lower", lower, lambda a: a > 0), ("upper", upper, lambda a: a < 0)):
        if value is None:
            checked.append(None)
            continue
        values = as_floats(value, name, dtype)
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
