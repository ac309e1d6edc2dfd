"""Ridge for `p > n`: the `n × n` matrix `AAᵀ` from blocks of columns, so that X is nowhere copied or centred whole.

In weighted rows `A = √(s/Σs) (X − x̄)/d`, block by block

    AAᵀ = Σ_b A_b A_bᵀ = U diag(e) Uᵀ,     u(λ) = AᵀU a(λ),     a(λ) = Uᵀỹ / (e + λ)

(:mod:`~jaxreg.solvers.spectrum`). The coefficients of all rows need `AᵀU`, which is the one copy of X's size. A fold
needs none: rows that it holds out, `B = √(s/Σs) (X − x̄)/d` of them, are predicted by `(BAᵀ) U a`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.row_blocks import aligned_zeros, slices
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import standard_deviation, weighted_mean
from jaxreg.programs import compiled
from jaxreg.solvers.factored_ridge import FactoredRidge, relative_gaps
from jaxreg.solvers.grid import grid_start
from jaxreg.solvers.ridge_folds import errors_in_coordinates
from jaxreg.solvers.spectrum import coefficients, is_accurate, spectrum_of_kernel

__all__ = ["Centring", "Kernel", "dual_of", "factor", "fold_errors", "kernel_of", "largest_lam"]

# Numbers of a block of columns.
NUMBERS = 2**19

_static = partial(compiled, static_argnames=("fit_intercept", "standardize"))


@_static
def _factored(K, Y, s, x_mean, size, scale, smallest_lam, *, fit_intercept, standardize):
    """The factored problem with U in the place of `AᵀU`, and whether it is accurate enough."""
    y_scale = standard_deviation(Y, s) if standardize else jax.numpy.ones((1,), Y.dtype)
    targets = weighted_rows(Y, s, fit_intercept)
    y_mean = weighted_mean(Y, s) if fit_intercept else jax.numpy.zeros(Y.shape[1:], Y.dtype)
    spectrum = spectrum_of_kernel(K, targets)
    squares = jax.numpy.sum(targets**2, axis=0), weighted_mean(Y**2, s)
    factored = FactoredRidge(spectrum, x_mean, y_mean, size, scale, y_scale, *squares)
    return factored, is_accurate(spectrum.e, smallest_lam / jax.numpy.max(y_scale))


@compiled
def _errors(factored, products, Y, share, lams):
    errors = errors_in_coordinates(factored, products @ factored.spectrum.left, Y, share, lams)
    return *errors, relative_gaps(factored, lams)


@compiled
def _dual(factored, lam):
    return coefficients(factored.spectrum, lam / factored.y_scale)


_start = compiled(lambda covariance, v, scale: grid_start(covariance, jax.numpy.zeros(()), v, scale, None, None))


class Kernel(NamedTuple):
    """Of some rows.

    Attributes:
        matrix: `AAᵀ`, (n, n). products: of other rows, `BAᵀ` without their weights, (m, n). x_mean: `x̄`, or 0
            without an intercept, scale: σ, size: d, (p,).
    """

    matrix: np.ndarray
    products: np.ndarray
    x_mean: np.ndarray
    scale: np.ndarray
    size: np.ndarray


class Centring(NamedTuple):
    """What is minimised: `v > 0`, (p,) or None; whether an intercept is fitted, and whether σ and τ scale."""

    v: np.ndarray | None
    fit_intercept: bool
    standardize: bool


def kernel_of(X: np.ndarray, weight: np.ndarray, how: Centring, rows: np.ndarray | None, others: np.ndarray) -> Kernel:
    """Read once, block by block of columns.

    Args:
        X: (N, p). rows: positions, (n,), or None for all. weight: (n,), of these rows. others: positions of other rows,
            (m,).
    """
    p, share = X.shape[1], weight / weight.sum()
    root, first, positive = np.sqrt(share)[:, None], int(np.argmax(share > 0)), share > 0
    v = np.ones(p) if how.v is None else how.v
    x_mean, scale, size = np.zeros(p), np.ones(p), np.ones(p)
    matrix, products = np.zeros((len(share), len(share))), np.zeros((len(others), len(share)))
    with np.errstate(all="ignore"):
        for some in slices(p, None, max(1, NUMBERS // len(share))):
            A = np.array(X[:, some] if rows is None else X[rows, some], dtype=float)
            start = A[first].copy()
            A -= start  # of a constant column nothing is left
            mean = share @ A
            A -= mean
            if how.standardize:
                scale[some] = _deviations(A[positive], share[positive])
            mean += start
            if how.fit_intercept:
                x_mean[some] = mean
            else:
                A += mean
            size[some] = scale[some] * np.sqrt(v[some])
            A *= root
            A /= size[some]
            matrix += A @ A.T
            if len(others):
                products += ((X[others, some] - x_mean[some]) / size[some]) @ A.T
    return Kernel(matrix, products, x_mean, scale, size)


def _deviations(A: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Standard deviations of centred columns, 1 for those that are 0; squares stay in range."""
    largest = np.abs(A).max(axis=0)
    divisor = np.where(largest > 0, largest, 1.0)
    return np.where(largest > 0, divisor * np.sqrt(share @ (A / divisor) ** 2), 1.0)


def largest_lam(kernel: Kernel, X: np.ndarray, Y: np.ndarray, weight: np.ndarray, how: Centring) -> float:
    """Where an automatic grid begins: from `x_jᵀ S y/Σs` of all columns and targets, a block of columns at a time."""
    share, p = weight / weight.sum(), X.shape[1]
    targets = share[:, None] * (Y - share @ Y if how.fit_intercept else Y)
    v, largest = np.ones(p) if how.v is None else how.v, np.zeros((p, 1))
    with np.errstate(all="ignore"):
        for some in slices(p, None, max(1, NUMBERS // max(X.shape[0], Y.shape[1]))):
            covariance = (X[:, some] - kernel.x_mean[some]).T @ targets
            largest[some] = np.abs(covariance).max(axis=1, keepdims=True)
    return float(_start(largest, v, kernel.scale))


def factor(
    kernel: Kernel, X: np.ndarray, Y: Any, weight: np.ndarray, how: Centring, smallest_lam: Any
) -> FactoredRidge | None:
    """All rows, with `AᵀU`; None where that is not accurate enough for this λ."""
    factored, accurate = _factored_of(kernel, Y, weight, how, smallest_lam)
    if not accurate:
        return None
    n, p = X.shape
    U = np.sqrt(weight / weight.sum())[:, None] * np.asarray(factored.spectrum.left)
    left, positive = aligned_zeros(p, n), weight > 0
    for some in slices(p, None, max(1, NUMBERS // n)):
        block = X[:, some] - kernel.x_mean[some]
        if how.fit_intercept:
            weighted = X[positive, some]
            block[:, np.all(weighted == weighted[:1], axis=0)] = 0.0
        np.matmul(block.T, U, out=left[some])
        left[some] /= kernel.size[some, None]
    return factored._replace(spectrum=factored.spectrum._replace(left=jax.device_put(left)))


def fold_errors(
    kernel: Kernel,
    Y: np.ndarray,
    weight: np.ndarray,
    how: Centring,
    held_out: tuple[np.ndarray, ...],
    lams: np.ndarray,
    enough: float,
) -> tuple[np.ndarray, ...] | None:
    """Mean squared and absolute errors, and gaps, (L, t) each; None where that is not accurate enough.

    Args:
        Y, weight: of the training rows. held_out: Y and `s/Σs` of the others. enough: gaps that will do in any case.
    """
    factored, accurate = _factored_of(kernel, Y, weight, how, lams.min())
    if not (accurate or enough > 0):
        return None
    found = tuple(map(np.asarray, _errors(factored, kernel.products, *held_out, lams)))
    return found if accurate or np.all(found[-1] <= enough) else None


def dual_of(kernel: Kernel, Y: np.ndarray, weight: np.ndarray, how: Centring, lam: np.ndarray) -> np.ndarray:
    """`(AAᵀ + λI)⁻¹ ỹ`, (n, t), for one λ a target, (t,)."""
    factored, _ = _factored_of(kernel, Y, weight, how, lam.min())
    return np.asarray(_dual(factored, lam))


def _factored_of(kernel: Kernel, Y: Any, weight: np.ndarray, how: Centring, smallest_lam: Any) -> tuple[Any, Any]:
    columns = kernel.x_mean, kernel.size, kernel.scale
    return _factored(
        kernel.matrix, Y, weight, *columns, smallest_lam, fit_intercept=how.fit_intercept, standardize=how.standardize
    )
