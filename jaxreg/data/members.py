"""What is read of a table for all members of a plan, each row once: their moments, or the table column by column.

The training moments of a member are those of all rows less its own. A member ``None`` is all rows.
"""

from functools import cached_property

import jax
import numpy as np

from jaxreg.data.budget import BLOCK_BYTES
from jaxreg.data.columns import Columns, columns_of
from jaxreg.data.cores import blas_of_one_thread, share
from jaxreg.data.parts import MOST_LOST, UNIT, Known, lost_times, offset
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.data.row_blocks import SHARED, block_moments
from jaxreg.formulas.moments import Moments, together
from jaxreg.solvers.active_set import padded

__all__ = ["FEW", "UNIT", "Known", "Members", "moments_of"]

# Columns that are few: what is done for them once more costs less than another program.
FEW = 128


def moments_of(problem: Problem, rows: np.ndarray | None = None) -> Moments:
    """Moments in float64, with padded columns; of all rows, or of those with the given numbers."""
    return block_moments(problem.X, problem.y, problem.sample_weight, rows)


class Members:
    """The members of a plan, at any l1_ratio. Where the moments of all of them take little memory, they are kept.

    Attributes:
        plan: None where there are no members but all rows.
    """

    def __init__(self, problem: Problem, plan: Plan | None = None) -> None:
        self._problem, self.plan = problem, plan
        self._read: dict[int, Moments] = {}
        counts = problem.weights > 0
        self._parts_make_all = plan is not None and plan.divides(counts)

    def problem(self, problem: Problem, b: int | None) -> Problem:
        """A problem on all rows, weighted as member b trains."""
        if b is None:
            return problem
        assert self.plan is not None
        return problem._replace(sample_weight=self.plan.training_weight(b, problem.weights))

    @cached_property
    def columns(self) -> Columns:
        """The table column by column, on the device."""
        return columns_of(self._problem)

    @cached_property
    def kept(self) -> list[Moments] | None:
        """Of the rows that each member is measured on; None where they take much memory, do not make up all rows, or
        lie so far from 0 that the differences of their means have few digits."""
        shape = self._problem.X.shape
        if self.plan is None or not self._parts_make_all or len(self.plan) * padded(shape[1]) ** 2 * 8 > BLOCK_BYTES:
            return None
        rows = [self.plan.test_rows(b) for b in range(len(self.plan))]
        of = lambda some: moments_of(self._problem, some)
        parts = [of(some) for some in rows] if np.prod(shape) < SHARED else share(of, rows)
        return parts if offset(parts) <= MOST_LOST / 2 else None

    @cached_property
    def total(self) -> Moments:
        """Of all rows."""
        if self.kept is None:
            return moments_of(self._problem)
        with blas_of_one_thread():  # a small product, after which BLAS's threads would keep the cores from the paths
            return together(self.kept)

    @cached_property
    def unit(self) -> float:
        """By how much those of all rows may be off."""
        return UNIT if self.kept is None else UNIT * (1.0 + offset(self.kept))

    @cached_property
    def nothing(self) -> Moments:
        """Of no rows."""
        return Moments._make(np.zeros_like(v) for v in self.total)

    def part(self, b: int) -> Moments | None:
        """Of the rows that member b is measured on; None where parts do not make up all rows. Where they are not all
        kept, it is until :meth:`forget`."""
        if not self._parts_make_all:
            return None
        if self.kept is not None:
            return self.kept[b]
        if b not in self._read:
            assert self.plan is not None
            self._read[b] = moments_of(self._problem, self.plan.test_rows(b))
        return self._read[b]

    def forget(self, b: int) -> None:
        """Member b is done."""
        self._read.pop(b, None)

    def training(self, b: int | None) -> Known:
        """Of the rows that member b trains on."""
        if b is None:
            # Of few columns the program is that of the members; of many, a copy of the moments is spared.
            alone = self.plan is None and len(self.total.x_mean) > FEW
            return Known(self.total, None if alone else self.nothing, self.unit)
        assert self.plan is not None
        part = self.part(b)
        if part is not None and (times := lost_times(self.total, part)) <= MOST_LOST:
            return Known(self.total, part, self.unit * times)
        if self.kept is not None:
            return Known(together(self.kept[:b] + self.kept[b + 1 :]), self.nothing, self.unit)
        return Known(moments_of(self._problem, self.plan.training_rows(b)), self.nothing, UNIT)

    @cached_property
    def stacked(self) -> Moments:
        """The moments that are kept, and those of nothing up to a padded number of members, (padded B, ...)."""
        assert self.kept is not None
        more = [self.nothing] * (padded(len(self.kept)) - len(self.kept))
        return jax.tree.map(lambda *v: np.stack(v), *self.kept, *more)

    def all_training(self) -> tuple[Moments, np.ndarray] | None:
        """What is taken from the moments of all rows for every member, stacked, and by how much each difference may be
        off, (padded B,); None where one would lose too many digits."""
        assert self.kept is not None
        times = np.array([lost_times(self.total, part) for part in self.kept])
        if times.max() > MOST_LOST:
            return None
        return self.stacked, self.unit * np.pad(times, (0, padded(len(times)) - len(times)))
