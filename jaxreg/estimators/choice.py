"""Folds and choices, as scikit-learn makes them: every fold counts the same, and ties go to the larger penalty."""

from numbers import Integral, Real
from typing import Any

import jax.numpy as jnp
import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import check_scalar
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from jaxreg.precision import computing
from jaxreg.sweeps.cross_validate import mean_and_standard_error

__all__ = ["RoutesToSplitter", "choose", "given_alphas", "split_rows"]


class RoutesToSplitter:
    """What is given to ``fit`` goes to the splitter ``cv``, where scikit-learn's metadata routing is on."""

    cv: Any

    def get_metadata_routing(self) -> MetadataRouter:
        """What goes to the splitter, for scikit-learn's metadata routing."""
        mapping = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=check_cv(self.cv), method_mapping=mapping)


def given_alphas(alphas: Any, l1_ratios: list[float], varies: bool) -> np.ndarray | None:
    """Those that are listed, (L,), from the largest down; None if an automatic grid is to be made.

    Args:
        alphas: how many, or λs, none below 0. varies: whether y does: else no λ is the largest, and scikit-learn's grid
            is taken.

    Raises:
        ValueError, TypeError: an automatic grid for ridge; λs that are none.
    """
    if isinstance(alphas, Integral):
        if 0 in l1_ratios:
            raise ValueError(
                "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a grid by "
                "providing your estimator with the appropriate `alphas=` argument."
            )
        return None if varies else np.full(int(alphas), np.finfo(np.float64).resolution)
    for i, alpha in enumerate(alphas):
        check_scalar(alpha, f"alphas[{i}]", target_type=Real, min_val=0.0, include_boundaries="left")
    values = -np.sort(-np.asarray(alphas, np.float64))
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"alphas is {alphas!r}; give at least one number, all of them finite.")
    return values


def split_rows(cv: Any, X: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The row numbers (train, test) of every fold of a scikit-learn splitter."""

    def numbers(rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)

    splits = [(numbers(train), numbers(test)) for train, test in cv.split(X, y, **params)]
    if not splits:
        raise ValueError(f"cv={cv!r} gives no fold; at least one is needed.")
    return splits


def choose(errors: np.ndarray, one_se: bool) -> tuple[int, int]:
    """The positions `(ρ, λ)` of the least mean error, or of the first λ at its ρ within one standard error of it.

    Args:
        errors: (R, L, K), λs from the largest down.
    """
    mean = errors.mean(axis=2)
    r, l = np.unravel_index(int(np.argmin(np.where(np.isnan(mean), np.inf, mean))), mean.shape)
    if one_se:
        folds = errors.shape[2]
        if folds < 2:
            raise ValueError("one_se=True needs at least two folds: one gives no standard error.")
        with computing(True, None):
            table = jnp.asarray(errors, jnp.float64)
            mean, se = (np.asarray(v) for v in mean_and_standard_error(table, jnp.ones(folds)))
        l = np.argmax(mean[r] <= mean[r, l] + se[r, l])
    return int(r), int(l)
