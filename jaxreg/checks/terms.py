"""The terms of a loss: those of its dictionary or tuple, or the summands that its program shows.

A loss is followed backwards from its value: through sums and differences, and through everything that is linear (a
factor or a divisor that does not depend on the parameters, a sum, a reshaping), each summand is a term. So::

    jnp.mean(jax.nn.softplus(X @ w) - y * (X @ w)) + lam * jnp.sum(w[1:] ** 2)

has three terms. A term is the program in which, at each sum on the way, one summand alone is taken.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.notation import formula
from jaxreg.checks.program import Change, Changes, Constant, Operation, Program, Ref

__all__ = ["Term", "find_terms", "term_names"]

# More terms than these are not told apart: a sum written out over many parts is one term.
MOST = 8
SUMS = {"add": (1, 1), "add_any": (1, 1), "sub": (1, -1)}
PLAIN = {"neg", "reduce_sum", "reshape", "broadcast_in_dim", "convert_element_type", "squeeze", "transpose", "copy"}


class Term(NamedTuple):
    """Which output of the program it is part of, and which summand is taken at which sum."""

    output: int
    choices: Mapping[int, int]

    def changes(self) -> dict[int, Change]:
        """The changes that make the program this term."""
        return {place: _take(choice) for place, choice in self.choices.items()}


def find_terms(program: Program, inputs: Sequence[int]) -> list[Term]:
    """The terms that depend on these inputs. An output of several is a term as it is; the only output is split."""
    if len(program.outputs) > 1:
        return [Term(output, {}) for output in range(len(program.outputs))]
    dependent = program.dependent(inputs)
    # With what is under a Σ, and if that is too much, without.
    found = _split(program, dependent, True) or _split(program, dependent, False) or [{}]
    return [Term(0, choices) for choices in found]


def term_names(program: Program, terms: Sequence[Term], names: Mapping[int, str]) -> list[str]:
    """Each term as a formula in the names of the inputs; "term 2" where it is too long for that."""
    texts = [formula(program, program.outputs[term.output], names, term.choices) for term in terms]
    return [text if text and texts.count(text) == 1 else f"term {k}" for k, text in enumerate(texts, start=1)]


# A value may be used by many others, and the ways to it multiply: a value with more terms than `MOST` is given up.
def _split(program: Program, dependent: set[int], inside: bool) -> list[dict[int, int]] | None:
    """The choices that make each term; None where there are too many."""
    terms: dict[Ref, list[dict[int, int]] | None] = {value: [{}] for value in dependent}
    of = lambda ref: [] if isinstance(ref, Constant) else terms.get(ref, [])
    for place, operation in enumerate(program.operations):
        onward = _onward(operation, dependent, inside)
        if not onward or operation.outputs[0] not in dependent:
            continue
        parts = [part for k in onward if (part := of(operation.inputs[k])) is not None]
        if len(parts) < len(onward) or sum(map(len, parts)) > MOST:
            terms[operation.outputs[0]] = None
        elif operation.name in SUMS:
            terms[operation.outputs[0]] = [{**choices, place: k} for k in onward for choices in parts[k]]
        else:
            terms[operation.outputs[0]] = parts[0]
    return of(program.outputs[0])


def _onward(operation: Operation, dependent: set[int], inside: bool) -> tuple[int, ...]:
    """The places of the inputs of which the terms of an operation are made; none where it is a term as it is."""
    if operation.name in SUMS:
        return (0, 1)
    through = _linear_in(operation, dependent)
    if through is None or (operation.name == "reduce_sum" and not inside):
        return ()
    return (through,)


def _linear_in(operation: Operation, dependent: set[int]) -> int | None:
    """The place of the one input in which an operation is linear, if all others are fixed."""
    if operation.name in PLAIN:
        floating = all(jnp.issubdtype(dtype, np.floating) for dtype in operation.dtypes)
        return 0 if floating else None
    varying = [k for k, ref in enumerate(operation.inputs) if isinstance(ref, int) and ref in dependent]
    if operation.name == "div":
        return 0 if varying == [0] else None
    if operation.name in ("mul", "dot_general") and len(varying) == 1:
        return varying[0]
    return None


def _take(choice: int) -> Change:
    def take(inputs: Sequence[jax.Array], operation: Operation) -> list[jax.Array]:
        sign = SUMS[operation.name][choice]
        value = jnp.broadcast_to(inputs[choice], operation.shapes[0])
        return [value if sign == 1 else -value]

    return take


def value_of(program: Program, term: Term, inputs: Sequence[jax.Array], changes: Changes | None = None) -> jax.Array:
    """The value of a term, (); ``changes`` are made to the program besides."""
    return jax.numpy.reshape(program.run(inputs, {**(changes or {}), **term.changes()})[term.output], ())
