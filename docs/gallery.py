"""Copies the notebooks into docs/gallery, with the outputs that they are stored with, and writes the page before them.

A card shows the title of a notebook, the first paragraph under it, and its first figure.
"""

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Card", "card_of", "write_gallery"]


class Card(NamedTuple):
    """What is shown of a notebook before it is opened."""

    title: str
    story: str
    figure: bytes | None


def card_of(notebook: dict[str, Any]) -> Card:
    """Title and first paragraph, in Markdown, and the first figure, a PNG.

    Args:
        notebook: the JSON of a notebook whose first cell is Markdown that begins with a title.
    """
    title, story = _text(notebook["cells"][0]["source"]).split("\n\n")[:2]
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    figures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return Card(title.removeprefix("# "), story, base64.b64decode(_text(figures[0])) if figures else None)


def write_gallery(docs: Path) -> None:
    """Writes docs/gallery from the notebooks beside docs, where it differs from what is there."""
    folder = docs / "gallery"
    folder.mkdir(exist_ok=True)
    notebooks = {path.name: path.read_bytes() for path in sorted((docs.parent / "notebooks").glob("*.ipynb"))}
    cards = {name: card_of(json.loads(content)) for name, content in notebooks.items()}
    figures = {_figure(name): card.figure for name, card in cards.items() if card.figure is not None}
    files = notebooks | figures | {"index.md": _page(cards).encode()}
    for old in folder.iterdir():
        if old.name not in files:
            old.unlink()
    for name, content in files.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != content:
            (folder / name).write_bytes(content)


def _page(cards: dict[str, Card]) -> str:
    """The cards in reading order, and the order of the pages."""
    parts = ["# Notebooks\n", "In reading order. The tests run each of them.\n", "::::{container} cards"]
    for name, card in cards.items():
        parts += [":::{container} card", f"**[{card.title}]({name})**\n"]
        if card.figure is not None:
            parts.append(f"[![The first figure of: {card.title}]({_figure(name)})]({name})\n")
        parts += [card.story, ":::"]
    return "\n".join([*parts, "::::\n", "```{toctree}", ":hidden:", "", *cards, "```", ""])


def _figure(name: str) -> str:
    return f"{Path(name).stem}.png"


def _text(source: str | list[str]) -> str:
    """Notebooks hold text as a string or as its lines."""
    return source if isinstance(source, str) else "".join(source)
