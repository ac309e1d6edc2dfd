"""Moments as a record of the host: sums about the means, with the names, the number of rows and what rounding left.

The formulas (:class:`jaxreg.formulas.moments.Moments`) know arrays alone, of NumPy or of JAX. This record holds theirs
as float64 NumPy arrays, and what a fit needs besides; it checks, adds, and is saved.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from jaxreg.archive import Saveable, load
from jaxreg.files import ResultError
from jaxreg.results.moment_checks import as_of_rows, check_alike, check_moments, check_sums
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, cut, names_of
from jaxreg.shapes import NAMES, TARGET_NAMES, shaped

__all__ = ["Moments"]

# Sums about the means are known to so much of the columns' lengths: products are summed in blocks.
UNIT = 8 * float(np.finfo(float).eps)
_SUMS = ("weight", "x_mean", "y_mean", "xx", "xy", "yy")


@shaped(
    **dict.fromkeys(("weight", "n_rows", "unit", "flat"), ""),
    x_mean="p",
    y_mean="k",
    xx="p p",
    xy="p k",
    yy="k",
    feature_names=NAMES,
    target_names=TARGET_NAMES,
)
@dataclass(frozen=True, eq=False, repr=False)
class Moments(Saveable, Readable):
    """All that least squares needs to know of n rows of p columns and k targets; small where `n ≫ p`.

    ``a + b`` are the moments of the rows of both and keep all digits; ``total - b`` those of the rest, and lose what
    the rest does not share with the total. ``sum(parts)`` adds many.

    Attributes:
        weight: W, `Σs`. x_mean: `x̄`, (p,), y_mean: `ȳ`, (k,), weighted.
        xx: `Σ s (x − x̄)(x − x̄)ᵀ`, (p, p), xy: `Σ s (x − x̄)(y − ȳ)ᵀ`, (p, k), yy: `Σ s (y − ȳ)²`, (k,): a covariance
            matrix is ``xx / weight``.
        n_rows: how many rows they are of; ``None`` takes ``weight``. unit: by how much of the columns' lengths rounding
            may have moved them. flat: whether y was (n,): results then have no axis of targets.
        feature_names, target_names: (p,), (k,), or None.

    Raises:
        ValueError: numbers that no rows have, or shapes that do not fit together.

    Source: :mod:`jaxreg.formulas.moments`.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> whole = jaxreg.moments(data.X[:200], data.y[:200]) + jaxreg.moments(data.X[200:], data.y[200:])
        >>> whole.n_rows, bool(abs(whole.x_mean - data.X.mean(axis=0)).max() < 1e-12)
        (442, True)
    """

    weight: float
    x_mean: np.ndarray
    y_mean: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    n_rows: int | None = None
    unit: float = UNIT
    flat: bool = True
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in _SUMS:
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        check_moments(self)
        object.__setattr__(self, "weight", float(self.weight))
        object.__setattr__(self, "n_rows", round(self.weight) if self.n_rows is None else int(self.n_rows))
        object.__setattr__(self, "flat", bool(self.flat) and len(self.yy) == 1)
        for name in ("feature_names", "target_names"):
            if (names := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(names))

    @property
    def sums(self) -> Any:
        """The arrays as :class:`jaxreg.formulas.moments.Moments` of NumPy."""
        from jaxreg.formulas.moments import Moments as Sums

        return Sums(*(np.asarray(getattr(self, name)) for name in _SUMS))

    @classmethod
    def of_rows(cls, X: Any, y: Any, sample_weight: Any = None) -> "Moments":
        """What :func:`jaxreg.moments` returns."""
        from jaxreg.data import inputs
        from jaxreg.data.row_blocks import block_moments

        names = inputs.feature_names_of(X)
        X = inputs.check_matrix(X, "X", None, values=False)
        n, p = X.shape
        target = inputs.check_target(y, n, float)
        targets = inputs.feature_names_of(y) if target.ndim == 2 else _name_of(y)
        m = block_moments(X, target.reshape(n, -1), inputs.check_weights(sample_weight, n, float), None)
        if not np.isfinite(m.xx).all():
            inputs.check_values(X, names)
        cut = m._replace(x_mean=m.x_mean[:p], xx=m.xx[:p, :p].copy(), xy=m.xy[:p])
        return cls(*cut, n_rows=n, flat=target.ndim == 1, feature_names=names, target_names=targets)

    @classmethod
    def from_batches(cls, batches: Iterable[Any]) -> "Moments":
        """The moments of rows that come in batches, each read once.

        Args:
            batches: (X, y) or (X, y, sample_weight), as :func:`jaxreg.moments` takes them, of any numbers of rows.

        Raises:
            ValueError, TypeError: as :func:`jaxreg.path`; the message says in which batch, counted from 0.

        Example:
            >>> import numpy as np
            >>> rows = np.arange(12.0).reshape(6, 2) ** 2
            >>> Moments.from_batches((rows[k : k + 2], rows[k : k + 2, 0]) for k in (0, 2, 4)).n_rows
            6
        """
        if not isinstance(batches, Iterable):
            raise TypeError(f"batches is a {type(batches).__name__}; an iterable of (X, y[, sample_weight]) is needed.")
        whole: Moments | None = None
        for number, batch in enumerate(batches):
            where = f"batch {number}: "
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                raise ValueError(f"{where}it is a {type(batch).__name__}; (X, y) or (X, y, sample_weight) is needed.")
            try:
                part = cls.of_rows(*batch)
                whole = part if whole is None else whole + part
            except (ValueError, TypeError) as error:
                raise type(error)(f"{where}{error}") from None
        if whole is None:
            raise ValueError("there is no batch; at least one row is needed.")
        return whole

    @classmethod
    def from_sums(
        cls,
        weight: float,
        x: Any,
        y: Any,
        xx: Any,
        xy: Any,
        yy: Any,
        *,
        x_centre: Any = 0.0,
        y_centre: Any = 0.0,
        **record: Any,
    ) -> "Moments":
        """From sums that are not about the means, as a data base or a cluster adds them up.

            xx − W z̄ z̄ᵀ,  xy − W z̄ r̄ᵀ,  yy − W r̄²,  z̄ = x/W,  r̄ = y/W                    (Steiner, Huygens)

        Where a mean is far from its centre the difference has few digits; ``unit`` then says so. Near the means none
        is lost.

        Args:
            weight: `Σs`. x: `Σ s z`, (p,), y: `Σ s r`, (k,) or (), xx: `Σ s z zᵀ`, (p, p), xy: `Σ s z rᵀ`, (p, k) or
                (p,), yy: `Σ s r²`, (k,) or (), with `z = x − x_centre`, `r = y − y_centre`.
            record: n_rows, flat and names, as the fields.

        Example:
            >>> m = Moments.from_sums(3.0, [9.0], 3.0, [[41.0]], [14.0], 5.0)  # x = 1, 2, 6 and y = 0, 1, 2
            >>> m.xx.tolist(), m.xy.tolist(), m.yy.tolist()
            ([[14.0]], [[5.0]], [2.0])
        """
        x, y, xx, xy, yy = (np.asarray(v, dtype=float) for v in (x, y, xx, xy, yy))
        y, yy = np.atleast_1d(y), np.atleast_1d(yy)
        xy = xy[:, None] if xy.ndim == 1 else xy
        check_sums(weight, x, y, xx, xy, yy)
        z, r = x / weight, y / weight
        squares, of_means = np.concatenate([np.diagonal(xx), yy]), weight * np.concatenate([z, r]) ** 2
        left = np.maximum(squares - of_means, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(of_means > 0, of_means / left, 0.0)
        about = xx - weight * np.outer(z, z), xy - weight * np.outer(z, r), left[len(x) :]
        about[0][np.diag_indices(len(x))] = left[: len(x)]
        unit = UNIT * (1.0 + float(np.max(np.where(np.isfinite(times), times, 0.0), initial=0.0)))
        return cls(weight, x_centre + z, y_centre + r, *about, **{"unit": unit} | record)

    @classmethod
    def load(cls, file: str | PathLike[str]) -> "Moments":
        """What ``moments.save(file)`` wrote, to the last bit.

        Raises:
            ResultError (a ValueError): the file is none, is damaged, or holds another result.
        """
        found = load(file)
        if not isinstance(found, cls):
            raise ResultError(f"{file} holds a {type(found).__name__}, not moments; jaxreg.load reads it")
        return found

    def __add__(self, other: Any) -> "Moments":
        if not isinstance(other, Moments):
            return NotImplemented
        from jaxreg.data.parts import added

        check_alike(self, other)
        sums, unit = added([self.sums, other.sums], max(self.unit, other.unit))
        return replace(self, **sums._asdict(), n_rows=self.n_rows + other.n_rows, unit=unit)  # type: ignore[operator]

    def __radd__(self, other: Any) -> "Moments":
        return self if type(other) is int and other == 0 else NotImplemented  # sum() begins with 0

    def __sub__(self, other: Any) -> "Moments":
        if not isinstance(other, Moments):
            return NotImplemented
        from jaxreg.data.parts import lost_times

        check_alike(self, other)
        n_rows = self.n_rows - other.n_rows  # type: ignore[operator]
        if n_rows <= 0 or not other.weight < self.weight:
            raise ValueError(
                f"{other.n_rows} rows of weight {other.weight:g} cannot be taken from {self.n_rows} of weight "
                f"{self.weight:g}; some must be left."
            )
        left, unit = self.sums - other.sums, max(self.unit, other.unit)
        size = unit * lost_times(self.sums, other.sums)
        for name, squares in (("column", np.diagonal(left.xx)), ("target", left.yy)):
            before = np.diagonal(self.xx) if name == "column" else self.yy
            if np.any(squares < -100 * unit * before):
                raise ValueError(
                    f"{name} {int(np.argmin(squares))} would have a negative sum of squares: the rows that are taken "
                    "away are not among those of the total."
                )
        left = as_of_rows(left, self.sums, 100 * unit)
        return replace(self, **left._asdict(), n_rows=n_rows, unit=min(size, 1.0))

    def _shown(self) -> Shown:
        """Means and standard deviations of the first columns."""
        p, k = self.xy.shape
        names, deviation = names_of(self, p), np.sqrt(np.diagonal(self.xx) / self.weight)
        each = zip(names, self.x_mean, deviation, strict=True)
        rows: list[tuple[str, ...]] = [(name, f"{mean:.5g}", f"{spread:.5g}") for name, mean, spread in each]
        weight = "" if self.weight == self.n_rows else f" of weight {self.weight:.6g}"
        targets = "" if self.flat else f", {k} target{'s' * (k > 1)}"
        title = f"Moments: {self.n_rows:,} rows{weight}, {p} columns{targets}"
        foot = f"rounding: {self.unit:.1g} of a column's length"
        return Shown(title, cut(("column", "mean", "standard deviation"), rows), [foot])

    def _columns(self) -> dict[str, Any]:
        """A row a column of X."""
        deviation = np.sqrt(np.diagonal(self.xx) / self.weight)
        return {"column": names_of(self, len(self.x_mean)), "mean": self.x_mean, "standard_deviation": deviation}


def _name_of(y: Any) -> tuple[str, ...] | None:
    name = getattr(y, "name", None)
    return (name,) if isinstance(name, str) else None
