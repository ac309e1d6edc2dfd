"""The training loop: steps under ``lax.scan``, records at a stride, members that stop or diverge left alone.

One loop serves a single run and a grid: ``advance`` and ``measure`` are then vmapped over the members, and everything
in ``Run`` and ``History`` has a leading member axis.

    stretch       look at the params, and record it; then take ``record_every`` steps
    train_loop    stretch, stretch, …, and a last look

A step needs the gradient only. The loss is computed when a record is made, and there only does it cost anything: the
record's gradient is that of the step that follows, which the compiler computes once.
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
        params, state: of the optimiser. n_steps: taken. limit: a loss above it counts as diverged; known from the
            first look on. converged, diverged: the member is left alone once either holds.
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
        n_steps: steps taken. converged: residual ≤ tol (False without ``tol``). diverged: the params ceased to be
            finite in step ``n_steps``, or at the record after it the loss was not finite or had grown by 1e12. (The
            loss is looked at when a record is made; with ``record_every=1`` that is after every step.)
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


def start_member(params: Any, state: Any, dtype: Any) -> Run:
    """The Run before the first step; ``dtype`` is that of the loss."""
    no = jnp.zeros((), bool)
    return Run(params, state, jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, dtype), no, no)


def advance_member(run: Run, step: Callable[[Any, Any], tuple[Any, Any]]) -> Run:
    """One step, (params, state) -> (params, state), of one member, unless it has stopped."""
    active = ~(run.converged | run.diverged)
    params, state = step(run.params, run.state)
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
    keep = active & finite
    params, state = jax.tree.map(lambda new, old: jnp.where(keep, new, old), (params, state), (run.params, run.state))
    n_steps = run.n_steps + active.astype(run.n_steps.dtype)
    return run._replace(params=params, state=state, n_steps=n_steps, diverged=run.diverged | (active & ~finite))


def train_loop(
    run: Run,
    advance: Callable[[Run, Any], Run],
    measure: Callable[[Run, Any], tuple[jax.Array, jax.Array]],
    steps: int,
    record_every: int,
    tol: Any,
) -> tuple[Run, History]:
    """Take ``steps`` steps.

    Args:
        run: of one member or of all. advance: (run, k) -> run, step k. measure: (run, k) -> (loss, residual), on the
            data of step k. steps, record_every: static.
        tol: residual at which a member stops, or None. Without it the loop is a ``scan``, which can be differentiated
            backwards; with it a ``while`` that ends when all have stopped.

    Returns:
        The last Run, and History with the record axis first.
    """
    records = -(-steps // record_every)

    def look(run: Run, k: Any) -> tuple[Run, History]:
        loss, residual = measure(run, k)
        limit = jnp.where(run.n_steps == 0, DIVERGED * jnp.maximum(jnp.abs(loss), 1.0), run.limit)
        diverged = run.diverged | ~(jnp.isfinite(loss) & (loss <= limit))
        converged = run.converged if tol is None else run.converged | ((residual <= tol) & ~diverged)
        return run._replace(limit=limit, converged=converged, diverged=diverged), History(run.n_steps, loss, residual)

    def stretch(run: Run, first: Any, count: Any) -> tuple[Run, History]:
        # The first step stands outside the loop, beside the look: the two share their products with the data.
        run, record = look(run, first)
        if tol is not None:
            count = jnp.where(jnp.all(run.converged | run.diverged), 0, count)
        run = advance(run, first)
        return jax.lax.fori_loop(1, count, lambda k, run: advance(run, first + k), run), record

    if tol is None:
        whole, rest = divmod(steps, record_every)
        run, history = jax.lax.scan(lambda run, i: stretch(run, i * record_every, record_every), run, jnp.arange(whole))
        late = []
        if rest:
            run, record = stretch(run, whole * record_every, rest)
            late.append(record)
        run, last = look(run, steps - 1)
        # Nobody asked for the record of step 0.
        return run, jax.tree.map(lambda all_, *a: jnp.concatenate([all_, jnp.stack(a)])[1:], history, *late, last)

    def write(history: History, i: Any, record: History) -> History:
        """Record i, and as long as there is no later one, all after it. Record −1, of step 0, is overwritten."""
        places = jnp.arange(records)
        return jax.tree.map(
            lambda all_, new: jnp.where(jnp.expand_dims(places >= i, range(1, all_.ndim)), new[None], all_),
            history,
            record,
        )

    def unfinished(carry: tuple[jax.Array, Run, History]) -> jax.Array:
        i, run, _ = carry
        return (i < records) & ~jnp.all(run.converged | run.diverged)

    def body(carry: tuple[jax.Array, Run, History]) -> tuple[jax.Array, Run, History]:
        i, run, history = carry
        run, record = stretch(run, i * record_every, jnp.minimum(record_every, steps - i * record_every))
        return i + 1, run, write(history, i - 1, record)

    shapes = jax.eval_shape(look, run, 0)[1]
    history = jax.tree.map(lambda a: jnp.zeros((records, *a.shape), a.dtype), shapes)
    i, run, history = jax.lax.while_loop(unfinished, body, (jnp.zeros((), jnp.int32), run, history))
    run, last = look(run, steps - 1)
    return run, write(history, i - 1, last)
