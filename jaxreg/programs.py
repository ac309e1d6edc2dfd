"""Compiled programs: one for each shape and option, kept for the next call, and given back before there are too many.

Linux allows a process a number of memory maps (``vm.max_map_count``, 65,530), and every compiled program takes up to a
thousand of them; where there are no more, XLA ends the process. So after each compilation the maps are counted, and
beyond half of them jaxreg's own programs are given back, all at once: those still in use are compiled again.
"""

import gc
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from functools import update_wrapper, wraps
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, PartitionSpec

from jaxreg.formulas.arrays import floating_dtype
from jaxreg.precision import device_of, full_precision

__all__ = ["Program", "compiled", "compiled_door"]

F = TypeVar("F", bound=Callable[..., Any])

# The share of the memory maps at which programs are given back; and where maps cannot be counted, so many
# programs are kept.
SHARE, MOST_PROGRAMS = 0.5, 512
# What a pure function is told with Python values: they choose the program.
STATIC = {"fit_intercept", "standardize", "max_iter", "strategy"}
DATA = ("X", "y", "sample_weight", "penalty_factor", "lower", "upper")

_all: list["Program"] = []


class Program:
    """A function under ``jax.jit``, in full precision, that is given back when the process holds too many programs."""

    def __init__(self, function: Callable[..., Any], **options: Any):
        self._jitted: Any = jax.jit(full_precision(function), **options)
        update_wrapper(self, function)
        _all.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        before = self._jitted._cache_size()
        result = self._jitted(*args, **kwargs)
        if self._jitted._cache_size() != before:
            give_back()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_jitted"], name)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """``jax.jit(function, **options)`` for a function of this package that lives as long as the process."""
    return Program(function, **options)


def give_back() -> None:
    """Drop all programs of jaxreg if the process holds too many memory maps."""
    if too_many():
        for program in _all:
            program.clear_cache()
        gc.collect()


def too_many() -> bool:
    """Whether more than half of the memory maps that the system allows are taken."""
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
        return Path("/proc/self/maps").read_bytes().count(b"\n") > SHARE * most
    except OSError:
        return sum(program._cache_size() for program in _all) > MOST_PROGRAMS


def compiled_door(function: F) -> F:
    """A pure function compiled once for each shape and option, also when it is called without ``jit``.

    What depends on the device asks for JAX's default one, which is that of the data here. Options, the number of λs,
    and an ``l1_ratio`` of the Python number 0 or 1 choose the program; all else is data.
    """
    signature = inspect.signature(function)

    def of_both(arrays: dict[str, Any], fixed: tuple[tuple[str, Any], ...]) -> Any:
        mesh = jax.sharding.get_abstract_mesh()
        if AxisType.Explicit in mesh.axis_types:  # the loops inside leave it to the compiler what lies where
            solve = lambda arrays: function(**arrays, **dict(fixed))
            return jax.sharding.auto_axes(solve, out_sharding=PartitionSpec())(arrays)
        return function(**arrays, **dict(fixed))

    of_both.__name__ = of_both.__qualname__ = function.__name__
    program = compiled(of_both, static_argnames="fixed")

    @wraps(function)
    def door(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        given |= given.pop("options", {})
        if _chooses("l1_ratios", given.get("l1_ratios")):
            given["l1_ratios"] = tuple(given["l1_ratios"])
        fixed = {name: value for name, value in given.items() if _chooses(name, value)}
        arrays = {name: value for name, value in given.items() if name not in fixed}
        dtype = floating_dtype(**{name: arrays[name] for name in DATA if name in arrays})
        arrays = {name: jax.tree.map(lambda v: _on_host(v, dtype), value) for name, value in arrays.items()}
        lies = device_of(None, *(arrays[name] for name in DATA if name in arrays))
        with nullcontext() if lies is None else jax.default_device(lies):
            return program(arrays, fixed=tuple(sorted(fixed.items())))

    return door  # type: ignore[return-value]


def _chooses(name: str, value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "l1_ratio":
        return number and value in (0, 1)
    if name == "l1_ratios":
        return isinstance(value, (tuple, list)) and all(isinstance(rho, (int, float)) for rho in value)
    return value is None or name in STATIC or isinstance(value, (bool, str)) or (name == "lams" and number)


def _on_host(value: Any, dtype: Any) -> Any:
    """NumPy numbers as those of the data, before JAX cuts them to 32 bits; booleans and JAX arrays as they are."""
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype != bool:
        return value.astype(dtype)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
