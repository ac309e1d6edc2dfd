"""The data of the benchmarks, and the duality gap by which every answer is measured.

Columns are Gaussian with correlation 0.5 between neighbours (an autoregressive process of order one), k of them have
normal effects, and the signal has three times the variance of the noise. The λs fall geometrically from λ_max, where
every coefficient is 0, to 1e-3 λ_max if n > p and to 1e-2 λ_max otherwise.

NumPy alone, so that it also runs in the environments of the peers.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["SHAPES", "Problem", "Shape", "largest_gap", "load", "make", "save"]

CORRELATION = 0.5
SIGNAL_TO_NOISE = 3.0


class Shape(NamedTuple):
    """n rows, p columns, k of them with an effect."""

    n: int
    p: int
    k: int


SHAPES = {
    "small": Shape(442, 50, 10),
    "mid": Shape(1_000, 1_000, 50),
    "tall": Shape(10_000, 500, 50),
    "tall2": Shape(100_000, 100, 20),
    "wide": Shape(500, 10_000, 50),
    "tiny": Shape(60, 8, 3),  # for trying out the benchmarks themselves
}


class Problem(NamedTuple):
    """X (n, p), its columns one after the other in memory; y (n,); λs (L,); the fold 0 … K−1 of each row (n,)."""

    X: np.ndarray
    y: np.ndarray
    lams: np.ndarray
    folds: np.ndarray


def make(shape: Shape, lams: int = 100, folds: int = 10, seed: int = 0) -> Problem:
    """The problem of a shape; the same seed gives the same numbers."""
    n, p, k = shape
    rng = np.random.default_rng(seed)
    X = np.asfortranarray(rng.standard_normal((n, p)))
    for j in range(1, p):
        X[:, j] = CORRELATION * X[:, j - 1] + np.sqrt(1 - CORRELATION**2) * X[:, j]
    effects, chosen = np.zeros(p), rng.choice(p, k, replace=False)
    effects[chosen] = rng.standard_normal(k)
    signal = X @ effects
    y = signal + rng.standard_normal(n) * signal.std() / np.sqrt(SIGNAL_TO_NOISE)
    # Without coefficients the residual is y − ȳ, whose sum is 0: X need not be centred to correlate it.
    lam_max = np.abs(X.T @ (y - y.mean())).max() / n
    grid = np.geomspace(lam_max, (1e-3 if n > p else 1e-2) * lam_max, lams)
    return Problem(X, y, grid, rng.permutation(np.arange(n) % folds))


def largest_gap(X: np.ndarray, y: np.ndarray, lams: np.ndarray, coef: np.ndarray) -> float:
    """The largest duality gap of lasso solutions, as a share of ‖ỹ‖²/n with ỹ = y − ȳ.

    Args:
        X: (n, p). y: (n,). lams: (L,). coef: (L, p + 1), the intercept first.

    Returns:
        A number; NaN if a coefficient is not finite, which no comparison lets pass.
    """
    # F = ‖y − Xw − b‖²/2n + λ‖w‖₁. The intercept limits the dual to θ with sum 0: ỹ instead of y, and as its direction
    # r = the residual less its mean. θ = c r may be used while |Xᵀθ| ≤ nλ, so c ≤ nλ / max|Xᵀr|, and
    #     D(c) = (c ỹ·r − ½ c² r·r) / n,   largest at c = ỹ·r / r·r if that is allowed.
    n = len(y)
    centred = y - y.mean()
    residual = y[:, None] - X @ coef[:, 1:].T - coef[:, 0]
    primal = 0.5 * np.einsum("il,il->l", residual, residual) / n + lams * np.abs(coef[:, 1:]).sum(1)
    residual -= residual.mean(0)
    steepest = np.abs(X.T @ residual).max(0)
    yr, rr = centred @ residual, np.einsum("il,il->l", residual, residual)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(steepest > 0, n * lams / steepest, 1.0)
        best = np.where(rr > 0, yr / rr, 1.0)
    c = np.clip(best, 0.0, np.minimum(limit, 1.0))
    dual = (c * yr - 0.5 * c**2 * rr) / n
    return float(np.max(np.maximum(primal - dual, 0.0)) / (centred @ centred / n))


def save(problem: Problem, folder: Path) -> None:
    """Writes the arrays as bare float64, which R reads as well, and their sizes as text."""
    n, p = problem.X.shape
    sizes = n, p, len(problem.lams), len(np.unique(problem.folds))
    (folder / "sizes").write_text(" ".join(map(str, sizes)), encoding="utf-8")
    for name, array in problem._asdict().items():
        np.asarray(array, float).T.tofile(folder / name)  # tofile writes row after row; of X, column after column


def load(folder: Path) -> Problem:
    """What :func:`save` wrote."""
    n, p, _, _ = map(int, (folder / "sizes").read_text(encoding="utf-8").split())
    X, y, lams, folds = (np.fromfile(folder / name) for name in Problem._fields)
    return Problem(X.reshape(p, n).T, y, lams, folds.astype(int))
