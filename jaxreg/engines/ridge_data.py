"""The data of a ridge problem on NumPy arrays: targets in blocks, the caller's rows block by block, folds.

Targets share every decomposition; only a block of very many of them needs its own, so that memory stays bounded. For
`n ≥ p` the rows are read block by block, and no copy of them is made; the device has one for `p > n`, and where moments
are not accurate enough.
"""

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.memory import block_bytes, in_less_memory
from jaxreg.data.padding import padded_problem
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem, varies
from jaxreg.data.row_blocks import block_moments, of_other_targets
from jaxreg.engines.ridge_kernel import Centring, Kernel, kernel_of
from jaxreg.formulas.moments import Moments
from jaxreg.precision import on_accelerator

__all__ = ["Blocks", "Fold", "unit_weights", "with_blocks"]

R = TypeVar("R")

# Targets are solved in blocks whose work arrays stay below this on a CPU.
TARGET_BLOCK_BYTES = 2**29
# Rows of the caller's array that are on the device at once: so many numbers, within these limits.
NUMBERS, FEWEST_ROWS, MOST_ROWS = 2**19, 256, 2048


def unit_weights(problem: Problem) -> np.ndarray:
    """The weights divided by a power of two, so that sums of weighted squares stay in range; 1 where there are none."""
    s = problem.weights
    return s if problem.sample_weight is None else np.ldexp(s, -int(np.frexp(s.max())[1]))


class Blocks:
    """The arrays, padded, y in blocks of targets, and what the folds need of them.

    Attributes:
        columns: how many there are without those that fill up. length: targets in a block.
    """

    def __init__(self, problem: Problem, plan: Plan | None, most: int | None = None) -> None:
        """``most``: targets in a block, where they are to be fewer than memory is thought to allow."""
        self.given, self.given_plan = problem, plan
        self.columns, problem = problem.X.shape[1], padded_problem(problem)
        (n, p), Y = problem.X.shape, problem.y
        self.problem, self.targets = problem, Y.shape[1]
        self.plan = None if plan is None else plan.filled_up(n)
        self.centring = {"fit_intercept": problem.fit_intercept, "standardize": problem.standardize}
        self.s, self.v = unit_weights(problem), problem.penalty_factor
        # About four arrays of n and four of min(n, p) numbers live for every target.
        if most is None:
            most = max(1, block_bytes(problem.device, TARGET_BLOCK_BYTES) // (4 * (n + min(n, p)) * Y.itemsize))
        length = self.length = -(-self.targets // -(-self.targets // most))
        self.Y = [_filled(Y[:, start : start + length], length) for start in range(0, self.targets, length)]

    def with_factors(self, v: np.ndarray) -> "Blocks":
        """The same data with other penalty factors, `v > 0`, (p,); what has been read of the rows is kept."""
        other = copy(self)
        other.v = v
        for name in ("how", "kernel"):
            vars(other).pop(name, None)
        return other

    @cached_property
    def X(self) -> jax.Array:
        """All rows on the device, (n, p); made when first asked for."""
        return jax.device_put(self.problem.X.astype(jnp.result_type(float), copy=False))

    @cached_property
    def Y_there(self) -> list[jax.Array]:
        """y on the device, in blocks."""
        return [jnp.asarray(Y) for Y in self.Y]

    @cached_property
    def how(self) -> Centring:
        """As :mod:`~jaxreg.engines.ridge_kernel` takes it."""
        return Centring(self.v, **self.centring)

    @cached_property
    def by_kernel(self) -> bool:
        """Whether `AAᵀ` serves: for `p > n`, all columns penalised, on a CPU."""
        n, p = self.problem.X.shape
        penalised = self.v is None or bool(np.all(self.v > 0))
        return p > n and penalised and not on_accelerator(self.problem.device)

    @cached_property
    def kernel(self) -> Kernel:
        """That of all rows."""
        return kernel_of(self.problem.X, self.s, self.how, None, np.zeros(0, int))

    @cached_property
    def totals(self) -> list[Moments | None]:
        """The moments of every block of targets, in float64; None where the rows are taken instead."""
        n, p = self.problem.X.shape
        takes = n >= p and (self.v is None or bool(np.all(self.v > 0)))
        every = self.moments() if takes else []
        return list(every) if takes and self._in_range(every[0]) else [None] * len(self.Y)

    def moments(self, rows: np.ndarray | None = None) -> list[Moments]:
        """Of all rows, or of those with the given numbers, (m,), and every block of targets, in float64, with the
        weights ``s``; `XᵀX` is taken once."""
        X, p, s = self.problem.X, self.problem.X.shape[1], None if self.problem.sample_weight is None else self.s
        first = block_moments(X, self.Y[0], s, rows)
        every = [first, *(of_other_targets(first, X, Y, s, rows) for Y in self.Y[1:])]
        xx = first.xx[:p, :p]
        return [m._replace(x_mean=m.x_mean[:p], xx=xx, xy=m.xy[:p]) for m in every]

    def _in_range(self, m: Moments) -> bool:
        """Whether no square of a column that varies has vanished or overflowed."""
        limits = np.finfo(float)
        with np.errstate(over="ignore"):
            square = np.diagonal(m.xx) / m.weight
        usual = (square > limits.tiny / limits.eps**2) & (square < limits.max * limits.eps**2)
        return not varies(self.problem, ~usual)

    def sums(self, program: Callable[..., Any], Y: np.ndarray, rows: np.ndarray, weight: np.ndarray) -> list[Any]:
        """What ``program(X, Y, share)`` returns for some rows, block by block; all shares add up to 1.

        Args:
            rows: positions, (m,). weight: (m,).
        """
        length = min(len(rows), MOST_ROWS, max(FEWEST_ROWS, NUMBERS // self.problem.X.shape[1]))
        share = weight / weight.sum()
        more = -len(rows) % length  # the last block is filled up with rows of weight 0
        rows, share = np.pad(rows, (0, more), mode="edge"), np.pad(share, (0, more))
        blocks = (slice(start, start + length) for start in range(0, len(rows), length))
        cut = lambda values, some: values[rows[some]].astype(float, copy=False)
        done = (program(cut(self.problem.X, some), cut(Y, some), share[some]) for some in blocks)
        return [jax.tree.map(np.asarray, of) for of in done]  # one block at a time waits for the device

    @cached_property
    def folds(self) -> list["Fold"]:
        """The same numbers of rows in every fold, so that one program serves them all."""
        plan = self.plan
        assert plan is not None
        sides = [_positions([of(b) for b in range(len(plan))], self.s) for of in (plan.training_rows, plan.test_rows)]
        return [Fold(*(v[b] for side in sides for v in side)) for b in range(len(plan))]


def with_blocks(data: Blocks, work: Callable[[Blocks], R]) -> R:
    """``work(data)``; where the device has no memory for a block of targets, with blocks of fewer."""
    of = lambda length: data if length == data.length else Blocks(data.given, data.given_plan, length)
    return in_less_memory(lambda length: work(of(length)), data.length, "one target")


class Fold(NamedTuple):
    """Positions and weights of the training rows and of those held out, filled up with rows of weight 0."""

    train: np.ndarray
    train_weight: np.ndarray
    rows: np.ndarray
    row_weight: np.ndarray


def _filled(block: np.ndarray, length: int) -> np.ndarray:
    missing = length - block.shape[1]
    return np.concatenate([block, np.repeat(block[:, -1:], missing, axis=1)], axis=1) if missing else block


def _positions(parts: list[np.ndarray], s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of every part, (K, m), filled up with row 0, and their weights, then 0."""
    most = max(map(len, parts))
    rows, weight = np.zeros((len(parts), most), np.int32), np.zeros((len(parts), most), s.dtype)
    for k, found in enumerate(parts):
        rows[k, : len(found)], weight[k, : len(found)] = found, s[found]
    return rows, weight
