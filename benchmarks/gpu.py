"""What the library does on a GPU, in ten minutes of one, beside what was predicted before anybody had run it there.

    python benchmarks/gpu.py [--small] [--only small,bootstraps] [--out out/gpu.json] [--minutes 10]
    python benchmarks/gpu.py --table [--out out/gpu.json]       the table alone, from what has been measured

One command, on whatever JAX's default device is; ``--small`` runs all of it on a CPU in about a minute, to see that it
works. Each step has an alarm and is written to the file as soon as it has ended, and a step that has been begun is not
begun again: the same command goes on after an interruption. The programs under vmap are compiled before anything is
timed, in threads; all are kept (``--cache``). Compilation (what a first call takes longer) and steady time stand apart;
gaps are computed again by NumPy, from the answers alone. Other programs of a GPU stand beside it where they are
installed (gpu_peers.py), and folds without lockstep.
"""

import argparse
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gpu_peers
import gpu_steps
import jax
import numpy as np
from tables import seconds, table

import jaxreg

__all__ = ["TooLong", "alarm", "main", "run", "written"]

RESULTS = Path(__file__).parent / "results" / "gpu.md"
# What a step that does not come back within its time is given before the process ends itself.
GRACE = 20.0
THREADS = 16

# Seconds on one H200, computed from counted launches and a cost model without a GPU; none has been measured.
PREDICTED = {
    "lasso, 10 folds × 100 λ, 100,000 × 2,000, from NumPy": (8.3, 0.35),
    "lasso, 10 folds × 100 λ, 100,000 × 2,000, from a device array": (8.3, 0.12),
    "1,000 bootstraps × 100 λ, diabetes": (0.06, 0.005),
    "1,000 bootstraps × an automatic grid, diabetes": (2.8, 0.005),
    "ridge, 20,000 targets × 20 λ × 5 folds, 5,000 × 5,000, float32": (165.0, 2.0),
    "train_grid, 1,000 λ × 1,000 steps, 5,000 × 100, float32": (0.075, 0.075),
}


class TooLong(Exception):
    """A step took longer than it may."""


@contextmanager
def alarm(limit: float, last_words: Callable[[], None]) -> Iterator[None]:
    """:class:`TooLong` after so many seconds; where XLA does not give the thread back, the process ends soon after."""

    def ring(*_: Any) -> None:
        raise TooLong(f"longer than {limit:.0f} s")

    def give_up() -> None:
        last_words()
        os._exit(3)

    before = signal.signal(signal.SIGALRM, ring)
    guard = threading.Timer(limit + GRACE, give_up)
    guard.daemon = True
    guard.start()
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        guard.cancel()


def written(record: dict[str, Any], file: Path) -> None:
    """The whole file or none of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(record, indent=1, ensure_ascii=False))
    new.replace(file)


def machine(small: bool) -> dict[str, Any]:
    """What a measurement is of: one that is not of the same does not go on."""
    device = jax.devices()[0]
    versions = {"Python": platform.python_version(), "jax": jax.__version__, "jaxreg": jaxreg.__version__}
    said = {"platform": device.platform, "device": device.device_kind, "cores": os.cpu_count(), "small": small}
    return said | versions | {"NumPy": np.__version__}


def compiled_first(steps: dict[str, Any]) -> dict[str, float]:
    """Seconds for each program of all steps, compiled in threads and kept in the cache."""
    programs = {f"{name}: {what}": make for name, step in steps.items() for what, make in step.programs().items()}

    def compile_one(item: tuple[str, Callable[[], Any]]) -> tuple[str, float]:
        start = time.perf_counter()
        item[1]()
        return item[0], time.perf_counter() - start

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(compile_one, programs.items()))


def run(steps: dict[str, Any], file: Path, said: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Every step that the file has not, within the time; returns what is in the file then.

    Raises:
        SystemExit: the file is of another machine, of other versions or sizes.
    """
    record = json.loads(file.read_text()) if file.exists() else {"machine": said, "steps": {}}
    if record["machine"] != said:
        raise SystemExit(f"{file} was measured elsewhere: {record['machine']}; give another --out.")
    begun, done = time.perf_counter(), record["steps"]
    steps = {name: step for name, step in steps.items() if name not in done}
    if steps and "compiled" not in record:
        record["compiled"] = compiled_first(steps)
        written(record, file)
    for name, step in steps.items():
        left = 60 * minutes - (time.perf_counter() - begun)
        if left < step.limit / 2:
            print(f"{name}: left out, {left:.0f} s are left; the same command goes on", flush=True)
            continue
        done[name] = {"failed": "was begun, and did not come back"}
        written(record, file)
        start = time.perf_counter()
        try:
            with alarm(min(step.limit, left), lambda: written(record, file)):
                done[name] = {"rows": step.run()}
        except Exception as error:  # a step that fails takes no other with it
            done[name] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        done[name]["seconds"] = time.perf_counter() - start
        written(record, file)
        print(f"{name}: {done[name].get('failed', 'done')}, {done[name]['seconds']:.1f} s", flush=True)
    return record


def report(record: dict[str, Any] | None) -> str:
    """The page: predictions beside what has been measured, and every row of every step."""
    measured = record is not None and record["machine"]["platform"] != "cpu" and not record["machine"]["small"]
    steps = record["steps"] if record is not None and measured else {}
    rows = {row["what"]: row for step in steps.values() for row in step.get("rows", [])}
    beside = []
    for what, (before, after) in PREDICTED.items():
        found = rows.get(what)
        time_of = seconds(found["steady"]) if found else "not measured"
        beside.append([what, seconds(before), seconds(after), time_of])
    lines = [
        "# On a GPU",
        "",
        "Written by `python benchmarks/gpu.py --table`. The predictions were made without a GPU, from the launches "
        "that the compiler of one makes and a model of what each costs; they are no measurements.",
        "",
        table(["job", "predicted before, s", "predicted for the lockstep design, s", "measured, s"], beside),
        "",
    ]
    if not measured:
        return "\n".join([*lines, "No GPU has run this yet: **not measured**.", ""])
    assert record is not None
    lines += ["Measured on " + ", ".join(f"{name} {value}" for name, value in record["machine"].items()) + ".", ""]
    for name, step in steps.items():
        lines += [f"## {name}", ""]
        if "failed" in step:
            lines += [f"Failed: {step['failed']}.", ""]
            continue
        cells = [
            [row["what"], seconds(row.get("compile")), seconds(row.get("steady")), _gap(row), row.get("note", "")]
            for row in step["rows"]
        ]
        lines += [table(["what", "compile s", "steady s", "largest gap by NumPy", "note"], cells), ""]
    return "\n".join(lines)


def _gap(row: dict[str, Any]) -> str:
    return f"{row['gap']:.1e}" if row.get("gap") is not None else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="sizes for a CPU and a minute")
    parser.add_argument("--only", help="names of steps, between commas")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--cache", type=Path, default=Path("out/gpu_cache"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--table", action="store_true", help="write the table and measure nothing")
    options = parser.parse_args()
    file = options.out or Path("out/gpu_small.json" if options.small else "out/gpu.json")
    if options.table:
        RESULTS.write_text(report(json.loads(file.read_text()) if file.exists() else None))
        return
    jax.config.update("jax_compilation_cache_dir", str(options.cache.resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    steps = gpu_steps.steps(options.small) | gpu_peers.steps(options.small)
    if options.only:
        steps = {name: steps[name] for name in options.only.split(",")}
    record = run(steps, file, machine(options.small), options.minutes)
    print(report(record | {"machine": record["machine"] | {"platform": "shown", "small": False}}))
    if any("failed" in step for step in record["steps"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
