"""What a call asks for, and what an engine answers."""

from typing import NamedTuple

import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.formulas.objective import Params

__all__ = ["Options", "Solved", "arrays_of"]


class Options(NamedTuple):
    """What the arrays of a call do not say.

    Attributes:
        l1_ratio: ρ. eps: λ_min / λ_max of an automatic grid. tol, max_iter, fit_intercept, standardize: as in the
            public functions. strategy: "active set", "parallel", or None to choose.
        degrees: whether degrees of freedom are counted, which costs a factorisation for every λ where ρ < 1.
        absolute: whether mean absolute errors are measured in the folds, which costs a product with their rows.
    """

    l1_ratio: float
    eps: float
    tol: float
    max_iter: int
    fit_intercept: bool
    standardize: bool
    strategy: str | None
    degrees: bool = True
    absolute: bool = False


class Solved(NamedTuple):
    """Solutions at L λs for t targets, as NumPy arrays.

    Attributes:
        lams: (L, t). params: coef (L, p, t), intercept (L, t). gap, n_iter, df: (L, t); df is NaN where it is not
            counted. scale: σ, (p,). y_scale: τ, (t,).
    """

    lams: np.ndarray
    params: Params
    gap: np.ndarray
    n_iter: np.ndarray
    df: np.ndarray
    scale: np.ndarray
    y_scale: np.ndarray


def arrays_of(a: Arguments, bounded: bool = True) -> dict[str, np.ndarray | None]:
    """What weights rows and columns, as pure functions take it. Factors that are not given stay so: with them goes a
    copy of the table. ``bounded``: whether bounds are wanted; ridge in closed form takes none."""
    n, p = a.X.shape
    of = lambda bound, none: (np.full(p, none) if bound is None else bound) if bounded else None
    return {
        "sample_weight": np.ones(n) if a.sample_weight is None else a.sample_weight,
        "penalty_factor": a.penalty_factor,
        "lower": of(a.lower, -np.inf),
        "upper": of(a.upper, np.inf),
    }
