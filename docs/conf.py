"""How Sphinx makes the pages: Markdown, notebooks and docstrings, formulas as MathML, nothing fetched from anywhere."""

import inspect
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]  # this checkout, not another one that is installed

import mathematics  # noqa: E402
from docstrings import restructured  # noqa: E402
from docutils import nodes  # noqa: E402
from gallery import write_gallery  # noqa: E402
from latex2mathml.converter import convert as from_latex  # noqa: E402
from pages import present, public_home, write_pages  # noqa: E402

import jaxreg  # noqa: E402

project, author, release = "jaxreg", "The jaxreg authors", jaxreg.__version__
copyright = author
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
exclude_patterns = ["**.ipynb_checkpoints"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"  # the outputs that are stored: `make notebooks` makes them
default_role = "math"  # single backticks: docstrings.py
nitpicky = True  # a reference that leads nowhere is an error
# Names of other libraries, and exceptions: those that are public are linked, others are only named.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|jax|optax|matplotlib|sklearn|collections|typing|Any|Callable)\b.*"),
    ("py:exc", ".*"),
]

html_theme = "furo"
html_title = f"jaxreg {release}"
html_static_path = ["static"]
html_css_files = ["mathematics.css", "pages.css"]
html_copy_source = html_show_sphinx = False
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes and types
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_custom_sections = ["Source", "Sources"]


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir)))
    app.connect("builder-inited", lambda app: write_gallery(Path(app.srcdir)))
    app.connect("autodoc-process-docstring", _process, priority=100)  # before napoleon
    app.connect("autodoc-skip-member", _skip_foreign)
    app.connect("missing-reference", _link_to_public)
    app.connect("env-updated", _link_back)


def _process(app, what, name, obj, options, lines):
    names = []
    if what in ("class", "function", "method"):
        names += [*getattr(obj, "__annotations__", ()), *inspect.signature(obj).parameters]
        names += re.findall(r"\b(\w+_)(?=: |, )", "\n".join(lines))  # what an estimator has learned
    lines[:] = restructured(lines, names)


def _skip_foreign(app, what, name, obj, skip, options):
    """Leaves out methods that a class has from another library."""
    module = getattr(obj, "__module__", None) or "jaxreg"
    return True if inspect.isroutine(obj) and not module.startswith("jaxreg") else None


def _inline(self, node):
    text = node.astext()
    self.body.append(from_latex(text) if _is_latex(self) else mathematics.inline(text))
    raise nodes.SkipNode


def _block(self, node):
    text = node.astext()
    formula = from_latex(text, display="block") if _is_latex(self) else mathematics.block(text)
    self.body.append(f"<div class='formula'>{formula}</div>")
    raise nodes.SkipNode


def _is_latex(translator):
    """Markdown and notebooks have their formulas in LaTeX, docstrings in plain text."""
    builder = translator.builder
    return Path(builder.env.doc2path(builder.current_docname)).suffix in (".md", ".ipynb")


def _link_to_public(app, env, node, content):
    """A name is linked where it is public; what is not public, to the module or class that it is part of."""
    if node.get("refdomain") != "py":
        return None
    domain, builder = env.get_domain("py"), app.builder
    for target in public_home(node["reftarget"], node.get("py:module"), node.get("py:class")):
        if target in domain.objects or target in domain.modules:
            role = "mod" if target in domain.modules else "obj"
            return domain.resolve_xref(env, node["refdoc"], builder, role, target, node, content)
    return None


def _link_back(app, env):
    """From a source page viewcode links to one module's page: to the one on which all that was used has an entry."""
    objects = env.get_domain("py").objects
    for module, entry in list(getattr(env, "_viewcode_modules", {}).items()):
        if not entry:
            continue
        code, tags, used, _ = entry
        for home in present():
            places = {name: objects.get(f"{home}.{name}") for name in used}
            if all(places.values()):
                found = {name: place.docname for name, place in places.items()}
                env._viewcode_modules[module] = code, tags, found, home
