"""One cell of a CSV file: a number, a missing one, a word, or something to be refused and why."""

import math
import re
from collections.abc import Sequence

import numpy as np

from jaxreg.tables.errors import TableError, listed

__all__ = ["as_numbers", "as_word", "is_number", "is_word", "refusal"]

# Python's float() also takes 1_000, Arabic digits, inf and nan; a number in a file is this and no more.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9.,]+([eE][+-]?[0-9]+)?")
_TRUTH = {"true": 1.0, "false": 0.0}
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9:.Z+-]*)?|[0-9]{1,2}([./-])[0-9]{1,2}\2[0-9]{2,4}")
_INFINITE = ("inf", "infinity")
# With a decimal comma the two change places, before a cell is looked at.
_SWAPPED = str.maketrans(",.", ".,")
_MISSING = frozenset({"", "na", "nan", "n/a", "null", "none"})


def is_number(cell: str) -> bool:
    """Whether it is written as a number, with a decimal point."""
    return _NUMBER.fullmatch(cell) is not None


def as_word(cell: str) -> str:
    """The cell as text: without spaces around it, and empty if it is missing."""
    cell = cell.strip()
    return "" if cell.casefold() in _MISSING else cell


def as_numbers(cells: list[str], decimal: str) -> np.ndarray:
    """The cells of one column as numbers: NaN for a missing cell, infinity for one to be refused."""
    if decimal == ",":
        cells = [cell.translate(_SWAPPED) for cell in cells]
    # float() differs from _NUMBER in four ways: '_' and letters beyond ASCII are looked for in all cells at once, and
    # inf and nan show in the result. So the common case needs no look at the single cell.
    together = "".join(cells)
    if together.isascii() and "_" not in together:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                return values
    return np.array([_as_number(cell.strip()) for cell in cells])


def _as_number(cell: str) -> float:
    if is_number(cell):
        return float(cell)
    word = cell.casefold()
    return math.nan if word in _MISSING else _TRUTH.get(word, math.inf)


def is_word(cell: str) -> bool:
    """Whether a cell that is no number was not meant as one: neither a date, nor infinite, nor with another decimal."""
    cell = cell.strip()
    meant = _NUMBER.fullmatch(cell) or _NUMBER_WITH_COMMA.fullmatch(cell) or _DATE.fullmatch(cell)
    return not meant and cell.lower().lstrip("+-") not in _INFINITE


def refusal(
    cells: list[list[str]], lines: list[int], names: Sequence[str], block: np.ndarray, decimal: str, *, is_first: bool
) -> TableError:
    """The error for the first refused cell of a block of rows."""
    refused = np.isinf(block)
    row, column = map(int, np.argwhere(refused)[0])
    cell = cells[row][column].strip()
    shown = repr(cell if len(cell) <= 50 else cell[:47] + "...")
    where = f"line {lines[row]}, column {names[column]!r}: {shown}"
    # Columns without a single number in the first rows of the file are text, and all of them are named at once.
    not_numeric = (refused.any(axis=0) & ~np.isfinite(block).any(axis=0)).nonzero()[0].tolist() if is_first else []
    if decimal == ",":
        cell = cell.translate(_SWAPPED)
    if is_number(cell):
        return TableError(f"{where} is beyond the range of float64 (about 1.8e308); change the unit")
    if _DATE.fullmatch(cell):
        others = f"; not numeric: {listed([repr(names[j]) for j in not_numeric])}" if len(not_numeric) > 1 else ""
        return TableError(f"{where} is a date; write a number, such as days since a day, or `--ignore COLUMN`{others}")
    if _NUMBER_WITH_COMMA.fullmatch(cell):
        other, ours = ("point", "comma") if decimal == "," else ("comma", "point")
        hint = "" if decimal == "," else ", or give `--decimal ,`"
        text = f"{where} has a {other}; write a decimal {ours}, and nothing between thousands{hint}"
        return TableError(text)
    if cell.lower().lstrip("+-") in _INFINITE:
        return TableError(f"{where} is not finite; correct the cell, or leave it empty and use `--na drop`")
    if column in not_numeric:
        text = listed([repr(names[j]) for j in not_numeric])
        remedy = "a column of zeros and ones for each word, `--categorical auto`, or `--ignore COLUMN`"
        return TableError(f"{where} is not a number; not numeric: {text}; encode as numbers: {remedy}")
    return TableError(f"{where} is not a number (such as 12, -0.5 or 1e-3); correct the cell")
