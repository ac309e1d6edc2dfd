"""A line of progress that leaves nothing behind, and is not there where nobody looks."""

import io
import os
import sys
import types

import numpy as np
import optax
import pytest

import jaxreg
from jaxreg import progress
from jaxreg.progress import Bar, following


class Terminal(io.StringIO):
    """A terminal that knows what stands on its one line."""

    def isatty(self):
        return True

    def screen(self):
        line: list[str] = []
        column = 0
        for letter in self.getvalue():
            assert letter != "\n"
            if letter == "\r":
                column = 0
                continue
            line[column : column + 1] = [letter]
            column += 1
        return "".join(line)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when the test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_a_plain_line_now_and_then(clock):
    stream = io.StringIO()
    bar = Bar("paths", stream)
    bar.say("reading")
    for seconds, done in ((9.9, 1), (0.2, 2), (5, 3), (4.8, 4), (0.3, 5)):
        clock[0] += seconds
        bar(done, 11)
    bar.clear()
    assert stream.getvalue() == "2/11 paths, 10 s, 45 s left\n5/11 paths, 20 s, 24 s left\n"


def test_what_goes_on_before_there_is_anything_to_count(clock):
    stream = Terminal()
    bar = Bar("paths", stream)
    bar.say("reading houses.csv …")
    assert stream.screen() == "reading houses.csv …"
    clock[0] += 4
    bar(1, 11)  # the first took the compiling as well
    assert stream.screen().rstrip() == "[██··················] 1/11 paths, 4 s"


def test_the_line_on_a_terminal(clock):
    stream = Terminal()
    bar = Bar("paths", stream)
    clock[0] += 0.4
    bar(1, 11)
    assert stream.getvalue() == ""  # short work has no bar
    clock[0] += 9.6
    bar(5, 11)
    assert stream.screen() == "[█████████···········] 5/11 paths, 10 s, 12 s left"
    clock[0] += 12
    bar(11, 11)
    assert stream.screen().rstrip() == "[████████████████████] 11/11 paths, 22 s"
    bar.clear()
    assert stream.screen().strip() == ""
    assert stream.getvalue().endswith("\r")
    length = len(stream.getvalue())
    bar.clear()
    assert len(stream.getvalue()) == length


def test_an_interruption_while_the_line_is_printed_leaves_a_line_to_clear(clock):
    class Interrupted(Terminal):
        def flush(self):
            raise KeyboardInterrupt

    stream = Interrupted()
    bar = Bar("paths", stream)
    clock[0] += 10
    with pytest.raises(KeyboardInterrupt):
        bar(5, 11)
    stream.flush = lambda: None
    bar.clear()
    assert stream.screen().strip() == ""


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals of POSIX")
def test_a_real_terminal_is_seen_as_one():
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as stream:
        assert Bar("paths", stream).visible
    os.close(leader)
    with open(os.devnull, "w", encoding="utf-8") as stream:
        assert not Bar("paths", stream).visible


# ---- progress= ------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(24, 4))


def test_every_path_is_counted_once():
    calls = []
    lams = np.geomspace(1, 0.1, 5)
    jaxreg.sweep(X, X[:, 0], lams, [0.5, 1.0], folds=3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 8) for k in range(1, 9)]


def test_the_paths_of_a_relaxed_sweep_are_counted_once():
    calls = []
    jaxreg.relaxed_sweep(X, X[:, 0] + 0.1 * X[:, 1] ** 2, 5, folds=3, progress=lambda *now: calls.append(now))
    assert calls == [(k, 4) for k in range(1, 5)]


@pytest.mark.parametrize("shown", [True, False, None])
def test_nothing_is_said_without_a_terminal(capsys, shown):
    jaxreg.sweep(X, X[:, 0], 5, folds=3, progress=shown)
    assert capsys.readouterr() == ("", "")


def test_true_is_a_line_on_a_terminal_that_vanishes(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.time, "monotonic", iter(range(1000)).__next__)
    jaxreg.sweep(X, X[:, 0], 5, folds=3, progress=True)
    assert "] 2/4 paths, 2 s, 2 s left" in stream.getvalue()
    assert stream.screen().strip() == ""


def test_the_line_vanishes_when_the_work_fails(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.time, "monotonic", iter(range(1000)).__next__)

    def interrupted():
        with following(True, "paths") as show:
            show(1, 2)
            assert stream.screen().strip() == "[██████████··········] 1/2 paths, 1 s"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.screen().strip() == ""


def test_a_notebook_is_no_terminal_and_shows_the_line(monkeypatch, capsys):
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress.time, "monotonic", iter(range(1000)).__next__)
    with following(True, "paths") as show:
        show(1, 2)
    out, err = capsys.readouterr()
    assert "1/2 paths" in out
    assert err == ""
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace()))
    assert not Bar("paths", io.StringIO()).visible


@pytest.mark.parametrize("wrong", [3, "yes", [print]])
def test_what_is_no_callback_is_refused_before_the_work(wrong, monkeypatch):
    monkeypatch.setattr("jaxreg.engines.choose.solve", None)
    with pytest.raises(TypeError, match=r"progress is .*; it must be True, None or a function of \(done, total\)"):
        jaxreg.sweep(X, X[:, 0], 5, folds=3, progress=wrong)


def test_what_the_callback_raises_stops_the_sweep():
    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        jaxreg.sweep(X, X[:, 0], 5, folds=3, progress=stop)


def test_the_members_of_a_training_grid_are_counted(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.time, "monotonic", iter(range(1000)).__next__)
    loss = lambda w, lam: (w - lam) ** 2
    grid = {"lam": np.arange(20, dtype=np.float32)}
    for shown in (None, False):
        jaxreg.train_grid(loss, 0.0, grid, optimizer=optax.sgd(0.1), steps=3, progress=shown)
    assert stream.getvalue() == ""
    jaxreg.train_grid(loss, 0.0, grid, optimizer=optax.sgd(0.1), steps=3, progress=True)
    assert "] 10/20 members, " in stream.getvalue()
    assert stream.screen().strip() == ""
    with pytest.raises(TypeError, match="progress is 3"):
        jaxreg.train_grid(loss, 0.0, grid, optimizer=optax.sgd(0.1), steps=3, progress=3)
