"""One round of Newton steps on the active set of the lasso or elastic net, at one λ.

In the coordinates of :mod:`~jaxreg.solvers.reduction` (`G_jj = 1`), with `l1 = λ a` and `l2 = λ b`, u is optimal iff

    g_j − l1_j s_j − l2_j u_j = 0   and   u_j s_j > 0        j in the active set A, with sign s_j        (g = c − G u)
    |g_j| ≤ l1_j                    and   u_j = 0            j outside

so on a known A with known signs it solves a linear system with `M = G + diag(l2)`, `M_AA u_A = c_A − l1_A s_A`. One
round

1. lets those leave that are flagged and those enter that are flagged, and brings `H = M_AA⁻¹` up to date,
2. moves by t d, `d = H (g − l1 s − l2 u)_A`, with the exact line search `t = r·d / d·Md` (1, but for rounding of H),
3. flags whose sign broke and who violates `|g_j| ≤ l1_j`.

*Bulk* rounds flag all of them: the primal-dual active set or semismooth Newton method (Hintermüller, Ito and Kunisch,
SIAM J. Optim. 13(3), 2002). They may cycle.

*Safe* rounds never raise the objective (feature-sign search: Lee, Battle, Raina and Ng, NIPS 2007): t stops at the
first coefficient to reach 0, which leaves; once the signs hold and the system is solved, the worst violator alone
enters. If its column depends on the active ones, the objective falls along the null direction `d_A = −s_E H M_AE`,
`d_E = s_E`, until a coefficient reaches 0: the two are swapped. No set of signs can come back, so this ends.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import updated_inverse
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.updated_inverse import Inverse

__all__ = ["ACCURACY", "Line", "State", "exceeds", "most_changes", "restart", "round_"]

# Where l2 > 0, H is that of an earlier λ. Such directions are improved until this share of the residual is left, at
# most so many times.
REFINED, MOST_REFINEMENTS = 1e-10, 30


class Accuracy(NamedTuple):
    """What counts as 0 in one floating dtype.

    As a share of `G_jj = 1` (dependent, jitter), of l1 (relative, squared), of `‖ỹ‖` (absolute) and of `‖ỹ‖²` (gap).
    """

    dependent: float
    jitter: float
    relative: float
    absolute: float
    gap: float
    squared: float


ACCURACY = {
    jnp.dtype(jnp.float64): Accuracy(1e-9, 1e-13, 1e-11, 1e-14, 1e-14, 1e-8),
    jnp.dtype(jnp.float32): Accuracy(1e-4, 1e-6, 1e-5, 1e-6, 1e-6, 1e-4),
}


class State(NamedTuple):
    """What the next round needs.

    Attributes:
        coef: u. gradient: `g = c − Gu`. sign: s, 0 outside the active set. leave, enter: flags. Each (p,).
        inverse: of M on the active set.
        start: (), the coefficient with which the one that enters arrives; not 0 only after a null-space move.
    """

    coef: jax.Array
    gradient: jax.Array
    sign: jax.Array
    leave: jax.Array
    enter: jax.Array
    inverse: Inverse
    start: jax.Array


class Line(NamedTuple):
    """How a solution goes on while its active set stays: `u + τ · coef`, `g − τ · product` at `(1 − τ) λ`.

    Without squares, `u_A = H (c_A − l1 s_A)`: its derivative is `−H (a s)_A`, so `coef = H (l1 s)_A`,
    `product = G coef`.
    """

    coef: jax.Array
    product: jax.Array


def most_changes(p: int) -> int:
    """K: how many may leave and how many enter in one round."""
    return max(8, p // 128)


def largest(flags: jax.Array, score: jax.Array, K: int) -> jax.Array:
    """The indices of the K flagged entries of largest score, (K,), filled up with p. top_k is fast in float32 alone."""
    value, index = jax.lax.top_k(jnp.where(flags, score.astype(jnp.float32), -jnp.inf), K)
    return jnp.where(value > -jnp.inf, index, len(flags)).astype(jnp.int32)


def exceeds(g: jax.Array, limit: jax.Array, penalty: Penalty) -> jax.Array:
    """Whether a coefficient of 0 may move the way its gradient points, and the gradient exceeds the limit; (p,)."""
    return (jnp.abs(g) > limit) & jnp.where(g > 0, penalty.upper > 0, penalty.lower < 0)


def restart(problem: LeastSquares, l2: jax.Array, state: State) -> State:
    """The state at the same coefficients with everything else computed anew."""
    coef = state.coef
    assert problem.gram is not None
    M = problem.gram + jnp.diag(l2)
    none = jnp.zeros_like(state.leave)
    inverse = updated_inverse.invert(M, coef != 0, state.inverse, ACCURACY[coef.dtype].jitter)
    gradient = problem.correlation - problem.gram @ coef
    return State(coef, gradient, jnp.sign(coef), none, none, inverse, jnp.zeros_like(state.start))


def round_(
    problem: LeastSquares, penalty: Penalty, state: State, safe: jax.Array
) -> tuple[State, jax.Array, Line, jax.Array]:
    """One round.

    Returns:
        The state after it, flagged for the next; whether the conditions of optimality hold; how u goes on; and whether
        a column was to enter but all slots are taken.
    """
    assert problem.gram is not None
    l1, l2 = penalty.l1, penalty.l2
    G, p = problem.gram, len(l1)
    u, g, s, leave, enter, H, start = state
    accuracy = ACCURACY[u.dtype]
    slack = accuracy.relative * l1 + accuracy.absolute * jnp.sqrt(problem.yy)
    K, columns = most_changes(p), jnp.arange(p, dtype=jnp.int32)
    W = len(H.column)
    at = lambda array, index, fill=0: array.at[index].get(mode="fill", fill_value=fill)  # 0 where index is p
    L, E = largest(leave, jnp.abs(u), K), largest(enter, jnp.abs(g) - l1, K)
    leaves, enters = p > L, p > E

    # L leaves: H⁺ = H − PᵀP with P = C_L H_{L:}. Everything that belongs to H is in slots.
    L_slots = at(H.slot, L, W)
    H_L = updated_inverse.rows(H, L_slots)
    C_L = updated_inverse.inverse_factor(at(H_L.T, L_slots).T + jnp.diag((~leaves).astype(u.dtype)))
    P = C_L @ H_L
    g = g + at(u, L) @ at(G, L)
    u, s = u.at[L].set(0.0, mode="drop"), s.at[L].set(0.0, mode="drop")
    H = H._replace(column=H.column.at[L_slots].set(p, mode="drop"), slot=H.slot.at[L].set(W, mode="drop"))
    active = s != 0

    # One pass over H⁺ for what enters, B = M_EA, and for R, the residual r and l1 s:  Q H⁺ = Q H − (Q H_{:L} C_Lᵀ) P.
    G_E = at(G, E)
    R = jnp.stack([jnp.where(active, g - l1 * s - l2 * u, 0.0), l1 * s])
    Q = updated_inverse.to_slots(H, jnp.concatenate([G_E, R]))
    B, R = Q[:K], Q[K:]
    QH = updated_inverse.times(Q, H)
    QH = jnp.where(H.column[None, :] < p, QH - (at(QH.T, L_slots).T @ C_L.T) @ P, 0.0)
    BH, RH = QH[:K], QH[K:]

    # E enters: H⁺⁺ = H⁺ + VᵀV with V = C_E (B H⁺ − I_E). Pivots of S near 0 betray dependent columns, which stay out.
    diagonal = at(jnp.diagonal(G) + l2, E)
    S = at(G_E.T, E).T + jnp.diag(at(l2, E)) - BH @ B.T
    S = 0.5 * (S + S.T) + jnp.diag(jnp.where(enters, accuracy.jitter * diagonal, 1.0))
    C_E = updated_inverse.inverse_factor(jnp.where(enters[:, None] == enters[None, :], S, 0.0))
    independent = jnp.diag(C_E) ** -2 > accuracy.dependent * diagonal
    vacant = updated_inverse.free_slots(H, K)
    accepted = enters & (jnp.cumsum(~independent) == 0) | (enters & (start != 0))
    accepted = accepted & (vacant < W)
    C_E = jnp.where(accepted[:, None] & accepted[None, :], C_E, 0.0)
    arrived, E_slots = jnp.where(accepted, E, jnp.int32(p)), jnp.where(accepted, vacant, jnp.int32(W))
    V = C_E @ (BH - (E_slots[:, None] == jnp.arange(W, dtype=jnp.int32)[None, :]).astype(u.dtype))
    g_E = at(g, E)
    s, u = s.at[arrived].set(jnp.sign(g_E), mode="drop"), u.at[arrived].set(start, mode="drop")
    active = s != 0
    l1_s = at(l1, E) * jnp.sign(g_E)
    R = R.at[:, E_slots].set(jnp.stack([g_E - l1_s - at(l2, E) * start, l1_s]), mode="drop")
    H = H._replace(
        column=H.column.at[E_slots].set(arrived, mode="drop"),
        slot=H.slot.at[arrived].set(E_slots, mode="drop"),
        high=jnp.maximum(H.high, jnp.max(jnp.where(accepted, E_slots + 1, 0))),
    )
    H = updated_inverse.append(H, V, P, jnp.sum(accepted, dtype=jnp.int32), jnp.sum(leaves, dtype=jnp.int32))

    # The step. A null-space move starts where the system is solved, and changes the one coefficient j outside too.
    swap = safe & enters[0] & ~accepted[0]
    j = jnp.where(swap, E[0], jnp.int32(p))
    s_j = jnp.sign(g_E[0])
    RH = RH + (R @ V.T) @ V
    # Where l2 > 0, H is that of an earlier λ.
    improve = jnp.any(l2 > 0) & ~swap
    better = lambda d: updated_inverse.refined(H, G, l2, R[0], d, REFINED, MOST_REFINEMENTS)
    d = only_if(improve, better, RH[0])
    steps = updated_inverse.from_slots(H, RH.at[0].set(jnp.where(swap, -s_j * BH[0], d)))
    # The barrier keeps XLA from storing them by columns, for which it has no fast product on CPU.
    steps = jax.lax.optimization_barrier(steps)
    (d, fall), (Gd, G_fall) = steps, steps @ G
    Gd = Gd + jnp.where(swap, s_j, 0.0) * G_E[0]
    r = updated_inverse.from_slots(H, R[0])
    curved = jnp.dot(d, Gd + l2 * d)
    newton = jnp.where(curved > 0, jnp.dot(r, d) / jnp.where(curved > 0, curved, 1.0), 1.0)
    shrinks = active & (d * s < 0) & (l1 > 0)
    to_zero = jnp.where(shrinks, -u / jnp.where(shrinks, d, 1.0), jnp.inf)
    first = jnp.min(to_zero)
    t = jnp.where(swap, first, jnp.where(safe, jnp.minimum(newton, first), newton))
    t = jnp.where(jnp.isfinite(t), t, 0.0)
    hit = safe & shrinks & (to_zero <= t)
    u, g = jnp.where(hit, 0.0, u + t * d), g - t * Gd

    # Who leaves and enters next.
    broken = jnp.where(safe, hit, active & (u * s <= 0) & (l1 > 0))
    violates = ~active & exceeds(g, l1 + slack, penalty)
    # Where l2 > 0 the gap is of second order in the residual on the active set: more is left there.
    close = slack + jnp.where(l2 > 0, accuracy.squared * (l1 + l2 * jnp.abs(u)), 0.0)
    solved = jnp.all(jnp.where(active, jnp.abs(g - l1 * s - l2 * u), 0.0) <= close) & ~jnp.any(broken)
    worst = columns == jnp.argmax(jnp.where(violates, jnp.abs(g) - l1, -jnp.inf)).astype(jnp.int32)
    next_in = jnp.where(safe, violates & worst & solved, violates) | (columns == j)
    state = State(u, g, s, broken, next_in, H, jnp.where(swap, t * s_j, 0.0))
    full = enters[0] & (vacant[0] >= W)
    return state, solved & ~jnp.any(violates) & ~swap, Line(fall, G_fall), full
