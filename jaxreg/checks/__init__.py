"""Hand-derived formulas held against automatic differentiation."""

from typing import Any

from jaxreg.checks.gradients import check_gradient
from jaxreg.checks.report import Finding, Report

__all__ = ["Finding", "Report", "Verdict", "check_gradient", "source_verdicts", "verdict_table"]


# Loaded on first use, so that `python -m jaxreg.checks.verdicts` does not import the module twice.
def __getattr__(name: str) -> Any:
    if name in __all__:
        from jaxreg.checks import verdicts

        return getattr(verdicts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
