"""When a batch of lassos goes in lockstep, and when one after the other.

In lockstep (:mod:`~jaxreg.solvers.lockstep`) each knot is a few operations on arrays of all members. On an accelerator
that is always the faster way: one problem alone would leave it waiting. On a CPU an operation costs what it computes,
and the tableau's triangle is changed once where lockstep changes the square.
"""

from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.devices import Devices
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.from_same_rows import paths_of_weights_on_rows
from jaxreg.solvers.lockstep import LOCKSTEP

__all__ = ["ON_ROWS", "at_once", "columns_of", "in_lockstep", "on_rows", "paths_on_rows", "rounded"]

# Of blocks of resamples, and of the folds of a sweep.
paths_on_rows = compiled(paths_of_weights_on_rows, static_argnames="most")

# The way of a lasso in lockstep that needs no Gram matrix.
ON_ROWS = "rows"
# On a CPU (benchmarks/lockstep.py): up to so many columns, and from so many members a core on; beyond, there is nothing
# between the two ways.
MOST_COLUMNS, LEAST_MEMBERS = 32, 32
# On a CPU, with more columns than moments take: a table of up to so many numbers, for so many members at a time.
MOST_NUMBERS, FEW_MEMBERS = 700_000, 4


def in_lockstep(problem: Problem, members: int) -> bool:
    """Whether so many lassos on the moments of this table are solved in lockstep."""
    if on_accelerator(problem.device):
        return True
    members //= problem.device.number if isinstance(problem.device, Devices) else 1
    return problem.X.shape[1] <= MOST_COLUMNS and members >= LEAST_MEMBERS


def on_rows(problem: Problem, way: str | None, members: int) -> bool:
    """Whether so many lassos on the rows of this table, of more columns than moments take, are solved in lockstep."""
    if way != "knots" or problem.y.shape[1] > 1 or is_sparse(problem.X):
        return False
    return members >= FEW_MEMBERS and (on_accelerator(problem.device) or problem.X.size <= MOST_NUMBERS)


def at_once(problem: Problem, members: int) -> int:
    """Of them on the rows, as many as one call takes."""
    few = FEW_MEMBERS * (problem.device.number if isinstance(problem.device, Devices) else 1)
    return members if on_accelerator(problem.device) else min(members, few)


def columns_of(way: str, p: int) -> int:
    """To how many columns a table is filled up, so that few programs serve many tables."""
    return rounded(p) if way in (LOCKSTEP, ON_ROWS) else padded(p)


def rounded(number: int) -> int:
    """Up to four binary digits: at most an eighth more, and few shapes."""
    unit = 1 << max(int(number).bit_length() - 4, 0)
    return -(-int(number) // unit) * unit
