"""A journal of long work: what is done is on the disk, and the same call goes on from there.

The work is cut into blocks, each a few arrays that depend on nothing but the call. A block is written whole or not at
all (:func:`jaxreg.files.writing`) as soon as it is done, so that neither an interruption nor a loss of power costs more
than the block at hand; when the call is made again, the blocks that are there are read, and the others computed. As
both give the same bits, so does the whole.

The call is known by a digest, SHA-256, of everything that it was given: of an array its bytes, type and shape, of an
option how it is written, and the version of jaxreg. ``journal.json`` lists the parts, so that another call is refused
with the names of those that differ; and every block carries the digest of all, so that a block of another call is
never taken for one of this.

Two processes must not share a folder: each would do the work of the other. So a journal that is open holds a lock on
the file ``lock``, in which its process has written its number. The system gives the lock back when a process ends,
however it ends, and a number that is still there then says that it was killed: the next one takes over, and says so.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxreg.convergence import warn_caller
from jaxreg.files import OutputError, output_folder, write_json, writing
from jaxreg.version import __version__

try:
    import fcntl
except ImportError:  # systems without POSIX have no such locks, and a journal there has none
    fcntl = None  # type: ignore[assignment]

__all__ = ["Journal"]

HEADER = {"format": "jaxreg journal", "version": 1}
_DIGEST = "call"
# What NumPy's reader raises on a file that is damaged: the block is then computed anew.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class Journal:
    """The blocks of one call, in a folder of its own, which no other process may use until the journal is closed.

    Args:
        folder: where they are kept; created if absent. None keeps nothing. call: its arguments by their names: arrays,
            sparse matrices, numbers, text, tuples of these, None.

    Raises:
        ValueError: the folder holds the journal of another call, or is in use. OutputError: it cannot be written into.

    Warns:
        UserWarning: the process that had it open before has ended without closing it; its blocks are taken over.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with Journal(folder, seed=0, y=np.ones(2)) as journal:
        ...     journal.block("first", lambda: {"sum": np.ones(3)})["sum"]
        array([1., 1., 1.])
        >>> with Journal(folder, seed=0, y=np.ones(2)) as journal:
        ...     journal.block("first", lambda: 1 / 0)["sum"]  # it is there
        array([1., 1., 1.])
        >>> try:
        ...     Journal(folder, seed=1, y=np.zeros(2))
        ... except ValueError as error:
        ...     print(str(error).partition(": ")[2].partition(".")[0])
        seed was 0 and is 1, y differs
    """

    def __init__(self, folder: str | os.PathLike[str] | None, **call: Any) -> None:
        self._folder: Path | None = None
        self._lock: IO[str] | None = None
        if folder is None:
            return
        self._folder = output_folder(folder)
        self._lock = _locked(self._folder)
        try:
            self._sign()
            self._begin(folder, call)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Others may use the folder."""
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def _sign(self) -> None:
        """Write the number of this process; that of another one is there if it was killed."""
        assert self._lock is not None
        self._lock.seek(0)
        before = self._lock.read()
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        if before:
            said = f"the checkpoint {self._folder} was kept by process {before}, which was killed; this one goes on"
            warn_caller(f"{said} from there.", UserWarning)

    def _begin(self, folder: Any, call: dict[str, Any]) -> None:
        assert self._folder is not None
        parts = {"jaxreg": repr(__version__)} | {name: _described(value) for name, value in call.items()}
        self._digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        file = self._folder / "journal.json"
        if not file.exists():
            write_json(file, HEADER | {"call": parts})
            return
        if differences := _differences(_parts_in(file), parts):
            raise ValueError(
                f"the checkpoint {folder} belongs to another call: {', '.join(differences)}. Give it another folder, "
                "or delete this one to begin anew."
            )

    def block(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What was kept under this name; or what is computed, which is then kept.

        Args:
            name: of a file, without its ending. compute: returns arrays of numbers by their names.
        """
        if self._folder is None:
            return compute()
        file = self._folder / f"{name}.npz"
        if file.exists() and (kept := self._kept(file)) is not None:
            return kept
        found = compute()
        self.keep(name, found)
        return found

    def latest(self, name: str) -> dict[str, np.ndarray] | None:
        """What was kept last under this name; None if nothing was, or it is damaged."""
        if self._folder is None:
            return None
        file = self._folder / f"{name}.npz"
        return self._kept(file) if file.exists() else None

    def keep(self, name: str, found: dict[str, np.ndarray]) -> None:
        """Keep arrays under a name, in the place of what was kept before."""
        if self._folder is None:
            return
        with writing(self._folder / f"{name}.npz", "wb") as stream:
            np.savez(stream, **{_DIGEST: np.array(self._digest)}, **found)  # type: ignore[arg-type]

    def _kept(self, file: Path) -> dict[str, np.ndarray] | None:
        """None where it is damaged, or of another call."""
        try:
            with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as stored:  # compares checksums
                kept = {name: stored[name] for name in stored.files}
        except _DAMAGE:
            return None
        return kept if str(kept.pop(_DIGEST, "")) == self._digest else None


def _locked(folder: Path) -> IO[str]:
    """The open file that holds the lock; what is in it is of a process that has not closed it."""
    file = folder / "lock"
    try:
        stream = open(file, "a+", encoding="utf-8")  # noqa: SIM115 - it is open as long as the journal is
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}") from None
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with stream:
            stream.seek(0)
            holder = stream.read() or "another one"
        raise ValueError(
            f"the checkpoint {folder} is in use by process {holder}; wait until that ends, or give another folder."
        ) from None
    except OSError:  # a file system without locks
        pass
    return stream


def _described(value: Any) -> str:
    """A number or text as it is written, of an array the digest of its bytes, type and shape."""
    if hasattr(value, "tocsr"):
        rows = value.tocsr()
        return f"sparse {rows.shape} {' '.join(map(_described, (rows.data, rows.indices, rows.indptr)))}"
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).reshape(-1).view(np.uint8)).hexdigest()
        return f"{value.dtype.str} {value.shape} {digest}"
    return repr(value.item() if isinstance(value, np.generic) else value)


def _parts_in(file: Path) -> dict[str, str]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["format"] == HEADER["format"] and stored["version"] == HEADER["version"]:
            return dict(stored["call"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{file} is not a journal that this jaxreg reads; give the checkpoint another folder.")


def _differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What has changed, in words; values that are short are shown."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, "None"), now.get(name, "None")
        if old != new:
            short = max(len(old), len(new)) <= 40
            found.append(f"{name} was {old} and is {new}" if short else f"{name} differs")
    return found
