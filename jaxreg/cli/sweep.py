"""The command ``jaxreg sweep``: from a table to the choice, on the terminal and in files."""

import argparse
import contextlib
import shutil
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from jaxreg.cli.prepare import at_work, prepared
from jaxreg.cli.problem import grid_option
from jaxreg.cli.shared_options import add_data_options, add_penalty_options, add_run_options
from jaxreg.cli.streamed import add_stream_options, is_streamed

__all__ = ["add_sweep"]


def add_sweep(commands: Any) -> None:
    """Adds the command to the parser's."""
    sweep = commands.add_parser(
        "sweep",
        help="cross-validate a grid of λs on a table, choose, and fit",
        description="Cross-validate a grid of λs on a CSV or Parquet file, choose λ, and fit on all rows.",
    )
    add_stream_options(add_data_options(sweep))
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
    model.add_argument(
        "--by",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="a sweep within each group of rows that are alike in these columns",
    )
    add_penalty_options(model)
    run = sweep.add_argument_group("run")
    add_run_options(run)
    run.add_argument(
        "--out",
        metavar="DIR",
        help="write coefficients, curve, figures, report.html, result.json there; with --by the groups; after an "
        "interruption the same command goes on from there",
    )
    run.add_argument("--rows", type=int, default=30, help="most features to print (default: %(default)s)")
    sweep.set_defaults(run=_sweep, parser=sweep)


def _sweep(options: argparse.Namespace) -> int:
    if not options.distributed:
        return _alone(options, True)
    from jaxreg.processes import distributed

    if not is_streamed(options):
        raise ValueError("--distributed shares out files that are read piece by piece; give a pattern, or --stream")
    with distributed() as process:
        return _alone(options, process.number == 0)


def _alone(options: argparse.Namespace, first: bool) -> int:
    """``first``: whether this process shows progress, writes and prints."""
    from jaxreg import report
    from jaxreg.progress import Bar

    problem, folder = prepared(options)
    settings, bar = _settings(options, problem["folds"]), Bar("paths")
    if "call" not in problem:
        problem["call"] = {name: problem[name] for name in ("X", "y", "sample_weight")}
        problem["shape"] = problem["X"].shape
    else:  # what does not go with moments and is not asked for
        unused = [name for name in ("folds", "seed", "strategy", "device") if settings[name] in (None, options.seed)]
        for name in [*unused, *(["dtype"] if options.dtype == "float64" else [])]:
            del settings[name]
    from jaxreg.cross_validation import sweep

    if options.by:
        from jaxreg.cli.by import sweep_each

        return sweep_each(options, problem, settings, folder)
    start = time.perf_counter()
    with _compile_clock() as compiling, at_work(bar):
        result = sweep(**problem["call"], progress=bar if first else None, **settings)
    if not first:
        return 0 if result.converged else 3
    seconds = time.perf_counter() - start
    result = report.named(result, problem["names"])
    facts: dict[str, Any] = {
        "title": problem["title"],
        "notes": problem["notes"],
        "shape": problem["shape"],
        "folds": problem["fold_text"],
        "seconds": (seconds - compiling.seconds, compiling.seconds),
        "tol": options.tol,
        "dtype": options.dtype,
    }
    text = report.sweep_report(result, rows=options.rows, **facts)
    try:  # the files first: whoever reads the text may stop in the middle of it (`| head`)
        if folder is not None:
            from jaxreg.io import write_sweep

            stored = {**settings, **problem["source"], "folds": problem["fold_text"], "notes": problem["notes"]}
            again: dict[str, Any] = {
                "command": report.command_line(options.parser, options),
                "python": report.python_code(options, _again(settings, problem), problem.get("stream") is not None),
            }
            page = partial(report.sweep_page, result, **facts, **again)
            options.state = f"{folder} holds the new result, or what it held before"
            written = write_sweep(result, folder, problem["target"], stored, page, problem["coding"])
            options.state = f"the result is in {folder}"
            if "stream" in problem:
                shutil.rmtree(folder / "sweep_blocks", ignore_errors=True)  # another sweep may go there
            text += f"\n\nWritten to {folder}: " + ", ".join(file.name for file in written)
    finally:
        print(text)
    return 0 if result.converged else 3


def _settings(options: argparse.Namespace, folds: Any) -> dict[str, Any]:
    """The keyword arguments of :func:`jaxreg.sweep`, without those that are columns of the table."""
    return {
        "lams": grid_option(options.lams),
        "l1_ratio": options.l1_ratio,
        "folds": folds,
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


def _again(settings: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a call in Python."""
    return settings | problem.get("stream", {"sample_weight": problem.get("sample_weight")})


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
