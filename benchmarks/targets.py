"""How long do very many targets take, and how much memory?

    python benchmarks/targets.py [--repeats 3] [--only ridge lasso bands growth]

Ridge with 20 λs, 5 folds and one λ a target at 1,000 × 2,000, beside himalaya's KernelRidgeCV in float64; a lasso on
the same rows, of which some targets are timed and scaled up, beside a loop over scikit-learn's LassoCV; banded ridge
from the same proportions as himalaya's. A program and its peer take turns, so that other work on the machine meets
both, and the best of the repeats counts. How time and memory grow: each number of targets in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LassoCV
from sklearn.model_selection import PredefinedSplit
from tables import seconds, table

import jaxreg
from jaxreg.sweeps.folds import fold_labels

__all__ = ["measure"]

RESULTS = Path(__file__).parent / "results" / "targets.md"
ROWS, COLUMNS, TARGETS, FOLDS = 1000, 2000, 5000, 5
LAMS = np.geomspace(100.0, 0.001, 20)
LASSO_TARGETS, LASSO_OURS, LASSO_THEIRS = 200, 10, 1  # of how many it is asked, and how many are timed
BAND_TARGETS, CANDIDATES = 1000, 4
COUNTS = 1000, 2500, 5000, 10_000
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def data(t: int) -> tuple[np.ndarray, np.ndarray]:
    """A tenth of the columns counts; noise from a third to three times the signal."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS))
    W = rng.normal(size=(COLUMNS // 10, t)) / np.sqrt(COLUMNS / 10)
    return X, X[:, : len(W)] @ W + rng.normal(size=(ROWS, t)) * np.geomspace(1 / 3, 3, t)


def in_turns(calls: list[Callable[[], Any]], repeats: int) -> tuple[list[float], list[Any]]:
    """Seconds of the best of the repeats, after a first call that compiles, and what each returns."""
    found, took = [call() for call in calls], [float("inf")] * len(calls)
    for _ in range(repeats):
        for k, call in enumerate(calls):
            start = time.perf_counter()
            found[k] = call()
            took[k] = min(took[k], time.perf_counter() - start)
    return took, found


def ridge(repeats: int) -> list[str]:
    from himalaya.kernel_ridge import KernelRidgeCV

    X, Y = data(TARGETS)
    labels = fold_labels(ROWS, FOLDS)
    training, Z, T = ROWS - ROWS // FOLDS, X - X.mean(axis=0), Y - Y.mean(axis=0)
    options = {"alphas": LAMS * training, "cv": PredefinedSplit(labels), "fit_intercept": True}
    (own, other), (ours, theirs) = in_turns(
        [lambda: swept(X, Y, labels), lambda: KernelRidgeCV(**options).fit(Z, T)], repeats
    )
    error = ours.best.mean_mse
    apart = np.abs(error + theirs.cv_scores_) / error
    return row("ridge", TARGETS, own, ours.largest_gap, "himalaya KernelRidgeCV", other, apart.max(), 0.5)


def swept(X: np.ndarray, Y: np.ndarray, folds: Any = FOLDS) -> jaxreg.results.Sweep:
    return jaxreg.sweep(X, Y, LAMS, 0.0, folds, standardize=False)


def lasso(eps: float, repeats: int) -> list[str]:
    X, Y = data(LASSO_TARGETS)
    Y = Y[:, :: LASSO_TARGETS // LASSO_OURS]
    largest = np.abs((X - X.mean(axis=0)).T @ (Y - Y.mean(axis=0))).max() / ROWS
    lams, cv = largest * np.geomspace(1, eps, 20), PredefinedSplit(fold_labels(ROWS, FOLDS))
    theirs = lambda: [LassoCV(alphas=lams, cv=cv, n_jobs=CORES).fit(X, y) for y in Y[:, :LASSO_THEIRS].T]
    (own, other), (found, models) = in_turns(
        [lambda: jaxreg.sweep(X, Y, lams, 1.0, FOLDS, standardize=False), theirs], repeats
    )
    own, other = own * LASSO_TARGETS / LASSO_OURS, other * LASSO_TARGETS / LASSO_THEIRS
    curves = np.array([model.mse_path_.mean(axis=1) for model in models])
    apart = np.abs(curves.min(axis=1) / found.best.mean_mse[:LASSO_THEIRS] - 1).max()
    return row(
        f"lasso, to {eps:g} λ_max", LASSO_TARGETS, own, found.largest_gap, "scikit-learn LassoCV", other, apart, 0.1
    )


def banded(repeats: int) -> list[str]:
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    X, Y = data(BAND_TARGETS)
    labels, bands = fold_labels(ROWS, FOLDS), np.repeat(np.arange(3), [200, 800, 1000])
    gamma = np.random.default_rng(1).dirichlet(np.ones(3), size=CANDIDATES)
    Z, T, alphas = X - X.mean(axis=0), Y - Y.mean(axis=0), LAMS * (ROWS - ROWS // FOLDS)

    def theirs() -> Any:
        kernels = np.stack([Z[:, bands == b] @ Z[:, bands == b].T for b in range(3)])
        options = {"cv": PredefinedSplit(labels), "fit_intercept": True, "progress_bar": False}
        options |= {"return_weights": "dual"}
        return solve_multiple_kernel_ridge_random_search(kernels, T, n_iter=gamma, alphas=alphas, **options)

    ours = lambda: jaxreg.banded_ridge(X, Y, bands, LAMS, gamma, labels, standardize=False)
    (own, other), (found, their) = in_turns([ours, theirs], repeats)
    apart = np.abs(found.search_mse / -their[2] - 1).max()
    gap = max(found.gap.max(), found.fold_gap.max())
    name = f"banded ridge, {CANDIDATES} proportions of 3 bands"
    return row(name, BAND_TARGETS, own, gap, "himalaya, multiple kernels", other, apart, None)


def row(
    name: str, t: int, own: float, gap: float, peer: str, other: float, apart: float, most: float | None
) -> list[str]:
    wanted = "–" if most is None else f"{most:g}"
    return [
        name,
        f"{t:,}",
        seconds(own),
        f"{gap:.0e}",
        peer,
        seconds(other),
        f"{own / other:.2f}",
        wanted,
        f"{apart:.0e}",
    ]


def growth() -> list[list[str]]:
    rows = []
    for t in COUNTS:
        done = subprocess.run([sys.executable, __file__, "--alone", str(t)], capture_output=True, text=True, check=True)
        alone = json.loads(done.stdout.splitlines()[-1])
        rows.append([f"{t:,}", seconds(alone["seconds"]), f"{alone['inputs']:.2f}", f"{alone['peak']:.2f}"])
    return rows


def alone(t: int) -> dict[str, float]:
    """Seconds of the second call, and the most memory of the process, in GiB."""
    X, Y = data(t)
    swept(X, Y)
    start = time.perf_counter()
    swept(X, Y)
    took, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": took, "peak": peak, "inputs": (X.nbytes + Y.nbytes) / 2**30}


def measure(repeats: int, only: list[str]) -> dict[str, list[list[str]]]:
    """The rows of the tables, by table."""
    work: dict[str, Callable[[], list[list[str]]]] = {
        "ridge": lambda: [ridge(repeats)],
        "bands": lambda: [banded(repeats)],
        "lasso": lambda: [lasso(eps, repeats) for eps in (1e-1, 1e-2, 1e-3)],
    }
    # First: a process that is started begins with the peak of the one that starts it.
    alone = growth() if "growth" in only else []
    rows = []
    for name in (name for name in only if name in work):
        rows += work[name]()
        print(*rows, sep="\n", file=sys.stderr, flush=True)
    return {"work": rows, "growth": alone}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["ridge", "bands", "lasso", "growth"])
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(alone(options.alone)))
        return
    found = measure(options.repeats, options.only)
    head = ["work", "targets", "jaxreg s", "gap", "beside", "its s", "ratio", "at most", "errors apart by"]
    parts = [
        "# Very many targets",
        f"{ROWS:,} rows, {COLUMNS:,} columns, 20 λs, {FOLDS} folds, one λ a target, float64; {CORES} cores; jaxreg "
        f"{jaxreg.__version__}; the best of {options.repeats}, in turns. On a GPU: not measured.",
        table(head, found["work"]),
        "## Ridge: how time and memory grow",
        "At 10,000 targets the process has to stay below 2 GiB, jaxreg and the tables included.",
        table(["targets", "s", "X and y, GiB", "peak of the process, GiB"], found["growth"]),
    ]
    text = "\n\n".join(parts) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
