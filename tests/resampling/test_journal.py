"""The journal: an interrupted call goes on to the same bits, and another call is refused by name."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxreg
from jaxreg.files import OutputError
from jaxreg.journal import Journal
from jaxreg.sweeps import resample_blocks

posix = pytest.mark.skipif(os.name != "posix", reason="locks and signals of POSIX")
DATA = jaxreg.datasets.diabetes()
X, Y = DATA.X[:150], DATA.y[:150]
CALLS = {
    "bootstrap": lambda **o: jaxreg.bootstrap(**{"X": X, "y": Y, "lams": 8, "n_resamples": 20, "jackknife": True} | o),
    "folds": lambda **o: jaxreg.bootstrap(**{"X": X, "y": Y, "lams": 8, "n_resamples": 20, "folds": 3} | o),
    "statistics": lambda **o: jaxreg.bootstrap(
        **{"X": X, "y": Y, "lams": 8, "n_resamples": 20, "keep": "statistics"} | o
    ),
    "wild": lambda **o: jaxreg.bootstrap(**{"X": X, "y": Y, "lams": 8, "n_resamples": 20, "kind": "wild"} | o),
    "stability": lambda **o: jaxreg.stability_selection(**{"X": X, "y": Y, "lams": 8, "q": 3, "n_pairs": 10} | o),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(resample_blocks, "MOST", 6)


def bytes_of(result, folder):
    result.save(folder / "result.npz")
    return (folder / "result.npz").read_bytes()


class Stop(Exception):
    pass


@pytest.mark.parametrize("name", CALLS)
def test_what_was_interrupted_goes_on_to_the_same_bits(name, tmp_path):
    call, folder = CALLS[name], tmp_path / "journal"
    whole = bytes_of(call(), tmp_path)
    seen = []

    def stop(done, total):
        seen.append(done)
        if done > 9:
            raise Stop

    with pytest.raises(Stop):
        call(checkpoint=folder, progress=stop)
    blocks = sorted(file.name for file in folder.glob("*.npz"))
    assert 1 <= len(blocks) < 4
    before = (folder / blocks[0]).stat().st_mtime_ns
    assert bytes_of(call(checkpoint=folder), tmp_path) == whole
    assert (folder / blocks[0]).stat().st_mtime_ns == before
    names = {file.name for file in folder.iterdir()}
    assert bytes_of(call(checkpoint=folder), tmp_path) == whole
    assert {file.name for file in folder.iterdir()} == names


def test_a_finished_journal_is_read_and_nothing_computed(tmp_path, monkeypatch):
    call = CALLS["bootstrap"]
    whole = bytes_of(call(checkpoint=tmp_path / "journal"), tmp_path)
    monkeypatch.setattr(resample_blocks, "of_weights", None)
    assert bytes_of(call(checkpoint=tmp_path / "journal"), tmp_path) == whole


MOVED = X.copy()
MOVED[3, 4] += 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"X": MOVED}, "another call: X differs"),
        ({"y": Y[::-1]}, "y differs"),
        ({"sample_weight": np.arange(150) % 2 + 1.0}, "sample_weight differs"),
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"n_resamples": 21}, "n_resamples was 20 and is 21"),
        ({"lams": 9}, "lams was 8 and is 9"),
        ({"l1_ratio": 0.5}, "l1_ratio was 1.0 and is 0.5"),
        ({"kind": "bayesian"}, "kind was 'pairs' and is 'bayesian'"),
        ({"jackknife": False}, "jackknife was True and is False"),
        ({"standardize": False, "seed": 2}, "seed was 0 and is 2, standardize was True and is False"),
        ({"X": X.astype(np.float32)}, "X differs"),
    ],
)
def test_another_call_is_refused_by_name(options, message, tmp_path):
    CALLS["bootstrap"](checkpoint=tmp_path)
    with pytest.raises(ValueError, match=message):
        CALLS["bootstrap"](checkpoint=tmp_path, **options)


def test_other_folds_and_another_function_are_refused(tmp_path):
    CALLS["folds"](checkpoint=tmp_path / "a", folds=np.arange(150) % 3)
    with pytest.raises(ValueError, match="folds differs"):
        CALLS["folds"](checkpoint=tmp_path / "a", folds=np.arange(150)[::-1] % 4)
    with pytest.raises(ValueError, match="function was 'bootstrap' and is 'stability_selection'"):
        CALLS["stability"](checkpoint=tmp_path / "a")


def block(folder, seed, compute):
    with Journal(folder, seed=seed) as journal:
        return journal.block("one", compute)["found"]


def test_a_block_that_is_damaged_or_of_another_call_is_computed_anew(tmp_path):
    compute = lambda: {"found": np.arange(3.0)}
    block(tmp_path / "a", 0, compute)
    whole = (tmp_path / "a" / "one.npz").read_bytes()
    again = lambda: block(tmp_path / "a", 0, compute)
    for cut in (0, 10, len(whole) - 5):
        (tmp_path / "a" / "one.npz").write_bytes(whole[:cut])
        np.testing.assert_array_equal(again(), np.arange(3.0))
    at = whole.index(np.arange(3.0).tobytes())
    (tmp_path / "a" / "one.npz").write_bytes(whole[:at] + b"\1" + whole[at + 1 :])  # a bit of the numbers
    np.testing.assert_array_equal(again(), np.arange(3.0))
    block(tmp_path / "b", 1, lambda: {"found": np.zeros(3)})
    (tmp_path / "a" / "one.npz").write_bytes((tmp_path / "b" / "one.npz").read_bytes())
    np.testing.assert_array_equal(again(), np.arange(3.0))


def test_a_folder_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "journal.json").write_text("{}")
    with pytest.raises(ValueError, match="not a journal"):
        Journal(tmp_path, seed=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write into"):
        Journal(tmp_path / "file", seed=0)


HOLDS = """
import sys, time
from jaxreg.journal import Journal
with Journal(sys.argv[1], seed=0):
    print("holds", flush=True)
    time.sleep(600)
"""


@posix
def test_two_processes_do_not_share_a_checkpoint_and_that_of_a_killed_one_is_taken_over(tmp_path):
    start = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "holds\n"
        with pytest.raises(ValueError, match=f"is in use by process {process.pid}; wait until that ends"):
            Journal(tmp_path, seed=0)
        with pytest.raises(ValueError, match="is in use"):  # nor does the answer of another call say anything else
            Journal(tmp_path, seed=1)
        process.kill()
    with pytest.warns(UserWarning, match=f"was kept by process {process.pid}, which was killed") as said:
        Journal(tmp_path, seed=0).close()
    assert len(said) == 1
    assert "\n" not in str(said[0].message)
    Journal(tmp_path, seed=0).close()  # which was closed: nothing to say


def test_a_call_that_fails_gives_the_checkpoint_back(tmp_path):
    with pytest.raises(Stop) as kept:  # as a notebook keeps the last error, with all that it refers to
        CALLS["bootstrap"](checkpoint=tmp_path, progress=lambda done, total: stop())
    CALLS["bootstrap"](checkpoint=tmp_path)
    with pytest.raises(ValueError, match="seed was 0 and is 1") as refused:
        CALLS["bootstrap"](checkpoint=tmp_path, seed=1)
    CALLS["bootstrap"](checkpoint=tmp_path)
    assert kept.tb is not None
    assert refused.tb is not None


def stop():
    raise Stop


KILLED = """
import sys
import jaxreg
from jaxreg.sweeps import resample_blocks
resample_blocks.MOST = 25
data = jaxreg.datasets.diabetes()
print("begins", flush=True)
found = jaxreg.bootstrap(data.X, data.y, 60, n_resamples=1500, folds=5, checkpoint=sys.argv[1])
found.save(sys.argv[2])
"""


@pytest.mark.slow
def test_killed_at_twenty_moments_it_ends_with_the_same_bits(tmp_path):
    def run(folder, result, seconds=None, how=None):
        command = [sys.executable, "-c", KILLED, str(folder), str(result)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ) as process:
            process.stdout.readline()
            if seconds is not None:
                time.sleep(seconds)
                process.send_signal(how)
            return process.wait(600)

    assert run(tmp_path / "whole", tmp_path / "whole.npz") == 0
    folder, result, moments = tmp_path / "journal", tmp_path / "result.npz", random.Random(0)
    ended = [run(folder, result, moments.uniform(0, 3), signal.SIGKILL if k % 4 else signal.SIGINT) for k in range(20)]
    assert sum(code != 0 for code in ended) > 10
    assert run(folder, result) == 0
    assert result.read_bytes() == (tmp_path / "whole.npz").read_bytes()
