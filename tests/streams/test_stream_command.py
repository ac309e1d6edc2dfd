"""``jaxreg sweep`` reads patterns, folders and large files piece by piece, and says the same as on the whole table."""

import json

import numpy as np
import pytest

import jaxreg
from jaxreg import cli
from jaxreg.cli import streamed
from tests.streams.conftest import EXTRA, N, cut, write_csv, write_parquet

pytest.importorskip("pyarrow")


@pytest.fixture
def data(stored, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    write_parquet(cut(stored.columns, 0, 900), tmp_path / "data" / "0.parquet")
    write_parquet(cut(stored.columns, 900, N), tmp_path / "data" / "1.parquet")
    write_csv(stored.columns, tmp_path / "table.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments, code=0):
    assert cli.main(["sweep", *map(str, arguments)]) == code
    return capsys.readouterr()


BASE = ("--target", "y", "--ignore", *EXTRA, "--lams", "20", "--folds", "4")


def test_a_pattern_a_folder_and_a_stream_say_what_the_table_says(data, stored, capsys):
    whole = run(capsys, "table.csv", *BASE).out
    for source in (("data/*.parquet",), ("data",), ("table.csv", "--stream")):
        said = run(capsys, *source, *BASE)
        assert "2,400 rows in one pass" in said.err
        lines = lambda text: [line for line in text.splitlines()[1:-1] if "in one pass" not in line]
        rounding = slice(0, -1)  # the largest gap is one of rounding
        assert lines(said.out)[rounding] == lines(whole)[rounding]


def test_files_are_written_and_what_was_kept_is_gone(data, stored, capsys):
    run(capsys, "data", *BASE, "--out", "out")
    result = json.loads((data / "out" / "result.json").read_text())
    expected = jaxreg.sweep(stored.X, stored.y, lams=20, folds=4)
    np.testing.assert_allclose(result["best"]["coef"], expected.best.params.coef, rtol=1e-10)
    assert not (data / "out" / "sweep_blocks").exists()
    page = (data / "out" / "report.html").read_text()
    assert "jaxreg sweep data --target y" in page
    run(capsys, "data", *BASE, "--folds", "5", "--out", "out")  # another call into the same folder


def test_folds_of_a_key_and_weights(data, stored, capsys):
    roles = "--fold-key", "customer", "--sample-weight", "weight"
    said = run(capsys, "data", "--target", "y", "--ignore", "group", *roles)
    assert "10 folds of column customer" in said.out


def test_large_files_are_streams(data, capsys, monkeypatch):
    monkeypatch.setattr(streamed, "SHARE", 0.0)
    assert "in one pass" in run(capsys, "table.csv", *BASE).err


REFUSED = {
    "groups": (("data", *BASE, "--by", "group"), "--by does not go with a stream"),
    "absolute errors": (("data", *BASE, "--measure", "mae"), "takes no measure: that needs rows"),
    "a strategy": (("data", *BASE, "--strategy", "parallel"), "takes no strategy: that needs rows"),
    "float32": (("data", *BASE, "--dtype", "float32"), "takes no dtype: that needs rows"),
    "filled in": (("data", *BASE, "--na", "median"), "a stream takes 'error', 'drop' or 'mean'"),
    "no target": (("data",), "--target COLUMN is missing; the columns are a, b"),
    "no match": (("none/*.csv", "--target", "y"), "no file matches none/*.csv"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_in_one_line(name, data, capsys):
    arguments, message = REFUSED[name]
    said = run(capsys, *arguments, code=2)
    assert message in said.err.splitlines()[-1]
    assert said.out == ""
