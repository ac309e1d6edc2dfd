"""K-fold errors of ridge: a factorisation a fold, all λs and targets at once.

The training part's moments are those of all rows less those of the fold, so that beside the held-out rows a fold costs
one p × p eigendecomposition, whatever n. Taking away loses digits where little is left: if a column keeps less than a
thousandth of its square, or a target a millionth, or if the λs are too small for AᵀA, the fold goes back to its rows.
For p > n a fold is its training rows and their n × n matrix AAᵀ.

With B the held-out rows in the coordinates of the decomposition, T the held-out targets, both about the training means,
and a(λ) as in :mod:`~jaxreg.solvers.spectrum`, the residuals are T − B a: no coefficient is formed, and no digit lost.
"""

import jax
import jax.numpy as jnp

from jaxreg.formulas.moments import Moments, moments
from jaxreg.solvers.factored_ridge import FactoredRidge, factor, factor_rows, relative_gaps
from jaxreg.solvers.spectrum import map_lams, shrink

__all__ = ["errors_from_moments", "errors_from_rows", "held_out_errors"]

LEAST_SQUARE_LEFT, LEAST_TARGET_LEFT = 1e-3, 1e-6


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
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean squared and absolute held-out errors of one fold, and the certificates of its fits, each (L, t), for n ≥ p.

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
    return *held_out_errors(factored, held_out, answers, row_weight, lams), relative_gaps(factored, lams)


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
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """:func:`errors_from_moments` for p > n: from the training rows.

    Args:
        train, train_weight: positions and weights of the training rows, filled up as ``rows`` and ``row_weight``.
    """
    factored = factor_rows(X[train], Y[train], train_weight, penalty_factor, fit_intercept, standardize, jnp.min(lams))
    return *held_out_errors(factored, X[rows], Y[rows], row_weight, lams), relative_gaps(factored, lams)


def held_out_errors(
    factored: FactoredRidge, X: jax.Array, Y: jax.Array, weight: jax.Array, lams: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Σ s (y − ŷ)² / Σs and Σ s |y − ŷ| / Σs on the rows of X (m, p) with weights (m,), each (L, t), for λs (L,)."""
    e, left, right = factored.spectrum[:3]
    root = jnp.sqrt(weight / jnp.sum(weight))[:, None]
    B = root * (((X - factored.x_mean[None, :]) / factored.size[None, :]) @ left)
    T = root * (Y - factored.y_mean[None, :])

    def one(lam: jax.Array) -> tuple[jax.Array, jax.Array]:
        residual = T - B @ shrink(right, e, lam)
        return jnp.sum(residual**2, axis=0), jnp.sum(root * jnp.abs(residual), axis=0)

    return map_lams(one, lams, max(B.shape) * T.shape[1])
