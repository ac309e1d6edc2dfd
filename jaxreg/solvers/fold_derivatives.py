"""Derivatives of the errors of all folds where rows or their weights move: by products of one table for all of them."""

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import without_columns
from jaxreg.formulas.objective import Params
from jaxreg.formulas.scaling import standard_deviation
from jaxreg.solvers.fold_moments import KEPT_BYTES, Kept, rest_of, weights_of
from jaxreg.solvers.found import Arrays, Asked
from jaxreg.solvers.implicit import solutions
from jaxreg.solvers.moments_in_blocks import moments_of_folds
from jaxreg.solvers.products import products_of, scales_of
from jaxreg.solvers.reduction import Data

__all__ = ["errors_from_rows"]


def errors_from_rows(
    asked: Asked, a: Arrays, held_out: jax.Array, found: Params, lams: jax.Array, kept: Kept
) -> jax.Array:
    """The mean squared errors of all folds, (K, L, t), with the derivatives of their solutions, by products of one
    table with the residuals of all of them; ``found``: coef (K, L, p, t)."""
    train, test = weights_of(a, held_out)
    still, (n, p) = jax.lax.stop_gradient(a), a.X.shape
    known = None
    if kept is None and n >= p and held_out.shape[0] * p * p * a.X.dtype.itemsize <= KEPT_BYTES:
        kept = moments_of_folds(without_columns(still.X, a.penalty_factor)[0], still.Y, still.sample_weight, held_out)
    if kept is not None:
        rest = lambda fold: rest_of(kept[0], fold[1], still._replace(sample_weight=fold[0])).moments
        known = jax.lax.map(rest, (jax.lax.stop_gradient(train), kept[1]))
    share, shared = (s / jnp.sum(s, axis=1, keepdims=True) for s in (train, test))
    ones = jnp.ones((p,), a.X.dtype)
    data = Data(
        a.X, a.Y, None, without_columns(a.X, a.penalty_factor)[1], a.lower, a.upper, ones, None, asked.fit_intercept
    )
    products = products_of(data, share, known, None if kept is None else kept[0].x_mean)
    sigma, tau = jnp.ones_like(products.square), jnp.ones((len(held_out), a.Y.shape[1]), a.X.dtype)
    if asked.standardize:
        sigma, tau = scales_of(products, known), jax.lax.map(lambda s: standard_deviation(a.Y, s), train)

    def error(_: jax.Array, residual: jax.Array) -> jax.Array:
        return jnp.einsum("kn,lkn->lk", shared, products.about_mean(residual) ** 2)

    coef = jnp.moveaxis(jax.lax.stop_gradient(found.coef), 0, 1)
    errors = solutions(products, data, lams, a.l1_ratio, coef, (sigma, tau), error)
    return jnp.moveaxis(errors, 1, 0)
