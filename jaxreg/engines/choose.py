"""Which engine solves a problem on this machine, what it leaves to the rows, and the certificate of what leaves.

Each engine is a module: ``refuses(problem, lams)`` says why it cannot take the problem, or None, and
``solve(problem, lams, members, b, found)`` returns what it finds, or None where float64 does not carry it that way. The
first that answers is taken. Its answer is certified here from the parameters as they are returned, and λs that
are above the tolerance are solved again on the rows.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxreg.data.inputs import check_values
from jaxreg.data.members import Members
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import dense_bytes, is_small, is_sparse
from jaxreg.engines import columns, moments, ridge, rows, some_columns
from jaxreg.engines.certificate import certified
from jaxreg.engines.degrees import FEW_SQUARES, FromMoments, FromRows, degrees_on_rows
from jaxreg.engines.order import settings_of
from jaxreg.engines.solved import Solved, improved, joined, some_lams
from jaxreg.precision import host, on_accelerator
from jaxreg.solvers.paths import Path

__all__ = [
    "as_path",
    "check_coef",
    "check_size",
    "computing",
    "count_later",
    "counts_later",
    "engine_of",
    "path",
    "ready",
    "repaired",
    "solve",
]

# In the order in which they are asked; the rows take what is left.
ENGINES: tuple[Any, ...] = (some_columns, moments, columns, ridge)
# These always compute in float64; the first three find numbers that are not finite by themselves.
DOUBLE = some_columns, moments, columns, ridge
# Numbers of the table or of its moments that a result may keep, or twice its own: 32 MiB.
MOST_KEPT = 2**22


def ready(problem: Problem, what: str | None = None) -> Problem:
    """The problem with dense rows where they are needed, or take less time; what no engine can solve is refused.

    Args:
        what: what is asked for that needs dense rows, or None.

    Raises:
        ValueError: a large sparse X where dense rows are needed, strategy="active set" that no engine takes.
    """
    X: Any = problem.X
    if is_sparse(X):
        if what is None and problem.strategy == "parallel":
            what = "strategy='parallel'"
        if is_small(X) and (what or not some_columns.suits(problem)):
            problem = problem._replace(X=X.toarray())
        elif what:
            raise ValueError(
                f"X is sparse and would be a dense table of {dense_bytes(X) / 2**30:.3g} GiB, which {what} would need; "
                "use X.toarray() if memory allows."
            )
        if is_sparse(problem.X) and problem.strategy is None and on_accelerator(problem.device):
            problem = problem._replace(device=host())  # what goes down the λs one after the other serves a CPU
    descents = some_columns, moments, columns
    if problem.strategy == "active set" and all(engine.refuses(problem, 1) for engine in descents):
        raise ValueError(
            "strategy='active set' needs l1_ratio > 0, penalty factors above 0, bounds that are 0 or infinite, and "
            f"at most {columns.MOST_ROWS:,} rows where there are more than {moments.WIDE} columns a row."
        )
    return problem


def engine_of(problem: Problem, lams: int | np.ndarray, alone: bool = True) -> Any:
    """The first engine that does not refuse; None where the rows are left.

    Args:
        lams: how many, or (L, t). alone: whether this path is all that is asked of the table.
    """
    return next(_engines(problem, lams, alone), None)


def _engines(problem: Problem, lams: int | np.ndarray, alone: bool) -> Iterator[Any]:
    for engine in ENGINES:
        shares = engine is not some_columns or is_sparse(problem.X)
        if (alone or shares) and engine.refuses(problem, lams) is None:
            yield engine


def computing(engine: Any, problem: Problem) -> contextlib.AbstractContextManager[None]:
    """In the precision of this engine: moments, working sets and ridge always compute in float64."""
    return problem.computing(double=engine in DOUBLE)


def solve(
    problem: Problem,
    lams: int | np.ndarray,
    members: Members | None = None,
    b: int | None = None,
    found: Any = None,
) -> Solved:
    """A path with its certificate.

    Args:
        problem: on all rows. lams: how many, (L,), or (L, t) for targets with λs of their own.
        members: what is read of the table; made if it is not at hand. b: the member of the plan that is trained, None
            for all rows. found: what is known of it, for its engine.
    """
    lams = _of_targets(problem, lams)
    alone = members is None or members.plan is None
    members = Members(problem) if members is None else members
    problem = members.problem(problem, b)
    for engine in _engines(problem, lams, alone):
        with computing(engine, problem):
            if engine not in DOUBLE or engine is ridge:
                check_values(problem.X, problem.names)
            zero = np.zeros(0, bool)
            if engine is not some_columns and not isinstance(lams, int):
                zero = np.any(lams == 0, axis=1)
            some: Any = lams[~zero] if zero.any() else lams  # type: ignore[index]
            solved = engine.solve(problem, some, members, b, found)
            if solved is not None:
                solved = repaired(problem, solved)
                return joined(solved, ~zero, on_rows(problem, lams[zero])) if zero.any() else solved  # type: ignore[index]
    with computing(None, problem):
        check_values(problem.X, problem.names)
        return on_rows(problem, lams)


def _of_targets(problem: Problem, lams: Any) -> Any:
    """How many, or (L, t)."""
    return lams if isinstance(lams, int) or lams.ndim == 2 else np.repeat(lams[:, None], problem.y.shape[1], axis=1)


def on_rows(problem: Problem, lams: int | np.ndarray) -> Solved:
    """A path on the rows themselves, with its certificate."""
    return certified(problem, rows.solve(problem, lams))


def repaired(problem: Problem, solved: Solved) -> Solved:
    """With its certificate, and where that is above the tolerance from the rows; last, degrees of freedom that are
    missing are counted there, for what is returned."""
    solved = certified(problem, solved)
    if is_sparse(problem.X):
        return solved
    for again in (_polished, _anew):
        late = ~np.all(solved.gap <= problem.tol, axis=1)
        if late.any() and (other := again(problem, some_lams(solved, late))) is not None:
            solved = improved(solved, late, certified(problem, other))
    missing = np.isnan(solved.df).any(axis=1)
    if not problem.degrees or not missing.any():
        return solved
    some, df = some_lams(solved, missing), solved.df.copy()
    df[missing] = degrees_on_rows(problem, some.params.coef, some.lams, some.y_scale)
    return solved._replace(df=df)


def _polished(problem: Problem, solved: Solved) -> Solved | None:
    """From what has been found; ridge has no support to be found."""
    return rows.polish(problem, solved) if problem.l1_ratio > 0 else None


def _anew(problem: Problem, solved: Solved) -> Solved:
    return rows.solve(problem, solved.lams)


def path(problem: Problem, lams: int | np.ndarray) -> Path:
    """A path with its certificate. Degrees of freedom are a function that counts them, where that takes longer."""
    members, lams = Members(problem), _of_targets(problem, lams)
    if not counts_later(problem, lams):
        return as_path(problem, solve(problem, lams, members))
    solved = solve(problem._replace(degrees=False), lams, members)
    found: Any = as_path(problem, solved)
    return found._replace(df=count_later(problem, members, solved.params.coef, solved.lams, solved.y_scale))


def counts_later(problem: Problem, lams: int | np.ndarray) -> bool:
    """Whether degrees of freedom take longer than the solutions, so that they are counted when they are read."""
    net = problem.degrees and 0 < problem.l1_ratio < 1
    return net and engine_of(problem, _of_targets(problem, lams)) in (moments, columns)


def count_later(problem: Problem, members: Members, coef: np.ndarray, lams: np.ndarray, y_scale: np.ndarray) -> Any:
    """What counts degrees of freedom when they are first read; or their numbers, where it would keep too much.

    Args:
        members: what was read of the table. coef: (L, p, t). lams: (L, t). y_scale: τ, (t,).
    """
    few = np.any(lams * (1 - problem.l1_ratio) < FEW_SQUARES * y_scale)
    if engine_of(problem, lams) is moments and not few and np.isfinite(members.total.xx).all():
        asked, inside = settings_of(problem, len(members.total.x_mean)), coef != 0
        count: Any = FromMoments(members.total, asked, lams, inside, problem.flat, problem.X.dtype)
        kept = members.total.xx.size
    else:
        count = FromRows.of(problem, coef, lams, y_scale)
        kept = count.problem.X.size
    return count if kept <= max(2 * coef.size, MOST_KEPT) else count(None)


def as_path(problem: Problem, solved: Solved) -> Path:
    """The pure Path, with NumPy arrays; without the axis of targets where y has none.

    Raises:
        FloatingPointError: a coefficient is not finite.
    """
    coef, gap = solved.params.coef, solved.gap
    check_coef(coef)
    own: Any = lambda v: v[..., 0] if problem.flat else v
    fields: Any = {
        "lams": solved.lams[:, 0],
        "coef": own(coef),
        "intercept": own(solved.params.intercept),
        "gap": own(gap),
        "converged": own(gap <= problem.tol),
        "n_iter": own(solved.n_iter),
        "df": own(solved.df),
        "n_nonzero": own((coef != 0).sum(axis=1)),
        "scale": solved.scale,
        "y_scale": own(solved.y_scale),
    }
    return Path(**fields)


def check_size(problem: Problem, lams: int | np.ndarray) -> None:
    """Results that no memory holds are refused before the work; ridge does without most of them.

    Raises:
        MemoryError: they are more than 16 GiB.
    """
    if ridge.refuses(problem, lams if isinstance(lams, int) else lams[:, None]):
        rows.block_length(problem, lams)


def check_coef(coef: np.ndarray) -> None:
    """Coefficients (L, p, ...) are finite.

    Raises:
        FloatingPointError: one is not.
    """
    if not np.isfinite(coef).all():
        j = int(np.argwhere(~np.isfinite(coef))[0][1])
        raise FloatingPointError(
            f"the coefficient of column {j} is not finite: its values are too small or too large for {coef.dtype}. "
            "Rescale that column."
        )
