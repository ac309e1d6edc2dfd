"""What a result says of itself: a title, a small table and a verdict; and the columns of a data frame.

Each function takes a result (:mod:`jaxreg.results`); a result has them as methods, through
:class:`jaxreg.readable.Readable`.
"""

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Shown",
    "banded",
    "banded_columns",
    "bootstrap",
    "bootstrap_columns",
    "choice",
    "choice_columns",
    "leave_one_out",
    "leave_one_out_columns",
    "path",
    "path_columns",
    "solution",
    "solution_columns",
    "stability",
    "stability_columns",
    "sweep",
    "sweep_columns",
]

# Rows of a table, of which the first has the headings.
MOST_ROWS = 6
WORDS = {"mse": "mean squared error", "mae": "mean absolute error", "r2": "R²"}


class Shown(NamedTuple):
    """A title, rows of cells (the first are the headings; none where there is no table), and sentences below."""

    title: str
    rows: list[tuple[str, ...]]
    foot: list[str]


def solution(result: Any) -> Shown:
    """The largest coefficients, by coefficient times standard deviation; of several targets, one row each."""
    coef = np.asarray(result.coef)
    p = coef.shape[0]
    foot = [_verdict(result.gap, result.converged)]
    if coef.ndim == 2:
        each = zip(np.atleast_1d(result.intercept), (coef != 0).sum(axis=0), np.atleast_1d(result.gap), strict=True)
        rows: list[tuple[str, ...]] = [
            (str(k), f"{b:.6g}", str(used), _power(gap)) for k, (b, used, gap) in enumerate(each)
        ]
        title = f"Solution: {p} columns, {coef.shape[1]} targets"
        return Shown(title, _cut(("target", "intercept", "not 0", "duality gap"), rows), foot)
    order = np.argsort(-np.abs(coef) * result.scale, kind="stable")
    names, used = _names(result), int((coef != 0).sum())
    rows = [(names[j], f"{coef[j]:.6g}") for j in order if coef[j] != 0]
    text = f"{used} of {p} coefficients are not 0; intercept {float(result.intercept):.6g}"
    return Shown(f"Solution: {p} columns", _cut(("column", "coefficient"), rows) if rows else [], [text, *foot])


def path(result: Any) -> Shown:
    """A few λs from the first to the last."""
    lams, L, p = np.asarray(result.lams), len(result.lams), len(result.scale)
    targets = "" if np.ndim(result.gap) == 1 else f", {np.shape(result.gap)[1]} targets"
    columns: dict[str, Any] = {"λ": lams, "not 0": None, "degrees of freedom": result.df, "largest gap": result.gap}
    if not callable(vars(result)["n_nonzero"]):  # else they are computed when they are first read, and take long
        columns["not 0"] = result.n_nonzero
    forms: dict[str, str | None] = {"λ": ".4g", "not 0": "d", "degrees of freedom": ".4g", "largest gap": None}
    known = {name: np.asarray(values) for name, values in columns.items() if values is not None}
    chosen = np.unique(np.linspace(0, L - 1, min(L, MOST_ROWS - 1)).round().astype(int))
    rows = [tuple(_range(values[l], forms[name]) for name, values in known.items()) for l in chosen]
    return Shown(f"Path: {L} λs, {p} columns{targets}", [tuple(known), *rows], [_verdict(result.gap, result.converged)])


def choice(result: Any) -> Shown:
    """λ, error and size; of several targets, one row each."""
    several = np.ndim(result.lam) == 1
    head = ("λ", "l1_ratio", "mean squared error", "± standard error", "not 0")
    values = (result.lam, result.l1_ratio, result.mean_mse, result.se_mse, result.n_nonzero)
    each = zip(*(np.atleast_1d(v) for v in values), strict=True)
    rows: list[tuple[str, ...]] = [(f"{a:.6g}", f"{b:g}", f"{c:.6g}", f"{d:.3g}", f"{e}") for a, b, c, d, e in each]
    if not several:
        return Shown("Choice", [head, *rows], [])
    rows = [(str(k), *row) for k, row in enumerate(rows)]
    return Shown(f"Choice: {len(rows)} targets", _cut(("target", *head), rows), [])


def sweep(result: Any) -> Shown:
    """Both choices beside each other; of several targets, the first one of each."""
    R, L, K = result.fold_gap.shape[:3]
    ratios = "" if R == 1 else f"{R} l1_ratios × "
    title = f"Sweep: {ratios}{L} λs, {K} folds, {len(result.path.scale)} columns"
    gaps, ended = (result.fold_gap, result.path.gap), [result.end_in_words] if result.end_in_words else []
    largest, fits = max(float(np.max(gap)) for gap in gaps), sum(np.size(gap) for gap in gaps)
    held = "all within" if result.converged else "NOT all within"
    foot = [*ended, f"largest duality gap {_power(largest)} in {fits:,} fits, {held} the tolerance"]
    if result.mean_mse.ndim == 3:
        of_best = choice(result.best)
        return Shown(f"{title}, {result.mean_mse.shape[2]} targets; at the minimum", of_best.rows, foot)
    errors = {
        name: (getattr(result, f"mean_{name}"), getattr(result, f"se_{name}")) for name in ("mse", result.measure)
    }
    return Shown(title, _both(result, errors, R > 1), foot)


def leave_one_out(result: Any) -> Shown:
    """Both choices beside each other."""
    title = f"LeaveOneOut: {len(result.lams)} λs, {len(result.scale)} columns"
    foot = [_verdict(result.gap, np.broadcast_to(result.converged, np.shape(result.gap)))]
    if result.mse.ndim == 2:
        return Shown(f"{title}, {result.mse.shape[1]} targets; at the minimum", choice(result.best).rows, foot)
    return Shown(title, _both(result, {"mse": (result.mse[None], result.se_mse[None])}, False), foot)


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
            (f"{result.lams[l]:.4g}", _range(typical, ".0f"), _range(stable, "d"), _power(result.gap[:, l].max()))
        )
    title = f"Bootstrap: {B:,} resamples ({result.kind}), {L} λs, {p} columns{targets}"
    return Shown(title, rows, [_verdict(result.gap, result.converged)])


def stability(result: Any) -> Shown:
    """The features chosen most often, and the bound on those that are chosen by chance."""
    share = result.frequency[-1]
    names = [" ".join(str(name).split()) for name in result.feature_names or (f"column {j}" for j in range(len(share)))]
    order = np.argsort(-share, kind="stable")
    rows: list[tuple[str, ...]] = [
        (names[j], f"{share[j]:.2f}", "stable" if result.stable[j] else "") for j in order if share[j] > 0
    ]
    title = f"Stability: {2 * result.n_pairs} halves, {len(share)} columns, at most {result.q} chosen by each"
    bound = "no bound on" if np.isinf(result.expected_false) else f"at most {result.expected_false:.2g} expected"
    foot = [
        f"{int(result.stable.sum())} stable at {result.threshold:.3g} or more; {bound} false selections among them",
        f"largest duality gap {_power(result.largest_gap)}, {'' if result.converged else 'NOT '}within the tolerance",
    ]
    return Shown(title, _cut(("column", "share of halves", ""), rows) if rows else [], foot)


def banded(result: Any) -> Shown:
    """λ of every band and how many columns it has; of several targets the median and the middle half."""
    q, lam = len(result.band_names), np.reshape(result.lam, (len(result.band_names), -1))
    columns, t = np.bincount(result.band, minlength=q), lam.shape[1]
    quarters = np.quantile(lam, [0.25, 0.5, 0.75], axis=1)
    rows: list[tuple[str, ...]] = [
        (name, str(count), f"{half:.4g}" if t == 1 else f"{half:.4g} ({low:.3g} – {high:.3g})")
        for name, count, low, half, high in zip(result.band_names, columns, *quarters, strict=True)
    ]
    r2 = np.quantile(result.mean_r2, [0.0, 0.5, 1.0])
    explained = f"{r2[1]:.3g}" if t == 1 else f"from {r2[0]:.3g} to {r2[2]:.3g}, median {r2[1]:.3g}"
    alone = 1 / (1 / lam).sum(axis=0)
    at_end = int(np.sum((alone <= result.lams[-1] * 1.001) | (alone >= result.lams[0] * 0.999)))
    at_end *= result.method == "random search" and len(result.lams) > 1
    end = [f"λ stands at an end of the grid for {at_end:,} of {t:,} targets"] if at_end else []
    foot = [f"held-out R² {explained}", *end, _verdict(result.gap, result.converged)]
    targets = "" if t == 1 else f", {t:,} targets"
    title = f"BandedRidge: {q} bands, {len(result.band)} columns{targets} ({result.method})"
    return Shown(title, _cut(("band", "columns", "λ" if t == 1 else "λ: median (middle half)"), rows), foot)


def _both(result: Any, errors: dict[str, tuple[np.ndarray, np.ndarray]], ratios: bool) -> list[tuple[str, ...]]:
    both = (result.best, result.one_se)
    rows = [("", "at the minimum", "one standard error"), ("λ", *(f"{of.lam:.6g}" for of in both))]
    rows += [("l1_ratio", *(f"{of.l1_ratio:g}" for of in both))] if ratios else []
    for name, (mean, se) in errors.items():
        cells = (f"{mean[tuple(of.index)]:.6g} ± {se[tuple(of.index)]:.3g}" for of in both)
        rows.append((WORDS[name], *cells))
    rows.append(("features used", *(f"{of.n_nonzero} of {len(of.params.coef)}" for of in both)))
    return rows


def _cut(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The first rows, and a last one for what is left out."""
    if len(rows) < MOST_ROWS:
        return [head, *rows]
    return [head, *rows[: MOST_ROWS - 2], (f"… {len(rows) - MOST_ROWS + 2} more", *[""] * (len(head) - 1))]


def _range(values: Any, form: str | None) -> str:
    """One number, or from the least to the largest of several targets."""
    low, high = ((_power(v) if form is None else f"{v:{form}}") for v in (np.min(values), np.max(values)))
    return low if low == high else f"{low} – {high}"


def _power(gap: Any) -> Any:
    return "0" if gap == 0 else f"{gap:.0e}"


def _verdict(gap: Any, converged: Any) -> str:
    late, count = int(np.size(converged) - np.sum(converged)), np.size(converged)
    all_of = "the fit is" if count == 1 else f"all {count:,} fits are"
    held = f"{all_of} within the tolerance" if late == 0 else f"{late:,} of {count:,} fits are NOT within the tolerance"
    return f"{held}; largest duality gap {_power(np.max(gap))}"


def _names(result: Any) -> list[str]:
    p = len(result.params.coef)
    return [" ".join(name.split()) for name in result.feature_names or (f"column {j}" for j in range(p))]


def solution_columns(result: Any) -> dict[str, Any]:
    """A row a column: its name and coefficient, or one coefficient a target."""
    coef = np.asarray(result.params.coef)
    names = list(result.feature_names or range(len(coef)))
    if coef.ndim == 1:
        return {"column": names, "coefficient": coef}
    return {"column": names, **{f"target {k}": coef[:, k] for k in range(coef.shape[1])}}


choice_columns = solution_columns


def path_columns(result: Any) -> dict[str, Any]:
    """A row a λ (and target): λ, intercept, sizes, gap, then every coefficient."""
    names = ("lams", "intercept", "df", "n_nonzero", "gap", "converged")
    found = _rows({"lam" if name == "lams" else name: getattr(result, name) for name in names}, result.gap)
    coef = np.moveaxis(np.asarray(result.coef), 1, -1)
    features = result.feature_names or (f"column {j}" for j in range(coef.shape[-1]))
    features = [f"coefficient of {name}" if name in found else name for name in features]
    return found | dict(zip(features, coef.reshape(-1, coef.shape[-1]).T, strict=True))


def sweep_columns(result: Any) -> dict[str, Any]:
    """A row an l1_ratio and λ (and target): the held-out errors."""
    shape = result.lams.shape
    known = [
        f"{part}_{name}" for name in WORDS for part in ("mean", "se") if getattr(result, f"{part}_{name}") is not None
    ]
    ratios = np.broadcast_to(result.l1_ratios[:, None], shape)
    errors = {name: getattr(result, name) for name in known}
    flat = lambda v: np.asarray(v).reshape(shape[0] * shape[1], *np.shape(v)[2:])
    given = {"l1_ratio": flat(ratios), "lam": flat(result.lams), **{name: flat(v) for name, v in errors.items()}}
    return _rows(given, flat(result.mean_mse))


def leave_one_out_columns(result: Any) -> dict[str, Any]:
    """A row a λ (and target)."""
    names = ("mse", "se_mse", "gcv", "df", "gap")
    return _rows({"lam": result.lams, **{name: getattr(result, name) for name in names}}, result.gap)


def bootstrap_columns(result: Any) -> dict[str, Any]:
    """A row a λ and column of X (and target): the estimate, the ends of its 95 % interval, how often it is not 0."""
    low, high = result.interval()
    L, p, *t = result.estimate.shape
    names = np.asarray(result.feature_names or [f"column {j}" for j in range(p)], dtype=object)
    grid: Any = np.meshgrid(np.arange(L), np.arange(p), *map(np.arange, t), indexing="ij")
    l, j, *k = (v.ravel() for v in grid)
    found = {"lam": result.lams[l], "column": names[j]} | ({"target": k[0]} if t else {})
    values = {"estimate": result.estimate, "low": low, "high": high, "frequency": result.selection_frequency}
    return found | {name: value.ravel() for name, value in values.items()}


def stability_columns(result: Any) -> dict[str, Any]:
    """A row a column of X: the share of halves that choose it, and whether it is stable."""
    names = list(result.feature_names or range(len(result.stable)))
    return {"column": names, "frequency": result.frequency[-1], "stable": result.stable}


def banded_columns(result: Any) -> dict[str, Any]:
    """A row a band (and target): λ, and the proportion of the coefficients that it stands for."""
    q, *t = np.shape(result.lam)
    number = {"target": np.tile(np.arange(t[0]), q)} if t else {}
    names = np.repeat(np.asarray(result.band_names, dtype=object), t[0] if t else 1)
    return {"band": names} | number | {"lam": result.lam.ravel(), "proportion": result.proportions.ravel()}


def _rows(values: dict[str, Any], like: Any) -> dict[str, Any]:
    """Flat columns of (L,) or (L, t) values; the targets are numbered where there are several."""
    L, *t = np.shape(like)
    wide = lambda v: np.asarray(v) if np.ndim(v) == 1 + len(t) else np.repeat(np.asarray(v)[:, None], t[0], axis=1)
    number = {"target": np.tile(np.arange(t[0]), L)} if t else {}
    return number | {name: wide(v).reshape(-1) for name, v in values.items()}
