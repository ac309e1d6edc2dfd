"""What a debiased lasso returns: an estimate, a standard error, an interval and a p-value for each coefficient."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.parameters import check_positive
from jaxreg.params import Params
from jaxreg.results import inference_summaries as summaries
from jaxreg.results.readable import Readable
from jaxreg.shapes import NAMES, shaped

__all__ = ["DebiasedLasso"]


@shaped(
    **dict.fromkeys(("estimate", "standard_error", "node_lam", "node_gap", "off_identity", "scale"), "p"),
    **dict.fromkeys(("lam", "noise", "degrees", "gap", "converged"), ""),
    lasso=Params,
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class DebiasedLasso(Saveable, Readable):
    """Of p coefficients.

    Attributes:
        estimate: `b̂`, standard_error: its, (p,), on the original scale of X.
        lasso: the parameters of the lasso that the bias was taken off, at ``lam``; gap: its relative duality gap.
        node_lam: μ, (p,), of the lassos of each column on all the others; node_gap: their gaps, (p,).
        off_identity: `max_k |(ΘΣ̂ − I)_jk|`, (p,): this times `Σ_k σ_k |ŵ_k − w_k|` bounds the bias of `σ_j b̂_j`.
        noise: `σ̂`, in units of y. degrees: of freedom of Student's t; infinite where σ was given.
        converged: whether all gaps are within the tolerance. scale: σ, (p,), of the columns. feature_names: of a
            frame, or None.
    """

    _shown, _columns = summaries.debiased_lasso, summaries.debiased_lasso_columns
    estimate: np.ndarray
    standard_error: np.ndarray
    lasso: Params
    lam: float
    node_lam: np.ndarray
    noise: float
    degrees: float
    gap: float
    node_gap: np.ndarray
    off_identity: np.ndarray
    converged: bool
    scale: np.ndarray
    feature_names: tuple[str, ...] | None = None

    @property
    def z(self) -> np.ndarray:
        """`b̂` over its standard error, (p,)."""
        return self.estimate / self.standard_error

    @property
    def p_value(self) -> np.ndarray:
        """Of the two-sided test that a coefficient is 0, each by itself, (p,)."""
        from scipy.special import stdtr

        return 2.0 * stdtr(self.degrees, -np.abs(self.z.astype(float)))

    def holm(self) -> np.ndarray:
        """p-values corrected for p tests, (p,): what is below α has a false one among it with probability at most α.

        With `p_(1) ≤ … ≤ p_(p)` that of rank i becomes the largest of `(p − k + 1) p_(k)` over `k ≤ i`, at most 1.

        Source: Holm, *Scandinavian Journal of Statistics* 6, 1979.
        """
        raw = self.p_value
        order = np.argsort(raw, kind="stable")
        adjusted = np.empty_like(raw)
        adjusted[order] = np.minimum(np.maximum.accumulate(np.arange(len(raw), 0, -1) * raw[order]), 1.0)
        return adjusted

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends for every coefficient, each by itself, (p,) and (p,).

        Raises:
            ValueError: a level that is not between 0 and 1.
        """
        from scipy.special import stdtrit

        level = check_positive(level, "level", below=1.0)
        half = stdtrit(self.degrees, 0.5 + level / 2) * self.standard_error
        return self.estimate - half, self.estimate + half

    def plot(self, ax: Any = None, level: float = 0.95, **options: Any) -> Any:
        """The intervals of the largest coefficients (:func:`jaxreg.plot.resamples.intervals`); returns the axes."""
        from jaxreg.plot import resamples

        values = [v * self.scale for v in (self.estimate, *self.interval(level))]
        given = {"names": self.feature_names, "title": f"{level:.0%} intervals of the debiased lasso"}
        return resamples.intervals(*values, ax=ax, **(given | options))
