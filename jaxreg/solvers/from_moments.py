"""A λ-path from moments alone: the cost of a λ does not depend on the number of rows.

With size d_j = √(xx_jj / W) and u = d w, the weighted squared error is  ½ yy − c·u + ½ uᵀGu  where

    G = xx / (W d dᵀ)      c = xy / (W d)      yy = yy / W

(:mod:`~jaxreg.solvers.reduction` makes the same problem from rows). It is solved by
:mod:`~jaxreg.solvers.homotopy` or :mod:`~jaxreg.solvers.active_set`. Whoever returns the solutions certifies them
(:mod:`jaxreg.engines.certificate`); what is said here is whether the conditions of optimality hold for G and c.
"""

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.solvers import active_set, homotopy
from jaxreg.solvers.active_round import exceeds
from jaxreg.solvers.degrees import trace_on_support
from jaxreg.solvers.found import Found, Grid, Settings, lams_of
from jaxreg.solvers.reduction import Problem, working_penalty

__all__ = ["path_from_moments", "paths_from_moments"]

# Conditions of optimality hold if they are off by at most this share of λ a_j, and of ‖ỹ‖.
RELATIVE, ABSOLUTE = 1e-10, 1e-13


def path_from_moments(total: Moments, without: Moments | None, grid: Grid, settings: Settings, by_knots: bool) -> Found:
    """Solve and count a path; one compiled program for all options but ``by_knots``.

    Args:
        total: Moments, p of :func:`jaxreg.solvers.active_set.padded` (columns of 0 fill up). without: of the rows that
            are left out, or None.
        grid: Grid, (L, t). settings: Settings of p columns.
        by_knots: static: from knot to knot, which serves the lasso alone; else by Newton steps.

    Returns:
        Found.
    """
    rho, v, lower, upper, tol, max_iter, fit_intercept, standardize, degrees = settings
    dtype = total.xx.dtype
    m = total if without is None else total - without
    variance = jnp.diagonal(m.xx) / m.weight
    scale = jnp.sqrt(jnp.where(standardize & (variance > 0), variance, 1.0))
    y_scale = jnp.sqrt(jnp.where(standardize & (m.yy > 0), m.yy / m.weight, 1.0))
    m = jax.tree.map(lambda a, b: jnp.where(fit_intercept, a, b), m, about_zero(m))
    square = jnp.diagonal(m.xx) / m.weight
    constant = square == 0
    size = jnp.sqrt(jnp.where(constant, 1.0, square))
    covariance = m.xy / m.weight
    per_size = 1.0 / size
    gram = m.xx * (per_size / m.weight)[:, None] * per_size[None, :]
    correlation, yy = covariance / size[:, None], m.yy / m.weight
    solve_path = homotopy.solve_path if by_knots else active_set.solve_path

    lams = lams_of(grid, covariance, settings, scale)

    unit_of = lambda tau: working_penalty(jnp.ones((), dtype), rho, v, scale, size, lower, upper, tau)

    def one_target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        lams, correlation, yy, tau = argument
        unit = unit_of(tau)
        problem = Problem(gram, gram, correlation, yy)
        u, n_iter = solve_path(problem, lams, grid.solved, unit, tol, max_iter)

        def holds(lam: jax.Array, u: jax.Array, product: jax.Array) -> jax.Array:
            penalty = active_set.penalty_at(lam, unit)
            z = correlation - product - penalty.l2 * u
            beyond = jnp.where(exceeds(z, penalty.l1, unit), jnp.abs(z) - penalty.l1, 0.0)
            off = jnp.where(u != 0, jnp.abs(z - penalty.l1 * jnp.sign(u)), beyond)
            within = jnp.all((u >= penalty.lower) & (u <= penalty.upper))
            return within & jnp.all(off <= RELATIVE * penalty.l1 + ABSOLUTE * jnp.sqrt(yy))

        return u, n_iter, jax.vmap(holds)(lams, u, u @ gram)

    u, *rest = jax.lax.map(one_target, (lams.T, correlation.T, yy, y_scale))
    n_iter, settled = (v.T for v in rest)
    u = jnp.moveaxis(u, 0, 2)
    n_nonzero = jnp.sum(u != 0, axis=1)
    coef = u / size[None, :, None]
    intercept = m.y_mean[None, :] - jnp.einsum("p,lpt->lt", m.x_mean, coef)
    df = n_nonzero.astype(dtype)
    if not by_knots:
        l2 = jax.vmap(lambda tau: unit_of(tau).l2, out_axes=1)(y_scale)
        df = _degrees(gram, l2, lams, jnp.where(degrees, grid.solved, 0), u, df)
    return Found(lams, coef, intercept, n_iter, df, n_nonzero, scale, variance, y_scale, settled)


def paths_from_moments(total: Moments, parts: Moments, count: jax.Array, grid: Grid, settings: Settings) -> Found:
    """:func:`path_from_moments` of a lasso without each of the first ``count``, (), of K parts, in turn.

    Parts, and what is returned, have a leading axis K.
    """
    K = len(parts.weight)
    one = lambda k: path_from_moments(total, jax.tree.map(lambda v: v[k], parts), grid, settings, by_knots=True)
    shapes = jax.eval_shape(one, jnp.zeros((), jnp.int32))
    empty = jax.tree.map(lambda v: jnp.zeros((K, *v.shape), v.dtype), shapes)
    write = lambda k, all_found: jax.tree.map(lambda a, v: a.at[k].set(v), all_found, one(k))
    return jax.lax.fori_loop(0, count, write, empty)


def _degrees(
    gram: jax.Array, l2: jax.Array, lams: jax.Array, count: jax.Array, u: jax.Array, number: jax.Array
) -> jax.Array:
    """(L, t): without squares the active columns are independent, and df is their number; else one Cholesky a λ.

    Args:
        l2: the weight of the squares at λ = 1, (p, t).
    """
    t = u.shape[2]

    def member(k: jax.Array, df: jax.Array) -> jax.Array:
        l, target = k // t, k % t
        inside = u[l, :, target] != 0
        return df.at[l, target].set(trace_on_support(gram, inside, lams[l, target] * l2[:, target]))

    number = varying_like(number, gram, l2, lams, u)
    return jax.lax.fori_loop(0, jnp.where(jnp.any(l2 > 0), count * t, 0), member, number)
