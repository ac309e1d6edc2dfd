"""The lasso's path from knot to knot: between two of them every coefficient and every gradient is linear in λ.

In the coordinates of :mod:`~jaxreg.solvers.reduction`, with `l1_j = λ a_j`, let A be the active columns, with signs s,
and N the others. Then

    u_A = H (c_A − λ (a s)_A),     H = G_AA⁻¹,          g_N = c_N − G_NA u_A

stay optimal while λ falls until a coefficient reaches 0, and leaves A, or a gradient its limit `±λ a_j`, and enters.
That λ is a *knot*. All that is asked for at a knot stands in the tableau S of :mod:`~jaxreg.solvers.tableau`. The
numbers `x(λ) = x₀ + λ x₁`, which are `u_i` in A and `g_i` in N, change with it. What has to become 0 in the column k
that enters or leaves is `e = g_k − λ a_k s_k` or `e = u_k`:

    x_i ← x_i − S_ik e / d     (i ≠ k),                x_k ← e / |d|  (+ λ a_k s_k if k leaves),        d = S_kk

or in the scaled coordinates of the tableau, `x_k ← e / √|d|`.

A knot costs `p²` multiplications, most of them in products, and a path has few more knots than columns that become
active. Rounding errors add up, and a column that depends on the active ones (d near 0) ends the path: the solutions
have to be certified.

Sources: Osborne, Presnell and Turlach, IMA J. Numer. Anal. 20(3), 2000; Efron, Hastie, Johnstone and Tibshirani, Ann.
Statist. 32(2), 2004.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import tableau as tableaus
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.tableau import Tableau

__all__ = ["Step", "advance", "pass_knot", "rebuilt", "solve_path", "start"]

# Knots that may be passed: so many times p, and so many besides.
KNOTS, MORE_KNOTS = 4, 16
# A column that enters with less than this share of its square not explained by the active ones depends on them.
DEPENDENT = 1e-9
# A gradient that comes to its limit at less than this share of the limit's own speed stays where it is: it is that of a
# multiple of an active column.
PARALLEL = 1e-11
# A λ counts as a knot if they differ by so many ε.
ROUNDINGS = 8.0


class Step(NamedTuple):
    """Where the path stands. What belongs to a column is scaled by its q.

    Attributes:
        lam: λ, (). index: (), the λ of the grid that comes next. going: whether to go on, ().
        tableau: S. at_zero, slope: `x₀` and `x₁`, (p,). sign: s, (p,), 0 in N. scale: q, (p,).
        coef: u of the λs passed, (L, p), not scaled. n_iter: (L,), the knots between each λ and the one before.
        n_knots: (), of all.
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
    n_knots: jax.Array


def start(G: jax.Array, correlation: jax.Array, number: int) -> Step:
    """Above all knots: nothing is active.

    Args:
        G: (p, p), p a power of two. correlation: c, (p,). number: of λs, static.
    """
    dtype, zero, none = G.dtype, jnp.zeros_like(correlation), jnp.zeros((), jnp.int32)
    outputs = jnp.zeros((number, len(G)), dtype), jnp.zeros((number,), jnp.int32)
    lam, going = jnp.full((), jnp.inf, dtype), jnp.ones((), bool)
    return Step(
        lam, none, going, tableaus.start(G), correlation, zero, zero, jnp.ones_like(correlation), *outputs, none
    )


def next_knot(step: Step, unit: Penalty) -> tuple[jax.Array, jax.Array]:
    """The largest λ below this one at which a column leaves or enters, and the column.

    As λ falls to 0, x goes to `x₀`: `u_i` meets 0 where `s_i x₀ < 0`, and `g_i` the limit of the sign of `x₀`.
    """
    x0, x1, s = step.at_zero, step.slope, step.sign
    active, side, limit = s != 0, jnp.sign(x0), step.scale * unit.l1
    falls = jnp.where(active, s * x1, limit - side * x1)
    allowed = jnp.where(active, side != s, jnp.where(side > 0, unit.upper > 0, unit.lower < 0))
    allowed = allowed & (falls > jnp.where(active, 0.0, PARALLEL * limit))
    meets = jnp.where(allowed, jnp.abs(x0) / jnp.where(allowed, falls, 1.0), 0.0)
    k = jnp.argmax(meets).astype(jnp.int32)
    return jnp.minimum(meets[k], step.lam), k


def pivot(
    step: Step, unit: Penalty, k: jax.Array, side: jax.Array, passes: jax.Array, blocks: jax.Array | int
) -> tuple[Step, jax.Array]:
    """The step after column k has left or, with the sign ``side``, entered; and whether it could, ().

    Args:
        unit: the penalty at `λ = 1`. k: (). side: 1 or −1, (). passes: (), if not, nothing changes. blocks: of rows of
            the tableau that have entries.
    """
    t = jnp.where(passes, tableaus.row(step.tableau, k), 0.0)
    moved, change, possible = crossed(step, unit, k, side, passes, t)
    tableau = tableaus.change(step.tableau, k, change.v, change.d, change.more, blocks)
    return moved._replace(tableau=tableau), possible


class Change(NamedTuple):
    """Of the tableau: `S − v vᵀ / d + more e_k e_kᵀ`; v (p,), d and more ()."""

    v: jax.Array
    d: jax.Array
    more: jax.Array


def crossed(
    step: Step, unit: Penalty, k: jax.Array, side: jax.Array, passes: jax.Array, t: jax.Array
) -> tuple[Step, Change, jax.Array]:
    """As :func:`pivot`, with the tableau as it was, and its change.

    Args:
        t: its row k, (p,), or 0 if the column does not pass.
    """
    here = (jnp.arange(len(step.sign), dtype=jnp.int32) == k) & passes
    x0, x1, s, q, a = jnp.stack([step.at_zero, step.slope, step.sign, step.scale, unit.l1])[:, k]
    leaves, d = s != 0, t[k]
    possible = jnp.where(leaves, d < 0, d > DEPENDENT * q * q)
    d = jnp.where(possible, d, 1.0)
    root = jnp.sqrt(jnp.abs(d))
    v = jnp.where(here, d - jnp.sign(d) * root, t)
    e0, e1 = x0, x1 - jnp.where(leaves, 0.0, q * a * side)
    at_zero = jnp.where(here, e0 / root, step.at_zero - t * (e0 / d))
    slope = jnp.where(here, e1 / root + jnp.where(leaves, root / q * a * s, 0.0), step.slope - t * (e1 / d))
    sign, scale = jnp.where(here, jnp.where(leaves, 0.0, side), step.sign), jnp.where(here, root / q, step.scale)
    moved = step._replace(at_zero=at_zero, slope=slope, sign=sign, scale=scale)
    return moved, Change(v, d, jnp.where(passes, -2.0 * jnp.sign(d) * root, 0.0)), possible


def pass_knot(step: Step, unit: Penalty, lams: jax.Array, end: jax.Array, blocks: jax.Array | int) -> Step:
    """The solutions down to the next knot, where one column leaves or enters, if λs are left below it."""
    lam, k = next_knot(step, unit)

    above = (1.0 - ROUNDINGS * jnp.finfo(lam.dtype).eps) * lam  # a λ that is the knot but for rounding is not below it
    reached = lambda solved: (solved[0] < end) & (lams[jnp.minimum(solved[0], len(lams) - 1)] >= above)

    def solve(solved: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        index, coef = solved
        u = jnp.where(step.sign != 0, (step.at_zero + lams[index] * step.slope) / step.scale, 0.0)
        return index + 1, jax.lax.dynamic_update_slice(coef, u[None, :], (index, jnp.zeros((), jnp.int32)))

    index, coef = jax.lax.while_loop(reached, solve, (step.index, step.coef))
    passes = index < end

    passed, possible = pivot(step, unit, k, jnp.sign(step.at_zero[k]), passes, blocks)
    one = passes.astype(jnp.int32)
    n_iter, n_knots = step.n_iter.at[index].add(one), step.n_knots + one
    going = (possible | ~passes) & (n_knots < KNOTS * len(step.sign) + MORE_KNOTS)
    lam = jnp.where(passes, lam, lams[end - 1])
    return passed._replace(lam=lam, index=index, going=going, coef=coef, n_iter=n_iter, n_knots=n_knots)


def advance(step: Step, unit: Penalty, lams: jax.Array, end: jax.Array, blocks: jax.Array | int) -> Step:
    """Solve the λs from ``step.index`` on, up to but without the one numbered ``end``.

    Args:
        unit: the penalty at `λ = 1`. lams: (L,). blocks: of rows of the tableau that have entries.
    """
    one = lambda step: pass_knot(step, unit, lams, end, blocks)
    return jax.lax.while_loop(lambda step: step.going & (step.index < end), one, varying_like(step, step, unit, lams))


def rebuilt(step: Step, G: jax.Array, c: jax.Array, unit: Penalty) -> Step:
    """The step with its active columns entered one after the other: without the rounding errors of the knots passed.

    Args:
        G: of all columns, (p, p). c: (p,).
    """
    order = jnp.nonzero(step.sign, size=len(c), fill_value=0)[0].astype(jnp.int32)
    zero, yes = jnp.zeros_like(c), jnp.ones((), bool)

    def enter(i: jax.Array, now: Step) -> Step:
        entered, possible = pivot(now, unit, order[i], step.sign[order[i]], yes, tableaus.block_number(len(G)))
        return entered._replace(going=now.going & possible)

    begin = step._replace(tableau=tableaus.start(G), at_zero=c, slope=zero, sign=zero, scale=jnp.ones_like(c))
    begin = varying_like(begin, step, G, c, unit)
    return jax.lax.fori_loop(0, jnp.sum(step.sign != 0, dtype=jnp.int32), enter, begin)


def solve_path(
    problem: LeastSquares, lams: jax.Array, count: Any, unit: Penalty, tol: Any, max_iter: Any
) -> tuple[jax.Array, jax.Array]:
    """The minimiser of `½ uᵀGu − c·u + λ Σ_j a_j |u_j|`, `lower ≤ u ≤ upper`, at every λ.

    Args:
        problem: one target, with ``gram`` (p, p), p a power of two.
        lams: (L,), `λ > 0`, descending, of which the first ``count``, (), are solved.
        unit: the penalty at `λ = 1`: l1 is `a > 0`, l2 is 0; its bounds are 0 or infinite.
        tol, max_iter: of no effect; they stand where :func:`jaxreg.solvers.active_set.solve_path` has them.

    Returns:
        u, (L, p), and how many knots lie between each λ and the one before, (L,). Right as far as the knots could be
        passed, and 0 from there on: to be certified.
    """
    G = problem.gram
    assert G is not None
    first = start(G, problem.correlation, len(lams))
    end = advance(first, unit, lams, jnp.asarray(count, jnp.int32), tableaus.block_number(len(G)))
    return end.coef, end.n_iter
