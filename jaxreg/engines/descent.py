"""What the engines that go down the λs one after the other share: what they refuse, how they go, what they lose."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxreg.data.problem import Problem, varies
from jaxreg.data.sparse import is_sparse
from jaxreg.engines.order import Order
from jaxreg.precision import on_accelerator
from jaxreg.solvers.found import Settings

__all__ = ["carried", "refuses", "refuses_penalty", "standing", "stands", "ways"]

# A column whose variance is below this may have lost it to underflow.
VANISHING = 1e-280


def refuses(problem: Problem, lams: int | np.ndarray) -> str | None:
    """Why λs cannot be solved one after the other; None where they can. `λ = 0` among others is left to the rows."""
    if problem.strategy == "parallel":
        return "strategy='parallel' asks for all λs at once"
    if (
        problem.strategy is None
        and on_accelerator(problem.device)
        and not is_sparse(problem.X)
        and problem.l1_ratio != 1
    ):
        return "an accelerator solves all λs at once"
    if not isinstance(lams, int) and np.all(np.any(lams == 0, axis=1)):
        return "all λs are 0"
    return refuses_penalty(problem.l1_ratio, problem.penalty_factor, problem.lower, problem.upper)


def refuses_penalty(l1_ratio: float, v: np.ndarray | None, lower: np.ndarray | None, upper: np.ndarray | None) -> Any:
    """Why such a penalty cannot be solved going down the λs; None where it can."""
    if l1_ratio == 0:
        return "l1_ratio is 0"
    if v is not None and not np.all(v > 0):
        return "a penalty factor is 0"
    if not all(bound is None or np.all((bound == 0) | np.isinf(bound)) for bound in (lower, upper)):
        return "a bound is neither 0 nor infinite"
    return None


def ways(problem: Problem, lams: int | np.ndarray) -> "tuple[tuple[str | None, Any], ...]":
    """How moments solve the λs, (way, which of them): ridge, and a λ of 0, by factorisation; None where they cannot.

    Args:
        lams: how many, or (L, t).
    """
    parallel = problem.strategy == "parallel"
    squares = None if parallel or problem.lower is not None or problem.upper is not None else "squares"
    if problem.l1_ratio == 0:
        return ((squares, slice(None)),)
    refused = parallel or refuses_penalty(problem.l1_ratio, problem.penalty_factor, problem.lower, problem.upper)
    way = None if refused else "knots" if problem.l1_ratio == 1 else "blocks"
    zero = np.zeros(1, bool) if isinstance(lams, int) else np.all(lams == 0, axis=1)
    if not zero.any():
        return ((way, slice(None)),)
    return ((squares, zero),) if zero.all() else ((way, ~zero), (squares, zero))


def stands(found: Any, order: Order, asked: Settings) -> bool:
    """Whether it is what to return. The fast ways, from knot to knot and by blocks of λs, may end early or gather
    rounding errors: then Newton steps solve it again."""
    here = slice(order.number)
    settled = found.settled[here] if asked.l1_ratio == 1 else found.gap[here] <= asked.tol
    # Where a variance is not finite, no way to solve it would help.
    return bool(settled.all() and found.n_iter[here].max() <= asked.max_iter) or not np.isfinite(found.variance).all()


def standing(own: Callable[[int], Problem], found: Any, order: Order, asked: Settings, way: str) -> np.ndarray:
    """(B,): whether the path of each member is certified by moments, finite, and of columns none of which has vanished.

    Args:
        own: the problem of one member. found: with a leading axis B.
    """
    here, p = slice(order.number), own(0).X.shape[1]
    variance = found.variance[:, :p]
    with np.errstate(invalid="ignore"):
        settled = found.gap <= asked.tol if way in ("blocks", "newton") else found.settled
        each = settled & (found.rounding <= asked.tol / 10) & (found.n_iter <= asked.max_iter)
        small = ~(variance > VANISHING)
    good = each[:, here].all(axis=(1, 2)) & np.isfinite(found.coef).all(axis=(1, 2, 3))
    good &= np.isfinite(variance).all(axis=1)
    for b in np.flatnonzero(good & small.any(axis=1)).tolist():
        good[b] = not varies(own(b), small[b])
    return good


def carried(problem: Problem, found: Any) -> bool:
    """Whether all of a path is finite, and no column that varies has lost its variance to underflow."""
    variance = found.variance[: problem.X.shape[1]]
    finite = np.isfinite(variance).all() and np.isfinite(found.coef).all()
    return bool(finite) and not varies(problem, ~(variance > VANISHING))
