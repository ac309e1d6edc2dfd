"""The error for whatever is not a table of numbers, and how its message counts and lists things."""

from collections.abc import Sequence

__all__ = ["TableError", "counted", "listed"]


class TableError(ValueError):
    """A file is not a table of numbers, or a table has no such column; the message is one line and names the remedy."""


def counted(number: int, noun: str) -> str:
    """The number with its noun: 1 cell, 2 cells."""
    return f"{number} {noun}{'s' * (number != 1)}"


def listed(items: Sequence[str], limit: int = 20) -> str:
    """The items with commas between them; beyond ``limit`` only how many more there are."""
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")
