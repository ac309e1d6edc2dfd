"""How much memory does a call take beside the caller's table?

    python benchmarks/memory.py [--out FILE]

One process for each call: a small one first, so that the library is there, then the table, then the call twice. What is
measured is the largest resident memory during a call less that before the first. The first call includes what the
compiler takes, the second what glibc's malloc has kept for every thread; a third number is that with one arena for all
of them (MALLOC_ARENA_MAX=1). Linux alone says how much that is.

The bound is one copy of X and 64 MiB for blocks of rows and λs; where n ≥ p three p × p matrices for each fold at work
(one a core), and for a lasso with p ≫ n, of C columns in its working set, three C × C and two C × n.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from worker import forget_peak, peak_mib, resident_mib

import jaxreg
from jaxreg.data.cores import CORES
from jaxreg.solvers.working_set import capacity

BLOCKS = 64  # MiB
SHAPES = [(100_000, 200), (20_000, 1_000), (1_000, 20_000)]
JOBS: dict[str, Callable[..., Any]] = {
    "lasso, path": lambda X, y: jaxreg.path(X, y, 50),
    "lasso, 5 folds": lambda X, y: jaxreg.sweep(X, y, 50, folds=5),
    "ridge, path": lambda X, y: jaxreg.path(X, y, 50, l1_ratio=0),
    "ridge, 5 folds": lambda X, y: jaxreg.sweep(X, y, 50, l1_ratio=0, folds=5),
    "ridge, leave-one-out": lambda X, y: jaxreg.ridge_leave_one_out(X, y, 50),
}


def bound(job: str, n: int, p: int) -> float:
    """MiB."""
    at_work = CORES if "folds" in job else 1
    C = capacity(n, 1) if "lasso" in job else 0
    matrices = 3 * p * p if n >= p else 3 * C * C + 2 * C * n
    return (n * p + matrices * at_work) * 8 / 2**20 + BLOCKS


def beside(job: str, n: int, p: int) -> list[float]:
    """MiB of the first and of the second call."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal((64, 8))
    JOBS[job](small, small[:, 0] + rng.standard_normal(64))
    X = rng.standard_normal((n, p))
    y = X[:, 0] + rng.standard_normal(n)
    before, found = resident_mib(), []
    for _ in range(2):
        forget_peak()
        JOBS[job](X, y)
        found.append(peak_mib() - before)
    return found


def in_a_process_of_its_own(job: str, n: int, p: int, **environment: str) -> list[float]:
    command = [sys.executable, __file__, "--only", job, str(n), str(p)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return [float(number) for number in done.stdout.split()]


def table() -> str:
    lines = [
        "| work | shape | X, MiB | first call | second | with one arena | at most |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for n, p in SHAPES:
        for job in JOBS:
            print(f"{job}, {n:,} × {p:,}", file=sys.stderr, flush=True)
            found = [*in_a_process_of_its_own(job, n, p), in_a_process_of_its_own(job, n, p, MALLOC_ARENA_MAX="1")[1]]
            numbers = [n * p * 8 / 2**20, *found, bound(job, n, p)]
            lines.append(f"| {job} | {n:,} × {p:,} | " + " | ".join(f"{number:.0f}" for number in numbers) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, help="the file to write instead of the terminal")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        job, n, p = options.only
        print(*beside(job, int(n), int(p)))
        return
    text = f"Peak memory beside X, {sys.platform}, {CORES} cores; what is measured: the first lines of `memory.py`.\n\n"
    text += table()
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
