"""What says what a cross-validated choice is worth: its nested error, and whether there is anything at all."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, power, value_range, verdict
from jaxreg.shapes import NAMES, shaped

__all__ = ["NestedSweep", "PermutationTest"]


@shaped(
    lams="L",
    **dict.fromkeys(("lam", "intercept", "mse", "baseline", "weight", "gap", "converged"), "B"),
    coef="B p",
    n_repeats="",
    rule=("best", "one_se"),
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class NestedSweep(Saveable, Readable):
    """B outer folds, each predicted by the model that the others chose.

    Attributes:
        lams: (L,), from which is chosen. lam: (B,), what was chosen without each outer fold; coef: (B, p),
            intercept: (B,), there.
        mse: (B,), mean squared error on the outer fold, in squared units of y; baseline: (B,), that of the mean of the
            training rows; weight: (B,), the sum of the weights of its rows.
        gap: (B,), the largest of all fits of an outer fold; converged: (B,), whether it is within the tolerance.
        n_repeats: how many times all rows were divided. rule: "best" or "one_se". feature_names: of a frame, or None.
    """

    lams: np.ndarray
    lam: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    mse: np.ndarray
    baseline: np.ndarray
    weight: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    n_repeats: int
    rule: str
    feature_names: tuple[str, ...] | None = None

    @property
    def mean_mse(self) -> float:
        """The error that the whole procedure, choice included, has on rows that it has not seen."""
        return float(np.average(self.mse, weights=self.weight))

    @property
    def se_mse(self) -> float:
        """Its standard error: that of one division's folds, the mean over the divisions (they share their rows)."""
        mse, weight = (v.reshape(self.n_repeats, -1) for v in (self.mse, self.weight))
        mean = np.average(mse, axis=1, weights=weight)
        variance = np.average((mse - mean[:, None]) ** 2, axis=1, weights=weight) / (mse.shape[1] - 1)
        return float(np.sqrt(variance.mean()))

    @property
    def r2(self) -> float:
        """The share of the baseline's error that the model explains."""
        return 1.0 - self.mean_mse / float(np.average(self.baseline, weights=self.weight))

    def _shown(self) -> Shown:  # the method that Readable asks for
        K = len(self.mse) // self.n_repeats
        used = (self.coef != 0).sum(axis=1)
        rows: list[tuple[str, ...]] = [
            ("", "outer folds"),
            ("mean squared error", f"{self.mean_mse:.6g} ± {self.se_mse:.3g}"),
            ("R²", f"{self.r2:.4g}"),
            ("λ chosen", value_range(self.lam, ".4g")),
            ("not 0", value_range(used, "d")),
        ]
        times = "" if self.n_repeats == 1 else f" × {self.n_repeats}"
        title = f"NestedSweep: {K} outer folds{times}, {len(self.lams)} λs, {self.coef.shape[1]} columns"
        return Shown(title, rows, [verdict(self.gap, self.converged).replace("fits", "outer folds")])

    def _columns(self) -> dict[str, Any]:
        names = self.feature_names or [f"column {j}" for j in range(self.coef.shape[1])]
        found = {name: getattr(self, name) for name in ("lam", "mse", "baseline", "weight", "gap", "intercept")}
        return found | {f"coefficient of {name}": self.coef[:, j] for j, name in enumerate(names)}


@shaped(
    lams="L",
    statistic="",
    null="B",
    p_value="",
    largest_gap="",
    converged="",
    seed="",
)
@dataclass(frozen=True, eq=False, repr=False)
class PermutationTest(Saveable, Readable):
    """The least cross-validated error, beside that of B targets which have nothing to do with X.

    Attributes:
        lams: (L,). statistic: the least mean squared error along them; null: (B,), that of the permuted targets.
        p_value: the share of all `B + 1` that are no larger. seed: of the permutations. largest_gap: of all fits.
        converged: whether all are within the tolerance.
    """

    lams: np.ndarray
    statistic: float
    null: np.ndarray
    p_value: float
    largest_gap: float
    converged: bool
    seed: int

    def _shown(self) -> Shown:
        low, middle = np.quantile(self.null, [0.05, 0.5])
        rows: list[tuple[str, ...]] = [
            ("", "least mean squared error"),
            ("y", f"{self.statistic:.6g}"),
            ("y permuted, median", f"{middle:.6g}"),
            ("y permuted, 5 % quantile", f"{low:.6g}"),
            ("p value", f"{self.p_value:.4g}"),
        ]
        held = "all within" if self.converged else "NOT all within"
        title = f"PermutationTest: {len(self.null):,} permutations, {len(self.lams)} λs"
        return Shown(title, rows, [f"largest duality gap {power(self.largest_gap)}, {held} the tolerance"])

    def _columns(self) -> dict[str, Any]:
        return {"permutation": np.arange(len(self.null)), "least_mse": self.null}
