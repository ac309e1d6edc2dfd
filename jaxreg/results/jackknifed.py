"""What ``ridge_jackknife_plus`` returns: the models without each row, and intervals for new observations.

Of the models without row i, `f_(i)`, and their residuals there, `R_i = y_i − f_(i)(x_i)`, the interval at x is

    from  q⁻{ f_(i)(x) − |R_i| }  to  q⁺{ f_(i)(x) + |R_i| },

`q⁺` the `⌈(1 − α)(n + 1)⌉`-th smallest of the n numbers, infinite if that is more than n, and `q⁻` the `⌊α(n + 1)⌋`-th,
minus infinity if that is 0. It differs from the jackknife, `ŷ ± q⁺{|R_i|}`, where the models without single rows differ
among each other: there it is wider.

Source: Barber, Candès, Ramdas and Tibshirani, *Ann. Statist.* 49, 2021, (1) and (2).
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.data.parameters import check_positive
from jaxreg.params import Params
from jaxreg.results import inference_summaries as summaries
from jaxreg.results.readable import Readable
from jaxreg.shapes import NAMES, shaped

__all__ = ["JackknifePlus"]

# Predictions, of all models together, that are sorted at a time.
TOGETHER = 2**22


@shaped(
    params=Params,
    left_out_coef="n p",
    **dict.fromkeys(("left_out_intercept", "left_out_residual", "left_out_gap"), "n"),
    **dict.fromkeys(("lam", "gap", "converged", "y_scale"), ""),
    scale="p",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class JackknifePlus(Saveable, Readable):
    """Ridge at one λ, on all n rows and without each of them.

    Attributes:
        params: intercept () and coef (p,) of all rows, on the original scale of X; gap: relative duality gap.
        left_out_coef: (n, p), left_out_intercept: (n,), of the models without each row, with the scales and the penalty
            `nλ` of all rows; left_out_gap: their gaps, (n,).
        left_out_residual: R, (n,), in units of y. lam: λ. converged: whether all gaps are within the tolerance.
        scale: σ, (p,). y_scale: τ. feature_names: of a frame, or None.
    """

    _shown, _columns = summaries.jackknife_plus, summaries.jackknife_plus_columns
    params: Params
    lam: float
    left_out_coef: np.ndarray
    left_out_intercept: np.ndarray
    left_out_residual: np.ndarray
    gap: float
    left_out_gap: np.ndarray
    converged: bool
    scale: np.ndarray
    y_scale: float
    feature_names: tuple[str, ...] | None = None

    @property
    def coef(self) -> np.ndarray:
        """w of all rows, (p,)."""
        return self.params.coef

    @property
    def intercept(self) -> np.ndarray:
        """b of all rows, ()."""
        return self.params.intercept

    def predict(self, X: object) -> np.ndarray:
        """Xw + b of the model of all rows, (m,), for X (m, p)."""
        return new_rows(X, self.feature_names, len(self.scale)) @ self.coef + self.intercept

    def predict_interval(self, X: object, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends for the y of new rows, (m,) and (m,); infinite where n is too small for the level.

        Args:
            X: (m, p), with the columns of the fit. level: `1 − α`; at least `1 − 2α` is promised, and about `1 − α`
                usual (:func:`jaxreg.ridge_jackknife_plus` says when).

        Raises:
            ValueError: a level that is not between 0 and 1; columns that are not those of the fit.
        """
        rows, level = new_rows(X, self.feature_names, len(self.scale)), check_positive(level, "level", below=1.0)
        (m, _), n = rows.shape, len(self.left_out_residual)
        rank = ceil(level * (n + 1) - 1e-9)  # of 0.9 × 110, rounding makes more than 99
        low, high = np.full(m, -np.inf), np.full(m, np.inf)
        if rank > n:
            return low, high
        size, error = max(1, TOGETHER // n), np.abs(self.left_out_residual)
        for here in (slice(start, start + size) for start in range(0, m, size)):
            each = rows[here] @ self.left_out_coef.T + self.left_out_intercept
            low[here] = np.partition(each - error, n - rank, axis=1)[:, n - rank]
            high[here] = np.partition(each + error, rank - 1, axis=1)[:, rank - 1]
        return low, high
