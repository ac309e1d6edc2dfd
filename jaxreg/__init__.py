"""Ridge, lasso and elastic net as pure JAX functions: whole λ-grids, folds and targets in parallel, with certificates.

The functions named here take NumPy arrays and data frames. Their pure twins — for your own ``jit``, ``vmap`` and
``grad`` — are in :mod:`jaxreg.solvers` and :mod:`jaxreg.sweeps`; the mathematics is in :mod:`jaxreg.formulas`.
The scikit-learn estimators ``Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV`` and, for several targets together,
``MultiTaskLasso MultiTaskLassoCV MultiTaskElasticNet MultiTaskElasticNetCV`` are in :mod:`jaxreg.estimators`.

Everything is loaded when it is first asked for: ``jaxreg.load(FILE).predict(X)`` does not wait for JAX.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from jaxreg.version import __version__

if TYPE_CHECKING:
    from jaxreg import checks, datasets, formulas, solvers, sweeps, training
    from jaxreg.bands import banded_ridge
    from jaxreg.bootstraps import bootstrap
    from jaxreg.checks import check_gradient
    from jaxreg.convergence import ConvergenceWarning, GridEndWarning, IllConditionedWarning
    from jaxreg.covariances import moments, path_from_moments
    from jaxreg.cross_validation import sweep
    from jaxreg.data.runs import expanding, rolling
    from jaxreg.debiasing import debiased_lasso
    from jaxreg.estimators import (  # noqa: F401
        ElasticNet,
        ElasticNetCV,
        Lasso,
        LassoCV,
        MultiTaskElasticNet,
        MultiTaskElasticNetCV,
        MultiTaskLasso,
        MultiTaskLassoCV,
        Ridge,
        RidgeCV,
        TunedLasso,
        TunedRidge,
    )
    from jaxreg.formulas.conventions import convert, describe
    from jaxreg.formulas.objective import objective, predict
    from jaxreg.influences import influence
    from jaxreg.jackknife import ridge_jackknife_plus
    from jaxreg.leave_one_out import ridge_leave_one_out
    from jaxreg.loading import load
    from jaxreg.params import Params
    from jaxreg.processes import distributed
    from jaxreg.program_cache import use_cache
    from jaxreg.regression import fit, path
    from jaxreg.relaxation import relaxed_path, relaxed_sweep
    from jaxreg.results.moments import Moments
    from jaxreg.stability import stability_selection
    from jaxreg.streams.read import fold_moments
    from jaxreg.training.arguments import product
    from jaxreg.training.implicit import implicit
    from jaxreg.training.methods import fista, ista
    from jaxreg.training.runs import train, train_grid
    from jaxreg.tuning import tune
    from jaxreg.worth import nested_sweep, permutation_test

__all__ = [
    "ConvergenceWarning",
    "GridEndWarning",
    "IllConditionedWarning",
    "Moments",
    "Params",
    "__version__",
    "banded_ridge",
    "bootstrap",
    "check_gradient",
    "checks",
    "convert",
    "datasets",
    "debiased_lasso",
    "describe",
    "distributed",
    "expanding",
    "fista",
    "fit",
    "fold_moments",
    "formulas",
    "implicit",
    "influence",
    "ista",
    "load",
    "moments",
    "nested_sweep",
    "objective",
    "path",
    "path_from_moments",
    "permutation_test",
    "predict",
    "product",
    "relaxed_path",
    "relaxed_sweep",
    "ridge_jackknife_plus",
    "ridge_leave_one_out",
    "rolling",
    "solvers",
    "stability_selection",
    "sweep",
    "sweeps",
    "train",
    "train_grid",
    "training",
    "tune",
    "use_cache",
]

# Where each name is at home.
_HOMES = {
    "bands": ("banded_ridge",),
    "bootstraps": ("bootstrap",),
    "checks": ("check_gradient",),
    "convergence": ("ConvergenceWarning", "GridEndWarning", "IllConditionedWarning"),
    "covariances": ("moments", "path_from_moments"),
    "cross_validation": ("sweep",),
    "data.runs": ("expanding", "rolling"),
    "debiasing": ("debiased_lasso",),
    "estimators": (
        *("Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
        *("MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"),
        *("TunedLasso", "TunedRidge"),
    ),
    "formulas.conventions": ("convert", "describe"),
    "formulas.objective": ("objective", "predict"),
    "influences": ("influence",),
    "jackknife": ("ridge_jackknife_plus",),
    "leave_one_out": ("ridge_leave_one_out",),
    "loading": ("load",),
    "params": ("Params",),
    "processes": ("distributed",),
    "program_cache": ("use_cache",),
    "regression": ("fit", "path"),
    "relaxation": ("relaxed_path", "relaxed_sweep"),
    "results.moments": ("Moments",),
    "stability": ("stability_selection",),
    "streams.read": ("fold_moments",),
    "training.arguments": ("product",),
    "training.implicit": ("implicit",),
    "training.methods": ("fista", "ista"),
    "training.runs": ("train", "train_grid"),
    "tuning": ("tune",),
    "worth": ("nested_sweep", "permutation_test"),
}
_HOME_OF = {name: f"jaxreg.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = globals()[name] = getattr(importlib.import_module(_HOME_OF[name]), name)
        return value
    if not name.startswith("_") and importlib.util.find_spec(f"jaxreg.{name}") is not None:
        return importlib.import_module(f"jaxreg.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, *__all__})
