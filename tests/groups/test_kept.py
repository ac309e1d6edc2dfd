"""Groups and windows whose blocks are kept: the same call goes on to the same bits, and is followed on the way."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxreg
from jaxreg.engines import runs as engine
from jaxreg.sweeps import groups

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
DATA = jaxreg.datasets.diabetes()
X, Y = DATA.X, DATA.y
BY = np.random.default_rng(3).integers(0, 9, len(Y))
CALLS = {
    "fit": lambda **o: jaxreg.fit(**{"X": X, "y": Y, "lam": 2.0, "by": BY} | o),
    "path": lambda **o: jaxreg.path(**{"X": X, "y": Y, "lams": 8, "by": jaxreg.rolling(90, step=20)} | o),
    "sweep": lambda **o: jaxreg.sweep(**{"X": X, "y": Y, "lams": 8, "folds": 3, "by": BY} | o),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(engine, "MOST_RUNS", 2)
    monkeypatch.setattr(groups, "NUMBERS", 1500)  # two groups
    for module in (engine, groups):
        monkeypatch.setattr(module, "CORES", 2)


def bytes_of(result, folder):
    result.save(folder / "result.npz")
    return (folder / "result.npz").read_bytes()


class Stop(Exception):
    pass


@pytest.mark.parametrize("name", CALLS)
def test_what_was_interrupted_goes_on_to_the_same_bits(name, tmp_path, monkeypatch):
    call, folder, seen = CALLS[name], tmp_path / "kept", []
    whole = bytes_of(call(progress=lambda *now: seen.append(now)), tmp_path)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(set(done))
    assert done[-1] == totals[-1] == (18 if name == "path" else 9)
    assert len(seen) >= 3

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        call(checkpoint=folder, progress=stop)
    blocks = sorted(file.name for file in folder.glob("*.npz"))
    assert len(blocks) == 2
    before = (folder / blocks[0]).stat().st_mtime_ns
    assert bytes_of(call(checkpoint=folder), tmp_path) == whole
    assert (folder / blocks[0]).stat().st_mtime_ns == before
    for module in (engine, groups):  # all is there, and nothing is computed
        monkeypatch.setattr(module, "_solve_block" if module is engine else "_of_block", None)
    assert bytes_of(call(checkpoint=folder), tmp_path) == whole


MOVED = BY.copy()
MOVED[0] = 8


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sweep", {"y": Y[::-1]}, "y differs"),
        ("sweep", {"seed": 1}, "folds differs"),
        ("sweep", {"by": MOVED}, "rows differs"),
        ("sweep", {"by": BY + 1}, "by group differs"),
        ("sweep", {"lams": 9}, "lams was 8 and is 9"),
        ("fit", {"standardize": False}, "standardize was True and is False"),
        ("path", {"by": jaxreg.rolling(90, step=30)}, "start differs"),
        ("fit", {"by": np.array(list("abcdefghi"))[BY]}, "by group differs"),
    ],
)
def test_another_call_is_refused_by_name(name, options, message, tmp_path):
    CALLS[name](checkpoint=tmp_path)
    with pytest.raises(ValueError, match=message) as refused:
        CALLS[name](checkpoint=tmp_path, **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("door", [jaxreg.fit, jaxreg.path, jaxreg.sweep])
def test_without_groups_there_is_nothing_to_keep(door, tmp_path):
    with pytest.raises(ValueError, match=rf"{door.__name__}\(checkpoint=\) keeps blocks of groups"):
        door(X, Y, 2.0 if door is jaxreg.fit else 5, checkpoint=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_times_and_words_as_keys_are_told_apart(tmp_path):
    month = np.array(["2024-01", "2024-02", "2024-03"], "datetime64[M]")[BY % 3]
    call = lambda key: jaxreg.fit(X, Y, 2.0, by=key, checkpoint=tmp_path)
    assert call(month).keys[0].tolist() == call(month).keys[0].tolist()
    with pytest.raises(ValueError, match="by group differs"):
        call(month + np.timedelta64(12, "M"))


KILLED = """
import sys, time
from jaxreg import cli
from jaxreg.sweeps import groups
groups.CORES, groups.NUMBERS, solve = 1, 15_000, groups._of_block
def slowly(*given):
    time.sleep(0.3)
    return solve(*given)
groups._of_block = slowly
print("begins", flush=True)
sys.exit(cli.main(["sweep", *sys.argv[1:]]))
"""


@posix
@pytest.mark.slow
def test_a_command_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    rng = np.random.default_rng(0)
    A = rng.normal(size=(20_000, 8))
    table = np.column_stack([A, A[:, 0] + rng.normal(size=len(A)), np.repeat(np.arange(200), 100)])
    names = ",".join([*"abcdefgh", "y", "shop"])
    np.savetxt(tmp_path / "t.csv", table, delimiter=",", header=names, comments="", fmt="%.9g")
    given = [str(tmp_path / "t.csv"), "--target", "y", "--by", "shop", "--lams", "60"]

    def run(folder, seconds=None, how=None):
        command = [sys.executable, "-c", KILLED, *given, "--out", str(tmp_path / folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            if seconds is not None:
                time.sleep(seconds)
                process.send_signal(how)
            _, said = process.communicate(timeout=600)
            return process.returncode, said

    assert run("whole")[0] == 0
    moments = random.Random(0)
    ended = [run("kept", moments.uniform(1.5, 4), signal.SIGINT if k % 4 == 3 else signal.SIGKILL) for k in range(12)]
    assert sum(code != 0 for code, _ in ended) >= 5
    assert any("which was killed; this one goes on from there." in said for _, said in ended)
    for code, said in ended:  # an interruption of a thread that waits is Python's own affair
        assert code == 130 or "Traceback" not in said, said
    assert run("kept")[0] == 0
    for file in ("groups.npz", "groups.csv"):
        assert (tmp_path / "kept" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
