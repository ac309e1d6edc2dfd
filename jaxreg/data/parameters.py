"""λ, ρ and the other numbers of a call, checked; errors say what is right."""

import numbers
from typing import Any

import numpy as np

from jaxreg.data.values import as_floats, as_number, refuse_kinds

__all__ = ["check_l1_ratio", "check_lam", "check_lams", "check_positive", "check_whole_number"]


def check_lams(lams: Any, dtype: Any) -> int | np.ndarray:
    """The number of λs of an automatic grid, or the (L,) grid itself: finite, at least 0, not empty."""
    refuse_kinds(lams, "lams")
    lams = as_number(lams)
    if isinstance(lams, numbers.Integral) and not isinstance(lams, bool):
        if lams < 1:
            raise ValueError(f"lams={lams}: an automatic grid needs at least one λ.")
        return int(lams)
    values = as_floats(lams, "lams", dtype)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"lams must be a whole number or a list of at least one λ; got shape {values.shape}.")
    return _check_penalties(values, "lams")


def check_lam(lam: Any, t: int | None, dtype: Any) -> np.ndarray:
    """One λ, () — or one a target, (t,)."""
    if isinstance(lam, (str, bool)):
        raise ValueError(f"lam is {lam!r}, which is not a number; give one of at least 0.")
    values = as_floats(lam, "lam", dtype)
    if values.shape not in ((), (t,)):
        wanted = "a number" if t is None else f"a number or one for each of the {t} targets"
        raise ValueError(f"lam must be {wanted}; got shape {values.shape}. For several λs use path().")
    return _check_penalties(values, "lam")


def check_l1_ratio(value: Any, name: str = "l1_ratio") -> float:
    """ρ in [0, 1]."""
    refuse_kinds(value, name)
    value = as_number(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) <= 1:
        raise ValueError(f"{name} is {value!r}; it must be a number from 0 (ridge) to 1 (lasso).")
    return float(value)


def check_positive(value: Any, name: str, kind: type = float, below: float = np.inf) -> Any:
    """A positive number of ``kind`` (int or float), smaller than ``below``."""
    refuse_kinds(value, name)
    value = as_number(value)
    right = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, right) or not 0 < float(value) < below:
        what = "a whole number of at least 1" if kind is int else "a positive number"
        limit = "" if below == np.inf else f" below {below:g}"
        raise ValueError(f"{name} is {value!r}; it must be {what}{limit}.")
    return kind(value)


def check_whole_number(value: Any, name: str) -> int:
    """A whole number of at least 0."""
    refuse_kinds(value, name)
    value = as_number(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 0.")
    return int(value)


def _check_penalties(values: np.ndarray, name: str) -> np.ndarray:
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        found = values[wrong].flat[0]
        where = f"{name}[{int(np.argmax(wrong))}]" if values.ndim else name
        raise ValueError(f"{where} is {found}; a penalty must be finite and at least 0.")
    return values
