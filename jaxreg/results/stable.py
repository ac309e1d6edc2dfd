"""What stability selection returns: how often each feature was chosen, and which are stable."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.results import summaries
from jaxreg.results.readable import Readable
from jaxreg.shapes import NAMES, shaped

__all__ = ["Stability"]


@shaped(
    lams="L",
    frequency="L p",
    stable="p",
    threshold="",
    expected_false="",
    largest_gap="",
    converged="",
    feature_names=NAMES,
    held="L p",
    weakness="",
    **dict.fromkeys(("q", "n_pairs", "seed"), ""),
)
@dataclass(frozen=True, eq=False, repr=False)
class Stability(Saveable, Readable):
    """The features that halves of the rows choose again and again.

    Attributes:
        lams: (L,). frequency: the share of halves that have chosen each feature down to λ, (L, p).
        stable: (p,) booleans, whether the share at the smallest λ is at least ``threshold``.
        threshold: τ. q: most features a half chooses. n_pairs: B. seed: of the halves.
        expected_false: the bound on the expected number of stable features that are no better than chance.
        largest_gap: of all paths. converged: whether every gap is within the tolerance. feature_names: or None.
        held: the share of halves whose model at λ holds each feature, whatever q, (L, p); None in files of earlier
            versions. weakness: of a randomised lasso; 1 is none.
    """

    _shown, _columns = summaries.stability, summaries.stability_columns
    lams: np.ndarray
    frequency: np.ndarray
    stable: np.ndarray
    threshold: float
    q: int
    n_pairs: int
    seed: int
    expected_false: float
    largest_gap: float
    converged: bool
    feature_names: tuple[str, ...] | None = None
    held: np.ndarray | None = None
    weakness: float = 1.0

    @property
    def stable_names(self) -> list[Any]:
        """The names, or numbers, of the stable features, the most frequent first."""
        names: Any = self.feature_names or range(len(self.stable))
        order = np.argsort(-self.frequency[-1], kind="stable")
        return [names[j] for j in order if self.stable[j]]

    def integrated_expected_false(self) -> np.ndarray:
        """By the integral of the shares along λ (:mod:`jaxreg.sweeps.integrated`): the expected number of false
        selections when each feature, and all with a smaller number, are chosen, (p,).

        Neither ``q`` nor ``threshold`` enters. Take many λs, for example 100.

        Raises:
            ValueError: fewer than three λs, one that is 0, or a result of an earlier version.

        Source: Melikechi and Miller, *Integrated path stability selection*, 2024.
        """
        from jaxreg.sweeps.integrated import expected_false

        if self.held is None or len(self.lams) < 3 or self.lams[-1] <= 0:
            raise ValueError("an integral along λ needs three or more λs above 0, and shares at each of them.")
        return expected_false(self.held, np.asarray(self.lams, float), self.n_pairs)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The frequencies along λ with the threshold (:func:`jaxreg.plot.resamples.frequencies`); returns the axes."""
        from jaxreg.plot import resamples

        given = {"names": self.feature_names, "threshold": self.threshold}
        return resamples.frequencies(self.lams, self.frequency, ax=ax, **(given | options))
