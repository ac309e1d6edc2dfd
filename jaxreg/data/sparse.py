"""Sparse tables of scipy: which are copied into dense ones, and products with the entries of those that are not.

A table of at most :data:`DENSE_BYTES` is copied where dense rows take less time or are needed. A larger one is never
made dense; what needs dense rows says so.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxreg.formulas.moments import Moments

__all__ = [
    "DENSE_BYTES",
    "Entries",
    "check_entries",
    "dense_bytes",
    "entries_of",
    "is_small",
    "is_sparse",
    "moments_of_entries",
    "same_in_all_rows",
    "squares",
]

# 256 MiB.
DENSE_BYTES = 2**28
# Above this share of entries a product of columns is faster with the zeros, if these are so many numbers at most.
DENSE_SHARE, DENSE_NUMBERS = 0.1, 2**25


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of scipy."""
    return type(X).__module__.startswith("scipy.sparse")


def dense_bytes(X: Any) -> int:
    """What a sparse table would take with its zeros."""
    return int(X.shape[0]) * int(X.shape[1]) * int(X.dtype.itemsize)


def is_small(X: Any) -> bool:
    """Whether a sparse table may be copied into a dense one without asking."""
    return dense_bytes(X) <= DENSE_BYTES


def check_entries(X: Any, name: str, dtype: Any) -> Any:
    """X by rows, in float64 or float32, entries that occur twice added up; the values are not looked at.

    Args:
        X: sparse (n, p). dtype: float32, float64 or None (that of X).

    Raises:
        ValueError: entries that are complex numbers or no numbers.
    """
    if X.ndim != 2:
        raise ValueError(f"{name} must be a table (n, p); got a sparse array of shape {X.shape}.")
    if np.issubdtype(X.dtype, np.complexfloating):
        raise ValueError(f"Complex data not supported: {name} has dtype {X.dtype}.")
    if X.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {X.dtype}; its entries must be numbers.")
    if dtype is None:
        dtype = np.float32 if X.dtype == np.float32 else np.float64
    with np.errstate(over="ignore"):
        rows = X.tocsr().astype(dtype)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


class Entries(NamedTuple):
    """The rows of a sparse table that have weight, column by column, and its columns' means and variances.

    With c the first row in the columns that have no zeros, and 0 in the others, `Z = X − 1cᵀ` has the entries that X
    has. A column with a zero loses at most the digits of n where `Σ s (x − x̄)² = Σ s z² − W z̄²` is formed.

    Attributes:
        Z: sparse (n, p), by columns, float64. rows: the numbers of its rows in the table, (n,).
        weight: s, (n,). start: c, mean: `x̄`, variance: `Σ s (x − x̄)² / Σs`, (p,).
    """

    Z: Any
    rows: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def entries_of(X: Any, s: np.ndarray | None) -> Entries:
    """Of the rows of positive weight.

    Args:
        X: sparse (n, p), by rows. s: (n,) or None.
    """
    rows = np.arange(X.shape[0]) if s is None else np.flatnonzero(s > 0)
    Z = (X if len(rows) == X.shape[0] else X[rows]).tocsc().astype(float)
    n, p = Z.shape
    weight = np.ones(n) if s is None else np.asarray(s[rows], float)
    full = np.flatnonzero(np.diff(Z.indptr) == n)
    start = np.zeros(p)
    if len(full):
        Z.sort_indices()
        start[full] = Z.data[Z.indptr[full]]
        Z.data = Z.data - np.repeat(start, np.diff(Z.indptr))
    with np.errstate(all="ignore"):
        share = weight / weight.sum()
        z_mean = Z.T @ share
        variance = np.maximum(Z.power(2).T @ share - z_mean**2, 0.0)
    return Entries(Z, rows, weight, start, start + z_mean, variance)


def moments_of_entries(entries: Entries, Y: np.ndarray, columns: np.ndarray) -> "Moments":
    """Moments in float64 of the columns with the given numbers, (k,): products cost as much as there are entries.

    Args:
        Y: (n, t), of the same rows.
    """
    from jaxreg.formulas.moments import Moments

    s, weight, some = entries.weight, entries.weight.sum(), entries.Z[:, columns]
    with np.errstate(all="ignore"):
        y_mean = Y[0] + (s / weight) @ (Y - Y[0])
        R = np.sqrt(s)[:, None] * (Y - y_mean)
        z_mean = some.T @ (s / weight)
        some.data *= np.sqrt(s)[some.indices]
        xx = squares(some) - weight * np.outer(z_mean, z_mean)
        xy = some.T @ R - weight * np.outer(z_mean, (np.sqrt(s) @ R) / weight)
    return Moments(weight, entries.start[columns] + z_mean, y_mean, xx, xy, np.einsum("nt,nt->t", R, R))


def squares(Z: Any) -> np.ndarray:
    """`ZᵀZ`, (k, k), dense."""
    n, k = Z.shape
    if Z.nnz > DENSE_SHARE * n * k and n * k <= DENSE_NUMBERS:
        dense = Z.toarray()
        return np.asarray(dense.T @ dense)
    return np.asarray((Z.T @ Z).toarray())


def same_in_all_rows(X: Any, columns: np.ndarray) -> bool:
    """Whether each of the flagged columns, (p,), has the same value in all rows."""
    some = X[:, np.flatnonzero(columns)]
    return not np.any(some.max(axis=0).toarray() != some.min(axis=0).toarray())
