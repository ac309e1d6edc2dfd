"""The settings of a sweep as the command and as the Python that do the same again."""

import argparse
import inspect
import os
import shlex
from typing import Any

import numpy as np

__all__ = ["command_line", "python_code"]

_NOT_SETTINGS = ("help", "out", "rows")


def command_line(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """``jaxreg sweep …`` with every setting that is not the default, quoted for the shell.

    The file is named without its folder: what is written is meant to be passed on.

    Args:
        parser: the one that read the options.
    """
    words = ["jaxreg", "sweep"]
    for action in parser._actions:
        value: Any = getattr(options, action.dest, None)
        if action.dest in _NOT_SETTINGS or value == action.default:
            continue
        if not action.option_strings:
            words.insert(2, _file_name(value))
        elif value is True and action.nargs == 0:
            words.append(action.option_strings[0])
        elif isinstance(action, argparse.BooleanOptionalAction):
            words.append(action.option_strings[0 if value else 1])
        elif isinstance(value, list):
            words += [action.option_strings[0], *map(str, value)]
        elif isinstance(value, str) and value.startswith("-"):
            words.append(f"{action.option_strings[0]}={value}")
        else:
            words += [action.option_strings[0], str(value)]
    return shlex.join(words)


def python_code(options: argparse.Namespace, settings: dict[str, Any], streamed: bool = False) -> str:
    """Lines of Python that make the same sweep.

    Args:
        options: of ``jaxreg sweep``: where the data come from.
        settings: the keyword arguments of :func:`jaxreg.sweep`. Arrays are columns of the table, named by ``options``.
        streamed: whether the file was read piece by piece.
    """
    from jaxreg.cross_validation import sweep

    arguments = dict(settings)
    lines = ["import jaxreg"]
    if streamed:
        source = [repr(_file_name(options.file))]
    elif options.dataset is not None:
        X, y = "data.X", "data.y"
        lines += ["", f"data = jaxreg.datasets.load({options.dataset!r})"]
    else:
        X, y = "features.values", f"table.column({options.target!r})"
        reading = {name: getattr(options, name) for name in ("delimiter", "encoding", "decimal")}
        reading["missing"] = options.na
        usual: dict[str, Any] = {
            "delimiter": None,
            "encoding": "utf-8",
            "decimal": ".",
            "missing": "error",
            "ignore": [],
        }
        given = {k: v for k, v in (reading | {"ignore": options.ignore}).items() if v != usual[k]}
        aside = [repr(options.target)]
        if isinstance(arguments.get("sample_weight"), np.ndarray):
            aside.append(repr(options.sample_weight))
            arguments["sample_weight"] = _Code(f"table.column({options.sample_weight!r})")
        if isinstance(arguments.get("folds"), np.ndarray):
            given["text"] = [options.folds]
            as_they_are = arguments["folds"].dtype.kind == "U"
            arguments["folds"] = _Code(f"table.words[{options.folds!r}].astype({'str' if as_they_are else 'float'})")
        if options.categorical:
            given["categorical"] = "auto" if options.categorical == ["auto"] else options.categorical
            if options.fit_intercept and isinstance(arguments["lams"], list) and not any(arguments["lams"]):
                aside.append("*table.coding.first_levels")
        if options.na in ("mean", "median"):
            given["complete"] = [name for name in (options.target, options.sample_weight) if name is not None]
        lines += [
            "from jaxreg.tables import read_table",
            "",
            f"table = read_table({', '.join([repr(_file_name(options.file)), *_keywords(given)])})",
            f"features = table.without({', '.join(aside)})",
        ]
    source = source if streamed else [X, y]
    if isinstance(arguments.get("l1_ratio"), list) and len(arguments["l1_ratio"]) == 1:
        arguments["l1_ratio"] = arguments["l1_ratio"][0]
    if arguments.get("dtype") == "float64":  # that of the table
        del arguments["dtype"]
    defaults = {name: p.default for name, p in inspect.signature(sweep).parameters.items()}
    # Those that everyone looks for are written even where they are the defaults.
    shown = {k: v for k, v in arguments.items() if k in ("lams", "l1_ratio", "folds", "seed") or v != defaults.get(k)}
    lines.append(f"sweep = jaxreg.sweep({', '.join([*source, *_keywords(shown)])})")
    lines.append("print(sweep.best.lam, sweep.one_se.lam)")
    return "\n".join(lines)


class _Code(str):
    """Text that stands for itself, not for a string."""

    def __repr__(self) -> str:
        return str(self)


def _keywords(arguments: dict[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in arguments.items()]


def _file_name(path: str) -> str:
    if path == "-":
        return path
    name = os.path.basename(os.path.normpath(path))
    return os.path.join(os.curdir, name) if name.startswith("-") else name
