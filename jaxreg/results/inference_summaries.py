"""What the results of inference say of themselves, as those of :mod:`jaxreg.results.summaries` do."""

from typing import Any

import numpy as np

from jaxreg.results.summaries import Shown, cut, names_of, path, power, side_by_side, solution, verdict

__all__ = [
    "debiased_lasso",
    "debiased_lasso_columns",
    "jackknife_plus",
    "jackknife_plus_columns",
    "relaxed_choice",
    "relaxed_path",
    "relaxed_path_columns",
    "relaxed_sweep",
    "relaxed_sweep_columns",
]


def debiased_lasso(result: Any) -> Shown:
    """The coefficients farthest from 0 in standard errors."""
    order = np.argsort(-np.abs(result.z), kind="stable")
    names, p_values, corrected = names_of(result, len(order)), result.p_value, result.holm()
    rows: list[tuple[str, ...]] = [
        (
            names[j],
            *(f"{v:.5g}" for v in (result.estimate[j], result.standard_error[j])),
            *(f"{v:.2g}" for v in (p_values[j], corrected[j])),
        )
        for j in order
    ]
    head = ("column", "estimate", "standard error", "p-value", "Holm")
    foot = [
        f"noise {result.noise:.4g}; ΘΣ̂ is off the identity by at most {np.max(result.off_identity):.2g}",
        verdict(np.append(result.node_gap, result.gap), np.broadcast_to(result.converged, len(order) + 1)),
    ]
    return Shown(f"DebiasedLasso: {len(order)} columns, λ = {result.lam:.4g}", cut(head, rows), foot)


def jackknife_plus(result: Any) -> Shown:
    """The coefficients of all rows, the left-out errors, and the width of an interval that follows from them."""
    shown, error = solution(result), np.abs(result.left_out_residual)
    n = len(error)
    title = f"JackknifePlus: {n} rows, {len(result.scale)} columns, λ = {result.lam:.4g}"
    left_out = f"left-out errors: {np.median(error):.4g} in the middle, 90 % below {np.quantile(error, 0.9):.4g}"
    gaps = np.append(result.left_out_gap, result.gap)
    return Shown(title, shown.rows, [shown.foot[0], left_out, verdict(gaps, np.broadcast_to(result.converged, n + 1))])


def relaxed_path(result: Any) -> Shown:
    """That of the path, with the gaps of the refits beside it."""
    shown = path(result.path)
    supports = len(np.unique(result.refit_coef != 0, axis=0))
    gaps = np.fmax(result.path.gap, result.refit_gap)
    return Shown(
        f"Relaxed{shown.title}, {supports} supports", shown.rows, [verdict(gaps, np.asarray(result.converged))]
    )


def relaxed_choice(result: Any) -> Shown:
    """λ, γ, error and size."""
    head = ("λ", "γ", "mean squared error", "± standard error", "not 0")
    row = (f"{result.lam:.6g}", f"{result.gamma:g}", f"{result.mean_mse:.6g}", f"{result.se_mse:.3g}")
    return Shown("RelaxedChoice", [head, (*row, f"{result.n_nonzero}")], [])


def relaxed_sweep(result: Any) -> Shown:
    """Both choices beside each other."""
    (G, L, K), both = result.fold_mse.shape, (result.best, result.one_se)
    rows = side_by_side(result, {"mse": (result.mean_mse, result.se_mse)}, False)
    rows.insert(2, ("γ", *(f"{of.gamma:g}" for of in both)))
    gaps = (result.fold_gap, result.fold_refit_gap, result.path.path.gap, result.path.refit_gap)
    held = "all within" if result.converged else "NOT all within"
    fits = f"largest gap {power(max(float(np.max(gap)) for gap in gaps))} in {sum(map(np.size, gaps)):,} fits"
    title = f"RelaxedSweep: {G} γs × {L} λs, {K} folds, {len(result.params.coef)} columns"
    return Shown(title, rows, [f"{fits}, {held} the tolerance"])


def debiased_lasso_columns(result: Any) -> dict[str, Any]:
    """A row a column of X: the estimate, its standard error, the ends of its 95 % interval, the p-values."""
    names, (low, high) = list(result.feature_names or range(len(result.estimate))), result.interval()
    found = {"estimate": result.estimate, "standard_error": result.standard_error, "low": low, "high": high}
    return {"column": names, **found, "p_value": result.p_value, "holm": result.holm()}


def jackknife_plus_columns(result: Any) -> dict[str, Any]:
    """A row a row of X: its residual in the model without it, and the gap of that model."""
    return {"left_out_residual": result.left_out_residual, "left_out_gap": result.left_out_gap}


def relaxed_path_columns(result: Any) -> dict[str, Any]:
    """A row a λ: the path's sizes and both gaps, then every coefficient of least squares on the support."""
    names = ("intercept", "n_nonzero", "gap")
    found = {"lam": result.lams, **{name: getattr(result.path, name) for name in names}, "refit_gap": result.refit_gap}
    features = result.path.feature_names or (f"column {j}" for j in range(result.refit_coef.shape[1]))
    features = [f"coefficient of {name}" if name in found else name for name in features]
    return found | dict(zip(features, result.refit_coef.T, strict=True))


def relaxed_sweep_columns(result: Any) -> dict[str, Any]:
    """A row a γ and λ: the held-out errors."""
    G, L = result.mean_mse.shape
    given = {"gamma": np.repeat(result.gammas, L), "lam": np.tile(result.lams, G)}
    return given | {name: getattr(result, name).ravel() for name in ("mean_mse", "se_mse")}
