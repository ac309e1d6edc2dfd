"""The shape of every field of a result, and whether a result keeps to them.

Sizes are written as letters: R l1_ratios, L λs, K folds, p columns, t targets. A letter is one number throughout a
result. The axis t is absent, everywhere, where y was (n,).
"""

import dataclasses
from typing import Any

import numpy as np

from jaxreg.formulas.objective import Params
from jaxreg.results import Choice, LeaveOneOut, Path, Solution, Sweep

__all__ = ["SHAPES", "check_shapes", "field_names"]

_SCALES = {"scale": "p", "y_scale": "t or "}  # a number where it is 1 for all targets
_CURVES = ("mse", "mae", "r2")
SHAPES: dict[Any, dict[str, str]] = {
    Params: {"intercept": "t", "coef": "p t"},
    Solution: {**dict.fromkeys(("gap", "converged", "n_iter"), "t"), **_SCALES},
    Path: {
        "lams": "L or L t",  # the second in a sweep of several targets
        "coef": "L p t",
        **dict.fromkeys(("intercept", "gap", "converged", "n_iter", "df", "n_nonzero"), "L t"),
        **_SCALES,
    },
    Choice: {**dict.fromkeys(("lam", "l1_ratio", "mean_mse", "se_mse", "n_nonzero"), "t"), "index": "t 2"},
    Sweep: {
        "lams": "R L",
        "l1_ratios": "R",
        "fold_gap": "R L K t",
        **dict.fromkeys(("converged", "extended"), ""),
        **{f"fold_{name}": "R L K t" for name in _CURVES},
        **{f"{part}_{name}": "R L t" for part in ("mean", "se") for name in _CURVES},
    },
    LeaveOneOut: {
        "lams": "L",
        **dict.fromkeys(("mse", "se_mse", "gcv", "df", "gap"), "L t"),
        "converged": "",
        **_SCALES,
    },
}
_WHOLE = ("n_iter", "n_nonzero", "index", "extended")


def field_names(kind: Any) -> tuple[str, ...]:
    """The fields of Params or of a result, in order."""
    return kind._fields if kind is Params else tuple(field.name for field in dataclasses.fields(kind))


def check_shapes(result: Any) -> None:
    """Raise ValueError unless every field has its kind of values, its shape, and one size for each letter."""
    coef = result.coef if isinstance(result, Solution | Path) else result.best.params.coef
    targets = np.ndim(coef) - isinstance(result, Path) == 2
    _check(result, "", {"2": 2} if targets else {"2": 2, "t": None})


def _check(part: Any, place: str, sizes: dict[str, int | None]) -> None:
    kind = next(kind for kind in SHAPES if isinstance(part, kind))
    optional = () if kind is Params else [f.name for f in dataclasses.fields(kind) if f.default is None]
    for name in field_names(kind):
        value, where = getattr(part, name), f"{place}{name}"
        if name in ("params", "best", "one_se", "path"):
            wanted = {"params": Params, "path": Path}.get(name, Choice)
            if not isinstance(value, wanted):
                raise ValueError(f"{where} is a {type(value).__name__}")
            _check(value, f"{where}.", sizes)
        elif name == "measure":
            if value not in _CURVES:
                raise ValueError(f"measure is {value!r}")
        elif name == "feature_names":
            if value is not None and not isinstance(value, tuple):
                raise ValueError(f"{where} is a {type(value).__name__}")
            if value is not None and len(value) != sizes.setdefault("p", len(value)):
                raise ValueError(f"{where} has {len(value)} names for {sizes['p']} columns")
        elif not (value is None and name in optional):
            _check_field(value, where, name, SHAPES[kind][name], sizes)


def _check_field(value: Any, where: str, name: str, patterns: str, sizes: dict[str, int | None]) -> None:
    array = np.asarray(value)
    kinds = "b" if name == "converged" else "iu" if name in _WHOLE else "f"
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
