"""``banded_ridge``: ridge with one λ a band of columns, chosen for each target by cross-validation.

As the other doors it checks the arguments and owns no mathematics: what is tried is in
:mod:`jaxreg.sweeps.proportions`, how it is solved in :mod:`jaxreg.engines.ridge_bands`, and how the error goes down
its gradient in :mod:`jaxreg.engines.band_descent`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.inputs import check_values
from jaxreg.data.problem import Problem, check_problem
from jaxreg.data.values import as_floats, as_number
from jaxreg.engines import choose
from jaxreg.engines.band_descent import HeldOut, descend
from jaxreg.engines.ridge_bands import Banded, Searched
from jaxreg.engines.ridge_blocks import grid_of
from jaxreg.formulas.objective import Params
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress, following
from jaxreg.results import BandedRidge
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.measures import fold_weight, variance_of_folds
from jaxreg.sweeps.proportions import LEAST, drawn_proportions

__all__ = ["banded_ridge"]

# The coefficients may take so many bytes.
MOST_BYTES = 2**34
METHODS = "random search", "gradient"
# Steps down the gradient; and by what factor λs may leave the grid on the way.
STEPS, BEYOND = 50, 1e3


@names_ours
def banded_ridge(
    X: Any,
    y: Any,
    bands: Any,
    lams: Any = 20,
    candidates: Any = 60,
    folds: Any = 5,
    seed: int = 0,
    *,
    method: str = "random search",
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    eps: float = 1e-5,
    tol: float | None = None,
    dtype: Any = None,
    device: Any = None,
    progress: Progress = None,
) -> BandedRidge:
    """Ridge with one λ for each band of columns, of least held-out error, target by target.

    The objective is that of :func:`fit` with `l1_ratio = 0` and the penalty factors `1/γ_b` of the column's band:

        1/(2 Σs) Σ_i s_i (y_i − x_i·w − b)²  +  Σ_b λ_b Σ_(j in b) σ_j² w_j² / (2τ),      λ_b = λ/γ_b,   Σ_b γ_b = 1.

    Args:
        X: (n, p). y: (n,) or (n, t), none of them constant.
        bands: (p,) labels, whole numbers or text: columns with the same label are a band.
        lams: λs above 0, (L,), or how many: then a geometric grid from the `λ_max` of :func:`path` down to a share
            ``eps`` of it.
        candidates: how many proportions γ of the bands are tried, the first of them equal, the others Dirichlet draws;
            or (C, q) of them, not negative, bands in the order of their labels. Each takes a decomposition of
            `min(n, p)` numbers a side in every fold, for all λs and targets.
        folds, seed: as in :func:`sweep`; seed also of the proportions.
        method: "random search" takes the best of all γ and λ; "gradient" goes on from there, down the gradient of the
            held-out error in `log λ_b`, to a local minimum, which is never worse. That factors a system of `min(n, p)`
            for each target, fold and step: for few targets, or few rows or columns.
        progress: called as ``progress(done, total)`` for proportions, then for targets at their minimum.
        fit_intercept, ...: these and all other options as in :func:`fit`.

    Returns:
        :class:`jaxreg.results.BandedRidge`.

    Memory, beside X and y: `8 K q n²` bytes for `p > n` and `8 K p²` for `p ≤ n`, the coefficients (8 p t), and less
    than 2 GiB for work with the targets, however many there are.

    Raises, Warns: as :func:`fit`; ValueError for labels that are not one a column, a target that is constant or
        missing, folds as in :func:`sweep`; MemoryError before the work, if kernels take more than 8 GiB or
        coefficients more than 16 GiB.

    Source: Nunez-Elizalde, Huth and Gallant, *NeuroImage* 197, 2019; la Tour, Eickenberg, Nunez-Elizalde and Gallant,
    *NeuroImage* 264, 2022.

    Example:
        >>> import jaxreg, numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(60, 40))
        >>> y = X[:, :10] @ rng.normal(size=(10, 3)) + rng.normal(size=(60, 3))
        >>> found = jaxreg.banded_ridge(X, y, ["signal"] * 10 + ["noise"] * 30, candidates=20)
        >>> found.band_names, found.lam.shape, found.coef.shape
        (('noise', 'signal'), (2, 3), (40, 3))
        >>> bool((found.lam[0] > found.lam[1]).all()), bool(found.converged.all())
        (True, True)
    """
    given = check_problem(
        X,
        y,
        0.0,
        sample_weight=sample_weight,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        eps=eps,
        tol=tol,
        device=device,
    )
    band, names = _check_bands(bands, given.X.shape[1])
    _check_targets(given)
    lams = parameters.check_lams(lams, float)
    if not isinstance(lams, int) and (lams == 0).any():
        raise ValueError(f"lams[{int(np.argmin(lams))}] is 0; every band needs a penalty: give λs above 0.")
    seed = parameters.check_whole_number(seed, "seed")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be 'random search' or 'gradient'.")
    proportions = _check_candidates(candidates, len(names), seed)
    plan = plan_of(folds, given.X, given.y[:, 0] if given.flat else given.y, seed, given.sample_weight)
    p, t = given.X.shape[1], given.y.shape[1]
    if 8 * p * t > MOST_BYTES:
        raise MemoryError(
            f"y: coefficients of {p:,} columns and {t:,} targets are more than 16 GiB; give fewer targets."
        )
    problem = choose.ready(given, "banded_ridge")
    check_values(problem.X, problem.names)
    order = np.argsort(band, kind="stable")
    if np.any(order != np.arange(p)):
        problem = problem._replace(X=problem.X[:, order])
    ends = np.cumsum(np.bincount(band)).tolist()
    weight = fold_weight(problem, plan)
    with problem.computing(double=True):
        banded = Banded(problem, plan, ends)
        grid = -np.sort(-grid_of(banded.data, lams))
        with following(progress, "proportions") as show:
            found = banded.search(proportions, grid, weight, show)
        gamma, candidate, lam = proportions, found.candidate, grid[found.position]
        if method == "gradient":
            with following(progress, "targets") as show:
                each, found = _descended(banded, lam / proportions[candidate].T, grid, weight, found, show)
            lam = 1 / (1 / each).sum(axis=0)
            gamma, candidate = (lam / each).T, np.arange(t)
        params, gap, (scale, y_scale) = banded.fit(gamma, candidate, lam)
    back = np.argsort(order, kind="stable")
    params = Params(params.intercept, params.coef[back])
    choose.check_coef(params.coef[None])
    each = lam / gamma[candidate].T
    warn_unless_converged(found.fold_gap, lam[None, :], problem.tol, "banded_ridge, in the folds", False)
    warn_unless_converged(gap, lam, problem.tol, "banded_ridge", False)
    share = (weight / weight.sum())[:, None]
    mean = (share * found.fold_mse).sum(axis=0)
    se = np.sqrt((share * (found.fold_mse - mean) ** 2).sum(axis=0) / (len(weight) - 1))
    r2 = (share * (1 - found.fold_mse / variance_of_folds(problem, plan))).sum(axis=0)
    as_given: Any = lambda v: (v[..., 0] if given.flat else v).astype(given.X.dtype)
    return BandedRidge(
        lam=as_given(each),
        params=Params(as_given(params.intercept), as_given(params.coef)),
        gap=as_given(gap),
        converged=(gap <= problem.tol)[0] if given.flat else gap <= problem.tol,
        fold_mse=as_given(found.fold_mse),
        fold_gap=as_given(found.fold_gap),
        mean_mse=as_given(mean),
        se_mse=as_given(se),
        mean_r2=as_given(r2),
        search_mse=as_given(found.search_mse),
        lams=grid,
        band=band,
        band_names=names,
        scale=scale[back].astype(given.X.dtype),
        y_scale=as_given(y_scale),
        method=method,
        seed=seed,
        feature_names=given.names,
    )


def _descended(
    banded: Banded, each: np.ndarray, grid: np.ndarray, weight: np.ndarray, found: Searched, show: Callable[..., None]
) -> tuple[np.ndarray, Searched]:
    """λ of every band and target, (q, t), at the end of the gradient from those found, and the errors there."""
    error = HeldOut(banded.data, tuple(int(part.stop) for part in banded.parts), weight)
    limits = np.log(grid.min() / BEYOND), np.log(grid.max() / LEAST)
    end = descend(error, np.log(each.T), limits, STEPS, show)
    fold_mse, _, fold_gap = error.of_folds(end, np.arange(len(end)))
    return np.exp(end.T), found._replace(fold_mse=fold_mse, fold_gap=fold_gap)


def _check_bands(bands: Any, p: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers from 0, (p,), and the labels in their order."""
    labels = np.asarray(bands)
    if labels.shape != (p,):
        raise ValueError(f"bands must have a label for each of the {p} columns, ({p},); got shape {labels.shape}.")
    if labels.dtype.kind not in "iuUSO":
        raise ValueError(f"bands has labels of {labels.dtype}; give whole numbers or text.")
    for j, label in enumerate(labels):
        if label is None or label != label:
            raise ValueError(f"bands[{j}] is missing; every column needs a label.")
    try:
        names, band = np.unique(labels, return_inverse=True)
    except TypeError:
        raise ValueError(
            "bands has labels of several kinds, which have no order; give whole numbers or text."
        ) from None
    if labels.dtype.kind in "iu" and len(names) <= names[-1] - names[0]:
        empty = int(names[0]) + int(np.argmax(names != names[0] + np.arange(len(names))))
        raise ValueError(f"bands: band {empty} has no columns; number bands without gaps, or name them with text.")
    return band.reshape(p), tuple(str(name) for name in names)


def _check_targets(problem: Problem) -> None:
    """No target is constant."""
    values = problem.y[problem.weights > 0]
    constant = np.flatnonzero(np.all(values == values[:1], axis=0))
    if len(constant):
        which = "y" if problem.flat else f"y: target {constant[0]}"
        more = f" (and {len(constant) - 1} more)" if len(constant) > 1 else ""
        raise ValueError(
            f"{which}{more} is constant, {values[0, constant[0]]:g}, and no λ is better than another; drop it."
        )


def _check_candidates(candidates: Any, q: int, seed: int) -> np.ndarray:
    """(C, q) proportions, each above 0, that add up to 1."""
    candidates = as_number(candidates)
    if np.ndim(candidates) == 0:
        return drawn_proportions(q, parameters.check_positive(candidates, "candidates", int), seed)
    given = as_floats(candidates, "candidates", float)
    if given.ndim != 2 or given.shape[1] != q or not len(given):
        raise ValueError(f"candidates must be a whole number or proportions (C, {q}), one a band; got {given.shape}.")
    wrong = ~(np.isfinite(given) & (given >= 0)).all(axis=1) | (given.sum(axis=1) <= 0)
    if wrong.any():
        c = int(np.argmax(wrong))
        raise ValueError(f"candidates[{c}] is {given[c]}; proportions must be finite, at least 0, and not all 0.")
    given = np.maximum(given / given.sum(axis=1, keepdims=True), LEAST)
    return given / given.sum(axis=1, keepdims=True)
