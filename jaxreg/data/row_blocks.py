"""Rows in blocks: the caller's array is read a few thousand rows at a time, and is never copied whole.

This is NumPy, whose BLAS takes half the work of `XᵀX` and reads the array where it lies; nothing is compiled. These are
host functions: NumPy arrays in, NumPy numbers out.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.cores import CORES, can_share, share
from jaxreg.formulas.moments import Moments
from jaxreg.solvers.active_set import padded

__all__ = ["BLOCK", "aligned_zeros", "block_moments", "filled_up", "of_other_targets", "padded_rows", "slices"]

# Numbers a block, about: enough for a fast product, few enough to stay in a processor's cache.
BLOCK = 2**18
# The sums about a centre are taken again about the mean where less than this share of a column's would be left.
LEFT = 0.5
# Rows of which the mean is the first centre.
EARLY = 128
# A mean is small if its square is at most this share of the column's mean square.
SMALL_MEAN = 0.1
# Rows that need not be copied are taken whole where there are many columns, and else so many numbers at a time, which a
# core keeps near it; rows that have to be gathered, so many with many columns.
MANY, CACHED, GATHERED = 256, 2**16, 2**19
# Tables of so many numbers, and of so many rows a column, are shared by the cores.
SHARED, ROWS_A_COLUMN = 2**18, 4
# Rows of xx that are moved at a time, and where XLA wants arrays to begin, in bytes.
SOME_ROWS, XLA_ALIGNMENT = 64, 64


def padded_rows(n: int, columns: int) -> int:
    """Rows of a block for a table of n rows: a power of two."""
    return min(max(256, BLOCK // columns), max(16, 1 << (n - 1).bit_length()))


def slices(n: int, rows: np.ndarray | None, size: int) -> Iterator[Any]:
    """All of n rows, or those with the given numbers, so many at a time."""
    for start in range(0, n if rows is None else len(rows), size):
        yield slice(start, min(start + size, n)) if rows is None else rows[start : start + size]


def block_moments(X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None) -> Moments:
    """Moments of all rows, or of those with the given numbers, in float64; columns of 0 fill up.

    The sums are taken about a centre c, and moved to the mean `x̄ = c + z̄` of all rows:

        Σ s (x − x̄)(x − x̄)ᵀ = Σ s (x − c)(x − c)ᵀ − W z̄ z̄ᵀ                              (Steiner, Huygens)

    c is 0 if the first rows' means are small beside its columns, for then the rows need not be copied, and else those
    means. Where the step takes away half of a column's square, digits may be lost: then the sums are taken again, about
    `x̄`.

    Args:
        X: (n, p), Y: (n, t). s: (n,) or None. rows: (k,) or None.
    """
    with np.errstate(all="ignore"):  # what overflows is found, and named, by whoever asked
        x, y = _early_mean(X, Y, s, rows)
        m = _sums_about(x, y, X, Y, s, rows)
        squares = np.concatenate([np.diagonal(m.xx), m.yy])
        if np.any(m.weight * np.concatenate([m.x_mean, m.y_mean]) ** 2 > LEFT * squares):
            x, y = x + m.x_mean, y + m.y_mean
            m = _sums_about(x, y, X, Y, s, rows)
        xy = m.xy - m.weight * np.outer(m.x_mean, m.y_mean)
        yy = np.maximum(m.yy - m.weight * m.y_mean**2, 0.0)
        p, P = len(x), padded(len(x))
        xx, all_xy, x_mean = aligned_zeros(P, P), np.zeros((P, len(y))), np.zeros(P)
        for here in slices(p, None, SOME_ROWS):  # what is in the cache is subtracted and moved at once
            np.subtract(m.xx[here], np.outer(m.weight * m.x_mean[here], m.x_mean), out=xx[here, :p])
        all_xy[:p], x_mean[:p] = xy, x + m.x_mean
        return Moments(m.weight, x_mean, y + m.y_mean, xx, all_xy, yy)


def of_other_targets(
    m: Moments, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None
) -> Moments:
    """:func:`block_moments` of the same rows with other targets, (n, t): `XᵀX` is not taken again.

        Σ s (x − x̄)(y − ȳ) = Σ s (x − c)(y − ȳ) + (c − x̄) Σ s (y − ȳ)

    and the last sum is 0, so that c need not be the mean to the last digit.
    """
    p, t = X.shape[1], Y.shape[1]
    of = lambda values, here: values[here].astype(float, copy=False)
    weight = lambda here: np.ones(len(Y[here])) if s is None else s[here]
    with np.errstate(all="ignore"):
        blocks = list(slices(len(X), rows, max(EARLY, BLOCK // max(p, t))))
        first = of(Y, blocks[0])[:1]
        y_mean = (first + sum(weight(here) @ (of(Y, here) - first) for here in blocks) / m.weight)[0]
        xy, yy = np.zeros((len(m.x_mean), t)), np.zeros(t)
        for here in blocks:
            r = of(Y, here) - y_mean
            sr = weight(here)[:, None] * r
            xy[:p] += (of(X, here) - m.x_mean[:p]).T @ sr
            yy += np.einsum("nt,nt->t", r, sr)
    return m._replace(y_mean=y_mean, xy=xy, yy=yy)


def aligned_zeros(rows: int, columns: int) -> np.ndarray:
    """Zeros that begin where XLA wants numbers to begin, so that it reads them where they lie."""
    size, number = rows * columns, XLA_ALIGNMENT // 8
    space = np.zeros(size + number)
    first = -(space.ctypes.data // 8) % number
    return space[first : first + size].reshape(rows, columns)


def filled_up(m: Moments) -> Moments:
    """With columns of 0 up to the padded number."""
    more = padded(len(m.x_mean)) - len(m.x_mean)
    return m._replace(
        x_mean=np.pad(m.x_mean, (0, more)),
        xx=np.pad(m.xx, ((0, more), (0, more))),
        xy=np.pad(m.xy, ((0, more), (0, 0))),
    )


def _early_mean(
    X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the first rows that have weight, (p,) and (t,), exact where they are all the same; 0 if it is small.

    Small is: a tenth of the column's square, in every column.
    """
    some = rows if rows is not None else np.arange(len(X)) if s is not None else None
    if some is None:
        here: Any = slice(0, EARLY)
    else:
        start = 0 if s is None else int(np.argmax(s[some] > 0))
        here = some[start : start + EARLY]
    block, target = X[here], Y[here]
    share = np.ones(len(block)) if s is None else np.asarray(s[here], float)
    share = share / share.sum()
    first, first_y = block[0].astype(float), target[0].astype(float)
    x = first + share @ (block - first)
    if np.all(x**2 <= SMALL_MEAN * (share @ np.square(block, dtype=float))):
        x = np.zeros_like(x)
    return x, first_y + share @ (target - first_y)


class _Sums(NamedTuple):
    """Sums over rows: `Σ s`, `Σ s z`, `Σ s r`, `Σ s z zᵀ`, `Σ s z rᵀ`, `Σ s r²`, of `z = x_i − x`, `r = y_i − y`."""

    weight: Any
    z: np.ndarray
    r: np.ndarray
    zz: np.ndarray
    zr: np.ndarray
    rr: np.ndarray


def _sums_about(
    x: np.ndarray, y: np.ndarray, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None
) -> Moments:
    """W, and the means of `z = x_i − x` and of `r = y_i − y`, and the sums `Σ s z zᵀ`, `Σ s z rᵀ` and `Σ s r²`."""
    n, p = X.shape
    number = n if rows is None else len(rows)
    shares = CORES if number * p >= SHARED and number >= ROWS_A_COLUMN * p and can_share() else 1
    ends = [number * k // shares for k in range(shares + 1)]
    parts = [slice(*pair) if rows is None else rows[slice(*pair)] for pair in pairwise(ends)]
    first, *others = share(lambda part: _sums_of(x, y, X, Y, s, part), parts)
    for other in others:
        for mine, its in zip(first[1:], other[1:], strict=True):
            mine += its
    weight = sum((of.weight for of in others), first.weight)
    return Moments(weight, first.z / weight, first.r / weight, first.zz, first.zr, first.rr)


def _sums_of(
    x: np.ndarray, y: np.ndarray, X: np.ndarray, Y: np.ndarray, s: np.ndarray | None, rows: slice | np.ndarray
) -> _Sums:
    p, t = X.shape[1], Y.shape[1]
    number = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
    as_they_are = s is None and not x.any() and X.dtype == float
    size = padded_rows(number, p)
    # A block lies in memory as the table does.
    order: Any = "F" if X.flags.f_contiguous and not X.flags.c_contiguous else "C"
    if as_they_are:
        whole = isinstance(rows, slice) and (p >= MANY or order == "F")
        size = max(number, 1) if whole else max((CACHED if p < MANY else GATHERED) // p, 1)
    gathers = as_they_are and not isinstance(rows, slice) and X.flags.c_contiguous
    space: Any = np.empty((min(size, number), p), order=order) if gathers or not as_they_are else None
    weight, z, r = np.float64(0.0), np.zeros(p), np.zeros(t)
    zz, product, zr, rr = None, None, np.zeros((p, t)), np.zeros(t)
    for start in range(0, number, size):
        stop = min(start + size, number)
        here: Any = slice(rows.start + start, rows.start + stop) if isinstance(rows, slice) else rows[start:stop]
        R = Y[here] - y
        if gathers:  # into the same memory; the mode keeps NumPy from making a copy first
            Z = np.take(X, here, axis=0, out=space[: len(here)], mode="clip")
        else:
            Z = X[here] if space is None else np.subtract(X[here], x, out=space[: stop - start])
        root = None if s is None else np.sqrt(s[here], dtype=float)
        if root is not None:
            Z *= root[:, None]
            R *= root[:, None]
        if zz is None:
            zz = Z.T @ Z
        else:
            product = np.matmul(Z.T, Z, out=product)
            zz += product
        zr += Z.T @ R
        rr += np.einsum("nt,nt->t", R, R)
        weight += len(Z) if s is None else s[here].sum(dtype=float)
        z += Z.sum(axis=0) if root is None else root @ Z
        r += R.sum(axis=0) if root is None else root @ R
    return _Sums(weight, z, r, np.zeros((p, p)) if zz is None else zz, zr, rr)
