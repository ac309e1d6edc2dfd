"""The training loop: steps under ``lax.scan``, records at a stride, members that stop or diverge left alone.

One loop serves a single run and a grid: ``advance`` and ``measure`` are then vmapped over the members, and everything
in ``Run`` and ``History`` has a leading member axis::

    stretch       look at the params, and record it; then take ``record_every`` steps
    train_loop    stretch, stretch, …, and a last look

A step needs the gradient only. The loss is computed when a record is made, and there only does it cost anything: the
record's gradient is that of the step that follows, which the compiler computes once.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.training.arguments import Tree
from jaxreg.training.placement import as_after, on_a_mesh
from jaxreg.training.result import Best, History

__all__ = [
    "Look",
    "Record",
    "Run",
    "Stop",
    "advance_member",
    "start_member",
    "train_loop",
]

# A loss that has grown by this factor over its start (or over 1, where it starts below) will not come back.
DIVERGED = 1e12
# The number of a step.
Step = jax.Array | int


class Run(NamedTuple):
    """State: what the next step needs, of one member.

    Attributes:
        params, state: of the optimiser. n_steps: taken. limit: a loss above it counts as diverged; known from the
            first look on. converged, diverged, stopped (by the validation loss): the member is left alone once one
            holds. looked: n_steps at the last look, −1 before it. best: None without validation. waited: looks since.
    """

    params: Tree
    state: Tree
    n_steps: jax.Array
    limit: jax.Array
    converged: jax.Array
    diverged: jax.Array
    stopped: jax.Array
    looked: jax.Array
    best: Best | None
    waited: jax.Array

    @property
    def active(self) -> jax.Array:
        return ~(self.converged | self.diverged | self.stopped)


class Stop(NamedTuple):
    """When a member stops: a residual of at most ``tol``; ``patience`` records without a smaller validation loss."""

    tol: jax.Array | float | None = None
    patience: jax.Array | int | None = None


class Look(NamedTuple):
    """What is measured of params: loss and residual as in History; whether the gradient is finite; validation loss."""

    loss: jax.Array
    residual: jax.Array
    finite: jax.Array
    validation: jax.Array | None


class Record(NamedTuple):
    """A History, and beside it the validation loss or None."""

    history: History
    validation: jax.Array | None


def start_member(params: Tree, state: Tree, dtype: np.dtype, best: Best | None) -> Run:
    """The Run before the first step; ``dtype`` is that of the loss."""
    no, zero = jnp.zeros((), bool), jnp.zeros((), jnp.int32)
    return Run(params, state, zero, jnp.full((), jnp.inf, dtype), no, no, no, zero - 1, best, zero)


def advance_member(run: Run, step: Callable[[Tree, Tree], tuple[Tree, Tree]]) -> Run:
    """One step, (params, state) -> (params, state), of one member, unless it has stopped."""
    active = run.active
    params, state = step(run.params, run.state)
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
    keep = active & finite
    params, state = jax.tree.map(lambda new, old: jnp.where(keep, new, old), (params, state), (run.params, run.state))
    n_steps = run.n_steps + active.astype(run.n_steps.dtype)
    return run._replace(params=params, state=state, n_steps=n_steps, diverged=run.diverged | (active & ~finite))


def train_loop(
    run: Run,
    advance: Callable[[Run, Step], Run],
    measure: Callable[[Run, Step], Look],
    steps: int,
    record_every: int,
    stop: Stop,
    axes: int,
) -> tuple[Run, Record]:
    """Take ``steps`` steps.

    Args:
        run: of one member or of all. advance: (run, k) -> run, step k. measure: (run, k) -> Look, on the data of step
            k. steps, record_every: static.
        stop: when a member stops. Where it says nothing the loop is a ``scan``, which can be differentiated backwards;
            else a ``while`` that ends when all have stopped.
        axes: the number of member axes, 0 or 1.

    Returns:
        The last Run, and the Record with the record axis first.
    """
    may_stop = stop.tol is not None or stop.patience is not None
    look = lambda run, k: _looked(run, measure(run, k), stop)

    def stretch(run: Run, first: Step, count: Step) -> tuple[Run, Record]:
        # The first step stands outside the loop, beside the look: the two share their products with the data.
        run, record = look(run, first)
        lower: Step = 1
        if may_stop:
            count = jnp.where(jnp.any(run.active), count, 0)
            lower = as_after(jnp.ones_like(count), count) if on_a_mesh() else 1
        run = advance(run, first)
        return jax.lax.fori_loop(lower, count, lambda k, run: advance(run, first + k), run), record

    if on_a_mesh():
        run = as_after(run, stretch(run, 0, 1), axes)
    if may_stop:
        return _until_stopped(run, look, stretch, steps, record_every)
    whole, rest = divmod(steps, record_every)
    run, history = jax.lax.scan(lambda run, i: stretch(run, i * record_every, record_every), run, jnp.arange(whole))
    late = []
    if rest:
        run, record = stretch(run, whole * record_every, rest)
        late.append(record)
    run, last = look(run, steps - 1)
    # Nobody asked for the record of step 0.
    return run, jax.tree.map(lambda all_, *a: jnp.concatenate([all_, jnp.stack(a)])[1:], history, *late, last)


def _looked(run: Run, seen: Look, stop: Stop) -> tuple[Run, Record]:
    """The run after a look, and the record of it."""
    limit = jnp.where(jnp.isinf(run.limit), DIVERGED * jnp.maximum(jnp.abs(seen.loss), 1.0), run.limit)
    lost = (run.looked < 0) & ~seen.finite  # no step can be taken from where the gradient is not finite
    diverged = run.diverged | ~(jnp.isfinite(seen.loss) & (seen.loss <= limit)) | lost
    converged = run.converged
    if stop.tol is not None:
        converged = converged | ((seen.residual <= stop.tol) & ~diverged)
    if seen.validation is not None:
        run = _with_best(run, seen.validation, stop.patience)
    run = run._replace(limit=limit, converged=converged, diverged=diverged, looked=run.n_steps)
    return run, Record(History(run.n_steps, seen.loss, seen.residual), seen.validation)


def _until_stopped(
    run: Run,
    look: Callable[[Run, Step], tuple[Run, Record]],
    stretch: Callable[[Run, Step, Step], tuple[Run, Record]],
    steps: int,
    record_every: int,
) -> tuple[Run, Record]:
    """Stretch after stretch, until all members have stopped."""
    records = -(-steps // record_every)

    def write(history: Record, i: jax.Array, record: Record) -> Record:
        """Record i, and as long as there is no later one, all after it. Record −1, of step 0, is overwritten."""
        later = lambda all_: jnp.expand_dims(jnp.arange(records) >= i, range(1, all_.ndim))
        return jax.tree.map(lambda all_, new: jnp.where(later(all_), new[None], all_), history, record)

    def unfinished(carry: tuple[jax.Array, Run, Record]) -> jax.Array:
        i, run, _ = carry
        return (i < records) & jnp.any(run.active)

    def body(carry: tuple[jax.Array, Run, Record]) -> tuple[jax.Array, Run, Record]:
        i, run, history = carry
        run, record = stretch(run, i * record_every, jnp.minimum(record_every, steps - i * record_every))
        return i + 1, run, write(history, i - 1, record)

    i = jnp.zeros((), jnp.int32)
    if on_a_mesh():
        i = as_after(i, jnp.any(run.active))
        history = jax.tree.map(lambda a: jnp.broadcast_to(a[None], (records, *a.shape)), look(run, 0)[1])
    else:
        shapes = jax.eval_shape(look, run, 0)[1]
        history = jax.tree.map(lambda a: jnp.zeros((records, *a.shape), a.dtype), shapes)
    i, run, history = jax.lax.while_loop(unfinished, body, (i, run, history))
    run, last = look(run, steps - 1)
    return run, write(history, i - 1, last)


def _with_best(run: Run, validation: jax.Array, patience: jax.Array | int | None) -> Run:
    """The run after a look at its validation loss, which counts once for each step that is looked at."""
    assert run.best is not None
    fresh = run.active & (run.n_steps > run.looked)
    better = fresh & (validation < run.best.loss)

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(jnp.expand_dims(better, range(better.ndim, new.ndim)), new, old)

    best = jax.tree.map(choose, Best(run.params, validation, run.n_steps), run.best)
    waited = jnp.where(better, 0, run.waited + fresh)
    stopped = run.stopped if patience is None else run.stopped | (waited >= patience)
    return run._replace(best=best, waited=waited, stopped=stopped)
