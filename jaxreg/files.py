"""Writing files whole or not at all.

A disk may fill up and a process may be killed in the middle of a file, and half a table of results looks just like a
whole one. So a file is written under another name beside its place, forced to the disk, and only then renamed: the
rename happens or does not. Whoever opens the file finds the earlier one or the new one, never a part.
"""

from __future__ import annotations

import csv
import json
import math
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

__all__ = ["OutputError", "ResultError", "flush_folder", "output_folder", "write_csv", "write_json", "writing"]


class OutputError(ValueError):
    """A result cannot be written; the message is one line."""


class ResultError(ValueError):
    """A file is not a result that can be read; the message is one line."""


def output_folder(path: str | os.PathLike[str]) -> Path:
    """The folder ``path``, created with its parents if absent, after a file was written into it and removed.

    Call it before the work whose results go there, so that a bad output costs no work.

    Raises:
        OutputError: ``path`` is not a folder, cannot be created or cannot be written into.

    Example:
        >>> folder = output_folder(tempfile.mkdtemp() + "/results/today")
        >>> folder.is_dir(), list(folder.iterdir())
        (True, [])
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp") as probe:
            probe.write(b"probe")
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise OutputError(f"cannot write into the folder {path}: {_reason(error)}") from error
    return folder


@contextmanager
def writing(path: str | os.PathLike[str], mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that takes its place at ``path`` only when the block ends without an exception.

    After any exception, KeyboardInterrupt included, an earlier file at ``path`` is as it was and nothing else is left.
    After SIGKILL or a loss of power the earlier file is as it was, too; a ``.NAME.….tmp`` may lie beside it. A
    symbolic link is followed; a new file gets the permissions of the umask, a replaced one keeps its own.

    Args:
        path: the file; its folder exists.
        mode: "w" for text in UTF-8 whose line ends are written as they are, "wb" for bytes.

    Raises:
        OutputError: the file cannot be written (no folder, no permission, disk full), or ``path`` is something that
            must not be replaced by a file, such as a folder or a device.

    Example:
        >>> path = Path(tempfile.mkdtemp(), "answer.txt")
        >>> with writing(path) as stream:
        ...     _ = stream.write("42\\n")
        >>> path.read_text()
        '42\\n'
    """
    if mode not in ("w", "wb"):
        raise OutputError(f"mode must be 'w' or 'wb', not {mode!r}")
    target = Path(os.path.realpath(path))
    if os.path.exists(target) and not os.path.isfile(target):
        raise OutputError(f"cannot write {path}: it exists and is not a regular file")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    text = {"encoding": "utf-8", "newline": ""} if mode == "w" else {}
    try:
        # "x" creates and never overwrites, with the permissions of the umask (tempfile's would be 0600).
        with open(temporary, mode.replace("w", "x"), **text) as stream:  # type: ignore[call-overload]
            if os.path.exists(target):
                with suppress(OSError):  # some file systems have no permissions
                    os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield stream
            stream.flush()
            # Without this the rename may reach the disk before the contents, and a full disk may show only later.
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError | UnicodeError):  # UnicodeError: half a surrogate pair
            raise OutputError(f"cannot write {path}: {_reason(error)}; nothing was changed") from error
        raise
    flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Force a rename in the folder to the disk, where the system can; the file is whole in any case."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write ``data`` as JSON, whole or not at all.

    Args:
        path: the file.
        data: mappings, sequences, named tuples (written as objects), strings, numbers, booleans, None, and arrays of
            any shape (written as nested lists). Floats are written with all their digits and read back the same.

    Raises:
        OutputError: the file cannot be written; or a value is not of these kinds, or is NaN or infinite, which JSON
            does not have: write None where a number does not exist. The message says where in ``data`` it stands.

    Example:
        >>> path = Path(tempfile.mkdtemp(), "fit.json")
        >>> write_json(path, {"coef": np.array([0.1, 2.0]), "gap": None})
        >>> json.loads(path.read_text())
        {'coef': [0.1, 2.0], 'gap': None}
    """
    try:
        text = json.dumps(_plain(data, ""), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    except OutputError as error:
        raise OutputError(f"cannot write {path}: {error}") from None
    with writing(path) as stream:
        stream.write(text)


def _plain(value: Any, where: str) -> Any:
    """``value`` in the types that JSON knows; ``where`` is the way to it, as in ``.best.coef[3]``."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OutputError(f"{where or 'the value'} is {value}, which JSON cannot hold; give None instead")
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict(), where)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "__array__"):  # of NumPy or of JAX; tolist() makes Python's own numbers of NumPy's
        plain = np.asarray(value).tolist()
        if plain is not value:
            return _plain(plain, where)
    raise OutputError(f"{where or 'the value'} is of type {type(value).__name__}; convert it to numbers, lists or text")


def write_csv(path: str | os.PathLike[str], columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write columns as CSV with a header, whole or not at all.

    A float is written with the fewest digits that read back as the same float64, NaN as ``nan`` and None as an empty
    cell. Lines end in ``\\n``.

    Args:
        path: the file.
        columns: name → (n,) values, a sequence or an array; all of one length.

    Raises:
        OutputError: the file cannot be written, there is no column, the lengths differ, or an array is not (n,).

    Example:
        >>> path = Path(tempfile.mkdtemp(), "coef.csv")
        >>> write_csv(path, {"name": ["age", "height"], "coef": np.array([0.1, 1 / 3])})
        >>> print(path.read_text(), end="")
        name,coef
        age,0.1
        height,0.3333333333333333
    """
    cells: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if hasattr(column, "shape") and len(column.shape) != 1:
            raise OutputError(f"cannot write {path}: column {name!r} has shape {column.shape}, not (n,)")
        # tolist() makes Python's floats of NumPy's, whose str() is the shortest text that reads back the same.
        cells[name] = column.tolist() if hasattr(column, "tolist") else list(column)
    lengths = {name: len(column) for name, column in cells.items()}
    if len(set(lengths.values())) != 1:
        raise OutputError(f"cannot write {path}: columns must be of one length and at least one, not {lengths}")
    with writing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))
