"""Two ways down the λs inside a set of columns that grows and shrinks: by Newton steps, and from knot to knot.

Both are asked for the same: to take in columns, to keep some of them, to solve the next few λs, and to go back where
a solution was wrong because a column had been missing.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty
from jaxreg.solvers import active_set, homotopy
from jaxreg.solvers import tableau as tableaus
from jaxreg.solvers.active_set import Solved
from jaxreg.solvers.homotopy import Step
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.tableau import Tableau

__all__ = ["Knots", "NewtonSteps", "Walk"]

# By how much a gradient may exceed its limit in a column that a path from knot to knot does not know.
BEYOND = 1e-9


class Walk(Protocol):
    """A walk in a set of C columns."""

    @property
    def coef(self) -> jax.Array:
        """u, (at least L, C), of the λs solved since the columns were last moved."""

    @property
    def active(self) -> jax.Array:
        """(C,) booleans."""

    @property
    def n_iter(self) -> jax.Array:
        """(L,)."""

    @property
    def stuck(self) -> jax.Array:
        """(), whether no further λ can be solved."""

    def join(self, at: jax.Array, G: jax.Array, correlation: jax.Array, gradient: jax.Array) -> "Walk":
        """With more columns, from the number ``at`` on.

        Args:
            G: (k, C), their products with all columns, themselves included. correlation: c, (k,). gradient: g at the λ
                solved last, (k,).
        """

    def keep(self, order: jax.Array) -> "Walk":
        """With the columns numbered ``order``, (C,), alone, C where there is none."""

    def advance(
        self, problem: LeastSquares, unit: Penalty, lams: jax.Array, first: Any, until: Any, size: Any
    ) -> "Walk":
        """Solve the λs from ``first`` on, and those since :meth:`back` went, up to but without ``until``.

        Args:
            size: how many of the columns there are.
        """

    def rebuilt(self, rows: jax.Array, correlation: jax.Array, unit: Penalty) -> "Walk":
        """Without the rounding errors that it has gathered.

        Args:
            rows: the columns, as rows, (C, n). correlation: c, (C,).
        """

    def missed(self, magnitude: jax.Array) -> jax.Array:
        """Whether a gradient of this many times its limit must not be outside, whatever the gap."""

    def back(self, failed: jax.Array, lam: jax.Array) -> "Walk":
        """As it goes on if the solution at λ was not accepted."""


class NewtonSteps(NamedTuple):
    """For lassos and elastic nets (:mod:`~jaxreg.solvers.active_set`).

    Attributes:
        walk: see there. gram: (C, C). tol: the gap to reach, (). max_iter: most rounds a λ, ().
    """

    walk: active_set.Walk
    gram: jax.Array
    tol: jax.Array
    max_iter: jax.Array

    @classmethod
    def start(cls, C: int, slots: int, lams: jax.Array, lam: jax.Array, tol: Any, max_iter: Any) -> "NewtonSteps":
        """Without columns. slots: the most that may be active. lam: λ from which on none is, ()."""
        dtype = lams.dtype
        zero, one = jnp.zeros((C,), dtype), jnp.ones((C,), dtype)
        walk = active_set.start(zero, Penalty(one, zero, -jnp.inf * one, jnp.inf * one), lams, slots)
        walk = walk._replace(lam=lam, built=lam)
        return cls(walk, jnp.zeros((C, C), dtype), jnp.asarray(tol), jnp.asarray(max_iter))

    @property
    def coef(self) -> jax.Array:
        return self.walk.coef

    @property
    def active(self) -> jax.Array:
        return (self.walk.state.sign != 0) | (self.walk.state.coef != 0)

    @property
    def n_iter(self) -> jax.Array:
        return self.walk.n_iter

    @property
    def stuck(self) -> jax.Array:
        return jnp.zeros((), bool)

    def join(self, at: jax.Array, G: jax.Array, correlation: jax.Array, gradient: jax.Array) -> "NewtonSteps":
        del correlation
        zero = jnp.zeros((), jnp.int32)
        write = lambda array: jax.lax.dynamic_update_slice(array, gradient, (at,))
        gram = jax.lax.dynamic_update_slice(self.gram, G, (at, zero))
        gram = jax.lax.dynamic_update_slice(gram, G.T, (zero, at))
        state = self.walk.state._replace(gradient=write(self.walk.state.gradient))
        last = self.walk.last._replace(gradient=write(self.walk.last.gradient))
        return self._replace(walk=self.walk._replace(state=state, last=last), gram=gram)

    def keep(self, order: jax.Array) -> "NewtonSteps":
        s, C = self.walk.state, len(order)
        moved = lambda a, fill=0: a.at[order].get(mode="fill", fill_value=fill)
        place = jnp.full((C + 1,), C, jnp.int32).at[order].set(jnp.arange(C, dtype=jnp.int32), mode="drop")
        H = s.inverse
        column = jnp.where(H.column < C, place[jnp.minimum(H.column, C)], C)
        inverse = H._replace(column=column, slot=jnp.where(order < C, moved(H.slot), len(H.column)))
        state = s._replace(
            coef=moved(s.coef),
            gradient=moved(s.gradient),
            sign=moved(s.sign),
            leave=moved(s.leave, False) & (order < C),
            enter=jnp.zeros_like(s.enter),
            inverse=inverse,
        )
        last = Solved(self.walk.last.lam, moved(self.walk.last.coef), moved(self.walk.last.gradient))
        walk = self.walk._replace(state=state, last=last, coef=jnp.zeros_like(self.walk.coef))
        return self._replace(walk=walk, gram=moved(moved(self.gram).T))

    def advance(
        self, problem: LeastSquares, unit: Penalty, lams: jax.Array, first: Any, until: Any, size: Any
    ) -> "NewtonSteps":
        del size
        walk = self.walk._replace(index=first)
        problem = problem._replace(gram=self.gram)
        return self._replace(walk=active_set.advance(walk, problem, unit, lams, until, self.tol, self.max_iter))

    def rebuilt(self, rows: jax.Array, correlation: jax.Array, unit: Penalty) -> "NewtonSteps":
        del rows, correlation, unit
        return self

    def missed(self, magnitude: jax.Array) -> jax.Array:
        return jnp.zeros(magnitude.shape, bool)

    def back(self, failed: jax.Array, lam: jax.Array) -> "NewtonSteps":
        """Only to λ itself: from where it stands, without predictions."""
        walk = self.walk
        calm = walk.state._replace(
            leave=jnp.where(failed, False, walk.state.leave), enter=jnp.where(failed, False, walk.state.enter)
        )
        lam = jnp.where(failed, lam, walk.lam)
        origin = Solved(jnp.full_like(lam, jnp.inf), walk.state.coef, walk.state.gradient)
        last = jax.tree.map(lambda a, b: jnp.where(failed, a, b), origin, walk.last)
        return self._replace(walk=walk._replace(lam=lam, state=calm, last=last))


class Knots(NamedTuple):
    """For lassos (:mod:`~jaxreg.solvers.homotopy`).

    Attributes:
        step: see there. before: the step, less its solutions, from which the λs solved last began.
        blocks: (), of rows of the tableau that have entries.
    """

    step: Step
    before: Step
    blocks: jax.Array

    @classmethod
    def start(cls, C: int, lams: jax.Array) -> "Knots":
        """Without columns."""
        G, c, none = jnp.zeros((C, C), lams.dtype), jnp.zeros((C,), lams.dtype), jnp.zeros((), jnp.int32)
        step = homotopy.start(G, c, len(lams))
        return cls(step, step._replace(coef=step.coef[:0], n_iter=step.n_iter[:0]), none)

    @property
    def coef(self) -> jax.Array:
        return self.step.coef

    @property
    def active(self) -> jax.Array:
        return self.step.sign != 0

    @property
    def n_iter(self) -> jax.Array:
        return self.step.n_iter

    @property
    def stuck(self) -> jax.Array:
        return ~self.step.going

    def join(self, at: jax.Array, G: jax.Array, correlation: jax.Array, gradient: jax.Array) -> "Knots":
        """Of them, `g = c − G_JA u_A`, with `u = (x₀ + λ x₁) / q` in A."""
        del gradient
        s = self.step
        write = lambda array, new: jax.lax.dynamic_update_slice(array, new, (at,))
        G_A = jnp.where(self.active, 1.0 / s.scale, 0.0)[None, :] * G
        step = s._replace(
            tableau=tableaus.join(s.tableau, at, G, self.active, s.scale),
            at_zero=write(s.at_zero, correlation - G_A @ s.at_zero),
            slope=write(s.slope, -(G_A @ s.slope)),
        )
        return self._replace(step=step)

    def keep(self, order: jax.Array) -> "Knots":
        s = self.step
        moved = lambda a, fill=0: a.at[order].get(mode="fill", fill_value=fill)
        step = s._replace(
            tableau=tableaus.keep(s.tableau, order),
            at_zero=moved(s.at_zero),
            slope=moved(s.slope),
            sign=moved(s.sign),
            scale=moved(s.scale, 1),
            coef=jnp.zeros_like(s.coef),
        )
        return self._replace(step=step)

    def advance(
        self, problem: LeastSquares, unit: Penalty, lams: jax.Array, first: Any, until: Any, size: Any
    ) -> "Knots":
        del problem, first  # where the step stands
        rows = tableaus.block_rows(len(unit.l1))
        blocks = ((size + rows - 1) // rows).astype(jnp.int32)
        step = self.step
        tableau, copy = tableaus.copied(step.tableau, self.before.tableau, blocks)
        before = step._replace(tableau=copy, coef=step.coef[:0], n_iter=step.n_iter[:0])
        step = homotopy.advance(step._replace(tableau=tableau), unit, lams, until, blocks)
        return Knots(step, before, blocks)

    def rebuilt(self, rows: jax.Array, correlation: jax.Array, unit: Penalty) -> "Knots":
        return self._replace(step=homotopy.rebuilt(self.step, rows @ rows.T, correlation, unit))

    def missed(self, magnitude: jax.Array) -> jax.Array:
        """A column that has passed its limit has no knot below this λ."""
        return magnitude > 1.0 + BEYOND

    def back(self, failed: jax.Array, lam: jax.Array) -> "Knots":
        """To where the λs solved last began."""
        del lam
        blocks = jnp.where(failed, self.blocks, 0)
        old, new = self.before, self.step
        _, tableau = tableaus.copied(old.tableau, new.tableau, blocks)
        chosen = lambda a, b: jnp.where(failed, a, b)
        small = lambda t: t._replace(base=jnp.zeros((), t.base.dtype))  # the base is copied in blocks
        kept: Tableau = jax.tree.map(chosen, small(old.tableau), small(new.tableau))
        rest = jax.tree.map(
            chosen,
            old._replace(tableau=None, coef=None, n_iter=None),  # type: ignore[arg-type]
            new._replace(tableau=None, coef=None, n_iter=None),  # type: ignore[arg-type]
        )
        step = rest._replace(tableau=kept._replace(base=tableau.base), coef=new.coef, n_iter=new.n_iter)
        return self._replace(step=step)
