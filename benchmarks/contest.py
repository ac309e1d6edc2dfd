"""One job, all programs: same data, a tolerance each that reaches the same gap, and times taken in turn.

Every program runs in a process of its own (worker.py), so that one that hangs, crashes or lives in another environment
does not stop the rest. A peer's tolerance starts loose and is tightened until the gap recomputed from X is at most
1e-4; then jaxreg and the peers run one after the other within each repeat, so that a machine that slows down slows them
all. A peer that needs more than three times the time of the fastest one is timed once: it decides nothing.
"""

import contextlib
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from contestant import Contestant, Failed, commands
from peers import PEERS
from problems import SHAPES, Problem, largest_gap, make, save

__all__ = ["JAXREG_DEFAULT", "JAXREG_TOLERANCE", "PEER_GAP", "contest", "first_call", "log"]

HERE = Path(__file__).parent
PEER_GAP = 1e-4
JAXREG_TOLERANCE = 1e-6
JAXREG_DEFAULT = 1e-10
FARTHEST = 1e-14  # no tolerance below this is tried
DECIDES = 3.0  # times the fastest peer's time
REST = 0.5  # seconds before a program is timed: the threads of the one before may wait for work until they sleep

LOOSEST = {name: peer.loosest for name, peer in PEERS.items()} | {"LassoCV": 1e-3, "R glmnet": 1e-6}


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def recomputed_gap(problem: Problem, coef: np.ndarray) -> float:
    """The largest gap of the fits on all rows and, where they are given, of those without fold 0, 1, …"""
    X, y, lams, folds = problem
    gaps = [largest_gap(X, y, lams, coef[0])]
    for k, of_fold in enumerate(coef[1:]):
        gaps.append(largest_gap(X[folds != k], y[folds != k], lams, of_fold))
    return float(np.max(gaps))  # NaN stays NaN


def decades(loosest: float) -> list[float]:
    """loosest, and a tenth of the one before, and so on."""
    return [float(f"{loosest * 10.0**-step:.3g}") for step in range(round(math.log10(loosest / FARTHEST)) + 1)]


def finer(loosest: float) -> list[float]:
    """loosest, and the numbers below it that are 1, 2 or 5 times a power of ten."""
    steps = [
        digit * 10.0**exponent for exponent in range(0, round(math.log10(FARTHEST)) - 1, -1) for digit in (5, 2, 1)
    ]
    return [loosest, *(float(f"{step:.0e}") for step in steps if step < 0.999 * loosest)]


def tune(contestant: Contestant, job: str, candidates: list[float], problem: Problem, limit: float) -> dict[str, Any]:
    """The first tolerance whose gap is at most 1e-4, with its answer; or the best that was reached in the time."""
    end, best = time.perf_counter() + limit, {"gap": math.inf, "status": f"did not reach {PEER_GAP:.0e}"}
    for tolerance in candidates:
        try:
            run = contestant.ask(job, tolerance, max(end - time.perf_counter(), 1.0), keep=True)
            error, coef = contestant.answer(job, problem)
        except Failed as failure:
            late = f"in {limit:.0f} s" if "longer" in str(failure) else f"({failure})"
            return best | {"status": f"{best['status']} {late}"}
        gap = recomputed_gap(problem, coef)
        log(f"    {tolerance:.0e}: gap {gap:.1e}, {run['best']:.3g} s")
        if gap < best["gap"]:
            best |= {"gap": gap, "tolerance": tolerance, "seconds": [run["best"]], "mib": run["mib"], "error": error}
        if gap <= PEER_GAP:
            return best | {"status": "counts"}
        if time.perf_counter() > end:
            return best | {"status": f"{best['status']} in {limit:.0f} s"}
    return best


def _jaxreg(contestant: Contestant, job: str, problem: Problem, limit: float) -> list[dict[str, Any]]:
    """jaxreg at 1e-6 and at its default; the gap is the larger of the recomputed one and of its own in the folds."""
    rows: list[dict[str, Any]] = []
    for tolerance in (JAXREG_TOLERANCE, JAXREG_DEFAULT):
        row: dict[str, Any] = {"tolerance": tolerance}
        try:
            run = contestant.ask(job, tolerance, limit, keep=True)
        except Failed as failure:
            return [*rows, row | {"status": str(failure)}]
        error, coef = contestant.answer(job, problem)
        gap = float(np.max([recomputed_gap(problem, coef), run["gap"]]))
        log(f"    {tolerance:.0e}: gap {gap:.1e}, {run['best']:.3g} s")
        status = "counts" if gap <= PEER_GAP else f"did not reach {PEER_GAP:.0e}"
        rows.append(row | {"gap": gap, "seconds": [run["best"]], "mib": run["mib"], "error": error, "status": status})
    return rows


def contest(job: str, shape: str, repeats: int, limit: float, only: list[str] | None = None) -> dict[str, Any]:
    """Measures a job (path or cv) on a shape.

    Args:
        limit: seconds that a program may take until it has reached its gap, and a quarter of it for its repeats.
        only: names of the peers; None takes all.

    Returns:
        What report.py and the command lines print: the rows, one a program and tolerance, and the ratio.
    """
    problem = make(SHAPES[shape])
    n, p = problem.X.shape
    record: dict[str, Any] = {"job": job, "shape": shape, "n": n, "p": p, "lams": len(problem.lams)}
    record["folds"] = int(problem.folds.max()) + 1
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as workers:
        folder = Path(name)
        save(problem, folder)
        runners: list[tuple[Contestant, dict[str, Any]]] = []
        for name, command in _entries(job, only):
            log(f"{job} {shape}: {name}")
            ours = name.startswith("jaxreg")
            try:
                contestant = Contestant(command, folder, _environment(name))
            except Failed as failure:
                reason = "not measured" if "GPU" in name else str(failure)
                rows.append({"name": name, "status": reason, "ours": ours})
                log(f"    {reason}")
                continue
            workers.callback(contestant.close)
            if ours:
                new = _jaxreg(contestant, job, problem, limit)
            else:
                new = [_tuned(contestant, job, LOOSEST[name], problem, limit)]
            new = [{"name": name, "version": contestant.version, "ours": ours, **row} for row in new]
            rows += new
            runners += [(contestant, row) for row in new]
        _in_turn(job, runners, repeats, limit / 4)
    return record | {"rows": _compared(rows, job)} | _ratios(rows)


def _entries(job: str, only: list[str] | None) -> list[tuple[str, list[str]]]:
    peers = commands()
    if job == "cv":
        peers["LassoCV"] = [*peers["scikit-learn"][:2], "LassoCV"]
    ours = {name: [sys.executable, str(HERE / "worker.py"), name] for name in ("jaxreg", "jaxreg on a GPU")}
    return list(ours.items()) + [(name, peers[name]) for name in peers if only is None or name in only]


def _environment(name: str) -> dict[str, str]:
    """Steady times need no compilation cache; on a machine with a GPU, the CPU's worker leaves it alone."""
    return {"JAX_ENABLE_COMPILATION_CACHE": "false"} | ({"JAX_PLATFORMS": "cpu"} if name == "jaxreg" else {})


def _tuned(contestant: Contestant, job: str, loosest: float, problem: Problem, limit: float) -> dict[str, Any]:
    """By decades first, and then the looser ones between; cross-validation starts where the path reached its gap."""
    found = tune(contestant, "path", decades(loosest), problem, limit)
    if found["status"] == "counts" and found["tolerance"] < loosest:
        looser = [float(f"{factor * found['tolerance']:.3g}") for factor in (5, 2)]
        better = tune(contestant, "path", looser, problem, limit)
        found = better if better["status"] == "counts" else found
    if job == "path":
        return found
    if found["status"] != "counts":
        return found | {"status": f"path: {found['status']}", "error": None, "seconds": [], "mib": None}
    return tune(contestant, job, finer(found["tolerance"]), problem, limit)


def _in_turn(job: str, runners: list[tuple[Contestant, dict[str, Any]]], repeats: int, limit: float) -> None:
    """Times those that matter, once a repeat; the program that begins is another one in each repeat."""
    counting = [(contestant, row) for contestant, row in runners if row["status"] == "counts"]
    fastest = min((row["seconds"][0] for _, row in counting if not row["ours"]), default=math.inf)
    racing = [(c, row) for c, row in counting if row["ours"] or row["seconds"][0] <= DECIDES * fastest]
    seconds: list[list[float]] = [[] for _ in racing]
    for repeat in range(repeats):
        for turn in range(len(racing)):
            place = (turn + repeat) % len(racing)
            contestant, row = racing[place]
            if seconds[place] and sum(seconds[place]) + seconds[place][-1] > limit:
                continue
            time.sleep(REST)
            try:
                seconds[place].append(contestant.ask(job, row["tolerance"], 4 * limit)["best"])
            except Failed as failure:
                log(f"    {row['name']}: {failure}")
    for (_, row), measured in zip(racing, seconds, strict=True):
        row["seconds"] = measured or row["seconds"]  # the time of its tuning, if it has ended since


def _compared(rows: list[dict[str, Any]], job: str) -> list[dict[str, Any]]:
    """Median and best of the seconds; for cv how far the curve is from that of jaxreg's default tolerance."""
    reference = next(
        (r["error"] for r in rows if r["ours"] and r.get("tolerance") == JAXREG_DEFAULT and "error" in r), None
    )
    for row in rows:
        error = row.pop("error", None)
        if job == "cv" and error is not None and reference is not None:
            row["curve"] = float(np.max(np.abs(error - reference) / reference))
        if row.get("seconds"):
            row |= {"median": statistics.median(row["seconds"]), "best": min(row["seconds"])}
    return rows


def _ratios(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """jaxreg over the fastest peer that counts: the median over the repeats, and the ratio of the best times."""
    peers = [row for row in rows if not row["ours"] and row["status"] == "counts" and row.get("seconds")]
    ours = {r["tolerance"]: r for r in rows if r["name"] == "jaxreg" and r["status"] == "counts" and r.get("seconds")}
    if not peers or not ours:
        return {"fastest": None, "ratio": None, "ratio_of_best": None, "ratio_at_default": None}
    fastest = min(peers, key=lambda row: row["median"])

    def ratio(tolerance: float) -> float | None:
        if tolerance not in ours:
            return None
        pairs = zip(ours[tolerance]["seconds"], fastest["seconds"], strict=False)
        return statistics.median(mine / other for mine, other in pairs)

    best = ours[JAXREG_TOLERANCE]["best"] / fastest["best"] if JAXREG_TOLERANCE in ours else None
    at = {"ratio": ratio(JAXREG_TOLERANCE), "ratio_at_default": ratio(JAXREG_DEFAULT)}
    return {"fastest": fastest["name"], "ratio_of_best": best, **at}


def first_call(job: str, shape: str, limit: float) -> dict[str, Any]:
    """Seconds and MiB of jaxreg's first call in a fresh process: without a compilation cache, and with a warm one."""
    record: dict[str, Any] = {}
    command = [sys.executable, str(HERE / "worker.py"), "jaxreg"]
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name), Path(name) / "cache"
        save(make(SHAPES[shape]), folder)
        without = {"JAX_ENABLE_COMPILATION_CACHE": "false", "JAX_PLATFORMS": "cpu"}
        every = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
        within = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PLATFORMS": "cpu", **every}
        for kind, environment in {"no cache": without, "filling": within, "warm cache": within}.items():
            log(f"{job} {shape}: first call, {kind}")
            try:
                contestant = Contestant(command, folder, environment)
                with contextlib.closing(contestant):
                    run = contestant.ask(job, JAXREG_TOLERANCE, limit)
            except Failed as failure:
                return record | {"status": str(failure)}
            record[kind] = {"import": contestant.imported, "first": run["first"], "mib": run["mib"]}
    return record
