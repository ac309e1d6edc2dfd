"""Hyperparameters of a grid chosen by cross-validation: every member trained without each fold, and measured on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import jax
import numpy as np

from jaxreg.data.plan import Plan
from jaxreg.progress import following
from jaxreg.results import summaries
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown
from jaxreg.sweeps.folds import plan_of
from jaxreg.training.arguments import Function, Tree, check_arrays, check_grid, names_taken
from jaxreg.training.reading import columns, numbers_of
from jaxreg.training.result import Training

__all__ = ["CrossValidation", "cross_validation"]


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation(Readable):
    """What ``train_grid`` returns if it is given folds.

    Attributes:
        training: of all members on all rows. fold_error: the measure on each fold held out, (G, K); NaN where a member
            diverged. best: the number of the member of least mean error.
    """

    training: Training
    fold_error: np.ndarray
    best: int

    @property
    def mean(self) -> np.ndarray:
        """The mean over the folds, (G,)."""
        return self.fold_error.mean(axis=1)

    @property
    def se(self) -> np.ndarray:
        """The standard error of the mean, (G,)."""
        K = self.fold_error.shape[1]
        return self.fold_error.std(axis=1, ddof=1) / np.sqrt(K)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those of the best member."""
        return {name: values[self.best] for name, values in self.training.grid.items()}

    @property
    def params(self) -> Tree:
        """Of the best member, trained on all rows."""
        return self.training.member(self.best).params

    def plot(self, x: str | None = None, y: str | None = None, ax: Any = None) -> Any:
        """The mean error over one or two hyperparameters, by name; the first of the grid if none is given.

        Raises:
            ValueError: a name that is not in the grid. ImportError: matplotlib is missing.
        """
        from jaxreg.plot.training import over_hyperparameters

        x = next(iter(self.training.grid)) if x is None else x
        return over_hyperparameters(numbers_of(self.training, x, y), "mean held-out error", self.mean, ax=ax)

    def _columns(self) -> dict[str, Any]:
        known = columns(self.training)
        hyper = {name: known[name] for name in self.training.grid if name in known}
        return hyper | {"mean error": self.mean, "± standard error": self.se}

    def _shown(self) -> Shown:
        known, (G, K) = self._columns(), self.fold_error.shape
        mean = np.where(np.isfinite(self.mean), self.mean, np.inf)
        order = np.argsort(mean, kind="stable")[: summaries.MOST_ROWS - 1]
        rows = [(str(k), *(f"{float(v[k]):.6g}" for v in known.values())) for k in order]
        lost = int((~np.isfinite(self.mean)).sum())
        foot = [f"{lost:,} of {G:,} diverged in a fold"] if lost else []
        return Shown(f"CrossValidation: {G:,} members, {K} folds; the best first", [("member", *known), *rows], foot)


def cross_validation(train_grid: Callable[..., Any], given: dict[str, Any]) -> CrossValidation:
    """Train on all rows and without each fold.

    Args:
        given: the arguments of ``train_grid``, by name.

    Raises:
        ValueError: args of unequal length, folds that are none, batches, a Training to go on from.
        FloatingPointError: every member has diverged in some fold.
    """
    options = dict(given)
    if options["batches"] is not None or isinstance(options["params"], Training):
        raise ValueError("folds go with args, and with params to begin from: neither with batches nor a Training.")
    folds, seed, progress, measure = (options.pop(name) for name in ("folds", "seed", "progress", "measure"))
    loss, params, args = (options.pop(name) for name in ("loss", "params", "args"))
    arrays, _ = check_grid(options.pop("grid"))
    check_arrays(args=args)
    plan = _plan(args, folds, seed)
    measure = measure or options["validation_loss"] or _value_of(loss, options["has_aux"])
    some = {name: arrays[name] for name in names_taken(measure, arrays)}
    error = jax.jit(lambda params, hyper, held: jax.vmap(lambda w, h: measure(w, *held, **h))(params, hyper))
    rows_of = lambda rows: jax.tree.map(lambda leaf: leaf[rows], args)
    errors = []
    with following(progress, "folds") as show:
        for k in range(len(plan)):
            fold: Training = train_grid(loss, params, arrays, *rows_of(plan.training_rows(k)), **options)
            kept = fold.params if fold.best is None else fold.best.params
            values = np.asarray(error(kept, some, rows_of(plan.test_rows(k))), float)
            errors.append(np.where(np.asarray(fold.diverged), np.nan, values))
            show(k + 1, len(plan) + 1)
        training: Training = train_grid(loss, params, arrays, *args, **options)
        show(len(plan) + 1, len(plan) + 1)
    fold_error = np.stack(errors, axis=1)
    mean = fold_error.mean(axis=1)
    if not np.isfinite(mean).any():
        raise FloatingPointError("every member has diverged in some fold; try smaller learning rates.")
    return CrossValidation(training, fold_error, int(np.argmin(np.where(np.isfinite(mean), mean, np.inf))))


def _value_of(loss: Function, has_aux: bool) -> Function:
    """The loss without what it returns besides."""
    return wraps(loss)(lambda *args, **hyper: loss(*args, **hyper)[0]) if has_aux else loss


def _plan(args: tuple, folds: Any, seed: int) -> Plan:
    """The plan of ``folds``, on the rows that all of ``args`` have in common."""
    leaves = jax.tree.leaves(args)
    lengths = {np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in leaves}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"folds divide rows: all args must have the same leading axis, but theirs are {sorted(lengths)}. What has "
            "no rows belongs in the grid, or is bound to the loss by functools.partial."
        )
    return plan_of(folds, np.asarray(leaves[0]), np.asarray(leaves[-1]), seed, None)
