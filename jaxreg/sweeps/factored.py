"""A sweep of ridge over very many targets, of which only the chosen coefficients are computed."""

from typing import Any

import numpy as np

from jaxreg.engines.ridge import FactoredPath
from jaxreg.engines.ridge_blocks import chosen_params
from jaxreg.formulas.objective import Params
from jaxreg.sweeps.cross_validate import Choice, Sweep

__all__ = ["conclude_factored"]


def conclude_factored(
    path: FactoredPath, fold_mse: np.ndarray, fold_gap: np.ndarray, chosen_from: tuple[np.ndarray, ...]
) -> Sweep:
    """:func:`jaxreg.sweeps.cross_validate.conclude` where only the chosen coefficients are computed, in NumPy arrays.

    Args:
        fold_mse, fold_gap: (1, L, K, t). chosen_from: mean and standard error (1, L, t), positions (t, 2), twice.
    """
    factors, (mean, se, best, one_se) = path.factors, chosen_from
    target, zero = np.arange(factors.targets), np.zeros(1, path.lams.dtype)

    def choice(index: np.ndarray) -> Any:
        l = index[:, 1]
        params = Params(*(v.astype(path.lams.dtype, copy=False) for v in chosen_params(factors, factors.lams[l])))
        counts: Any = (params.coef != 0).sum(axis=0)
        lam: Any = path.lams[l]
        return Choice(lam, zero[index[:, 0]], index, params, mean[0, l, target], se[0, l, target], counts)  # type: ignore[arg-type]

    # Each target has the grid of its best l1_ratio, here the only one.
    own: Any = path._replace(lams=np.repeat(path.lams[:, None], factors.targets, axis=1))
    fields: Any = (path.lams[None], zero, fold_mse, fold_gap, mean, se, choice(best), choice(one_se), own)
    return Sweep(*fields)
