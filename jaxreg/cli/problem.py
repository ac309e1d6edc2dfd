"""What ``jaxreg sweep`` is asked: table, target, weights and folds, from a file or from the built-in data."""

import argparse
import os
from typing import Any

from jaxreg.cli.table_options import say_dropped, table_of

__all__ = ["grid_option", "load"]


def load(options: argparse.Namespace) -> dict[str, Any]:
    """X, y, weights and folds from the file or the built-in data."""
    if options.file is None and options.dataset is None:
        eaten = [name for name in options.ignore if os.path.exists(name)]
        if eaten:
            raise ValueError(f"--ignore took {eaten[-1]} for a column; write FILE first, or another option in between")
    if (options.file is None) == (options.dataset is None):
        raise ValueError("give either FILE with --target COLUMN, or --dataset NAME (diabetes or houses)")
    return _of_file(options) if options.dataset is None else _built_in(options)


def _built_in(options: argparse.Namespace) -> dict[str, Any]:
    from jaxreg import datasets

    for name in ("target", "ignore", "sample_weight"):
        if getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} goes with FILE; the built-in data have a fixed target")
    data = datasets.load(options.dataset)
    return {
        "X": data.X,
        "y": data.y,
        "names": data.feature_names,
        "target": data.target_name,
        "sample_weight": None,
        "folds": _whole_number(options.folds, "--folds", "a column goes with FILE"),
        "fold_text": f"{options.folds} folds, seed {options.seed}",
        "title": f"{options.dataset}: {data.target_name}",
        "source": {"dataset": options.dataset},
    }


def _of_file(options: argparse.Namespace) -> dict[str, Any]:
    from jaxreg.tables import column_names

    if options.target is None:
        names = column_names(options.file, options.delimiter, options.encoding)
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        raise ValueError(f"--target COLUMN is missing: which column is to be predicted? The columns are {shown}.")
    for name in ("target", "sample_weight", "folds"):
        if getattr(options, name) in options.ignore:
            raise ValueError(f"--{name.replace('_', '-')} {getattr(options, name)} is also in --ignore")
    table = table_of(options, ignore=options.ignore)
    y = table.column(options.target)
    aside = [options.target]
    weight, folds, fold_text = None, options.folds, f"{options.folds} folds, seed {options.seed}"
    if options.sample_weight is not None:
        weight = table.column(options.sample_weight)
        aside.append(options.sample_weight)
    if options.folds.lstrip("-").isdigit():
        folds = int(options.folds)
    else:
        folds = table.column(options.folds)
        aside.append(options.folds)
        fold_text = f"folds of column {options.folds}"
    if len(set(aside)) < len(aside):
        raise ValueError("--target, --sample-weight and --folds must name different columns")
    features = table.without(*aside)
    if not features.columns:
        raise ValueError(f"{options.file} has no column left as a feature beside {', '.join(aside)}")
    say_dropped(table)
    return {
        "X": features.values,
        "y": y,
        "names": features.columns,
        "target": options.target,
        "sample_weight": weight,
        "folds": folds,
        "fold_text": fold_text,
        "title": f"{os.path.basename(options.file)}: {options.target}",
        "source": {"file": os.path.basename(options.file), "sample_weight": options.sample_weight},
    }


def _whole_number(text: str, option: str, otherwise: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{option} {text} is not a whole number; {otherwise}") from None


def grid_option(texts: list[str]) -> int | list[float]:
    """``--lams 100`` is a number of λs, ``--lams 1.0`` or ``--lams 1 0.5 0.1`` are the λs."""
    if len(texts) == 1 and texts[0].lstrip("-").isdigit():
        return int(texts[0])
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise ValueError(f"--lams {' '.join(texts)}: give a whole number, or the λs as numbers") from None
