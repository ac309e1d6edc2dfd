"""Options of every command that reads a table."""

import sys
from typing import Any

__all__ = ["add_table_options", "say_dropped", "table_of"]


def add_table_options(parser: Any) -> None:
    """Adds them to the parser, or to a group of its options."""
    parser.add_argument("--delimiter", default=",", help="between the cells of a CSV file (default: %(default)s)")
    parser.add_argument("--encoding", default="utf-8", help="of a CSV file (default: %(default)s)")
    parser.add_argument(
        "--decimal", default=".", choices=[".", ","], help="before the fraction of its numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--na", choices=["error", "drop"], default="error", help="rows with missing cells (default: %(default)s)"
    )


def table_of(options: Any, **columns: Any) -> Any:
    """The table that the options ask for; ``columns`` or ``ignore`` as in :func:`jaxreg.tables.read_table`."""
    from jaxreg.tables import read_table

    how = {name: getattr(options, name) for name in ("delimiter", "encoding", "decimal")}
    return read_table(options.file, missing=options.na, **how, **columns)


def say_dropped(table: Any) -> None:
    """One line on standard error where rows with missing cells were dropped."""
    if table.rows_dropped:
        print(f"jaxreg: {table.rows_dropped} rows with missing cells were dropped", file=sys.stderr)
