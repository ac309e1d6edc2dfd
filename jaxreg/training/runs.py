"""``train`` and ``train_grid``: any loss, any optimiser, one compiled call."""

import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg.devices import check_mesh
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress, following
from jaxreg.training.arguments import (
    Function,
    Tree,
    check_arrays,
    check_batches,
    check_grid,
    check_params,
    check_steps,
    check_validation,
    check_whole_number,
    names_taken,
    takes_float64,
)
from jaxreg.training.batches import keys_of
from jaxreg.training.divergence import DivergenceWarning, warn_divergence
from jaxreg.training.folds import cross_validation
from jaxreg.training.kept import programs_of, retain
from jaxreg.training.loop import Step, Stop
from jaxreg.training.programs import Inputs, Member, Plan, Recipe, run_recipe
from jaxreg.training.result import Training
from jaxreg.training.schedules import lifted
from jaxreg.training.shares import divided, joined, rows_of, run_side_by_side, share_of

__all__ = ["DivergenceWarning", "train", "train_grid"]


@names_ours
@takes_float64
def train(
    loss: Function,
    params: Tree,
    *args: Tree,
    optimizer: object,
    steps: int,
    record_every: int | None = None,
    tol: float | None = None,
    gap: Function | None = None,
    batch_size: int | None = None,
    batches: Iterable[tuple] | None = None,
    key: jax.Array | None = None,
    has_aux: bool = False,
    validation: tuple | None = None,
    validation_loss: Function | None = None,
    patience: int | None = None,
) -> Training:
    """Minimise any differentiable loss over any pytree of parameters.

    What is compiled is kept for the next call with the same function object as ``loss`` (and ``gap``), as long as the
    function lives and what it reads from outside (a global, ``self.lam``) is the same; so define it once, and pass what
    changes in ``args``. ``optimizer`` may be written anew, ``optax.sgd(0.1)``, as long as its numbers are the same;
    functions of yours in it, such as a prox, must be the same objects. Numbers of float64 are computed with as such,
    whether or not 64-bit mode is on; params keep their dtype.

    Args:
        loss: (params, *args) -> (), a pure function; with ``has_aux`` it returns a pair, (value, aux).
        params: a pytree of floating arrays; or a Training, to go on from where it ended, with its optimiser's state and
            the mini-batches that come next: 50 steps and 50 more are 100. ``steps`` are those to come.
        args: data, pytrees of arrays; the whole of them at every step unless ``batch_size`` is given.
        optimizer: an optax optimiser (line searches such as ``optax.lbfgs()`` too), or :func:`~jaxreg.training.ista` or
            :func:`~jaxreg.training.fista`.
        steps: static. record_every: a record of loss and residual every so many steps; about 100 records by default.
            A loss that has become NaN, infinite or 1e12 times that of the start is noticed at a record, params that
            have at their own step: ``record_every=1`` makes both exact.
        tol: stop once the residual — the largest entry of the gradient or, with a prox, of the gradient mapping — is at
            most this; looked at when a record is made, and at the start. Without it all steps are taken and the result
            can be differentiated in both modes; with it, forwards only. L-BFGS refuses to be differentiated, and line
            searches can be forwards only.
        gap: (params, *args) -> (), used instead of the residual, for example a duality gap.
        batch_size: rows drawn afresh (with replacement) for every step from args, arrays of a common leading axis, with
            ``key``, a ``jax.random.key``.
        batches: instead of args, an iterable of tuples of arrays, one a step, such as
            :func:`~jaxreg.training.minibatches` of arrays larger than the device; ``record_every`` of them are on the
            device at a time.
        has_aux: whether the loss returns a pair; ``aux`` of the result is the second, at the last params.
        validation: held-out data, a tuple like args: at every record the loss on them is computed, and the params at
            which it was smallest are kept in ``best`` of the result.
        validation_loss: ``(params, *validation) -> ()``, used for that instead of the loss: one without its penalty.
        patience: stop after so many records in a row without a smaller validation loss.

    Returns:
        Training.

    Raises:
        TypeError, ValueError: a loss that is no scalar or not pure, integer parameters, NaN in the data, NumPy float64
            inside a program of the caller while 64-bit mode is off, ``steps`` below 1; the message names the argument.

    Warns:
        DivergenceWarning: the loss or the parameters ceased to be finite: in which step, with which learning rate, and
            the largest stable step (2/L for gradient descent and ISTA, 1/L for FISTA, L the largest eigenvalue of the
            Hessian at the start; not said of a stream of ``batches``).

    Example:
        >>> import jax.numpy as jnp, optax, jaxreg
        >>> loss = lambda w, target: 0.5 * jnp.sum((w - target) ** 2)
        >>> result = jaxreg.train(loss, jnp.zeros(2), jnp.array([1.0, -2.0]), optimizer=optax.sgd(0.5), steps=50)
        >>> result.params, result.history.loss.shape
        (Array([ 1., -2.], dtype=float32), (50,))

        Stop where the loss on held-out data is smallest, then go on from there after all:

        >>> held_out = (jnp.array([0.5, -2.0]),)
        >>> options = dict(optimizer=optax.sgd(0.1), record_every=1)
        >>> first = jaxreg.train(loss, jnp.zeros(2), jnp.array([1.0, -2.0]), steps=99, validation=held_out, patience=3,
        ...     **options)
        >>> int(first.best.step), int(first.n_steps)
        (22, 25)
        >>> int(jaxreg.train(loss, first, jnp.array([1.0, -2.0]), steps=10, **options).n_steps)
        35
    """
    earlier, params = _start_of(params, args)
    steps, record_every = check_steps(steps, record_every)
    check_batches(args, batch_size, batches, key)
    validation = check_validation(validation, validation_loss, patience)
    functions = loss, gap, None, validation_loss
    programs = programs_of(functions, optimizer)
    plan = Plan(steps, record_every, batch_size, has_aux, False)
    recipe = Recipe(loss, optimizer, gap, None, validation_loss, plan, programs)
    inputs = Inputs(None if earlier else params, args, Stop(tol, patience), key, validation, _first_step(earlier))
    result = run_recipe(recipe, inputs, Member({}, None, earlier), batches)
    retain(functions, optimizer, programs)
    warn_divergence(result, recipe, params, {}, args, earlier)
    return result


@names_ours
@takes_float64
def train_grid(
    loss: Function,
    params: Tree,
    grid: Mapping[str, ArrayLike],
    *args: Tree,
    optimizer: object,
    steps: int,
    record_every: int | None = None,
    tol: float | None = None,
    gap: Function | None = None,
    batch_size: int | None = None,
    batches: Iterable[tuple] | None = None,
    key: jax.Array | None = None,
    has_aux: bool = False,
    validation: tuple | None = None,
    validation_loss: Function | None = None,
    patience: int | None = None,
    block: int | None = None,
    progress: Progress = None,
    folds: Any = None,
    measure: Function | None = None,
    seed: int = 0,
    mesh: Any = None,
) -> Any:
    """Train every member of a grid of hyperparameters at once: one compilation, ``args`` shared and never copied.

    The loss — and ``params``, ``optimizer`` and ``gap`` where they are functions — receive by keyword those grid names
    that stand in their signatures::

        loss(params, *args, lam)        optimizer=lambda learning_rate: optax.adam(learning_rate)
        params=lambda seed: jax.random.normal(jax.random.key(seed), (p,))

    As with the loss, define these functions once: a lambda written in the call is compiled at every call. Numbers of a
    schedule may be in the grid too,
    ``optimizer=lambda peak: optax.adam(optax.warmup_cosine_decay_schedule(0.0, peak, 10, 200))``: what optax asks about
    them in Python (``peak == 0``) must have the same answer for all members.

    Args:
        grid: dict of arrays with a common leading axis of G members; :func:`product` makes all combinations.
        block: members that are trained at a time (memory then grows with it, not with G); None is all. On a CPU, and
            outside ``jit``, the cores share them out among themselves where the data are small.
        progress: called as ``progress(done, G)`` after every block; with ``block`` None, blocks of a tenth are taken.
            True shows a line in a terminal or notebook, and elsewhere prints one now and then.
        folds: chooses among the members by cross-validation: a number of folds, a label for every row, a splitter or
            pairs, as in :func:`jaxreg.sweep`. Rows are the leading axis of all ``args``. seed: of the random folds.
        measure: (params, *args) -> (), of the rows held out; without it ``validation_loss``, or the loss itself.
        mesh: devices that share the members, as in :func:`jaxreg.fit`; each holds all ``args``.
        key: one for all, which then see the same batches, or an array of G keys, ``jax.random.split(key, G)``.
        loss, params, args, optimizer, steps, record_every, tol, gap, batch_size, batches, has_aux, validation,
            validation_loss, patience: as in :func:`train`. A Training to go on from has the same members.

    Returns:
        Training with a leading member axis in every array: ``history.loss`` is (G, T). Members that diverge or converge
        are left alone, and change nothing for the others. With ``folds``, a
        :class:`~jaxreg.training.CrossValidation`: the errors of all members, the best one, and this Training.

    Raises, Warns: as :func:`train`; also for an empty grid, arrays of unequal length, and a name that nobody takes.

    Example:
        >>> import jax.numpy as jnp, optax, jaxreg
        >>> def loss(w, target, lam):
        ...     return 0.5 * (w - target) ** 2 + 0.5 * lam * w**2
        >>> grid = {"lam": jnp.array([0.0, 1.0, 3.0])}
        >>> result = jaxreg.train_grid(loss, jnp.array(0.0), grid, jnp.array(2.0), optimizer=optax.sgd(0.2), steps=200)
        >>> result.params.round(3)
        Array([2. , 1. , 0.5], dtype=float32)
    """
    if folds is not None:
        return cross_validation(train_grid, dict(locals()))
    arrays, count = check_grid(grid)
    if measure is not None:
        raise ValueError("measure is for the rows that folds hold out; give folds too, or validation_loss.")
    make_params, earlier, tree = None, None, None
    if callable(params) and (jax.tree_util.all_leaves([params]) or isinstance(params, jax.tree_util.Partial)):
        make_params = params
        check_arrays(args=args)
    else:
        earlier, tree = _start_of(params, args)
    steps, record_every = check_steps(steps, record_every)
    check_batches(args, batch_size, batches, key)
    validation = check_validation(validation, validation_loss, patience)
    functions = loss, gap, make_params, validation_loss
    taken = frozenset().union(*(names_taken(function, arrays) for function in (*functions, optimizer)))
    for name in arrays:
        if name not in taken:
            why = "neither the loss nor params, optimizer, gap or validation_loss (where they are functions) have"
            raise ValueError(f"grid[{name!r}] is taken by nobody: {why} a parameter of that name.")
    watched = progress is not None and progress is not False
    if block is None:
        block = math.ceil(count / 10) if watched else count
    check_whole_number(block=block)
    block = min(int(block), count)
    if batches is not None and block < count:
        batches = list(islice(batches, steps))  # every block sees the same ones
    programs = programs_of(functions, optimizer)
    made = programs.lifting(lambda: lifted(optimizer, arrays))
    plan = Plan(steps, record_every, batch_size, has_aux, True, False, made and made.structure)
    recipe = Recipe(loss, optimizer, gap, make_params, validation_loss, plan, programs, made)
    key, keys = keys_of(key, count)
    inputs = Inputs(None if earlier else tree, args, Stop(tol, patience), key, validation, _first_step(earlier))
    everyone = Member(arrays, keys, _of_all(earlier, count), made.numbers if made else ())
    devices = None if mesh is None else check_mesh(mesh, None, count)
    share = block if batches is not None or devices else share_of(block, everyone, args)
    if devices:
        share, inputs = share + -share % devices.number, divided(devices, inputs, whole=True)
    parts, counts = [], []
    with following(progress, "members") as show:
        for start in range(0, count, block):
            end = min(start + block, count)
            firsts = range(start, end, share)
            # The last share is filled up with its last member, so that one program serves all.
            rows = [np.minimum(np.arange(first, first + share), end - 1) for first in firsts]
            shares = [everyone] if share == count else [rows_of(everyone, places) for places in rows]
            shares = [divided(devices, one) if devices else one for one in shares]
            if len(shares) == 1:
                parts.append(run_recipe(recipe, inputs, shares[0], batches))
            else:
                parts += run_side_by_side(recipe, inputs, shares)
            counts += [min(share, end - first) for first in firsts]
            if end < count or watched:
                jax.block_until_ready(parts)  # the next block needs the memory
            show(end, count)
    result = parts[0] if [share] == counts else joined(parts, tuple(counts))
    retain(functions, optimizer, programs)
    warn_divergence(result, recipe, tree, arrays, args, earlier)
    return result._replace(grid=arrays)


def _start_of(params: Tree, args: tuple) -> tuple[Training | None, Tree]:
    """The Training to go on from, or None; and the params."""
    earlier = params if isinstance(params, Training) else None
    params = params.params if earlier is not None else params
    check_arrays(params=params, args=args)
    check_params(params)
    if earlier is None:
        return None, jax.tree.map(jnp.asarray, params)
    unused: Any = dict.fromkeys(("history", "aux", "loss", "residual", "converged", "grid"))
    return jax.tree.map(jnp.asarray, earlier._replace(**unused)), earlier.params


def _first_step(earlier: Training | None) -> Step:
    return 0 if earlier is None else jnp.max(earlier.n_steps)


def _of_all(earlier: Training | None, count: int) -> Training | None:
    if earlier is not None and jnp.shape(earlier.n_steps) != (count,):
        raise ValueError(
            f"the Training to go on from has n_steps of shape {jnp.shape(earlier.n_steps)}, and the grid {count} "
            "members; it must be what train_grid returned for as many."
        )
    return earlier
