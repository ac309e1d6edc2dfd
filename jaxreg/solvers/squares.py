"""Ridge and least squares from moments: one Cholesky factorisation for each λ.

In the coordinates of :mod:`~jaxreg.solvers.moment_problem`, with `l2 = λ b` and no absolute values, u solves
`M u = c` with `M = G + diag(l2)`. What F lies above its minimum is known from the gradient `−z = M u − c` that is left:

    F(u) − min F = ½ zᵀM⁻¹z + ½ (ȳ − x̄·w − b)²

because F is a quadratic with the Hessian M. It is the gap whose dual point is the minimiser's residual, and serves at
`λ = 0` and for columns without a penalty too. Columns without variance have a row of zeros in G, and the coefficient 0.
"""

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular

from jaxreg.formulas.duality import relative_gap
from jaxreg.formulas.moments import Moments
from jaxreg.solvers.active_set import penalty_at
from jaxreg.solvers.found import Found, Grid, Settings, lams_of
from jaxreg.solvers.moment_problem import as_returned, moment_problem

__all__ = ["ridge_from_moments"]

# A column of which the others leave less than this share unexplained is solved on the rows.
DEPENDENT = 1e-8


def ridge_from_moments(m: Moments, grid: Grid, settings: Settings, unit: jax.Array) -> Found:
    """Solve and certify at every λ, 0 among them.

    Args:
        m: of p columns. grid: (L, t); at `λ = 0` for any l1_ratio, else for 0. settings: without bounds. unit: by how
            much of the columns' lengths the moments may be off, ().
    """
    problem = moment_problem(m, settings)
    size, eps = problem.size, jnp.finfo(problem.gram.dtype).eps
    lams = as_returned(lams_of(grid, problem.correlation * size[:, None], settings, problem.scale), settings)
    empty = jnp.diagonal(problem.gram) == 0

    def target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        lams, c, yy, tau, y_mean, original = argument
        penalty = problem.unit_penalty(settings, tau)

        def member(lam: jax.Array) -> tuple[jax.Array, ...]:
            M = problem.gram + jnp.diag(jnp.where(empty, 1.0, penalty_at(lam, penalty).l2))
            factor = jnp.linalg.cholesky(M)
            u = cho_solve((factor, True), c)
            u = u + cho_solve((factor, True), c - M @ u)  # the rounding of the first
            w = as_returned(u / size, settings)
            b = as_returned(jnp.where(settings.fit_intercept, y_mean - problem.x_mean @ w, 0.0), settings)
            u = w * size
            z = c - M @ u
            missed = jnp.where(settings.fit_intercept, y_mean - problem.x_mean @ w, 0.0) - b
            above = 0.5 * (jnp.sum(solve_triangular(factor, z, lower=True) ** 2) + missed**2)
            spread = jnp.sqrt(yy) + jnp.sum(jnp.abs(u))
            far = jnp.abs(y_mean) + jnp.abs(b) + jnp.abs(problem.x_mean) @ jnp.abs(w)
            gap = relative_gap(above, jnp.zeros_like(above), yy, jnp.maximum(original, (spread + far) ** 2))
            noise = unit * spread**2 + (4 * eps * far) ** 2
            independent = jnp.min(jnp.diagonal(factor) ** 2 / jnp.diagonal(M)) >= DEPENDENT
            gap = jnp.where(independent, gap, jnp.inf)  # M⁻¹z would have few digits
            return w, b, gap, jnp.where(yy > 0, noise / jnp.where(yy > 0, yy, 1.0), 0.0), gap <= settings.tol

        return jax.vmap(member)(lams)

    each = lams.T, problem.correlation.T, problem.yy, problem.y_scale, problem.y_mean, problem.square
    w, b, gap, rounding, settled = (jnp.moveaxis(v, 0, -1) for v in jax.vmap(target)(each))
    n_nonzero = jnp.sum(w != 0, axis=1)
    counted = jnp.zeros_like(n_nonzero), jnp.full(gap.shape, jnp.nan, gap.dtype), n_nonzero
    judged = gap, rounding, settled
    return Found(lams, w, b, *counted, problem.scale, problem.variance, problem.y_scale, *judged)
