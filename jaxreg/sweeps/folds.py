"""Which rows are held out together, and which are trained on."""

import numbers
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxreg.data.plan import Plan
from jaxreg.data.values import as_number

__all__ = ["fold_labels", "plan_of", "plan_of_pairs"]


def fold_labels(n: int, folds: int, seed: int = 0) -> np.ndarray:
    """A label from 0 to `K − 1` for every row: each block of K consecutive rows gets a random permutation of them.

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


def plan_of(folds: Any, X: Any, y: np.ndarray, seed: int, sample_weight: np.ndarray | None) -> Plan:
    """The plan that ``folds`` asks for.

    Args:
        folds: a number of folds; (n,) labels, one fold a distinct value; (K, n) booleans, True = held out; a
            scikit-learn splitter (anything with ``split``); or the pairs (training rows, held-out rows) that one makes,
            in a list or from a generator: row numbers, also from the end as −1, −2, …, or (n,) booleans. The training
            rows of a splitter and of pairs are kept to: they need not be all others, and may occur twice.
        X: (n, p), y: (n,) or (n, t), passed to a splitter. seed: for a number of folds.
        sample_weight: (n,) or None.

    Raises:
        ValueError: fewer than two folds, more folds than rows, a fold that trains or measures on nothing, a row number
            that there is not. A fold of labels is named by its label, others by their number from 0.
    """
    n = X.shape[0]
    folds = as_number(folds)
    names: Any = None
    if isinstance(folds, numbers.Integral) and not isinstance(folds, bool):
        if not 2 <= int(folds) <= n:
            raise ValueError(f"folds={folds}: there must be at least 2 folds and at most as many as rows ({n}).")
        labels = fold_labels(n, int(folds), seed)
        plan = Plan(labels[None, :] == np.arange(int(folds))[:, None])
    elif hasattr(folds, "split") and not isinstance(folds, str):
        plan = plan_of_pairs(list(folds.split(X, y)), n)
    elif _are_pairs(folds):
        plan = plan_of_pairs(list(folds), n)
    else:
        plan = Plan(_masks(folds, n))
        names = np.unique(np.asarray(folds)).tolist() if np.ndim(folds) == 1 else None
    if len(plan) < 2:
        raise ValueError(f"folds gives {len(plan)} fold; at least 2 are needed.")
    weight = np.ones(n) if sample_weight is None else sample_weight
    for k in range(len(plan)):
        fold = k if names is None else repr(names[k])
        if not weight[plan.measured[k] != 0].any():
            raise ValueError(f"fold {fold} holds out no row of positive weight; its error is undefined.")
        if not plan.training_weight(k, weight).any():
            raise ValueError(f"fold {fold} leaves no row of positive weight to train on.")
    return plan


def _masks(folds: Any, n: int) -> np.ndarray:
    """(K, n) booleans from labels or booleans."""
    given = np.asarray(folds)
    if given.ndim == 2 and given.dtype == bool and given.shape[1] == n:
        return given
    if given.ndim == 1 and given.shape[0] == n:
        for i, label in enumerate(given):
            if label is None or label != label:
                raise ValueError(
                    f"folds[{i}] is missing ({'None' if label is None else 'NaN'}); every row needs a label."
                )
        return given[None, :] == np.unique(given)[:, None]
    raise ValueError(
        f"folds must be a whole number, ({n},) labels, (K, {n}) booleans, a splitter, or pairs (training rows, "
        f"held-out rows); got {folds!r}."
    )


def _are_pairs(folds: Any) -> bool:
    """Whether it is a generator, or a sequence of pairs of arrays."""
    if isinstance(folds, Iterator):
        return True
    is_pair = lambda pair: isinstance(pair, tuple) and len(pair) == 2 and all(np.ndim(part) == 1 for part in pair)
    return isinstance(folds, list | tuple) and len(folds) > 0 and all(map(is_pair, folds))


def plan_of_pairs(pairs: Sequence[Any], n: int) -> Plan:
    """From K pairs (training rows, held-out rows) of row numbers or (n,) booleans.

    Raises:
        ValueError: something that is no pair, or a row number that there is not.
    """
    train: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for k, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"folds[{k}] is {pair!r}; it must be a pair (training rows, held-out rows).")
        for part, counts, what in zip(pair, (train, held_out), ("trains on", "holds out"), strict=True):
            counts.append(_counts(np.asarray(part), n, f"fold {k} {what}"))
    tested = np.stack(held_out)
    tested = tested != 0 if tested.size == 0 or tested.max() <= 1 else tested
    trained = np.stack(train)
    return Plan(tested, None if np.array_equal(trained, tested == 0) else trained)


def _counts(rows: np.ndarray, n: int, what: str) -> np.ndarray:
    """How often each of n rows is among these."""
    if rows.dtype == bool and rows.shape == (n,):
        return rows.astype(np.int32)
    if rows.size == 0:
        return np.zeros(n, np.int32)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise ValueError(f"{what} {rows!r}; row numbers, or ({n},) booleans, are needed.")
    wrong = (rows < -n) | (rows >= n)
    if wrong.any():
        raise ValueError(f"{what} row {rows[wrong][0]}, but there are {n} rows, numbered from 0.")
    return np.bincount(rows % n, minlength=n).astype(np.int32)
