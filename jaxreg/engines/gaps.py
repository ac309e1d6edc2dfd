"""The duality gap of many models at once from their sums, whatever these were computed from.

:mod:`~jaxreg.engines.certificate` says what the sums are and where they come from. NumPy arrays in, NumPy numbers out.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.engines.solved import Solved
from jaxreg.formulas.duality import Penalty, better_dual, largest_scale, penalty_free_scale, relative_gap

__all__ = [
    "EPS",
    "LARGEST",
    "NUMBERS",
    "SMALLEST",
    "Models",
    "Sums",
    "Weights",
    "each_model",
    "gap_of",
    "rounding_of",
    "scaling",
    "share_of",
]

EPS = np.finfo(float).eps
# Numbers in a work array.
NUMBERS = 2**18
# Columns whose sizes lie within these limits are not scaled: their squares stay in range.
SMALLEST, LARGEST = 1e-70, 1e70


class Models(NamedTuple):
    """M models, λ after λ: coef (p, M), used (p,) whether any is not 0, intercept, lam, tau (M,), target (M,)."""

    coef: np.ndarray
    used: np.ndarray
    intercept: np.ndarray
    lam: np.ndarray
    tau: np.ndarray
    target: np.ndarray


class Sums(NamedTuple):
    """What F and D are made of, each (M,) but z, (p, M), and size, (p,): the lengths of the columns."""

    squares: Any  # Σ s r²/Σs
    rr: Any
    yr: Any
    yy: Any
    z: Any
    size: Any
    spread: Any  # ‖ỹ‖ + Σ |w_j| ‖x_j‖
    magnitude: Any  # |ȳ| + |b| + Σ |w_j x̄_j|


def each_model(judge: Any, solved: Solved) -> tuple[np.ndarray, ...]:
    """What ``judge`` says of all models, block by block, each (L, t)."""
    L, p, t = solved.params.coef.shape
    W = np.moveaxis(solved.params.coef, 1, 0).reshape(p, L * t)
    tau, target = np.tile(solved.y_scale, L).astype(float), np.tile(np.arange(t), L)
    flat = solved.params.intercept.ravel().astype(float), solved.lams.ravel().astype(float), tau, target
    size = max(1, NUMBERS // p)
    blocks = (slice(start, start + size) for start in range(0, L * t, size))
    found = []
    for here in blocks:
        coef = W[:, here].astype(float)
        found.append(judge(Models(coef, coef.any(axis=1), *(v[here] for v in flat))))
    return tuple(np.concatenate(v).reshape(L, t) for v in zip(*found, strict=True))


def scaling(size: np.ndarray) -> np.ndarray:
    """1 for columns of usual sizes, else a power of two by which they are divided."""
    usual = ((size > SMALLEST) & (size < LARGEST)) | (size == 0) | ~np.isfinite(size)
    return np.where(usual, 1.0, np.ldexp(1.0, np.frexp(np.where(usual, 1.0, size))[1]))


class Weights:
    """`h_j` for columns divided by ``scale``: `l1 = λ a`, `l2 = λ b/τ` with a and b of (p,), and bounds."""

    def __init__(self, problem: Problem, sigma: np.ndarray, scale: np.ndarray) -> None:
        p, rho = len(scale), problem.l1_ratio
        v = np.ones(p) if problem.penalty_factor is None else problem.penalty_factor
        ratio = sigma.astype(float) / scale
        self.scale, self.a, self.b = scale, rho * v * ratio, (1 - rho) * v * ratio * ratio
        side: Any = lambda bound, none: np.full(p, none) if bound is None else bound * scale
        self.lower, self.upper = side(problem.lower, -np.inf), side(problem.upper, np.inf)
        one_sided = all(np.all((bound == 0) | np.isinf(bound)) for bound in (self.lower, self.upper))
        self.lasso = rho == 1 and one_sided and bool(np.all(self.a > 0))

    def of(self, models: Models) -> Any:
        """Penalty at every λ, (p, M)."""
        l1: Any
        l2: Any
        l1, l2 = self.a[:, None] * models.lam, self.b[:, None] * (models.lam / models.tau)
        return Penalty(l1, l2, self.lower[:, None], self.upper[:, None])

    def primal(self, of: Sums, models: Models) -> Any:
        """F, (M,); ∞ outside the bounds."""
        used = models.used
        u = models.coef[used] * self.scale[used, None]
        penalty = models.lam * (self.a[used] @ np.abs(u))
        if self.b.any():
            square = np.where(self.b[used, None] > 0, self.b[used, None] * u * u, 0.0)  # 0, also where u² overflows
            penalty = penalty + 0.5 * models.lam / models.tau * square.sum(axis=0)
        outside = (u < self.lower[used, None]) | (u > self.upper[used, None])
        return np.where(outside.any(axis=0), np.inf, 0.5 * of.squares + penalty)


def gap_of(of: Sums, models: Models, weights: Weights, original: np.ndarray) -> np.ndarray:
    """The gap (M,) from the sums."""
    if weights.lasso:  # no squares, bounds 0 or infinite: every h_j* is 0 where it is finite, at |c z_j| ≤ l1_j
        z = of.z if np.isinf(weights.upper).all() else np.where(weights.upper[:, None] > 0, of.z, np.minimum(of.z, 0.0))
        z = z if np.isinf(weights.lower).all() else np.where(weights.lower[:, None] < 0, z, np.maximum(z, 0.0))
        if np.all(weights.a == weights.a[0]):  # two passes over z, not four
            largest = np.maximum(z.max(axis=0), -z.min(axis=0)) / weights.a[0]
        else:
            largest = np.max(np.abs(z) / weights.a[:, None], axis=0)
        c = np.where(largest > models.lam, models.lam / largest, 1.0)
        c = np.clip(of.yr / np.where(of.rr > 0, of.rr, 1.0), 0.0, c)
        dual = c * of.yr - 0.5 * c**2 * of.rr
    else:
        penalty = weights.of(models)
        c_max = largest_scale(of.z, penalty)
        c_free = penalty_free_scale(of.yr, of.rr, of.z, penalty, c_max)
        # Two values of c that need no search; at the minimum one of them is the best.
        dual = better_dual(c_max, c_free, of.yr, of.rr, of.z, penalty)
    gap = share_of(weights.primal(of, models), dual, of, models, original)
    return np.where(np.isnan(models.coef[models.used]).any(axis=0), np.nan, gap)


def share_of(primal: Any, dual: Any, of: Sums, models: Models, original: np.ndarray) -> Any:
    """`F − D` as a share of `‖ỹ‖²`; a residual of some ε of the numbers that predictions are made of is rounding, and
    the rounding of Xw itself leaves no trace in `F − D`."""
    numbers = np.maximum(original[models.target], (of.spread + of.magnitude) ** 2)
    unseen = (4 * EPS * (of.spread - np.sqrt(of.yy))) ** 2
    return relative_gap(primal, dual, of.yy, numbers, unseen)


def rounding_of(of: Sums) -> Any:
    """What of z, (p, M), is rounding."""
    return 16 * EPS * of.size[:, None] * of.spread
