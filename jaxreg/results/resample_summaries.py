"""What a bootstrap says of itself, as :mod:`jaxreg.results.summaries` does for the other results."""

from typing import Any

import numpy as np

from jaxreg.results.summaries import MOST_ROWS, Shown, power, value_range, verdict

__all__ = [
    "bootstrap",
    "bootstrap_columns",
    "bootstrap_statistics",
    "bootstrap_statistics_columns",
    "chosen_bootstrap",
    "chosen_bootstrap_columns",
]


def bootstrap(result: Any) -> Shown:
    """A few λs: how many features each resample uses, and how many are in most of them."""
    B, L, p = result.coef.shape[:3]
    targets = "" if result.estimate.ndim == 2 else f", {result.estimate.shape[2]} targets"
    used = (result.coef != 0).sum(axis=2).reshape(B, L, -1)
    often = result.selection_frequency.reshape(L, p, -1)
    rows: list[tuple[str, ...]] = [("λ", "not 0 in a resample", "in 9 of 10", "largest gap")]
    for l in np.unique(np.linspace(0, L - 1, min(L, MOST_ROWS - 1)).round().astype(int)):
        typical = np.quantile(used[:, l], [0.05, 0.95])
        stable = (often[l] >= 0.9).sum(axis=0)
        rows.append(
            (
                f"{result.lams[l]:.4g}",
                value_range(typical, ".0f"),
                value_range(stable, "d"),
                power(result.gap[:, l].max()),
            )
        )
    title = f"Bootstrap: {B:,} resamples ({result.kind}), {L} λs, {p} columns{targets}"
    return Shown(title, rows, [verdict(result.gap, result.converged)])


def bootstrap_statistics(result: Any) -> Shown:
    """A few λs: how many features a resample uses on average, and how many are in most of them."""
    L, p = result.estimate.shape[:2]
    targets = "" if result.estimate.ndim == 2 else f", {result.estimate.shape[2]} targets"
    often = result.selection_frequency
    rows: list[tuple[str, ...]] = [("λ", "not 0 on average", "in 9 of 10", "largest gap")]
    for l in np.unique(np.linspace(0, L - 1, min(L, MOST_ROWS - 1)).round().astype(int)):
        used, stable = often[l].sum(axis=0), (often[l] >= 0.9).sum(axis=0)
        cells = value_range(used, ".1f"), value_range(stable, "d"), power(result.largest_gap[l].max())
        rows.append((f"{result.lams[l]:.4g}", *cells))
    title = f"BootstrapStatistics: {result.n_resamples:,} resamples ({result.kind}), {L} λs, {p} columns{targets}"
    held = "all fits are" if result.converged else f"{result.late.sum():,} fits are NOT"
    return Shown(title, rows, [f"{held} within the tolerance; largest duality gap {power(result.largest_gap.max())}"])


def chosen_bootstrap(result: Any) -> Shown:
    """λ and how many features are used, on the data and over the resamples."""
    B, p = result.coef.shape
    ends = np.isin(result.chosen_lam, [np.max(result.lams), np.min(result.lams)]).mean()
    over = lambda values, form: value_range(np.quantile(values, [0.05, 0.95]), form)
    rows: list[tuple[str, ...]] = [
        ("", "on the data", "9 of 10 resamples"),
        ("λ", f"{result.lam:.4g}", over(result.chosen_lam, ".4g")),
        ("not 0", f"{(result.estimate != 0).sum()}", over((result.coef != 0).sum(axis=1), ".0f")),
        ("in 9 of 10", "", f"{(result.selection_frequency >= 0.9).sum()}"),
    ]
    rule = "the minimum" if result.rule == "best" else "one standard error"
    foot = [f"λ at {rule}, of {len(result.lams)} λs; {ends:.0%} of the resamples choose an end of the grid"]
    worst = np.maximum(result.gap, result.fold_gap.max(axis=1))
    title = f"ChosenBootstrap: {B:,} resamples ({result.kind}), {p} columns"
    return Shown(title, rows, [*foot, verdict(worst, result.converged).replace("fits", "resamples")])


def bootstrap_columns(result: Any) -> dict[str, Any]:
    """A row a λ and column of X (and target): the estimate, the ends of its 95 % interval, how often it is not 0."""
    low, high = result.interval()
    values = {"estimate": result.estimate, "low": low, "high": high, "frequency": result.selection_frequency}
    return _of_coefficients(result, values)


def bootstrap_statistics_columns(result: Any) -> dict[str, Any]:
    """A row a λ and column of X (and target): the estimate, mean and standard deviation, how often it is not 0."""
    names = ("estimate", "mean", "standard_deviation", "sign_stability")
    values = {name: getattr(result, name) for name in names} | {"frequency": result.selection_frequency}
    return _of_coefficients(result, values)


def chosen_bootstrap_columns(result: Any) -> dict[str, Any]:
    """A row a column of X: the estimate, the ends of its 95 % interval, how often it is not 0."""
    low, high = result.interval()
    names = list(result.feature_names or range(len(result.estimate)))
    found = {"column": names, "estimate": result.estimate, "low": low, "high": high}
    return found | {"frequency": result.selection_frequency}


def _of_coefficients(result: Any, values: dict[str, np.ndarray]) -> dict[str, Any]:
    """Flat columns of (L, p) or (L, p, t) values, with λ, the column's name and the target's number."""
    L, p, *t = result.estimate.shape
    names = np.asarray(result.feature_names or [f"column {j}" for j in range(p)], dtype=object)
    l, j, *k = (v.ravel() for v in np.indices((L, p, *t)))
    found = {"lam": result.lams[l], "column": names[j]} | ({"target": k[0]} if t else {})
    return found | {name: value.ravel() for name, value in values.items()}
