"""A table about its means for a certificate, in blocks of rows, and scaled where squares leave the range of float64."""

from typing import Any

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.data.sparse import Entries, entries_of, is_sparse
from jaxreg.engines.gaps import EPS, LARGEST, NUMBERS, SMALLEST, scaling

__all__ = ["DEPENDENT", "CentredTable"]

# A direction of some columns counts if its singular value is above this share of the largest.
DEPENDENT = 64 * EPS
# Columns are taken about their means where the square of one is above so many times its variance.
OFFSET = 64.0


class CentredTable:
    """The rows that have weight.

    Attributes:
        rows: their numbers. all: whether these are all. share: `s/Σs` of them.
        scale: 1 for columns of usual sizes, else a power of two by which they are divided. Of the divided columns:
            mean; centre, what is taken off before products (0 where the means are small); variance; size, the lengths,
            about the means if the intercept is fitted. Each (p,).
        copied: whether a block is a copy and not a part of the caller's table.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.fit_intercept = problem, problem.fit_intercept
        self.entries = entries_of(problem.X, problem.sample_weight) if is_sparse(problem.X) else None
        s = problem.weights
        self.rows = np.flatnonzero(s > 0)
        self.all = len(self.rows) == len(s)
        s = s[self.rows] / np.max(s)
        self.share = s / s.sum()
        self.scale, self.mean, self.centre, self.variance = self._scale_mean_centre_and_variance()
        self.size = np.sqrt(self.variance if problem.fit_intercept else self.variance + self.mean**2)
        plain = self.all and problem.X.dtype == float and not is_sparse(problem.X)
        self.copied = not plain or bool(np.any(self.scale != 1) or self.centre.any())

    def block(self, here: slice) -> Any:
        """Some rows divided by the columns' scale, less the centre, (k, p); sparse, by columns, if the table is."""
        if self.entries:
            return self.entries.Z if here == slice(0, len(self.rows)) else self.entries.Z[here]
        rows = here if self.all else self.rows[here]
        block = self.problem.X[rows].astype(float, copy=False)
        block = block if np.all(self.scale == 1) else block / self.scale
        return block - self.centre if self.centre.any() else block

    def blocks(self, width: int) -> list[slice]:
        """Blocks of rows that keep arrays of ``width`` numbers a row, and what is copied of the table, in bounds."""
        columns = self.problem.X.shape[1] if self.copied and not self.entries else 1
        number, size = len(self.rows), max(1, NUMBERS // max(columns, width))
        return [slice(start, min(start + size, number)) for start in range(0, number, size)]

    def _scale_mean_centre_and_variance(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """1 for columns of usual sizes, else a power of two; then, of the columns divided by it: means; what is taken
        off before products, 0 where the means are small; variances; each (p,)."""
        if self.entries:
            return self._of_entries(self.entries)
        X = self.problem.X
        p, scale = X.shape[1], np.ones(X.shape[1])
        rows = X if self.all else X[self.rows]
        square = self._mean_square(rows)
        odd = ~((square > SMALLEST**2) & (square < LARGEST**2))
        if odd.any():
            ends = X[:, odd].max(axis=0), -X[:, odd].min(axis=0)
            scale[odd] = scaling(np.maximum(*ends).astype(float))
            if not np.all(scale == 1):
                rows = rows / scale
                square = self._mean_square(rows)
        mean = np.asarray(rows.T @ self.share).ravel()
        variance = square - mean**2
        centre = np.zeros(p)
        if np.any(mean**2 > OFFSET * variance):
            centre, variance = mean, np.zeros(p)
            for start in range(0, len(rows), size := max(1, NUMBERS // p)):
                block, share = rows[start : start + size] - mean, self.share[start : start + size]
                variance += np.einsum("np,np,n->p", block, block, share)
        variance = np.maximum(variance, 0.0)
        return scale, mean, centre, variance

    def _of_entries(self, entries: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The same of a sparse table, whose entries are divided here; its centre is where its entries begin."""
        square = entries.variance + entries.mean**2
        scale = np.ones(len(square))
        odd = ~((square > SMALLEST**2) & (square < LARGEST**2))
        if odd.any():
            scale[odd] = scaling(np.abs(entries.Z[:, odd]).max(axis=0).toarray().ravel() + np.abs(entries.start[odd]))
            if not np.all(scale == 1):
                X: Any = self.problem.X
                entries = entries_of(X.multiply(1 / scale).tocsr(), self.problem.sample_weight)
                self.entries = entries
        return scale, entries.mean, entries.start, entries.variance

    def _mean_square(self, rows: Any) -> np.ndarray:
        """`Σ s x² / Σs` of every column, (p,)."""
        return np.einsum("np,np,n->p", rows, rows, self.share, dtype=float)

    def basis(self, which: np.ndarray, beside: np.ndarray | None = None) -> np.ndarray:
        """Orthonormal, in weighted rows, for the span of the columns flagged; orthogonal to the basis ``beside``."""
        X: Any = self.problem.X
        X = X[self.rows][:, which]
        columns = (X.toarray() if is_sparse(X) else X).astype(float)
        columns /= self.scale[which]
        if self.fit_intercept:
            columns -= self.centre[which]
            columns -= self.share @ columns
        columns *= np.sqrt(self.share)[:, None]
        columns = columns if beside is None else columns - beside @ (beside.T @ columns)
        norm = np.linalg.norm(columns, axis=0)
        columns /= np.where(norm > 0, norm, 1.0)
        if columns.shape[0] > columns.shape[1]:
            Q, R = np.linalg.qr(columns)
            U, sv, _ = np.linalg.svd(R, full_matrices=False)
            return Q @ U[:, sv > DEPENDENT * sv[0]]
        U, sv, _ = np.linalg.svd(columns, full_matrices=False)
        return U[:, sv > DEPENDENT * sv[0]]

    def products(self, rows: np.ndarray) -> np.ndarray:
        """`Zᵀv` of the scaled columns, (p,), for v (n,), orthogonal to a constant if the intercept is fitted."""
        v = np.sqrt(self.share) * rows
        total = np.zeros(len(self.scale)) if self.fit_intercept else self.centre * v.sum()
        for here in self.blocks(1):
            total += self.block(here).T @ v[here]
        return total
