"""The moments route: the rows are read once, then a path costs the same for any number of them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxreg.data.inputs import Arguments, check_values
from jaxreg.data.row_blocks import block_moments, filled_up
from jaxreg.data.sparse import is_sparse, moments_of_sparse, same_in_all_rows
from jaxreg.engines.certificate import UNIT, certified
from jaxreg.engines.degrees import FEW_SQUARES, degrees_on_rows
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.order import Order, settings
from jaxreg.engines.rows import solve_on_rows
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled
from jaxreg.solvers.found import Found, Settings
from jaxreg.solvers.from_moments import path_from_moments, paths_from_moments
from jaxreg.solvers.members import WIDE

__all__ = [
    "VANISHING",
    "WIDE",
    "found_on_moments",
    "goes_down",
    "improved",
    "moments_of",
    "path_on_moments",
    "paths_by_knots",
    "repeat_on_rows",
    "settled",
    "solve_on_moments",
    "takes_moments",
    "varies",
    "with_zero",
]

# A column whose variance is below this may have lost it to underflow.
VANISHING = 1e-280

_program = compiled(path_from_moments, static_argnames="by_knots")
_programs = compiled(paths_from_moments)


def takes_moments(a: Arguments, options: Options) -> bool:
    """Whether this route can solve the problem (at λ > 0)."""
    n, p = a.X.shape
    return p <= WIDE * n and goes_down(a, options)


def goes_down(a: Arguments, options: Options) -> bool:
    """Whether Newton steps down the λs can solve the problem (at λ > 0): penalised columns, bounds 0 or infinite."""
    one_sided = all(bound is None or bool(np.all((bound == 0) | np.isinf(bound))) for bound in (a.lower, a.upper))
    penalised = a.penalty_factor is None or bool(np.all(a.penalty_factor > 0))
    return options.strategy != "parallel" and options.l1_ratio > 0 and one_sided and penalised


def moments_of(a: Arguments, rows: np.ndarray | None = None) -> Moments:
    """Moments in float64, with padded columns; of all rows, or of those with the given numbers."""
    Y = a.y.reshape(len(a.y), -1)
    if is_sparse(a.X):
        return filled_up(moments_of_sparse(a.X, Y, a.sample_weight, rows))
    return block_moments(a.X, Y, a.sample_weight, rows)


def solve_on_moments(a: Arguments, lams: int | np.ndarray, options: Options, known: Any = None) -> Solved:
    """A path. λ = 0, and what moments cannot certify, is solved on the rows.

    Args:
        lams: how many, or (L, t).
        known: the :class:`~jaxreg.sweeps.fold_paths.FoldMoments` of ``a``, if they are at hand.
    """

    def found(lams: int | np.ndarray) -> Solved:
        m, nothing, unit = (moments_of(a), None, UNIT) if known is None else (known.total, known.nothing, known.unit)
        order, asked = Order(lams, len(m.y_mean), options.eps), settings(a, options, len(m.x_mean))
        by_knots = None if known is None else known.by_knots(order, asked, folds=False)
        return path_on_moments(m, a, order, asked, options, nothing, unit, None if by_knots is None else by_knots[0])

    return with_zero(found, a, lams, options)


def with_zero(path: Callable[[Any], Solved], a: Arguments, lams: int | np.ndarray, options: Options) -> Solved:
    """``path`` at the λs > 0, and the rows at λ = 0."""
    if isinstance(lams, int) or np.all(lams > 0):
        return path(lams)
    zero = np.any(lams == 0, axis=1)
    if zero.all():
        return solve_on_rows(a, lams, options)
    some, at_zero = path(lams[~zero]), solve_on_rows(a, lams[zero], options)
    place = np.argsort(np.concatenate([np.flatnonzero(~zero), np.flatnonzero(zero)]))
    joined: Any = jax.tree.map(lambda x, z: np.concatenate([x, z])[place], some[:-2], at_zero[:-2])
    return Solved._make((*joined, some.scale, some.y_scale))


def found_on_moments(
    m: Moments, without: Moments | None, order: Order, asked: Settings, unit: float = UNIT, found: Any = None
) -> Any:
    """A path at λ > 0, uncut and as NumPy arrays.

    A lasso goes from knot to knot. Where that ends early, or has gathered rounding errors, and for an elastic net, it
    goes down by Newton steps.

    Args:
        m: the moments of the rows; with ``without``, of these and of those. order, asked: the λs and what is minimised,
            as a path takes them. unit: by how much of the columns' lengths the moments may be off. found: what one from
            knot to knot has found, if that is known.
    """
    run = lambda by_knots: _numpy(_program(m, without, order.grid, asked, np.float64(unit), by_knots))
    return settled(run, order, asked, found)


def settled(run: Callable[[bool], Any], order: Order, asked: Settings, found: Any = None) -> Any:
    """What ``run(by_knots)`` finds: a lasso by knots, elastic nets and what knots do not settle by Newton steps.

    Where a variance is not finite, no way to solve it would help.
    """
    lasso, here = bool(asked.l1_ratio == 1), slice(order.number)
    found = run(lasso) if found is None else found
    done = found.settled[here].all() and found.n_iter[here].max() <= asked.max_iter
    return run(False) if lasso and not done and np.isfinite(found.variance).all() else found


def path_on_moments(
    m: Moments,
    a: Arguments,
    order: Order,
    asked: Settings,
    options: Options,
    without: Moments | None = None,
    unit: float = UNIT,
    found: Any = None,
) -> Solved:
    """:func:`found_on_moments` for the rows of ``a`` that have weight; what is not certified is solved on them."""
    found = found_on_moments(m, without, order, asked, unit, found)
    variance = found.variance[: a.X.shape[1]]
    if not (np.isfinite(variance).all() and np.isfinite(found.coef).all()) or varies(a, ~(variance > VANISHING)):
        check_values(a.X, a.names)  # NaN and numbers whose squares overflow are refused by name
        lams = order.lams
        return solve_on_rows(a, lams if isinstance(lams, int) else np.asarray(lams, a.X.dtype), options)
    return repeat_on_rows(order.solved(found, a), order.given(found.rounding), a, options)


def paths_by_knots(
    total: Moments, parts: Moments, count: int, order: Order, asked: Settings, units: np.ndarray
) -> list[Any]:
    """Of a lasso, without the rows of each of the first parts, which are stacked; ``units``, (K,), as there.

    One program solves them all, for a path of few columns takes less time than a call.
    """
    found = _numpy(_programs(total, parts, np.int32(count), order.grid, asked, units))
    return [Found._make(v[k] for v in found) for k in range(count)]


def _numpy(found: Found) -> Any:
    """With NumPy arrays."""
    return Found._make(np.asarray(v) for v in found)


def varies(a: Arguments, columns: np.ndarray) -> bool:
    """Whether any of the columns flagged, (p,), has two values on the rows of positive weight."""
    if not columns.any():
        return False
    if is_sparse(a.X):
        return not same_in_all_rows(a.X if a.sample_weight is None else a.X[a.sample_weight > 0], columns)
    values = a.X[:, columns] if a.sample_weight is None else a.X[a.sample_weight > 0][:, columns]
    return bool(np.any(values != values[:1]))


def repeat_on_rows(solved: Solved, rounding: np.ndarray, a: Arguments, options: Options) -> Solved:
    """The certificate, and where it is above the tolerance the solution from the rows."""
    solved = _counted(certified(solved, a, options, rounding), a, options)
    late = ~np.all(solved.gap <= options.tol, axis=1)
    if not late.any() or is_sparse(a.X):
        return solved
    return improved(solved, late, solve_on_rows(a, solved.lams[late], options))


def _counted(solved: Solved, a: Arguments, options: Options) -> Solved:
    """Degrees of freedom from the rows where the squares are too small for a Gram matrix to tell."""
    if not options.degrees or options.l1_ratio == 1 or is_sparse(a.X):
        return solved
    few = solved.lams.min(axis=1) * (1 - options.l1_ratio) < FEW_SQUARES * solved.y_scale.min()
    if not few.any():
        return solved
    df = solved.df.copy()
    df[few] = degrees_on_rows(a, solved.params.coef[few], solved.lams[few], solved.y_scale, options)
    return solved._replace(df=df)


def improved(solved: Solved, late: np.ndarray, other: Solved) -> Solved:
    """``solved``, but the λs flagged, (L,), from ``other`` wherever its gap is the smaller one."""
    better = other.gap < solved.gap[late]  # a gap that is NaN is not
    coef, intercept, gap, n_iter, df = (
        v.copy() for v in (solved.params.coef, solved.params.intercept, solved.gap, solved.n_iter, solved.df)
    )
    coef[late] = np.where(better[:, None, :], other.params.coef, coef[late])
    intercept[late] = np.where(better, other.params.intercept, intercept[late])
    gap[late] = np.where(better, other.gap, gap[late])
    n_iter[late], df[late] = n_iter[late] + other.n_iter, np.where(better, other.df, df[late])
    return solved._replace(params=Params(intercept, coef), gap=gap, n_iter=n_iter, df=df)
