"""The ridge route: whole λ-grids, folds and thousands of targets from one factorisation of each set of rows."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.cores import blas_of_one_thread
from jaxreg.data.inputs import Arguments, check_values
from jaxreg.data.splits import Splits
from jaxreg.engines import held_out
from jaxreg.engines.certificate import certified, gap_from_moments
from jaxreg.engines.moments import improved
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.ridge_blocks import (
    Factors,
    all_intercepts,
    all_params,
    grid_of,
    solve,
    solve_fold,
    y_scale,
)
from jaxreg.engines.ridge_data import Blocks
from jaxreg.engines.rows import block_length, solve_on_rows
from jaxreg.precision import computing, takes_double

__all__ = [
    "FactoredPath",
    "errors_on_factors",
    "factor_all",
    "factored_path",
    "is_large",
    "solve_on_factors",
    "takes_factors",
]

# A path of more coefficients than this computes them when they are asked for.
COEF_BYTES = 2**28
# Of more coefficients than this, the gap is the bound of the factors (:func:`relative_gaps`), not that of each model.
MOST_CERTIFIED = 2**22


def takes_factors(a: Arguments, options: Options, lams: int | np.ndarray) -> bool:
    """Whether this route can solve the problem: ρ = 0, several λs > 0 that all targets share, no bounds, all v > 0.

    Args:
        lams: how many, (L,) or (L, t).
    """
    ridge = options.l1_ratio == 0 and a.lower is None and a.upper is None
    if not ridge or (a.penalty_factor is not None and not np.all(a.penalty_factor > 0)):
        return False
    if isinstance(lams, int):
        return True
    shared = lams.ndim == 1 or bool(np.all(lams == lams[:, :1]))
    return len(lams) > 1 and shared and bool(np.all(lams > 0))


def _blocks(a: Arguments, splits: Splits | None, options: Options) -> Blocks:
    check_values(a.X, a.names)
    return Blocks(a, splits, {"fit_intercept": options.fit_intercept, "standardize": options.standardize})


def solve_on_factors(a: Arguments, lams: int | np.ndarray, options: Options) -> Solved:
    """A path. What the bound from the factors cannot certify is solved and certified on the rows.

    Args:
        lams: how many, or (L, t).
    """
    block_length(a, lams if isinstance(lams, int) else len(lams))  # refuses what no memory holds
    data = _blocks(a, None, options)
    factors = solve(data, grid_of(data, lams if isinstance(lams, int) else lams[:, 0], options.eps))
    members = np.repeat(factors.lams[:, None], factors.targets, axis=1)
    if not np.all(factors.gap <= options.tol):
        return solve_on_rows(a, members, options)
    params = all_params(factors)
    scales = np.asarray(factors.blocks[0].scale), y_scale(factors)
    solved = Solved(members, params, factors.gap, np.zeros(members.shape, np.int32), factors.df, *scales)
    if params.coef.size > MOST_CERTIFIED:
        return solved
    total, rounding = data.totals[0] if len(data.totals) == 1 else None, None
    if total is not None:
        gap, rounding = gap_from_moments(total, a, solved, options)
        solved = solved._replace(gap=gap)
    solved = certified(solved, a, options, rounding)
    late = ~np.all(solved.gap <= options.tol, axis=1)
    return improved(solved, late, solve_on_rows(a, members[late], options)) if late.any() else solved


def factor_all(a: Arguments, lams: int | np.ndarray, options: Options) -> Factors:
    """All rows factored; ``lams`` is how many, or (L,)."""
    data = _blocks(a, None, options)
    return solve(data, grid_of(data, lams, options.eps))


def errors_on_factors(
    a: Arguments, splits: Splits, lams: np.ndarray, options: Options, device: Any
) -> Iterator[tuple[np.ndarray, ...]]:
    """Mean squared and absolute held-out errors and gaps of one fold after the other, each (L, t).

    Args:
        lams: (L,).
    """
    with computing(takes_double(a.X.dtype, device), device):
        data = _blocks(a, splits, options)
        on_moments = data.totals[0] is not None
    Y = a.y.reshape(len(a.y), -1)

    def fold(k: int) -> tuple[np.ndarray, ...]:
        with computing(takes_double(a.X.dtype, device), device):  # of this thread
            found = solve_fold(data, data.folds[k], lams)
            if np.all(found[-1] <= options.tol) or _is_large(a, found[-1].size):
                return found
            rest = a._replace(sample_weight=splits.training_weight(k, data.s))
            solved = solve_on_rows(rest, np.repeat(lams[:, None], Y.shape[1], axis=1), options)
            rows = splits.test_rows(k)
            rows = rows[data.s[rows] > 0]
            return *held_out.from_rows(solved.params, a.X, Y, a.sample_weight, rows), solved.gap

    # Eigendecompositions leave cores idle; products of the rows themselves do not.
    workers = min(os.cpu_count() or 1, len(splits)) if on_moments else 1
    with blas_of_one_thread() if workers > 1 else contextlib.nullcontext(), ThreadPoolExecutor(workers) as pool:
        yield from pool.map(fold, range(len(splits)))


def is_large(a: Arguments, lams: int | np.ndarray) -> bool:
    """Whether the coefficients at these λs, or so many, are so many that they are computed when asked for."""
    return a.y.ndim == 2 and _is_large(a, (lams if isinstance(lams, int) else len(lams)) * a.y.shape[1])


def _is_large(a: Arguments, models: int) -> bool:
    return models * a.X.shape[1] * a.X.itemsize > COEF_BYTES


class FactoredPath(NamedTuple):
    """A path of very many coefficients (over 256 MiB), which are computed when asked for; fields as in :class:`Path`.

    Attributes:
        factors: of all rows.
    """

    factors: Factors
    lams: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    n_iter: np.ndarray
    df: np.ndarray
    scale: np.ndarray
    y_scale: np.ndarray

    def coef(self) -> np.ndarray:
        """w, (L, p, t).

        Raises:
            MemoryError: they are more than 16 GiB.
        """
        size = self.factors.gap.size * len(self.scale) * self.factors.gap.itemsize
        if size > 2**34:
            raise MemoryError(
                f"all coefficients are {size / 2**30:,.0f} GiB; those of the chosen λs are in best and one_se of a "
                "sweep, others come from jaxreg.path with fewer λs or targets."
            )
        with jax.enable_x64(self.factors.gap.dtype == np.float64):
            return all_params(self.factors).coef.astype(self.intercept.dtype, copy=False)


def factored_path(factors: Factors, dtype: Any, tol: float) -> FactoredPath:
    """The path of :func:`factor_all`, in this dtype."""
    as_given = lambda v: v.astype(dtype, copy=False)
    return FactoredPath(
        factors=factors,
        lams=as_given(factors.lams),
        intercept=as_given(all_intercepts(factors)),
        gap=as_given(factors.gap),
        converged=factors.gap <= tol,
        n_iter=np.zeros(factors.gap.shape, np.int32),
        df=as_given(factors.df),
        scale=as_given(np.asarray(factors.blocks[0].scale)),
        y_scale=as_given(y_scale(factors)),
    )
