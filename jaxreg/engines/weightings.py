"""Many weightings of the rows of one table, each with a path of its own: bootstraps, halves, jackknives.

The table goes to the device once, and no copy of it is made for a member: a member is its weights, (n,). A compiled
program takes a block of them, in lockstep or one after the other (:mod:`~jaxreg.engines.lockstep`), and what it finds
is certified as arrays of the block. Where no program takes the problem, or an answer does not stand, the member is a
problem like any other (:mod:`~jaxreg.engines.choose`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.budget import fitting
from jaxreg.data.cores import CORES, share
from jaxreg.data.members import UNIT
from jaxreg.data.problem import Problem
from jaxreg.devices import Devices
from jaxreg.engines import choose, descent, moments
from jaxreg.engines.lockstep import ON_ROWS, at_once, columns_of, in_lockstep, on_rows, paths_on_rows, rounded
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.solved import Solved
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Found, Settings
from jaxreg.solvers.from_many_moments import paths_of_weights
from jaxreg.solvers.lockstep import LOCKSTEP

__all__ = ["Weighted", "filled_up", "paths_of_weightings", "settled"]

_program = compiled(paths_of_weights, static_argnames=("way", "most"))


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
    takes = moments.carries(problem) or on_rows(problem, way, len(weights))
    block = _Block(problem, each, way, weights) if way is not None and takes else None
    size = 1 if block is None else block.size

    def some(first: int) -> Weighted:
        here = slice(first, first + size)
        own = None if factors is None else factors[here]
        if block is None:
            return _stacked([choose.solve(_member(problem, weights, factors, first), each)])
        solved, found, stands = block.solved(weights[here], own)
        for b in np.flatnonzero(~stands).tolist():
            member = _member(problem, weights, factors, first + b)
            one = settled(member, each, block.order, block.asked, Found._make(v[b] for v in found))
            for all_, value in zip(solved, _stacked([one]), strict=True):
                all_[b] = value[0]
        return solved

    starts, solved, done = range(0, len(weights), size), [], 0
    for k in range(0, len(starts), CORES):
        for found in share(some, starts[k : k + CORES], isinstance(problem.device, Devices)):
            solved.append(found)
            done += len(found.gap)
        report(done)
    return Weighted._make(np.concatenate(v) for v in zip(*solved, strict=True))


class _Block:
    """The table, and a program that takes so many sets of weights.

    Attributes:
        size: sets of weights by one call. order, asked: as paths take the λs, and what is minimised.
    """

    def __init__(self, problem: Problem, each: np.ndarray, way: str, weights: np.ndarray) -> None:
        (n, p), t = problem.X.shape, problem.y.shape[1]
        self.problem, self.order = problem, Order(each, t, problem.eps, least=1, up=rounded)
        divided = isinstance(problem.device, Devices)
        members = padded(len(weights) if divided else -(-len(weights) // CORES))
        if not moments.carries(problem):
            way, members = ON_ROWS, at_once(problem, members)
        elif way == "knots" and in_lockstep(problem, members):
            way = LOCKSTEP
        self.way, self.most = way, min(n, rounded(int(np.count_nonzero(weights > 0, axis=1).max())))
        self.asked = settings_of(problem, columns_of(way, p))
        P = len(self.asked.penalty_factor)
        tableau = {ON_ROWS: self.most * (n + self.most), LOCKSTEP: 2 * P * P}.get(way, 0)
        self.size = fitting(n + 2 * self.order.grid.lams.size * P + tableau, members, problem.device)
        self.X = filled_up(problem.X, P)

    def solved(self, weights: np.ndarray, factors: np.ndarray | None) -> tuple[Weighted, Found, np.ndarray]:
        """What is found, as it is returned and as it was found, and which of the members stand, (B,)."""
        problem, (B, n) = self.problem, weights.shape
        v = np.tile(self.asked.penalty_factor, (self.size, 1))
        if factors is not None:
            v[:B, : factors.shape[1]] = factors
        given = np.concatenate([weights, np.ones((self.size - B, n))]), v, np.int32(B)
        with choose.computing(moments, problem):
            of_all = self.X, problem.y, *given, self.order.grid, self.asked, np.float64(UNIT)
            solve: Any = paths_on_rows if self.way == ON_ROWS else partial(_program, way=self.way)
            found: Any = solve(*of_all, most=self.most)
            found = Found._make(np.asarray(a)[:B] for a in found)
        own = lambda b: problem._replace(sample_weight=weights[b])
        stands = descent.standing(own, found, self.order, self.asked, self.way)
        at: Any = lambda a: self.order.of_members(a).astype(problem.X.dtype)
        coef = at(found.coef[:, :, : problem.X.shape[1]])
        return Weighted(coef, at(found.intercept), at(found.gap)), found, stands


def _member(problem: Problem, weights: np.ndarray, factors: np.ndarray | None, b: int) -> Problem:
    problem = problem._replace(sample_weight=weights[b])
    return problem if factors is None else problem._replace(penalty_factor=factors[b])


def _stacked(solved: list[Solved]) -> Weighted:
    coef, intercept = (np.stack([getattr(one.params, name) for one in solved]) for name in ("coef", "intercept"))
    return Weighted(coef, intercept, np.stack([one.gap for one in solved]))


def settled(problem: Problem, lams: np.ndarray, order: Order, asked: Settings, found: Any) -> Solved:
    """What was found, with its certificate; another engine's answer where it does not stand."""
    if descent.stands(found, order, asked) and descent.carried(problem, found):
        return choose.repaired(problem, order.solved(found, problem.X.shape[1], problem.X.dtype))
    return choose.solve(problem, lams)


def filled_up(X: np.ndarray, columns: int) -> np.ndarray:
    """In float64, with columns of 0."""
    return np.pad(np.asarray(X, float), ((0, 0), (0, columns - X.shape[1])))
