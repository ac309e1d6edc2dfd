"""Cross-validation on this machine: a fold is a path on the moments of the other folds' rows; cores share the folds.

The training moments of a fold are the sum of those of the other folds, not the total less its own: a sum keeps all
digits. Held-out errors are computed from the rows, so they too keep all digits, and absolute errors cost no more.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.formulas.moments import Moments
from jaxreg.inputs import Arguments
from jaxreg.routes.moments import moments_of, path_on_moments, takes_moments
from jaxreg.routes.options import Options, computing
from jaxreg.routes.ridge import errors_on_factors, takes_factors
from jaxreg.routes.row_blocks import held_out_errors
from jaxreg.routes.rows import BLOCK_BYTES, solve_on_rows
from jaxreg.routes.wide import columns_of, path_on_columns, takes_columns
from jaxreg.solvers.active_set import padded

__all__ = ["FoldErrors", "errors_of_folds"]

Report = Callable[[], None]

_sum = jax.jit(lambda parts: sum(parts[1:], parts[0]))


class FoldErrors(NamedTuple):
    """Of K folds at L λs: mean squared and absolute held-out errors, and the gaps on the training rows, (L, K, t)."""

    mse: np.ndarray
    mae: np.ndarray
    gap: np.ndarray


def errors_of_folds(
    a: Arguments, masks: np.ndarray, lams: np.ndarray, options: Options, device: Any, report: Report
) -> FoldErrors:
    """Train on the rows that a fold does not hold out, at every λ, and measure on those that it does.

    Args:
        masks: (K, n), True = held out. lams: (L,). report: called when a fold is done.
    """
    if takes_factors(a, options, lams):
        found = []
        for errors in errors_on_factors(a, masks, lams, options, device):
            found.append(errors)
            report()
        return FoldErrors(*(np.stack(v, axis=1) for v in zip(*found, strict=True)))
    Y = a.y.reshape(len(a.y), -1)
    members = np.repeat(lams[:, None], Y.shape[1], axis=1)
    positive = bool(np.all(lams > 0))
    on_moments, on_columns = takes_moments(a, options) and positive, takes_columns(a, options) and positive
    double = on_moments or on_columns or a.X.dtype == np.float64
    with computing(double, device):
        training = _training_moments(a, masks) if on_moments else None
        columns = columns_of(a, options) if on_columns else None

    def fold(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with computing(double, device):  # of this thread
            weight = np.ones(len(a.X), a.X.dtype) if a.sample_weight is None else a.sample_weight
            rest = a._replace(sample_weight=np.where(masks[k], 0, weight))
            if training is not None:
                solved = path_on_moments(training(k), rest, members, options)
            elif columns is not None:
                solved = path_on_columns(columns, rest, members, options)
            else:
                solved = solve_on_rows(rest, members, options)
            rows = np.flatnonzero(masks[k] & (weight > 0))
            return *held_out_errors(solved.params, a.X, Y, a.sample_weight, rows), solved.gap

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
    return FoldErrors(*(np.stack(v, axis=1) for v in zip(*results, strict=True)))


def _training_moments(a: Arguments, masks: np.ndarray) -> Callable[[int], Moments]:
    """k -> the moments of the rows that fold k does not hold out."""
    P = padded(a.X.shape[1])
    if np.all(masks.sum(axis=0) == 1) and len(masks) * P * P * 8 <= BLOCK_BYTES:
        parts = [moments_of(a, np.flatnonzero(mask)) for mask in masks]
        return lambda k: _sum(parts[:k] + parts[k + 1 :])
    return lambda k: moments_of(a, np.flatnonzero(~masks[k]))
