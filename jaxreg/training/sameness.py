"""When two optimisers are the same one: ``optax.sgd(0.1)`` written again is no new program.

JAX compiles anew for every new function object, and ``optax.sgd(0.1)`` makes new ones at every call. What such a
function does is decided by its code and by the values that it has closed over; both can be compared.

Only functions of optax and jaxreg are looked into. A function of the user's may read a global variable that has changed
in the meantime, so it is the same only if it is the same object.
"""

import functools
from types import FunctionType
from typing import Any

import numpy as np

__all__ = ["ByContent"]

PLAIN = (type(None), bool, int, float, complex, str, bytes, np.dtype)
LOOKED_INTO = ("optax", "jaxreg")


class ByContent:
    """A hashable holder of ``value``, equal to another one if their values do the same.

    Example:
        >>> import optax
        >>> one = ByContent(optax.sgd(0.1))
        >>> one == ByContent(optax.sgd(0.1)), one == ByContent(optax.sgd(0.2))
        (True, False)
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key = _key(value, ())

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ByContent) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class _Object:
    """Equal to nothing but the same object, which it keeps alive, so that its id is not given to another one."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Object) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _key(value: Any, within: tuple) -> Any:
    """Equal keys, equal content. within: the functions that are being looked into, for those that refer to them."""
    if isinstance(value, PLAIN):
        return type(value), repr(value)  # 1, 1.0 and True are equal, and so are 0.0 and −0.0
    if isinstance(value, (tuple, list)):
        return type(value), *(_key(v, within) for v in value)
    if isinstance(value, dict):
        return type(value), *(_key(item, within) for item in value.items())
    if isinstance(value, functools.partial):
        return functools.partial, *(_key(v, within) for v in (value.func, value.args, tuple(value.keywords.items())))
    if isinstance(value, FunctionType) and (value.__module__ or "").split(".")[0] in LOOKED_INTO:
        if value in within:
            return "itself", within.index(value)
        within = (*within, value)
        closed_over = tuple(map(_contents, value.__closure__ or ()))
        defaults = (value.__defaults__ or (), tuple((value.__kwdefaults__ or {}).items()))
        return value.__module__, value.__code__, _key((closed_over, *defaults), within)
    return _Object(value)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that was given no value
        return "none"
