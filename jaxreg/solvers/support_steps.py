"""A lasso or elastic net at one λ from the rows, from a guess that is nearly right, where moments have lost the digits.

In the coordinates of :mod:`~jaxreg.solvers.reduction` the solution on active columns A with signs s is

    u_A = argmin ½‖ỹ − A_A u‖² + ½ Σ l2_j u_j² + Σ l1_j s_j u_j

With the QR factorisation of `A_A` above `diag(√l2)`, whose condition is that of the columns and not its square,

    R u_A = Qᵀ (ỹ, 0) − R⁻ᵀ (l1 s)_A

The steps are the safe rounds of :mod:`~jaxreg.solvers.active_round`, which never raise the objective: a step ends at
the first coefficient to reach 0, which leaves, or at `u_A`, where the worst violator of `|g_j| ≤ l1_j` enters
(feature-sign search: Lee, Battle, Raina and Ng, NIPS 2007). Each factors all columns: for small tables and guesses
nearly right.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.objective import Params
from jaxreg.solvers.active_round import ACCURACY, exceeds
from jaxreg.solvers.reduction import Data, reduce_problem, restore, working_penalty
from jaxreg.solvers.row_solvers import columns_of

__all__ = ["support_from_rows"]


def support_from_rows(data: Data, params: Params, lams: jax.Array, l1_ratio: jax.Array, most: Any) -> Params:
    """Better solutions at every λ, as far as the steps lead; the caller certifies them.

    Args:
        data: X (n, p), Y (n, t), all columns penalised, bounds 0 or infinite. params: guesses, coef (L, p, t),
            intercept (L, t). lams: (L, t) > 0. l1_ratio: `ρ > 0`, (). most: so many steps, ().
    """
    rho, v, lower, upper = columns_of(data, l1_ratio)
    problem, frame = reduce_problem(data.X, data.Y, data.sample_weight, data.fit_intercept, None, None, data.scale)
    accuracy, t = ACCURACY[problem.rows.dtype], lams.shape[1]

    def member(argument: tuple[jax.Array, ...]) -> jax.Array:
        coef, lam, target = argument
        penalty = working_penalty(lam, rho, v, data.scale, frame.size, lower, upper, data.tau[target])
        y = frame.targets[:, target]
        slack = accuracy.relative * penalty.l1 + accuracy.absolute * jnp.sqrt(problem.yy[target])
        return _settled(problem.rows, y, penalty, coef * frame.size, slack, most)

    targets = jnp.tile(jnp.arange(t, dtype=jnp.int32), len(lams))
    flat = jnp.moveaxis(params.coef, 1, 2).reshape(len(targets), -1)
    u = jax.lax.map(member, (flat, lams.ravel(), targets))
    u = jnp.moveaxis(u.reshape(*lams.shape, -1), 2, 1)
    return jax.vmap(restore, (0, None))(u, frame)


def _settled(rows: jax.Array, y: jax.Array, penalty: Penalty, u: jax.Array, slack: jax.Array, most: Any) -> jax.Array:
    """u after the steps, (p,)."""
    l1, l2, n = penalty.l1, penalty.l2, len(y)

    def unfinished(carry: tuple) -> jax.Array:
        _, _, done, step = carry
        return ~done & (step < most)

    def advance(carry: tuple) -> tuple:
        u, s, _, step = carry
        active = s != 0
        # Columns that are not active are unit vectors of rows of their own.
        inside = jnp.where(active[None, :], rows, 0.0)
        Q, R = jnp.linalg.qr(jnp.concatenate([inside, jnp.diag(jnp.where(active, jnp.sqrt(l2), 1.0))]))
        ahead = solve_triangular(R, jnp.where(active, l1 * s, 0.0), trans="T")
        goal = jnp.where(active, solve_triangular(R, Q[:n].T @ y - ahead), 0.0)
        breaks = active & (goal * s <= 0)
        at_zero = jnp.where(breaks, u / jnp.where(breaks, u - goal, 1.0), jnp.inf)
        t = jnp.minimum(jnp.min(at_zero), 1.0)
        leaves = breaks & (at_zero <= t)
        u = jnp.where(leaves, 0.0, u + t * (goal - u))
        s = jnp.where(leaves, 0.0, s)
        g = rows.T @ (y - rows @ u)
        score = jnp.where((s == 0) & exceeds(g, l1 + slack, penalty), jnp.abs(g) - l1, -jnp.inf)
        worst, arrived = jnp.argmax(score), ~jnp.any(leaves)
        enters = arrived & (score[worst] > 0)
        s = jnp.where(enters, s.at[worst].set(jnp.sign(g[worst])), s)
        return u, s, arrived & ~enters, step + 1

    start = u, jnp.sign(u), jnp.zeros((), bool), jnp.zeros((), jnp.int32)
    found = jax.lax.while_loop(unfinished, advance, varying_like(start, rows, y, penalty, u))[0]
    return jnp.where(jnp.all(jnp.isfinite(found)), found, u)
