"""A function as the flat list of the operations that JAX sees: it can be run, split into terms, or run with a change.

Calls of jitted functions are opened up; custom derivative rules stay closed, so that they keep their rule.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Primitive, Var
from jax.typing import ArrayLike

from jaxreg.checks.inputs import Function

__all__ = ["NOTHING", "Change", "Changes", "Constant", "Operation", "Program", "same", "trace"]

# What takes the place of one operation: a function of (its inputs, itself) that returns its outputs.
Change = Callable[[Sequence[jax.Array], "Operation"], list[jax.Array]]
# Which operations are replaced, by their place in the program.
Changes = Mapping[int, Change]
LOOPS = {"while", "scan", "cond"}
CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "remat2"}


class Constant(NamedTuple):
    """A value that stands in the program itself."""

    value: jax.Array


# What an operation refers to: the number of a value, or a constant.
Ref = int | Constant


class Operation(NamedTuple):
    """One primitive operation: inputs are numbers of values or constants, outputs numbers of values."""

    primitive: Primitive
    params: Mapping[str, Any]
    inputs: tuple[Ref, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]

    @property
    def name(self) -> str:
        return self.primitive.name

    def __call__(self, *values: ArrayLike) -> list[jax.Array]:
        bound = self.primitive.get_bind_params(dict(self.params))
        functions, params = bound if isinstance(bound, tuple) else ((), bound)  # a pair up to jax 0.10
        result = self.primitive.bind(*functions, *values, **params)
        return list(result) if self.primitive.multiple_results else [result]


class Program(NamedTuple):
    """Operations in the order in which they run; inputs are the values 0 to ``n_inputs - 1``."""

    n_inputs: int
    operations: tuple[Operation, ...]
    outputs: tuple[Ref, ...]

    def run(self, inputs: Sequence[jax.Array], changes: Changes | None = None) -> list[jax.Array]:
        """The outputs for these inputs; ``changes`` replaces operations by their place in the list."""
        values = dict(enumerate(inputs))
        self.run_into(values, changes or {})
        return [read(ref, values) for ref in self.outputs]

    def run_into(self, values: dict[int, jax.Array], changes: Changes) -> None:
        """Adds every intermediate value to ``values``, which holds the inputs."""
        for place, operation in enumerate(self.operations):
            inputs = [read(ref, values) for ref in operation.inputs]
            change = changes.get(place)
            results = operation(*inputs) if change is None else change(inputs, operation)
            values.update(zip(operation.outputs, results, strict=True))

    def dependent(self, inputs: Sequence[int]) -> set[int]:
        """The numbers of all values that depend on these inputs."""
        found = set(inputs)
        for operation in self.operations:
            if found & {ref for ref in operation.inputs if isinstance(ref, int)}:
                found.update(operation.outputs)
        return found

    @property
    def has_loops(self) -> bool:
        """Whether it has operations that JAX compiles anew wherever they are run outside of a compiled function."""
        return any(operation.name in LOOPS or "linear_solve" in operation.name for operation in self.operations)

    def producers(self) -> dict[int, int]:
        """Which operation makes which value."""
        return {out: place for place, operation in enumerate(self.operations) for out in operation.outputs}


NOTHING = Program(0, (), ())


def read(ref: Ref, values: Mapping[int, jax.Array]) -> jax.Array:
    """The value that an operation refers to."""
    return ref.value if isinstance(ref, Constant) else values[ref]


def trace(function: Function, inputs: Sequence[ArrayLike]) -> Program:
    """The operations of a function of arrays; nothing of it is run.

    Args:
        function: of as many arrays as there are inputs; returns an array or a sequence of arrays.
        inputs: arrays, or anything with their shape and dtype.
    """
    closed = jax.make_jaxpr(function)(*inputs)
    operations: list[Operation] = []
    count = len(closed.jaxpr.invars)

    def inline(jaxpr: Jaxpr, constants: Sequence[jax.Array], arguments: Sequence[Ref]) -> list[Ref]:
        nonlocal count
        place: dict[Var, Ref] = dict(zip(jaxpr.constvars, map(Constant, constants), strict=True))
        place.update(zip(jaxpr.invars, arguments, strict=True))

        def find(variable: Var | Literal) -> Ref:
            return Constant(variable.val) if isinstance(variable, Literal) else place[variable]

        for equation in jaxpr.eqns:
            inputs = [find(variable) for variable in equation.invars]
            called = _called(equation)
            if called is not None:
                outputs = inline(called.jaxpr, called.consts, inputs)
            else:
                slots = tuple(range(count, count + len(equation.outvars)))
                outputs, count = list(slots), count + len(slots)
                avals: list[Any] = [variable.aval for variable in equation.outvars]
                shapes = tuple(tuple(aval.shape) for aval in avals)
                dtypes = tuple(aval.dtype for aval in avals)
                operations.append(Operation(equation.primitive, equation.params, tuple(inputs), slots, shapes, dtypes))
            place.update(zip(equation.outvars, outputs, strict=True))
        return [find(variable) for variable in jaxpr.outvars]

    outputs = inline(closed.jaxpr, closed.consts, list(range(count)))
    return Program(len(closed.jaxpr.invars), tuple(operations), tuple(outputs))


def _called(equation: JaxprEqn) -> ClosedJaxpr | None:
    """The program that an operation calls, if that is all it does."""
    if equation.primitive.name not in CALLS:
        return None
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    return ClosedJaxpr(inner, ()) if isinstance(inner, Jaxpr) else inner


def same(one: Program, other: Program) -> bool:
    """Whether two programs are certainly the same function: operation by operation, constant by constant."""
    if len(one.operations) != len(other.operations) or not all(map(_same_ref, one.outputs, other.outputs)):
        return False
    return all(
        a.primitive is b.primitive
        and len(a.inputs) == len(b.inputs)
        and all(map(_same_ref, a.inputs, b.inputs))
        and _without_addresses(a.params) == _without_addresses(b.params)
        for a, b in zip(one.operations, other.operations, strict=True)
    )


def _same_ref(a: Ref, b: Ref) -> bool:
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a.value is b.value or np.array_equal(np.asarray(a.value), np.asarray(b.value), equal_nan=True)
    return a == b


def _without_addresses(params: Mapping[str, Any]) -> str:
    return re.sub(r"0x[0-9a-f]+", "", str(dict(params)))
