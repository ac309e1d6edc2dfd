"""``RidgeCV``: λ by leave-one-out, all λs and targets from one factorisation, or by cross-validation."""

from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.metrics import check_scoring, get_scorer, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, _routing_enabled, process_routing
from sklearn.utils.metadata_routing import _raise_for_params as refuse_params
from sklearn.utils.validation import _check_sample_weight

from jaxreg.data.problem import Problem
from jaxreg.estimators.base import ADDED, FLOATS, LinearModel, on_its_device, warn_unless_converged
from jaxreg.estimators.choice import choose, split_rows
from jaxreg.estimators.problems import leave_one_out, left_out, solve
from jaxreg.estimators.ridge import Ridge
from jaxreg.formulas.objective import Params

__all__ = ["RidgeCV"]

# Of Ridge, whose parameters those of RidgeCV that are not named are.
TOL, MAX_ITER = 1e-4, 1000


class RidgeCV(LinearModel):
    """:class:`Ridge` with ``alpha`` chosen by leave-one-out (``cv=None``) or by cross-validation.

    Leave-one-out costs one factorisation for the whole grid and all targets, and keeps its digits for small alphas: no
    difference of nearly equal numbers is taken. Ties go to the larger alpha.

    Args:
        alphas: a number or several, above 0; 0 is allowed with ``cv``.
        scoring: a name or scorer; None is the mean squared error for leave-one-out, and `R²` with ``cv``.
        cv: None, a number of folds, a splitter, or pairs (train, test) of row numbers.
        gcv_mode: accepted; there is one answer.
        store_cv_results: keep ``cv_results_``; for leave-one-out alone.
        alpha_per_target: an own ``alpha_`` for every target, with ``cv`` too.
        fit_intercept, penalty_factor, standardize, lower, upper, dtype, device: as in :func:`jaxreg.fit`; bounds need
            ``cv``.
        one_se: take the largest alpha within one standard error of the best.

    Attributes:
        alpha_, best_score_: numbers, or (t,) with ``alpha_per_target``.
        cv_results_: `s (y − ŷ)²` of every row left out, or `ŷ` if there is ``scoring``: (n, L) or (n, t, L).
        coef_: (p,) or (t, p). intercept_: a number or (t,). n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> from jaxreg import RidgeCV
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> RidgeCV(alphas=[10.0, 100.0, 1000.0], standardize=True).fit(data.X, data.y).alpha_
        100.0
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        **ADDED,
        "alphas": ["array-like", Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        "gcv_mode": [StrOptions({"auto", "svd", "eigen"}), None],
        "store_cv_results": ["boolean"],
        "alpha_per_target": ["boolean"],
        "one_se": ["boolean"],
    }

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: Any = None,
        cv: Any = None,
        gcv_mode: str | None = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        dtype: Any = None,
        device: Any = None,
        one_se: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.dtype = dtype
        self.device = device
        self.one_se = one_se

    @_fit_context(prefer_skip_nested_validation=True)
    @on_its_device
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> "RidgeCV":
        """Measure every alpha, choose, and fit on all rows.

        Args:
            X: (n, p). y: (n,) or (n, t). sample_weight: `s ≥ 0`, (n,), or a number for all rows.
            params: of the scorer and the splitter, where scikit-learn's metadata routing is on.

        Raises:
            ValueError, TypeError: as scikit-learn, and as :func:`jaxreg.ridge_leave_one_out`.

        Warns:
            ConvergenceWarning: a relative duality gap is above 1e-4.
        """
        refuse_params(params, self, "fit")
        alphas = self._alphas()
        if self.cv is not None and self.store_cv_results:
            raise ValueError("cv!=None and store_cv_results=True are incompatible: give cv=None for leave-one-out.")
        if self.cv is None and not (self.lower is None and self.upper is None):
            raise ValueError("leave-one-out has no closed form with bounds; give cv, a number of folds, with them.")
        given = getattr(X, "dtype", None)
        leaves_one_out = self.cv is None and self.dtype is None
        options = {"dtype": np.float64 if leaves_one_out else FLOATS, "ensure_min_samples": 2 if self.cv is None else 1}
        X, y = self._validated(X, y, **options)
        s = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        if self.cv is None:
            self._leave_one_out(X, y, s, alphas, params)
            if given == np.float32:  # computed in float64, handed back in the precision of X
                for name in ("coef_", "intercept_", "cv_results_"):
                    if isinstance(getattr(self, name, None), (np.ndarray, np.floating)):
                        setattr(self, name, getattr(self, name).astype(np.float32))
        else:
            self._cross_validate(X, y, s, alphas, params)
        return self

    def _alphas(self) -> np.ndarray:
        """(L,), from the largest down where it matters: ties go to the larger."""
        listed = [self.alphas] if np.ndim(self.alphas) == 0 else list(self.alphas)
        if not listed:
            raise ValueError("alphas is empty; give at least one number.")
        for i, alpha in enumerate(listed):
            name = "alphas" if len(listed) == 1 else f"alphas[{i}]"
            least = "neither" if self.cv is None else "left"
            check_scalar(alpha, name, target_type=Real, min_val=0.0, include_boundaries=least)
        alphas = np.asarray(listed, np.float64)
        if not np.isfinite(alphas).all():
            raise ValueError(f"alphas[{int(np.argmin(np.isfinite(alphas)))}] is not finite; give finite numbers.")
        return alphas

    def _leave_one_out(
        self, X: np.ndarray, y: np.ndarray, s: np.ndarray | None, alphas: np.ndarray, params: dict[str, Any]
    ) -> None:
        problem = self._problem(X, y, s, l1_ratio=0.0, tol=TOL, max_iter=MAX_ITER)
        weight = problem.weights.sum()
        lams = alphas / weight
        per_target = self.alpha_per_target or problem.y.shape[1] == 1
        if self.one_se and (self.scoring is not None or not per_target):
            raise ValueError(
                "one_se=True needs a standard error of the choice: leave scoring=None, and with several targets set "
                "alpha_per_target=True; or give cv."
            )
        if self.scoring is None and per_target:
            found = leave_one_out(problem, lams)
            warn_unless_converged(found.gap, TOL, alphas[:, None], "RidgeCV")
            choice = found.one_se if self.one_se else found.best
            position = choice.index[:, 1]
            self._keep(choice.params, y)
            scores = -np.asarray(choice.mean_mse) * weight / X.shape[0]
        if self.scoring is not None or self.store_cv_results:
            squared, predictions = left_out(problem, lams)
            kept = squared if self.scoring is None else predictions
            if self.store_cv_results:
                self.cv_results_ = np.moveaxis(kept[..., 0] if y.ndim == 1 else kept, 0, -1)
        if self.scoring is not None or not per_target:
            if self.scoring is not None:
                table = self._scores_of(predictions, y, params)
            else:
                found = leave_one_out(problem, lams)
                table = -found.mse.mean(axis=1, keepdims=True) * weight / X.shape[0]
            order = np.argsort(-alphas, kind="stable")
            position = order[np.argmax(table[order], axis=0)]
            scores = table[position, np.arange(table.shape[1])]
            self._fit_at(problem, alphas[position], y)
        several = self.alpha_per_target and y.ndim == 2 and y.shape[1] > 1
        self.alpha_ = alphas[position] if several else float(alphas[position[0]])
        self.best_score_ = scores if several else float(scores[0])

    def _scores_of(self, predictions: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> np.ndarray:
        """The scorer on predictions (L, n, t), for every target if each has its alpha: (L, 1) or (L, t)."""
        if _routing_enabled():
            routed = process_routing(self, "fit", **params).scorer.score
        else:
            routed = {name: value for name, value in params.items() if name == "sample_weight"}
        scorer, identity = self._get_scorer(), _Predictions()
        if y.ndim == 1:
            return np.array([[scorer(identity, table[:, 0], y, **routed)] for table in predictions])
        if not self.alpha_per_target:
            return np.array([[scorer(identity, table, y, **routed)] for table in predictions])
        columns = range(y.shape[1])
        return np.array([[scorer(identity, table[:, k], y[:, k], **routed) for k in columns] for table in predictions])

    def _cross_validate(
        self, X: np.ndarray, y: np.ndarray, s: np.ndarray | None, alphas: np.ndarray, params: dict[str, Any]
    ) -> None:
        to_split: dict[str, Any] = {}
        to_score: dict[str, Any] = {}
        if _routing_enabled():
            routed = process_routing(self, "fit", **params)
            to_split, to_score = routed.splitter.split, routed.scorer.score
        elif s is not None and _takes_weights(self._get_scorer()):
            to_score = {"sample_weight": s}
        splits = split_rows(check_cv(self.cv, y), X, y, to_split)
        order = np.argsort(-alphas, kind="stable")
        scores = []
        for train, test in splits:
            problem = self._problem(
                X[train], y[train], None if s is None else s[train], l1_ratio=0.0, tol=TOL, max_iter=MAX_ITER
            )
            t = problem.y.shape[1]
            lams = np.repeat(alphas[order, None], t, axis=1) / problem.weights.sum()
            solved = solve(problem, lams.astype(problem.y.dtype))
            warn_unless_converged(solved.gap, TOL, alphas[order, None], "RidgeCV")
            here = {name: np.asarray(value)[test] if np.ndim(value) else value for name, value in to_score.items()}
            models = [Params(solved.params.intercept[l], solved.params.coef[l]) for l in range(len(alphas))]
            scores.append([self._score_of(model, X[test], y[test], here) for model in models])
        table = np.moveaxis(np.array(scores), 0, -1)  # (L, 1 or t, K)
        chosen = [choose(-table[None, :, k], self.one_se)[1] for k in range(table.shape[1])]
        position = order[chosen]
        self._fit_at(self._problem(X, y, s, l1_ratio=0.0, tol=TOL, max_iter=MAX_ITER), alphas[position], y)
        best = table.mean(axis=-1)[chosen, np.arange(len(chosen))]
        several = table.shape[1] > 1
        self.alpha_ = alphas[position] if several else float(alphas[position[0]])
        self.best_score_ = best if several else float(best[0])

    def _score_of(self, params: Params, X: np.ndarray, y: np.ndarray, routed: dict[str, Any]) -> list[float]:
        """The scorer on a fitted Ridge, for every target if each has its alpha."""
        scorer = self._get_scorer()
        model = Ridge(fit_intercept=self.fit_intercept)
        model.n_features_in_ = X.shape[1]
        if not (self.alpha_per_target and y.ndim == 2):
            model._keep(params, y)
            return [scorer(model, X, y, **routed)]
        values = []
        for k in range(y.shape[1]):
            model._keep(Params(params.intercept[k : k + 1], params.coef[:, k : k + 1]), y[:, k])
            values.append(scorer(model, X, y[:, k], **routed))
        return values

    def _fit_at(self, problem: Problem, alpha: np.ndarray, y: np.ndarray) -> None:
        """The fit on all rows; alpha is (1,) or (t,)."""
        lam = np.broadcast_to(alpha, problem.y.shape[1]) / problem.weights.sum()
        solved = solve(problem, lam.astype(problem.y.dtype)[None])
        warn_unless_converged(solved.gap[0], TOL, alpha, "RidgeCV")
        self._keep(Params(solved.params.intercept[0], solved.params.coef[0]), y)

    def _get_scorer(self) -> Any:
        """The scorer; by default it asks for the weights, where metadata routing is on."""
        if _routing_enabled() and self.scoring is None:
            return self._get_scorer_instance().set_score_request(sample_weight=True)
        return check_scoring(estimator=self, scoring=self.scoring, allow_none=True)

    def _get_scorer_instance(self) -> Any:
        return get_scorer("r2")

    def get_metadata_routing(self) -> MetadataRouter:
        """What goes to the scorer and the splitter, for scikit-learn's metadata routing."""
        to_score = MethodMapping().add(caller="fit", callee="score")
        to_split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        router = router.add(scorer=self._get_scorer(), method_mapping=to_score)
        return router.add(splitter=self.cv, method_mapping=to_split)


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer measures with weights, as GridSearchCV asks it."""
    if hasattr(scorer, "_accept_sample_weight"):
        return scorer._accept_sample_weight()
    return "sample_weight" in signature(scorer).parameters


class _Predictions(RegressorMixin, BaseEstimator):
    """Predicts what it is given: a scorer takes predictions that are at hand."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return True
