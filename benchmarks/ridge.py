"""How fast is ridge over whole λ-grids beside scikit-learn and himalaya?

    python benchmarks/ridge.py [--case NAME ...] [--repeats 3] [--out FILE]

Three questions, one row a contestant in one Markdown table: leave-one-out for 100 λ; 10 folds × 100 λ; and 5,000
targets with one λ each by 5 folds. All in float64, on the same data and the same λs, each contestant with its own
defaults but these: no intercept and no standardisation inside the programs (columns and targets are centred and scaled
beforehand), because not every peer can do both. The error columns say how far the answers are from those of a plain
NumPy reference for a few λs and targets; jaxreg also reports its largest certified duality gap.

Contestants run in turn within each repeat; times are the best of the repeats, by the clock and of the processor, all
threads added. What would take minutes is run on two smaller numbers of λs, and the time for all of them is that of the
straight line through both; the row says so.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, PredefinedSplit

import jaxreg
from jaxreg.sweeps.folds import fold_labels

SHORT = 5.0  # seconds: what takes less is run again and again in its turn, so that every contestant has its best


class Contestant(NamedTuple):
    """``run(count)`` takes every (L / count)-th λ and returns (mean squared errors, largest gap or None).

    The time for all λs is that of the straight line through the times of ``counts``, if that is not all of them.
    """

    name: str
    run: Callable[[int], tuple[np.ndarray, float | None]]
    counts: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        few = " and ".join(map(str, self.counts))
        return f"{self.name}: straight line through {few} λ" if self.counts else self.name


class Case(NamedTuple):
    """Contestants, jaxreg first; ``reference(lam, target)`` is the mean squared error that the first should have."""

    title: str
    limits: dict[str, float]
    contestants: list[Contestant]
    lams: np.ndarray
    reference: Callable[[float, int], float]
    targets: int = 1


def data(n: int, p: int, t: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """AR(0.5) normal columns, 30 of them with effects, as much noise as signal; centred and scaled."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    for j in range(1, p):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    signal = X[:, rng.choice(p, 30, replace=False)] @ rng.normal(size=(30, t))
    Y = signal + rng.normal(size=(n, t)) * signal.std(axis=0) * np.geomspace(0.3, 3, t)
    return (X - X.mean(axis=0)) / X.std(axis=0), (Y - Y.mean(axis=0)) / Y.std(axis=0)


def leave_one_out() -> Case:
    """10,000 × 500, 100 λ."""
    X, Y = data(10_000, 500)
    y, lams, n = Y[:, 0], np.geomspace(10, 1e-3, 100), 10_000

    def ours(_: int) -> tuple[np.ndarray, float]:
        found = jaxreg.ridge_leave_one_out(X, y, lams, fit_intercept=False, standardize=False)
        return found.mse, float(found.gap.max())

    def scikit_learn(_: int) -> tuple[np.ndarray, None]:
        peer = RidgeCV(lams * n, fit_intercept=False, store_cv_results=True).fit(X, y)
        return peer.cv_results_.mean(axis=0), None

    def reference(lam: float, _: int) -> float:
        inverse = np.linalg.inv(X.T @ X + lam * n * np.eye(500))
        leverage = np.einsum("ij,jk,ik->i", X, inverse, X, optimize=True)
        return float(np.mean(((y - X @ (inverse @ (X.T @ y))) / (1 - leverage)) ** 2))

    contestants = [
        Contestant("jaxreg.ridge_leave_one_out", ours),
        Contestant("scikit-learn RidgeCV(cv=None)", scikit_learn),
    ]
    return Case("Leave-one-out, 100 λ, 10,000 × 500", {contestants[1].name: 0.04}, contestants, lams, reference)


def folds() -> Case:
    """10,000 × 500, 100 λ, 10 folds of 1,000: every training part has 9,000 rows, so alpha = 9,000 λ."""
    X, Y = data(10_000, 500)
    y, lams, labels, train = Y[:, 0], np.geomspace(10, 1e-3, 100), fold_labels(10_000, 10), 9_000
    splitter = PredefinedSplit(labels)

    def ours(_: int) -> tuple[np.ndarray, float]:
        found = jaxreg.sweep(X, y, lams, 0, folds=labels, fit_intercept=False, standardize=False)
        return found.mean_mse[0], found.largest_gap

    def grid_search(count: int) -> tuple[np.ndarray, None]:
        search = GridSearchCV(
            Ridge(fit_intercept=False),
            {"alpha": lams[:: 100 // count] * train},
            cv=splitter,
            scoring="neg_mean_squared_error",
            refit=False,
        )
        return -search.fit(X, y).cv_results_["mean_test_score"], None

    def himalaya(count: int) -> tuple[np.ndarray, None]:
        from himalaya.ridge import RidgeCV as HimalayaRidgeCV

        peer = HimalayaRidgeCV(alphas=lams[:: 100 // count] * train, cv=splitter).fit(X, y[:, None])
        return himalaya_errors(peer), None

    def reference(lam: float, _: int) -> float:
        errors = []
        for k in range(10):
            A, b = X[labels != k], y[labels != k]
            w = np.linalg.solve(A.T @ A + lam * train * np.eye(500), A.T @ b)
            errors.append(np.mean((y[labels == k] - X[labels == k] @ w) ** 2))
        return float(np.mean(errors))

    contestants = [
        Contestant("jaxreg.sweep(l1_ratio=0)", ours),
        Contestant("scikit-learn GridSearchCV(Ridge)", grid_search, (2, 10)),
        Contestant("himalaya RidgeCV, numpy", himalaya, (2, 20)),
    ]
    limits = {contestants[1].name: 0.02, contestants[2].name: 0.02}
    return Case("10 folds × 100 λ, 10,000 × 500", limits, contestants, lams, reference)


def himalaya_errors(peer: Any) -> np.ndarray:
    """himalaya keeps the best score of each target only: the mean squared error at its choice, (t,)."""
    return -np.asarray(peer.cv_scores_).reshape(-1)


def targets() -> Case:
    """1,000 × 2,000, 5,000 targets, 20 λ, 5 folds of 200."""
    X, Y = data(1_000, 2_000, 5_000)
    lams, labels, train = np.geomspace(10, 1e-2, 20), fold_labels(1_000, 5), 800

    def ours(_: int) -> tuple[np.ndarray, float]:
        found = jaxreg.sweep(X, Y, lams, 0, folds=labels, fit_intercept=False, standardize=False)
        return found.best.mean_mse, found.largest_gap

    def himalaya(count: int) -> tuple[np.ndarray, None]:
        from himalaya.ridge import RidgeCV as HimalayaRidgeCV

        peer = HimalayaRidgeCV(alphas=lams * train, cv=PredefinedSplit(labels)).fit(X, Y)
        return himalaya_errors(peer), None

    def himalaya_kernel(_: int) -> tuple[np.ndarray, None]:
        from himalaya.kernel_ridge import KernelRidgeCV

        peer = KernelRidgeCV(alphas=lams * train, kernel="linear", cv=PredefinedSplit(labels)).fit(X, Y)
        return himalaya_errors(peer), None

    def reference(_: float, target: int) -> float:
        y, errors = Y[:, target], np.zeros(20)
        for k in range(5):
            A, b = X[labels != k], y[labels != k]
            for l, lam in enumerate(lams):
                w = A.T @ np.linalg.solve(A @ A.T + lam * train * np.eye(train), b)
                errors[l] += np.mean((y[labels == k] - X[labels == k] @ w) ** 2) / 5
        return float(errors.min())

    contestants = [
        Contestant("jaxreg.sweep(l1_ratio=0)", ours),
        Contestant("himalaya RidgeCV, numpy", himalaya),
        Contestant("himalaya KernelRidgeCV, linear, numpy", himalaya_kernel),
    ]
    title = "5,000 targets with one λ each, 20 λ, 5 folds, 1,000 × 2,000"
    return Case(title, {contestants[1].name: 0.4}, contestants, lams, reference, 5_000)


CASES = {"leave-one-out": leave_one_out, "folds": folds, "targets": targets}


def at_all(times: dict[int, float], total: int) -> float:
    """The time for ``total`` λs, from that of one or two counts."""
    if len(times) == 1:
        return next(iter(times.values()))
    (few, low), (more, high) = sorted(times.items())
    return high + (high - low) / (more - few) * (total - more)


def measured(case: Case, repeats: int) -> list[str]:
    """The rows of the table."""
    total = len(case.lams)
    times: dict[str, dict[int, list[tuple[float, float]]]] = {one.name: {} for one in case.contestants}
    answers = {}
    for _ in range(repeats + 1):
        for one in case.contestants:
            for count in one.counts or (total,):
                start = time.perf_counter()
                while True:
                    wall, processor = time.perf_counter(), time.process_time()
                    answers[one.name] = one.run(count)
                    spent = time.perf_counter() - wall, time.process_time() - processor
                    times[one.name].setdefault(count, []).append(spent)
                    if time.perf_counter() - start > SHORT:
                        break
    first = {name: at_all({k: v[0][0] for k, v in of.items()}, total) for name, of in times.items()}
    best, busy = (
        {name: at_all({k: min(w[column] for w in v[1:]) for k, v in of.items()}, total) for name, of in times.items()}
        for column in (0, 1)
    )
    ours = case.contestants[0].name
    rows = []
    for one in case.contestants:
        error, gap = answers[one.name]
        counts = one.counts or (total,)
        used = case.lams[:: total // counts[-1]]
        if case.targets > 1:
            off = max(abs(error[k] / case.reference(0.0, k) - 1) for k in (0, 1234, 4999))
        elif len(error) == 1:  # that of its best λ
            off = abs(error[0] / min(case.reference(lam, 0) for lam in used) - 1)
        else:
            off = max(abs(error[k] / case.reference(used[k], 0) - 1) for k in (0, len(error) - 1))
        limit = f" (at most {case.limits[one.name]:g})" if one.name in case.limits else ""
        ratio = "" if one.name == ours else f"{best[ours] / best[one.name]:.4f}{limit}"
        of_processor = "" if one.name == ours else f"{busy[ours] / busy[one.name]:.4f}"
        accuracy = f"{off:.0e}" + ("" if gap is None else f", gap {gap:.0e}")
        seconds = f"{best[one.name]:.3g} | {busy[one.name]:.3g} | {first[one.name]:.3g}"
        rows.append(f"| {case.title} | {one.label} | {seconds} | {accuracy} | {ratio} | {of_processor} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    packages = ("jax", "numpy", "scikit-learn", "himalaya")
    lines = [
        "# Ridge over whole λ-grids",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, float64; Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
        + f", jaxreg {jaxreg.__version__}.",
        "",
        "Seconds, best of the repeats; ‘processor’ adds all threads; ‘first’ includes compiling. The error is the",
        "largest relative difference of a mean squared error from a plain NumPy reference, ‘gap’ the largest certified",
        "duality gap. The ratio is jaxreg / peer.",
        "",
        "| work | program | time | processor | first | error | ratio | ratio of processor time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in options.case:
        lines += measured(CASES[name](), options.repeats)
        print("\n".join(lines), flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
