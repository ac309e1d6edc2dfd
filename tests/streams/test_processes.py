"""Processes that share a stream: two and four real ones on this machine, against one."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxreg
from tests.streams.conftest import EXTRA, cut, made, write_csv, write_parquet

pytest.importorskip("pyarrow")

CHILD = """
import sys
import numpy as np
import jaxreg
source, folds, out, checkpoint, slow = sys.argv[1:6]
if float(slow):
    import time
    from jaxreg.streams import read
    read.BETWEEN, quick = 0.0, read.moments_of_block
    def waiting(*given):
        time.sleep(float(slow))
        return quick(*given)
    read.moments_of_block = waiting
with jaxreg.distributed() as (number, count):
    print("begins", flush=True)
    table = {"ignore": [name for name in ("weight", "group", "customer") if name != folds]}
    folds, how = (int(folds), {}) if folds.isdigit() else (folds, {})
    if sys.argv[6:]:
        table["fold_key"] = "customer"
        table["ignore"].remove("customer")
    parts = jaxreg.fold_moments(source, "y", folds=folds, checkpoint=checkpoint or None, **table)
    result = jaxreg.sweep(moments_by_fold=parts, lams=12)
    if number == 0:
        np.savez(out, mse=result.fold_mse, coef=result.path.coef, gap=result.fold_gap, xx=sum(parts).xx, count=count)
"""


def environment(count, number, port):
    given = {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(count)}
    given |= {"JAX_PROCESS_ID": str(number), "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)}
    return os.environ | given


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def under_slurm(count, number, port):
    """As srun sets it on one node; JAX makes the port of the number of the job."""
    given = {"SLURM_JOB_ID": str(port), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": str(count)}
    given |= {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
    return os.environ | given | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)}


def start(count, *command, told=environment):
    port = free_port()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, env=told(count, k, port), **pipes) for k in range(count)]


def finished(children):
    return [(*child.communicate(timeout=300), child.returncode) for child in children]


def shared(count, *arguments, slow=0.0):
    more = [*map(str, arguments)]
    done = finished(start(count, sys.executable, "-W", "error", "-c", CHILD, *more[:4], str(slow), *more[4:]))
    assert all(code == 0 for _, _, code in done), "\n".join(err[-2000:] for _, err, _ in done)


@pytest.fixture
def data(tmp_path):
    """Row groups of 50 rows in three files of unequal length."""
    columns = made().columns
    (tmp_path / "data").mkdir()
    for k, (first, last) in enumerate([(0, 300), (300, 1625), (1625, 2400)]):
        write_parquet(cut(columns, first, last), tmp_path / "data" / f"{k}.parquet", 50)
    return tmp_path / "data"


def assert_same(out, parts, count):
    with np.load(out) as found:
        assert found["count"] == count
        expected = jaxreg.sweep(moments_by_fold=parts, lams=12)
        np.testing.assert_allclose(found["xx"], sum(parts).xx, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(found["coef"], expected.path.coef, atol=1e-10)
        np.testing.assert_allclose(found["mse"], expected.fold_mse, rtol=1e-10)
        assert found["gap"].max() <= 1e-10


@pytest.mark.slow  # a lost process, below, is one of two too
def test_two_processes_have_the_answer_of_one(data, tmp_path):
    shared(2, data, 5, tmp_path / "found.npz", "")
    assert_same(tmp_path / "found.npz", jaxreg.fold_moments(data, "y", folds=5, ignore=EXTRA), 2)


@pytest.mark.slow
def test_four_processes_with_folds_of_a_column_and_of_a_key(data, tmp_path):
    shared(4, data, "group", tmp_path / "found.npz", "")
    expected = jaxreg.fold_moments(data, "y", folds="group", ignore=["weight", "customer"])
    assert_same(tmp_path / "found.npz", expected, 4)
    shared(4, data, 3, tmp_path / "key.npz", "", "key")
    expected = jaxreg.fold_moments(data, "y", folds=3, fold_key="customer", ignore=["weight", "group"])
    assert_same(tmp_path / "key.npz", expected, 4)


@pytest.mark.slow
def test_csv_files_go_whole_and_more_processes_than_files_have_nothing_to_read(tmp_path):
    columns = made(600).columns
    (tmp_path / "data").mkdir()
    for k in range(2):
        write_csv(cut(columns, 300 * k, 300 * (k + 1)), tmp_path / "data" / f"{k}.csv")
    shared(3, tmp_path / "data", "group", tmp_path / "found.npz", "")
    expected = jaxreg.fold_moments(tmp_path / "data", "y", folds="group", ignore=["weight", "customer"])
    assert_same(tmp_path / "found.npz", expected, 3)


def test_a_lost_process_ends_the_job_and_nothing_that_was_kept_is_lost(data, tmp_path):
    """Process 1 is killed at work: the other says so in a line, and both go on from there to the answer of one."""
    more = map(str, (data, 5, tmp_path / "found.npz", tmp_path / "kept", 0.2))
    children = start(2, sys.executable, "-W", "error", "-c", CHILD, *more)
    for child in children:
        assert child.stdout.readline() == "begins\n"
    kept = [tmp_path / "kept" / name / "sums.npz" for name in ("0-of-2", "1-of-2")]
    while not all(file.exists() for file in kept):
        assert children[1].poll() is None
        time.sleep(0.02)
    children[1].send_signal(signal.SIGKILL)
    (_, error, code), _ = finished(children)
    assert code not in (0, None)
    assert "LostProcess: one of the 2 processes is gone, and the job ends" in error
    assert not (tmp_path / "found.npz").exists()
    assert all(file.exists() for file in kept)
    done = finished(start(2, sys.executable, "-W", "ignore", "-c", CHILD, *_again(data, tmp_path)))
    assert all(code == 0 for _, _, code in done), "\n".join(err[-2000:] for _, err, _ in done)
    assert_same(tmp_path / "found.npz", jaxreg.fold_moments(data, "y", folds=5, ignore=EXTRA), 2)


def _again(data, tmp_path):
    return map(str, (data, 5, tmp_path / "found.npz", tmp_path / "kept", 0.0))


def command(*arguments):
    return [sys.executable, "-m", "jaxreg.cli", "sweep", *map(str, arguments)]


def test_the_command_under_slurm_writes_once(data, tmp_path):
    options = [
        "--target",
        "y",
        "--ignore",
        *EXTRA,
        "--folds",
        4,
        "--lams",
        8,
        "--distributed",
        "--out",
        tmp_path / "out",
    ]
    (first, _, code), (second, _, other) = finished(start(2, *command(data, *options), told=under_slurm))
    assert (code, other) == (0, 0)
    assert "2,400" in first
    assert second == ""
    assert (tmp_path / "out" / "result.json").exists()
    assert not (tmp_path / "out" / "sweep_blocks").exists()


def test_what_one_finds_wrong_all_say(data, tmp_path):
    columns = {name: values.copy() for name, values in made(100).columns.items()}
    columns["b"][70] = np.nan
    write_parquet(columns, data / "9.parquet", 50)
    done = finished(start(2, *command(data, "--target", "y", "--ignore", *EXTRA, "--distributed")))
    for out, error, code in done:
        assert (out, code) == ("", 2)
        (line,) = [line for line in error.splitlines() if line.startswith("jaxreg: ")]
        assert "9.parquet, row group 1" in line
        assert "'b'" in line


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "nothing says which process this is"),
        ({"JAX_PROCESS_ID": "one"}, "JAX_PROCESS_ID is 'one'; it must be a number"),
    ],
)
def test_processes_that_do_not_know_each_other(data, variables, message):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "OMPI", "JAX_"))}
    env = clean | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)} | variables
    run = subprocess.run(
        command(data, "--target", "y", "--distributed"), env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert message in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_a_table_in_memory_is_not_shared(data):
    file = Path(data) / "0.parquet"
    run = subprocess.run(
        command(file, "--target", "y", "--distributed"),
        env=environment(1, 0, free_port()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "give a pattern, or --stream" in run.stderr
