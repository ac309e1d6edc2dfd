"""The command line: what it prints and writes is what Python computes, and what is wrong costs one line and no file."""

import contextlib
import errno
import inspect
import io
import json
import os
import pickle
import re
import select
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg import cli, cross_validation, plot
from jaxreg.data import members
from jaxreg.engines import choose

FILES = ["coefficient_paths.png", "coefficients.csv", "curve.csv", "error_curve.png", "report.html", "result.json"]
FEATURES = ("area", "rooms", "share", "income")
WITH_ALL = ("--target", "price", "--ignore", "id")  # w and part are features, unless they are more
BASE = (*WITH_ALL, "w", "part")
SIZE = ("--lams", "12", "--folds", "3")  # one size of everything: every new size is compiled anew
LAMS = ("0.5", "30", "2", "10", "0.1", "0.02", "1", "5", "0.2", "15", "3", "0.05")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices of POSIX")


# ---- What the tests work with ---------------------------------------------------------------------------------------


SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
BEFORE = {name: getattr(jax.config, name) for name in SETTINGS}


@pytest.fixture(autouse=True)
def configuration_of_the_process():
    """The command configures its own process; here that would be the process of all the tests."""
    reset()  # after fixtures of the module
    yield
    reset()


def reset():
    for name, value in BEFORE.items():
        jax.config.update(name, value)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def command(*arguments) -> Outcome:
    """``jaxreg ARGUMENTS``, in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    return Outcome(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def good(*arguments) -> str:
    """What the command prints when all is well; nothing else is said."""
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    return out


def refusal(*arguments) -> str:
    """The one line with which the command refuses its arguments."""
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("jaxreg: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err.removeprefix("jaxreg: ").rstrip("\n")


def process(*arguments, code=None, **options) -> subprocess.Popen:
    """The command as a process of its own; ``code`` runs before it."""
    patched = ["-c", f"{code}\nimport sys; from jaxreg.cli import main; sys.exit(main())"]
    program = patched if code else ["-m", "jaxreg.cli"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen([sys.executable, *program, *map(str, arguments)], env=environment, **pipes)


def columns(n=60):
    """A table with a target, four features in very different units, and columns that are no features."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(n, 4)) * [30, 1.5, 0.01, 12_000] + [110, 4, 0.2, 45_000]
    price = X @ [2.0, 9.0, 0.0, 0.001] + rng.normal(size=n) * 20
    return {
        "id": [f"H{i}" for i in range(n)],
        **{name: X[:, j].tolist() for j, name in enumerate(FEATURES)},
        "w": rng.integers(0, 4, n).tolist(),
        "part": rng.permutation(np.arange(n) % 3).tolist(),
        "price": price.tolist(),
    }


def as_csv(table, **changes) -> str:
    table = table | changes
    return "\n".join([",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]) + "\n"


TABLE = columns()
X, Y = np.column_stack([TABLE[name] for name in FEATURES]), np.array(TABLE["price"])


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text(as_csv(TABLE), encoding="utf-8")
    return path


class Swept(NamedTuple):
    folder: object
    printed: str
    result: object
    data: object

    @property
    def stored(self):
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """``jaxreg sweep`` on the table, and the same sweep in Python; no test changes its files."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("swept")
    data = folder / "houses.csv"
    data.write_text(as_csv(TABLE), encoding="utf-8")
    printed = good("sweep", data, *BASE, *SIZE, "--out", folder / "new" / "result")
    return Swept(folder / "new" / "result", printed, jaxreg.sweep(X, Y, lams=12, folds=3), data)


@pytest.fixture
def canned(monkeypatch, swept):
    """The sweep costs nothing and gives an answer that is known; the list holds what it was called with."""
    calls = []

    def answer(X, y, **options):
        calls.append({"X": X, "y": y} | options)
        return swept.result

    monkeypatch.setattr(cross_validation, "sweep", answer)
    return calls


@pytest.fixture
def no_work(monkeypatch):
    """Whatever is wrong has to be found before the sweep."""

    def never(*_, **__):
        raise AssertionError("the sweep began")

    monkeypatch.setattr(cross_validation, "sweep", never)


@pytest.fixture
def earlier(tmp_path):
    """A folder with the results of another day, which has to stay as it is."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(b"earlier " + name.encode())
    yield folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {n: b"earlier " + n.encode() for n in FILES}


def assert_stored(stored, result):
    """result.json holds the numbers of the sweep, all their digits."""
    for name in ("lams", "l1_ratios", "mean_mse", "se_mse", "fold_mse", "fold_gap"):
        np.testing.assert_array_equal(stored[name], getattr(result, name), err_msg=name)
    for name in ("lams", "intercept", "coef", "df", "n_nonzero", "gap", "n_iter"):
        np.testing.assert_array_equal(stored["path"][name], getattr(result.path, name), err_msg=name)
    for name in ("best", "one_se"):
        choice = getattr(result, name)
        assert stored[name]["lam"] == choice.lam
        assert stored[name]["l1_ratio"] == choice.l1_ratio
        assert stored[name]["intercept"] == choice.params.intercept
        np.testing.assert_array_equal(stored[name]["coef"], choice.params.coef)
    np.testing.assert_array_equal(stored["scale"], result.path.scale)
    assert stored["largest_gap"] == result.largest_gap
    assert stored["converged"] is result.converged is True


def cells(printed):
    """The lines of the table as {first cell: (at the minimum, one standard error)}."""
    lines = printed.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("feature "))
    end = next(i for i, line in enumerate(lines) if line.startswith("features used"))
    rows = (re.split(r" {2,}", line) for line in lines[start + 2 : end + 1] if line)
    return {name: (best, one_se) for name, best, one_se in rows}


# ---- Sweeps ---------------------------------------------------------------------------------------------------------


def test_the_table_on_the_terminal(swept):
    best, one_se = swept.result.best, swept.result.one_se
    head, shape, grid, blank, *_ = swept.printed.split("\n")
    assert head == "houses.csv: price"
    assert shape == "60 rows, 4 features; lasso (l1_ratio 1); 3 folds, seed 0"
    lams = swept.result.lams[0]
    assert grid == f"12 λs from {lams[0]:.4g} to {lams[-1]:.4g}"
    assert blank == ""
    table = cells(swept.printed)
    assert list(table) == [
        *FEATURES,
        "(intercept)",
        "λ",
        "mean squared error",
        "± standard error",
        "root mean squared error",
        "R²",
        "features used",
    ]
    for k, choice in enumerate((best, one_se)):
        for name, value in zip((*FEATURES, "(intercept)"), (*choice.params.coef, choice.params.intercept), strict=True):
            shown = table[name][k]
            assert (shown == "·") == (value == 0)
            assert value == 0 or float(shown) == pytest.approx(value, rel=5e-3)
        assert float(table["λ"][k]) == pytest.approx(choice.lam, rel=1e-5)
        assert float(table["mean squared error"][k]) == pytest.approx(choice.mean_mse, rel=1e-5)
        assert float(table["± standard error"][k]) == pytest.approx(choice.se_mse, rel=1e-2)
        assert float(table["root mean squared error"][k]) == pytest.approx(choice.mean_mse**0.5, rel=1e-5)
        assert float(table["R²"][k]) == pytest.approx(swept.result.mean_r2[tuple(choice.index)], abs=5e-4)
        assert table["features used"][k] == f"{choice.n_nonzero} of 4"
    assert one_se.n_nonzero < best.n_nonzero  # a table that tells the two apart
    largest = f"largest duality gap {swept.result.largest_gap:.1e} in 48 fits, all within the tolerance 1e-10"
    assert largest in swept.printed.split("\n")
    assert re.search(r"^\w+, float64: \d+\.\d\d s(, and \d+\.\d\d s to compile)?$", swept.printed, re.MULTILINE)
    files = "result.json, coefficients.csv, curve.csv, error_curve.png, coefficient_paths.png, report.html"
    assert swept.printed.endswith(f"\n\nWritten to {swept.folder}: {files}\n")


def test_the_files(swept):
    image = pytest.importorskip("matplotlib.image")
    assert sorted(file.name for file in swept.folder.iterdir()) == FILES
    assert_stored(swept.stored, swept.result)
    assert swept.stored["target"] == "price"
    assert swept.stored["feature_names"] == list(FEATURES)
    settings = swept.stored["settings"]
    expected = {"lams": 12, "l1_ratio": [1.0], "seed": 0, "file": "houses.csv", "dtype": "float64", "lower": None}
    assert expected.items() <= settings.items()
    head, *rows = (swept.folder / "coefficients.csv").read_text(encoding="utf-8").splitlines()
    assert head == "feature,best,one_se"
    assert [row.split(",")[0] for row in rows] == ["(intercept)", *FEATURES]
    best, one_se = swept.result.best.params, swept.result.one_se.params
    assert [float(row.split(",")[1]) for row in rows] == [best.intercept, *best.coef]
    assert [float(row.split(",")[2]) for row in rows] == [one_se.intercept, *one_se.coef]
    curve = np.genfromtxt(swept.folder / "curve.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(curve["lam"], swept.result.lams[0])
    np.testing.assert_array_equal(curve["mean_mse"], swept.result.mean_mse[0])
    for name in ("error_curve.png", "coefficient_paths.png"):
        assert image.imread(swept.folder / name).shape[:2] == (630, 960)


def variants():
    """Options at the command line, and the same in Python."""
    part, w = np.array(TABLE["part"], float), np.array(TABLE["w"], float)
    several = {"l1_ratio": [0.2, 0.5, 1.0]}
    bounds = {"fit_intercept": False, "standardize": False, "lower": 0.0, "upper": 3.0, "lams": [3.0, 0.5, 40.0]}
    yield "elastic net", (*BASE, "--l1-ratio", "0.2", "0.5", "1", *SIZE), several
    yield "ridge", (*BASE, "--l1-ratio", "0", *SIZE), {"l1_ratio": [0.0]}
    yield "the user's λs", (*BASE, "--folds", "3", "--lams", *LAMS), {"lams": [float(lam) for lam in LAMS]}
    yield "seed", (*BASE, "--seed", "5", *SIZE), {"seed": 5}
    yield "eps", (*BASE, "--eps", "0.1", *SIZE), {"eps": 0.1}
    yield "a column of folds", (*WITH_ALL, "w", "--lams", "12", "--folds", "part"), {"folds": part}
    yield "a column of weights", (*WITH_ALL, "--ignore", "part", "--sample-weight", "w", *SIZE), {"sample_weight": w}
    constrained = "--no-standardize", "--no-fit-intercept", "--lower", "0", "--upper", "3"
    yield "bounds", (*BASE, *constrained, "--folds", "3", "--lams", "3", "0.5", "40"), bounds


@pytest.mark.parametrize(("options", "arguments"), [v[1:] for v in variants()], ids=[v[0] for v in variants()])
def test_the_options_are_those_of_python(data, tmp_path, monkeypatch, options, arguments):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(plot, "save", lambda axes, stream, dpi: stream.write(b"a figure"))
    printed = good("sweep", data, *options, "--out", tmp_path / "out")
    result = jaxreg.sweep(X, Y, **({"lams": 12, "folds": 3} | arguments))
    stored = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert_stored(stored, result)
    assert f"{result.best.lam:.6g}" in printed
    if isinstance(arguments.get("lams"), list):
        assert stored["lams"] == [arguments["lams"]]  # in the user's order
    if "lower" in arguments:
        assert np.min(stored["path"]["coef"]) == 0
        assert np.max(stored["path"]["coef"]) == 3
        assert stored["best"]["intercept"] == 0
    if "folds" in arguments:
        assert "; folds of column part\n" in printed
    if "l1_ratio" in arguments:
        model = "ridge (l1_ratio 0)" if arguments["l1_ratio"] == [0] else ", chosen from 0.2, 0.5, 1)"
        assert model in printed


def test_rows_with_missing_cells_are_dropped_and_counted(swept, tmp_path):
    lines = as_csv(TABLE).splitlines()
    holes = ["H,,1,2,3,1,1,5", "H,1,NA,2,3,1,1,5", "H,1,1,2,3,1,1,"]
    path = tmp_path / "holes.csv"
    path.write_text("\n".join([*lines[:3], holes[0], *lines[3:40], *holes[1:], *lines[40:], ""]), encoding="utf-8")
    code, out, err = command("sweep", path, *BASE, *SIZE, "--na", "drop")
    assert (code, err) == (0, "jaxreg: 3 rows with missing cells left out: lines 4, 42, 43\n")
    assert cells(out) == cells(swept.printed)
    assert "\n3 rows with missing cells left out: lines 4, 42, 43\n" in out
    code, out, err = command("predict", swept.folder, path, "--na", "drop")
    assert (code, err) == (0, "jaxreg: 2 rows with missing cells left out: lines 4, 42\n")
    assert len(out.splitlines()) == 62


def test_parquet_is_the_same(swept, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "houses.parquet"
    parquet.write_table(pyarrow.table(TABLE), path)
    printed = good("sweep", path, *BASE, *SIZE)
    assert printed.startswith("houses.parquet: price\n")
    assert cells(printed) == cells(swept.printed)
    in_csv = good("predict", swept.folder, swept.data).splitlines()
    for number, line in enumerate(good("predict", swept.folder, path).splitlines()[1:], start=1):
        assert line.split(",") == [str(number), in_csv[number].split(",")[1]]


def test_other_delimiters_and_encodings_are_the_same(swept, tmp_path):
    path = tmp_path / "other.csv"
    path.write_bytes(as_csv(TABLE).replace(",", ";").replace("id;", "größe;", 1).encode("latin-1"))
    target = ["größe" if word == "id" else word for word in BASE]
    printed = good("sweep", path, *target, *SIZE, "--delimiter", ";", "--encoding", "latin-1")
    assert cells(printed) == cells(swept.printed)


def test_decimal_commas_are_the_same(swept, tmp_path):
    path = tmp_path / "komma.csv"
    path.write_text(as_csv(TABLE).replace(",", ";").replace(".", ","))
    printed = good("sweep", path, *BASE, *SIZE, "--delimiter", ";", "--decimal", ",", "--out", tmp_path / "out")
    assert cells(printed) == cells(swept.printed)
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "--decimal ," in report or "--decimal &#x27;,&#x27;" in report
    assert "decimal=&#x27;,&#x27;" in report or "decimal=&quot;,&quot;" in report
    given = "--delimiter", ";", "--decimal", ","
    assert good("predict", tmp_path / "out", path, *given) == good("predict", swept.folder, swept.data)


def test_the_version_is_said():
    assert good("--version") == f"jaxreg {jaxreg.__version__}\n"


def test_diabetes_as_a_data_set_and_as_a_file():
    """The table of the README, from both doors."""
    built_in = good("sweep", "--dataset", "diabetes")
    path = os.path.join(os.path.dirname(jaxreg.__file__), "datasets", "diabetes.csv")
    from_file = good("sweep", path, "--target", "progression")
    assert built_in.startswith("diabetes: progression\n442 rows, 10 features; lasso (l1_ratio 1); 10 folds, seed 0\n")
    assert from_file.startswith("diabetes.csv: progression\n442 rows, 10 features;")
    same = slice(1, -2)  # all but the title and the line with the time
    assert built_in.split("\n")[same] == from_file.split("\n")[same]
    assert "100 λs from 45.16 to 0.004516" in built_in
    assert cells(built_in)["features used"] == ("7 of 10", "4 of 10")


# ---- Options --------------------------------------------------------------------------------------------------------


def sweep_parser():
    (commands,) = (action for action in cli.parser()._actions if hasattr(action, "choices") and action.choices)
    return commands.choices["sweep"]


def test_the_names_and_defaults_of_the_options_are_those_of_python():
    of_python = inspect.signature(jaxreg.sweep).parameters
    options = {action.dest: action for action in sweep_parser()._actions}
    for the_data in ("file", "target", "dataset", "ignore", "delimiter", "encoding", "decimal", "na", "categorical"):
        del options[the_data]
    for the_command in ("help", "out", "rows", "stream", "fold_key", "distributed"):
        del options[the_command]
    of_python_alone = {"X", "y", "penalty_factor", "progress", "checkpoint", "device_arrays", "mesh"}
    assert set(of_python) - set(options) == of_python_alone | {"moments_by_fold", "target", "table"}
    assert set(options) <= set(of_python)
    for name, action in options.items():
        assert f"--{name.replace('_', '-')}" in action.option_strings
        several = isinstance(action.default, list)
        default = (action.default or [None])[0] if several else action.default  # none, or the first of them
        if name != "dtype":  # a file has none, so that of Python is float64 too
            assert str(default) == str(of_python[name].default), name


OPTIONS = {
    "lams": (("--lams", "7"), 7),
    "one λ": (("--lams", "7.0"), [7.0]),
    "l1_ratio": (("--l1-ratio", "0", "0.5"), [0.0, 0.5]),
    "folds": (("--folds", "4"), 4),
    "seed": (("--seed", "9"), 9),
    "fit_intercept": (("--no-fit-intercept",), False),
    "standardize": (("--no-standardize",), False),
    "lower": (("--lower", "-1.5"), -1.5),
    "upper": (("--upper", "2"), 2.0),
    "eps": (("--eps", "1e-3"), 1e-3),
    "tol": (("--tol", "1e-6"), 1e-6),
    "max_iter": (("--max-iter", "77"), 77),
    "dtype": (("--dtype", "float32"), "float32"),
    "device": (("--device", "cpu"), "cpu"),
}


@pytest.mark.parametrize(("name", "given"), OPTIONS.items(), ids=OPTIONS)
def test_an_option_reaches_the_sweep_and_no_other_does(data, canned, name, given):
    options, value = given
    good("sweep", data, *BASE)
    good("sweep", data, *BASE, *options)
    plain, changed = canned
    np.testing.assert_array_equal(changed["X"], X)
    np.testing.assert_array_equal(changed["y"], Y)
    name = "lams" if name == "one λ" else name
    assert changed[name] == value != plain[name]
    for other in set(plain) - {name, "X", "y", "progress"}:
        assert changed[other] == plain[other]


def test_rows_limits_what_is_printed(data, canned, swept):
    printed = good("sweep", data, *BASE, "--rows", "1")
    largest = FEATURES[np.argmax(np.abs(swept.result.best.params.coef) * swept.result.path.scale)]
    assert list(cells(printed))[:2] == [largest, "(intercept)"]
    assert "(the 1 largest by coefficient × scale; " in printed


def test_a_sweep_that_does_not_converge_is_3_and_is_written(data, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, err = command("sweep", data, *BASE, *SIZE, "--tol", "1e-30", "--out", tmp_path / "out")
    assert (code, err) == (3, "")
    assert "NOT all within the tolerance 1e-30" in out
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == FILES
    assert json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))["converged"] is False


def test_a_line_of_progress_only_on_a_terminal(data, canned, monkeypatch):
    assert good("sweep", data, *BASE)  # good() says that standard error stayed empty
    bar = canned[0]["progress"]
    assert not bar.visible


def test_info_names_versions_devices_and_the_cache():
    printed = good("info")
    assert re.search(rf"^jaxreg +{re.escape(jaxreg.__version__)}$", printed, re.MULTILINE)
    assert jax.__version__ in printed
    assert re.search(r"^devices +\w+:0", printed, re.MULTILINE)
    assert os.path.join(os.environ["XDG_CACHE_HOME"], "jaxreg") in printed


@pytest.mark.parametrize("arguments", [("--help",), ("sweep", "--help"), ("predict", "--help"), ("info", "--help")])
def test_help(arguments):
    printed = good(*arguments)
    assert printed.startswith("usage: jaxreg ")
    assert "(default: None)" not in printed


# ---- Predictions ----------------------------------------------------------------------------------------------------


def predictions(printed):
    head, *rows = printed.splitlines()
    assert head == "line,price"
    lines, values = zip(*(row.split(",") for row in rows), strict=True)
    assert lines == tuple(str(k + 2) for k in range(len(rows)))
    return np.array(values, float)


@pytest.fixture
def new_rows(tmp_path):
    """A table of new rows: no target, more columns than needed, and in another order."""
    new = np.random.default_rng(3).normal(size=(25, 4)) * X.std(0) + X.mean(0)
    table = {name: new[:, j].tolist() for j, name in enumerate(FEATURES)}
    table = {"income": table["income"], "street": ["Elm"] * 25, **table, "note": ["NA"] * 25}
    path = tmp_path / "new.csv"
    path.write_text(as_csv(table), encoding="utf-8")
    return path, new


@pytest.mark.parametrize("choice", ["best", "one_se"])
def test_predictions_are_those_of_the_sweep(swept, new_rows, tmp_path, choice):
    path, new = new_rows
    options = () if choice == "best" else ("--choice", choice)
    printed = good("predict", swept.folder, path, *options)
    expected = getattr(swept.result, choice).predict(new)
    np.testing.assert_allclose(predictions(printed), expected, rtol=1e-12)
    assert good("predict", swept.folder / "result.json", path, *options) == printed
    out = tmp_path / "predictions.csv"
    assert good("predict", swept.folder, path, *options, "--out", out) == ""
    assert out.read_text(encoding="utf-8") == printed


def test_the_name_of_the_target_is_quoted(swept, new_rows, tmp_path):
    path, _ = new_rows
    stored = swept.stored | {"target": 'price, "asked"'}
    (tmp_path / "result.json").write_text(json.dumps(stored), encoding="utf-8")
    printed = good("predict", tmp_path, path)
    assert printed.split("\n")[0] == 'line,"price, ""asked"""'
    good("predict", tmp_path, path, "--out", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text(encoding="utf-8") == printed


def test_predict_refuses(swept, tmp_path, new_rows):
    path, _ = new_rows
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("area,Rooms,share\n1,2,3\n", encoding="utf-8")
    assert "lacking.csv: no column is named 'rooms'; did you mean 'Rooms'?" in refusal("predict", swept.folder, lacking)
    hole = tmp_path / "hole.csv"
    hole.write_text("area,rooms,share,income\n1,,3,4\n", encoding="utf-8")
    assert "1 missing cell in column 'rooms'" in refusal("predict", swept.folder, hole)
    huge = tmp_path / "huge.csv"
    huge.write_text("area,rooms,share,income\n1,2,3,4\n1e308,1e308,1e308,1e308\n", encoding="utf-8")
    assert "row 2 is not finite" in refusal("predict", swept.folder, huge)
    assert "cannot read" in refusal("predict", tmp_path / "nothing", path)
    assert "not the result of a sweep" in refusal("predict", path, path)
    assert "cannot read" in refusal("predict", swept.folder, tmp_path / "nothing.csv")
    stored = swept.stored | {"version": 99}
    (tmp_path / "result.json").write_text(json.dumps(stored), encoding="utf-8")
    assert "has version 99; this jaxreg reads version 1" in refusal("predict", tmp_path, path)


def test_predictions_that_cannot_be_written_are_1(swept, new_rows, tmp_path, monkeypatch):
    path, _ = new_rows
    out = tmp_path / "p.csv"
    out.write_text("earlier", encoding="utf-8")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, printed, err = command("predict", swept.folder, path, "--out", out)
    assert (code, printed) == (1, "")
    assert err == f"jaxreg: cannot write {out}: No space left on device; nothing was changed\n"
    assert out.read_text(encoding="utf-8") == "earlier"
    code, _, err = command("predict", swept.folder, path, "--out", tmp_path / "nowhere" / "p.csv")
    assert (code, err.count("\n")) == (1, 1)


# ---- Words, gaps and labels ------------------------------------------------------------------------------------------

STREET = [("Elm", "Oak", "Fir")[k * 7 % 3] for k in range(60)]


@pytest.fixture
def streets(tmp_path):
    path = tmp_path / "streets.csv"
    path.write_text(as_csv(TABLE | {"street": STREET}), encoding="utf-8")
    return path


def test_words_are_the_columns_of_zeros_and_ones(streets, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    code, printed, said = command("sweep", streets, *BASE, *SIZE, "--categorical", "auto", "--out", out)
    assert (code, said) == (0, "jaxreg: columns of zeros and ones for the words of 'street' (3)\n")
    words = np.column_stack([[street == word for street in STREET] for word in ("Elm", "Fir", "Oak")])
    expected = jaxreg.sweep(np.column_stack([X, words]), Y, lams=12, folds=3)
    assert f"{expected.best.lam:.6g}" in printed
    again, _, said = command("sweep", streets, *BASE, *SIZE, "--categorical", "street")
    assert again == 0
    stored = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert stored["feature_names"] == [*FEATURES, "street=Elm", "street=Fir", "street=Oak"]
    np.testing.assert_array_equal(stored["best"]["coef"], expected.best.params.coef)

    new = tmp_path / "new.csv"
    new.write_text("street,income,share,rooms,area\nFir,4e4,0.2,4,100\nAsh,4e4,0.2,4,100\n", encoding="utf-8")
    assert "line 3, column 'street': 'Ash' is none of the words" in refusal("predict", out, new)
    printed = good("predict", out, new, "--unseen", "zero", "--keep", "street", "area")
    head, first, second = (row.split(",") for row in printed.splitlines())
    assert head == ["line", "street", "area", "price"]
    assert (first[:3], second[:3]) == (["2", "Fir", "100.0"], ["3", "Ash", "100.0"])
    values = np.array([[100, 4, 0.2, 4e4, 0, 1, 0], [100, 4, 0.2, 4e4, 0, 0, 0]])
    np.testing.assert_allclose([float(first[3]), float(second[3])], expected.predict(values), rtol=1e-12)


def test_least_squares_leaves_out_the_first_word(streets):
    code, printed, _ = command("sweep", streets, *BASE, "--categorical", "auto", "--lams", "0.0", "--folds", "3")
    assert code in (0, 3)
    assert "street=Elm" not in printed
    assert "street=Oak" in printed
    for options in (("--lams", "0.0", "--no-fit-intercept"), ("--lams", "0", "1")):
        _, printed, _ = command("sweep", streets, *BASE, "--categorical", "auto", *options, "--folds", "3")
        assert "street=Elm" in printed


def test_a_column_of_words_is_no_target(streets, no_work):
    message = refusal("sweep", streets, *BASE[2:], "--target", "street", "--categorical", "auto")
    assert message == "--target street is a column of words; it must hold numbers"
    assert "--target price is also in --categorical" in refusal("sweep", streets, *BASE, "--categorical", "price")
    assert "`--categorical auto`" in refusal("sweep", streets, *BASE)


def test_labels_of_folds_may_be_words(streets, canned):
    good("sweep", streets, *BASE, "--lams", "12", "--folds", "street")
    assert canned[0]["folds"].tolist() == STREET
    np.testing.assert_array_equal(canned[0]["X"], X)
    message = refusal("sweep", streets, *BASE, "--folds", "street", "--ignore", "street")
    assert "--folds street is also in --ignore" in message


def test_gaps_are_filled_in_and_so_are_those_of_new_rows(tmp_path):
    pytest.importorskip("matplotlib")
    holes = [cells.copy() for cells in TABLE.values()]
    table = dict(zip(TABLE, holes, strict=True))
    table["rooms"][4] = table["area"][7] = "NA"
    table["price"][9] = ""
    path, out = tmp_path / "holes.csv", tmp_path / "out"
    path.write_text(as_csv(table), encoding="utf-8")
    code, printed, said = command("sweep", path, *BASE, *SIZE, "--na", "mean", "--out", out)
    assert code == 0
    assert said == (
        "jaxreg: 1 row with missing cells left out: line 11\n"
        "jaxreg: the mean of the column in place of 2 missing cells in columns 'area' (1), 'rooms' (1)\n"
    )
    filled, stay = X.copy(), np.arange(60) != 9
    filled[4, 1] = np.delete(X[:, 1], [4, 9]).mean()
    filled[7, 0] = np.delete(X[:, 0], [7, 9]).mean()
    expected = jaxreg.sweep(filled[stay], Y[stay], lams=12, folds=3)
    assert f"{expected.best.lam:.6g}" in printed
    code, printed, said = command("predict", out, path)
    assert (code, said.count("in place of")) == (0, 1)
    lines = [row.split(",") for row in printed.splitlines()[1:]]
    np.testing.assert_allclose(float(lines[4][1]), expected.predict(filled[4:5])[0], rtol=1e-10)
    assert "2 missing cells" in refusal("predict", out, path, "--na", "error")
    code, printed, said = command("predict", out, path, "--na", "drop")
    assert [row.split(",")[0] for row in printed.splitlines()[1:]] == [str(k + 2) for k in range(60) if k not in (4, 7)]


def test_a_file_from_standard_input(data, canned, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.read_bytes())))
    printed = good("sweep", "-", *BASE)
    assert printed.startswith("standard input: price\n")
    np.testing.assert_array_equal(canned[0]["X"], X)


# ---- Bad files: rows 53 to 67 ---------------------------------------------------------------------------------------

LINES = as_csv({name: TABLE[name] for name in (*FEATURES, "price")}).splitlines()


def changed(line, text):
    """The table with one line replaced; the line of the names is line 1."""
    return "\n".join([*LINES[: line - 1], text, *LINES[line:], ""])


PLAIN = "\n".join([*LINES, ""])
BAD = {
    "53-empty": (changed(5, "1,,3,4,5"), "1 missing cell in column 'rooms' (1), the first on line 5; fill"),
    "53-NA": (changed(5, "1,NA,3,n/a,5"), "2 missing cells in columns 'rooms' (1), 'income' (1), the first on line 5"),
    "54-short": (changed(7, "1,2,3,4"), "line 7: 4 cells found, 5 expected"),
    "55-long": (changed(7, "1,2,3,4,5,6"), "line 7: 6 cells found, 5 expected"),
    "57-latin-1": (PLAIN.replace("rooms", "größe").encode("latin-1"), "line 1: not utf-8"),
    "57-utf-16": (PLAIN.encode("utf-16"), "`--encoding utf-16`"),
    "57-utf-16-le": (PLAIN.encode("utf-16-le"), "try `--encoding utf-16-le`"),
    "58-duplicate": (PLAIN.replace("rooms", "area", 1), "more than one column is named 'area'"),
    "58-empty": (PLAIN.replace("rooms", "", 1), "column 2 has no name"),
    "59-empty": ("", "no rows: the file is empty"),
    "59-header": (LINES[0] + "\n", "no rows: the file holds column names and nothing else"),
    "59-no-header": ("\n".join(LINES[1:]), "line 1 holds only numbers"),
    "60-target": (PLAIN.replace("price", "Price", 1), "no column is named 'price'; did you mean 'Price'?"),
    "61-quote": (changed(4, '1,"2,3,4,5'), "line 4"),
    "61-nul": (changed(4, "1,2,\0,4,5"), "line 4: a NUL byte"),
    "61-comma": (changed(4, '1,"2,5",3,4,5'), "line 4, column 'rooms': '2,5' has a comma"),
    "63-inf": (changed(4, "1,inf,3,4,5"), "line 4, column 'rooms': 'inf' is not finite"),
    "63-infinity": (changed(4, "1,2,-Infinity,4,5"), "line 4, column 'share': '-Infinity' is not finite"),
    "63-1e400": (changed(4, "1,2,3,4,1e400"), "line 4, column 'price': '1e400' is beyond the range"),
    "63-hexadecimal": (changed(4, "0x10,2,3,4,5"), "line 4, column 'area': '0x10' is not a number"),
    "63-underscore": (changed(4, "1_000,2,3,4,5"), "line 4, column 'area': '1_000' is not a number"),
    "65-csv-renamed": ((PLAIN, "houses.parquet"), "not a Parquet file, or damaged"),
    "65-empty-parquet": ((b"", "houses.parquet"), "no rows: the file is empty"),
    "text": (changed(4, "1,2,many,4,5"), "line 4, column 'share': 'many' is not a number"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, earlier, no_work, content, message):
    content, name = content if isinstance(content, tuple) else (content, "houses.csv")
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert message in refusal("sweep", path, "--target", "price", "--out", earlier)


def test_56_64_what_is_unusual_and_right(swept, tmp_path):
    lines = as_csv(TABLE).splitlines()
    lines[0] = ' id, area ,"rooms",share,income,w,part, price'
    lines[1] = lines[1].replace("H0", '"H, \n0"', 1)
    path = tmp_path / "houses.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert cells(good("sweep", path, *BASE, *SIZE)) == cells(swept.printed)


def test_62_text_far_down(tmp_path, earlier, no_work):
    path = tmp_path / "houses.csv"
    path.write_text("a,price\n" + "1,2\n" * 29_999 + "1,two\n", encoding="utf-8")
    assert "line 30001, column 'price': 'two'" in refusal("sweep", path, "--target", "price", "--out", earlier)


@pytest.mark.parametrize("damage", ["truncated", "a flipped byte"])
def test_65_66_damaged_parquet(tmp_path, earlier, no_work, damage):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "houses.parquet"
    table = {name: TABLE[name] for name in (*FEATURES, "price")}
    parquet.write_table(pyarrow.table(table), path, compression="none", use_dictionary=False, write_page_checksum=True)
    whole = path.read_bytes()
    at = whole.index(np.float64(TABLE["area"][30]).tobytes())
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else flipped)
    assert "not a Parquet file, or damaged" in refusal("sweep", path, "--target", "price", "--out", earlier)


def test_67_no_file(tmp_path, earlier, no_work):
    target = ("--target", "price", "--out", earlier)
    nothing = tmp_path / "nothing.csv"
    assert refusal("sweep", nothing, *target) == f"cannot read {nothing}: No such file or directory"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f"the folder {empty} holds no file that ends in .parquet" in refusal("sweep", empty, *target)
    assert "cannot read" in refusal("sweep", tmp_path / "two\nlines.csv", *target)


# ---- Bad options ----------------------------------------------------------------------------------------------------

FILE = object()  # stands for the table
T = (FILE, *BASE)
BAD_OPTIONS = {
    "nothing": ((), "give either FILE with --target COLUMN, or --dataset NAME"),
    "no target": (
        (FILE,),
        "--target COLUMN is missing: which column is to be predicted? The columns are id, area, rooms,",
    ),
    "no file": (("--target", "price", "--ignore", "w", FILE), "houses.csv for a column; write FILE first"),
    "both": ((*T, "--dataset", "diabetes"), "give either FILE"),
    "unknown data": (("--dataset", "diabtes"), "did you mean 'diabetes'?"),
    "data with a target": (("--dataset", "diabetes", "--target", "bmi"), "--target goes with FILE"),
    "data with weights": (("--dataset", "diabetes", "--sample-weight", "bmi"), "--sample-weight goes with FILE"),
    "data with --ignore": (("--dataset", "diabetes", "--ignore", "bmi"), "--ignore goes with FILE"),
    "data with a column of folds": (("--dataset", "diabetes", "--folds", "bmi"), "--folds bmi is not a whole number"),
    "60-target ignored": ((FILE, "--target", "price", "--ignore", "price"), "--target price is also in --ignore"),
    "weight ignored": ((*T, "--sample-weight", "w"), "--sample-weight w is also in --ignore"),
    "folds ignored": ((*T, "--folds", "part"), "--folds part is also in --ignore"),
    "target as weight": ((*T, "--sample-weight", "price"), "must name different columns"),
    "target as folds": ((*T, "--folds", "price"), "must name different columns"),
    "all ignored": ((*T, *FEATURES), "houses.csv has no column left as a feature beside price"),
    "text not ignored": ((FILE, "--target", "price"), "not numeric: 'id'; encode as numbers: a column of"),
    "unknown column ignored": ((*T, "rom"), "no column is named 'rom'; did you mean 'rooms'?"),
    "unknown weight": ((*T, "--sample-weight", "v"), "no column is named 'v'"),
    "unknown folds": ((*T, "--folds", "2.5"), "no column is named '2.5'"),
    "λs in one word": ((*T, "--lams", "0.1,1"), "--lams 0.1,1: give a whole number, or the λs as numbers"),
    "λs in words": ((*T, "--lams", "1", "many"), "--lams 1 many"),
    "no number": ((*T, "--l1-ratio", "half"), "--l1-ratio"),
    "no whole number": ((*T, "--seed", "1.5"), "--seed"),
    "no value": ((*T, "--tol"), "--tol"),
    "unknown choice": ((*T, "--dtype", "int8"), "--dtype"),
    "unknown option": ((*T, "--alpha", "1"), "--alpha"),
    "a word too many": ((*T, "--na", "drop", "more.csv"), "more.csv"),
    "delimiter": ((*T, "--delimiter", ",,"), "--delimiter must be one character"),
    "encoding": ((*T, "--encoding", "klingon"), "--encoding 'klingon' is not known"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_options(data, earlier, no_work, arguments, message):
    arguments = [data if argument is FILE else argument for argument in arguments]
    assert message in refusal("sweep", "--out", earlier, *arguments)


BAD_VALUES = {
    "no λ": (("--lams", "0"), "--lams 0 asks for no λs"),
    "a negative number of λs": (("--lams", "-5"), "lams=-5"),
    "a negative λ": (("--lams", "1", "-0.5"), "lams[1] is -0.5"),
    "a λ that is no number": (("--lams", "1", "nan"), "lams[1] is nan"),
    "l1_ratio": (("--l1-ratio", "1", "1.5"), "l1_ratio is 1.5; it must be a number from 0"),
    "eps": (("--eps", "2"), "eps is 2.0"),
    "tol": (("--tol", "0"), "tol is 0.0"),
    "max_iter": (("--max-iter", "0"), "max_iter is 0"),
    "lower": (("--lower", "1"), "lower[0] is 1"),
    "upper": (("--upper", "-1"), "upper[0] is -1"),
    "one fold": (("--folds", "1"), "folds=1"),
    "more folds than rows": (("--folds", "61"), "folds=61"),
    "device": (("--device", "abacus"), "device='abacus' is not available"),
    "73-too many λs": (("--lams", "100000000000"), "100,000,000,000 λs × 4 columns"),
}


@pytest.mark.parametrize(("options", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values(data, earlier, monkeypatch, options, message):
    monkeypatch.setattr(choose, "solve", None)  # whatever is wrong has to be found before the work
    start = time.monotonic()
    assert message in refusal("sweep", data, *BASE, "--out", earlier, *options)
    assert time.monotonic() - start < 5


def test_73_a_billion_λs_are_refused_at_once(earlier, monkeypatch):
    monkeypatch.setattr(members, "moments_of", None)
    start = time.monotonic()
    message = refusal("sweep", "--dataset", "diabetes", "--lams", "1000000000", "--out", earlier)
    assert message == "lams: 1,000,000,000 λs × 10 columns × 1 targets are 134 GiB of results; ask for fewer λs."
    assert time.monotonic() - start < 5


BAD_COLUMNS = {
    "a negative weight": (("part", "--sample-weight", "w"), "sample_weight[3] is -1"),
    "no weight at all": (("w", "--sample-weight", "part"), "sample_weight is 0 everywhere"),
    "one fold": (("w", "--folds", "part"), "folds gives 1 fold; at least 2 are needed"),
}


@pytest.mark.parametrize(("options", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_bad_columns_of_weights_and_folds(data, earlier, monkeypatch, options, message):
    monkeypatch.setattr(choose, "solve", None)
    weights = [*TABLE["w"][:3], -1, *TABLE["w"][4:]]
    data.write_text(as_csv(TABLE, w=weights, part=[0] * 60), encoding="utf-8")
    assert message in refusal("sweep", data, *WITH_ALL, *options, "--out", earlier)


@pytest.mark.parametrize("arguments", [(), ("swep",), ("predict",), ("predict", "result"), ("info", "more")])
def test_bad_commands(arguments):
    assert "see jaxreg" in refusal(*arguments)


# ---- Faults while running: rows 68 to 75 ----------------------------------------------------------------------------


@pytest.mark.parametrize("call", [1, 3, 5])
def test_68_a_full_disk_is_1_and_the_table_is_printed(data, earlier, canned, monkeypatch, call):
    pytest.importorskip("matplotlib")
    calls, sync = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(plot, "save", lambda axes, stream, dpi: stream.write(b"a figure"))
    monkeypatch.setattr("jaxreg.files.flush_folder", lambda folder: None)
    monkeypatch.setattr(os, "fsync", full)
    code, out, err = command("sweep", data, *BASE, "--out", earlier)
    assert code == 1
    assert len(calls) == call
    assert re.fullmatch(r"jaxreg: cannot write .*: No space left on device; nothing was changed\n", err)
    assert "features used" in out  # the work is not lost
    assert "Written" not in out


@posix
def test_69_killed_while_writing(swept, tmp_path, earlier):
    with open(tmp_path / "sweep.pickle", "wb") as stream:
        pickle.dump(swept.result, stream)
    code = f"""if True:
        import pickle, time
        from jaxreg import cross_validation, io
        with open({str(tmp_path / "sweep.pickle")!r}, "rb") as stream:
            answer = pickle.load(stream)
        cross_validation.sweep = lambda *_, **__: answer
        def write_json(path, data):  # the last file
            path.write_bytes(b"half a file")
            print("ready", flush=True)
            time.sleep(60)
        io.write_json = write_json
    """
    child = process("sweep", swept.data, *BASE, "--out", earlier, code=code)
    assert child.stdout.readline() == b"ready\n"
    child.kill()
    child.communicate(timeout=60)
    (left,) = (path for path in earlier.iterdir() if path.name not in FILES)
    assert left.name.startswith(".")  # what is left cannot be taken for a result
    assert left.name.endswith(".tmp")
    for path in left.iterdir():
        path.unlink()
    left.rmdir()


def test_70_an_interruption_is_130(data, earlier, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cross_validation, "sweep", interrupted)
    code, out, err = command("sweep", data, *BASE, "--out", earlier)
    assert (code, out) == (130, "")
    assert err == "\njaxreg: interrupted; nothing was written\n"


@pytest.mark.parametrize("call", [1, 9, 15])
def test_70_an_interruption_while_the_files_are_written_says_so(data, earlier, canned, monkeypatch, call):
    """Of six files that are finished, six that are moved aside and six that are moved in."""
    pytest.importorskip("matplotlib")
    calls, rename = [], os.replace

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == call:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(plot, "save", lambda axes, stream, dpi: stream.write(b"a figure"))
    monkeypatch.setattr(os, "replace", interrupted)
    code, out, err = command("sweep", data, *BASE, "--out", earlier)
    assert code == 130
    assert "Written" not in out
    assert err == f"\njaxreg: interrupted; {earlier} holds the new result, or what it held before\n"


def test_70_an_interruption_after_the_files_does_not_deny_them(data, canned, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")

    def interrupted(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(plot, "save", lambda axes, stream, dpi: stream.write(b"a figure"))
    monkeypatch.setattr("builtins.print", lambda *values, file=None: file.write(values[0]) if file else interrupted(0))
    code, _, err = command("sweep", data, *BASE, "--out", tmp_path / "new")
    assert (code, err) == (130, f"\njaxreg: interrupted; the result is in {tmp_path / 'new'}")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES)


@posix
def test_70_control_c_in_the_middle_of_a_sweep(data, earlier):
    """Hundreds of paths are solved; the line of progress on the terminal says when the work has begun."""
    ratios = np.linspace(0.1, 1, 500).tolist()
    leader, follower = os.openpty()
    options = (*BASE, "--lams", "12", "--folds", "60", "--l1-ratio", *ratios, "--out", earlier)
    child = process("sweep", data, *options, stderr=follower)
    os.close(follower)
    seen, start = b"", time.monotonic()
    while b"paths" not in seen:
        assert child.poll() is None, seen
        assert time.monotonic() - start < 120
        if select.select([leader], [], [], 1)[0]:
            seen += os.read(leader, 4096)
    child.send_signal(signal.SIGINT)
    while True:
        try:
            more = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        seen += more
    os.close(leader)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, b"")
    assert b"Traceback" not in seen
    bar, message = seen.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    assert message == "jaxreg: interrupted; nothing was written"
    assert bar.split("\r")[-2:] == [" " * len(bar.split("\r")[-3].rstrip()), ""]  # the bar is gone


def test_74_a_reader_that_has_seen_enough_does_not_cost_the_files(data, tmp_path, canned, monkeypatch):
    pytest.importorskip("matplotlib")

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            return descriptor

    monkeypatch.setattr(plot, "save", lambda axes, stream, dpi: stream.write(b"a figure"))
    with open(tmp_path / "closed", "w", encoding="utf-8") as stream, contextlib.redirect_stdout(Closed()):
        descriptor = stream.fileno()
        assert cli.main(["sweep", str(data), *BASE, "--out", str(tmp_path / "out")]) == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == FILES


@posix
def test_74_head(swept, tmp_path):
    path = tmp_path / "many.csv"
    path.write_text(",".join(FEATURES) + "\n" + "100,3,0.2,40000\n" * 50_000, encoding="utf-8")
    child = process("predict", swept.folder, path)
    assert child.stdout.readline() == b"line,price\n"
    child.stdout.close()
    child.stdout = None
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, b"")


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_68_standard_output_on_a_full_disk(swept):
    with open("/dev/full", "w", encoding="utf-8") as full:
        child = process("predict", swept.folder, swept.data, stdout=full)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (1, b"jaxreg: cannot write the output: No space left on device\n")


def test_a_terminal_without_greek_letters(data, canned):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    with contextlib.redirect_stdout(out):
        assert cli.main(["sweep", str(data), *BASE]) == 0
    assert b"12 ?s from" in out.buffer.getvalue()


def test_75_an_output_that_cannot_be_written_into_is_found_before_the_work(data, tmp_path, no_work, monkeypatch):
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"cannot write into the folder {bad}: " in refusal("sweep", data, *BASE, "--out", bad)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "not a folder"

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("jaxreg.files.tempfile.NamedTemporaryFile", denied)
    assert "Permission denied" in refusal("sweep", data, *BASE, "--out", tmp_path)


def test_without_matplotlib_out_is_refused_before_the_work(data, tmp_path, no_work, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'jaxreg[plots]'" in refusal("sweep", data, *BASE, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_pyarrow_parquet_is_refused(tmp_path, no_work, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "houses.parquet"
    path.write_bytes(b"PAR1\0")
    assert "pip install 'jaxreg[tables]'" in refusal("sweep", path, "--target", "price")


def test_a_damaged_cache_is_nobodys_business(data, swept, monkeypatch):
    def answer(*_, **__):
        warnings.warn("Error reading persistent compilation cache entry for 'jit__solve': error: -5", stacklevel=2)
        return swept.result

    monkeypatch.setattr(cross_validation, "sweep", answer)
    assert cells(good("sweep", data, *BASE)) == cells(swept.printed)


def test_a_cache_that_cannot_be_written_is_done_without(data, canned, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    good("sweep", data, *BASE)
    assert jax.config.jax_compilation_cache_dir == BEFORE["jax_compilation_cache_dir"]


def test_folders_of_the_cache_are_made_for_the_user_alone(data, canned, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "some" / "where"))
    before = os.umask(0o002)
    try:
        good("sweep", data, *BASE)
    finally:
        os.umask(before)
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "some" / "where" / "jaxreg")
    if os.name == "posix":
        for folder in ("some", "some/where", "some/where/jaxreg"):
            assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def shared(folder, mode):
    folder.chmod(mode)
    return folder


WAYS_IN = {
    "the folder": lambda base: shared(base / "jaxreg", 0o770),
    "the folder, sticky": lambda base: shared(base / "jaxreg", 0o1777),
    "the folder above": lambda base: shared(base, 0o777),
    "two above": lambda base: shared(base.parent, 0o775),
    "where a link leads": lambda base: linked(base, 0o777),
    "where the link is": lambda base: shared(link_in_another(base), 0o777),
}


def linked(base, mode):
    """The folder is a link to another; which others can write to."""
    (base / "jaxreg").rmdir()
    (base / "real").mkdir()
    (base / "jaxreg").symlink_to(base / "real")
    return shared(base / "real", mode)


def link_in_another(base):
    """The folder for caches is a link, and whoever can write beside it can bend it."""
    real = base.with_name("safe")
    base.rename(real)
    (base.parent / "links").mkdir()
    (base.parent / "links" / "to").symlink_to(real)
    base.symlink_to(base.parent / "links" / "to")
    return base.parent / "links"


@posix
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_programs_are_not_loaded_from_where_others_can_write(data, canned, tmp_path, monkeypatch, way_in):
    base = tmp_path / "home" / "cache"
    (base / "jaxreg").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    open_folder = WAYS_IN[way_in](base)
    try:
        code, out, err = command("sweep", data, *BASE)
        assert (code, "features used" in out) == (0, True)
        assert err == (
            "jaxreg: compiled programs are neither kept nor looked for: "
            f"others can write into {open_folder} (chmod go-w {open_folder})\n"
        )
        assert jax.config.jax_compilation_cache_dir == BEFORE["jax_compilation_cache_dir"]
        assert f"(not used: others can write into {open_folder}" in good("info")
    finally:
        open_folder.chmod(0o700)
    good("sweep", data, *BASE)  # the advice was followed
    assert jax.config.jax_compilation_cache_dir == str(base / "jaxreg")


@posix
def test_programs_are_not_loaded_from_another_users_folder(data, canned, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "jaxreg").mkdir(mode=0o700)
    lstat = Path.lstat

    def strangers(path):
        found = list(lstat(path))
        if path.name == "jaxreg":
            found[stat.ST_UID] = os.geteuid() + 1
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", strangers)
    assert f"{tmp_path / 'jaxreg'} belongs to another user" in command("sweep", data, *BASE).err
    assert jax.config.jax_compilation_cache_dir == BEFORE["jax_compilation_cache_dir"]
