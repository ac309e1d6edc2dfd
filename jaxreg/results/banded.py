"""What banded ridge returns: one λ a band and target, the fits, and how much of the variance each band explains."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.inputs import check_target
from jaxreg.data.new_rows import new_rows
from jaxreg.params import Params
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, cut, verdict
from jaxreg.shapes import BAND_NAMES, NAMES, shaped

__all__ = ["BandedRidge"]


@shaped(
    lam="q t",
    params=Params,
    **dict.fromkeys(("gap", "converged", "mean_mse", "se_mse", "mean_r2"), "t"),
    **dict.fromkeys(("fold_mse", "fold_gap"), "K t"),
    search_mse="C t",
    lams="L",
    band="p",
    band_names=BAND_NAMES,
    scale="p",
    y_scale="t",
    method=("random search", "gradient"),
    seed="",
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class BandedRidge(Saveable, Readable):
    """Ridge with one λ for each of q bands of columns.

    Attributes:
        lam: λ of every band, (q,) or (q, t). params: intercept () or (t,), coef (p,) or (p, t), on the original scale.
        gap: relative duality gap of the fit on all rows, () or (t,). converged: `gap ≤ tol`.
        fold_mse, fold_gap: held-out mean squared errors at these λs, and gaps of the folds' fits, (K,) or (K, t).
        mean_mse, se_mse, mean_r2: over the folds: the error, its standard error, the share of the held-out variance
            that is explained, () or (t,).
        search_mse: the least mean error at each of the proportions that were tried, (C,) or (C, t).
        lams: the grid, (L,), descending. band: number of each column's band, (p,). band_names: q of them.
        scale: σ, (p,). y_scale: τ, () or (t,). method, seed: of the search. feature_names: of a frame, or None.

    ``params`` are those of ``jaxreg.fit(X, y, 1.0, 0.0, penalty_factor=lam[band])``, target by target.
    """

    lam: np.ndarray
    params: Params
    gap: Any
    converged: Any
    fold_mse: np.ndarray
    fold_gap: np.ndarray
    mean_mse: Any
    se_mse: Any
    mean_r2: Any
    search_mse: np.ndarray
    lams: np.ndarray
    band: np.ndarray
    band_names: tuple[str, ...]
    scale: np.ndarray
    y_scale: Any
    method: str
    seed: int
    feature_names: tuple[str, ...] | None = None

    @property
    def coef(self) -> np.ndarray:
        """w, (p,) or (p, t)."""
        return self.params.coef

    @property
    def intercept(self) -> Any:
        """b, () or (t,)."""
        return self.params.intercept

    @property
    def proportions(self) -> np.ndarray:
        """`γ_b = (1/λ_b) / Σ 1/λ_b`, (q,) or (q, t): how much each band may have of the coefficients."""
        inverse = self.lam.min(axis=0) / self.lam
        return inverse / inverse.sum(axis=0)

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b, (n,) or (n, t), for X (n, p); a frame's columns must be those of the fit."""
        return new_rows(X, self.feature_names, len(self.band)) @ self.coef + self.intercept

    def split_r2(self, X: Any, y: Any) -> np.ndarray:
        """The share of the variance of y that each band explains, (q,) or (q, t): the product measure.

        With `f_b = X_b w_b` and y about their means over these rows,

            R²_b = Σ_i f_bi (2 y_i − f_i) / Σ_i y_i²,      f = Σ_b f_b,      Σ_b R²_b = 1 − Σ (y − f)² / Σ y².

        A band can have less than 0: where it only takes away what another one says too much. 0 where y is constant.

        Args:
            X: (n, p), the columns of the fit. y: (n,) or (n, t), the targets of the fit; better of rows that were not
                fitted.

        Source: Hoffman, *Psychological Bulletin* 57, 1960; la Tour et al., *NeuroImage* 264, 2022, §2.
        """
        rows = new_rows(X, self.feature_names, len(self.band))
        rows, given = rows - rows.mean(axis=0), check_target(y, len(rows), float)
        if given.shape[1:] != np.shape(self.gap):
            raise ValueError(
                f"y has the shape {given.shape}; the fit is of {np.shape(self.gap) or 'one target, (n,)'}."
            )
        target = given - given.mean(axis=0)
        of_bands = np.stack([rows[:, self.band == b] @ self.coef[self.band == b] for b in range(len(self.band_names))])
        square, rest = (target**2).sum(axis=0), 2 * target - of_bands.sum(axis=0)
        return (of_bands * rest).sum(axis=1) / np.where(square > 0, square, np.inf)

    def plot(self, what: str = "lam", X: Any = None, y: Any = None, ax: Any = None, **options: Any) -> Any:
        """λ of every band ("lam"), or the share of the variance that it explains in rows X and y ("r2"); the axes.

        Of several targets the median, the middle half and nine tenths of them (:func:`jaxreg.plot.bands.of_bands`).
        """
        from jaxreg.plot import bands

        if what not in ("lam", "r2"):
            raise ValueError(f"what is {what!r}; it must be 'lam' or 'r2'.")
        if what == "lam":
            return bands.of_bands(self.lam, self.band_names, "λ of the band", log=True, ax=ax, **options)
        if X is None or y is None:
            raise ValueError("plot('r2') needs X and y: the rows whose variance is split.")
        return bands.of_bands(self.split_r2(X, y), self.band_names, "share of the variance (R²)", ax=ax, **options)

    def _shown(self) -> Shown:
        """λ of every band and how many columns it has; of several targets the median and the middle half."""
        q, lam = len(self.band_names), np.reshape(self.lam, (len(self.band_names), -1))
        columns, t = np.bincount(self.band, minlength=q), lam.shape[1]
        quarters = np.quantile(lam, [0.25, 0.5, 0.75], axis=1)
        rows: list[tuple[str, ...]] = [
            (name, str(count), f"{half:.4g}" if t == 1 else f"{half:.4g} ({low:.3g} – {high:.3g})")
            for name, count, low, half, high in zip(self.band_names, columns, *quarters, strict=True)
        ]
        r2 = np.quantile(self.mean_r2, [0.0, 0.5, 1.0])
        explained = f"{r2[1]:.3g}" if t == 1 else f"from {r2[0]:.3g} to {r2[2]:.3g}, median {r2[1]:.3g}"
        alone = 1 / (1 / lam).sum(axis=0)
        at_end = int(np.sum((alone <= self.lams[-1] * 1.001) | (alone >= self.lams[0] * 0.999)))
        at_end *= self.method == "random search" and len(self.lams) > 1
        end = [f"λ stands at an end of the grid for {at_end:,} of {t:,} targets"] if at_end else []
        foot = [f"held-out R² {explained}", *end, verdict(self.gap, self.converged)]
        targets = "" if t == 1 else f", {t:,} targets"
        title = f"BandedRidge: {q} bands, {len(self.band)} columns{targets} ({self.method})"
        return Shown(title, cut(("band", "columns", "λ" if t == 1 else "λ: median (middle half)"), rows), foot)

    def _columns(self) -> dict[str, Any]:
        """A row a band (and target): λ, and the proportion of the coefficients that it stands for."""
        q, *t = np.shape(self.lam)
        number = {"target": np.tile(np.arange(t[0]), q)} if t else {}
        names = np.repeat(np.asarray(self.band_names, dtype=object), t[0] if t else 1)
        return {"band": names} | number | {"lam": self.lam.ravel(), "proportion": self.proportions.ravel()}
