"""Degrees of freedom of given coefficients on NumPy arrays: from Gram matrices, or, for tiny squares, from the rows."""

from functools import partial
from typing import Any

import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.engines.options import Options, arrays_of
from jaxreg.formulas.projection import smallest_direction
from jaxreg.programs import compiled
from jaxreg.solvers.degrees import degrees_of_freedom
from jaxreg.solvers.reduced import prepare

__all__ = ["FEW_SQUARES", "degrees_on_rows"]

# Below this weight of the squares, as a share of a standardised column's square, a Gram matrix cannot tell what they
# leave of a direction in which columns nearly depend on each other: its eigenvalues are known to ε of the largest.
FEW_SQUARES = 1e-8


@partial(compiled, static_argnames=("fit_intercept", "capacity"))
def _degrees(X, y, coef, lams, l1_ratio, arrays, standardize, *, fit_intercept, capacity):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    return degrees_of_freedom(data, coef, lams, l1_ratio, capacity)


def degrees_on_rows(
    a: Arguments, coef: np.ndarray, lams: np.ndarray, y_scale: np.ndarray, options: Options
) -> np.ndarray:
    """df, (L, t); NaN if they are not asked for.

    Args:
        coef: (L, p, t). lams: (L, t). y_scale: τ, (t,).
    """
    if not options.degrees:
        return np.full(lams.shape, np.nan, a.X.dtype)
    most = int((coef != 0).sum(axis=1).max())
    capacity = min(1 << max(most - 1, 0).bit_length(), *a.X.shape)
    given = a.X, a.y, coef, lams.astype(float), np.float64(options.l1_ratio), arrays_of(a)
    df = np.array(
        _degrees(*given, np.bool_(options.standardize), fit_intercept=options.fit_intercept, capacity=capacity)
    )
    squares = lams * (1 - options.l1_ratio) / y_scale
    for l, k in np.argwhere((squares > 0) & (squares < FEW_SQUARES)):
        df[l, k] = _by_singular_values(a, coef[l, :, k], squares[l, k], options)
    return df


def _by_singular_values(a: Arguments, w: np.ndarray, square: Any, options: Options) -> float:
    """Σ d²/(d² + 1) over the singular values d of Z_I diag(l2_I)^(−1/2), I the coefficients inside their bounds."""
    p = len(w)
    s = np.ones(len(a.X)) if a.sample_weight is None else a.sample_weight
    share = (s / s.sum())[s > 0]
    inside = w != 0
    inside &= True if a.lower is None else w > a.lower
    inside &= True if a.upper is None else w < a.upper
    X = a.X[s > 0][:, inside].astype(float)
    X -= X[:1]
    about_mean = X - share @ X
    scale = np.sqrt(share @ about_mean**2) if options.standardize else 1.0
    Z = np.sqrt(share)[:, None] * (about_mean if options.fit_intercept else a.X[s > 0][:, inside])
    v = (np.ones(p) if a.penalty_factor is None else a.penalty_factor)[inside]
    d = np.linalg.svd(Z[:, v > 0] / (np.sqrt(square * v) * scale)[v > 0], compute_uv=False)
    d = np.where(d > smallest_direction(len(d), float) * d.max(initial=0.0), d, 0.0)
    return float(np.count_nonzero(v == 0) + np.sum(d**2 / (d**2 + 1)))
