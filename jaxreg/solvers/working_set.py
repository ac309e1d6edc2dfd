"""A λ-path for `p ≫ n`: the active-set path inside a small set of columns that grows as it is found wanting.

A few λs at a time (a *chunk*) are solved on the working set alone. One product with all columns then gives the duality
gap of the whole problem at each of them: where it is within the tolerance the λ is done, at the first where it is not
the walk continues, with the columns that were missed. The same product says which columns to add for the next chunk:
those whose gradient comes near the bound, as the mean of what it is now, as a share of `λ a_j`, and of what it will be
at the next chunk's last λ if it goes on linearly:

    ½ |g_j(now)| / λ_now a_j + ½ |g_j(then)| / λ_then a_j ≥ margin

(a kin of the sequential strong rule of Tibshirani et al., J. R. Stat. Soc. B 74(2), 2012, with a slope that is known
instead of bounded). A rule that errs costs a second visit, never an answer: only the full certificate ends a chunk.

On a working set, the λs are solved in one of two ways (:mod:`~jaxreg.solvers.walks`): a lasso from knot to knot, which
after a missed column walks again from where the chunk began, or by Newton steps, which go on at the λ that failed. What
was solved before it stands.

Columns are centred and scaled implicitly: `a_j = √(s/Σs) (x_j − m_j)/d_j` from the table as it is, so folds of one
table, which differ in s, m and d alone, share it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if, varying_like
from jaxreg.formulas.duality import Penalty, dual_at, largest_scale, penalty_free_scale, relative_gap
from jaxreg.solvers.active_set import padded, penalty_at
from jaxreg.solvers.column_table import ColumnTable
from jaxreg.solvers.grid import STEPS, with_steps
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.walks import Knots, NewtonSteps, Walk

__all__ = ["CHUNK", "capacity", "solve_path"]

# λs a chunk, which one product with the whole table certifies.
CHUNK = 8
# Columns that may join at a time, at most half the smallest capacity, and the share of the bound at which they do.
JOIN, MARGIN = 96, 0.88
# Most columns of a working set for more than n active ones, of whose number the memory is the square.
LARGEST = 4096
# Visits without a new λ, beside those that fill the working set, after which a chunk is given up (its gap says so).
MOST_IDLE = 3
# Columns a block, of the products between those that join and all.
BLOCK = 256


class WorkingSet(NamedTuple):
    """C columns at most.

    Attributes:
        column: (C,), their numbers, p where there is none. size: (), how many. inside: (p,) booleans.
        rows: (C, n). correlation: c, (C,). unit: the penalty at `λ = 1` on them.
    """

    column: jax.Array
    size: jax.Array
    inside: jax.Array
    rows: jax.Array
    correlation: jax.Array
    unit: Penalty


class Visit(NamedTuple):
    """What the next visit of a chunk needs: the working set, the walk on it, and what was found out about all columns.

    Attributes:
        index: (), the λ that comes next. score: (p,), how near a column is to joining; from ``MARGIN`` on it does.
        residual: of the λ solved last, (n,). idle: (), visits without a new λ. drifted: (), whether the last one failed
        by rounding errors. coef: w, (L, p). gap: (L,), ∞ where λ is not solved.
    """

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    working: WorkingSet
    walk: Any
    score: jax.Array
    residual: jax.Array
    idle: jax.Array
    drifted: jax.Array
    coef: jax.Array
    gap: jax.Array


def capacity(n: int, spread: int) -> int:
    """Columns of a working set for n rows: more than may be active, ``spread`` times as many if memory allows.

    Of a lasso at most n are active; JOIN more find room in 7/8 of the next power of two, which is not one itself: rows
    as long as that would fall on the same lines of a cache.
    """
    least = max(256, 7 * (1 << (n - 1).bit_length()) // 4)
    return max(least, min(spread * least, LARGEST))


def _take(values: jax.Array, index: jax.Array, fill: Any = 0) -> jax.Array:
    return values.at[index].get(mode="fill", fill_value=fill)


def _join(visit: Visit, table: ColumnTable, target: jax.Array, unit: Penalty) -> Visit:
    """The columns of largest score join; their gradient is that of the residual at which the walk stands."""
    working, walk = visit.working, visit.walk
    p = len(visit.score)
    score, new = jax.lax.top_k(jnp.where(working.inside, -1.0, visit.score).astype(jnp.float32), min(JOIN, p))
    new = jnp.where(score >= MARGIN, new, p).astype(jnp.int32)
    rows = table.columns(new)
    zero = jnp.zeros((), jnp.int32)
    write = lambda array, block: jax.lax.dynamic_update_slice(array, block.astype(array.dtype), (working.size,))
    all_rows = jax.lax.dynamic_update_slice(working.rows, rows, (working.size, zero))
    correlation = rows @ target
    fills = Penalty(1.0, 0.0, -jnp.inf, jnp.inf)  # type: ignore[arg-type]
    joined = WorkingSet(
        write(working.column, new),
        working.size + jnp.sum(new < p, dtype=jnp.int32),
        working.inside.at[new].set(True, mode="drop"),
        all_rows,
        write(working.correlation, correlation),
        Penalty(*(write(a, _take(b, new, f)) for a, b, f in zip(working.unit, unit, fills, strict=True))),
    )
    products = _products(rows, all_rows, working.size + len(new))
    walk = walk.join(working.size, products, correlation, rows @ visit.residual)
    return visit._replace(working=joined, walk=walk)


def _products(rows: jax.Array, all_rows: jax.Array, size: jax.Array) -> jax.Array:
    """Of some columns with all, (k, C), of which the first ``size`` are not 0."""
    (k, n), C, none = rows.shape, len(all_rows), jnp.zeros((), jnp.int32)
    count = min(BLOCK, C)

    def block(i: jax.Array, products: jax.Array) -> jax.Array:
        start = (i * count).astype(jnp.int32)
        here = rows @ jax.lax.dynamic_slice(all_rows, (start, none), (count, n)).T
        return jax.lax.dynamic_update_slice(products, here, (none, start))

    empty = varying_like(jnp.zeros((k, C), rows.dtype), (rows, all_rows, size))
    return jax.lax.fori_loop(0, (size + count - 1) // count, block, empty)


def _make_room(visit: Visit, p: int) -> Visit:
    """Columns that are not active leave the working set; the others move to its beginning."""
    working, active = visit.working, visit.walk.active
    C = len(working.column)
    order = jnp.nonzero(active, size=C, fill_value=C)[0].astype(jnp.int32)
    column = _take(working.column, order, p)
    fills = 1.0, 0.0, -jnp.inf, jnp.inf
    kept = WorkingSet(
        column,
        jnp.sum(active, dtype=jnp.int32),
        jnp.zeros_like(working.inside).at[column].set(True, mode="drop"),
        _take(working.rows, order),
        _take(working.correlation, order),
        Penalty(*(_take(a, order, fill) for a, fill in zip(working.unit, fills, strict=True))),
    )
    return visit._replace(working=kept, walk=visit.walk.keep(order))


def solve_path(
    table: ColumnTable,
    target: jax.Array,
    correlation: jax.Array,
    lams: jax.Array,
    count: Any,
    unit: Penalty,
    tol: Any,
    max_iter: Any,
    spread: int = 1,
    by_knots: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The minimiser of `½‖ỹ − A u‖² + λ Σ_j ( a_j |u_j| + ½ b_j u_j² )` at every λ.

    Args:
        table: A, n rows and p columns. target: `ỹ`, (n,). correlation: `Aᵀỹ`, (p,). lams: (L,), `λ > 0`, descending, of
            which the first ``count``, (), are solved; `L ≥ 8`. unit: the penalty at `λ = 1`, (p,); bounds 0 or
            infinite. tol: the gap to reach, (). max_iter: most rounds a λ, (). spread: how many times n columns may be
            active; those of a lasso never exceed n, those of an elastic net may. Where they exceed it, the λ is given
            up. by_knots: from knot to knot, which serves the lasso alone; else by Newton steps.

    Returns:
        w = u / d, (L, p), its gap, ∞ where there is none, and the rounds or knots taken, (L,).
    """
    p, n = table.features.shape
    kept, L, dtype = len(lams), len(lams) + STEPS, target.dtype
    C = capacity(n, spread)
    slots, most_idle = padded(C) // 2, C // JOIN + MOST_IDLE
    yy = jnp.dot(target, target)
    allowed = jnp.where(correlation > 0, unit.upper > 0, unit.lower < 0)
    begin = jnp.where(allowed, jnp.abs(correlation) / jnp.where(unit.l1 > 0, unit.l1, 1.0), 0.0)
    lams, place, first = with_steps(lams, count, jnp.max(begin))
    count = count + STEPS
    slot = jnp.full((L,), kept, jnp.int32).at[place].set(jnp.arange(kept, dtype=jnp.int32))  # of steps none is kept

    def certify(lam: jax.Array, u: jax.Array, unit_u: Penalty, r: jax.Array, z: jax.Array) -> jax.Array:
        inside, penalty = penalty_at(lam, unit_u), penalty_at(lam, unit)
        rr, yr = jnp.dot(r, r), jnp.dot(target, r)
        primal = 0.5 * rr + jnp.sum(inside.l1 * jnp.abs(u) + 0.5 * inside.l2 * u**2)
        rounding = jnp.full_like(z, 16 * jnp.finfo(dtype).eps) * jnp.sqrt(yy)
        c_max = largest_scale(z, penalty, rounding)
        if by_knots:  # no squares, bounds 0 or infinite: every h_j* is 0 where it is finite
            c = jnp.clip(yr / jnp.where(rr > 0, rr, 1.0), 0.0, c_max)
            return relative_gap(primal, c * yr - 0.5 * c**2 * rr, yy, yy)
        c_free = penalty_free_scale(yr, rr, z, penalty, c_max)
        dual = jnp.fmax(dual_at(c_max, yr, rr, z, penalty), dual_at(c_free, yr, rr, z, penalty))
        return relative_gap(primal, dual, yy, yy)

    def one(visit: Visit) -> Visit:
        full = visit.working.size + JOIN > C
        visit = only_if(full, lambda v: _make_room(v, p), visit)
        visit = _join(visit, table, target, unit)
        working, first = visit.working, visit.index
        until = jnp.minimum(first + CHUNK, count)
        problem = LeastSquares(working.rows.T, None, working.correlation, yy)
        rebuilt = lambda walk: walk.rebuilt(working.rows, working.correlation, working.unit)
        walk: Walk = only_if(visit.drifted, rebuilt, visit.walk)
        walk = walk.advance(problem, working.unit, lams, first, until, working.size)

        # The certificate of the chunk, and of the λ before it, which gives the slope.
        here = jnp.clip(first, 0, L - CHUNK)
        chunk = jax.lax.dynamic_slice_in_dim(lams, here, CHUNK)
        u = jax.lax.dynamic_slice_in_dim(walk.coef, here, CHUNK)
        R = target[None, :] - u @ working.rows
        Z = table.products(R)
        gap = jax.vmap(certify, (0, 0, None, 0, 1))(chunk, u, working.unit, R, Z)
        number = here + jnp.arange(CHUNK, dtype=jnp.int32)
        visited = (number >= first) & (number < until)

        # Violators of the chunk join; for the next one, those that are on their way.
        l1 = jnp.where(unit.l1 > 0, unit.l1, 1.0)
        rises, falls = unit.upper > 0, unit.lower < 0
        allowed = jnp.where(Z > 0, rises[:, None], falls[:, None])
        magnitude = jnp.where(allowed, jnp.abs(Z) / l1[:, None] / chunk[None, :], 0.0)
        violates = jnp.any(visited[None, :] & (magnitude > 1.0), axis=1)
        missed = jnp.any(walk.missed(magnitude) & ~working.inside[:, None], axis=0)
        failures = visited & (missed | ~(gap <= tol))
        failed, failure = jnp.any(failures), number[jnp.argmax(failures)]

        last = jnp.clip(until - 1 - here, 0, CHUNK - 1)
        previous = jnp.maximum(last - 1, 0)
        fell = chunk[previous] - chunk[last]
        goal = lams[jnp.minimum(until + CHUNK, count) - 1]
        share = jnp.where(fell > 0, (chunk[last] - goal) / jnp.where(fell > 0, fell, 1.0), 0.0)
        ahead = Z[:, last] + share * (Z[:, last] - Z[:, previous])
        ahead_allowed = jnp.where(ahead > 0, rises, falls)
        score = 0.5 * (jnp.where(ahead_allowed, jnp.abs(ahead) / l1 / goal, 0.0) + magnitude[:, last])
        score = jnp.where(violates, 1e3 + score, score)

        # Where a failure is not overcome, or no further λ can be solved, the chunk is given up, or all that is left.
        idle = jnp.where(failed & (failure == first), visit.idle + 1, 0)
        # A path from knot to knot that is wrong, though no column was missed, has gathered rounding errors.
        drifted = failed & ~jnp.any(visited & missed) & by_knots
        stuck = walk.stuck | (drifted & visit.drifted)
        given_up = stuck | (idle >= most_idle)
        failed, idle = failed & ~given_up, jnp.where(given_up, 0, idle)
        walk = walk.back(failed, lams[jnp.minimum(failure, L - 1)])
        reached = jnp.where(failed, failure, until)
        accepted = visited & (number < reached)
        rows = jnp.where(accepted, _take(slot, number), kept)
        per_size = u / _take(table.size, working.column, 1.0)[None, :]
        wide = jnp.zeros((CHUNK, p), dtype).at[:, working.column].set(per_size, mode="drop")
        coef = visit.coef.at[rows].set(wide, mode="drop")
        gaps = visit.gap.at[rows].set(gap, mode="drop")

        index = jnp.where(stuck, count, reached)
        return Visit(index, working, walk, score, R[last], idle, drifted, coef, gaps)

    empty = WorkingSet(
        jnp.full((C,), p, jnp.int32),
        jnp.zeros((), jnp.int32),
        jnp.zeros((p,), bool),
        jnp.zeros((C, n), dtype),
        jnp.zeros((C,), dtype),
        Penalty(*(jnp.full((C,), value, dtype) for value in (1.0, 0.0, -jnp.inf, jnp.inf))),
    )
    score, lam = begin / lams[jnp.minimum(first + CHUNK, count) - 1], jnp.maximum(lams[0], jnp.max(begin))
    walk = Knots.start(C, lams) if by_knots else NewtonSteps.start(C, slots, lams, lam, tol, max_iter)
    none, outputs = jnp.zeros((), jnp.int32), (jnp.zeros((kept, p), dtype), jnp.full((kept,), jnp.inf, dtype))
    visit = Visit(first, empty, walk, score, target, none, jnp.zeros((), bool), *outputs)
    visit = varying_like(visit, visit, table, unit, lams)
    visit = jax.lax.while_loop(lambda visit: visit.index < count, one, visit)
    return visit.coef, visit.gap, jnp.diff(jnp.cumsum(visit.walk.n_iter)[place], prepend=0).astype(jnp.int32)
