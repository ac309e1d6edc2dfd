"""The paths of a sweep and the errors of its folds for every l1_ratio, with grids that end where the error rises."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxreg.data.inputs import check_values
from jaxreg.data.members import Members
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.engines import choose, ridge
from jaxreg.solvers.grid_ends import beyond, open_end_of_any
from jaxreg.sweeps.fold_paths import FoldErrors, errors_of_folds
from jaxreg.sweeps.measures import Folds, Measured, held_out_curves

__all__ = ["MOST_EXTENSIONS", "Grids"]

# How often an automatic grid is extended, by half its length each time, where the error still falls at its end.
MOST_EXTENSIONS = 2


class Grids:
    """What a sweep computes; what is read of the rows serves all l1_ratios.

    Attributes:
        paths: one an l1_ratio, on all rows: a :class:`~jaxreg.solvers.paths.Path`, or a
            :class:`~jaxreg.engines.ridge.FactoredPath`. errors: of the folds along them.
        extended: how often the grids were extended.
    """

    def __init__(self, problems: Sequence[Problem], plan: Plan, measure: str, show: Callable[[int, int], None]) -> None:
        """
        Args:
            problems: one an l1_ratio, with the same data. measure: "mse", "mae" or "r2". show: called with how many
                paths are done, of how many.
        """
        self.problems, self.folds, self.measure = problems, Folds.of(problems[0], plan), measure
        self.show, self.done, self.total, self.extended = show, 0, 0, 0
        self.members = Members(problems[0], plan)
        self.paths: list[Any] = []
        self.errors: list[FoldErrors] = []

    def solve(self, lams: int | np.ndarray) -> None:
        """At these λs, (L,), or at so many, and at more beyond an end where the error still falls."""
        self._begin()
        self._keep([self._run(problem, lams) for problem in self.problems])
        while isinstance(lams, int) and lams > 1 and self.extended < MOST_EXTENSIONS:
            end = self._open_end()
            if end is None:
                break
            self._begin()
            self.extended += 1
            found = zip(self.problems, self.paths, self.errors, strict=True)
            self._keep([self._joined(*of, end) for of in found])

    def degrees(self, r: int, path: Any) -> Any:
        """Degrees of freedom of the path of the l1_ratio number r that is returned, or what counts them when they are
        read."""
        problem = self.problems[r]
        if not self._counts_later(problem, path.lams):
            return path.df
        found = path.coef[..., None], path.lams[:, None], np.reshape(path.y_scale, 1)
        return choose.count_later(problem, self.members, *found)

    def _counts_later(self, problem: Problem, lams: int | np.ndarray) -> bool:
        """Only the path that is returned is to be counted; of several targets each has its own l1_ratio."""
        return problem.flat and choose.counts_later(problem, lams)

    def measured(self) -> Measured:
        """What has been found, stacked over the l1_ratios."""
        return Measured.of(self.folds, self.paths, self.errors)

    def _begin(self) -> None:
        self.total += len(self.problems) * (len(self.folds.weight) + 1)

    def _keep(self, found: list[tuple[Any, FoldErrors]]) -> None:
        self.paths, self.errors = [path for path, _ in found], [errors for _, errors in found]

    def _report(self) -> None:
        self.done += 1
        self.show(self.done, self.total)

    def _run(self, problem: Problem, lams: int | np.ndarray) -> tuple[Any, FoldErrors]:
        """The path on all rows, and the errors of the folds along its λs."""
        choose.check_size(problem, lams)
        each = lams if isinstance(lams, int) else lams[:, None]
        if len(self.problems) == 1 and ridge.is_large(problem, lams) and not ridge.refuses(problem, each):
            check_values(problem.X, problem.names)
            with problem.computing(double=True):
                path: Any = ridge.factored_path(ridge.factor_all(problem, lams), problem.X.dtype, problem.tol)
        else:
            now = problem._replace(degrees=not self._counts_later(problem, lams))
            path = choose.as_path(problem, choose.solve(now, lams, self.members))
        self._report()
        absolute = self.measure == "mae"
        return path, errors_of_folds(problem, self.members, path.lams, absolute, self._report)

    def _open_end(self) -> str | None:
        """The open end of the grid at the l1_ratio of least error, of any target."""
        curves = held_out_curves(self.folds, self.errors, self.measure)

        def used(r: int, target: int) -> np.ndarray:
            lams = self.paths[r].lams
            if self.problems[r].l1_ratio == 0:
                return np.ones(len(lams))
            return self.paths[r].n_nonzero.reshape(len(lams), -1)[:, target]

        return open_end_of_any(curves, [path.lams for path in self.paths], used)

    def _joined(self, problem: Problem, path: Any, errors: FoldErrors, end: str) -> tuple[Any, FoldErrors]:
        """The path and the errors with λs beyond an end of the grid."""
        new = beyond(path.lams, end).astype(path.lams.dtype)
        if isinstance(path, ridge.FactoredPath):
            return self._run(problem, np.concatenate([path.lams, new] if end == "smallest" else [new, path.lams]))
        more_path, more_errors = self._run(problem, new)
        pairs = (lambda old, new: (old, new)) if end == "smallest" else (lambda old, new: (new, old))
        join: Any = lambda old, new: None if old is None else np.concatenate(pairs(old, new))
        alike = ("scale", "y_scale")
        fields = {
            name: join(old, new)
            for name, old, new in zip(path._fields, path, more_path, strict=True)
            if name not in alike
        }
        return path._replace(**fields), FoldErrors(*map(join, errors, more_errors))
