"""``sweep`` of a table that lies on its device, or is handed over: folds and all rows are one program there.

On an accelerator a sweep hands a NumPy array over, once. A grid at whose end the error still falls is extended, by one
more program.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import results
from jaxreg.convergence import GridEndWarning, warn_caller, warn_unless_converged
from jaxreg.data.inputs import check_values
from jaxreg.data.on_device import check_table
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.device_tables import (
    check_found,
    computing_there,
    moments_do,
    options_of,
    plain_factors,
    solved,
    target_of,
)
from jaxreg.devices import Devices
from jaxreg.engines import choose
from jaxreg.precision import on_accelerator
from jaxreg.programs import compiled
from jaxreg.progress import Progress, following
from jaxreg.solvers.grid_ends import beyond, open_end_of_any
from jaxreg.solvers.member_paths import WIDE
from jaxreg.sweeps.cross_validate import Sweep, choices, cross_validate
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.grids import MOST_EXTENSIONS

__all__ = ["is_handed_over", "plan_of_table", "suits", "sweep_there"]


def plan_of_table(folds: Any, given: Problem, seed: int) -> Plan:
    """The plan that ``folds`` asks for. A splitter is shown as many rows, and y, which it may stratify by."""
    n = given.device.rows if isinstance(given.device, Devices) else len(given.X)
    rows = np.broadcast_to(np.zeros((), given.X.dtype), (n, given.X.shape[1]))
    y: Any = np.asarray(target_of(given))[:n] if hasattr(folds, "split") else None
    weight = None if given.sample_weight is None else np.asarray(given.sample_weight)[:n]
    return plan_of(folds, rows, y, seed, weight)


def suits(plan: Plan, wanted: bool) -> bool:
    """Whether every fold trains on all rows that it does not hold out, as :func:`cross_validate` has it.

    Raises:
        ValueError: it does not, and results are wanted on the device.
    """
    right = plan.trained is None and plan.measured.dtype == bool
    if wanted and not right:
        raise ValueError("folds that do not train on all other rows, once, are not for device_arrays=True or mesh.")
    return right


def is_handed_over(given: Problem, ratios: Sequence[float], plan: Plan) -> bool:
    """Whether a sweep of a NumPy array is computed as if it lay on the accelerator.

    Ridge is not, whose factors many λs and targets share on the way of the host, nor is a lasso with more columns than
    moments take that has factors or bounds, nor float32, in which elastic nets would be computed.
    """
    X, limits = given.X, (given.penalty_factor, given.lower, given.upper)
    if not on_accelerator(given.device) or is_sparse(X) or X.dtype != np.float64 or not suits(plan, False):
        return False
    plain = plain_factors(given) if X.shape[1] <= WIDE * X.shape[0] else all(limit is None for limit in limits)
    return all(0 < rho < 1 or (rho == 1 and plain) for rho in ratios)


def _handed_over(given: Problem) -> Problem:
    """The problem with its table on the device.

    Raises:
        ValueError: a number is missing or infinite.
    """
    with computing_there(given):
        X, y, s = jax.device_put((given.X, given.y, given.sample_weight))
    try:
        X, y, s, _ = check_table(X, y, s, given.X.dtype, given.device)
    except ValueError:
        check_values(given.X, given.names)  # which says the column's name
        raise
    return given._replace(X=X, y=y, sample_weight=s)


def sweep_there(
    given: Problem,
    ratios: Sequence[float],
    lams: int | np.ndarray,
    plan: Plan,
    stay: bool,
    progress: Progress = None,
) -> results.Sweep | None:
    """At the λs, (L,), or at so many for each of R l1_ratios, and then at more beyond an end where the error still
    falls, by mean squared errors.

    Args:
        given: with a table on the device, or one of NumPy, which is handed over. stay: whether the results stay there;
            else None is returned where the host has to solve.
    """
    try:
        given = given if isinstance(given.X, jax.Array) else _handed_over(given)
    except MemoryError:
        return None
    with computing_there(given), following(progress, "paths") as show:
        y, s, ratios = target_of(given), given.sample_weight, tuple(ratios)
        number = len(ratios) * (len(plan) + 1)
        held_out = given.device.filled_up(plan.measured, 1) if isinstance(given.device, Devices) else plan.measured

        def solve(lams: Any, extended: int) -> Sweep | None:
            choose.check_size(given, lams if isinstance(lams, int) else lams[0] if lams.ndim == 2 else lams)
            run = lambda given: cross_validate(given.X, y, held_out, lams, ratios, eps=given.eps, **options_of(given))
            found = solved(given, moments_do(given, ratios, lams, plan), run, stay)
            show(number * (extended + 1), number * (extended + 1))
            return found

        found, extended = solve(lams, 0), 0
        grows = isinstance(lams, int) and lams > 1
        while grows and found is not None and extended < MOST_EXTENSIONS and (end := _open_end(found, ratios)):
            extended += 1
            found = solve(_longer(np.asarray(found.lams), end), extended)
        if found is None:
            return None
        check_found(found.path.coef)
        shares = _shares(found.fold_mse, y, s, held_out, found.lams)
        found, shares = (found, shares) if stay else jax.device_get((found, shares))
    gaps = np.asarray(found.fold_gap), np.asarray(found.path.gap)
    grid, steps = np.asarray(found.lams), bool(np.any(found.path.n_iter))
    along = lambda gap, lams: lams.reshape(lams.shape + (1,) * (gap.ndim - lams.ndim))
    of_path = np.asarray(found.path.lams)
    right = warn_unless_converged(gaps[0], along(gaps[0], grid), given.tol, "sweep, in the folds", steps)
    right &= warn_unless_converged(gaps[1], along(gaps[1], of_path), given.tol, "sweep, on all rows", steps)
    fields = found._asdict() | {
        "best": results.Choice(**_plain(found.best), feature_names=given.names),
        "one_se": results.Choice(**_plain(found.one_se), feature_names=given.names),
        "path": results.Path(**found.path._asdict(), feature_names=given.names),
    }
    names = "fold_r2", "mean_r2", "se_r2"
    result = results.Sweep(
        **fields,
        **dict(zip(names, shares, strict=True)),
        converged=right,
        feature_names=given.names,
        extended=extended,
    )
    if end := result.on_host().end_in_words:
        warn_caller(f"sweep: {end}", GridEndWarning)
    return result


def _open_end(found: Sweep, ratios: Sequence[float]) -> str | None:
    """The open end of the grid at the l1_ratio of least error, of any target. The path is the one at that l1_ratio."""
    lams, mean, used = (np.asarray(v) for v in (found.lams, found.mean_mse, found.path.n_nonzero))
    used = used.reshape(lams.shape[1], -1)
    of_target = lambda r, target: np.ones(len(used)) if ratios[r] == 0 else used[:, target]
    return open_end_of_any(list(mean.reshape(*lams.shape, -1)), list(lams), of_target)


def _longer(lams: np.ndarray, end: str) -> np.ndarray:
    """The grids, (R, L), with what lies :func:`beyond` one end."""
    more = np.stack([beyond(own, end).astype(own.dtype) for own in lams])
    return np.concatenate([lams, more] if end == "smallest" else [more, lams], axis=1)


@compiled
def _shares(
    fold_mse: jax.Array, y: jax.Array, s: jax.Array | None, measured: jax.Array, lams: jax.Array
) -> tuple[jax.Array, ...]:
    """The share of the variance of each fold's y that is explained, its mean and its standard error."""
    Y = y.reshape(len(y), -1)
    s = jnp.ones((len(y),), y.dtype) if s is None else s
    held = measured * s[None, :]
    weight = jnp.sum(held, axis=1)
    Y = Y - (s @ Y / jnp.sum(s))[None, :]
    means = held @ Y / weight[:, None]
    variance = held @ Y**2 / weight[:, None] - means**2
    variance = jnp.where(variance > 0, variance, jnp.inf)
    lost = fold_mse / (variance[:, 0] if y.ndim == 1 else variance)[(None,) * 2]
    mean, se, *_ = choices(lost, weight, lams)
    return 1 - lost, 1 - mean, se


def _plain(choice: Any) -> dict[str, Any]:
    """Numbers for arrays without axes, where they have come to the host."""
    plain = lambda v: v.item() if isinstance(v, (np.ndarray, np.generic)) and v.ndim == 0 else v
    return {name: plain(v) for name, v in choice._asdict().items()}
