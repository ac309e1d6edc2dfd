"""The columns engine, for `p ≫ n`: one table column by column on the device; members are weights of its rows."""

from typing import Any

import jax
import numpy as np

from jaxreg.data.members import UNIT, Members
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.engines import descent
from jaxreg.engines.lockstep import paths_on_rows, rounded
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.solved import Solved, improved
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.solvers.from_columns import path_from_columns
from jaxreg.solvers.member_paths import WIDE
from jaxreg.solvers.members import MOST_ROWS

__all__ = ["MOST_ROWS", "of_all_members", "refuses", "solve"]

# So many times n columns may be active in an elastic net, where n do not do; beyond, its λ is left to the rows.
ELASTIC_SPREAD = 4

_program = compiled(path_from_columns, static_argnames=("spread", "way"))


def refuses(problem: Problem, lams: int | np.ndarray) -> str | None:
    """Why a working set of columns cannot solve the problem; None where it can."""
    n, p = problem.X.shape
    if is_sparse(problem.X):
        return "the table is sparse"
    if p <= WIDE * n:
        return f"at most {WIDE} columns a row"
    if on_accelerator(problem.device) and problem.strategy is None and problem.y.shape[1] > 1:
        return "an accelerator solves all λs at once"
    return f"more than {MOST_ROWS:,} rows" if n > MOST_ROWS else descent.refuses(problem, lams)


def solve(
    problem: Problem, lams: int | np.ndarray, members: Members, b: int | None = None, found: Any = None
) -> Solved | None:
    """A path at `λ > 0` on the rows of the problem that have weight; None where float64 does not carry it.

    Its gaps are not known: they are in the units of the working set. Degrees of freedom are, for a lasso alone.

    Args:
        lams: how many, or (L, t). members: the table is theirs. found: what :func:`of_all_members` has found.
    """
    if on_accelerator(problem.device):
        return _in_lockstep(problem, lams, problem.weights[None, :])[0] if found is None else found
    columns = members.columns
    P, N = columns.features.shape
    n, p = problem.X.shape
    Y, weight, asked = np.zeros((N, problem.y.shape[1])), np.zeros(N), settings_of(problem, P)
    Y[:n], weight[:n] = problem.y, problem.weights

    def down(lams: int | np.ndarray, *ways: tuple[str, int]) -> Solved | None:
        order = Order(lams, Y.shape[1], problem.eps)
        for way, spread in ways:
            given = *columns, Y, weight, order.grid, asked
            found = jax.tree.map(np.asarray, _program(*given, spread=spread, way=way))
            if descent.stands(found, order, asked):
                break
        return order.solved(found, p, problem.X.dtype) if descent.carried(problem, found) else None

    if problem.l1_ratio == 1:
        return down(lams, ("knots", 1), ("newton", 1))
    solved = down(lams, ("blocks", ELASTIC_SPREAD), ("newton", 1))
    if solved is None:
        return solved
    late = ~np.all(solved.gap <= problem.tol, axis=1)
    other = down(solved.lams[late], ("newton", ELASTIC_SPREAD)) if late.any() else None
    solved = solved if other is None else improved(solved, late, other)
    return solved._replace(df=np.full(solved.df.shape, np.nan, solved.df.dtype))


def of_all_members(problem: Problem, lams: np.ndarray, members: Members) -> "list[Solved | None] | None":
    """The lassos' paths for all members of the plan by one program, on an accelerator; None elsewhere.

    Args:
        lams: (L, 1) > 0.
    """
    if problem.l1_ratio != 1 or not on_accelerator(problem.device):
        return None
    assert members.plan is not None
    each = range(len(members.plan))
    weights = np.stack([members.problem(problem, b).weights for b in each])
    return _in_lockstep(problem, lams, weights)


def _in_lockstep(problem: Problem, lams: int | np.ndarray, weights: np.ndarray) -> list[Solved | None]:
    """A path for each set of weights, (B, n), on the rows themselves; None where it does not stand."""
    order, P = Order(lams, 1, problem.eps, least=1, up=rounded), rounded(problem.X.shape[1])
    asked, (B, n) = settings_of(problem, P), weights.shape
    X = np.pad(np.asarray(problem.X, float), ((0, 0), (0, P - problem.X.shape[1])))
    factors, count = np.tile(asked.penalty_factor, (B, 1)), np.int32(B)
    found = paths_on_rows(X, problem.y, weights, factors, count, order.grid, asked, np.float64(UNIT), most=n)
    found = jax.tree.map(np.asarray, found)
    each = [jax.tree.map(lambda v, b=b: v[b], found) for b in range(B)]
    stand = [descent.stands(one, order, asked) and descent.carried(problem, one) for one in each]
    solved = lambda one: order.solved(one, problem.X.shape[1], problem.X.dtype)
    return [solved(one) if good else None for one, good in zip(each, stand, strict=True)]
