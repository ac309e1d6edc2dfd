"""What the README says can be done as it says it."""

import argparse
import re
import shlex
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import jaxreg
from jaxreg import cli
from tests.page_blocks import assert_shown, blocks_of, printed_by, tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
BEFORE = {name: getattr(jax.config, name) for name in SETTINGS}


def blocks(language):
    return [code for kind, code in blocks_of(README) if kind == language]


def shell_commands():
    """Each command as its words, without the comments."""
    lines = "".join(blocks("sh")).splitlines()
    lines += re.findall(r"`((?:make|python|pip|jaxreg) [^`]*)`", README)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def own_process(tmp_path, monkeypatch):
    """The command configures its own process; here that would be the process of all the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in SETTINGS:  # use_cache tells the processes that it starts
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.delenv(name.upper())
    monkeypatch.chdir(tmp_path)
    yield
    back_to_the_cache_of_the_tests()


def back_to_the_cache_of_the_tests():
    for name, value in BEFORE.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


# ---- Python ---------------------------------------------------------------------------------------------------------


def test_every_block_is_of_a_kind_that_is_tested():
    assert sum(len(blocks(language)) for language in ("python", "sh", "text")) == README.count("\n```") / 2
    assert len(blocks("python")) >= 3


def test_the_blocks_run_in_order_and_print_what_the_comments_say(own_process):
    """One after the other in one session, as a reader would type them in; n_jobs are threads here.

    With processes, which take seconds to start, the same is done by the page on scikit-learn (tests/docs).
    """
    joblib = pytest.importorskip("joblib")
    names: dict = {}
    for number, code in enumerate(blocks("python"), start=1):
        with joblib.parallel_config("threading"):
            printed = printed_by(code, names, f"README.md, block {number}")
        back_to_the_cache_of_the_tests()
        if "check_gradient" in code:
            assert printed.startswith(blocks("text")[1])
        if number == 1:
            check_the_ten_lines(code, names, printed)
    assert not jax.config.jax_enable_x64
    assert names["search"].best_params_["alpha"] in (0.01, 0.1, 1.0)


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
    assert targets == {"docs", "sweep", "test"}
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
    assert {words[0] for words in commands} == {"sweep", "predict", "check", "info"}
    for words in commands:
        try:
            cli.parser().parse_args(words)
        except (SystemExit, argparse.ArgumentError):
            pytest.fail(f"jaxreg {' '.join(words)}")


def test_the_commands_for_an_own_table_do_what_is_said(tmp_path, own_process, capsys):
    """Word for word, on the diabetes data under the names of the README, and on flats."""
    pytest.importorskip("matplotlib")
    data = jaxreg.datasets.diabetes()
    for file, text in tables().items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    (tmp_path / "my_formulas.py").write_text(
        "from jaxreg.checks import hand_derived\n\n"
        "@hand_derived(of=lambda w: w @ w)\ndef gradient(w):\n    return 2 * w\n"
    )
    printed = {}
    for words in shell_commands():
        if words[0] == "jaxreg":
            assert cli.main(words[1:]) == 0, words
            printed[" ".join(words[1:3])] = capsys.readouterr().out
    assert printed["sweep houses.csv"].startswith("houses.csv: price\n")
    assert {"error_curve.png", "coefficient_paths.png", "report.html"} < {
        file.name for file in (tmp_path / "result").iterdir()
    }
    head, *predictions = printed["predict result"].splitlines()
    assert head == "line,price"
    expected = jaxreg.sweep(data.X, data.y).predict(data.X[:5])
    np.testing.assert_allclose([float(row.split(",")[1]) for row in predictions], expected, rtol=1e-12)
    assert [row.split(",")[0] for row in predictions] == ["2", "3", "4", "5", "6"]
    assert "The median of the column in place of" in printed["sweep flats.csv"]
    head, *predictions = printed["predict flats"].splitlines()
    assert head == "line,id,rent"
    assert [row.split(",")[:2] for row in predictions] == [["2", "901"], ["3", "902"], ["4", "903"]]


def test_the_extras_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [extra for words in shell_commands() if words[0] == "pip" for extra in re.findall(r"\[(.*?)\]", words[-1])]
    assert found
    for extra in ",".join(found).split(","):
        assert extra in project["optional-dependencies"]


def test_the_exit_codes_are_those_of_the_command():
    (said,) = re.findall(r"^Exit codes: (.*?)\. Files", README, re.MULTILINE | re.DOTALL)
    assert re.findall(r"(?:^|; )(\d+) ", said.replace("\n", " ")) == ["0", "1", "2", "3", "130"]
    assert re.findall(r"(?:^|[;:] )(\d+) ", cli.__doc__.replace("\n", " ")) == ["0", "1", "2", "3", "130"]


# ---- What is shown --------------------------------------------------------------------------------------------------


def test_the_table_is_what_the_command_prints(own_process, capsys):
    """Every line that is shown is printed, in this order; lines may be left out at the … only.

    The gap is what rounding leaves of 0 and may have hidden, another number on every machine.
    """
    assert blocks_of(README)[1] == ("sh", "jaxreg sweep --dataset diabetes\n")
    assert cli.main(["sweep", "--dataset", "diabetes"]) == 0
    shown, printed = blocks("text")[0], capsys.readouterr().out
    assert_shown(shown, printed)
    assert all(line in printed.splitlines() for line in shown.splitlines() if line != "…" and " gap " not in line)
    for text in (shown, printed):
        assert 0 < float(re.search(r"largest duality gap (\S+) in", text)[1]) < 1e-12
    assert {"mean", "root", "R²"} <= {line.split(" ")[0] for line in shown.splitlines()}


def test_it_is_read_in_a_few_minutes():
    assert len(README.splitlines()) <= 180


# ---- What is named --------------------------------------------------------------------------------------------------


def test_the_files_that_are_named_exist():
    links = [link for link in re.findall(r"\]\((.*?)\)", README) if "//" not in link]
    assert len(links) >= 8
    for path in [*links, "notebooks/"]:
        assert (ROOT / path).exists(), path
    assert "`notebooks/`" in README
    assert (ROOT / "docs/static/report.png").stat().st_size < 150_000


def test_the_names_of_python_exist():
    names = set(re.findall(r"`(jaxreg(?:\.\w+)+)", README)) | set(re.findall(r"\b(jaxreg(?:\.\w+)+)\(", README))
    assert {"jaxreg.solvers.fit", "jaxreg.sweeps.cross_validate", "jaxreg.objective", "jaxreg.sweep"} <= names
    for name in names:
        value = jaxreg
        for part in name.split(".")[1:]:
            assert hasattr(value, part), name
            value = getattr(value, part)
