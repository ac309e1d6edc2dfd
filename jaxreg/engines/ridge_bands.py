"""Ridge with one λ a band of columns on NumPy arrays: proportions of the bands are tried, and the chosen ones fitted.

With `λ_b = λ/γ_b` the penalty factors of a band's columns are `v = 1/γ_b`, which is ridge on columns times `√γ_b`:

    p ≤ n:  AᵀA becomes √γ (AᵀA) √γ          p > n:  AAᵀ becomes K_γ = Σ_b γ_b A_b A_bᵀ

What is read of the rows, the moments or a kernel a band, is read once a fold. Each γ then takes one decomposition a
fold for all λs and targets (:mod:`~jaxreg.solvers.spectrum`), and all rows are fitted for the chosen γ alone.

Memory, beside X and y: `8 K q n²` bytes for `p > n`, `8 K p²` for `p ≤ n` (K folds, q bands), the coefficients, 8 p t,
and work arrays of the targets, of which 512 MiB at most are there at a time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.cores import CORES, blas_of_one_thread
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.data.row_blocks import slices
from jaxreg.engines import choose
from jaxreg.engines.gaps import NUMBERS, Models, Weights, gap_of
from jaxreg.engines.ridge_blocks import Known, known_of, moments_params, solve_fold
from jaxreg.engines.ridge_data import Blocks
from jaxreg.engines.ridge_kernel import Kernel, dual_of, kernel_of
from jaxreg.engines.row_gaps import RowSums
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params

__all__ = ["Banded", "Searched"]

# The kernels of all bands and folds may take so many bytes.
MOST_BYTES = 2**33


class Searched(NamedTuple):
    """Of t targets: number of the proportions, of the λ, (t,); errors and gaps of the folds there, (K, t); the least
    mean error at each of the proportions, (C, t)."""

    candidate: np.ndarray
    position: np.ndarray
    fold_mse: np.ndarray
    fold_gap: np.ndarray
    search_mse: np.ndarray


class Banded:
    """A problem whose columns are sorted by band.

    Args:
        ends: of the bands among the columns, rising; the last is p.

    Raises:
        MemoryError: the kernels of all folds are more than 8 GiB.
    """

    def __init__(self, problem: Problem, plan: Plan, ends: Sequence[int]) -> None:
        self.problem, self.data = problem, Blocks(problem, plan)
        stops = [*ends[:-1], self.data.problem.X.shape[1]]  # columns that fill up are in the last band
        self.parts = [slice(*part) for part in pairwise([0, *stops])]
        self.width = np.diff([0, *stops])
        needs = 8 * len(plan) * len(stops) * len(problem.y) ** 2
        if self.data.by_kernel and needs > MOST_BYTES:
            raise MemoryError(
                f"the kernels of {len(stops)} bands in {len(plan)} folds of {len(problem.y):,} rows would take "
                f"{needs / 2**30:.3g} GiB; give fewer folds or bands."
            )

    @cached_property
    def folds(self) -> list[tuple[list[Kernel], Known]]:
        """Of every fold: the kernels, one a band, or what else is known."""
        data, none = self.data, Known(None, [None] * len(self.data.Y))
        if not data.by_kernel:
            return [([], known_of(data, fold)) for fold in data.folds]
        return [(self._kernels(fold.train_weight, fold.train, fold.rows), none) for fold in data.folds]

    def _kernels(self, weight: np.ndarray, rows: np.ndarray | None, others: np.ndarray) -> list[Kernel]:
        X = self.data.problem.X
        return [kernel_of(X[:, part], weight, self.data.how, rows, others) for part in self.parts]

    def search(
        self, proportions: np.ndarray, lams: np.ndarray, weight: np.ndarray, show: Callable[[int, int], None]
    ) -> Searched:
        """Every γ, (C, q), at every λ, (L,), descending, in every fold, of weight (K,); ties go to the larger λ.

        Raises:
            FloatingPointError: the error of a target is finite nowhere.
        """
        data, share, t, C = self.data, weight / weight.sum(), self.data.targets, len(proportions)
        data.X if not data.by_kernel and None in data.totals else None  # noqa: B018  # before the folds share it
        target, least = np.arange(t), np.full(t, np.inf)
        candidate, position = np.full(t, -1), np.zeros(t, int)
        fold_mse, fold_gap, search_mse = np.zeros((len(share), t)), np.zeros((len(share), t)), np.zeros((C, t))
        workers = 1 if data.by_kernel else min(CORES, len(share))
        with blas_of_one_thread() if workers > 1 else nullcontext(), ThreadPoolExecutor(workers) as pool:
            for c, gamma in enumerate(proportions):
                weighted = data.with_factors(self.factors(gamma))

                def one(k: int, gamma: np.ndarray = gamma, weighted: Blocks = weighted) -> tuple[np.ndarray, ...]:
                    kernels, known = self.folds[k]
                    known = known._replace(kernel=_weighted(kernels, gamma)) if kernels else known
                    with self.problem.computing(double=True):
                        return solve_fold(weighted, weighted.folds[k], known, lams, self.problem.tol)

                found = list(pool.map(one, range(len(share))))
                mse, gap = (np.stack([of[i] for of in found]) for i in (0, 2))
                mean = np.tensordot(share, mse, axes=1)
                l = np.argmin(np.where(np.isnan(mean), np.inf, mean), axis=0)
                search_mse[c] = mean[l, target]
                better = search_mse[c] < least
                least = np.where(better, search_mse[c], least)
                candidate, position = np.where(better, c, candidate), np.where(better, l, position)
                fold_mse, fold_gap = (
                    np.where(better, new[:, l, target], old) for new, old in ((mse, fold_mse), (gap, fold_gap))
                )
                show(c + 1, C)
        if np.any(candidate < 0):
            raise FloatingPointError(f"the error of target {int(np.argmin(candidate))} is not finite; rescale X and y.")
        return Searched(candidate, position, fold_mse, fold_gap, search_mse)

    def factors(self, gamma: np.ndarray) -> np.ndarray:
        """`v = 1/γ` of every column, (p,), those that fill up included."""
        return np.repeat(1.0 / gamma, self.width)

    def fit(self, proportions: np.ndarray, candidate: np.ndarray, lam: np.ndarray) -> tuple[Params, np.ndarray, Any]:
        """All rows at γ number ``candidate`` and ``lam``, (t,) both: parameters, gaps (t,), and σ and τ.

        The gaps are those of the objective with these penalty factors, from the rows.
        """
        most = 1 << (self.data.Y[0].shape[1].bit_length() - 1)
        of_all = {c: np.flatnonzero(candidate == c) for c in np.unique(candidate)}
        cut = lambda targets: np.split(targets, range(most, len(targets), most))
        groups = [(proportions[c], some) for c, targets in of_all.items() for some in cut(targets)]
        params = self._from_kernels(groups, lam) if self.data.by_kernel else self._from_moments(groups, lam)
        dtype, table = self.problem.X.dtype, RowSums(self.problem, False)
        params = Params(*(v.astype(dtype) for v in params))
        sigma = np.where(table.variance > 0, np.sqrt(table.variance), 1.0) * table.scale
        tau = np.sqrt(np.maximum(table.share @ (table.Y - table.share @ table.Y) ** 2, 0.0))
        scales = (sigma, np.where(tau > 0, tau, 1.0)) if self.problem.standardize else (sigma * 0 + 1, tau * 0 + 1)
        gap = np.zeros(len(lam))
        for gamma, targets in groups:
            own = self.problem._replace(penalty_factor=self.factors(gamma)[: len(sigma)])
            weights, most = Weights(own, scales[0], table.scale), max(1, NUMBERS // len(sigma))
            with np.errstate(all="ignore"):
                for some in np.split(targets, range(most, len(targets), most)):
                    coef = params.coef[:, some].astype(float)
                    b, at, tau = (v[some].astype(float) for v in (params.intercept, lam, scales[1]))
                    models = Models(coef, coef.any(axis=1), b, at, tau, some)
                    gap[some] = gap_of(table.sums(models), models, weights, table.original)
            late = targets[~(gap[targets] <= self.problem.tol)]
            if len(late):  # again, on the rows themselves
                alone = own._replace(y=self.problem.y[:, late], flat=False, degrees=False)
                solved = choose.solve(alone, lam[None, late])
                params.coef[:, late], params.intercept[late] = solved.params.coef[0], solved.params.intercept[0]
                gap[late] = solved.gap[0]
        return params, gap, scales

    def _from_moments(self, groups: list[tuple[np.ndarray, np.ndarray]], lam: np.ndarray) -> Params:
        data, p = self.data, self.problem.X.shape[1]
        coef, intercept = np.full((p, len(lam)), np.nan), np.full(len(lam), np.nan)
        if None in data.totals:
            return Params(intercept, coef)
        totals: Any = data.totals
        xy, y_mean, yy = (np.concatenate([getattr(m, of) for m in totals], axis=-1) for of in ("xy", "y_mean", "yy"))
        for gamma, some in groups:
            all_of = _filled(some)
            m = Moments(totals[0].weight, totals[0].x_mean, y_mean[all_of], totals[0].xx, xy[:, all_of], yy[all_of])
            with self.problem.computing(double=True):
                found = moments_params(m, self.factors(gamma), lam[all_of], **data.centring)
            coef[:, some], intercept[some] = found.coef[:p, : len(some)], found.intercept[: len(some)]
        return Params(intercept, coef)

    def _from_kernels(self, groups: list[tuple[np.ndarray, np.ndarray]], lam: np.ndarray) -> Params:
        """`w = γ_b (X − x̄)ᵀ √(s/Σs) z / σ²` with `z = (K_γ + λI)⁻¹ ỹ`: one product with X for all targets."""
        data, share = self.data, self.data.s / self.data.s.sum()
        X, Y, p = data.problem.X, data.problem.y, self.problem.X.shape[1]
        kernels, z = self._kernels(data.s, None, np.zeros(0, int)), np.zeros(Y.shape)
        weight = np.zeros((len(self.parts), len(lam)))
        for gamma, some in groups:
            all_of = _filled(some)
            with self.problem.computing(double=True):
                found = dual_of(_weighted(kernels, gamma), Y[:, all_of], data.s, data.how, lam[all_of])
            z[:, some], weight[:, some] = found[:, : len(some)], gamma[:, None]
        z *= np.sqrt(share)[:, None]
        x_mean, scale = (np.concatenate([getattr(kernel, of) for kernel in kernels]) for of in ("x_mean", "scale"))
        band, coef = np.repeat(np.arange(len(self.parts)), self.width), np.empty((p, len(lam)))
        for some in slices(p, None, max(1, NUMBERS // len(Y))):
            centred = X[:, some] - x_mean[some]
            constant = np.all(centred[share > 0] == centred[share > 0][:1], axis=0)
            centred[:, constant & self.problem.fit_intercept] = 0.0
            coef[some] = centred.T @ z * weight[band[some]] / scale[some, None] ** 2
        return Params((share @ Y if self.problem.fit_intercept else 0.0) - x_mean[:p] @ coef, coef)


def _weighted(kernels: list[Kernel], gamma: np.ndarray) -> Kernel:
    """Of all bands together, `K_γ = Σ_b γ_b K_b`."""
    each = list(zip(gamma, kernels, strict=True))
    x_mean, scale = (np.concatenate([getattr(of, name) for of in kernels]) for name in ("x_mean", "scale"))
    return Kernel(
        matrix=sum((g * of.matrix for g, of in each), np.zeros(())),
        products=sum((g * of.products for g, of in each), np.zeros(())),
        x_mean=x_mean,
        scale=scale,
        size=np.concatenate([of.size / np.sqrt(g) for g, of in each]),
    )


def _filled(some: np.ndarray) -> np.ndarray:
    """Numbers of targets, filled up to a power of two with the last, so that few programs serve all groups."""
    return np.pad(some, (0, (1 << (len(some) - 1).bit_length()) - len(some)), mode="edge")
