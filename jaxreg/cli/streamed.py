"""``jaxreg sweep`` on a stream: what outgrows memory, or lies in several files, is read once, piece by piece."""

import argparse
import glob
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.cli.table_options import say, shown_file

__all__ = ["add_stream_options", "is_streamed", "read"]

# A file of more than this share of the machine's memory is a stream: its table takes up to twice its bytes, twice.
SHARE = 0.25
_ALWAYS = (".arrow", ".feather", ".ipc")


def add_stream_options(data: Any) -> None:
    """Adds them to the group of options of the data."""
    data.add_argument(
        "--stream",
        action="store_true",
        help=f"read FILE once, piece by piece; so are patterns, folders, Arrow files, and files of over {SHARE:.0%}% "
        "of the memory in any case",
    )
    data.add_argument(
        "--distributed",
        action="store_true",
        help="this is one of several processes that share a stream, started by srun, mpirun, or with "
        "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID set; the first one writes",
    )
    data.add_argument(
        "--fold-key", metavar="COLUMN", help="of a stream: rows that are alike in this column are held out together"
    )


def is_streamed(options: argparse.Namespace) -> bool:
    """Whether FILE is read piece by piece."""
    file = options.file
    if file is None or file == "-" or not hasattr(options, "stream"):
        return False
    if options.stream or options.fold_key or os.path.isdir(file) or file.lower().endswith(_ALWAYS):
        return True
    if not os.path.exists(file):
        return glob.has_magic(file)
    try:
        return os.path.getsize(file) > SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):  # a system that does not say
        return False


def read(options: argparse.Namespace, checkpoint: Path | None, least_squares: bool) -> dict[str, Any]:
    """The problem, with moments of every fold in place of rows.

    Args:
        checkpoint: where the sums are kept meanwhile. least_squares: whether nothing is penalised and an
            intercept is fitted: then a level of each column of words is left out.
    """
    from jaxreg.processes import here
    from jaxreg.progress import Bar
    from jaxreg.streams import read_stream
    from jaxreg.tables import column_names, files_of

    if options.target is None:
        names = column_names(files_of(options.file)[0], options.delimiter, options.encoding)
        raise ValueError(f"--target COLUMN is missing; the columns are {', '.join(names[:20])}.")
    by_column = not options.folds.lstrip("-").isdigit()
    table = {name: getattr(options, name) for name in ("delimiter", "encoding", "decimal", "ignore", "fold_key")}
    table |= {"missing": options.na, "categorical": "auto" if options.categorical == ["auto"] else options.categorical}
    call = {"target": options.target, "folds": options.folds if by_column else int(options.folds), "seed": options.seed}
    bar = Bar("rows", rate=True)
    given = {
        "sample_weight": options.sample_weight,
        "checkpoint": checkpoint,
        "progress": bar if here().number == 0 else None,
    }
    try:
        found = read_stream(options.file, **call, **given, **table)
    finally:
        bar.clear()
    out = found.coding.first_levels if least_squares else ()
    folds = [_without(fold, out) for fold in found.folds]
    names = folds[0].feature_names
    assert names is not None
    say(found.notes)
    told = f"folds of column {options.folds}" if by_column else f"{options.folds} folds, seed {options.seed}"
    told = told if options.fold_key is None else f"{options.folds} folds of column {options.fold_key}"
    usual: dict[str, Any] = {"delimiter": None, "encoding": "utf-8", "decimal": ".", "ignore": [], "fold_key": None}
    usual |= {"missing": "error", "categorical": []}
    return {
        "call": {"moments_by_fold": folds},
        "shape": (sum(fold.n_rows or 0 for fold in folds), len(names)),
        "names": names,
        "target": options.target,
        "folds": None,
        "fold_text": told,
        "title": f"{shown_file(os.path.normpath(options.file))}: {options.target}",
        "source": {"file": options.file, "sample_weight": options.sample_weight},
        "notes": found.notes,
        "coding": found.coding,
        "stream": call
        | ({} if options.sample_weight is None else {"sample_weight": options.sample_weight})
        | {"table": {name: value for name, value in table.items() if value != usual[name]}},
    }


def _without(m: Any, names: tuple[str, ...]) -> Any:
    """The moments of the other columns."""
    if not names:
        return m
    kept = np.array([name not in names for name in m.feature_names])
    left = tuple(name for name in m.feature_names if name not in names)
    return replace(m, x_mean=m.x_mean[kept], xx=m.xx[np.ix_(kept, kept)], xy=m.xy[kept], feature_names=left)
