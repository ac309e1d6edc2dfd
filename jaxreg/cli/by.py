"""``jaxreg sweep --by COLUMN``: a sweep within each group of rows, on the terminal and in files."""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxreg.cli.prepare import at_work, checkpoint_in
from jaxreg.cli.stored_groups import FORMAT
from jaxreg.files import write_csv, write_json, writing
from jaxreg.progress import Bar
from jaxreg.results.grouped_sweep import GroupedSweep
from jaxreg.together import written_together

__all__ = ["sweep_each"]

# The first vouches for the others.
FILES = ("groups.npz", "groups.json", "groups.csv", "coefficients.png")


def sweep_each(
    options: argparse.Namespace, problem: dict[str, Any], settings: dict[str, Any], folder: Path | None
) -> int:
    """Sweep, print the table of the groups, and write the files."""
    from jaxreg.cross_validation import sweep

    given = settings | {"sample_weight": problem["sample_weight"], "checkpoint": checkpoint_in(folder, options)}
    bar = Bar("groups")
    start = time.perf_counter()
    with at_work(bar):
        found: Any = sweep(problem["X"], problem["y"], by=problem["by"], progress=bar, **given)
    result = _named(found, tuple(options.by), problem["names"])
    text = _report(result, problem, options.rows, time.perf_counter() - start)
    try:
        if folder is not None:
            options.state = f"{folder} holds the new result, or what it held before"
            _write(result, folder, problem)
            options.state = f"the result is in {folder}"
            text += f"\n\nWritten to {folder}: " + ", ".join(FILES)
    finally:
        print(text)
        sys.stdout.flush()
    return 0 if result.converged else 3


def _named(found: GroupedSweep, keys: tuple[str, ...], names: tuple[str, ...]) -> GroupedSweep:
    """With the names of the table, which the arrays did not have."""
    of = lambda choice: replace(choice, key_names=keys, feature_names=names)
    return replace(found, best=of(found.best), one_se=of(found.one_se))


def _report(result: GroupedSweep, problem: dict[str, Any], rows: int, seconds: float) -> str:
    """A row a group, and below it what is unusual and the certificate."""
    title, _, foot = result._shown()
    head, *table = result.rows()
    shown = table[:rows]
    more = [f"… and {len(table) - rows:,} more groups; --rows {len(table)} prints them, --out writes them all"]
    widths = [max(len(row[k]) for row in (head, *shown)) for k in range(len(head))]
    keys = len(result.best.key_names)
    line = lambda row: "  ".join(
        f"{cell:<{width}}" if k < keys else f"{cell:>{width}}"
        for k, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    body = [
        line(head),
        "─" * (sum(widths) + 2 * len(widths) - 2),
        *map(line, shown),
        *(more if len(table) > rows else []),
    ]
    n, p = problem["X"].shape
    sizes = f"{n:,} rows, {p} features; {title.removeprefix('GroupedSweep: ')}"
    return "\n".join([problem["title"], sizes, *problem["notes"], "", *body, "", *foot, f"{seconds:.2g} s"])


def _write(result: GroupedSweep, folder: Path, problem: dict[str, Any]) -> None:
    """All of the files, or none."""
    figure = result.plot().figure
    with written_together(folder, FILES) as staging:
        write_csv(staging / "groups.csv", result.to_frame("dict") | {"flag": result.flags})
        with writing(staging / "coefficients.png", "wb") as stream:
            figure.savefig(stream, format="png", dpi=150, bbox_inches="tight")
        of_table = {"target": problem["target"], "coding": problem["coding"].as_stored()}
        write_json(staging / "groups.json", FORMAT | of_table)
        result.save(staging / "groups.npz")
