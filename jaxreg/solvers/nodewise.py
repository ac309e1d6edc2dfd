"""The debiased lasso: one lasso for each column on all the others, and what their residuals say of the coefficients.

Columns are centred where an intercept is fitted, and of length `√n`:  `Σ̂ = ZᵀZ/n` has ones on its diagonal. The lasso
`û` of y has `z = Zᵀ(ỹ − Zû)/n ≠ 0`, for it is drawn towards 0. With rows `θ_j` of a matrix near `Σ̂⁻¹`,

    b̂ = û + Θz         b̂ − u = ΘZᵀε/n + (ΘΣ̂ − I)(u − û)                                                      (1)

because `z = Σ̂(u − û) + Zᵀε/n` where `ỹ = Zu + ε`. The first term is noise of a known size, and the second, the bias
that is left, is at most `‖θ_jΣ̂ − e_j‖∞ ‖u − û‖₁`. `Σ̂⁻¹` there is not where `p ≥ n`. What column j has of its own
stands in its place:

    γ_j = argmin over γ with γ_j = 0 of  1/(2n)‖z_j − Zγ‖² + μ_j‖γ‖₁,     c_j = e_j − γ_j,     r_j = Z c_j
    θ_j = c_j / τ_j²,     τ_j² = r_j·z_j/n = c_jᵀΣ̂e_j                                                           (2)

so that `(ΘΣ̂)_jj = 1`, and by the conditions of optimality `|(ΘΣ̂)_jk| ≤ μ_j/τ_j²` for `k ≠ j`. With noise of the
standard deviation σ the first term of (1) has the standard deviation

    σ ‖r_j‖ / |r_j·z_j|,     ‖r_j‖²/n = c_jᵀΣ̂c_j.                                                               (3)

All p lassos are problems with the one matrix `Σ̂`, where column j has the bounds `0 ≤ γ_j ≤ 0`. A loop takes one after
the other from knot to knot (:mod:`~jaxreg.solvers.homotopy`). The changes of the first knots are kept beside `Σ̂`,
which is only read: nothing of its size is copied for a column. One that has more knots has a tableau of its own.

**μ.** The bias is small beside the noise while `η_j = max_k |r_j·z_k| / ‖r_j‖` is: it is at most `√n μ_j/(‖r_j‖/√n)`.
Its limit `√(2 log p)`, what independent noise would reach, makes it an equation for μ,

    μ = μ₀ ‖r(μ)‖/√n,     μ₀ = √(2 log p / n),                                                                   (4)

that of the scaled lasso, where `‖r‖/√n` is the estimate of the noise. `‖r‖` falls with μ, so from `μ = μ₀` down the
right side is never below the solution, and repeating (4) comes down to it.

Sources: Zhang and Zhang, *JRSS B* 76, 2014 ((1), (3), the limit on η); van de Geer, Bühlmann, Ritov and Dezeure, *Ann.
Statist.* 42, 2014 ((2)); Javanmard and Montanari, *JMLR* 15, 2014 (the bound on `ΘΣ̂ − I`); Sun and Zhang, *Biometrika*
99, 2012 ((4)).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import active_set, fista, homotopy
from jaxreg.solvers.active_set import penalty_at
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.tableau import PENDING

__all__ = ["Debiased", "Nodes", "debiased", "newton_nodes", "nodes_at", "scaled_lasso", "scaled_nodes"]

# (4) is repeated until μ changes by less than this share, and at most so often.
SAME, MOST_TURNS = 1e-8, 60
# No μ below this share of μ₀: a column that others make up has no residual, and no solution of (4).
LEAST = 1e-3
# Newton steps end at this gap, or after so many.
NEWTON_TOL, NEWTON_ROUNDS = 1e-14, 20_000


class Nodes(NamedTuple):
    """K lassos of columns. ``lam``: μ, (K,). ``coef``: γ, (K, p). ``gap``: relative duality gaps, (K,)."""

    lam: Any
    coef: Any
    gap: Any


class Debiased(NamedTuple):
    """Of columns of length `√n`, each (p,): `b̂`, `√n ‖r_j‖/|r_j·z_j|` and `max_k |(ΘΣ̂ − I)_jk|`."""

    estimate: Any
    spread: Any
    off: Any


def _walk(step: homotopy.Step, unit: Penalty, lam: jax.Array, blocks: int) -> homotopy.Step:
    """The step at λ, (), below the last one; without blocks it ends where no change can be kept beside the tableau."""
    end = jnp.ones((), jnp.int32)
    goes = lambda step: step.going & (step.index < end) & ((step.tableau.used < PENDING - 1) | (blocks > 0))
    one = lambda step: homotopy.pass_knot(step, unit, lam[None], end, blocks)
    return jax.lax.while_loop(goes, one, step._replace(index=jnp.zeros((), jnp.int32)))


def scaled_lasso(problem: LeastSquares, unit: Penalty, lam0: jax.Array, blocks: int) -> tuple[jax.Array, jax.Array]:
    """λ with `λ = λ₀ ‖r(λ)‖`, by (4), and the solution there.

    Args:
        problem: one target, with ``gram`` (p, p), p a power of two. unit: the penalty at `λ = 1`. lam0: (). blocks:
            of the tableau, static; with 0 G is only read, and the walk ends where changes have to be added to it.
    """
    G = problem.gram
    assert G is not None
    first = jnp.zeros((), jnp.int32)
    step = homotopy.start(G, problem.correlation, 1)
    top = lam0 * jnp.sqrt(problem.yy)

    def turn(carry: tuple[homotopy.Step, jax.Array, jax.Array, jax.Array]) -> tuple:
        step, lam, _, turns = carry
        step = _walk(step, unit, lam, blocks)
        u = step.coef[0]
        rr = problem.yy - jnp.dot(u, problem.correlation) - lam * jnp.sum(unit.l1 * jnp.abs(u))  # u·z = λ Σ a |u|
        following = jnp.clip(lam0 * jnp.sqrt(jnp.maximum(rr, 0.0)), LEAST * top, lam)
        return step, following, lam, turns + 1

    moves = lambda carry: (carry[2] - carry[1] > SAME * carry[2]) & (carry[3] < MOST_TURNS)
    step, _, lam, _ = jax.lax.while_loop(moves, turn, turn((step, top, top, first)))
    return lam, step.coef[0]


def scaled_nodes(G: jax.Array, columns: jax.Array, count: jax.Array, lam0: jax.Array, blocks: int) -> Nodes:
    """The lassos of columns on all the others, each at the μ of (4).

    Args:
        G: `Σ̂`, (p, p), p a power of two; columns of 0 fill up. columns: numbers, (K,), of which the first ``count``,
            (), are asked. lam0: `μ₀`, (). blocks: as in :func:`scaled_lasso`.
    """
    return _each(G, columns, count, lambda i, problem, unit: scaled_lasso(problem, unit, lam0, blocks))


def nodes_at(G: jax.Array, columns: jax.Array, count: jax.Array, lams: jax.Array, blocks: int) -> Nodes:
    """The lassos of columns at given `μ > 0`, (K,), from knot to knot; other arguments as in :func:`scaled_nodes`."""

    def solve(i: jax.Array, problem: LeastSquares, unit: Penalty) -> tuple[jax.Array, jax.Array]:
        return lams[i], _walk(homotopy.start(G, problem.correlation, 1), unit, lams[i], blocks).coef[0]

    return _each(G, columns, count, solve)


def newton_nodes(G: jax.Array, columns: jax.Array, count: jax.Array, lams: jax.Array) -> Nodes:
    """:func:`nodes_at` by Newton steps, where knots cannot be passed."""

    def solve(i: jax.Array, problem: LeastSquares, unit: Penalty) -> tuple[jax.Array, jax.Array]:
        return lams[i], active_set.solve_path(problem, lams[i][None], 1, unit, NEWTON_TOL, NEWTON_ROUNDS)[0][0]

    return _each(G, columns, count, solve)


def _each(G: jax.Array, columns: jax.Array, count: jax.Array, solve: Callable[..., tuple]) -> Nodes:
    """μ and γ that ``solve(i, problem, unit)`` finds for column number i of the list, with their gaps."""
    K, p = len(columns), len(G)

    def posed(j: jax.Array) -> tuple[LeastSquares, Penalty]:
        free = jnp.where(jnp.arange(p) == j, 0.0, jnp.inf).astype(G.dtype)
        unit = Penalty(jnp.ones((p,), G.dtype), jnp.zeros((p,), G.dtype), -free, free)
        return LeastSquares(G, G, G[j], G[j, j]), unit

    def one(i: jax.Array, found: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return jax.tree.map(lambda all_of, v: all_of.at[i].set(v), found, solve(i, *posed(columns[i])))

    def gap(j: jax.Array, lam: jax.Array, u: jax.Array, product: jax.Array) -> jax.Array:
        problem, unit = posed(j)
        return fista.gap(problem, penalty_at(lam, unit), u, product)

    none = jnp.zeros((K,), G.dtype), jnp.zeros((K, p), G.dtype)
    lam, coef = jax.lax.fori_loop(0, count, one, none)
    return Nodes(lam, coef, jax.vmap(gap)(columns, lam, coef, coef @ G))


def debiased(G: jax.Array, residual: jax.Array, u: jax.Array, coef: jax.Array) -> Debiased:
    """(1) to (3) of the first k columns.

    Args:
        G: `Σ̂`, (p, p). residual: `z = Zᵀ(ỹ − Zû)/n`, u: `û`, (p,). coef: γ, (k, p).
    """
    k = len(coef)
    identity = jnp.eye(k, len(G), dtype=G.dtype)
    C = identity - coef
    products = C @ G
    tau = jnp.diagonal(products)  # τ²
    spread = jnp.sqrt(jnp.maximum(jnp.sum(products * C, axis=1), 0.0)) / tau
    off = jnp.max(jnp.abs(products / tau[:, None] - identity), axis=1)
    return Debiased(u[:k] + C @ residual / tau, spread, off)
