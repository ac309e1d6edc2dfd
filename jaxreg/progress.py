"""A line on the terminal that says how far long work is."""

import sys
import time
from typing import TextIO

__all__ = ["Bar"]


class Bar:
    """Called as ``bar(done, total)``; prints to a terminal only, and nothing in the first half second.

    Args:
        what: what is counted, for example "paths". stream: standard error by default.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self.what = what
        self.stream = sys.stderr if stream is None else stream
        self.visible = self.stream.isatty()
        self.start = time.monotonic()
        self.width = 0

    def __call__(self, done: int, total: int) -> None:
        elapsed = time.monotonic() - self.start
        if not self.visible or elapsed < 0.5:
            return
        filled = round(20 * done / total)
        left = f", {elapsed / done * (total - done):.0f} s left" if 0 < done < total else ""
        line = f"[{'█' * filled}{'·' * (20 - filled)}] {done}/{total} {self.what}, {elapsed:.0f} s{left}"
        before, self.width = self.width, len(line)  # set first: an interruption while printing leaves a line to clear
        print("\r" + line.ljust(before), end="", file=self.stream, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self.width:
            print("\r" + " " * self.width + "\r", end="", file=self.stream, flush=True)
            self.width = 0
