"""What is compiled is kept as long as the functions are that it was compiled from, and used while they read the same.

``jax.jit`` of a function of the user's would know it by the object: it would not see that a global has changed which
the function reads, and, given as a static argument, it would keep the function and the data in it for ever. Here::

    key      what the functions are and read (``sameness``)  →  the programs
    death    of any object that the key speaks of: the programs go, as with plain ``jit``

and the programs hold no function: while one is traced it is told which recipe is being run.
"""

import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import jax

from jaxreg.training.arguments import Function, Tree
from jaxreg.training.sameness import ByContent, Itself, functions_read

__all__ = ["Key", "Programs", "Stage", "key_of", "programs_of", "retain"]

Lifted = TypeVar("Lifted")

# A function that reads something that changes makes a program for each value; the last few stay.
VERSIONS, MOST = 4, 512

_kept: dict["Key", "Programs"] = {}
_last_read: weakref.WeakKeyDictionary[object, Hashable] = weakref.WeakKeyDictionary()
_running = threading.local()


class Key(NamedTuple):
    """Which functions; by which optimiser; what they read."""

    objects: tuple[Itself | None, ...]
    optimizer: ByContent
    content: ByContent


class Programs:
    """Compiled programs by name, how often they were traced, and what watches over the death of the functions."""

    def __init__(self) -> None:
        self.jitted: dict[str, Function] = {}
        self.traces: list[str] = []
        self.watches: list[weakref.ref] = []
        self.traceable = False

    def lifting(self, lift: Callable[[], Lifted | None]) -> Lifted | None:
        """``lift()``, unless it was None before: then the optimiser can be made of traced numbers."""
        made = None if self.traceable else lift()
        self.traceable = made is None
        return made


class Stage:
    """``jax.jit(function, static_argnames="plan")`` for each set of functions: (recipe, *inputs) -> result."""

    def __init__(self, function: Function) -> None:
        self.function = function

    def __call__(self, recipe: Any, *inputs: Tree) -> Tree:
        with self._jitted(recipe) as jitted:
            return jitted(recipe.plan, *inputs)

    def lower(self, recipe: Any, *inputs: Tree) -> Tree:
        with self._jitted(recipe) as jitted:
            return jitted.lower(recipe.plan, *inputs)

    @contextmanager
    def _jitted(self, recipe: Any) -> Iterator[Any]:
        function, programs = self.function, recipe.programs
        name, traces = function.__name__, programs.traces

        if name not in programs.jitted:

            def traced(plan: Hashable, *inputs: Tree) -> Tree:
                traces.append(name)
                return function(_running.recipes[-1], *inputs)

            traced.__name__ = traced.__qualname__ = name
            programs.jitted[name] = jax.jit(traced, static_argnums=0)
        _running.recipes = [*getattr(_running, "recipes", ()), recipe]
        try:
            yield programs.jitted[name]
        finally:
            _running.recipes = _running.recipes[:-1]


def key_of(functions: tuple[object, ...], optimizer: object) -> Key:
    parts = [part for f in functions for part in (getattr(f, "__self__", None), getattr(f, "__func__", f))]
    objects = tuple(None if part is None else Itself(part) for part in parts)
    return Key(objects, _plain(ByContent(optimizer)), _plain(ByContent(functions)))


def programs_of(functions: tuple[object, ...], optimizer: object) -> Programs:
    """The programs of these functions as they are now; new ones where there are none."""
    key = key_of(functions, optimizer)
    found = _kept.pop(key, None)
    if found is None:
        _forget_stale((*functions, optimizer))
        found = Programs()
    _keep(key, found)
    return found


def retain(functions: tuple[object, ...], optimizer: object, programs: Programs) -> None:
    """After a run: where tracing has changed what the functions read (a count), they are the same still."""
    if programs.traces:
        programs.traces.clear()
        _keep(key_of(functions, optimizer), programs)
        _note((*functions, optimizer))


def _plain(content: ByContent) -> ByContent:
    content.value = None  # the key must keep nothing alive
    return content


def _keep(key: Key, programs: Programs) -> None:
    if key not in _kept:
        drop = lambda _: _kept.pop(key, None)
        found = [*key.objects, *key.optimizer.objects, *key.content.objects]
        objects = [one.ref() for one in found if one is not None]
        programs.watches += [watch for value in objects if (watch := _watch(value, drop)) is not None]
        versions = [k for k in list(_kept) if k.objects == key.objects and k.optimizer == key.optimizer]
        for old in versions[: len(versions) + 1 - VERSIONS] + list(_kept)[: max(0, len(_kept) + 1 - MOST)]:
            _kept.pop(old, None)
    _kept[key] = programs


def _watch(value: object, drop: Callable[[weakref.ref], object]) -> weakref.ref | None:
    try:
        return weakref.ref(value, drop) if value is not None else None
    except TypeError:
        return None


# JAX keeps the traces of inner functions (of jit, scan, cond, checkpoint) by the object as well. One that reads what
# has changed since would be used as it was; so all traces go, and with them what was compiled here.
def _forget_stale(functions: tuple[object, ...]) -> None:
    helpers = [f for f in functions_read(functions) if not any(f is one for one in functions)]
    if any(_last(helper) not in (None, ByContent(helper).key) for helper in helpers):
        jax.clear_caches()
        _kept.clear()
    _note(functions)


def _note(functions: tuple[object, ...]) -> None:
    for helper in functions_read(functions):
        try:
            _last_read[helper] = ByContent(helper).key
        except TypeError:  # no weak reference, or no hash
            continue


def _last(helper: object) -> Hashable:
    try:
        return _last_read.get(helper)
    except TypeError:
        return None
