"""Which fold each row of a stream is in: by the blocked seeded rule, by a column of labels, or by the hash of a key.

None depends on how the rows are cut into pieces. The blocked rule is that of :func:`jaxreg.sweeps.folds.fold_labels`;
its random numbers are drawn as the rows come. The hash is of a key's text, so that rows of one customer are in one
fold, in every file and in every run.
"""

from typing import Any, Protocol

import numpy as np

from jaxreg.tables import TableError

__all__ = ["Blocked", "Hashed", "Labelled", "OneFold", "Rule", "hashes"]

# FNV-1a, and the finish of MurmurHash3 (public domain, Austin Appleby), which spreads the last bytes over all bits.
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_FINISH = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
# Labels beyond which a column is not one of folds.
MOST_LABELS = 1000


class Rule(Protocol):
    """``fold(n, keys)`` numbers the folds of the next n rows, (n,); ``names`` are what the folds are called so far."""

    names: list[str]

    def fold(self, n: int, keys: Any) -> np.ndarray: ...

    def skip(self, rows: int, names: list[str]) -> None:
        """Go on after so many rows, of which these folds are known."""


class OneFold:
    """All rows together."""

    def __init__(self) -> None:
        self.names = ["0"]

    def fold(self, n: int, keys: Any) -> np.ndarray:
        return np.zeros(n, np.int64)

    def skip(self, rows: int, names: list[str]) -> None:
        pass


class Blocked:
    """Each block of K consecutive rows gets a random permutation of `0, …, K − 1`."""

    def __init__(self, folds: int, seed: int) -> None:
        self._folds, self._rng, self._left = folds, np.random.default_rng(seed), np.empty(0, np.int64)
        self.names = [str(k) for k in range(folds)]

    def fold(self, n: int, keys: Any) -> np.ndarray:
        blocks = -(-max(0, n - len(self._left)) // self._folds)
        new = self._rng.permuted(np.tile(np.arange(self._folds), (blocks, 1)), axis=1).ravel()
        labels = np.concatenate([self._left, new])
        self._left = labels[n:]
        return labels[:n]

    def skip(self, rows: int, names: list[str]) -> None:
        while rows:
            self.fold(some := min(rows, 2**20), None)
            rows -= some


class Hashed:
    """`hash(key) mod K`: rows of one key are held out together."""

    def __init__(self, folds: int) -> None:
        self._folds = folds
        self.names = [str(k) for k in range(folds)]

    def fold(self, n: int, keys: Any) -> np.ndarray:
        return (hashes(keys) % np.uint64(self._folds)).astype(np.int64)

    def skip(self, rows: int, names: list[str]) -> None:
        pass


class Labelled:
    """One fold a distinct label."""

    def __init__(self, column: str) -> None:
        self._column, self.names = column, []  # type: ignore[var-annotated]
        self._numbers: dict[str, int] = {}

    def fold(self, n: int, keys: Any) -> np.ndarray:
        labels, inverse = np.unique(np.asarray(keys, dtype=str), return_inverse=True)
        for label in labels.tolist():
            if label not in self._numbers:
                self._numbers[label] = len(self.names)
                self.names.append(label)
        if len(self.names) > MOST_LABELS:
            raise TableError(
                f"column {self._column!r} has more than {MOST_LABELS} different labels of folds; to hold out rows "
                "that are alike in it together, give a number of folds and fold_key"
            )
        return np.array([self._numbers[label] for label in labels.tolist()], np.int64)[inverse]

    def skip(self, rows: int, names: list[str]) -> None:
        self.names = list(names)
        self._numbers = {name: k for k, name in enumerate(names)}


def hashes(keys: Any) -> np.ndarray:
    """64 bits of each key's text in UTF-8, (n,).

    Example:
        >>> hashes(["a", "b", "a"]) % np.uint64(10)
        array([5, 4, 5], dtype=uint64)
    """
    encoded = np.array([str(key).encode() for key in keys])
    width = encoded.dtype.itemsize
    letters = encoded.view(np.uint8).reshape(len(encoded), width) if width else np.empty((len(encoded), 0), np.uint8)
    found = np.full(len(encoded), _BASIS)
    for letter in letters.T:  # what fills shorter keys up is 0, and no letter
        found = np.where(letter > 0, (found ^ letter) * _PRIME, found)
    for factor in _FINISH:
        found = (found ^ (found >> np.uint64(33))) * factor
    return found ^ (found >> np.uint64(33))
