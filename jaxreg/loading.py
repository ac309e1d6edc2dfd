"""Loading a saved result; every kind of result that can be saved is known here, and none of them imports JAX."""

from jaxreg import banded, resampled, results, stable
from jaxreg.archive import load

__all__ = ["KINDS", "load"]

KINDS = (
    *(results.Solution, results.Path, results.Sweep, results.LeaveOneOut),
    *(resampled.Bootstrap, stable.Stability, banded.BandedRidge),
)
