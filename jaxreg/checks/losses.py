"""A loss as a check sees it: a function of one vector and of arrays, its program, and the terms it is made of."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.evaluation import NOT_TRACEABLE, Arrays, Vector, each
from jaxreg.checks.inputs import Arguments, Function, Parameters, Tree, argument_names, arguments, parameters
from jaxreg.checks.program import Changes, Program, same, trace
from jaxreg.checks.terms import Term, find_terms, term_names, value_of

__all__ = ["Loss", "read_loss"]


class Loss(NamedTuple):
    """A loss at parameters and arguments of fixed shapes.

    Attributes:
        params, args: its inputs in float64.
        value: of (vector, arrays), ().
        gradient: of (vector, arrays), (d,), by automatic differentiation.
        program: inputs are the vector and the arrays.
        terms: that depend on the parameters; names: one each.
        value_names: of the inputs of the program and of the leaves of the parameters.
    """

    params: Parameters
    args: Arguments
    value: Vector
    gradient: Vector
    program: Program
    terms: list[Term]
    names: tuple[str, ...]
    value_names: dict[int, str]

    def term_values(self, x: jax.Array, arrays: Arrays, changes: Changes | None = None) -> jax.Array:
        """(K,) values of the terms; with changes made to the program."""
        return jnp.stack([value_of(self.program, term, [x, *arrays], changes) for term in self.terms])

    def term_gradients(self, x: jax.Array, arrays: Arrays, changes: Changes | None = None) -> jax.Array:
        """(K, d) gradients of the terms."""
        return jax.jacrev(lambda x: self.term_values(x, arrays, changes))(jnp.asarray(x))

    def one_sided(self, x: jax.Array, arrays: Arrays, h: jax.Array | float) -> tuple[jax.Array, jax.Array]:
        """(d,) each: the partial derivatives by `x_j` at `x + h e_j` and at `x − h e_j`."""
        d, own = len(x), jnp.arange(len(x))
        gradients = jax.vmap(lambda e: self.gradient(x + h * e, arrays))(jnp.concatenate([jnp.eye(d), -jnp.eye(d)]))
        return gradients[own, own], gradients[d + own, own]


def read_loss(loss: Function, params: Tree, args: Sequence[Tree]) -> Loss:
    """Looks at a loss of (params, *args) that returns a number, or a dictionary or tuple of numbers: its terms.

    Raises:
        TypeError: integer parameters, or a loss that returns no numbers.
        ValueError: a loss that is no scalar, or has another value at a second evaluation.
    """
    name, *arg_names = argument_names(loss, 1 + len(args))
    point = parameters(params, name)
    given = arguments(args, arg_names)
    try:
        program, keys = _trace(loss, point, given)
    except NOT_TRACEABLE:  # it branches on a number among the arguments
        given = arguments(args, arg_names, keep_numbers=True)
        program, keys = _trace(loss, point, given)
    second, _ = _trace(loss, point, given)
    terms = find_terms(program, [0])
    value_names = dict(enumerate([name, *given.names])) | _leaf_names(program, point)
    names = keys if len(keys) > 1 else term_names(program, terms, value_names)

    def value(x: jax.Array, arrays: Arrays) -> jax.Array:
        out = loss(point.restore(x), *given.rebuild(arrays))
        return sum((jnp.reshape(jnp.asarray(part, jnp.float64), ()) for part in jax.tree.leaves(out)), jnp.zeros(()))

    if not same(program, second):
        _same_twice(loss, point, given)
    # An operation that is run by itself is compiled once for all losses; a loop anew.
    once = value if not program.has_loops else lambda x, arrays: each(value, x[None], arrays)[0]
    at = once(point.vector, given.arrays)
    if not np.isfinite(at):
        raise ValueError(
            f"the loss is {float(at)} at the parameters given; give parameters at which it is finite, for there the "
            "comparison begins."
        )
    return Loss(point, given, value, jax.grad(value), program, terms, tuple(names), value_names)


def _trace(loss: Function, params: Parameters, args: Arguments) -> tuple[Program, list[str]]:
    """The program, and the names of the outputs."""
    keys: list[str] = []

    def flat(x: jax.Array, *arrays: jax.Array) -> list[jax.Array]:
        out = loss(params.restore(x), *args.rebuild(arrays))
        keys[:] = _check_value(out)
        return [jnp.asarray(part) for part in jax.tree.leaves(out)]

    return trace(flat, [params.vector, *args.arrays]), keys


def _leaf_names(program: Program, params: Parameters) -> dict[int, str]:
    """The vector of parameters is taken apart into leaves by one operation at the start."""
    for operation in program.operations:
        if operation.name == "split" and operation.inputs[0] == 0:
            sized = [name for name, shape in zip(params.leaf_names, params.shapes, strict=True) if 0 not in shape]
            return dict(zip(operation.outputs, sized, strict=False))
    return {}


def _check_value(out: Tree) -> list[str]:
    """The names of the terms that a loss returns; refuses what is no number."""
    with_paths = jax.tree_util.tree_flatten_with_path(out)[0]
    names = []
    for path, part in with_paths:
        step = path[0] if path else None
        name = str(getattr(step, "key", getattr(step, "name", f"term {getattr(step, 'idx', 0) + 1}" if path else "")))
        if not isinstance(part, (jax.Array, np.ndarray, np.generic, float, int)):
            raise TypeError(
                f"the loss returns {type(part).__name__}{f' as {name}' if name else ''}; it has to return a number."
            )
        if np.shape(part) not in ((), (1,)):
            raise ValueError(
                f"the loss returns an array of shape {np.shape(part)}{f' as {name}' if name else ''}; a gradient needs "
                "a number: sum it or take its mean, or return a dictionary of numbers to name its terms."
            )
        names.append(name)
    if not names:
        raise TypeError(f"the loss returns {type(out).__name__}; it has to return a number.")
    return names


def _same_twice(loss: Function, params: Parameters, args: Arguments) -> None:
    """Refuses a loss whose two traces differ, if two values do."""
    values = lambda: loss(params.restore(params.vector), *args.rebuild(args.arrays))
    first, second = (np.array([float(jnp.reshape(v, ())) for v in jax.tree.leaves(values())]) for _ in range(2))
    if not np.array_equal(first, second, equal_nan=True):
        raise ValueError(
            f"the loss is no function of its arguments: two evaluations at the same point gave {first.sum():.17g} and "
            f"{second.sum():.17g}. Pass its random numbers (a key, a mask) as an argument, and keep no state in it."
        )
