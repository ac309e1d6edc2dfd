"""Many weightings of the rows of one table, each with a path of its own: bootstraps, halves, jackknives.

The table goes to the device once, and no copy of it is made for a member: a member is its weights, (n,), and one turn
of a loop in a compiled program reads the rows, adds up the moments and goes down the λs. Where moments are refused, or
their answer does not stand, the member is a problem like any other (:mod:`~jaxreg.engines.choose`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.budget import fitting
from jaxreg.data.cores import CORES, share
from jaxreg.data.members import UNIT
from jaxreg.data.problem import Problem
from jaxreg.engines import choose, descent, moments
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.solved import Solved
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Found, Settings
from jaxreg.solvers.from_moments import paths_of_weights

__all__ = ["Weighted", "filled_up", "paths_of_weightings", "settled"]

_program = compiled(paths_of_weights, static_argnames="way")


class Weighted(NamedTuple):
    """Of B members: coef (B, L, p, t), intercept and gap (B, L, t)."""

    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray


def paths_of_weightings(
    problem: Problem,
    lams: np.ndarray,
    weights: np.ndarray,
    report: Callable[[int], None] = lambda done: None,
    factors: np.ndarray | None = None,
) -> Weighted:
    """A certified path for each set of weights.

    Args:
        lams: (L,), of all members. weights: (B, n), s of each member, in place of the problem's.
        report: called with how many members are done, after each block of them. factors: penalty factors of each
            member, (B, p), or None: the problem's.
    """
    problem = problem._replace(degrees=False)
    each = np.repeat(lams[:, None], problem.y.shape[1], axis=1)
    parts = descent.ways(problem, each)
    if len(parts) == 1:
        return _one_way(problem, each, parts[0][0], weights, report, factors)
    found = [_one_way(problem, each[which], way, weights, report, factors) for way, which in parts]
    place = np.argsort(np.concatenate([np.flatnonzero(which) for _, which in parts]))
    return Weighted._make(np.concatenate(v, axis=1)[:, place] for v in zip(*found, strict=True))


def _one_way(
    problem: Problem,
    each: np.ndarray,
    way: str | None,
    weights: np.ndarray,
    report: Callable[[int], None],
    factors: np.ndarray | None,
) -> Weighted:
    """At λs, (L, t), that one program solves, or no program does."""
    (B, n), t = weights.shape, problem.y.shape[1]
    asked = settings_of(problem, padded(problem.X.shape[1]))
    order = Order(each, t, problem.eps)
    fast = way is not None and moments.carries(problem)
    found_for_one = order.grid.lams.size * len(asked.penalty_factor)
    size = fitting(n + 2 * found_for_one, padded(-(-B // CORES))) if fast else 1
    X = filled_up(problem.X, len(asked.penalty_factor)) if fast else None

    def some(first: int) -> list[Solved]:
        here = weights[first : first + size]
        members = [problem._replace(sample_weight=s) for s in here]
        if factors is not None:
            own = factors[first : first + size]
            members = [member._replace(penalty_factor=v) for member, v in zip(members, own, strict=True)]
        found: list[Any] = [None] * len(here)
        if fast:
            with choose.computing(moments, problem):
                filled = np.concatenate([here, np.ones((size - len(here), n))])
                v = np.tile(asked.penalty_factor, (size, 1))
                if factors is not None:
                    v[: len(here), : factors.shape[1]] = own
                given = X, problem.y, filled, v, np.int32(len(here)), order.grid, asked, np.float64(UNIT)
                block = jax.tree.map(np.asarray, _program(*given, way=way))
            found = [Found._make(v[b] for v in block) for b in range(len(here))]
        return [settled(member, each, order, asked, one) for member, one in zip(members, found, strict=True)]

    starts, solved = range(0, B, size), []
    for k in range(0, len(starts), CORES):
        for block in share(some, starts[k : k + CORES]):
            solved += block
        report(len(solved))
    coef, intercept = (np.stack([getattr(one.params, name) for one in solved]) for name in ("coef", "intercept"))
    return Weighted(coef, intercept, np.stack([one.gap for one in solved]))


def settled(problem: Problem, lams: np.ndarray, order: Order, asked: Settings, found: Any) -> Solved:
    """What was found, with its certificate; another engine's answer where it does not stand, or nothing was found."""
    if found is not None and descent.stands(found, order, asked) and descent.carried(problem, found):
        return choose.repaired(problem, order.solved(found, problem.X.shape[1], problem.X.dtype))
    return choose.solve(problem, lams)


def filled_up(X: np.ndarray, columns: int) -> np.ndarray:
    """In float64, with columns of 0."""
    return np.pad(np.asarray(X, float), ((0, 0), (0, columns - X.shape[1])))
