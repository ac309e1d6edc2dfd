"""``fit`` and ``path`` as pure functions: they work under the user's ``jit``, ``vmap`` and ``grad``.

:mod:`~jaxreg.solvers.members` solves what they ask for. Every member leaves with the duality gap of the parameters that
are returned.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled_door
from jaxreg.solvers.found import Answer, Arrays, Asked
from jaxreg.solvers.grid import default_eps
from jaxreg.solvers.members import MOMENTS, by_moments_alone, solve
from jaxreg.solvers.reduced import default_tol

__all__ = ["Path", "Solution", "arguments", "default_tol", "fit", "path", "path_of"]


class Solution(NamedTuple):
    """What :func:`fit` returns.

    Attributes:
        params: intercept () or (t,), coef (p,) or (p, t), on the original scale of X.
        gap: relative duality gap, () or (t,). converged: `gap ≤ tol`. n_iter: steps (0: closed form).
        scale: σ, (p,), y_scale: τ, () or (t,): ``params`` minimises ``objective(..., scale=scale, y_scale=y_scale)``.
    """

    params: Params
    gap: jax.Array
    converged: jax.Array
    n_iter: jax.Array
    scale: jax.Array
    y_scale: jax.Array


class Path(NamedTuple):
    """What :func:`path` returns, for L λs.

    Attributes:
        lams: (L,). coef: (L, p) or (L, p, t). intercept, gap, converged, n_iter, df, n_nonzero: (L,) or (L, t).
        df: degrees of freedom without the intercept. n_nonzero: number of coefficients that are not 0.
        scale: σ, (p,). y_scale: τ, () or (t,).
    """

    lams: jax.Array
    coef: jax.Array
    intercept: jax.Array
    gap: jax.Array
    converged: jax.Array
    n_iter: jax.Array
    df: jax.Array
    n_nonzero: jax.Array
    scale: jax.Array
    y_scale: jax.Array


@compiled_door
def fit(
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
) -> Solution:
    """Minimise the objective at one λ (one λ a target, if ``lam`` is (t,)).

    Args:
        X: (n, p), y: (n,) or (n, t), floating. lam: `λ ≥ 0`, () or (t,).
        l1_ratio: ρ in [0, 1]; the Python number 0 takes the closed form of ridge, and 1 goes from knot to knot (traced
            numbers are solved by Newton steps).
        fit_intercept, standardize: static. ``standardize`` penalises coefficients per standard deviation of X, and
            takes λ in units of y (:mod:`jaxreg.formulas.objective`).
        sample_weight: `s ≥ 0`, (n,). penalty_factor: `v ≥ 0`, (p,), ∞ leaves a column out.
        lower, upper: `lower ≤ 0 ≤ upper`, (p,) or numbers.
        tol: relative duality gap to stop at; 1e-10 in float64, 1e-5 in float32. max_iter: most steps a λ, static.
        strategy: static; "active set" goes down the λs one after the other (no bounds; of penalty factors,
            those that are all above 0 and finite are solved fastest), "parallel" solves all
            at once; None takes the faster on the device of X (under your own ``jit``, on that of
            ``jax.default_device``). The certificate is the same.

    Returns:
        Solution. ``converged`` is False where the gap is above ``tol``.

    Raises:
        TypeError: NumPy float64 while JAX's 64-bit mode is off. ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0.0, 3.0, 0.0, 3.0])
        >>> solution = fit(X, y, 1.0)
        >>> float(solution.params.coef[0]), bool(solution.converged)
        (0.5, True)
    """
    lam = jnp.asarray(lam)[None]
    options: dict[str, Any] = {
        "fit_intercept": fit_intercept,
        "standardize": standardize,
        "max_iter": max_iter,
        "strategy": strategy,
    }
    weights = {"sample_weight": sample_weight, "penalty_factor": penalty_factor, "lower": lower, "upper": upper}
    found = solve(*arguments(X, y, lam, l1_ratio, tol, None, weights, degrees=False, **options))
    smooth = found.smooth
    cut = lambda a: a[0, ..., 0] if jnp.ndim(y) == 1 else a[0]
    params, gap, n_iter = jax.tree.map(cut, (smooth.params, found.gap, found.n_iter))
    y_scale = smooth.y_scale[0] if jnp.ndim(y) == 1 else smooth.y_scale
    return Solution(params, gap, gap <= _tolerance(tol, gap.dtype), n_iter, smooth.scale, y_scale)


@compiled_door
def path(
    X: ArrayLike,
    y: ArrayLike,
    lams: ArrayLike = 100,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    eps: float | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
) -> Path:
    """Minimise the objective at every λ of a grid, all at once.

    Args:
        lams: (L,) λs, none below 0, in any order, or how many (static): then a geometric grid down from `λ_max`.
        eps: `λ_min / λ_max` of an automatic grid; 1e-4 if `n > p`, else 1e-2.
        X, y, l1_ratio, fit_intercept, standardize, sample_weight, penalty_factor, lower, upper, tol, max_iter,
            strategy: as in :func:`fit`.

    Returns:
        Path, in the order of ``lams``; an automatic grid descends.

    Raises:
        TypeError: NumPy float64 while JAX's 64-bit mode is off. ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0.0, 3.0, 0.0, 3.0])
        >>> path(X, y, jnp.array([1.0, 0.5])).coef[:, 0]
        Array([0.5, 1. ], dtype=float32)
    """
    options: dict[str, Any] = {
        "fit_intercept": fit_intercept,
        "standardize": standardize,
        "max_iter": max_iter,
        "strategy": strategy,
    }
    weights = {"sample_weight": sample_weight, "penalty_factor": penalty_factor, "lower": lower, "upper": upper}
    asked = arguments(X, y, lams, l1_ratio, tol, eps, weights, degrees=True, **options)
    return path_of(solve(*asked), tol, jnp.ndim(y) == 1)


def path_of(found: Answer, tol: Any, one: bool) -> Path:
    """The path that belongs to an answer; ``one``: whether y is (n,)."""
    smooth, gap = found.smooth, found.gap
    n_nonzero = jnp.sum(smooth.params.coef != 0, axis=1)
    converged = gap <= _tolerance(tol, gap.dtype)
    grids: Any = (smooth.params.coef, smooth.params.intercept, gap, converged, found.n_iter, smooth.df, n_nonzero)
    cut: Any = tuple(a[..., 0] if one else a for a in grids)
    return Path._make((smooth.lams[:, 0], *cut, smooth.scale, smooth.y_scale[0] if one else smooth.y_scale))


def _tolerance(tol: Any, dtype: Any) -> Any:
    return default_tol(dtype) if tol is None else tol


def arguments(
    X: ArrayLike,
    y: ArrayLike,
    lams: ArrayLike,
    l1_ratio: ArrayLike,
    tol: Any,
    eps: ArrayLike | None,
    weights: dict[str, Any],
    *,
    fit_intercept: bool,
    standardize: bool,
    max_iter: int,
    strategy: str | None,
    degrees: bool,
) -> tuple[Asked, Arrays]:
    """What :func:`jaxreg.solvers.members.solve` takes: one floating dtype, y as (n, t), lams as (L, t).

    Args:
        lams: (L,), (L, t), or how many. weights: sample_weight, penalty_factor, lower and upper.
    """
    count = lams if isinstance(lams, int) else None
    number = l1_ratio if isinstance(l1_ratio, (int, float)) and l1_ratio in (0, 1) else None
    strategy = None if strategy == MOMENTS and number != 1 else strategy
    asked = Asked(fit_intercept, standardize, count, number, max_iter, strategy, degrees)
    table = {} if by_moments_alone(asked) else {"X": X}  # there it is made float64 in blocks
    *as_floats, y, s, v, lower, upper = floating(**table, y=y, **weights)
    X, dtype = (*as_floats, jnp.asarray(X))[0], y.dtype
    if X.ndim != 2 or y.ndim not in (1, 2) or y.shape[0] != X.shape[0]:
        raise ValueError(f"X must be (n, p) and y (n,) or (n, t) of the same n; got X {X.shape} and y {y.shape}.")
    (n, p), Y, grid = X.shape, y.reshape(X.shape[0], -1), None
    if count is None:
        (lams,) = floating(lams=jnp.asarray(lams).astype(dtype))
        grid = jnp.broadcast_to(lams.reshape(lams.shape[0], -1), (lams.shape[0], Y.shape[1]))
    limits = default_eps(n, p) if eps is None else eps, _tolerance(tol, dtype)
    numbers = (jnp.asarray(value, dtype) for value in (l1_ratio, *limits))
    return asked, Arrays(X, Y, s, v, lower, upper, grid, *numbers)
