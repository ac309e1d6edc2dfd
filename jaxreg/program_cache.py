"""Where compiled programs are kept between runs, and whether that place is safe.

A compiled program is run as it is found. So the folder must be one that nobody else can write to, and nobody else may
be able to put another in its place: the rule by which ssh trusts a file of keys.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cache_folder", "distrusted", "keep_programs", "use_cache"]


def cache_folder() -> Path:
    """``jaxreg`` in the user's folder for caches; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "jaxreg").absolute()


def use_cache() -> Path:
    """Keep compiled programs on disk, for this process and those that it starts: the next run need not compile them.

    The command does this by itself. A library does not: where JAX keeps programs is one setting for all that a process
    compiles, also what is not jaxreg's. So a program or a notebook asks for it, in its first lines; the workers of
    joblib inherit it, by the variables ``JAX_COMPILATION_CACHE_DIR`` and ``JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS``
    unless they are set already. To forget the programs, remove the folder.

    Returns:
        The folder: ``jaxreg`` in the user's folder for caches (``XDG_CACHE_HOME``, else ``~/.cache``).

    Raises:
        ValueError: others may write into the folder, or replace it: compiled programs are run as they are found.
        OSError: it cannot be made or written into.

    Example:
        >>> import jaxreg
        >>> folder = jaxreg.use_cache()  # doctest: +SKIP
    """
    folder = keep_programs()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    return folder


def keep_programs() -> Path:
    """:func:`use_cache` for this process alone."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    folder = cache_folder()
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700)
    if reason := distrusted(folder):
        raise ValueError(f"compiled programs are neither kept nor looked for: {reason}")
    if not os.access(folder, os.W_OK):
        raise OSError(f"compiled programs are not kept: {folder} cannot be written into.")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compilation_cache.reset_cache()  # if something has been compiled, JAX has settled that there is none
    return folder


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
