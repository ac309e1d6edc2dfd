"""The λs of the bands at which the held-out error is least, by its gradient: from starting points, for many targets.

The held-out error and its gradient in `δ = log λ` are those of :mod:`~jaxreg.solvers.bands`; every target goes its own
way by quasi-Newton steps,

    δ ← δ − s H g,      H ← (I − ρ a bᵀ) H (I − ρ b aᵀ) + ρ a aᵀ,     a = Δδ, b = Δg, ρ = 1/(a·b) > 0             (BFGS)

with s = 1 halved until the error falls by `10⁻⁴ s g·Hg` at least (Armijo). A step is at most a factor `e²` in any λ,
and λs stay within limits. It ends where no derivative is above a share 1e-6 of the error: what is returned is never
worse than the start. The error is not convex in δ: this is a local minimum.

Source: Nocedal and Wright, *Numerical Optimization*, 2006, §3.1 and §6.1.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxreg.engines.ridge_data import Blocks
from jaxreg.programs import compiled
from jaxreg.solvers.bands import errors_and_gradients, fold_of

__all__ = ["HeldOut", "descend"]

# The systems of so many targets are there at a time, in bytes; a target has about four arrays of its size.
BLOCK_BYTES, ARRAYS = 2**28, 4
SHORTEST, LONGEST, ENOUGH, SMALL_GRADIENT = 2.0**-10, 2.0, 1e-4, 1e-6

_fold_of = compiled(fold_of, static_argnames=("ends", "fit_intercept", "standardize"))
_errors = compiled(errors_and_gradients)


class HeldOut:
    """The held-out errors of a problem whose columns are sorted by band; call it for the mean of the folds.

    Args:
        weight: of the folds, (K,).
    """

    def __init__(self, data: Blocks, ends: tuple[int, ...], weight: np.ndarray) -> None:
        self.share, X, Y = weight / weight.sum(), data.problem.X, data.problem.y
        self.folds: list[Any] = []
        for fold in data.folds:
            share, cut = fold.row_weight / fold.row_weight.sum(), lambda v, rows: v[rows].astype(float, copy=False)
            training = cut(X, fold.train), cut(Y, fold.train), fold.train_weight
            given = *training, cut(X, fold.rows), cut(Y, fold.rows), share
            self.folds.append(_fold_of(*given, ends=ends, **data.centring))
        side = getattr(self.folds[0], "correlation", None)
        size = (self.folds[0].targets if side is None else side).shape[1]
        self.block = 1 << max(0, int(np.log2(BLOCK_BYTES / (8 * ARRAYS * size**2))))

    def of_folds(self, log_lam: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Errors, gradients and gaps at ``log_lam``, (a, q), of some targets, (a,): (K, a), (K, a, q), (K, a)."""
        found = []
        for start in range(0, len(targets), self.block):
            here = slice(start, start + self.block)
            some, filled = targets[here], min(self.block, 1 << (len(targets[here]) - 1).bit_length())
            at = np.pad(np.arange(len(some)), (0, filled - len(some)), mode="edge")
            parts = [_errors(log_lam[here][at], _of_targets(fold, some[at])) for fold in self.folds]
            found.append([np.stack([np.asarray(of[i])[: len(some)] for of in parts]) for i in range(3)])
        errors, gradients, gaps = (np.concatenate(v, axis=1) for v in zip(*found, strict=True))
        return errors, gradients, gaps

    def __call__(self, log_lam: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean errors, (a,), and their gradients, (a, q)."""
        errors, gradients, _ = self.of_folds(log_lam, targets)
        return self.share @ errors, np.tensordot(self.share, gradients, axes=1)


def _of_targets(fold: Any, some: np.ndarray) -> Any:
    """The fold of some targets."""
    own = [name for name in ("correlation", "targets", "held_out", "yy", "y_scale") if hasattr(fold, name)]
    return fold._replace(**{name: getattr(fold, name)[some] for name in own})


def descend(
    f: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    limits: tuple[float, float],
    steps: int,
    show: Callable[[int, int], None],
) -> np.ndarray:
    """From ``start``, (t, q), within the limits, to where the gradient of every target is small, (t, q).

    Args:
        f: of points (a, q) and numbers of targets (a,): values (a,) and gradients (a, q). steps: at most so many.

    Example:
        >>> bowl = lambda x, _: (1 + (x**2).sum(axis=1), 2 * x)
        >>> bool(abs(descend(bowl, np.array([[1.5, -1.0]]), (-3.0, 3.0), 50, lambda done, total: None)).max() < 1e-5)
        True
    """
    x, (t, q) = start.copy(), start.shape
    value, g = f(x, np.arange(t))
    H = np.repeat(np.eye(q)[None], t, axis=0) / np.maximum(2 * np.abs(g).max(axis=1), 1e-300)[:, None, None]
    fresh, active = np.ones(t, bool), np.arange(t)
    for _ in range(steps):
        free = ~(((x <= limits[0]) & (g > 0)) | ((x >= limits[1]) & (g < 0)))
        inside = np.where(free, g, 0.0)
        active = active[np.abs(inside[active]).max(axis=1) > SMALL_GRADIENT * value[active]]
        show(t - len(active), t)
        if not len(active):
            break
        d = np.where(free, -np.einsum("tij,tj->ti", H, inside), 0.0)
        uphill = np.einsum("ti,ti->t", d, inside) >= 0  # what is free has changed
        d = np.where(uphill[:, None], -inside / np.maximum(np.abs(inside).max(axis=1, keepdims=True), 1e-300), d)
        d *= np.minimum(1.0, LONGEST / np.maximum(np.abs(d).max(axis=1), 1e-300))[:, None]
        slope, length, trying, stuck = np.einsum("ti,ti->t", d, inside), 1.0, active, np.zeros(t, bool)
        before, old = x.copy(), g.copy()
        while len(trying):
            there = np.clip(before[trying] + length * d[trying], *limits)
            values, gradients = f(there, trying)
            falls = values <= value[trying] + ENOUGH * length * slope[trying]
            done = trying[falls]
            x[done], value[done], g[done] = there[falls], values[falls], gradients[falls]
            trying, length = trying[~falls], length / 2
            if length < SHORTEST:
                stuck[trying] = True
                break
        for k in active[~stuck[active]]:
            a, b = x[k] - before[k], g[k] - old[k]
            if a @ b > 1e-10 * np.linalg.norm(a) * np.linalg.norm(b):
                H[k] = np.eye(q) * (a @ b) / (b @ b) if fresh[k] else H[k]
                left = np.eye(q) - np.outer(a, b) / (a @ b)
                H[k], fresh[k] = left @ H[k] @ left.T + np.outer(a, a) / (a @ b), False
        active = active[~stuck[active]]
    show(t, t)
    return x
