"""Into the form in which paths go down a grid (descending, padded, in float64), and back into the caller's."""

from typing import Any

import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.engines.options import Options, Solved
from jaxreg.formulas.objective import Params
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Grid, Settings

__all__ = ["Order", "settings"]


class Order:
    """λs as given, (L, t) or how many, and as a path takes them."""

    def __init__(self, lams: int | np.ndarray, t: int, eps: float) -> None:
        self.lams, self.number = lams, lams if isinstance(lams, int) else len(lams)
        descending, self.back = np.ones((padded(self.number), t)), None
        if not isinstance(lams, int):
            descending[: self.number] = -np.sort(-lams, axis=0)
            # A λ that is given twice takes the first of its solutions: they differ by rounding.
            each = zip(descending[: self.number].T, lams.T, strict=True)
            self.back = np.stack([np.searchsorted(-down, -given) for down, given in each], axis=1)
            if np.array_equal(self.back, np.arange(self.number)[:, None].repeat(t, axis=1)):
                self.back = None
        automatic = np.bool_(isinstance(lams, int))
        self.grid = Grid._make((descending, np.int32(self.number), automatic, np.float64(eps)))

    def given(self, values: np.ndarray) -> np.ndarray:
        """(L, ...) in the caller's order."""
        values = values[: self.number]
        if self.back is None:
            return values
        return np.take_along_axis(values, self.back if values.ndim == 2 else self.back[:, None, :], axis=0)

    def solved(self, found: Any, a: Arguments) -> Solved:
        """What a path found (:class:`~jaxreg.solvers.found.Found`), in the caller's order, columns and precision."""
        p, dtype = a.X.shape[1], a.X.dtype
        params = Params(self.given(found.intercept).astype(dtype), self.given(found.coef[:, :p]).astype(dtype))
        lams, df = (self.given(v).astype(dtype) for v in (found.lams, found.df))
        scales = found.scale[:p], found.y_scale
        return Solved(lams, params, self.given(found.gap), self.given(found.n_iter), df, *scales)


def settings(a: Arguments, options: Options, columns: int) -> Settings:
    """What is minimised, with factors and bounds for so many columns."""
    p = a.X.shape[1]

    def fill(values: np.ndarray | None, value: float) -> np.ndarray:
        given = np.full(p, value) if values is None else values.astype(np.float64)
        return np.concatenate([given, np.full(columns - p, value)])

    arrays = fill(a.penalty_factor, 1.0), fill(a.lower, -np.inf), fill(a.upper, np.inf)
    limits = np.float64(options.tol), np.int32(min(options.max_iter, 2**31 - 1))
    switches = np.bool_(options.fit_intercept), np.bool_(options.standardize), np.bool_(options.degrees)
    single = np.bool_(a.X.dtype == np.float32)
    return Settings._make((np.float64(options.l1_ratio), *arrays, *limits, *switches, single))
