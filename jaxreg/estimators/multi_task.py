"""``MultiTaskElasticNet`` and ``MultiTaskLasso``: several targets, of which each column is in all or in none."""

from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval

from jaxreg.data.problem import Problem
from jaxreg.estimators.base import ACCEPT_SPARSE, DESCENT, FLOATS, LinearModel, warn_unless_converged
from jaxreg.estimators.elastic_net import weights_of
from jaxreg.estimators.path import elastic_net_path
from jaxreg.estimators.tasks import gap_of, solve_together, square, tasks_of
from jaxreg.formulas.objective import Params

__all__ = ["MultiTaskElasticNet", "MultiTaskLasso", "MultiTaskModel"]


class MultiTaskModel(LinearModel):
    """A fitted model of targets (n, t): ``coef_`` (t, p), ``intercept_`` (t,), for one target too."""

    def _tables(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """X, y and s by scikit-learn's checks.

        Raises:
            ValueError, TypeError: as scikit-learn; y (n,).
        """
        checks = {"accept_sparse": ACCEPT_SPARSE, "dtype": FLOATS}, {"dtype": FLOATS, "ensure_2d": False}
        X, y = self._validated(X, y, validate_separately=checks)
        check_consistent_length(X, y)
        if y.ndim == 1:
            raise ValueError(f"For mono-task outputs, use {type(self).__name__.removeprefix('MultiTask')}")
        return X, y, weights_of(sample_weight, X)

    def _keep(self, params: Params, y: np.ndarray) -> None:
        """``coef_`` and ``intercept_``, from coef (p, t) and intercept (t,)."""
        self.coef_ = np.ascontiguousarray(params.coef.T)
        self.intercept_ = params.intercept.copy() if self.fit_intercept else 0.0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


class MultiTaskElasticNet(MultiTaskModel):
    """`1/(2Σs) Σ s ‖y − Wᵀx − b‖² + λ Σ_j (ρ ‖W_j‖ + (1 − ρ)/2 ‖W_j‖²)`, λ ``alpha`` and ρ ``l1_ratio``.

    `W_j` are the coefficients of a column, one a target.

    Args:
        alpha: `λ ≥ 0`; at 0 the answer is least squares, and no warning is needed.
        l1_ratio: from 0 (ridge) to 1 (lasso).
        fit_intercept: whether b is fitted; it is never penalised.
        copy_X: X is never changed, whatever this says.
        max_iter: most rounds, each of a pass over the columns and a Newton step.
        tol: relative duality gap above which a ConvergenceWarning is given. The solver aims at 1e-10 (float32: 1e-5),
            or at ``tol`` where it is less.
        warm_start: keep the last ``coef_`` if their duality gap is at most ``tol``; then ``n_iter_`` is 0.
        random_state, selection: accepted; the answer does not depend on them.

    Attributes:
        coef_: (t, p). intercept_: (t,), or 0.0 where none is fitted. dual_gap_: `F − D`, a number. n_iter_: rounds.
        eps_: ``tol`` times `Σ s ‖y − ȳ‖²`, of weights whose mean is 1. n_features_in_, feature_names_in_: as in
        scikit-learn.

    Example:
        >>> from jaxreg import MultiTaskElasticNet
        >>> model = MultiTaskElasticNet(alpha=0.1).fit([[0, 0], [1, 1], [2, 2]], [[0, 0], [1, 1], [2, 2]])
        >>> model.coef_.round(4), model.intercept_.round(4)
        (array([[0.4564, 0.4564],
               [0.4564, 0.4564]]), array([0.0873, 0.0873]))
    """

    path = staticmethod(elastic_net_path)

    _parameter_constraints: dict = {  # noqa: RUF012
        **{name: kinds for name, kinds in DESCENT.items() if name != "positive"},
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [*DESCENT["max_iter"], None],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MultiTaskElasticNet":
        """Fit to X (n, p) and y (n, t).

        Args:
            sample_weight: `s ≥ 0`, (n,); only the ratios matter.

        Raises:
            ValueError, TypeError: as scikit-learn, and as :func:`jaxreg.fit`; a sparse X of more than 256 MiB with its
                zeros, for it is made dense.

        Warns:
            ConvergenceWarning: the gap is above ``tol``.
        """
        X, y, s = self._tables(X, y, sample_weight)
        max_iter = 1000 if self.max_iter is None else self.max_iter
        options: dict[str, Any] = {"fit_intercept": self.fit_intercept, "tol": self.tol, "max_iter": max_iter}
        problem = tasks_of(X, y, s, l1_ratio=float(self.l1_ratio), **options)
        found = self._kept(problem) if self.warm_start else None
        if found is None:
            solved = solve_together(problem, np.array([float(self.alpha)]), max_iter)
            params = Params(solved.params.intercept[0], solved.params.coef[0])
            found = params, float(solved.gap[0]), max(int(solved.n_iter[0]), 1)
        params, gap, self.n_iter_ = found
        self._keep(params, y)
        units = square(problem)
        self.dual_gap_ = gap * units
        self.eps_ = float(self.tol * units * X.shape[0])
        warn_unless_converged(np.array([gap]), self.tol, self.alpha, type(self).__name__)
        return self

    def _kept(self, problem: Problem) -> tuple[Params, float, int] | None:
        """The last coefficients, if they still are within the tolerance."""
        coef, alpha = np.atleast_2d(getattr(self, "coef_", np.zeros(0))).T, float(self.alpha)
        if alpha * problem.l1_ratio == 0 or coef.shape != (problem.X.shape[1], problem.y.shape[1]):
            return None
        params, gap = gap_of(problem, coef, alpha)
        return (params, gap, 0) if gap <= self.tol else None

    @property
    def sparse_coef_(self) -> Any:
        """``coef_`` as a sparse array of one row a target."""
        return sparse.csr_array(self.coef_)


class MultiTaskLasso(MultiTaskElasticNet):
    """`1/(2Σs) Σ s ‖y − Wᵀx − b‖² + λ Σ_j ‖W_j‖`, λ ``alpha``, `W_j` a column's coefficients.

    Args:
        alpha: `λ ≥ 0`. All others: as in :class:`MultiTaskElasticNet`.

    Attributes:
        As of :class:`MultiTaskElasticNet`.

    Example:
        >>> from jaxreg import MultiTaskLasso
        >>> model = MultiTaskLasso(alpha=0.1).fit([[0, 1], [1, 2], [2, 4]], [[0, 0], [1, 1], [2, 3]])
        >>> model.coef_.round(4), model.intercept_.round(4)
        (array([[0.    , 0.6081],
               [0.    , 0.9459]]), array([-0.4189, -0.8738]))
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        name: kinds for name, kinds in MultiTaskElasticNet._parameter_constraints.items() if name != "l1_ratio"
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        super().__init__(
            alpha,
            l1_ratio=1.0,
            fit_intercept=fit_intercept,
            copy_X=copy_X,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            random_state=random_state,
            selection=selection,
        )
