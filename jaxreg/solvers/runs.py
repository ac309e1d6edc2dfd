"""Paths of many runs of consecutive rows: groups, windows that roll along an order, windows that grow.

Rows are cut into *segments* wherever a run begins or ends, and the moments of a run are those of its segments together.
Adding moments keeps all digits and taking rows away does not (formulas (1) and (2) of :mod:`~jaxreg.formulas.moments`),
so a window that moves on should not lose its first rows by subtraction. A queue of two stacks never subtracts. With a
*pivot* m, a boundary between segments that lies in several runs `a ≤ m ≤ b`,

    moments(a … b) = moments(a … m) + moments(m … b),

the sums on the left are added up once, from m to the left, and kept for every segment at which a run begins; the sum on
the right grows as b moves on. When a run begins beyond m, its end becomes the next pivot. Every segment is added once
to the left and once to the right of a pivot, however long the windows are.

Source: the running extremum of van Herk, *Pattern Recognition Letters* 13, 1992, and of Gil and Werman, *IEEE
Transactions on Pattern Analysis* 15, 1993, which works for every operation that is associative.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.moments import Moments, moments
from jaxreg.solvers.found import Found, Grid, Settings
from jaxreg.solvers.from_many_moments import paths_in_lockstep
from jaxreg.solvers.from_moments import path_from_moments
from jaxreg.solvers.in_turn import in_turn_from
from jaxreg.solvers.lockstep import LOCKSTEP

__all__ = ["TOGETHER", "Runs", "paths_of_runs"]

# Segments whose moments one operation adds up: of few columns each by itself takes longer to begin than to do.
TOGETHER = 16


class Runs(NamedTuple):
    """Which rows are in which run; a run is some consecutive segments.

    Attributes:
        start, stop: (S,), the rows of every segment. begins: (S + 1,), at how many of the segments before it a run
            begins. first, last: (B,), each run's first segment, and the one after its last; both never fall.
        count: (), how many runs there are; the others fill up.
    """

    start: jax.Array
    stop: jax.Array
    begins: jax.Array
    first: jax.Array
    last: jax.Array
    count: jax.Array  # type: ignore[assignment]  # a tuple has a method of this name


class Queue(NamedTuple):
    """The pivot m; the sums to its left, where runs begin, the nearest first; the sum of m … position."""

    pivot: jax.Array
    left: Moments
    right: Moments
    position: jax.Array


def paths_of_runs(
    X: jax.Array,
    Y: jax.Array,
    weight: jax.Array,
    runs: Runs,
    grid: Grid,
    settings: Settings,
    unit: jax.Array,
    *,
    way: str,
    rows: int,
    most: int,
    at_once: bool,
) -> Found:
    """A path for each run.

    Args:
        X: (n, p), which columns of 0 fill up to those of ``settings``, Y: (n, t), weight: s, (n,); at least ``rows`` of
            them.
        unit: by how much of the columns' lengths the moments of a segment may be off, ().
        way: as of :func:`~jaxreg.solvers.from_moments.path_from_moments`.
        rows: of the longest segment, most: sums that are kept to the left of a pivot, at_once: whether the moments of
            all segments are known before the first run, which is faster and takes `S p²` numbers; all static.

    Returns:
        Found, with a leading axis B.
    """
    p, t = len(settings.penalty_factor), Y.shape[1]
    fill = (0, 0), (0, p - X.shape[1])
    shapes = (), (p,), (t,), (p, p), (p, t), (t,)
    nothing = Moments._make(jnp.zeros(shape, X.dtype) for shape in shapes)

    def read(s: jax.Array) -> Moments:
        begin = jnp.minimum(runs.start[s], len(X) - rows)
        cut = lambda v: jax.lax.dynamic_slice_in_dim(v, begin, rows)
        number = begin + jnp.arange(rows, dtype=begin.dtype)
        inside = (number >= runs.start[s]) & (number < runs.stop[s])
        return moments(jnp.pad(cut(X), fill), cut(Y), jnp.where(inside, cut(weight), 0.0))

    known = jax.lax.map(read, jnp.arange(len(runs.start)), batch_size=TOGETHER) if at_once else None
    segment = lambda s: read(s) if known is None else jax.tree.map(lambda v: v[s], known)

    def turned(queue: Queue, first: jax.Array, last: jax.Array) -> Queue:
        """With the pivot ``last``."""

        def push(k: jax.Array, carry: tuple[Moments, Moments]) -> tuple[Moments, Moments]:
            left, total = carry
            s = last - 1 - k
            total = segment(s) + total
            # A segment at which no run begins is written over by the next one.
            slot = runs.begins[last] - runs.begins[s + 1]
            return jax.tree.map(lambda v, a: v.at[slot].set(a), left, total), total

        left, _ = jax.lax.fori_loop(0, last - first, push, (queue.left, nothing))
        return Queue(last, left, nothing, last)

    in_lockstep = way == LOCKSTEP

    def solved(total: Moments, off: jax.Array) -> Any:
        return (total, off) if in_lockstep else path_from_moments(total, None, grid, settings, off, way)

    def one(queue: Queue, b: jax.Array) -> tuple[Queue, Any]:
        first, last = runs.first[b], runs.last[b]
        queue = jax.lax.cond(first >= queue.pivot, turned, lambda queue, *_: queue, queue, first, last)
        grow = lambda q: q._replace(right=q.right + segment(q.position), position=q.position + 1)
        queue = jax.lax.while_loop(lambda q: q.position < last, grow, queue)
        slot = runs.begins[queue.pivot] - runs.begins[first + 1]
        total = jax.tree.map(lambda v: v[slot], queue.left) + queue.right
        return queue, solved(total, jnp.where(last - first > 1, unit * growth(total), unit))

    left = jax.tree.map(lambda v: jnp.zeros((most, *v.shape), v.dtype), nothing)
    zero = jnp.zeros((), runs.first.dtype)
    queue = Queue(zero, left, nothing, zero)
    found = in_turn_from(queue, one, runs.count, len(runs.first))
    if not in_lockstep:
        return found
    total, off = found
    factors = jnp.tile(settings.penalty_factor[None, :], (len(off), 1))
    return paths_in_lockstep(total, factors, runs.count, grid, settings, off)


def growth(m: Moments) -> jax.Array:
    """By how many times formula (1) of the moments may add to their error, ().

    The mean `x̄_k` of a segment is known to an ε of itself, and it enters `xx_jj` as `W_k (x̄_k − x̄)²`. By Cauchy and
    Schwarz

        2 Σ_k W_k |x̄_k − x̄| |x̄_k| ≤ 2 √xx_jj √( W x̄² + xx_jj )
    """

    def times(mean: jax.Array, square: jax.Array) -> jax.Array:
        varies = square > 0
        ratio = m.weight * mean**2 / jnp.where(varies, square, 1.0)
        return jnp.max(jnp.where(varies, 2.0 * jnp.sqrt(1.0 + ratio), 0.0), initial=0.0)

    return 1.0 + jnp.maximum(times(m.x_mean, jnp.diagonal(m.xx)), times(m.y_mean, m.yy))
