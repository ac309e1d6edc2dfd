"""Several processes that do one job: each its share of the rows and of the folds, and all have the whole answer.

The processes find each other by JAX's own distributed runtime, which knows SLURM and Open MPI; other launchers set
three variables. What one has found is sent to all: bytes, so that it need not be of one shape. A process that is gone
is noticed where the others wait for it.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["LostProcess", "Processes", "distributed", "everyones", "here"]

# What a launcher that JAX does not know sets for every process.
ADDRESS, COUNT, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
# Seconds that the last of the processes may take to appear, and that those which are left wait for one that is gone.
TO_BEGIN, TO_END = 300, 5


class LostProcess(RuntimeError):
    """One of the processes is gone."""


class Processes(NamedTuple):
    """This process is number ``number`` of ``count``, counted from 0."""

    number: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name


_here = Processes(0, 1)


def here() -> Processes:
    """Which process of how many this is; of one, outside :func:`distributed`."""
    return _here


@contextlib.contextmanager
def distributed(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> Iterator[Processes]:
    """Within this block ``sweep``, ``path``, ``fit`` and ``fold_moments`` of files share the work among processes.

    Every process runs the same program and has the same results. Of Parquet files each reads its own row groups, of
    others its own files; the moments are added, and each solves its own folds. With ``checkpoint=`` each keeps what it
    has read in a folder of its own: after an interruption the same number of processes goes on from there.

    Args:
        coordinator: "host:port" on which process 0 is reached. processes: how many. process: this one's number,
            from 0. What is None is asked of the environment (``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES``,
            ``JAX_PROCESS_ID``), then of SLURM or Open MPI. Where ``jax.distributed.initialize`` has been called, all
            are known.

    Yields:
        ``(number, count)``: of this process, and how many there are.

    Raises:
        ValueError: nothing says where the others are. LostProcess (a RuntimeError), from within the block: one of them
            is gone.

    Example:
        >>> import jaxreg
        >>> with jaxreg.distributed("localhost:9911", processes=1, process=0) as (number, count):  # doctest: +SKIP
        ...     result = jaxreg.sweep("data/*.parquet", target="y")
    """
    global _here
    import jax

    before, joined = _here, False
    if not jax.distributed.is_initialized():
        coordinator = coordinator or os.environ.get(ADDRESS)
        processes, process = _number(processes, COUNT), _number(process, NUMBER)
        _join(jax, coordinator, processes, process)
        joined = True
    _here = Processes(jax.process_index(), jax.process_count())
    try:
        with _said_on_standard_error():
            everyones(b"")  # from now on a process that is gone is noticed at once
        yield _here
    except LostProcess:
        raise
    else:
        if joined:
            jax.distributed.shutdown()
    finally:
        _here = before


def _join(jax: Any, coordinator: str | None, processes: int | None, process: int | None) -> None:
    how = {"initialization_timeout": TO_BEGIN, "shutdown_timeout_seconds": TO_END}
    try:
        jax.distributed.initialize(coordinator, processes, process, **how)
    except (ValueError, RuntimeError) as error:
        if coordinator is None or processes is None or process is None:
            names = f"{ADDRESS}, {COUNT} and {NUMBER}"
            raise ValueError(
                f"nothing says which process this is: start it by srun or mpirun, or set {names} ({error})"
            ) from None
        raise LostProcess(f"the processes did not find each other at {coordinator}: {error}") from None


@contextlib.contextmanager
def _said_on_standard_error() -> Iterator[None]:
    """What libraries print when they connect is no result."""
    sys.stdout.flush()
    output = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)


def _number(given: int | None, variable: str) -> int | None:
    text = os.environ.get(variable)
    if given is not None or text is None:
        return given
    if not text.isdigit():
        raise ValueError(f"{variable} is {text!r}; it must be a number.")
    return int(text)


def everyones(mine: bytes) -> list[bytes]:
    """What each process gives here, in the order of their numbers; all must call it.

    Raises:
        LostProcess: one of them is gone.
    """
    if _here.count == 1:
        return [mine]
    from jax.experimental import multihost_utils

    try:
        sizes = np.asarray(multihost_utils.process_allgather(np.array([len(mine)], np.uint32)))[:, 0]
        padded = np.frombuffer(mine.ljust(int(sizes.max()), b"\0"), np.uint8)
        found = np.asarray(multihost_utils.process_allgather(padded)) if len(padded) else [b""] * _here.count
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise LostProcess(f"one of the {_here.count} processes is gone, and the job ends ({text})") from None
    return [bytes(one)[:size] for one, size in zip(found, sizes.tolist(), strict=True)]
