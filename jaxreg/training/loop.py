"""The training loop: steps under ``lax.scan``, records at a stride, members that stop or diverge left alone.

One loop serves a single run and a grid: ``advance`` and ``measure`` are then vmapped over the members, and everything
in ``Run`` and ``History`` has a leading member axis.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["History", "Run", "Training", "advance_member", "start_member", "train_loop"]

# A loss that has grown by this factor over its start (or over 1, where it starts below) will not come back.
DIVERGED = 1e12


class Run(NamedTuple):
    """State: what the next step needs, of one member.

    Attributes:
        params, state: of the optimiser. n_steps: taken. limit: a loss above it counts as diverged.
        converged, diverged: the member is left alone once either holds.
    """

    params: Any
    state: Any
    n_steps: jax.Array
    limit: jax.Array
    converged: jax.Array
    diverged: jax.Array


class History(NamedTuple):
    """Info: what a person wants to see, at every record (before the leading axis of records, that of members).

    Attributes:
        step: steps taken. loss: at the params of that step. residual: largest entry of the gradient (with a prox: of
            the gradient mapping), or the value of ``gap`` where one is given.
    """

    step: jax.Array
    loss: jax.Array
    residual: jax.Array


class Training(NamedTuple):
    """What ``train`` and ``train_grid`` return; of a grid, every array has a leading member axis (G,).

    Attributes:
        params: as given; those of the last step, or of the last finite one where a member diverged.
        loss: at params, (). residual: at params, (): see :class:`History`.
        n_steps: steps taken. converged: residual ≤ tol (False without ``tol``). diverged: the loss or the params
            ceased to be finite, or the loss grew by 1e12, in step ``n_steps``.
        history: History with a record axis of length T = ⌈steps / record_every⌉ after the member axis; the records
            after a member stopped repeat its last.
        state: the optimiser's.
    """

    params: Any
    loss: jax.Array
    residual: jax.Array
    n_steps: jax.Array
    converged: jax.Array
    diverged: jax.Array
    history: History
    state: Any


def start_member(params: Any, state: Any, loss: jax.Array) -> Run:
    """The Run before the first step; ``loss`` is that of the start, ()."""
    none = jnp.zeros((), jnp.int32)
    limit = DIVERGED * jnp.maximum(jnp.abs(loss), 1.0)
    return Run(params, state, none, limit, jnp.zeros((), bool), ~jnp.isfinite(loss))


def advance_member(run: Run, step: Callable[[Any, Any], tuple[Any, Any, jax.Array]], most: int) -> Run:
    """One step of one member, unless it has stopped.

    Args:
        step: (params, state) -> (params, state, loss). most: the number of steps asked for.
    """
    active = ~(run.converged | run.diverged) & (run.n_steps < most)
    params, state, loss = step(run.params, run.state)
    finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)])
    sound = jnp.all(finite) & (loss <= run.limit)  # NaN is not
    keep = active & sound
    params, state = jax.tree.map(lambda new, old: jnp.where(keep, new, old), (params, state), (run.params, run.state))
    n_steps = run.n_steps + active.astype(run.n_steps.dtype)
    return run._replace(params=params, state=state, n_steps=n_steps, diverged=run.diverged | (active & ~sound))


def train_loop(
    run: Run,
    advance: Callable[[Run, Any], Run],
    measure: Callable[[Run], tuple[jax.Array, jax.Array]],
    batch: Callable[[jax.Array], Any],
    steps: int,
    record_every: int,
    tol: Any,
) -> tuple[Run, History]:
    """Take ``steps`` steps.

    Args:
        run: of one member or of all. advance: (run, batch) -> run. measure: run -> (loss, residual). batch: the step's
            number -> what ``advance`` takes its gradient on. steps, record_every: static.
        tol: residual at which a member stops, or None. Without it the loop is a ``scan``, which can be differentiated
            backwards; with it a ``while`` that ends when all have stopped.

    Returns:
        The last Run, and History with the record axis first.
    """
    records = -(-steps // record_every)

    def stretch(run: Run, record: jax.Array) -> tuple[Run, History]:
        def one(run: Run, k: jax.Array) -> tuple[Run, None]:
            return advance(run, batch(record * record_every + k)), None

        run, _ = jax.lax.scan(one, run, jnp.arange(record_every))
        loss, residual = measure(run)
        if tol is not None:
            run = run._replace(converged=run.converged | ((residual <= tol) & ~run.diverged))
        return run, History(run.n_steps, loss, residual)

    if tol is None:
        return jax.lax.scan(stretch, run, jnp.arange(records))

    shapes = jax.eval_shape(stretch, run, jnp.zeros((), jnp.int32))[1]
    history = jax.tree.map(lambda a: jnp.zeros((records, *a.shape), a.dtype), shapes)

    def unfinished(carry: tuple[jax.Array, Run, History]) -> jax.Array:
        record, run, _ = carry
        return (record < records) & ~jnp.all(run.converged | run.diverged)

    def body(carry: tuple[jax.Array, Run, History]) -> tuple[jax.Array, Run, History]:
        record, run, history = carry
        run, now = stretch(run, record)
        # The rest of the history repeats this record until a later one overwrites it.
        later = jnp.arange(records) >= record
        history = jax.tree.map(
            lambda all_, new: jnp.where(later.reshape((-1,) + (1,) * new.ndim), new[None], all_), history, now
        )
        return record + 1, run, history

    _, run, history = jax.lax.while_loop(unfinished, body, (jnp.zeros((), jnp.int32), run, history))
    return run, history
