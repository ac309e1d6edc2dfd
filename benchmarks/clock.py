"""How long a call takes once it has been compiled."""

import time
from collections.abc import Callable
from typing import Any

__all__ = ["best"]


def best(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Seconds of the best of the repeats, after a first call that compiles, and what it returns."""
    found, took = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        took.append(time.perf_counter() - start)
    return min(took), found
