"""How often do the intervals hold what they are of? The shares that docs/how_to/inference.md gives, simulated again.

    python benchmarks/coverage.py [--share 1.0]

Every row is a simulation with a seed of its own: tables are drawn from a known model, each gives its intervals, and
what is counted is how many of these hold the coefficient, the new observation, or the expectation of the estimate.
``--share 0.1`` takes a tenth of the tables, to see that it works. The last column is the standard error of the share if
intervals were independent, which those of one table are not.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tables import table

import jaxreg

__all__ = ["debiased", "jackknife", "measure", "ridge_expectation", "studentised_ridge"]

RESULTS = Path(__file__).parent / "results" / "coverage.md"
NOISES: dict[str, Callable[..., np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy (t, 2)": lambda rng, n: rng.standard_t(2, size=n),
    "skewed": lambda rng, n: rng.exponential(size=n),
}


def neighbours(rng: np.random.Generator, n: int, p: int, correlation: float) -> np.ndarray:
    """Rows of an autoregressive process: neighbouring columns have this correlation."""
    X = rng.normal(size=(n, p))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    return X


def debiased(
    tables: int, seed: int, active: int, size: float, correlation: float = 0.5, by_sweep: bool = False, **options: Any
) -> dict[str, list[bool]]:
    """Whether 95 % intervals of tables of 200 × 300 hold each effect, and each zero."""
    rng, held = np.random.default_rng(seed), {"effects": [], "zeros": []}  # type: ignore[var-annotated]
    for _ in range(tables):
        X, w = neighbours(rng, 200, 300, correlation), np.zeros(300)
        w[rng.choice(300, active, replace=False)] = size * rng.choice([-1, 1], active)
        y = X @ w + rng.normal(size=200)
        more = {"lam": jaxreg.sweep(X, y).best.lam} if by_sweep else {}
        low, high = jaxreg.debiased_lasso(X, y, **options, **more).interval(0.95)
        inside = (low <= w) & (w <= high)
        held["effects"] += inside[w != 0].tolist()
        held["zeros"] += inside[w == 0].tolist()
    return held


def jackknife(tables: int, seed: int, p: int, noise: str, standardize: bool) -> list[bool]:
    """Whether a 90 % interval of ridge on 39 rows holds a new observation."""
    rng, held = np.random.default_rng(seed), []
    for _ in range(tables):
        X, w = rng.normal(size=(40, p)), rng.normal(size=p) / np.sqrt(p)
        y = X @ w + NOISES[noise](rng, 40)
        kept = jaxreg.ridge_jackknife_plus(X[:39], y[:39], 0.1, standardize=standardize)
        low, high = kept.predict_interval(X[39:], 0.9)
        held.append(bool(low[0] <= y[39] <= high[0]))
    return held


TRUTH, LAM, ROWS = np.array([1.0, -2.0, 0.0]), 0.3, 60


def _draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(ROWS, 3))
    return X, X @ TRUTH + rng.normal(size=ROWS)


def ridge_expectation(tables: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`E ŵ` of ridge at λ = 0.3 on 60 rows, (3,), from its closed form on many tables, and its standard error."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(tables):
        X, y = _draw(rng)
        Z = X - X.mean(axis=0)
        found.append(np.linalg.solve(Z.T @ Z / ROWS + LAM * np.eye(3), Z.T @ (y - y.mean()) / ROWS))
    return np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(tables)


def studentised_ridge(tables: int, seed: int, target: np.ndarray) -> np.ndarray:
    """Whether 95 % studentised intervals of ridge hold the target, (tables, 3)."""
    rng, held = np.random.default_rng(seed), []
    for _ in range(tables):
        X, y = _draw(rng)
        found = jaxreg.bootstrap(X, y, [LAM], 0.0, n_resamples=300, standard_errors=True, standardize=False)
        low, high = found.interval(0.95, "studentized")
        held.append((low[0] <= target) & (target <= high[0]))
    return np.array(held)


def measure(share: float) -> list[list[str]]:
    """The rows of the table."""
    rows: list[list[str]] = []
    many = lambda tables: max(2, round(share * tables))

    def add(what: str, level: str, held: Any) -> None:
        inside = np.asarray(held, float)
        error = np.sqrt(inside.mean() * (1 - inside.mean()) / inside.size)
        rows.append([what, level, f"{100 * inside.mean():.1f} %", f"{inside.size:,}", f"{100 * error:.1f}"])
        print(" | ".join(rows[-1]), flush=True)

    simulations: dict[str, dict[str, Any]] = {
        "5 effects of 1": {"tables": many(150), "seed": 2, "active": 5, "size": 1.0},
        "5 effects of 0.3": {"tables": many(150), "seed": 2, "active": 5, "size": 0.3},
        "60 effects of 0.3, noise known": {"tables": many(30), "seed": 3, "active": 60, "size": 0.3, "noise": 1.0},
        "5 effects, neighbours alike to 0.9": {"tables": many(150), "seed": 4, "active": 5, "size": 1.0}
        | {"correlation": 0.9},
        "5 effects, λ of a sweep": {"tables": many(150), "seed": 5, "active": 5, "size": 1.0, "by_sweep": True},
    }
    for name, options in simulations.items():
        for of, held in debiased(**options).items():
            add(f"debiased lasso, {name}: {of}", "95 %", held)
    for standardize in (False, True):
        for p in (4, 36, 60):
            for noise in NOISES:
                what = f"jackknife+, 39 × {p}, {noise} noise{', standardised' * standardize}"
                add(what, "90 %", jackknife(many(2000), 2, p, noise, standardize))
    expected, _ = ridge_expectation(many(100_000), 6)
    add("studentised bootstrap of ridge, λ 0.3: E ŵ", "95 %", studentised_ridge(many(300), 7, expected))
    add("the same: w itself, of which it is not", "–", studentised_ridge(many(300), 7, TRUTH)[:, :2])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the tables; only all of them are written")
    options = parser.parse_args()
    rows = measure(options.share)
    head = ["intervals", "level", "held", "intervals counted", "±"]
    said = f"Simulated by `benchmarks/coverage.py`; jaxreg {jaxreg.__version__}."
    text = "\n".join(["# Coverage", "", said, "", table(head, rows), ""])
    if options.share == 1.0:
        RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
