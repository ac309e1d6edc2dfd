"""``LassoCV``: λ by cross-validation."""

from typing import Any

from jaxreg.estimators.elastic_net_cv import ElasticNetCV
from jaxreg.estimators.path import lasso_path

__all__ = ["LassoCV"]


class LassoCV(ElasticNetCV):
    """:class:`Lasso` with ``alpha`` chosen by cross-validation.

    Args:
        As of :class:`ElasticNetCV`, without ``l1_ratio``.

    Attributes:
        As of :class:`ElasticNetCV`, without ``l1_ratio_``.

    Example:
        >>> from jaxreg import LassoCV
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> model = LassoCV(cv=10, one_se=True, standardize=True).fit(data.X, data.y)
        >>> int((model.coef_ != 0).sum()), model.mse_path_.shape
        (4, (100, 10))
    """

    path = staticmethod(lasso_path)

    _parameter_constraints: dict = {  # noqa: RUF012
        name: kinds for name, kinds in ElasticNetCV._parameter_constraints.items() if name != "l1_ratio"
    }

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
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
        super().__init__(
            eps=eps,
            alphas=alphas,
            fit_intercept=fit_intercept,
            precompute=precompute,
            max_iter=max_iter,
            tol=tol,
            cv=cv,
            copy_X=copy_X,
            verbose=verbose,
            n_jobs=n_jobs,
            positive=positive,
            random_state=random_state,
            selection=selection,
            penalty_factor=penalty_factor,
            standardize=standardize,
            lower=lower,
            upper=upper,
            dtype=dtype,
            device=device,
            one_se=one_se,
            alpha_per_target=alpha_per_target,
        )
        del self.l1_ratio  # always 1
