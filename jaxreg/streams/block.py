"""The moments of one piece, fold by fold: rows of a fold are gathered, taken about their mean, and multiplied.

NumPy's products let other threads work meanwhile; every piece is a task of its own.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxreg.formulas.moments import Moments

__all__ = ["Block", "moments_of_block"]


class Block(NamedTuple):
    """A piece: columns (p + t, n) as the rows of ``table``, the last t of them targets, or ``table`` (n, p) beside
    ``targets`` (n, t). ``weight``: (n,), or None."""

    table: np.ndarray
    targets: np.ndarray | None
    columns: np.ndarray | None
    weight: np.ndarray | None
    t: int

    @property
    def n_rows(self) -> int:
        """n."""
        return self.table.shape[0 if self.columns is None else 1]

    def first_row(self) -> np.ndarray:
        """Columns and targets, (p + t,)."""
        if self.columns is None:
            assert self.targets is not None
            return np.concatenate([self.table[0], self.targets[0]]).astype(float)
        return self.table[self.columns, 0].astype(float)


def moments_of_block(block: Block, labels: np.ndarray, K: int, centre: np.ndarray) -> list[tuple[Moments, int] | None]:
    """Of each of K folds its moments and number of rows; None for a fold without weight here.

    Args:
        centre: (p + t,), from which means are measured: near them, so that adding moments costs no digits.
    """
    weight = block.weight
    order = np.argsort(labels, kind="stable") if K > 1 else np.arange(len(labels))
    rows = np.bincount(labels, minlength=K)
    if weight is not None and not weight.all():
        order = order[weight[order] > 0]
    counts = np.bincount(labels[order], minlength=K)
    Z, R = _gathered(block, order)
    s = None if weight is None else weight[order]
    found: list[Any] = []
    stop = 0
    for k in range(K):
        start, stop = stop, stop + int(counts[k])
        here = slice(start, stop)
        if stop == start:
            found.append(None)
            continue
        part = _about_means(Z[:, here], R[:, here], None if s is None else s[here], centre)
        found.append((part, int(rows[k])))
    return found


def _gathered(block: Block, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies of the columns, (p, n), and targets, (t, n), with the rows in this order."""
    if block.columns is None:
        assert block.targets is not None
        take: Any = lambda values: np.take(values, order, axis=0).astype(float, copy=False).T
        return take(block.table), take(block.targets)
    found = np.empty((len(block.columns), len(order)))
    for j, column in enumerate(block.columns):
        np.take(block.table[column], order, out=found[j], mode="clip")  # the mode spares a copy
    p = len(found) - block.t
    return found[:p], found[p:]


def _about_means(Z: np.ndarray, R: np.ndarray, s: np.ndarray | None, centre: np.ndarray) -> Moments:
    """The first row is taken off before the mean: a column that is constant comes out as exactly 0. In place."""
    weight = np.float64(Z.shape[1] if s is None else s.sum())
    means = []
    with np.errstate(all="ignore"):  # what is not finite is found, and named, by who asked
        for values, origin in ((Z, centre[: len(Z)]), (R, centre[len(Z) :])):
            first = values[:, :1].copy()
            values -= first
            mean = values.mean(axis=1) if s is None else values @ s / weight
            values -= mean[:, None]
            if s is not None:
                values *= np.sqrt(s)
            means.append((first[:, 0] - origin) + mean)
        x, y = means
        return Moments(weight, x, y, Z @ Z.T, Z @ R.T, np.einsum("tn,tn->t", R, R))
