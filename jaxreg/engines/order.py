"""Into the form in which paths go down a grid (descending, padded, in float64), and back into the caller's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.engines.solved import Solved
from jaxreg.formulas.objective import Params
from jaxreg.solvers.active_set import power_of_two
from jaxreg.solvers.found import Grid, Settings

__all__ = ["Order", "settings", "settings_of"]


class Order:
    """λs as given, (L, t) or how many, and as a path takes them: filled up, so that few programs serve many grids."""

    def __init__(
        self, lams: int | np.ndarray, t: int, eps: float, least: int = 16, up: Callable[[int], int] = power_of_two
    ) -> None:
        """up: to which number of λs, at least ``least``."""
        self.number = lams if isinstance(lams, int) else len(lams)
        descending, self.back = np.ones((max(least, up(self.number)), t)), None
        if not isinstance(lams, int):
            descending[: self.number] = -np.sort(-lams, axis=0)
            # A λ that is given twice takes the first of its solutions: they differ by rounding.
            each = zip(descending[: self.number].T, lams.T, strict=True)
            self.back = np.stack([np.searchsorted(-down, -given) for down, given in each], axis=1)
            if np.array_equal(self.back, np.arange(self.number)[:, None].repeat(t, axis=1)):
                self.back = None
        how = {"automatic": np.bool_(isinstance(lams, int)), "eps": np.float64(eps)}
        fields: Any = {"lams": descending, "solved": np.int32(self.number), **how}
        self.grid = Grid(**fields)

    def given(self, values: np.ndarray) -> np.ndarray:
        """(L, ...) in the caller's order."""
        values = values[: self.number]
        if self.back is None:
            return values
        return np.take_along_axis(values, self.back if values.ndim == 2 else self.back[:, None, :], axis=0)

    def of_members(self, values: np.ndarray) -> np.ndarray:
        """(B, L, ...) in the caller's order, which is that of the first target for all."""
        return values[:, : self.number] if self.back is None else values[:, self.back[:, 0]]

    def solved(self, found: Any, p: int, dtype: Any) -> Solved:
        """What a path found (:class:`~jaxreg.solvers.found.Found`), in the caller's order, p columns and precision."""
        return Solved(
            lams=self.given(found.lams).astype(dtype),
            params=Params(self.given(found.intercept).astype(dtype), self.given(found.coef[:, :p]).astype(dtype)),
            gap=self.given(found.gap),
            n_iter=self.given(found.n_iter),
            df=self.given(found.df).astype(dtype),
            rounding=self.given(found.rounding),
            scale=found.scale[:p],
            y_scale=found.y_scale,
        )


def settings_of(problem: Problem, columns: int) -> Settings:
    """What is minimised, with factors and bounds for so many columns."""
    names = "l1_ratio", "fit_intercept", "standardize", "tol", "max_iter", "degrees"
    of_columns = problem.penalty_factor, problem.lower, problem.upper
    given = {name: getattr(problem, name) for name in names}
    return settings(columns, *of_columns, single=problem.X.dtype == np.float32, **given)


def settings(
    columns: int,
    penalty_factor: np.ndarray | None,
    lower: np.ndarray | None,
    upper: np.ndarray | None,
    *,
    l1_ratio: float,
    fit_intercept: bool,
    standardize: bool,
    tol: float,
    max_iter: int,
    degrees: bool = True,
    single: bool = False,
) -> Settings:
    """As programs take them: NumPy scalars and arrays, none of which chooses a program."""

    def fill(values: np.ndarray | None, value: float) -> np.ndarray:
        given = np.zeros(0) if values is None else values
        return np.concatenate([given, np.full(columns - len(given), value)])

    fields: Any = {
        "l1_ratio": np.float64(l1_ratio),
        "penalty_factor": fill(penalty_factor, 1.0),
        "lower": fill(lower, -np.inf),
        "upper": fill(upper, np.inf),
        "tol": np.float64(tol),
        "max_iter": np.int32(min(max_iter, 2**31 - 1)),
        "fit_intercept": np.bool_(fit_intercept),
        "standardize": np.bool_(standardize),
        "degrees": np.bool_(degrees),
        "single": np.bool_(single),
    }
    return Settings(**fields)
