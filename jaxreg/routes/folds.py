"""Cross-validation on this machine: a fold is a path on the moments of the other folds' rows; cores share the folds.

The training moments of a fold are those of all rows less its own. Held-out errors come from those of its own rows, or
from the rows themselves (:mod:`~jaxreg.routes.held_out`).
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.formulas.moments import Moments, together
from jaxreg.formulas.objective import Params
from jaxreg.inputs import Arguments
from jaxreg.routes import held_out
from jaxreg.routes.cores import CORES, blas_of_one_thread, share
from jaxreg.routes.moments import moments_of, path_on_moments, paths_by_knots, takes_moments
from jaxreg.routes.options import Options, computing
from jaxreg.routes.order import Order, settings
from jaxreg.routes.ridge import errors_on_factors, takes_factors
from jaxreg.routes.row_blocks import SHARED
from jaxreg.routes.rows import solve_on_rows
from jaxreg.routes.wide import columns_of, path_on_columns, takes_columns
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Settings

__all__ = ["FoldErrors", "FoldMoments", "errors_of_folds"]

Report = Callable[[], None]

# Where less than this share of a column's square is left without a fold, the other folds are added instead.
LEFT = 0.1
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

    def __init__(self, a: Arguments, masks: np.ndarray) -> None:
        self.a, self.masks = a, masks
        counts = slice(None) if a.sample_weight is None else a.sample_weight > 0
        # Every row that counts is held out once.
        self.parts_make_all = bool(np.all(masks[:, counts].sum(axis=0) == 1))

    @cached_property
    def kept(self) -> list[Moments] | None:
        """Of the rows that each fold holds out; None where they take much memory, or do not make up all rows."""
        if self.parts_make_all and len(self.masks) * padded(self.a.X.shape[1]) ** 2 * 8 <= KEPT_BYTES:
            of = lambda mask: moments_of(self.a, np.flatnonzero(mask))
            small = np.prod(self.a.X.shape) < SHARED
            return [of(mask) for mask in self.masks] if small else share(of, list(self.masks))
        return None

    @cached_property
    def total(self) -> Moments:
        """Of all rows."""
        if self.kept is None:
            return moments_of(self.a)
        with blas_of_one_thread():  # a small product, after which BLAS's threads would keep the cores from the paths
            return together(self.kept)

    @cached_property
    def nothing(self) -> Moments:
        """Of no rows."""
        return Moments._make(np.zeros_like(v) for v in self.total)

    def part(self, k: int) -> Moments | None:
        """Of the rows that fold k holds out; None where folds do not make up all rows."""
        if not self.parts_make_all:
            return None
        return moments_of(self.a, np.flatnonzero(self.masks[k])) if self.kept is None else self.kept[k]

    def without(self, k: int, part: Moments | None) -> tuple[Moments, Moments]:
        """Of the rows that fold k does not hold out: as the difference of two.

        Args:
            part: what :meth:`part` has returned for k.
        """
        if part is not None and self.can_subtract(part):
            return self.total, part
        if self.kept is not None:
            return together(self.kept[:k] + self.kept[k + 1 :]), self.nothing
        return moments_of(self.a, np.flatnonzero(~self.masks[k])), self.nothing

    def by_knots(self, order: Order, asked: Settings, folds: bool) -> list[Any] | None:
        """The paths of a lasso without each fold, or the one of all rows, by one program; else None."""
        if self.kept is None or asked.l1_ratio != 1 or len(self.total.x_mean) > FEW:
            return None
        if padded(len(self.kept)) * self.total.xy.size * len(order.grid.lams) * 8 > KEPT_BYTES:
            return None  # for the coefficients
        if not folds:
            return paths_by_knots(self.total, jax.tree.map(np.zeros_like, self.stacked), 1, order, asked)
        if not all(map(self.can_subtract, self.kept)):
            return None
        return paths_by_knots(self.total, self.stacked, len(self.kept), order, asked)

    @cached_property
    def stacked(self) -> Moments:
        """The moments that are kept, and those of nothing up to a padded number of folds, (padded K, ...)."""
        assert self.kept is not None
        more = [self.nothing] * (padded(len(self.kept)) - len(self.kept))
        return jax.tree.map(lambda *v: np.stack(v), *self.kept, *more)

    def can_subtract(self, part: Moments) -> bool:
        """Whether at most a digit is lost."""
        total = _squares(self.total)
        return bool(np.all((total - _squares(part)).yy >= LEFT * total.yy))


def _squares(m: Moments) -> Moments:
    """Those of all columns as if they were targets."""
    square, none = np.concatenate([np.diagonal(m.xx), m.yy]), m.xx[:0, :0]
    return Moments(
        m.weight, m.x_mean[:0], np.concatenate([m.x_mean, m.y_mean]), none, np.zeros((0, len(square))), square
    )


def errors_of_folds(
    a: Arguments,
    masks: np.ndarray,
    moments: FoldMoments,
    lams: np.ndarray,
    options: Options,
    device: Any,
    report: Report,
) -> FoldErrors:
    """Train on the rows that a fold does not hold out, at every λ, and measure on those that it does.

    Args:
        masks: (K, n), True = held out. lams: (L,). report: called when a fold is done.
    """
    options = options._replace(degrees=False)
    if takes_factors(a, options, lams):
        of_folds = []
        for errors in errors_on_factors(a, masks, lams, options, device):
            of_folds.append(errors)
            report()
        return _of_all(of_folds, options)
    Y = a.y.reshape(len(a.y), -1)
    members = np.repeat(lams[:, None], Y.shape[1], axis=1)
    positive = bool(np.all(lams > 0))
    on_moments, on_columns = takes_moments(a, options) and positive, takes_columns(a, options) and positive
    double = on_moments or on_columns or a.X.dtype == np.float64
    with computing(double, device):
        columns = columns_of(a, options) if on_columns else None

    if on_moments:
        order, asked = Order(members, Y.shape[1], options.eps), settings(a, options, padded(a.X.shape[1]))
    with computing(double, device):
        found = moments.by_knots(order, asked, folds=True) if on_moments else None
    weight = np.ones(a.X.shape[0], a.X.dtype) if a.sample_weight is None else a.sample_weight

    def fold(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with computing(double, device):  # of this thread
            rest = a._replace(sample_weight=np.where(masks[k], 0, weight))
            part = moments.part(k) if on_moments else None
            if on_moments:
                total, without = moments.without(k, part)
                solved = path_on_moments(total, rest, order, asked, options, without, found and found[k])
            elif columns is not None:
                solved = path_on_columns(columns, rest, members, options)
            else:
                solved = solve_on_rows(rest, members, options)
            rows = np.flatnonzero(masks[k] & (weight > 0))
            return *_errors(solved.params, a, Y, rows, part, options.absolute), solved.gap

    results: list[Any] = [None] * len(masks)
    # Folds on the rows fill the memory block and all cores by themselves; where paths are known, little is left to do.
    alone = found is not None or not (on_moments or on_columns)
    pool = ThreadPoolExecutor(min(CORES, len(masks)))
    try:
        with contextlib.nullcontext() if alone else blas_of_one_thread():
            for k, result in enumerate((map if alone else pool.map)(fold, range(len(masks)))):
                results[k] = result
                report()
    finally:  # an interruption does not wait for the folds that have not begun
        pool.shutdown(cancel_futures=True)
    return _of_all(results, options)


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
    error = error.astype(a.X.dtype)
    return error, error


def _of_all(results: list[Any], options: Options) -> FoldErrors:
    mse, mae, gap = (np.stack(v, axis=1) for v in zip(*results, strict=True))
    return FoldErrors(mse, mae if options.absolute else None, gap)
