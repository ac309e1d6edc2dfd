"""λ in other systems: what each program, book and document minimises, and the way from one to another.

Reading order: ``systems`` (the table) → ``conversion`` → ``table`` (as Markdown) → ``command`` (``jaxreg convert``).
"""

from jaxreg.formulas.conventions.conversion import Penalty, convert, describe
from jaxreg.formulas.conventions.systems import SYSTEMS, System
from jaxreg.formulas.conventions.table import system_table

# In the order in which one would learn.
__all__ = ["convert", "describe", "Penalty", "System", "SYSTEMS", "system_table"]  # noqa: RUF022
