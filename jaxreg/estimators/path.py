"""``path`` of the estimators: coefficients along a grid of alphas, with the arguments and results of scikit-learn."""

from typing import Any

import numpy as np

from jaxreg.data.sparse import is_sparse
from jaxreg.estimators.tasks import grid, solve_together, square, tasks_of
from jaxreg.regression import path as coefficient_path

__all__ = ["elastic_net_path", "lasso_path"]

# What the path takes besides, as the estimators do: of some, the answer does not depend on them.
_OF_PATH = ("tol", "max_iter", "penalty_factor", "lower", "upper", "dtype", "device", "sample_weight")
_NO_EFFECT = ("random_state", "selection", "do_screening", "X_offset", "X_scale")


def elastic_net_path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: Any = None,
    alphas: Any = 100,
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: bool = False,
    return_n_iter: bool = False,
    positive: bool = False,
    check_input: bool = True,
    **params: Any,
) -> tuple[Any, ...]:
    """Elastic nets along a grid of alphas, as ``sklearn.linear_model.enet_path``: no intercept is fitted.

    Args:
        X: (n, p), dense or sparse; y: (n,), or (n, t) for targets that are penalised together, as in
            :class:`~jaxreg.estimators.MultiTaskElasticNet`. l1_ratio: above 0. alphas: how many, or the alphas, which
            are put in descending order; n_alphas: the older name of the first. eps: the least of an automatic grid, as
            a share of the largest. positive: no coefficient below 0. return_n_iter: whether steps are returned too.
        params: tol, max_iter, sample_weight, penalty_factor, lower, upper, dtype, device as in :func:`jaxreg.path`.
        precompute, Xy, copy_X, coef_init, verbose, check_input, random_state, selection: accepted; the answer does not
            depend on them.

    Returns:
        alphas (L,), coefficients (p, L) or (t, p, L), duality gaps (L,) in the units of the objective; and steps (L,)
        if asked for.

    Raises:
        ValueError, TypeError: as :func:`jaxreg.path`; bounds or factors for several targets.

    Example:
        >>> from jaxreg import ElasticNet
        >>> X, y = [[1.0, 2.0], [2.0, 1.0], [-3.0, -3.0]], [1.0, 2.0, -3.0]
        >>> alphas, coefs, gaps = ElasticNet.path(X, y, alphas=[0.1, 1.0])
        >>> alphas, coefs.shape, bool((gaps < 1e-9).all())
        (array([1. , 0.1]), (2, 2), True)
    """
    del precompute, Xy, copy_X, coef_init, verbose, check_input
    unknown = sorted(set(params) - {*_OF_PATH, *_NO_EFFECT})
    if unknown:
        raise TypeError(f"path() got an unexpected argument {unknown[0]!r}; it takes {', '.join(_OF_PATH)} besides.")
    options = {name: params[name] for name in _OF_PATH if name in params}
    lams: Any = alphas if n_alphas is None else n_alphas
    lams = int(lams) if np.ndim(lams) == 0 else np.sort(np.asarray(lams, float))[::-1]
    X = X if is_sparse(X) or hasattr(X, "columns") else np.asarray(X)
    if np.ndim(y) != 1:
        result = _path_of_tasks(X, np.asarray(y), lams, l1_ratio, eps, positive, options)
        return result if return_n_iter else result[:3]
    if positive:
        options["lower"] = 0.0
    found = coefficient_path(X, y, lams, l1_ratio, fit_intercept=False, standardize=False, eps=eps, **options)
    s = options.get("sample_weight")
    gaps = found.gap * np.average(np.asarray(y, float) ** 2, weights=s)
    result = found.lams, found.coef.T, gaps
    return (*result, found.n_iter) if return_n_iter else result


def _path_of_tasks(
    X: Any, y: np.ndarray, lams: Any, l1_ratio: float, eps: float, positive: bool, options: dict[str, Any]
) -> tuple[Any, ...]:
    """alphas (L,), coefficients (t, p, L), gaps (L,) and rounds (L,), of targets (n, t) that are penalised together."""
    if positive:
        raise ValueError("positive=True is not allowed for multi-output (y.ndim != 1)")
    for name in ("penalty_factor", "lower", "upper", "dtype", "device"):
        if options.get(name) is not None:
            raise ValueError(f"{name} is not taken where several targets are penalised together.")
    if not 0 < l1_ratio <= 1:
        raise ValueError(f"l1_ratio is {l1_ratio!r}; a path needs one above 0 and at most 1.")
    tol, max_iter = options.get("tol", 1e-4), options.get("max_iter", 1000)
    asked = {"l1_ratio": float(l1_ratio), "fit_intercept": False, "tol": tol, "max_iter": max_iter}
    problem = tasks_of(X, y, options.get("sample_weight"), **asked)
    lams = grid(problem, lams, eps) if isinstance(lams, int) else lams
    found = solve_together(problem, lams, max_iter)
    coefs = np.moveaxis(found.params.coef, (0, 1, 2), (2, 1, 0))
    return lams, coefs, found.gap * square(problem), found.n_iter


def lasso_path(X: Any, y: Any, **options: Any) -> tuple[Any, ...]:
    """Lassos along a grid of alphas: :func:`elastic_net_path` with ``l1_ratio=1``, whose arguments and results it has.

    Example:
        >>> from jaxreg import Lasso
        >>> from jaxreg.datasets import diabetes
        >>> data = diabetes()
        >>> alphas, coefs, gaps = Lasso.path(data.X, data.y - data.y.mean(), alphas=5, eps=0.1)
        >>> (coefs != 0).sum(axis=0)
        array([0, 2, 4, 4, 5])
    """
    if "l1_ratio" in options:
        raise TypeError("a lasso's path has no l1_ratio; ElasticNet.path takes one.")
    return elastic_net_path(X, y, l1_ratio=1.0, **options)
