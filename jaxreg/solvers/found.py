"""What is asked and what is found: by the members of a problem, and by the paths that go down a grid."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.solvers.grid import grid_start

__all__ = ["Answer", "Arrays", "Asked", "Found", "Grid", "Known", "Settings", "Smooth", "lams_of"]


class Known(NamedTuple):
    """Moments of the rows that have weight, and how many times larger their rounding errors are than usual, ()."""

    moments: Moments
    times: jax.Array


class Asked(NamedTuple):
    """What chooses the program. ``count``: of an automatic grid, None where the λs are given. ``l1_ratio``: the Python
    number, or None where it is an array. ``strategy``: the public ones, or "moments". ``degrees``: whether degrees of
    freedom are counted."""

    fit_intercept: bool
    standardize: bool
    count: int | None  # type: ignore[assignment]  # a tuple has a method of this name
    l1_ratio: float | None
    max_iter: int
    strategy: str | None
    degrees: bool


class Arrays(NamedTuple):
    """The data, of one floating dtype but for X, which may be of float32 beside float64 where moments are all that is
    made of it (:data:`jaxreg.solvers.members.MOMENTS`): X (n, p), Y (n, t), what weights rows (n,) and columns (p,), or
    None; lams (L, t), or None for an automatic grid that is not known yet; l1_ratio, eps, tol: ()."""

    X: jax.Array
    Y: jax.Array
    sample_weight: jax.Array | None
    penalty_factor: jax.Array | None
    lower: jax.Array | None
    upper: jax.Array | None
    lams: jax.Array | None
    l1_ratio: jax.Array
    eps: jax.Array
    tol: jax.Array


class Smooth(NamedTuple):
    """What of an answer has derivatives: lams, df (L, t), params, scale (p,), y_scale (t,)."""

    lams: jax.Array
    params: Params
    df: jax.Array
    scale: jax.Array
    y_scale: jax.Array


class Answer(NamedTuple):
    """:class:`Smooth`, and gap and n_iter, (L, t)."""

    smooth: Smooth
    gap: jax.Array
    n_iter: jax.Array


class Grid(NamedTuple):
    """Which λs.

    Attributes:
        lams: (L, t) > 0, descending for each target; of an automatic grid only the shape counts.
        solved: (), the first so many are solved, the others fill up.
        automatic: (), whether to take a geometric grid from the `λ_max` of all targets to `eps λ_max`. eps: ().
    """

    lams: jax.Array
    solved: jax.Array
    automatic: jax.Array
    eps: jax.Array


class Settings(NamedTuple):
    """What is minimised, and how far.

    Attributes:
        l1_ratio: ρ in (0, 1], (). penalty_factor: `v > 0`, (p,). lower, upper: (p,), 0 or infinite.
        tol: the gap to reach, (). max_iter: most rounds a λ, (). fit_intercept, standardize, degrees, single: booleans,
            (): whether degrees of freedom are counted where `ρ < 1`, and whether what is returned is of float32.
    """

    l1_ratio: jax.Array
    penalty_factor: jax.Array
    lower: jax.Array
    upper: jax.Array
    tol: jax.Array
    max_iter: jax.Array
    fit_intercept: jax.Array
    standardize: jax.Array
    degrees: jax.Array
    single: jax.Array


class Found(NamedTuple):
    """Solutions at L λs for t targets.

    Attributes:
        coef: (L, p, t). scale: σ, variance: of the columns as they are, (p,). y_scale: τ, (t,).
        lams, intercept, n_iter, df, n_nonzero: (L, t).
        gap, rounding, settled: (L, t), the duality gap, what rounding may make of it, and whether the conditions of
            optimality hold up to rounding.
    """

    lams: jax.Array
    coef: jax.Array
    intercept: jax.Array
    n_iter: jax.Array
    df: jax.Array
    n_nonzero: jax.Array
    scale: jax.Array
    variance: jax.Array
    y_scale: jax.Array
    gap: jax.Array
    rounding: jax.Array
    settled: jax.Array


def lams_of(grid: Grid, covariance: jax.Array, settings: Settings, scale: jax.Array) -> jax.Array:
    """The λs, (L, t), given or automatic.

    Args:
        covariance: `x_jᵀ S y / Σs`, (p, t). scale: σ, (p,).
    """
    dtype = covariance.dtype
    rho, v, lower, upper, *_ = settings
    start = grid_start(covariance, rho, v, scale, lower, upper)
    steps = jnp.maximum(grid.solved - 1, 1).astype(dtype)
    geometric = start * grid.eps ** (jnp.arange(len(grid.lams), dtype=dtype) / steps)
    return jnp.where(grid.automatic, geometric[:, None], grid.lams)
