"""Columns that an infinite ``penalty_factor`` leaves out, at the doors.

A column of zeros takes the place of each: every solver gives it the coefficient 0 at every λ, and it adds nothing to
`λ_max`, to degrees of freedom or to a certificate. What is left to do is its scale, which is that of the column itself.
"""

from typing import Any

import numpy as np

from jaxreg.data.inputs import check_values
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.formulas.scaling import standard_deviation

__all__ = ["own_scale", "without_left_out"]

# So many numbers of a sparse table are looked at together.
NUMBERS = 2**22


def _out(problem: Problem) -> np.ndarray:
    v = problem.penalty_factor
    return np.zeros(problem.X.shape[1], bool) if v is None else np.isinf(v)


def without_left_out(problem: Problem) -> Problem:
    """The same problem with a column of zeros, of factor 1, for each that is left out.

    Raises:
        ValueError: numbers in X, those columns included, that are not finite or too large.
    """
    out = _out(problem)
    if not out.any():
        return problem
    check_values(problem.X, problem.names)
    X: Any = problem.X
    X = X.multiply(~out).tocsr() if is_sparse(X) else np.where(out, np.zeros((), X.dtype), X)
    return problem._replace(X=X, penalty_factor=np.where(out, 1.0, problem.penalty_factor))


def own_scale(scale: Any, given: Problem) -> Any:
    """σ, (p,), of the columns as they were given, from that of :func:`without_left_out`."""
    places = np.flatnonzero(_out(given))
    if not len(places) or not given.standardize:
        return scale
    scale, X = np.array(scale), given.X
    many = max(1, NUMBERS // X.shape[0]) if is_sparse(X) else len(places)
    with given.computing(double=True):
        for some in np.split(places, range(many, len(places), many)):
            columns: Any = X[:, some]
            columns = columns.toarray() if is_sparse(X) else columns
            scale[some] = standard_deviation(columns, given.sample_weight)
    return scale
