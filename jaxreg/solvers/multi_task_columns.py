"""A multi-task path for many columns: inside a working set that grows as it is found wanting.

At each λ the problem is solved on the working set alone (:mod:`~jaxreg.solvers.multi_task`). One product of the
residual with all columns then gives the duality gap of the whole problem. Where it is above the tolerance, the columns
that violate their bound most join, and the λ is solved again; where it is within, the λ is done, and the same product
says which columns to add for the next one: those with

    ‖RZ_j‖ ≥ ρ (2 λ_next − λ)

the sequential strong rule for groups (Tibshirani et al., J. R. Stat. Soc. B 74(2), 2012). A rule that errs costs a
second visit, never an answer.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import only_if, varying_like
from jaxreg.solvers.grid import with_steps
from jaxreg.solvers.multi_task import Products, gap_of, norms, solve

__all__ = ["solve_path"]

# The share of the capacity that may join at a time, and the most columns.
JOIN, MOST_JOIN = 1 / 4, 128
# The tolerance of the λs between those that are asked for.
ROUGH = 1e-3
# Visits of a λ at which no column joins, after which it is left as it is (its gap says so).
MOST_IDLE = 2


class WorkingSet(NamedTuple):
    """C columns at most.

    Attributes:
        column: (C,), their numbers, p where there is none. size: (), how many. inside: (p,) booleans.
        rows: (C, n). gram: (C, C). correlation: (t, C).
    """

    column: jax.Array
    size: jax.Array
    inside: jax.Array
    rows: jax.Array
    gram: jax.Array
    correlation: jax.Array


class Visit(NamedTuple):
    """What the next visit needs.

    Attributes:
        index: (), the λ that comes next. working: the columns. coef: U, (t, C). score: (p,), above 0 where a column is
            to join. urgent: (), whether these violate their bound. idle: (), visits of this λ at which none joined.
            full: (), whether one that did found no room.
        coefs: (L, t, p). gaps: (L,), ∞ where λ is not solved. n_iter: (L,).
    """

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    working: WorkingSet
    coef: jax.Array
    score: jax.Array
    urgent: jax.Array
    idle: jax.Array
    full: jax.Array
    coefs: jax.Array
    gaps: jax.Array
    n_iter: jax.Array


def _join(visit: Visit, features: jax.Array, target: jax.Array, count: int) -> Visit:
    """The columns of largest score join, at most ``count``."""
    working, zero = visit.working, jnp.zeros((), jnp.int32)
    p = len(features)
    score, new = jax.lax.top_k(visit.score.astype(jnp.float32), min(count, p))
    new = jnp.where(score > 0, new, p).astype(jnp.int32)
    rows = features.at[new].get(mode="fill", fill_value=0)
    all_rows = jax.lax.dynamic_update_slice(working.rows, rows, (working.size, zero))
    products = rows @ all_rows.T
    gram = jax.lax.dynamic_update_slice(working.gram, products, (working.size, zero))
    gram = jax.lax.dynamic_update_slice(gram, products.T, (zero, working.size))
    correlation = jax.lax.dynamic_update_slice(working.correlation, target @ rows.T, (zero, working.size))
    column = jax.lax.dynamic_update_slice(working.column, new, (working.size,))
    size = working.size + jnp.sum(new < p, dtype=jnp.int32)
    inside = working.inside.at[new].set(True, mode="drop")
    return visit._replace(working=WorkingSet(column, size, inside, all_rows, gram, correlation))


def _make_room(visit: Visit) -> Visit:
    """Columns that are not active leave; the others move to the beginning."""
    working, active = visit.working, norms(visit.coef) > 0
    C, p = len(working.column), len(working.inside)
    order = jnp.nonzero(active, size=C, fill_value=C)[0].astype(jnp.int32)
    of_rows = lambda A: A.at[order].get(mode="fill", fill_value=0)
    of_columns = lambda A: A.at[:, order].get(mode="fill", fill_value=0)
    column = working.column.at[order].get(mode="fill", fill_value=p)
    inside = jnp.zeros_like(working.inside).at[column].set(True, mode="drop")
    gram, correlation = of_columns(of_rows(working.gram)), of_columns(working.correlation)
    size = jnp.sum(active, dtype=jnp.int32)
    kept = WorkingSet(column, size, inside, of_rows(working.rows), gram, correlation)
    return visit._replace(working=kept, coef=of_columns(visit.coef))


def solve_path(
    features: jax.Array,
    target: jax.Array,
    lams: jax.Array,
    count: jax.Array,
    l1_ratio: jax.Array,
    tol: jax.Array,
    max_iter: jax.Array,
    capacity: int,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Down the first ``count`` of the λs, (L,).

    Args:
        features: `Zᵀ`, (p, n). target: `Ỹᵀ`, (t, n). l1_ratio: `ρ > 0`, (). tol: the gap to reach, (). max_iter: most
            rounds a λ, (). capacity: most columns of the working set, static, at most p.

    Returns:
        U at every λ, (L, t, p), the gaps, (L,), the rounds, (L,), and whether the capacity was too small, ().
    """
    (p, n), t, kept, C = features.shape, len(target), len(lams), capacity
    joining = min(max(1, int(JOIN * C)), MOST_JOIN)
    dtype, yy = target.dtype, jnp.sum(target**2)
    first_norms = norms(target @ features.T)
    lams, place, first = with_steps(lams, count, jnp.max(first_norms) / l1_ratio)
    asked = jnp.zeros(lams.shape, bool).at[place].set(True)
    slot = jnp.full(lams.shape, kept, jnp.int32).at[place].set(jnp.arange(kept, dtype=jnp.int32))
    count = count + (len(lams) - kept)

    def one(visit: Visit) -> Visit:
        wanted = jnp.any(visit.score > 0)
        crowded = lambda visit: visit.working.size + joining > C
        visit = only_if(wanted & crowded(visit), _make_room, visit)
        room = ~crowded(visit)
        full = wanted & visit.urgent & ~room
        visit = only_if(wanted & room, lambda v: _join(v, features, target, joining), visit)
        working, index, lam = visit.working, visit.index, lams[visit.index]
        l1, l2 = lam * l1_ratio, lam * (1.0 - l1_ratio)
        enough = jnp.where(asked[index], tol, jnp.maximum(tol, ROUGH))
        problem = Products(working.gram, working.correlation, yy, working.rows)
        coef, _, n_iter = solve(problem, visit.coef, l1, l2, enough, max_iter)

        R = target - coef @ working.rows
        z = norms(R @ features.T)
        gap = gap_of(z, norms(coef), jnp.sum(target * R), jnp.sum(R**2), yy, l1, l2)
        outside = jnp.where(working.inside, 0.0, z)
        missed = jnp.where(outside > l1, outside, 0.0)
        idle = jnp.where(jnp.any(missed > 0), 0, visit.idle + 1)
        done = (gap <= enough) | (idle >= MOST_IDLE)
        following = lams[jnp.minimum(index + 1, count - 1)]
        ahead = jnp.where(outside >= l1_ratio * (2.0 * following - lam), outside, 0.0)

        row = jnp.where(done, slot[index], kept)
        wide = jnp.zeros((t, p), dtype).at[:, working.column].set(coef, mode="drop")
        return Visit(
            jnp.where(full, count, jnp.where(done, index + 1, index)),
            working,
            coef,
            jnp.where(done, ahead, missed),
            ~done,
            jnp.where(done, 0, idle),
            full,
            visit.coefs.at[row].set(wide, mode="drop"),
            visit.gaps.at[row].set(gap, mode="drop"),
            visit.n_iter.at[slot[index]].add(n_iter, mode="drop"),
        )

    none = jnp.zeros((), jnp.int32)
    empty = WorkingSet(
        jnp.full((C,), p, jnp.int32),
        none,
        jnp.zeros((p,), bool),
        jnp.zeros((C, n), dtype),
        jnp.zeros((C, C), dtype),
        jnp.zeros((t, C), dtype),
    )
    start = jnp.maximum(lams[0], jnp.max(first_norms) / l1_ratio)
    score = jnp.where(first_norms >= l1_ratio * (2.0 * lams[first] - start), first_norms, 0.0)
    outputs = jnp.zeros((kept, t, p), dtype), jnp.full((kept,), jnp.inf, dtype), jnp.zeros((kept,), jnp.int32)
    no = jnp.zeros((), bool)
    visit = Visit(first, empty, jnp.zeros((t, C), dtype), score, no, none, no, *outputs)
    visit = varying_like(visit, visit, lams)
    visit = jax.lax.while_loop(lambda visit: visit.index < count, one, visit)
    return visit.coefs, visit.gaps, visit.n_iter, visit.full
