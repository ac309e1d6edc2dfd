"""A path for each of many runs of rows: groups and windows, in blocks that one program serves.

A block is some runs and the rows that they need, filled up to a shape that other blocks have too. What a program
cannot take, or does not settle, is a problem like any other (:mod:`~jaxreg.engines.choose`), on its own rows.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.budget import fitting
from jaxreg.data.cores import CORES, share
from jaxreg.data.members import UNIT
from jaxreg.data.problem import Problem
from jaxreg.data.runs import RunsOfRows
from jaxreg.engines import choose, descent, moments
from jaxreg.engines.lockstep import columns_of, in_lockstep, rounded
from jaxreg.engines.order import Order, settings_of
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Found
from jaxreg.solvers.lockstep import LOCKSTEP
from jaxreg.solvers.runs import TOGETHER, Runs, paths_of_runs

__all__ = ["Kept", "RunPaths", "paths_of_each_run", "problem_of"]

# Numbers of the rows of a block, and runs in it; rows of a segment.
NUMBERS, MOST_RUNS, MOST_ROWS = 2**20, 2**12, 256
# Numbers of the sums that are kept to the left of a pivot, and of those of all segments.
MOST_SUMS = 2**23

# What is kept under a name, or else computed and then kept.
Kept = Callable[[str, Callable[[], dict[str, np.ndarray]]], dict[str, np.ndarray]]

_program = compiled(paths_of_runs, static_argnames=("way", "rows", "most", "at_once"))


class RunPaths(NamedTuple):
    """Of G runs: lams, intercept, gap (G, L, t), coef (G, L, p, t), scale (G, p), y_scale (G, t), constant: whether a
    column is that, (G, p)."""

    lams: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    scale: np.ndarray
    y_scale: np.ndarray
    constant: np.ndarray


def paths_of_each_run(
    problem: Problem, runs: RunsOfRows, lams: int | np.ndarray, report: Callable[[int], None], kept: Kept
) -> RunPaths:
    """A certified path for each run.

    Args:
        problem: whose rows are in the order of the runs. lams: how many, each run then has a grid of its own, or (L,).
        report: called with how many runs are done, after some of them. kept: the arrays that have that name already, or
            those that are then computed.
    """
    problem = problem._replace(degrees=False)
    each = lams if isinstance(lams, int) else np.repeat(lams[:, None], problem.y.shape[1], axis=1)
    ways = descent.ways(problem, each)
    L = lams if isinstance(lams, int) else len(lams)
    blocks, whole = list(_blocks(problem, runs, L)), _room(problem, len(runs.start), L)

    def solve(block: range) -> RunPaths:
        compute = lambda: _solve_block(problem, runs, each, ways, block)._asdict()
        return RunPaths(**kept(f"runs-{block.start:06d}-{block.stop:06d}", compute))

    for k in range(0, len(blocks), CORES):
        here = blocks[k : k + CORES]
        for block, part in zip(here, share(solve, here), strict=True):
            for field, values in zip(whole, part, strict=True):
                field[block.start : block.stop] = values
        report(here[-1].stop)
    return whole


def _blocks(problem: Problem, runs: RunsOfRows, L: int) -> Iterator[range]:
    """Runs that are solved by one call."""
    G, P, t = len(runs.start), padded(problem.X.shape[1]), problem.y.shape[1]
    most = fitting(2 * (2 * L * P * t + P * P), min(-(-G // CORES), MOST_RUNS), problem.device)
    rows = max(NUMBERS // P, 1)
    first = 0
    while first < G:
        # Runs within so many rows, or twice those of the first; and those that begin where it does.
        low = runs.start[first]
        high = low + max(rows, 2 * (runs.stop[first] - low))
        within = int(np.searchsorted(runs.stop, high, side="right"))
        last = min(max(within, int(np.searchsorted(runs.start, low, side="right"))), first + most)
        yield range(first, last)
        first = last


def _solve_block(problem: Problem, runs: RunsOfRows, lams: Any, ways: Any, block: range) -> RunPaths:
    parts = [_one_way(problem, runs, lams if isinstance(lams, int) else lams[which], way, block) for way, which in ways]
    if len(parts) == 1:
        return parts[0]
    place = np.argsort(np.concatenate([np.flatnonzero(which) for _, which in ways]))
    joined: Any = lambda name: np.concatenate([getattr(part, name) for part in parts], axis=1)[:, place]
    return parts[0]._replace(**{name: joined(name) for name in ("lams", "coef", "intercept", "gap")})


def _one_way(problem: Problem, runs: RunsOfRows, lams: Any, way: str | None, block: range) -> RunPaths:
    """One block at some λs; runs whose answer does not stand are solved on their own rows."""
    start, stop = runs.start[block.start : block.stop], runs.stop[block.start : block.stop]
    order = Order(lams, problem.y.shape[1], problem.eps, least=1)  # of many runs, each λ more costs time
    if way is None or moments.WIDE * int((stop - start).max()) < problem.X.shape[1]:
        solved, good = _room(problem, len(block), order.number), np.zeros(len(block), bool)
    else:
        solved, good = _from_moments(problem, start, stop, order, way)
    for g in np.flatnonzero(~good).tolist():
        own = problem_of(problem, int(start[g]), int(stop[g]))
        for field, value in zip(solved, _on_its_own(own, lams, solved, g), strict=True):
            field[g] = value
    return solved


def _room(problem: Problem, B: int, L: int) -> RunPaths:
    p, t = problem.X.shape[1], problem.y.shape[1]
    shapes = (L, t), (L, p, t), (L, t), (L, t), (p,), (t,)
    empty: Any = [np.full((B, *shape), np.nan, problem.X.dtype) for shape in shapes]
    return RunPaths._make([*empty, np.zeros((B, p), bool)])


def _from_moments(
    problem: Problem, start: np.ndarray, stop: np.ndarray, order: Order, way: str
) -> tuple[RunPaths, np.ndarray]:
    """What the program finds, in the caller's order of the λs, and which of the runs stand, (B,)."""
    (B, p), dtype = (len(start), problem.X.shape[1]), problem.X.dtype
    rows, segments, static = _shaped(problem, start, stop)
    way = LOCKSTEP if way == "knots" and in_lockstep(problem, B) else way
    asked = settings_of(problem, columns_of(way, p))
    with choose.computing(moments, problem):
        given = *rows, segments, order.grid, asked, np.float64(UNIT)
        found: Any = jax.tree.map(np.asarray, _program(*given, way=way, **static))
    found = Found._make(v[:B] for v in found)
    at: Any = lambda v: order.of_members(v).astype(dtype)
    solved = RunPaths(
        lams=at(found.lams),
        coef=at(found.coef[:, :, :p]),
        intercept=at(found.intercept),
        gap=at(found.gap),
        scale=found.scale[:, :p].astype(dtype),
        y_scale=found.y_scale.astype(dtype),
        constant=found.variance[:, :p] == 0,
    )
    own = lambda b: problem_of(problem, int(start[b]), int(stop[b]))
    return solved, descent.standing(own, found, order, asked, way)


def _on_its_own(own: Problem, lams: Any, solved: RunPaths, g: int) -> tuple[Any, ...]:
    constant = (own.X[:1] == own.X).all(axis=0)
    try:
        one = choose.solve(own, lams)
    except (FloatingPointError, ValueError):  # what no engine can solve is flagged: a gap that is NaN is not converged
        return (*(np.full_like(field[g], np.nan) for field in solved[:-1]), constant)
    return one.lams, one.params.coef, one.params.intercept, one.gap, one.scale, one.y_scale, constant


def problem_of(problem: Problem, start: int, stop: int) -> Problem:
    """The problem on the rows of one run."""
    s = None if problem.sample_weight is None else problem.sample_weight[start:stop]
    return problem._replace(X=problem.X[start:stop], y=problem.y[start:stop], sample_weight=s)


def _shaped(problem: Problem, start: np.ndarray, stop: np.ndarray) -> tuple[Any, Runs, dict[str, Any]]:
    """The rows of a block, its segments, and the static numbers, in shapes that others share."""
    low, high = int(start.min()), int(stop.max())
    first, last, begin, end, begins, rows, most = _segments(start - low, stop - low)
    if most * padded(problem.X.shape[1]) ** 2 > MOST_SUMS:
        first, last, begin, end, begins, rows, most = _segments_of_each(start - low, stop - low)
    N, B = rounded(max(high - low, rows)), rounded(len(start))
    S = -(-rounded(len(begin)) // TOGETHER) * TOGETHER
    # Other rows fill up where there are some: they are in no segment, and nothing is copied for it.
    before = max(0, low - max(0, len(problem.y) - N))
    here = slice(low - before, min(low - before + N, len(problem.y)))
    begin, end = begin + before, end + before
    n_here = here.stop - here.start
    more = lambda v: np.concatenate([v, np.zeros((N - n_here, *v.shape[1:]))]) if n_here < N else np.asarray(v, float)
    weight = np.ones(n_here) if problem.sample_weight is None else problem.sample_weight[here]
    X, Y, s = more(problem.X[here]), more(problem.y[here]), more(weight)
    fill: Any = lambda v, size: np.pad(v, (0, size - len(v))).astype(np.int32)
    count: Any = np.int32(len(start))
    segments = Runs(fill(begin, S), fill(end, S), fill(begins, S + 1), fill(first, B), fill(last, B), count)
    at_once = S * padded(problem.X.shape[1]) ** 2 <= MOST_SUMS
    return (X, Y, s), segments, {"rows": rows, "most": most, "at_once": at_once}


def _segments(start: np.ndarray, stop: np.ndarray) -> tuple[Any, ...]:
    """Segments between the rows at which runs begin and end, and cut where they are long."""
    edges = np.unique(np.concatenate([start, stop]))
    gaps = np.diff(edges)
    rows = rounded(int(min(gaps.max(), max(16, np.quantile(gaps, 0.9)), MOST_ROWS)))
    pieces = -(-gaps // rows)
    offset = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = np.repeat(edges[:-1], pieces) + rows * offset
    end = np.minimum(begin + rows, np.repeat(edges[1:], pieces))
    first, last = np.searchsorted(begin, start), np.searchsorted(end, stop) + 1
    here = np.zeros(len(begin), bool)
    here[first] = True
    begins = np.concatenate([[0], np.cumsum(here)])
    most = rounded(_most_kept(first, last, begins))
    return first, last, begin, end, begins, rows, most


def _segments_of_each(start: np.ndarray, stop: np.ndarray) -> tuple[Any, ...]:
    """Segments that no two runs share: rows that lie in several are read as often, and one sum is kept."""
    rows = rounded(int(min((stop - start).max(), MOST_ROWS)))
    pieces = -(-(stop - start) // rows)
    last = np.cumsum(pieces)
    first = last - pieces
    begin = np.repeat(start, pieces) + rows * (np.arange(last[-1]) - np.repeat(first, pieces))
    end = np.minimum(begin + rows, np.repeat(stop, pieces))
    begins = np.concatenate([[0], np.cumsum(np.isin(np.arange(last[-1]), first))])
    return first, last, begin, end, begins, rows, 1


def _most_kept(first: np.ndarray, last: np.ndarray, begins: np.ndarray) -> int:
    """The most sums that are kept to the left of a pivot."""
    if (first[1:] >= last[:-1]).all():  # no two runs share a row, and each of them is a pivot of its own
        return int((begins[last] - begins[first]).max())
    most, g = 1, 0
    while g < len(first):
        most = max(most, int(begins[last[g]] - begins[first[g]]))
        g = int(np.searchsorted(first, last[g]))
    return most
