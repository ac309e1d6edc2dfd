"""Options of every command that reads a table."""

import os
import sys
from typing import Any

__all__ = ["add_table_options", "opened", "say", "shown_file", "table_of"]


def add_table_options(parser: Any) -> None:
    """Adds them to the parser, or to a group of its options."""
    parser.add_argument(
        "--delimiter", help="between the cells of a CSV file (default: the comma, or what the first line holds instead)"
    )
    parser.add_argument("--encoding", default="utf-8", help="of a CSV file (default: %(default)s)")
    parser.add_argument(
        "--decimal", default=".", choices=[".", ","], help="before the fraction of its numbers (default: %(default)s)"
    )


def table_of(options: Any, **how: Any) -> Any:
    """The table that the options ask for; what else is given, as in :func:`jaxreg.tables.read_table`."""
    from jaxreg.tables import read_table

    given = {name: getattr(options, name) for name in ("delimiter", "encoding", "decimal")}
    return read_table(opened(options.file), missing=options.na, **given, **how)


def opened(file: str) -> Any:
    """FILE as it is, or standard input for ``-``."""
    return sys.stdin.buffer if file == "-" else file


def shown_file(file: str) -> str:
    """The name of FILE in titles."""
    return "standard input" if file == "-" else os.path.basename(file)


def say(notes: Any) -> None:
    """A line on standard error for everything that was recognised, left out and filled in."""
    for note in notes:
        print(f"jaxreg: {note}", file=sys.stderr)
