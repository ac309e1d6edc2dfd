"""Cross-validation within each of many groups of rows: every group has folds, a grid and choices of its own.

The rows of a group are read once, fold by fold; the moments of a training part are those of the other folds together,
and the held-out error is a quadratic form in those of the fold (:mod:`~jaxreg.sweeps.group_folds`). A group
whose paths or errors moments do not carry is cross-validated like a table of its own.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxreg.data.budget import fitting
from jaxreg.data.cores import CORES, share
from jaxreg.data.members import UNIT, Members
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.data.runs import RunsOfRows
from jaxreg.engines import choose, descent, moments
from jaxreg.engines.lockstep import rounded
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.runs import Kept, problem_of
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Grid
from jaxreg.sweeps.cross_validate import choices
from jaxreg.sweeps.fold_paths import errors_of_folds
from jaxreg.sweeps.group_folds import ChosenOfGroups, chosen_of_each

__all__ = ["ChosenOfGroups", "chosen_of_groups", "labels_within"]

# Numbers of the rows of a block, and by how many times its largest group may exceed its smallest.
NUMBERS, ALIKE = 2**20, 1.5


def labels_within(runs: RunsOfRows, base: np.ndarray, K: int) -> np.ndarray:
    """A fold for every row, (n,), in the order of the runs: those of ``base`` from the start of its group on.

    Raises:
        ValueError: a group of fewer rows than folds.
    """
    n_rows = runs.stop - runs.start
    if (n_rows < K).any():
        g, count = int(np.argmax(n_rows < K)), int((n_rows < K).sum())
        raise ValueError(
            f"the group {runs.said(g)} has {n_rows[g]} rows, fewer than the {K} folds, and so have {count} groups; "
            "take them out, or ask for fewer folds."
        )
    return base[np.arange(runs.stop[-1]) - np.repeat(runs.start, n_rows)]


def chosen_of_groups(
    problem: Problem,
    runs: RunsOfRows,
    labels: np.ndarray,
    K: int,
    lams: int | np.ndarray,
    report: Callable[[int], None],
    kept: Kept,
) -> ChosenOfGroups:
    """Cross-validate every group.

    Args:
        problem: of one target, its rows in the order of the runs. labels: (n,), the fold of each row. lams: how many,
            or (G, L), descending. report: called with how many groups are done. kept: the arrays that have that name
            already, or those that are then computed.
    """
    problem, L = problem._replace(degrees=False), lams if isinstance(lams, int) else lams.shape[1]
    fast = descent.refuses(problem, L) is None and (isinstance(lams, int) or bool(np.all(lams > 0)))
    fast = fast and problem.X.shape[1] <= moments.WIDE * int((runs.stop - runs.start).min())
    blocks = list(_blocks(problem, runs, K, L))
    ends = np.cumsum([len(block) for block in blocks])
    found: list[ChosenOfGroups] = []

    def solve(b: int) -> ChosenOfGroups:
        compute = lambda: _of_block(problem, runs, labels, K, lams, fast, blocks[b])._asdict()
        return ChosenOfGroups(**kept(f"{ends[b] - len(blocks[b]):06d}-{ends[b]:06d}", compute))

    for k in range(0, len(blocks), CORES):
        found += share(solve, range(k, min(k + CORES, len(blocks))))
        report(int(ends[len(found) - 1]))
    back = np.argsort(np.concatenate(blocks))
    return ChosenOfGroups._make(np.concatenate(v)[back] for v in zip(*found, strict=True))


def _blocks(problem: Problem, runs: RunsOfRows, K: int, L: int) -> Iterator[np.ndarray]:
    """Numbers of groups of about the same size, which one call solves."""
    n_rows, P = runs.stop - runs.start, padded(problem.X.shape[1])
    order = np.argsort(n_rows, kind="stable")
    numbers = 2 * (K + 1) * padded(L) * P
    if on_accelerator(problem.device):  # the folds' moments, and the squares of their tableaus
        numbers += 3 * (K + 1) * P * P
    most = fitting(numbers, -(-len(order) // CORES), problem.device)
    first = 0
    while first < len(order):
        size = int(n_rows[order[first]] * ALIKE)
        last = int(np.searchsorted(n_rows[order], size, side="right"))
        last = min(last, first + most, first + max(1, NUMBERS // (size * P)))
        yield order[first:last]
        first = last


def _of_block(
    problem: Problem, runs: RunsOfRows, labels: np.ndarray, K: int, lams: Any, fast: bool, block: np.ndarray
) -> ChosenOfGroups:
    p, dtype = problem.X.shape[1], problem.X.dtype
    good, answers = np.zeros(len(block), bool), None
    if fast:
        asked = settings_of(problem, padded(p))
        X, Y, s = _by_fold(problem, runs, labels, K, block)
        way = moments.way(asked, problem.device)
        number, grid = _grids(lams, block, len(X), problem.eps)
        with choose.computing(moments, problem):
            given = X, Y, s, np.int32(len(block)), grid, asked, np.float64(UNIT)
            answers, sure = jax.tree.map(np.asarray, _program(*given, way=way))
        of = ChosenOfGroups._make(v[: len(block)] for v in answers)
        along = {name: getattr(of, name)[:, :number] for name in ("lams", "mean", "se", "n_nonzero")}
        of_columns = {name: getattr(of, name)[..., :p] for name in ("coef", "scale", "constant")}
        answers = of._replace(**along, **of_columns)
        good = sure[: len(block)] & np.isfinite(answers.coef).all(axis=(1, 2))
    found = []
    for k, g in enumerate(block):
        if good[k] and answers is not None:
            found.append(ChosenOfGroups._make(v[k] for v in answers))
            continue
        own = slice(runs.start[g], runs.stop[g])
        each = lams if isinstance(lams, int) else lams[g][:, None]
        found.append(_as_a_sweep(problem_of(problem, own.start, own.stop), labels[own], K, each))
    stacked = ChosenOfGroups._make(np.stack(v) for v in zip(*found, strict=True))
    floats = {name: v.astype(dtype) for name, v in stacked._asdict().items() if v.dtype.kind == "f"}
    return stacked._replace(**floats)


def _grids(lams: int | np.ndarray, block: np.ndarray, groups: int, eps: float) -> tuple[int, Grid]:
    """How many λs, and the grid of each group of a block, filled up to so many groups."""
    number = lams if isinstance(lams, int) else lams.shape[1]
    grid = Order(number, 1, eps).grid
    own = np.ones((groups, *grid.lams.shape))
    if not isinstance(lams, int):
        own[: len(block), :number, 0] = lams[block]
    return number, grid._replace(lams=own, automatic=np.bool_(isinstance(lams, int)))  # type: ignore[arg-type]


def _by_fold(problem: Problem, runs: RunsOfRows, labels: np.ndarray, K: int, block: np.ndarray) -> tuple[Any, ...]:
    """The rows of each group and fold, (B, K, m, …), filled up with rows of weight 0."""
    n_rows = (runs.stop - runs.start)[block]
    group = np.repeat(np.arange(len(block)), n_rows)
    begin = np.cumsum(n_rows) - n_rows
    rows = np.arange(len(group)) - np.repeat(begin, n_rows) + np.repeat(runs.start[block], n_rows)
    place = group * K + labels[rows]
    order = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=len(block) * K)
    within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    B, m, P = rounded(len(block)), rounded(int(np.max(counts))), padded(problem.X.shape[1])
    X, Y, s = np.zeros((B * K, m, P)), np.zeros((B * K, m, 1)), np.zeros((B * K, m))
    at, rows = (place[order], within), rows[order]
    X[(*at, slice(problem.X.shape[1]))] = problem.X[rows]
    Y[at], s[at] = problem.y[rows], problem.weights[rows]
    return tuple(v.reshape(B, K, *v.shape[1:]) for v in (X, Y, s))


_program = compiled(chosen_of_each, static_argnames="way")
_choices = compiled(choices)


def _as_a_sweep(problem: Problem, labels: np.ndarray, K: int, lams: Any) -> ChosenOfGroups:
    """The same for one group, as a table of its own."""
    plan = Plan(labels[None, :] == np.arange(K)[:, None])
    members = Members(problem, plan)
    solved = choose.solve(problem, lams, members)
    along = solved.lams[:, 0]
    errors = errors_of_folds(problem, members, along, False, lambda: None)
    weight = plan.measured.astype(float) @ problem.weights
    with problem.computing(double=True):
        mean, se, best, one_se = map(np.asarray, _choices(errors.mse[None, ..., 0].astype(float), weight, along[None]))
    index = np.array([best[1], one_se[1]], np.int32)
    coef, intercept = solved.params.coef[..., 0], solved.params.intercept[:, 0]
    chosen = coef[index], intercept[index], solved.gap[index, 0]
    constant = (problem.X[:1] == problem.X).all(axis=0)
    counted = (coef != 0).sum(axis=1).astype(np.int32)
    of_rows = errors.gap.max(), solved.scale, constant, solved.y_scale[0]
    return ChosenOfGroups(along, mean[0], se[0], counted, index, *chosen, *of_rows)
