"""``TunedLasso`` and ``TunedRidge``: hyperparameters by the gradient of an error."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.model_selection import check_cv
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from jaxreg.estimators.base import FLOATS, LinearModel
from jaxreg.estimators.elastic_net import weights_of
from jaxreg.tuning import tune

__all__ = ["TunedLasso", "TunedRidge"]


class TunedLasso(LinearModel):
    """:class:`Lasso` with λ, and penalty factors where they are asked for, of least error (:func:`jaxreg.tune`).

    Args:
        criterion: "cv", "leave_one_out" (an approximation), "gcv", "aic", "bic" or "sure".
        tune_factors: whether every column gets a penalty factor of its own. groups: (p,) labels of columns that share
            one, or None.
        cv: a number of folds (None: 5), a splitter, or pairs (train, test) of row numbers.
        steps, starts: as in :func:`jaxreg.tune`. fit_intercept, standardize: as in :func:`jaxreg.fit`.
        random_state: of further starts, a whole number or None.

    Attributes:
        alpha_: λ. penalty_factor_: (p,), 1 where none were tuned. criterion_: the error there.
        coef_, intercept_: of the fit on all rows. tuned_: :class:`jaxreg.results.Tuned`. n_iter_: points judged.

    Example:
        >>> from jaxreg import TunedLasso
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> model = TunedLasso(criterion="bic", standardize=True).fit(data.X, data.y)
        >>> int((model.coef_ != 0).sum()), round(float(model.alpha_), 2)
        (7, 0.95)
    """

    _l1_ratio = 1.0
    _parameter_constraints: dict = {  # noqa: RUF012
        "criterion": [StrOptions({"cv", "leave_one_out", "gcv", "aic", "bic", "sure"})],
        "tune_factors": ["boolean"],
        "groups": ["array-like", None],
        "cv": ["cv_object"],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "starts": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "standardize": ["boolean"],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        *,
        criterion: str = "cv",
        tune_factors: bool = False,
        groups: Any = None,
        cv: Any = None,
        steps: int = 100,
        starts: int = 1,
        fit_intercept: bool = True,
        standardize: bool = False,
        random_state: int | None = None,
        tol: float | None = None,
    ) -> None:
        self.criterion = criterion
        self.tune_factors = tune_factors
        self.groups = groups
        self.cv = cv
        self.steps = steps
        self.starts = starts
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.random_state = random_state
        self.tol = tol

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "TunedLasso":
        """Tune, and fit on all rows.

        Args:
            X: (n, p). y: (n,). sample_weight: `s ≥ 0`, (n,).

        Raises, Warns: as scikit-learn, and as :func:`jaxreg.tune`.
        """
        X, y = self._validated(X, y, multi_output=False, accept_sparse=False, dtype=FLOATS, ensure_min_samples=2)
        y = column_or_1d(y, warn=True)
        options: dict[str, Any] = {}
        if self.criterion == "cv":
            options["folds"] = list(check_cv(self.cv).split(X, y))
        found = tune(
            X,
            y,
            ("lam", "penalty_factor") if self.tune_factors else "lam",
            criterion=self.criterion,
            groups=self.groups if self.tune_factors else None,
            l1_ratio=self._l1_ratio,
            seed=0 if self.random_state is None else self.random_state,
            steps=self.steps,
            starts=self.starts,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            sample_weight=weights_of(sample_weight, X),
            tol=self.tol,
            **options,
        )
        self.tuned_ = found
        self.alpha_ = found.lam
        self.penalty_factor_ = np.ones(X.shape[1]) if found.penalty_factor is None else found.penalty_factor
        self.criterion_ = found.value
        self.n_iter_ = found.n_judged
        self.coef_ = found.coef.copy()
        self.intercept_ = found.intercept if self.fit_intercept else 0.0
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        tags.input_tags.sparse = False
        return tags


class TunedRidge(TunedLasso):
    """:class:`Ridge` with λ, and penalty factors where they are asked for, of least error (:func:`jaxreg.tune`).

    As :class:`TunedLasso`; ``alpha_`` is the λ of :func:`jaxreg.fit`, not `λ n`, and "leave_one_out" is exact.

    Example:
        >>> from jaxreg import TunedRidge
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> model = TunedRidge(criterion="leave_one_out", standardize=True).fit(data.X, data.y)
        >>> round(float(model.alpha_), 3), round(float(model.criterion_), 1)
        (0.32, 2999.8)
    """

    _l1_ratio = 0.0
