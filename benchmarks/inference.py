"""How long does a debiased lasso take, beside hidimstat and beside a loop over scikit-learn?

    python benchmarks/inference.py [--repeats 3]

300 rows and 500 columns that resemble their neighbours, of which five matter. Nearly all of the time goes into the 500
lassos of one column on the others, at one penalty for all programs. scikit-learn's stop at a gap of 1e-8 of ‖x_j‖², and
hidimstat's, which are scikit-learn's, at its default of 1e-4; ours at 1e-10. hidimstat is measured where it is
installed.
"""

import importlib.util
import time
import warnings
from pathlib import Path

import numpy as np
from clock import best, repeats_asked
from sklearn.linear_model import Lasso
from tables import seconds, table

import jaxreg
from jaxreg.data.cores import CORES

__all__ = ["measure"]

RESULTS = Path(__file__).parent / "results" / "inference.md"
ROWS, COLUMNS, NODE_LAM, SOME = 300, 500, 0.163, 50


def data() -> tuple[np.ndarray, np.ndarray]:
    """Columns with a correlation of ½ with the next one, standardised."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS))
    for j in range(1, COLUMNS):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    y = X[:, :5].sum(axis=1) + rng.normal(size=ROWS)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def nodewise(X: np.ndarray) -> float:
    """Seconds of scikit-learn for all columns, from the first SOME of them."""
    start = time.perf_counter()
    for j in range(SOME):
        Lasso(alpha=NODE_LAM, tol=1e-8, max_iter=100_000).fit(np.delete(X, j, axis=1), X[:, j])
    return (time.perf_counter() - start) * COLUMNS / SOME


def by_hidimstat(X: np.ndarray, y: np.ndarray, repeats: int) -> float | None:
    """Seconds of hidimstat at the same penalty; None where it is missing."""
    if importlib.util.find_spec("hidimstat") is None:
        return None
    from hidimstat.desparsified_lasso import DesparsifiedLasso

    of_columns = lambda: Lasso(alpha=NODE_LAM, max_iter=10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return best(lambda: DesparsifiedLasso(random_state=0, model_x=of_columns()).fit(X, y), repeats)[0]


def measure(repeats: int) -> list[list[str]]:
    """The rows of the table."""
    X, y = data()
    loop, theirs = nodewise(X), by_hidimstat(X, y, repeats)
    rows = []
    for name, options in (("the same penalty", {"node_lam": NODE_LAM}), ("penalties by default", {})):
        own = best(lambda o=options: jaxreg.debiased_lasso(X, y, **o), repeats)[0]
        beside = ["–", "–"] if theirs is None else [seconds(theirs), f"{own / theirs:.3f}"]
        rows.append([name, seconds(own), seconds(loop), f"{own / loop:.3f}", *beside, "0.1"])
    return rows


def main() -> None:
    repeats = repeats_asked(__doc__)
    head = ["debiased lasso, 300 × 500", "jaxreg s", "scikit-learn s", "ratio", "hidimstat s", "ratio", "at most"]
    text = "\n".join(
        [
            "# Debiased lasso",
            "",
            f"{CORES} cores; jaxreg {jaxreg.__version__}; the best of {repeats}. On a GPU: not measured.",
            "",
            table(head, measure(repeats)),
            "",
        ]
    )
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
