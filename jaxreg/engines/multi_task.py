"""Targets whose coefficients are penalised together, at `λ ρ > 0`: which program solves them, and their certificate.

Few columns are solved from their products (:mod:`~jaxreg.solvers.multi_task`), many inside a working set
(:mod:`~jaxreg.solvers.multi_task_columns`), whose capacity is doubled where it does not do. All is computed in float64;
what is returned is rounded to the precision of X, and certified as it is returned, from the rows.

These are host functions: NumPy arrays in, NumPy arrays out.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.padding import padded_problem
from jaxreg.data.problem import Problem
from jaxreg.formulas.multi_task import multi_task_lam_max
from jaxreg.formulas.multi_task import product as exact_product
from jaxreg.formulas.multi_task_duality import Rows, gap_on_rows, rows_of
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled
from jaxreg.solvers import multi_task, multi_task_columns
from jaxreg.solvers.multi_task import Products

__all__ = ["Together", "gaps", "lam_max", "solve"]

# Up to so many columns, and up to so many that are no more than the rows, their products are all formed.
FEW, FEW_BESIDE_ROWS = 512, 2048
# The least capacity of a working set.
LEAST_CAPACITY = 1024
# λs whose certificates are computed at a time.
AT_A_TIME = 8


class Together(NamedTuple):
    """NumPy arrays.

    Attributes:
        lams: (L,). params: coef (L, p, t), intercept (L, t). gap: relative to `Σ s ‖ỹ‖²/Σs`, (L,). n_iter: rounds,
            (L,).
    """

    lams: np.ndarray
    params: Params
    gap: np.ndarray
    n_iter: np.ndarray


def _with_intercepts(rows: Rows, coefs: jax.Array) -> Params:
    """U (L, t, p) as coefficients (L, p, t), with the intercepts that suit them best."""
    coef = coefs.transpose(0, 2, 1)
    return Params(rows.y_mean[None, :] - coefs @ rows.x_mean, coef)


def _from_products(X, Y, s, lams, count, l1_ratio, tol, max_iter, fit_intercept):
    rows = rows_of(X, Y, s, fit_intercept)
    Z, target = rows.columns, rows.target
    wide = Z.T if X.shape[0] < X.shape[1] else None
    problem = Products(exact_product(Z.T, Z), exact_product(target.T, Z), (target**2).sum(), wide)
    coefs, _, n_iter = multi_task.solve_path(problem, lams, count, l1_ratio, tol, max_iter)
    return _with_intercepts(rows, coefs), n_iter


def _from_columns(X, Y, s, lams, count, l1_ratio, tol, max_iter, fit_intercept, capacity):
    rows = rows_of(X, Y, s, fit_intercept)
    given = rows.columns.T, rows.target.T, lams, count, l1_ratio, tol, max_iter, capacity
    coefs, _, n_iter, full = multi_task_columns.solve_path(*given)
    return _with_intercepts(rows, coefs), n_iter, full


def _certificates(X, Y, s, lams, params, l1_ratio, fit_intercept):
    rows = rows_of(X, Y, s, fit_intercept)
    of = lambda given: gap_on_rows(given[1], rows, given[0] * l1_ratio, given[0] * (1.0 - l1_ratio), fit_intercept)
    return jax.lax.map(of, (lams, params), batch_size=min(AT_A_TIME, len(lams)))


_program_products = compiled(_from_products, static_argnames="fit_intercept")
_program_columns = compiled(_from_columns, static_argnames=("fit_intercept", "capacity"))
_program_gaps = compiled(_certificates, static_argnames="fit_intercept")
_program_lam_max = compiled(multi_task_lam_max, static_argnames="fit_intercept")


def _arrays(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and s in float64, small tables filled up."""
    padded = padded_problem(problem)
    return padded.X.astype(float), padded.y, padded.weights


def _filled(lams: np.ndarray) -> np.ndarray:
    """The last λ repeated, for few lengths."""
    L = len(lams)
    length = 1 if L == 1 else max(AT_A_TIME, 1 << (L - 1).bit_length())
    return np.concatenate([lams, np.repeat(lams[-1:], length - L)]).astype(float)


def solve(problem: Problem, lams: np.ndarray) -> Together:
    """The path at these λs, descending and above 0, with its certificate; ``problem.l1_ratio`` is above 0.

    Args:
        problem: dense, without factors, bounds and standardisation. lams: (L,).
    """
    (n, p), dtype = problem.X.shape, problem.X.dtype
    X, Y, s = _arrays(problem)
    L = len(lams)
    with problem.computing(double=True):
        given: Any = (_filled(lams), np.int32(L), float(problem.l1_ratio), problem.tol, np.int32(problem.max_iter))
        found, capacity = None, max(LEAST_CAPACITY, 1 << (n - 1).bit_length())
        few = p <= FEW or n >= p <= FEW_BESIDE_ROWS
        while found is None and not few and capacity < p:
            *tried, full = _program_columns(X, Y, s, *given, fit_intercept=problem.fit_intercept, capacity=capacity)
            found, capacity = None if full else tried, 2 * capacity
        if found is None:
            found = _program_products(X, Y, s, *given, fit_intercept=problem.fit_intercept)
        params, n_iter = found
        coef, b = np.asarray(params.coef)[:L, :p], np.asarray(params.intercept)[:L]
    rounded = Params(b.astype(dtype), coef.astype(dtype))
    return Together(lams, rounded, gaps(problem, lams, rounded), np.asarray(n_iter)[:L])


def gaps(problem: Problem, lams: np.ndarray, params: Params) -> np.ndarray:
    """The relative duality gaps, (L,), of parameters as they are: coef (L, p, t), intercept (L, t)."""
    X, Y, s = _arrays(problem)
    L, filled = len(lams), _filled(lams)
    more = lambda v: np.concatenate([v, np.repeat(v[-1:], len(filled) - L, axis=0)]).astype(float)
    coef = np.pad(more(params.coef), ((0, 0), (0, X.shape[1] - problem.X.shape[1]), (0, 0)))
    given = filled, Params(more(params.intercept), coef), float(problem.l1_ratio)
    with problem.computing(double=True):
        return np.asarray(_program_gaps(X, Y, s, *given, fit_intercept=problem.fit_intercept))[:L]


def lam_max(problem: Problem) -> float:
    """The smallest λ at which every coefficient is 0."""
    X, Y, s = _arrays(problem)
    with problem.computing(double=True):
        found = _program_lam_max(X, Y, float(problem.l1_ratio), fit_intercept=problem.fit_intercept, sample_weight=s)
        return float(found)
