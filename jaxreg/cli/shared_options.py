"""Options that the commands which fit have in common: the data, what is minimised, and how it is run."""

import argparse
from typing import Any

from jaxreg.cli.table_options import add_table_options

__all__ = ["add_data_options", "add_penalty_options", "add_run_options"]


def add_data_options(parser: argparse.ArgumentParser) -> Any:
    """Where the table comes from, and what its columns are; the group of these options."""
    data = parser.add_argument_group("data")
    data.add_argument("file", nargs="?", metavar="FILE", help="CSV or Parquet table with column names; - is stdin")
    data.add_argument("--target", metavar="COLUMN", help="the column to predict")
    data.add_argument("--dataset", metavar="NAME", help="built-in data instead of FILE: diabetes or houses")
    data.add_argument(
        "--ignore", nargs="+", action="extend", default=[], metavar="COLUMN", help="columns that are no features"
    )
    data.add_argument("--sample-weight", metavar="COLUMN", help="a column of weights")
    data.add_argument(
        "--categorical",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns of words, each word a column of zeros and ones; auto: all columns without numbers",
    )
    add_table_options(data)
    data.add_argument(
        "--na",
        choices=["error", "drop", "mean", "median"],
        default="error",
        help="missing cells: refused, their rows left out, or filled in with that of all rows (default: %(default)s)",
    )
    return data


def add_penalty_options(model: Any) -> None:
    """What is minimised, beside λ and l1_ratio; for a group of options."""
    flag = argparse.BooleanOptionalAction
    model.add_argument("--fit-intercept", action=flag, default=True)
    model.add_argument(
        "--standardize",
        action=flag,
        default=True,
        help="penalise per standard deviation of the column, with λ in units of the target",
    )
    model.add_argument("--lower", type=float, help="least value of every coefficient, at most 0")
    model.add_argument("--upper", type=float, help="largest value of every coefficient, at least 0")


def add_run_options(run: Any) -> None:
    """How far, and where; for a group of options."""
    run.add_argument("--tol", type=float, help="relative duality gap to reach (default: 1e-10; float32: 1e-5)")
    run.add_argument("--max-iter", type=int, default=20_000, help="most iterations a fit (default: %(default)s)")
    run.add_argument("--strategy", choices=["active set", "parallel"], help="how (default: the faster on the device)")
    run.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    run.add_argument("--device", help="cpu or gpu (default: JAX's)")
