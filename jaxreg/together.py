"""Files that belong together: all of the new ones are there, or all of the earlier ones.

The coefficients of one sweep beside the curve of another would look like one result. No system renames several files at
once, and the folder may hold files of the user's own, so it cannot be exchanged as a whole. Instead one of the files
vouches for the others: where it is, they are of one result::

    1. The new files are written beside their places.
    2. The earlier ones are moved aside, that which vouches first.
    3. The new ones are moved in, that which vouches last.

An exception in steps 2 and 3, Ctrl-C included, moves everything back. Where the process is killed there, files of two
results do not lie side by side, and the file that vouches for them is missing.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxreg.files import OutputError, flush_folder

__all__ = ["written_together"]


@contextmanager
def written_together(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder for new files, which take their places in ``folder`` when the block ends without an exception.

    Other files in ``folder`` stay as they are.

    Args:
        folder: exists. names: of the files, all of which the block writes; the first vouches for the others.

    Raises:
        OutputError: the files cannot take their places; the earlier ones are as they were, or the message says where
            they are.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with written_together(folder, ["result.txt", "more.txt"]) as new:
        ...     _ = (new / "result.txt").write_text("42"), (new / "more.txt").write_text("43")
        >>> sorted(file.name for file in folder.iterdir())
        ['more.txt', 'result.txt']
    """
    for name in names:
        if (folder / name).exists() and not (folder / name).is_file():
            raise OutputError(f"cannot write {folder / name}: it exists and is not a regular file")
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".tmp", ignore_cleanup_errors=True) as new:
            yield Path(new)
            _exchange(folder, Path(new), names)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write into the folder {folder}: {reason}; nothing was changed") from error


def _exchange(folder: Path, new: Path, names: Sequence[str]) -> None:
    """Steps 2 and 3."""
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".earlier-", suffix=".tmp"))
    try:
        for name in names:
            if os.path.lexists(folder / name):
                os.replace(folder / name, aside / name)
        flush_folder(folder)  # the disk sees the steps in this order, too
        for name in reversed(names[1:]):
            os.replace(new / name, folder / name)
        flush_folder(folder)
        os.replace(new / names[0], folder / names[0])
    except BaseException:
        _undo(folder, new, aside, names)
        raise
    flush_folder(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _undo(folder: Path, new: Path, aside: Path, names: Sequence[str]) -> None:
    """The steps backwards, from wherever they stopped; who presses Ctrl-C again while they go only delays them."""
    for _ in range(9):
        with suppress(KeyboardInterrupt):
            return _move_back(folder, new, aside, names)
    return _move_back(folder, new, aside, names)


def _move_back(folder: Path, new: Path, aside: Path, names: Sequence[str]) -> None:
    try:
        for name in names:
            if not (new / name).exists():
                os.replace(folder / name, new / name)
        for name in reversed(names):
            if os.path.lexists(aside / name):
                os.replace(aside / name, folder / name)
        aside.rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"cannot write into the folder {folder}, nor put back what was there: {reason}; it is in {aside}"
        ) from error
