"""What the host functions return: frozen results that predict, print, plot and are saved; none needs JAX to be read."""

from jaxreg.results.banded import BandedRidge
from jaxreg.results.chosen import ChosenBootstrap
from jaxreg.results.debiased import DebiasedLasso
from jaxreg.results.fits import Choice, LeaveOneOut, Path, Solution, Sweep
from jaxreg.results.grouped import GroupedPath, GroupedSolution
from jaxreg.results.grouped_sweep import GroupedSweep
from jaxreg.results.honest import NestedSweep, PermutationTest
from jaxreg.results.influence import Influence
from jaxreg.results.jackknifed import JackknifePlus
from jaxreg.results.moments import Moments
from jaxreg.results.relaxed import RelaxedChoice, RelaxedPath, RelaxedSweep
from jaxreg.results.resampled import Bootstrap, BootstrapStatistics
from jaxreg.results.stable import Stability
from jaxreg.results.tuned import Tuned

__all__ = [
    "BandedRidge",
    "Bootstrap",
    "BootstrapStatistics",
    "Choice",
    "ChosenBootstrap",
    "DebiasedLasso",
    "GroupedPath",
    "GroupedSolution",
    "GroupedSweep",
    "Influence",
    "JackknifePlus",
    "LeaveOneOut",
    "Moments",
    "NestedSweep",
    "Path",
    "PermutationTest",
    "RelaxedChoice",
    "RelaxedPath",
    "RelaxedSweep",
    "Solution",
    "Stability",
    "Sweep",
    "Tuned",
]
