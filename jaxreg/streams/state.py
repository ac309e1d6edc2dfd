"""What a pass knows so far: the moments of every fold, and where it goes on; kept, and read back to the last bit."""

from typing import Any

import numpy as np

from jaxreg.data.budget import RETURNED_BYTES, gibibytes
from jaxreg.data.parts import UNIT, squares_alone
from jaxreg.formulas.moments import Moments, together
from jaxreg.tables import Position

__all__ = ["State", "check_size"]

EPS = float(np.finfo(float).eps)


class State:
    """What has been added up.

    Attributes:
        centre: of columns and targets, (p + t,), from which means are measured: those of the first piece, or None.
        parts: of each fold its moments, or None before its first row. rows: how many rows each has. error: by how much
            rounding may have moved the squares of its columns and targets, (p + t,).
        position: where the next unit begins. done: rows read. added: pieces. dropped: rows that were left out.
    """

    def __init__(self) -> None:
        self.centre: np.ndarray | None = None
        self.parts: list[Moments | None] = []
        self.rows: list[int] = []
        self.error: list[Any] = []
        self.position, self.done, self.added, self.dropped = Position(0, 0, 0), 0, 0, 0

    @property
    def any_weight(self) -> bool:
        """Whether a row of positive weight has been read."""
        return any(part is not None for part in self.parts)

    def add(self, found: list[Any]) -> None:
        """The moments of a piece, fold by fold.

        A sum of two sets of rows takes its error from both, and from the rounding of means that differ by d, which is
        `2 ε W_a W_b/W d` times their distance from the centre (:mod:`jaxreg.formulas.moments`).
        """
        for k, (moments, rows) in enumerate(found):
            if k == len(self.parts):
                self.parts.append(None)
                self.rows.append(0)
                self.error.append(0.0)
            self.rows[k] += rows
            if moments is None:
                continue
            old, here = self.parts[k], squares_alone(moments)
            self.error[k] = self.error[k] + UNIT * here.yy
            if old is None:
                self.parts[k] = moments
            else:
                there = squares_alone(old)
                apart, far = np.abs(here.y_mean - there.y_mean), np.abs(here.y_mean) + np.abs(there.y_mean)
                self.error[k] += 2 * EPS * here.weight * there.weight / (here.weight + there.weight) * apart * far
                self.parts[k] = together([old, moments])

    def join(self, other: "State", places: list[int]) -> None:
        """The state of other rows; its fold number k is ours number places[k]."""
        assert other.centre is not None
        self.centre = other.centre if self.centre is None else self.centre
        away = other.centre - self.centre
        found: list[Any] = [None] * (max([len(self.parts) - 1, *places]) + 1)
        for k, place in enumerate(places[: len(other.parts)]):
            if (part := other.parts[k]) is not None:
                p = len(part.x_mean)
                moved = part._replace(x_mean=part.x_mean + away[:p], y_mean=part.y_mean + away[p:])
                found[place] = (moved, other.rows[k])
        self.add(found)
        for k, place in enumerate(places[: len(other.parts)]):
            if (part := other.parts[k]) is not None:
                moved = np.abs(away) * np.abs(np.concatenate([part.x_mean, part.y_mean])) * part.weight
                self.error[place] = self.error[place] + other.error[k] + 2 * EPS * moved
                self.parts[place] = self._without_rounding(self.parts[place], np.abs(away))
        self.done, self.dropped = self.done + other.done, self.dropped + other.dropped
        self.added += other.added

    def _without_rounding(self, m: Any, away: np.ndarray) -> Moments:
        """A column that is constant in a fold has means that differ by the rounding of what they are measured from."""
        p, W = len(m.x_mean), m.weight
        assert self.centre is not None
        noise = 4 * EPS * (np.abs(self.centre) + away + np.abs(np.concatenate([m.x_mean, m.y_mean])))
        some = squares_alone(m).yy > W * noise**2
        x, y = some[:p], some[p:]
        return m._replace(xx=m.xx * np.outer(x, x), xy=m.xy * np.outer(x, y), yy=m.yy * y)

    def unit(self, k: int) -> float:
        """By how much of the columns' lengths fold k may be off: besides its error, sums gather some `√n ε`."""
        part = self.parts[k]
        assert part is not None
        square = squares_alone(part).yy
        share = np.divide(self.error[k], square, out=np.zeros_like(square), where=square > 0)
        return float(np.max(share, initial=0.0)) + self.added**0.5 / 8 * EPS

    def as_arrays(self, names: list[str]) -> dict[str, np.ndarray]:
        """For a file. names: of the folds."""
        numbers = [*self.position, self.done, self.added, self.dropped]
        there = [k for k, part in enumerate(self.parts) if part is not None]
        assert self.centre is not None
        stored = {
            "centre": self.centre,
            "numbers": np.array(numbers),
            "names": np.array(names, dtype=str),
            "there": np.array(there, dtype=np.int64),
            "rows": np.array(self.rows),
            "error": np.stack([self.error[k] for k in there]),
        }
        of_folds: Any = [self.parts[k] for k in there]
        fields = zip(Moments._fields, zip(*of_folds, strict=True), strict=True)
        return stored | {name: np.stack(values) for name, values in fields}

    @classmethod
    def of(cls, stored: dict[str, np.ndarray]) -> "tuple[State, list[str]]":
        """What :meth:`as_arrays` gave, and the names of the folds."""
        state = cls()
        *position, state.done, state.added, state.dropped = stored["numbers"].tolist()
        state.position = Position(*position)
        state.centre = stored["centre"]
        state.rows = stored["rows"].tolist()
        state.parts, state.error = [None] * len(state.rows), [0.0] * len(state.rows)
        for i, k in enumerate(stored["there"].tolist()):
            state.parts[k] = Moments(*(stored[name][i] for name in Moments._fields))
            state.error[k] = stored["error"][i]
        return state, [str(name) for name in stored["names"]]


def check_size(columns: int, folds: int) -> None:
    """Raise MemoryError where the moments of all folds would take more than 16 GiB."""
    if 8 * folds * columns**2 <= RETURNED_BYTES:
        return
    most = int((RETURNED_BYTES / 8 / folds) ** 0.5)
    raise MemoryError(
        f"the moments of {columns:,} columns in {folds} fold{'s' * (folds > 1)} would take "
        f"{gibibytes(folds * columns**2)}; what fits: {most:,} columns. A table of fewer rows than columns is better "
        "read as a whole."
    )
