"""Numbers of a schedule in the grid, where optax decides by them in Python.

``optax.exponential_decay(0.1, 10, decay)`` asks ``if decay == 0``, which has no answer inside a compiled program. But
it asks when the schedule is made, and what is made is a function whose numbers stand in its closure. So the optimiser
is made once for each member, outside; all must be the same program (the same code) with other numbers::

    taken apart     optimiser of member g  →  structure, numbers_g
    together        structure, numbers     →  optimiser

and the numbers that differ are inputs of the one program that is compiled.
"""

import functools
from collections.abc import Hashable, Iterator, Mapping
from types import CellType, FunctionType
from typing import NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg.training.arguments import Tree, names_taken
from jaxreg.training.sameness import Itself

__all__ = ["Lifted", "lifted"]

UNANSWERED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Lifted(NamedTuple):
    """An optimiser whose numbers are inputs.

    Attributes:
        structure: hashable; equal for equal programs. example: the optimiser of one member. places: of the numbers that
            differ, among all numbers of the example. numbers: of all members, (G, …) each.
    """

    structure: Hashable
    example: object
    places: tuple[int, ...]
    numbers: tuple[jax.Array, ...]

    def optimizer(self, numbers: tuple[jax.Array, ...]) -> object:
        """With these numbers, one for each place."""
        own: list[ArrayLike] = []
        _take_apart(self.example, own)
        for place, number in zip(self.places, numbers, strict=True):
            own[place] = number
        return _put_together(self.example, iter(own))


def lifted(maker: Tree, grid: Mapping[str, jax.Array]) -> Lifted | None:
    """The optimiser that ``maker`` makes of grid values, taken apart; None where it can be made of traced ones.

    Raises:
        ValueError: it is not the same program for all members.
    """
    taken = {name: grid[name] for name in names_taken(maker, grid)}
    if not taken or any(isinstance(values, jax.core.Tracer) for values in taken.values()):
        return None

    def made(values: dict[str, jax.Array]) -> jax.Array:
        maker(**values)
        return jnp.zeros(())

    try:
        jax.eval_shape(jax.vmap(made), taken)
    except UNANSWERED:
        pass
    else:
        return None
    host = {name: np.asarray(values) for name, values in taken.items()}
    all_numbers: list[list[ArrayLike]] = []
    first, structure = None, None
    for g in range(len(next(iter(host.values())))):
        values = {name: v[g].item() if v.ndim == 1 else v[g] for name, v in host.items()}
        optimizer, numbers = maker(**values), list[ArrayLike]()
        own = _take_apart(optimizer, numbers)
        if first is None:
            first, structure = optimizer, own
        elif own != structure:
            raise ValueError(
                f"optimizer is another program for member {g} than for member 0: what it decides in Python, such as a "
                "schedule's `if decay_rate == 0`, must be the same for all members. Train them in two grids."
            )
        all_numbers.append(numbers)
    columns = [np.stack(list(map(np.asarray, column))) for column in zip(*all_numbers, strict=True)]
    places = tuple(k for k, column in enumerate(columns) if (column != column[:1]).any())
    fixed = tuple(column[0].tobytes() for k, column in enumerate(columns) if k not in places)
    floats = [v.dtype for v in taken.values() if jnp.issubdtype(v.dtype, jnp.floating)]
    dtype = jnp.result_type(*floats) if floats else jnp.result_type(float)
    kind = lambda column: dtype if np.issubdtype(column.dtype, np.floating) else None
    varying = tuple(jnp.asarray(columns[k], kind(columns[k])) for k in places)
    return Lifted((structure, fixed, places), first, places, varying)


def _take_apart(value: object, numbers: list[ArrayLike]) -> Hashable:
    """The structure, hashable; the numbers are appended."""
    if _is_number(value):
        numbers.append(value)
        return "number", np.shape(value)
    if isinstance(value, (tuple, list)):
        return type(value), *(_take_apart(v, numbers) for v in value)
    if isinstance(value, dict):
        return type(value), tuple(value), *(_take_apart(v, numbers) for v in value.values())
    if isinstance(value, functools.partial):
        return functools.partial, *(_take_apart(v, numbers) for v in (value.func, value.args, value.keywords))
    if isinstance(value, FunctionType) and value.__closure__:
        return value.__code__, *(_take_apart(v, numbers) for v in _closed_over(value))
    return (type(value), value) if isinstance(value, (bool, str, type(None))) else _identity(value)


def _put_together(value: Tree, numbers: Iterator[ArrayLike]) -> Tree:
    """What was taken apart, with other numbers, in the same order."""
    if _is_number(value):
        return next(numbers)
    if isinstance(value, (tuple, list)):
        parts = [_put_together(v, numbers) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)((key, _put_together(v, numbers)) for key, v in value.items())
    if isinstance(value, functools.partial):
        function, args, keywords = (_put_together(v, numbers) for v in (value.func, value.args, value.keywords))
        return functools.partial(function, *args, **keywords)
    if isinstance(value, FunctionType) and value.__closure__:
        cells = tuple(CellType(_put_together(v, numbers)) for v in _closed_over(value))
        new = FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, cells)
        new.__kwdefaults__ = value.__kwdefaults__
        return new
    return value


def _identity(value: object) -> Hashable:
    """A function without a closure may be made anew: its code counts."""
    return (value.__code__, value.__module__) if isinstance(value, FunctionType) else Itself(value)


def _is_number(value: object) -> TypeGuard[ArrayLike]:
    if isinstance(value, (np.ndarray, jax.Array)):
        return bool(jnp.issubdtype(value.dtype, jnp.number))
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _closed_over(function: FunctionType) -> list[object]:
    """A cell that is empty, or leads back to the function, is left as it is."""
    contents = []
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:
            content = None
        contents.append(None if content is function else content)
    return contents
