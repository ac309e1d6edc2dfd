"""The command ``jaxreg predict``: the chosen model of a sweep on other rows."""

import argparse
import csv
import sys
from typing import Any

from jaxreg.cli.table_options import add_table_options, say_dropped, table_of

__all__ = ["add_predict"]


def add_predict(commands: Any) -> None:
    """Adds the command to the parser's."""
    predict = commands.add_parser("predict", help="predict with the model that a sweep chose")
    predict.add_argument("result", metavar="RESULT", help="result.json of a sweep, or the folder it is in")
    predict.add_argument("file", metavar="FILE", help="CSV or Parquet table with the features' columns")
    predict.add_argument("--choice", choices=["best", "one_se"], default="best", help="(default: %(default)s)")
    predict.add_argument("--out", metavar="CSV", help="write the predictions there instead of printing them")
    add_table_options(predict)
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from jaxreg.files import write_csv
    from jaxreg.io import read_model

    model = read_model(options.result, options.choice)
    table = table_of(options, columns=model.feature_names)
    say_dropped(table)
    prediction = model.predict(table.values)
    if options.out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows([[model.target], *prediction[:, None].tolist()])
    else:
        options.state = f"{options.out} holds the predictions, or what it held before"
        write_csv(options.out, {model.target: prediction})
    return 0
