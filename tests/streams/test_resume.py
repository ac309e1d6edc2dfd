"""A pass that is killed at any moment goes on from its checkpoint, to the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxreg
from jaxreg.streams import read
from tests.streams.conftest import EXTRA, made, write_csv, write_parquet

pytest.importorskip("pyarrow")

# Every unit is kept; a piece takes a while, so that a kill finds the pass at work.
CHILD = """
import sys, time
import jaxreg
from jaxreg.streams import read
from jaxreg.tables import csv_pieces
read.BETWEEN, csv_pieces.PIECE, slow = 0.0, 4000, read.moments_of_block
def waiting(*given):
    time.sleep(0.01)
    return slow(*given)
read.moments_of_block = waiting
source, folder = sys.argv[1:3]
print("begins", flush=True)
ignore = ["weight", "group", "customer"]
sum(jaxreg.fold_moments(source, "y", folds=3, ignore=ignore, checkpoint=folder)).save(sys.argv[3])
"""


def run(*arguments, after=None):
    """The exit code; killed so many seconds after its work begins."""
    environment = os.environ | {"PYTHONPATH": str(Path(jaxreg.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    child = [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, arguments)]
    with subprocess.Popen(child, stdout=subprocess.PIPE, env=environment) as process:
        if after is not None:
            assert process.stdout.readline() == b"begins\n"
            time.sleep(after)
            process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode


@pytest.fixture(params=["parquet", "csv"])
def source(request, tmp_path):
    columns = made(6000).columns
    (tmp_path / "data").mkdir()
    for k in range(3):
        part = {name: values[2000 * k : 2000 * (k + 1)] for name, values in columns.items()}
        if request.param == "csv":
            write_csv(part, tmp_path / "data" / f"{k}.csv")
        else:
            write_parquet(part, tmp_path / "data" / f"{k}.parquet", 50)
    return tmp_path / "data"


def killed_and_resumed(source, tmp_path, moments):
    assert run(source, tmp_path / "whole", tmp_path / "whole.npz") == 0
    killed = 0
    for after in moments:
        killed += run(source, tmp_path / "cut", tmp_path / "cut.npz", after=after) == -signal.SIGKILL
    assert run(source, tmp_path / "cut", tmp_path / "cut.npz") == 0
    assert (tmp_path / "cut.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    return killed


def test_killed_twice(source, tmp_path):
    assert killed_and_resumed(source, tmp_path, [0.15, 0.25]) > 0


@pytest.mark.slow
def test_killed_at_twenty_moments(source, tmp_path):
    moments = np.random.default_rng(0).uniform(0.0, 0.4, 20)
    assert killed_and_resumed(source, tmp_path, moments) > 5


def test_what_was_added_is_not_read_again(source, tmp_path, monkeypatch):
    """A pass that an error ends, in the last file, begins there when it is called again."""
    monkeypatch.setattr(read, "BETWEEN", 0.0)
    options = {"folds": 3, "ignore": EXTRA}
    whole = jaxreg.fold_moments(source, "y", **options)
    seen, real = [], read.moments_of_block

    def counting(block, *given):
        seen.append(block.n_rows)
        if sum(seen) > 4500 and len(broken) == 0:
            broken.append(True)
            raise KeyboardInterrupt
        return real(block, *given)

    broken = []
    monkeypatch.setattr(read, "moments_of_block", counting)
    with pytest.raises(KeyboardInterrupt):
        jaxreg.fold_moments(source, "y", checkpoint=tmp_path / "kept", **options)
    seen.clear()
    again = jaxreg.fold_moments(source, "y", checkpoint=tmp_path / "kept", **options)
    assert sum(seen) < 4000
    for one, other in zip(whole, again, strict=True):
        assert one.xx.tobytes() == other.xx.tobytes()
        assert one.unit == other.unit
    seen.clear()
    jaxreg.fold_moments(source, "y", checkpoint=tmp_path / "kept", **options)
    assert not seen  # it is all there


def test_rows_without_weight_and_pieces_without_rows_are_counted(tmp_path, monkeypatch):
    """The seeded rule counts rows of weight 0; a row group in which every row has a hole is gone over."""
    monkeypatch.setattr(read, "BETWEEN", 0.0)
    columns = {name: values for name, values in made(600).columns.items() if name not in ("group", "customer")}
    columns["weight"] = np.where(np.arange(600) // 50 % 3 == 1, 0.0, columns["weight"])
    columns["a"] = np.where(np.arange(600) // 50 == 4, np.nan, columns["a"])
    file = tmp_path / "t.parquet"
    write_parquet(columns, file, 50)
    options = {"folds": 3, "sample_weight": "weight", "missing": "drop"}
    whole = read.read_stream(file, "y", 3, 0, sample_weight="weight", missing="drop")
    assert "50 rows with missing cells left out" in whole.notes
    real, calls = read.moments_of_block, []

    def broken(block, *given):
        calls.append(block)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(block, *given)

    monkeypatch.setattr(read, "moments_of_block", broken)
    with pytest.raises(KeyboardInterrupt):
        jaxreg.fold_moments(file, "y", checkpoint=tmp_path / "kept", **options)
    again = jaxreg.fold_moments(file, "y", checkpoint=tmp_path / "kept", **options)
    for one, other in zip(whole.folds, again, strict=True):
        assert one.xx.tobytes() == other.xx.tobytes()
    keep = ~np.isnan(columns["a"])
    X = np.stack([columns[name][keep] for name in "abcd"], axis=1)
    found = jaxreg.sweep(moments_by_fold=again, lams=5)
    expected = jaxreg.sweep(X, columns["y"][keep], 5, folds=3, sample_weight=columns["weight"][keep])
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-10)


def test_another_call_is_refused(source, tmp_path):
    options = {"ignore": EXTRA, "checkpoint": tmp_path / "kept"}
    jaxreg.fold_moments(source, "y", folds=3, **options)
    with pytest.raises(ValueError, match="belongs to another call: folds was 3 and is 4"):
        jaxreg.fold_moments(source, "y", folds=4, **options)
    file = sorted(source.iterdir())[0]
    os.utime(file, ns=(0, 0))
    with pytest.raises(ValueError, match="belongs to another call: files differs"):
        jaxreg.fold_moments(source, "y", folds=3, **options)
