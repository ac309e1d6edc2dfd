"""Newton steps on the support: once it is known which coefficients are 0 or at a bound, the rest is a linear system.

u is optimal iff it is a fixed point of the proximal map, `u = prox_h( u + c − Gu )`. The argument says for every
coordinate which piece of h it lies on: zero, a bound, or the interior with a sign. On one set of pieces the fixed point
is linear,

    u_j = 0 or the bound,                                     j fixed
    (G_II + diag(l2_I)) u_I = c_I − l1_I sign_I − G_IB u_B,   I interior, B at a bound

and solving it is a Newton step on the fixed-point equation (the semismooth Newton or primal-dual active set method,
Hintermüller, Ito and Kunisch, SIAM J. Optim. 13(3), 2002). When the pieces no longer change, u is the solution up to
rounding. It need not settle from everywhere: the caller keeps a result only if its duality gap is better.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve

from jaxreg.formulas.arrays import varying_like, widths_to, with_few
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.conjugate_gradients import conjugate_gradients
from jaxreg.solvers.reduction import LeastSquares, curvature

__all__ = ["Pieces", "corrected", "newton_on_support", "on_supports", "pieces_at"]

# From a right guess two rounds suffice; if so many do not settle, the proximal steps are not there yet. A system whose
# pieces are about to change is solved roughly; those that stood are kept, and it is solved to the end.
MOST_ROUNDS, ROUGHLY = 12, 1e-2
# Steps from u on its own support: with each, rounding leaves as many digits fewer to be corrected.
CORRECTIONS = 3
# Supports that are told apart by size besides those of :func:`widths_to`, and numbers of the matrices solved at a time.
FEW, TOGETHER = (16, 64), 2**17


class Pieces(NamedTuple):
    """For every coordinate, (p,): is it interior, with which sign, and if not, its fixed value."""

    interior: jax.Array
    sign: jax.Array
    fixed: jax.Array


def pieces_at(problem: LeastSquares, penalty: Penalty, u: jax.Array, product: jax.Array) -> Pieces:
    """The piece of h on which each coordinate of `prox_h(u + c − Gu)` lies."""
    x = u + problem.correlation - product
    # A correlation above l1 by rounding alone (at λ_max, say) does not make a coefficient.
    above = jnp.abs(x) > penalty.l1 * (1.0 + 8.0 * jnp.finfo(x.dtype).eps)
    excess = jnp.where(above, x - penalty.l1 * jnp.sign(x), 0.0) / (1.0 + penalty.l2)
    at_lower, at_upper = excess <= penalty.lower, excess >= penalty.upper
    fixed = jnp.where(at_lower, penalty.lower, jnp.where(at_upper, penalty.upper, 0.0))
    interior = ~(at_lower | at_upper | ((excess == 0) & (penalty.l1 > 0)))
    return Pieces(interior, jnp.where(interior, jnp.sign(x), 0.0), fixed)


def solve_pieces(
    problem: LeastSquares, penalty: Penalty, pieces: Pieces, u: jax.Array, fall: jax.Array | float = 0.0
) -> jax.Array:
    """The solution of the linear system on fixed pieces by conjugate gradients from u, (p,).

    Conjugate gradients need products with G alone, shared by all λ, and solve a consistent singular system (duplicate
    columns) too. ``fall``: the share of the residual at which they may stop.
    """
    inside, fixed = pieces.interior, pieces.fixed

    def matrix(direction: jax.Array) -> jax.Array:
        d = jnp.where(inside, direction, 0.0)
        return jnp.where(inside, curvature(problem, d) + penalty.l2 * d, direction)

    right = problem.correlation - penalty.l1 * pieces.sign - curvature(problem, fixed)
    start, right = jnp.where(inside, u, 0.0), jnp.where(inside, right, 0.0)
    most, tol = 2 * min(problem.rows.shape) + 20, 4 * float(jnp.finfo(u.dtype).eps)
    inverse = jnp.where(inside, 1.0 / (1.0 + penalty.l2), 1.0)
    return jnp.where(inside, conjugate_gradients(matrix, right, start, most, tol, fall, lambda r: inverse * r), fixed)


def newton_on_support(
    problem: LeastSquares, penalty: Penalty, u: jax.Array, product: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Newton steps from u until the pieces no longer change.

    Args:
        problem: one target. penalty: of (p,). u: (p,), product: Gu.

    Returns:
        The new u, (p,), and whether the pieces settled, ().
    """

    def unsettled(carry: tuple) -> jax.Array:
        *_, settled, rounds = carry
        return ~settled & (rounds < MOST_ROUNDS)

    def newton(carry: tuple) -> tuple:
        u, pieces, stood, _, rounds = carry
        u = solve_pieces(problem, penalty, pieces, u, jnp.where(stood, 0.0, ROUGHLY).astype(u.dtype))
        after = pieces_at(problem, penalty, u, curvature(problem, u))
        stands = jnp.all((after.sign == pieces.sign) & (after.fixed == pieces.fixed)) & jnp.all(jnp.isfinite(u))
        return u, after, stands, stands & stood, rounds + 1

    no = jnp.zeros((), bool)
    carry = (u, pieces_at(problem, penalty, u, product), no, no, jnp.zeros((), jnp.int32))
    u, *_, settled, _ = jax.lax.while_loop(unsettled, newton, varying_like(carry, u, problem))
    return u, settled


def corrected(gram: jax.Array, correlation: jax.Array, penalty: Penalty, u: jax.Array) -> jax.Array:
    """u solved again where it is not 0, with the signs that it has; u itself where the signs do not hold then.

    Args:
        gram: G, (p, p), correlation: c, (p,), of one target. penalty: l1, l2, (L, p), at L λs, bounds 0 or infinite.
        u: (L, p).
    """
    sign = jnp.sign(u)
    after, _ = on_supports(gram, correlation[None, :] - penalty.l1 * sign, penalty.l2, u, u != 0)
    stands = jnp.all(jnp.isfinite(after) & (after * sign >= 0), axis=1, keepdims=True)
    return jnp.where(stands, after, u)


def on_supports(
    gram: jax.Array, target: jax.Array, l2: jax.Array, u: jax.Array, inside: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The solutions of  `M x_I = target_I`,  `M = G_II + diag(l2_I)`,  at L sets I of columns, from u on; u outside I.

    Args:
        gram: G, (p, p). target, l2, u: (L, p). inside: (L, p) booleans.

    Returns:
        x, (L, p), and what `½ xᵀMx − target·x` could still fall, `½ zᵀM⁻¹z` with `z = target − Mx`, (L,).
    """
    p = u.shape[1]

    def leading(w: int) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
        def member(
            gram: jax.Array, u: jax.Array, target: jax.Array, l2: jax.Array, inside: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            index = jnp.nonzero(inside, size=w, fill_value=p)[0].astype(jnp.int32)
            at = lambda v: v.at[index].get(mode="fill", fill_value=0)
            M = gram.at[index[:, None], index[None, :]].get(mode="fill", fill_value=0)
            M = M + jnp.diag(jnp.where(index < p, at(l2), 1.0))
            factor, right, x = jnp.linalg.cholesky(M), at(target), at(u)
            for _ in range(CORRECTIONS):
                x = x + cho_solve((factor, True), right - M @ x)
            z = right - M @ x
            return u.at[index].set(x, mode="drop"), 0.5 * jnp.dot(z, cho_solve((factor, True), z))

        def solved(gram: jax.Array) -> tuple[jax.Array, jax.Array]:
            each = lambda at: member(gram, *at)
            return jax.lax.map(each, (u, target, l2, inside), batch_size=max(1, TOGETHER // w**2))

        return solved

    widths = [*(w for w in FEW if w < p), *widths_to(p)]
    return with_few(jnp.max(jnp.sum(inside, axis=1, dtype=jnp.int32)), widths, leading, gram)
