"""Cross-validation on this machine: a fold is a path on the moments of the other folds' rows; cores share the folds.

The training moments of a fold are those of all rows less its own. Held-out errors come from those of its own rows, or
from the rows themselves (:mod:`~jaxreg.engines.held_out`).
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.cores import CORES, blas_of_one_thread, share
from jaxreg.data.inputs import Arguments
from jaxreg.data.row_blocks import SHARED
from jaxreg.data.splits import Splits
from jaxreg.engines import held_out
from jaxreg.engines.certificate import UNIT
from jaxreg.engines.moments import moments_of, path_on_moments, paths_by_knots, takes_moments
from jaxreg.engines.options import Options
from jaxreg.engines.order import Order, settings
from jaxreg.engines.ridge import errors_on_factors, takes_factors
from jaxreg.engines.rows import solve_on_rows
from jaxreg.engines.wide import columns_of, path_on_columns, takes_columns
from jaxreg.formulas.moments import Moments, lost, together
from jaxreg.formulas.objective import Params
from jaxreg.precision import computing, takes_double
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Settings

__all__ = ["FoldErrors", "FoldMoments", "errors_of_folds"]

Report = Callable[[], None]

# Of the digits of the moments of all rows, so many may be lost by taking a fold's away; else the other folds are added.
MOST_LOST = 100.0
# Moments of all folds are kept up to this size; coefficients of all folds at once may take as much.
KEPT_BYTES = 2**27
# The paths of all folds are one program where there are at most so many columns.
FEW = 128


class FoldErrors(NamedTuple):
    """Of K folds at L λs: mean squared and absolute held-out errors, and the gaps on the training rows, (L, K, t)."""

    mse: np.ndarray
    mae: np.ndarray | None
    gap: np.ndarray


class FoldMoments:
    """The moments of all rows, and of those that a fold does not hold out.

    Where those of all folds take little memory, each row is read once for all of them.
    """

    def __init__(self, a: Arguments, splits: Splits) -> None:
        self.a, self.splits = a, splits
        counts = slice(None) if a.sample_weight is None else a.sample_weight > 0
        # Every row that counts is held out once, and trained on else.
        self.parts_make_all = splits.train is None and bool(np.all(splits.held_out[:, counts].sum(axis=0) == 1))

    @cached_property
    def kept(self) -> list[Moments] | None:
        """Of the rows that each fold holds out; None where they take much memory, do not make up all rows, or lie so
        far from 0 that the differences of their means have few digits."""
        K = len(self.splits)
        if not self.parts_make_all or K * padded(self.a.X.shape[1]) ** 2 * 8 > KEPT_BYTES:
            return None
        of = lambda k: moments_of(self.a, self.splits.test_rows(k))
        parts = [of(k) for k in range(K)] if np.prod(self.a.X.shape) < SHARED else share(of, list(range(K)))
        return parts if _offset(parts) <= MOST_LOST / 2 else None

    @cached_property
    def total(self) -> Moments:
        """Of all rows."""
        if self.kept is None:
            return moments_of(self.a)
        with blas_of_one_thread():  # a small product, after which BLAS's threads would keep the cores from the paths
            return together(self.kept)

    @cached_property
    def unit(self) -> float:
        """By how much those of all rows may be off."""
        return UNIT if self.kept is None else UNIT * (1.0 + _offset(self.kept))

    @cached_property
    def nothing(self) -> Moments:
        """Of no rows."""
        return Moments._make(np.zeros_like(v) for v in self.total)

    def part(self, k: int) -> Moments | None:
        """Of the rows that fold k holds out; None where folds do not make up all rows."""
        if not self.parts_make_all:
            return None
        return moments_of(self.a, self.splits.test_rows(k)) if self.kept is None else self.kept[k]

    def without(self, k: int, part: Moments | None) -> tuple[Moments, Moments, float]:
        """Of the rows that fold k trains on: as the difference of two, and by how much they may be off.

        Args:
            part: what :meth:`part` has returned for k.
        """
        if part is not None and (times := self.lost(part)) <= MOST_LOST:
            return self.total, part, self.unit * times
        if self.kept is not None:
            return together(self.kept[:k] + self.kept[k + 1 :]), self.nothing, self.unit
        return moments_of(self.a, self.splits.training_rows(k)), self.nothing, UNIT

    def by_knots(self, order: Order, asked: Settings, folds: bool) -> list[Any] | None:
        """The paths of a lasso without each fold, or the one of all rows, by one program; else None."""
        if self.kept is None or asked.l1_ratio != 1 or len(self.total.x_mean) > FEW:
            return None
        if padded(len(self.kept)) * self.total.xy.size * len(order.grid.lams) * 8 > KEPT_BYTES:
            return None  # for the coefficients
        if not folds:
            nothing, units = jax.tree.map(np.zeros_like, self.stacked), np.full(padded(len(self.kept)), self.unit)
            return paths_by_knots(self.total, nothing, 1, order, asked, units)
        times = np.array([self.lost(part) for part in self.kept])
        if times.max() > MOST_LOST:
            return None
        units = self.unit * np.pad(times, (0, padded(len(times)) - len(times)))
        return paths_by_knots(self.total, self.stacked, len(self.kept), order, asked, units)

    @cached_property
    def stacked(self) -> Moments:
        """The moments that are kept, and those of nothing up to a padded number of folds, (padded K, ...)."""
        assert self.kept is not None
        more = [self.nothing] * (padded(len(self.kept)) - len(self.kept))
        return jax.tree.map(lambda *v: np.stack(v), *self.kept, *more)

    def lost(self, part: Moments) -> float:
        """By how many times the error of the moments grows where the part is taken away."""
        with np.errstate(all="ignore"):
            times = float(lost(_squares(self.total), _squares(part), _squares(self.total) - _squares(part)))
        return times if times == times else np.inf


def _squares(m: Moments) -> Moments:
    """Those of all columns as if they were targets."""
    square, none = np.concatenate([np.diagonal(m.xx), m.yy]), m.xx[:0, :0]
    return Moments(
        m.weight, m.x_mean[:0], np.concatenate([m.x_mean, m.y_mean]), none, np.zeros((0, len(square))), square
    )


def _offset(parts: list[Moments]) -> float:
    """By how many times formula (1) of the moments adds to the error: ε |x̄| of a mean beside what it differs by.

    max over columns and targets of  2 Σ_k W_k |x̄_k − x̄_1| |x̄_k| / Σ_k xx_k,jj  with differences from the first part's.
    """
    of = [_squares(m) for m in parts]
    with np.errstate(all="ignore"):
        moved = 2 * sum(m.weight * np.abs(m.y_mean - of[0].y_mean) * np.abs(m.y_mean) for m in of)
        times = np.where(moved > 0, moved / sum(m.yy for m in of), 0.0)
    return float(np.max(times, initial=0.0)) if not np.isnan(times).any() else np.inf


def errors_of_folds(
    a: Arguments,
    splits: Splits,
    moments: FoldMoments,
    lams: np.ndarray,
    options: Options,
    device: Any,
    report: Report,
) -> FoldErrors:
    """Train on the rows of every split, at every λ, and measure on those that it holds out.

    Args:
        lams: (L,). report: called when a fold is done.
    """
    options = options._replace(degrees=False)
    if takes_factors(a, options, lams):
        of_folds = []
        for errors in errors_on_factors(a, splits, lams, options, device):
            of_folds.append(errors)
            report()
        return _of_all(of_folds, options, a.X.dtype)
    Y = a.y.reshape(len(a.y), -1)
    members = np.repeat(lams[:, None], Y.shape[1], axis=1)
    positive = bool(np.all(lams > 0))
    on_moments, on_columns = takes_moments(a, options) and positive, takes_columns(a, options) and positive
    double = on_moments or on_columns or takes_double(a.X.dtype, device)
    with computing(double, device):
        columns = columns_of(a, options) if on_columns else None

    if on_moments:
        order, asked = Order(members, Y.shape[1], options.eps), settings(a, options, padded(a.X.shape[1]))
    with computing(double, device):
        found = moments.by_knots(order, asked, folds=True) if on_moments else None
    weight = np.ones(a.X.shape[0]) if a.sample_weight is None else a.sample_weight

    def fold(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with computing(double, device):  # of this thread
            rest = a._replace(sample_weight=splits.training_weight(k, weight))
            part = moments.part(k) if on_moments else None
            if on_moments:
                total, without, unit = moments.without(k, part)
                solved = path_on_moments(total, rest, order, asked, options, without, unit, found and found[k])
            elif columns is not None:
                solved = path_on_columns(columns, rest, members, options)
            else:
                solved = solve_on_rows(rest, members, options)
            rows = splits.test_rows(k)
            rows = rows[weight[rows] > 0]
            return *_errors(solved.params, a, Y, rows, part, options.absolute), solved.gap

    results: list[Any] = [None] * len(splits)
    # Folds on the rows fill the memory block and all cores by themselves; where paths are known, little is left to do.
    alone = found is not None or not (on_moments or on_columns)
    pool = ThreadPoolExecutor(min(CORES, len(splits)))
    try:
        with contextlib.nullcontext() if alone else blas_of_one_thread():
            for k, result in enumerate((map if alone else pool.map)(fold, range(len(splits)))):
                results[k] = result
                report()
    finally:  # an interruption does not wait for the folds that have not begun
        pool.shutdown(cancel_futures=True)
    return _of_all(results, options, a.X.dtype)


def _errors(
    params: Params, a: Arguments, Y: np.ndarray, rows: np.ndarray, part: Moments | None, absolute: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared and absolute errors on the given rows, whose moments are ``part`` if they are known, each (L, t).

    Where the absolute ones are not asked for, they may be any numbers.
    """
    if part is None or absolute or len(rows) <= a.X.shape[1]:
        return held_out.from_rows(params, a.X, Y, a.sample_weight, rows)
    error, sure = held_out.from_moments(params, part)
    again = ~sure.all(axis=1)
    if again.any():
        some = Params(*(v[again] for v in params))
        error[again] = held_out.from_rows(some, a.X, Y, a.sample_weight, rows)[0]
    return error, error


def _of_all(results: list[Any], options: Options, dtype: Any) -> FoldErrors:
    mse, mae, gap = (np.stack(v, axis=1).astype(dtype, copy=False) for v in zip(*results, strict=True))
    return FoldErrors(mse, mae if options.absolute else None, gap)
