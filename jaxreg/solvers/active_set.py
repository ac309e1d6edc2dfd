"""Lasso and elastic net along a λ-path by Newton steps on the active set; every λ ends at rounding error.

A λ is solved by *bulk* rounds (:mod:`~jaxreg.solvers.active_round`). Along a path they settle in one to four rounds a
λ, because coefficients and gradient are extended linearly from the last two λs to predict who will leave and enter. If
they cycle, the λ starts again from the last solution with *safe* rounds, which end by construction.

Without squares the solution is linear in λ while the active set stays: a round that ends at a solution takes along the
next λs that come before a coefficient reaches 0 or a gradient its limit (a step of the homotopy by Osborne, Presnell
and Turlach, IMA J. Numer. Anal. 20(3), 2000).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if, varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import updated_inverse
from jaxreg.solvers.active_round import ACCURACY, Line, State, exceeds, most_changes, restart, round_
from jaxreg.solvers.fista import gap
from jaxreg.solvers.reduction import LeastSquares

__all__ = ["Walk", "advance", "padded", "penalty_at", "power_of_two", "solve_path", "start"]

# Bulk rounds that may be spent on one λ: most settle in four, and those that cycle never do.
MOST_BULK_ROUNDS = 15
# Safe rounds that may be spent on one λ, as a multiple of p.
SAFE_ROUNDS = 4
# Where the λs are further apart than this ratio, others are solved in between: predictions hold only nearby.
LARGEST_STEP = 0.5
# Most λs that one round may solve besides its own, where the active set stays; and by what share of l1 the gradient of
# an active column may leave its limit on the way.
GLIDE, STRAIGHT = 8, 1e-13
# With l2 > 0 the matrix M changes with λ. H is computed anew when λ has fallen to this share of where it was.
STALE = 0.4


class Solved(NamedTuple):
    """A solution on the path, for predictions and as the point to return to. Before the first, lam is ∞."""

    lam: jax.Array
    coef: jax.Array
    gradient: jax.Array


def padded(p: int) -> int:
    """The number of columns with which the path is compiled: the next power of two, at least 16."""
    return max(16, power_of_two(p))


def power_of_two(number: int) -> int:
    """The next one."""
    return 1 << (number - 1).bit_length()


def glide(state: State, line: Line, penalty: Penalty, lam: jax.Array, lams: jax.Array) -> tuple[jax.Array, ...]:
    """The solutions at the leading λs of some before anything enters or leaves.

    Args:
        state: solved at λ, whose penalty has no squares. lams: (k,), the next λs.

    Returns:
        How many, (), and u and g at every λ, (k, p), right for so many.
    """
    u, g, l1, active = state.coef, state.gradient, penalty.l1, state.sign != 0
    # The least τ at which  u + τ v = 0  in the active set, or  ±(g − τ q) = (1 − τ) l1  outside, where it may enter.
    at = lambda numerator, denominator, asked: jnp.where(
        asked & (denominator > 0), numerator / jnp.where(denominator > 0, denominator, 1.0), 1.0
    )
    ends = jnp.stack(
        [
            at(jnp.abs(u), -line.coef * state.sign, active & (l1 > 0)),
            at(l1 - g, l1 - line.product, ~active & (penalty.upper > 0)),
            at(l1 + g, l1 + line.product, ~active & (penalty.lower < 0)),
        ]
    )
    fall = 1.0 - lams / lam
    # If H is inaccurate, the gradient of an active column does not keep to its limit, (1 − τ) l1 s.
    off = jnp.max(
        jnp.where(active & (l1 > 0), jnp.abs(line.product - l1 * state.sign) / jnp.where(l1 > 0, l1, 1.0), 0.0)
    )
    straight = off * fall <= STRAIGHT * (1.0 - fall)
    before = straight & (fall > 0) & (fall < jnp.min(ends))
    count = jnp.sum(jnp.cumprod(before.astype(jnp.int32)), dtype=jnp.int32)
    return count, u[None, :] + fall[:, None] * line.coef[None, :], g[None, :] - fall[:, None] * line.product[None, :]


def predict(state: State, last: Solved, lam: jax.Array, lam_next: jax.Array, unit: Penalty) -> State:
    """Flag who will leave and enter on the way to the next λ, if u and g go on as from the last λ to this one."""
    fell = last.lam - lam
    share = jnp.where((fell > 0) & jnp.isfinite(fell), (lam - lam_next) / jnp.where(fell > 0, fell, 1.0), 0.0)
    u = state.coef + share * (state.coef - last.coef)
    g = state.gradient + share * (state.gradient - last.gradient)
    active = state.sign != 0
    leave = active & (u * state.sign <= 0) & (last.coef != 0) & (unit.l1 > 0)
    enter = ~active & exceeds(g, lam_next * unit.l1, unit) & (share > 0)
    return state._replace(leave=leave, enter=enter)


class Walk(NamedTuple):
    """Where a path stands.

    Attributes:
        index: (), the λ of the grid that is being solved. lam: (), the λ of this round, perhaps one in between.
        n_rounds: (), at this λ. safe: (), safe rounds. built: (), the λ at which H was computed anew.
        state, last: see there. coef: (L + GLIDE, p), solutions at L λs, and room. n_iter: (L,), rounds.
    """

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    lam: jax.Array
    n_rounds: jax.Array
    safe: jax.Array
    built: jax.Array
    state: State
    last: Solved
    coef: jax.Array
    n_iter: jax.Array


def penalty_at(lam: jax.Array, unit: Penalty) -> Penalty:
    """The penalty at λ from that at `λ = 1`; where `σ_j / d_j` overflows, any large number will do."""
    most = jnp.sqrt(jnp.finfo(unit.l1.dtype).max)
    return unit._replace(l1=jnp.minimum(lam * unit.l1, most), l2=jnp.minimum(lam * unit.l2, most))


def start(correlation: jax.Array, unit: Penalty, lams: jax.Array, slots: int) -> Walk:
    """A walk before its first round: all coefficients 0, at the λ from which on they are.

    Args:
        correlation: c, (p,). lams: (L,), descending. slots: the most columns that can be active, static.
    """
    p, dtype = len(correlation), correlation.dtype
    zero, none, flag = jnp.zeros((p,), dtype), jnp.zeros((), jnp.int32), jnp.zeros((p,), bool)
    H = updated_inverse.empty(p, slots, most_changes(p), dtype)
    state = State(zero, correlation, zero, flag, flag, H, jnp.zeros((), dtype))
    ratio = jnp.where(unit.l1 > 0, jnp.abs(correlation) / jnp.where(unit.l1 > 0, unit.l1, 1.0), 0.0)
    lam = jnp.maximum(lams[0], jnp.max(ratio))
    last = Solved(jnp.full((), jnp.inf, dtype), zero, correlation)
    outputs = jnp.zeros((len(lams) + GLIDE, p), dtype), jnp.zeros((len(lams),), jnp.int32)
    return Walk(none, lam, none, jnp.zeros((), bool), lam, state, last, *outputs)


def advance(
    walk: Walk, problem: LeastSquares, unit: Penalty, lams: jax.Array, until: Any, tol: Any, max_iter: Any
) -> Walk:
    """Solve the λs from ``walk.index`` on, up to but without the one numbered ``until``."""
    accuracy = ACCURACY[problem.correlation.dtype]

    def one(walk: Walk) -> Walk:
        lam, safe, last = walk.lam, walk.safe, walk.last
        penalty = penalty_at(lam, unit)
        state, settled, line, full = round_(problem, penalty, walk.state, safe)
        n_rounds = walk.n_rounds + 1
        reached = gap(problem, penalty, state.coef, problem.correlation - state.gradient)
        finite = jnp.isfinite(reached)
        late = ~finite | (n_rounds >= MOST_BULK_ROUNDS)
        # Safe rounds that have settled are at the end of what the numbers hold; those that are lost are given up, and
        # so is a λ for which there are not enough slots.
        lost = (safe & (~finite | (n_rounds >= SAFE_ROUNDS * len(unit.l1)))) | full
        done = (
            (settled & ((reached <= tol) | safe)) | (late & (reached <= accuracy.gap)) | (n_rounds >= max_iter) | lost
        )
        retreat = ~done & ~safe & late

        n_iter = walk.n_iter.at[walk.index].add(1)
        at_member = done & (lam <= lams[walk.index])
        index = walk.index + at_member.astype(jnp.int32)
        here = Solved(lam, state.coef, state.gradient)

        # Where no coefficient and no gradient comes to its limit on the way to the next λs, they are solved too.
        ahead = index + jnp.arange(GLIDE, dtype=jnp.int32)
        next_lams = jnp.where(ahead < until, lams.at[ahead].get(mode="fill", fill_value=0), 0.0)
        more, next_coef, next_gradient = glide(state, line, penalty, lam, next_lams)
        more = jnp.where(done & settled & (reached <= tol) & ~jnp.any(unit.l2 > 0), more, 0)
        glided = more > 0
        found = jnp.where(at_member | ~glided, jnp.where(finite, state.coef, last.coef), next_coef[0])
        none = jnp.zeros((), jnp.int32)
        taken = jnp.where((jnp.arange(GLIDE, dtype=jnp.int32) < more)[:, None], next_coef, 0.0)
        coef = jax.lax.dynamic_update_slice(walk.coef, taken, (index, none))
        coef = jax.lax.dynamic_update_slice(coef, found[None, :], (walk.index, none))
        index, lam = index + more, jnp.where(glided, next_lams[more - 1], lam)
        state = state._replace(
            coef=jnp.where(glided, next_coef[more - 1], state.coef),
            gradient=jnp.where(glided, next_gradient[more - 1], state.gradient),
        )
        before = jax.tree.map(lambda new, old: jnp.where(glided, new, old), here, last)
        lam_next = jnp.where(done, jnp.maximum(lams[jnp.minimum(index, len(lams) - 1)], LARGEST_STEP * lam), lam)

        stale = done & (lam_next < STALE * walk.built) & jnp.any(unit.l2 > 0)
        anew = retreat | stale | ~finite
        origin = jnp.where(retreat | ~finite, last.coef, state.coef)
        l2_next = penalty_at(lam_next, unit).l2
        state = state._replace(coef=jnp.where(anew, origin, state.coef))
        state = only_if(anew, lambda s: restart(problem, l2_next, s), state)
        flagged = predict(state, before, lam, lam_next, unit)
        state = state._replace(
            leave=jnp.where(done, flagged.leave, state.leave), enter=jnp.where(done, flagged.enter, state.enter)
        )
        here = Solved(lam, state.coef, state.gradient)
        last = jax.tree.map(lambda new, old: jnp.where(done, new, old), here, last)
        n_rounds = jnp.where(done | retreat, 0, n_rounds)
        safe = jnp.where(done, False, safe | retreat)
        built = jnp.where(anew, lam_next, walk.built)
        return Walk(index, lam_next, n_rounds, safe, built, state, last, coef, n_iter)

    return jax.lax.while_loop(lambda walk: walk.index < until, one, varying_like(walk, problem, lams))


def solve_path(
    problem: LeastSquares, lams: jax.Array, count: Any, unit: Penalty, tol: Any, max_iter: Any
) -> tuple[jax.Array, jax.Array]:
    """The minimiser of `½ uᵀGu − c·u + λ Σ_j ( a_j |u_j| + ½ b_j u_j² )`, `lower ≤ u ≤ upper`, at every λ.

    Args:
        problem: one target, with ``gram`` (p, p), p of :func:`padded` (columns of 0 fill up).
        lams: (L,), `λ > 0`, descending, of which the first ``count``, (), are solved.
        unit: the penalty at `λ = 1`, a and b; its bounds are 0 or infinite.
        tol: the gap to reach, (). max_iter: most rounds a λ, ().

    Returns:
        u, (L, p), and the rounds taken, (L,).
    """
    walk = start(problem.correlation, unit, lams, len(problem.correlation))
    walk = advance(walk, problem, unit, lams, count, tol, max_iter)
    return walk.coef[: len(lams)], walk.n_iter
