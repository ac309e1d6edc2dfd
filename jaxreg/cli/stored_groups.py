"""The models of a saved result with ``by=``, one a group, for rows of a table that name theirs in the columns of keys.

``groups.npz`` is the result as Python saves it. What it does not know, the target's name and what words of the table
became, is in ``groups.json`` beside it, which ``jaxreg sweep --by --out`` writes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.files import ResultError
from jaxreg.tables import Coding, Table

__all__ = ["FORMAT", "StoredGroups", "groups_file", "read_groups"]

FORMAT = {"format": "jaxreg groups", "version": 1}


@dataclass(frozen=True)
class StoredGroups:
    """A fit for each group, with feature names; what target and coding are as in
    :class:`jaxreg.stored_models.StoredModel`."""

    fits: Any
    target: str
    coding: Coding

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.fits.feature_names

    @property
    def key_names(self) -> tuple[str, ...]:
        return self.fits.key_names

    def predict(self, table: Table) -> np.ndarray:
        """(n,), each row by the fit of its group.

        Raises:
            ValueError: a row whose keys no group has; it names the row and its keys.
        """
        labels = [_as_key(table.words[name], key) for name, key in zip(self.key_names, self.fits.keys, strict=True)]
        known = set(zip(*(key.tolist() for key in self.fits.keys), strict=True))
        for i, keys in enumerate(zip(*labels, strict=True)):
            if keys not in known:
                said = ", ".join(f"{name} {table.words[name][i]}" for name in self.key_names)
                raise ValueError(
                    f"{table.unit} {table.places[i]}: no group has {said}; the sweep has seen {len(known)} groups, "
                    f"{self.fits.key_of(0)} the first"
                )
        by = [np.array(label, key.dtype) for label, key in zip(labels, self.fits.keys, strict=True)]
        return self.fits.predict(table.only(*self.feature_names).values, by)


def groups_file(result: str) -> Path | None:
    """The file of groups that is meant; None where it is the result of a sweep without them."""
    path = Path(result)
    if path.suffix == ".npz":
        return path
    file = path / "groups.npz"
    if not file.is_file():
        return None
    if (path / "result.json").is_file():
        raise ValueError(f"{path} holds result.json and groups.npz; give the one that is meant")
    return file


def read_groups(file: Path, choice: str) -> StoredGroups:
    """The fits of a file.

    Raises:
        ResultError: it is damaged, holds something else, or has no such choice.
    """
    from jaxreg.loading import load
    from jaxreg.results import GroupedSolution, GroupedSweep

    found = load(file)
    if isinstance(found, GroupedSweep):
        found = getattr(found, choice)
    elif choice != "best":
        raise ResultError(f"{file} holds one fit a group and no choice; leave --choice out")
    if not isinstance(found, GroupedSolution) or not found.by_label:
        raise ResultError(f"{file} holds no models of groups: `jaxreg sweep --by --out DIR` writes DIR/groups.npz")
    if found.feature_names is None:
        raise ResultError(f"{file} has no names of columns; fit a data frame, whose columns have names")
    beside = file.with_name("groups.json")
    target, coding = _beside(beside) if file.name == "groups.npz" and beside.is_file() else ("prediction", Coding())
    return StoredGroups(found, target, coding)


def _beside(file: Path) -> tuple[str, Coding]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if {name: stored[name] for name in FORMAT} != FORMAT:
            raise ValueError("its format is not known")
        return str(stored["target"]), Coding.from_stored(stored["coding"])
    except OSError as error:
        raise ResultError(f"cannot read {file}: {error.strerror}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{file} is damaged: {error}") from None


def _as_key(words: np.ndarray, key: np.ndarray) -> list[Any]:
    """Words of a table as keys of that kind; a word that is none stays a word, which no group has."""
    kinds: dict[str, Callable[[str], Any]] = {
        "b": lambda word: {"true": True, "1": True, "false": False, "0": False}[word.lower()],
        "i": int,
        "u": int,
        "f": float,
        "M": lambda word: np.datetime64(word).astype(key.dtype).item(),
    }
    of = kinds.get(key.dtype.kind, str)
    found: dict[str, Any] = {}
    for word in dict.fromkeys(words.tolist()):
        try:
            found[word] = of(word)
        except (KeyError, ValueError):
            found[word] = word
    return [found[word] for word in words.tolist()]
