"""``Ridge``: one λ, or one a target."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from jaxreg.estimators.base import ADDED, DESCENT, LinearModel, on_its_device, warn_unless_converged
from jaxreg.estimators.problems import solve
from jaxreg.formulas.objective import Params

__all__ = ["Ridge"]

# scikit-learn's names. The closed form of ridge, or for bounds accelerated gradients, answer to all of them.
SOLVERS = {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}


class Ridge(LinearModel):
    """Ridge: `Σ s (y − Xw − b)² + α ‖w‖²`, α ``alpha``, which is `λ Σs`.

    Args:
        alpha: `α ≥ 0`, a number or (t,), one a target. At 0 the answer is least squares, and where that leaves a choice
            the one of least norm.
        fit_intercept: whether b is fitted; it is never penalised.
        copy_X: X is never changed, whatever this says.
        max_iter: most steps where there are bounds; None is 20,000. Otherwise the answer is a closed form.
        tol: relative duality gap above which a ConvergenceWarning is given; the solver aims at 1e-10 (float32: 1e-5),
            or at ``tol`` where it is less.
        solver: scikit-learn's names are accepted, and all give the same answer.
        positive: no coefficient below 0.
        random_state: accepted; the answer does not depend on it.
        penalty_factor, standardize, lower, upper, dtype, device: as in :func:`jaxreg.fit`.

    Attributes:
        coef_: (p,) or (t, p). intercept_: a number or (t,). n_iter_: None. solver_: the name asked for; for "auto"
            "svd", and "lbfgs" with ``positive``. n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> from jaxreg import Ridge
        >>> model = Ridge(alpha=1.0).fit([[-1.0], [0.0], [1.0]], [-1.0, 0.0, 1.0])
        >>> model.coef_.round(4), model.predict([[3.0]]).round(4)
        (array([0.6667]), array([2.]))
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        **{name: DESCENT[name] for name in ("fit_intercept", "copy_X", "tol", "positive", "random_state")},
        **ADDED,
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "max_iter": [*DESCENT["max_iter"], None],
        "solver": [StrOptions(SOLVERS)],
    }

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        dtype: Any = None,
        device: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.dtype = dtype
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    @on_its_device
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Ridge":
        """Fit to X (n, p) and y (n,) or (n, t).

        Args:
            sample_weight: `s ≥ 0`, (n,), or one number for all rows; twice the weights are half the alpha.

        Raises:
            ValueError, TypeError: as scikit-learn, and as :func:`jaxreg.fit`.

        Warns:
            ConvergenceWarning: the gap is above ``tol``.
        """
        self.solver_ = self._solver()
        X, y = self._validated(X, y)
        s = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=X.dtype)
        max_iter = 1000 if self.max_iter is None else self.max_iter
        problem = self._problem(X, y, s, l1_ratio=0.0, tol=self.tol, max_iter=max_iter)
        alpha = self._alphas(problem.y.shape[1])
        solved = solve(problem, (alpha / problem.weights.sum()).astype(problem.y.dtype)[None])
        self._keep(Params(solved.params.intercept[0], solved.params.coef[0]), y)
        self.n_iter_ = None
        warn_unless_converged(solved.gap[0], self.tol, alpha, "Ridge")
        return self

    def _alphas(self, targets: int) -> np.ndarray:
        """alpha, (t,)."""
        alpha = np.asarray(self.alpha, np.float64).ravel()
        if len(alpha) not in (1, targets):
            raise ValueError(f"Number of targets and number of penalties do not correspond: {len(alpha)} != {targets}")
        wrong = ~(np.isfinite(alpha) & (alpha >= 0))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(f"alpha[{i}] is {alpha[i]}; a penalty must be finite and at least 0.")
        return np.broadcast_to(alpha, targets)

    def _solver(self) -> str:
        """The name of the solver, if it goes with ``positive`` as in scikit-learn."""
        if self.solver == "lbfgs" and not self.positive:
            raise ValueError("'lbfgs' solver can be used only when positive=True; use another name, or 'auto'.")
        if self.positive and self.solver not in ("auto", "lbfgs"):
            raise ValueError(f"solver='{self.solver}' does not support positive fitting; use 'auto' or 'lbfgs'.")
        if self.solver != "auto":
            return self.solver
        return "lbfgs" if self.positive else "svd"
