"""A Gram matrix that the caller has computed: whether it belongs to X."""

import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from jaxreg.data.sparse import is_small, is_sparse

__all__ = ["check_gram"]


def check_gram(gram: Any, X: np.ndarray, sample_weight: np.ndarray | None, fit_intercept: bool) -> None:
    """Hold the column of the largest square against X.

    The moments of X are computed in float64 anyway, so the matrix itself is not used.

    Args:
        gram: (p, p), of the rows of X as they are, or times `√(s n/Σs)` where there are weights.

    Raises:
        ValueError: another shape, or not the Gram matrix of X.

    Warns:
        UserWarning: X is not centred, although an intercept is to be fitted.
    """
    p = X.shape[1]
    gram = check_array(gram, dtype=X.dtype)
    if gram.shape != (p, p):
        raise ValueError(f"precompute is a matrix {gram.shape}; the Gram matrix of X has the shape {(p, p)}.")
    if is_sparse(X):
        if not is_small(X):  # too large to be looked at
            return
        X = X.toarray()  # type: ignore[attr-defined]
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight * (X.shape[0] / sample_weight.sum())
    accuracy = np.sqrt(np.finfo(X.dtype).eps)
    if fit_intercept:
        mean, size = np.average(X, axis=0, weights=weight), np.abs(X).max(axis=0)
        if np.any(np.abs(mean) > accuracy * size):
            warnings.warn(
                "Gram matrix was provided but X was centered to fit intercept: recomputing Gram matrix.",
                UserWarning,
                stacklevel=3,
            )
            return
    j = int(np.argmax(np.diagonal(gram)))
    column = X.T @ (weight * X[:, j])
    worst = int(np.argmax(np.abs(column - gram[:, j])))
    if not abs(column[worst] - gram[worst, j]) <= 10 * accuracy * max(abs(column).max(), gram[j, j]):
        raise ValueError(
            f"Gram matrix passed in via precompute did not pass validation: entry ({worst}, {j}) is "
            f"{gram[worst, j]:g}, but that of X is {column[worst]:g}. Give XᵀX of the same rows and weights, or True."
        )
