"""What ridge on NumPy arrays computes with: data in blocks of targets, and the compiled programs over them.

Targets share every decomposition; only a block of very many of them needs its own, so that memory stays bounded. The
mathematics is in :mod:`jaxreg.solvers.factored_ridge` and :mod:`jaxreg.sweeps.ridge_folds`.
"""

from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.inputs import Arguments
from jaxreg.routes.moments import varies
from jaxreg.routes.row_blocks import block_moments
from jaxreg.solvers.factored_ridge import (
    FactoredRidge,
    factor,
    factor_rows,
    relative_gaps,
    ridge_intercepts,
    ridge_params,
)
from jaxreg.solvers.spectrum import ridge_degrees
from jaxreg.sweeps.cross_validate import automatic_grid
from jaxreg.sweeps.ridge_folds import errors_from_moments, errors_from_rows

__all__ = [
    "Blocks",
    "Factors",
    "Fold",
    "all_intercepts",
    "all_params",
    "chosen_params",
    "grid_of",
    "joined",
    "moments_in_range",
    "solve",
    "solve_fold",
    "unit_weights",
]

# Targets are solved in blocks whose work arrays stay below this.
TARGET_BLOCK_BYTES = 2**29


_static = partial(jax.jit, static_argnames=("fit_intercept", "standardize"))


@_static
def _factor(total, X, Y, s, v, smallest_lam, *, fit_intercept, standardize):
    if total is None:
        return factor_rows(X, Y, s, v, fit_intercept, standardize, smallest_lam)
    return factor(total, jnp.asarray(True), X, Y, s, v, fit_intercept, standardize, smallest_lam)


_grid = jax.jit(automatic_grid, static_argnames=("count", "fit_intercept", "standardize"))
_from_moments, _from_rows = _static(errors_from_moments), _static(errors_from_rows)
_params, _intercepts = jax.jit(ridge_params), jax.jit(ridge_intercepts)


@jax.jit
def _grid_params(factored, lams):
    return jax.lax.map(lambda lam: ridge_params(factored, lam), lams)


@jax.jit
def _certify(factored, lams):
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
        self.s = unit_weights(a)
        self.X, self.v = jax.device_put(a.X), a.penalty_factor
        # About four arrays of n and four of min(n, p) numbers live for every target.
        most = max(1, TARGET_BLOCK_BYTES // (4 * (n + min(n, p)) * Y.itemsize))
        length = -(-self.targets // -(-self.targets // most))
        self.Y = [_filled(Y[:, start : start + length], length) for start in range(0, self.targets, length)]

    @cached_property
    def totals(self) -> list[Any]:
        """The moments of every block of targets; None where the rows are taken instead."""
        n, p = self.a.X.shape
        return [moments_in_range(self.a, np.asarray(Y), self.s) if n >= p else None for Y in self.Y]

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


def moments_in_range(a: Arguments, Y: np.ndarray, s: np.ndarray) -> Moments | None:
    """The moments of the rows; None where the square of a column that is not constant has vanished or overflowed."""
    p, dtype = a.X.shape[1], a.X.dtype
    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, block_moments(a.X, Y, s, None))
    with np.errstate(over="ignore"):
        m = Moments(*(v.astype(dtype) for v in found))
    m = m._replace(x_mean=m.x_mean[:p], xx=m.xx[:p, :p], xy=m.xy[:p])
    square, limits = np.diagonal(m.xx) / m.weight, np.finfo(dtype)
    usual = (square > limits.tiny / limits.eps**2) & (square < limits.max * limits.eps**2)
    return None if varies(a, ~usual) else m


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
    starts = [_grid(data.X, Y, 1, 0.0, None, **weights, **data.centring)[0] for Y in data.Y]
    start = np.asarray(max(starts, key=float))
    return start * np.asarray(eps ** (np.arange(lams) / max(lams - 1, 1)), a.X.dtype)


def solve(data: Blocks, lams: np.ndarray) -> Factors:
    """All rows."""
    blocks, gaps, df = [], [], None
    for total, Y in zip(data.totals, data.Y, strict=True):
        factored = _factor(total, data.X, Y, data.s, data.v, lams.min(), **data.centring)
        gap, df = _certify(factored, lams)
        blocks.append(factored)
        gaps.append(np.asarray(gap))
    return Factors(lams, blocks, joined(gaps, data.targets), np.asarray(df), data.targets)


def joined(blocks: list[np.ndarray], targets: int) -> np.ndarray:
    """The blocks along the targets, without those that fill up the last."""
    return np.concatenate(blocks, axis=-1)[..., :targets]


def solve_fold(data: Blocks, fold: Fold, lams: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean squared and absolute held-out errors, and gaps, of every λ and target, each (L, t)."""
    found = []
    for total, Y in zip(data.totals, data.Y, strict=True):
        held_out = (fold.rows, fold.row_weight, data.v, lams)
        if total is None:
            found.append(_from_rows(data.X, Y, fold.train, fold.train_weight, *held_out, **data.centring))
        else:
            found.append(_from_moments(total, data.X, Y, data.s, *held_out, **data.centring))
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
