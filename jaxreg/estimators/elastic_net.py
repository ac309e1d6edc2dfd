"""``ElasticNet`` and ``Lasso``: one λ."""

from numbers import Number, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils import metadata_routing
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_array

from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.estimators.base import ADDED, DESCENT, LinearModel, as_table, on_its_device, warn_unless_converged
from jaxreg.estimators.gram import check_gram
from jaxreg.estimators.path import elastic_net_path, lasso_path
from jaxreg.estimators.problems import certificate, solve, squares
from jaxreg.formulas.objective import Params

__all__ = ["ElasticNet", "Lasso", "weights_of"]


def weights_of(sample_weight: Any, X: np.ndarray) -> np.ndarray | None:
    """(n,) or None; one number for all rows changes nothing."""
    if sample_weight is None or isinstance(sample_weight, Number):
        return None
    return _check_sample_weight(sample_weight, X, dtype=X.dtype)


class ElasticNet(LinearModel):
    """Elastic net: `1/(2Σs) Σ s (y − Xw − b)² + λ (ρ ‖w‖₁ + (1 − ρ)/2 ‖w‖²)`, λ ``alpha`` and ρ ``l1_ratio``.

    Args:
        alpha: `λ ≥ 0`; at 0 the answer is least squares, and no warning is needed.
        l1_ratio: from 0 (ridge) to 1 (lasso).
        fit_intercept: whether b is fitted; it is never penalised.
        precompute: a Gram matrix (p, p) is checked against X; speed does not depend on it.
        max_iter: most passes over the columns; one counts for 20 of the solver's steps.
        copy_X: X is never changed, whatever this says.
        tol: relative duality gap above which a ConvergenceWarning is given. The solver aims at 1e-10 (float32: 1e-5),
            or at ``tol`` where it is less.
        warm_start: keep the last ``coef_`` if their duality gap is at most ``tol``; then ``n_iter_`` is 0.
        positive: no coefficient below 0.
        random_state, selection: accepted; the answer does not depend on them.
        penalty_factor, standardize, lower, upper, dtype, device: as in :func:`jaxreg.fit`.

    Attributes:
        coef_: (p,) or (t, p). intercept_: a number or (t,). dual_gap_: `F − D`, a number or (t,).
        n_iter_: steps, a number or a list of t. n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> from jaxreg import ElasticNet
        >>> model = ElasticNet(alpha=0.1).fit([[-1.0], [0.0], [1.0]], [-1.0, 0.0, 1.0])
        >>> model.coef_.round(4), model.predict([[2.0]]).round(4)
        (array([0.8605]), array([1.7209]))
    """

    path = staticmethod(elastic_net_path)

    __metadata_request__fit = {"check_input": metadata_routing.UNUSED}  # noqa: RUF012

    _parameter_constraints: dict = {  # noqa: RUF012
        **DESCENT,
        **ADDED,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "precompute": ["boolean", "array-like"],
        "max_iter": [*DESCENT["max_iter"], None],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        max_iter: int | None = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        dtype: Any = None,
        device: Any = None,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.dtype = dtype
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    @on_its_device
    def fit(self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True) -> "ElasticNet":
        """Fit to X (n, p) and y (n,) or (n, t); targets are fitted one by one.

        Args:
            sample_weight: `s ≥ 0`, (n,); only the ratios matter. check_input: False trusts that X and y are arrays.

        Raises:
            ValueError, TypeError: as scikit-learn, and as :func:`jaxreg.fit`.

        Warns:
            ConvergenceWarning: the gap is above ``tol``.
        """
        if check_input:
            X, y = self._validated(X, y)
            y = check_array(y, dtype=X.dtype.type, ensure_2d=False)
        X = as_table(X)
        s = weights_of(sample_weight, X)
        if not isinstance(self.precompute, (bool, np.bool_)):
            check_gram(self.precompute, X, s, self.fit_intercept)
        max_iter = 1000 if self.max_iter is None else self.max_iter
        problem = self._problem(X, y, s, l1_ratio=float(self.l1_ratio), tol=self.tol, max_iter=max_iter)
        lam = np.full(problem.y.shape[1], self.alpha, problem.y.dtype)
        found = self._kept(problem, lam) if self.warm_start else None
        if found is None:
            solved = solve(problem, lam[None])
            params = Params(solved.params.intercept[0], solved.params.coef[0])
            found = params, solved.gap[0], np.maximum(solved.n_iter[0], 1)
        params, gap, n_iter = found
        self._keep(params, y)
        several = problem.y.shape[1] > 1
        dual_gap = (gap * squares(problem, self.alpha)).astype(problem.X.dtype)
        self.dual_gap_ = dual_gap if several else dual_gap[0]
        self.n_iter_ = n_iter.tolist() if several else int(n_iter[0])
        warn_unless_converged(gap, self.tol, self.alpha, type(self).__name__)
        return self

    def _kept(self, problem: Problem, lam: np.ndarray) -> tuple[Params, np.ndarray, np.ndarray] | None:
        """The last coefficients, if they still are within the tolerance."""
        a = problem
        free = lam[0] == 0 or (a.penalty_factor is not None and (a.penalty_factor == 0).any())
        coef = np.atleast_2d(getattr(self, "coef_", np.zeros(0))).T
        if free or is_sparse(a.X) or coef.shape != (a.X.shape[1], len(lam)):
            return None
        params, gap = certificate(problem, coef, lam)
        return (params, gap, np.zeros(len(lam), int)) if np.all(gap <= self.tol) else None

    @property
    def sparse_coef_(self) -> Any:
        """``coef_`` as a sparse array of one row a target."""
        return sparse.csr_array(np.atleast_2d(self.coef_))


class Lasso(ElasticNet):
    """Lasso: `1/(2Σs) Σ s (y − Xw − b)² + λ ‖w‖₁`, λ ``alpha``.

    Args:
        alpha: `λ ≥ 0`. All others: as in :class:`ElasticNet`.

    Attributes:
        As of :class:`ElasticNet`.

    Example:
        >>> from jaxreg import Lasso
        >>> model = Lasso(alpha=0.1).fit([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], [0.0, 1.0, 2.0])
        >>> round(float(model.coef_.sum()), 4), round(float(model.intercept_), 4)
        (0.85, 0.15)
    """

    path = staticmethod(lasso_path)

    _parameter_constraints: dict = {  # noqa: RUF012
        name: kinds for name, kinds in ElasticNet._parameter_constraints.items() if name != "l1_ratio"
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        dtype: Any = None,
        device: Any = None,
    ) -> None:
        super().__init__(
            alpha,
            l1_ratio=1.0,
            fit_intercept=fit_intercept,
            precompute=precompute,
            max_iter=max_iter,
            copy_X=copy_X,
            tol=tol,
            warm_start=warm_start,
            positive=positive,
            random_state=random_state,
            selection=selection,
            penalty_factor=penalty_factor,
            standardize=standardize,
            lower=lower,
            upper=upper,
            dtype=dtype,
            device=device,
        )
