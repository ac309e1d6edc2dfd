"""The chosen model of a sweep that was written to files, for predictions; nothing here imports JAX."""

import json
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from jaxreg.files import ResultError
from jaxreg.tables import Coding

__all__ = ["FORMAT", "StoredModel", "read_model"]

# What result.json says it is; a reader refuses what it does not know.
FORMAT = {"format": "jaxreg sweep", "version": 1}


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
