"""The files of a sweep: everything as JSON, coefficients and curve as CSV, figures as PNG, a page for a browser."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.files import ResultError, write_csv, write_json, writing
from jaxreg.report.pictures import Picture, draw
from jaxreg.results import Choice, Sweep
from jaxreg.tables import Coding
from jaxreg.together import written_together

__all__ = ["FORMAT", "StoredModel", "read_model", "write_sweep"]

# What result.json says it is; a reader refuses what it does not know.
FORMAT = {"format": "jaxreg sweep", "version": 1}
# The first vouches for the others: where it is, they are of the same sweep.
FILES = ("result.json", "coefficients.csv", "curve.csv", "error_curve.png", "coefficient_paths.png", "report.html")


@dataclass(frozen=True)
class StoredModel:
    """One chosen model as it was written: names (p,), coef (p,), intercept, and the target's name.

    ``coding`` says what words and missing cells of a file became: ``read_table(..., like=model.coding)``.
    """

    feature_names: tuple[str, ...]
    target: str
    intercept: float
    coef: np.ndarray
    coding: Coding = field(default_factory=Coding)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Xw + b, (n,), for X (n, p) with the columns in the order of ``feature_names``."""
        with np.errstate(over="ignore", invalid="ignore"):
            prediction = X @ self.coef + self.intercept
        if not np.isfinite(prediction).all():
            i = int(np.argmin(np.isfinite(prediction)))
            raise ValueError(f"the prediction of row {i + 1} is not finite: its values are too large")
        return prediction


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


def read_model(path: str | PathLike[str], choice: str = "best") -> StoredModel:
    """The chosen model of a written sweep.

    Args:
        path: result.json, or the folder that holds it. choice: "best" or "one_se".

    Raises:
        ResultError: there is no such file, it is damaged, or its format is not known.
    """
    file = Path(path)
    file = file / "result.json" if file.is_dir() else file
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        raise ResultError(f"{file} is not the result of a sweep: it is not JSON") from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT["format"]:
        raise ResultError(
            f"{file} is not the result of a sweep; `jaxreg sweep --out DIR` writes one to DIR/result.json"
        )
    if stored.get("version") != FORMAT["version"]:
        raise ResultError(
            f"{file} has version {stored.get('version')!r}; this jaxreg reads version {FORMAT['version']}"
        )
    try:
        names, model = tuple(stored["feature_names"]), stored[choice]
        coef, intercept = np.array(model["coef"], float), float(model["intercept"])
        if coef.shape != (len(names),) or not np.isfinite([*coef, intercept]).all():
            raise ValueError("coefficients do not fit the features")
        coding = Coding.from_stored(stored["coding"]) if "coding" in stored else Coding()
        return StoredModel(names, str(stored["target"]), intercept, coef, coding)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{file} is damaged: {error}") from None
