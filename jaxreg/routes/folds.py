"""Cross-validation on this machine: a fold is a path on the moments of the other folds' rows; cores share the folds.

The training moments of a fold are those of all rows less its own. Held-out errors come from those of its own rows, or
from the rows themselves (:mod:`~jaxreg.routes.held_out`).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from jaxreg.formulas.moments import Moments, together
from jaxreg.formulas.objective import Params
from jaxreg.inputs import Arguments
from jaxreg.routes import held_out
from jaxreg.routes.moments import moments_of, path_on_moments, takes_moments
from jaxreg.routes.options import Options, computing
from jaxreg.routes.ridge import errors_on_factors, takes_factors
from jaxreg.routes.rows import BLOCK_BYTES, solve_on_rows
from jaxreg.routes.wide import columns_of, path_on_columns, takes_columns
from jaxreg.solvers.active_set import padded

__all__ = ["FoldErrors", "FoldMoments", "errors_of_folds"]

Report = Callable[[], None]

# Where less than this share of a column's square is left without a fold, the other folds are added instead.
LEFT = 0.1


class FoldErrors(NamedTuple):
    """Of K folds at L λs: mean squared and absolute held-out errors, and the gaps on the training rows, (L, K, t)."""

    mse: np.ndarray
    mae: np.ndarray | None
    gap: np.ndarray


class FoldMoments:
    """The moments of all rows, and of those that a fold does not hold out; each row is read once for all of them."""

    def __init__(self, a: Arguments, masks: np.ndarray) -> None:
        self.a, self.masks = a, masks

    @cached_property
    def parts(self) -> list[Moments] | None:
        """Of the rows that each fold holds out; None where they do not fit into memory, or do not make up all rows."""
        P = padded(self.a.X.shape[1])
        counts = slice(None) if self.a.sample_weight is None else self.a.sample_weight > 0
        if np.all(self.masks[:, counts].sum(axis=0) == 1) and len(self.masks) * P * P * 8 <= BLOCK_BYTES:
            return [moments_of(self.a, np.flatnonzero(mask)) for mask in self.masks]
        return None

    @cached_property
    def total(self) -> Moments:
        """Of all rows."""
        return moments_of(self.a) if self.parts is None else together(self.parts)

    @cached_property
    def nothing(self) -> Moments:
        """Of no rows."""
        return Moments._make(np.zeros_like(v) for v in self.total)

    def without(self, k: int) -> tuple[Moments, Moments]:
        """Of the rows that fold k does not hold out: as the difference of two."""
        if self.parts is None:
            return moments_of(self.a, np.flatnonzero(~self.masks[k])), self.nothing
        left, total = (_squares(self.total) - _squares(self.parts[k])).yy, _squares(self.total).yy
        if np.all(left >= LEFT * total):
            return self.total, self.parts[k]  # at most a digit is lost
        return together(self.parts[:k] + self.parts[k + 1 :]), self.nothing


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
        found = []
        for errors in errors_on_factors(a, masks, lams, options, device):
            found.append(errors)
            report()
        return _of_all(found, options)
    Y = a.y.reshape(len(a.y), -1)
    members = np.repeat(lams[:, None], Y.shape[1], axis=1)
    positive = bool(np.all(lams > 0))
    on_moments, on_columns = takes_moments(a, options) and positive, takes_columns(a, options) and positive
    double = on_moments or on_columns or a.X.dtype == np.float64
    with computing(double, device):
        columns = columns_of(a, options) if on_columns else None

    weight = np.ones(a.X.shape[0], a.X.dtype) if a.sample_weight is None else a.sample_weight

    def fold(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with computing(double, device):  # of this thread
            rest = a._replace(sample_weight=np.where(masks[k], 0, weight))
            if on_moments:
                total, part = moments.without(k)
                solved = path_on_moments(total, rest, members, options, part)
            elif columns is not None:
                solved = path_on_columns(columns, rest, members, options)
            else:
                solved = solve_on_rows(rest, members, options)
            rows = np.flatnonzero(masks[k] & (weight > 0))
            few = len(rows) <= a.X.shape[1]
            if few or options.absolute or not on_moments or moments.parts is None:
                return *held_out.from_rows(solved.params, a.X, Y, a.sample_weight, rows), solved.gap
            error, sure = held_out.from_moments(solved.params, moments.parts[k])
            again = ~sure.all(axis=1)
            if again.any():
                some = Params(*(v[again] for v in solved.params))
                error[again] = held_out.from_rows(some, a.X, Y, a.sample_weight, rows)[0]
            error = error.astype(a.X.dtype)
            return error, error, solved.gap

    results: list[Any] = [None] * len(masks)
    # Folds on the rows fill the memory block and all cores by themselves.
    workers = min(os.cpu_count() or 1, len(masks)) if on_moments or on_columns else 1
    pool = ThreadPoolExecutor(workers)
    try:
        for k, result in enumerate(pool.map(fold, range(len(masks)))):
            results[k] = result
            report()
    finally:  # an interruption does not wait for the folds that have not begun
        pool.shutdown(cancel_futures=True)
    return _of_all(results, options)


def _of_all(results: list[Any], options: Options) -> FoldErrors:
    mse, mae, gap = (np.stack(v, axis=1) for v in zip(*results, strict=True))
    return FoldErrors(mse, mae if options.absolute else None, gap)
