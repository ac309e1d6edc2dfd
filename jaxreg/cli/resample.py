"""The commands ``jaxreg bootstrap`` and ``jaxreg stability``: what would stand on other samples of the rows."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxreg.cli.prepare import at_work, checkpoint_in, prepared
from jaxreg.cli.problem import grid_option
from jaxreg.cli.shared_options import add_data_options, add_penalty_options, add_run_options

__all__ = ["add_bootstrap", "add_stability"]

_OF_ALL = ("fit_intercept", "standardize", "lower", "upper", "eps", "tol", "max_iter", "strategy", "dtype", "device")


def add_bootstrap(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = _parser(
        commands, "bootstrap", "fit on resamples of the rows: intervals, and how often features are chosen"
    )
    of = parser.add_argument_group("resamples")
    of.add_argument(
        "--n-resamples", "--resamples", type=int, default=1000, metavar="B", help="how many (default: %(default)s)"
    )
    of.add_argument("--seed", type=int, default=0, help="of the resamples, and of random folds (default: 0)")
    of.add_argument(
        "--kind", default="pairs", choices=["pairs", "bayesian", "residual", "wild"], help="(default: pairs)"
    )
    of.add_argument(
        "--folds", default="0", metavar="K", help="choose λ in every resample: how many folds, or a column of labels"
    )
    of.add_argument("--rule", default="best", choices=["best", "one_se"], help="of that choice (default: best)")
    of.add_argument(
        "--keep", default="coefficients", choices=["coefficients", "statistics"], help="(default: coefficients)"
    )
    of.add_argument(
        "--interval", default="percentile", choices=["percentile", "bca", "studentized"], help="(default: percentile)"
    )
    of.add_argument("--level", type=float, default=0.95, help="of the intervals (default: %(default)s)")
    of.add_argument("--at", type=float, metavar="LAM", help="the λ to print (default: that in the middle of the grid)")
    parser.set_defaults(run=_bootstrap)


def add_stability(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = _parser(commands, "stability", "choose the features that halves of the rows choose again and again")
    of = parser.add_argument_group("halves")
    of.add_argument("--q", type=int, help="features that a half chooses at most (default: √(0.8 p))")
    of.add_argument("--threshold", type=float, help="share of halves from which on one is stable (default: 0.75)")
    of.add_argument("--expected-false", type=float, help="in place of a threshold: the bound it is to keep to")
    of.add_argument("--n-pairs", type=int, default=50, metavar="B", help="pairs of halves (default: %(default)s)")
    of.add_argument("--seed", type=int, default=0, help="of the halves (default: 0)")
    of.add_argument("--weakness", type=float, default=1.0, help="of a randomised lasso; 1 is none (default: 1.0)")
    parser.set_defaults(run=_stability, folds="0")


def _parser(commands: Any, name: str, words: str) -> Any:
    """With the options that both commands have."""
    parser = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    add_data_options(parser)
    model = parser.add_argument_group("model")
    model.add_argument("--l1-ratio", type=float, default=1.0, metavar="R", help="1 lasso, 0 ridge (default: 1)")
    model.add_argument("--lams", nargs="+", default=["100"], metavar="L", help="how many λs, or the λs (default: 100)")
    model.add_argument("--eps", type=float, help="λ_min/λ_max of an automatic grid (default: 1e-4 if n > p, else 1e-2)")
    add_penalty_options(model)
    run = parser.add_argument_group("run")
    add_run_options(run)
    run.add_argument(
        "--out",
        metavar="DIR",
        help="write the result, its table and figures there; after an interruption the same command goes on from there",
    )
    run.add_argument("--rows", type=int, default=30, help="most features to print (default: %(default)s)")
    parser.set_defaults(by=[])
    return parser


def _bootstrap(options: argparse.Namespace) -> int:
    from jaxreg import bootstrap, report
    from jaxreg.data.parameters import check_positive

    check_positive(options.level, "--level", below=1.0)
    if options.kind == "bayesian" and options.interval != "percentile":
        raise ValueError(f"--interval {options.interval} is of a sampling distribution; --kind bayesian is a posterior")
    problem, folder = prepared(options)
    names = ("l1_ratio", "n_resamples", "seed", "kind", "rule", "keep", *_OF_ALL)
    settings = {name: getattr(options, name) for name in names}
    settings |= {"jackknife": options.interval == "bca", "standard_errors": options.interval == "studentized"}
    settings["folds"] = None if isinstance(problem["folds"], int) and problem["folds"] == 0 else problem["folds"]
    result = _run(bootstrap, options, problem, folder, settings)
    l = _position(result.lams, options.at)
    of_interval = {"level": options.level, "kind": options.interval}
    facts = {"title": problem["title"], "notes": problem["notes"], "rows": options.rows}
    text = report.bootstrap_report(result, l=l, **of_interval, **facts)
    table = result.to_frame("dict")
    if options.keep == "coefficients":
        table |= dict(zip(("low", "high"), (end.ravel() for end in result.interval(**of_interval)), strict=True))
    if options.keep == "statistics":
        figures: dict[str, Any] = {"frequencies": result.plot}
    elif settings["folds"] is not None:
        figures = {"intervals": lambda: result.plot(**of_interval)}
    else:
        figures = {
            "frequencies": result.plot,
            "intervals": lambda: result.plot("intervals", lam=float(result.lams[l]), **of_interval),
        }
    return _concluded(text, result, options, folder, table, figures)


def _stability(options: argparse.Namespace) -> int:
    from jaxreg import report, stability_selection

    problem, folder = prepared(options)
    names = ("l1_ratio", "q", "threshold", "expected_false", "n_pairs", "seed", "weakness", *_OF_ALL)
    result = _run(stability_selection, options, problem, folder, {name: getattr(options, name) for name in names})
    facts = {"title": problem["title"], "notes": problem["notes"], "rows": options.rows}
    text, table = report.stability_report(result, **facts), result.to_frame("dict")
    return _concluded(text, result, options, folder, table, {"frequencies": result.plot})


def _run(door: Callable[..., Any], options: argparse.Namespace, problem: Any, folder: Any, settings: Any) -> Any:
    """The result with the names of the table; blocks of it are kept beside it."""
    from jaxreg.progress import Bar

    bar = Bar("resamples" if options.command == "bootstrap" else "halves")
    given = {"lams": grid_option(options.lams), "sample_weight": problem["sample_weight"], **settings}
    given["checkpoint"] = checkpoint_in(folder, options)
    with at_work(bar):
        result = door(problem["X"], problem["y"], **given, progress=bar)
    return dataclasses.replace(result, feature_names=tuple(problem["names"]))


def _position(lams: Any, at: float | None) -> int:
    """Of the λ to print."""
    import numpy as np

    return len(lams) // 2 if at is None else int(np.argmin(np.abs(np.asarray(lams) - at)))


def _concluded(
    text: str, result: Any, options: argparse.Namespace, folder: Path | None, table: Any, figures: dict[str, Any]
) -> int:
    """Files and text; the exit code."""
    import numpy as np

    try:  # the files first: whoever reads the text may stop in the middle of it (`| head`)
        if folder is not None:
            from jaxreg.io import write_resamples

            written = write_resamples(result, folder, options.command, table, figures)
            options.state = f"the result is in {folder}"
            text += f"\n\nWritten to {folder}: " + ", ".join(file.name for file in written)
    finally:
        print(text)
    return 0 if np.all(result.converged) else 3
