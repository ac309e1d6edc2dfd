"""What is minimised, checked: the record that a door makes of its arguments, and that every engine is given."""

import contextlib
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data import inputs, on_device, parameters
from jaxreg.data.sparse import is_sparse, same_in_all_rows
from jaxreg.devices import Devices, check_mesh
from jaxreg.precision import computing, device_of, takes_double
from jaxreg.solvers.grid import default_eps
from jaxreg.solvers.reduced import default_tol

__all__ = ["SMALL", "Problem", "check_problem", "problem_without_rows", "varies"]

# The numbers of a larger table are looked at when its moments are not finite: looking costs as much as the moments.
SMALL = 2**17


class Problem(NamedTuple):
    """X is of the dtype in which results are returned, all other arrays are of float64.

    Attributes:
        X: (n, p), NumPy or sparse; JAX's, as y and the weights are, where it stays on its device: those are then of the
            dtype of the results, and X may be of float32 beside float64. y: (n, t). flat: whether y was (n,): results
            then have no axis of targets.
        names: of the columns, or None. sample_weight: (n,), penalty_factor, lower, upper: (p,), each or None.
        l1_ratio: ρ. fit_intercept, standardize, tol, max_iter: as in the public functions. eps: `λ_min / λ_max` of an
            automatic grid. strategy: "active set", "parallel", or None to choose.
        device: a jax.Device, or None for JAX's default; or the devices that share the rows, which are then filled up to
            a multiple of their number.
        degrees: whether degrees of freedom are counted, which costs a factorisation for every λ where `ρ < 1`.
    """

    X: np.ndarray
    y: np.ndarray
    flat: bool
    names: tuple[str, ...] | None
    sample_weight: np.ndarray | None
    penalty_factor: np.ndarray | None
    lower: np.ndarray | None
    upper: np.ndarray | None
    l1_ratio: float
    fit_intercept: bool
    standardize: bool
    eps: float
    tol: float
    max_iter: int
    strategy: str | None
    device: Any
    degrees: bool = True

    @property
    def dtype(self) -> Any:
        """Of the results."""
        return self.y.dtype if isinstance(self.X, jax.Array) else self.X.dtype

    @property
    def weights(self) -> np.ndarray:
        """s, (n,); 1 where none are given."""
        return np.ones(len(self.y)) if self.sample_weight is None else self.sample_weight

    def computing(self, double: bool = False) -> contextlib.AbstractContextManager[None]:
        """:func:`jaxreg.precision.computing` on the device: in float64 where that is asked for, or is usual there."""
        return computing(double or takes_double(self.X.dtype, self.device), self.device)

    def arrays(self, bounded: bool = True) -> dict[str, np.ndarray | None]:
        """What weighs rows and columns, as pure functions take it. Factors that are not given stay so: with them goes a
        copy of the table. ``bounded``: whether bounds are wanted; ridge in closed form takes none."""
        p = self.X.shape[1]
        of = lambda bound, none: (np.full(p, none) if bound is None else bound) if bounded else None
        return {
            "sample_weight": self.weights,
            "penalty_factor": self.penalty_factor,
            "lower": of(self.lower, -np.inf),
            "upper": of(self.upper, np.inf),
        }


def check_problem(
    X: Any,
    y: Any,
    l1_ratio: Any = 1.0,
    *,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    dtype: Any = None,
    fit_intercept: Any = True,
    standardize: Any = True,
    eps: Any = None,
    tol: Any = None,
    max_iter: Any = 1,
    strategy: Any = None,
    device: Any = None,
    mesh: Any = None,
    stays: bool = False,
) -> Problem:
    """The arguments of :func:`jaxreg.path` checked, X as a NumPy array or a sparse table; defaults are those of the
    shape and dtype of X.

    Args:
        stays: whether the table stays on its device: X, y and the weights are then JAX arrays
            (:mod:`~jaxreg.data.on_device`).

    Raises:
        ValueError, TypeError: as :func:`jaxreg.fit`.
    """
    names = inputs.feature_names_of(X)
    device = device_of(device, X, y) if mesh is None else check_mesh(mesh, device, len(X))
    if stays:
        X, y, sample_weight, flat = on_device.check_table(X, y, sample_weight, _check_dtype(dtype), device)
        n = device.rows if isinstance(device, Devices) else X.shape[0]
    else:
        X = inputs.check_matrix(X, "X", _check_dtype(dtype), values=False, sparse=True)
        if is_sparse(X) or X.size <= SMALL:
            inputs.check_values(X, names)
        n = X.shape[0]
        y = inputs.check_target(y, n, float)
        flat = y.ndim == 1
        sample_weight = inputs.check_weights(sample_weight, n, float)
    if strategy not in (None, "active set", "parallel"):
        raise ValueError(f"strategy is {strategy!r}; it must be 'active set', 'parallel' or None.")
    return _asked(
        *(X, y if stays else y.reshape(n, -1), flat, names, n),
        l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        fit_intercept=fit_intercept,
        standardize=standardize,
        eps=eps,
        tol=default_tol(y.dtype) if stays and tol is None else tol,
        max_iter=max_iter,
        strategy=strategy,
        device=device,
    )


def problem_without_rows(
    p: int, t: int, n: int, flat: bool, names: tuple[str, ...] | None, l1_ratio: Any, **options: Any
) -> Problem:
    """What is asked of moments, checked: X is (0, p) and y (0, t), so that nothing takes them for rows.

    Args:
        n: how many rows the moments are of. options: penalty_factor, lower, upper, fit_intercept, standardize, eps,
            tol, max_iter, as :func:`check_problem` takes them.
    """
    given: dict[str, Any] = {"sample_weight": None, "strategy": None, "device": None} | options
    return _asked(np.empty((0, p)), np.empty((0, t)), flat, names, n, l1_ratio, **given)


def _asked(
    X: Any,
    y: Any,
    flat: bool,
    names: Any,
    n: int,
    l1_ratio: Any,
    *,
    sample_weight: Any,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    fit_intercept: Any = True,
    standardize: Any = True,
    eps: Any = None,
    tol: Any = None,
    max_iter: Any = 1,
    strategy: Any,
    device: Any,
) -> Problem:
    """What does not depend on the rows, checked."""
    p = X.shape[1]
    lower, upper = inputs.check_bounds(lower, upper, p, float)
    return Problem(
        X=X,
        y=y,
        flat=flat,
        names=names,
        sample_weight=sample_weight,
        penalty_factor=inputs.check_factors(penalty_factor, p, float),
        lower=lower,
        upper=upper,
        l1_ratio=parameters.check_l1_ratio(l1_ratio),
        fit_intercept=bool(fit_intercept),
        standardize=bool(standardize),
        eps=default_eps(n, p) if eps is None else parameters.check_positive(eps, "eps", below=1.0),
        tol=default_tol(X.dtype) if tol is None else parameters.check_positive(tol, "tol"),
        max_iter=parameters.check_positive(max_iter, "max_iter", int),
        strategy=strategy,
        device=device,
    )


def _check_dtype(dtype: Any) -> Any:
    if dtype is None:
        return None
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype!r}; it must be float32, float64 or None (that of X).")
    return np.dtype(dtype)


def varies(problem: Problem, columns: np.ndarray) -> bool:
    """Whether any of the columns flagged, (p,), has two values on the rows of positive weight."""
    if not columns.any():
        return False
    X, s = problem.X, problem.sample_weight
    if is_sparse(X):
        return not same_in_all_rows(X if s is None else X[s > 0], columns)
    values = X[:, columns] if s is None else X[:, columns][s > 0]
    return bool(np.any(values != values[:1]))
