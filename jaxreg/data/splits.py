"""Rows that are trained on and rows that are measured on, whoever has chosen them."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Splits"]


@dataclass(frozen=True)
class Splits:
    """K splits of n rows into those that are trained on and those that are measured on.

    Attributes:
        held_out: (K, n), how often a row is measured on: booleans, or whole numbers where a row is held out twice.
        train: (K, n), how often it is trained on; None where these are all rows that are not held out.
    """

    held_out: np.ndarray
    train: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.held_out)

    def test_rows(self, k: int) -> np.ndarray:
        """The numbers of the rows that split k measures on, as often as it does."""
        return _numbers(self.held_out[k])

    def training_rows(self, k: int) -> np.ndarray:
        """The numbers of the rows that split k trains on, as often as it does."""
        return np.flatnonzero(self.held_out[k] == 0) if self.train is None else _numbers(self.train[k])

    def training_weight(self, k: int, weight: np.ndarray) -> np.ndarray:
        """The weights of all rows, (n,), in the training of split k."""
        return np.where(self.held_out[k] != 0, 0.0, weight) if self.train is None else self.train[k] * weight

    def filled_up(self, n: int) -> "Splits":
        """With rows up to n that are in no part."""
        more = lambda counts: np.pad(counts, ((0, 0), (0, n - counts.shape[1])))
        if n == self.held_out.shape[1]:
            return self
        train = self.held_out == 0 if self.train is None else self.train
        return Splits(more(self.held_out), None if self.train is None else more(train))


def _numbers(counts: np.ndarray) -> np.ndarray:
    return np.flatnonzero(counts) if counts.dtype == bool else np.repeat(np.arange(len(counts)), counts)
