"""The names of the columns: those a file holds, those asked for, and the nearest ones to a name that is not there."""

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from jaxreg.tables.errors import TableError, listed

__all__ = ["Wanted", "choose_names", "require_names"]


class Wanted(NamedTuple):
    """Which columns of a file are read, and which of them as text.

    Args:
        columns: the names, in this order; None is all. ignore: names to leave out.
        words: names of columns of text. find_words: whether columns without a single number are text too.
    """

    columns: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    words: frozenset[str] = frozenset()
    find_words: bool = False


def require_names(wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise TableError unless every wanted name is in names."""
    present = set(names)
    for name in wanted:
        if name not in present:
            spelling = {known.casefold(): known for known in names}
            near = [repr(spelling[key]) for key in difflib.get_close_matches(str(name).casefold(), spelling)]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            everything = f" The columns are {listed([repr(known) for known in names])}." if len(names) <= 20 else ""
            raise TableError(f"no column is named {name!r}{hint or '.'}{everything}")


def choose_names(names: Sequence[str], wanted: Wanted) -> tuple[str, ...]:
    """The names to read, in order, out of the names in the file."""
    columns, ignore = wanted.columns, wanted.ignore
    for position, name in enumerate(names, start=1):
        if not name:
            raise TableError(f"column {position} has no name; name it in the first line, or save without the index")
    if repeated := _repeated(names):
        raise TableError(f"more than one column is named {repeated}; rename them")
    require_names([*(columns or ()), *ignore, *sorted(wanted.words)], names)
    left_out = set(ignore)
    chosen = tuple(name for name in (names if columns is None else columns) if name not in left_out)
    if repeated := _repeated(chosen):
        raise TableError(f"asked for more than once: {repeated}")
    if not chosen:
        raise TableError("no columns are left to read")
    if unread := sorted(wanted.words - set(chosen)):
        raise TableError(f"column {unread[0]!r} is to be read as text, and is left out; give one of the two")
    return chosen


def _repeated(names: Sequence[str]) -> str:
    """The names that occur more than once, or an empty string."""
    return listed([repr(name) for name, count in Counter(names).items() if count > 1])
