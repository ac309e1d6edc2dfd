"""Least squares on the supports of a path, and what lies between it and the lasso.

A lasso of support A is drawn towards 0 where it has chosen well. Least squares on A is not:

    w_LS = argmin over w with w_j = 0 outside A of  Σ s (y − Xw − b)²,        w(λ, γ) = γ ŵ(λ) + (1 − γ) w_LS,

`γ = 1` the lasso, `γ = 0` the least squares fit on its support. That of Meinshausen has a second penalty on A in the
place of γ; while no coefficient changes its sign on the way it is the same. A path has far fewer supports than λs.

**The certificate.** With `u = d w`, G and c of :mod:`~jaxreg.solvers.moment_problem` and the gradient `z = c − Gu`, the
squares of least squares on A can fall by no more than

    F(u) − min = ½ z_AᵀG_AA⁻¹z_A,

what a Newton step gains. It is 0 to rounding, and reported as a share of `Σ s ỹ²/Σs`, as duality gaps are.

Sources: Meinshausen, *Computational Statistics & Data Analysis* 52, 2007; Hastie, Tibshirani and Tibshirani,
*Statistical Science* 35, 2020.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import relative_gap
from jaxreg.formulas.moments import Moments
from jaxreg.solvers.found import Settings
from jaxreg.solvers.moment_problem import moment_problem
from jaxreg.solvers.support import on_supports

__all__ = ["Refit", "least_squares_on"]


class Refit(NamedTuple):
    """At D supports: coef (D, p), intercept (D,), and the relative gap with what rounding may add to it, (D,)."""

    coef: Any
    intercept: Any
    gap: Any


def least_squares_on(m: Moments, asked: Settings, inside: jax.Array, unit: jax.Array) -> Refit:
    """Least squares of one target on D sets of columns; NaN where columns of one depend on each other.

    Args:
        m: of p columns. inside: (D, p) booleans. unit: by how much of the columns' lengths the moments may be off, ().
    """
    problem = moment_problem(m, asked)
    G, c, yy = problem.gram, problem.correlation[:, 0], problem.yy[0]
    none = jnp.zeros(inside.shape, G.dtype)
    u, excess = on_supports(G, jnp.broadcast_to(c, inside.shape), none, none, inside)
    spread = jnp.sqrt(yy) + jnp.sum(jnp.abs(u), axis=1)
    gap = relative_gap(excess, jnp.zeros_like(excess), yy, problem.square[0], unit * spread**2)
    coef = u / problem.size[None, :]
    intercept = jnp.where(asked.fit_intercept, problem.y_mean[0] - coef @ problem.x_mean, 0.0)
    return Refit(coef, intercept, gap)
