"""Every block of the Markdown pages runs as it stands there, one after the other, and prints what is shown below it."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import jax
import pytest

import jaxreg
from jaxreg import cli
from jaxreg.formulas.conventions import SYSTEMS
from tests.page_blocks import assert_shown, blocks_of, printed_by, tables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [path for folder in (DOCS, DOCS / "how_to") for path in sorted(folder.glob("*.md"))]
ONE_EACH = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
VARIABLES = tuple(name.upper() for name in SETTINGS)


def blocks(path):
    """(language, code) in the order of the page."""
    return blocks_of(path.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files, in which compiled programs and settings of the process are those of the test alone."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of workers
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, text in tables().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name, value in before.items():
        jax.config.update(name, value)


# ---- Running them ---------------------------------------------------------------------------------------------------


def printed_by_python(code, names, where):
    """What a block prints; one whose first line is a comment with the name of a file is that file, too."""
    if file := re.match(r"# (\w+\.py)\n", code):
        Path(file[1]).write_text(code, encoding="utf-8")
    return printed_by(code, names, where)


def printed_by_shell(code, monkeypatch):
    """What the commands print; those of make, pip and python are looked at elsewhere."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for line in code.splitlines():
            program, *words = shlex.split(line, comments=True)
            if program == "head":
                _, count, file = words
                print(*Path(file).read_text(encoding="utf-8").splitlines()[: int(count)], sep="\n")
            elif program == "jaxreg":
                if "<" in words:
                    stdin = io.TextIOWrapper(io.BytesIO(Path(words[-1]).read_bytes()))
                    monkeypatch.setattr(sys, "stdin", stdin)
                    words = words[: words.index("<")]
                assert cli.main(words) == 0, line
            else:
                assert program in ("make", "pip"), line
    return out.getvalue()


@pytest.mark.slow
@ONE_EACH
def test_the_blocks_run_and_print_what_is_shown(path, folder, monkeypatch):
    names, printed = {"__name__": "page"}, None
    for number, (language, code) in enumerate(blocks(path), start=1):
        where = f"{path.name}, block {number}"
        if language == "python":
            printed = printed_by_python(code, names, where)
        elif language == "sh":
            printed = printed_by_shell(code, monkeypatch)
        else:
            assert_shown(code, printed)
            printed = None
    assert not jax.config.jax_enable_x64
    if path.stem == "quick_start":
        check_quick_start(names, folder)


def check_quick_start(names, folder):
    """What its text promises of its figures and files."""
    assert {"diabetes.npz", "error.png", "paths.png"} <= {file.name for file in folder.iterdir()}
    assert {"error_curve.png", "report.html"} <= {file.name for file in (folder / "result").iterdir()}
    assert names["again"].measure == "mae"
    at_the_ends = {text.get_text() for text in names["paths"].texts}
    assert {"bmi", "s5"} <= at_the_ends <= set(names["data"].feature_names)  # names on the largest
    assert names["solution"].coef.min() == 0  # non-negative


@ONE_EACH
def test_every_block_is_of_a_kind_that_is_run(path):
    text = path.read_text(encoding="utf-8")
    assert {language for language, _ in blocks(path)} <= {"python", "sh", "text"}
    assert len(blocks(path)) == text.count("\n```") / 2
    for language, code in blocks(path):
        assert language != "python" or len([line for line in code.splitlines() if line.strip()]) <= 20


# ---- What is named --------------------------------------------------------------------------------------------------


@ONE_EACH
def test_links_and_files_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / link).exists(), link
    for file in re.findall(r"`((?:jaxreg|benchmarks|notebooks|docs)/[\w./]*)`", text):
        assert (ROOT / file).exists(), file


@ONE_EACH
def test_names_options_targets_and_extras_exist(path):
    text = path.read_text(encoding="utf-8")
    for name in set(re.findall(r"`(jaxreg(?:\.\w+)+)", text)) - SYSTEMS.keys():
        value = jaxreg
        for part in name.split(".")[1:]:
            value = getattr(value, part, None) or __import__(name, fromlist=["_"])
    for module in re.findall(r"`python -m ([\w.]+)", text):
        assert importlib.util.find_spec(module), module
    options = {option for command in commands().values() for option in command._option_string_actions}
    assert set(re.findall(r"`(--[a-z-]+)", text)) <= options
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in re.findall(r"pip install '.*\[(.*)\]'", text):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_reading_order_has_the_packages():
    text = (DOCS / "reading_order.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`jaxreg/.*?) \|", text, re.MULTILINE)
    named = [path for row in rows for path in re.findall(r"`(.*?)`", row)]
    for path in named:
        places = [ROOT / path, ROOT / "jaxreg" / path]
        assert any(place.exists() for place in places), path
        assert not path.endswith("/") or any(place.is_dir() for place in places), path
    packages = {f"jaxreg/{path.parent.name}/" for path in (ROOT / "jaxreg").glob("*/__init__.py")}
    assert packages - {"jaxreg/cli/", "jaxreg/datasets/"} <= set(named)


def commands():
    """The parser of each command by its name."""
    (action,) = [action for action in cli.parser()._actions if action.dest == "command"]
    return action.choices


def test_the_list_of_questions_has_all_of_them_by_their_titles():
    listed = re.findall(
        r"^- \[(.*)\]\((.*)\)$", (DOCS / "how_to" / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    titles = {path.name: path.read_text(encoding="utf-8").split("\n")[0][2:] for path in (DOCS / "how_to").glob("*.md")}
    del titles["index.md"]
    assert {file: title for title, file in listed} == titles
    in_the_menu = re.findall(r"<how_to/(\w+)>$", (DOCS / "index.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert in_the_menu == ["index", *(os.path.splitext(file)[0] for _, file in listed)]
