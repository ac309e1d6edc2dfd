"""What ``relaxed_path`` and ``relaxed_sweep`` return: a path, least squares on its supports, and what lies between.

    w(λ, γ) = γ ŵ(λ) + (1 − γ) w_LS(λ)                      γ = 1 the lasso, γ = 0 least squares on its support

A relaxed model minimises no objective of λ, so it is no :class:`jaxreg.results.Path`: that of the lasso is inside. The
derivation and the sources are in :mod:`jaxreg.solvers.relaxed`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.params import Params
from jaxreg.results import inference_summaries, summaries
from jaxreg.results.fits import Path
from jaxreg.results.readable import Readable
from jaxreg.shapes import NAMES, shaped

__all__ = ["RelaxedChoice", "RelaxedPath", "RelaxedSweep", "between"]


def between(gamma: float, lasso: np.ndarray, refit: np.ndarray) -> np.ndarray:
    """`γ ŵ + (1 − γ) w_LS`, at `γ = 1` and `γ = 0` bit for bit what it is made of.

    Args:
        gamma: γ. lasso: `ŵ`, refit: `w_LS`, or their intercepts, of one shape.

    Example:
        >>> between(0.25, np.array([1.0, 0.0]), np.array([3.0, 0.0])).tolist()
        [2.5, 0.0]
    """
    return gamma * lasso + (1 - gamma) * refit


@shaped(path=Path, refit_coef="L p", **dict.fromkeys(("refit_intercept", "refit_gap", "converged"), "L"))
@dataclass(frozen=True, eq=False, repr=False)
class RelaxedPath(Saveable, Readable):
    """A lasso (or elastic net) at L λs, and least squares on the support at each.

    Attributes:
        path: of the lasso, with its duality gaps.
        refit_coef: (L, p), refit_intercept: (L,), of least squares on the columns that are not 0 in the path.
        refit_gap: (L,), by how much its squares could still fall, as a share of `Σ s ỹ²/Σs`.
        converged: (L,), whether both gaps are within the tolerance.
    """

    _shown, _columns = inference_summaries.relaxed_path, inference_summaries.relaxed_path_columns
    path: Path
    refit_coef: np.ndarray
    refit_intercept: np.ndarray
    refit_gap: np.ndarray
    converged: np.ndarray

    @property
    def lams(self) -> np.ndarray:
        """λ, (L,), in the order given; an automatic grid descends."""
        return self.path.lams

    def at(self, gamma: float) -> Params:
        """The parameters at every λ: intercept (L,), coef (L, p), on the original scale of X.

        Args:
            gamma: γ from 0 (least squares) to 1 (the lasso).

        Raises:
            ValueError: another γ.
        """
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma is {gamma!r}; it must be from 0 (least squares) to 1 (the lasso).")
        path, dtype = self.path, self.refit_coef.dtype
        intercept = between(gamma, path.intercept, self.refit_intercept)
        return Params(intercept.astype(dtype), between(gamma, path.coef, self.refit_coef).astype(dtype))

    def predict(self, X: Any, gamma: float) -> np.ndarray:
        """Xw + b at every λ, (n, L), for X (n, p)."""
        params = self.at(gamma)
        return new_rows(X, self.path.feature_names, params.coef.shape[1]) @ params.coef.T + params.intercept

    def plot(self, ax: Any = None, gamma: float = 0.0, **options: Any) -> Any:
        """The coefficient paths at one γ (:func:`jaxreg.plot.coefficient_paths`); returns the axes."""
        from jaxreg import plot

        given: dict[str, Any] = {"names": self.path.feature_names, "scale": self.path.scale}
        return plot.coefficient_paths(self.lams, self.at(gamma).coef, ax=ax, **(given | options))


@shaped(
    **dict.fromkeys(("lam", "gamma", "mean_mse", "se_mse", "n_nonzero"), ""),
    index="2",
    params=Params,
    feature_names=NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class RelaxedChoice(Readable):
    """A model chosen by cross-validation.

    Attributes:
        lam, gamma, mean_mse, se_mse, n_nonzero: numbers. index: positions (γ, λ) in the sweep's grids, (2,).
        params: intercept (), coef (p,), fitted on all rows. feature_names: of a frame, or None.
    """

    _shown, _columns = inference_summaries.relaxed_choice, summaries.choice_columns
    lam: float
    gamma: float
    index: np.ndarray
    params: Params
    mean_mse: float
    se_mse: float
    n_nonzero: int
    feature_names: tuple[str, ...] | None = None

    def predict(self, X: Any) -> np.ndarray:
        """Xw + b, (n,), for X (n, p)."""
        return new_rows(X, self.feature_names, len(self.params.coef)) @ self.params.coef + self.params.intercept


@shaped(
    gammas="G",
    fold_mse="G L K",
    **dict.fromkeys(("fold_gap", "fold_refit_gap"), "L K"),
    **dict.fromkeys(("mean_mse", "se_mse"), "G L"),
    **dict.fromkeys(("best", "one_se"), RelaxedChoice),
    path=RelaxedPath,
    converged="",
)
@dataclass(frozen=True, eq=False, repr=False)
class RelaxedSweep(Saveable, Readable):
    """A cross-validated sweep over G γs, L λs and K folds.

    Attributes:
        gammas: (G,). fold_mse: (G, L, K), mean squared held-out errors; fold_gap: (L, K), of the lassos in the folds,
            fold_refit_gap: (L, K), of least squares on their supports.
        mean_mse, se_mse: (G, L), in squared units of y.
        best, one_se: the choice of least error, and the largest λ at its γ within one standard error of it.
        path: the fits on all rows. converged: whether every gap, in the folds and on all rows, is within the tolerance.
    """

    _shown, _columns = inference_summaries.relaxed_sweep, inference_summaries.relaxed_sweep_columns
    gammas: np.ndarray
    fold_mse: np.ndarray
    fold_gap: np.ndarray
    fold_refit_gap: np.ndarray
    mean_mse: np.ndarray
    se_mse: np.ndarray
    best: RelaxedChoice
    one_se: RelaxedChoice
    path: RelaxedPath
    converged: bool

    @property
    def lams(self) -> np.ndarray:
        """λ, (L,)."""
        return self.path.lams

    @property
    def params(self) -> Params:
        """The parameters of :attr:`best`."""
        return self.best.params

    def predict(self, X: Any) -> np.ndarray:
        """Predictions of :attr:`best`, (n,); ``sweep.one_se.predict(X)`` are those of the other choice."""
        return self.best.predict(X)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The held-out error over λ at the best γ (:func:`jaxreg.plot.error_curve`); returns the axes."""
        from jaxreg import plot

        g, path = self.best.index[0], self.path.path
        marks: dict[str, Any] = {"minimum": self.best.lam, "one_se": self.one_se.lam, "n_nonzero": path.n_nonzero}
        return plot.error_curve(self.lams, self.mean_mse[g], self.se_mse[g], ax=ax, **(marks | options))
