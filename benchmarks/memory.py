"""How much memory does a call take beside the caller's table?

    python benchmarks/memory.py [--out FILE]

One process for each call: a small one first, so that the library is there, then the table, then the call twice. What is
measured is the largest resident memory during a call less that before the first. The first call includes what the
compiler takes, the second what glibc's malloc has kept for every thread; a third number is that with one arena for all
of them (MALLOC_ARENA_MAX=1). Linux alone says how much that is.

The bound is one copy of X and 64 MiB for blocks of rows and λs; where n ≥ p three p × p matrices for each fold at work
(one a core), and for a lasso with p ≫ n, of C columns in its working set, three C × C and two C × n.

Groups are measured by how many they are: beside X, what is returned and five numbers a row, the bound is that of two
blocks of them for each core (:mod:`jaxreg.data.budget`), however many there are.
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
from jaxreg.data.budget import BLOCK_BYTES
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

# Groups of so many rows and columns, and how many of them.
SIZE, COLUMNS, GROUPS = 50, 20, (1_000, 4_000, 16_000)
GROUPED: dict[str, Callable[..., Any]] = {
    "lasso, one λ": lambda X, y, by: jaxreg.fit(X, y, 0.1, by=by),
    "lasso, 20 λs": lambda X, y, by: jaxreg.path(X, y, 20, by=by),
    "lasso, 20 λs, 5 folds": lambda X, y, by: jaxreg.sweep(X, y, 20, folds=5, by=by),
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


def bound_of_groups() -> float:
    """MiB beside X, what is returned and five numbers a row."""
    return 2 * CORES * BLOCK_BYTES / 2**20 + BLOCKS


def beside_groups(job: str, groups: int) -> list[float]:
    """MiB of the first and of the second call, less what is returned, and five numbers a row."""
    rng, found = np.random.default_rng(0), []
    GROUPED[job](*_groups(rng, 8))
    X, y, by = _groups(rng, groups)
    before = resident_mib()
    for _ in range(2):
        forget_peak()
        result = GROUPED[job](X, y, by)
        returned = sum(v.nbytes for v in _arrays(result))
        found.append(peak_mib() - before - (returned + 5 * y.nbytes) / 2**20)
        del result
    return found


def _groups(rng: np.random.Generator, groups: int) -> tuple[np.ndarray, ...]:
    X = rng.standard_normal((groups * SIZE, COLUMNS))
    return X, X[:, 0] + rng.standard_normal(len(X)), np.repeat(np.arange(groups), SIZE)


def _arrays(result: Any) -> list[np.ndarray]:
    """All arrays of a result and of its parts."""
    found: list[np.ndarray] = []
    for value in vars(result).values():
        found += [value] if isinstance(value, np.ndarray) else []
    for part in ("best", "one_se"):
        found += _arrays(getattr(result, part)) if hasattr(result, part) else []
    return found


def in_a_process_of_its_own(job: str, *numbers: int, **environment: str) -> list[float]:
    """Of a job of a table (n, p), or of so many groups."""
    command = [sys.executable, __file__, "--only", job, *map(str, numbers)]
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


def table_of_groups() -> str:
    lines = ["| work | groups | X, MiB | first call | second | at most |", "|---|--:|--:|--:|--:|--:|"]
    for job in GROUPED:
        for groups in GROUPS:
            print(f"{job}, {groups:,} groups", file=sys.stderr, flush=True)
            X = groups * SIZE * COLUMNS * 8 / 2**20
            numbers = [X, *in_a_process_of_its_own(job, groups), bound_of_groups()]
            lines.append(f"| {job} | {groups:,} | " + " | ".join(f"{number:.0f}" for number in numbers) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, help="the file to write instead of the terminal")
    parser.add_argument("--groups", action="store_true", help="the table of groups alone")
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        job, *numbers = options.only
        print(*(beside_groups if job in GROUPED else beside)(job, *map(int, numbers)))
        return
    text = f"Peak memory beside X, {sys.platform}, {CORES} cores; what is measured: the first lines of `memory.py`.\n\n"
    text += "" if options.groups else table() + "\n"
    text += f"Groups of {SIZE} × {COLUMNS}, beside X, what is returned and five numbers a row:\n\n{table_of_groups()}"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
