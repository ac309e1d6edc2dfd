"""How many models at once: folds and choices over λ-grids, as pure functions."""

from jaxreg.sweeps.cross_validate import Choice, Sweep, choose, cross_validate, fold_errors, mean_and_standard_error

__all__ = ["Choice", "Sweep", "choose", "cross_validate", "fold_errors", "mean_and_standard_error"]
