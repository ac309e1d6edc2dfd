"""The lasso's path from knot to knot: between two of them every coefficient and every gradient is linear in λ.

In the coordinates of :mod:`~jaxreg.solvers.reduction`, with l1_j = λ a_j, let A be the active columns, with signs s,
and N the others. Then

    u_A = H (c_A − λ (a s)_A),     H = G_AA⁻¹,          g_N = c_N − G_NA u_A

stay optimal while λ falls until a coefficient reaches 0, and leaves A, or a gradient its limit ±λ a_j, and enters. That
λ is a *knot*. All that is asked for at a knot stands in one symmetric matrix, the tableau

    S = ( −H      H G_AN              )
        ( G_NA H  G_NN − G_NA H G_AN  )

When column k enters or leaves A, with d = S_kk (> 0 or < 0), the sweep operator gives the next one:

    S_ij ← S_ij − S_ik S_jk / d     (i, j ≠ k),        S_ik ← S_ik / |d|,        S_kk ← −1/d.

The numbers x(λ) = x₀ + λ x₁, which are u_i in A and g_i in N, change likewise. What has to become 0 in column k is
e = g_k − λ a_k s_k if it enters, and e = u_k if it leaves:

    x_i ← x_i − S_ik e / d     (i ≠ k),                x_k ← e / |d|  (+ λ a_k s_k if k leaves).

**One rank.** Let row and column k be scaled by √|d| besides. Then the change is one of rank one, and of one diagonal
entry: with t = S_k and τ = √|d| sign d,

    S ← S − v vᵀ / d − 2τ e_k e_kᵀ,        v = t − τ e_k

for row k becomes t_i − t_i (d − τ)/d = t_i / √|d|, and the diagonal d − (d − τ)²/d − 2τ = −sign d. So all that belongs
to a column stands here multiplied by its scale q (S_ij by q_i q_j), and q_k ← √|d| / q_k. Changes are kept beside S,
and added to it by one product when there are many.

A knot costs p² multiplications, most of them in products, and a path has few more knots than columns that become
active. Rounding errors add up, and a column that depends on the active ones (d near 0) ends the path: the solutions
have to be certified.

Sources: Osborne, Presnell and Turlach, IMA J. Numer. Anal. 20(3), 2000; Efron, Hastie, Johnstone and Tibshirani, Ann.
Statist. 32(2), 2004; the sweep operator: Goodnight, *The American Statistician* 33(3), 1979.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.reduction import Problem

__all__ = ["solve_path"]

# Knots that may be passed: so many times p, and so many besides.
KNOTS, MORE_KNOTS = 4, 16
# A column that enters with less than this share of its square not explained by the active ones depends on them.
DEPENDENT = 1e-9
# A λ counts as a knot if they differ by so many ε.
ROUNDINGS = 8.0
# Changes that are kept beside the tableau, and the rows a block in which they are added to it.
PENDING, ROWS = 64, 128


class Tableau(NamedTuple):
    """S = base + diag(diagonal) − Σ_m w_m v_m v_mᵀ.

    Attributes:
        base: (p, p). diagonal: (p,). changes: v, (M, p). weight: w, (M,), 0 where there is no change.
        used: (), of the M.
    """

    base: jax.Array
    diagonal: jax.Array
    changes: jax.Array
    weight: jax.Array
    used: jax.Array


class Step(NamedTuple):
    """At a knot. What belongs to a column is scaled by its q.

    Attributes:
        lam: the knot, (). index: (), the λ of the grid that comes next. going: whether to go on, ().
        tableau: S. at_zero, slope: x₀ and x₁, (p,). sign: s, (p,), 0 in N. scale: q, (p,).
        coef: u of the λs passed, (L, p), not scaled. n_iter: (L,), the knots between each λ and the one before.
    """

    lam: jax.Array
    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    going: jax.Array
    tableau: Tableau
    at_zero: jax.Array
    slope: jax.Array
    sign: jax.Array
    scale: jax.Array
    coef: jax.Array
    n_iter: jax.Array


def row(S: Tableau, k: jax.Array) -> jax.Array:
    """S_k, (p,)."""
    return S.base[k].at[k].add(S.diagonal[k]) - (S.changes[:, k] * S.weight) @ S.changes


def change(S: Tableau, k: jax.Array, v: jax.Array, d: jax.Array, more: jax.Array) -> Tableau:
    """S − v vᵀ / d + more e_k e_kᵀ."""
    M, p = S.changes.shape
    rows, none = min(ROWS, p // 2), jnp.zeros((), jnp.int32)
    changes = jax.lax.dynamic_update_slice(S.changes, v[None, :], (S.used, none))
    weight = S.weight.at[S.used].set(1.0 / d)
    full = S.used == M - 1

    def block(i: jax.Array, base: jax.Array) -> jax.Array:
        start = (i * rows).astype(jnp.int32)
        left = jax.lax.dynamic_slice(changes, (none, start), (M, rows)) * weight[:, None]
        here = jax.lax.dynamic_slice(base, (start, none), (rows, p)) - left.T @ changes
        return jax.lax.dynamic_update_slice(base, here, (start, none))

    # A loop of no turn leaves the base where it is; a condition would copy it.
    base = jax.lax.fori_loop(0, jnp.where(full, p // rows, 0), block, S.base)
    weight, used = jnp.where(full, 0.0, weight), jnp.where(full, 0, S.used + 1)
    return Tableau(base, S.diagonal.at[k].add(more), changes, weight, used)


def next_knot(step: Step, unit: Penalty) -> tuple[jax.Array, jax.Array]:
    """The largest λ below the knot at which a column leaves or enters, and the column.

    As λ falls to 0, x goes to x₀: u_i meets 0 where s_i x₀ < 0, and g_i the limit of the sign of x₀.
    """
    x0, x1, s = step.at_zero, step.slope, step.sign
    active, side = s != 0, jnp.sign(x0)
    falls = jnp.where(active, s * x1, step.scale * unit.l1 - side * x1)
    allowed = jnp.where(active, side != s, jnp.where(side > 0, unit.upper > 0, unit.lower < 0))
    meets = jnp.where(allowed & (falls > 0), jnp.abs(x0) / jnp.where(falls > 0, falls, 1.0), 0.0)
    k = jnp.argmax(meets).astype(jnp.int32)
    return jnp.minimum(meets[k], step.lam), k


def pass_knot(step: Step, unit: Penalty, lams: jax.Array, end: jax.Array) -> Step:
    """The solutions down to the next knot, where one column leaves or enters."""
    lam, k = next_knot(step, unit)

    # u = x₀ + λ x₁ in A.
    per_scale = jnp.where(step.sign != 0, 1.0 / step.scale, 0.0)
    at_zero, slope = per_scale * step.at_zero, per_scale * step.slope
    above = (1.0 - ROUNDINGS * jnp.finfo(lam.dtype).eps) * lam  # a λ that is the knot but for rounding is not below it
    reached = lambda solved: (solved[0] < end) & (lams[jnp.minimum(solved[0], len(lams) - 1)] >= above)

    def solve(solved: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        index, coef = solved
        u = at_zero + lams[index] * slope
        return index + 1, jax.lax.dynamic_update_slice(coef, u[None, :], (index, jnp.zeros((), jnp.int32)))

    index, coef = jax.lax.while_loop(reached, solve, (step.index, step.coef))

    t, here = row(step.tableau, k), jnp.arange(len(step.sign), dtype=jnp.int32) == k
    x0, x1, s, q, a = jnp.stack([step.at_zero, step.slope, step.sign, step.scale, unit.l1])[:, k]
    leaves, side, d = s != 0, jnp.sign(x0), t[k]
    possible = jnp.where(leaves, d < 0, d > DEPENDENT * q * q)
    d = jnp.where(possible, d, 1.0)
    root = jnp.sqrt(jnp.abs(d))
    v = jnp.where(here, d - jnp.sign(d) * root, t)
    e0, e1 = x0, x1 - jnp.where(leaves, 0.0, q * a * side)
    at_zero = jnp.where(here, e0 / root, step.at_zero - t * (e0 / d))
    slope = jnp.where(here, e1 / root + jnp.where(leaves, root / q * a * s, 0.0), step.slope - t * (e1 / d))
    sign, scale = jnp.where(here, jnp.where(leaves, 0.0, side), step.sign), jnp.where(here, root / q, step.scale)
    tableau = change(step.tableau, k, v, d, -2.0 * jnp.sign(d) * root)
    n_iter = step.n_iter.at[index].add(1)
    going = possible & (index < end) & (jnp.sum(n_iter) < KNOTS * len(sign) + MORE_KNOTS)
    return Step(lam, index, going, tableau, at_zero, slope, sign, scale, coef, n_iter)


def solve_path(
    problem: Problem, lams: jax.Array, count: Any, unit: Penalty, tol: Any, max_iter: Any
) -> tuple[jax.Array, jax.Array]:
    """The minimiser of  ½ uᵀGu − c·u + λ Σ_j a_j |u_j|,  lower ≤ u ≤ upper,  at every λ.

    Args:
        problem: one target, with ``gram`` (p, p), p a power of two.
        lams: (L,), λ > 0, descending, of which the first ``count``, (), are solved.
        unit: the penalty at λ = 1: l1 is a > 0, l2 is 0; its bounds are 0 or infinite.
        tol, max_iter: of no effect; they stand where :func:`jaxreg.solvers.active_set.solve_path` has them.

    Returns:
        u, (L, p), and how many knots lie between each λ and the one before, (L,). Right as far as the knots could be
        passed, and 0 from there on: to be certified.
    """
    G, c = problem.gram, problem.correlation
    assert G is not None
    p, dtype = len(c), c.dtype
    zero, none = jnp.zeros_like(c), jnp.zeros((), jnp.int32)
    tableau = Tableau(G, zero, jnp.zeros((PENDING, p), dtype), jnp.zeros((PENDING,), dtype), none)
    outputs = jnp.zeros((len(lams), p), dtype), jnp.zeros((len(lams),), jnp.int32)
    first = Step(
        jnp.full((), jnp.inf, dtype), none, jnp.ones((), bool), tableau, c, zero, zero, jnp.ones_like(c), *outputs
    )
    one = lambda step: pass_knot(step, unit, lams, jnp.asarray(count, jnp.int32))
    end = jax.lax.while_loop(lambda step: step.going, one, first)
    return end.coef, end.n_iter
