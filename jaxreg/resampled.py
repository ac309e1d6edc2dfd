"""What a bootstrap returns: every resample's fits, intervals, and how often each feature was chosen."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg import summaries
from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.readable import Readable
from jaxreg.shapes import NAMES, shaped

__all__ = ["Bootstrap", "ChosenBootstrap"]

_KINDS = ("pairs", "bayesian", "residual", "wild")


class _Resamples(Saveable, Readable):
    """What is read off the resamples, the first axis of ``coef``, whatever the others are."""

    coef: np.ndarray
    estimate: np.ndarray
    left_out: np.ndarray | None
    kind: str

    @property
    def selection_frequency(self) -> np.ndarray:
        """The share of resamples in which a coefficient is not 0, in the shape of ``estimate``."""
        from jaxreg.sweeps.intervals import selection_frequency

        return selection_frequency(self.coef)

    @property
    def sign_stability(self) -> np.ndarray:
        """The share of resamples with the more frequent of the two signs, in the shape of ``estimate``."""
        from jaxreg.sweeps.intervals import sign_stability

        return sign_stability(self.coef)

    def interval(self, level: float = 0.95, kind: str = "percentile") -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends for every coefficient, each in the shape of ``estimate``.

        Args:
            kind: "percentile", or "bca", which needs ``bootstrap(..., jackknife=True)``.

        Raises:
            ValueError: another kind or level; "bca" without the jackknife, or of "bayesian" resamples, whose intervals
                are those of a posterior.
        """
        return self._interval(self.coef, self.estimate, self.left_out, level, kind)

    def _interval(
        self, values: np.ndarray, estimate: np.ndarray, left_out: np.ndarray | None, level: float, kind: str
    ) -> tuple[np.ndarray, np.ndarray]:
        from jaxreg.sweeps.intervals import bca, percentile

        if kind == "percentile":
            return percentile(values, level)
        if kind != "bca":
            raise ValueError(f"kind is {kind!r}; it must be 'percentile' or 'bca'.")
        if self.kind == "bayesian":
            raise ValueError("'bca' corrects a sampling distribution; intervals of \"bayesian\" are of a posterior.")
        if left_out is None:
            raise ValueError("'bca' needs the estimates without each row: bootstrap(..., jackknife=True).")
        return bca(values, estimate, left_out, level)


@shaped(
    lams="L",
    estimate="L p t",
    intercept="L t",
    coef="B L p t",
    intercepts="B L t",
    gap="B L t",
    converged="B L t",
    left_out="G L p t",
    left_out_intercepts="G L t",
    scale="p",
    kind=_KINDS,
    seed="",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(_Resamples):
    """B resamples at L λs.

    Attributes:
        lams: (L,). estimate: (L, p) or (L, p, t), intercept: (L,) or (L, t), on the data themselves.
        coef: (B, L, p) or (B, L, p, t), intercepts, gap, converged: (B, L) or (B, L, t), of every resample.
        left_out: (G, L, p), left_out_intercepts: (G, L), without each of G groups of rows, for BCa; or None.
        scale: σ, (p,), of the data. kind: of the resamples. seed: theirs. feature_names: of a frame, or None.

    ``selection_frequency``, ``sign_stability`` and both ends of an ``interval`` are (L, p) or (L, p, t). What the
    intervals mean under a penalty is said in :mod:`jaxreg.sweeps.intervals`.
    """

    _shown, _columns = summaries.bootstrap, summaries.bootstrap_columns
    lams: np.ndarray
    estimate: np.ndarray
    intercept: np.ndarray
    coef: np.ndarray
    intercepts: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    scale: np.ndarray
    kind: str
    seed: int
    left_out: np.ndarray | None = None
    left_out_intercepts: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None

    def predict_interval(self, X: Any, level: float = 0.95, kind: str = "percentile") -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the prediction Xw + b at every λ, each (n, L).

        They are of the regression line, without the noise of a new observation.

        Args:
            X: (n, p), with the columns of the fit. level, kind: as in :meth:`interval`.

        Raises:
            ValueError: as :meth:`interval`; several targets; columns that are not those of the fit.
        """
        if self.estimate.ndim == 3:
            raise ValueError("intervals of predictions are for one target; bootstrap each target by itself.")
        rows = new_rows(X, self.feature_names, len(self.scale))
        at: Any = lambda coef, intercept: np.swapaxes(coef @ rows.T, -1, -2) + intercept[..., None, :]
        left_out = None if self.left_out is None else at(self.left_out, self.left_out_intercepts)
        values, estimate = at(self.coef, self.intercepts), at(self.estimate, self.intercept)
        return self._interval(values, estimate, left_out, level, kind)

    def plot(self, what: str = "frequencies", ax: Any = None, **options: Any) -> Any:
        """How often each feature was chosen along λ ("frequencies"), or intervals at one λ ("intervals", ``lam=``,
        ``level=``); returns the axes."""
        from jaxreg.plot import resamples

        if self.estimate.ndim == 3:
            raise ValueError("the bootstrap has several targets; plot one with jaxreg.plot.resamples.")
        if what == "frequencies":
            return resamples.frequencies(
                self.lams, self.selection_frequency, names=self.feature_names, ax=ax, **options
            )
        if what != "intervals":
            raise ValueError(f"what is {what!r}; it must be 'frequencies' or 'intervals'.")
        lam = options.pop("lam", self.lams[len(self.lams) // 2])
        l = int(np.argmin(np.abs(np.log(np.maximum(self.lams, 1e-300)) - np.log(max(lam, 1e-300)))))
        level, kind = options.pop("level", 0.95), options.pop("kind", "percentile")
        low, high = self.interval(level, kind)
        return resamples.intervals(
            self.estimate[l] * self.scale,
            low[l] * self.scale,
            high[l] * self.scale,
            names=self.feature_names,
            title=f"{level:.0%} of the resamples at λ = {self.lams[l]:.3g}",
            ax=ax,
            **options,
        )


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
    kind=_KINDS,
    rule=("best", "one_se"),
    seed="",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class ChosenBootstrap(_Resamples):
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
