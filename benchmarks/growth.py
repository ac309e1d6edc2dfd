"""How does jaxreg's time grow with n, p, the number of λs and the number of folds?

    python benchmarks/growth.py [--repeats 5]

One of the four grows at a time, from the problem 2,000 × 64 with 100 λ; the folds are those of cross-validation. The
exponent is the slope of a straight line through the logarithms of size and time, with its standard error. At small
sizes what every call costs dominates: the slope of the last doubling says more about what comes after it.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from problems import Problem, Shape, make
from tables import growth_table

import jaxreg

__all__ = ["AXES", "fitted", "measure"]

BASE = Shape(2_000, 64, 10)
AXES = {
    "rows n": (1_000, 2_000, 4_000, 8_000, 16_000, 32_000),
    "columns p": (32, 64, 128, 256, 512),
    "number of λs": (25, 50, 100, 200, 400),
    "folds": (2, 4, 8, 16),
}
TOLERANCE = 1e-6
LONG = 1.0  # seconds from which on a call is timed once


def work(what: str, size: int) -> Callable[[], Any]:
    """The call whose time is taken."""
    n, p, k = BASE
    shape = Shape(size if what == "rows n" else n, size if what == "columns p" else p, k)
    problem: Problem = make(shape, size if what == "number of λs" else 100, size if what == "folds" else 10)
    X, y, lams, folds = problem
    X = np.ascontiguousarray(X)
    if what == "folds":
        return lambda: jaxreg.sweep(X, y, lams, folds=folds, standardize=False, tol=TOLERANCE)
    return lambda: jaxreg.path(X, y, lams, standardize=False, tol=TOLERANCE)


def fitted(sizes: Any, seconds: Any) -> dict[str, float]:
    """exponent, error: least squares of log seconds on log size; last: the slope between the last two."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(seconds, float))
    x_centred = x - x.mean()
    slope = x_centred @ y / (x_centred @ x_centred)
    residual = y - y.mean() - slope * x_centred
    error = np.sqrt(residual @ residual / max(len(x) - 2, 1) / (x_centred @ x_centred))
    return {"exponent": float(slope), "error": float(error), "last": float((y[-1] - y[-2]) / (x[-1] - x[-2]))}


def measure(repeats: int, axes: dict[str, tuple[int, ...]] | None = None) -> dict[str, Any]:
    """The best of the repeats for every size; the first call, which compiles, is not one of them."""
    record: dict[str, Any] = {"axes": {}}
    for what, sizes in (axes or AXES).items():
        calls = [work(what, size) for size in sizes]
        for call in calls:
            call()
        seconds = np.full(len(sizes), np.inf)
        for repeat in range(repeats):
            for i, call in enumerate(calls):
                if repeat and seconds[i] > LONG:
                    continue
                start = time.perf_counter()
                call()
                seconds[i] = min(seconds[i], time.perf_counter() - start)
        record["axes"][what] = {"sizes": list(sizes), "seconds": seconds.tolist(), **fitted(sizes, seconds)}
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    print(growth_table(measure(parser.parse_args().repeats)))


if __name__ == "__main__":
    main()
