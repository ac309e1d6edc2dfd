"""``MultiTaskElasticNetCV`` and ``MultiTaskLassoCV``: λ and l1_ratio by cross-validation, for targets together."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Interval
from sklearn.utils.metadata_routing import _raise_for_params as refuse_params
from sklearn.utils.metadata_routing import _routing_enabled, process_routing

from jaxreg.data.parameters import check_l1_ratio
from jaxreg.data.problem import Problem
from jaxreg.estimators.base import DESCENT, warn_unless_converged
from jaxreg.estimators.choice import RoutesToSplitter, choose, given_alphas, split_rows
from jaxreg.estimators.multi_task import MultiTaskModel
from jaxreg.estimators.path import elastic_net_path, lasso_path
from jaxreg.estimators.problems import plan_of
from jaxreg.estimators.tasks import errors_of_folds, grid, solve_together, square, tasks_of
from jaxreg.formulas.objective import Params
from jaxreg.progress import Bar

__all__ = ["MultiTaskElasticNetCV", "MultiTaskLassoCV"]


class MultiTaskElasticNetCV(RoutesToSplitter, MultiTaskModel):
    """:class:`MultiTaskElasticNet` with ``alpha`` and ``l1_ratio`` chosen by cross-validation.

    The error is the mean over rows and targets; every fold counts the same, and ties go to the larger alpha.

    Args:
        l1_ratio: one number or several, from 0 (ridge) to 1 (lasso).
        eps: smallest of an automatic grid over the largest. alphas: how many, or λs, none below 0.
        cv: a number of folds (None: 5), a splitter, or pairs (train, test) of row numbers.
        copy_X, n_jobs, random_state, selection: accepted; the answer does not depend on them. Folds share the cores
            whatever ``n_jobs`` says.
        verbose: whether a terminal shows how far it is.
        fit_intercept, max_iter, tol: as in :class:`MultiTaskElasticNet`.

    Attributes:
        alpha_, l1_ratio_: the choice.
        alphas_: from the largest down, (L,), or (R, L) for an automatic grid and R l1_ratios.
        mse_path_: held-out errors, (R, L, K), without axes of length 1.
        coef_, intercept_, dual_gap_, n_iter_: of the fit on all rows, as in :class:`MultiTaskElasticNet`.

    Example:
        >>> from jaxreg import MultiTaskElasticNetCV
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> model = MultiTaskElasticNetCV(l1_ratio=[0.5, 1.0], alphas=20).fit(data.X[:, 2:], data.X[:, :2])
        >>> model.coef_.shape, model.mse_path_.shape
        ((2, 8), (2, 20, 5))
    """

    path = staticmethod(elastic_net_path)

    _parameter_constraints: dict = {  # noqa: RUF012
        **{name: kinds for name, kinds in DESCENT.items() if name != "positive"},
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "verbose": ["verbose"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: int = 0,
        n_jobs: int | None = None,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> "MultiTaskElasticNetCV":
        """Cross-validate, choose, and fit on all rows.

        Args:
            X: (n, p). y: (n, t).
            sample_weight: `s ≥ 0`, (n,); weighs rows in the training and in the held-out parts, not the folds.
            params: of the splitter, where scikit-learn's metadata routing is on.

        Raises:
            ValueError, TypeError: as :meth:`MultiTaskElasticNet.fit`.

        Warns:
            ConvergenceWarning: some gap, in the folds or on all rows, is above ``tol``.
        """
        refuse_params(params, self, "fit")
        X, y, s = self._tables(X, y, sample_weight)
        ratios = [check_l1_ratio(rho) for rho in np.atleast_1d(getattr(self, "l1_ratio", 1.0))]
        if not ratios:
            raise ValueError("l1_ratio is empty; give at least one number from 0 (ridge) to 1 (lasso).")
        options: dict[str, Any] = {"fit_intercept": self.fit_intercept, "tol": self.tol, "max_iter": self.max_iter}
        problem = tasks_of(X, y, s, l1_ratio=ratios[0], **options)
        seen = problem.y[problem.weights > 0]
        varies = bool(np.any(seen != (seen[:1] if self.fit_intercept else 0.0)))
        listed = given_alphas(self.alphas, ratios, varies)
        at = lambda rho: problem._replace(l1_ratio=float(rho))
        grids = [grid(at(rho), int(self.alphas), self.eps) if listed is None else listed for rho in ratios]
        routed: dict[str, Any] = {}
        if _routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params).splitter.split
        plan = plan_of(problem, split_rows(check_cv(self.cv), X, y, routed))

        bar, total = Bar("folds"), len(ratios) * len(plan)
        done = iter(range(1, total + 1))
        report = (lambda: bar(next(done), total)) if self.verbose else (lambda: None)
        of_ratios = [
            errors_of_folds(at(rho), plan, lams, self.max_iter, report) for rho, lams in zip(ratios, grids, strict=True)
        ]
        bar.clear()
        errors, gaps = (np.stack(v) for v in zip(*of_ratios, strict=True))
        warn_unless_converged(gaps, self.tol, np.stack(grids)[:, :, None], type(self).__name__)
        self._conclude(problem, ratios, np.stack(grids), errors, y)
        return self

    def _conclude(self, problem: Problem, ratios: list[float], grids: np.ndarray, errors: np.ndarray, y: Any) -> None:
        """The attributes, from the held-out errors (R, L, K)."""
        r, l = choose(errors, False)
        chosen = problem._replace(l1_ratio=float(ratios[r]))
        self.alpha_ = grids[r, l]
        solved = solve_together(chosen, grids[r, l : l + 1], self.max_iter)
        self._keep(Params(solved.params.intercept[0], solved.params.coef[0]), y)
        warn_unless_converged(solved.gap, self.tol, self.alpha_, type(self).__name__)
        self.dual_gap_ = float(solved.gap[0]) * square(chosen)
        self.n_iter_ = max(int(solved.n_iter[0]), 1)
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = ratios[r]
        self.alphas_ = grids if isinstance(self.alphas, Integral) and len(ratios) > 1 else grids[0]
        self.mse_path_ = np.squeeze(errors)


class MultiTaskLassoCV(MultiTaskElasticNetCV):
    """:class:`MultiTaskLasso` with ``alpha`` chosen by cross-validation.

    Args:
        As of :class:`MultiTaskElasticNetCV`, without ``l1_ratio``.

    Attributes:
        As of :class:`MultiTaskElasticNetCV`, without ``l1_ratio_``.

    Example:
        >>> from jaxreg import MultiTaskLassoCV
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> model = MultiTaskLassoCV(cv=10).fit(data.X[:, 2:], data.X[:, :2])
        >>> model.coef_.shape, model.mse_path_.shape
        ((2, 8), (100, 10))
    """

    path = staticmethod(lasso_path)

    _parameter_constraints: dict = {  # noqa: RUF012
        name: kinds for name, kinds in MultiTaskElasticNetCV._parameter_constraints.items() if name != "l1_ratio"
    }

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: int = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        super().__init__(
            eps=eps,
            alphas=alphas,
            fit_intercept=fit_intercept,
            max_iter=max_iter,
            tol=tol,
            cv=cv,
            copy_X=copy_X,
            verbose=verbose,
            n_jobs=n_jobs,
            random_state=random_state,
            selection=selection,
        )
        del self.l1_ratio  # always 1
