"""The notebooks run from top to bottom in a fresh kernel, and what is committed of them is clean."""

import re
import sys
from pathlib import Path

import jax
import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
pytest.importorskip("nbclient")

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import outputs  # noqa: E402
from outputs import code_cells  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))  # the numbers are the reading order
ONE_EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])

TROUBLE = {
    "a traceback": r"Traceback \(most recent call last\)",
    "a warning": r"\w*Warning\b|\bWARNING\b",
    "an absolute path": r"(?m)(?:^|[\s'\"(=])(?:/[\w.-]+){2,}|\b[A-Za-z]:\\",
}


def read(path):
    return nbformat.read(path, as_version=4)


def assert_clean(notebook):
    found = [
        (number, trouble)
        for number, cell in enumerate(code_cells(notebook))
        for text in outputs.texts(cell)
        for trouble, shape in TROUBLE.items()
        if re.search(shape, text)
    ]
    assert not found


def test_there_are_notebooks_to_read_in_order():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{k:02d}_" for k in range(1, len(NOTEBOOKS) + 1)]
    assert len(NOTEBOOKS) >= 2


@pytest.mark.slow
@ONE_EACH
def test_runs_in_a_fresh_kernel(path, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # figures are shown in the notebook
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the jaxreg that is tested, not another one that is installed
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # nothing of the user's profile, nothing left in it
    for name in ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"):
        if (value := getattr(jax.config, name)) is not None:  # the kernel shares the compiled programs of the tests
            monkeypatch.setenv(name.upper(), str(value))
    stored = read(path)
    fresh = outputs.run(stored, str(tmp_path))
    assert_clean(fresh)
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        said, says = outputs.texts(old), outputs.texts(new)
        assert len(said) == len(says), f"{old.id} shows something else; run `make notebooks`"
        different = [pair for pair in zip(said, says, strict=True) if not outputs.alike(*pair)]
        assert not different, f"{old.id} prints something else; run `make notebooks`"


@ONE_EACH
def test_the_outputs_are_those_of_the_code_cells(path):
    assert not outputs.is_stale(read(path)), "run `make notebooks`"


def test_other_code_makes_the_outputs_stale():
    notebook = read(NOTEBOOKS[0])
    notebook.cells[0].source += " More words."
    assert not outputs.is_stale(notebook)
    code_cells(notebook)[-1].source += "\n"
    assert outputs.is_stale(notebook)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("λ = 2.67: 130 kept", "λ = 2.671: 130 kept", True),
        ("λ = 2.67: 130 kept", "λ = 2.67: 140 kept", False),
        ("λ = 2.67", "lam = 2.67", False),
        ("largest gap 3e-15", "largest gap 8.1e-16", True),
        ("largest gap 3e-15", "largest gap 3e-5", False),
        ("0.10 s for 100 λ", "12.5 s for 100 λ", True),
        ("0.10 s for 100 λ", "0.10 s for 50 λ", False),
        ("10 times faster at once", "8 times faster at once", True),
        ("[1.    0.9]", "[1. 0.9]", True),
        ("one, 1 and 2", "one, 1", False),
        ("1,500 houses", "1500 houses", True),
        ("-3% inside", "3% inside", False),
    ],
)
def test_texts_that_say_the_same(one, other, same):
    assert outputs.alike(one, other) == same


@ONE_EACH
def test_committed_with_its_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    shown = [
        output for cell in cells for output in cell.outputs if {"image/png", "text/html"} & set(output.get("data", {}))
    ]
    assert len(shown) >= 5  # figures, and reports that are drawn
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert_clean(notebook)


@ONE_EACH
def test_committed_without_traces_of_the_machine(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata.language_info) == {"name"}  # no Python version
    assert not [cell.id for cell in code_cells(notebook) if "execution" in cell.metadata]  # no times of execution


@ONE_EACH
def test_every_figure_stands_beside_an_assertion(path):
    for cell in code_cells(read(path)):
        draws = "plt.subplots(" in cell.source
        assert not draws or re.search(r"\bassert\b|assert_allclose", cell.source), cell.id


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("Traceback (most recent call last):", "a traceback"),
        ("UserWarning: careful", "a warning"),
        ("saved to /home/me/figure.png", "an absolute path"),
        (r"saved to C:\Users\me", "an absolute path"),
    ],
)
def test_trouble_is_noticed(text, trouble):
    assert [name for name, shape in TROUBLE.items() if re.search(shape, text)] == [trouble]


@pytest.mark.parametrize("text", ["1/2 and n/m", "https://jax.dev/usr/guide", "a/b/tmp/c", "the step of 1e-3 :)"])
def test_what_is_harmless_passes(text):
    assert not [name for name, shape in TROUBLE.items() if re.search(shape, text)]
