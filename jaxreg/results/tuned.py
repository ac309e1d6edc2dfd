"""What ``tune`` returns: hyperparameters, the fit on all rows, and how the criterion fell."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.params import Params
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, names_of, verdict
from jaxreg.shapes import NAMES, shaped

__all__ = ["Tuned"]

_CRITERIA = ("cv", "held_out", "leave_one_out", "gcv", "aic", "bic", "sure")
_WORDS = {
    "cv": "cross-validated mean squared error",
    "held_out": "mean squared error on the rows held out",
    "leave_one_out": "leave-one-out mean squared error",
    "gcv": "generalised cross-validation",
    "aic": "AIC",
    "bic": "BIC",
    "sure": "Stein's unbiased risk estimate",
}


@shaped(
    **dict.fromkeys(("lam", "l1_ratio", "gap", "value", "criterion_gap", "gradient_norm", "n_judged", "y_scale"), ""),
    **dict.fromkeys(("converged", "flat", "at_bound", "sigma2", "sigma2_estimated", "approximate"), ""),
    **dict.fromkeys(("scale", "penalty_factor"), "p"),
    sample_weight="n",
    params=Params,
    criterion=_CRITERIA,
    trace="S T",
    outer_mse="F",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Saveable, Readable):
    """A model whose hyperparameters were found by the gradient of a criterion.

    Attributes:
        lam: λ. l1_ratio: ρ. params: intercept () and coef (p,), on the original scale of X, fitted on all rows.
        gap: relative duality gap of that fit. converged: `gap ≤ tol`.
        criterion: its name; value: what it is at these hyperparameters; criterion_gap: the largest gap of the fits
            behind it; gradient_norm: the largest entry of its gradient by logarithms, which is not 0 at a kink.
        trace: the best value so far of each of S starts after each of T rounds, (S, T). n_judged: how many points.
        flat: whether the criterion does not depend on what is tuned. at_bound: whether some of it stands at a bound.
        scale: σ, (p,). y_scale: τ. sigma2_estimated: whether `σ²` was. approximate: whether the criterion is an
            approximation (leave-one-out of a lasso).
        penalty_factor: v, (p,), sample_weight: s, (n,): those that were tuned, or given factors; else None.
        sigma2: `σ²` that the criterion took, or None. outer_mse: errors on rows that were held out from all tuning,
            (F,), or None. feature_names: of a frame, or None.
    """

    lam: float
    l1_ratio: float
    params: Params
    gap: float
    converged: bool
    criterion: str
    value: float
    criterion_gap: float
    gradient_norm: float
    trace: np.ndarray
    n_judged: int
    flat: bool
    at_bound: bool
    scale: np.ndarray
    y_scale: float
    sigma2_estimated: bool
    approximate: bool
    penalty_factor: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    sigma2: float | None = None
    outer_mse: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None

    @property
    def coef(self) -> np.ndarray:
        """w, (p,)."""
        return self.params.coef

    @property
    def intercept(self) -> Any:
        """b, ()."""
        return self.params.intercept

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b, (m,), for X (m, p); a frame's columns must be those of the fit."""
        return new_rows(X, self.feature_names, len(self.coef)) @ self.coef + self.intercept

    def plot(self, ax: Any = None) -> Any:
        """How the criterion fell, start by start (:func:`jaxreg.plot.tuned.trace_curves`); returns the axes."""
        from jaxreg.plot.tuned import trace_curves

        return trace_curves(self.trace, _WORDS[self.criterion], ax=ax)

    def _shown(self) -> Shown:
        """λ, ρ, and the range of factors and weights; the criterion, and what is to be said of it."""
        rows: list[tuple[str, ...]] = [("", "value"), ("λ", f"{self.lam:.6g}"), ("l1_ratio", f"{self.l1_ratio:.4g}")]
        for name, values in (("penalty factors", self.penalty_factor), ("weights", self.sample_weight)):
            if values is not None:
                rows.append((name, f"{np.min(values):.4g} – {np.max(values):.4g}"))
        rows += [
            (_WORDS[self.criterion], f"{self.value:.6g}"),
            ("not 0", f"{(self.coef != 0).sum()} of {len(self.coef)}"),
        ]
        if self.outer_mse is not None:
            rows.append(("honest error", f"{self.outer_mse.mean():.6g}"))
        foot = ["the criterion is flat: it does not depend on what is tuned"] * self.flat
        foot += ["some of what is tuned stands at a bound"] * (self.at_bound and not self.flat)
        foot += ["leave-one-out is an approximation: supports and scales are those of all rows"] * self.approximate
        if self.sigma2 is not None:
            foot.append(f"σ² = {self.sigma2:.6g}, {'estimated' if self.sigma2_estimated else 'given'}")
        starts = f", {len(self.trace)} starts" if len(self.trace) > 1 else ""
        title = f"Tuned: {len(self.coef)} columns, {self.n_judged} points judged{starts}"
        return Shown(title, rows, [*foot, verdict(self.gap, self.converged)])

    def _columns(self) -> dict[str, Any]:
        """A row a column of X: its coefficient and penalty factor."""
        p = len(self.coef)
        factor = np.ones(p) if self.penalty_factor is None else self.penalty_factor
        return {"column": np.asarray(names_of(self, p), dtype=object), "coef": self.coef, "penalty_factor": factor}
