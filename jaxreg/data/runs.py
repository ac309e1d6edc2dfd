"""Which rows belong together: groups by a label, and windows of rows along an order.

Both are *runs*: consecutive rows, once the rows are in the order of their labels. A run is a member of a batch like a
fold or a resample, and has a fit of its own.
"""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data import parameters
from jaxreg.data.frames import array_of, feature_names_of

__all__ = ["RunsOfRows", "Windows", "expanding", "keys_in_words", "rolling", "runs_of"]


class Windows(NamedTuple):
    """What :func:`rolling` and :func:`expanding` describe."""

    kind: str
    size: int
    step: int
    by: Any
    order: Any


class RunsOfRows(NamedTuple):
    """Runs of the rows of a table.

    Attributes:
        rows: (n,), the rows in the order in which runs are consecutive, or None where they are so already.
        start, stop: (G,), of every run, in that order. names: of the keys, keys: a (G,) array for each.
        by_label: whether runs are groups, which new rows may belong to.
    """

    rows: np.ndarray | None
    start: np.ndarray
    stop: np.ndarray
    names: tuple[str, ...]
    keys: tuple[np.ndarray, ...]
    by_label: bool

    def said(self, g: int) -> str:
        """The keys of run number g, in words."""
        return keys_in_words(self.names, self.keys, g)


def rolling(size: int, step: int = 1, *, by: Any = None, order: Any = None) -> Windows:
    """Windows of ``size`` consecutive rows, the next one ``step`` rows further on: for ``by=`` of ``fit`` and ``path``.

    Args:
        size: rows of a window. step: rows from a window to the next. by: labels, as in :func:`jaxreg.fit`; windows
            then lie within a group. order: (n,) times, or the name of a column, by which the rows are sorted already:
            it is checked, is no feature, and each window is named by its last one.

    Raises:
        ValueError: sizes that are no whole numbers of at least 1.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.fit(data.X, data.y, lam=5.0, by=jaxreg.rolling(100, step=50))
        >>> found.coef.shape, found.keys[1].tolist()
        ((7, 10), [100, 150, 200, 250, 300, 350, 400])
    """
    return _windows("rolling", size, step, by, order)


def expanding(size: int, step: int = 1, *, by: Any = None, order: Any = None) -> Windows:
    """Windows from the first row on, the first of ``size`` rows, each of the others ``step`` rows longer.

    Args:
        size: rows of the first window. step, by, order: as in :func:`rolling`.

    Raises:
        ValueError: sizes that are no whole numbers of at least 1.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> jaxreg.fit(data.X, data.y, lam=5.0, by=jaxreg.expanding(100, step=50)).n_rows.tolist()
        [100, 150, 200, 250, 300, 350, 400]
    """
    return _windows("expanding", size, step, by, order)


def _windows(kind: str, size: Any, step: Any, by: Any, order: Any) -> Windows:
    size, step = (parameters.check_positive(v, name, int) for v, name in ((size, "size"), (step, "step")))
    return Windows(kind, size, step, by, order)


def runs_of(by: Any, X: Any) -> tuple[Any, RunsOfRows | None]:
    """The features, and the runs that ``by`` describes; None where it is None.

    Args:
        by: (n,) labels, several such in a list, names of columns of a frame X, or windows.
        X: whose columns of keys are taken out.
    """
    if by is None:
        return X, None
    windows = by if isinstance(by, Windows) else None
    X, names, labels = _keys(X, by if windows is None else windows.by)
    n = _length(X)
    rows, start, keys = _groups(labels, names) if labels else (None, np.zeros(1, int), ())
    stop = np.append(start[1:], n)
    if windows is None:
        return X, RunsOfRows(rows, start, stop, names, keys, True)
    X, order_names, orders = _keys(X, windows.order, "order")
    if len(orders) > 1:
        raise ValueError(f"order has {len(orders)} columns; the rows are sorted by one.")
    _check_sorted(orders, order_names, rows, start)
    return X, _windows_in(windows, rows, start, stop, names, keys, order_names, orders)


def _windows_in(
    windows: Windows,
    rows: np.ndarray | None,
    start: np.ndarray,
    stop: np.ndarray,
    names: tuple[str, ...],
    keys: tuple[np.ndarray, ...],
    order_names: tuple[str, ...],
    orders: list[np.ndarray],
) -> RunsOfRows:
    short = np.flatnonzero(stop - start < windows.size)
    if short.size:
        g = short[0]
        what = f"the group {keys_in_words(names, keys, g)}" if keys else "the table"
        more = f", and {short.size - 1} others are as short" if short.size > 1 else ""
        raise ValueError(
            f"{what} has {stop[g] - start[g]} rows, fewer than the {windows.size} of a window{more}; "
            "take them out, or make windows smaller."
        )
    counts = (stop - start - windows.size) // windows.step + 1
    group = np.repeat(np.arange(len(start)), counts)
    number = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    end = start[group] + windows.size + number * windows.step
    begin = start[group] if windows.kind == "expanding" else end - windows.size
    of_groups = tuple(key[group] for key in keys)
    if orders:
        at = end - 1 if rows is None else rows[end - 1]
        return RunsOfRows(rows, begin, end, (*names, *order_names), (*of_groups, orders[0][at]), False)
    first, after = begin - start[group], end - start[group]
    return RunsOfRows(rows, begin, end, (*names, "start", "stop"), (*of_groups, first, after), False)


def _keys(X: Any, by: Any, called: str = "group") -> tuple[Any, tuple[str, ...], list[np.ndarray]]:
    """X without the columns of keys, names, and labels (n,) each."""
    if by is None:
        return X, (), []
    columns = feature_names_of(X)
    given: Sequence[Any] = by if _several(by, columns) else [by]
    names, labels, out = [], [], []
    for k, one in enumerate(given):
        if isinstance(one, str):
            if columns is None:
                raise ValueError(f"by={one!r} names a column, and X has no names; give the labels themselves.")
            if one not in columns:
                raise ValueError(f"by={one!r} is no column of X; its columns are {', '.join(columns[:20])}.")
            out.append(one)
            names.append(one)
            labels.append(np.asarray(X[one].to_numpy() if hasattr(X[one], "to_numpy") else X[one]))
            continue
        label = array_of(one)
        own = getattr(one, "name", None)
        names.append(own if isinstance(own, str) and own else called if len(given) == 1 else f"{called} {k}")
        labels.append(label)
    n = _length(X)
    for name, label in zip(names, labels, strict=True):
        if label.shape != (n,):
            raise ValueError(f"the labels {name!r} have shape {label.shape}; X has {n} rows, give one label each.")
        _check_present(label, name)
    return (_without(X, out) if out else X), tuple(names), labels


def _several(by: Any, columns: tuple[str, ...] | None) -> bool:
    """Whether it is a list of keys, and not of labels: names of columns, or arrays."""
    if not isinstance(by, list | tuple) or not by:
        return False
    return all(one in (columns or ()) if isinstance(one, str) else np.ndim(array_of(one)) == 1 for one in by)


def _length(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _without(X: Any, columns: list[str]) -> Any:
    """A frame without some columns."""
    if "pandas" in sys.modules and isinstance(X, sys.modules["pandas"].DataFrame):
        return X.drop(columns=columns)
    return X.drop(columns) if hasattr(X, "drop") else X.drop_columns(columns)


def _check_present(label: np.ndarray, name: str) -> None:
    if label.dtype.kind == "O":
        missing = np.array([v is None or v != v for v in label], bool)
    elif label.dtype.kind in "fM":
        missing = label != label
    else:
        return
    if missing.any():
        raise ValueError(f"the label {name!r} of row {int(np.argmax(missing))} is missing; take such rows out.")


def _groups(
    labels: list[np.ndarray], names: tuple[str, ...]
) -> tuple[np.ndarray | None, np.ndarray, tuple[np.ndarray, ...]]:
    """Rows by label (None where they are so already), the start of every group, and its keys."""
    codes = np.zeros(len(labels[0]), np.int64)
    for label, name in zip(labels, names, strict=True):
        code, count = _codes(label, name)
        codes = codes * count + code
    sorted_already = bool(np.all(codes[1:] >= codes[:-1]))
    if sorted_already:
        rows, along = None, codes
    else:
        rows = np.argsort(_narrow(codes), kind="stable")
        along = codes[rows]
    start = np.concatenate([[0], np.flatnonzero(along[1:] != along[:-1]) + 1])
    first = start if rows is None else rows[start]
    return rows, start, tuple(np.asarray(label[first]) for label in labels)


def _codes(label: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """Whole numbers in the order of the labels, and more than the largest of them."""
    if label.dtype.kind in "iu" and len(label) and int(label.max()) - int(label.min()) < 2**31:
        low = label.min()
        return (label - low).astype(np.int64), int(label.max()) - int(low) + 1
    if label.dtype.kind == "O":
        try:
            levels = sorted(set(label.tolist()))
        except TypeError:
            kinds = sorted({type(v).__name__ for v in label.tolist()})
            raise ValueError(f"the labels {name!r} are of {', '.join(kinds)}; make them all text.") from None
        code = {level: k for k, level in enumerate(levels)}
        return np.fromiter((code[v] for v in label.tolist()), np.int64, len(label)), len(levels)
    different, codes = np.unique(label, return_inverse=True)
    return codes.astype(np.int64), len(different)


def _narrow(codes: np.ndarray) -> np.ndarray:
    """Of 16 bits where they fit: NumPy then sorts in linear time."""
    return codes.astype(np.uint16) if codes.max(initial=0) < 2**16 else codes


def _check_sorted(orders: list[np.ndarray], names: tuple[str, ...], rows: np.ndarray | None, start: np.ndarray) -> None:
    for order, name in zip(orders, names, strict=True):
        along = order if rows is None else order[rows]
        late = along[1:] < along[:-1]
        late[start[1:] - 1] = False  # from group to group it begins anew
        if late.any():
            k = int(np.argmax(late)) + 1
            row = k if rows is None else int(rows[k])
            raise ValueError(
                f"row {row} has {name} {along[k]}, and the row before it {along[k - 1]}; sort X and y by it first."
            )


def keys_in_words(names: tuple[str, ...], keys: tuple[np.ndarray, ...], g: int) -> str:
    """``region north, year 2024``."""
    return ", ".join(f"{name} {key[g]}" for name, key in zip(names, keys, strict=True))
