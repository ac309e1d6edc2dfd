"""Ridge, lasso and elastic net as pure JAX functions: whole λ-grids, folds and targets in parallel, with certificates.

The functions named here take NumPy arrays and data frames. Their pure twins — for your own ``jit``, ``vmap`` and
``grad`` — are in :mod:`jaxreg.solvers` and :mod:`jaxreg.sweeps`; the mathematics is in :mod:`jaxreg.formulas`.
The scikit-learn estimators ``Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV`` (:mod:`jaxreg.estimators`) are
loaded when they are asked for.
"""

from typing import TYPE_CHECKING, Any

from jaxreg import checks, datasets, formulas, solvers, sweeps, training
from jaxreg.archive import load
from jaxreg.checks import check_gradient
from jaxreg.convergence import ConvergenceWarning, GridEndWarning
from jaxreg.covariances import IllConditionedWarning, path_from_moments
from jaxreg.cross_validation import sweep
from jaxreg.formulas.conventions import convert, describe
from jaxreg.formulas.objective import Params, objective, predict
from jaxreg.leave_one_out import ridge_leave_one_out
from jaxreg.program_cache import use_cache
from jaxreg.regression import fit, path
from jaxreg.training.arguments import product
from jaxreg.training.methods import fista, ista
from jaxreg.training.runs import train, train_grid
from jaxreg.version import __version__

if TYPE_CHECKING:
    from jaxreg.estimators import ElasticNet, ElasticNetCV, Lasso, LassoCV, Ridge, RidgeCV  # noqa: F401

__all__ = [
    "ConvergenceWarning",
    "GridEndWarning",
    "IllConditionedWarning",
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
    "path_from_moments",
    "predict",
    "product",
    "ridge_leave_one_out",
    "solvers",
    "sweep",
    "sweeps",
    "train",
    "train_grid",
    "training",
    "use_cache",
]

_ESTIMATORS = ("Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV")


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        from jaxreg import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ESTIMATORS})
