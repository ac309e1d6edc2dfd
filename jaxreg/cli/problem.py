"""What ``jaxreg sweep`` is asked: table, target, weights and folds, from a file or from the built-in data."""

import argparse
import os
from typing import Any

from jaxreg.cli.table_options import opened, say, shown_file, table_of

__all__ = ["grid_option", "is_least_squares", "load"]


def load(options: argparse.Namespace) -> dict[str, Any]:
    """X, y, weights and folds from the file or the built-in data."""
    if options.file is None and options.dataset is None:
        for option in ("ignore", "categorical", "by"):
            eaten = [name for name in getattr(options, option) if os.path.exists(name)]
            if eaten:
                told = f"--{option} took {eaten[-1]} for a column"
                raise ValueError(f"{told}; write FILE first, or another option in between")
    if (options.file is None) == (options.dataset is None):
        raise ValueError("give either FILE with --target COLUMN, or --dataset NAME (diabetes or houses)")
    return _of_file(options) if options.dataset is None else _built_in(options)


def _built_in(options: argparse.Namespace) -> dict[str, Any]:
    from jaxreg import datasets

    for name in ("target", "ignore", "sample_weight", "categorical", "by"):
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
        "notes": (),
        "coding": None,
    }


def _of_file(options: argparse.Namespace) -> dict[str, Any]:
    from jaxreg.tables import column_names

    if options.target is None:
        names = column_names(opened(options.file), options.delimiter, options.encoding)
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        raise ValueError(f"--target COLUMN is missing: which column is to be predicted? The columns are {shown}.")
    by_column = not options.folds.lstrip("-").isdigit()
    roles = {
        "target": options.target,
        "sample_weight": options.sample_weight,
        "folds": options.folds if by_column else None,
    }
    aside = {role: name for role, name in roles.items() if name is not None}
    for role, name in (*aside.items(), *(("by", name) for name in options.by)):
        for other in ("ignore", "categorical"):
            if name in getattr(options, other):
                raise ValueError(f"--{role.replace('_', '-')} {name} is also in --{other}")
    if len({*aside.values(), *options.by}) < len(aside) + len(options.by):
        raise ValueError("--target, --sample-weight, --folds and --by must name different columns")
    labels = [*([options.folds] if by_column else []), *options.by]
    categorical = "auto" if options.categorical == ["auto"] else options.categorical
    table = table_of(
        options, ignore=options.ignore, categorical=categorical, text=labels, complete=[*aside.values(), *options.by]
    )
    for role in ("target", "sample_weight"):
        if roles[role] in table.coding.levels:
            raise ValueError(f"--{role.replace('_', '-')} {roles[role]} is a column of words; it must hold numbers")
    y = table.column(options.target)
    weight = None if options.sample_weight is None else table.column(options.sample_weight)
    no_features = [name for role, name in aside.items() if role != "folds"]
    features = table.without(*no_features, *(table.coding.first_levels if is_least_squares(options) else ()))
    if not features.columns:
        raise ValueError(f"{options.file} has no column left as a feature beside {', '.join(aside.values())}")
    say(table.notes)
    return {
        "X": features.values,
        "y": y,
        "names": features.columns,
        "target": options.target,
        "sample_weight": weight,
        "folds": _as_labels(table.words[options.folds]) if by_column else int(options.folds),
        "by": [_as_labels(table.words[name]) for name in options.by],
        "fold_text": f"folds of column {options.folds}" if by_column else f"{options.folds} folds, seed {options.seed}",
        "title": f"{shown_file(options.file)}: {options.target}",
        "source": {"file": shown_file(options.file), "sample_weight": options.sample_weight},
        "notes": table.notes,
        "coding": table.coding,
    }


def is_least_squares(options: argparse.Namespace) -> bool:
    """Whether nothing is penalised and an intercept is fitted: then a level of each text is left out."""
    lams = grid_option(options.lams)
    return bool(options.fit_intercept and isinstance(lams, list) and not any(lams))


def _as_labels(words: Any) -> Any:
    """The labels of folds or groups, as numbers where all of them are, whole ones where these are."""
    for kind in (int, float):
        try:
            return words.astype(kind)
        except ValueError:
            continue
    return words.astype(str)


def _whole_number(text: str, option: str, otherwise: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{option} {text} is not a whole number; {otherwise}") from None


def grid_option(texts: list[str]) -> int | list[float]:
    """``--lams 100`` is a number of λs, ``--lams 1.0`` or ``--lams 1 0.5 0.1`` are the λs."""
    if len(texts) == 1 and texts[0].lstrip("-").isdigit():
        if int(texts[0]) == 0:
            raise ValueError("--lams 0 asks for no λs; for the one λ 0, least squares, write --lams 0.0")
        return int(texts[0])
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise ValueError(f"--lams {' '.join(texts)}: give a whole number, or the λs as numbers") from None
