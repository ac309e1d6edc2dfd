"""Loading a saved result; every kind of result that can be saved is known here, and none of them imports JAX."""

from jaxreg import chosen, debiased, grouped, honest, jackknifed, relaxed, resampled, results, stable
from jaxreg.archive import load

__all__ = ["KINDS", "load"]

KINDS = (
    *(results.Solution, results.Path, results.Sweep, results.LeaveOneOut),
    *(resampled.Bootstrap, resampled.BootstrapStatistics, chosen.ChosenBootstrap, stable.Stability),
    *(honest.NestedSweep, honest.PermutationTest),
    *(grouped.GroupedSolution, grouped.GroupedPath, grouped.GroupedSweep),
    *(debiased.DebiasedLasso, jackknifed.JackknifePlus, relaxed.RelaxedPath, relaxed.RelaxedSweep),
)
