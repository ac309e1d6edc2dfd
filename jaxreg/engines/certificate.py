"""The certificate of the host functions: the duality gap of the parameters as they are returned.

Whatever engine made them, whatever it lost on the way (bounds, offsets, digits of a Gram matrix, float32), parameters
leave with the gap of :mod:`jaxreg.formulas.duality` at these very numbers, in float64, against their bounds. It needs

    r = y − Xw − b,     F = ½ Σ s r²/Σs + Σ_j h_j(w_j),     z = ZᵀS r,     D(c r) = c ỹ·r − ½ c² r·r − Σ_j h_j*(c z_j)

for all λs and targets at once: two products with the table. From the rows, r is formed about the columns' means, so an
offset of 1e13 costs no digits but those that b itself has lost. Moments are asked where they are at hand and

    rounding = unit · ( ‖ỹ‖ + Σ_j |w_j| ‖x_j‖ )²  +  ( 4ε ( |ȳ| + |b| + Σ_j |w_j x̄_j| ) )²

is below a tenth of the tolerance: 8ε is the unit of moments that were summed about their means, and what subtracting
rows adds is in it (:class:`Known`).

Where a residual of rounding is judged (noise-free y, coefficients of 1e9 that cancel), c r is a poor dual point: its
products with the columns inside their bounds are not l1_j s_j but that and rounding. The nearest θ for which they are,

    θ = r − Z_A x,     Z_AᵀZ_A x = Z_Aᵀr − (l1 s)_A,

is tried where c r does not do: every θ gives a lower bound.

These are host functions: NumPy arrays in, NumPy numbers out.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.data.sparse import is_sparse
from jaxreg.engines.options import Options, Solved
from jaxreg.formulas.duality import Penalty, best_dual, dual_at, largest_scale, penalty_free_scale, relative_gap
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params

__all__ = ["UNIT", "Known", "certified", "gap_from_moments", "gap_from_rows"]

EPS = np.finfo(float).eps
# Moments about their means are known to so much of the columns' lengths: sums of products in blocks.
UNIT = 8 * EPS
# Numbers in a work array.
NUMBERS = 2**20
# A direction of the free columns counts if its singular value is above this share of the largest.
DEPENDENT = 64 * EPS
# Columns whose sizes lie within these limits are not scaled: their squares stay in range.
SMALLEST, LARGEST = 1e-70, 1e70
# Columns are taken about their means where the square of one is above so many times its variance.
OFFSET = 64.0
# So many numbers in a table for which θ is sought, one member after the other, for so many of them.
POLISHED, MEMBERS = 2**24, 256


class Known(NamedTuple):
    """Moments of the rows that have weight, in float64, p columns or more; ``unit``: by how much of the columns'
    lengths their entries may be off."""

    moments: Moments
    unit: float = UNIT


class _Members(NamedTuple):
    """M models, λ after λ: coef (p, M), used (p,) whether any is not 0, intercept, lam, tau (M,), target (M,)."""

    coef: np.ndarray
    used: np.ndarray
    intercept: np.ndarray
    lam: np.ndarray
    tau: np.ndarray
    target: np.ndarray


class _Sums(NamedTuple):
    """What F and D are made of, each (M,) but z, (p, M), and size, (p,): the lengths of the columns."""

    squares: Any  # Σ s r²/Σs
    rr: Any
    yr: Any
    yy: Any
    z: Any
    size: Any
    spread: Any  # ‖ỹ‖ + Σ |w_j| ‖x_j‖
    magnitude: Any  # |ȳ| + |b| + Σ |w_j x̄_j|


def certified(solved: Solved, a: Arguments, options: Options, known: Known | None = None) -> Solved:
    """``solved`` in the caller's precision, with the gaps of its parameters."""
    dtype = a.X.dtype
    params = Params(*(v.astype(dtype, copy=False) for v in solved.params))
    solved = solved._replace(params=params)
    late = np.ones(solved.lams.shape[0], bool)
    gap = np.full(solved.lams.shape, np.inf)
    if known is not None and np.all(solved.lams > 0):
        gap, rounding = gap_from_moments(known, a, solved, options)
        late = ~np.all(rounding <= options.tol / 10, axis=1)
    if late.any():
        gap[late] = gap_from_rows(a, _some(solved, late), options)
    lams, scale, tau = (v.astype(dtype, copy=False) for v in (solved.lams, solved.scale, solved.y_scale))
    return solved._replace(lams=lams, gap=gap.astype(dtype), scale=scale, y_scale=tau)


def _some(solved: Solved, which: np.ndarray) -> Solved:
    params = Params(*(v[which] for v in solved.params))
    return solved._replace(lams=solved.lams[which], params=params)


def gap_from_moments(known: Known, a: Arguments, solved: Solved, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The gaps and what rounding may make of them, as shares of Σ s ỹ²/Σs, each (L, t), at λ > 0, all columns
    penalised."""
    m, p = known.moments, a.X.shape[1]
    m = Moments(m.weight, m.x_mean[:p], m.y_mean, m.xx[:p, :p], m.xy[:p], m.yy)
    original = m.yy / m.weight + m.y_mean**2
    mean, y_mean = m.x_mean, m.y_mean
    m = m if options.fit_intercept else about_zero(m)
    square = np.diagonal(m.xx) / m.weight
    scale = _scaling(np.sqrt(square))
    size = np.sqrt(square) / scale

    def sums(members: _Members) -> _Sums:
        used, target = members.used, members.target
        W = members.coef[used]
        xy = m.xy[:, target] / m.weight
        z = xy - (m.xx[:, used]) @ (W / m.weight)
        yy, product = m.yy[target] / m.weight, np.einsum("pm,pm->m", W, xy[used])
        rr = np.maximum(yy - product - np.einsum("pm,pm->m", W, z[used]), 0.0)
        left = m.y_mean[target] - m.x_mean[used] @ W - members.intercept
        spread = np.sqrt(yy) + (size * scale)[used] @ np.abs(W)
        magnitude = np.abs(y_mean[target]) + np.abs(members.intercept) + np.abs(mean[used]) @ np.abs(W)
        return _Sums(rr + left**2, rr, yy - product, yy, _per(z, scale), size, spread, magnitude)

    def judge(members: _Members) -> tuple[np.ndarray, np.ndarray]:
        of = sums(members)
        gap = _relative(of, members, _Weights(a, options, solved.scale, scale), original)
        noise = known.unit * of.spread**2 + (4 * EPS * of.magnitude) ** 2
        return gap, np.where(of.yy > 0, noise / np.where(of.yy > 0, of.yy, 1.0), 0.0)

    with np.errstate(all="ignore"):
        gap, rounding = _each(judge, solved)
    return gap, rounding


def _scaling(size: np.ndarray) -> np.ndarray:
    """1 for columns of usual sizes, else a power of two by which they are divided."""
    usual = ((size > SMALLEST) & (size < LARGEST)) | (size == 0) | ~np.isfinite(size)
    return np.where(usual, 1.0, np.ldexp(1.0, np.frexp(np.where(usual, 1.0, size))[1]))


def _each(judge: Any, solved: Solved) -> tuple[np.ndarray, ...]:
    """What ``judge`` says of all members, block by block, each (L, t)."""
    L, p, t = solved.params.coef.shape
    W = np.moveaxis(solved.params.coef, 1, 0).reshape(p, L * t)
    tau, target = np.tile(solved.y_scale, L).astype(float), np.tile(np.arange(t), L)
    flat = solved.params.intercept.ravel().astype(float), solved.lams.ravel().astype(float), tau, target
    size = max(1, NUMBERS // p)
    blocks = (slice(start, start + size) for start in range(0, L * t, size))
    found = []
    for here in blocks:
        coef = W[:, here].astype(float)
        found.append(judge(_Members(coef, coef.any(axis=1), *(v[here] for v in flat))))
    return tuple(np.concatenate(v).reshape(L, t) for v in zip(*found, strict=True))


def _per(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return values if np.all(scale == 1) else values / scale[:, None]


class _Weights:
    """h_j for columns divided by ``scale``: l1 = λ a, l2 = λ b/τ with a and b of (p,), and bounds."""

    def __init__(self, a: Arguments, options: Options, sigma: np.ndarray, scale: np.ndarray) -> None:
        p, rho = len(scale), options.l1_ratio
        v = np.ones(p) if a.penalty_factor is None else a.penalty_factor
        ratio = sigma.astype(float) / scale
        self.scale, self.a, self.b = scale, rho * v * ratio, (1 - rho) * v * ratio * ratio
        side: Any = lambda bound, none: np.full(p, none) if bound is None else bound * scale
        self.lower, self.upper = side(a.lower, -np.inf), side(a.upper, np.inf)
        one_sided = all(np.all((bound == 0) | np.isinf(bound)) for bound in (self.lower, self.upper))
        self.lasso = rho == 1 and one_sided and bool(np.all(self.a > 0))

    def of(self, members: _Members) -> Any:
        """Penalty at every λ, (p, M)."""
        l1: Any
        l2: Any
        l1, l2 = self.a[:, None] * members.lam, self.b[:, None] * (members.lam / members.tau)
        return Penalty(l1, l2, self.lower[:, None], self.upper[:, None])

    def primal(self, of: _Sums, members: _Members) -> Any:
        """F, (M,); ∞ outside the bounds."""
        used = members.used
        u = members.coef[used] * self.scale[used, None]
        penalty = members.lam * (self.a[used] @ np.abs(u))
        if self.b.any():
            square = np.where(self.b[used, None] > 0, self.b[used, None] * u * u, 0.0)  # 0, also where u² overflows
            penalty = penalty + 0.5 * members.lam / members.tau * square.sum(axis=0)
        outside = (u < self.lower[used, None]) | (u > self.upper[used, None])
        return np.where(outside.any(axis=0), np.inf, 0.5 * of.squares + penalty)


def _relative(of: _Sums, members: _Members, weights: _Weights, original: np.ndarray) -> np.ndarray:
    """The gap (M,) from the sums."""
    if weights.lasso:  # no squares, bounds 0 or infinite: every h_j* is 0 where it is finite, at |c z_j| ≤ l1_j
        z = of.z if np.isinf(weights.upper).all() else np.where(weights.upper[:, None] > 0, of.z, np.minimum(of.z, 0.0))
        z = z if np.isinf(weights.lower).all() else np.where(weights.lower[:, None] < 0, z, np.maximum(z, 0.0))
        largest = np.max(np.abs(z) / weights.a[:, None], axis=0)
        c = np.where(largest > members.lam, members.lam / largest, 1.0)
        c = np.clip(of.yr / np.where(of.rr > 0, of.rr, 1.0), 0.0, c)
        dual = c * of.yr - 0.5 * c**2 * of.rr
    else:
        penalty = weights.of(members)
        z, rounding = _slopes(of, penalty)
        c_max = largest_scale(z, penalty, rounding)
        c_free = penalty_free_scale(of.yr, of.rr, z, penalty, c_max)
        # Two values of c that need no search; at the minimum one of them is the best.
        dual = np.fmax(dual_at(c_max, of.yr, of.rr, z, penalty), dual_at(c_free, of.yr, of.rr, z, penalty))
    gap = relative_gap(weights.primal(of, members), dual, of.yy, _original(of, members, original))
    return np.where(np.isnan(members.coef[members.used]).any(axis=0), np.nan, gap)


def _original(of: _Sums, members: _Members, original: np.ndarray) -> Any:
    """The squared size of the numbers that predictions are made of: a residual of some ε of it is rounding."""
    return np.maximum(original[members.target], (of.spread + of.magnitude) ** 2)


def _slopes(of: _Sums, penalty: Any) -> tuple[Any, Any]:
    """z and its rounding; without a penalty what is no more than that is 0, lest a bound of 1e10 multiply it."""
    rounding = 16 * EPS * of.size[:, None] * of.spread
    free = (penalty.l1 == 0) & (penalty.l2 == 0) & (np.abs(of.z) <= rounding)
    return np.where(free, 0.0, of.z), rounding


def gap_from_rows(a: Arguments, solved: Solved, options: Options) -> np.ndarray:
    """The gaps, (L, t), from the rows themselves; λ = 0, free columns and sparse tables too."""
    gap = np.empty(solved.lams.shape)
    zero = np.any(solved.lams == 0, axis=1)
    with np.errstate(all="ignore"):
        for which, all_free in ((~zero, False), (zero, True)):
            if which.any():
                gap[which] = _Rows(a, options, all_free).gaps(_some(solved, which))
    return gap


class _Rows:
    """The table about its means, and the free columns' span."""

    def __init__(self, a: Arguments, options: Options, all_free: bool) -> None:
        n = a.X.shape[0]
        self.a, self.options = a, options
        s = np.ones(n) if a.sample_weight is None else a.sample_weight.astype(float)
        self.rows = np.flatnonzero(s > 0)
        self.all = len(self.rows) == n
        s = s[self.rows] / np.max(s)
        self.share = s / s.sum()
        Y = a.y.reshape(n, -1)[self.rows].astype(float)
        self.original = self.share @ Y**2
        self.scale = self._column_scale()
        self.mean, self.centre, square = self._mean_centre_and_square()
        self.y_centre = Y[0] + self.share @ (Y - Y[0])
        y_mean = self.y_centre if options.fit_intercept else np.zeros(Y.shape[1])
        self.Y = Y - self.y_centre
        self.target = Y - y_mean
        if options.fit_intercept:
            self.target -= self.share @ self.target
        self.size = np.sqrt(square)
        self.Q = self._free_basis(all_free)
        if self.Q is not None:
            self.target = self._project(self.target)
        self.yy = self.share @ self.target**2

    def _block(self, here: slice) -> np.ndarray:
        """Some rows divided by the columns' scale, less the centre, (k, p); dense."""
        rows = here if self.all else self.rows[here]
        block = self.a.X[rows].astype(float, copy=False)
        block = block if np.all(self.scale == 1) else block / self.scale
        return block - self.centre if self.centre.any() else block

    def _blocks(self, width: int) -> list[slice]:
        number, size = len(self.rows), max(1, NUMBERS // max(self.a.X.shape[1], width))
        return [slice(start, min(start + size, number)) for start in range(0, number, size)]

    def _column_scale(self) -> np.ndarray:
        """1 for columns of usual sizes, else a power of two."""
        X: Any = self.a.X
        if is_sparse(X):
            return _scaling(np.maximum(X.max(axis=0).toarray().ravel(), -X.min(axis=0).toarray().ravel()).astype(float))
        return _scaling(np.maximum(X.max(axis=0), -X.min(axis=0)).astype(float))

    def _mean_centre_and_square(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the scaled columns: means; what is taken off before products, 0 where the means are small; mean squares,
        about the means if the intercept is fitted; each (p,)."""
        X: Any = self.a.X
        p = X.shape[1]
        rows = X if self.all else X[self.rows]
        if not np.all(self.scale == 1):
            rows = rows.multiply(1 / self.scale).tocsr() if is_sparse(X) else rows / self.scale
        if is_sparse(X):
            mean, square = np.asarray(rows.T @ self.share).ravel(), np.asarray(rows.power(2).T @ self.share).ravel()
            return mean, np.zeros(p), np.maximum(square - mean**2, 0.0) if self.options.fit_intercept else square
        mean = self.share @ rows
        square = np.einsum("np,np,n->p", rows, rows, self.share, dtype=float)
        variance = square - mean**2
        centre = np.zeros(p)
        if np.any(mean**2 > OFFSET * variance):
            centre, variance = mean, np.zeros(p)
            for start in range(0, len(rows), size := max(1, NUMBERS // p)):
                block, share = rows[start : start + size] - mean, self.share[start : start + size]
                variance += np.einsum("np,np,n->p", block, block, share)
        variance = np.maximum(variance, 0.0)
        return mean, centre, variance if self.options.fit_intercept else variance + mean**2

    def _free_basis(self, all_free: bool) -> np.ndarray | None:
        """Orthonormal in weighted rows, (n, k): of the columns that neither penalty nor bounds hold."""
        a, p = self.a, self.a.X.shape[1]
        free = np.full(p, all_free)
        free |= False if a.penalty_factor is None else a.penalty_factor == 0
        free &= True if a.lower is None else a.lower == -np.inf
        free &= True if a.upper is None else a.upper == np.inf
        self.free = free
        if not free.any():
            return None
        X: Any = a.X
        X = X.toarray() if is_sparse(X) else X
        columns = X[self.rows][:, free].astype(float)
        columns /= self.scale[free]
        columns = columns - self.centre[free] if self.options.fit_intercept else columns
        if self.options.fit_intercept:
            columns -= self.share @ columns
        columns *= np.sqrt(self.share)[:, None]
        norm = np.linalg.norm(columns, axis=0)
        columns /= np.where(norm > 0, norm, 1.0)
        if columns.shape[0] > columns.shape[1]:
            Q, R = np.linalg.qr(columns)
            U, sv, _ = np.linalg.svd(R, full_matrices=False)
            return Q @ U[:, sv > DEPENDENT * sv[0]]
        U, sv, _ = np.linalg.svd(columns, full_matrices=False)
        return U[:, sv > DEPENDENT * sv[0]]

    def _project(self, values: np.ndarray) -> np.ndarray:
        """Rows (n, k), not weighted, without their part in the free columns."""
        root, Q = np.sqrt(self.share)[:, None], self.Q
        assert Q is not None
        for _ in range(2):
            values = values - (Q @ (Q.T @ (root * values))) / root
        return values

    def gaps(self, solved: Solved) -> np.ndarray:
        weights = _Weights(self.a, self.options, solved.scale, self.scale)

        def judge(members: _Members) -> tuple[np.ndarray]:
            of = self.sums(members)
            gap = _relative(of, members, weights, self.original)
            return (self._improved(gap, of, members, weights),)

        return _each(judge, solved)[0]

    def sums(self, members: _Members) -> _Sums:
        a, used, target, intercept = self.a, members.used, members.target, self.options.fit_intercept
        W = members.coef[used]
        u = W * self.scale[used, None]
        # y − Xw − b = (y − c) − (X − x̄) w + (c − x̄·w − b), the last in extended precision: x̄·w may be 1e13 times |y|.
        far = self.centre[used] != 0
        products = (self.centre[used][far, None].astype(np.longdouble) * u[far]).sum(axis=0)
        constant = (self.y_centre.astype(np.longdouble)[target] - products - members.intercept).astype(float)
        M = len(target)
        squares, total, yr, z = np.zeros(M), np.zeros(M), np.zeros(M), np.zeros(members.coef.shape)
        shift = np.zeros(len(used))
        Qr = None if self.Q is None else np.zeros((self.Q.shape[1], M))
        v = W if is_sparse(a.X) else u
        for here in self._blocks(M):
            share = self.share[here, None]
            X = a.X[self.rows[here]] if is_sparse(a.X) else self._block(here)
            R = self.Y[here][:, target] + constant - (X[:, used] @ v if not used.all() else X @ v)
            weighted = share * R
            squares += np.einsum("nm,nm->m", weighted, R)
            total += weighted.sum(axis=0)
            yr += np.einsum("nm,nm->m", self.target[here][:, target], weighted)
            z += X.T @ weighted
            shift += X.T @ share[:, 0]
            if self.Q is not None:
                Qr += self.Q[here].T @ (np.sqrt(share) * R)
        z = _per(z, self.scale) if is_sparse(a.X) else z
        shift = shift / self.scale if is_sparse(a.X) else shift
        rr = np.maximum(squares - total**2, 0.0) if intercept else squares
        if intercept:
            z -= np.outer(shift, total)
        elif self.centre.any():
            z += np.outer(self.centre, total)
        if Qr is not None:
            z, rr = self._without_free(z, rr, Qr)
        yy = self.yy[target]
        spread = np.sqrt(yy) + self.size[used] @ np.abs(u)
        magnitude = np.abs(self.y_centre[target]) + np.abs(members.intercept) + np.abs(self.mean[used]) @ np.abs(u)
        return _Sums(squares, rr, yr, yy, z, self.size, spread, magnitude)

    def _without_free(self, z: np.ndarray, rr: np.ndarray, Qr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Zᵀr and r·r of the residuals without their part in the free columns, 0 at those."""
        table: Any = self.a.X
        Q, product = self.Q, np.zeros((z.shape[0], Qr.shape[0]))
        assert Q is not None
        for here in self._blocks(Qr.shape[0]):
            X = table[self.rows[here]].toarray() / self.scale if is_sparse(table) else self._block(here)
            X = X if self.options.fit_intercept else X + self.centre
            product += X.T @ (np.sqrt(self.share[here])[:, None] * Q[here])
        z = z - product @ Qr
        return np.where(self.free[:, None], 0.0, z), np.maximum(rr - np.einsum("km,km->m", Qr, Qr), 0.0)

    def _improved(self, gap: np.ndarray, of: _Sums, members: _Members, weights: _Weights) -> np.ndarray:
        """Where the gap is above the tolerance: with the best c, then with θ nearest to r."""
        late = np.flatnonzero(~(gap <= self.options.tol) & np.isfinite(members.coef).all(axis=0))
        if len(late) == 0:
            return gap
        some = lambda v: v[..., late]
        here = members._replace(**{name: some(getattr(members, name)) for name in members._fields if name != "used"})
        of = of._replace(**{name: some(getattr(of, name)) for name in of._fields if name != "size"})
        penalty, primal = weights.of(here), weights.primal(of, here)
        z, rounding = _slopes(of, penalty)
        dual = best_dual(of.yr, of.rr, z, penalty, rounding)
        if self.a.X.size <= POLISHED and not is_sparse(self.a.X):
            for k in range(min(len(late), MEMBERS)):
                if np.isfinite(primal[k]):
                    dual[k] = np.fmax(dual[k], self._polished(k, of, here, penalty, rounding))
        better = relative_gap(primal, dual, of.yy, _original(of, here, self.original))
        gap = gap.copy()
        gap[late] = np.fmin(gap[late], better)
        return gap

    def _polished(self, k: int, of: _Sums, members: _Members, penalty: Any, rounding: np.ndarray) -> float:
        """D at the θ nearest to r that is optimal for the columns inside their bounds."""
        cut = lambda v: v[:, k] if v.shape[1] > 1 else v[:, 0]
        h: Any = Penalty(*map(cut, penalty))
        u = members.coef[:, k] * self.scale
        inside = (u != 0) & (u > h.lower) & (u < h.upper) & (h.l2 == 0) & ~self.free
        if not inside.any():
            return -np.inf
        X = self._block(slice(0, len(self.rows)))
        X = X - self.share @ X if self.options.fit_intercept else X + self.centre
        root = np.sqrt(self.share)
        Z, y = root[:, None] * X, self.target[:, members.target[k]]
        r = y - X @ u  # about the means: the best intercept is in it
        r = self._project(r[:, None])[:, 0] if self.Q is not None else r
        r = root * (r - (self.share @ r if self.options.fit_intercept else 0.0))
        Z = Z if self.Q is None else Z - self.Q @ (self.Q.T @ Z)
        off = Z[:, inside].T @ r - h.l1[inside] * np.sign(u[inside])
        theta = r - np.linalg.lstsq(Z[:, inside].T, off, rcond=DEPENDENT)[0]
        z = Z.T @ theta
        # As asked for, up to rounding: not where columns that depend on each other ask for different things.
        asked = h.l1 * np.sign(u)
        met = inside & (np.abs(z - asked) <= rounding[:, k])
        z = np.where(self.free, 0.0, np.where(met, asked, z))
        z = np.where((h.l1 == 0) & (h.l2 == 0) & (np.abs(z) <= rounding[:, k]), 0.0, z)
        yr, rr, limit = (np.asarray(v) for v in (np.dot(root * y, theta), np.dot(theta, theta), rounding[:, k]))
        best: Any = best_dual
        return float(best(yr, rr, z, h, limit))
