"""A program in a process of its own, and the questions that it is asked."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers import CORES, PEERS
from problems import Problem

__all__ = ["Contestant", "Failed", "commands"]

HERE = Path(__file__).parent
WARM_UP_LIMIT = 300.0  # seconds for imports, and for what numba compiles


class Failed(Exception):
    """A program gave no answer; the message says why, in a few words."""


class Contestant:
    """A worker on a problem: its version, the seconds that its import and its warm-up took, and its answers."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str] | None = None):
        self.log = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 – closed with the worker
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log}
        start = time.perf_counter()
        try:
            self.process = subprocess.Popen(
                [*command, str(folder)],
                **pipes,
                bufsize=0,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )
        except OSError:
            self.log.close()
            raise Failed("not installed") from None
        self.answer_file = folder / f"answer-{self.process.pid}"
        word, *rest = self._reply(WARM_UP_LIMIT).split(maxsplit=2)
        if word != "ready":
            self.close()
            raise Failed("not installed" if word == "missing" else " ".join([word, *rest]))
        self.started = time.perf_counter() - start
        self.imported, self.version = float(rest[0]), rest[1].strip()

    def _reply(self, limit: float) -> str:
        """The next line; Failed, and the worker ended, if it does not come."""
        stdout = self.process.stdout
        assert stdout is not None
        line, end = b"", time.perf_counter() + limit
        while not line.endswith(b"\n"):
            if not select.select([stdout], [], [], max(end - time.perf_counter(), 0.0))[0]:
                self.close()
                raise Failed(f"took longer than {limit:.0f} s")
            piece = os.read(stdout.fileno(), 65536)
            if not piece:
                reason = self._last_words()
                self.close()
                raise Failed(f"stopped: {reason}")
            line += piece
        return line.decode()

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = [line.strip() for line in self.log if line.strip()]
        return lines[-1][:100] if lines else "it said nothing"

    def ask(self, job: str, tolerance: float, limit: float, keep: bool = False) -> dict[str, float]:
        """Seconds of the first and of the best call, MiB, and the gap that the program certifies."""
        assert self.process.stdin is not None
        if self.process.returncode is not None:
            raise Failed("has ended")
        try:
            self.process.stdin.write(f"{job} {tolerance!r} {self.answer_file if keep else '-'}\n".encode())
        except BrokenPipeError:
            raise Failed(f"stopped: {self._last_words()}") from None
        word, *rest = self._reply(limit).split()
        if word != "done":
            raise Failed(" ".join([word, *rest]))
        return dict(zip(("first", "best", "mib", "gap"), map(float, rest), strict=True))

    def answer(self, job: str, problem: Problem) -> tuple[np.ndarray | None, np.ndarray]:
        """The answer that was kept: held-out error (L,) or None, and coefficients (M, L, p + 1)."""
        count, p = len(problem.lams), problem.X.shape[1]
        values = np.fromfile(self.answer_file)
        error, coef = (None, values) if job == "path" else (values[:count], values[count:])
        return error, coef.reshape(-1, count, p + 1)

    def close(self) -> None:
        """Ends the worker and the processes that it started."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            if pipe is not None:
                pipe.close()


def commands() -> dict[str, list[str]]:
    """How the worker of each peer is started; it gets the folder of the problem as its last argument."""
    worker = str(HERE / "worker.py")
    adelie = os.environ.get("JAXREG_ADELIE_PYTHON", str(HERE.parent / ".venv-adelie" / "bin" / "python"))
    python = {name: adelie if name == "adelie" else sys.executable for name in PEERS}
    result = {name: [python[name], worker, name] for name in PEERS}
    return result | {"R glmnet": [shutil.which("Rscript") or "Rscript", str(HERE / "glmnet.R"), str(CORES)]}
