"""One problem with its free columns projected out: ridge in closed form, all else by FISTA or Newton steps.

A grid of members, one (λ, target) pair each, shares X: ridge in closed form, everything else by FISTA with a Newton
finish, all members in parallel under ``vmap``; λ = 0 is least squares by an orthogonal factorisation. Where n ≥ p and
there are no bounds, a CPU goes down the λs one after the other instead, by Newton steps on the active set. Every member
leaves with the duality gap of the parameters that are returned, computed from X and y themselves.
:mod:`~jaxreg.solvers.members` says who is solved here.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import NO_BOUND, broadcast_columns, floating, varying_like, without_columns
from jaxreg.formulas.duality import Penalty, gap_given_basis
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.optimality import with_weights_as_they_are
from jaxreg.formulas.projection import Basis, free_columns
from jaxreg.formulas.scaling import standard_deviation
from jaxreg.solvers import active_set, fista
from jaxreg.solvers.grid import default_eps, geometric_grid, grid_start
from jaxreg.solvers.reduction import Data, Frame, Problem, reduce_problem, restore, working_penalty
from jaxreg.solvers.ridge import ridge_grid
from jaxreg.solvers.updated_inverse import only_if

__all__ = [
    "Members",
    "certify",
    "default_tol",
    "improve",
    "lambda_grid",
    "prepare",
    "solve_penalised",
    "solve_unpenalised",
    "solve_without_derivatives",
]


def default_tol(dtype: Any) -> float:
    """The relative duality gap at which a solution counts as converged: 1e-10 in float64, 1e-5 in float32."""
    return 1e-10 if jnp.dtype(dtype) == jnp.float64 else 1e-5


def prepare(
    X: Any,
    y: Any,
    fit_intercept: bool,
    standardize: bool,
    sample_weight: Any,
    penalty_factor: Any,
    lower: Any,
    upper: Any,
) -> Data:
    """The arguments of :func:`fit` and :func:`path` in one floating dtype, y as (n, t), and the scales σ and τ."""
    X, y, s, v, lower, upper = floating(
        X=X, y=y, sample_weight=sample_weight, penalty_factor=penalty_factor, lower=lower, upper=upper
    )
    if X.ndim != 2 or y.ndim not in (1, 2) or y.shape[0] != X.shape[0]:
        raise ValueError(f"X must be (n, p) and y (n,) or (n, t) of the same n; got X {X.shape} and y {y.shape}.")
    p = X.shape[1]
    scale = standard_deviation(X, s) if standardize else jnp.ones((p,), X.dtype)
    X, v = without_columns(X, v)
    lower, upper = (None if a is None else _bounds(a, p, X.dtype) for a in (lower, upper))
    Y = y.reshape(X.shape[0], -1)
    y_scale = standard_deviation(Y, s) if standardize else None
    return Data(X, Y, s, v, lower, upper, scale, y_scale, fit_intercept)


def _bounds(values: jax.Array, p: int, dtype: Any) -> jax.Array:
    values = broadcast_columns(values, p, 0.0, dtype)
    none = jnp.abs(values) >= min(NO_BOUND, float(jnp.finfo(dtype).max))
    return jnp.where(none, jnp.copysign(jnp.asarray(jnp.inf, dtype), values), values)


def lambda_grid(data: Data, count: int, l1_ratio: Any, eps: Any) -> jax.Array:
    """The automatic grid, (count,), from the λ_max of all targets down to eps·λ_max."""
    n, p = data.X.shape
    free = None
    if data.penalty_factor is not None:
        free = free_columns(jnp.ones((), data.X.dtype), data.penalty_factor, data.lower, data.upper, p)
    ones = jnp.ones((p,), data.X.dtype)
    problem, _ = reduce_problem(data.X, data.Y, data.sample_weight, data.fit_intercept, free, ones, data.scale)
    v = broadcast_columns(data.penalty_factor, p, 1.0, data.X.dtype)
    rho = jnp.asarray(l1_ratio, data.X.dtype)
    c = problem.correlation
    if free is None:
        c = with_weights_as_they_are(c, data.X, data.Y, data.sample_weight, data.fit_intercept)
    start = grid_start(c, rho, v, data.scale, data.lower, data.upper)
    return geometric_grid(start, count, default_eps(n, p) if eps is None else eps)


class Members(NamedTuple):
    """Solved (λ, target) pairs: params with coef (L, p, t) and intercept (L, t); gap and n_iter, (L, t)."""

    params: Params
    gap: jax.Array
    n_iter: jax.Array


def solve_without_derivatives(
    data: Data, lams: jax.Array, l1_ratio: Any, tol: Any, max_iter: int, strategy: str | None = None
) -> Members:
    """Every (λ, target) pair and its certificate.

    Args:
        data: X (n, p), Y (n, t). lams: (L, t), λ ≥ 0. l1_ratio: (); the Python number 0 is ridge in closed form.
        strategy: "active set" (no bounds, n ≥ p), "parallel", or None for the faster of the two on this device.
    """
    members = varying_like(solve_penalised(data, lams, l1_ratio, tol, max_iter, strategy), lams)
    zero = lams == 0

    def with_least_squares(members: Members, data: Data, l1_ratio: Any, tol: Any) -> Members:
        at_zero = solve_unpenalised(data, l1_ratio, tol, max_iter)
        return jax.tree.map(lambda a, b: jnp.where(zero[:, None, :] if a.ndim == 3 else zero, a, b), at_zero, members)

    return only_if(jnp.any(zero), with_least_squares, members, data, l1_ratio, tol)


def improve(members: Members, data: Data, lams: jax.Array, l1_ratio: jax.Array, tol: Any, max_iter: int) -> Members:
    """Those whose gap is above ``tol``, or not a number, by FISTA, one after the other; and the gaps of all, from X.

    Args:
        data: without bounds and free columns. lams: (L, t), λ > 0.
    """
    rho, v, lower, upper = _columns(data, l1_ratio)
    problem, frame = reduce_problem(data.X, data.Y, data.sample_weight, data.fit_intercept, None, None, data.scale)
    tol, largest = jnp.asarray(tol, rho.dtype), fista.largest_eigenvalue(problem)
    (L, t), p = lams.shape, len(v)

    def member(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
        lam, target, w, gap, n_iter = argument

        def better(found: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
            w, gap, n_iter = found
            penalty = working_penalty(lam, rho, v, data.scale, frame.size, lower, upper, data.tau[target])
            one = problem._replace(correlation=problem.correlation[:, target], yy=problem.yy[target])
            u, info = fista.solve(one, penalty, largest, tol, max_iter)
            right = ~(info.gap >= gap)
            return jnp.where(right, u / frame.size, w), jnp.where(right, info.gap, gap), n_iter + info.n_iter

        return only_if(~(gap <= tol), better, (w, gap, n_iter))

    flat = jnp.moveaxis(members.params.coef, 1, 2).reshape(L * t, p)
    target = jnp.tile(jnp.arange(t, dtype=jnp.int32), L)
    coef, _, n_iter = jax.lax.map(member, (lams.ravel(), target, flat, members.gap.ravel(), members.n_iter.ravel()))
    params = _restore_all(jnp.moveaxis(coef.reshape(L, t, p), 2, 1) * frame.size[None, :, None], frame, lower, upper)
    return Members(params, _certify(data, params, lams, rho, None, None), n_iter.reshape(L, t))


def solve_penalised(
    data: Data, lams: jax.Array, l1_ratio: Any, tol: Any, max_iter: int, strategy: str | None = None
) -> Members:
    """:func:`solve_without_derivatives` for λ > 0. Free are the unbounded columns with v_j = 0."""
    p, dtype = data.X.shape[1], data.X.dtype
    rho, v, lower, upper = _columns(data, l1_ratio)
    ridge = isinstance(l1_ratio, (int, float)) and l1_ratio == 0 and data.lower is None and data.upper is None
    free = None if data.penalty_factor is None else free_columns(jnp.ones((), dtype), v, data.lower, data.upper, p)
    size = data.scale * jnp.sqrt(jnp.where(v > 0, v, 1.0)) if ridge else None  # ridge: d_j = σ_j √v_j
    problem, frame = reduce_problem(data.X, data.Y, data.sample_weight, data.fit_intercept, free, size, data.scale)
    if ridge:
        # Its λ is λ/τ. A ⊥ the free columns: Aᵀỹ needs no projection of ỹ.
        coef, _ = ridge_grid(problem.rows, frame.targets, lams / data.tau[None, :])
        n_iter = jnp.zeros(lams.shape, jnp.int32)
    else:
        coef, n_iter = _iterate(problem, frame, data, lams, rho, tol, max_iter, strategy)
    params = _restore_all(coef, frame, lower, upper)
    return Members(params, _certify(data, params, lams, rho, free, frame.basis), n_iter)


def solve_unpenalised(data: Data, l1_ratio: Any, tol: Any, max_iter: int) -> Members:
    """The members at λ = 0, L = 1. Free are all unbounded columns: without bounds nothing is left to iterate on."""
    p, t = data.X.shape[1], data.Y.shape[1]
    rho, v, lower, upper = _columns(data, l1_ratio)
    lams = jnp.zeros((1, t), data.X.dtype)
    free = free_columns(jnp.zeros((), data.X.dtype), v, data.lower, data.upper, p)
    problem, frame = reduce_problem(data.X, data.Y, data.sample_weight, data.fit_intercept, free, None, data.scale)
    coef, n_iter = jnp.zeros((1, p, t), data.X.dtype), jnp.zeros((1, t), jnp.int32)
    if data.lower is not None or data.upper is not None:
        coef, n_iter = _fista(problem, frame, data, lams, rho, tol, max_iter)
    params = _restore_all(coef, frame, lower, upper)
    return Members(params, _certify(data, params, lams, rho, free, frame.basis), n_iter)


def _columns(data: Data, l1_ratio: Any) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """ρ, (), and v, lower, upper as (p,) vectors."""
    p, dtype = data.X.shape[1], data.X.dtype
    lower, upper = broadcast_columns(data.lower, p, -jnp.inf, dtype), broadcast_columns(data.upper, p, jnp.inf, dtype)
    return jnp.asarray(l1_ratio, dtype), broadcast_columns(data.penalty_factor, p, 1.0, dtype), lower, upper


def _iterate(
    problem: Problem,
    frame: Frame,
    data: Data,
    lams: jax.Array,
    rho: jax.Array,
    tol: Any,
    max_iter: int,
    strategy: str | None,
) -> tuple[jax.Array, jax.Array]:
    """u (L, p, t) and n_iter (L, t) by the strategy named."""
    if strategy not in (None, "active set", "parallel"):
        raise ValueError(f"strategy is {strategy!r}; it must be 'active set', 'parallel' or None.")
    possible = problem.gram is not None and data.lower is None and data.upper is None
    if strategy == "active set" and not possible:
        raise ValueError("strategy='active set' needs at least as many rows as columns, and no bounds.")
    in_turn = possible and (strategy == "active set" or (strategy is None and jax.default_backend() == "cpu"))
    solve = _active_set if in_turn else _fista
    return solve(problem, frame, data, lams, rho, tol, max_iter)


def _active_set(
    problem: Problem, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: Any, max_iter: int
) -> tuple[jax.Array, jax.Array]:
    """A path for one target after the other, down its λs. λ = 0 is left to :func:`solve_unpenalised`."""
    _, v, lower, upper = _columns(data, rho)
    p = len(v)
    fill = active_set.padded(p) - p
    assert problem.gram is not None, "the active-set engine needs n ≥ p"
    gram = jnp.pad(problem.gram, (0, fill))
    tol = jnp.asarray(tol, rho.dtype)

    def target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        lams, correlation, yy, tau = argument
        unit = working_penalty(jnp.ones_like(rho), rho, v, data.scale, frame.size, lower, upper, tau)
        unit = Penalty(*(jnp.pad(a, (0, fill)) for a in unit))
        largest = jnp.max(lams)
        positive = jnp.where(lams > 0, lams, jnp.where(largest > 0, largest, 1.0))
        order = jnp.argsort(-positive)
        one = Problem(problem.rows, gram, jnp.pad(correlation, (0, fill)), yy)
        coef, n_iter = active_set.solve_path(one, positive[order], len(lams), unit, tol, max_iter)
        place = jnp.argsort(order)
        return coef[place, :p], n_iter[place]

    coef, n_iter = jax.lax.map(target, (lams.T, problem.correlation.T, problem.yy, data.tau))
    return jnp.moveaxis(coef, 0, 2), n_iter.T


def _fista(
    problem: Problem, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: Any, max_iter: int
) -> tuple[jax.Array, jax.Array]:
    """All members in parallel, each from 0."""
    _, v, lower, upper = _columns(data, rho)
    tol = jnp.asarray(tol, rho.dtype)
    largest = fista.largest_eigenvalue(problem)

    def member(lam: jax.Array, correlation: jax.Array, yy: jax.Array, tau: jax.Array) -> tuple[jax.Array, fista.Info]:
        penalty = working_penalty(lam, rho, v, data.scale, frame.size, lower, upper, tau)
        one = Problem(problem.rows, problem.gram, correlation, yy)
        return fista.solve(one, penalty, largest, tol, max_iter)

    over_targets = jax.vmap(member, in_axes=(0, 1, 0, 0), out_axes=(1, 0))
    over_lams = jax.vmap(over_targets, in_axes=(0, None, None, None))
    coef, info = over_lams(lams, problem.correlation, problem.yy, data.tau)
    return coef, info.n_iter


def _restore_all(coef: jax.Array, frame: Frame, lower: jax.Array, upper: jax.Array) -> Params:
    """Params of every member, (L, p, t) and (L, t); u at its bound gives w at its bound, to the last digit."""
    params = jax.vmap(restore, (0, None))(coef, frame)
    lower_u, upper_u = ((bound * frame.size)[None, :, None] for bound in (lower, upper))
    lower, upper = lower[None, :, None], upper[None, :, None]
    inside = jnp.clip(params.coef, lower, upper)
    return params._replace(coef=jnp.where(coef <= lower_u, lower, jnp.where(coef >= upper_u, upper, inside)))


def certify(data: Data, params: Params, lams: jax.Array, l1_ratio: Any) -> jax.Array:
    """The duality gap of given parameters, (L, t), at λ > 0 without free columns.

    Args:
        params: coef (L, p, t), intercept (L, t). lams: (L, t).
    """
    return _certify(data, params, lams, jnp.asarray(l1_ratio, data.X.dtype), None, None)


def _certify(
    data: Data, params: Params, lams: jax.Array, rho: jax.Array, free: jax.Array | None, basis: Basis | None
) -> jax.Array:
    """The duality gap of every member on the original data, (L, t)."""
    p = data.X.shape[1]
    _, v, lower, upper = _columns(data, rho)
    none = jnp.zeros((p,), bool) if free is None else free

    def gaps(bounded: bool) -> jax.Array:
        def member(lam: jax.Array, params: Params, y: jax.Array, tau: jax.Array) -> jax.Array:
            penalty = Penalty(*penalty_weights(lam, rho, v, data.scale, p, tau), lower, upper)
            weight, intercept = data.sample_weight, data.fit_intercept
            return gap_given_basis(params, data.X, y, penalty, weight, intercept, none, basis, bounded)

        over_targets = jax.vmap(member, in_axes=(0, Params(0, 1), 1, 0))
        return jax.vmap(over_targets, in_axes=(0, Params(0, 0), None, None))(lams, params, data.Y, data.tau)

    if data.lower is None and data.upper is None:
        return gaps(False)
    held = ((v == 0) | jnp.any(lams == 0)) & ~none
    return jax.lax.cond(jnp.any(held), lambda: gaps(True), lambda: gaps(False))
