"""A line on the terminal, or in a notebook, that says how far long work is.

A path and a block of a training grid are one compiled program each, which cannot be asked on its way how far it is: a
sweep counts its paths, `train_grid` its members, and `fit` and `path` have nothing to count.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["Bar", "Progress", "following"]

Progress = Callable[[int, int], None] | bool | None


class Bar:
    """Called as ``bar(done, total)``; prints to a terminal or a notebook only, and nothing in the first half second.

    Args:
        what: what is counted, for example "paths". stream: by default standard error, in a notebook standard output.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self.what = what
        notebook = stream is None and _in_a_notebook()
        self.stream: TextIO = stream if stream is not None else sys.stdout if notebook else sys.stderr
        self.visible = notebook or self.stream.isatty()
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


@contextmanager
def following(progress: Any, what: str) -> Iterator[Callable[[int, int], None]]:
    """The argument ``progress`` of a function as a callback.

    Args:
        progress: a function of (done, total); True is a :class:`Bar` that vanishes at the end, however it ends; False
            and None are nothing. what: what is counted.

    Raises:
        TypeError: something else.

    Example:
        >>> with following(lambda done, total: print(done, "of", total), "paths") as show:
        ...     show(1, 2)
        1 of 2
    """
    if progress is True:
        bar = Bar(what)
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
