"""``fit``, ``path`` and ``sweep`` with ``by=``: one for each group of rows or window along an order.

The doors have checked the arguments; how the runs of rows are solved is in :mod:`jaxreg.engines.runs`, and how λ is
chosen within each in :mod:`jaxreg.sweeps.groups` and :mod:`jaxreg.sweeps.group_grids`.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxreg.convergence import GridEndWarning, warn_caller, warn_unless_converged
from jaxreg.data.budget import RETURNED_BYTES, gibibytes
from jaxreg.data.frames import array_of
from jaxreg.data.inputs import check_values
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.problem import Problem
from jaxreg.data.runs import RunsOfRows
from jaxreg.engines import choose
from jaxreg.engines.runs import paths_of_each_run
from jaxreg.journal import Journal
from jaxreg.progress import Progress, following
from jaxreg.results.grouped import GroupedPath, GroupedSolution
from jaxreg.results.grouped_sweep import GroupedSweep
from jaxreg.solvers.grid import default_eps
from jaxreg.solvers.grid_ends import open_ends
from jaxreg.sweeps.folds import fold_labels
from jaxreg.sweeps.group_grids import swept_groups
from jaxreg.sweeps.groups import labels_within

__all__ = ["Work", "fit_of_each", "path_of_each", "refuse_checkpoint", "sweep_of_each"]


class Work(NamedTuple):
    """How long work is followed and kept: the arguments ``checkpoint`` and ``progress`` of the doors."""

    checkpoint: Any
    progress: Progress


def refuse_checkpoint(checkpoint: Any, door: str) -> None:
    """Without groups there are no blocks of work that could be kept."""
    if checkpoint is not None:
        raise ValueError(f"{door}(checkpoint=) keeps blocks of groups or windows: give by=, or leave checkpoint out.")


def fit_of_each(given: Problem, runs: RunsOfRows, lam: np.ndarray, work: Work) -> GroupedSolution:
    """At one λ, ()."""
    fields = _solved(given, runs, np.reshape(lam, 1), "fit", work)
    of_lam = "lams", "coef", "intercept", "gap", "converged"
    return GroupedSolution(**{name: v[:, 0] if name in of_lam else v for name, v in fields.items()})


def path_of_each(given: Problem, runs: RunsOfRows, lams: int | np.ndarray, eps: Any, work: Work) -> GroupedPath:
    """At the same λs, (L,), or at so many on a grid of each, with the ``eps`` of the shortest where it is None."""
    return GroupedPath(**_solved(_with_eps(given, runs, eps), runs, lams, "path", work))


def sweep_of_each(
    given: Problem,
    ratios: list[float],
    runs: RunsOfRows,
    lams: int | np.ndarray,
    folds: Any,
    seed: int,
    eps: Any,
    work: Work,
) -> GroupedSweep:
    """Each group has folds by the same rule as a table of its own; labels (n,) hold in all groups."""
    if not runs.by_label:
        raise ValueError("sweep takes groups of rows; for windows along an order use fit or path.")
    if not given.flat:
        raise ValueError("sweep(by=) is for one target; call it for each column of y.")
    problem = in_order(_with_eps(given, runs, eps), runs)
    labels, K = _folds(runs, folds, seed, problem)
    falling = lams if isinstance(lams, int) else -np.sort(-lams)
    kept = _journal(work, "sweep", given, runs, lams, folds=labels, l1_ratios=tuple(ratios))
    with kept as journal, following(work.progress, "groups") as show:
        problems = [problem._replace(l1_ratio=rho) for rho in ratios]
        found, ratio, extended = swept_groups(problems, runs, labels, K, falling, show, journal)
    along = {"lams": found.lams, "mean_mse": found.mean, "se_mse": found.se, "n_nonzero": found.n_nonzero}
    every = np.concatenate([found.gap, found.fold_gap[:, None]], axis=1)
    at = np.take_along_axis(found.lams, found.index, axis=1)
    smallest = np.nanmin(found.lams, axis=1)[:, None]
    converged = warn_unless_converged(every, np.concatenate([at, smallest], axis=1), problem.tol, "sweep(by=)")
    of_rows = _of_rows(given, runs, problem) | _of_columns(given, runs, found.scale, found.constant)
    choice = lambda k: GroupedSolution(
        lams=at[:, k],
        coef=found.coef[:, k],
        intercept=found.intercept[:, k],
        gap=found.gap[:, k],
        converged=found.gap[:, k] <= problem.tol,
        y_scale=found.y_scale,
        **of_rows,
    )
    of_ratios = np.asarray(ratios, found.lams.dtype)
    result = GroupedSweep(
        **along,
        index=found.index,
        best=choice(0),
        one_se=choice(1),
        fold_gap=found.fold_gap,
        converged=bool(converged),
        n_folds=K,
        l1_ratios=of_ratios,
        l1_ratio=of_ratios[ratio],
        extended=extended,
    )
    if number := sum(end is not None for end in open_ends(found.lams, found.mean, found.n_nonzero)):
        warn_caller(
            f"sweep: the best λ of {number:,} of {len(ratio):,} groups is at an end of their grids, and the error "
            "still falls there; `flags` says of which. Give more λs.",
            GridEndWarning,
        )
    return result


def _journal(work: Work, door: str, given: Problem, runs: RunsOfRows, lams: Any, **more: Any) -> Journal:
    """Of a call with ``by=``."""
    keys = {f"by {name}": storable(key) for name, key in zip(runs.names, runs.keys, strict=True)}
    rows = {"rows": runs.rows, "start": runs.start, "stop": runs.stop}
    return Journal(work.checkpoint, function=f"{door}(by=)", lams=lams, **given._asdict(), **rows, **keys, **more)


def _with_eps(given: Problem, runs: RunsOfRows, eps: Any) -> Problem:
    """Where none is given, that of the shortest group."""
    if eps is not None:
        return given
    return given._replace(eps=default_eps(int((runs.stop - runs.start).min()), given.X.shape[1]))


def _folds(runs: RunsOfRows, folds: Any, seed: int, problem: Problem) -> tuple[np.ndarray, int]:
    """The fold of every row, in the order of the runs, and how many there are; every group has weight in each."""
    labels, names = _labels(runs, folds, seed, len(problem.y))
    group = np.repeat(np.arange(len(runs.start)), runs.stop - runs.start)
    weight = np.bincount(group * len(names) + labels, problem.weights, minlength=len(runs.start) * len(names))
    if not weight.all():
        g, k = divmod(int(np.argmin(weight)), len(names))
        raise ValueError(
            f"the group {runs.said(g)} has no row of positive weight in fold {names[k]}; every group needs all folds."
        )
    return labels, len(names)


def _labels(runs: RunsOfRows, folds: Any, seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The fold of every row, and what each fold is called."""
    if isinstance(folds, int | np.integer) and not isinstance(folds, bool):
        if folds < 2:
            raise ValueError(f"folds={folds}: there must be at least 2 folds.")
        base = fold_labels(int((runs.stop - runs.start).max()), int(folds), seed)
        return labels_within(runs, base, int(folds)), np.arange(int(folds))
    given = array_of(folds)
    if given.shape != (n,):
        raise ValueError(f"with by= folds is a whole number or ({n},) labels; got {folds!r}.")
    names, labels = np.unique(given, return_inverse=True)
    return labels if runs.rows is None else labels[runs.rows], names


def in_order(given: Problem, runs: RunsOfRows) -> Problem:
    """The problem with its rows in the order of the runs, dense and checked."""
    problem = choose.ready(without_left_out(given), "by=")
    check_values(problem.X, problem.names)
    if runs.rows is None:
        return problem
    s = problem.sample_weight
    return problem._replace(
        X=problem.X[runs.rows], y=problem.y[runs.rows], sample_weight=None if s is None else s[runs.rows]
    )


def _solved(given: Problem, runs: RunsOfRows, lams: Any, where: str, work: Work) -> dict[str, Any]:
    G, L = len(runs.start), lams if isinstance(lams, int) else len(lams)
    if 8 * (needs := G * L * given.X.shape[1] * given.y.shape[1]) > RETURNED_BYTES:
        raise MemoryError(
            f"the coefficients of {G:,} groups or windows at {L} λs would take {gibibytes(needs)}; ask for fewer λs, "
            "or larger steps."
        )
    problem = in_order(given, runs)
    what = "groups" if runs.by_label else "windows"
    with _journal(work, where, given, runs, lams) as journal, following(work.progress, what) as show:
        found = paths_of_each_run(problem, runs, lams, lambda done: show(done, G), journal.block)
    warn_unless_converged(found.gap, found.lams, problem.tol, f"{where}(by=)")
    own: Any = lambda v: v[..., 0] if given.flat else v
    return {
        "lams": found.lams[..., 0],
        "coef": own(found.coef),
        "intercept": own(found.intercept),
        "gap": own(found.gap),
        "converged": own(found.gap <= problem.tol),
        **_of_rows(given, runs, problem),
        **_of_columns(given, runs, found.scale, found.constant),
        "y_scale": own(found.y_scale),
    }


def _of_rows(given: Problem, runs: RunsOfRows, problem: Problem) -> dict[str, Any]:
    """What the rows of the runs are, whatever is fitted to them."""
    constant = _constant(problem.y, runs)
    return {
        "key_names": runs.names,
        "keys": tuple(map(storable, runs.keys)),
        "n_rows": runs.stop - runs.start,
        "y_constant": constant[:, 0] if given.flat else constant,
        "by_label": runs.by_label,
        "feature_names": given.names,
    }


def _of_columns(given: Problem, runs: RunsOfRows, scale: np.ndarray, constant: np.ndarray) -> dict[str, Any]:
    """σ within each run, (G, p), and whether a column is constant there: of columns that are left out, their own."""
    out = np.zeros(0, int) if given.penalty_factor is None else np.flatnonzero(np.isinf(given.penalty_factor))
    for g, (start, stop) in enumerate(zip(runs.start, runs.stop, strict=True) if out.size else ()):
        rows = slice(start, stop) if runs.rows is None else runs.rows[start:stop]
        own: Any = given.X[rows]
        own = own.toarray() if hasattr(own, "toarray") else own
        weight = None if given.sample_weight is None else given.sample_weight[rows]
        scale[g] = own_scale(scale[g], given._replace(X=own, sample_weight=weight))
        constant[g, out] = (own[:, out] == own[:1, out]).all(axis=0)
    return {"scale": scale, "constant": constant}


def storable(key: np.ndarray) -> np.ndarray:
    """Keys of text or numbers, not of Python objects."""
    if key.dtype.kind != "O":
        return key
    own = np.array(key.tolist())
    return own if own.dtype.kind in "biufU" else key.astype(str)


def _constant(y: np.ndarray, runs: RunsOfRows) -> np.ndarray:
    """Whether y is the same in all rows of a run, (G, t): it does not change on the way."""
    changes = np.concatenate([np.zeros((1, y.shape[1]), int), np.cumsum(y[1:] != y[:-1], axis=0)])
    return changes[runs.stop - 1] == changes[runs.start]
