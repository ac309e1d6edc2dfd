"""What a bootstrap returns: every resample's fits, intervals, and how often each feature was chosen."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.results import resample_summaries as summaries
from jaxreg.results.readable import Readable
from jaxreg.shapes import NAMES, shaped

__all__ = ["KINDS", "Bootstrap", "BootstrapStatistics", "Resamples"]

KINDS = ("pairs", "bayesian", "residual", "wild")


class Resamples(Saveable, Readable):
    """What is read off the resamples, the first axis of ``coef``, whatever the others are.

    Attributes:
        coef, estimate, left_out, kind: as those of :class:`Bootstrap`, or of :class:`jaxreg.results.ChosenBootstrap`.
    """

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
            kind: "percentile"; "bca", which needs ``bootstrap(..., jackknife=True)``; or "studentized", which needs
                ``bootstrap(..., standard_errors=True)``.

        Raises:
            ValueError: another kind or level; "bca" without the jackknife, "studentized" without standard errors, or
                one of them of "bayesian" resamples, whose intervals are those of a posterior.
        """
        if kind == "studentized":
            return self._studentized(level)
        return self._interval(self.coef, self.estimate, self.left_out, level, kind)

    def _studentized(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError("'studentized' needs the λs given, and bootstrap(..., standard_errors=True) without folds.")

    def _interval(
        self, values: np.ndarray, estimate: np.ndarray, left_out: np.ndarray | None, level: float, kind: str
    ) -> tuple[np.ndarray, np.ndarray]:
        from jaxreg.sweeps.intervals import bca, percentile

        if kind == "percentile":
            return percentile(values, level)
        if kind != "bca":
            raise ValueError(f"kind is {kind!r}; it must be 'percentile', 'bca' or, of coefficients, 'studentized'.")
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
    standard_error="L p t",
    standard_errors="B L p t",
    scale="p",
    kind=KINDS,
    seed="",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(Resamples):
    """B resamples at L λs.

    Attributes:
        lams: (L,). estimate: (L, p) or (L, p, t), intercept: (L,) or (L, t), on the data themselves.
        coef: (B, L, p) or (B, L, p, t), intercepts, gap, converged: (B, L) or (B, L, t), of every resample.
        left_out: (G, L, p), left_out_intercepts: (G, L), without each of G groups of rows, for BCa; or None.
        standard_error: in the shape of ``estimate``, standard_errors: in that of ``coef``; or None.
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
    standard_error: np.ndarray | None = None
    standard_errors: np.ndarray | None = None

    def _studentized(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        from jaxreg.sweeps.intervals import studentized

        if self.standard_error is None or self.standard_errors is None:
            raise ValueError(
                "'studentized' needs the standard error of every resample: bootstrap(..., standard_errors=True)."
            )
        if self.kind == "bayesian":
            raise ValueError(
                "'studentized' is of a sampling distribution; intervals of \"bayesian\" are of a posterior."
            )
        return studentized(self.coef, self.estimate, self.standard_errors, self.standard_error, level)

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
    estimate="L p t",
    intercept="L t",
    mean="L p t",
    standard_deviation="L p t",
    selection_frequency="L p t",
    sign_stability="L p t",
    largest_gap="L t",
    late="L t",
    n_resamples="",
    scale="p",
    kind=KINDS,
    seed="",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class BootstrapStatistics(Saveable, Readable):
    """What is kept of B resamples at L λs where their coefficients are not.

    There are no intervals: quantiles need the coefficients. Of a few λs ask for them by ``bootstrap(..., lams=[...])``
    with the same seed: the resamples are the same.

    Attributes:
        lams: (L,). estimate: (L, p) or (L, p, t), intercept: (L,) or (L, t), on the data themselves.
        mean, standard_deviation, selection_frequency, sign_stability: in the shape of ``estimate``, over the resamples.
        largest_gap: of all resamples, late: how many gaps are above the tolerance, (L,) or (L, t).
        n_resamples: B. scale: σ, (p,), of the data. kind: of the resamples. seed: theirs. feature_names: or None.
    """

    _shown, _columns = summaries.bootstrap_statistics, summaries.bootstrap_statistics_columns
    lams: np.ndarray
    estimate: np.ndarray
    intercept: np.ndarray
    n_resamples: int
    mean: np.ndarray
    standard_deviation: np.ndarray
    selection_frequency: np.ndarray
    sign_stability: np.ndarray
    largest_gap: np.ndarray
    late: np.ndarray
    scale: np.ndarray
    kind: str
    seed: int
    feature_names: tuple[str, ...] | None = None

    @property
    def converged(self) -> bool:
        """Whether every gap is within the tolerance."""
        return not self.late.any()

    def interval(self, level: float = 0.95, kind: str = "percentile") -> tuple[np.ndarray, np.ndarray]:
        """
        Raises:
            ValueError: always; the coefficients were not kept.
        """
        raise ValueError(
            "keep='statistics' keeps no coefficients to take quantiles of; for intervals call bootstrap again with a "
            f"few λs, lams=[...], and seed={self.seed}: the resamples are the same."
        )

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """How often each feature was chosen along λ; returns the axes."""
        from jaxreg.plot import resamples

        if self.estimate.ndim == 3:
            raise ValueError("the bootstrap has several targets; plot one with jaxreg.plot.resamples.")
        return resamples.frequencies(self.lams, self.selection_frequency, names=self.feature_names, ax=ax, **options)
