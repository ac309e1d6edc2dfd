"""Resamples block by block: what is drawn, what is solved, and what is kept of it.

A block is a few arrays by their names, and depends on what is asked and on the numbers of its resamples alone. So the
blocks can be kept on the disk (:mod:`jaxreg.journal`), and where their coefficients are not asked for, the memory
holds one of them at a time.
"""

from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.budget import fitting
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.engines import choose
from jaxreg.engines.weightings import Weighted, paths_of_weightings
from jaxreg.journal import Journal
from jaxreg.sweeps.block_statistics import statistics_of, together
from jaxreg.sweeps.chosen_lams import chosen_of_targets, chosen_of_weightings
from jaxreg.sweeps.resamples import jackknife_weights, resampled_targets, resampled_weights
from jaxreg.sweeps.stability import chosen_first
from jaxreg.sweeps.standard_errors import standard_errors

__all__ = [
    "Asked",
    "chosen_by_halves",
    "every_resample",
    "of_weights",
    "statistics_of_resamples",
    "without_each_group",
]

# Resamples in a block: a second or so of work for a small table.
MOST = 128

Show = Callable[[int, int], None]
Block = dict[str, np.ndarray]


class Asked(NamedTuple):
    """What is asked of every resample.

    Attributes:
        problem: on all rows, with the weights of the data. lams: (L,). kind, seed: of the resamples. number: B.
        fitted: `ŷ`, (n,), of "residual" and "wild". plan: the folds by which λ is chosen, or None: all λs. rule: "best"
            or "one_se". errors: whether standard errors are computed.
    """

    problem: Problem
    lams: np.ndarray
    kind: str
    seed: int
    number: int
    fitted: np.ndarray
    plan: Plan | None
    rule: str
    errors: bool


def every_resample(asked: Asked, journal: Journal, show: Show) -> Block:
    """The arrays of all resamples, one block after the other."""
    return _joined(_blocks(asked, journal, show, "resamples", lambda block: block), asked.number)


def statistics_of_resamples(asked: Asked, journal: Journal, show: Show) -> Block:
    """:mod:`~jaxreg.sweeps.block_statistics` of all resamples; the coefficients of one block are held at a time."""
    keep = lambda block: statistics_of(block["coef"], block["gap"], asked.problem.tol)
    return reduce(together, _blocks(asked, journal, show, "statistics", keep))


def without_each_group(asked: Asked, journal: Journal) -> Block:
    """The arrays where each group of rows is left out, for BCa."""
    weights = jackknife_weights(asked.problem.weights, asked.seed)
    asked = asked._replace(errors=False)

    def block(some: slice) -> Block:
        return journal.block(f"left-out-{some.start:06d}", lambda: of_weights(asked, weights[some]))

    return _joined(map(block, _slices(asked.problem, asked.lams, len(weights))), len(weights))


def chosen_by_halves(
    problem: Problem,
    lams: np.ndarray,
    halves: np.ndarray,
    factors: np.ndarray | None,
    q: int,
    journal: Journal,
    show: Show,
) -> Block:
    """How many halves have chosen each feature among their first q, and hold it at λ, (L, p); all gaps, (2B, L, 1).

    Args:
        lams: (L,), falling. halves: weights of the rows, (2B, n). factors: penalty factors, (2B, p), or None.
    """
    counts, gaps = {name: np.zeros((len(lams), problem.X.shape[1]), np.int64) for name in ("chosen", "held")}, []

    def compute(some: slice) -> Block:
        report = lambda done: show(some.start + done, len(halves))
        own = None if factors is None else factors[some]
        found = paths_of_weightings(problem, lams, halves[some], report, own)
        coef = found.coef[..., 0]
        return {"chosen": chosen_first(coef, q).sum(axis=0), "held": (coef != 0).sum(axis=0), "gap": found.gap}

    for some in _slices(problem, lams, len(halves)):
        block = journal.block(f"halves-{some.start:06d}", partial(compute, some))
        for name, count in counts.items():
            count += block[name]
        gaps.append(block["gap"])
        show(some.stop, len(halves))
    return counts | {"gap": np.concatenate(gaps)}


def of_weights(asked: Asked, weights: np.ndarray, report: Callable[[int], None] = lambda done: None) -> Block:
    """Of sets of weights, (B, n): coef, intercept, gap, of several λs or of the one that is chosen."""
    problem, lams = asked.problem, asked.lams
    if asked.plan is not None:
        return chosen_of_weightings(problem, asked.plan, lams, asked.rule, weights, report)._asdict()
    found = paths_of_weightings(problem, lams, weights, report)._asdict()
    return found | (_errors(asked, weights, found) if asked.errors else {})


def _of_targets(asked: Asked, targets: np.ndarray) -> Block:
    """The same for each of B targets, (n, B), on the same rows."""
    problem, lams = asked.problem._replace(y=targets, degrees=False), asked.lams
    if asked.plan is not None:
        return chosen_of_targets(problem, asked.plan, lams, asked.rule)._asdict()
    solved = choose.solve(problem, lams)
    first: Any = lambda v: np.moveaxis(v, -1, 0)[..., None]
    found = Weighted(first(solved.params.coef), first(solved.params.intercept), first(solved.gap))._asdict()
    weights = np.tile(problem.weights, (targets.shape[1], 1))
    return found | (_errors(asked._replace(problem=problem), weights, found) if asked.errors else {})


def _errors(asked: Asked, weights: np.ndarray, found: dict[str, Any]) -> Block:
    return {"errors": standard_errors(asked.problem, asked.lams, weights, found["coef"], found["intercept"])}


def _blocks(asked: Asked, journal: Journal, show: Show, name: str, keep: Callable[[Block], Block]) -> Iterator[Block]:
    """What is kept of one block after the other."""
    problem, kind, seed = asked.problem, asked.kind, asked.seed

    def compute(numbers: range) -> Block:
        if kind in ("pairs", "bayesian"):
            weights = resampled_weights(kind, problem.weights, seed, numbers)
            return keep(of_weights(asked, weights, lambda done: show(numbers.start + done, asked.number)))
        residual = problem.y[:, 0] - asked.fitted
        return keep(_of_targets(asked, resampled_targets(kind, asked.fitted, residual, seed, numbers)))

    for some in _slices(problem, asked.lams, asked.number):
        yield journal.block(f"{name}-{some.start:06d}", partial(compute, range(some.start, some.stop)))
        show(some.stop, asked.number)


def _slices(problem: Problem, lams: np.ndarray, number: int) -> Iterator[slice]:
    (n, p), L, t = problem.X.shape, len(lams), problem.y.shape[1]
    size = fitting(n + L * p * t, MOST)
    for first in range(0, number, size):
        yield slice(first, min(first + size, number))


def _joined(blocks: Iterator[Block], number: int) -> Block:
    """In arrays that are made once: as many numbers again are never held."""
    whole: Block = {}
    start = 0
    for block in blocks:
        whole = whole or {name: np.empty((number, *v.shape[1:]), v.dtype) for name, v in block.items()}
        stop = start + len(block["gap"])
        for name, values in block.items():
            whole[name][start:stop] = values
        start = stop
    return whole
