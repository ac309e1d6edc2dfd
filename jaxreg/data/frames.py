"""Data frames of pandas and polars and tables of pyarrow: the names of their columns, and which hold no numbers.

Names are text. Where no name is text, as in a frame that was made from an array (0, 1, 2, …) or that has several rows
of names, each is kept as the text that it prints: so ``predict`` notices columns in another order there, too.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["advice_for_one_column", "array_of", "check_columns", "feature_names_of", "refuse_lazy"]

# Of types of columns, as the libraries write them: what would become a number without a word.
_NO_NUMBERS = re.compile("categor|dictionary|date|time|duration|enum|list|struct", re.IGNORECASE)


def feature_names_of(X: Any) -> tuple[str, ...] | None:
    """The column names of a frame or table, None for anything else.

    Raises:
        ValueError: names that occur twice, or names of which some are text and some are not.
    """
    if not _is_frame(X):
        return None
    given = [name for name, _ in _columns(X)]
    others = [name for name in given if not isinstance(name, str)]
    if 0 < len(others) < len(given):
        raise ValueError(
            f"X has the column name {others[0]!r} beside names of text; every name must be text: "
            "X.columns = X.columns.astype(str)."
        )
    names = tuple(str(name) for name in given)
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"X has {count} columns named {name!r}; rename them so that names are unique.")
    return names


def check_columns(X: Any, name: str) -> None:
    """Raise ValueError for a column of dates, categories or other things that are no numbers."""
    for column, kind in _columns(X) if _is_frame(X) else ():
        if _NO_NUMBERS.search(str(kind)):
            raise ValueError(f"{name} column {column!r} has dtype {kind}; encode it as numbers first.")


def array_of(value: Any) -> np.ndarray:
    """A frame, a table, one of their columns, or anything that NumPy takes, as an array."""
    jax = sys.modules.get("jax")  # where it is not loaded, nothing is its array
    if jax is not None and isinstance(value, jax.Array):
        return jax.device_get(value)  # asked for, where np.asarray() is not
    return value.to_numpy() if hasattr(value, "to_numpy") and not _is_arrow(value) else np.asarray(value)


def refuse_lazy(value: Any, name: str) -> None:
    """Raise TypeError for the plan of a frame, whose numbers are not there yet."""
    for way in ("collect", "compute"):  # of polars, of dask
        if hasattr(value, way) and not hasattr(value, "to_numpy"):
            raise TypeError(f"{name} is a {type(value).__name__}, which holds no numbers yet; use {name}.{way}().")


def advice_for_one_column(X: Any, name: str) -> str:
    """How to make a table of one column, or of one row; for an array, a column of a frame, and a list."""
    if hasattr(X, "to_frame"):
        return f"use {name}.to_frame() for one feature, {name}.to_numpy().reshape(1, -1) for one row"
    before, after = (f"{name}.reshape(", ")") if hasattr(X, "reshape") else (f"np.reshape({name}, (", "))")
    return f"use {before}-1, 1{after} for one feature, {before}1, -1{after} for one row"


def _is_arrow(X: Any) -> bool:
    return type(X).__module__.startswith("pyarrow")


def _is_frame(X: Any) -> bool:
    return hasattr(X, "column_names") if _is_arrow(X) else hasattr(X, "to_numpy") and hasattr(X, "columns")


def _columns(X: Any) -> Iterable[tuple[Any, Any]]:
    """Name and type of every column."""
    return zip(X.column_names, X.schema.types, strict=True) if _is_arrow(X) else zip(X.columns, X.dtypes, strict=True)
