"""Cross-validation from the moments of each fold: no row is read, whatever their number.

Training is on all parts but one (:mod:`jaxreg.data.parts`), and the held-out squared error a quadratic form in that
part's moments (:mod:`jaxreg.engines.held_out`), which says itself where rounding leaves it less than ten digits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxreg.data.parts import Parts
from jaxreg.data.problem import Problem
from jaxreg.engines import choose, held_out, known
from jaxreg.engines.solved import Solved
from jaxreg.processes import everyones, here
from jaxreg.sweeps.fold_paths import FoldErrors
from jaxreg.sweeps.grids import Grids
from jaxreg.sweeps.measures import Folds

__all__ = ["MomentGrids"]


class MomentGrids(Grids):
    """As :class:`~jaxreg.sweeps.grids.Grids`, of problems without rows.

    Attributes:
        parts: the moments of the folds. rounding: the most that it may make of a gap. unsure: held-out errors that may
            be off by more than a share of 1e-10.
    """

    def __init__(
        self, problems: Sequence[Problem], parts: Parts, measure: str, show: Callable[[int, int], None]
    ) -> None:
        self.problems, self.parts, self.measure = problems, parts, measure
        self.show, self.done, self.total, self.extended = show, 0, 0, 0
        weight, square = np.array([m.weight for m in parts.parts]), np.stack([m.yy for m in parts.parts])
        variance = np.where(square > 0, square / weight[:, None], np.inf)
        self.folds = Folds(weight, variance, problems[0].flat)
        self.paths: list[Any] = []
        self.errors: list[FoldErrors] = []
        self.rounding, self.unsure = 0.0, 0

    def degrees(self, r: int, path: Any) -> Any:
        """As they were counted with the path."""
        return path.df

    def _run(self, problem: Problem, lams: int | np.ndarray) -> tuple[Any, FoldErrors]:
        t = problem.y.shape[1]
        each = lams if isinstance(lams, int) else np.repeat(lams[:, None], t, axis=1)
        whole = self._solved(problem, each, None)
        path = choose.as_path(problem, whole)
        K, unsure = len(self.parts), 0
        mse, gap = (np.empty((len(path.lams), K, t)) for _ in range(2))
        mine = range(here().number, K, here().count)
        for b in mine:
            solved = self._solved(problem._replace(degrees=False), whole.lams, b)
            mse[:, b], sure = held_out.from_moments(solved.params, self.parts.parts[b])
            gap[:, b] = solved.gap
            unsure += int((~sure).sum())
        self._exchange(mse, gap, np.array([self.rounding, unsure]), mine)
        return path, FoldErrors(mse, None, gap)

    def _solved(self, problem: Problem, lams: int | np.ndarray, b: int | None) -> Solved:
        solved = known.solve(problem, lams, self.parts.training(b))
        self.rounding = max(self.rounding, float(np.max(solved.rounding)))
        self._report()
        return solved

    def _exchange(self, mse: np.ndarray, gap: np.ndarray, said: np.ndarray, mine: range) -> None:
        """What each process has found of its folds goes into the arrays, (L, K, t), and what it says of rounding."""
        L, K, t = mse.shape
        sent = everyones(b"".join(v.tobytes() for v in (said, mse[:, mine], gap[:, mine])))
        for number, found in enumerate(sent):
            values, folds = np.frombuffer(found), range(number, K, here().count)
            self.rounding, self.unsure = max(self.rounding, float(values[0])), self.unsure + int(values[1])
            mse[:, folds], gap[:, folds] = values[2:].reshape(2, L, len(folds), t)
