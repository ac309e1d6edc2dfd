"""The arrays of a call, checked together: what every door begins with."""

from typing import Any

import numpy as np

from jaxreg.data import inputs

__all__ = ["SMALL", "check_arguments"]

# The numbers of a larger table are looked at when its moments are not finite: looking costs as much as the moments.
SMALL = 2**17


def check_arguments(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    dtype: Any = None,
) -> inputs.Arguments:
    """The arguments of :func:`jaxreg.fit` as NumPy arrays or a sparse table; what is not given is None.

    Raises:
        ValueError, TypeError: as :func:`jaxreg.fit`.
    """
    names = inputs.feature_names_of(X)
    X = inputs.check_matrix(X, "X", _check_dtype(dtype), values=False, sparse=True)
    if X.size <= SMALL:
        inputs.check_values(X, names)
    n, p = X.shape
    y = inputs.check_target(y, n, float)
    s = inputs.check_weights(sample_weight, n, float)
    v = inputs.check_factors(penalty_factor, p, float)
    return inputs.Arguments(X, y, names, s, v, *inputs.check_bounds(lower, upper, p, float))


def _check_dtype(dtype: Any) -> Any:
    if dtype is None:
        return None
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype!r}; it must be float32, float64 or None (that of X).")
    return np.dtype(dtype)
