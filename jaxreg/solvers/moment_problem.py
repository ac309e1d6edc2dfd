"""The problem that moments pose, its duality gap, and what rounding may make of it.

With size `d_j = √(xx_jj / W)` and `u = d w`, the weighted squared error is `½ yy − c·u + ½ uᵀGu` where

    G = xx / (W d dᵀ)      c = xy / (W d)      yy = yy / W

about the means where an intercept is fitted, else about 0 (:mod:`~jaxreg.solvers.reduction` makes the same problem from
rows). With `z = c − G u`,

    r·r = yy − u·(c + z),      ỹ·r = yy − c·u,      F = ½ r·r + ½ (ȳ − x̄·w − b)² + Σ_j h_j(u_j)

Moments are known to a ``unit`` of the columns' lengths, so that these numbers may be off by

    rounding = unit · ( ‖ỹ‖ + Σ_j |u_j| )²  +  ( 4ε ( |ȳ| + |b| + Σ_j |w_j x̄_j| ) )²
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty, better_dual, largest_scale, penalty_free_scale, relative_gap
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params
from jaxreg.solvers.active_round import exceeds
from jaxreg.solvers.active_set import penalty_at
from jaxreg.solvers.found import Settings
from jaxreg.solvers.reduction import working_penalty

__all__ = ["Judgement", "MomentProblem", "Products", "as_returned", "judge", "moment_problem", "unit_of"]

# Conditions of optimality hold if they are off by at most this share of λ a_j, and of ‖ỹ‖; or, where the parameters are
# rounded to float32, of ‖ỹ‖ + Σ|u_j|.
RELATIVE, ABSOLUTE, OF_SINGLE = 1e-10, 1e-13, 1e-6


class MomentProblem(NamedTuple):
    """G, c and yy of every target, and what leads back to the rows.

    Attributes:
        gram: G, (p, p), or None where it is not known. correlation: c, (p, t). yy: (t,). size: d, scale: σ, (p,).
        y_scale: τ, (t,).
        variance, x_mean, (p,), y_mean, square: `Σ s y² / Σs`, (t,): of the columns and targets as they are.
    """

    gram: Any
    correlation: jax.Array
    yy: jax.Array
    size: jax.Array
    scale: jax.Array
    variance: jax.Array
    y_scale: jax.Array
    x_mean: jax.Array
    y_mean: jax.Array
    square: jax.Array

    def unit_penalty(self, settings: Settings, tau: jax.Array) -> Penalty:
        """The penalty on u at `λ = 1`, for a target of this τ, ()."""
        rho, v, lower, upper, *_ = settings
        return working_penalty(jnp.ones_like(tau), rho, v, self.scale, self.size, lower, upper, tau)


def moment_problem(m: Moments, settings: Settings) -> MomentProblem:
    """From moments about the means; columns of 0 may fill up. Of the diagonal of xx alone, without a Gram matrix."""
    standardize, fit_intercept = settings.standardize, settings.fit_intercept
    squares_of = lambda xx: xx if xx.ndim == 1 else jnp.diagonal(xx)
    variance = squares_of(m.xx) / m.weight
    scale = jnp.sqrt(jnp.where(standardize & (variance > 0), variance, 1.0))
    y_scale = jnp.sqrt(jnp.where(standardize & (m.yy > 0), m.yy / m.weight, 1.0))
    means, original = (m.x_mean, m.y_mean), m.yy / m.weight + m.y_mean**2
    m = jax.tree.map(lambda a, b: jnp.where(fit_intercept, a, b), m, about_zero(m))
    square = squares_of(m.xx) / m.weight
    size = jnp.sqrt(jnp.where(square == 0, 1.0, square))
    gram = None if m.xx.ndim == 1 else m.xx * (1.0 / size / m.weight)[:, None] * (1.0 / size)[None, :]
    correlation = m.xy / m.weight / size[:, None]
    return MomentProblem(gram, correlation, m.yy / m.weight, size, scale, variance, y_scale, *means, original)


def as_returned(values: jax.Array, settings: Settings) -> jax.Array:
    """Rounded to float32, if the caller's numbers are."""
    return jnp.where(settings.single, jax.lax.reduce_precision(values, 8, 23), values)


def unit_of(n: int, dtype: Any) -> float:
    """By how much of the columns' lengths moments of n rows may be off: their sums of products gather some `√n ε`."""
    return (8.0 + n**0.5 / 8.0) * float(jnp.finfo(dtype).eps)


class Judgement(NamedTuple):
    """The gap and what rounding may make of it, as shares of `Σ s ỹ²/Σs`, and whether the conditions of optimality hold
    up to rounding, each (L, t)."""

    gap: jax.Array
    rounding: jax.Array
    settled: jax.Array


class Products(NamedTuple):
    """What the rows say of a residual r: `z_j = ⟨x_j, r⟩ / d_j`, (L, p, t), and `r·r`, (L, t), both about the means."""

    z: jax.Array
    rr: jax.Array


def judge(
    problem: MomentProblem,
    settings: Settings,
    lams: jax.Array,
    params: Params,
    u: jax.Array,
    unit: Any,
    products: Products | None = None,
) -> Judgement:
    """What moments say about parameters.

    Args:
        lams: (L, t) > 0; all columns are penalised. params: coef (L, p, t), intercept (L, t). u: d w, (L, p, t).
        unit: by how much of the columns' lengths the moments may be off. products: from the rows; then the problem
            needs no Gram matrix.
    """
    eps = jnp.finfo(lams.dtype).eps

    def target(argument: tuple[Any, ...]) -> tuple[jax.Array, ...]:
        lams, W, U, b, c, yy, tau, y_mean, square, products = argument
        penalty_of_one = problem.unit_penalty(settings, tau)
        if products is None:
            Z = c[None, :] - U @ problem.gram
            RR = jnp.maximum(yy - jnp.sum(U * (c[None, :] + Z), axis=1), 0.0)
        else:
            Z, RR = products

        def member(lam: Any, w: Any, u: Any, b: Any, z: Any, rr: Any) -> tuple[jax.Array, ...]:
            penalty = penalty_at(lam, penalty_of_one)
            yr = yy - jnp.dot(u, c)
            missed = jnp.where(settings.fit_intercept, y_mean - jnp.dot(problem.x_mean, w), 0.0) - b
            inside = jnp.all((u >= penalty.lower) & (u <= penalty.upper))
            primal = 0.5 * (rr + missed**2) + jnp.sum(penalty.l1 * jnp.abs(u) + 0.5 * penalty.l2 * u**2)
            c_max = largest_scale(z, penalty)
            # Two values of c that need no search; at the minimum one of them is the best.
            dual = better_dual(c_max, penalty_free_scale(yr, rr, z, penalty, c_max), yr, rr, z, penalty)
            spread = jnp.sqrt(yy) + jnp.sum(jnp.abs(u))
            far = jnp.abs(y_mean) + jnp.abs(b) + jnp.dot(jnp.abs(problem.x_mean), jnp.abs(w))
            gap = relative_gap(jnp.where(inside, primal, jnp.inf), dual, yy, jnp.maximum(square, (spread + far) ** 2))
            noise = unit * spread**2 + (4 * eps * far) ** 2
            # Inside a sign, z_j = l1_j s_j + l2_j u_j; at 0, z_j is not beyond l1_j on a side that the bounds allow.
            slope = z - penalty.l2 * u
            beyond = jnp.where(exceeds(slope, penalty.l1, penalty), jnp.abs(slope) - penalty.l1, 0.0)
            off = jnp.where(u != 0, jnp.abs(slope - penalty.l1 * jnp.sign(u)), beyond)
            enough = jnp.where(settings.single, OF_SINGLE * spread, ABSOLUTE * jnp.sqrt(yy))
            settled = inside & jnp.all(off <= RELATIVE * penalty.l1 + enough)
            return gap, jnp.where(yy > 0, noise / jnp.where(yy > 0, yy, 1.0), 0.0), settled

        return jax.vmap(member)(lams, W, U, b, Z, RR)

    by_target = lambda a: jnp.moveaxis(a, -1, 0)
    last = lams, params.coef, u, params.intercept, problem.correlation, problem.yy, problem.y_scale
    each = (*map(by_target, last), problem.y_mean, problem.square, jax.tree.map(by_target, products))
    return Judgement(*(v.T for v in jax.lax.map(target, each)))
