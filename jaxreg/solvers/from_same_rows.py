"""Lassos' paths of many weightings of the same rows in lockstep, where there are more columns than rows.

A Gram matrix of its own for each member would be larger than the table. The members' tableaus are known from the rows
(:mod:`~jaxreg.solvers.lockstep_tables`), and so are the products of all residuals that their certificates ask for:

    r = (y − ȳ) − (X − x̄) w,       z_j = ⟨x̂_j, r⟩,       rr = ⟨r, r⟩

two products of X with as many columns as there are members and λs.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.moments import Moments
from jaxreg.solvers.divided import over_members
from jaxreg.solvers.found import Found, Grid, Settings
from jaxreg.solvers.from_moments import each_in_cache, found_from, posed
from jaxreg.solvers.lockstep import solve_paths
from jaxreg.solvers.lockstep_tables import same_rows
from jaxreg.solvers.moment_problem import MomentProblem, Products, as_returned
from jaxreg.solvers.weighted_moments import squares_of_weights

__all__ = ["paths_of_weights_on_rows"]


def paths_of_weights_on_rows(
    X: jax.Array,
    y: jax.Array,
    weights: jax.Array,
    factors: jax.Array,
    count: jax.Array,
    grid: Grid,
    settings: Settings,
    unit: ArrayLike,
    most: int,
) -> Found:
    """:func:`~jaxreg.solvers.from_many_moments.paths_of_weights` of one target, on the rows themselves.

    Args:
        X: (n, p). y: (n, 1). weights: (B, n). factors: (B, p). count: (). grid: Grid, (L, 1). unit: by how much of the
            columns' lengths sums of products may be off, ().
        most: static, rows that have weight in a member.

    Returns:
        Found, with a leading axis B.
    """
    (n, p), B, L = X.shape, len(weights), len(grid.lams)
    own = lambda factors: settings._replace(penalty_factor=factors)
    m, times = squares_of_weights(X, y, weights)

    def pose(m: Moments, factors: jax.Array) -> tuple[MomentProblem, jax.Array, Penalty]:
        problem, lams = posed(m, grid, own(factors))
        return problem, lams, problem.unit_penalty(own(factors), problem.y_scale[0])

    problem, lams, penalty = jax.vmap(pose)(m, factors)
    centred = lambda values: jnp.where(settings.fit_intercept, values, 0.0)
    origin = centred(jnp.mean(X, axis=0))
    Z, mean = X - origin[None, :], centred(m.x_mean - origin[None, :])
    share = weights / jnp.where(m.weight > 0, m.weight, 1.0)[:, None]
    end = jnp.where(jnp.arange(B, dtype=jnp.int32) < count, grid.solved, 0)

    def solve(members: Any, Z: jax.Array) -> tuple[jax.Array, jax.Array]:
        share, mean, size, *asked = members
        return solve_paths(same_rows(Z, share, mean, size, most), *asked)

    asked = problem.correlation[:, :, 0], lams[:, :, 0], end, penalty
    u, n_iter = over_members(solve, (share, mean, problem.size, *asked), Z)

    def products(coef: jax.Array) -> Products:
        """Of coef, (B, L, p)."""
        fitted = (coef.reshape(B * L, p) @ Z.T).reshape(B, L, n) - jnp.einsum("blp,bp->bl", coef, mean)[:, :, None]
        r = (y[None, :, 0] - centred(m.y_mean))[:, None, :] - fitted
        weighted = share[:, None, :] * r
        z = (weighted.reshape(B * L, n) @ Z).reshape(B, L, p)
        z = (z - jnp.sum(weighted, axis=2)[:, :, None] * mean[:, None, :]) / problem.size[:, None, :]
        return Products(z[..., None], jnp.sum(weighted * r, axis=2)[..., None])

    coef = as_returned(u / problem.size[:, None, :], settings)
    finish = lambda problem, factors, lams, u, n_iter, unit, products: found_from(
        problem, own(factors), lams, u, n_iter, unit, None, products
    )
    found = problem, factors, lams, u[:, None], n_iter[:, None], unit * times, products(coef)
    return each_in_cache(finish, *found)
