"""``ElasticNetCV``: λ and l1_ratio by cross-validation."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params as refuse_params
from sklearn.utils.metadata_routing import _routing_enabled, process_routing

from jaxreg.data.parameters import check_l1_ratio
from jaxreg.data.problem import Problem
from jaxreg.estimators.base import (
    ACCEPT_SPARSE,
    ADDED,
    DESCENT,
    FLOATS,
    LinearModel,
    on_its_device,
    warn_unless_converged,
)
from jaxreg.estimators.choice import RoutesToSplitter, choose, given_alphas, split_rows
from jaxreg.estimators.elastic_net import weights_of
from jaxreg.estimators.path import elastic_net_path
from jaxreg.estimators.problems import Folds, solve, squares
from jaxreg.formulas.objective import Params
from jaxreg.progress import Bar

__all__ = ["ElasticNetCV"]


class ElasticNetCV(RoutesToSplitter, LinearModel):
    """:class:`ElasticNet` with ``alpha`` and ``l1_ratio`` chosen by cross-validation.

    Args:
        l1_ratio: one number or several, from 0 (ridge) to 1 (lasso).
        eps: smallest of an automatic grid over the largest. alphas: how many, or λs, none below 0.
        cv: a number of folds (None: 5), a splitter, or pairs (train, test) of row numbers.
        precompute, copy_X, n_jobs, random_state, selection: accepted; the answer does not depend on them. Folds share
            the cores whatever ``n_jobs`` says.
        verbose: whether a terminal shows how far it is.
        fit_intercept, max_iter, tol, positive: as in :class:`ElasticNet`.
        penalty_factor, standardize, lower, upper, dtype, device: as in :func:`jaxreg.fit`; standard deviations are
            those of each training part.
        one_se: take the largest λ within one standard error of the least error, at the same l1_ratio.
        alpha_per_target: take y (n, t), with an own ``alpha_`` and ``l1_ratio_`` for every target.

    Attributes:
        alpha_, l1_ratio_: the choice, numbers, or (t,) with ``alpha_per_target``.
        alphas_: from the largest down, (L,), or (R, L) for an automatic grid and R l1_ratios.
        mse_path_: held-out errors, (R, L, K), or (R, L, K, t) with ``alpha_per_target``, without axes of length 1.
        coef_, intercept_, dual_gap_, n_iter_: of the fit on all rows, as in :class:`ElasticNet`.

    Example:
        >>> from jaxreg import ElasticNetCV
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> model = ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=20).fit(data.X, data.y)
        >>> model.l1_ratio_, model.mse_path_.shape
        (1.0, (2, 20, 5))
    """

    path = staticmethod(elastic_net_path)

    _parameter_constraints: dict = {  # noqa: RUF012
        **DESCENT,
        **ADDED,
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "precompute": [StrOptions({"auto"}), "boolean", "array-like"],
        "cv": ["cv_object"],
        "verbose": ["verbose"],
        "n_jobs": [Integral, None],
        "one_se": ["boolean"],
        "alpha_per_target": ["boolean"],
    }

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        dtype: Any = None,
        device: Any = None,
        one_se: bool = False,
        alpha_per_target: bool = False,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.dtype = dtype
        self.device = device
        self.one_se = one_se
        self.alpha_per_target = alpha_per_target

    @_fit_context(prefer_skip_nested_validation=True)
    @on_its_device
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> "ElasticNetCV":
        """Cross-validate, choose, and fit on all rows.

        Args:
            X: (n, p). y: (n,), or (n, t) with ``alpha_per_target``.
            sample_weight: `s ≥ 0`, (n,); weighs rows in the training and in the held-out parts, not the folds.
            params: of the splitter, where scikit-learn's metadata routing is on.

        Raises:
            ValueError, TypeError: as scikit-learn, and as :func:`jaxreg.sweep`.

        Warns:
            ConvergenceWarning: some gap, in the folds or on all rows, is above ``tol``.
        """
        refuse_params(params, self, "fit")
        checks = {"accept_sparse": ACCEPT_SPARSE, "dtype": FLOATS}, {"dtype": FLOATS, "ensure_2d": False}
        X, y = self._validated(X, y, validate_separately=checks)
        check_consistent_length(X, y)
        if not self.alpha_per_target:
            if y.ndim > 1 and y.shape[1] > 1:
                raise ValueError(
                    f"y has {y.shape[1]} targets. For multi-task outputs, use MultiTask{type(self).__name__}, or "
                    "alpha_per_target=True for a choice of each."
                )
            y = column_or_1d(y, warn=True)
        s = weights_of(sample_weight, X)
        ratios = [check_l1_ratio(rho) for rho in np.atleast_1d(getattr(self, "l1_ratio", 1.0))]
        if not ratios:
            raise ValueError("l1_ratio is empty; give at least one number from 0 (ridge) to 1 (lasso).")
        problem = self._problem(X, y, s, l1_ratio=ratios[0], tol=self.tol, max_iter=self.max_iter, eps=self.eps)
        lams = self._lams(problem, ratios)
        routed: dict[str, Any] = {}
        if _routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params).splitter.split
        pairs = split_rows(check_cv(self.cv), X, y, routed)
        folds = Folds(problem, pairs)

        bar, total = Bar("folds"), len(ratios) * len(pairs)
        done = iter(range(1, total + 1))
        report = (lambda: bar(next(done), total)) if self.verbose else (lambda: None)
        paths, grids, errors, gaps = [], [], [], []
        for rho in ratios:
            here = problem._replace(l1_ratio=float(rho))
            path = solve(here, lams)
            grid = path.lams[:, 0]
            mse, gap = folds.errors(here, grid, report)
            paths.append(path)
            grids.append(np.asarray(grid, np.float64))
            errors.append(mse)
            gaps.append(gap)
        bar.clear()
        warn_unless_converged(np.stack(gaps), self.tol, np.stack(grids)[:, :, None, None], type(self).__name__)
        self._conclude(problem, ratios, paths, np.stack(grids), np.stack(errors), y)
        return self

    def _lams(self, problem: Problem, ratios: list[float]) -> int | np.ndarray:
        """How many, or λs (L, t) from the largest down."""
        seen = problem.y[problem.weights > 0]
        centre = seen[:1] if self.fit_intercept else 0.0
        values = given_alphas(self.alphas, ratios, bool(np.any(seen != centre)))
        if values is None:
            return int(self.alphas)
        return np.repeat(values[:, None], problem.y.shape[1], axis=1).astype(problem.y.dtype)

    def _conclude(
        self,
        problem: Problem,
        ratios: list[float],
        paths: list[Any],
        grids: np.ndarray,
        errors: np.ndarray,
        y: Any,
    ) -> None:
        """The attributes, from the paths on all rows and the held-out errors (R, L, K, t)."""
        targets = range(errors.shape[3])
        chosen = [choose(errors[..., k], self.one_se) for k in targets]
        at = lambda r: problem._replace(l1_ratio=float(ratios[r]))
        own: Any = [self._model(at(r), paths[r], l, k) for k, (r, l) in enumerate(chosen)]
        coef, intercept, gap, dual_gap, n_iter = (np.stack(v, axis=-1) for v in zip(*own, strict=True))
        self._keep(Params(intercept, coef), y)
        alpha = np.array([grids[r, l] for r, l in chosen])
        l1_ratio = np.array([ratios[r] for r, _ in chosen])
        warn_unless_converged(gap, self.tol, alpha, type(self).__name__)
        several = self.alpha_per_target and y.ndim == 2
        self.alpha_ = alpha if several else alpha[0]
        self.dual_gap_ = dual_gap if several else dual_gap[0]
        self.n_iter_ = n_iter.tolist() if several else int(n_iter[0])
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = l1_ratio if several else float(l1_ratio[0])
        self.alphas_ = grids if isinstance(self.alphas, Integral) and len(ratios) > 1 else grids[0]
        self.mse_path_ = np.squeeze(errors if several else errors[..., 0])

    def _model(self, problem: Problem, path: Any, l: int, k: int) -> tuple[Any, ...]:
        """Of target k at λ number l: coef (p,), intercept, gap, dual gap and steps."""
        coef, intercept, gap = path.params.coef[l, :, k], path.params.intercept[l, k], path.gap[l, k]
        square = squares(problem, float(path.lams[l, k]))[k]
        return coef, intercept, gap, (gap * square).astype(gap.dtype), max(int(path.n_iter[l, k]), 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = bool(self.alpha_per_target)
        return tags
