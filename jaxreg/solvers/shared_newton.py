"""Newton steps on the active sets of one elastic net at several λs at once.

In the coordinates of :mod:`~jaxreg.solvers.reduction` (`G_jj = 1`), with `l1 = λ a` and `l2 = λ b`, the best value of
one coefficient, the others as they are, is `S(u_j + g_j, l1_j) / (1 + l2_j)`, `g = c − G u`. Where all are at their
best, u is the minimiser. Each *round* takes for every λ

    A = { j : |u_j + g_j| > l1_j },     s = sign(u + g)_A,     d_A = M_AA⁻¹ (g − l1 s − l2 u)_A,     M = G + diag(l2)

and goes to `u_A + d_A`, 0 outside A: the primal-dual active set or semismooth Newton method (Hintermüller, Ito and
Kunisch, SIAM J. Optim. 13(3), 2002), which has found the minimiser where A and s do not change any more. It may cycle.
From a few rounds on it takes the best of the steps d, d/2, d/4, … along which a coefficient that changes its sign stays
at 0 (two-metric projection: Bertsekas, SIAM J. Control Optim. 20(2), 1982).

The systems are solved by conjugate gradients (Golub and Van Loan, *Matrix Computations*, §11.3), for all λs at once: a
product of some vectors with G takes little more time than that of one.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.duality import Penalty
from jaxreg.solvers.active_round import ACCURACY, exceeds

__all__ = ["Members", "minimise"]

# Most rounds, and turns of conjugate gradients in all of them.
ROUNDS, TURNS = 30, 1_000
# From this round on the best of so many halved steps is taken.
SEARCHED, HALVINGS = 6, 6
# While active sets change, their systems are solved until this share of the residual is left.
LEFT = 1e-2
# What is left at last, as a share of l1 + l2 |u|.
CLOSE = 1e-10


class Members(NamedTuple):
    """One elastic net of w columns at m λs.

    Attributes:
        factors: matrices whose product is G, (w, w). correlation: c, (w,). penalty: each (m, w), bounds 0 or infinite.
    """

    factors: tuple[jax.Array, ...]
    correlation: jax.Array
    penalty: Penalty

    def times(self, V: jax.Array) -> jax.Array:
        """V G, (m, w), for V (m, w)."""
        for factor in self.factors:
            V = V @ factor
        return V


class Round(NamedTuple):
    """Where the rounds stand.

    Attributes:
        coef: u, gradient: g, active: A of the last round, each (m, w). number: (), of rounds. turns: (), of
        conjugate gradients. done: ().
    """

    coef: jax.Array
    gradient: jax.Array
    active: jax.Array
    number: jax.Array
    turns: jax.Array
    done: jax.Array


def minimise(members: Members, coef: jax.Array, yy: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The minimiser at every λ.

    Args:
        coef: where to begin, (m, w). yy: `‖ỹ‖²`, ().

    Returns:
        u, (m, w); rounds, (); and whether the conditions of optimality hold at all λs, (). If not, u is worth nothing.
    """
    correlation, penalty = members.correlation[None, :], members.penalty
    accuracy = ACCURACY[coef.dtype]
    l1, l2 = penalty.l1, penalty.l2
    slack = accuracy.relative * l1 + accuracy.absolute * jnp.sqrt(yy)
    limit = l1 + slack  # what exceeds l1 by rounding alone does not make a coefficient

    def one(now: Round) -> Round:
        v = now.coef + now.gradient
        active, sign = exceeds(v, limit, penalty), jnp.sign(v)
        same = jnp.all(active == now.active)
        u = jnp.where(active, now.coef, 0.0)
        residual = jnp.where(active, correlation - members.times(u) - l1 * sign - l2 * u, 0.0)
        close = slack + CLOSE * (l1 + l2 * jnp.abs(u))
        rough = jnp.maximum(close, LEFT * jnp.max(jnp.abs(residual), axis=1, keepdims=True))
        d, turns = _solve(members, active, residual, jnp.where(same, close, rough) / 2)
        after = jax.lax.cond(now.number < SEARCHED, lambda: u + d, lambda: _searched(members, sign, u, d))
        gradient = correlation - members.times(after)
        settled = jnp.all(exceeds(after + gradient, limit, penalty) == active) & jnp.all(after * sign >= 0)
        left = jnp.where(active, jnp.abs(gradient - l1 * sign - l2 * after), 0.0)
        return Round(after, gradient, active, now.number + 1, now.turns + turns, settled & jnp.all(left <= close))

    none = jnp.zeros((), jnp.int32)
    begin = Round(coef, correlation - members.times(coef), jnp.zeros(coef.shape, bool), none, none, jnp.zeros((), bool))
    begin = varying_like(begin, members, coef)
    unfinished = lambda now: ~now.done & (now.number < ROUNDS) & (now.turns < TURNS)
    end = jax.lax.while_loop(unfinished, one, begin)
    return end.coef, end.number, end.done


def _solve(members: Members, active: jax.Array, residual: jax.Array, enough: jax.Array) -> tuple[jax.Array, jax.Array]:
    """d with `M_AA d_A = r_A` up to ``enough``, (m, w), for every λ, and the turns taken, ()."""
    penalty = members.penalty
    inside = lambda v: jnp.where(active, v, 0.0)
    conditioned = lambda r: r / (1.0 + penalty.l2)  # by the diagonal of M
    ratio = lambda a, b: jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)
    total = lambda v: jnp.sum(v, axis=1, keepdims=True)

    def turn(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        d, r, direction, squared, number = carry
        product = inside(members.times(direction) + penalty.l2 * direction)
        t = ratio(squared, total(direction * product))
        r = r - t * product
        z = conditioned(r)
        after = total(r * z)
        return d + t * direction, r, z + ratio(after, squared) * direction, after, number + 1

    size = jnp.max(jnp.abs(residual))
    size = jnp.where(size > 0, size, 1.0)
    residual, enough = residual / size, enough / size
    z = conditioned(residual)
    begin = jnp.zeros_like(residual), residual, z, total(residual * z), jnp.zeros((), jnp.int32)
    begin = varying_like(begin, members, active, residual)
    unfinished = lambda carry: jnp.any(jnp.abs(carry[1]) > enough) & (carry[4] < TURNS)
    d, _, _, _, turns = jax.lax.while_loop(unfinished, turn, begin)
    return size * d, turns


def _searched(members: Members, sign: jax.Array, u: jax.Array, d: jax.Array) -> jax.Array:
    """The best of  u + d, u + d/2, …,  with 0 in place of coefficients that are not of their sign; (m, w)."""
    penalty = members.penalty
    steps = 0.5 ** jnp.arange(HALVINGS, dtype=u.dtype)
    tried = u[None] + steps[:, None, None] * d[None]
    tried = jnp.where(tried * sign[None] > 0, tried, 0.0)
    products = members.times(tried.reshape(-1, u.shape[1])).reshape(tried.shape)
    parts = tried * (0.5 * products - members.correlation[None, None] + penalty.l1[None] * sign[None])
    parts = parts + 0.5 * penalty.l2[None] * tried**2
    best = jnp.argmin(jnp.sum(parts, axis=2), axis=0)
    return jnp.take_along_axis(tried, best[None, :, None], axis=0)[0]
