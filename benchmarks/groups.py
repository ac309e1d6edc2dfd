"""How long does a model for each group take, beside a loop over scikit-learn and beside polars-ols?

    python benchmarks/groups.py [--repeats 3]

10,000 groups of 200 × 10: a lasso at one λ, ridge, least squares; a sweep within 1,000 of them; 100,000 windows of 250
rows; how the time grows with the groups. Ours ends at a gap of 1e-10 for every group. The loop standardises each group
and fits it by scikit-learn, the lasso to its gap of 1e-10 as well; it is timed on some groups and scaled up, for each
takes as long as any other. polars-ols, where it is installed, solves the same groups in one expression.
"""

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
from clock import best, repeats_asked
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge
from tables import seconds, table

import jaxreg
from jaxreg.data.cores import CORES

__all__ = ["measure"]

RESULTS = Path(__file__).parent / "results" / "groups.md"
GROUPS, SIZE, P, SOME, LAM = 10_000, 200, 10, 200, 0.1


def loop(model: Any, X: np.ndarray, y: np.ndarray, groups: int) -> float:
    """Seconds of scikit-learn for so many groups, from the first SOME of them."""
    some = min(SOME, groups)
    start = time.perf_counter()
    for g in range(some):
        rows = slice(g * SIZE, (g + 1) * SIZE)
        Z = X[rows] - X[rows].mean(axis=0)
        model.fit(Z / Z.std(axis=0), y[rows])
    return (time.perf_counter() - start) * groups / some


def by_polars(X: np.ndarray, y: np.ndarray, labels: np.ndarray, repeats: int) -> dict[str, float]:
    """Seconds of polars-ols for ridge and least squares; nothing where it is missing."""
    if importlib.util.find_spec("polars_ols") is None:
        return {}
    import polars
    import polars_ols  # noqa: F401  # its expressions

    names = [f"x{j}" for j in range(P)]
    frame = polars.DataFrame({name: X[:, j] for j, name in enumerate(names)} | {"y": y, "g": labels})
    of = polars.col("y").least_squares
    each = {
        "ridge": of.ridge(*names, alpha=LAM * SIZE, add_intercept=True, mode="coefficients"),
        "least squares": of.ols(*names, add_intercept=True, mode="coefficients"),
    }
    grouped = lambda expression: frame.group_by("g", maintain_order=True).agg(expression)
    return {name: best(lambda e=expression: grouped(e), repeats)[0] for name, expression in each.items()}


def measure(repeats: int) -> dict[str, list[list[str]]]:
    """The rows of the tables, by table."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(GROUPS * SIZE, P))
    y, labels = X[:, :3].sum(axis=1) + rng.normal(size=len(X)), np.repeat(np.arange(GROUPS), SIZE)
    polars = by_polars(X, y, labels, repeats)
    # Their λ of ridge is that of sums over rows; the time does not depend on it.
    models: Any = {
        "lasso": ((LAM, 1.0), Lasso(alpha=LAM, tol=1e-10, max_iter=100_000)),
        "ridge": ((LAM, 0.0), Ridge(alpha=LAM * SIZE)),
        "least squares": ((0.0, 0.0), LinearRegression()),
    }
    rows = []
    for name, (penalty, model) in models.items():
        own, found = best(lambda p=penalty: jaxreg.fit(X, y, *p, by=labels), repeats)
        other, more = loop(model, X, y, GROUPS), polars.get(name)
        shown = ["–", "–"] if more is None else [seconds(more), f"{own / more:.2f}"]
        gap, at_most = f"{found.gap.max():.0e}", "0.02" if more is None else "0.02 and 1.0"
        rows.append([name, f"{GROUPS:,}", seconds(own), gap, seconds(other), f"{own / other:.3f}", *shown, at_most])
    few = slice(0, 1000 * SIZE)
    own, found = best(lambda: jaxreg.sweep(X[few], y[few], 100, folds=10, by=labels[few]), repeats)
    other = loop(LassoCV(cv=10), X, y, 1000)
    cells = seconds(own), f"{found.largest_gap:.0e}", seconds(other), f"{own / other:.3f}"
    rows.append(["lasso, 100 λs, 10 folds", "1,000", *cells, "–", "–", "–"])
    n = 100_000
    windows = lambda kind: best(lambda: jaxreg.fit(X[:n], y[:n], LAM, by=kind(250)), repeats)
    over_time = []
    for name, kind in (("rolling", jaxreg.rolling), ("expanding", jaxreg.expanding)):
        own, found = windows(kind)
        over_time.append(
            [name, f"{len(found):,}", seconds(own), f"{own / len(found) * 1e6:.1f}", f"{found.gap.max():.0e}"]
        )
    counts = (10, 100, 1000, 10_000)
    first = lambda G: slice(0, G * SIZE)
    times = [
        best(lambda G=G: jaxreg.fit(X[first(G)], y[first(G)], LAM, by=labels[first(G)]), repeats)[0] for G in counts
    ]
    slope = np.polyfit(np.log(counts[1:]), np.log(times[1:]), 1)[0]
    return {"work": rows, "windows": over_time, "growth": [["lasso, 200 × 10", *map(seconds, times), f"{slope:.2f}"]]}


def main() -> None:
    repeats = repeats_asked(__doc__)
    found = measure(repeats)
    head = ["work", "groups", "jaxreg s", "gap", "scikit-learn s", "ratio", "polars-ols s", "ratio", "at most"]
    text = "\n".join(
        [
            "# A model for each group",
            "",
            f"{CORES} cores; jaxreg {jaxreg.__version__}; the best of {repeats}. The loop over scikit-learn "
            "runs on one core. On a GPU: not measured.",
            "",
            table(head, found["work"]),
            "",
            "## Windows of 250 rows × 10, one λ",
            "",
            table(["windows", "how many", "s", "µs each", "gap"], found["windows"]),
            "",
            "## How time grows",
            "",
            table(["work", "10 s", "100 s", "1,000 s", "10,000 s", "exponent from 100 on"], found["growth"]),
            "",
        ]
    )
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
