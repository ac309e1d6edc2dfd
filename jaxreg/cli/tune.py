"""The command ``jaxreg tune``: hyperparameters of a table by the gradient of an error."""

import argparse
import dataclasses
import warnings
from typing import Any

from jaxreg.cli.prepare import prepared
from jaxreg.cli.shared_options import add_data_options

__all__ = ["add_tune"]

_OF_PYTHON = (
    *("criterion", "start", "l1_ratio", "seed", "sigma2", "steps", "starts", "outer_folds"),
    *("fit_intercept", "standardize", "tol", "dtype", "device"),
)


def add_tune(commands: Any) -> None:
    """Adds the command to the parser's."""
    words = "find λ, l1_ratio or a penalty for each column by the gradient of an error, and fit"
    parser = commands.add_parser("tune", help=words, description=f"{words[0].upper()}{words[1:]}.")
    add_data_options(parser)
    model = parser.add_argument_group("model")
    model.add_argument(
        "--tuned",
        nargs="+",
        default=["lam"],
        choices=["lam", "l1_ratio", "penalty_factor"],
        help="what is tuned (default: lam)",
    )
    model.add_argument(
        "--criterion",
        default="cv",
        choices=["cv", "leave_one_out", "gcv", "aic", "bic", "sure"],
        help="the error that is to be least (default: cv)",
    )
    model.add_argument("--l1-ratio", type=float, default=1.0, metavar="R", help="1 lasso, 0 ridge (default: 1)")
    model.add_argument("--folds", default="10", metavar="K", help="how many, or a column of labels (default: 10)")
    model.add_argument("--seed", type=int, default=0, help="of the random folds and starts (default: 0)")
    model.add_argument("--sigma2", type=float, help="variance of the noise, for sure, aic and bic")
    flag = argparse.BooleanOptionalAction
    model.add_argument("--fit-intercept", action=flag, default=True)
    model.add_argument("--standardize", action=flag, default=True, help="penalise per standard deviation of the column")
    run = parser.add_argument_group("run")
    run.add_argument("--start", type=float, metavar="LAM", help="the λ to start from (default: the best of a few)")
    run.add_argument("--starts", type=int, default=1, help="how many (default: 1)")
    run.add_argument("--steps", type=int, default=100, help="at most (default: 100)")
    run.add_argument("--outer-folds", type=int, metavar="K", help="folds held out from all tuning: an honest error")
    run.add_argument("--tol", type=float, help="relative duality gap to reach (default: 1e-10; float32: 1e-5)")
    run.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    run.add_argument("--device", help="cpu or gpu (default: JAX's)")
    run.add_argument("--out", metavar="DIR", help="write the result, its table and the figure there")
    parser.set_defaults(run=_tune, by=[], lams=["1"])


def _tune(options: argparse.Namespace) -> int:
    problem, folder = prepared(options)
    from jaxreg.convergence import ConvergenceWarning, TuningWarning
    from jaxreg.tuning import tune

    settings = {name: getattr(options, name) for name in _OF_PYTHON}
    settings |= {"tuned": tuple(options.tuned), "folds": problem["folds"], "sample_weight": problem["sample_weight"]}
    with warnings.catch_warnings():
        for said in (ConvergenceWarning, TuningWarning):
            warnings.simplefilter("ignore", said)  # the summary says it
        warnings.filterwarnings("ignore", ".*persistent compilation cache")  # damaged: compiled anew
        result = tune(problem["X"], problem["y"], **settings)
    result = dataclasses.replace(result, feature_names=tuple(problem["names"]))
    text = "\n".join([problem["title"], *problem["notes"], result.summary()])
    try:  # the files first: whoever reads the text may stop in the middle of it (`| head`)
        if folder is not None:
            from jaxreg.io import write_resamples

            figures = {"trace": result.plot}
            written = write_resamples(result, folder, options.command, result.to_frame("dict"), figures)
            options.state = f"the result is in {folder}"
            text += f"\n\nWritten to {folder}: " + ", ".join(file.name for file in written)
    finally:
        print(text)
    return 0 if result.converged else 3
