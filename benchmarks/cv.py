"""How fast is ten-fold cross-validation of 100 λ, beside every program that solves it as exactly?

    python benchmarks/cv.py [--shape mid] [--repeats 5] [--limit 300] [--peers scikit-learn,LassoCV] [--no-first-call]

Every program gets the same folds and the same λs, centres the rows of each fold itself, and ends with the path on all
rows. Tolerances, times, ratio and first call are those of paths.py; a peer counts if no fold has a gap above 1e-4,
recomputed from X. jaxreg's own certificate stands for its folds, which it does not hand out; the path on all rows is
recomputed. The error curve is the largest relative difference of the mean held-out error from jaxreg's at 1e-10.

A peer's path is run on the folds in as many processes as there are cores, or in turn where all of it is a matter of
moments: adelie's own cross-validation cannot be given the folds, and celer's does not run with scikit-learn 1.9.
LassoCV is scikit-learn's own, called as usual; on all rows it fits only the chosen λ.
"""

from paths import command_line

__all__ = ["LIMIT", "TARGETS"]

TARGETS = {"small": 0.3, "mid": 0.25, "tall": 0.3, "tall2": 0.3, "wide": 0.25}
LIMIT = 300.0

if __name__ == "__main__":
    command_line("cv", __doc__, TARGETS, LIMIT)
