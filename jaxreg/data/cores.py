"""NumPy's products on all cores: a thread each, and a BLAS of one thread in each.

OpenBLAS shares a product among threads of its own. A table of few columns gives them little to share, `XᵀX` of 100,000
by 100 takes two threads as long as one; and when the product is done they keep their cores for a while, waiting for the
next one, which slows down the compiled program that follows. Rows, or folds, are better shared.

The number of BLAS's threads belongs to the process: it is set to 1 while a task is shared, and set back after it. That
takes threadpoolctl, which scikit-learn installs; without it products are left to BLAS as it is.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

__all__ = ["CORES", "blas_of_one_thread", "can_share", "share"]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

_here = threading.local()
_sets = threading.Lock()  # held by the task that has set the number


@cache
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas")


def can_share() -> bool:
    """Whether there is more than one core, BLAS can be told to take one, and this thread is not itself a share."""
    return CORES > 1 and _controller() is not None and not getattr(_here, "shares", False)


@contextlib.contextmanager
def blas_of_one_thread() -> Iterator[None]:
    """While this lasts a product of NumPy takes one core, in all threads; without effect if BLAS cannot be told so.

    Of tasks in several threads the first one sets the number, and sets it back when it ends.
    """
    controller = _controller()
    if controller is None or not _sets.acquire(blocking=False):
        yield
        return
    try:
        with controller.limit(limits=1):
            yield
    finally:
        _sets.release()


def share(task: Callable[[Any], Any], arguments: Sequence[Any], alone: bool = False) -> list[Any]:
    """[task(a) for a in arguments], several at a time where BLAS can be told to take one core; not within a share.

    ``alone``: whether a task takes several devices, which two of them at a time would wait for in different orders.
    """
    if alone or not can_share() or len(arguments) < 2:
        return [task(a) for a in arguments]

    def one(argument: Any) -> Any:
        _here.shares = True
        return task(argument)

    with blas_of_one_thread(), ThreadPoolExecutor(min(CORES, len(arguments))) as pool:
        return list(pool.map(one, arguments))
