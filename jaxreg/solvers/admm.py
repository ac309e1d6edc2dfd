"""All elastic nets of a grid at once by the alternating direction method of multipliers, finished by Newton steps.

In the coordinates of :mod:`~jaxreg.solvers.reduction`, `½ uᵀGu − c·u + Σ_j h_j(z_j)` is minimised with `u = z`. With
the scaled multiplier y and the over-relaxation α,

    u ← (G + ϱ I)⁻¹ ( c + ϱ (z − y) )
    v ← α u + (1 − α) z
    z ← prox_{h/ϱ}( v + y )
    y ← y + v − z

A step is one product of a matrix that is factored once with as many columns as there are λs and targets: on an
accelerator it takes the time of a few launches, and unlike steps of the proximal gradient it is as good where G is
badly conditioned. The best ϱ falls with λ, so there are a few of them, each with its inverse, and a member takes the
one that its λ asks for. With more columns than rows, `G = AᵀA`, the inverse is one of n rows and columns (Woodbury):

    (AᵀA + ϱ I)⁻¹ q = ( q − Aᵀ (AAᵀ + ϱ I)⁻¹ A q ) / ϱ

z is exactly 0, or at its bound, where the proximal map has put it: at a small gap its pieces are those of the solution,
and Newton steps (:mod:`~jaxreg.solvers.support`) end at rounding error.

Source: Boyd, Parikh, Chu, Peleato and Eckstein, *Foundations and Trends in Machine Learning* 3(1), 2011, sections 3.1.1
(scaled form) and 3.4.3 (over-relaxation).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.prox import prox_elastic_net
from jaxreg.solvers.fista import FIRST_TARGET, MOST_TRIES, TARGET_RATIO, gap
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.support import newton_on_support

__all__ = ["solve_all"]

# The over-relaxation: between 1.5 and 1.8 in the source.
ALPHA = 1.7
# ϱ where λ is at least this share of the largest. By benchmarks/steps.py, elastic nets of eight tables take 20
# to 90 steps so, 10 to 1,270 with ϱ = 1 throughout, and 20 to 2,600 by proximal gradients.
LADDER = ((0.25, 3.0), (0.04, 1.0), (0.006, 0.3), (0.001, 0.1), (0.0, 0.03))
# The gap is looked at every so many steps.
STEPS_A_CHECK = 10


class Iterate(NamedTuple):
    """z and y, (M, p)."""

    z: jax.Array
    y: jax.Array


def solve_all(
    problem: LeastSquares,
    penalty: Penalty,
    share: jax.Array,
    tol: jax.Array,
    most: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The minimisers of M members.

    Args:
        problem: A, and G or None, of columns of length 1; correlation: c, (M, p), yy: `‖ỹ‖²`, (M,). penalty: each
            (M, p).
        share: λ over the largest of its grid, (M,). tol: the gap to reach, (). most: steps of each member, (M,); 0
            where none is wanted.

    Returns:
        u, (M, p), and the steps taken, (M,).
    """
    rows, gram, correlation, yy = problem
    matrix = rows @ rows.T if gram is None else gram
    ratios, values = (jnp.array(v, matrix.dtype) for v in zip(*LADDER, strict=True))
    which = jnp.argmax(share[:, None] >= ratios[None, :], axis=1)
    rho, eye = values[which][:, None], jnp.eye(len(matrix), dtype=matrix.dtype)
    inverses = jnp.concatenate([cho_solve(cho_factor(matrix + value * eye), eye) for _, value in LADDER], axis=1)

    def by_own(q: jax.Array) -> jax.Array:
        """With all inverses by one product, of which a member takes its own."""
        of_all = (q @ inverses).reshape(*share.shape, len(LADDER), -1)
        return jnp.take_along_axis(of_all, which[:, None, None], axis=1)[:, 0]

    solved = by_own if gram is not None else lambda q: (q - by_own(q @ rows.T) @ rows) / rho
    product = lambda u: (u @ rows.T) @ rows if gram is None else u @ gram

    def step(_: jax.Array, now: Iterate) -> Iterate:
        u = solved(correlation + rho * (now.z - now.y))
        v = ALPHA * u + (1.0 - ALPHA) * now.z
        z = prox_elastic_net(v + now.y, 1.0 / rho, *penalty)
        return Iterate(z, now.y + v - z)

    of_one = lambda c, yy: problem._replace(correlation=c, yy=yy)
    gaps = jax.vmap(lambda c, yy, penalty, u, product: gap(of_one(c, yy), penalty, u, product))
    newton = jax.vmap(lambda c, yy, penalty, u, product: newton_on_support(of_one(c, yy), penalty, u, product))
    gap_of = lambda u: gaps(correlation, yy, penalty, u, product(u))

    def steps_until(target: jax.Array, now: Iterate, done: jax.Array, n: jax.Array) -> tuple[Iterate, jax.Array]:
        def unfinished(carry: tuple[Iterate, jax.Array, jax.Array]) -> jax.Array:
            _, reached, n = carry
            return jnp.any(~(reached <= target) & ~done & (n < most))

        def burst(carry: tuple[Iterate, jax.Array, jax.Array]) -> tuple[Iterate, jax.Array, jax.Array]:
            now, _, n = carry
            now = jax.lax.fori_loop(0, STEPS_A_CHECK, step, now)
            return now, gap_of(now.z), n + STEPS_A_CHECK

        now, _, n = jax.lax.while_loop(unfinished, burst, (now, jnp.full_like(yy, jnp.inf), n))
        return now, n

    def attempt(carry: tuple) -> tuple:
        now, best, best_gap, taken, n, target, done, tries = carry
        now, n = steps_until(target, now, done, n)
        polished, settled = newton(correlation, yy, penalty, now.z, product(now.z))
        for u in (now.z, polished):
            here = gap_of(u)
            better = ~done & ((here <= best_gap) | (here <= tol))  # NaN is not better
            best, best_gap = jnp.where(better[:, None], u, best), jnp.where(better, here, best_gap)
        taken = jnp.where(done, taken, jnp.minimum(n, most))
        done = done | (settled & (best_gap <= tol))
        return now, best, best_gap, taken, n, jnp.maximum(TARGET_RATIO * target, tol), done, tries + 1

    def unfinished(carry: tuple) -> jax.Array:
        *_, best_gap, _, n, _, done, tries = carry
        return jnp.any(~done & (n < most) & ~((best_gap <= tol) & (tries >= MOST_TRIES)))

    zero, none = jnp.zeros_like(correlation), jnp.zeros((), jnp.int32)
    first = jnp.maximum(jnp.asarray(FIRST_TARGET, tol.dtype), tol)
    begin = Iterate(zero, zero), zero, jnp.full_like(yy, jnp.inf), jnp.zeros_like(most), none, first, most <= 0, none
    begin = varying_like(begin, problem, penalty, share)
    _, best, _, taken, *_ = jax.lax.while_loop(unfinished, attempt, begin)
    return best, taken
