"""Degrees of freedom of given coefficients on NumPy arrays: from Gram matrices, or, for tiny squares, from the rows."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.padding import padded_problem
from jaxreg.data.problem import Problem
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.projection import smallest_direction
from jaxreg.precision import computing, host
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.degrees import degrees_of_freedom
from jaxreg.solvers.found import Settings
from jaxreg.solvers.from_moments import degrees_from_moments
from jaxreg.solvers.reduced import prepare

__all__ = ["FEW_SQUARES", "FromMoments", "FromRows", "degrees_on_rows"]

# Below this weight of the squares, as a share of a standardised column's square, a Gram matrix cannot tell what they
# leave of a direction in which columns nearly depend on each other: its eigenvalues are known to ε of the largest.
FEW_SQUARES = 1e-8


@partial(compiled, static_argnames=("fit_intercept", "capacity"))
def _degrees(X, y, coef, lams, l1_ratio, arrays, standardize, *, fit_intercept, capacity):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    return degrees_of_freedom(data, coef, lams, l1_ratio, capacity)


_count = compiled(degrees_from_moments)


class FromMoments(NamedTuple):
    """Counts degrees of freedom when they are first read: a factorisation for every λ takes longer than an elastic
    net's path.

    Attributes:
        moments: of padded columns. settings: of the path. lams: (L, t). inside: whether coefficients are not 0,
            (L, p, t). flat: whether y has no axis of targets. dtype: of the result.
    """

    moments: Moments
    settings: Settings
    lams: np.ndarray
    inside: np.ndarray
    flat: bool
    dtype: Any

    def __call__(self, path: Any) -> np.ndarray:
        """df, (L,) or (L, t)."""
        del path  # its arrays may have been written to
        L, p, _ = self.inside.shape
        lams = np.concatenate([self.lams, np.repeat(self.lams[-1:], padded(L) - L, axis=0)]).astype(float)
        inside = np.pad(self.inside, ((0, padded(L) - L), (0, len(self.moments.x_mean) - p), (0, 0)))
        with computing(True, host()):
            df = np.asarray(_count(self.moments, self.settings, lams, np.int32(L), inside))[:L].astype(self.dtype)
        return df[:, 0] if self.flat else df


class FromRows(NamedTuple):
    """As :class:`FromMoments`, from a copy of the columns that have a coefficient at some λ.

    Attributes:
        problem: of these columns. coef: (L, p, t), lams: (L, t). y_scale: (t,).
    """

    problem: Problem
    coef: np.ndarray
    lams: np.ndarray
    y_scale: np.ndarray

    @classmethod
    def of(cls, problem: Problem, coef: np.ndarray, lams: np.ndarray, y_scale: np.ndarray) -> "FromRows":
        """Nothing that the caller may write to later is kept."""
        used = np.flatnonzero(coef.any(axis=(0, 2)))
        part = lambda v: None if v is None else v[used]
        weight = problem.sample_weight
        problem = problem._replace(
            X=problem.X[:, used],
            y=problem.y.copy(),
            names=None,
            sample_weight=None if weight is None else weight.copy(),
            penalty_factor=part(problem.penalty_factor),
            lower=part(problem.lower),
            upper=part(problem.upper),
        )
        return cls(problem, coef[:, used], lams, y_scale)

    def __call__(self, path: Any) -> np.ndarray:
        """df, (L,) or (L, t)."""
        del path
        with self.problem.computing(double=True):
            df = degrees_on_rows(self.problem, self.coef, self.lams, self.y_scale)
        return df[:, 0] if self.problem.flat else df


def degrees_on_rows(problem: Problem, coef: np.ndarray, lams: np.ndarray, y_scale: np.ndarray) -> np.ndarray:
    """df, (L, t); NaN if they are not asked for.

    Args:
        coef: (L, p, t). lams: (L, t). y_scale: τ, (t,).
    """
    if not problem.degrees:
        return np.full(lams.shape, np.nan, problem.X.dtype)
    problem = padded_problem(problem)
    X: Any = problem.X
    coef = np.pad(coef, ((0, 0), (0, X.shape[1] - coef.shape[1]), (0, 0)))
    most = int((coef != 0).sum(axis=1).max())
    capacity = min(1 << max(most - 1, 0).bit_length(), X.shape[1])
    given = X, problem.y, coef, lams.astype(float), np.float64(problem.l1_ratio), problem.arrays()
    df = np.array(
        _degrees(*given, np.bool_(problem.standardize), fit_intercept=problem.fit_intercept, capacity=capacity)
    )
    squares = lams * (1 - problem.l1_ratio) / y_scale
    for l, k in np.argwhere((squares > 0) & (squares < FEW_SQUARES)):
        df[l, k] = _by_singular_values(problem, coef[l, :, k], squares[l, k])
    return df


def _by_singular_values(problem: Problem, w: np.ndarray, square: Any) -> float:
    """`Σ d²/(d² + 1)` over the singular values d of `Z_I diag(l2_I)^(−1/2)`, I the coefficients inside their bounds."""
    s = problem.weights
    share = (s / s.sum())[s > 0]
    inside = w != 0
    inside &= True if problem.lower is None else w > problem.lower
    inside &= True if problem.upper is None else w < problem.upper
    X = problem.X[s > 0][:, inside].astype(float)
    about_mean = X - X[:1]
    about_mean -= share @ about_mean
    scale = np.sqrt(share @ about_mean**2) if problem.standardize else 1.0
    Z = np.sqrt(share)[:, None] * (about_mean if problem.fit_intercept else X)
    v = np.ones(X.shape[1]) if problem.penalty_factor is None else problem.penalty_factor[inside]
    d = np.linalg.svd(Z[:, v > 0] / (np.sqrt(square * v) * scale)[v > 0], compute_uv=False)
    d = np.where(d > smallest_direction(len(d), float) * d.max(initial=0.0), d, 0.0)
    return float(np.count_nonzero(v == 0) + np.sum(d**2 / (d**2 + 1)))
