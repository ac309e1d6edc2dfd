"""How fast is a lasso path of 100 λ, beside every program that solves it as exactly?

    python benchmarks/paths.py [--shape mid] [--repeats 7] [--limit 100] [--peers scikit-learn,celer] [--no-first-call]

jaxreg stops at a relative duality gap of 1e-6, and at its default of 1e-10 in the row below. A peer counts with a gap
of at most 1e-4, recomputed from X; its tolerance is the loosest that reaches it. No program standardises the columns;
all fit an intercept, the peers by getting columns that were centred before the clock started. A time is the best of
the calls that fit into 0.2 seconds, and one call if it takes longer, after half a second of rest; median and best are
those of the repeats. Ratio: the median over the repeats of jaxreg's time over that of the fastest peer.

Memory is what the process grew by in one call; jaxreg's first row is its first call, compiling included. The first
call's time is measured in fresh processes, without JAX's compilation cache and with a warm one, the import apart.
"""

import argparse
from collections.abc import Callable

from contest import contest, first_call
from problems import SHAPES
from tables import Record, contest_table, first_call_table, number

__all__ = ["FIRST_CALL", "TARGETS", "command_line", "measure"]

# The largest ratio that is aimed at, and seconds of the first call: without a cache, with a warm one.
TARGETS = {"small": 0.5, "mid": 0.4, "tall": 0.8, "tall2": 0.6, "wide": 0.3}
FIRST_CALL = {"small": (2, 0.5), "mid": (3, 1), "tall": (3, 1), "tall2": (3, 1), "wide": (5, 1.5)}
LIMIT = 100.0


def measure(job: str, shape: str, repeats: int, limit: float, peers: list[str] | None, first: bool) -> Record:
    """The contest on a shape, with jaxreg's first call under ``first``."""
    record = contest(job, shape, repeats, limit, peers)
    return record | {"first": first_call(job, shape, limit) if first else {}}


def command_line(job: str, doc: str, targets: dict[str, float], limit: float) -> None:
    """Measures the shapes that are asked for and prints their tables."""
    wrapped: Callable = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=wrapped)
    parser.add_argument("--shape", choices=[*SHAPES, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--limit", type=float, default=limit, help="seconds that a program may take on a shape")
    parser.add_argument("--peers", help="names with commas between; all if it is left out")
    parser.add_argument("--no-first-call", action="store_true")
    options = parser.parse_args()
    peers = None if options.peers is None else options.peers.split(",")
    for shape in targets if options.shape == "all" else [options.shape]:
        record = measure(job, shape, options.repeats, options.limit, peers, not options.no_first_call)
        print(f"\n### {job}, {shape}: {record['n']:,} × {record['p']:,}\n\n{contest_table(record)}\n")
        print(f"Ratio {number(record['ratio'], '.3f')} to {record['fastest'] or 'no peer'}", end="")
        print(f" (of the best times {number(record['ratio_of_best'], '.3f')};", end=" ")
        print(f"at the default tolerance {number(record['ratio_at_default'], '.3f')};", end=" ")
        print(f"at most {number(targets.get(shape), 'g')} is aimed at).")
        if record["first"]:
            print(f"\n{first_call_table([record], FIRST_CALL)}")


if __name__ == "__main__":
    command_line("path", __doc__, TARGETS, LIMIT)
