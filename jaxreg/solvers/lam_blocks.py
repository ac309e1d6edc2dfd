"""An elastic net's path some λs at a time: a *block* of them is solved together on the columns that may become active.

Squares bend the path between knots, and change the matrix of every Newton step with λ. But both are smooth in λ:

1. u and its gradient, extended linearly from the block before, say which columns may be active in this one, those whose
   `|u_j + g_j|` comes near `l1_j` at one of its λs; so many of a few widths as hold them are taken;
2. on these columns all λs of the block are solved (:mod:`~jaxreg.solvers.shared_newton`);
3. one product gives the gradients of all columns. Where one that was left out has `|g_j| > l1_j`, the block is solved
   again with it.

λs that lie far apart have others in between. Where a block cannot be settled, one λ at a time is solved from there on;
where that does not help, as among columns that nearly depend on each other, the path ends, and zeros are left: to be
certified.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like, with_few
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.active_round import ACCURACY, exceeds
from jaxreg.solvers.active_set import penalty_at
from jaxreg.solvers.column_table import GramTable, Table
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.shared_newton import Members, minimise

__all__ = ["solve_path", "solve_path_on"]

# Most λs a block, and how far it may go down: to this share of the last λ that is solved.
BLOCK, REACH = 8, 0.3
# Columns whose |u + g| is this share of l1 may become active, and room for some more.
NEAR, ROOM = 0.93, 16
# The least width: there are half, a quarter, … of the most columns, and three quarters.
LEAST_WIDTH = 100
# So many times a block is solved again.
AGAIN = 5


class Walk(NamedTuple):
    """Where a path stands: solved down to ``lam``, (), with ``coef`` u and ``gradient`` g, (P,).

    Attributes:
        index: (), the λ of the grid that comes next. slope, gradient_slope: of u and g by λ, (P,).
        alone: whether one λ at a time is solved, (). guess, guess_gradient: of the block if it is solved again, (B, P).
        times: (), that it was. stuck: ().
        found: u, (L + B, P). n_iter: (L + B,).
    """

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    lam: jax.Array
    coef: jax.Array
    gradient: jax.Array
    slope: jax.Array
    gradient_slope: jax.Array
    alone: jax.Array
    guess: jax.Array
    guess_gradient: jax.Array
    times: jax.Array
    stuck: jax.Array
    found: jax.Array
    n_iter: jax.Array


def solve_path(
    problem: LeastSquares,
    lams: jax.Array,
    count: Any,
    unit: Penalty,
    tol: Any,
    max_iter: Any,
) -> tuple[jax.Array, jax.Array]:
    """As :func:`jaxreg.solvers.active_set.solve_path`, for penalties with squares; ``tol`` and ``max_iter`` are of no
    effect."""
    assert problem.gram is not None
    c = problem.correlation
    return solve_path_on(GramTable(problem.gram, c), c, problem.yy, lams, count, unit, len(c))[:2]


def solve_path_on(
    table: Table,
    correlation: jax.Array,
    yy: jax.Array,
    lams: jax.Array,
    count: Any,
    unit: Penalty,
    most: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The minimiser of `½ uᵀGu − c·u + λ Σ_j ( a_j |u_j| + ½ b_j u_j² )` within bounds, at every λ.

    Args:
        table: G, and products with it. correlation: c, (P,). yy: `‖ỹ‖²`, (). lams: (L,), `λ > 0`, descending, of which
            the first ``count``, (), are solved. unit: the penalty at `λ = 1`, with `b > 0`; its bounds are 0 or
            infinite. most: so many columns may be active, static.

    Returns:
        u, (L, P), rounds, (L,), and how many λs are solved, ().
    """
    (P,), (L,), dtype = correlation.shape, lams.shape, correlation.dtype
    B = min(BLOCK, L)
    halves = [most >> k for k in range(most.bit_length()) if most >> k >= LEAST_WIDTH]
    widths = sorted({most, *halves, *([most * 3 // 4] if len(halves) > 1 else [])})
    slack = ACCURACY[dtype].absolute * jnp.sqrt(yy)
    within = jnp.arange(B, dtype=jnp.int32)
    count = jnp.asarray(count, jnp.int32)

    def block(walk: Walk) -> Walk:
        ahead = walk.index + jnp.where(walk.alone, 0, within)
        asked = jnp.where(ahead < count, lams[jnp.minimum(ahead, L - 1)], lams[jnp.maximum(count - 1, 0)])
        inside = (asked >= REACH * walk.lam) & (ahead < count) & (~walk.alone | (within == 0))
        number = jnp.sum(inside, dtype=jnp.int32)
        lam = jnp.maximum(asked, REACH * walk.lam)
        penalty = jax.vmap(penalty_at, (0, None))(lam, unit)
        fell, again = (lam - walk.lam)[:, None], walk.times > 0
        ahead_by = lambda v, slope: v[None, :] + fell * slope[None, :]
        u = jnp.where(again, walk.guess, ahead_by(walk.coef, walk.slope))
        g = jnp.where(again, walk.guess_gradient, ahead_by(walk.gradient, walk.gradient_slope))
        active = exceeds(u + g, penalty.l1, penalty)
        share = jnp.abs(u + g) / jnp.where(penalty.l1 > 0, penalty.l1, 1.0)
        nearness = jnp.max(jnp.where(active | (u != 0), 1.0 + share, jnp.minimum(share, 1.0)), axis=0)
        needed = jnp.sum(nearness > NEAR, dtype=jnp.int32) + ROOM
        _, order = jax.lax.top_k(nearness.astype(jnp.float32), most)

        def leading(w: int) -> Any:
            def solved(table: Table) -> tuple[jax.Array, ...]:
                index = order[:w].astype(jnp.int32)
                rows = table.rows_of(index)
                factors = table.factors_of(rows, index)
                some = Penalty(*(v[:, index] for v in penalty))
                found, rounds, done = minimise(Members(factors, correlation[index], some), u[:, index], yy)
                return jnp.zeros_like(u).at[:, index].set(found), table.gradient(found, rows), rounds, done

            return solved

        u, g, rounds, done = with_few(needed, widths, leading, table)
        limit = penalty.l1 * (1.0 + ACCURACY[dtype].relative) + slack
        missed = jnp.any((u == 0) & exceeds(g, limit, penalty))
        stuck = (~done & walk.alone) | (walk.times >= AGAIN)
        walk = _passed(walk, done & ~missed, number, lam, u, g, rounds)
        return walk._replace(stuck=stuck, alone=walk.alone | ~done, times=jnp.where(done, walk.times, 0))

    largest = jnp.max(jnp.where(unit.l1 > 0, jnp.abs(correlation) / jnp.where(unit.l1 > 0, unit.l1, 1.0), 0.0))
    zero, none, empty = jnp.zeros((P,), dtype), jnp.zeros((), jnp.int32), jnp.zeros((B, P), dtype)
    outputs = jnp.zeros((L + B, P), dtype), jnp.zeros((L + B,), jnp.int32)
    no = jnp.zeros((), bool)
    walk = Walk(
        none, jnp.maximum(lams[0], largest), zero, correlation, zero, zero, no, empty, empty, none, no, *outputs
    )
    walk = varying_like(walk, table, correlation, yy, lams, unit)
    walk = jax.lax.while_loop(lambda walk: (walk.index < count) & ~walk.stuck, block, walk)
    return walk.found[:L], walk.n_iter[:L], walk.index


def _passed(
    walk: Walk, done: jax.Array, number: jax.Array, lam: jax.Array, u: jax.Array, g: jax.Array, rounds: jax.Array
) -> Walk:
    """The walk after a block: past its first ``number`` λs, (), if it is done; else before it, with what was found.

    Args:
        lam: λs, (B,). u, g: (B, P). rounds: ().
    """
    last = jnp.where(number > 0, number - 1, len(lam) - 1)
    before = jnp.maximum(last - 1, 0)
    steep = (last > 0) & (lam[before] > lam[last])
    from_lam = jnp.where(steep, lam[before], walk.lam)
    fell = jnp.where(from_lam > lam[last], from_lam - lam[last], jnp.inf)
    slope = (jnp.where(steep, u[before], walk.coef) - u[last]) / fell
    gradient_slope = (jnp.where(steep, g[before], walk.gradient) - g[last]) / fell
    after = lam[last], u[last], g[last], slope, gradient_slope
    now = walk.lam, walk.coef, walk.gradient, walk.slope, walk.gradient_slope
    state = (jnp.where(done, a, b) for a, b in zip(after, now, strict=True))
    none = jnp.zeros((), jnp.int32)
    found = jax.lax.dynamic_update_slice(walk.found, jnp.where(done, u, 0.0), (walk.index, none))
    mine = jnp.arange(len(walk.n_iter), dtype=jnp.int32) - walk.index
    n_iter = walk.n_iter + jnp.where((mine >= 0) & (mine < jnp.maximum(number, 1)), rounds, 0)
    times = jnp.where(done, 0, walk.times + 1)
    index = walk.index + jnp.where(done, number, 0)
    return Walk._make((index, *state, walk.alone, u, g, times, walk.stuck, found, n_iter))
