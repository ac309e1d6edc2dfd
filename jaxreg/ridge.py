"""Ridge on NumPy arrays: whole λ-grids, folds and thousands of targets from one factorisation of each set of rows.

:func:`jaxreg.path` and :func:`jaxreg.sweep` come here for ``l1_ratio=0`` where every λ and every penalty factor is
positive and there are no bounds. Chosen here is the block of targets; the mathematics is in
:mod:`jaxreg.solvers.factored_ridge` and :mod:`jaxreg.sweeps.ridge_folds`.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import inputs, results
from jaxreg.formulas.moments import moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers.factored_ridge import (
    FactoredRidge,
    factor,
    factor_rows,
    relative_gaps,
    ridge_intercepts,
    ridge_params,
    squares_in_range,
)
from jaxreg.solvers.grid import default_eps
from jaxreg.solvers.spectrum import ridge_degrees
from jaxreg.sweeps.cross_validate import automatic_grid, choose, mean_and_standard_error
from jaxreg.sweeps.ridge_folds import errors_from_moments, errors_from_rows

__all__ = [
    "Blocks",
    "FactoredPath",
    "Solved",
    "applies",
    "choice_of",
    "chosen_params",
    "grid_of",
    "joined",
    "path",
    "solve_folds",
    "sweep",
    "unit_weights",
]

# Targets are solved in blocks whose work arrays stay below this.
TARGET_BLOCK_BYTES = 2**29
# More coefficients than this are computed when they are asked for.
COEF_BYTES = 2**28


@jax.jit
def _moments(X, Y, s):
    total = moments(X, Y, s)
    return total, squares_in_range(total, X, s)


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


@jax.jit
def _choose(fold_mse, fold_weight, lams):
    mean, se = mean_and_standard_error(fold_mse, fold_weight)
    return mean, se, *jax.vmap(choose, (2, 2, None))(mean, se, lams)


class Solved(NamedTuple):
    """All rows factored, in blocks of targets of one length, and what is known of every λ: gap (L, t), df (L,)."""

    lams: np.ndarray
    blocks: list[FactoredRidge]
    gap: np.ndarray
    df: np.ndarray
    targets: int


def applies(a: inputs.Arguments, ratios: list[float], lams: Any) -> bool:
    """Whether the problems of these l1_ratios and λs are solved here."""
    free = a.penalty_factor is not None and bool((a.penalty_factor == 0).any())
    some_zero = not isinstance(lams, int) and bool((lams == 0).any())
    return ratios == [0.0] and a.lower is None and a.upper is None and not free and not some_zero


def unit_weights(a: inputs.Arguments) -> np.ndarray:
    """The weights divided by a power of two, so that sums of weighted squares stay in range; 1 where there are none."""
    if a.sample_weight is None:
        return np.ones(len(a.X), a.X.dtype)
    return np.ldexp(a.sample_weight, -int(np.frexp(a.sample_weight.max())[1]))


class FactoredPath(results.Path):
    """A path of very many coefficients (over 256 MiB): ``coef`` and ``n_nonzero`` are computed when asked for."""

    def __init__(self, solved: Solved, intercept: np.ndarray, **fields: Any) -> None:
        self.__dict__.update(fields, _solved=solved, intercept=intercept)

    @cached_property
    def coef(self) -> np.ndarray:
        """w, (L, p, t)."""
        solved: Solved = self.__dict__["_solved"]
        with jax.enable_x64(solved.gap.dtype == np.float64):
            return _all_params(solved).coef

    @cached_property
    def n_nonzero(self) -> np.ndarray:
        """(L, t)."""
        return (self.coef != 0).sum(axis=1)


def path(a: inputs.Arguments, lams: Any, eps: float | None, tol: float, centring: dict[str, bool]) -> results.Path:
    """:func:`jaxreg.path` for ridge, in a block of the right precision."""
    data = Blocks(a, None, centring)
    grid = grid_of(data, lams, eps)
    return _path_of(_solve(data, grid), a, tol, grid)


def sweep(
    a: inputs.Arguments,
    masks: np.ndarray,
    lams: Any,
    eps: float | None,
    tol: float,
    centring: dict[str, bool],
    report: Callable[[], None],
) -> tuple[dict[str, Any], results.Path]:
    """:func:`jaxreg.sweep` for ridge alone: the fields of its result but for the path, and the path."""
    data = Blocks(a, masks, centring)
    grid = grid_of(data, lams, eps)
    solved = _solve(data, grid)
    report()
    fold_mse, fold_gap = solve_folds_of(data, grid, report)
    weight = masks.astype(a.X.dtype) @ data.s
    mean, se, best, one_se = (np.asarray(v) for v in _choose(fold_mse[None], weight, grid[None]))
    # With several targets, each has the grid of its best l1_ratio, here the only one.
    found = _path_of(solved, a, tol, grid if a.y.ndim == 1 else np.repeat(grid[:, None], a.y.shape[1], axis=1))
    squeeze = (lambda v: v[..., 0]) if a.y.ndim == 1 else (lambda v: v)
    arrays = {"fold_mse": fold_mse[None], "fold_gap": fold_gap[None], "mean_mse": mean, "se_mse": se}
    fields: dict[str, Any] = {name: squeeze(v) for name, v in arrays.items()}
    fields |= {"lams": grid[None], "l1_ratios": np.zeros(1, a.X.dtype)}
    for name, index in (("best", best), ("one_se", one_se)):
        fields[name] = choice_of(grid, chosen_params(solved, grid[index[:, 1]]), index, mean[0], se[0], a)
    return fields, found


def solve_folds(
    a: inputs.Arguments, masks: np.ndarray, lams: np.ndarray, centring: dict[str, bool], report: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out error and gap of every λ and fold, (L, K) or (L, K, t)."""
    found = solve_folds_of(Blocks(a, masks, centring), lams, report)
    return tuple(v[..., 0] for v in found) if a.y.ndim == 1 else found  # type: ignore[return-value]


class Blocks:
    """The arrays on the device, y in blocks of targets, and what the folds need of them."""

    def __init__(self, a: inputs.Arguments, masks: np.ndarray | None, centring: dict[str, bool]) -> None:
        n, p = a.X.shape
        Y = a.y.reshape(n, -1)
        self.a, self.masks, self.centring, self.targets = a, masks, centring, Y.shape[1]
        self.s = unit_weights(a)
        self.X, self.v = jnp.asarray(a.X), a.penalty_factor
        # About four arrays of n and four of min(n, p) numbers live for every target.
        most = max(1, TARGET_BLOCK_BYTES // (4 * (n + min(n, p)) * Y.itemsize))
        length = -(-self.targets // -(-self.targets // most))
        self.Y = [_filled(Y[:, start : start + length], length) for start in range(0, self.targets, length)]

    @cached_property
    def totals(self) -> list[Any]:
        """The moments of every block; None where the rows are taken instead."""
        if self.a.X.shape[0] < self.a.X.shape[1]:
            return [None] * len(self.Y)
        found = [_moments(self.X, block, self.s) for block in self.Y]
        return [total if all(bool(usual) for _, usual in found) else None for total, _ in found]

    def folds(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Positions and weights of the training and of the held-out rows; the same numbers of them in every fold."""
        assert self.masks is not None
        sides = [_positions(~self.masks, self.s), _positions(self.masks, self.s)]
        for k in range(len(self.masks)):
            yield tuple(v[k] for side in sides for v in side)


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


def grid_of(data: Blocks, lams: Any, eps: float | None) -> np.ndarray:
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
    return start * np.asarray(
        (default_eps(*a.X.shape) if eps is None else eps) ** (np.arange(lams) / max(lams - 1, 1)), a.X.dtype
    )


def _solve(data: Blocks, lams: np.ndarray) -> Solved:
    """All rows."""
    blocks, gaps, df = [], [], None
    for total, Y in zip(data.totals, data.Y, strict=True):
        factored = _factor(total, data.X, Y, data.s, data.v, lams.min(), **data.centring)
        gap, df = _certify(factored, lams)
        blocks.append(factored)
        gaps.append(np.asarray(gap))
    return Solved(lams, blocks, joined(gaps, data.targets), np.asarray(df), data.targets)


def joined(blocks: list[np.ndarray], targets: int) -> np.ndarray:
    return np.concatenate(blocks, axis=-1)[..., :targets]


def solve_folds_of(data: Blocks, lams: np.ndarray, report: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`solve_folds`, always (L, K, t)."""
    errors: list[np.ndarray] = []
    gaps: list[np.ndarray] = []
    for train, train_weight, rows, row_weight in data.folds():
        found = []
        for total, Y in zip(data.totals, data.Y, strict=True):
            held_out = (rows, row_weight, data.v, lams)
            if total is None:
                found.append(_from_rows(data.X, Y, train, train_weight, *held_out, **data.centring))
            else:
                found.append(_from_moments(total, data.X, Y, data.s, *held_out, **data.centring))
        for parts, v in zip((errors, gaps), zip(*found, strict=True), strict=True):
            parts.append(joined([np.asarray(block) for block in v], data.targets))
        report()
    return np.stack(errors, axis=1), np.stack(gaps, axis=1)


def _all_params(solved: Solved) -> Params:
    """coef (L, p, t), intercept (L, t)."""
    found = [_grid_params(block, solved.lams) for block in solved.blocks]
    return Params(*(joined([np.asarray(v) for v in parts], solved.targets) for parts in zip(*found, strict=True)))


def _path_of(solved: Solved, a: inputs.Arguments, tol: float, lams: np.ndarray) -> results.Path:
    squeeze = (lambda v: v[..., 0]) if a.y.ndim == 1 else (lambda v: v)
    gap = squeeze(solved.gap)
    fields = {"lams": lams, "gap": gap, "converged": gap <= tol, "n_iter": np.zeros(gap.shape, np.int32)}
    fields |= {"df": np.broadcast_to(solved.df.reshape(-1, *(1,) * (gap.ndim - 1)), gap.shape).copy()}
    fields |= {"scale": np.asarray(solved.blocks[0].scale), "feature_names": a.names}
    if solved.gap.size * a.X.shape[1] * a.X.itemsize > COEF_BYTES:
        found = [_intercepts(block, solved.lams) for block in solved.blocks]
        return FactoredPath(solved, joined([np.asarray(v) for v in found], solved.targets), **fields)
    params = _all_params(solved)
    coef = squeeze(params.coef)
    return results.Path(coef=coef, intercept=squeeze(params.intercept), n_nonzero=(coef != 0).sum(axis=1), **fields)


def choice_of(
    lams: np.ndarray, params: Params, index: np.ndarray, mean: np.ndarray, se: np.ndarray, a: inputs.Arguments
) -> results.Choice:
    """The models at λ number ``index[:, 1]`` of every target, with their ``params``, from means and errors (L, t)."""
    position, target = index[:, 1], np.arange(len(index))
    lam = lams[position]
    values = (lam, np.zeros_like(lam), mean[position, target], se[position, target], (params.coef != 0).sum(axis=0))
    if a.y.ndim == 1:
        values, index = tuple(v[0].item() for v in values), index[0]
        params = Params(np.asarray(params.intercept[0]), params.coef[:, 0])
    lam, ratio, mean, se, count = values
    return results.Choice(lam, ratio, index, params, mean, se, count, a.names)


def chosen_params(solved: Solved, lam: np.ndarray) -> Params:
    """coef (p, t), intercept (t,) for one λ a target."""
    length = len(solved.blocks[0].y_mean)
    filled = np.concatenate([lam, np.repeat(lam[-1:], length * len(solved.blocks) - len(lam))])
    parts = np.split(filled, len(solved.blocks))
    found = [_params(block, part) for block, part in zip(solved.blocks, parts, strict=True)]
    return Params(*(joined([np.asarray(v) for v in side], solved.targets) for side in zip(*found, strict=True)))
