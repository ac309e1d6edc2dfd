"""The files of a sweep: everything as JSON, coefficients and curve as CSV, figures as PNG, a page for a browser.

And those of resamples: the result as it is saved, its table as CSV, figures as PNG.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.files import write_csv, write_json, writing
from jaxreg.report.pictures import Picture, draw
from jaxreg.results import Choice, Sweep
from jaxreg.stored_models import FORMAT
from jaxreg.tables import Coding
from jaxreg.together import written_together

__all__ = ["write_resamples", "write_sweep"]

# The first vouches for the others: where it is, they are of the same sweep.
FILES = ("result.json", "coefficients.csv", "curve.csv", "error_curve.png", "coefficient_paths.png", "report.html")


def write_sweep(
    sweep: Sweep,
    folder: Path,
    target: str,
    settings: dict[str, Any],
    page: Callable[[Mapping[str, Picture]], str],
    coding: Coding | None = None,
) -> list[Path]:
    """Write result.json, coefficients.csv, curve.csv, error_curve.png, coefficient_paths.png and report.html.

    Args:
        sweep: of one target, with feature names. folder: exists. target: its name. settings: what reproduces the run.
        page: makes report.html from the figures. coding: of the table that the sweep was of.

    Returns:
        The files; all of them are written, or none. Other files in the folder stay.

    Raises:
        OutputError: a file cannot be written. ImportError: matplotlib is missing.
    """
    names = sweep.feature_names
    assert names is not None
    r = int(sweep.best.index[0])
    result = {
        **FORMAT,
        "settings": settings,
        "target": target,
        "measure": sweep.measure,
        "feature_names": names,
        "coding": (coding or Coding()).as_stored(),
        "scale": sweep.path.scale,
        "y_scale": sweep.path.y_scale,
        "converged": sweep.converged,
        "largest_gap": sweep.largest_gap,
        "best": _choice(sweep.best),
        "one_se": _choice(sweep.one_se),
        "lams": sweep.lams,
        "l1_ratios": sweep.l1_ratios,
        "mean_mse": sweep.mean_mse,
        "se_mse": sweep.se_mse,
        "fold_mse": sweep.fold_mse,
        "fold_gap": sweep.fold_gap,
        "path": {
            "l1_ratio": sweep.l1_ratios[r],
            "lams": sweep.path.lams,
            "intercept": sweep.path.intercept,
            "coef": sweep.path.coef,
            "df": sweep.path.df,
            "n_nonzero": sweep.path.n_nonzero,
            "gap": sweep.path.gap,
            "n_iter": sweep.path.n_iter,
        },
    }
    coefficients: dict[str, Any] = {
        "feature": ("(intercept)", *names),
        "best": np.concatenate([[sweep.best.params.intercept], sweep.best.params.coef]),
        "one_se": np.concatenate([[sweep.one_se.params.intercept], sweep.one_se.params.coef]),
    }
    L = sweep.lams.shape[1]
    curve = {
        "l1_ratio": np.repeat(sweep.l1_ratios, L),
        "lam": sweep.lams.ravel(),
        "mean_mse": sweep.mean_mse.ravel(),
        "se_mse": sweep.se_mse.ravel(),
        "largest_fold_gap": sweep.fold_gap.max(axis=2).ravel(),
    }
    if sweep.measure != "mse":
        for part in ("mean", "se"):
            curve[f"{part}_{sweep.measure}"] = getattr(sweep, f"{part}_{sweep.measure}").ravel()
    pictures = draw(sweep)
    report = page(pictures)
    with written_together(folder, FILES) as staging:
        write_csv(staging / "coefficients.csv", coefficients)
        write_csv(staging / "curve.csv", curve)
        for name, picture in pictures.items():
            with writing(staging / f"{name}.png", "wb") as stream:
                stream.write(picture.file)
        with writing(staging / "report.html") as stream:
            stream.write(report)
        write_json(staging / "result.json", result)
    return [folder / name for name in FILES]


def write_resamples(
    result: Any, folder: Path, stem: str, table: dict[str, Any], figures: Mapping[str, Callable[[], Any]]
) -> list[Path]:
    """Write STEM.npz, which :func:`jaxreg.load` reads, STEM.csv, and a figure STEM_NAME.png each.

    Args:
        result: a bootstrap or a stability selection. folder: exists. table: columns by their names. figures: what draws
            axes, by its name.

    Returns:
        The files; all of them are written, or none. Other files in the folder stay.

    Raises:
        OutputError: a file cannot be written. ImportError: matplotlib is missing.
    """
    from jaxreg import plot

    names = [f"{stem}.npz", f"{stem}.csv", *(f"{stem}_{name}.png" for name in figures)]
    with written_together(folder, names) as staging:
        write_csv(staging / names[1], table)
        for name, figure in zip(names[2:], figures.values(), strict=True):
            with writing(staging / name, "wb") as stream, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks
                plot.save(figure(), stream, dpi=150)
        result.save(staging / names[0])
    return [folder / name for name in names]


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "lam": choice.lam,
        "l1_ratio": choice.l1_ratio,
        "index": choice.index,
        "mean_mse": choice.mean_mse,
        "se_mse": choice.se_mse,
        "n_nonzero": choice.n_nonzero,
        "intercept": choice.params.intercept,
        "coef": choice.params.coef,
    }
