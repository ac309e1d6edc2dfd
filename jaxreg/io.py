"""The files of a sweep: everything as JSON, the coefficients and the curve as CSV, the figures as PNG."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.files import write_csv, write_json, writing
from jaxreg.results import Choice, Sweep

__all__ = ["FORMAT", "ResultError", "StoredModel", "read_model", "write_sweep"]

# What result.json says it is; a reader refuses what it does not know.
FORMAT = {"format": "jaxreg sweep", "version": 1}
CHOICES = ("best", "one_se")


class ResultError(ValueError):
    """A file is not the result of a sweep; the message is one line."""


@dataclass(frozen=True)
class StoredModel:
    """One chosen model as it was written: names (p,), coef (p,), intercept, and the target's name."""

    feature_names: tuple[str, ...]
    target: str
    intercept: float
    coef: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Xw + b, (n,), for X (n, p) with the columns in the order of ``feature_names``."""
        return X @ self.coef + self.intercept


def write_sweep(sweep: Sweep, folder: Path, target: str, settings: dict[str, Any]) -> list[Path]:
    """Write result.json, coefficients.csv, curve.csv, error_curve.png and coefficient_paths.png.

    Args:
        sweep: of one target, with feature names. folder: exists. target: its name. settings: what reproduces the run.

    Returns:
        The files, each written whole.

    Raises:
        OutputError: a file cannot be written. ImportError: matplotlib is missing.
    """
    from jaxreg import plot

    names = sweep.feature_names
    assert names is not None
    r = int(sweep.best.index[0])
    result = {
        **FORMAT,
        "settings": settings,
        "target": target,
        "feature_names": names,
        "scale": sweep.path.scale,
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
    chosen = {"minimum": sweep.best.lam, "one standard error": sweep.one_se.lam}
    files = [folder / name for name in ("coefficients.csv", "curve.csv", "error_curve.png", "coefficient_paths.png")]
    write_csv(files[0], coefficients)
    write_csv(files[1], curve)
    for file, axes in ((files[2], sweep.plot()), (files[3], sweep.path.plot(chosen=chosen))):
        with writing(file, "wb") as stream:
            plot.save(axes, stream)
    write_json(folder / "result.json", result)  # last: where it stands, the others do too
    return [folder / "result.json", *files]


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
        if coef.shape != (len(names),) or not np.isfinite(coef).all():
            raise ValueError("coefficients do not fit the features")
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{file} is damaged: {error}") from None
    return StoredModel(names, str(stored["target"]), intercept, coef)
