"""From the arguments of :func:`jaxreg.tune`: groups, rows held out, and the points to start from."""

from typing import Any

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.sweeps.criteria import HELD_OUT
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.tuning import NAMES, Space

__all__ = ["held_out_of", "labels_of", "names_of_tuned", "starting_points"]

# λs that are judged before the first step, in equal ratios from λ_max down to a share of it; more of them where degrees
# of freedom have a price: a lasso's jump where its support changes, which no gradient sees.
LOOKED_AT, LOOKED_AT_JUMPS, DOWN_TO = 8, 60, 1e-3


def labels_of(labels: Any, count: int, name: str) -> np.ndarray:
    """Numbers from 0, (count,)."""
    if labels is None:
        return np.arange(count)
    if np.shape(labels) != (count,):
        raise ValueError(f"{name} must have {count} labels; got shape {np.shape(labels)}.")
    return np.unique(np.asarray(labels), return_inverse=True)[1].reshape(count)


def held_out_of(criterion: str, folds: Any, problem: Problem, seed: int) -> np.ndarray | None:
    """(K, n) booleans, where the criterion holds rows out."""
    if criterion not in HELD_OUT:
        return None
    n = len(problem.y)
    if criterion == "held_out":
        mask = np.asarray(folds)
        if mask.shape != (n,) or mask.dtype != bool or mask.all() or not mask.any():
            raise ValueError(f"criterion='held_out' needs folds=({n},) booleans, True for some rows that are held out.")
        return mask[None, :]
    plan = plan_of(folds, problem.X, problem.y[:, 0], seed, problem.sample_weight)
    if plan.trained is not None or plan.measured.dtype != bool:
        raise ValueError("folds of tune train on all rows that they do not hold out; this splitter leaves some out.")
    return np.asarray(plan.measured)


def starting_points(
    judge: Any,
    first: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    space: Space,
    top: float,
    starts: int,
    seed: int,
    look: bool,
    jumps: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Where it starts, (S, d), and what was judged before: some λs, of which the best are taken."""
    points, looked = first[None, :], np.empty(0)
    count = LOOKED_AT_JUMPS if jumps else LOOKED_AT
    if look and "lam" in space.names:
        top *= max(space.l1_ratio, 1e-3)  # of the lasso: below it, ridge too does more than shrink all to 0
        lams = np.log(top) + np.linspace(np.log(0.9), np.log(DOWN_TO), max(count, starts))
        points = np.repeat(points, len(lams), axis=0)
        points[:, 0] = np.clip(lams, low[0], high[0])  # λ is the first of the names
        looked = np.concatenate([judge(z[None, :])[0] for z in points])
        points = points[np.argsort(np.where(np.isfinite(looked), looked, np.inf), kind="stable")][:starts]
    if len(points) < starts:
        noise = np.random.default_rng(seed).standard_normal((starts - len(points), len(first)))
        points = np.concatenate([points, points[:1] + noise])
    return np.clip(points, low, high), looked[np.isfinite(looked)]


def names_of_tuned(tuned: Any, criterion: str) -> tuple[str, ...]:
    """The names that are tuned, in the order of :data:`NAMES`; none for a function."""
    if callable(tuned):
        return ()
    names = (tuned,) if isinstance(tuned, str) else tuple(tuned)
    wrong = [name for name in names if name not in NAMES]
    if wrong or not names:
        raise ValueError(f"tuned is {tuned!r}; it must be some of {', '.join(NAMES)}, or a function.")
    if "sample_weight" in names and criterion not in HELD_OUT:
        raise ValueError(
            f"sample_weight is tuned by {criterion!r}, which measures on the rows that it weighs: it would take the "
            "weight off every row that is hard to fit. Use criterion='cv' or 'held_out'."
        )
    return tuple(name for name in NAMES if name in names)
