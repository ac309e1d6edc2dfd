"""What ``fit`` and ``path`` return with ``by=``: one for each group of rows or window along an order."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.data.new_rows import new_rows
from jaxreg.data.runs import keys_in_words, runs_of
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, cut, power, value_range, verdict
from jaxreg.shapes import KEYS, NAMES, shaped

__all__ = ["GroupedPath", "GroupedSolution", "said_of"]

_OF_RUNS = {
    **dict.fromkeys(("key_names", "keys"), KEYS),
    "n_rows": "G",
    "scale": "G p",
    "y_scale": "G t",
    "constant": "G p",
    "y_constant": "G t",
    "by_label": "",
    "feature_names": NAMES,
}


@dataclass(frozen=True, eq=False, repr=False)
class _Grouped(Saveable, Readable):
    """What fits and paths have in common."""

    lams: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    key_names: tuple[str, ...]
    keys: tuple[np.ndarray, ...]
    n_rows: np.ndarray
    scale: np.ndarray
    y_scale: np.ndarray
    constant: np.ndarray
    y_constant: np.ndarray
    by_label: bool
    feature_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.n_rows)

    @property
    def largest_gap(self) -> float:
        """The largest duality gap of all fits."""
        return float(np.max(self.gap))

    @property
    def flags(self) -> list[str]:
        """What is unusual about a group or window, (G,), "" where nothing is: one row, y or columns that are constant,
        not more rows than columns, a gap above the tolerance."""
        p, every = self.scale.shape[1], lambda v: v.reshape(len(self), -1)
        said = (
            ("one row", self.n_rows == 1),
            ("y is constant", every(self.y_constant).all(axis=1) & (self.n_rows > 1)),
            ("a constant column", self.constant.any(axis=1) & (self.n_rows > 1)),
            ("no more rows than columns", (self.n_rows <= p) & (self.n_rows > 1)),
            ("not converged", ~every(self.converged).all(axis=1)),
        )
        return [", ".join(text for text, holds in said if holds[g]) for g in range(len(self))]

    def key_of(self, g: int) -> str:
        """The keys of the group or window number g, in words."""
        return keys_in_words(self.key_names, self.keys, g)

    def predict(self, X: Any, by: Any = None) -> np.ndarray:
        """Predictions of new rows, each by the fit of its group.

        Args:
            X: (n, p), with the columns of the fit; a frame may hold the keys too. by: labels of the rows, as in the
                fit; None takes the columns of keys in X. Windows have no labels: X is then (G, p), a row for each.

        Returns:
            (n,), with an axis of λs behind it for a path, and one of targets.

        Raises:
            ValueError: a label that no group has, columns that are not those of the fit, no labels.
        """
        if not self.by_label:
            rows = self._rows(X)
            if len(rows) != len(self):
                raise ValueError(f"X has {len(rows)} rows; there are {len(self)} windows, give one row for each.")
            return np.einsum("gp,g...pt->g...t", rows, self._wide(self.coef)).reshape(self.gap.shape) + self.intercept
        by = list(self.key_names) if by is None else by
        X, runs = runs_of(by, X)
        known = {self._key(self.keys, g): g for g in range(len(self))}
        rows = self._rows(X)
        predicted = np.empty((len(rows), *self.gap.shape[1:]))
        assert runs is not None
        for k, (start, stop) in enumerate(zip(runs.start, runs.stop, strict=True)):
            here = slice(start, stop) if runs.rows is None else runs.rows[start:stop]
            key = self._key(runs.keys, k)
            if key not in known:
                raise ValueError(
                    f"no group has {keys_in_words(self.key_names, runs.keys, k)}; the fit has seen {len(self)} groups, "
                    f"{self.key_of(0)} the first."
                )
            g = known[key]
            product = np.einsum("np,...pt->n...t", rows[here], self._wide(self.coef)[g])
            predicted[here] = product.reshape(-1, *self.gap.shape[1:]) + self.intercept[g]
        return predicted

    def _wide(self, coef: np.ndarray) -> np.ndarray:
        """With an axis of targets."""
        return coef if self.y_scale.ndim == 2 else coef[..., None]

    def _rows(self, X: Any) -> np.ndarray:
        rows: Any = new_rows(X, self.feature_names, self.scale.shape[1])
        return rows.toarray() if hasattr(rows, "toarray") else rows

    @staticmethod
    def _key(keys: tuple[np.ndarray, ...], g: int) -> tuple[Any, ...]:
        return tuple(key[g].item() if hasattr(key[g], "item") else key[g] for key in keys)

    def _names(self) -> list[str]:
        return list(self.feature_names or (f"column {j}" for j in range(self.scale.shape[1])))

    def _shown(self) -> Shown:
        """A few groups, what is unusual, and the certificate."""
        used = self._wide(self.coef != 0).sum(axis=-2).reshape(len(self), -1)
        rows = [
            (
                *(str(key[g]) for key in self.keys),
                f"{self.n_rows[g]:,}",
                value_range(used[g], "d"),
                power(np.max(self.gap[g])),
            )
            for g in range(len(self))
        ]
        head = (*self.key_names, "rows", "not 0", "largest gap")
        what = "groups" if self.by_label else "windows"
        paths = "" if self.gap.ndim == self.y_scale.ndim else f", {self.lams.shape[1]} λs each"
        title = f"{type(self).__name__}: {len(self):,} {what}{paths}, {self.scale.shape[1]} columns"
        return Shown(title, cut(head, rows), [*said_of(self.flags), verdict(self.gap, self.converged)])

    def _columns(self) -> dict[str, Any]:
        """A row a group (and λ, and target): its keys, rows and λ, intercept, every coefficient, and its gap."""
        shape, names = self.gap.shape, self._names()
        spread = lambda v: np.broadcast_to(v.reshape(v.shape + (1,) * (len(shape) - v.ndim)), shape).ravel()
        found = {name: spread(key) for name, key in zip(self.key_names, self.keys, strict=True)}
        found |= {"n_rows": spread(self.n_rows), "lam": spread(self.lams)}
        if self.y_scale.ndim == 2:
            found["target"] = np.broadcast_to(np.arange(shape[-1]), shape).ravel()
        found["intercept"] = self.intercept.ravel()
        coef = np.moveaxis(self._wide(self.coef), -2, -1).reshape(-1, len(names))
        taken = {*found, "gap", "converged"}
        found |= {f"coefficient of {name}" if name in taken else name: coef[:, j] for j, name in enumerate(names)}
        return found | {"gap": self.gap.ravel(), "converged": self.converged.ravel()}

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Coefficients along the windows, or how they spread over the groups (:mod:`jaxreg.plot.groups`); returns the
        axes.

        Raises:
            ValueError: several λs or targets. ImportError: matplotlib is missing.
        """
        from jaxreg.plot import groups

        if self.gap.ndim > 1:
            raise ValueError("groups are drawn at one λ and for one target: jaxreg.fit(..., by=...).")
        size = self.coef * self.scale
        if self.by_label:
            return groups.spread(size, names=self._names(), ax=ax, **options)
        return groups.along(self.keys[-1], size, names=self._names(), label=self.key_names[-1], ax=ax, **options)


@shaped(lams="G", coef="G p t", **dict.fromkeys(("intercept", "gap", "converged"), "G t"), **_OF_RUNS)
@dataclass(frozen=True, eq=False, repr=False)
class GroupedSolution(_Grouped):
    """A fit at one λ for each of G groups or windows.

    Attributes:
        lams: (G,), λ of each. coef: (G, p) or (G, p, t), intercept, gap, converged: (G,) or (G, t).
        key_names: what tells them apart, keys: an array (G,) for each name; of windows without an order these are the
            first row, and the one after the last. n_rows: (G,).
        scale: σ within each, (G, p). y_scale: τ, (G,) or (G, t). constant: whether a column is constant there, (G, p).
        y_constant: whether y is, (G,) or (G, t). by_label: whether they are groups. feature_names: of a frame, or None.
    """


@shaped(lams="G L", coef="G L p t", **dict.fromkeys(("intercept", "gap", "converged"), "G L t"), **_OF_RUNS)
@dataclass(frozen=True, eq=False, repr=False)
class GroupedPath(_Grouped):
    """A path for each of G groups or windows.

    Attributes:
        lams: (G, L). coef: (G, L, p) or (G, L, p, t), intercept, gap, converged: (G, L) or (G, L, t).
        key_names, keys, n_rows, scale, y_scale, constant, y_constant, by_label, feature_names: as in
            :class:`GroupedSolution`.
    """


def said_of(flags: list[str]) -> list[str]:
    """One sentence on what is unusual."""
    unusual = [f"{sum(flag == text for flag in flags):,} × {text}" for text in dict.fromkeys(flags) if text]
    return ["flagged: " + "; ".join(unusual)] if unusual else []
