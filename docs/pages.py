"""Writes one page for each public module into docs/reference, from the ``__all__`` of the module."""

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

__all__ = ["MODULES", "documented", "modules_below", "present", "public_home", "write_pages"]

# In the order in which one would learn. What is not there yet is left out.
MODULES = (
    "jaxreg",
    "jaxreg.results",
    "jaxreg.resampled",
    "jaxreg.stable",
    "jaxreg.banded",
    "jaxreg.estimators",
    "jaxreg.formulas",
    "jaxreg.formulas.sources",
    "jaxreg.formulas.conventions",
    "jaxreg.solvers",
    "jaxreg.sweeps",
    "jaxreg.training",
    "jaxreg.checks",
    "jaxreg.datasets",
    "jaxreg.plot",
)


def present() -> list[str]:
    """Those of MODULES that exist."""
    return [name for name in MODULES if importlib.util.find_spec(name)]


def documented(module: str) -> list[str]:
    """The public names of a module that have an entry of their own: all but modules and ``__version__``."""
    found = importlib.import_module(module)
    public = [name for name in found.__all__ if not name.startswith("__")]
    return [name for name in public if not inspect.ismodule(getattr(found, name))]


def public_home(name: str, module: str | None = None, within: str | None = None) -> list[str]:
    """Full names under which a name may have an entry, the best first: a public twin, then what it is part of."""
    *path, last = name.split(".")
    homes = [f"{page}.{last}" for page in ([module] if module else []) + present() if last in documented(page)]
    parents = [".".join(path[:end]) for end in range(len(path), 0, -1)] + ([within] if within else [])
    return homes + [place for parent in parents for place in (parent, f"{module}.{parent}", f"jaxreg.results.{parent}")]


def write_pages(docs: Path) -> None:
    """Writes docs/reference/MODULE.rst and the list of all, where they differ from what is there."""
    folder = docs / "reference"
    folder.mkdir(exist_ok=True)
    pages = {f"{module}.rst": _page(module) for module in present()} | {"contents.inc": _contents()}
    for old in folder.iterdir():
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _contents() -> str:
    """A table of the modules, each with the first line of its text, and the order of the pages."""
    table = [".. list-table::", ""]
    for module in present():
        first = inspect.getdoc(importlib.import_module(module)).splitlines()[0]
        table += [f"   * - :mod:`{module}`", f"     - {first}"]
    order = [
        ".. toctree::",
        "   :hidden:",
        "   :caption: Reference",
        "",
        *(f"   reference/{name}" for name in present()),
    ]
    return "\n".join([*table, "", *order, ""])


def _page(module: str) -> str:
    """The module's own text, its public names, and the text of the modules below it, where the derivations stand."""
    parts = [_title(module, "="), f".. automodule:: {module}\n   :no-members:\n"]
    names = documented(module)
    for name in names:
        thing = getattr(importlib.import_module(module), name)
        first = next(home for home in present() if _has(home, name, thing))
        if inspect.isclass(thing) and first != module:
            parts.append(f".. py:class:: {name}\n   :module: {module}\n\n   The same as :class:`{first}.{name}`.\n")
        elif isinstance(thing, dict):
            parts.append(
                f".. py:data:: {name}\n   :module: {module}\n\n   A dictionary with the keys {', '.join(thing)}.\n"
            )
        elif inspect.isclass(thing):
            kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
            fields = ", ".join(("count", "index", *getattr(thing, "_fields", ())))  # of a tuple: explained in its text
            parts.append(f".. {kind}:: {module}.{name}\n   :members:\n   :exclude-members: {fields}\n")
        else:
            kind = "autofunction" if callable(thing) else "autodata"
            parts.append(f".. {kind}:: {module}.{name}\n")
    below = modules_below(module)
    if below:
        parts.append(_title("Modules", "-"))
        for name in below:
            twin = name.rsplit(".")[-1] in names  # a function of the same name has the entry
            option = "   :no-index:\n" if twin else ""
            parts.append(f"{_title(name, '~')}\n.. automodule:: {name}\n   :no-members:\n{option}")
    return "\n".join(parts)


def _has(module: str, name: str, thing: object) -> bool:
    return name in documented(module) and getattr(importlib.import_module(module), name) is thing


def modules_below(module: str) -> list[str]:
    """The public modules inside a package, in the order of the alphabet, that have no page of their own."""
    found = importlib.import_module(module)
    if module == "jaxreg" or not hasattr(found, "__path__"):
        return []
    names = [f"{module}.{info.name}" for info in pkgutil.iter_modules(found.__path__) if not info.name.startswith("_")]
    return [name for name in names if name not in MODULES]


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"
