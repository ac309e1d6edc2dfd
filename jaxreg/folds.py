"""Which rows are held out together."""

import numbers
from typing import Any

import numpy as np

__all__ = ["fold_labels", "held_out_masks"]


def fold_labels(n: int, folds: int, seed: int = 0) -> np.ndarray:
    """A label 0 … K−1 for every row: each block of K consecutive rows gets a random permutation of them.

    Fold sizes differ by at most one, neighbouring rows are spread over the folds, and the labels of the first rows do
    not depend on how many follow.

    Args:
        n: number of rows. folds: K. seed: of NumPy's PCG64 generator.

    Returns:
        (n,) integers.

    Example:
        >>> fold_labels(7, 3, seed=0)
        array([2, 0, 1, 2, 1, 0, 2])
    """
    blocks = -(-n // folds)
    labels = np.tile(np.arange(folds), (blocks, 1))
    return np.random.default_rng(seed).permuted(labels, axis=1).ravel()[:n]


def held_out_masks(folds: Any, X: np.ndarray, y: np.ndarray, seed: int, sample_weight: np.ndarray | None) -> np.ndarray:
    """(K, n) booleans, True where a row is held out.

    Args:
        folds: a number of folds; (n,) labels, one fold a distinct value; (K, n) booleans; or a scikit-learn splitter
            (anything with ``split``).
        X: (n, p), y: (n,) or (n, t), passed to a splitter. seed: for a number of folds.
        sample_weight: (n,) or None.

    Raises:
        ValueError: fewer than two folds, more folds than rows, a fold that trains or measures on nothing.
    """
    n = X.shape[0]
    if isinstance(folds, numbers.Integral) and not isinstance(folds, bool):
        if not 2 <= int(folds) <= n:
            raise ValueError(f"folds={folds}: there must be at least 2 folds and at most as many as rows ({n}).")
        labels = fold_labels(n, int(folds), seed)
        masks = labels[None, :] == np.arange(int(folds))[:, None]
    elif hasattr(folds, "split") and not isinstance(folds, str):
        masks = np.zeros((0, n), bool)
        for _, test in folds.split(X, y):
            masks = np.vstack([masks, np.isin(np.arange(n), test)[None]])
    else:
        given = np.asarray(folds)
        if given.ndim == 2 and given.dtype == bool and given.shape[1] == n:
            masks = given
        elif given.ndim == 1 and given.shape[0] == n:
            for i, label in enumerate(given):
                if label is None or label != label:
                    raise ValueError(
                        f"folds[{i}] is missing ({'None' if label is None else 'NaN'}); every row needs a label."
                    )
            masks = given[None, :] == np.unique(given)[:, None]
        else:
            raise ValueError(
                f"folds must be a whole number, ({n},) labels, (K, {n}) booleans or a splitter; got {folds!r}."
            )
    if masks.shape[0] < 2:
        raise ValueError(f"folds gives {masks.shape[0]} fold; at least 2 are needed.")
    weight = np.ones(n) if sample_weight is None else sample_weight
    for k, mask in enumerate(masks):
        if not weight[mask].any():
            raise ValueError(f"fold {k} holds out no row of positive weight; its error is undefined.")
        if not weight[~mask].any():
            raise ValueError(f"fold {k} leaves no row of positive weight to train on.")
    return masks
