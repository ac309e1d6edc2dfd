"""``jaxreg bootstrap`` and ``jaxreg stability``: what they print and write is what Python computes."""

import contextlib
import csv
import inspect
import io
import os
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg import cli, progress
from jaxreg.sweeps import resample_blocks

FEATURES = ("area", "rooms", "share")
SIZE = ("--lams", "5", "1", "--resamples", "12")
SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
BEFORE = {name: getattr(jax.config, name) for name in SETTINGS}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """The command configures its own process; here that would be the process of all the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(progress, "BETWEEN_LINES", 1e9)  # a slow machine says no more
    yield
    for name, value in BEFORE.items():
        jax.config.update(name, value)


def made(n=40):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 3)) * [30, 1.5, 0.01]
    return X, X @ [2.0, 9.0, 0.0] + 20 * rng.normal(size=n), rng.integers(1, 4, n), np.arange(n) % 3


X, Y, WEIGHT, PART = made()


@pytest.fixture
def data(tmp_path):
    rows = [
        ",".join([*map(repr, x.tolist()), repr(y.item()), str(w), f"p{k}"]) for x, y, w, k in zip(*made(), strict=True)
    ]
    (tmp_path / "flats.csv").write_text("\n".join([",".join([*FEATURES, "price", "w", "part"]), *rows]) + "\n")
    return tmp_path / "flats.csv"


def command(*arguments):
    """``jaxreg ARGUMENTS`` in this process: exit code, output, errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


def good(*arguments):
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    return out


def refusal(*arguments):
    code, out, err = command(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


def cells(out):
    """The numbers of the table by the feature; its columns line up."""
    lines = out.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("feature"))
    stop = lines.index("", start)
    found = {line.split()[0]: line.split()[1:] for line in lines[start + 2 : stop]}
    ends = {len(line.removesuffix("stable").rstrip()) for line in lines[start + 2 : stop]}
    assert ends == {len(lines[start])}
    return lines[start].split(), found


def test_the_table_is_that_of_python(data):
    out = good("bootstrap", data, "--target", "price", "--ignore", "part", "w", *SIZE, "--at", "5", "--level", "0.8")
    found = jaxreg.bootstrap(X, Y, [5.0, 1.0], n_resamples=12)
    low, high = found.interval(0.8)
    head, rows = cells(out)
    assert head == ["feature", "estimate", "low", "high", "chosen", "%"]
    for j, name in enumerate(FEATURES):
        shown = [0.0 if cell == "·" else float(cell) for cell in rows[name]]
        expected = [found.estimate[0, j], low[0, j], high[0, j], 100 * found.selection_frequency[0, j]]
        np.testing.assert_allclose(shown, expected, rtol=1e-2, atol=0.05)
    assert "Bootstrap: 12 resamples (pairs), 2 λs, 3 columns" in out
    assert "λ 5; 80 % intervals (percentile)" in out
    assert "within the tolerance" in out.splitlines()[-1]


def test_lams_chosen_in_each_resample_by_a_column_of_folds(data, tmp_path):
    given = ("--target", "price", "--sample-weight", "w", "--folds", "part", "--rule", "one_se", *SIZE)
    out = good("bootstrap", data, *given, "--out", tmp_path / "out")
    found = jaxreg.bootstrap(
        X, Y, [5.0, 1.0], n_resamples=12, sample_weight=WEIGHT.astype(float), folds=PART, rule="one_se"
    )
    saved = jaxreg.load(tmp_path / "out" / "bootstrap.npz")
    np.testing.assert_array_equal(saved.coef, found.coef)
    assert saved.feature_names == FEATURES
    assert f"each at its own λ; {found.lam:.4g} on the data" in out
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *("bootstrap.npz", "bootstrap.csv", "bootstrap_intervals.png", "bootstrap_blocks"),
    }


@pytest.mark.parametrize(
    ("options", "kind"), [((), "percentile"), (("--interval", "bca"), "bca"), (("--l1-ratio", "0"), "studentized")]
)
def test_what_is_written_is_what_python_computes(data, tmp_path, options, kind):
    folder, how = tmp_path / "out", ("--interval", kind, *options)
    good("bootstrap", data, "--target", "price", "--ignore", "part", "w", *SIZE, *how, "--out", folder)
    more = {"jackknife": kind == "bca", "standard_errors": kind == "studentized"}
    l1_ratio = 0.0 if kind == "studentized" else 1.0
    found = jaxreg.bootstrap(X, Y, [5.0, 1.0], l1_ratio, n_resamples=12, **more)
    with open(folder / "bootstrap.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    low, high = found.interval(kind=kind)
    for name, values in (("estimate", found.estimate), ("low", low), ("high", high)):
        np.testing.assert_array_equal([float(row[name]) for row in rows], values.ravel())
    assert [row["column"] for row in rows] == [*FEATURES, *FEATURES]
    for name in ("frequencies", "intervals"):
        assert (folder / f"bootstrap_{name}.png").read_bytes().startswith(b"\x89PNG")


def test_statistics_alone(data, tmp_path):
    given = ("--target", "price", "--ignore", "part", "w", *SIZE, "--keep", "statistics")
    head, rows = cells(good("bootstrap", data, *given, "--out", tmp_path / "out"))
    assert head == ["feature", "estimate", "mean", "deviation", "chosen", "%"]
    found = jaxreg.bootstrap(X, Y, [5.0, 1.0], n_resamples=12)
    np.testing.assert_allclose(float(rows["area"][2]), found.coef[:, 1, 0].std(ddof=1), rtol=1e-2)
    assert jaxreg.load(tmp_path / "out" / "bootstrap.npz").n_resamples == 12


def test_stability(data, tmp_path):
    given = ("--target", "price", "--ignore", "part", "w", "--lams", "20", "--q", "2", "--n-pairs", "6")
    out = good("stability", data, *given, "--out", tmp_path / "out")
    found = jaxreg.stability_selection(X, Y, 20, q=2, n_pairs=6)
    _, rows = cells(out)
    for j, name in enumerate(FEATURES):
        if found.frequency[-1, j] > 0:
            assert float(rows[name][0]) == pytest.approx(100 * found.frequency[-1, j], abs=0.05)
            assert ("stable" in rows[name]) == found.stable[j]
    np.testing.assert_array_equal(jaxreg.load(tmp_path / "out" / "stability.npz").frequency, found.frequency)
    assert "false selections among them" in out


@pytest.mark.parametrize(("name", "door"), [("bootstrap", jaxreg.bootstrap), ("stability", jaxreg.stability_selection)])
def test_the_names_and_defaults_of_the_options_are_those_of_python(name, door):
    of_python = inspect.signature(door).parameters
    (commands,) = (action for action in cli.parser()._actions if action.dest == "command")
    options = {action.dest: action for action in commands.choices[name]._actions}
    of_table = ("file", "target", "dataset", "ignore", "delimiter", "encoding", "decimal", "na", "categorical")
    for other in (*of_table, "help", "out", "rows", *(("interval", "level", "at") if name == "bootstrap" else ())):
        del options[other]
    # --interval says which of the two it needs, and --out keeps the blocks.
    implied = {"jackknife", "standard_errors", "mesh"} if name == "bootstrap" else set()
    assert set(of_python) - set(options) == {"X", "y", "penalty_factor", "progress", "checkpoint"} | implied
    for option, action in options.items():
        default = action.default[0] if isinstance(action.default, list) else action.default
        if option not in ("dtype", "folds"):  # 0 folds are none
            assert str(default) == str(of_python[option].default), option


def test_they_are_listed():
    code, out, _ = command("--help")
    assert code == 0
    assert re.search(r"bootstrap +fit on resamples of the rows", out)
    assert re.search(r"stability +choose the features", out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bootstrap", "--interval", "bca", "--kind", "bayesian"), "a posterior"),
        (("bootstrap", "--level", "1.5"), "--level"),
        (("bootstrap", "--resamples", "1"), "at least 2"),
        (("bootstrap", "--interval", "studentized"), "ridge (l1_ratio=0)"),
        (("stability", "--q", "9"), "there are 3 features"),
        (("stability", "--l1-ratio", "0"), "ridge chooses no features"),
    ],
)
def test_what_is_wrong_costs_one_line_and_no_file(arguments, said, data, tmp_path):
    name, *options = arguments
    given = ("--target", "price", "--ignore", "part", "w", "--lams", "3", "--out", tmp_path / "out")
    assert said in refusal(name, data, *given, *options)
    assert not list((tmp_path / "out").glob("*.npz"))


def test_another_call_is_refused_and_the_same_one_goes_on(data, tmp_path, monkeypatch):
    given = ("bootstrap", data, "--target", "price", "--ignore", "part", "w", *SIZE, "--out", tmp_path / "out")
    first = good(*given)
    assert "seed was 0 and is 1" in refusal(*given, "--seed", "1")
    monkeypatch.setattr(resample_blocks, "of_weights", None)  # nothing is computed again
    assert good(*given) == first


SLOW = "from jaxreg.sweeps import resample_blocks; resample_blocks.MOST = 20"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.slow
def test_an_interrupted_command_goes_on(tmp_path):
    given = ["bootstrap", "--dataset", "diabetes", "--folds", "5", "--resamples", "600", "--lams", "50", "--out"]
    start = [sys.executable, "-c", f"{SLOW}\nimport sys; from jaxreg.cli import main; sys.exit(main())", *given]
    with subprocess.Popen([*start, tmp_path / "a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        while not list(tmp_path.glob("a/bootstrap_blocks/resamples-000020.npz")):
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"the same command goes on from there" in err
    assert not (tmp_path / "a" / "bootstrap.npz").exists()
    for folder in ("a", "b"):
        subprocess.run([*start, tmp_path / folder], check=True, stdout=subprocess.DEVNULL)
    for file in ("bootstrap.npz", "bootstrap.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
