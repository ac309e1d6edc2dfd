"""When two functions do the same: by their code, and by the values that they read from outside.

JAX compiles anew for every new function object, and ``optax.sgd(0.1)`` makes new ones at every call; and what it has
compiled for a function it uses again, although the function reads a global, or ``self.lam``, that has changed in the
meantime. Both are a matter of content. What a function does is decided by its code and by::

    what it has closed over, its defaults, the globals that it names, and the attributes that it names of objects and
    modules, and by the functions among these, looked into likewise.

Two functions of optax or jaxreg are the same if their contents are. One of the user's has to be the same object as
well. Of what is installed otherwise (JAX, NumPy, …) the object counts and nothing inside it, unless it is of the
package that the function itself is of.
"""

import functools
import hashlib
import os
import sys
import sysconfig
import weakref
from collections import deque
from collections.abc import Hashable, Mapping, Set
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

__all__ = ["ByContent", "Itself", "functions_read"]

PLAIN = (type(None), bool, int, float, complex, str, bytes, np.dtype)
LOOKED_INTO = ("optax", "jaxreg")
INSTALLED = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})
NEVER = ("jax", "jaxlib", "numpy", "scipy", *LOOKED_INTO)
# An object that leads to more others than this is not compared: what reads it is taken as changed.
MOST = 20_000
WRAPPED = ("__wrapped__", "fget", "__func__", "func", "fun", "jvp", "fwd", "bwd")
WHOLE = {"__dict__", "vars"}  # a function that names these may read any attribute


_named_by: dict[tuple[object, ...], frozenset[str]] = {}  # only to be through at once the next time


class ByContent:
    """A hashable holder of ``value``, equal to another one if their values do the same.

    Example:
        >>> import optax
        >>> one = ByContent(optax.sgd(0.1))
        >>> one == ByContent(optax.sgd(0.1)), one == ByContent(optax.sgd(0.2))
        (True, False)
    """

    def __init__(self, value: object) -> None:
        self.value = value
        self.key, self.objects = _content(value)[:2]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByContent) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class Itself:
    """Equal to nothing but the same object, as long as it lives; it is not kept alive where that can be avoided."""

    __slots__ = ("number", "ref")

    def __init__(self, value: object) -> None:
        self.number = id(value)
        try:
            self.ref: Any = weakref.ref(value)
        except TypeError:
            self.ref = lambda: value

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Itself) and self.ref() is not None and self.ref() is other.ref())

    def __hash__(self) -> int:
        return self.number


def functions_read(value: object) -> list[object]:
    """The user's functions that ``value`` leads to."""
    return _content(value)[2]


def _content(value: object) -> tuple[Hashable, list[Itself], list[object]]:
    """The key, and what it refers to as objects and as functions of the user's."""
    # Which attributes are read is known once all functions are; these are found through attributes.
    parts = value if isinstance(value, tuple) else (value,)
    roots = tuple(getattr(getattr(part, "__func__", part), "__code__", None) for part in parts)
    names = set(_named_by.get(roots, ()))
    own = frozenset(_package(part) for part in parts) - {*NEVER}
    while True:
        walk = _Walk(frozenset(names), own)
        try:
            key = walk.key(value)
        except (_TooMuch, RecursionError):
            return (Itself(object()),), [], []
        if walk.named <= names:
            return key, walk.objects, walk.functions
        names |= walk.named
        if len(_named_by) > MOST:
            _named_by.clear()
        _named_by[roots] = frozenset(names)


class _TooMuch(Exception):
    pass


class _Walk:
    """One pass over all that a value leads to; of objects and modules, over the attributes in ``names``.

    own: packages that are looked into although they are installed.
    """

    def __init__(self, names: frozenset[str], own: frozenset[str]) -> None:
        self.names, self.named, self.own = names, set[str](), own
        self.seen: dict[int, int] = {}
        self.objects: list[Itself] = []
        self.functions: list[object] = []
        self.count = 0

    def key(self, value: object) -> Hashable:
        """Equal keys, equal content."""
        if isinstance(value, PLAIN) and not isinstance(value, np.generic):
            return type(value), repr(value)  # 1, 1.0 and True are equal, and so are 0.0 and −0.0
        if isinstance(value, (np.ndarray, np.generic)):
            return self.numbers(np.asarray(value), type(value))
        if isinstance(value, (jax.Array, BuiltinFunctionType, np.ufunc)):
            return self.itself(value)
        if isinstance(value, MethodType):  # made anew whenever it is asked for
            return "method", self.key(value.__self__), self.key(value.__func__)
        if id(value) in self.seen:
            return "again", self.seen[id(value)]
        self.count += 1
        if self.count > MOST:
            raise _TooMuch
        if not isinstance(value, tuple):  # tuples are made on the way, and an id is given again
            self.seen[id(value)] = len(self.seen)
        if isinstance(value, (tuple, list, deque)):
            return type(value), *map(self.key, value)
        if isinstance(value, (set, frozenset)):
            return type(value), frozenset(map(self.key, value))
        if isinstance(value, Mapping):
            return type(value), *((self.key(k), self.key(v)) for k, v in value.items())
        if isinstance(value, functools.partial):
            return type(value), *map(self.key, (value.func, value.args, tuple(value.keywords.items())))
        if isinstance(value, FunctionType):
            return self.function(value)
        if isinstance(value, ModuleType):
            return self.itself(value), self.attributes(vars(value))
        if isinstance(value, type):
            return self.itself(value), () if self.installed(value) else self.of_class(value)
        if hasattr(type(value), "__array__"):  # a table, a tensor
            return self.itself(value), self.numbers(np.asarray(value), type(value))
        return self.itself(value), self.inside(value)

    def installed(self, value: object) -> bool:
        """Whether it is part of an installed package, which does not change."""
        if _package(value) in self.own:
            return False
        if isinstance(value, FunctionType):
            return value.__code__.co_filename.startswith(INSTALLED)
        return _is_installed(_package(value))

    def itself(self, value: object) -> Itself:
        found = Itself(value)
        self.objects.append(found)
        return found

    def numbers(self, array: np.ndarray, kind: type) -> Hashable:
        if array.dtype.hasobject:
            return kind, array.shape, *map(self.key, array.ravel().tolist())
        bytes_ = np.ascontiguousarray(array).view(np.uint8) if array.size and array.ndim else array.tobytes()
        return kind, array.dtype.str, array.shape, hashlib.sha1(bytes_, usedforsecurity=False).digest()

    def function(self, value: FunctionType) -> Hashable:
        package = _package(value)
        before = len(self.functions)
        closed_over = [self.key(_contents(cell)) for cell in value.__closure__ or ()]
        if package not in LOOKED_INTO and self.installed(value):  # jax.checkpoint(f), jax.vmap(f)
            self.functions += [value] * (len(self.functions) > before)
            return self.itself(value), *closed_over
        defaults = self.key((value.__defaults__ or (), tuple((value.__kwdefaults__ or {}).items())))
        if package in LOOKED_INTO:
            return value.__module__, value.__code__, *closed_over, defaults
        self.functions.append(value)
        names = _names(value.__code__)
        self.named |= names
        read = [(name, self.key(value.__globals__[name])) for name in sorted(names) if name in value.__globals__]
        return self.itself(value), value.__code__, *closed_over, defaults, *read, self.attributes(vars(value))

    def inside(self, value: object) -> Hashable:
        """What an object holds: what it wraps, its leaves if it is a pytree, attributes named, those of its class."""
        found: list[Hashable] = []
        if self.installed(type(value)):  # a jitted function, a function with derivative rules of its own, a property
            before = len(self.functions)
            inner = {name: getattr(value, name, None) for name in WRAPPED}
            found += [(name, self.key(function)) for name, function in inner.items() if callable(function)]
            if len(self.functions) > before:
                self.functions.append(value)
        if not jax.tree_util.all_leaves([value]):
            leaves, structure = jax.tree.flatten(value)
            found += [str(structure), *map(self.key, leaves)]
        own = getattr(value, "__dict__", {})
        slots = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
        found.append(self.attributes({**own, **{name: getattr(value, name) for name in slots}}))
        return tuple(found), self.key(type(value))

    def of_class(self, value: type) -> Hashable:
        """Attributes and methods that are named, and those that Python calls by itself."""
        found = []
        for kind in value.__mro__:
            if not self.installed(kind):
                called = {name for name in vars(kind) if name.startswith("__") and name not in ("__init__", "__new__")}
                found.append(
                    self.attributes(vars(kind), {n for n in called if isinstance(vars(kind)[n], FunctionType)})
                )
        return tuple(found)

    def attributes(self, values: Mapping[str, object], more: Set[str] = frozenset()) -> Hashable:
        chosen = values if self.names & WHOLE else (self.names | more) & values.keys()
        return tuple((name, self.key(values[name])) for name in sorted(chosen) if not _is_dunder_data(name, values))


@functools.lru_cache(maxsize=4096)
def _names(code: CodeType) -> frozenset[str]:
    """Every name that code or code inside it may look up: of globals, of attributes, and as a string."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    strings = [constant for constant in code.co_consts if isinstance(constant, str) and constant.isidentifier()]
    return frozenset(code.co_names).union(strings, *map(_names, inner))


def _package(value: object) -> str:
    return (getattr(value, "__module__", None) or "").split(".")[0]


@functools.lru_cache(maxsize=4096)
def _is_installed(package: str) -> bool:
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return package in sys.stdlib_module_names or package in NEVER or file.startswith(INSTALLED)


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return tuple(
        name for name in ((slots,) if isinstance(slots, str) else slots) if name not in ("__dict__", "__weakref__")
    )


def _is_dunder_data(name: str, values: Mapping[str, object]) -> bool:
    """``__doc__`` and the like say nothing of what a class or module does; ``__builtins__`` leads everywhere."""
    return name.startswith("__") and not isinstance(values[name], FunctionType)


def _contents(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that was given no value
        return "none"
