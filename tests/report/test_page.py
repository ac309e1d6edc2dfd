"""The page is HTML that holds together, asks nobody for anything, and can be read in a browser on any screen."""

import dataclasses
import io
import json
import re
import shlex
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import jax
import numpy as np
import pytest

pytest.importorskip("matplotlib")

import jaxreg
from jaxreg import cli
from jaxreg.report import Picture, draw, sweep_page

VOID = {"meta", "img", "source"}
AGAIN = {"command": "jaxreg sweep 'a <b>.csv'", "python": "print('<b>' & 1)"}
PICTURES = {name: Picture(b"file", b"light", b"dark") for name in ("error_curve", "coefficient_paths")}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Page(HTMLParser):
    """Reads HTML and takes nothing amiss: every element is closed, in order; no attribute twice."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.said, self.text = [], [], {}, text
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.said.setdefault(self.open[-1], []).append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(usual, facts):
    return Page(sweep_page(usual, PICTURES, **facts, **AGAIN))


def test_the_parts_of_the_page(page):
    assert page.text.startswith('<!doctype html>\n<html lang="en">')
    assert page.said["title"] == ["<houses> & more.csv: price – jaxreg"]
    assert page.said["h1"] == ["<houses> & more.csv: price"]
    assert page.said["h2"] == ["The choice", "The coefficients", "Once more", "What was computed"]
    assert page.said["pre"] == [AGAIN["command"], AGAIN["python"]]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.of("meta")
    assert all(image["alt"] for image in page.of("img"))


def test_a_grid_that_is_too_short_is_a_warning_said_once(facts):
    data = jaxreg.datasets.diabetes()
    with pytest.warns(jaxreg.GridEndWarning):
        short = jaxreg.sweep(data.X, data.y, lams=[40.0, 20.0, 10.0], folds=3)
    page = Page(sweep_page(jaxreg.report.named(short, data.feature_names), PICTURES, **facts, **AGAIN))
    assert [p.get("role") for p in page.of("p") if p.get("class") == "warning"] == ["alert"]
    assert page.text.count("the smallest of the grid") == 1


def test_names_from_outside_are_text(page):
    """A name as a column may have: no element comes of it."""
    assert not page.of("b")
    assert "<b>bold</b>" in page.said["bdi"]
    assert 'a "quote" & more' in page.said["bdi"]
    assert "面積" in page.said["bdi"]
    assert "two lines" in page.said["bdi"]


def test_what_html_does_not_have_is_replaced(usual, facts):
    title = "a\x00b\x1bc\ud800d\x85e <script>alert(1)</script>"
    page = Page(sweep_page(usual, PICTURES, **(facts | {"title": title}), **AGAIN))
    page.text.encode()
    assert not page.of("script")
    assert page.said["h1"] == ["a\ufffdb\ufffdc\ufffdd\ufffde <script>alert(1)</script>"]


def test_the_table_is_that_of_the_terminal(page, usual, facts):
    from jaxreg.report.text import coefficients, merits

    rows = [*coefficients(usual, 200), *merits(usual, 4)]
    assert page.said["bdi"] == [name for name, _, _ in rows]
    assert page.said["td"] == [cell for _, *cells in rows for cell in cells]


def test_nothing_is_fetched_and_nothing_runs(page):
    (policy,) = (meta["content"] for meta in page.of("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert {name for name, _ in page.elements}.isdisjoint({"script", "link", "iframe", "object", "a", "form", "base"})
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "srcset", "href"):
                assert value.startswith("data:image/png;base64,")
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_light_and_dark_figures(page):
    assert [image["src"] for image in page.of("img")] == ["data:image/png;base64,bGlnaHQ="] * 2
    for source in page.of("source"):
        assert source["srcset"] == "data:image/png;base64,ZGFyaw=="
        assert source["media"] == "screen and (prefers-color-scheme: dark)"


def test_what_has_not_converged_is_said_loudly(usual, facts, page):
    assert not [attributes for attributes in page.of("p") if attributes.get("class") == "warning"]
    late = Page(sweep_page(dataclasses.replace(usual, converged=False), PICTURES, **facts, **AGAIN))
    assert {"class": "warning", "role": "alert"} in late.of("p")
    assert any(words.startswith("NOT all of the") for words in late.said["p"])


def test_a_wide_table_is_cut_and_says_so(usual, facts):
    page = Page(sweep_page(usual, PICTURES, rows=2, **facts, **AGAIN))
    (said,) = [words for words in page.said["p"] if "the 2 largest by coefficient × scale" in words]
    assert said.endswith("coefficients.csv has all)")


# ---- Drawn, written, opened -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a sweep by the command, on a table with strange names, and the table's folder."""
    folder = tmp_path_factory.mktemp("written")
    rng = np.random.default_rng(4)
    X = rng.normal(size=(24, 4))
    y = X @ [1.0, 0.5, 0.0, -0.4] + rng.normal(size=24)
    names = ["<b>bold</b>", "a_name_of_a_column_that_is_very_long_indeed_and_has_no_space_in_it", "面積", "id & more"]
    lines = [",".join([*names, "price", "part"])]
    lines += [
        ",".join(map(repr, [*map(float, row), float(t), k % 3])) for k, (row, t) in enumerate(zip(X, y, strict=True))
    ]
    (folder / "a <i> b.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {name: getattr(jax.config, name) for name in SETTINGS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.chdir(folder)
        options = ["--target", "price", "--folds", "part", "--lams", "8", "--l1-ratio", "0.5", "1", "--measure", "mae"]
        code = cli.main(["sweep", str(folder / "a <i> b.csv"), *options, "--out", "result"])
        for name, value in settings.items():
            jax.config.update(name, value)
    assert code == 0
    return folder


SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


def test_the_figures_are_drawn_for_both_papers(usual):

    image = pytest.importorskip("matplotlib.image")
    for file, light, dark in draw(usual).values():
        assert image.imread(io.BytesIO(file)).shape[:2] == (630, 960)
        for png, paper in ((light, 1.0), (dark, 0.1)):
            pixels = image.imread(io.BytesIO(png))
            assert pixels.shape[:2] == (744, 960)
            assert abs(pixels[2, 2, :3].mean() - paper) < 0.03


def test_what_the_page_says_to_do_does_the_same(written, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(written)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    stored = json.loads((written / "result" / "result.json").read_text(encoding="utf-8"))
    command, python = Page((written / "result" / "report.html").read_text(encoding="utf-8")).said["pre"]
    names = {}
    exec(python, names)
    np.testing.assert_array_equal(names["sweep"].mean_mse, stored["mean_mse"])
    np.testing.assert_array_equal(names["sweep"].best.params.coef, stored["best"]["coef"])
    assert capsys.readouterr().out == f"{stored['best']['lam']} {stored['one_se']['lam']}\n"
    settings = {name: getattr(jax.config, name) for name in SETTINGS}
    assert cli.main([*shlex.split(command)[1:], "--out", str(tmp_path / "again")]) == 0
    for name, value in settings.items():
        jax.config.update(name, value)
    again = json.loads((tmp_path / "again" / "result.json").read_text(encoding="utf-8"))
    assert again == stored


# What a script finds that is put into a copy of the page.
ASK = """<script>
addEventListener("load", () => {
  const images = [...document.images];
  const found = {
    title: document.title,
    bold: document.querySelectorAll("b, i").length,
    widths: images.map(image => image.naturalWidth),
    dark: images.map(image => image.currentSrc === image.src),
    shown: images.map(image => image.getBoundingClientRect().width),
    page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
    name: document.querySelector("bdi").textContent,
    paper: getComputedStyle(document.body).backgroundColor,
    mode: document.compatMode,
    small: Math.min(...[...document.querySelectorAll("p, td, pre")].map(e => parseFloat(getComputedStyle(e).fontSize))),
  };
  parent.postMessage(JSON.stringify(found), "*");
});
</script>"""
# A window has a least width, a frame has none.
FRAME = """<!doctype html><title>nothing yet</title>
<iframe src="asked.html" width="WIDTH" height="900" style="border: 0"></iframe>
<script>addEventListener("message", event => { document.title = event.data; });</script>"""


def browse(file, *options):
    """What the browser has made of a page, as HTML."""
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    words += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={file.parent / 'profile'}"]
    done = subprocess.run([*words, *options, file.as_uri()], capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


@pytest.fixture
def asked(written, tmp_path):
    """The page with the script in it, and without the policy that forbids scripts."""
    if BROWSER is None:
        pytest.skip("no browser is installed (chromium or google-chrome on PATH)")
    text = (written / "result" / "report.html").read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", text).replace("</head>", ASK + "</head>")
    file = tmp_path / "asked.html"
    file.write_text(text, encoding="utf-8")

    def ask(width):
        frame = tmp_path / "frame.html"
        frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
        (found,) = re.findall("<title>(.*?)</title>", browse(frame, "--dump-dom", "--virtual-time-budget=5000"))
        return json.loads(unescape(found))

    return ask


@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_it_on_a_phone_and_on_a_desk(asked, width):
    found = asked(width)
    assert found["page"][1] in (width, width - 15)  # a scroll bar
    assert found["title"] == "a <i> b.csv: price – jaxreg"
    assert found["bold"] == 0
    assert found["name"] == "<b>bold</b>"
    assert found["widths"] == [960, 960]
    assert found["mode"] == "CSS1Compat"  # not the quirks of old pages
    assert found["small"] >= 12
    scroll, client = found["page"]
    assert scroll <= client  # nothing sticks out sideways
    assert all(shown <= client for shown in found["shown"])
    assert found["paper"] == "rgb(255, 255, 255)"


def test_a_browser_prints_it(written, tmp_path):
    if BROWSER is None:
        pytest.skip("no browser is installed (chromium or google-chrome on PATH)")
    copy = tmp_path / "report.html"
    shutil.copy(written / "result" / "report.html", copy)
    browse(copy, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"
