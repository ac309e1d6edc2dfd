"""``train`` and ``train_grid``: any loss, any optimiser, one compiled call."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.progress import Progress, following
from jaxreg.training.arguments import check_arrays, check_grid, check_params, check_steps, names_taken
from jaxreg.training.loop import Training
from jaxreg.training.methods import first_step, has_derivatives
from jaxreg.training.programs import Recipe, method_of, run_recipe, with_values
from jaxreg.training.sameness import ByContent
from jaxreg.training.shares import joined, rows_of, run_side_by_side, share_of
from jaxreg.training.stability import curvature_along_steepest

__all__ = ["DivergenceWarning", "product", "train", "train_grid"]


class DivergenceWarning(UserWarning):
    """The loss or the parameters of some members ceased to be finite."""


def train(
    loss: Callable[..., Any],
    params: Any,
    *args: Any,
    optimizer: Any,
    steps: int,
    record_every: int | None = None,
    tol: float | None = None,
    gap: Callable[..., Any] | None = None,
    batch_size: int | None = None,
    batches: Iterable[tuple] | None = None,
    key: Any = None,
) -> Training:
    """Minimise any differentiable loss over any pytree of parameters.

    What is compiled is kept for the next call with the same function object as ``loss`` (and ``gap``), so define them
    once, and pass what changes in ``args``. ``optimizer`` may be written anew, ``optax.sgd(0.1)``, as long as its
    numbers are the same; functions of yours in it, such as a prox, must be the same objects.

    Args:
        loss: (params, *args) -> (), a pure function.
        params: a pytree of floating arrays.
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

    Returns:
        Training.

    Raises:
        TypeError, ValueError: a loss that is no scalar or not pure, integer parameters, NaN in the data, NumPy float64
            while 64-bit mode is off, ``steps`` below 1; the message names the argument.

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
    """
    params = jax.tree.map(jnp.asarray, _checked_params(params, args))
    steps, record_every = check_steps(steps, record_every)
    _check_batches(args, batch_size, batches, key)
    recipe = Recipe(loss, ByContent(optimizer), gap, None, steps, record_every, batch_size, False, False)
    result = run_recipe(recipe, params, {}, args, tol, key, batches)
    _warn_divergence(result, recipe, params, {}, args)
    return result


def train_grid(
    loss: Callable[..., Any],
    params: Any,
    grid: Mapping[str, Any],
    *args: Any,
    optimizer: Any,
    steps: int,
    record_every: int | None = None,
    tol: float | None = None,
    gap: Callable[..., Any] | None = None,
    batch_size: int | None = None,
    batches: Iterable[tuple] | None = None,
    key: Any = None,
    block: int | None = None,
    progress: Progress = None,
) -> Training:
    """Train every member of a grid of hyperparameters at once: one compilation, ``args`` shared and never copied.

    The loss — and ``params``, ``optimizer`` and ``gap`` where they are functions — receive by keyword those grid names
    that stand in their signatures:

        loss(params, *args, lam)        optimizer=lambda learning_rate: optax.adam(learning_rate)
        params=lambda seed: jax.random.normal(jax.random.key(seed), (p,))

    As with the loss, define these functions once: a lambda written in the call is compiled at every call.

    Args:
        grid: dict of arrays with a common leading axis of G members; :func:`product` makes all combinations.
        block: members that are trained at a time (memory then grows with it, not with G); None is all. On a CPU, and
            outside ``jit``, the cores share them out among themselves where the data are small.
        progress: called as ``progress(done, G)`` after every block; with ``block`` None, blocks of a tenth are taken.
            True shows a line in a terminal or notebook, and nothing elsewhere.
        loss, params, args, optimizer, steps, record_every, tol, gap, batch_size, batches, key: as in :func:`train`. All
            members see the same batches.

    Returns:
        Training with a leading member axis in every array: ``history.loss`` is (G, T). Members that diverge or converge
        are left alone, and change nothing for the others.

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
    arrays, count = check_grid(grid)
    make_params = params if callable(params) else None
    tree = None
    if make_params is None:
        tree = jax.tree.map(jnp.asarray, _checked_params(params, args))
    else:
        check_arrays(args=args)
    steps, record_every = check_steps(steps, record_every)
    _check_batches(args, batch_size, batches, key)
    takers = {"loss": loss, "params": make_params, "optimizer": optimizer, "gap": gap}
    taken = frozenset().union(*(names_taken(function, arrays) for function in takers.values()))
    for name in arrays:
        if name not in taken:
            raise ValueError(
                f"grid[{name!r}] is taken by nobody: neither the loss nor params, optimizer or gap (where they are "
                f"functions) have a parameter of that name."
            )
    watched = progress is not None and progress is not False
    if block is None:
        block = math.ceil(count / 10) if watched else count
    if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or block < 1:
        raise ValueError(f"block is {block!r}; it must be a whole number of at least 1.")
    block = min(int(block), count)
    if batches is not None and block < count:
        batches = list(islice(batches, steps))  # every block sees the same ones
    recipe = Recipe(loss, ByContent(optimizer), gap, make_params, steps, record_every, batch_size, True, False)
    share = block if batches is not None else share_of(block, arrays, args)
    parts, counts = [], []
    with following(progress, "members") as show:
        for start in range(0, count, block):
            end = min(start + block, count)
            firsts = range(start, end, share)
            # The last share is filled up with its last member, so that one program serves all.
            rows = [np.minimum(np.arange(first, first + share), end - 1) for first in firsts]
            hypers = [arrays] if share == count else [rows_of(arrays, members) for members in rows]
            if len(hypers) == 1:
                parts.append(run_recipe(recipe, tree, hypers[0], args, tol, key, batches))
            else:
                parts += run_side_by_side(recipe, tree, hypers, args, tol, key)
            counts += [min(share, end - first) for first in firsts]
            if end < count or watched:
                jax.block_until_ready(parts)  # the next block needs the memory
            show(end, count)
    result = parts[0] if len(parts) == 1 else joined(parts, tuple(counts))
    _warn_divergence(result, recipe, tree, arrays, args)
    return result


def product(**arrays: Any) -> dict[str, jax.Array]:
    """All combinations of the arrays' entries, as a grid; the last array varies fastest.

    Args:
        arrays: (G₁, …), (G₂, …), … with one leading axis each.

    Returns:
        dict of arrays of length G₁·G₂·….

    Example:
        >>> product(lam=[0.1, 1.0], seed=[0, 1, 2])["seed"]
        Array([0, 1, 2, 0, 1, 2], dtype=int32)
    """
    if not arrays:
        raise ValueError("product() needs at least one array.")
    check_arrays(**arrays)
    values = {name: jnp.asarray(a) for name, a in arrays.items()}
    for name, a in values.items():
        if a.ndim == 0 or a.shape[0] == 0:
            raise ValueError(f"product: {name} must be an array of at least one entry; got shape {a.shape}.")
    places = np.indices([a.shape[0] for a in values.values()]).reshape(len(values), -1)
    return {name: a[place] for (name, a), place in zip(values.items(), places, strict=True)}


def _checked_params(params: Any, args: tuple) -> Any:
    check_arrays(params=params, args=args)
    check_params(params)
    return params


def _check_batches(args: tuple, batch_size: Any, batches: Any, key: Any) -> None:
    if batches is not None and (args or batch_size is not None):
        raise ValueError("batches replaces the data: give either args (with or without batch_size), or batches.")
    if batch_size is None:
        return
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1.")
    if key is None:
        raise ValueError("batch_size needs key=jax.random.key(seed): rows are drawn at random.")
    shapes = [getattr(a, "shape", None) for a in args]
    if not args or any(not shape or shape[0] != shapes[0][0] for shape in shapes):  # type: ignore[index]
        raise ValueError(f"batch_size draws rows, so all args must be arrays with one leading axis; got {shapes}.")


def _warn_divergence(result: Training, recipe: Recipe, params: Any, grid: dict[str, Any], args: tuple) -> None:
    """One warning for all that diverged, with the largest stable step of the first; silent under tracing."""
    # Under an eager jax.grad the loss is a tracer, but the boolean `diverged` is not.
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(result)) or not bool(jnp.any(result.diverged)):
        return
    late = np.flatnonzero(np.atleast_1d(np.asarray(result.diverged)))
    lines = []
    for g in late[:5]:
        hyper = {name: values[g] for name, values in grid.items()}
        start = with_values(recipe.make_params, hyper)() if recipe.make_params is not None else params
        method = method_of(recipe, hyper)
        numbers = {name: v for name, v in hyper.items() if v.ndim == 0 and jnp.issubdtype(v.dtype, jnp.number)}
        values = ", ".join(f"{name}={v:.6g}" if v.dtype.kind == "f" else f"{name}={v}" for name, v in numbers.items())
        step = int(np.atleast_1d(np.asarray(result.n_steps))[g])
        text = (f"member {g} ({values})" if recipe.members else "training") + f" in step {step}"
        if method.step_size is not None and "step_size" not in hyper:
            text += f", step size {float(method.step_size):.6g}"
        if method.step_size is None and "learning_rate" not in hyper and has_derivatives(method.init(start)):
            text += f", learning rate {first_step(method, jax.tree.map(jnp.zeros_like, start)):.6g} at first"
        if args:
            largest = float(curvature_along_steepest(with_values(recipe.loss, hyper), start, *args))
            what = "this method" if method.step_size is not None else "gradient descent"
            if np.isfinite(largest) and largest > 0:
                text += f"; the largest stable step of {what} is {method.stable / largest:.6g}"
        lines.append(text)
    more = f"; and {len(late) - 5} more" if len(late) > 5 else ""
    warnings.warn(f"diverged: {'; '.join(lines)}{more}. Their params are the last finite ones.", DivergenceWarning, 3)
