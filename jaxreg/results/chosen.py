"""What a bootstrap returns where every resample has chosen its own λ."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.data.new_rows import new_rows
from jaxreg.results import resample_summaries as summaries
from jaxreg.results.resampled import KINDS, Resamples
from jaxreg.shapes import NAMES, shaped

__all__ = ["ChosenBootstrap"]


@shaped(
    lams="L",
    lam="",
    estimate="p",
    intercept="",
    chosen_lam="B",
    coef="B p",
    intercepts="B",
    gap="B",
    fold_gap="B L",
    converged="B",
    left_out="G p",
    left_out_intercepts="G",
    scale="p",
    kind=KINDS,
    rule=("best", "one_se"),
    seed="",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class ChosenBootstrap(Resamples):
    """B resamples, each at the λ that it has chosen itself.

    Attributes:
        lams: (L,), from which is chosen. lam: λ that the data choose, (); estimate: (p,), intercept: (), there.
        chosen_lam: (B,). coef: (B, p), intercepts, gap: (B,), of every resample at its own λ. fold_gap: the largest of
            its training parts, (B, L). converged: (B,), whether all of these are within the tolerance.
        left_out: (G, p), left_out_intercepts: (G,), where each of G groups of rows is left out and λ is chosen again,
            for BCa; or None.
        scale: σ, (p,), of the data. kind: of the resamples. rule: "best" or "one_se". seed: theirs. feature_names: of a
            frame, or None.
    """

    _shown, _columns = summaries.chosen_bootstrap, summaries.chosen_bootstrap_columns
    lams: np.ndarray
    lam: float
    estimate: np.ndarray
    intercept: float
    chosen_lam: np.ndarray
    coef: np.ndarray
    intercepts: np.ndarray
    gap: np.ndarray
    fold_gap: np.ndarray
    converged: np.ndarray
    scale: np.ndarray
    kind: str
    rule: str
    seed: int
    left_out: np.ndarray | None = None
    left_out_intercepts: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None

    def predict_interval(self, X: Any, level: float = 0.95, kind: str = "percentile") -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the prediction Xw + b, each (n,), without the noise of a new observation.

        Args:
            X: (n, p), with the columns of the fit. level, kind: as in :meth:`interval`.
        """
        rows = new_rows(X, self.feature_names, len(self.scale))
        at: Any = lambda coef, intercept: coef @ rows.T + np.asarray(intercept)[..., None]
        left_out = None if self.left_out is None else at(self.left_out, self.left_out_intercepts)
        values, estimate = at(self.coef, self.intercepts), at(self.estimate, self.intercept)
        return self._interval(values, estimate, left_out, level, kind)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The intervals (``level=``, ``kind=``); returns the axes."""
        from jaxreg.plot import resamples

        level, kind = options.pop("level", 0.95), options.pop("kind", "percentile")
        low, high = self.interval(level, kind)
        return resamples.intervals(
            *(v * self.scale for v in (self.estimate, low, high)),
            names=self.feature_names,
            title=f"{level:.0%} of the resamples, each at its own λ",
            ax=ax,
            **options,
        )
