"""What the host functions return: frozen results that predict, print and plot; nothing here needs JAX to be loaded."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.params import Params
from jaxreg.results import summaries
from jaxreg.results.readable import Readable
from jaxreg.shapes import NAMES, WhenRead, shaped

__all__ = ["Choice", "LeaveOneOut", "Path", "Solution", "Sweep"]

_MEASURES = ("mse", "mae", "r2")
_SCALES = {"scale": "p", "y_scale": "t or "}  # a number where it is 1 for all targets


@shaped(params=Params, **dict.fromkeys(("gap", "converged", "n_iter"), "t"), **_SCALES, feature_names=NAMES)
@dataclass(frozen=True, eq=False, repr=False)
class Solution(Saveable, Readable):
    """A fit at one λ.

    Attributes:
        params: intercept () or (t,), coef (p,) or (p, t), on the original scale of X.
        gap: relative duality gap, () or (t,). converged: `gap ≤ tol`. n_iter: steps (0: closed form).
        scale: σ, (p,), y_scale: τ, () or (t,): ``params`` minimises ``objective(..., scale=scale, y_scale=y_scale)``.
        feature_names: of a frame, or None.
    """

    _shown, _columns = summaries.solution, summaries.solution_columns
    params: Params
    gap: Any
    converged: Any
    n_iter: Any
    scale: np.ndarray
    feature_names: tuple[str, ...] | None = None
    y_scale: Any = 1.0

    @property
    def coef(self) -> np.ndarray:
        """w, (p,) or (p, t)."""
        return self.params.coef

    @property
    def intercept(self) -> Any:
        """b, () or (t,)."""
        return self.params.intercept

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b, (n,) or (n, t), for X (n, p); a frame's columns must be those of the fit."""
        b, w = self.on_host().params
        return new_rows(X, self.feature_names, len(w)) @ w + b


@shaped(
    lams="L or L t",  # the second in a sweep of several targets
    coef="L p t",
    **dict.fromkeys(("intercept", "gap", "converged", "n_iter", "df", "n_nonzero"), "L t"),
    **_SCALES,
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Path(Saveable, Readable):
    """Fits at L λs.

    Attributes:
        lams: (L,), in the order given; an automatic grid descends.
        coef: (L, p) or (L, p, t). intercept, gap, converged, n_iter, df, n_nonzero: (L,) or (L, t).
        df: degrees of freedom without the intercept. n_nonzero: coefficients that are not 0.
        scale: σ, (p,). y_scale: τ, () or (t,). feature_names: of a frame, or None.

    From :meth:`Sweep.path` with several targets, ``lams`` is (L, t): every target has the grid of its best l1_ratio.
    Where all coefficients of a sweep of ridge take more than 256 MiB, ``coef`` and ``n_nonzero`` are computed when they
    are first read. So is ``df`` of an elastic net where it would take longer than the path.
    """

    _shown, _columns = summaries.path, summaries.path_columns
    lams: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    n_iter: np.ndarray
    df: np.ndarray
    n_nonzero: np.ndarray
    scale: np.ndarray
    feature_names: tuple[str, ...] | None = None
    y_scale: Any = 1.0

    @property
    def params(self) -> Params:
        """The parameters of all models, intercept (L,) or (L, t), coef (L, p) or (L, p, t)."""
        return Params(self.intercept, self.coef)

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b at every λ, (n, L) or (n, L, t), for X (n, p)."""
        rows = new_rows(X, self.feature_names, self.coef.shape[1])
        b, w = self.on_host().params
        return (rows @ np.moveaxis(w, 1, 0).reshape(len(w[0]), -1)).reshape(rows.shape[0], *b.shape) + b

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The coefficient paths of one target (:func:`jaxreg.plot.coefficient_paths`); returns the axes."""
        from jaxreg import plot

        if self.coef.ndim == 3:
            raise ValueError("path has several targets; plot one with jaxreg.plot.coefficient_paths(coef[:, :, k]).")
        here = self.on_host()
        given = {"names": self.feature_names, "scale": here.scale, "df": here.df}
        return plot.coefficient_paths(here.lams, here.coef, ax=ax, **(given | options))


for _name in ("coef", "df", "n_nonzero"):
    setattr(Path, _name, WhenRead(_name))


@shaped(
    **dict.fromkeys(("lam", "l1_ratio", "mean_mse", "se_mse", "n_nonzero"), "t"),
    index="t 2",
    params=Params,
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Choice(Readable):
    """A model chosen by cross-validation (one a target where y is (n, t)).

    Attributes:
        lam, l1_ratio, mean_mse, se_mse, n_nonzero: numbers, or (t,).
        index: positions `(ρ, λ)` in the sweep's grids, (2,) or (t, 2).
        params: intercept () or (t,), coef (p,) or (p, t), fitted on all rows.
        feature_names: of a frame, or None.
    """

    _shown, _columns = summaries.choice, summaries.choice_columns
    lam: Any
    l1_ratio: Any
    index: np.ndarray
    params: Params
    mean_mse: Any
    se_mse: Any
    n_nonzero: Any
    feature_names: tuple[str, ...] | None = None

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b, (n,) or (n, t), for X (n, p)."""
        b, w = self.on_host().params
        return new_rows(X, self.feature_names, len(w)) @ w + b


@shaped(
    lams="R L",
    l1_ratios="R",
    fold_gap="R L K t",
    **{f"fold_{name}": "R L K t" for name in _MEASURES},
    **{f"{part}_{name}": "R L t" for part in ("mean", "se") for name in _MEASURES},
    **dict.fromkeys(("best", "one_se"), Choice),
    path=Path,
    measure=_MEASURES,
    **dict.fromkeys(("converged", "extended"), ""),
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Saveable, Readable):
    """A cross-validated sweep over R l1_ratios, L λs and K folds.

    Attributes:
        lams: (R, L). l1_ratios: (R,). fold_mse, fold_mae, fold_r2, fold_gap: (R, L, K) or (R, L, K, t): mean
            squared and mean absolute held-out errors, the share of the held-out variance explained, duality gaps.
        mean_mse, se_mse: (R, L) or (R, L, t), in squared units of y; mean_mae, se_mae, mean_r2, se_r2: likewise.
            The absolute errors are None where ``measure`` is not "mae".
        measure: "mse", "mae" or "r2", by which was chosen.
        best, one_se: the choice of least error, and the largest λ at its l1_ratio within one standard error of it.
        path: the fits on all rows at the best l1_ratio.
        converged: whether every gap, in the folds and on all rows, is within the tolerance.
        feature_names: of a frame, or None. extended: how often an automatic grid was extended at its end.
    """

    _shown, _columns = summaries.sweep, summaries.sweep_columns
    lams: np.ndarray
    l1_ratios: np.ndarray
    fold_mse: np.ndarray
    fold_gap: np.ndarray
    mean_mse: np.ndarray
    se_mse: np.ndarray
    best: Choice
    one_se: Choice
    path: Path
    converged: bool
    feature_names: tuple[str, ...] | None = None
    fold_mae: np.ndarray | None = None
    fold_r2: np.ndarray | None = None
    mean_mae: np.ndarray | None = None
    se_mae: np.ndarray | None = None
    mean_r2: np.ndarray | None = None
    se_r2: np.ndarray | None = None
    measure: str = "mse"
    extended: int = 0

    @property
    def params(self) -> Params:
        """The parameters of :attr:`best`."""
        return self.best.params

    @property
    def end_in_words(self) -> str:
        """Where the error still falls at an end of the grid: which end, and what to do; else the empty text."""
        from jaxreg.solvers.grid_ends import open_end

        several = self.mean_mse.ndim == 3
        for k in range(self.mean_mse.shape[2] if several else 1):
            pick = (lambda v: v[..., k]) if several else (lambda v: v)  # noqa: B023
            r = int(self.best.index[k, 0] if several else self.best.index[0])
            mean = pick(getattr(self, f"mean_{self.measure}"))[r]
            error = 1 - mean if self.measure == "r2" else mean
            used = np.ones(len(error)) if self.l1_ratios[r] == 0 else pick(self.path.n_nonzero)
            end = open_end(error, self.lams[r], used)
            if end is not None:
                lam, what = (self.lams[r].min(), "smaller") if end == "smallest" else (self.lams[r].max(), "larger")
                best = f"the best λ{f' of target {k}' if several else ''}, {lam:.4g}"
                return f"{best}, is the {end} of the grid, and the error still falls; give {what} λs."
        return ""

    @property
    def largest_gap(self) -> float:
        """The largest duality gap of all fits, in the folds and on all rows."""
        here = self.on_host()
        return float(max(np.max(here.fold_gap), np.max(here.path.gap)))

    def predict(self, X: Any) -> np.ndarray:
        """Predictions of :attr:`best`, (n,) or (n, t); ``sweep.one_se.predict(X)`` are those of the other choice."""
        return self.best.predict(X)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The curve of the measure by which was chosen (:func:`jaxreg.plot.error_curve`); returns the axes."""
        from jaxreg import plot

        if self.mean_mse.ndim == 3:
            raise ValueError("the sweep has several targets; plot one with jaxreg.plot.error_curve(...).")
        here = self.on_host()
        r = here.best.index[0]
        marks = {"minimum": here.best.lam, "one_se": here.one_se.lam, "n_nonzero": here.path.n_nonzero}
        mean, se = (getattr(here, f"{part}_{self.measure}")[r] for part in ("mean", "se"))
        return plot.error_curve(here.lams[r], mean, se, ax=ax, **(marks | {"measure": self.measure} | options))


@shaped(
    lams="L",
    **dict.fromkeys(("mse", "se_mse", "gcv", "df", "gap"), "L t"),
    converged="",
    **dict.fromkeys(("best", "one_se"), Choice),
    **_SCALES,
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(Saveable, Readable):
    """Ridge at L λs, measured by leaving out each row in turn.

    Attributes:
        lams: (L,), in the order given; an automatic grid descends.
        mse: the weighted mean of the squared left-out residuals, se_mse: its standard error, gcv: generalised
            cross-validation, (L,) or (L, t), in squared units of y.
        df: degrees of freedom without the intercept, gap: relative duality gap of the fits on all rows, (L,) or (L, t);
            converged: whether all are within the tolerance.
        best, one_se: the choice of least ``mse`` (one a target), and the largest λ within one standard error of it.
        scale: σ, (p,). y_scale: τ, () or (t,). feature_names: of a frame, or None.
    """

    _shown, _columns = summaries.leave_one_out, summaries.leave_one_out_columns
    lams: np.ndarray
    mse: np.ndarray
    se_mse: np.ndarray
    gcv: np.ndarray
    df: np.ndarray
    gap: np.ndarray
    converged: bool
    best: Choice
    one_se: Choice
    scale: np.ndarray
    feature_names: tuple[str, ...] | None = None
    y_scale: Any = 1.0

    @property
    def params(self) -> Params:
        """The parameters of :attr:`best`."""
        return self.best.params

    def predict(self, X: Any) -> np.ndarray:
        """Predictions of :attr:`best`, (n,) or (n, t)."""
        return self.best.predict(X)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The left-out error of one target over λ (:func:`jaxreg.plot.error_curve`); returns the axes."""
        from jaxreg import plot

        if self.mse.ndim == 2:
            raise ValueError("there are several targets; plot one with jaxreg.plot.error_curve(lams, mse[:, k], ...).")
        marks = {"minimum": self.best.lam, "one_se": self.one_se.lam}
        return plot.error_curve(self.lams, self.mse, self.se_mse, ax=ax, **(marks | options))
