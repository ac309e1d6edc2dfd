"""FISTA with adaptive restart, finished by Newton steps on the identified support, stopped by the duality gap.

The accelerated proximal gradient method for `½ uᵀGu − c·u + Σ_j h_j(u_j)`, `G = AᵀA`:

    u⁺ = prox_{h/L}( v − (Gv − c)/L )            v: lookahead point,  L = λ_max(G)
    t⁺ = (1 + √(1 + 4t²)) / 2
    v⁺ = u⁺ + (t − 1)/t⁺ · (u⁺ − u)

Momentum that points uphill, `(v − u⁺)·(u⁺ − u) > 0`, is dropped (`t = 1`). The product `Gu⁺` is kept, so that `Gv⁺` is
a combination of products at hand: one product with G a step, and the gap costs none.

Sources: Beck and Teboulle, SIAM J. Imaging Sciences 2(1), 2009; restart: O'Donoghue and Candès, Found. Comput. Math.
15, 2015 (the gradient scheme).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.duality import Penalty, better_dual, largest_scale, penalty_free_scale, relative_gap
from jaxreg.formulas.prox import prox_elastic_net
from jaxreg.solvers.reduction import LeastSquares, curvature
from jaxreg.solvers.support import newton_on_support

__all__ = ["Info", "Iterate", "gap", "init", "largest_eigenvalue", "solve", "step"]

# The gap is looked at every so many steps.
STEPS_A_CHECK = 20
# The support is tried at these gaps in turn, then at the tolerance. At 1e-3 it is often right already.
FIRST_TARGET, TARGET_RATIO = 1e-3, 1e-2
# The bound on the largest eigenvalue is of a power of 2 to so many.
SQUARINGS = 6
# A gap within tol leaves the coefficients only at about its square root. So many tries are made to settle the support.
MOST_TRIES = 8


class Iterate(NamedTuple):
    """What the next step needs: u, Gu, v, Gv, each (p,), and t, ()."""

    coef: jax.Array
    product: jax.Array
    lookahead: jax.Array
    lookahead_product: jax.Array
    momentum: jax.Array


class Info(NamedTuple):
    """What a person wants to see: the duality gap as a share of `‖ỹ‖²`, and the proximal steps taken."""

    gap: jax.Array
    n_iter: jax.Array


def init(problem: LeastSquares, coef: jax.Array) -> Iterate:
    """The state at ``coef``, (p,), without momentum."""
    product = curvature(problem, coef)
    return Iterate(coef, product, coef, product, jnp.ones((), coef.dtype))


def step(state: Iterate, problem: LeastSquares, penalty: Penalty, largest: jax.Array) -> Iterate:
    """One accelerated proximal gradient step; ``largest`` is L, ()."""
    u, v, t = state.coef, state.lookahead, state.momentum
    slope = problem.correlation - state.lookahead_product
    new = prox_elastic_net(v + slope / largest, 1.0 / largest, *penalty)
    product = curvature(problem, new)
    uphill = jnp.dot(v - new, new - u) > 0
    t = jnp.where(uphill, 1.0, t)
    t_new = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * t**2))
    beta = (t - 1.0) / t_new
    return Iterate(new, product, new + beta * (new - u), product + beta * (product - state.product), t_new)


def gap(problem: LeastSquares, penalty: Penalty, coef: jax.Array, product: jax.Array) -> jax.Array:
    """The relative duality gap at u from u and Gu alone, ().

    `r = ỹ − Au` gives `r·r = yy − 2 c·u + u·Gu`, `ỹ·r = yy − c·u`, `Aᵀr = c − Gu`.
    """
    cu = jnp.dot(problem.correlation, coef)
    rr = jnp.maximum(problem.yy - 2.0 * cu + jnp.dot(coef, product), 0.0)
    primal = 0.5 * rr + jnp.sum(penalty.l1 * jnp.abs(coef) + 0.5 * penalty.l2 * coef**2)
    rounding = jnp.full_like(coef, 16 * jnp.finfo(coef.dtype).eps) * jnp.sqrt(problem.yy)
    # Two values of c that need no search; at the minimum one of them is the best.
    z, yr = problem.correlation - product, problem.yy - cu
    c_max = largest_scale(z, penalty, rounding)
    c_free = penalty_free_scale(yr, rr, z, penalty, c_max)
    dual = better_dual(c_max, c_free, yr, rr, z, penalty)
    outside = jnp.any((coef < penalty.lower) | (coef > penalty.upper))
    return jnp.where(outside, jnp.inf, relative_gap(primal, dual, problem.yy, problem.yy))


# With M = AᵀA, e its eigenvalues and m = 2^k,  λ_max^(2m) ≤ Σ e^(2m) = ‖M^m‖²,  Frobenius, and ‖M^m‖² ≤ p λ_max^(2m):
#
#     λ_max ≤ ‖M^m‖^(1/m) ≤ p^(1/2m) λ_max.
#
# A power method or Lanczos's would come from below, where no step is safe. k squarings, of M over its norm each time,
# are products alone, which a GPU does in no time, and a rounding of M^m counts for an m-th. A larger L costs steps:
# 1.03 times as many at p = 2,000 with k = 6.
def largest_eigenvalue(problem: LeastSquares) -> jax.Array:
    """A bound on `λ_max(AᵀA)`, (), at most `p^(1/128)` times as large; from the smaller of `AᵀA` and `AAᵀ`.

    1 where `A = 0`.
    """
    matrix = problem.rows @ problem.rows.T if problem.gram is None else problem.gram
    trace = jnp.trace(matrix)  # above every eigenvalue and every norm
    usable = jnp.isfinite(trace) & (trace > 0)
    trace = jnp.where(usable, trace, 1.0)

    def square(k: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        power, logarithm = state
        power = power @ power
        norm = jnp.sqrt(jnp.sum(power**2))
        return power / norm, logarithm + jnp.log(norm) / 2.0 ** (k + 1)

    power = matrix / trace
    norm = jnp.sqrt(jnp.sum(power**2))
    state = varying_like((power / norm, jnp.log(norm)), problem)
    _, logarithm = jax.lax.fori_loop(0, SQUARINGS, square, state)
    rounding = 8 * len(matrix) ** 0.5 * jnp.finfo(matrix.dtype).eps
    return jnp.where(usable, trace * jnp.exp(logarithm) * (1.0 + rounding), 1.0)


def solve(
    problem: LeastSquares, penalty: Penalty, largest: jax.Array, tol: jax.Array, max_iter: int | jax.Array
) -> tuple[jax.Array, Info]:
    """Minimise from `u = 0` until the gap is at most ``tol`` and the support is settled.

    Args:
        problem: one target. penalty: of (p,). largest: L, (). tol: (). max_iter: most proximal steps.

    Returns:
        u, (p,), and Info; the gap is that of this u.
    """

    def steps_until(target: jax.Array, state: Iterate, n_iter: jax.Array) -> tuple[Iterate, jax.Array, jax.Array]:
        def unfinished(carry: tuple[Iterate, jax.Array, jax.Array]) -> jax.Array:
            _, reached, n = carry
            return ~(reached <= target) & (n < max_iter)

        def burst(carry: tuple[Iterate, jax.Array, jax.Array]) -> tuple[Iterate, jax.Array, jax.Array]:
            state, _, n = carry
            count = jnp.minimum(STEPS_A_CHECK, max_iter - n)

            # A length that the compiler knows: on a GPU the host would else be asked after every step.
            def next_one(k: jax.Array, state: Iterate) -> Iterate:
                after = step(state, problem, penalty, largest)
                return jax.tree.map(lambda new, old: jnp.where(k < count, new, old), after, state)

            state = jax.lax.fori_loop(0, STEPS_A_CHECK, next_one, state)
            return state, gap(problem, penalty, state.coef, state.product), n + count

        return jax.lax.while_loop(unfinished, burst, (state, jnp.full_like(problem.yy, jnp.inf), n_iter))

    def unfinished(carry: tuple) -> jax.Array:
        _, reached, n_iter, _, settled, tries = carry
        return ~((reached <= tol) & (settled | (tries >= MOST_TRIES))) & (n_iter < max_iter)

    def attempt(carry: tuple) -> tuple:
        state, _, n_iter, target, _, tries = carry
        state, reached, n_iter = steps_until(target, state, n_iter)
        finished, settled = newton_on_support(problem, penalty, state.coef, state.product)
        polished = init(problem, finished)
        polished_gap = gap(problem, penalty, polished.coef, polished.product)
        better = polished_gap <= jnp.maximum(reached, tol)  # NaN is not better
        state = jax.tree.map(lambda a, b: jnp.where(better, a, b), polished, state)
        reached = jnp.where(better, polished_gap, reached)
        return state, reached, n_iter, jnp.maximum(TARGET_RATIO * target, tol), settled & better, tries + 1

    start = init(problem, jnp.zeros_like(problem.correlation))
    infinite = jnp.full_like(problem.yy, jnp.inf)
    first_target = jnp.maximum(jnp.asarray(FIRST_TARGET, tol.dtype), tol)
    none = jnp.zeros((), jnp.int32)
    carry = (start, infinite, none, first_target, jnp.zeros((), bool), none)
    carry = varying_like(carry, problem, penalty)
    state, reached, n_iter, *_ = jax.lax.while_loop(unfinished, attempt, carry)
    return state.coef, Info(reached, n_iter)
