"""Where blocks come from: files, whose columns have names and places, or an iterator of batches."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data import inputs
from jaxreg.streams.block import Block
from jaxreg.tables import Coding, Pieces, Position, TableError

__all__ = ["Batches", "Files", "Item"]


class Item(NamedTuple):
    """A block, the keys of its rows, where it stands, and where the next unit begins; how many rows were left out, and
    what names the first number that is not finite."""

    block: Block
    keys: Any
    where: str
    next: Position | None
    dropped: int
    check: Any


class Files:
    """Blocks of files."""

    def __init__(
        self, pieces: Pieces, target: str, sample_weight: str | None, key: str | None, until: Position | None
    ) -> None:
        self._until = until
        self._pieces, self._weight, self._key, self.target_names = pieces, sample_weight, key, (target,)
        columns = pieces.column_names
        for name in (target, *([] if sample_weight is None else [sample_weight])):
            if name not in columns:
                raise TableError(f"{name!r} is among the columns to ignore")
        self.names: Any = tuple(name for name in columns if name not in (target, sample_weight))
        if not self.names:
            raise TableError(f"{pieces.files[0]} has no column left as a feature beside {target}")
        place = {name: j for j, name in enumerate(columns)}
        self._columns = np.array([place[name] for name in (*self.names, target)])
        self._weight_at = None if sample_weight is None else place[sample_weight]
        self.flat, self.coding, self.total = True, pieces.coding, pieces.rows_in_all()

    def after(self, position: Position) -> Iterator[Item]:
        for piece in self._pieces.after(position, self._until):
            columns, table = piece.columns, piece.table
            weight = keys = None
            if self._weight_at is not None:
                weight = columns[self._weight_at]
                if np.any(weight < 0):
                    i, table = int(np.argmax(weight < 0)), piece.careful()
                    where = f"{piece.where}: {table.unit} {table.places[i]}, column {self._weight!r}"
                    raise TableError(f"{where}: {weight[i]:g}; weights must be at least 0")
            if self._key is not None and table is not None:
                keys = table.words[self._key]
            dropped = 0 if table is None else len(table.dropped)
            block = Block(None, None, [columns[j] for j in self._columns], weight, 1)
            yield Item(block, keys, piece.where, piece.next, dropped, piece.careful)


class Batches:
    """Blocks of an iterator."""

    def __init__(self, batches: Iterable[Any], labelled: bool) -> None:
        self._batches, self._labelled = batches, labelled
        self.names: Any = None
        self.target_names: Any = None
        self.flat, self.coding, self.total = True, Coding(), None

    def after(self, position: Position) -> Iterator[Item]:
        shape: Any = None
        for number, batch in enumerate(self._batches):
            where = f"batch {number}"
            if not isinstance(batch, tuple | list) or not 2 <= len(batch) <= 4:
                raise ValueError(f"{where} is a {type(batch).__name__}; (X, y[, sample_weight[, labels]]) is needed.")
            X, y, s, keys = [*batch, None, None][:4]
            names = inputs.feature_names_of(X)
            try:
                X = inputs.check_matrix(X, "X", None, values=False)
                target = inputs.check_target(y, len(X), float)
                weight = inputs.check_weights(s, len(X), float)
            except (ValueError, TypeError) as error:
                raise type(error)(f"{where}: {error}") from None
            found = (X.shape[1], target.shape[1:], names)
            if shape is None:
                shape, self.names, self.flat = found, names, target.ndim == 1
            elif found != shape:
                raise ValueError(
                    f"{where} has {X.shape[1]} columns and targets {target.shape[1:]}, the first one {shape[0]} and "
                    f"{shape[1]}{'' if names == shape[2] else ', under other names'}; all must be alike."
                )
            if self._labelled and (keys is None or np.shape(keys) != (len(X),)):
                raise ValueError(
                    f"{where} has no labels of folds for its {len(X)} rows: (X, y, sample_weight, labels)."
                )
            targets = target.reshape(len(X), -1)
            block = Block(X, targets, None, weight, targets.shape[1])
            check = lambda X=X, names=names, where=where: _name_values(X, names, where)
            yield Item(block, keys, where, None, 0, check)


def _name_values(X: Any, names: Any, where: str) -> None:
    try:
        inputs.check_values(X, names)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
