"""The share of a process in a stream: consecutive units of its files, with as many rows as the others have.

A unit is a row group of a Parquet file, or any other file as a whole. What each process has added up goes to all, who
make one state of it.
"""

import io
import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxreg.processes import everyones, here
from jaxreg.streams.folding import Rule
from jaxreg.streams.state import State
from jaxreg.tables import Pieces, Position, TableError

__all__ = ["Share", "folder_of", "of_all", "share_of"]


class Share(NamedTuple):
    """From the unit that begins at ``start`` to before that at ``until``, None being the end; ``before``: how many rows
    precede it, None where that is not known."""

    start: Position
    until: Position | None
    before: int | None


def share_of(pieces: Pieces) -> Share:
    """That of this process."""
    number, count = here()
    if count == 1:
        return Share(Position(0, 0, 0), None, 0)
    units = pieces.units()
    rows = [size for _, size in units]
    known = None not in rows
    ends = np.cumsum(rows if known else np.ones(len(units)))
    first = lambda k: int(np.searchsorted(ends, k * ends[-1] / count, side="left")) + (k > 0)
    begin, end = min(first(number), len(units)), min(first(number + 1), len(units))
    place = lambda unit: units[unit][0] if unit < len(units) else Position(len(pieces.files), 0, 0)
    return Share(place(begin), place(end), int(ends[begin - 1] if begin else 0) if known else None)


def folder_of(checkpoint: Any) -> Any:
    """The folder in which this process keeps what it has read."""
    number, count = here()
    return checkpoint if count == 1 or checkpoint is None else os.path.join(checkpoint, f"{number}-of-{count}")


def of_all(read: Callable[[], State], rule: Rule) -> State:
    """The state of all processes; ``rule.names`` become the folds of all.

    Raises:
        ValueError: what one of them has found wrong, in all.
    """
    if here().count == 1:
        return read()
    found: bytes
    try:
        state = read()
        found = b"" if state.centre is None else _as_bytes(state.as_arrays(rule.names))
    except (ValueError, TypeError, MemoryError) as error:
        found = json.dumps({"error": str(error), "kind": type(error).__name__}).encode()
    whole, names = State(), list(rule.names)
    for sent in everyones(found):
        if sent.startswith(b"{"):
            told = json.loads(sent)
            kind: Any = {"TypeError": TypeError, "MemoryError": MemoryError, "TableError": TableError}
            raise kind.get(told["kind"], ValueError)(told["error"])
        if sent:
            with np.load(io.BytesIO(sent), allow_pickle=False) as stored:
                state, own = State.of({name: stored[name] for name in stored.files})
            names += [name for name in own if name not in names]
            whole.join(state, [names.index(name) for name in own])
    rule.skip(0, names)
    rule.names = names
    return whole


def _as_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()
