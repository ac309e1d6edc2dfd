"""How long do resamples take, beside a loop over scikit-learn on all cores?

    python benchmarks/batch.py [--repeats 3]

1,000 bootstrap paths of 100 λs on diabetes; 200 at 1,000 × 200; stability selection from 100 halves at 200 × 1,000; how
the time grows from 10 to 10,000 resamples. Ours ends at a gap of 1e-10 for every path; scikit-learn's `lasso_path`
stops at its own gap of 1e-4 of ‖y‖². A loop over it, shared by the processes of joblib, is timed on some resamples and
scaled up: each takes as long as any other.
"""

import time
from pathlib import Path

import numpy as np
from clock import best, repeats_asked
from joblib import Parallel, delayed
from sklearn.linear_model import lasso_path
from tables import seconds, table

import jaxreg
from jaxreg.data.cores import CORES
from jaxreg.sweeps.resamples import resampled_weights
from jaxreg.sweeps.stability import complementary_halves

__all__ = ["measure"]

RESULTS = Path(__file__).parent / "results" / "batch.md"
SOME = 40  # resamples that scikit-learn is timed on


def theirs(X: np.ndarray, y: np.ndarray, rows: np.ndarray, lams: np.ndarray) -> np.ndarray:
    """scikit-learn's path of some rows, standardised as ours."""
    Z, r = X[rows], y[rows]
    scale = Z.std(axis=0)
    Z = (Z - Z.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return lasso_path(Z, r - r.mean(), alphas=lams, tol=1e-4, max_iter=10_000)[1]


def loop(X: np.ndarray, y: np.ndarray, weights: np.ndarray, lams: np.ndarray) -> float:
    """Seconds of scikit-learn for all resamples, from the first SOME of them."""
    some = [np.repeat(np.arange(len(y)), w.astype(int)) for w in weights[:SOME]]
    with Parallel(n_jobs=CORES) as pool:
        pool(delayed(theirs)(X, y, rows, lams[:2]) for rows in some[:CORES])  # the workers start
        start = time.perf_counter()
        pool(delayed(theirs)(X, y, rows, lams) for rows in some)
        return (time.perf_counter() - start) * len(weights) / len(some)


def measure(repeats: int) -> dict[str, list[list[str]]]:
    """The rows of the tables, by table."""
    data, rng = jaxreg.datasets.diabetes(), np.random.default_rng(0)
    wide, tall = rng.normal(size=(200, 1000)), rng.normal(size=(1000, 200))
    target = lambda X: X[:, :10].sum(axis=1) + 3 * rng.normal(size=len(X))
    rows = []
    for name, X, y, count, at_most in (
        ("bootstrap, 442 × 10", data.X, data.y, 1000, 0.03),
        ("bootstrap, 1,000 × 200", tall, target(tall), 200, 0.2),
        ("stability, 200 × 1,000", wide, target(wide), 100, 0.3),
    ):
        if name.startswith("bootstrap"):
            own, found = best(lambda X=X, y=y, count=count: jaxreg.bootstrap(X, y, n_resamples=count), repeats)
            weights, gap = resampled_weights("pairs", np.ones(len(y)), 0, range(count)), found.gap.max()
        else:
            own, found = best(lambda X=X, y=y: jaxreg.stability_selection(X, y, q=20), repeats)
            weights, gap = complementary_halves(np.ones(len(y)), count // 2, 0), found.largest_gap
        other = loop(X, y, weights, found.lams)
        rows.append(
            [name, f"{count:,}", seconds(own), f"{gap:.0e}", seconds(other), f"{own / other:.3f}", f"{at_most:g}"]
        )
    growth = []
    counts = (10, 100, 1000, 10_000)
    times = [best(lambda B=B: jaxreg.bootstrap(data.X, data.y, lams=20, n_resamples=B), repeats)[0] for B in counts]
    slope = np.polyfit(np.log(counts[1:]), np.log(times[1:]), 1)[0]
    growth.append(["bootstrap, 442 × 10, 20 λ", *map(seconds, times), f"{slope:.2f}"])
    return {"work": rows, "growth": growth}


def main() -> None:
    repeats = repeats_asked(__doc__)
    found = measure(repeats)
    head = ["work", "paths of 100 λ", "jaxreg s", "gap", f"scikit-learn s, {CORES} cores, gap 1e-4", "ratio", "at most"]
    text = "\n".join(
        [
            "# Batches of resamples",
            "",
            f"{CORES} cores; jaxreg {jaxreg.__version__}; the best of {repeats}. On a GPU: not measured.",
            "",
            table(head, found["work"]),
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
