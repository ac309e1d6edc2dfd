"""What ridge on NumPy arrays computes: the compiled programs over :mod:`~jaxreg.engines.ridge_data`.

The mathematics is in :mod:`jaxreg.solvers.factored_ridge`,
:mod:`jaxreg.solvers.ridge_folds` and :mod:`jaxreg.solvers.leave_one_out`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.engines.ridge_data import Blocks, Fold
from jaxreg.engines.ridge_kernel import Kernel, factor, fold_errors, kernel_of, largest_lam
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled
from jaxreg.solvers.automatic_grid import automatic_grid
from jaxreg.solvers.factored_ridge import (
    FactoredRidge,
    factor_moments,
    factor_other_targets,
    factor_rows,
    relative_gaps,
    ridge_intercepts,
    ridge_params,
    scale_of,
    spectral_lams,
)
from jaxreg.solvers.grid import grid_start
from jaxreg.solvers.ridge_folds import errors_from_rows, held_out_errors, training_moments
from jaxreg.solvers.spectrum import is_accurate, ridge_degrees

__all__ = [
    "Factors",
    "Known",
    "all_intercepts",
    "all_params",
    "certify",
    "chosen_params",
    "factored_blocks",
    "grid_of",
    "joined",
    "known_of",
    "moments_params",
    "solve_all",
    "solve_fold",
    "x_scale",
    "y_scale",
]


_static = partial(compiled, static_argnames=("fit_intercept", "standardize"))


@_static
def _from_moments(m, v, smallest_lam, *, fit_intercept, standardize):
    factored = factor_moments(m, v, fit_intercept, standardize)
    return factored, is_accurate(factored.spectrum.e, smallest_lam / jnp.max(factored.y_scale))


@_static
def _start(m, v, *, fit_intercept, standardize):
    scale = scale_of(m, standardize)
    xy = (m if fit_intercept else about_zero(m)).xy
    v = jnp.ones_like(scale) if v is None else v
    return grid_start(xy / m.weight, jnp.zeros((), scale.dtype), v, scale, None, None)


@_static
def _other_targets(decomposed, m, smallest_lam, *, fit_intercept, standardize):
    factored = factor_other_targets(decomposed, m, fit_intercept, standardize)
    return factored, is_accurate(factored.spectrum.e, smallest_lam / jnp.max(factored.y_scale))


_factor_rows, _errors_from_rows = _static(factor_rows), _static(errors_from_rows)
_grid = compiled(automatic_grid, static_argnames=("count", "fit_intercept", "standardize"))
_held_out = compiled(held_out_errors)
_params, _intercepts = compiled(ridge_params), compiled(ridge_intercepts)


@compiled
def _grid_params(factored, lams):
    return jax.lax.map(lambda lam: ridge_params(factored, lam), lams)


@compiled
def certify(factored, lams):
    """The relative gaps, (L, t), and the degrees of freedom, (L, t), of a FactoredRidge at λs (L,)."""
    gap = relative_gaps(factored, lams)
    return gap, jnp.broadcast_to(ridge_degrees(factored.spectrum.e, spectral_lams(factored, lams)), gap.shape)


class Factors(NamedTuple):
    """All rows factored, in blocks of targets of one length, and what is known of every λ: gap and df, (L, t).

    ``targets`` and ``columns`` are how many there are without those that fill up.
    """

    lams: np.ndarray
    blocks: list[FactoredRidge]
    gap: np.ndarray
    df: np.ndarray
    targets: int
    columns: int


def factored_blocks(data: Blocks, every: list[Moments | None], smallest_lam: Any) -> Iterator[tuple[Any, Any]]:
    """Of every block of targets the factors, and whether they are accurate; one decomposition serves them all."""
    one = None
    for m in every:
        if m is None:
            yield None, False
        elif one is None:
            one, accurate = _from_moments(m, data.v, smallest_lam, **data.centring)
            yield one, accurate
        else:
            yield _other_targets(one, m, smallest_lam, **data.centring)


def moments_params(m: Moments, v: np.ndarray, lam: np.ndarray, *, fit_intercept: bool, standardize: bool) -> Params:
    """The fits at one λ a target, (t,), from moments in the range of float64, whatever digits they leave."""
    found, _ = _from_moments(m, v, lam.min(), fit_intercept=fit_intercept, standardize=standardize)
    return Params(*map(np.asarray, _params(found, lam)))


def grid_of(data: Blocks, lams: int | np.ndarray) -> np.ndarray:
    """The grid, of λs that X's dtype holds; an automatic one starts at the largest `λ_max` of all targets."""
    count = lams if isinstance(lams, int) else len(lams)
    if count * data.targets * data.s.itemsize > 2**34:
        raise MemoryError(
            f"lams: {count:,} λs × {data.targets:,} targets are {count * data.targets * data.s.itemsize / 2**30:,.0f} "
            "GiB of results; ask for fewer λs."
        )
    if not isinstance(lams, int):
        return lams.astype(float)
    problem, weights = data.problem, {"sample_weight": data.s, "penalty_factor": data.v}

    def start(total: Moments | None, k: int) -> Any:
        if total is None:
            return _grid(data.X, data.Y_there[k], 1, 0.0, None, **weights, **data.centring)[0]
        return _start(total, data.v, **data.centring)

    if data.by_kernel:
        given = data.problem.X, data.problem.y, data.s
        largest: Any = largest_lam(data.kernel, *given, data.how)
    else:
        largest = max((start(total, k) for k, total in enumerate(data.totals)), key=float)
    grid = np.asarray(largest) * problem.eps ** (np.arange(lams) / max(lams - 1, 1))
    return grid.astype(problem.X.dtype).astype(float)


def solve_all(data: Blocks, lams: np.ndarray) -> Factors:
    """All rows."""
    blocks, gaps, degrees = [], [], []
    for k, (found, accurate) in enumerate(factored_blocks(data, data.totals, lams.min())):
        factored = found if accurate else None
        if data.by_kernel:
            factored = factor(data.kernel, data.problem.X, data.Y[k], data.s, data.how, lams.min())
        if factored is None:
            factored = _factor_rows(data.X, data.Y_there[k], data.s, data.v, smallest_lam=lams.min(), **data.centring)
        gap, df = certify(factored, lams)
        blocks.append(factored)
        gaps.append(np.asarray(gap))
        degrees.append(np.asarray(df))
    gap, df = joined(gaps, data.targets), joined(degrees, data.targets)
    return Factors(lams, blocks, gap, df, data.targets, data.columns)


def joined(blocks: list[np.ndarray], targets: int) -> np.ndarray:
    """The blocks along the targets, without those that fill up the last."""
    whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=-1)
    return whole[..., :targets]


class Known(NamedTuple):
    """What is read of a fold's rows: the kernel, or moments for every block of targets; None where neither will do."""

    kernel: Kernel | None
    moments: list[Moments | None]


def known_of(data: Blocks, fold: Fold) -> Known:
    """Read once."""
    kernel = kernel_of(data.problem.X, fold.train_weight, data.how, fold.train, fold.rows) if data.by_kernel else None
    rows = fold.rows[fold.row_weight > 0]
    whole = data.plan is not None and data.plan.trained is None

    if data.totals[0] is None:
        return Known(kernel, list(data.totals))
    parts = data.moments(rows if whole else fold.train[fold.train_weight > 0])
    if not whole:
        return Known(kernel, list(parts))
    known: list[Moments | None] = []
    xx = None  # that of the first serves all blocks
    for total, part in zip(data.totals, parts, strict=True):
        assert total is not None
        with np.errstate(all="ignore"):
            train, enough = training_moments(total, part)
        xx = train.xx if xx is None else xx
        known.append(train._replace(xx=xx) if enough else None)
    return Known(kernel, known)


def solve_fold(data: Blocks, fold: Fold, known: Known, lams: np.ndarray, enough: float = 0.0) -> tuple[np.ndarray, ...]:
    """Mean squared and absolute held-out errors, and gaps, of every λ and target, each (L, t).

    Args:
        enough: gaps up to which eigenvectors will do, also where they leave the coefficients less than 11 digits.
    """
    found: list[Any] = []
    share = fold.row_weight / fold.row_weight.sum()
    for k, (factored, accurate) in enumerate(factored_blocks(data, known.moments, lams.min())):
        Y, gap = data.Y[k], None
        if known.kernel is not None:
            one, held_out = Y[fold.train], (Y[fold.rows], share)
            errors = fold_errors(known.kernel, one, fold.train_weight, data.how, held_out, lams, enough)
            if errors is not None:
                found.append(errors)
                continue
        if factored is not None:
            gap = certify(factored, lams)[0]
            factored = factored if accurate or np.all(np.asarray(gap) <= enough) else None
        if factored is None:
            given = data.X, data.Y_there[k], fold.train, fold.train_weight, fold.rows, fold.row_weight, data.v, lams
            found.append(_errors_from_rows(*given, **data.centring))
            continue
        parts = data.sums(partial(_held_out, factored, lams=lams), Y, fold.rows, fold.row_weight)
        found.append((*map(sum, zip(*parts, strict=True)), gap))
    return tuple(joined([np.asarray(block) for block in v], data.targets) for v in zip(*found, strict=True))


def x_scale(factors: Factors) -> np.ndarray:
    """σ of every column, (p,)."""
    return np.asarray(factors.blocks[0].scale)[: factors.columns]


def y_scale(factors: Factors) -> np.ndarray:
    """τ of every target, (t,)."""
    blocks = [np.broadcast_to(np.asarray(block.y_scale), block.y_mean.shape) for block in factors.blocks]
    return joined(blocks, factors.targets)


def all_params(factors: Factors) -> Params:
    """coef (L, p, t), intercept (L, t)."""
    found = [_grid_params(block, factors.lams) for block in factors.blocks]
    return _joined_params(factors, found)


def all_intercepts(factors: Factors) -> np.ndarray:
    """(L, t), without the coefficients."""
    return joined([np.asarray(_intercepts(block, factors.lams)) for block in factors.blocks], factors.targets)


def chosen_params(factors: Factors, lam: np.ndarray) -> Params:
    """coef (p, t), intercept (t,) for one λ a target."""
    length = len(factors.blocks[0].y_mean)
    filled = np.concatenate([lam, np.repeat(lam[-1:], length * len(factors.blocks) - len(lam))])
    parts = np.split(filled, len(factors.blocks))
    found = [_params(block, part) for block, part in zip(factors.blocks, parts, strict=True)]
    return _joined_params(factors, found)


def _joined_params(factors: Factors, found: list[Params]) -> Params:
    intercept, coef = (joined([np.asarray(v) for v in side], factors.targets) for side in zip(*found, strict=True))
    return Params(intercept, coef[..., : factors.columns, :])
