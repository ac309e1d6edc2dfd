"""One pass over a stream: pieces are read in order, multiplied by all cores, and added in order.

So the sums do not depend on the number of cores, nor on where a pass was interrupted: what is resumed has the same
bits. At most two pieces a core are in memory beside the moments.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data import parameters
from jaxreg.data.cores import CORES, blas_of_one_thread
from jaxreg.data.values import as_number
from jaxreg.journal import Journal
from jaxreg.processes import here
from jaxreg.progress import Progress, following
from jaxreg.results import Moments
from jaxreg.streams.block import moments_of_block
from jaxreg.streams.folding import Blocked, Hashed, Labelled, OneFold, Rule
from jaxreg.streams.shares import Share, folder_of, of_all, share_of
from jaxreg.streams.sources import Batches, Files, Item
from jaxreg.streams.state import State, check_size
from jaxreg.tables import Coding, Dialect, Pieces, Position, TableError, files_of

__all__ = ["StreamRead", "fold_moments", "is_stream", "read_stream"]

# Seconds between two states of a checkpoint, which are written where a unit ends.
BETWEEN = 5.0


@dataclass(frozen=True)
class StreamRead:
    """What a pass gives: moments of each fold, what words became, the labels of the folds, and phrases about it."""

    folds: list[Moments]
    coding: Coding
    labels: list[str]
    notes: tuple[str, ...]


class TableOptions(NamedTuple):
    """How a table is read, as :func:`fold_moments` takes it."""

    fold_key: str | None = None
    ignore: Sequence[str] = ()
    categorical: Any = ()
    levels: Mapping[str, Sequence[str]] | None = None
    missing: str = "error"
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."


def is_stream(source: Any) -> bool:
    """Whether it is a path, a pattern, a folder, a list of these, or an iterator of batches, and no table in memory."""
    if isinstance(source, str | os.PathLike | Iterator):
        return True
    return isinstance(source, list | tuple) and bool(source) and all(isinstance(f, str | os.PathLike) for f in source)


def fold_moments(
    source: Any,
    target: str | None = None,
    folds: Any = 10,
    seed: int = 0,
    *,
    fold_key: str | None = None,
    sample_weight: str | None = None,
    ignore: Sequence[str] = (),
    categorical: Any = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    missing: str = "error",
    delimiter: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
    checkpoint: Any = None,
    progress: Progress = None,
) -> list[Moments]:
    """The moments of every fold of a table that need not fit into memory, in one pass; for ``sweep(moments_by_fold=)``.

    Args:
        source: a CSV, Parquet or Arrow file, a pattern (``"data/*.parquet"``), a folder, whose folders ``name=value``
            are columns, a list of these; or an iterator of batches (X, y), (X, y, sample_weight) or (X, y,
            sample_weight, labels of folds), for instance slices of a memory map.
        target, sample_weight: names of columns. ignore: columns that are no features.
        folds: how many, by the rule of :func:`jaxreg.sweep`; the name of a column of labels; 1 is all rows together.
            seed: of the random folds.
        fold_key: a column: rows that are alike in it are held out together, by a hash of its text, whatever the order
            and the files they are in. ``folds`` is then a number.
        categorical: columns of words, or "auto", as :func:`jaxreg.tables.read_table` takes them; levels: their words;
            those that are not given are found by reading these columns first.
        missing: "error", "drop" (rows with missing cells) or "mean", for which all is read once before. delimiter,
            encoding, decimal: of CSV files.
        checkpoint: a folder, of this call alone, in which the sums are kept: the same call goes on from there after an
            interruption, to the same bits.
        progress: called as ``progress(rows done, rows in all)``, of which the second is None where it is not known;
            True shows a line with rows a second.

    Returns:
        A list of :class:`jaxreg.Moments`, one a fold, in the order of their labels.

    Raises:
        TableError (a ValueError): a file cannot be read, is not such a table, or its columns are not those of the first
            one; the message names the file, row group, row or line, and column. ValueError: batches or arguments that
            are not as above. MemoryError: the moments of all folds would take more than 16 GiB.

    Example:
        >>> import jaxreg, pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "table.csv")
        >>> _ = file.write_text("a,b,y\\n" + "".join(f"{k},{k * k},{k + 3}\\n" for k in range(20)))
        >>> folds = jaxreg.fold_moments(file, "y", folds=4)
        >>> [fold.n_rows for fold in folds], sum(folds).feature_names
        ([5, 5, 5, 5], ('a', 'b'))
    """
    table = TableOptions(fold_key, ignore, categorical, levels, missing, delimiter, encoding, decimal)
    given = {"sample_weight": sample_weight, "checkpoint": checkpoint, "progress": progress}
    return read_stream(source, target, folds, seed, **given, **table._asdict()).folds


def read_stream(
    source: Any,
    target: Any,
    folds: Any,
    seed: int,
    *,
    sample_weight: Any = None,
    checkpoint: Any = None,
    progress: Progress = None,
    **options: Any,
) -> StreamRead:
    """As :func:`fold_moments`, with what words became; ``options`` are those of the table."""
    if unknown := sorted({*options} - {*TableOptions._fields}):
        raise TypeError(f"table has {unknown[0]!r}; it takes {', '.join(TableOptions._fields)}.")
    table = TableOptions(**options)
    rule = _rule(folds, seed, table.fold_key)
    if isinstance(source, Iterator):
        for name, value in (("target", target), ("sample_weight", sample_weight), ("checkpoint", checkpoint)):
            if value is not None:
                raise TypeError(f"an iterator of batches takes no {name}: it has no names, and cannot be begun anew.")
        if table != TableOptions():
            raise TypeError("an iterator of batches takes no options of tables: it brings numbers.")
        if here().count > 1:
            raise TypeError("an iterator of batches is not shared among processes; give each its own, and add Moments.")
        batches = Batches(source, isinstance(rule, Labelled))
        return _conclude(_pass(batches, rule, None, Share(Position(0, 0, 0), None, 0), progress), rule, batches)
    if not isinstance(target, str):
        raise TypeError(f"target is {target!r}; it must be the name of a column of {source}.")
    if not isinstance(sample_weight, str | None):
        raise TypeError(f"sample_weight is a {type(sample_weight).__name__}; it must be the name of a column.")
    key = table.fold_key if table.fold_key is not None else folds if isinstance(rule, Labelled) else None
    roles = [name for name in (target, sample_weight, key) if name is not None]
    if len({*roles}) < len(roles) or any(name in table.ignore for name in roles):
        raise TableError("target, sample_weight, folds and fold_key must be different columns, and not in ignore")
    files = files_of(source)
    pieces = Pieces(
        files,
        Dialect(table.delimiter, table.encoding, table.decimal),
        ignore=table.ignore,
        categorical=table.categorical,
        text=[] if key is None else [key],
        complete=roles,
        missing=table.missing,
        levels=table.levels,
    )
    for column in (target, sample_weight):
        if column in pieces.coding.levels:
            raise TableError(f"column {column!r} holds words; it must hold numbers")
    call = {"files": tuple(map(_identity, files)), "target": target, "sample_weight": sample_weight, "folds": folds}
    call |= {name: repr(value) for name, value in table._asdict().items()}
    call |= {"levels": repr(sorted(pieces.coding.levels.items())), "seed": seed}
    share = share_of(pieces)
    if isinstance(rule, Blocked) and (share.before is None or (table.missing == "drop" and here().count > 1)):
        raise TableError(
            f"folds={folds} numbers the rows, and how many precede those of this process is not known; "
            "give Parquet files without missing cells, fold_key, or folds as a column"
        )
    rows = Files(pieces, target, sample_weight, key, share.until)
    with Journal(folder_of(checkpoint), **call) as journal:
        return _conclude(of_all(lambda: _pass(rows, rule, journal, share, progress), rule), rule, rows)


def _rule(folds: Any, seed: Any, fold_key: str | None) -> Rule:
    if isinstance(folds, str):
        if fold_key is not None:
            raise ValueError(f"folds={folds!r} is a column of labels; with fold_key it must be a number.")
        return Labelled(folds)
    number = parameters.check_positive(as_number(folds), "folds", int)
    if fold_key is not None:
        return Hashed(number)
    return OneFold() if number == 1 else Blocked(number, parameters.check_whole_number(seed, "seed"))


def _identity(file: str) -> tuple[str, int, int]:
    try:
        stat = os.stat(file)
    except OSError as error:
        raise TableError(f"cannot read {file}: {error.strerror}") from None
    return os.path.abspath(file), stat.st_size, stat.st_mtime_ns


def _pass(source: Any, rule: Rule, journal: Journal | None, share: Share, progress: Progress) -> State:
    """Read, multiply and add."""
    state, names = State(), list(rule.names)
    state.position = share.start
    if journal is not None and (kept := journal.latest("sums")) is not None:
        state, names = State.of(kept)
    rule.skip((share.before or 0) + state.done, names)
    waiting: deque[tuple[Item, int, Future[Any] | None]] = deque()
    last = time.monotonic()

    def take() -> None:
        nonlocal last
        item, n, future = waiting.popleft()
        found = [] if future is None else future.result()
        if not all(np.isfinite(m.xx).all() and np.isfinite(m.yy).all() for m, _ in found if m is not None):
            if item.check is not None:
                item.check()
            raise ValueError(f"{item.where}: numbers are so large that their squares overflow; rescale the columns.")
        state.add(found)
        state.done, state.dropped, state.added = state.done + n, state.dropped + item.dropped, state.added + (n > 0)
        show(state.done, source.total)
        if item.next is not None:
            state.position = item.next
            if journal is not None and state.any_weight and time.monotonic() - last >= BETWEEN:
                journal.keep("sums", state.as_arrays(rule.names))
                last = time.monotonic()

    with (
        following(progress, "rows", rate=True) as show,
        blas_of_one_thread(),
        ThreadPoolExecutor(CORES) as pool,
    ):
        try:
            for item in source.after(state.position):
                n, future = item.block.n_rows, None
                if n:
                    if state.centre is None:
                        state.centre = item.block.mean()
                        check_size(len(state.centre), len(rule.names))
                    labels = rule.fold(n, item.keys)
                    future = pool.submit(moments_of_block, item.block, labels, len(rule.names), state.centre)
                waiting.append((item, n, future))
                while len(waiting) > 2 * CORES:
                    take()
            while waiting:
                take()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if journal is not None and state.any_weight:
        journal.keep("sums", state.as_arrays(rule.names))
    return state


def _conclude(state: State, rule: Rule, source: Any) -> StreamRead:
    if not any(state.rows):
        raise TableError("no rows are left of the stream")
    if not state.any_weight:
        raise TableError("sample_weight is 0 everywhere; at least one row must count")
    assert state.centre is not None
    p = len(state.centre) - len(next(part for part in state.parts if part is not None).yy)
    order: Sequence[int] = range(len(rule.names))
    if isinstance(rule, Labelled):
        order = sorted(order, key=_by_number(rule.names))
    folds = []
    for k in order:
        part = state.parts[k] if k < len(state.parts) else None
        if part is None:
            raise ValueError(f"fold {rule.names[k]} holds out no row of positive weight; give fewer folds.")
        names = {"feature_names": source.names, "target_names": source.target_names}
        x, y = state.centre[:p] + part.x_mean, state.centre[p:] + part.y_mean
        part = part._replace(x_mean=x, y_mean=y, xx=0.5 * (part.xx + part.xx.T))
        folds.append(Moments(*part, n_rows=state.rows[k], unit=state.unit(k), flat=source.flat, **names))
    notes = [f"{sum(state.rows):,} rows in one pass"]
    if state.dropped:
        notes.append(f"{state.dropped:,} row{'s' * (state.dropped != 1)} with missing cells left out")
    return StreamRead(folds, source.coding, [rule.names[k] for k in order], tuple(notes))


def _by_number(names: list[str]) -> Any:
    """A key by which labels are sorted: numbers by their size where all are numbers."""
    try:
        values = [float(name) for name in names]
    except ValueError:
        return lambda k: names[k]
    return lambda k: values[k]
