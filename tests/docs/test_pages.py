"""The pages of `make docs`: every public name is on one, every link leads somewhere, nothing comes from a network."""

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pages
import pytest

pytest.importorskip("sphinx", reason="sphinx is not installed")
pytest.importorskip("furo", reason="furo is not installed")
pytest.importorskip("myst_nb", reason="myst-nb is not installed")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


SKIPPED = ("pre", "code", "script", "style", "math")


class Page(HTMLParser):
    """The anchors, links and loaded files of a page, its tags, and its text outside code and formulas."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded, self.tags, self.text = set(), [], [], [], []
        self.code = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.anchors |= {given["id"]} if "id" in given else set()
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img") and "src" in given:
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(given["href"])
        self.code += tag in SKIPPED

    def handle_endtag(self, tag):
        self.code -= tag in SKIPPED

    def handle_data(self, data):
        if not self.code:
            self.text.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """In which html/ has the pages."""
    folder = tmp_path_factory.mktemp("docs")
    source = folder / "docs"  # a copy: the pages are written beside the configuration
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("reference", "gallery", "__pycache__"))
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "benchmarks" / "results", folder / "benchmarks" / "results")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-E", "-b", "html", str(source), str(folder / "html")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def site(folder):
    return {path.relative_to(folder / "html"): Page(path) for path in (folder / "html").rglob("*.html")}


def page_of(site, module):
    return site[Path("reference") / f"{module}.html"]


def test_every_public_name_has_its_place(site):
    for module in pages.present():
        page = page_of(site, module)
        missing = [name for name in pages.documented(module) if f"{module}.{name}" not in page.anchors]
        assert not missing, module


def test_the_first_page_leads_to_every_other(site):
    links = {Path(link.split("#")[0]) for link in site[Path("index.html")].links}
    assert {Path("reference") / f"{module}.html" for module in pages.present()} <= links
    written = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert {path for path in written if path.parts[0] not in ("gallery", "reference")} <= links


def test_every_link_leads_somewhere(site):
    for path, page in site.items():
        for link in page.links:
            to = urlsplit(link)
            if to.scheme or to.path == "#":
                continue
            target = Path(os.path.normpath(path.parent / unquote(to.path))) if to.path else path
            assert target in site, f"{path}: {link}"
            assert not to.fragment or unquote(to.fragment) in site[target].anchors, f"{path}: {link}"


def test_nothing_is_loaded_from_a_network(site):
    for path, page in site.items():
        assert not [file for file in page.loaded if urlsplit(file).scheme or file.startswith("//")], path


def test_formulas_are_drawn(site):
    page = page_of(site, "jaxreg.formulas")
    assert {"math", "mfrac", "munder", "msub", "msup", "msubsup", "msqrt", "mtable"} <= set(page.tags)
    for module in ("jaxreg.formulas", "jaxreg.solvers", "jaxreg.sweeps"):
        text = "".join(page_of(site, module).text)
        left = [sign for sign in ("Σ_", "_j ", "√(", "ᵀ", "|w") if sign in text]
        assert not left, module


NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_the_gallery_shows_every_notebook_with_its_outputs(site):
    cards = site[Path("gallery/index.html")]
    assert [f"{name}.html" in cards.links for name in NOTEBOOKS] == [True] * len(NOTEBOOKS)
    assert cards.tags.count("img") >= len(NOTEBOOKS)
    for name in NOTEBOOKS:
        assert site[Path("gallery") / f"{name}.html"].tags.count("img") >= 2, name


def test_notebooks_are_found_by_the_search(folder):
    index = (folder / "html" / "searchindex.js").read_text(encoding="utf-8")
    for name in NOTEBOOKS:
        assert f'"gallery/{name}"' in index
    assert '"diamond"' in index or "diamond:" in index  # of the first notebook's text


def test_formulas_of_notebooks_are_drawn(site):
    for path, page in site.items():
        if path.parts[0] in ("gallery", "how_to"):
            left = [sign for sign in ("$", "\\frac", "\\lambda", "\\sum") if sign in "".join(page.text)]
            assert not left, path
    assert "mfrac" in site[Path("gallery") / f"{NOTEBOOKS[0]}.html"].tags
