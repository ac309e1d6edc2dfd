"""One problem from its rows, with its free columns projected out: ridge in closed form, all else by FISTA or Newton.

A grid of members, one (λ, target) pair each, shares X: ridge in closed form, everything else by FISTA with a Newton
finish, all members in parallel under ``vmap``; `λ = 0` is least squares by an orthogonal factorisation. Where `n ≥ p`
and there are no bounds, a CPU goes down the λs one after the other instead, by Newton steps on the active set. Every
member leaves with the duality gap of the parameters that are returned, computed from X and y themselves.

Here is solved what :mod:`~jaxreg.solvers.members` does not give to moments or columns, and what these cannot certify.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import NO_BOUND, broadcast_columns, floating, only_if, varying_like, without_columns
from jaxreg.formulas.duality import Penalty, gap_given_basis
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.optimality import with_weights_as_they_are
from jaxreg.formulas.projection import Basis, free_columns
from jaxreg.formulas.scaling import standard_deviation
from jaxreg.solvers.grid import default_eps, geometric_grid, grid_start
from jaxreg.solvers.reduction import Data, Frame, reduce_problem, restore
from jaxreg.solvers.row_solvers import Solver, columns_of, solver_of

__all__ = [
    "CERTIFY",
    "END",
    "UNPENALISED",
    "Members",
    "default_tol",
    "lambda_grid",
    "prepare",
    "settle",
    "solve_without_derivatives",
]


def default_tol(dtype: Any) -> float:
    """The relative duality gap at which a solution counts as converged: 1e-10 in float64, 1e-5 in float32."""
    return 1e-10 if jnp.dtype(dtype) == jnp.float64 else 1e-5


def prepare(
    X: ArrayLike,
    y: ArrayLike,
    fit_intercept: bool,
    standardize: bool | jax.Array,
    sample_weight: ArrayLike | None,
    penalty_factor: ArrayLike | None,
    lower: ArrayLike | None,
    upper: ArrayLike | None,
) -> Data:
    """The arguments of :func:`fit` and :func:`path` in one floating dtype, y as (n, t), and the scales σ and τ.

    ``standardize`` may be an array, (): then one program serves both.
    """
    X, y, s, v, lower, upper = floating(
        X=X, y=y, sample_weight=sample_weight, penalty_factor=penalty_factor, lower=lower, upper=upper
    )
    if X.ndim != 2 or y.ndim not in (1, 2) or y.shape[0] != X.shape[0]:
        raise ValueError(f"X must be (n, p) and y (n,) or (n, t) of the same n; got X {X.shape} and y {y.shape}.")
    p = X.shape[1]
    one_or = lambda sigma: sigma if isinstance(standardize, bool) else jnp.where(standardize, sigma, 1.0)
    scale = jnp.ones((p,), X.dtype) if standardize is False else one_or(standard_deviation(X, s))
    X, v = without_columns(X, v)
    lower, upper = (None if a is None else _bounds(a, p, X.dtype) for a in (lower, upper))
    Y = y.reshape(X.shape[0], -1)
    y_scale = None if standardize is False else one_or(standard_deviation(Y, s))
    return Data(X, Y, s, v, lower, upper, scale, y_scale, fit_intercept)


def _bounds(values: jax.Array, p: int, dtype: Any) -> jax.Array:
    values = broadcast_columns(values, p, 0.0, dtype)
    none = jnp.abs(values) >= min(NO_BOUND, float(jnp.finfo(dtype).max))
    return jnp.where(none, jnp.copysign(jnp.asarray(jnp.inf, dtype), values), values)


def lambda_grid(data: Data, count: int, l1_ratio: ArrayLike, eps: ArrayLike | None) -> jax.Array:
    """The automatic grid, (count,), from the `λ_max` of all targets down to `eps·λ_max`."""
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


# What is done to the members one after the other.
CERTIFY, IMPROVE, UNPENALISED, END = range(4)


def solve_without_derivatives(
    data: Data,
    lams: jax.Array,
    l1_ratio: ArrayLike,
    tol: Any,
    max_iter: int | jax.Array,
    strategy: str | None = None,
    some_zero: bool = True,
) -> Members:
    """Every (λ, target) pair and its certificate.

    Args:
        data: X (n, p), Y (n, t). lams: (L, t), `λ ≥ 0`. l1_ratio: (); the Python number 0 is ridge in closed form.
        strategy: "active set" (no bounds, `n ≥ p`), "parallel", or None for the faster of the two on this device.
        some_zero: static, whether a λ may be 0.
    """
    (L, t), p, dtype = lams.shape, data.X.shape[1], data.X.dtype
    params = Params(jnp.zeros((L, t), dtype), jnp.zeros((L, p, t), dtype))
    members = Members(params, jnp.full((L, t), jnp.inf, dtype), jnp.zeros((L, t), jnp.int32))
    members = varying_like(members, data, lams)
    solver = solver_of(data, l1_ratio, strategy)
    last = END if some_zero else UNPENALISED
    return settle(members, lambda: data, lams, l1_ratio, tol, max_iter, solver, range(IMPROVE, last))


def settle(
    members: Members,
    data_of: Callable[[], Data],
    lams: jax.Array,
    l1_ratio: ArrayLike,
    tol: Any,
    max_iter: int | jax.Array,
    solver: Solver,
    stages: range,
) -> Members:
    """Up to three stages, each only where some member needs it:

    1. *certify*: the gaps from X, where `λ > 0` and one is above ``tol`` or not known;
    2. *improve*: those whose gap is above ``tol`` are solved, with the columns projected out that are free at `λ > 0`;
    3. *unpenalised*: those at `λ = 0` are, with all unbounded columns projected out: without bounds nothing is left to
       iterate on.

    They are turns of one loop, so that a program holds what it needs for a solution and a certificate once.

    Args:
        members: with gaps, ∞ where nothing is known. data_of: makes the data, where a stage needs them. lams: (L, t).
        stages: static, which of the three.
    """

    def stage(k: jax.Array, members: Members) -> Members:
        zero = lams == 0
        late = ~(members.gap <= tol) & ~zero
        chosen = jnp.where(k == UNPENALISED, zero, late)
        zeros = UNPENALISED in stages
        work = lambda members: _stage(k, members, chosen, data_of(), lams, l1_ratio, tol, max_iter, solver, zeros)
        return only_if(jnp.any(chosen), work, members)

    return jax.lax.fori_loop(stages.start, stages.stop, stage, members)


def _stage(
    k: jax.Array,
    members: Members,
    chosen: jax.Array,
    data: Data,
    lams: jax.Array,
    l1_ratio: ArrayLike,
    tol: Any,
    max_iter: int | jax.Array,
    solver: Solver,
    zeros: bool,
) -> Members:
    """One stage of :func:`settle` for the members chosen, (L, t). ``zeros``: whether `λ = 0` is among the stages."""
    (n, p), dtype = data.X.shape, data.X.dtype
    rho, v, lower, upper = columns_of(data, l1_ratio)
    at_zero = k == UNPENALISED
    free = basis = None
    if zeros or data.penalty_factor is not None:  # else it is known that no column is free
        free = free_columns(jnp.where(at_zero, 0.0, 1.0).astype(dtype), v, data.lower, data.upper, p)
        basis = Basis(jnp.zeros((n, min(n, p)), dtype), jnp.zeros((p, min(n, p)), dtype))

    def solved(_: Any) -> tuple[Params, jax.Array, Basis | None]:
        size = data.scale * jnp.sqrt(jnp.where(v > 0, v, 1.0)) if solver.ridge else None  # ridge: d_j = σ_j √v_j
        problem, frame = reduce_problem(data.X, data.Y, data.sample_weight, data.fit_intercept, free, size, data.scale)
        wanted = chosen & (jnp.any(jnp.isfinite(lower) | jnp.isfinite(upper)) | ~at_zero)
        largest = min(max_iter, 2**31 - 1) if isinstance(max_iter, int) else max_iter
        most = jnp.where(wanted, jnp.asarray(largest, jnp.int32), 0)
        coef, n_iter = solver.solve(problem, frame, data, lams, rho, jnp.asarray(tol, dtype), most)
        return _restore_all(coef, frame, lower, upper), n_iter, frame.basis

    state = members.params, jnp.zeros_like(members.n_iter), basis
    params, n_iter, basis = only_if(k != CERTIFY, solved, varying_like(state, data, members))
    gap = _certify(data, params, lams, rho, free, basis)
    if free is not None and not solver.ridge:  # without their basis nothing is known of free columns
        gap = jnp.where((k == CERTIFY) & ~at_zero & jnp.any(free), jnp.inf, gap)
    # Of two solutions the better one; where neither is known to be any good, the later one.
    taken = chosen & ((k == CERTIFY) | ~(gap > members.gap))
    of = lambda new, old: jnp.where(taken[:, None, :] if new.ndim == 3 else taken, new, old)
    params, gap = jax.tree.map(of, (params, gap), (members.params, members.gap))
    return Members(params, gap, members.n_iter + jnp.where(chosen, n_iter, 0))


def _restore_all(coef: jax.Array, frame: Frame, lower: jax.Array, upper: jax.Array) -> Params:
    """Params of every member, (L, p, t) and (L, t); u at its bound gives w at its bound, to the last digit."""
    params = jax.vmap(restore, (0, None))(coef, frame)
    lower_u, upper_u = ((bound * frame.size)[None, :, None] for bound in (lower, upper))
    lower, upper = lower[None, :, None], upper[None, :, None]
    inside = jnp.clip(params.coef, lower, upper)
    return params._replace(coef=jnp.where(coef <= lower_u, lower, jnp.where(coef >= upper_u, upper, inside)))


def _certify(
    data: Data, params: Params, lams: jax.Array, rho: jax.Array, free: jax.Array | None, basis: Basis | None
) -> jax.Array:
    """The duality gap of every member on the original data, (L, t)."""
    p = data.X.shape[1]
    rho, v, lower, upper = columns_of(data, rho)
    free = jnp.zeros((p,), bool) if free is None else free
    bounded = data.lower is not None or data.upper is not None
    held = jnp.any(((v == 0) | jnp.any(lams == 0)) & ~free) if bounded else None
    squares = None if bounded else rho < 1

    def member(lam: jax.Array, params: Params, y: jax.Array, tau: jax.Array) -> jax.Array:
        penalty = Penalty(*penalty_weights(lam, rho, v, data.scale, p, tau), lower, upper)
        weight, intercept = data.sample_weight, data.fit_intercept
        return gap_given_basis(params, data.X, y, penalty, weight, intercept, free, basis, held, squares)

    over_targets = jax.vmap(member, in_axes=(0, Params(0, 1), 1, 0))
    return jax.vmap(over_targets, in_axes=(0, Params(0, 0), None, None))(lams, params, data.Y, data.tau)
