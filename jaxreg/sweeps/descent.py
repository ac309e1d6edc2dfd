"""Down the gradient of a criterion from several starts at once, inside a box: L-BFGS, or any optax optimiser.

The starts go in lockstep: in every round each has one point that is judged, whatever it does with it. L-BFGS (Nocedal,
*Math. Comp.* 35, 1980) takes the step `−H g`, H from the last differences of points and gradients, projected on the
box; where the criterion does not fall by a small share of what the gradient promises (Armijo 1966) the step is halved.
A criterion with kinks, as that of a lasso has, may stop it anywhere near the minimum, and its gradient is then not 0.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Descent", "lbfgs", "with_optax"]

# Differences that are kept; the share of the promised fall that is asked for; halvings after which a start stops.
MEMORY, ARMIJO, HALVINGS = 10, 1e-4, 12
# A start stops when a step brings less than this share of the criterion, so many times one after the other.
LEAST_FALL, PATIENCE = 1e-9, 3
# The first step changes no logarithm by more than this.
FIRST = 0.5

Judge = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Descent(NamedTuple):
    """S starts, T rounds.

    Attributes:
        best: the best point of each start, (S, d). value: the criterion there, (S,), gradient: (S, d).
        trace: the best value so far after each round, (S, T). judgements: how many points were judged.
    """

    best: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    trace: np.ndarray
    judgements: int


def _direction(g: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """`−H g` by the two loops of L-BFGS."""
    q, kept = g.copy(), []
    for s, y in reversed(pairs):
        a = s @ q / (s @ y)
        q -= a * y
        kept.append(a)
    if pairs:
        s, y = pairs[-1]
        q *= s @ y / (y @ y)
    else:
        q *= FIRST / max(np.abs(q).max(), 1e-300)
    for (s, y), a in zip(pairs, reversed(kept), strict=True):
        q += (a - y @ q / (s @ y)) * s
    return -q


class _Start:
    """One start of L-BFGS: where it stands, and the point that it wants to be judged."""

    def __init__(self, z: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        self.low, self.high = low, high
        self.z = self.candidate = np.clip(z, low, high)
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self.value, self.g, self.step, self.small, self.done = np.inf, np.zeros_like(z), 1.0, 0, False

    def _free(self, g: np.ndarray) -> np.ndarray:
        """Coordinates that are not held at the box by the gradient."""
        return ~(((self.z <= self.low) & (g > 0)) | ((self.z >= self.high) & (g < 0)))

    def told(self, value: float, g: np.ndarray) -> None:
        """The criterion and its gradient at the candidate."""
        moved = self.candidate - self.z
        first = not np.isfinite(self.value)
        good = np.isfinite(value) and np.isfinite(g).all()
        if good and (first or value <= self.value + ARMIJO * min(self.g @ moved, 0.0)):
            if not first:
                y = g - self.g
                if moved @ y > 1e-12 * np.linalg.norm(moved) * np.linalg.norm(y):
                    self.pairs = [*self.pairs[1 - MEMORY :], (moved, y)]
                else:  # it bends the other way: the old curvature would make the steps tiny
                    self.pairs = []
                self.small = self.small + 1 if self.value - value <= LEAST_FALL * abs(self.value) else 0
            self.z, self.value, self.g, self.step = self.candidate, value, g, 1.0
        elif first:  # nothing is known here
            self.done = True
            return
        else:
            self.step *= 0.5
            if self.step < 0.5**HALVINGS:
                self.done, self.pairs = not self.pairs, []  # once more, down the gradient itself
                self.step = 1.0
        free = self._free(self.g)
        if self.small >= PATIENCE or not np.any(self.g[free]):
            self.done = True
            return
        d = np.where(free, _direction(np.where(free, self.g, 0.0), self.pairs), 0.0)
        if d @ self.g >= 0:
            self.pairs = []
            d = np.where(free, _direction(np.where(free, self.g, 0.0), []), 0.0)
        self.candidate = np.clip(self.z + self.step * d, self.low, self.high)


def lbfgs(judge: Judge, starts: np.ndarray, low: np.ndarray, high: np.ndarray, rounds: int) -> Descent:
    """Minimise by projected L-BFGS.

    Args:
        judge: (S, d) ↦ values (S,) and gradients (S, d). starts: (S, d). low, high: the box, (d,). rounds: at most.
    """
    each, trace, count = [_Start(z, low, high) for z in starts], [], 0
    for _ in range(rounds):
        values, gradients = judge(np.stack([start.candidate for start in each]))
        for start, value, g in zip(each, values, gradients, strict=True):
            if not start.done:
                start.told(float(value), g)
                count += 1
        trace.append([start.value for start in each])
        if all(start.done for start in each):
            break
    of = lambda name: np.stack([getattr(start, name) for start in each])
    return Descent(of("z"), of("value"), of("g"), np.array(trace).T, count)


def with_optax(
    optimizer: Any, judge: Judge, starts: np.ndarray, low: np.ndarray, high: np.ndarray, rounds: int
) -> Descent:
    """As :func:`lbfgs`, by the updates of an ``optax.GradientTransformation``, each projected on the box."""
    z = np.clip(starts, low, high)
    state = jax.vmap(optimizer.init)(jnp.asarray(z))
    update = jax.vmap(optimizer.update)
    best, least, slope, trace = z.copy(), np.full(len(z), np.inf), np.zeros_like(z), []
    for _ in range(rounds):
        values, gradients = judge(z)
        better = values < least
        best[better], least[better], slope[better] = z[better], values[better], gradients[better]
        trace.append(least.copy())
        change, state = update(jnp.asarray(gradients), state, jnp.asarray(z))
        z = np.clip(z + np.asarray(change), low, high)
    return Descent(best, least, slope, np.array(trace).T, rounds * len(z))
