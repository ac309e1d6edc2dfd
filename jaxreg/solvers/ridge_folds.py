"""K-fold errors of ridge: a factorisation a fold, all λs and targets at once.

The training part's moments are those of all rows less those of the fold, so that beside the held-out rows a fold costs
one `p × p` eigendecomposition, whatever n. Taking away loses digits where little is left
(:func:`jaxreg.formulas.moments.lost`): then, and if the λs are too small for `AᵀA`, the fold goes back to its rows. For
`p > n` a fold is its training rows and their `n × n` matrix `AAᵀ`.

With B the held-out rows in the coordinates of the decomposition, T the held-out targets, both about the training means,
and `a(λ)` as in :mod:`~jaxreg.solvers.spectrum`, the residuals are `T − B a`: no coefficient is formed, and no digit
lost.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.moments import Moments, lost
from jaxreg.solvers.factored_ridge import FactoredRidge, factor_rows, relative_gaps, spectral_lams
from jaxreg.solvers.spectrum import map_lams, products

__all__ = ["errors_from_rows", "errors_in_coordinates", "held_out_errors", "training_moments"]

# Of the digits of the moments of all rows, so many may be lost by taking rows away.
MOST_LOST = 1e3


def training_moments(total: Moments, part: Moments) -> tuple[Moments, Any]:
    """The moments of all rows less those of a part, and whether enough digits are left, (); of NumPy or JAX arrays."""
    train = total - part
    return train, lost(total, part, train) <= MOST_LOST


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
    """Mean squared and absolute held-out errors of one fold, and the certificates of its fits, each (L, t).

    Args:
        X: (n, p), Y: (n, t). train, train_weight: positions and weights of the training rows, filled up with any others
            of weight 0. rows, row_weight: of those held out, (m,). penalty_factor: `v > 0`, (p,) or None. lams: (L,),
            above 0.
    """
    factored = factor_rows(X[train], Y[train], train_weight, penalty_factor, fit_intercept, standardize, jnp.min(lams))
    share = row_weight / jnp.sum(row_weight)
    return *held_out_errors(factored, X[rows], Y[rows], share, lams), relative_gaps(factored, lams)


def held_out_errors(
    factored: FactoredRidge, X: jax.Array, Y: jax.Array, share: jax.Array, lams: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """What some rows X (m, p), with shares `s/Σs` (m,), add to the mean of `(y − ŷ)²` and of `|y − ŷ|`, each (L, t)."""
    rows = ((X - factored.x_mean[None, :]) / factored.size[None, :]) @ factored.spectrum.left
    return errors_in_coordinates(factored, rows, Y, share, lams)


def errors_in_coordinates(
    factored: FactoredRidge, rows: jax.Array, Y: jax.Array, share: jax.Array, lams: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The same of rows in the coordinates of the decomposition, (m, k)."""
    e, _, right = factored.spectrum[:3]
    root = jnp.sqrt(share)[:, None]
    B, T = root * rows, root * (Y - factored.y_mean[None, :])

    def one(lam: jax.Array) -> tuple[jax.Array, jax.Array]:
        residual = T - products(B, right, e, lam)
        return jnp.sum(residual**2, axis=0), jnp.sum(root * jnp.abs(residual), axis=0)

    of_targets = spectral_lams(factored, lams)
    return map_lams(one, of_targets, (B.shape[0] if of_targets.shape[1] == 1 else max(B.shape)) * T.shape[1])
