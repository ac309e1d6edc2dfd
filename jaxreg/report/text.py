"""A sweep as a table for the terminal."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxreg.plot.errors import MEASURES
from jaxreg.report.words import rounded, time_in_words
from jaxreg.results import Sweep
from jaxreg.solvers.paths import default_tol

__all__ = ["coefficients", "head", "hidden", "merits", "named", "numbers", "sweep_report"]

# More features than this that are 0 in both models are folded into one line.
MOST_ZEROS = 10


def named(sweep: Sweep, names: tuple[str, ...]) -> Sweep:
    """The sweep with feature names, where X was an array."""
    return replace(
        sweep,
        feature_names=names,
        best=replace(sweep.best, feature_names=names),
        one_se=replace(sweep.one_se, feature_names=names),
        path=replace(sweep.path, feature_names=names),
    )


def sweep_report(
    sweep: Sweep,
    *,
    title: str,
    shape: tuple[int, int],
    folds: str,
    seconds: tuple[float, float],
    tol: float | None,
    dtype: str,
    notes: Sequence[str] = (),
    rows: int = 30,
) -> str:
    """The table that ``jaxreg sweep`` prints.

    Args:
        sweep: of one target, with feature names. title: data and target. shape: (n, p). folds: in words.
        seconds: solving, compiling. tol: None is the default of ``dtype``. notes: what became of the file. rows: most
            features to print.

    Returns:
        Text without a trailing newline.
    """
    import jax

    tol = default_tol(dtype) if tol is None else tol
    table = [("feature", "at the minimum", "one standard error"), *coefficients(sweep, rows)]
    table += [("", "", ""), *merits(sweep, shape[1])]
    widths = [max(len(row[k]) for row in table) for k in range(3)]
    body = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in table]
    body.insert(1, "─" * (sum(widths) + 4))
    fits = sweep.fold_gap.size + sweep.path.gap.size
    verdict = "all within" if sweep.converged else "NOT all within"
    foot = [
        "",
        *hidden(sweep, rows),
        f"largest duality gap {sweep.largest_gap:.1e} in {fits:,} fits, {verdict} the tolerance {tol:g}",
        f"{jax.devices()[0].platform}, {dtype}: {time_in_words(seconds)}",
    ]
    return "\n".join([title, *head(sweep, shape, folds, notes), "", *body, *foot])


def head(sweep: Sweep, shape: tuple[int, int], folds: str, notes: Sequence[str] = ()) -> list[str]:
    """What was swept, in two lines; then what became of the file, and a last line where the grid ends too early."""
    n, p = shape
    best = sweep.best
    lams = sweep.lams[int(best.index[0])]
    chosen = "" if len(sweep.l1_ratios) == 1 else f", chosen from {', '.join(f'{r:g}' for r in sweep.l1_ratios)}"
    largest, smallest = rounded(lams.max(), 4), rounded(lams.min(), 4)
    return [
        f"{n} rows, {p} features; {_model(best.l1_ratio)} (l1_ratio {best.l1_ratio:g}{chosen}); {folds}",
        (f"{len(lams)} λs from {largest} to {smallest}" if len(lams) > 1 else f"λ {largest} alone")
        + ("" if not sweep.extended else f", after the grid was extended {('once', 'twice')[sweep.extended - 1]}"),
        *(f"{note[0].upper()}{note[1:]}" for note in notes),
        *([f"Note: {sweep.end_in_words}"] if sweep.end_in_words else []),
    ]


def merits(sweep: Sweep, p: int) -> list[tuple[str, str, str]]:
    """λ, errors and sizes of both choices; another measure by which was chosen stands below the squared error."""
    both = sweep.best, sweep.one_se
    rows: list[Any] = [
        ("λ", *(f"{choice.lam:.6g}" for choice in both)),
        ("mean squared error", *(f"{choice.mean_mse:.6g}" for choice in both)),
        ("± standard error", *(rounded(choice.se_mse, 3) for choice in both)),
        ("root mean squared error", *(f"{choice.mean_mse**0.5:.6g}" for choice in both)),
    ]
    if sweep.measure != "r2" and sweep.mean_r2 is not None:
        rows.append(("R²", *(f"{sweep.mean_r2[tuple(choice.index)]:.3f}" for choice in both)))
    if sweep.measure != "mse":
        mean, se = (getattr(sweep, f"{part}_{sweep.measure}") for part in ("mean", "se"))
        rows += [
            (MEASURES[sweep.measure], *(f"{mean[tuple(choice.index)]:.6g}" for choice in both)),
            ("± its standard error", *(f"{se[tuple(choice.index)]:.3g}" for choice in both)),
        ]
    return [*rows, ("features used", *(f"{choice.n_nonzero} of {p}" for choice in both))]


def _model(l1_ratio: float) -> str:
    return {1.0: "lasso", 0.0: "ridge"}.get(l1_ratio, "elastic net")


def numbers(values: np.ndarray) -> list[str]:
    """One number of decimals for all, so that the column lines up: six digits of the largest, three of the smallest.

    An exact zero is a dot, so that the eye finds what was selected.
    """
    sizes = np.abs(values[values != 0])
    if sizes.size == 0:
        return ["·"] * len(values)
    largest, smallest = np.floor(np.log10([sizes.max(), sizes.min()]))
    decimals = int(max(0, 5 - largest, 2 - smallest))
    if decimals > 9 or largest > 9:
        return ["·" if value == 0 else f"{value:.5e}" for value in values]
    return ["·" if value == 0 else f"{value:.{decimals}f}" for value in values]


def _shown(sweep: Sweep, rows: int) -> np.ndarray:
    """Which features are printed: all in the order of the table if they fit, else the largest by `|w|·σ`.

    Many that are 0 in both models are left out even where they fit.
    """
    best, one_se = sweep.best.params.coef, sweep.one_se.params.coef
    used = (best != 0) | (one_se != 0)
    if len(best) <= rows:
        return np.arange(len(best)) if np.sum(~used) <= MOST_ZEROS else np.flatnonzero(used)
    size = np.maximum(np.abs(best), np.abs(one_se)) * sweep.path.scale
    order = np.argsort(-size, kind="stable")[: max(rows, 0)]
    return order[size[order] > 0]


def coefficients(sweep: Sweep, rows: int) -> list[tuple[str, str, str]]:
    """Name and both coefficients of the features that are shown, at most ``rows``, and of the intercept."""
    shown = _shown(sweep, rows)
    names = [" ".join((sweep.feature_names or ())[j].split()) for j in shown] + ["(intercept)"]  # no line breaks
    columns = [numbers(np.append(c.params.coef[shown], c.params.intercept)) for c in (sweep.best, sweep.one_se)]
    return list(zip(names, *columns, strict=True))


def hidden(sweep: Sweep, rows: int, elsewhere: str = "--out DIR writes all") -> list[str]:
    """What is said about the features that are not shown, and where they are."""
    used = (sweep.best.params.coef != 0) | (sweep.one_se.params.coef != 0)
    shown = _shown(sweep, rows)
    more = int(used.sum()) - int(used[shown].sum())
    if len(shown) == len(used):
        return []
    if len(used) <= rows:
        return [f"({len(used) - len(shown)} features are 0 in both)", ""]
    rest = f"{more} more are not 0; " if more else ""
    return [f"(the {len(shown)} largest by coefficient × scale; {rest}{elsewhere})", ""]
