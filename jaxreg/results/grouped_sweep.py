"""What ``sweep`` returns with ``by=``: a cross-validation within each group of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxreg.archive import Saveable
from jaxreg.results.grouped import GroupedSolution, said_of
from jaxreg.results.readable import Readable
from jaxreg.results.summaries import Shown, cut, power, value_range
from jaxreg.shapes import shaped

__all__ = ["GroupedSweep"]


@shaped(
    **dict.fromkeys(("lams", "mean_mse", "se_mse", "n_nonzero"), "G L"),
    index="G 2",
    **dict.fromkeys(("best", "one_se"), GroupedSolution),
    fold_gap="G",
    converged="",
    n_folds="",
    l1_ratios="R",
    **dict.fromkeys(("l1_ratio", "extended"), "G"),
)
@dataclass(frozen=True, eq=False, repr=False)
class GroupedSweep(Saveable, Readable):
    """A cross-validation within each of G groups.

    Attributes:
        lams, mean_mse, se_mse, n_nonzero: (G, L), of every group along its λs: mean squared error, its standard error,
            and coefficients that are not 0. A group with fewer λs than others has NaN (and 0) behind them.
        best, one_se: :class:`GroupedSolution`, of each group's least error, and at its largest λ within one standard
            error of that; index: (G, 2), where they stand along the λs.
        fold_gap: (G,), the largest duality gap in the folds. converged: whether all gaps are within the tolerance.
        n_folds: K. l1_ratios: (R,), those that were tried, l1_ratio: (G,), each group's of least error, of which all of
            the above is. extended: (G,), how often its grid was extended. In files of before they are None.
    """

    lams: np.ndarray
    mean_mse: np.ndarray
    se_mse: np.ndarray
    n_nonzero: np.ndarray
    index: np.ndarray
    best: GroupedSolution
    one_se: GroupedSolution
    fold_gap: np.ndarray
    converged: bool
    n_folds: int
    l1_ratios: np.ndarray | None = None
    l1_ratio: np.ndarray | None = None
    extended: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.fold_gap)

    @property
    def largest_gap(self) -> float:
        """The largest duality gap of all fits that are kept, and of those in the folds."""
        return float(max(np.max(self.fold_gap), self.best.largest_gap, self.one_se.largest_gap))

    @property
    def flags(self) -> list[str]:
        """As :attr:`GroupedSolution.flags`, and whether the error still falls at an end of the group's λs, (G,)."""
        from jaxreg.solvers.grid_ends import open_ends

        ends = open_ends(self.lams, self.mean_mse, self.n_nonzero)
        said = [f"the error falls at the {end} λ" if end else "" for end in ends]
        return [", ".join(filter(None, both)) for both in zip(self.best.flags, said, strict=True)]

    def predict(self, X: Any, by: Any = None) -> np.ndarray:
        """Predictions of :attr:`best` (:meth:`GroupedSolution.predict`), (n,)."""
        return self.best.predict(X, by)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """How the coefficients of :attr:`best` spread over the groups; returns the axes."""
        return self.best.plot(ax, **options)

    def _errors(self) -> np.ndarray:
        return self.mean_mse[np.arange(len(self)), self.index[:, 0]]

    def rows(self) -> list[tuple[str, ...]]:
        """The table of the groups in words, headings first: keys, rows, best λ, error, coefficients that are not 0."""
        best, columns = self.best, self._ratio()
        head = (*best.key_names, "rows", *columns, "best λ", "mean squared error", "not 0")
        numbers = zip(best.n_rows, best.lams, self._errors(), (best.coef != 0).sum(axis=1), strict=True)
        rows = []
        for g, (n, lam, error, count) in enumerate(numbers):
            ratio = (f"{values[g]:g}" for values in columns.values())
            rows.append(
                (*(str(key[g]) for key in best.keys), f"{n:,}", *ratio, f"{lam:.4g}", f"{error:.4g}", f"{count}")
            )
        return [head, *rows]

    def _ratio(self) -> dict[str, np.ndarray]:
        """Where several were tried."""
        several = self.l1_ratios is not None and self.l1_ratio is not None and len(self.l1_ratios) > 1
        return {"l1_ratio": self.l1_ratio} if several else {}  # type: ignore[dict-item]

    def _shown(self) -> Shown:
        """A few groups with their choices, what is unusual, and the certificate."""
        head, *rows = self.rows()
        counts = (~np.isnan(self.lams)).sum(axis=1)
        title = f"GroupedSweep: {len(self):,} groups, {value_range(counts, 'd')} λs each, {self.n_folds} folds"
        fits = counts.sum() * (self.n_folds + 1) * (1 if self.l1_ratios is None else len(self.l1_ratios))
        held = "all within" if self.converged else "NOT all within"
        foot = [f"largest duality gap {power(self.largest_gap)} in {fits:,} fits, {held} the tolerance"]
        return Shown(title, cut(head, rows), [*said_of(self.flags), *foot])

    def _columns(self) -> dict[str, Any]:
        """A row a group: its keys and rows, the two λs, the error of the first, and its coefficients."""
        found = self.best._columns()
        names = dict(zip(self.best.key_names, self.best.keys, strict=True))
        first = names | {"n_rows": found.pop("n_rows")} | self._ratio()
        first |= {"lam": found.pop("lam"), "lam_one_se": self.one_se.lams}
        at = np.arange(len(self)), self.index[:, 0]
        return first | {"mean_mse": self._errors(), "se_mse": self.se_mse[at]} | found
