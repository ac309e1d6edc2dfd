"""The sweeps of groups at every l1_ratio, with grids that end where the error of the group rises.

As in the sweep of one table (:mod:`~jaxreg.sweeps.grids`), an automatic grid at whose end the error still falls is
extended there by half its length, at most twice. A group that needs it is solved anew on its longer grid, and the
others stay as they are: beyond their own λs they have NaN.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.data.runs import RunsOfRows
from jaxreg.journal import Journal
from jaxreg.solvers.grid_ends import beyond, open_ends
from jaxreg.sweeps.grids import MOST_EXTENSIONS
from jaxreg.sweeps.groups import ChosenOfGroups, chosen_of_groups

__all__ = ["SweptGroups", "swept_groups"]


class SweptGroups(NamedTuple):
    """Of G groups: what was found at the l1_ratio of least error, fold_gap of all; which of the l1_ratios that is, and
    how often the grid was extended, (G,)."""

    found: ChosenOfGroups
    ratio: np.ndarray
    extended: np.ndarray


def swept_groups(
    problems: Sequence[Problem],
    runs: RunsOfRows,
    labels: np.ndarray,
    K: int,
    lams: int | np.ndarray,
    show: Callable[[int, int], None],
    journal: Journal,
) -> SweptGroups:
    """Cross-validate every group.

    Args:
        problems: one an l1_ratio, with the same rows, those of :func:`~jaxreg.sweeps.groups.chosen_of_groups`. labels:
            (n,). lams: how many, or (L,), descending. show: called with how many sweeps are done, of how many.
    """
    G, counted = len(runs.start), [0, 0]

    def solve(some: np.ndarray, grids: Sequence[int | np.ndarray]) -> list[ChosenOfGroups]:
        counted[1] += len(some) * len(problems)
        here, found = runs._replace(start=runs.start[some], stop=runs.stop[some]), []
        for r, (problem, along) in enumerate(zip(problems, grids, strict=True)):
            L = along if isinstance(along, int) else along.shape[1]
            kept = lambda name, compute, r=r, L=L: journal.block(f"groups-{r}-{L}-{name}", compute)
            report = lambda done: show(counted[0] + done, counted[1])
            found.append(chosen_of_groups(problem, here, labels, K, along, report, kept))
            counted[0] += len(some)
        return found

    first = lams if isinstance(lams, int) else np.broadcast_to(lams, (G, len(lams)))
    whole = solve(np.arange(G), [first] * len(problems))
    extended, some = np.zeros(G, int), np.arange(G)
    for _ in range(MOST_EXTENSIONS if isinstance(lams, int) and lams > 1 else 0):
        now = _at(whole, _ratio_of_least_error(whole))
        ends = open_ends(now.lams[some], now.mean[some], now.n_nonzero[some])
        some = some[[end is not None for end in ends]]
        if not len(some):
            break
        longer = [_longer(found.lams[some], [end for end in ends if end is not None]) for found in whole]
        more = solve(some, longer)
        whole = [_joined(old, new, some) for old, new in zip(whole, more, strict=True)]
        extended[some] += 1
    ratio = _ratio_of_least_error(whole)
    fold_gap = np.max([found.fold_gap for found in whole], axis=0)
    return SweptGroups(_at(whole, ratio)._replace(fold_gap=fold_gap), ratio, extended)


def _ratio_of_least_error(whole: list[ChosenOfGroups]) -> np.ndarray:
    """Of each group, (G,); ties go to the larger λ."""
    each = np.arange(len(whole[0].lams))
    error, lam = (
        np.stack([getattr(found, name)[each, found.index[:, 0]] for found in whole]) for name in ("mean", "lams")
    )
    return np.argmax(np.where(error == error.min(axis=0), lam, -1.0), axis=0)


def _at(whole: list[ChosenOfGroups], ratio: np.ndarray) -> ChosenOfGroups:
    """Of each group what was found at its l1_ratio."""
    each = np.arange(len(ratio))
    return ChosenOfGroups._make(np.stack(v)[ratio, each] for v in zip(*whole, strict=True))


def _longer(lams: np.ndarray, ends: list[str]) -> np.ndarray:
    """Grids with half as many λs again beyond an end of each; (G, L) with NaN at the end becomes (G, L')."""
    grids = []
    for own, end in zip(lams, ends, strict=True):
        own = own[~np.isnan(own)]
        pair = (own, beyond(own, end)) if end == "smallest" else (beyond(own, end), own)
        grids.append(np.concatenate(pair))
    return np.stack(grids).astype(lams.dtype)


def _joined(old: ChosenOfGroups, new: ChosenOfGroups, some: np.ndarray) -> ChosenOfGroups:
    """The old with the new in the place of some groups; the others are filled up."""
    found, L = {}, new.lams.shape[1]
    for name, values, mine in zip(old._fields, old, new, strict=True):
        values = values.copy()
        if name in ("lams", "mean", "se", "n_nonzero"):
            fill: Any = 0 if name == "n_nonzero" else np.nan
            values = np.pad(values, ((0, 0), (0, max(0, L - values.shape[1]))), constant_values=fill)
        values[some] = mine
        found[name] = values
    return ChosenOfGroups(**found)
