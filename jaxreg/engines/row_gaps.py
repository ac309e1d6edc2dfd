"""The duality gap from the rows themselves; `λ = 0`, free columns and sparse tables too.

:mod:`~jaxreg.engines.certificate` has the formulas. The table is taken about its means where they are large, in blocks
of rows, and scaled by powers of two where squares would leave the range of float64.
"""

import contextlib
from typing import Any

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse, moments_of_entries
from jaxreg.engines.centred_table import DEPENDENT, CentredTable
from jaxreg.engines.gaps import (
    Models,
    Sums,
    Weights,
    each_model,
    gap_of,
    rounding_of,
    share_of,
)
from jaxreg.engines.solved import Solved, some_lams
from jaxreg.formulas.duality import Penalty, best_dual

__all__ = ["RowSums", "gap_from_rows"]

# Most columns whose Gram matrix is factored at λ = 0.
MOST_FACTORED = 4096
# So many numbers in a table for which θ is sought, one member after the other, for so many of them.
POLISHED, MODELS = 2**24, 256


def gap_from_rows(problem: Problem, solved: Solved) -> np.ndarray:
    """The gaps, (L, t), from the rows themselves; `λ = 0`, free columns and sparse tables too."""
    gap = np.empty(solved.lams.shape)
    zero = np.any(solved.lams == 0, axis=1)
    with np.errstate(all="ignore"):
        for which, all_free in ((~zero, False), (zero, True)):
            if which.any() and all_free and is_sparse(problem.X) and problem.lower is None and problem.upper is None:
                gap[which] = _least_squares_gaps(problem, some_lams(solved, which))
            elif which.any():
                gap[which] = RowSums(problem, all_free).gaps(some_lams(solved, which))
    return gap


def _least_squares_gaps(problem: Problem, solved: Solved) -> np.ndarray:
    """The gaps at `λ = 0` without bounds, (L, t), on a sparse table: `F(w) − min F = ½ zᵀ G⁺ z`, G the Gram matrix.

    Of many columns, or dependent ones, no more is said than `min F ≥ 0`.
    """
    table = RowSums(problem, False)
    assert table.entries
    p, least = problem.X.shape[1], None
    size = np.where(table.size > 0, table.size, 1.0)
    if p <= MOST_FACTORED:
        m = moments_of_entries(table.entries, table.Y, np.arange(p))
        xx = m.xx / m.weight
        if not problem.fit_intercept:
            xx = xx + np.outer(m.x_mean, m.x_mean)
        gram = xx / np.outer(size, size) + np.diag(np.where(table.size > 0, 0.0, 1.0))
        with contextlib.suppress(np.linalg.LinAlgError):
            least = np.linalg.inv(np.linalg.cholesky(gram))

    def judge(models: Models) -> tuple[np.ndarray]:
        of = table.sums(models)
        unit = of.z / size[:, None]
        part = of.rr if least is None else np.minimum(np.square(least @ unit).sum(axis=0), of.rr)
        free = np.maximum(of.rr - part, 0.0)  # ‖ỹ‖² without what the columns explain
        of = of._replace(yy=np.where(free > 0, free, of.yy))
        return (share_of(0.5 * of.squares, 0.5 * (of.rr - part), of, models, table.original),)

    return each_model(judge, solved)[0]


class RowSums(CentredTable):
    """The table about its means, the targets, and the free columns' span."""

    def __init__(self, problem: Problem, all_free: bool) -> None:
        super().__init__(problem)
        Y = problem.y[self.rows].astype(float)
        self.original = self.share @ Y**2
        self.y_centre = Y[0] + self.share @ (Y - Y[0])
        y_mean = self.y_centre if problem.fit_intercept else np.zeros(Y.shape[1])
        self.Y = Y - self.y_centre
        self.target = Y - y_mean
        if problem.fit_intercept:
            self.target -= self.share @ self.target
        self.Q = self._free_basis(all_free)
        if self.Q is not None:
            self.target = self._project(self.target)
        self.yy = self.share @ self.target**2

    def _free_basis(self, all_free: bool) -> np.ndarray | None:
        """Orthonormal in weighted rows, (n, k): of the columns that neither penalty nor bounds hold."""
        problem, p = self.problem, self.problem.X.shape[1]
        free = np.full(p, all_free)
        free |= False if problem.penalty_factor is None else problem.penalty_factor == 0
        free &= True if problem.lower is None else problem.lower == -np.inf
        free &= True if problem.upper is None else problem.upper == np.inf
        self.free = free
        if not free.any():
            return None
        return self.basis(free)

    def _project(self, values: np.ndarray) -> np.ndarray:
        """Rows (n, k), not weighted, without their part in the free columns."""
        root, Q = np.sqrt(self.share)[:, None], self.Q
        assert Q is not None
        for _ in range(2):
            values = values - (Q @ (Q.T @ (root * values))) / root
        return values

    def gaps(self, solved: Solved) -> np.ndarray:
        weights = Weights(self.problem, solved.scale, self.scale)

        def judge(models: Models) -> tuple[np.ndarray]:
            of = self.sums(models)
            gap = gap_of(of, models, weights, self.original)
            nearest = self._without_held(of, models, weights)
            if nearest is not of:
                of, gap = nearest, np.fmin(gap, gap_of(nearest, models, weights, self.original))
            return (self._improved(gap, of, models, weights),)

        return each_model(judge, solved)[0]

    def at_zero(self) -> Sums:
        """The sums where no coefficient is but the intercept."""
        p, t = self.problem.X.shape[1], self.problem.y.shape[1]
        coef, one = np.zeros((p, t)), np.ones(t)
        intercept = self.y_centre if self.problem.fit_intercept else np.zeros(t)
        return self.sums(Models(coef, coef.any(axis=1), intercept, one, one, np.arange(t)))

    def sums(self, models: Models) -> Sums:
        used, target, intercept = models.used, models.target, self.problem.fit_intercept
        u = models.coef[used] * self.scale[used, None]
        constant, M = self._constant(models.coef * self.scale[:, None], target, models.intercept), len(target)
        squares, total, yr, z = np.zeros(M), np.zeros(M), np.zeros(M), np.zeros(models.coef.shape)
        shift = np.zeros(len(used))
        Qr = None if self.Q is None else np.zeros((self.Q.shape[1], M))
        for here in self.blocks(M if self.entries else max(M, int(used.sum()))):
            share, block = self.share[here, None], self.block(here)
            R = self.Y[here][:, target] + constant - (block[:, used] @ u if not used.all() else block @ u)
            weighted = share * R
            squares += np.einsum("nm,nm->m", weighted, R)
            total += weighted.sum(axis=0)
            yr += np.einsum("nm,nm->m", self.target[here][:, target], weighted)
            z += block.T @ weighted
            shift += block.T @ share[:, 0]
            if self.Q is not None:
                Qr += self.Q[here].T @ (np.sqrt(share) * R)
        rr = np.maximum(squares - total**2, 0.0) if intercept else squares
        if intercept:
            z -= np.outer(shift, total)
        elif self.centre.any():
            z += np.outer(self.centre, total)
        if Qr is not None:
            z, rr = self._without_free(z, rr, Qr)
        yy = self.yy[target]
        spread = np.sqrt(yy) + self.size[used] @ np.abs(u)
        magnitude = np.abs(self.y_centre[target]) + np.abs(models.intercept) + np.abs(self.mean[used]) @ np.abs(u)
        return Sums(squares, rr, yr, yy, z, self.size, spread, magnitude)

    def _constant(self, u: np.ndarray, target: np.ndarray, intercept: Any) -> np.ndarray:
        """`c − x̄·w − b`, (M,), in extended precision, for `x̄·w` may be 1e13 times `|y|`.

        It is what is constant in `y − Xw − b = (y − c) − (X − x̄) w + (c − x̄·w − b)`.
        """
        far = self.centre != 0
        products = (self.centre[far, None].astype(np.longdouble) * u[far]).sum(axis=0)
        return np.asarray(self.y_centre.astype(np.longdouble)[target] - products - intercept, float)

    def _without_free(self, z: np.ndarray, rr: np.ndarray, Qr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`Zᵀr` and `r·r` of the residuals without their part in the free columns, 0 at those."""
        Q, product = self.Q, np.zeros((z.shape[0], Qr.shape[0]))
        assert Q is not None
        for here in self.blocks(Qr.shape[0]):
            rows = np.sqrt(self.share[here])[:, None] * Q[here]
            product += self.block(here).T @ rows
            if self.centre.any() and not self.problem.fit_intercept:
                product += np.outer(self.centre, rows.sum(axis=0))
        z = z - product @ Qr
        return np.where(self.free[:, None], 0.0, z), np.maximum(rr - np.einsum("km,km->m", Qr, Qr), 0.0)

    def _without_held(self, of: Sums, models: Models, weights: Weights) -> Sums:
        """The sums of θ, the nearest to r for which `z_j` is 0 where it is that but for rounding, no penalty weighs,
        and bounds hold the column: a bound of 1e10 would multiply the rounding.

        Where such columns all but depend on each other, θ is far from r, however small `z_j`.
        """
        bounded = np.isfinite(weights.lower) | np.isfinite(weights.upper)
        if not bounded.any():
            return of
        penalty: Any = weights.of(models)
        held = bounded[:, None] & (penalty.l1 == 0) & (penalty.l2 == 0)
        near = held & (np.abs(of.z) <= rounding_of(of)) & (of.z != 0)
        some = np.flatnonzero(near.any(axis=0) & np.isfinite(models.coef).all(axis=0))
        if len(some) == 0:
            return of
        z, rr, yr, before, basis = of.z.copy(), of.rr.copy(), of.yr.copy(), None, np.empty((0, 0))
        root = np.sqrt(self.share)
        for k in some:
            if before is None or (near[:, k] != near[:, before]).any():
                basis, before = self.basis(near[:, k], self.Q), k
            r = self._residual(models.coef[:, k] * self.scale, models.target[k])
            part = basis @ (basis.T @ r)
            z[:, k] = np.where(near[:, k] | self.free, 0.0, z[:, k] - self.products(part))
            rr[k] = max(rr[k] - part @ part, 0.0)
            yr[k] -= (root * self.target[:, models.target[k]]) @ part
        return of._replace(z=z, rr=rr, yr=yr)

    def _residual(self, u: np.ndarray, target: int) -> np.ndarray:
        """r of one member in weighted rows, (n,): without what the intercept and the free columns can explain."""
        used = u != 0
        r = self.Y[:, target] + self._constant(u[:, None], np.array([target]), 0.0)
        for here in self.blocks(int(used.sum())):
            r[here] -= self.block(here)[:, used] @ u[used]
        r = r - self.share @ r if self.problem.fit_intercept else r
        r = r if self.Q is None else self._project(r[:, None])[:, 0]
        return np.sqrt(self.share) * r

    def _improved(self, gap: np.ndarray, of: Sums, models: Models, weights: Weights) -> np.ndarray:
        """Where the gap is above the tolerance: with the best c, then with θ nearest to r."""
        late = np.flatnonzero(~(gap <= self.problem.tol) & np.isfinite(models.coef).all(axis=0))
        if len(late) == 0:
            return gap
        some = lambda v: v[..., late]
        here = models._replace(**{name: some(getattr(models, name)) for name in models._fields if name != "used"})
        of = of._replace(**{name: some(getattr(of, name)) for name in of._fields if name != "size"})
        penalty, primal = weights.of(here), weights.primal(of, here)
        rounding = rounding_of(of)
        dual = best_dual(of.yr, of.rr, of.z, penalty)
        if self.problem.X.size <= POLISHED and not is_sparse(self.problem.X):
            for k in range(min(len(late), MODELS)):
                if np.isfinite(primal[k]):
                    dual[k] = np.fmax(dual[k], self._polished(k, of, here, penalty, rounding))
        better = share_of(primal, dual, of, here, self.original)
        gap = gap.copy()
        gap[late] = np.fmin(gap[late], better)
        return gap

    def _polished(self, k: int, of: Sums, models: Models, penalty: Any, rounding: np.ndarray) -> float:
        """D at the θ nearest to r that is optimal for the columns inside their bounds."""
        cut = lambda v: v[:, k] if v.shape[1] > 1 else v[:, 0]
        h: Any = Penalty(*map(cut, penalty))
        u = models.coef[:, k] * self.scale
        inside = (u != 0) & (u > h.lower) & (u < h.upper)
        inside |= (h.l1 == 0) & (np.abs(of.z[:, k]) <= rounding[:, k])
        inside &= (h.l2 == 0) & ~self.free
        if not inside.any():
            return -np.inf
        X = self.block(slice(0, len(self.rows)))
        X = X - self.share @ X if self.problem.fit_intercept else X + self.centre
        root = np.sqrt(self.share)
        Z, y = root[:, None] * X, self.target[:, models.target[k]]
        Z = Z if self.Q is None else Z - self.Q @ (self.Q.T @ Z)
        r = self._residual(u, models.target[k])
        off = Z[:, inside].T @ r - h.l1[inside] * np.sign(u[inside])
        theta = r - np.linalg.lstsq(Z[:, inside].T, off, rcond=DEPENDENT)[0]
        z = Z.T @ theta
        # As asked for, up to rounding: not where columns that depend on each other ask for different things.
        asked = h.l1 * np.sign(u)
        met = inside & (np.abs(z - asked) <= rounding[:, k])
        z = np.where(self.free, 0.0, np.where(met, asked, z))
        yr, rr = (np.asarray(v) for v in (np.dot(root * y, theta), np.dot(theta, theta)))
        best: Any = best_dual
        return float(best(yr, rr, z, h))
