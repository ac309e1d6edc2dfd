"""A line on the terminal, or in a notebook, that says how far long work is.

A path and a block of a training grid are one compiled program each, which cannot be asked on its way how far it is: a
sweep counts its paths, ``train_grid`` its members, groups and windows are counted block by block, and a single ``fit``
or ``path`` has nothing to count.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["Bar", "Progress", "following"]

Progress = Callable[[int, Any], None] | bool | None


# Seconds between two lines where there is no terminal: in a log nobody wants to count them.
BETWEEN_LINES = 10.0


class Bar:
    """Called as ``bar(done, total)``: one line that changes on a terminal or in a notebook, after half a second.

    Elsewhere, in a pipe or a log, it prints a plain line now and then: none in the first ten seconds, and then one in
    ten seconds at most.

    Args:
        what: what is counted, for example "paths". rate: whether to say how many a second.
        stream: by default standard error, in a notebook standard output.
    """

    def __init__(self, what: str, stream: TextIO | None = None, rate: bool = False) -> None:
        self.what, self.rate = what, rate
        notebook = stream is None and _in_a_notebook()
        self.stream: TextIO = stream if stream is not None else sys.stdout if notebook else sys.stderr
        self.visible = notebook or self.stream.isatty()
        self.start = self.last_line = time.monotonic()
        self.width = 0

    def say(self, words: str) -> None:
        """Show on a terminal what goes on before there is anything to count; the next line takes its place."""
        if self.visible:
            self._show(words)

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        elapsed = now - self.start
        # The first took the compiling as well, and says nothing of the others.
        left = f", {elapsed / done * (total - done):.0f} s left" if total and 2 <= done < total else ""
        of_all = f"{done:,}" if total is None else f"{done:,}/{total:,}" if self.rate else f"{done}/{total}"
        rate = f", {done / elapsed:,.0f} a second" if self.rate and elapsed > 0 else ""
        count = f"{of_all} {self.what}{rate}, {elapsed:.0f} s{left}"
        if self.visible and elapsed >= 0.5:
            filled = round(20 * done / total) if total else 0
            self._show(f"[{'█' * filled}{'·' * (20 - filled)}] {count}" if total else count)
        elif not self.visible and now - self.last_line >= BETWEEN_LINES:
            self.last_line = now
            print(count, file=self.stream, flush=True)

    def _show(self, line: str) -> None:
        before, self.width = self.width, len(line)  # set first: an interruption while printing leaves a line to clear
        print("\r" + line.ljust(before), end="", file=self.stream, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self.width:
            print("\r" + " " * self.width + "\r", end="", file=self.stream, flush=True)
            self.width = 0


@contextmanager
def following(progress: Any, what: str, rate: bool = False) -> Iterator[Callable[[int, Any], None]]:
    """The argument ``progress`` of a function as a callback.

    Args:
        progress: a function of (done, total); True is a :class:`Bar`, whose line vanishes at the end, however it ends;
            False and None are nothing. what: what is counted. rate: whether to say how many a second.

    Raises:
        TypeError: something else.

    Example:
        >>> with following(lambda done, total: print(done, "of", total), "paths") as show:
        ...     show(1, 2)
        1 of 2
    """
    if progress is True:
        bar = Bar(what, rate=rate)
        try:
            yield bar
        finally:
            bar.clear()
    elif progress is None or progress is False:
        yield lambda done, total: None
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress is {progress!r}; it must be True, None or a function of (done, total).")


def _in_a_notebook() -> bool:
    """Whether IPython runs without a terminal, for a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
