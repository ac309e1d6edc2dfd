"""How long a call takes once it has been compiled."""

import argparse
import time
from collections.abc import Callable
from typing import Any

__all__ = ["best", "repeats_asked"]


def repeats_asked(doc: str | None) -> int:
    """``--repeats`` of the command line; ``doc`` is what ``--help`` shows."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args().repeats


def best(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Seconds of the best of the repeats, after a first call that compiles, and what it returns."""
    found, took = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        took.append(time.perf_counter() - start)
    return min(took), found
