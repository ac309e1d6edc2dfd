"""The some-columns engine: a set of columns that grows, for sparse tables, and for few λs near `λ_max` on dense ones.

A path is solved on a *working set* of columns. One product with the whole table then gives, at every λ, the residual's
gradient `z = ZᵀSr` and with it the duality gap of the whole problem. Where that is above the tolerance, the columns
outside the set for which

    |z_j| > λ a_j

join it, the worst first, at most as many as there are, and the λs that are late are solved again. On a small set, a
path comes from its moments (:mod:`~jaxreg.engines.moments`). Where more is needed, a dense table is left to the other
engines. Of a sparse one products cost as much as there are entries; a large set, ridge, free columns, bounds on both
sides and `λ = 0` go from λ to λ by :mod:`~jaxreg.engines.newton_entries`. No column is centred or scaled but in its
moments and in products with the entries, and nothing else is made dense.
"""

from typing import Any

import numpy as np

from jaxreg.data.members import UNIT, Known, Members
from jaxreg.data.problem import Problem
from jaxreg.data.row_blocks import block_moments, filled_up
from jaxreg.data.sparse import entries_of, is_sparse, moments_of_entries
from jaxreg.engines import descent, moments
from jaxreg.engines.gaps import Models, Weights, each_model, gap_of
from jaxreg.engines.newton_entries import Columns, minimise
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.row_gaps import RowSums
from jaxreg.engines.solved import Solved
from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.degrees import trace_on_support
from jaxreg.solvers.found import lams_of

__all__ = ["refuses", "solve", "suits"]

# A table of at least so many numbers, of which at most this share are entries, is solved on these.
LARGE, SPARSE = 2**19, 0.05
# Columns of the first working set, and most whose moments are formed, of a path and of at most so many λs: from knot to
# knot, one λ takes as long as all that are larger.
FIRST, FIRST_OF_PATH, MOST = 128, 512, 2048
FEW_LAMS, MOST_OF_FEW = 4, 256
# Dense tables of so many columns, at λs of at least this share of λ_max, and while fewer columns are active than this
# share of the rows: else all columns are soon asked for.
DENSE_COLUMNS, NEAR, SATURATED, SAMPLE = 256, 0.08, 0.5, 64
# A column whose variance is less than this share of its squared mean may be constant.
STILL = 1e-20
# Most columns for whose degrees of freedom a matrix is factored.
COUNTED = 2048
# On a working set the gap is to be this share of the tolerance: the whole table's is larger, and near the minimum one
# more step costs little.
WITHIN = 1e-3

_grid, _trace = compiled(lams_of), compiled(trace_on_support)


def suits(problem: Problem) -> bool:
    """Whether a table that is small enough to be copied into a dense one takes less time as it is."""
    n, p = problem.X.shape
    large = n * p >= LARGE and problem.X.nnz <= SPARSE * n * p  # type: ignore[attr-defined]
    return large and _descends(problem)


def _descends(problem: Problem) -> bool:
    """Whether moments of a working set can solve the problem at `λ > 0`."""
    return descent.refuses_penalty(problem.l1_ratio, problem.penalty_factor, problem.lower, problem.upper) is None


def refuses(problem: Problem, lams: int | np.ndarray) -> str | None:
    """Why a set of columns does not serve the problem; None where it does."""
    if is_sparse(problem.X):
        return "strategy='parallel' needs dense rows" if problem.strategy == "parallel" else None
    n, p = problem.X.shape
    if isinstance(lams, int) or len(lams) > FEW_LAMS or p < DENSE_COLUMNS or n < FIRST:
        return "a dense table is read once for many λs, few columns or few rows"
    return descent.refuses(problem, lams)


def solve(
    problem: Problem, lams: int | np.ndarray, members: Members, b: int | None = None, found: Any = None
) -> Solved | None:
    """A path; its gaps are those of the whole table where they are within the tolerance, else they are not known. None
    where float64 does not carry it, or a dense table needs too many columns.

    Args:
        problem: with the weights of the member that is trained. lams: how many, or (L, t).
    """
    del members, b, found
    with np.errstate(all="ignore"):  # what is not finite is found by whoever is left with it
        if not is_sparse(problem.X) and not _near(problem, lams):
            return None
        return _Path(problem).solved(lams)


def _near(problem: Problem, lams: Any) -> bool:
    """Whether the λs are near `λ_max`, with standard deviations of some rows: one product with the table."""
    share = problem.weights / problem.weights.sum()
    Y = problem.y - share @ problem.y if problem.fit_intercept else problem.y
    sigma = np.std(problem.X[:SAMPLE], axis=0) if problem.standardize else np.ones(problem.X.shape[1])
    v = sigma if problem.penalty_factor is None else sigma * problem.penalty_factor
    z = np.abs(problem.X.T @ (share[:, None] * Y)).max(axis=1)
    return bool(lams.min() * problem.l1_ratio >= NEAR * np.max(z[v > 0] / v[v > 0], initial=0.0))


class _Path:
    """The problem on the rows that have weight."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.table = problem, RowSums(problem, False)
        self.entries, self.Y = self.table.entries, problem.y[self.table.rows]
        if self.entries and np.any(self.table.scale != 1):
            self.entries = entries_of(problem.X, problem.sample_weight)
        variance = self.table.variance * self.table.scale**2
        still = np.flatnonzero(variance <= STILL * self.table.mean**2)
        if not self.entries and len(still):  # constant, or all but that
            variance[still] *= np.ptp(problem.X[self.table.rows][:, still], axis=0) > 0
        self.sigma = np.sqrt(np.where(problem.standardize & (variance > 0), variance, 1.0))
        square = self.table.share @ (self.Y - self.table.y_centre) ** 2
        self.tau = np.sqrt(np.where(problem.standardize & (square > 0), square, 1.0))
        self.weights = Weights(problem, self.sigma, self.table.scale)
        self.descends = _descends(problem)

    def solved(self, lams: int | np.ndarray) -> Solved | None:
        problem, p, t = self.problem, self.problem.X.shape[1], self.problem.y.shape[1]
        at_zero = self.table.at_zero()
        if isinstance(lams, int):
            lams = self._automatic(lams, at_zero.z * self.table.scale[:, None])
        score = np.max(self._share_of_bound(at_zero.z), axis=1)
        L, dtype = len(lams), problem.X.dtype
        unknown, late = np.full((L, t), np.inf), np.ones(L, bool)
        new = lambda *shape: np.zeros(shape, dtype)
        solved = Solved(
            lams=lams.astype(dtype),
            params=Params(new(L, t), new(L, p, t)),
            gap=unknown,
            n_iter=np.zeros((L, t), np.int32),
            df=new(L, t),
            rounding=unknown.copy(),
            scale=self.sigma,
            y_scale=self.tau,
        )
        inside = np.flatnonzero(score == np.inf) if np.all(lams > 0) else np.arange(p)
        first = FIRST if L <= FEW_LAMS else FIRST_OF_PATH
        inside = _joining(inside, np.where(score == np.inf, 0.0, score), score > 0, first)
        while True:
            here = self._on_columns(lams[late], inside, solved.params.coef[late])
            if here is None or not all(np.isfinite(v).all() for v in here.params):
                return None
            gap, score = self._judged(here)
            _put(solved, late, here, gap, problem.tol)
            late[late] = ~np.all(gap <= problem.tol, axis=1)
            score[inside] = 0.0
            if late.any() and not self.entries:
                active = np.count_nonzero(here.params.coef, axis=1).max()
                if active > SATURATED * len(self.Y):
                    return None
            if not late.any() or not np.any(score > 1):
                return solved
            inside = _joining(inside, score, score > 1, first)

    def _automatic(self, count: int, covariance: np.ndarray) -> np.ndarray:
        """The automatic grid, (count, t)."""
        p, t = covariance.shape
        P, order = padded(p), Order(count, t, self.problem.eps)
        fill = lambda values, value: np.concatenate([values, np.full((P - p, *values.shape[1:]), value)])
        grid = _grid(order.grid, fill(covariance, 0.0), settings_of(self.problem, P), fill(self.sigma, 1.0))
        return np.asarray(grid)[:count]

    def _share_of_bound(self, z: np.ndarray) -> np.ndarray:
        """`|z_j| / a_j` where the bounds let the coefficient move that way, (p, M); ∞ where nothing is penalised so."""
        z = np.where(self.weights.upper[:, None] > 0, z, np.minimum(z, 0.0))
        z = np.abs(np.where(self.weights.lower[:, None] < 0, z, np.maximum(z, 0.0)))
        a = self.weights.a[:, None]
        return np.where(a > 0, z / np.where(a > 0, a, 1.0), np.inf)

    def _judged(self, solved: Solved) -> tuple[np.ndarray, np.ndarray]:
        """The gaps, (L, t), and the largest `|z_j| / (λ a_j)` of every column over the λs that are late, (p,)."""
        score = np.zeros(solved.params.coef.shape[1])

        def judge(models: Models) -> tuple[np.ndarray]:
            nonlocal score
            of = self.table.sums(models)
            gap = gap_of(of, models, self.weights, self.table.original)
            late = ~(gap <= self.problem.tol)
            if late.any():
                score = np.maximum(score, np.max(self._share_of_bound(of.z[:, late]) / models.lam[late], axis=1))
            return (gap,)

        with np.errstate(all="ignore"):
            return each_model(judge, solved)[0], score

    def _on_columns(self, lams: np.ndarray, columns: np.ndarray, begin: np.ndarray) -> Solved | None:
        """The path on these columns alone, with the coefficients of all.

        Args:
            lams: (L, t). columns: their numbers. begin: coefficients near the solution, or 0, (L, p, t).
        """
        few = self.descends and len(columns) <= (MOST if len(lams) > FEW_LAMS else MOST_OF_FEW) and np.all(lams > 0)
        if not few and not self.entries:
            return None
        here = self._by_moments(lams, columns) if few else self._by_steps(lams, columns, begin[:, columns])
        coef = np.zeros_like(begin)
        coef[:, columns] = here.params.coef
        return here._replace(params=here.params._replace(coef=coef), scale=self.sigma, y_scale=self.tau)

    def _by_moments(self, lams: np.ndarray, columns: np.ndarray) -> Solved:
        some = lambda values: None if values is None else values[columns]
        factors: Any = {name: some(getattr(self.problem, name)) for name in ("penalty_factor", "lower", "upper")}
        asked = settings_of(self.problem._replace(**factors), padded(len(columns)))
        order = Order(lams, self.Y.shape[1], self.problem.eps)
        if self.entries:
            m = filled_up(moments_of_entries(self.entries, self.Y, columns))
        else:
            m = block_moments(self.problem.X[:, columns], self.problem.y, self.problem.sample_weight, None)
        known = Known(m, None, UNIT)
        return order.solved(moments.path(known, order, asked, self.problem.device), len(columns), self.problem.X.dtype)

    def _by_steps(self, lams: np.ndarray, columns: np.ndarray, begin: np.ndarray) -> Solved:
        """From the largest λ down, each from the solution of the one before or its own earlier one."""
        problem, (L, t) = self.problem, lams.shape
        assert self.entries
        A = Columns(self.entries, columns, problem.fit_intercept)
        largest, coef, n_iter = A.largest(), np.zeros((L, len(columns), t)), np.zeros((L, t), np.int32)
        df = np.full((L, t), np.nan)
        for k, targets in enumerate(self.Y.T):
            b = A.root * (targets - self.table.y_centre[k] * problem.fit_intercept)
            u = np.zeros(len(columns))
            for l in np.argsort(-lams[:, k], kind="stable"):
                penalty = self._penalty(lams[l, k], self.tau[k], columns, A.size)
                u = begin[l, :, k] * A.size if begin[l, :, k].any() else u
                u = u if lams[l, k] > 0 else np.zeros_like(u)  # for the solution of least norm
                limits = WITHIN * problem.tol * max(float(b @ b), 1e-300), problem.max_iter - 1
                u, n_iter[l, k] = minimise(A, b, penalty, u, largest, *limits)
                coef[l, :, k] = u / A.size
                df[l, k] = self._degrees(columns, u, penalty)
        coef = coef.astype(problem.X.dtype)
        for bound, cut in ((problem.lower, np.maximum), (problem.upper, np.minimum)):
            if bound is not None:  # u / d may be an ulp beyond
                coef = cut(coef, bound[columns, None].astype(coef.dtype))
        mean, y_mean = self.entries.mean[columns], self.table.y_centre
        intercept = (y_mean - np.einsum("p,lpt->lt", mean, coef)) * problem.fit_intercept
        none = np.full((L, t), np.inf)
        params = Params(intercept.astype(problem.X.dtype), coef)
        return Solved(lams, params, none, n_iter, df, none, self.sigma, self.tau)

    def _penalty(self, lam: float, tau: float, columns: np.ndarray, size: np.ndarray) -> Penalty:
        """On u = d w."""
        one = lambda values, none: np.full(len(columns), none) if values is None else values[columns]
        problem, sigma = self.problem, self.sigma[columns] / size
        v = one(problem.penalty_factor, 1.0)
        l1, l2 = lam * problem.l1_ratio * v * sigma, lam / tau * (1 - problem.l1_ratio) * v * sigma**2
        fields: Any = l1, l2, one(problem.lower, -np.inf) * size, one(problem.upper, np.inf) * size
        return Penalty(*fields)

    def _degrees(self, columns: np.ndarray, u: np.ndarray, penalty: Penalty) -> float:
        """df; NaN where it is not asked for, or too many columns are active."""
        inside = np.flatnonzero((u != 0) & (u > penalty.lower) & (u < penalty.upper))
        if not self.problem.degrees or len(inside) > COUNTED:
            return np.nan
        assert self.entries
        m = filled_up(moments_of_entries(self.entries, self.Y, columns[inside]))
        square, P = np.diagonal(m.xx), len(m.x_mean)
        if not self.problem.fit_intercept:
            square = square + m.weight * m.x_mean**2
        xx = m.xx if self.problem.fit_intercept else m.xx + m.weight * np.outer(m.x_mean, m.x_mean)
        size = np.sqrt(np.where(square > 0, square, 1.0))
        l2 = np.zeros(P)
        l2[: len(inside)] = np.asarray(penalty.l2)[inside]
        df = float(_trace(xx / np.outer(size, size), np.arange(P) < len(inside), l2))
        return df if l2.any() else float(np.rint(df))  # a rank


def _put(solved: Solved, late: np.ndarray, here: Solved, gap: np.ndarray, tol: float) -> None:
    """What has been found at the λs flagged, (L,), is written into ``solved``."""
    for old, new in zip(solved.params, here.params, strict=True):
        old[late] = new
    solved.gap[late], solved.df[late] = gap, here.df
    solved.n_iter[late] += here.n_iter
    solved.rounding[late] = np.where((gap <= tol) & (here.lams > 0), 0.0, np.inf)


def _joining(inside: np.ndarray, score: np.ndarray, which: np.ndarray, least: int) -> np.ndarray:
    """The columns inside and those flagged of largest score, (p,), sorted; twice as many at most, or ``least``."""
    new = np.setdiff1d(np.flatnonzero(which), inside)
    most = max(least, len(inside))
    if len(new) > most:
        new = new[np.argpartition(-score[new], most)[:most]]
    return np.sort(np.concatenate([inside, new]))
