"""The data of a ridge problem on NumPy arrays: targets in blocks, the caller's rows block by block, folds.

Targets share every decomposition; only a block of very many of them needs its own, so that memory stays bounded. For
n ≥ p the rows are read block by block, and no copy of them is made; the device has one for p > n, and where moments are
not accurate enough.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.data.row_blocks import block_moments
from jaxreg.data.splits import Splits
from jaxreg.engines.moments import varies
from jaxreg.formulas.moments import Moments

__all__ = ["Blocks", "Fold", "unit_weights"]

# Targets are solved in blocks whose work arrays stay below this.
TARGET_BLOCK_BYTES = 2**29
# Rows of the caller's array that are on the device at once: so many numbers, within these limits.
NUMBERS, FEWEST_ROWS, MOST_ROWS = 2**19, 256, 2048


def unit_weights(a: Arguments) -> np.ndarray:
    """The weights divided by a power of two, so that sums of weighted squares stay in range; 1 where there are none."""
    if a.sample_weight is None:
        return np.ones(len(a.X))
    return np.ldexp(a.sample_weight, -int(np.frexp(a.sample_weight.max())[1]))


class Blocks:
    """The arrays on the device, y in blocks of targets, and what the folds need of them."""

    def __init__(self, a: Arguments, splits: Splits | None, centring: dict[str, bool]) -> None:
        n, p = a.X.shape
        Y = a.y.reshape(n, -1)
        self.a, self.splits, self.centring, self.targets = a, splits, centring, Y.shape[1]
        self.s, self.v = unit_weights(a), a.penalty_factor
        # About four arrays of n and four of min(n, p) numbers live for every target.
        most = max(1, TARGET_BLOCK_BYTES // (4 * (n + min(n, p)) * Y.itemsize))
        length = -(-self.targets // -(-self.targets // most))
        self.Y = [_filled(Y[:, start : start + length], length) for start in range(0, self.targets, length)]

    @cached_property
    def X(self) -> jax.Array:
        """All rows on the device, (n, p); made when first asked for."""
        return jax.device_put(self.a.X.astype(jnp.result_type(float), copy=False))

    @cached_property
    def totals(self) -> list[Moments | None]:
        """The moments of every block of targets, in float64; None where the rows are taken instead."""
        n, p = self.a.X.shape
        takes = n >= p and (self.v is None or bool(np.all(self.v > 0)))
        return [self._in_range(Y) if takes else None for Y in self.Y]

    def moments(self, Y: Any, rows: np.ndarray | None = None) -> Moments:
        """Of all rows, or of those with the given numbers, (m,), in float64, with the weights ``s``."""
        a, p = self.a, self.a.X.shape[1]
        m = block_moments(a.X, np.asarray(Y), None if a.sample_weight is None else self.s, rows)
        return m._replace(x_mean=m.x_mean[:p], xx=m.xx[:p, :p], xy=m.xy[:p])

    def _in_range(self, Y: Any) -> Moments | None:
        """None where the square of a column that varies has vanished or overflowed."""
        a, limits = self.a, np.finfo(float)
        m = self.moments(Y)
        with np.errstate(over="ignore"):
            square = np.diagonal(m.xx) / m.weight
        usual = (square > limits.tiny / limits.eps**2) & (square < limits.max * limits.eps**2)
        return None if varies(a, ~usual) else m

    def sums(self, program: Callable[..., Any], Y: jax.Array, rows: np.ndarray, weight: np.ndarray) -> list[Any]:
        """What ``program(X, Y, share)`` returns for some rows, block by block; all shares add up to 1.

        Args:
            rows: positions, (m,). weight: (m,).
        """
        length = min(len(rows), MOST_ROWS, max(FEWEST_ROWS, NUMBERS // self.a.X.shape[1]))
        share, targets = weight / weight.sum(), np.asarray(Y)
        more = -len(rows) % length  # the last block is filled up with rows of weight 0
        rows, share = np.pad(rows, (0, more), mode="edge"), np.pad(share, (0, more))
        blocks = (slice(start, start + length) for start in range(0, len(rows), length))
        cut = lambda values, some: values[rows[some]].astype(float, copy=False)
        done = (program(cut(self.a.X, some), cut(targets, some), share[some]) for some in blocks)
        return [jax.tree.map(np.asarray, of) for of in done]  # one block at a time waits for the device

    @cached_property
    def folds(self) -> list["Fold"]:
        """The same numbers of rows in every fold, so that one program serves them all."""
        splits = self.splits
        assert splits is not None
        sides = [
            _positions([of(k) for k in range(len(splits))], self.s) for of in (splits.training_rows, splits.test_rows)
        ]
        return [Fold(*(v[k] for side in sides for v in side)) for k in range(len(splits))]


class Fold(NamedTuple):
    """Positions and weights of the training rows and of those held out, filled up with rows of weight 0."""

    train: np.ndarray
    train_weight: np.ndarray
    rows: np.ndarray
    row_weight: np.ndarray


def _filled(block: np.ndarray, length: int) -> jax.Array:
    missing = length - block.shape[1]
    return jnp.asarray(np.concatenate([block, np.repeat(block[:, -1:], missing, axis=1)], axis=1) if missing else block)


def _positions(parts: list[np.ndarray], s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of every part, (K, m), filled up with row 0, and their weights, then 0."""
    most = max(map(len, parts))
    rows, weight = np.zeros((len(parts), most), np.int32), np.zeros((len(parts), most), s.dtype)
    for k, found in enumerate(parts):
        rows[k, : len(found)], weight[k, : len(found)] = found, s[found]
    return rows, weight
