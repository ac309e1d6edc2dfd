"""A result in one file, without pickle: what is loaded is equal to what was saved, bit for bit.

The file is a zip archive like those of :func:`numpy.savez`. It holds ``jaxreg.json``, which says what the file is, in
which version, and how the result is made up, and each array as a ``.npy`` file, whose name is its place in the result:
``path.coef.npy``. ``numpy.load(file)["path.coef"]`` reads one without jaxreg. Nothing in the file is ever executed.

A reader refuses a format or version that it does not know. Parts are stored as they are, not compressed, so together
they are no larger than the file: that is looked at first, and nothing needs more memory than the file promises. The
archive has a checksum of every part, and all are compared before anything is made of them; an array is made when its
size is that of its part; and every field has to have its shape (:mod:`jaxreg.shapes`). Whoever adds a field to a result
gives it a default and raises the version: files of earlier versions are then read as before.

No kind of result is known here: one that can be saved is :class:`Saveable`, and what it is made up of stands in
``SHAPES``, where :func:`jaxreg.shapes.shaped` puts it.
"""

import json
import math
import os
import struct
import zipfile
import zlib
from typing import Any

import numpy as np

from jaxreg.files import ResultError, writing
from jaxreg.shapes import SHAPES, check_shapes, field_names
from jaxreg.version import __version__

__all__ = ["FORMAT", "Saveable", "load", "save"]

FORMAT = {"format": "jaxreg result", "version": 1}
HEADER = "jaxreg.json"
# What zipfile, zlib, json and NumPy's reader of .npy raise on bytes that are not what they should be, and what comes of
# JSON that is made up of other things.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError),
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
)


class Saveable:
    """A result that is saved as a whole; its parts are saved with it."""

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the result to one file, without pickle and whole or not at all; :func:`jaxreg.load` reads it."""
        save(self, file)


def save(result: Any, file: str | os.PathLike[str]) -> None:
    """Write a Solution, Path, Sweep or LeaveOneOut to a file, whole or not at all.

    A path of very many coefficients (over 256 MiB) is written with all of them.

    Args:
        file: a path; ``.npz`` is the usual ending, and none is added.

    Raises:
        OutputError: the file cannot be written. TypeError: not such a result, or a value in it cannot be stored.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> jaxreg.fit(data.X, data.y, lam=5.0).save("fit.npz")
        >>> jaxreg.load("fit.npz").coef.shape
        (10,)
    """
    if not isinstance(result, Saveable):
        raise TypeError(
            "what jaxreg.fit, path, sweep and ridge_leave_one_out return can be saved; got a "
            f"{type(result).__name__} of {type(result).__module__}."
        )
    arrays: dict[str, np.ndarray] = {}
    header = {**FORMAT, "jaxreg": __version__, "result": _encode(result, "", arrays)}
    text = json.dumps(header, indent=1, allow_nan=False)
    with writing(file, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(HEADER), text)  # a ZipInfo without a date: equal results are equal files
        for place, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{place}.npy"), "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)


def load(file: str | os.PathLike[str]) -> Any:
    """The Solution, Path, Sweep or LeaveOneOut that ``result.save(file)`` wrote.

    Args:
        file: a path.

    Returns:
        The result, its arrays equal to the last bit.

    Raises:
        ResultError (a ValueError): the file cannot be read, is something else, is damaged, or was written by a later
            jaxreg in a format that this one does not know.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> path = jaxreg.path(data.X, data.y, lams=5)
        >>> path.save("path.npz")
        >>> bool((jaxreg.load("path.npz").coef == path.coef).all())
        True
    """
    try:
        with open(file, "rb") as stream:
            if stream.read(4) != b"PK\x03\x04":
                raise ResultError(f"{file} is not a saved result of jaxreg; result.save(FILE) writes one")
            stream.seek(0)
            return _read(file, stream)
    except OSError as error:
        hint = "; `jaxreg predict` reads the folder of a sweep" if os.path.isdir(file) else ""
        raise ResultError(f"cannot read {file}: {error.strerror or error}{hint}") from None


def _read(file: Any, stream: Any) -> Any:
    try:
        with zipfile.ZipFile(stream) as archive:
            _check_sizes(archive, os.fstat(stream.fileno()).st_size)
            if HEADER not in archive.namelist():
                raise ResultError(f"{file} is not a saved result of jaxreg; result.save(FILE) writes one")
            header = json.loads(archive.read(HEADER))
            if not isinstance(header, dict) or header.get("format") != FORMAT["format"]:
                raise ResultError(f"{file} is not a saved result of jaxreg; result.save(FILE) writes one")
            if header.get("version") != FORMAT["version"]:
                raise ResultError(
                    f"{file} has version {header.get('version')!r}, written by jaxreg {header.get('jaxreg')}; "
                    f"this jaxreg reads version {FORMAT['version']}"
                )
            broken = archive.testzip()
            if broken is not None:
                raise ValueError(f"the checksum of {broken} is wrong")
            stored = header["result"]
            kind = stored.get("kind") if isinstance(stored, dict) else type(stored).__name__
            parts = [kind.__name__ for kind in SHAPES if not issubclass(kind, Saveable)]
            if kind in (*parts, "array", "arrays", "scalar", "names", "float"):
                raise ValueError(f"it holds a {kind}")
            result = _decode(stored, "", archive)
        check_shapes(result)
        return result
    except ResultError:
        raise
    except MemoryError:
        raise ResultError(f"{file} is damaged, or larger than the memory") from None
    except DAMAGE as error:
        said = error.args[0] if isinstance(error, KeyError) and error.args else error  # a KeyError quotes its words
        reason = " ".join(str(said).split()) or type(error).__name__
        raise ResultError(f"{file} is damaged: {reason}") from None


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """Raise ValueError for parts that would be larger than the file; nothing of them has been read yet."""
    for part in archive.infolist():
        if part.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{part.filename} is compressed, which no part of a result is")
    total = sum(part.file_size for part in archive.infolist())
    if total > size:
        raise ValueError(f"its parts have {total} bytes, more than its own {size}")


def _encode(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` as JSON; its arrays go to ``arrays`` under their places, as in ``best.params.coef``."""
    inside = lambda name: f"{place}.{name}" if place else name
    for kind in SHAPES:
        if isinstance(value, kind):
            fields = {name: _encode(getattr(value, name), inside(name), arrays) for name in field_names(kind)}
            return {"kind": kind.__name__, "fields": fields}
    if value is None or isinstance(value, str | bool) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"kind": "float", "text": repr(value)}
    if isinstance(value, tuple) and all(isinstance(name, str) for name in value):
        return {"kind": "names", "names": list(value)}
    if isinstance(value, tuple) and all(isinstance(part, np.ndarray) for part in value):  # keys: of text and times too
        return {"kind": "arrays", "parts": [_stored(v, inside(str(k)), arrays, "biufUMm") for k, v in enumerate(value)]}
    if hasattr(value, "__array__"):
        return _stored(value, place, arrays, "biufc")
    raise TypeError(f"{place} is of type {type(value).__name__}, which cannot be saved.")


def _stored(value: Any, place: str, arrays: dict[str, np.ndarray], kinds: str) -> dict[str, str]:
    array = np.asarray(value)
    if array.dtype.kind not in kinds:
        raise TypeError(f"{place} is an array of {array.dtype}, which cannot be saved.")
    arrays[place] = array
    return {"kind": "scalar" if isinstance(value, np.generic) else "array", "place": place}


def _decode(value: Any, place: str, archive: zipfile.ZipFile) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("a list stands where a value should be")
        return value
    kind = value["kind"]
    if kind in ("array", "scalar"):
        if value["place"] != place:
            raise ValueError(f"{place} is said to be at {value['place']!r}")
        array = _array(archive, place)
        return array[()] if kind == "scalar" else array
    if kind == "names":
        if not all(isinstance(name, str) for name in value["names"]):
            raise ValueError("a feature name is not text")
        return tuple(value["names"])
    if kind == "arrays":
        inside = f"{place}." if place else ""
        return tuple(_decode(part, f"{inside}{k}", archive) for k, part in enumerate(value["parts"]))
    if kind == "float":
        return float(value["text"])
    for known in SHAPES:
        if kind == known.__name__:
            fields, names = value["fields"], field_names(known)
            if more := [name for name in fields if name not in names]:
                raise ValueError(f"{place or 'the result'} has the unknown field {more[0]!r}")
            inside = f"{place}." if place else ""
            return known(**{name: _decode(fields[name], inside + name, archive) for name in fields})
    raise ValueError(f"it holds a {kind!r}, which is not known")


def _array(archive: zipfile.ZipFile, place: str) -> np.ndarray:
    with archive.open(f"{place}.npy") as part:
        version = np.lib.format.read_magic(part)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(part)
        if dtype.hasobject:
            raise ValueError(f"Object arrays cannot be loaded, and {place} is one")
        promised, there = math.prod(shape) * dtype.itemsize, archive.getinfo(part.name).file_size - part.tell()
        if promised != there:
            raise ValueError(f"{place} has {there} bytes for {promised} in the shape {shape}")
        part.seek(0)
        return np.lib.format.read_array(part, allow_pickle=False)
