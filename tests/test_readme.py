"""What the README says can be done as it says it."""

import argparse
import contextlib
import importlib.util
import io
import re
import shlex
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def shell_commands():
    """Each command as its words, without the comments."""
    lines = "".join(blocks("sh")).splitlines()
    lines += re.findall(r"`((?:make|python|pip|jaxreg) [^`]*)`", README)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def own_process(tmp_path, monkeypatch):
    """The command configures its own process; here that would be the process of all the tests."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


# ---- Python ---------------------------------------------------------------------------------------------------------


def test_every_block_is_of_a_kind_that_is_tested():
    assert sum(len(blocks(language)) for language in ("python", "sh", "text")) == README.count("\n```") / 2
    assert len(blocks("python")) >= 3


def test_the_blocks_run_in_order_and_print_what_the_comments_say(tmp_path, monkeypatch):
    """One after the other in one session, as a reader would type them in."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for number, code in enumerate(blocks("python"), start=1):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, f"README.md, block {number}", "exec"), names)
        printed = out.getvalue()
        for shape in re.findall(r"^ *print\(.*\) +# (\(.*)$", code, re.MULTILINE):
            assert shape in printed.splitlines(), f"block {number} printed\n{printed}"
        if "check_gradient" in code:
            assert printed.startswith(blocks("text")[1])
        if "jaxreg.load" in code:
            check_the_twenty_lines(code, names, printed, tmp_path)
        if number == 1:
            check_the_ten_lines(code, names, printed)
    assert not jax.config.jax_enable_x64


def check_the_twenty_lines(code, names, printed, folder):
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    first, second = printed.splitlines()
    assert first == "True ('age', 'sex', 'bmi')"
    alpha, score = map(float, second.split())
    assert alpha > 0
    assert 0.4 < score < 0.6
    assert {"diabetes.npz", "error.png", "paths.png"} <= {file.name for file in folder.iterdir()}
    assert names["again"].measure == "mae"
    at_the_ends = {text.get_text() for text in names["paths"].texts}
    assert {"bmi", "s5"} <= at_the_ends <= set(names["data"].feature_names)  # names on the largest


def check_the_ten_lines(code, names, printed):
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    sweep, path, solution, data = (names[name] for name in ("sweep", "path", "solution", "data"))
    first, second, third = re.fullmatch(r"(.*\])\n(.*)\n(.*)\n", printed, re.DOTALL).groups()
    assert first.split()[:2] == [str(sweep.best.lam), str(sweep.best.l1_ratio)]
    assert second.split() == [str(sweep.one_se.lam), str(sweep.one_se.n_nonzero)]
    assert third.split() == [str(sweep.largest_gap), "True"]
    assert sweep.mean_mse.min() == sweep.best.mean_mse  # least held-out error
    assert sweep.one_se.n_nonzero <= sweep.best.n_nonzero  # the sparser model
    assert sweep.one_se.mean_mse <= sweep.best.mean_mse + sweep.best.se_mse  # within one standard error
    assert path.coef.shape == (3, 10)  # coefficients along λ
    assert path.df.shape == (3,)  # degrees of freedom
    assert solution.coef.min() == 0  # non-negative
    np.testing.assert_allclose(names["prediction"], data.X @ solution.coef + solution.intercept, rtol=1e-12)


# ---- Shell ----------------------------------------------------------------------------------------------------------


def test_the_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {words[1] for words in shell_commands() if words[0] == "make"}
    assert targets == {"bench", "docs", "sweep", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_make_sweep_does_what_is_said_of_it():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^sweep:.*\n\t(.*)$", makefile, re.MULTILINE)
    command, *arguments = recipe.split()
    assert command == "$(VENV)/bin/jaxreg"
    options = cli.parser().parse_args(arguments)
    (said,) = re.findall(r"^make sweep +# (.*)$", README, re.MULTILINE)
    assert options.dataset in said
    assert options.out in said
    assert options.l1_ratio == [1.0]  # lasso
    assert options.folds == "10"  # ten-fold


def test_the_commands_are_understood():
    commands = [words[1:] for words in shell_commands() if words[0] == "jaxreg"]
    assert {words[0] for words in commands} == {"sweep", "predict", "check", "convert", "info"}
    for words in commands:
        try:
            cli.parser().parse_args(words)
        except (SystemExit, argparse.ArgumentError):
            pytest.fail(f"jaxreg {' '.join(words)}")


def test_the_commands_for_an_own_table_do_what_is_said(tmp_path, own_process, capsys):
    """Word for word, on the diabetes data under the names of the README: nothing new has to be compiled."""
    pytest.importorskip("matplotlib")
    data = jaxreg.datasets.diabetes()
    table = np.column_stack([data.X, data.y]).tolist()
    for file, names, rows in (
        ("houses.csv", (*data.feature_names, "price"), table),
        ("new_houses.csv", data.feature_names, [row[:-1] for row in table[:5]]),
    ):
        lines = [",".join(names), *(",".join(map(repr, row)) for row in rows)]
        (tmp_path / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "my_formulas.py").write_text(
        "from jaxreg.checks import hand_derived\n\n"
        "@hand_derived(of=lambda w: w @ w)\ndef gradient(w):\n    return 2 * w\n"
    )
    printed = {}
    for words in shell_commands():
        if words[0] == "jaxreg":
            assert cli.main(words[1:]) == 0, words
            printed[words[1]] = capsys.readouterr().out
    assert printed["sweep"].startswith("houses.csv: price\n")
    assert {"error_curve.png", "coefficient_paths.png", "report.html"} < {
        file.name for file in (tmp_path / "result").iterdir()
    }
    head, *predictions = printed["predict"].splitlines()
    assert head == "price"
    expected = jaxreg.sweep(data.X, data.y).predict(data.X[:5])
    np.testing.assert_allclose(np.array(predictions, float), expected, rtol=1e-12)


def test_the_extras_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [extra for words in shell_commands() if words[0] == "pip" for extra in re.findall(r"\[(.*?)\]", words[-1])]
    assert found
    for extra in ",".join(found).split(","):
        assert extra in project["optional-dependencies"]


def test_the_modules_that_are_run_exist():
    modules = [words[2] for words in shell_commands() if words[:2] == ["python", "-m"]]
    assert modules
    for module in modules:
        assert importlib.util.find_spec(module), module


def test_the_exit_codes_are_those_of_the_command():
    (said,) = re.findall(r"^Exit codes: (.*?)\. Files", README, re.MULTILINE | re.DOTALL)
    assert re.findall(r"(?:^|; )(\d+) ", said.replace("\n", " ")) == ["0", "1", "2", "3", "130"]
    assert re.findall(r"(?:^|[;:] )(\d+) ", cli.__doc__.replace("\n", " ")) == ["0", "1", "2", "3", "130"]


# ---- What is shown --------------------------------------------------------------------------------------------------


def test_the_table_is_what_the_command_prints(own_process, capsys):
    """Every line that is shown is printed, in this order; lines may be left out at the … only.

    The gap is what rounding leaves of 0 and may have hidden, another number on every machine.
    """
    assert cli.main(["sweep", "--dataset", "diabetes"]) == 0
    shown, printed = blocks("text")[0], capsys.readouterr().out
    gaps = [re.search(r"largest duality gap (\S+) in", text)[1] for text in (shown, printed)]
    assert all(0 < float(gap) < 1e-12 for gap in gaps)
    shown, printed = shown.replace(gaps[0], "ROUNDING"), printed.replace(gaps[1], "ROUNDING").splitlines()
    place = printed.index(shown.splitlines()[0])
    parts = [part.strip("\n").split("\n") for part in shown.split("…\n")]
    assert len(parts) == 2
    for part in parts:
        place = printed.index(part[0], place)
        assert printed[place : place + len(part)] == part
        place += len(part)


# ---- What is named --------------------------------------------------------------------------------------------------


def test_the_files_that_are_named_exist():
    rows = re.findall(r"^\| (`jaxreg/.*?) \|", README, re.MULTILINE)
    named = [path for row in rows for path in re.findall(r"`(.*?)`", row)]
    assert len(named) >= 8
    notebooks = re.findall(r"^\| `(notebooks/.*?)` \|", README, re.MULTILINE)
    assert notebooks == [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    for path in [*named, *re.findall(r"`([A-Z]+\.md)`", README)]:
        places = [ROOT / path, ROOT / "jaxreg" / path]
        assert any(place.exists() for place in places), path
        assert not path.endswith("/") or any(place.is_dir() for place in places), path


def test_the_names_of_python_exist():
    names = set(re.findall(r"`(jaxreg(?:\.\w+)+)", README)) | set(re.findall(r"\b(jaxreg(?:\.\w+)+)\(", README))
    assert {"jaxreg.solvers.fit", "jaxreg.sweeps.cross_validate", "jaxreg.objective", "jaxreg.sweep"} <= names
    for name in names:
        value = jaxreg
        for part in name.split(".")[1:]:
            assert hasattr(value, part), name
            value = getattr(value, part)
