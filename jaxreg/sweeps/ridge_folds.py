"""K-fold errors of ridge: a factorisation a fold, all λs and targets at once.

The training part's moments are those of all rows less those of the fold, so that beside the held-out rows a fold costs
one p × p eigendecomposition, whatever n. Taking away loses digits where little is left: if a column keeps less than a
thousandth of its square, or a target a millionth, or if the λs are too small for AᵀA, the fold goes back to its rows.
For p > n a fold is its training rows and their n × n matrix AAᵀ.

With B the held-out rows in the coordinates of the decomposition, T the held-out targets, both about the training means,
and a(λ) as in :mod:`~jaxreg.solvers.spectrum`,

    error(λ) = Σ s (T − B a)² / Σs = (q − 2 a·N + a·Ma) / Σs,     M = BᵀSB,  N = BᵀST,  q = Σ s T²

The quadratic form is taken where a fold has more rows than a has entries; where less than a ten-thousandth of q is left
(float32: a hundredth) the rows are taken after all.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxreg.formulas.moments import Moments, moments
from jaxreg.solvers.factored_ridge import FactoredRidge, factor, factor_rows, relative_gaps
from jaxreg.solvers.spectrum import map_lams, shrink

__all__ = ["errors_from_moments", "errors_from_rows", "held_out_errors"]

LEAST_SQUARE_LEFT, LEAST_TARGET_LEFT = 1e-3, 1e-6
LEAST_ERROR_LEFT = {jnp.dtype(jnp.float64): 1e-4, jnp.dtype(jnp.float32): 1e-2}


def errors_from_moments(
    total: Moments,
    X: jax.Array,
    Y: jax.Array,
    sample_weight: jax.Array,
    rows: jax.Array,
    row_weight: jax.Array,
    penalty_factor: jax.Array | None,
    lams: jax.Array,
    *,
    fit_intercept: bool,
    standardize: bool,
) -> tuple[jax.Array, jax.Array]:
    """Held-out errors of one fold and the certificates of its fits, each (L, t), for n ≥ p.

    Args:
        total: the moments of all rows. X: (n, p), Y: (n, t). sample_weight: (n,).
        rows: the positions of the held-out rows, (m,), filled up with any others; row_weight: their weights, (m,), 0
            for those that fill up. penalty_factor: v > 0, (p,) or None. lams: (L,), above 0.
    """
    held_out, answers = X[rows], Y[rows]
    train = total - moments(held_out, answers, row_weight)

    share = train.weight / total.weight
    columns = jnp.diagonal(train.xx) >= LEAST_SQUARE_LEFT * share * jnp.diagonal(total.xx)
    targets = train.yy >= LEAST_TARGET_LEFT * share * total.yy
    enough = jnp.all(columns) & jnp.all(targets)
    weight = jnp.maximum(sample_weight.at[rows].add(-row_weight), 0.0)
    factored = factor(train, enough, X, Y, weight, penalty_factor, fit_intercept, standardize, jnp.min(lams))
    return held_out_errors(factored, held_out, answers, row_weight, lams), relative_gaps(factored, lams)


def errors_from_rows(
    X: jax.Array,
    Y: jax.Array,
    train: jax.Array,
    train_weight: jax.Array,
    rows: jax.Array,
    row_weight: jax.Array,
    penalty_factor: jax.Array | None,
    lams: jax.Array,
    *,
    fit_intercept: bool,
    standardize: bool,
) -> tuple[jax.Array, jax.Array]:
    """:func:`errors_from_moments` for p > n: from the training rows.

    Args:
        train, train_weight: positions and weights of the training rows, filled up as ``rows`` and ``row_weight``.
    """
    factored = factor_rows(X[train], Y[train], train_weight, penalty_factor, fit_intercept, standardize, jnp.min(lams))
    errors = held_out_errors(factored, X[rows], Y[rows], row_weight, lams)
    return errors, relative_gaps(factored, lams)


def held_out_errors(
    factored: FactoredRidge, X: jax.Array, Y: jax.Array, weight: jax.Array, lams: jax.Array
) -> jax.Array:
    """Σ s (y − ŷ)² / Σs on the rows of X (m, p) with weights (m,), for every λ of (L,) and target, (L, t)."""
    e, left, right = factored.spectrum[:3]
    root = jnp.sqrt(weight / jnp.sum(weight))[:, None]
    B = root * (((X - factored.x_mean[None, :]) / factored.size[None, :]) @ left)
    T = root * (Y - factored.y_mean[None, :])
    width = max(B.shape) * T.shape[1]

    def residuals(lam: jax.Array) -> jax.Array:
        return jnp.sum((T - B @ shrink(right, e, lam)) ** 2, axis=0)

    from_rows = partial(map_lams, residuals, lams, width)
    if B.shape[0] <= B.shape[1]:
        return from_rows()
    M, N, q = B.T @ B, B.T @ T, jnp.sum(T**2, axis=0)

    def quadratic(lam: jax.Array) -> jax.Array:
        a = shrink(right, e, lam)
        return q + jnp.sum(a * (M @ a - 2.0 * N), axis=0)

    error = map_lams(quadratic, lams, width)
    least = LEAST_ERROR_LEFT.get(q.dtype, 1.0)
    return jax.lax.cond(jnp.all(error >= least * q[None, :]), lambda: error, from_rows)
