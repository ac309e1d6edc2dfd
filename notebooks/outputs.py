"""Makes the outputs that the notebooks are stored with, and says when they are stale.

    python notebooks/outputs.py [NOTEBOOK ...]

Every notebook is run in a fresh kernel and written in its place. Its metadata keep a digest of its code cells: where
the cells have another one, the outputs belong to other code. A cell whose texts are alike and whose figures are the
same keeps what it has, so that a run changes what has changed.

Texts are alike if their words are the same and their numbers agree to three digits. Times, and numbers below 1e-8,
which are what rounding leaves of 0, may be any.
"""

import argparse
import hashlib
import itertools
import os
import re
import struct
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["alike", "code_cells", "digest", "is_stale", "make", "run", "texts"]

HERE = Path(__file__).parent
KEY = "outputs_of"  # in the metadata: the digest of the code cells that were run
TIME = re.compile(r"\d[\d.,]*(?:e[+-]?\d+)? ?(?:ms|s|seconds|times faster)\b")
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d*)?(?:e[+-]?\d+)?")
SAME, ROUNDING = 5e-3, 1e-8
PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"tIME")  # which program wrote it, and when


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest(notebook: Any) -> str:
    """Of the code cells alone: sixteen hexadecimal digits."""
    sources = "\0".join(cell.source for cell in code_cells(notebook))
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def is_stale(notebook: Any) -> bool:
    """Whether the outputs were made by other code cells than are there."""
    return notebook.metadata.get("jaxreg", {}).get(KEY) != digest(notebook)


def texts(cell: Any) -> list[str]:
    """What a cell printed, returned or raised."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts = [output.get("text", ""), *output.get("traceback", [])]
        found += [*filter(None, parts), *(data[kind] for kind in sorted(data) if kind.startswith("text/"))]
    return found


def alike(one: str, other: str) -> bool:
    """Whether two texts say the same, up to times and rounding."""
    words, numbers = zip(*(_read(text) for text in (one, other)), strict=True)
    return words[0] == words[1] and all(itertools.starmap(_agree, zip(*numbers, strict=True)))


def _read(text: str) -> tuple[list[str], list[float]]:
    """The words between the numbers, without regard to spaces, and the numbers."""
    text = TIME.sub("TIME", text)
    return " # ".join(NUMBER.split(text)).split(), [float(n.replace(",", "")) for n in NUMBER.findall(text)]


def _agree(one: float, other: float) -> bool:
    sizes = abs(one), abs(other)
    return max(sizes) < ROUNDING or abs(one - other) <= SAME * max(sizes)


def run(notebook: Any, folder: str) -> Any:
    """A copy with the outputs of a fresh kernel that works in the folder."""
    import nbclient
    import nbformat

    fresh = nbformat.from_dict(notebook)
    for cell in code_cells(fresh):
        cell.outputs = []
    client = nbclient.NotebookClient(
        fresh,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},  # a notebook may not need a file beside it
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    fresh.metadata = notebook.metadata | {"language_info": {"name": "python"}}  # no Python version
    for output in (output for cell in code_cells(fresh) for output in cell.outputs):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = _without_text(output.data["image/png"])
    return fresh


def make(path: Path) -> None:
    """Runs one notebook and writes it in its place."""
    import nbformat

    stored = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        fresh = run(stored, folder)
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        if _same(old, new):
            new.outputs = old.outputs
    fresh.metadata["jaxreg"] = {KEY: digest(fresh)}
    nbformat.write(fresh, path)


def _same(old: Any, new: Any) -> bool:
    """Whether all that a cell shows is alike, figures to the pixel."""
    pairs = list(itertools.zip_longest(texts(old), texts(new), fillvalue=""))
    return _figures(old) == _figures(new) and all(alike(*pair) for pair in pairs)


def _figures(cell: Any) -> list[str]:
    found = [output.get("data", {}).get("image/png") for output in cell.outputs]
    return [_without_text(png) for png in found if png]


def _without_text(png: str) -> str:
    """A PNG, in base64, without the names and versions of the programs that wrote it."""
    content = b64decode(png)
    kept = [chunk for chunk in _chunks(content) if chunk[4:8] not in PNG_TEXT]
    return b64encode(content[:8] + b"".join(kept)).decode() + "\n"


def _chunks(png: bytes) -> Iterator[bytes]:
    """Length, kind, content and checksum of each part of a PNG."""
    place = 8
    while place < len(png):
        end = place + 12 + struct.unpack(">I", png[place : place + 4])[0]
        yield png[place:end]
        place = end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="files (default: all)")
    options = parser.parse_args()
    # This jaxreg, not another one that is installed; nothing of the user's profile.
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *([inherited] if inherited else [])])
    os.environ.pop("MPLBACKEND", None)  # figures are shown in the notebook
    with tempfile.TemporaryDirectory() as profile:
        os.environ["IPYTHONDIR"] = profile
        for path in options.notebooks or sorted(HERE.glob("*.ipynb")):
            print(f"running {path.name} …", file=sys.stderr)
            make(path)


if __name__ == "__main__":
    main()
