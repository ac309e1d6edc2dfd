"""The command ``jaxreg predict``: the chosen model of a sweep, or that of each group, on other rows."""

import argparse
import csv
import sys
from typing import Any

from jaxreg.cli.table_options import add_table_options, say, table_of

__all__ = ["add_predict"]


def add_predict(commands: Any) -> None:
    """Adds the command to the parser's."""
    predict = commands.add_parser("predict", help="predict with the model that a sweep chose")
    predict.add_argument(
        "result", metavar="RESULT", help="result.json or groups.npz of a sweep, or the folder it is in"
    )
    predict.add_argument("file", metavar="FILE", help="CSV or Parquet table with the features' columns; - is stdin")
    predict.add_argument("--choice", choices=["best", "one_se"], default="best", help="(default: %(default)s)")
    predict.add_argument("--out", metavar="CSV", help="write the predictions there instead of printing them")
    predict.add_argument(
        "--keep", nargs="+", default=[], metavar="COLUMN", help="columns to write beside the predictions, such as an id"
    )
    add_table_options(predict)
    predict.add_argument(
        "--na",
        choices=["error", "drop"],
        help="rows with missing cells (default: error, or filled in if the sweep was asked to)",
    )
    predict.add_argument(
        "--unseen",
        choices=["error", "zero"],
        default="error",
        help="a word that the sweep has not seen: refused, or none of its words (default: %(default)s)",
    )
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from jaxreg.cli.stored_groups import groups_file, read_groups
    from jaxreg.files import write_csv
    from jaxreg.stored_models import read_model

    file = groups_file(options.result)
    model: Any = read_model(options.result, options.choice) if file is None else read_groups(file, options.choice)
    keys = () if file is None else model.key_names
    sources = model.coding.sources(model.feature_names)
    kept = [name for name in options.keep if name not in sources or name in model.coding.levels]
    text = list(dict.fromkeys([*kept, *keys]))
    table = table_of(options, columns=sources, text=text, complete=keys, like=model.coding, unseen=options.unseen)
    say(table.notes)
    prediction = model.predict(table.only(*model.feature_names).values if file is None else table)
    columns: dict[str, Any] = {table.unit: table.places}
    columns |= {name: table.words[name] if name in kept else table.column(name) for name in options.keep}
    if model.target in columns:
        raise ValueError(f"--keep {model.target} is the target, whose column holds the predictions")
    columns[model.target] = prediction
    if options.out is None:
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        csv.writer(sys.stdout, lineterminator="\n").writerows([list(columns), *rows])
    else:
        options.state = f"{options.out} holds the predictions, or what it held before"
        write_csv(options.out, columns)
    return 0
