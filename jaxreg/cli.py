"""The command ``jaxreg``: sweep, predict, check, convert, info.

Exit codes: 0 done; 1 the results could not be written, or a checked formula is wrong; 2 the input or the options are
wrong, and nothing was written; 3 done, but some fit did not reach the tolerance; 130 interrupted.
"""

import argparse
import contextlib
import csv
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

from jaxreg.checks.command import add_check
from jaxreg.formulas.conventions.command import add_convert
from jaxreg.program_cache import cache_folder, distrusted, use_cache

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # "?" on a terminal that has no λ
    options = _parser().parse_args(arguments)
    from jaxreg.files import OutputError

    try:
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        _drop_output()
        return 0
    except KeyboardInterrupt:
        print(f"\njaxreg: interrupted; {getattr(options, 'state', 'nothing was written')}", file=sys.stderr)
        return 130
    except OutputError as error:
        _complain(error)
        return 1
    except OSError as error:  # files are read and written elsewhere: this is standard output, on a full disk
        _complain(f"cannot write the output: {error.strerror or error}")
        _drop_output()
        return 1
    except (ValueError, TypeError, FloatingPointError, ImportError, MemoryError) as error:
        _complain(error)
        return 2


def _complain(what: object) -> None:
    """One line on standard error."""
    print("jaxreg: " + " ".join(str(what).splitlines()), file=sys.stderr)


def _drop_output() -> None:
    """Let what is still to be printed vanish; otherwise Python tries once more at its end, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; see {self.prog} --help")
        self.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jaxreg",
        description="Ridge, lasso and elastic net: cross-validated sweeps in which every fit carries its certificate.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_sweep(commands)
    _add_predict(commands)
    add_check(commands)
    add_convert(commands)
    info = commands.add_parser("info", help="versions, devices, precision")
    info.set_defaults(run=_info)
    return parser


def _add_table_options(parser: Any) -> None:
    parser.add_argument("--delimiter", default=",", help="between the cells of a CSV file (default: %(default)s)")
    parser.add_argument("--encoding", default="utf-8", help="of a CSV file (default: %(default)s)")
    parser.add_argument(
        "--na", choices=["error", "drop"], default="error", help="rows with missing cells (default: %(default)s)"
    )


def _add_sweep(commands: Any) -> None:
    sweep = commands.add_parser(
        "sweep",
        help="cross-validate a grid of λs on a table, choose, and fit",
        description="Cross-validate a grid of λs on a CSV or Parquet file, choose λ, and fit on all rows.",
    )
    data = sweep.add_argument_group("data")
    data.add_argument("file", nargs="?", metavar="FILE", help="CSV or Parquet table of numbers with column names")
    data.add_argument("--target", metavar="COLUMN", help="the column to predict")
    data.add_argument("--dataset", metavar="NAME", help="built-in data instead of FILE: diabetes or houses")
    data.add_argument(
        "--ignore", nargs="+", action="extend", default=[], metavar="COLUMN", help="columns that are no features"
    )
    data.add_argument("--sample-weight", metavar="COLUMN", help="a column of weights")
    _add_table_options(data)
    model = sweep.add_argument_group("model")
    model.add_argument(
        "--l1-ratio", nargs="+", type=float, default=[1.0], metavar="R", help="1 lasso, 0 ridge (default: 1)"
    )
    model.add_argument("--lams", nargs="+", default=["100"], metavar="L", help="how many λs, or the λs (default: 100)")
    model.add_argument("--eps", type=float, help="λ_min/λ_max of an automatic grid (default: 1e-4 if n > p, else 1e-2)")
    model.add_argument("--folds", default="10", metavar="K", help="how many, or a column of labels (default: 10)")
    model.add_argument("--seed", type=int, default=0, help="of the random folds (default: 0)")
    model.add_argument(
        "--measure", choices=["mse", "mae", "r2"], default="mse", help="what to choose by (default: mse)"
    )
    flag = argparse.BooleanOptionalAction
    model.add_argument("--fit-intercept", action=flag, default=True)
    model.add_argument("--standardize", action=flag, default=True, help="penalise per standard deviation of the column")
    model.add_argument("--lower", type=float, help="least value of every coefficient, at most 0")
    model.add_argument("--upper", type=float, help="largest value of every coefficient, at least 0")
    run = sweep.add_argument_group("run")
    run.add_argument("--tol", type=float, help="relative duality gap to reach (default: 1e-10; float32: 1e-5)")
    run.add_argument("--max-iter", type=int, default=20_000, help="most iterations a fit (default: %(default)s)")
    run.add_argument("--strategy", choices=["active set", "parallel"], help="how (default: the faster on the device)")
    run.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    run.add_argument("--device", help="cpu or gpu (default: JAX's)")
    run.add_argument(
        "--out", metavar="DIR", help="write coefficients, curve, figures, report.html and result.json there"
    )
    run.add_argument("--rows", type=int, default=30, help="most features to print (default: %(default)s)")
    sweep.set_defaults(run=_sweep, parser=sweep)


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser("predict", help="predict with the model that a sweep chose")
    predict.add_argument("result", metavar="RESULT", help="result.json of a sweep, or the folder it is in")
    predict.add_argument("file", metavar="FILE", help="CSV or Parquet table with the features' columns")
    predict.add_argument("--choice", choices=["best", "one_se"], default="best", help="(default: %(default)s)")
    predict.add_argument("--out", metavar="CSV", help="write the predictions there instead of printing them")
    _add_table_options(predict)
    predict.set_defaults(run=_predict)


def _sweep(options: argparse.Namespace) -> int:
    from jaxreg import files, report
    from jaxreg.progress import Bar

    problem = _load(options)
    folder = None
    if options.out is not None:
        _require_matplotlib()
        try:
            folder = files.output_folder(options.out)
        except files.OutputError as error:  # before any work: a wrong option
            raise ValueError(str(error)) from None
    if reason := use_cache():
        print(f"jaxreg: compiled programs are neither kept nor looked for: {reason}", file=sys.stderr)
    from jaxreg.regression import ConvergenceWarning, GridEndWarning, sweep

    bar = Bar("paths")
    settings = {
        "lams": _grid_option(options.lams),
        "l1_ratio": options.l1_ratio,
        "folds": problem["folds"],
        "seed": options.seed,
        "measure": options.measure,
        "fit_intercept": options.fit_intercept,
        "standardize": options.standardize,
        "lower": options.lower,
        "upper": options.upper,
        "eps": options.eps,
        "tol": options.tol,
        "max_iter": options.max_iter,
        "strategy": options.strategy,
        "dtype": options.dtype,
        "device": options.device,
    }
    start = time.perf_counter()
    try:
        with _compile_clock() as compiling, warnings.catch_warnings():
            for said in (ConvergenceWarning, GridEndWarning):
                warnings.simplefilter("ignore", said)  # the report says it
            warnings.filterwarnings("ignore", ".*persistent compilation cache")  # damaged: compiled anew
            result = sweep(problem["X"], problem["y"], sample_weight=problem["sample_weight"], progress=bar, **settings)
    finally:  # an error message starts on a line of its own
        bar.clear()
    seconds = time.perf_counter() - start
    result = report.named(result, problem["names"])
    facts: dict[str, Any] = {
        "title": problem["title"],
        "shape": problem["X"].shape,
        "folds": problem["fold_text"],
        "seconds": (seconds - compiling.seconds, compiling.seconds),
        "tol": options.tol,
        "dtype": options.dtype,
    }
    text = report.sweep_report(result, rows=options.rows, **facts)
    try:  # the files first: whoever reads the text may stop in the middle of it (`| head`)
        if folder is not None:
            from jaxreg.io import write_sweep

            stored = {**settings, **problem["source"], "folds": problem["fold_text"]}
            again: dict[str, Any] = {
                "command": report.command_line(options.parser, options),
                "python": report.python_code(options, {**settings, "sample_weight": problem["sample_weight"]}),
            }
            page = partial(report.sweep_page, result, **facts, **again)
            options.state = f"{folder} holds the new result, or what it held before"
            written = write_sweep(result, folder, problem["target"], stored, page)
            options.state = f"the result is in {folder}"
            text += f"\n\nWritten to {folder}: " + ", ".join(file.name for file in written)
    finally:
        print(text)
    return 0 if result.converged else 3


def _load(options: argparse.Namespace) -> dict[str, Any]:
    """X, y, weights and folds from the file or the built-in data."""
    from jaxreg.tables import read_table

    if (options.file is None) == (options.dataset is None):
        raise ValueError("give either FILE with --target COLUMN, or --dataset NAME (diabetes or houses)")
    if options.dataset is not None:
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
    if options.target is None:
        raise ValueError("--target COLUMN is missing: which column is to be predicted?")
    for name in ("target", "sample_weight", "folds"):
        if getattr(options, name) in options.ignore:
            raise ValueError(f"--{name.replace('_', '-')} {getattr(options, name)} is also in --ignore")
    table = read_table(
        options.file, delimiter=options.delimiter, encoding=options.encoding, missing=options.na, ignore=options.ignore
    )
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
    if table.rows_dropped:
        print(f"jaxreg: {table.rows_dropped} rows with missing cells were dropped", file=sys.stderr)
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


def _grid_option(texts: list[str]) -> int | list[float]:
    """``--lams 100`` is a number of λs, ``--lams 1.0`` or ``--lams 1 0.5 0.1`` are the λs."""
    if len(texts) == 1 and texts[0].lstrip("-").isdigit():
        return int(texts[0])
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise ValueError(f"--lams {' '.join(texts)}: give a whole number, or the λs as numbers") from None


def _predict(options: argparse.Namespace) -> int:
    from jaxreg.files import write_csv
    from jaxreg.io import read_model
    from jaxreg.tables import read_table

    model = read_model(options.result, options.choice)
    table = read_table(
        options.file,
        delimiter=options.delimiter,
        encoding=options.encoding,
        missing=options.na,
        columns=model.feature_names,
    )
    if table.rows_dropped:
        print(f"jaxreg: {table.rows_dropped} rows with missing cells were dropped", file=sys.stderr)
    prediction = model.predict(table.values)
    if options.out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows([[model.target], *prediction[:, None].tolist()])
    else:
        options.state = f"{options.out} holds the predictions, or what it held before"
        write_csv(options.out, {model.target: prediction})
    return 0


def _info(options: argparse.Namespace) -> int:
    import platform

    import jax
    import jaxlib
    import numpy
    import optax

    from jaxreg.version import __version__

    folder = cache_folder()
    reason = distrusted(folder) if folder.exists() else None
    rows = [
        ("jaxreg", __version__),
        ("Python", platform.python_version()),
        ("jax, jaxlib", f"{jax.__version__}, {jaxlib.__version__}"),
        ("numpy, optax", f"{numpy.__version__}, {optax.__version__}"),
        ("devices", ", ".join(f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices())),
        ("processors", str(os.cpu_count())),
        ("precision", "float64 by default, float32 with --dtype float32; fits stop at a gap of 1e-10 and 1e-5"),
        ("compiled programs", f"{folder} (not used: {reason})" if reason else str(folder)),
    ]
    for name, value in rows:
        print(f"{name:<18} {value}")
    return 0


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("--out draws figures and needs matplotlib: pip install 'jaxreg[plots]'") from None


class _Clock:
    seconds = 0.0


@contextlib.contextmanager
def _compile_clock() -> Iterator[_Clock]:
    """Adds up the seconds that JAX spends on tracing and compiling."""
    import jax

    clock = _Clock()

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            clock.seconds += duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield clock
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


if __name__ == "__main__":
    sys.exit(main())
