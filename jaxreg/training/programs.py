"""What ``train`` and ``train_grid`` compile: a Recipe decides the program, and the rest are its inputs."""

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.training.arguments import Function, Tree, check_arrays, check_loss, check_params, check_state, names_taken
from jaxreg.training.branches import without_branches
from jaxreg.training.kept import Programs, Stage
from jaxreg.training.loop import Look, Record, Run, Step, Stop, advance_member, start_member, train_loop
from jaxreg.training.methods import Method, as_method, has_derivatives, largest
from jaxreg.training.placement import members_placed
from jaxreg.training.result import Best, Training
from jaxreg.training.schedules import Lifted

__all__ = ["Inputs", "Member", "Plan", "Recipe", "loss_of", "method_of", "program", "run_recipe", "with_values"]


class Plan(NamedTuple):
    """The numbers that decide the compiled program; hashable.

    Attributes:
        members: whether there is a grid. stacked: whether args have a leading axis of steps (a stream of batches).
        lifted: the structure of an optimiser that is made outside (``schedules``), or None.
    """

    steps: int
    record_every: int
    batch_size: int | None
    has_aux: bool
    members: bool
    stacked: bool = False
    lifted: Hashable = None


class Recipe(NamedTuple):
    """The functions as given, the plan, and what has been compiled for these functions.

    ``make_params`` is a function of grid names, or None where params is a tree.
    """

    loss: Function
    optimizer: object
    gap: Function | None
    make_params: Function | None
    validation_loss: Function | None
    plan: Plan
    programs: Programs
    lifted: Lifted | None = None


class Member(NamedTuple):
    """What belongs to one member; of a grid, with a leading member axis.

    Attributes:
        hyper: the grid values. key: its own, for its mini-batches, or None. earlier: a Training to go on from, or None.
        numbers: of its optimiser, where that is made outside.
    """

    hyper: dict[str, jax.Array]
    key: jax.Array | None = None
    earlier: Training | None = None
    numbers: tuple[jax.Array, ...] = ()


class Inputs(NamedTuple):
    """What all members share.

    Attributes:
        params, args, key, validation: as given to ``train``. stop: when. first: the number of the first step.
    """

    params: Tree
    args: tuple
    stop: Stop
    key: jax.Array | None
    validation: tuple | None
    first: Step


def with_values(function: Function, hyper: Mapping[str, jax.Array]) -> Function:
    """The function with the grid values that it takes."""
    taken = names_taken(function, hyper)
    return partial(function, **{name: hyper[name] for name in taken}) if taken else function


def method_of(recipe: Recipe, member: Member) -> Method:
    optimizer = recipe.optimizer
    if recipe.lifted is not None:
        return as_method(recipe.lifted.optimizer(member.numbers))
    if not callable(optimizer) or isinstance(optimizer, tuple):
        return as_method(optimizer)
    return as_method(with_values(optimizer, member.hyper)())


def loss_of(recipe: Recipe, hyper: Mapping[str, jax.Array]) -> Function:
    """(params, *args) -> ()"""
    loss = with_values(recipe.loss, hyper)
    return (lambda *args: loss(*args)[0]) if recipe.plan.has_aux else loss


def _over_members(recipe: Recipe, function: Function) -> Function:
    return jax.vmap(function) if recipe.plan.members else function


def _start(recipe: Recipe, inputs: Inputs, members: Member) -> Run:
    first = tuple(a[0] for a in inputs.args) if recipe.plan.stacked else inputs.args

    def start(member: Member) -> Run:
        params, earlier = inputs.params, member.earlier
        if earlier is not None:
            params = earlier.params
        elif recipe.make_params is not None:
            params = jax.tree.map(jnp.asarray, with_values(recipe.make_params, member.hyper)())
            check_params(params)
        dtype = check_loss(with_values(recipe.loss, member.hyper), params, first, recipe.plan.has_aux)
        best = None
        if inputs.validation is not None:
            kind = check_loss(_validation_loss(recipe, member.hyper), params, inputs.validation, name="validation_loss")
            best = Best(params, jnp.full((), jnp.inf, kind), jnp.zeros((), jnp.int32))
        state = method_of(recipe, member).init(params)
        run = start_member(params, state, dtype, best)
        if earlier is None:
            return run
        check_state(earlier.state, state)
        if best is not None and earlier.best is not None:
            run = run._replace(best=earlier.best._replace(history=None))
        return run._replace(state=earlier.state, n_steps=earlier.n_steps, diverged=earlier.diverged)

    return members_placed(_over_members(recipe, start)(members), members) if recipe.plan.members else start(members)


def _continue(recipe: Recipe, run: Run, inputs: Inputs, members: Member) -> tuple[Run, Record, Tree]:
    """``plan.steps`` steps; of a grid, the records have the member axis second. The last is the loss's aux."""
    plan, args = recipe.plan, inputs.args

    def batch(k: Step, key: jax.Array | None) -> tuple:
        if plan.stacked:
            return tuple(a[k] for a in args)
        if plan.batch_size is None:
            return args
        assert key is not None
        rows = jax.random.randint(jax.random.fold_in(key, k + inputs.first), (plan.batch_size,), 0, args[0].shape[0])
        return tuple(a[rows] for a in args)

    def advance(run: Run, k: Step) -> Run:
        shared = batch(k, inputs.key) if members.key is None else None

        def one(run: Run, member: Member) -> Run:
            data = batch(k, member.key) if shared is None else shared
            loss, method = loss_of(recipe, member.hyper), method_of(recipe, member)
            value_and_gradient = jax.value_and_grad(lambda params: loss(params, *data))
            step = partial(method.step, value_and_gradient)
            return advance_member(run, without_branches(step) if plan.members else step)

        return _over_members(recipe, one)(run, members)

    def whole(k: Step) -> tuple:
        return batch(k, None) if plan.stacked else args  # of mini-batches drawn from args, the whole is at hand

    def measure(run: Run, k: Step) -> Look:
        data = whole(k)

        def one(run: Run, member: Member) -> Look:
            value, gradient = jax.value_and_grad(loss_of(recipe, member.hyper))(run.params, *data)
            if recipe.gap is not None:
                residual = with_values(recipe.gap, member.hyper)(run.params, *data)
            else:
                residual = method_of(recipe, member).residual(run.params, gradient)
            held_out = None
            if inputs.validation is not None:
                held_out = _validation_loss(recipe, member.hyper)(run.params, *inputs.validation)
            return Look(value, residual, jnp.isfinite(largest(gradient)), held_out)

        return _over_members(recipe, one)(run, members)

    run, records = train_loop(run, advance, measure, plan.steps, plan.record_every, inputs.stop, int(plan.members))
    aux = None
    if plan.has_aux:
        last = whole(plan.steps - 1)
        with_aux = lambda run, member: with_values(recipe.loss, member.hyper)(run.params, *last)[1]
        aux = _over_members(recipe, with_aux)(run, members)
    return run, records, aux


def _validation_loss(recipe: Recipe, hyper: Mapping[str, jax.Array]) -> Function:
    given = recipe.validation_loss
    return loss_of(recipe, hyper) if given is None else with_values(given, hyper)


def _result(run: Run, records: Record, aux: Tree) -> Training:
    loss, residual = records.history.loss[-1], records.history.residual[-1]
    if loss.ndim == 1:  # members first, then records
        records = jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), records)
    best = None if run.best is None else run.best._replace(history=records.validation)
    flags = run.n_steps, run.converged, run.diverged
    result = Training(run.params, loss, residual, *flags, records.history, run.state, aux, best)
    return result if has_derivatives(run.state) else _without_derivatives(result)


@jax.custom_jvp
def _without_derivatives(result: Training) -> Training:
    return result


@_without_derivatives.defjvp
def _refuse(primals: Tree, tangents: Tree) -> Tree:
    raise TypeError(
        "training with L-BFGS or a zoom line search has no useful derivative: near the solution its steps are "
        "quotients of rounding errors. Differentiate a run of sgd, adam, ista or fista, or jaxreg.solvers.fit; put "
        "jax.lax.stop_gradient around what train is given if no derivative by it is meant."
    )


def _program(recipe: Recipe, inputs: Inputs, members: Member) -> Training:
    return _result(*_continue(recipe, _start(recipe, inputs, members), inputs, members))


# From the start to the result: what ``train`` compiles; and the same in parts, for streams of batches.
program = Stage(_program)
_stream_start, _stream_stretch = Stage(_start), Stage(_continue)


@jax.jit
def _stream_result(run: Run, parts: list[Record], aux: Tree) -> Training:
    return _result(run, jax.tree.map(lambda *a: jnp.concatenate(a), *parts), aux)


def run_recipe(recipe: Recipe, inputs: Inputs, members: Member, batches: Iterable[tuple] | None) -> Training:
    if batches is None:
        return program(recipe, inputs, members)
    plan, run, aux = recipe.plan, None, None
    parts, done = [], 0
    iterator = iter(batches)
    while done < plan.steps:
        some = list(islice(iterator, min(plan.record_every, plan.steps - done)))
        if not some:
            raise ValueError(f"batches ended after {done} of {plan.steps} steps; give fewer steps or more batches.")
        if not all(isinstance(one, (tuple, list)) for one in some):
            raise TypeError(f"batches gave {type(some[0]).__name__}; every batch must be a tuple of arrays.")
        check_arrays(batches=some)
        stacked = tuple(jnp.stack([jnp.asarray(a) for a in column]) for column in zip(*some, strict=True))
        stretch = recipe._replace(plan=plan._replace(stacked=True, steps=len(some), record_every=len(some)))
        inputs = inputs._replace(args=stacked)
        if run is None:
            run = _stream_start(stretch, inputs, members)
        run, records, aux = _stream_stretch(stretch, run, inputs, members)
        parts.append(records)
        done += len(some)
    return _stream_result(run, parts, aux)
