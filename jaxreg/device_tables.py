"""``fit`` and ``path`` of a table that stays on its device: the pure functions solve it where it lies.

The doors have checked the arguments (:mod:`jaxreg.data.on_device`). A call is one program, and one more looks at the
numbers first; what comes to the host is a few of them, or the results if they are not to stay as well. What the device
has no memory for, or leaves above the tolerance, is then solved by the host, in blocks and by all its engines.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import results
from jaxreg.convergence import warn_unless_converged
from jaxreg.data.memory import block_bytes, said_clearly
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.devices import Devices
from jaxreg.engines import choose, descent
from jaxreg.precision import computing, on_accelerator
from jaxreg.solvers import paths
from jaxreg.solvers.fold_moments import KEPT_BYTES
from jaxreg.solvers.member_paths import WIDE
from jaxreg.solvers.members import MOMENTS

__all__ = [
    "brought",
    "check_found",
    "computing_there",
    "fit_there",
    "moments_do",
    "options_of",
    "path_there",
    "plain_factors",
    "solved",
    "target_of",
]

R = TypeVar("R")


def fit_there(given: Problem, lam: np.ndarray, stay: bool) -> results.Solution | None:
    """At one λ, () or (t,). ``stay``: whether the results stay on the device; else None where the host has to solve."""
    with computing_there(given):
        solve = lambda given: paths.fit(given.X, target_of(given), lam, given.l1_ratio, **options_of(given))
        found = solved(given, moments_do(given, (given.l1_ratio,), lam), solve, stay)
        if found is None:
            return None
        check_found(found.params.coef[None])
        found = found if stay else jax.device_get(found)
    warn_unless_converged(np.asarray(found.gap), lam, given.tol, "fit", bool(np.any(found.n_iter)))
    return results.Solution(**found._asdict(), feature_names=given.names)


def path_there(given: Problem, lams: int | np.ndarray, stay: bool) -> results.Path | None:
    """At the λs, (L,), or at so many."""
    choose.check_size(given, lams)
    with computing_there(given):
        how: dict[str, Any] = {"eps": given.eps}
        solve = lambda given: paths.path(given.X, target_of(given), lams, given.l1_ratio, **how, **options_of(given))
        found = solved(given, moments_do(given, (given.l1_ratio,), lams), solve, stay)
        if found is None:
            return None
        check_found(found.coef)
        found = found if stay else jax.device_get(found)
    along = np.asarray(found.lams)
    along = along if given.flat else along[:, None]
    warn_unless_converged(np.asarray(found.gap), along, given.tol, "path", bool(np.any(found.n_iter)))
    return results.Path(**found._asdict(), feature_names=given.names)


def brought(given: Problem) -> Problem:
    """The problem with its table on the host."""
    with computing_there(given):
        X, y, s = jax.device_get((given.X, given.y, given.sample_weight))
    if isinstance(given.device, Devices):
        X, y, s = (v[: given.device.rows] for v in (X, y, s))
        given = given._replace(device=None)
    return given._replace(X=X.astype(y.dtype), y=y.astype(float), sample_weight=None if s is None else s.astype(float))


def solved(given: Problem, by_moments: bool, solve: Callable[[Problem], R], stay: bool) -> R | None:
    """What a pure function finds: by moments alone where they do, for that program holds no copy of the table.

    Args:
        stay: whether what is left above the tolerance is solved on the device as well; else None is returned, as it is
            where the device has no memory for the work.

    Raises:
        MemoryError: there is none for results that are to stay.
    """
    try:
        with said_clearly("all of this at once"):
            found = solve(given._replace(strategy=MOMENTS) if by_moments else given)
            right = all(bool(jnp.all(gap <= given.tol)) for gap in _gaps(found))
            if by_moments and stay and not right:
                found = solve(given)
            return found if stay or right else None
    except MemoryError:
        if stay:
            raise
        return None


def _gaps(found: Any) -> tuple[Any, ...]:
    """Of a solution or a path, or in the folds and on all rows."""
    return (found.gap,) if hasattr(found, "gap") else (found.fold_gap, found.path.gap)


def moments_do(given: Problem, ratios: Sequence[float], lams: Any, plan: Plan | None = None) -> bool:
    """Whether there are lassos that moments alone may solve, as :mod:`~jaxreg.solvers.members` has it."""
    (n, p), s, divided = given.X.shape, given.sample_weight, isinstance(given.device, Devices)
    if not (divided or on_accelerator(given.device)) or given.strategy or given.dtype != np.float64 or p > WIDE * n:
        return False
    if plan is not None:
        counts = np.ones(n, bool) if s is None else np.asarray(s)[: plan.measured.shape[1]] > 0
        if not plan.divides(counts) or 8 * len(plan) * p * p > block_bytes(given.device, KEPT_BYTES):
            return False
    return 1 in ratios and plain_factors(given) and (isinstance(lams, int) or bool(np.all(np.asarray(lams) > 0)))


def plain_factors(given: Problem) -> bool:
    """Whether factors are above 0 and finite, and bounds 0 or infinite."""
    v = given.penalty_factor
    return descent.refuses_penalty(1.0, v, given.lower, given.upper) is None and (v is None or bool(np.all(v < np.inf)))


@contextmanager
def computing_there(given: Problem) -> Iterator[None]:
    """In the precision of the results, on the device."""
    with computing(given.dtype == np.float64, given.device), said_clearly("all of this at once"):
        yield


def target_of(given: Problem) -> Any:
    """y, (n,) or (n, t)."""
    return given.y[:, 0] if given.flat else given.y


def options_of(given: Problem) -> dict[str, Any]:
    """What the pure functions take."""
    as_x: Callable[[Any], Any] = lambda v: None if v is None else v.astype(given.dtype)
    same = ("fit_intercept", "standardize", "sample_weight", "tol", "max_iter", "strategy")
    arrays = {name: as_x(getattr(given, name)) for name in ("penalty_factor", "lower", "upper")}
    return {name: getattr(given, name) for name in same} | arrays


def check_found(coef: jax.Array) -> None:
    """Coefficients (L, p, ...) are finite, or their column is named."""
    if not jnp.isfinite(coef).all():
        choose.check_coef(np.asarray(coef))
