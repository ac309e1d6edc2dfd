"""One λ on the entries of a sparse table: Newton steps by conjugate gradients, where moments would be too large.

With columns `a_j = √(s/Σs) (x_j − x̄_j) / d_j` of length 1, `u = d w` and `b = √(s/Σs) (y − ȳ)`, every round of

    min over u:   ½ ‖b − A u‖² + Σ_j h_j(u_j),        h_j(u) = l1_j |u| + ½ l2_j u²  within bounds

takes two steps. A proximal gradient step,

    u ← prox_{h/K}( u + z/K ),     z = Aᵀ(b − A u),     K ≥ ‖A‖²

lowers the objective unless u is the minimum (Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009), and tells which columns
F are active: neither 0 nor at a bound. Among them, as long as no sign changes, the objective is a quadratic, whose
minimum is a step

    ( A_FᵀA_F + l2_F ) e = z_F − l1_F s_F − l2_F u_F

away: conjugate gradients need products with the entries of F alone. The step is taken as far as the objective falls,
`t = 1, ½, …`, with what would cross 0 or a bound left there. Ridge is one such step.
"""

from typing import Any

import numpy as np

from jaxreg.data.sparse import Entries, squares
from jaxreg.formulas.duality import Penalty, better_dual, largest_scale, penalty_free_scale

__all__ = ["Columns", "minimise"]

# Conjugate gradients end where the residual is this share of what it was.
RESIDUAL = 0.03
# A step is halved so many times; it takes so many products at most.
HALVINGS, MOST_PRODUCTS = 8, 200
# So many columns can be factored, with this share of their squares added.
FACTORED, SHIFT = 4096, 1e-14
# Where a Newton step is cut, or takes more than a share of its columns over 0 or a bound, twice as many gradient steps
# come before the next.
CROSSING, MOST_STEPS = 0.05, 64
# Where nothing is penalised, z is 0 if it is below this share of the lengths that it is made of.
ROUNDING = 8 * np.finfo(float).eps
# Rounds after which the gap has to be below this share of the least before; without kinks each is a whole solution.
IDLE, SMOOTH_IDLE, FALLS = 50, 3, 0.9
# Where the gap is within so many times what is asked for, rounding may be what is left.
CLOSE = 100.0
# ‖A‖² is estimated by so many products, and enlarged by this.
POWERS, ENLARGED = 12, 1.1


class Columns:
    """A, of some columns of a sparse table.

    Attributes:
        size: d, (k,).
    """

    def __init__(self, entries: Entries, columns: np.ndarray, fit_intercept: bool) -> None:
        mean, square = entries.mean[columns], entries.variance[columns]
        square = square if fit_intercept else square + mean**2
        self.size = np.sqrt(np.where(square > 0, square, 1.0))
        self.root = np.sqrt(entries.weight / entries.weight.sum())
        Z = entries.Z[:, columns]
        Z.data *= self.root[Z.indices] / np.repeat(self.size, np.diff(Z.indptr))
        self.Z = Z
        self.offset = (mean * fit_intercept - entries.start[columns]) / self.size

    def some(self, which: np.ndarray) -> "Columns":
        """The columns flagged, (k,)."""
        if which.all():
            return self
        part = object.__new__(Columns)
        part.root, part.size, part.offset, part.Z = self.root, self.size[which], self.offset[which], self.Z[:, which]
        return part

    def times(self, u: np.ndarray) -> np.ndarray:
        """A u, (n,)."""
        return np.asarray(self.Z @ u) - self.root * (self.offset @ u)

    def products(self, r: np.ndarray) -> np.ndarray:
        """`Aᵀr`, (k,)."""
        return np.asarray(self.Z.T @ r) - self.offset * (self.root @ r)

    def gram(self) -> np.ndarray:
        """`AᵀA`, (k, k)."""
        total = self.root @ self.root  # 1
        mean = np.asarray(self.Z.T @ self.root)
        cross = np.outer(mean, self.offset)
        return squares(self.Z) - cross - cross.T + total * np.outer(self.offset, self.offset)

    def largest(self) -> float:
        """More than `‖A‖²`, probably."""
        v = np.random.default_rng(0).normal(size=len(self.size))
        for _ in range(POWERS):
            v = self.products(self.times(v / max(np.linalg.norm(v), 1e-300)))
        return ENLARGED * float(np.linalg.norm(v))


def minimise(
    A: Columns, b: np.ndarray, penalty: Penalty, u: np.ndarray, largest: float, tol: float, max_iter: int
) -> tuple[np.ndarray, int]:
    """u, (k,), with a duality gap of at most ``tol``, or after ``max_iter`` products; and how many were needed.

    Args:
        b: (n,). penalty: (k,) each. u: where to begin. largest: K.
    """
    l1, l2, lower, upper = map(np.asarray, penalty)
    u, used, idle, least_gap, steps = np.clip(u, lower, upper), 0, 0, np.inf, 1
    free = (l1 == 0) & (l2 == 0)
    smooth = not l1.any() and np.isinf(lower).all() and np.isinf(upper).all()
    patience = SMOOTH_IDLE if smooth else IDLE
    value = lambda u, r: 0.5 * r @ r + l1 @ np.abs(u) + 0.5 * l2 @ u**2
    r = b - A.times(u)
    while used < max_iter:
        z = A.products(r)
        rounding = ROUNDING * (np.linalg.norm(b) + np.abs(u).sum())
        gap = _gap(value(u, r), b @ r, r @ r, np.where(free & (np.abs(z) <= rounding), 0.0, z), penalty)
        idle = 0 if gap < FALLS * least_gap else idle + 1
        least_gap = min(gap, least_gap)
        if gap <= tol or idle > (SMOOTH_IDLE if least_gap <= CLOSE * tol else patience):
            break
        u, r, largest = _gradient_steps(A, b, penalty, u, r, largest, steps)
        slope = A.products(r) - l1 * np.sign(u) - l2 * u
        used += 2 + steps
        inside = (u != 0) | (l1 == 0)
        inside &= ((u > lower) | (slope > 0)) & ((u < upper) | (slope < 0))
        if not inside.any():
            continue
        enough = RESIDUAL**2 * float(slope[inside] @ slope[inside])
        e, count = _newton_step(A.some(inside), l2[inside], slope[inside], enough)
        least = np.where((l1 > 0) & (u > 0), np.maximum(lower, 0.0), lower)
        most = np.where((l1 > 0) & (u < 0), np.minimum(upper, 0.0), upper)
        before, t, moved = value(u, r), 1.0, u.copy()
        moved[inside] += e
        right = np.mean((moved < least) | (moved > most)) * len(u) <= CROSSING * inside.sum()
        used += count
        for _ in range(HALVINGS):
            trial = np.clip(u + t * (moved - u), least, most)
            residual = b - A.times(trial)
            used += 1
            if value(trial, residual) <= before:
                u, r = trial, residual
                break
            t /= 2
        steps = max(steps // 2, 1) if right and t == 1 else min(2 * steps, MOST_STEPS)
    return u, used


def _gradient_steps(
    A: Columns, b: np.ndarray, penalty: Penalty, u: np.ndarray, r: np.ndarray, largest: float, count: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Accelerated proximal gradient steps from u, whose residual is r; K is doubled where it is too small."""
    l1, l2, lower, upper = map(np.asarray, penalty)
    v, residual, t = u, r, 1.0
    for _ in range(count):
        z = A.products(residual)
        while True:
            moved = v + z / largest
            moved = np.sign(moved) * np.maximum(np.abs(moved) - l1 / largest, 0.0) / (1 + l2 / largest)
            moved = np.clip(moved, lower, upper)
            new = r - A.times(moved - u)
            change = residual - new  # A (moved − v)
            unseen = (2 * ROUNDING) ** 2 * (residual @ residual)  # a step of 0 changes the residual by rounding
            if not change @ change > largest * np.sum((moved - v) ** 2) * (1 + 1e-9) + unseen:
                break
            largest *= 2
        t, last = (1.0, 1.0) if (v - moved) @ (moved - u) > 0 else (0.5 + (0.25 + t * t) ** 0.5, t)
        beta = (last - 1) / t
        v, residual = moved + beta * (moved - u), new + beta * (new - r)
        u, r = moved, new
    return u, r, largest


def _newton_step(A: Columns, l2: np.ndarray, right: np.ndarray, enough: float) -> tuple[np.ndarray, int]:
    """`(AᵀA + l2)⁻¹` right, (k,), by conjugate gradients, or a factorisation where they would take long."""
    e, count = _conjugate_gradients(A, l2, right, enough, MOST_PRODUCTS)
    if count < MOST_PRODUCTS or len(right) > FACTORED:
        return e, count
    return np.linalg.solve(A.gram() + np.diag(l2 + SHIFT), right), count


def _gap(value: float, yr: Any, rr: Any, z: Any, penalty: Penalty) -> float:
    """`F − D` at the better of two dual points c r."""
    yr, rr = np.asarray(yr), np.asarray(rr)
    with np.errstate(all="ignore"):
        c = largest_scale(z, penalty)
        return value - float(better_dual(c, penalty_free_scale(yr, rr, z, penalty, c), yr, rr, z, penalty))


def _conjugate_gradients(
    A: Columns, l2: np.ndarray, right: np.ndarray, enough: float, most: int
) -> tuple[np.ndarray, int]:
    """`(AᵀA + l2) e = right`, (k,), to a share of it; and how many products were needed (Hestenes & Stiefel, 1952)."""
    diagonal = 1.0 + l2  # of columns of length 1
    e, residual = np.zeros_like(right), right.copy()
    preconditioned = residual / diagonal
    direction, rho = preconditioned.copy(), float(residual @ preconditioned)
    used = 0
    while rho > enough and used < most:
        product = A.products(A.times(direction)) + l2 * direction
        curvature = float(direction @ product)
        used += 1
        if curvature <= 0:
            break
        alpha = rho / curvature
        e += alpha * direction
        residual -= alpha * product
        preconditioned = residual / diagonal
        rho, last = float(residual @ preconditioned), rho
        direction = preconditioned + (rho / last) * direction
    return e, used
