"""Hand-derived formulas held against automatic differentiation, and the slip named.

Reading order: ``gradients`` (a check) → ``subjects``, ``course`` (what a check has of its own, and what all share) →
``inputs``, ``losses``, ``program``, ``terms``, ``notation`` (what a loss is made of) → ``evaluation``, ``points``,
``compare``, ``differences``, ``kinks`` (what is compared) → ``diagnosis``, ``evidence``, ``fits``, ``coefficients``,
``variation``, ``expressions``, ``slips``, ``potential`` (what is wrong) → ``updates``, ``minimizers``, ``hessians``,
``proximal``, ``bounds`` (the other checks) → ``marks``, ``command``, ``pytest_plugin`` (formulas in files) →
``verdicts`` (the five source documents).
"""

from jaxreg.checks.bounds import bound
from jaxreg.checks.gradients import check_gradient
from jaxreg.checks.hessians import hessian
from jaxreg.checks.marks import hand_derived
from jaxreg.checks.minimizers import minimizer
from jaxreg.checks.proximal import prox
from jaxreg.checks.report import Finding, Report
from jaxreg.checks.updates import update

# In the order in which one would learn.
__all__ = [  # noqa: RUF022
    "check_gradient",
    "update",
    "minimizer",
    "hessian",
    "prox",
    "bound",
    "hand_derived",
    "Report",
    "Finding",
    "Verdict",
    "source_verdicts",
    "verdict_table",
]


# Loaded on first use, so that `python -m jaxreg.checks.verdicts` does not import the module twice.
def __getattr__(name: str) -> object:
    if name in ("Verdict", "source_verdicts", "verdict_table"):
        from jaxreg.checks import verdicts

        return getattr(verdicts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
