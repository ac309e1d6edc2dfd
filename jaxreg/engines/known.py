"""Paths for those who have moments but no rows: what they can solve, and the certificate that they allow.

The gap needs `r·r`, which the rows would sum up; from moments it is a quadratic form, whose rounding comes back beside
the gap (:mod:`jaxreg.solvers.moment_problem`). Nothing can be solved again on rows: what cannot be solved is refused.
"""

from typing import Any

import numpy as np

from jaxreg.data.parts import Known
from jaxreg.data.problem import Problem
from jaxreg.engines import descent, moments
from jaxreg.engines.degrees import FromMoments
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.solved import Solved, joined
from jaxreg.formulas.moments import about_zero
from jaxreg.precision import computing, host
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.grid import geometric_grid, grid_start

__all__ = ["check_solvable", "own_scale", "solve", "without_left_out"]


def check_solvable(problem: Problem, lams: int | np.ndarray) -> None:
    """Raise ValueError for what needs rows.

    Args:
        problem: without rows. lams: how many, or (L, t).
    """
    if any(way is None for way, _ in descent.ways(problem, lams)):
        raise ValueError(
            "moments alone serve lasso and elastic net with lams > 0, penalty_factor > 0 and bounds that are 0 or "
            "infinite, and ridge without bounds; use jaxreg.path on the rows for anything else."
        )


def without_left_out(problem: Problem, m: Any) -> Any:
    """The moments with a column of zeros for each that an infinite penalty_factor leaves out."""
    v = problem.penalty_factor
    if v is None or not np.isinf(v).any():
        return m
    kept = np.where(np.isinf(v), 0.0, 1.0)
    return m._replace(x_mean=m.x_mean * kept, xx=m.xx * np.outer(kept, kept), xy=m.xy * kept[:, None])


def own_scale(scale: np.ndarray, problem: Problem, m: Any) -> np.ndarray:
    """σ, (p,), of the columns as they were given: those that are left out have theirs too."""
    if problem.penalty_factor is None or not problem.standardize:
        return scale
    variance = np.diagonal(m.xx)[: len(scale)] / m.weight
    out = np.isinf(problem.penalty_factor) & (variance > 0)
    return np.where(out, np.sqrt(variance), scale)


def solve(problem: Problem, lams: int | np.ndarray, known: Known) -> Solved:
    """A path with its certificate; degrees of freedom where the problem asks for them.

    Args:
        problem: without rows, solvable. lams: how many, or (L, t). known: moments with padded columns, without those
            that are left out.
    """
    v = problem.penalty_factor
    problem = problem._replace(penalty_factor=None if v is None else np.where(np.isinf(v), 1.0, v))
    (p, t), ways = (problem.X.shape[1], problem.y.shape[1]), descent.ways(problem, lams)
    solved: list[Solved] = []
    with computing(True, host()):
        if isinstance(lams, int) and v is not None and np.any(v == 0):
            lams = _grid_beside_free(problem, lams, known)
        asked = settings_of(problem, padded(p))
        for way, which in ways:
            order = Order(lams if isinstance(lams, int) else lams[which], t, problem.eps)
            find = moments.squares if way == "squares" else moments.path
            one = order.solved(find(known, order, asked), p, float)
            if way == "squares" and problem.degrees:
                m = known.total if known.without is None else known.total - known.without
                varies = np.broadcast_to((np.diagonal(m.xx)[:p] > 0)[None, :, None], one.params.coef.shape)
                one = one._replace(df=FromMoments(m, asked, one.lams, varies, False, float)(None))
            solved.append(one)
    first = solved[0] if len(solved) == 1 else joined(solved[0], ways[0][1], solved[1])
    if not np.isfinite(first.params.coef).all():
        raise FloatingPointError(
            "a coefficient is not finite: columns depend on each other at lam=0, or moments overflow; give lams > 0, "
            "or rescale the columns."
        )
    return first


_start: Any = grid_start  # of NumPy arrays


def _grid_beside_free(problem: Problem, count: int, known: Known) -> np.ndarray:
    """The automatic grid, (L, t), where columns are free: `λ_max` is that of the residual on them.

    With `xx_FF a = xy_F` the columns' products with that residual are `xy − xx_F a`.
    """
    v = problem.penalty_factor
    assert v is not None
    p, free, m = len(v), v == 0, known.total if known.without is None else known.total - known.without
    scale = np.sqrt(np.diagonal(m.xx)[:p] / m.weight) if problem.standardize else np.ones(p)
    scale = np.where(scale > 0, scale, 1.0)
    m = m if problem.fit_intercept else about_zero(m)
    xx, xy = m.xx[:p, :p], m.xy[:p]
    left = xy - xx[:, free] @ np.linalg.lstsq(xx[np.ix_(free, free)], xy[free], rcond=None)[0]
    left[free] = 0.0
    start = _start(left / m.weight, np.float64(problem.l1_ratio), v, scale, problem.lower, problem.upper)
    return np.repeat(np.asarray(geometric_grid(start, count, problem.eps))[:, None], xy.shape[1], axis=1)
