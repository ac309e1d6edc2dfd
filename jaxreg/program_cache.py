"""Where the command keeps compiled programs between its runs, and whether that place is safe.

A compiled program is run as it is found. So the folder must be one that nobody else can write to, and nobody else may
be able to put another in its place: the rule by which ssh trusts a file of keys.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cache_folder", "distrusted", "use_cache"]


def cache_folder() -> Path:
    """``jaxreg`` in the user's folder for caches; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "jaxreg").absolute()


def use_cache() -> str | None:
    """Let JAX keep compiled programs there, for this process; or the reason, in one line, why others could tamper.

    A folder that cannot be made or written into is done without.
    """
    import jax

    folder = cache_folder()
    try:
        for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            missing.mkdir(mode=0o700)
        if reason := distrusted(folder):
            return reason
    except OSError:
        return None
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return None


def distrusted(folder: Path) -> str | None:
    """Why others could change what is in an existing folder, and what to do about it; None if they cannot.

    Each folder on the way to it, and each link, must belong to the user or to root, and nobody else may write into it.
    Others may into folders above that have the sticky bit, as /tmp has: there they can neither remove nor rename what
    is not theirs.

    Raises:
        OSError: there is no such folder.
    """
    if os.name != "posix":  # elsewhere the folder is the user's own
        return None
    for path in _way(folder):
        found = path.lstat()
        if found.st_uid not in (0, os.geteuid()):
            return f"{path} belongs to another user"
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(found.st_mode)
        if shared and (path.resolve() == folder.resolve() or not found.st_mode & stat.S_ISVTX):
            return f"others can write into {path} (chmod go-w {path})"
    return None


def _way(folder: Path) -> Iterator[Path]:
    """The folders and links that are passed on the way to a folder, and to where the links lead."""
    for path in (*reversed(folder.parents), folder):
        yield path
        if path.is_symlink():
            yield from _way(path.parent / path.readlink())
