"""Ridge, lasso and elastic net as pure JAX functions: whole λ-grids, folds and targets in parallel, with certificates.

The functions named here take NumPy arrays and data frames. Their pure twins — for your own ``jit``, ``vmap`` and
``grad`` — are in :mod:`jaxreg.solvers` and :mod:`jaxreg.sweeps`; the mathematics is in :mod:`jaxreg.formulas`.
"""

from jaxreg import checks, datasets, formulas, solvers, sweeps, training
from jaxreg.archive import load
from jaxreg.checks import check_gradient
from jaxreg.formulas.conventions import convert, describe
from jaxreg.formulas.objective import Params, objective, predict
from jaxreg.leave_one_out import ridge_leave_one_out
from jaxreg.regression import ConvergenceWarning, fit, path, sweep
from jaxreg.training.methods import fista, ista
from jaxreg.training.runs import product, train, train_grid

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "Params",
    "__version__",
    "check_gradient",
    "checks",
    "convert",
    "datasets",
    "describe",
    "fista",
    "fit",
    "formulas",
    "ista",
    "load",
    "objective",
    "path",
    "predict",
    "product",
    "ridge_leave_one_out",
    "solvers",
    "sweep",
    "sweeps",
    "train",
    "train_grid",
    "training",
]
