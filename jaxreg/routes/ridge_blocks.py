"""What ridge on NumPy arrays computes with: data in blocks of targets, and the compiled programs over them.

Targets share every decomposition; only a block of very many of them needs its own, so that memory stays bounded. For
n ≥ p the caller's rows are read block by block, and no copy of them is made; the device has one for p > n, and where
moments are not accurate enough. The mathematics is in :mod:`jaxreg.solvers.factored_ridge`,
:mod:`jaxreg.sweeps.ridge_folds` and :mod:`jaxreg.solvers.leave_one_out`.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params
from jaxreg.inputs import Arguments
from jaxreg.routes.moments import varies
from jaxreg.routes.row_blocks import block_moments
from jaxreg.solvers.factored_ridge import (
    FactoredRidge,
    factor_moments,
    factor_rows,
    relative_gaps,
    ridge_intercepts,
    ridge_params,
    scale_of,
)
from jaxreg.solvers.grid import grid_start
from jaxreg.solvers.spectrum import is_accurate, ridge_degrees
from jaxreg.sweeps.cross_validate import automatic_grid
from jaxreg.sweeps.ridge_folds import errors_from_rows, held_out_errors, training_moments

__all__ = [
    "Blocks",
    "Factors",
    "Fold",
    "all_intercepts",
    "all_params",
    "certify",
    "chosen_params",
    "grid_of",
    "joined",
    "moments_of",
    "solve",
    "solve_fold",
    "unit_weights",
]

# Targets are solved in blocks whose work arrays stay below this.
TARGET_BLOCK_BYTES = 2**29
# Rows of the caller's array that are on the device at once: so many numbers, within these limits.
NUMBERS, FEWEST_ROWS, MOST_ROWS = 2**19, 256, 2048


_static = partial(jax.jit, static_argnames=("fit_intercept", "standardize"))


@_static
def _from_moments(m, v, smallest_lam, *, fit_intercept, standardize):
    factored = factor_moments(m, v, fit_intercept, standardize)
    return factored, is_accurate(factored.spectrum.e, smallest_lam)


@_static
def _start(m, v, *, fit_intercept, standardize):
    scale = scale_of(m, standardize)
    xy = (m if fit_intercept else about_zero(m)).xy
    v = jnp.ones_like(scale) if v is None else v
    return grid_start(xy / m.weight, jnp.zeros((), scale.dtype), v, scale, None, None)


_factor_rows, _errors_from_rows = _static(factor_rows), _static(errors_from_rows)
_grid = jax.jit(automatic_grid, static_argnames=("count", "fit_intercept", "standardize"))
_held_out = jax.jit(held_out_errors)
_params, _intercepts = jax.jit(ridge_params), jax.jit(ridge_intercepts)


@jax.jit
def _grid_params(factored, lams):
    return jax.lax.map(lambda lam: ridge_params(factored, lam), lams)


@jax.jit
def certify(factored, lams):
    """The relative gaps (L, t) and degrees of freedom (L,)."""
    return relative_gaps(factored, lams), ridge_degrees(factored.spectrum.e, lams)


class Factors(NamedTuple):
    """All rows factored, in blocks of targets of one length, and what is known of every λ: gap (L, t), df (L,)."""

    lams: np.ndarray
    blocks: list[FactoredRidge]
    gap: np.ndarray
    df: np.ndarray
    targets: int


def unit_weights(a: Arguments) -> np.ndarray:
    """The weights divided by a power of two, so that sums of weighted squares stay in range; 1 where there are none."""
    if a.sample_weight is None:
        return np.ones(len(a.X), a.X.dtype)
    return np.ldexp(a.sample_weight, -int(np.frexp(a.sample_weight.max())[1]))


class Blocks:
    """The arrays on the device, y in blocks of targets, and what the folds need of them."""

    def __init__(self, a: Arguments, masks: np.ndarray | None, centring: dict[str, bool]) -> None:
        n, p = a.X.shape
        Y = a.y.reshape(n, -1)
        self.a, self.masks, self.centring, self.targets = a, masks, centring, Y.shape[1]
        self.s, self.v = unit_weights(a), a.penalty_factor
        # About four arrays of n and four of min(n, p) numbers live for every target.
        most = max(1, TARGET_BLOCK_BYTES // (4 * (n + min(n, p)) * Y.itemsize))
        length = -(-self.targets // -(-self.targets // most))
        self.Y = [_filled(Y[:, start : start + length], length) for start in range(0, self.targets, length)]

    @cached_property
    def X(self) -> jax.Array:
        return jax.device_put(self.a.X)

    @cached_property
    def totals(self) -> list[Moments | None]:
        """The moments of every block of targets, in float64; None where the rows are taken instead."""
        n, p = self.a.X.shape
        takes = n >= p and (self.v is None or bool(np.all(self.v > 0)))
        return [self._in_range(np.asarray(Y)) if takes else None for Y in self.Y]

    def _in_range(self, Y: np.ndarray) -> Moments | None:
        """None where, in the precision of X, the square of a column that varies has vanished or overflowed."""
        a, limits = self.a, np.finfo(self.a.X.dtype)
        m = moments_of(a, Y)
        with np.errstate(over="ignore"):
            square = (np.diagonal(m.xx) / m.weight).astype(a.X.dtype)
        usual = (square > limits.tiny / limits.eps**2) & (square < limits.max * limits.eps**2)
        return None if varies(a, ~usual) else m

    def factored(self, m: Moments, smallest_lam: Any) -> FactoredRidge | None:
        """The decomposition; None where moments are not accurate enough."""
        found, accurate = _from_moments(as_dtype(m, self.a.X.dtype), self.v, smallest_lam, **self.centring)
        return found if accurate else None

    def sums(self, program: Callable[..., Any], Y: jax.Array, rows: np.ndarray, weight: np.ndarray) -> list[Any]:
        """What ``program(X, Y, share)`` returns for some rows, block by block; all shares add up to 1.

        Args:
            rows: positions, (m,). weight: (m,).
        """
        length = min(len(rows), MOST_ROWS, max(FEWEST_ROWS, NUMBERS // self.a.X.shape[1]))
        share, targets = weight / weight.sum(), np.asarray(Y)
        more = -len(rows) % length  # the last block is filled up with rows of weight 0
        rows, share = np.pad(rows, (0, more), mode="edge"), np.pad(share, (0, more))
        blocks = (slice(start, start + length) for start in range(0, len(rows), length))
        done = (program(self.a.X[rows[some]], targets[rows[some]], share[some]) for some in blocks)
        return [jax.tree.map(np.asarray, of) for of in done]  # one block at a time waits for the device

    @cached_property
    def folds(self) -> list["Fold"]:
        """The same numbers of rows in every fold, so that one program serves them all."""
        assert self.masks is not None
        sides = [_positions(~self.masks, self.s), _positions(self.masks, self.s)]
        return [Fold(*(v[k] for side in sides for v in side)) for k in range(len(self.masks))]


class Fold(NamedTuple):
    """Positions and weights of the training rows and of those held out, filled up with rows of weight 0."""

    train: np.ndarray
    train_weight: np.ndarray
    rows: np.ndarray
    row_weight: np.ndarray


def moments_of(a: Arguments, Y: np.ndarray, rows: np.ndarray | None = None) -> Moments:
    """The moments of all rows, or of those with the given numbers, in float64, with :func:`unit_weights`."""
    p = a.X.shape[1]
    m = block_moments(a.X, Y, None if a.sample_weight is None else unit_weights(a), rows)
    return m._replace(x_mean=m.x_mean[:p], xx=m.xx[:p, :p], xy=m.xy[:p])


def as_dtype(m: Moments, dtype: Any) -> Moments:
    with np.errstate(over="ignore"):
        return Moments(*(np.asarray(v, dtype) for v in m))


def _filled(block: np.ndarray, length: int) -> jax.Array:
    missing = length - block.shape[1]
    return jnp.asarray(np.concatenate([block, np.repeat(block[:, -1:], missing, axis=1)], axis=1) if missing else block)


def _positions(masks: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the rows in every mask, (K, m), filled up with row 0, and their weights, then 0."""
    most = int(masks.sum(axis=1).max())
    rows, weight = np.zeros((len(masks), most), np.int32), np.zeros((len(masks), most), s.dtype)
    for k, mask in enumerate(masks):
        found = np.flatnonzero(mask)
        rows[k, : len(found)], weight[k, : len(found)] = found, s[found]
    return rows, weight


def grid_of(data: Blocks, lams: int | np.ndarray, eps: float) -> np.ndarray:
    """The grid; an automatic one starts at the largest λ_max of all targets."""
    count = lams if isinstance(lams, int) else len(lams)
    if count * data.targets * data.s.itemsize > 2**34:
        raise MemoryError(
            f"lams: {count:,} λs × {data.targets:,} targets are {count * data.targets * data.s.itemsize / 2**30:,.0f} "
            "GiB of results; ask for fewer λs."
        )
    if not isinstance(lams, int):
        return lams
    a, weights = data.a, {"sample_weight": data.s, "penalty_factor": data.v}

    def start(total: Moments | None, Y: jax.Array) -> Any:
        if total is None:
            return _grid(data.X, Y, 1, 0.0, None, **weights, **data.centring)[0]
        return _start(as_dtype(total, a.X.dtype), data.v, **data.centring)

    largest = max((start(*block) for block in zip(data.totals, data.Y, strict=True)), key=float)
    return np.asarray(largest) * np.asarray(eps ** (np.arange(lams) / max(lams - 1, 1)), a.X.dtype)


def solve(data: Blocks, lams: np.ndarray) -> Factors:
    """All rows."""
    blocks, gaps, df = [], [], None
    for total, Y in zip(data.totals, data.Y, strict=True):
        factored = None if total is None else data.factored(total, lams.min())
        if factored is None:
            factored = _factor_rows(data.X, Y, data.s, data.v, smallest_lam=lams.min(), **data.centring)
        gap, df = certify(factored, lams)
        blocks.append(factored)
        gaps.append(np.asarray(gap))
    return Factors(lams, blocks, joined(gaps, data.targets), np.asarray(df), data.targets)


def joined(blocks: list[np.ndarray], targets: int) -> np.ndarray:
    """The blocks along the targets, without those that fill up the last."""
    whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=-1)
    return whole[..., :targets]


def solve_fold(data: Blocks, fold: Fold, lams: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean squared and absolute held-out errors, and gaps, of every λ and target, each (L, t)."""
    found = []
    for total, Y in zip(data.totals, data.Y, strict=True):
        factored = None
        if total is not None:
            rows = fold.rows[fold.row_weight > 0]
            train, enough = training_moments(total, moments_of(data.a, np.asarray(Y), rows))
            factored = data.factored(train, lams.min()) if enough else None
        if factored is None:
            given = data.X, Y, fold.train, fold.train_weight, fold.rows, fold.row_weight, data.v, lams
            found.append(_errors_from_rows(*given, **data.centring))
            continue
        parts = data.sums(partial(_held_out, factored, lams=lams), Y, fold.rows, fold.row_weight)
        found.append((*map(sum, zip(*parts, strict=True)), certify(factored, lams)[0]))
    return tuple(joined([np.asarray(block) for block in v], data.targets) for v in zip(*found, strict=True))


def all_params(factors: Factors) -> Params:
    """coef (L, p, t), intercept (L, t)."""
    found = [_grid_params(block, factors.lams) for block in factors.blocks]
    return Params(*(joined([np.asarray(v) for v in parts], factors.targets) for parts in zip(*found, strict=True)))


def all_intercepts(factors: Factors) -> np.ndarray:
    """(L, t), without the coefficients."""
    return joined([np.asarray(_intercepts(block, factors.lams)) for block in factors.blocks], factors.targets)


def chosen_params(factors: Factors, lam: np.ndarray) -> Params:
    """coef (p, t), intercept (t,) for one λ a target."""
    length = len(factors.blocks[0].y_mean)
    filled = np.concatenate([lam, np.repeat(lam[-1:], length * len(factors.blocks) - len(lam))])
    parts = np.split(filled, len(factors.blocks))
    found = [_params(block, part) for block, part in zip(factors.blocks, parts, strict=True)]
    return Params(*(joined([np.asarray(v) for v in side], factors.targets) for side in zip(*found, strict=True)))
