"""The lasso's paths of many problems in lockstep: one event is the next knot of every problem.

Each problem goes its own way (:mod:`~jaxreg.solvers.homotopy`), with its own knots and its own columns. But what is
done at a knot is the same for all of them, a few operations on arrays with a leading axis of problems; a device of many
cores is kept busy by the problems together, where one problem alone leaves it waiting.

**Segments.** Between two knots a solution is linear in λ, `u(λ) = u₀ + λ u₁`. So a knot is remembered by its λ and by
`u₀, u₁` above it, and after some knots all λs of the grid that lie among them are solved together: no λ of the grid
costs an event.

**Tableaus.** The rows of the tableau, and its changes, come from a table, of which there are two kinds
(:mod:`~jaxreg.solvers.lockstep_tables`).

**Loops.** The events of a trip are a loop of static length; only after it is asked whether a problem has λs left. A
problem that is done, or cannot go on, stands still.
"""

from functools import partial
from typing import Any, NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.homotopy import KNOTS, MORE_KNOTS, ROUNDINGS, Change, Step, crossed, next_knot

__all__ = ["LOCKSTEP", "NARROW", "Table", "solve_paths"]

# The name of this way down the λs.
LOCKSTEP = "lockstep"

# Knots in one trip: of a problem of few columns, which has few; of others on a CPU; and where each trip waits for the
# host to be asked. Up to so many columns are few: their tableau is changed at once.
FEW, MANY, MOST, NARROW = 8, 16, 64, 64


class Table(Protocol):
    """What knows the rows of B tableaus, scaled as :mod:`~jaxreg.solvers.tableau` says."""

    @property
    def pending(self) -> int:
        """Changes that it takes before :meth:`settled` must be called."""

    def rows(self, step: Step, k: jax.Array) -> tuple[jax.Array, Any]:
        """Row k of each, (B, p), k (B,); and what :meth:`changed` wants to know of it."""

    def changed(self, m: jax.Array, step: Step, k: jax.Array, passes: jax.Array, change: Change, of_row: Any) -> Self:
        """After column k has left or entered.

        Args:
            m: (), the number of the change since they were last settled. step: of before. passes: (B,); where it does
                not hold nothing changes. change: of each tableau.
        """

    def settled(self) -> Self:
        """With all changes in their place."""


class Segments(NamedTuple):
    """The last M knots: below each of them another segment begins.

    Attributes:
        values: (B, M, 2p + 1): `u₀` and `u₁` on a segment, and λ at its lower end, infinite where it ends nowhere. In
            one array, a knot is remembered by one operation.
    """

    values: jax.Array

    @property
    def knot(self) -> jax.Array:
        """λ, (B, M)."""
        return self.values[..., -1]

    def at(self, which: jax.Array, lams: jax.Array) -> jax.Array:
        """`u₀ + λ u₁`, (L, p), at the λs, (L,), each on its segment, (L,); of one problem."""
        u = self.values[which, :-1].reshape(len(lams), 2, -1)
        return u[:, 0] + lams[:, None] * u[:, 1]


class Batch(NamedTuple):
    """Where B paths stand.

    Attributes:
        step: of each, (B, ...), without its tableau and its solutions. table: has the tableaus.
        coef: u of the λs passed, (B, L, p). knots: how many lie above each λ, (B, L).
    """

    step: Step
    table: Any
    coef: jax.Array
    knots: jax.Array


def solve_paths(
    table: Table, correlation: jax.Array, lams: jax.Array, count: jax.Array, unit: Penalty
) -> tuple[jax.Array, jax.Array]:
    """:func:`jaxreg.solvers.homotopy.solve_path` for each of B problems.

    Args:
        table: without active columns. correlation: c, (B, p). lams: (B, L), `λ > 0`, descending. count: (B,), the first
            so many are solved. unit: the penalties at `λ = 1`, (B, p): l2 is 0.

    Returns:
        u, (B, L, p), and how many knots lie between each λ and the one before, (B, L). Right as far as the knots could
        be passed, and 0 from there on: to be certified.
    """
    least = lambda events: max(FEW if correlation.shape[1] <= NARROW else events, table.pending)
    given = table, correlation, lams, count, unit
    cpu, other = (partial(_solve_paths, least(events)) for events in (MANY, MOST))
    return jax.lax.platform_dependent(*given, cpu=cpu, default=other)


def _solve_paths(
    in_turn: int, table: Table, correlation: jax.Array, lams: jax.Array, count: jax.Array, unit: Penalty
) -> tuple[jax.Array, jax.Array]:
    """With so many events in one trip."""
    (B, p), L, dtype = correlation.shape, lams.shape[1], correlation.dtype
    last = jnp.take_along_axis(lams, jnp.maximum(count - 1, 0)[:, None], axis=1)[:, 0]
    begin = Batch(_start(correlation), table, jnp.zeros((B, L, p), dtype), jnp.zeros((B, L), jnp.int32))
    begin = varying_like(begin, begin, unit, lams, count)
    empty = varying_like(Segments(jnp.zeros((B, in_turn, 2 * p + 1), dtype)), begin)

    def events(n: jax.Array, carry: tuple[Step, Any, Segments]) -> tuple[Step, Any, Segments]:
        def one(m: jax.Array, carry: tuple[Step, Any, Segments]) -> tuple[Step, Any, Segments]:
            step, now, segments = carry
            return _event(m, n * table.pending + m, step, now, segments, unit, last)

        step, now, segments = jax.lax.fori_loop(0, table.pending, one, carry)
        return step, now.settled(), segments

    def trip(batch: Batch) -> Batch:
        carry = batch.step, batch.table, empty
        step, now, segments = jax.lax.fori_loop(0, in_turn // table.pending, events, carry)
        index, coef, knots = jax.vmap(_solved)(batch._replace(table=None), segments, lams, count)
        return Batch(step._replace(index=index), now, coef, knots)

    unfinished = lambda batch: jnp.any(batch.step.going & (batch.step.index < count))
    done = jax.lax.while_loop(unfinished, trip, begin)
    return done.coef, jnp.diff(done.knots, axis=1, prepend=0)


def _start(correlation: jax.Array) -> Step:
    """Above all knots: nothing is active."""
    B, zero, none = len(correlation), jnp.zeros_like(correlation), jnp.zeros((len(correlation),), jnp.int32)
    lam, going = jnp.full((B,), jnp.inf, zero.dtype), jnp.ones((B,), bool)
    given: Any = lam, none, going, None, correlation, zero, zero, zero + 1.0, None, None, none
    return Step(*given)


def _event(
    m: jax.Array, number: Any, step: Step, table: Any, segments: Segments, unit: Penalty, last: jax.Array
) -> tuple[Step, Table, Segments]:
    """The next knot of every problem that has a λ, down to ``last``, (B,), below it.

    Args:
        m, number: of the event, since changes were settled and in this trip.
    """
    lam, k = jax.vmap(next_knot)(step, unit)
    passes = step.going & (last < _above(lam))
    segments = _with_segment(segments, number, step, jnp.where(step.going, lam, jnp.inf))
    row, of_row = table.rows(step, k)
    row = jnp.where(passes[:, None], row, 0.0)
    side = jnp.sign(jnp.take_along_axis(step.at_zero, k[:, None], axis=1)[:, 0])
    moved, change, possible = jax.vmap(crossed)(step, unit, k, side, passes, row)
    n_knots = step.n_knots + passes.astype(jnp.int32)
    going = step.going & (possible | ~passes) & (n_knots < KNOTS * unit.l1.shape[1] + MORE_KNOTS)
    moved = moved._replace(lam=jnp.where(passes, lam, step.lam), going=going, n_knots=n_knots)
    return moved, table.changed(m, step, k, passes & possible, change, of_row), segments


def _above(knot: jax.Array) -> jax.Array:
    """A λ that is the knot but for rounding is not below it."""
    return (1.0 - ROUNDINGS * jnp.finfo(knot.dtype).eps) * knot


def _with_segment(segments: Segments, number: jax.Array, step: Step, knot: jax.Array) -> Segments:
    u = [jnp.where(step.sign != 0, v / step.scale, 0.0) for v in (step.at_zero, step.slope)]
    one = jnp.concatenate([*u, knot[:, None]], axis=1)
    return Segments(jax.lax.dynamic_update_index_in_dim(segments.values, one, number, 1))


def _solved(
    batch: Batch, segments: Segments, lams: jax.Array, count: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of one problem: how many λs are solved, u and knots above each, with those that the segments reach.

    Args:
        batch: as it was when the first of the segments began.
    """
    number = jnp.arange(len(lams), dtype=jnp.int32)
    reached = lams[:, None] >= _above(segments.knot)[None, :]
    which = jnp.argmax(reached, axis=1).astype(jnp.int32)
    new = jnp.any(reached, axis=1) & (number >= batch.step.index) & (number < count)
    u = segments.at(which, lams)
    index, knots = batch.step.index + jnp.sum(new, dtype=jnp.int32), batch.step.n_knots + which
    return index, jnp.where(new[:, None], u, batch.coef), jnp.where(new, knots, batch.knots)
