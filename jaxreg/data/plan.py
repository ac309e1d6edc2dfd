"""Which rows every member of a batch of problems trains on and is measured on, whoever has chosen them."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """B members of n rows, by how often each counts.

    Attributes:
        measured: (B, n), how often a row is measured on: booleans, or whole numbers where a row is held out twice.
        trained: (B, n), how often it is trained on; None where these are all rows that are not measured on.
    """

    measured: np.ndarray
    trained: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.measured)

    def test_rows(self, b: int) -> np.ndarray:
        """The numbers of the rows that member b is measured on, as often as it is."""
        return _numbers(self.measured[b])

    def training_rows(self, b: int) -> np.ndarray:
        """The numbers of the rows that member b trains on, as often as it does."""
        return np.flatnonzero(self.measured[b] == 0) if self.trained is None else _numbers(self.trained[b])

    def training_weight(self, b: int, weight: np.ndarray) -> np.ndarray:
        """The weights of all rows, (n,), in the training of member b."""
        return np.where(self.measured[b] != 0, 0.0, weight) if self.trained is None else self.trained[b] * weight

    def divides(self, counts: np.ndarray) -> bool:
        """Whether every row flagged, (n,), is measured on once, and trained on by all other members."""
        return self.trained is None and bool(np.all(self.measured[:, counts].sum(axis=0) == 1))

    def filled_up(self, n: int) -> "Plan":
        """With rows up to n that are in no part."""
        more = lambda counts: np.pad(counts, ((0, 0), (0, n - counts.shape[1])))
        if n == self.measured.shape[1]:
            return self
        trained = self.measured == 0 if self.trained is None else self.trained
        return Plan(more(self.measured), None if self.trained is None else more(trained))


def _numbers(counts: np.ndarray) -> np.ndarray:
    return np.flatnonzero(counts) if counts.dtype == bool else np.repeat(np.arange(len(counts)), counts)
