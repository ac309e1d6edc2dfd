"""How the members of a reduced problem are found: ridge in closed form, paths on the active set, FISTA, ADMM.

Each takes the problem and its frame (:mod:`~jaxreg.solvers.reduction`), the data, λs (L, t), ρ, the tolerance and how
many steps a member may take, (L, t), and returns u (L, p, t) and the steps taken, (L, t).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, only_if, varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.precision import on_accelerator
from jaxreg.solvers import active_set, fista
from jaxreg.solvers.admm import solve_all
from jaxreg.solvers.reduction import Data, Frame, LeastSquares, working_penalty
from jaxreg.solvers.ridge import ridge_grid

__all__ = ["Solver", "columns_of", "fista_in_turn", "solver_of"]


class Solver(NamedTuple):
    """How u (L, p, t) and the steps taken (L, t) are found; ``ridge``: in closed form.

    ``solve(problem, frame, data, lams, rho, tol, most)``, with at most ``most`` steps, (L, t): 0 where none are wanted.
    """

    solve: Callable[..., tuple[jax.Array, jax.Array]]
    ridge: bool = False


def columns_of(data: Data, l1_ratio: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """ρ, (), and v, lower, upper as (p,) vectors."""
    p, dtype = data.X.shape[1], data.X.dtype
    lower, upper = broadcast_columns(data.lower, p, -jnp.inf, dtype), broadcast_columns(data.upper, p, jnp.inf, dtype)
    return jnp.asarray(l1_ratio, dtype), broadcast_columns(data.penalty_factor, p, 1.0, dtype), lower, upper


def solver_of(data: Data, l1_ratio: ArrayLike, strategy: str | None) -> Solver:
    """The closed form of ridge, or what the strategy names."""
    if strategy not in (None, "active set", "parallel"):
        raise ValueError(f"strategy is {strategy!r}; it must be 'active set', 'parallel' or None.")
    bounded, (n, p) = data.lower is not None or data.upper is not None, data.X.shape
    if isinstance(l1_ratio, (int, float)) and l1_ratio == 0 and not bounded:
        return Solver(_ridge, ridge=True)
    possible = n >= p and not bounded
    if strategy == "active set" and not possible:
        raise ValueError("strategy='active set' needs at least as many rows as columns, and no bounds.")
    in_turn = possible and (strategy == "active set" or (strategy is None and not on_accelerator()))
    if in_turn:
        return Solver(_active_set)
    return Solver(_admm if strategy is None and on_accelerator() else _fista)


def _ridge(
    problem: LeastSquares, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: jax.Array, most: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """All members from one decomposition. Its λ is `λ/τ`. `Aᵀỹ` needs no projection of `ỹ`: A has it."""
    largest = jnp.max(lams)
    positive = jnp.where(lams > 0, lams, jnp.where(largest > 0, largest, 1.0))
    coef, _ = ridge_grid(problem.rows, frame.targets, positive / data.tau[None, :])
    return coef, jnp.zeros_like(most)


def _active_set(
    problem: LeastSquares, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: jax.Array, most: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A path for one target after the other, down its λs, which are above 0."""
    _, v, lower, upper = columns_of(data, rho)
    p = len(v)
    fill = active_set.padded(p) - p
    assert problem.gram is not None, "the active-set engine needs n ≥ p"
    gram = jnp.pad(problem.gram, (0, fill))

    def target(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        lams, correlation, yy, tau = argument
        unit = working_penalty(jnp.ones_like(rho), rho, v, data.scale, frame.size, lower, upper, tau)
        unit = Penalty(*(jnp.pad(a, (0, fill)) for a in unit))
        largest = jnp.max(lams)
        positive = jnp.where(lams > 0, lams, jnp.where(largest > 0, largest, 1.0))
        order = jnp.argsort(-positive)
        one = LeastSquares(problem.rows, gram, jnp.pad(correlation, (0, fill)), yy)
        count = jnp.where(jnp.any(most > 0), len(lams), 0)
        coef, n_iter = active_set.solve_path(one, positive[order], count, unit, tol, jnp.max(most))
        place = jnp.argsort(order)
        return coef[place, :p], n_iter[place]

    coef, n_iter = jax.lax.map(target, (lams.T, problem.correlation.T, problem.yy, data.tau))
    return jnp.moveaxis(coef, 0, 2), n_iter.T


def _admm(
    problem: LeastSquares, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: jax.Array, most: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """All members together, each step a product with one matrix."""
    _, v, lower, upper = columns_of(data, rho)
    (L, t), p = lams.shape, len(v)
    each = lambda lam, tau: working_penalty(lam, rho, v, data.scale, frame.size, lower, upper, tau)
    penalty = jax.vmap(jax.vmap(each), (0, None))(lams, data.tau)
    penalty = jax.tree.map(lambda a: jnp.broadcast_to(a, (L, t, p)).reshape(L * t, p), penalty)
    largest = jnp.max(jnp.where(most > 0, lams, 0.0), axis=0, keepdims=True)
    share = lams / jnp.where(largest > 0, largest, 1.0)
    of_targets = lambda a: jnp.broadcast_to(a[None], (L, *a.shape)).reshape(L * t, *a.shape[1:])
    each_of = problem._replace(correlation=of_targets(problem.correlation.T), yy=of_targets(problem.yy))
    u, n_iter = solve_all(each_of, penalty, share.ravel(), tol, most.ravel())
    return jnp.swapaxes(u.reshape(L, t, p), 1, 2), n_iter.reshape(L, t)


def _fista(
    problem: LeastSquares, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: jax.Array, most: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """All members in parallel, each from 0."""
    member = _member(problem, frame, data, rho, tol)
    over_targets = jax.vmap(member, in_axes=(0, 0, 0), out_axes=(1, 0))
    targets = jnp.broadcast_to(jnp.arange(lams.shape[1], dtype=jnp.int32), lams.shape)
    return jax.vmap(over_targets)(lams, targets, most)


def fista_in_turn(
    problem: LeastSquares, frame: Frame, data: Data, lams: jax.Array, rho: jax.Array, tol: jax.Array, most: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One member after the other, and only those that are wanted."""
    (L, t), p = lams.shape, data.X.shape[1]
    member = _member(problem, frame, data, rho, tol)

    def one(argument: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        nothing = varying_like((jnp.zeros((p,), rho.dtype), jnp.zeros((), jnp.int32)), argument, problem)
        return only_if(argument[2] > 0, lambda _: member(*argument), nothing)

    targets = jnp.tile(jnp.arange(t, dtype=jnp.int32), L)
    coef, n_iter = jax.lax.map(one, (lams.ravel(), targets, most.ravel()))
    return jnp.moveaxis(coef.reshape(L, t, p), 2, 1), n_iter.reshape(L, t)


def _member(
    problem: LeastSquares, frame: Frame, data: Data, rho: jax.Array, tol: jax.Array
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """One (λ, target) pair by FISTA: u (p,) and the steps taken, of λ, the target's number and how many at most."""
    _, v, lower, upper = columns_of(data, rho)
    largest = fista.largest_eigenvalue(problem)

    def member(lam: jax.Array, target: jax.Array, most: jax.Array) -> tuple[jax.Array, jax.Array]:
        penalty = working_penalty(lam, rho, v, data.scale, frame.size, lower, upper, data.tau[target])
        one = LeastSquares(problem.rows, problem.gram, problem.correlation[:, target], problem.yy[target])
        u, info = fista.solve(one, penalty, largest, tol, most)
        return u, info.n_iter

    return member
