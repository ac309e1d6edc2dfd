"""The fields of a result: their shapes, whether a result keeps to them, and those computed when they are read.

Sizes are written as letters: R l1_ratios, L λs, K folds, p columns, t targets, G groups or windows. A letter is one
number throughout a result. The axis t is absent, everywhere, where y was (n,).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from jaxreg.params import Params

__all__ = ["BAND_NAMES", "KEYS", "NAMES", "SHAPES", "TARGET_NAMES", "WhenRead", "check_shapes", "field_names", "shaped"]

Kind = TypeVar("Kind", bound=type)

# What stands in the place of a shape for the names of the columns.
NAMES = "a name for each of p, or None"
# And for those of bands of columns.
BAND_NAMES = "a name for each of q"
# And for those of k targets.
TARGET_NAMES = "a name for each of k, or None"
# And for what tells G groups apart: arrays (G,) of numbers, times or text, or their names.
KEYS = "some arrays (G,), or names"

# Of Params, and of every kind of result that says with :func:`shaped` what it is made up of.
SHAPES: dict[Any, dict[str, Any]] = {Params: {"intercept": "t", "coef": "p t"}}
_NAMED = {NAMES: ("p", "columns"), BAND_NAMES: ("q", "bands"), TARGET_NAMES: ("k", "targets")}
_WHOLE = (
    *("n_iter", "n_nonzero", "index", "extended", "seed", "q", "late"),
    *("n_pairs", "n_resamples", "n_rows", "n_folds", "n_repeats", "band", "n_judged"),
)
_TRUTH = (
    "converged",
    "stable",
    "constant",
    "y_constant",
    "by_label",
    "flat",
    "at_bound",
    "sigma2_estimated",
    "approximate",
)


def shaped(**fields: Any) -> Callable[[Kind], Kind]:
    """Says of a dataclass what each of its fields is: for the archive, which knows a result by this alone.

    Args:
        fields: a shape ("L p t"; "L or L t" where there are two); a class that has shapes itself; the words that are
            allowed; ``NAMES``; or ``KEYS``.
    """

    def register(kind: Kind) -> Kind:
        SHAPES[kind] = {name: fields[name] for name in field_names(kind)}
        return kind

    return register


def field_names(kind: Any) -> tuple[str, ...]:
    """The fields of Params or of a result, in order."""
    return kind._fields if kind is Params else tuple(field.name for field in dataclasses.fields(kind))


def check_shapes(result: Any) -> None:
    """Raise ValueError unless every field has its kind of values, its shape, and one size for each letter."""
    shapes = SHAPES[type(result)]
    targets = False
    if "coef" in shapes:
        targets = np.ndim(result.coef) == len(shapes["coef"].split())
    elif "params" in shapes or hasattr(type(result), "params"):
        targets = np.ndim(result.params.coef) == len(SHAPES[Params]["coef"].split())
    _check(result, "", {"2": 2} if targets else {"2": 2, "t": None})


def _check(part: Any, place: str, sizes: dict[str, int | None]) -> None:
    kind = next(kind for kind in SHAPES if isinstance(part, kind))
    optional = () if kind is Params else [f.name for f in dataclasses.fields(kind) if f.default is None]
    for name, wanted in SHAPES[kind].items():
        value, where = getattr(part, name), f"{place}{name}"
        if isinstance(wanted, type):
            if not isinstance(value, wanted):
                raise ValueError(f"{where} is a {type(value).__name__}")
            _check(value, f"{where}.", sizes)
        elif isinstance(wanted, tuple):
            if value not in wanted:
                raise ValueError(f"{where} is {value!r}")
        elif wanted in _NAMED:
            letter, what = _NAMED[wanted]
            if not isinstance(value, tuple) and (value is not None or wanted == BAND_NAMES):
                raise ValueError(f"{where} is a {type(value).__name__}")
            if value is not None and len(value) != sizes.setdefault(letter, len(value)):
                raise ValueError(f"{where} has {len(value)} names for {sizes[letter]} {what}")
        elif wanted == KEYS:
            if not isinstance(value, tuple):
                raise ValueError(f"{where} is a {type(value).__name__}")
            arrays = [key for key in value if not isinstance(key, str)]
            if any(np.shape(key) != (sizes.setdefault("G", len(key)),) for key in arrays):
                raise ValueError(f"{where} has other lengths than {sizes['G']}")
        elif not (value is None and name in optional):
            _check_field(value, where, name, wanted, sizes)


def _check_field(value: Any, where: str, name: str, patterns: str, sizes: dict[str, int | None]) -> None:
    array = np.asarray(value)
    kinds = "b" if name in _TRUTH else "iu" if name in _WHOLE else "f"
    if array.dtype.kind not in kinds:
        raise ValueError(f"{where} is of {array.dtype}")
    for pattern in patterns.split(" or "):
        letters = [letter for letter in pattern.split() if sizes.get(letter, 0) is not None]
        if len(letters) == array.ndim:
            break
    if len(letters) == array.ndim:
        for letter, size in zip(letters, array.shape, strict=True):
            sizes.setdefault(letter, size)
    wanted = [sizes.get(letter, letter) for letter in letters]
    if wanted != list(array.shape):
        raise ValueError(f"{where} has the shape {array.shape} in place of ({', '.join(map(str, wanted))})")


class WhenRead:
    """A field that may be given as a function of the result: it is called when the field is first read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, result: Any, kind: type) -> Any:
        if result is None:
            raise AttributeError(self.name)
        value = vars(result)[self.name]
        if callable(value):
            value = vars(result)[self.name] = value(result)
        return value

    def __set__(self, result: Any, value: Any) -> None:
        vars(result)[self.name] = value
