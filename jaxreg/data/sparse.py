"""Sparse tables of scipy: which are copied into dense ones, and moments of those that are not.

A table of at most :data:`DENSE_BYTES` is copied, and everything works on it. A larger one is never made dense: the
lasso and the elastic net need its moments alone, whose products cost as much as there are entries; centred and scaled
are the moments. What needs dense rows says so.
"""

from typing import Any

import numpy as np

from jaxreg.formulas.moments import Moments

__all__ = ["DENSE_BYTES", "check_entries", "is_sparse", "moments_of_sparse", "same_in_all_rows"]

# 256 MiB.
DENSE_BYTES = 2**28


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of scipy."""
    return type(X).__module__.startswith("scipy.sparse")


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


def moments_of_sparse(X: Any, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None) -> Moments:
    """Moments in float64 of all rows, or of those with the given numbers.

    With c the first row in the columns that have no zeros, and 0 in the others,  Z = X − 1cᵀ  has the entries that X
    has, and  Σ s (x − x̄)(x − x̄)ᵀ = ZᵀSZ − W z̄ z̄ᵀ.  A column with a zero loses at most the digits of n by that.

    Args:
        X: sparse (n, p), by rows. Y: (n, t). s: (n,) or None. rows: (k,) or None.
    """
    Z, Y = X.astype(float), Y.astype(float)
    if rows is not None:
        Z, Y = Z[rows], Y[rows]
    s = np.ones(Z.shape[0]) if s is None else np.asarray(s if rows is None else s[rows], float)
    kept = s > 0
    Z, Y, s = (Z, Y, s) if kept.all() else (Z[kept], Y[kept], s[kept])
    n, p = Z.shape
    full = np.bincount(Z.indices, minlength=p) == n
    c = np.where(full, Z[[0]].toarray()[0], 0.0)
    Z = type(Z)((Z.data - c[Z.indices], Z.indices, Z.indptr), shape=(n, p))
    with np.errstate(all="ignore"):
        weight = s.sum()
        y_mean = Y[0] + (s / weight) @ (Y - Y[0])
        R = Y - y_mean
        z_mean = Z.T @ (s / weight)
        root = np.sqrt(s)
        Z = type(Z)((Z.data * np.repeat(root, np.diff(Z.indptr)), Z.indices, Z.indptr), shape=(n, p))
        R = root[:, None] * R
        xx = (Z.T @ Z).toarray() - weight * np.outer(z_mean, z_mean)
        xy = Z.T @ R - weight * np.outer(z_mean, (root @ R) / weight)
    return Moments(weight, c + z_mean, y_mean, xx, xy, np.einsum("nt,nt->t", R, R))


def same_in_all_rows(X: Any, columns: np.ndarray) -> bool:
    """Whether each of the flagged columns, (p,), has the same value in all rows."""
    some = X[:, np.flatnonzero(columns)]
    return not np.any(some.max(axis=0).toarray() != some.min(axis=0).toarray())
