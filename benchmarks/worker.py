"""One program in a process of its own, that answers the requests of contest.py.

    python benchmarks/worker.py NAME FOLDER

First it says ``ready IMPORT_SECONDS VERSION`` (or ``missing REASON``). A request is a line ``JOB TOLERANCE FILE`` with
JOB ``path`` or ``cv``, and FILE - where the answer is not wanted. The reply is ``failed REASON``, or ``done FIRST BEST
MIB GAP``: seconds of the first and of the best call (short ones are repeated), growth of the resident memory in the
first call (NaN if it is spread over several processes), and the largest gap that the program itself certifies (NaN if
it does not). FILE then holds float64: for ``cv`` the held-out error (L,), and then coefficients (…, L, p + 1).
"""

import importlib
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from peers import PEERS, cross_validate, lasso_cv, solve
from problems import SHAPES, Problem, load, make

__all__ = ["Answer", "main"]

# A call shorter than this is repeated, for a clock has its limits and a machine its hiccups.
LEAST_SECONDS = 0.2
MOST_CALLS = 20


# Where a package's module has another name.
MODULES = {
    "scikit-learn": "sklearn.linear_model",
    "scm2cpp-learn": "scm2cpp_learn",
    "glmstar": "glmnet",
    "glmnet-rs": "glmnetrs",
}


class Answer(NamedTuple):
    """Held-out error (L,) or None, coefficients (…, L, p + 1), and the certified gap."""

    error: np.ndarray | None
    coef: np.ndarray | None
    gap: float = math.nan


class Jaxreg:
    """jaxreg on a device. X has its rows one after the other in memory, as NumPy makes arrays."""

    def __init__(self, device: str):
        import jax

        import jaxreg

        jax.devices(device)
        self.options = {"standardize": False, "device": device}
        self.version = f"{jaxreg.__version__} (jax {jax.__version__})"
        self.jaxreg = jaxreg

    def warm_up(self) -> None:
        """Nothing: its first call is measured."""

    def take(self, problem: Problem) -> None:
        self.problem = problem._replace(X=np.ascontiguousarray(problem.X))

    def path(self, tolerance: float) -> Callable[[], Answer]:
        X, y, lams, _ = self.problem

        def run() -> Answer:
            result = self.jaxreg.path(X, y, lams, tol=tolerance, **self.options)
            return Answer(None, np.column_stack([result.intercept, result.coef]), float(result.gap.max()))

        return run

    def cv(self, tolerance: float, keep: bool) -> Callable[[], Answer]:
        X, y, lams, folds = self.problem

        def run() -> Answer:
            result = self.jaxreg.sweep(X, y, lams, folds=folds, tol=tolerance, **self.options)
            coef = np.column_stack([result.path.intercept, result.path.coef])
            return Answer(result.mean_mse[0], coef, result.largest_gap)

        return run


class OfPeer:
    """One of the peers. Centring X for its path is not counted; for its cross-validation it belongs to the work."""

    def __init__(self, name: str):
        self.peer = PEERS[name]
        self.version = self.peer.version
        package = self.peer.package
        importlib.import_module(MODULES.get(package, package))

    def warm_up(self) -> None:
        """Compiles what there is to compile, on another problem."""
        small = make(SHAPES["tiny"], lams=5, folds=2)
        solve(self.peer.path, small.X, small.y, small.lams, 1e-4, np.arange(len(small.y)))

    def take(self, problem: Problem) -> None:
        self.problem, self.means = problem, (problem.X.mean(0), problem.y.mean())
        self.centred = np.asfortranarray(problem.X - self.means[0]), problem.y - self.means[1]

    def path(self, tolerance: float) -> Callable[[], Answer]:
        x_mean, y_mean = self.means

        def run() -> Answer:
            coef = self.peer.path(*self.centred, self.problem.lams, tolerance)
            return Answer(None, np.column_stack([y_mean - coef @ x_mean, coef]))

        return run

    def cv(self, tolerance: float, keep: bool) -> Callable[[], Answer]:
        return lambda: Answer(*cross_validate(self.peer.path, *self.problem, tolerance, keep))


class OfLassoCV(OfPeer):
    """LassoCV keeps no coefficients of the folds: its gap is that of the same paths, computed without being timed."""

    def __init__(self, _: str):
        super().__init__("scikit-learn")

    def cv(self, tolerance: float, keep: bool) -> Callable[[], Answer]:
        coef = cross_validate(self.peer.path, *self.problem, tolerance, True)[1] if keep else None
        return lambda: Answer(lasso_cv(*self.problem, tolerance), coef)


def program(name: str) -> Jaxreg | OfPeer:
    if name.startswith("jaxreg"):
        return Jaxreg("gpu" if "GPU" in name else "cpu")
    return OfLassoCV(name) if "LassoCV" in name else OfPeer(name)


def resident_mib() -> float:
    """What is resident now, on Linux; elsewhere the peak so far."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return peak_mib()


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on a Mac, KiB elsewhere
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def forget_peak() -> None:
    """The peak starts anew from what is resident now, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def answer(worker: Jaxreg | OfPeer, job: str, tolerance: float, file: str) -> str:
    run = worker.path(tolerance) if job == "path" else worker.cv(tolerance, file != "-")
    forget_peak()
    before, children = resident_mib(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    start = time.perf_counter()
    result = run()
    first = best = time.perf_counter() - start
    mib = peak_mib() - before
    if resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss != children:
        mib = math.nan
    for _ in range(MOST_CALLS):
        if time.perf_counter() - start > LEAST_SECONDS:
            break
        again = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - again)
    if file != "-":
        with open(file, "wb") as out:
            for array in (result.error, result.coef):
                if array is not None:
                    out.write(np.ascontiguousarray(array, float))
    return f"done {first} {best} {mib} {result.gap}"


def main() -> None:
    name, folder = sys.argv[1:]
    # What the programs print belongs elsewhere: the replies keep the standard output for themselves.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    start = time.perf_counter()
    try:
        worker = program(name)
    except (ImportError, RuntimeError) as error:
        print("missing", str(error).splitlines()[0], file=replies)
        return
    imported = time.perf_counter() - start
    worker.take(load(Path(folder)))
    worker.warm_up()
    print("ready", imported, worker.version, file=replies)
    for line in sys.stdin:
        job, tolerance, file = line.split()
        try:
            reply = answer(worker, job, float(tolerance), file)
        except Exception as error:  # of whatever kind: the others are still to be measured
            reply = f"failed {type(error).__name__}: {error}".splitlines()[0]
        print(reply, file=replies)


if __name__ == "__main__":
    main()
