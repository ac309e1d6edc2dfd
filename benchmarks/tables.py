"""What was measured, as Markdown."""

import math
from typing import Any

__all__ = ["contest_table", "first_call_table", "growth_table", "number", "seconds", "summary_table"]

Record = dict[str, Any]
MISSING = "–"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Text in the first column, numbers to the right in the others."""
    rule = "|---" + "|--:" * (len(head) - 1) + "|"
    return "\n".join(["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float | None, form: str) -> str:
    return MISSING if value is None or not math.isfinite(value) else format(value, form)


def seconds(value: float | None) -> str:
    """Three digits, and no exponent."""
    if value is None or not math.isfinite(value) or value <= 0:
        return MISSING
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def _mib(row: Record) -> str:
    value = row.get("mib")
    return number(max(value, 0.0) if value is not None else None, ".0f")


def contest_table(record: Record) -> str:
    """One row a program and tolerance."""
    cv = record["job"] == "cv"
    head = ["program", "tolerance", "gap", "median s", "best s", "runs", "memory, MiB"]
    head += ["error curve"] if cv else []
    rows = []
    for row in record["rows"]:
        name = f"{row['name']} {row['version']}" if "version" in row else row["name"]
        if row["status"] != "counts":
            name += f": {row['status']}"
        cells = [name, number(row.get("tolerance"), ".0e"), number(row.get("gap"), ".1e")]
        cells += [seconds(row.get("median")), seconds(row.get("best")), str(len(row.get("seconds", []))), _mib(row)]
        rows.append(cells + ([number(row.get("curve"), ".0e")] if cv else []))
    return table(head, rows)


def first_call_table(records: list[Record], targets: dict[str, tuple[float, float]]) -> str:
    """One row a shape: import apart, without a compilation cache and with a warm one, beside the targets."""
    head = ["shape", "import s", "no cache s", "at most", "warm cache s", "at most", "memory, MiB: no cache", "warm"]
    rows = []
    for record in records:
        first, (cold, warm) = record["first"], targets.get(record["shape"], (None, None))
        kinds = [first.get(kind, {}) for kind in ("no cache", "warm cache")]
        cells = [record["shape"], seconds(kinds[0].get("import"))]
        for kind, target in zip(kinds, (cold, warm), strict=True):
            cells += [seconds(kind.get("first")), number(target, "g")]
        rows.append(cells + [_mib(kind) for kind in kinds])
    return table(head, rows)


def summary_table(records: list[Record], targets: dict[str, float]) -> str:
    """One row a shape: jaxreg, the fastest peer that counts, and their ratio beside the target."""
    head = ["shape", "jaxreg, gap 1e-6", "gap 1e-10", "fastest peer, gap 1e-4", "ratio", "at most"]
    rows = []
    for record in records:
        ours = {row.get("tolerance"): row for row in record["rows"] if row["name"] == "jaxreg"}
        peer = next((row for row in record["rows"] if row["name"] == record["fastest"]), None)
        fast, default = (ours.get(tolerance, {}) for tolerance in (1e-6, 1e-10))
        rows.append(
            [
                f"{record['shape']} {record['n']:,} × {record['p']:,}",
                *(_time_or_reason(row) for row in (fast, default)),
                f"{peer['name']} {peer['version']}, {seconds(peer['median'])} s" if peer else MISSING,
                number(record["ratio"], ".2f"),
                number(targets.get(record["shape"]), "g"),
            ]
        )
    return table(head, rows)


def _time_or_reason(row: Record) -> str:
    if row.get("status", "counts") != "counts":
        return row["status"]
    return f"{seconds(row['median'])} s" if "median" in row else MISSING


def growth_table(record: Record) -> str:
    """One row a quantity that grows: sizes, seconds and the fitted exponents."""
    head = ["what grows", "from", "to", "first s", "last s", "exponent", "of the last doubling"]
    rows = []
    for what, axis in record["axes"].items():
        times, sizes = axis["seconds"], axis["sizes"]
        ends = [f"{sizes[0]:,}", f"{sizes[-1]:,}", seconds(times[0]), seconds(times[-1])]
        rows.append([what, *ends, f"{axis['exponent']:.2f} ± {axis['error']:.2f}", f"{axis['last']:.2f}"])
    return table(head, rows)
