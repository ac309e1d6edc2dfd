"""The held-out errors of a sweep: mean squared, mean absolute, and the share of the variance that is not explained."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.sweeps.fold_paths import FoldErrors

__all__ = ["MEASURES", "Folds", "Measured", "fold_weight", "held_out_curves", "variance_of_folds"]

MEASURES = ("mse", "mae", "r2")


class Folds(NamedTuple):
    """What measuring needs of K folds: weight, `Σs` of the rows held out, (K,), and variance of their y about its own
    mean, (K, t), infinite where it is 0. flat: whether y has no axis of targets."""

    weight: np.ndarray
    variance: np.ndarray
    flat: bool

    @classmethod
    def of(cls, problem: Problem, plan: Plan) -> "Folds":
        """From the rows."""
        return cls(fold_weight(problem, plan), variance_of_folds(problem, plan), problem.flat)


class Measured(NamedTuple):
    """Of R l1_ratios, L λs and K folds.

    Attributes:
        lams: (R, L). path_gap: on all rows, (R, L) or (R, L, t). mse, gap, r2: in the folds, (R, L, K) or
            (R, L, K, t). mae: as these, or None where it was not measured.
    """

    lams: np.ndarray
    path_gap: np.ndarray
    mse: np.ndarray
    gap: np.ndarray
    r2: np.ndarray
    mae: np.ndarray | None

    @classmethod
    def of(cls, folds: Folds, paths: Sequence[Any], errors: Sequence[FoldErrors]) -> "Measured":
        """
        Raises:
            FloatingPointError: an error is not finite.
        """
        stacked: Any = lambda values: np.stack(values)[..., 0] if folds.flat else np.stack(values)
        lams, path_gap = (np.stack([getattr(path, name) for path in paths]) for name in ("lams", "gap"))
        mse = stacked([of.mse for of in errors])
        if not np.isfinite(mse).all():
            r, l, k = np.argwhere(~np.isfinite(mse))[0][:3]
            raise FloatingPointError(f"the error of fold {k} at lam={lams[r, l]:g} is not finite; rescale X and y.")
        mae = None if errors[0].mae is None else stacked([of.mae for of in errors])
        variance = folds.variance[:, 0] if folds.flat else folds.variance
        r2 = 1 - mse / variance
        return cls(lams, path_gap, mse, stacked([of.gap for of in errors]), r2, mae)

    def losses(self) -> dict[str, np.ndarray]:
        """What is made small, by the name of the measure; (R, L, K) or (R, L, K, t)."""
        found = {"mse": self.mse, "r2": 1 - self.r2}
        return found if self.mae is None else found | {"mae": self.mae}


def fold_weight(problem: Problem, plan: Plan) -> np.ndarray:
    """`Σs` of the rows that each fold holds out, (K,)."""
    return plan.measured.astype(float) @ problem.weights


def variance_of_folds(problem: Problem, plan: Plan) -> np.ndarray:
    """Of the held-out y about its own mean, (K, t); infinite where it is 0: `R²` is then `1 − 0`."""
    s = problem.weights
    weight = plan.measured * s[None, :] / (plan.measured @ s)[:, None]
    y = problem.y - np.average(problem.y, axis=0, weights=s)
    variance = weight @ y**2 - (weight @ y) ** 2
    return np.where(variance > 0, variance, np.inf)


def held_out_curves(folds: Folds, errors: Sequence[FoldErrors], measure: str) -> list[np.ndarray]:
    """The mean over the folds of what is made small, along each path, (L, t)."""
    share = folds.weight / folds.weight.sum()
    if measure == "r2":
        return [np.einsum("lkt,k->lt", of.mse / folds.variance, share) for of in errors]
    losses: Any = [of.mae if measure == "mae" else of.mse for of in errors]
    return [np.einsum("lkt,k->lt", loss, share) for loss in losses]
