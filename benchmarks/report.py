"""Runs the benchmarks, and writes the report, the figure, the tables in docs/how_fast.md and a sentence in the README.

    python benchmarks/report.py [--only paths,cv,fits,ridge,memory] [--shapes small] [--repeats 7] [--no-measuring]

Everything goes to benchmarks/results: measured.json, report.md and figure.png. A part that was measured before on the
same machine with the same versions is kept until it is measured again, so the whole can be done in pieces. `make bench`
runs it in an environment that has the peers; those that are missing are reported as not installed.

A part with a report of its own is a file in this folder that takes --out FILE, like ridge.py; its Markdown is added as
it is. A row of a GPU is measured where JAX finds one.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import cv
import growth
import paths
from contest import log
from figure import draw
from problems import SHAPES
from tables import Record, contest_table, first_call_table, growth_table, number, summary_table

__all__ = ["between_markers", "claim", "machine", "markdown", "page_block"]

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "how_fast.md"
README = HERE.parent / "README.md"

CONTESTS = {
    "paths": ("path", "A lasso path of 100 λ", paths.TARGETS, paths.LIMIT),
    "cv": ("cv", "Ten-fold cross-validation of 100 λ, with the path on all rows", cv.TARGETS, cv.LIMIT),
}
OTHERS = {
    "fits": "Single fits, elastic nets, real data",
    "ridge": "Ridge",
    "memory": "Memory",
}  # parts with a report of their own
PARTS = (*CONTESTS, "growth", *OTHERS)
PACKAGES = (
    "jaxreg",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "scikit-learn",
    "celer",
    "skglm",
    "scm2cpp-learn",
    "glmstar",
    "glmnet-rs",
    "himalaya",
    "statsmodels",
)


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, and the versions of what is installed here."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    kind = {"processor": model, "cores": cores, "memory": f"{memory:.0f} GiB", "system": platform.system()}
    return {"machine": {**kind, "architecture": platform.machine()}, "versions": versions}


def load_average() -> float | None:
    """Busy processes in the last minute: times taken above about one a core are not worth much."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def earlier(here: dict[str, Any]) -> dict[str, Any]:
    """What was measured before on this machine with these versions, and nothing else."""
    try:
        measured = json.loads((RESULTS / "measured.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return here
    return measured if all(measured.get(key) == here[key] for key in here) else here


def keep(measured: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(measured, indent=1, ensure_ascii=False, allow_nan=True)
    (RESULTS / "measured.json").write_text(text + "\n", encoding="utf-8")


def measure(measured: dict[str, Any], parts: list[str], shapes: list[str], repeats: int) -> None:
    """Measures the parts, and keeps each result as soon as it is there."""
    for part in parts:
        if part in CONTESTS:
            job, _, _, limit = CONTESTS[part]
            for shape in shapes:
                load = load_average()
                record = paths.measure(job, shape, repeats, limit, None, True)
                measured.setdefault(part, {})[shape] = record | {"load": [load, load_average()]}
                keep(measured)
        elif part == "growth":
            log("growth")
            load = load_average()
            measured[part] = growth.measure(max(repeats // 2, 3)) | {"load": [load, load_average()]}
        else:
            log(part)
            measured[part] = other_report(part)
        keep(measured)


def other_report(part: str) -> str:
    """The Markdown of a benchmark with a report of its own, or the reason why there is none."""
    script = HERE / f"{part}.py"
    if not script.exists():
        return "Not measured: it is not part of this version.\n"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.md"
        done = subprocess.run([sys.executable, str(script), "--out", str(out)], stdout=subprocess.DEVNULL)
        if done.returncode != 0 or not out.exists():
            return f"Not measured: {script.name} ended with exit status {done.returncode}.\n"
        return out.read_text(encoding="utf-8")


def markdown(measured: dict[str, Any]) -> str:
    """The whole report."""
    kind, versions = measured["machine"], measured["versions"]
    lines = ["# Benchmarks", "", f"{_machine_line(kind)}; " + ", ".join(f"{k} {v}" for k, v in versions.items()) + "."]
    lines += [
        "",
        "What is measured and how: the first lines of `paths.py`, `cv.py`, `growth.py`, `fits.py`, `ridge.py` and "
        "`memory.py`.",
        "",
    ]
    for part, (_, title, targets, _) in CONTESTS.items():
        records = _records(measured, part)
        if not records:
            continue
        lines += [f"## {title}", "", summary_table(records, targets), "", "First call in a fresh process:", ""]
        lines += [first_call_table(records, paths.FIRST_CALL), ""]
        for record in records:
            lines += [f"### {title}: {record['shape']}, {record['n']:,} × {record['p']:,}", "", contest_table(record)]
            lines += ["", _ratio_line(record), ""]
    if "growth" in measured:
        lines += ["## How time grows", "", growth_table(measured["growth"]), ""]
    for part, title in OTHERS.items():
        if part in measured:
            lines += [f"## {title}", "", measured[part].rstrip(), ""]
    return "\n".join(lines)


def _records(measured: dict[str, Any], part: str) -> list[Record]:
    return [measured[part][shape] for shape in SHAPES if shape in measured.get(part, {})]


def _machine_line(kind: dict[str, Any]) -> str:
    return f"{kind['processor']} ({kind['architecture']}), {kind['cores']} cores, {kind['memory']}, {kind['system']}"


def _ratio_line(record: Record) -> str:
    ratios = [number(record[key], ".3f") for key in ("ratio", "ratio_of_best", "ratio_at_default")]
    before, after = (number(load, ".1f") for load in record["load"])
    if record["fastest"] is None:
        return f"There is no ratio. Load of the machine: {before} at the start, {after} at the end."
    return (
        f"jaxreg / {record['fastest']}: {ratios[0]}; of the best times {ratios[1]}; at its default tolerance "
        f"{ratios[2]}. Load of the machine: {before} at the start, {after} at the end."
    )


def page_block(measured: dict[str, Any]) -> str:
    """What stands in docs/how_fast.md: machine and versions, the two summaries, the growth and the figure."""
    versions = ", ".join(f"{name} {measured['versions'][name]}" for name in ("Python", "jaxreg", "jax"))
    records = [record for part in CONTESTS for record in _records(measured, part)]
    busiest = max((load for record in records for load in record["load"] if load is not None), default=None)
    lines = [f"{_machine_line(measured['machine'])}; {versions}; load at most {number(busiest, '.1f')}."]
    for part, (_, title, targets, _) in CONTESTS.items():
        records = _records(measured, part)
        if records:
            lines += ["", f"**{title}**", "", summary_table(records, targets)]
    if "growth" in measured:
        lines += ["", "**How time grows**", "", growth_table(measured["growth"])]
    lines += ["", "![Times beside the peers, and how they grow](../benchmarks/results/figure.png)"]
    return "\n".join(lines)


def claim(measured: dict[str, Any]) -> str:
    """What stands in the README: beside which programs was measured, and how often jaxreg took the least time."""
    records = [record for part in CONTESTS for record in _records(measured, part)]
    rows = [row for record in records for row in record["rows"] if not row["ours"] and row["status"] == "counts"]
    names = list(dict.fromkeys(_program(row["name"]) for row in rows))
    faster = list(dict.fromkeys(_program(record["fastest"]) for record in records if record["ratio"] >= 1))
    least = len([record for record in records if record["ratio"] < 1])
    shapes = len({record["shape"] for record in records})
    text = (
        f"A lasso path of 100 λ and its ten-fold cross-validation were measured on {shapes} shapes of table beside "
        f"{_listed(names)}: jaxreg took the least time in {least} of {len(records)} cases"
        + (f", and {_listed(faster)} in the other{'s' * (len(records) - least > 1)}." if faster else ".")
    )
    return textwrap.fill(text, 120, break_on_hyphens=False)


def _program(row: str) -> str:
    """Of which program a row is: one may have several ways."""
    return "scikit-learn" if row == "LassoCV" else row.split(" on ")[0]


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def between_markers(text: str, block: str, name: str = "benchmarks") -> str:
    """The text with the block between the two markers of this name.

    Raises:
        ValueError: a marker is missing.
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, start, rest = text.partition(opening)
    _, end, after = rest.partition(closing)
    if not start or not end:
        raise ValueError(f"the markers {opening} and {closing} are missing; put them where the block belongs.")
    return f"{before}{opening}\n{block}\n{closing}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts with commas between: " + ", ".join(PARTS))
    parser.add_argument("--shapes", default=",".join(paths.TARGETS), help="of " + ", ".join(SHAPES))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-measuring", action="store_true", help="write the report of what was measured before")
    options = parser.parse_args()
    parts, shapes = options.only.split(","), options.shapes.split(",")
    for given, known in ((parts, PARTS), (shapes, SHAPES)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"{unknown[0]!r} is none of {', '.join(known)}")

    if options.no_measuring:
        measured = json.loads((RESULTS / "measured.json").read_text(encoding="utf-8"))
    else:
        measured = earlier(machine())
        measure(measured, parts, shapes, options.repeats)
    report = markdown(measured)
    (RESULTS / "report.md").write_text(report, encoding="utf-8")
    draw(measured, RESULTS / "figure.png")
    for file, block, name in ((PAGE, page_block(measured), "benchmarks"), (README, claim(measured), "measured")):
        file.write_text(between_markers(file.read_text(encoding="utf-8"), block, name), encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
