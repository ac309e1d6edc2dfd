"""``fit``, ``path`` and ``sweep`` of a table that stays on its device: the pure functions solve it where it lies.

The doors have checked the arguments (:mod:`jaxreg.data.on_device`). A call is one program, and one more looks at the
numbers first; what comes to the host is a few of them, or the results if they are not to stay as well.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import results
from jaxreg.convergence import GridEndWarning, warn_caller, warn_unless_converged
from jaxreg.data.memory import said_clearly
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.devices import Devices
from jaxreg.engines import choose
from jaxreg.precision import computing
from jaxreg.programs import compiled
from jaxreg.solvers import paths
from jaxreg.sweeps.cross_validate import choices, cross_validate
from jaxreg.sweeps.folds import plan_of

__all__ = ["brought", "fit_there", "path_there", "plan_of_table", "suits", "sweep_there"]


def fit_there(given: Problem, lam: np.ndarray, stay: bool) -> results.Solution:
    """At one λ, () or (t,). ``stay``: whether the results stay on the device."""
    with _computing(given):
        found = paths.fit(given.X, _target(given), lam, given.l1_ratio, **_options(given))
        _check(found.params.coef[None])
        found = found if stay else jax.device_get(found)
    warn_unless_converged(np.asarray(found.gap), lam, given.tol, "fit", bool(np.any(found.n_iter)))
    return results.Solution(**found._asdict(), feature_names=given.names)


def path_there(given: Problem, lams: int | np.ndarray, stay: bool) -> results.Path:
    """At the λs, (L,), or at so many."""
    choose.check_size(given, lams)
    with _computing(given):
        found = paths.path(given.X, _target(given), lams, given.l1_ratio, eps=given.eps, **_options(given))
        _check(found.coef)
        found = found if stay else jax.device_get(found)
    along = np.asarray(found.lams)
    along = along if given.flat else along[:, None]
    warn_unless_converged(np.asarray(found.gap), along, given.tol, "path", bool(np.any(found.n_iter)))
    return results.Path(**found._asdict(), feature_names=given.names)


def plan_of_table(folds: Any, given: Problem, seed: int) -> Plan:
    """The plan that ``folds`` asks for. A splitter is shown as many rows, and y, which it may stratify by."""
    n = given.device.rows if isinstance(given.device, Devices) else len(given.X)
    rows = np.broadcast_to(np.zeros((), given.X.dtype), (n, given.X.shape[1]))
    y: Any = np.asarray(_target(given))[:n] if hasattr(folds, "split") else None
    weight = None if given.sample_weight is None else np.asarray(given.sample_weight)[:n]
    return plan_of(folds, rows, y, seed, weight)


def suits(plan: Plan, wanted: bool) -> bool:
    """Whether every fold trains on all rows that it does not hold out, as :func:`cross_validate` has it.

    Raises:
        ValueError: it does not, and results are wanted on the device.
    """
    right = plan.trained is None and plan.measured.dtype == bool
    if wanted and not right:
        raise ValueError(
            "folds that do not train on all other rows, once, are not for device_arrays=True, nor for mesh."
        )
    return right


def brought(given: Problem) -> Problem:
    """The problem with its table on the host."""
    with _computing(given):
        X, y, s = jax.device_get((given.X, given.y, given.sample_weight))
    return given._replace(X=X, y=y.astype(float), sample_weight=None if s is None else s.astype(float))


def sweep_there(
    given: Problem, ratios: Sequence[float], lams: int | np.ndarray, plan: Plan, stay: bool
) -> results.Sweep:
    """At the λs, (L,), or at so many for each of R l1_ratios, by mean squared errors. Grids are not extended."""
    choose.check_size(given, lams)
    with _computing(given):
        y, s, ratios = _target(given), given.sample_weight, tuple(ratios)
        held_out = given.device.filled_up(plan.measured, 1) if isinstance(given.device, Devices) else plan.measured
        found = cross_validate(given.X, y, held_out, lams, ratios, eps=given.eps, **_options(given))
        _check(found.path.coef)
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
        **fields, **dict(zip(names, shares, strict=True)), converged=right, feature_names=given.names
    )
    if end := result.on_host().end_in_words:
        warn_caller(f"sweep: {end}", GridEndWarning)
    return result


@contextmanager
def _computing(given: Problem) -> Iterator[None]:
    with computing(given.X.dtype == np.float64, given.device), said_clearly("all of this at once"):
        yield


def _target(given: Problem) -> Any:
    return given.y[:, 0] if given.flat else given.y


def _options(given: Problem) -> dict[str, Any]:
    """What the pure functions take, in the dtype of X."""
    as_x: Callable[[Any], Any] = lambda v: None if v is None else v.astype(given.X.dtype)
    same = ("fit_intercept", "standardize", "sample_weight", "tol", "max_iter", "strategy")
    arrays = {name: as_x(getattr(given, name)) for name in ("penalty_factor", "lower", "upper")}
    return {name: getattr(given, name) for name in same} | arrays


def _check(coef: jax.Array) -> None:
    """Coefficients (L, p, ...) are finite, or their column is named."""
    if not jnp.isfinite(coef).all():
        choose.check_coef(np.asarray(coef))


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
