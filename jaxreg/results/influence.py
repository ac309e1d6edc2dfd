"""What ``influence`` returns: leverages, changes without each row, and the rows that move the answer most."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.params import Params
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, names_of, verdict
from jaxreg.shapes import NAMES, shaped

__all__ = ["Influence"]

# Rows in the printed table.
SHOWN = 5


@shaped(
    params=Params,
    **dict.fromkeys(("leverage", "residual", "intercept_change", "fitted_change", "distance"), "n"),
    **dict.fromkeys(("by_weight", "change"), "n p"),
    **dict.fromkeys(("lam", "l1_ratio", "gap", "converged"), ""),
    scale="p",
    hat="n n",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Influence(Saveable, Readable):
    """What each of n rows does to a solution.

    Attributes:
        params: intercept () and coef (p,) of all rows; gap: its relative duality gap. converged: `gap ≤ tol`.
        lam: λ. l1_ratio: ρ. leverage: `h_i = ∂ŷ_i/∂y_i`, (n,). residual: `y_i − ŷ_i`, (n,), in units of y.
        by_weight: `∂w/∂s_i`, (n, p), with scales and `λ Σs` held fixed. change: w without row i less w, (n, p),
            intercept_change: (n,), fitted_change: `ŷ_i` without row i less `ŷ_i`, (n,).
        distance: `r_i² h_i/(1 − h_i)²` over the mean of `r²`, (n,): Cook's distance times the number of parameters.
        scale: σ, (p,). hat: `∂ŷ_i/∂y_k`, (n, n), or None. feature_names: of a frame, or None.
    """

    params: Params
    lam: float
    l1_ratio: float
    gap: float
    converged: bool
    leverage: np.ndarray
    residual: np.ndarray
    by_weight: np.ndarray
    change: np.ndarray
    intercept_change: np.ndarray
    fitted_change: np.ndarray
    distance: np.ndarray
    scale: np.ndarray
    hat: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None

    @property
    def order(self) -> np.ndarray:
        """Numbers of the rows, (n,), the one that moves the fitted values most first."""
        return np.argsort(-self.distance, kind="stable")

    def plot(self, ax: Any = None, label: int = SHOWN) -> Any:
        """Residuals over leverages, the rows of largest distance with their numbers; returns the axes."""
        from jaxreg.plot.influence import residuals_over_leverages

        return residuals_over_leverages(self.leverage, self.residual, self.distance, self.order[:label], ax=ax)

    def _shown(self) -> Shown:
        """The rows that move the answer most, and the column whose coefficient they move most."""
        names = names_of(self, len(self.scale))
        rows: list[tuple[str, ...]] = [("row", "leverage", "residual", "distance", "moves most", "by")]
        for i in self.order[:SHOWN]:
            j = int(np.argmax(np.abs(self.change[i]) * self.scale))
            cells = f"{self.leverage[i]:.3g}", f"{self.residual[i]:.4g}", f"{self.distance[i]:.3g}"
            rows.append((str(i), *cells, names[j], f"{self.change[i, j]:.3g}"))
        foot = [] if self.l1_ratio == 0 else ["without a row: one Newton step on the support of all rows"]
        title = f"Influence: {len(self.leverage)} rows, {len(self.scale)} columns, λ = {self.lam:.6g}"
        return Shown(title, rows, [*foot, verdict(self.gap, self.converged)])

    def _columns(self) -> dict[str, Any]:
        """A row a row of X."""
        names = ("leverage", "residual", "distance", "fitted_change", "intercept_change")
        return {"row": np.arange(len(self.leverage))} | {name: getattr(self, name) for name in names}
