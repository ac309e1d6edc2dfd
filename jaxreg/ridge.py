"""Ridge on NumPy arrays: whole λ-grids, folds and thousands of targets from one factorisation of each set of rows.

:func:`jaxreg.path` and :func:`jaxreg.sweep` come here for ``l1_ratio=0`` where every λ and every penalty factor is
positive and there are no bounds.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxreg import inputs, results
from jaxreg.formulas.objective import Params
from jaxreg.ridge_blocks import Blocks, Solved, all_intercepts, all_params, chosen_params, grid_of, solve, solve_folds
from jaxreg.sweeps.cross_validate import choose, mean_and_standard_error

__all__ = ["FactoredPath", "applies", "choice_of", "path", "sweep"]

# More coefficients than this are computed when they are asked for.
COEF_BYTES = 2**28


@jax.jit
def _choose(fold_mse, fold_weight, lams):
    mean, se = mean_and_standard_error(fold_mse, fold_weight)
    return mean, se, *jax.vmap(choose, (2, 2, None))(mean, se, lams)


def applies(a: inputs.Arguments, ratios: list[float], lams: Any) -> bool:
    """Whether the problems of these l1_ratios and λs are solved here."""
    free = a.penalty_factor is not None and bool((a.penalty_factor == 0).any())
    some_zero = not isinstance(lams, int) and bool((lams == 0).any())
    return ratios == [0.0] and a.lower is None and a.upper is None and not free and not some_zero


class FactoredPath(results.Path):
    """A path of very many coefficients (over 256 MiB): ``coef`` and ``n_nonzero`` are computed when asked for."""

    def __init__(self, solved: Solved, intercept: np.ndarray, **fields: Any) -> None:
        self.__dict__.update(fields, _solved=solved, intercept=intercept)

    @cached_property
    def coef(self) -> np.ndarray:
        """w, (L, p, t)."""
        solved: Solved = self.__dict__["_solved"]
        size = solved.gap.size * len(self.scale) * solved.gap.itemsize
        if size > 2**34:
            raise MemoryError(
                f"all coefficients are {size / 2**30:,.0f} GiB; those of the chosen λs are in best and one_se of a "
                "sweep, others come from jaxreg.path with fewer λs or targets."
            )
        with jax.enable_x64(solved.gap.dtype == np.float64):
            return all_params(solved).coef

    @cached_property
    def n_nonzero(self) -> np.ndarray:
        """(L, t)."""
        return (self.coef != 0).sum(axis=1)


def path(
    a: inputs.Arguments, lams: Any, eps: float | None, tol: float, centring: dict[str, bool]
) -> results.Path | None:
    """:func:`jaxreg.path` for ridge, in a block of the right precision; None where it is better done the general way.

    That is where the bound from the factors does not reach ``tol`` (λs of 1e-15 of the largest eigenvalue, say), and
    there are few enough models to certify each one from the rows.
    """
    data = Blocks(a, None, centring)
    grid = grid_of(data, lams, eps)
    solved = solve(data, grid)
    return None if _to_be_redone(solved.gap, a, tol) else _path_of(solved, a, tol, grid)


def sweep(
    a: inputs.Arguments,
    masks: np.ndarray,
    lams: Any,
    eps: float | None,
    tol: float,
    centring: dict[str, bool],
    report: Callable[[], None],
    measure: str,
    variance: np.ndarray,
) -> tuple[dict[str, Any], results.Path] | None:
    """:func:`jaxreg.sweep` for ridge alone: the fields of its result but for the path, and the path; None as above.

    Args:
        measure: "mse" or "r2". variance: of the held-out y of every fold, (K,) or (K, t).
    """
    data = Blocks(a, masks, centring)
    grid = grid_of(data, lams, eps)
    solved = solve(data, grid)
    report()
    fold_mse, fold_gap = solve_folds(data, grid, report)
    if _to_be_redone(solved.gap, a, tol) or _to_be_redone(fold_gap, a, tol):
        return None
    weight = masks.astype(a.X.dtype) @ data.s
    mean, se, best, one_se = (np.asarray(v) for v in _choose(fold_mse[None], weight, grid[None]))
    unexplained = fold_mse / variance.reshape(1, len(masks), -1)
    if measure == "r2":
        best, one_se = (np.asarray(v) for v in _choose(unexplained[None], weight, grid[None])[2:])
    arrays = {"fold_mse": fold_mse[None], "fold_gap": fold_gap[None], "mean_mse": mean, "se_mse": se}
    arrays["fold_r2"] = 1 - unexplained[None]
    fields: dict[str, Any] = {name: _without_target_axis(v, a) for name, v in arrays.items()}
    fields |= {"fold_mae": None, "lams": grid[None], "l1_ratios": np.zeros(1, a.X.dtype)}
    # With several targets, each has the grid of its best l1_ratio, here the only one.
    lams = grid if a.y.ndim == 1 else np.repeat(grid[:, None], a.y.shape[1], axis=1)
    found = _path_of(solved, a, tol, lams)
    for name, index in (("best", best), ("one_se", one_se)):
        fields[name] = choice_of(grid, _params_at(found, solved, index[:, 1]), index, mean[0], se[0], a)
    return fields, found


def _params_at(found: results.Path, solved: Solved, position: np.ndarray) -> Params:
    """coef (p, t), intercept (t,) of λ number ``position`` of every target, (t,): those of the path, if it has them."""
    if isinstance(found, FactoredPath):
        return chosen_params(solved, solved.lams[position])
    target = np.arange(solved.targets)
    coef = found.coef.reshape(*found.coef.shape[:2], -1)
    return Params(found.intercept.reshape(len(coef), -1)[position, target], coef[position, :, target].T)


def _to_be_redone(gap: np.ndarray, a: inputs.Arguments, tol: float) -> bool:
    return not (gap <= tol).all() and gap.size * a.X.shape[1] * a.X.itemsize <= COEF_BYTES


def _without_target_axis(v: np.ndarray, a: inputs.Arguments) -> np.ndarray:
    return v[..., 0] if a.y.ndim == 1 else v


def _path_of(solved: Solved, a: inputs.Arguments, tol: float, lams: np.ndarray) -> results.Path:
    gap = _without_target_axis(solved.gap, a)
    fields: dict[str, Any] = {
        "lams": lams,
        "gap": gap,
        "converged": gap <= tol,
        "n_iter": np.zeros(gap.shape, np.int32),
    }
    fields |= {"df": np.broadcast_to(solved.df.reshape(-1, *(1,) * (gap.ndim - 1)), gap.shape).copy()}
    fields |= {"scale": np.asarray(solved.blocks[0].scale), "feature_names": a.names}
    if a.y.ndim == 2 and solved.gap.size * a.X.shape[1] * a.X.itemsize > COEF_BYTES:
        return FactoredPath(solved, all_intercepts(solved), **fields)
    params = all_params(solved)
    coef, intercept = (_without_target_axis(v, a) for v in (params.coef, params.intercept))
    _check_finite(coef)
    return results.Path(coef=coef, intercept=intercept, n_nonzero=(coef != 0).sum(axis=1), **fields)


def _check_finite(coef: np.ndarray) -> None:
    if not np.isfinite(coef).all():
        j = int(np.argwhere(~np.isfinite(coef))[0][1])
        raise FloatingPointError(
            f"the coefficient of column {j} is not finite: its values are too small or too large for {coef.dtype}. "
            "Rescale that column."
        )


def choice_of(
    lams: np.ndarray, params: Params, index: np.ndarray, mean: np.ndarray, se: np.ndarray, a: inputs.Arguments
) -> results.Choice:
    """The models at λ number ``index[:, 1]`` of every target, with their ``params``, from means and errors (L, t)."""
    position, target = index[:, 1], np.arange(len(index))
    lam = lams[position]
    values = (lam, np.zeros_like(lam), mean[position, target], se[position, target], (params.coef != 0).sum(axis=0))
    if a.y.ndim == 1:
        values, index = tuple(v[0].item() for v in values), index[0]
        params = Params(np.asarray(params.intercept[0]), params.coef[:, 0])
    lam, ratio, mean, se, count = values
    return results.Choice(lam, ratio, index, params, mean, se, count, a.names)
