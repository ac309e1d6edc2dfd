"""The moments of one piece, fold by fold: rows of a fold are gathered, taken about their mean, and multiplied.

NumPy's products let other threads work meanwhile; every piece is a task of its own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxreg.formulas.moments import Moments

__all__ = ["Block", "moments_of_block"]

# Where more than this share of a square would be taken away, digits would go with it.
LEFT = 0.5
# A column of which more than this share of the square would be taken away may be constant, and then its mean is exact.
NEARLY_ALL = 1 - 1e-6
# Numbers that stay near a core while they are gathered and moved.
CACHED = 2**15


class Block(NamedTuple):
    """A piece: ``columns``, (n,) each, the last t of them targets; or ``table`` (n, p) and ``targets`` (n, t).
    ``weight``: (n,), or None."""

    table: Any
    targets: Any
    columns: Sequence[np.ndarray] | None
    weight: np.ndarray | None
    t: int

    @property
    def n_rows(self) -> int:
        """n."""
        return len(self.table if self.columns is None else self.columns[0])

    def mean(self) -> np.ndarray:
        """Of columns and targets, (p + t,); exact where they are constant."""
        columns: Any = self.columns
        if columns is None:
            columns = [*self.table.T, *self.targets.T]
        with np.errstate(all="ignore"):  # what is not finite is found, and named, by who asked
            return np.array([column[0] + np.mean(column - column[0], dtype=float) for column in columns])


def moments_of_block(block: Block, labels: np.ndarray, K: int, centre: np.ndarray) -> list[tuple[Moments | None, int]]:
    """Of each of K folds its moments, None where it has no weight here, and its number of rows.

    Args:
        labels: (n,), below K. centre: (p + t,), from which means are measured: near them, so that adding moments costs
            no digits.
    """
    weight = block.weight
    labels = labels.astype(np.uint16 if K <= 2**16 else np.int64)  # a sort of short numbers takes the least time
    order = np.argsort(labels, kind="stable")
    rows = np.bincount(labels, minlength=K)
    if weight is not None and not weight.all():
        order = order[weight[order] > 0]
    counts = np.bincount(labels[order], minlength=K)
    values = _gathered(block, order, centre)
    s = None if weight is None else weight[order]
    found = []
    stop = 0
    for k in range(K):
        start, stop = stop, stop + int(counts[k])
        here = slice(start, stop)
        part = _about_mean(values[:, here], None if s is None else s[here], block.t) if stop > start else None
        found.append((part, int(rows[k])))
    return found


def _gathered(block: Block, order: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Columns and targets less the centre, (p + t, n), with the rows in this order."""
    with np.errstate(all="ignore"):  # what is not finite is found, and named, by who asked
        if block.columns is None:
            p = len(centre) - block.t
            both = np.empty((len(order), len(centre)))
            size = max(1, CACHED // len(centre))
            for here in (slice(start, start + size) for start in range(0, len(order), size)):
                some = order[here]
                both[here, :p], both[here, p:] = block.table[some], block.targets[some]
                both[here] -= centre
            return both.T
        found = np.empty((len(centre), len(order)))
        for values, column, origin in zip(found, block.columns, centre, strict=True):
            np.take(column, order, out=values, mode="clip")  # the mode spares a copy
            values -= origin
        return found


def _about_mean(V: np.ndarray, s: np.ndarray | None, t: int) -> Moments:
    """Moments from the sums about the centre, `Σ s v vᵀ − W v̄ v̄ᵀ`; where that would take away half of a square, the
    mean is taken off first. In place. A column that is constant is 0 here, exactly, and so are its moments."""
    weight, first = np.float64(V.shape[1] if s is None else s.sum()), V[:, 0].copy()
    with np.errstate(all="ignore"):
        mean = V.mean(axis=1) if s is None else V @ s / weight
        root = np.float64(1.0) if s is None else np.sqrt(s)
        if s is not None:
            V *= root
        squares = V @ V.T
        share = weight * mean**2
        if np.any(share > LEFT * np.diagonal(squares)):
            for j in np.flatnonzero(share > NEARLY_ALL * np.diagonal(squares)):
                if np.all(V[j] == first[j] * root):
                    mean[j] = first[j]
            V -= mean[:, None] * root
            squares = V @ V.T
        else:
            squares -= np.outer(weight * mean, mean)
        p = len(mean) - t
        xx, xy, yy = squares[:p, :p].copy(), squares[:p, p:].copy(), np.diagonal(squares)[p:].copy()
        return Moments(weight, mean[:p], mean[p:], xx, xy, np.maximum(yy, 0.0))
