"""The moments engine: the rows are read once, then a path costs the same for any number of them."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.budget import BLOCK_BYTES
from jaxreg.data.members import FEW, Known, Members
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.engines import descent
from jaxreg.engines.degrees import FEW_SQUARES
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.solved import Solved
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Found, Settings
from jaxreg.solvers.from_many_moments import paths_from_moments
from jaxreg.solvers.from_moments import path_from_moments
from jaxreg.solvers.lockstep import LOCKSTEP
from jaxreg.solvers.member_paths import WIDE

__all__ = ["WIDE", "carries", "of_all_members", "path", "refuses", "solve", "squares", "way"]

# Relative gaps up to which a path that does not settle may have the right supports.
DRIFTED = 1e-4

_program = compiled(path_from_moments, static_argnames="way")
_programs = compiled(paths_from_moments, static_argnames="way")


class Ready(NamedTuple):
    """What was found for a member, the λs as the path took them, and what was asked."""

    order: Order
    asked: Settings
    found: Found


def refuses(problem: Problem, lams: int | np.ndarray) -> str | None:
    """Why moments cannot solve the problem; None where they can."""
    if not carries(problem):
        return "the table is sparse" if is_sparse(problem.X) else f"more than {WIDE} columns a row"
    return descent.refuses(problem, lams)


def carries(problem: Problem) -> bool:
    """Whether moments are a good way to know this table."""
    return not is_sparse(problem.X) and problem.X.shape[1] <= WIDE * problem.X.shape[0]


def solve(
    problem: Problem, lams: int | np.ndarray, members: Members, b: int | None = None, found: Any = None
) -> Solved | None:
    """A path at `λ > 0`; None where moments do not carry it.

    Args:
        lams: how many, or (L, t). members, b: the moments are those of this member. found: what
            :func:`of_all_members` has found for it.
    """
    device = problem.device
    if found is not None:
        order, asked, found = found
    else:
        order = Order(lams, problem.y.shape[1], problem.eps)
        asked = settings_of(problem, padded(problem.X.shape[1]))
    if (
        found is None and b is None and _takes_all(members, order, way(asked, device))
    ):  # the program that serves the members
        nothing = jax.tree.map(np.zeros_like, members.stacked)
        units = np.full(len(nothing.weight), members.unit)
        found = _programs(members.total, nothing, np.int32(1), order.grid, asked, units, way=way(asked, device))
        found = _first(found, 1)[0]
    if found is None or not descent.stands(found, order, asked):
        found = path(members.training(b), order, asked, device, found)
    if not descent.carried(problem, found):
        return None
    solved = order.solved(found, problem.X.shape[1], problem.X.dtype)
    if problem.l1_ratio < 1:  # a Gram matrix cannot tell what the squares leave
        few = solved.lams.min(axis=1) * (1 - problem.l1_ratio) < FEW_SQUARES * solved.y_scale.min()
        solved = solved._replace(df=np.where(few[:, None], np.nan, solved.df))
    return solved


def path(known: Known, order: Order, asked: Settings, device: Any = None, found: Any = None) -> Any:
    """A path at `λ > 0` from moments, uncut and as NumPy arrays (:class:`~jaxreg.solvers.found.Found`)."""
    given = known.total, known.without, order.grid, asked, np.float64(known.unit)
    found = jax.tree.map(np.asarray, _program(*given, way=way(asked, device))) if found is None else found
    if descent.stands(found, order, asked):
        return found
    # Rounding errors that a walk has gathered are corrected where it went right otherwise.
    if found.gap[: order.number].max() <= DRIFTED:
        found = jax.tree.map(np.asarray, _program(*given, way=way(asked, device), known=found))
        if descent.stands(found, order, asked):
            return found
    return jax.tree.map(np.asarray, _program(*given, way="newton"))


def squares(known: Known, order: Order, asked: Settings) -> Any:
    """Ridge, or least squares at `λ = 0`, without bounds, as :func:`path`."""
    given = known.total, known.without, order.grid, asked, np.float64(known.unit)
    return jax.tree.map(np.asarray, _program(*given, way="squares"))


def way(asked: Settings, device: Any = None) -> str:
    """The fast one on a device, None being JAX's default."""
    if asked.l1_ratio != 1:
        return "blocks"
    return LOCKSTEP if on_accelerator(device) else "knots"


def of_all_members(problem: Problem, lams: np.ndarray, members: Members) -> "list[Ready] | None":
    """The paths for each member of the plan by one program: in lockstep, or because a path of few columns takes less
    time than a call. None where there are many columns, or much to keep.

    Args:
        lams: (L, t) > 0.
    """
    order, device = Order(lams, problem.y.shape[1], problem.eps), problem.device
    asked = settings_of(problem, padded(problem.X.shape[1]))
    if not _takes_all(members, order, way(asked, device)) or (training := members.all_training()) is None:
        return None
    without, units = training
    count = len(members.kept or [])
    found = _programs(members.total, without, np.int32(count), order.grid, asked, units, way=way(asked, device))
    return [Ready(order, asked, one) for one in _first(found, count)]


def _takes_all(members: Members, order: Order, way: str) -> bool:
    few = len(members.total.x_mean) <= FEW or way == LOCKSTEP
    if members.kept is None or not few:
        return False
    coefficients = padded(len(members.kept)) * members.total.xy.size * len(order.grid.lams)
    return coefficients * 8 <= BLOCK_BYTES


def _first(found: Found, count: int) -> list[Any]:
    """Of paths that are stacked, with NumPy arrays."""
    found = jax.tree.map(np.asarray, found)
    return [Found._make(v[b] for v in found) for b in range(count)]
