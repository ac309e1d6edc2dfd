"""What the six estimators share: validation, prediction, the added parameters and the form of the attributes."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from numbers import Integral, Real
from typing import Any, TypeVar

import jax
import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxreg.data.inputs import check_matrix
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.estimators.problems import problem_of
from jaxreg.formulas.objective import Params
from jaxreg.precision import device_of

__all__ = [
    "ACCEPT_SPARSE",
    "ADDED",
    "DESCENT",
    "FLOATS",
    "LinearModel",
    "as_table",
    "on_its_device",
    "warn_unless_converged",
]

F = TypeVar("F", bound=Callable[..., Any])

# The sparse formats that fit and predict take; :mod:`jaxreg.data.sparse` says what becomes of them.
ACCEPT_SPARSE: Any = ["csr", "csc", "coo"]
FLOATS = [np.float64, np.float32]

# Constraints on the parameters that scikit-learn's classes do not have; jaxreg checks their values further.
ADDED: dict[str, Any] = {
    "penalty_factor": ["array-like", None],
    "standardize": ["boolean"],
    "lower": [Real, "array-like", None],
    "upper": [Real, "array-like", None],
    "dtype": "no_validation",
    "device": "no_validation",
}

# Constraints that lasso and elastic net share, with and without cross-validation.
DESCENT: dict[str, Any] = {
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "copy_X": ["boolean"],
    "positive": ["boolean"],
    "random_state": ["random_state"],
    "selection": [StrOptions({"cyclic", "random"})],
}


def on_its_device(fit: F) -> F:
    """``fit``, which computes where the user has put X: scikit-learn's validation makes a NumPy array of it."""

    @wraps(fit)
    def there(self: Any, X: Any, y: Any, *args: Any, **options: Any) -> Any:
        device = device_of(self.device, X, y)
        with nullcontext() if device is None else jax.default_device(device):
            return fit(self, X, y, *args, **options)

    return there  # type: ignore[return-value]


def as_table(X: Any) -> Any:
    """A validated X; a sparse one by rows."""
    return check_matrix(X, values=False, sparse=True) if is_sparse(X) else X


class LinearModel(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A fitted linear model: ``coef_`` (p,) or (t, p), ``intercept_`` a number or (t,)."""

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b.

        Args:
            X: (n, p); a frame's columns must be those of the fit.

        Returns:
            (n,) or (n, t).

        Raises:
            NotFittedError: before ``fit``. ValueError: not a table of p columns of finite numbers.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=ACCEPT_SPARSE, dtype=FLOATS, reset=False)
        return X @ self.coef_.T + self.intercept_

    def _validated(self, X: Any, y: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """X and y by scikit-learn's ``validate_data``; neither is masked; a sparse X comes by rows."""
        for name, value in (("X", X), ("y", y)):
            if isinstance(value, np.ma.MaskedArray):
                raise TypeError(f"{name} is a masked array, whose mask would be ignored; fill or drop masked entries.")
        if "validate_separately" not in options:
            options = {
                "accept_sparse": ACCEPT_SPARSE,
                "dtype": FLOATS,
                "multi_output": True,
                "y_numeric": True,
            } | options
        X, y = validate_data(self, X, y, **options)
        return as_table(X), y

    def _problem(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, **options: Any) -> Problem:
        """The problem that the parameters ask for; ``options`` take the place of parameters."""
        names = ("fit_intercept", "standardize", "penalty_factor", "lower", "upper", "dtype", "device")
        given = {name: getattr(self, name) for name in names}
        if getattr(self, "positive", False):
            given["lower"] = 0.0
        return problem_of(X, y, sample_weight, **given | options)

    def _keep(self, params: Params, y: np.ndarray) -> None:
        """``coef_`` and ``intercept_`` in scikit-learn's shapes, from coef (p, t) and intercept (t,)."""
        self.coef_ = params.coef[:, 0].copy() if params.coef.shape[1] == 1 else np.ascontiguousarray(params.coef.T)
        self.intercept_: Any = 0.0
        if self.fit_intercept:
            self.intercept_ = params.intercept[0] if y.ndim == 1 else params.intercept.copy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = bool(ACCEPT_SPARSE)
        return tags


def warn_unless_converged(gap: np.ndarray, tol: float, alpha: Any, where: str) -> None:
    """scikit-learn's ConvergenceWarning where a relative gap is above ``tol``; ``alpha`` broadcasts against gap."""
    late = ~(gap <= tol)
    if not late.any():
        return
    worst = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
    value = np.broadcast_to(alpha, gap.shape).flat[worst]
    warnings.warn(
        f"Objective did not converge. You might want to increase the number of iterations. {where}: the duality gap is "
        f"{gap.flat[worst]:.3g} times ||y||² at alpha={value:.6g}, above tol={tol:g} ({int(late.sum())} of {gap.size} "
        "fits).",
        ConvergenceWarning,
        stacklevel=3,
    )
