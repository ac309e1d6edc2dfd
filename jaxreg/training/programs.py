"""What ``train`` and ``train_grid`` compile: a Recipe decides the program, and the rest are its inputs."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.training.arguments import check_arrays, check_loss, check_params, names_taken
from jaxreg.training.branches import without_branches
from jaxreg.training.loop import History, Run, Training, advance_member, start_member, train_loop
from jaxreg.training.methods import Method, as_method, has_derivatives
from jaxreg.training.sameness import ByContent

__all__ = ["Recipe", "method_of", "program", "run_recipe", "with_values"]


class Recipe(NamedTuple):
    """What decides the compiled program; hashable.

    Attributes:
        loss, gap: as given. optimizer: compared by its content. make_params: a function of grid names, or None where
            params is a tree.
        members: whether there is a grid. stacked: whether args have a leading axis of steps (a stream of batches).
    """

    loss: Callable[..., Any]
    optimizer: ByContent
    gap: Callable[..., Any] | None
    make_params: Callable[..., Any] | None
    steps: int
    record_every: int
    batch_size: int | None
    members: bool
    stacked: bool


def with_values(function: Callable[..., Any], hyper: Mapping[str, Any]) -> Callable[..., Any]:
    """The function with the grid values that it takes."""
    taken = names_taken(function, hyper)
    return partial(function, **{name: hyper[name] for name in taken}) if taken else function


def method_of(recipe: Recipe, hyper: Mapping[str, Any]) -> Method:
    optimizer = recipe.optimizer.value
    return as_method(with_values(optimizer, hyper)() if callable(optimizer) else optimizer)


def _start(recipe: Recipe, params: Any, hyper: dict[str, jax.Array], args: tuple) -> Run:
    first = tuple(a[0] for a in args) if recipe.stacked else args

    def member(params: Any, hyper: dict[str, jax.Array]) -> Run:
        if recipe.make_params is not None:
            params = jax.tree.map(jnp.asarray, with_values(recipe.make_params, hyper)())
            check_params(params)
        dtype = check_loss(with_values(recipe.loss, hyper), params, first)
        return start_member(params, method_of(recipe, hyper).init(params), dtype)

    return jax.vmap(member, in_axes=(None, 0))(params, hyper) if recipe.members else member(params, hyper)


def _continue(
    recipe: Recipe, run: Run, hyper: dict[str, jax.Array], args: tuple, tol: Any, key: Any
) -> tuple[Run, History]:
    """``recipe.steps`` steps; of a grid, the history has the member axis second."""

    def over_members(function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.vmap(function) if recipe.members else function

    def batch(k: Any) -> tuple:
        if recipe.stacked:
            return tuple(a[k] for a in args)
        if recipe.batch_size is None:
            return args
        rows = jax.random.randint(jax.random.fold_in(key, k), (recipe.batch_size,), 0, args[0].shape[0])
        return tuple(a[rows] for a in args)

    def advance(run: Run, k: Any) -> Run:
        data = batch(k)

        def member(run: Run, hyper: dict[str, jax.Array]) -> Run:
            loss, method = with_values(recipe.loss, hyper), method_of(recipe, hyper)
            value_and_gradient = jax.value_and_grad(lambda params: loss(params, *data))
            step = partial(method.step, value_and_gradient)
            return advance_member(run, without_branches(step) if recipe.members else step)

        return over_members(member)(run, hyper)

    def measure(run: Run, k: Any) -> tuple[jax.Array, jax.Array]:
        data = batch(k) if recipe.stacked else args  # of mini-batches drawn from args, the whole is at hand

        def member(run: Run, hyper: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
            value, gradient = jax.value_and_grad(with_values(recipe.loss, hyper))(run.params, *data)
            if recipe.gap is not None:
                return value, with_values(recipe.gap, hyper)(run.params, *data)
            return value, method_of(recipe, hyper).residual(run.params, gradient)

        return over_members(member)(run, hyper)

    return train_loop(run, advance, measure, recipe.steps, recipe.record_every, tol)


def _result(run: Run, history: History) -> Training:
    loss, residual = history.loss[-1], history.residual[-1]
    if loss.ndim == 1:  # members first, then records
        history = jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), history)
    result = Training(run.params, loss, residual, run.n_steps, run.converged, run.diverged, history, run.state)
    return result if has_derivatives(run.state) else _without_derivatives(result)


@jax.custom_jvp
def _without_derivatives(result: Training) -> Training:
    return result


@_without_derivatives.defjvp
def _refuse(primals: Any, tangents: Any) -> Any:
    raise TypeError(
        "training with L-BFGS or a zoom line search has no useful derivative: near the solution its steps are "
        "quotients of rounding errors. Differentiate a run of sgd, adam, ista or fista, or jaxreg.solvers.fit; put "
        "jax.lax.stop_gradient around what train is given if no derivative by it is meant."
    )


@partial(jax.jit, static_argnames=("recipe",))
def program(recipe: Recipe, params: Any, hyper: dict[str, jax.Array], args: tuple, tol: Any, key: Any) -> Training:
    """From the start to the result: what ``train`` compiles."""
    return _result(*_continue(recipe, _start(recipe, params, hyper, args), hyper, args, tol, key))


# The same in three parts, for streams of batches.
_stream_start = jax.jit(_start, static_argnames=("recipe",))
_stream_stretch = jax.jit(_continue, static_argnames=("recipe",))


@jax.jit
def _stream_result(run: Run, histories: list[History]) -> Training:
    return _result(run, jax.tree.map(lambda *a: jnp.concatenate(a), *histories))


def run_recipe(
    recipe: Recipe, params: Any, hyper: dict[str, Any], args: tuple, tol: Any, key: Any, batches: Any
) -> Training:
    if batches is None:
        return program(recipe, params, hyper, args, tol, key)
    run, histories, done = None, [], 0
    iterator = iter(batches)
    while done < recipe.steps:
        some = list(islice(iterator, min(recipe.record_every, recipe.steps - done)))
        if not some:
            raise ValueError(f"batches ended after {done} of {recipe.steps} steps; give fewer steps or more batches.")
        if not all(isinstance(one, (tuple, list)) for one in some):
            raise TypeError(f"batches gave {type(some[0]).__name__}; every batch must be a tuple of arrays.")
        check_arrays(batches=some)
        stacked = tuple(jnp.stack([jnp.asarray(a) for a in column]) for column in zip(*some, strict=True))
        stretch = recipe._replace(stacked=True, steps=len(some), record_every=len(some))
        if run is None:
            run = _stream_start(stretch, params, hyper, stacked)
        run, history = _stream_stretch(stretch, run, hyper, stacked, tol, key)
        histories.append(history)
        done += len(some)
    return _stream_result(run, histories)
