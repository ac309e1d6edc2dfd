"""A λ-path for p ≫ n: the active-set path inside a small set of columns that grows as it is found wanting.

A few λs at a time (a *chunk*) are solved on the working set alone. One product with all columns then gives the duality
gap of the whole problem at each of them: where it is within the tolerance the λ is done, at the first where it is not
the walk continues, with the columns that were missed. The same product says which columns to add for the next chunk:
those whose gradient, extended linearly to the chunk's last λ, would nearly reach the bound

    |g_j| > margin · λ a_j

(the sequential strong rule of Tibshirani et al., J. R. Stat. Soc. B 74(2), 2012, with a slope that is known instead of
bounded). A rule that errs costs a second visit, never an answer: only the full certificate ends a chunk.

Columns are centred and scaled implicitly: a_j = √(s/Σs) (x_j − m_j)/d_j from the table as it is, so folds of one table,
which differ in s, m and d alone, share it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty, dual_at, largest_scale, penalty_free_scale, relative_gap
from jaxreg.solvers import active_set
from jaxreg.solvers.active_set import Solved, Walk, penalty_at
from jaxreg.solvers.reduction import Problem
from jaxreg.solvers.updated_inverse import only_if

__all__ = ["Table", "capacity", "solve_path"]

# λs a chunk, which one product with the whole table certifies.
CHUNK = 10
# Columns that may join at a time, at most half the smallest capacity, and the share of the bound at which they do: with
# 64 and 0.95 every second chunk had to be visited twice.
JOIN, MARGIN = 128, 0.9
# Most columns of a working set for more than n active ones: its Gram matrix has the square of it in numbers.
LARGEST = 4096
# Visits without a new λ, beside those that fill the working set, after which a chunk is given up (its gap says so).
MOST_IDLE = 3


class Table(NamedTuple):
    """The columns of a problem, √(s/Σs) (x_j − m_j)/d_j.

    Attributes:
        features: xᵀ, (p, n). root: √(s/Σs), (n,). mean: m, size: d, (p,).
    """

    features: jax.Array
    root: jax.Array
    mean: jax.Array
    size: jax.Array

    def columns(self, index: jax.Array) -> jax.Array:
        """The columns numbered ``index``, (k,), as rows, (k, n); 0 where it is p."""
        at = lambda a, fill: a.at[index].get(mode="fill", fill_value=fill)
        rows = at(self.features, 0) - at(self.mean, 0)[:, None]
        return rows / at(self.size, 1)[:, None] * self.root[None, :]

    def products(self, R: jax.Array) -> jax.Array:
        """With every column, (L, p), of R (L, n)."""
        weighted = R * self.root[None, :]
        total = jnp.sum(weighted, axis=1)
        return ((self.features @ weighted.T).T - total[:, None] * self.mean[None, :]) / self.size[None, :]


class WorkingSet(NamedTuple):
    """C columns at most.

    Attributes:
        column: (C,), their numbers, p where there is none. size: (), how many. inside: (p,) booleans.
        rows: (C, n). gram: (C, C). correlation: c, (C,). unit: the penalty at λ = 1 on them.
    """

    column: jax.Array
    size: jax.Array
    inside: jax.Array
    rows: jax.Array
    gram: jax.Array
    correlation: jax.Array
    unit: Penalty


class Visit(NamedTuple):
    """What the next visit of a chunk needs: the working set, the walk on it, and what was found out about all columns.

    Attributes:
        score: (p,), how near a column is to joining; above ``MARGIN`` it does. idle: (), visits without a new λ.
        coef: (L, p). gap: (L,). n_iter: (L,).
    """

    working: WorkingSet
    walk: Walk
    score: jax.Array
    residual: jax.Array
    idle: jax.Array
    coef: jax.Array
    gap: jax.Array
    n_iter: jax.Array


def capacity(n: int, spread: int) -> int:
    """Columns of a working set for n rows: twice as many as may be active, ``spread`` · n if memory allows."""
    least = 2 << (n - 1).bit_length()
    return max(256, least, min(spread * least, LARGEST))


def _take(values: jax.Array, index: jax.Array, fill: Any = 0) -> jax.Array:
    return values.at[index].get(mode="fill", fill_value=fill)


def _join(visit: Visit, table: Table, target: jax.Array, unit: Penalty) -> Visit:
    """The columns of largest score join; their gradient is that of the residual at which the walk stands."""
    working, walk = visit.working, visit.walk
    p = len(visit.score)
    score, new = jax.lax.top_k(jnp.where(working.inside, -1.0, visit.score).astype(jnp.float32), min(JOIN, p))
    new = jnp.where(score >= MARGIN, new, p).astype(jnp.int32)
    rows = table.columns(new)
    zero = jnp.zeros((), jnp.int32)
    write = lambda array, block: jax.lax.dynamic_update_slice(array, block.astype(array.dtype), (working.size,))
    all_rows = jax.lax.dynamic_update_slice(working.rows, rows, (working.size, zero))
    block = rows @ all_rows.T
    gram = jax.lax.dynamic_update_slice(working.gram, block, (working.size, zero))
    gram = jax.lax.dynamic_update_slice(gram, block.T, (zero, working.size))
    fills = Penalty(1.0, 0.0, -jnp.inf, jnp.inf)  # type: ignore[arg-type]
    joined = WorkingSet(
        write(working.column, new),
        working.size + jnp.sum(new < p, dtype=jnp.int32),
        working.inside.at[new].set(True, mode="drop"),
        all_rows,
        gram,
        write(working.correlation, rows @ target),
        Penalty(*(write(a, _take(b, new, f)) for a, b, f in zip(working.unit, unit, fills, strict=True))),
    )
    gradient = rows @ visit.residual
    state = walk.state._replace(gradient=write(walk.state.gradient, gradient))
    last = walk.last._replace(gradient=write(walk.last.gradient, gradient))
    return visit._replace(working=joined, walk=walk._replace(state=state, last=last))


def _make_room(visit: Visit, p: int) -> Visit:
    """Columns that are not active leave the working set; the others move to its beginning."""
    working, walk = visit.working, visit.walk
    C = len(working.column)
    active = (walk.state.sign != 0) | (walk.state.coef != 0)
    order = jnp.nonzero(active, size=C, fill_value=C)[0].astype(jnp.int32)
    moved = lambda a: _take(a, order)
    column = _take(working.column, order, p)
    both = _take(_take(working.gram, order).T, order)  # symmetric
    unit = Penalty(*(_take(a, order, f) for a, f in zip(working.unit, (1.0, 0.0, -jnp.inf, jnp.inf), strict=True)))
    kept = WorkingSet(
        column,
        jnp.sum(active, dtype=jnp.int32),
        jnp.zeros_like(working.inside).at[column].set(True, mode="drop"),
        moved(working.rows),
        both,
        moved(working.correlation),
        unit,
    )
    H = walk.state.inverse
    place = jnp.full((C + 1,), C, jnp.int32).at[order].set(jnp.arange(C, dtype=jnp.int32), mode="drop")
    inverse = H._replace(
        column=jnp.where(H.column < C, place[jnp.minimum(H.column, C)], C), slot=_take(H.slot, order, 0)
    )
    inverse = inverse._replace(slot=jnp.where(order < C, inverse.slot, len(H.column)))
    s = walk.state
    state = s._replace(
        coef=moved(s.coef),
        gradient=moved(s.gradient),
        sign=moved(s.sign),
        leave=_take(s.leave, order, False) & (order < C),
        enter=jnp.zeros_like(s.enter),
        inverse=inverse,
    )
    last = Solved(walk.last.lam, moved(walk.last.coef), moved(walk.last.gradient))
    return visit._replace(working=kept, walk=walk._replace(state=state, last=last, coef=jnp.zeros_like(walk.coef)))


def solve_path(
    table: Table,
    target: jax.Array,
    lams: jax.Array,
    count: Any,
    unit: Penalty,
    tol: Any,
    max_iter: Any,
    spread: int = 1,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The minimiser of  ½‖ỹ − A u‖² + λ Σ_j ( a_j |u_j| + ½ b_j u_j² )  at every λ.

    Args:
        table: A, n rows and p columns. target: ỹ, (n,). lams: (L,), λ > 0, descending, of which the first ``count``,
            (), are solved; L ≥ 10. unit: the penalty at λ = 1, (p,); bounds 0 or infinite. tol: the gap to reach, ().
        max_iter: most rounds a λ, (). spread: how many times n columns may be active; those of a lasso never exceed n,
            those of an elastic net may. Where they exceed it, the λ is given up.

    Returns:
        u, (L, p), the gap of every u, and the rounds taken, (L,).
    """
    p, n = table.features.shape
    L, dtype = len(lams), target.dtype
    C = capacity(n, spread)
    slots, most_idle = C // 2, C // JOIN + MOST_IDLE
    yy = jnp.dot(target, target)

    def certify(lam: jax.Array, u: jax.Array, unit_u: Penalty, r: jax.Array, z: jax.Array) -> jax.Array:
        inside, penalty = penalty_at(lam, unit_u), penalty_at(lam, unit)
        rr, yr = jnp.dot(r, r), jnp.dot(target, r)
        primal = 0.5 * rr + jnp.sum(inside.l1 * jnp.abs(u) + 0.5 * inside.l2 * u**2)
        rounding = jnp.full_like(z, 16 * jnp.finfo(dtype).eps) * jnp.sqrt(yy)
        c_max = largest_scale(z, penalty, rounding)
        c_free = penalty_free_scale(yr, rr, z, penalty, c_max)
        dual = jnp.maximum(dual_at(c_max, yr, rr, z, penalty), dual_at(c_free, yr, rr, z, penalty))
        return relative_gap(primal, dual, yy, yy)

    def one(visit: Visit) -> Visit:
        full = visit.working.size + JOIN > C
        visit = only_if(full, lambda v: _make_room(v, p), visit)
        visit = _join(visit, table, target, unit)
        working, first = visit.working, visit.walk.index
        until = jnp.minimum(first + CHUNK, count)
        problem = Problem(working.rows, working.gram, working.correlation, yy)
        walk = active_set.advance(visit.walk, problem, working.unit, lams, until, tol, max_iter)

        # The certificate of the chunk, and of the λ before it, which gives the slope.
        here = jnp.clip(first, 0, L - CHUNK)
        chunk = jax.lax.dynamic_slice_in_dim(lams, here, CHUNK)
        u = jax.lax.dynamic_slice_in_dim(walk.coef, here, CHUNK)
        R = target[None, :] - u @ working.rows
        Z = table.products(R)
        gap = jax.vmap(certify, (0, 0, None, 0, 0))(chunk, u, working.unit, R, Z)
        number = here + jnp.arange(CHUNK, dtype=jnp.int32)
        visited = (number >= first) & (number < until)
        failed = visited & ~(gap <= tol)
        reached = jnp.where(jnp.any(failed), number[jnp.argmax(failed)], until)

        # Violators of the chunk join; for the next one, those that are on their way.
        l1 = jnp.where(unit.l1 > 0, unit.l1, 1.0)
        magnitude = jnp.abs(Z) / l1[None, :] / chunk[:, None]
        rises, falls = unit.upper > 0, unit.lower < 0
        allowed = jnp.where(Z > 0, rises[None, :], falls[None, :])
        violates = jnp.any(visited[:, None] & allowed & (magnitude > 1.0), axis=0)
        last = jnp.clip(until - 1 - here, 0, CHUNK - 1)
        previous = jnp.maximum(last - 1, 0)
        fell = chunk[previous] - chunk[last]
        goal = lams[jnp.minimum(until + CHUNK, count) - 1]
        share = jnp.where(fell > 0, (chunk[last] - goal) / jnp.where(fell > 0, fell, 1.0), 0.0)
        ahead = Z[last] + share * (Z[last] - Z[previous])
        ahead_allowed = jnp.where(ahead > 0, rises, falls)
        score = jnp.maximum(
            jnp.where(ahead_allowed, jnp.abs(ahead) / l1 / goal, 0.0), jnp.where(allowed[last], magnitude[last], 0.0)
        )
        score = jnp.where(violates, 1e3 + score, score)

        idle = jnp.where(reached > first, 0, visit.idle + 1)
        reached = jnp.where(idle >= most_idle, until, reached)
        idle = jnp.where(idle >= most_idle, 0, idle)
        accepted = visited & (number < reached)
        rows = jnp.where(accepted, number, L)
        wide = jnp.zeros((CHUNK, p), dtype).at[:, working.column].set(u, mode="drop")
        coef = visit.coef.at[rows].set(wide, mode="drop")
        gaps = visit.gap.at[rows].set(gap, mode="drop")

        # At a λ that failed the walk starts again from where it stands, without predictions.
        again = reached < until
        calm = walk.state._replace(
            leave=jnp.where(again, False, walk.state.leave), enter=jnp.where(again, False, walk.state.enter)
        )
        lam = jnp.where(again, lams[jnp.minimum(reached, L - 1)], walk.lam)
        origin = Solved(jnp.full((), jnp.inf, dtype), walk.state.coef, walk.state.gradient)
        trusted = jax.tree.map(lambda a, b: jnp.where(again, a, b), origin, walk.last)
        walk = walk._replace(index=reached, lam=lam, state=calm, last=trusted)
        return Visit(working, walk, score, R[last], idle, coef, gaps, walk.n_iter)

    empty = WorkingSet(
        jnp.full((C,), p, jnp.int32),
        jnp.zeros((), jnp.int32),
        jnp.zeros((p,), bool),
        jnp.zeros((C, n), dtype),
        jnp.zeros((C, C), dtype),
        jnp.zeros((C,), dtype),
        Penalty(*(jnp.full((C,), value, dtype) for value in (1.0, 0.0, -jnp.inf, jnp.inf))),
    )
    z = table.products(target[None, :])[0]
    allowed = jnp.where(z > 0, unit.upper > 0, unit.lower < 0)
    begin = jnp.max(jnp.where(allowed, jnp.abs(z) / jnp.where(unit.l1 > 0, unit.l1, 1.0), 0.0))
    goal = lams[jnp.minimum(CHUNK, count) - 1]
    score = jnp.where(allowed, jnp.abs(z) / jnp.where(unit.l1 > 0, unit.l1, 1.0), 0.0) / goal
    walk = active_set.start(empty.correlation, empty.unit, lams, slots)
    walk = walk._replace(lam=jnp.maximum(lams[0], begin), built=jnp.maximum(lams[0], begin))
    outputs = jnp.zeros((L, p), dtype), jnp.zeros((L,), dtype), jnp.zeros((L,), jnp.int32)
    visit = Visit(empty, walk, score, target, jnp.zeros((), jnp.int32), *outputs)
    visit = jax.lax.while_loop(lambda visit: visit.walk.index < count, one, visit)
    return visit.coef, visit.gap, visit.walk.n_iter
