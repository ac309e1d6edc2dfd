"""``fit``, ``path`` and ``sweep`` of a table that stays on its device: the pure functions solve it where it lies.

The doors have checked the arguments (:mod:`jaxreg.data.on_device`). A call is one program, and one more looks at the
numbers first; what comes to the host is a few of them, or the results if they are not to stay as well. On an
accelerator a sweep hands a NumPy array over, once, and goes the same way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import results
from jaxreg.convergence import GridEndWarning, warn_caller, warn_unless_converged
from jaxreg.data.inputs import check_values
from jaxreg.data.memory import said_clearly
from jaxreg.data.on_device import check_table
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse
from jaxreg.engines import choose, descent
from jaxreg.precision import computing, on_accelerator
from jaxreg.programs import compiled
from jaxreg.progress import Progress, following
from jaxreg.solvers import paths
from jaxreg.solvers.fold_members import KEPT_BYTES
from jaxreg.solvers.grid_ends import beyond, open_end_of_any
from jaxreg.solvers.member_paths import WIDE
from jaxreg.solvers.members import MOMENTS
from jaxreg.sweeps.cross_validate import Sweep, choices, cross_validate
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.grids import MOST_EXTENSIONS

__all__ = [
    "brought",
    "fit_there",
    "handed_over",
    "is_handed_over",
    "path_there",
    "plan_of_table",
    "suits",
    "sweep_there",
]

R = TypeVar("R")


def fit_there(given: Problem, lam: np.ndarray, stay: bool) -> results.Solution:
    """At one λ, () or (t,). ``stay``: whether the results stay on the device."""
    with _computing(given):
        solve = lambda given: paths.fit(given.X, _target(given), lam, given.l1_ratio, **_options(given))
        found = _solved(given, _by_moments(given, (given.l1_ratio,), lam), solve)
        _check(found.params.coef[None])
        found = found if stay else jax.device_get(found)
    warn_unless_converged(np.asarray(found.gap), lam, given.tol, "fit", bool(np.any(found.n_iter)))
    return results.Solution(**found._asdict(), feature_names=given.names)


def path_there(given: Problem, lams: int | np.ndarray, stay: bool) -> results.Path:
    """At the λs, (L,), or at so many."""
    choose.check_size(given, lams)
    with _computing(given):
        how: dict[str, Any] = {"eps": given.eps}
        solve = lambda given: paths.path(given.X, _target(given), lams, given.l1_ratio, **how, **_options(given))
        found = _solved(given, _by_moments(given, (given.l1_ratio,), lams), solve)
        _check(found.coef)
        found = found if stay else jax.device_get(found)
    along = np.asarray(found.lams)
    along = along if given.flat else along[:, None]
    warn_unless_converged(np.asarray(found.gap), along, given.tol, "path", bool(np.any(found.n_iter)))
    return results.Path(**found._asdict(), feature_names=given.names)


def plan_of_table(folds: Any, given: Problem, seed: int) -> Plan:
    """The plan that ``folds`` asks for. A splitter is shown as many rows, and y, which it may stratify by."""
    rows = np.broadcast_to(np.zeros((), given.X.dtype), given.X.shape)
    y: Any = np.asarray(_target(given)) if hasattr(folds, "split") else None
    weight = None if given.sample_weight is None else np.asarray(given.sample_weight)
    return plan_of(folds, rows, y, seed, weight)


def suits(plan: Plan, wanted: bool) -> bool:
    """Whether every fold trains on all rows that it does not hold out, as :func:`cross_validate` has it.

    Raises:
        ValueError: it does not, and results are wanted on the device.
    """
    right = plan.trained is None and plan.measured.dtype == bool
    if wanted and not right:
        raise ValueError("folds that do not train on all other rows, once, are not for device_arrays=True.")
    return right


def brought(given: Problem) -> Problem:
    """The problem with its table on the host."""
    with _computing(given):
        X, y, s = jax.device_get((given.X, given.y, given.sample_weight))
    return given._replace(X=X.astype(y.dtype), y=y.astype(float), sample_weight=None if s is None else s.astype(float))


def is_handed_over(given: Problem, ratios: Sequence[float], plan: Plan) -> bool:
    """Whether a sweep of a NumPy array is computed as if it lay on the accelerator.

    Ridge is not, whose factors many λs and targets share on the way of the host, nor is a lasso with more columns than
    moments take that has factors or bounds, nor float32, in which elastic nets would be computed.
    """
    X, limits = given.X, (given.penalty_factor, given.lower, given.upper)
    if not on_accelerator(given.device) or is_sparse(X) or X.dtype != np.float64 or not suits(plan, False):
        return False
    plain = _plain_factors(given) if X.shape[1] <= WIDE * X.shape[0] else all(limit is None for limit in limits)
    return all(0 < rho < 1 or (rho == 1 and plain) for rho in ratios)


def handed_over(given: Problem) -> Problem:
    """The problem with its table on the device.

    Raises:
        ValueError: a number is missing or infinite.
    """
    with _computing(given):
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

    None where a gap is above the tolerance and the results need not stay: the host has more ways to solve that.
    """
    with _computing(given), following(progress, "paths") as show:
        y, s, ratios = _target(given), given.sample_weight, tuple(ratios)
        number = len(ratios) * (len(plan) + 1)

        def solve(lams: Any, extended: int) -> Sweep:
            choose.check_size(given, lams if isinstance(lams, int) else lams[0] if lams.ndim == 2 else lams)
            run = lambda given: cross_validate(
                given.X, y, plan.measured, lams, ratios, eps=given.eps, **_options(given)
            )
            by_moments = _by_moments(given, ratios, lams, plan)
            found = _solved(given, by_moments, run, again=stay)
            _check(found.path.coef)
            show(number * (extended + 1), number * (extended + 1))
            return found

        found, extended = solve(lams, 0), 0
        grows = isinstance(lams, int) and lams > 1
        while right := stay or _certified(given, found):
            if not grows or extended == MOST_EXTENSIONS or not (end := _open_end(found, ratios)):
                break
            extended += 1
            found = solve(_longer(np.asarray(found.lams), end), extended)
        if not right:
            return None
        shares = _shares(found.fold_mse, y, s, plan.measured, found.lams)
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


def _solved(given: Problem, by_moments: bool, solve: Callable[[Problem], R], again: bool = True) -> R:
    """By moments alone where they do: that program holds no copy of the table. Where a gap is left, by all means, if it
    is to be solved again."""
    if by_moments:
        found = solve(given._replace(strategy=MOMENTS))
        if not again or _certified(given, found):
            return found
    return solve(given)


def _certified(given: Problem, found: Any) -> bool:
    """Whether all gaps of what a pure function has found are within the tolerance."""
    gaps = (found.fold_gap, found.path.gap) if isinstance(found, Sweep) else (found.gap,)
    return all(bool(jnp.all(gap <= given.tol)) for gap in gaps)


def _by_moments(given: Problem, ratios: Sequence[float], lams: Any, plan: Plan | None = None) -> bool:
    """Whether there are lassos that moments alone may solve, as :mod:`~jaxreg.solvers.members` has it."""
    (n, p), s = given.X.shape, given.sample_weight
    if not on_accelerator(given.device) or given.strategy or given.dtype != np.float64 or p > WIDE * n:
        return False
    if plan is not None:
        counts = np.ones(n, bool) if s is None else np.asarray(s) > 0
        if not plan.divides(counts) or 8 * len(plan) * p * p > KEPT_BYTES:
            return False
    return 1 in ratios and _plain_factors(given) and (isinstance(lams, int) or bool(np.all(np.asarray(lams) > 0)))


def _plain_factors(given: Problem) -> bool:
    """Whether factors are above 0 and finite, and bounds 0 or infinite."""
    v = given.penalty_factor
    return descent.refuses_penalty(1.0, v, given.lower, given.upper) is None and (v is None or bool(np.all(v < np.inf)))


@contextmanager
def _computing(given: Problem) -> Iterator[None]:
    with computing(given.dtype == np.float64, given.device), said_clearly("all of this at once"):
        yield


def _target(given: Problem) -> Any:
    return given.y[:, 0] if given.flat else given.y


def _options(given: Problem) -> dict[str, Any]:
    """What the pure functions take."""
    as_x: Callable[[Any], Any] = lambda v: None if v is None else v.astype(given.dtype)
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
