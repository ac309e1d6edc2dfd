"""The benchmarks run: on a tiny problem, with a peer that works, one that is missing, and ones that misbehave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import contest
import contestant
import numpy as np
import peers
import problems
import pytest

import jaxreg

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def folder(tmp_path):
    problems.save(problems.make(problems.Shape(30, 4, 2), lams=4, folds=3), tmp_path)
    return tmp_path


def pretender(folder, replies):
    """The command of a worker that gives these replies, one a request, after it has said that it is ready."""
    script = folder / "pretender.py"
    script.write_text(
        f"import sys, time\nprint('ready 0.5 1.2.3', flush=True)\nreplies = iter({replies!r})\n"
        "for line in sys.stdin:\n    reply = next(replies)\n    time.sleep(60 if reply == 'sleep' else 0)\n"
        "    print(reply, flush=True) if reply != 'die' else sys.exit('killed by a bug')\n",
        encoding="utf-8",
    )
    return [sys.executable, str(script)]


def test_a_program_that_is_not_there_is_not_installed(folder):
    with pytest.raises(contestant.Failed, match=r"^not installed$"):
        contestant.Contestant([str(folder / "nothing")], folder)


def test_a_package_that_is_not_there_is_not_installed(folder):
    environment = {"PYTHONPATH": str(folder)}
    (folder / "celer.py").write_text("raise ImportError('no celer')", encoding="utf-8")
    command = [sys.executable, str(BENCHMARKS / "worker.py"), "celer"]
    with pytest.raises(contestant.Failed, match=r"^not installed$"):
        contestant.Contestant(command, folder, environment)


def test_replies_failures_death_and_lateness_are_told_apart(folder):
    worker = contestant.Contestant(pretender(folder, ["done 2 1 8 1e-7", "failed it is Monday", "die"]), folder)
    assert (worker.imported, worker.version) == (0.5, "1.2.3")
    assert worker.ask("path", 1e-4, 10.0) == {"first": 2, "best": 1, "mib": 8, "gap": 1e-7}
    with pytest.raises(contestant.Failed, match="failed it is Monday"):
        worker.ask("path", 1e-4, 10.0)
    for _ in range(2):
        with pytest.raises(contestant.Failed, match=r"killed by a bug|has ended"):
            worker.ask("path", 1e-4, 10.0)
    late = contestant.Contestant(pretender(folder, ["sleep"]), folder)
    with pytest.raises(contestant.Failed, match="took longer than 0 s"):
        late.ask("path", 1e-4, 0.2)
    assert late.process.returncode is not None  # its process was ended


def test_the_tolerances_fall_to_the_last_one():
    assert contest.decades(1e-3)[:3] == [1e-3, 1e-4, 1e-5]
    assert contest.decades(1e-3)[-1] == contest.FARTHEST
    assert contest.finer(1e-3)[:5] == [1e-3, 5e-4, 2e-4, 1e-4, 5e-5]
    assert contest.finer(2e-9)[:3] == [2e-9, 1e-9, 5e-10]


def test_cross_validation_with_a_path_is_that_of_jaxreg(monkeypatch):
    monkeypatch.setattr(peers, "PROCESSES_PAY", np.inf)  # this process runs JAX and must not be forked
    X, y, lams, folds = problems.make(problems.Shape(30, 4, 2), lams=4, folds=3)
    exact = jaxreg.sweep(X, y, lams, folds=folds, standardize=False)

    def path(X, y, lams, tolerance):
        """Coordinate descent on centred data."""
        coef = np.zeros((len(lams), X.shape[1]))
        for w, lam in zip(coef, lams, strict=True):
            for _ in range(300):
                for j in range(X.shape[1]):
                    c = X[:, j] @ (y - X @ w + X[:, j] * w[j]) / len(y)
                    w[j] = np.sign(c) * max(abs(c) - lam, 0) / (X[:, j] @ X[:, j] / len(y))
        return coef

    error, coef = peers.cross_validate(path, X, y, lams, folds, 0.0, True)
    np.testing.assert_allclose(error, exact.mean_mse[0], rtol=1e-8)
    np.testing.assert_allclose(coef[0, :, 1:], exact.path.coef, atol=1e-8)
    assert coef.shape == (4, 4, 5)


def test_folds_in_processes_of_their_own_give_the_same():
    """In another process, for this one runs JAX and must not be forked."""
    pytest.importorskip("threadpoolctl")
    script = """
import numpy as np, peers, problems
X, y, lams, folds = problems.make(problems.Shape(30, 4, 2), lams=4, folds=3)
path = lambda X, y, lams, tolerance: np.outer(1 / lams, X.T @ y / len(y))
in_turn = peers.cross_validate(path, X, y, lams, folds, 0.0, True)
peers.PROCESSES_PAY = 0.0
peers.CORES = 2
for one, other in zip(in_turn, peers.cross_validate(path, X, y, lams, folds, 0.0, True), strict=True):
    np.testing.assert_array_equal(one, other)
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"PYTHONPATH": str(BENCHMARKS)})


@pytest.mark.slow
@pytest.mark.parametrize("job", ["path", "cv"])
def test_a_contest_on_a_tiny_problem(job):
    """jaxreg and scikit-learn reach their gaps, agree on the error curve, and have a ratio."""
    pytest.importorskip("sklearn")
    record = contest.contest(job, "tiny", 2, 60.0, ["scikit-learn", "LassoCV"])
    rows = {(row["name"], row.get("tolerance")): row for row in record["rows"]}
    assert rows["jaxreg on a GPU", None]["status"] == "not measured" or rows["jaxreg on a GPU", 1e-6]["gap"] <= 1e-6
    assert rows["jaxreg", 1e-6]["gap"] <= 1e-6
    assert rows["jaxreg", 1e-10]["gap"] <= 1e-10
    (peer,) = (row for row in record["rows"] if row["name"] == "scikit-learn")
    assert peer["status"] == "counts"
    assert peer["gap"] <= 1e-4
    ours = rows["jaxreg", 1e-6]
    assert len(ours["seconds"]) == 2
    assert ours["best"] <= ours["median"]
    assert record["fastest"] in {"scikit-learn", "LassoCV"}
    assert record["ratio"] > 0
    if job == "cv":
        assert 0 < peer["curve"] < 0.01  # a gap of 1e-4 shows in the third digit
        assert ours["curve"] < 1e-4
    json.dumps(record)


@pytest.mark.slow
def test_the_first_call_is_measured_without_a_cache_and_with_a_warm_one():
    first = contest.first_call("path", "tiny", 120.0)
    assert first["warm cache"]["first"] < first["no cache"]["first"]
    assert all(kind["import"] > 0 and kind["mib"] > 0 for kind in first.values())


@pytest.mark.slow
@pytest.mark.parametrize("script", ["paths.py", "cv.py"])
def test_a_question_can_be_asked_alone(script):
    options = ["--shape", "tiny", "--repeats", "1", "--peers", "", "--no-first-call"]
    command = [sys.executable, str(BENCHMARKS / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "tiny: 60 × 8" in done.stdout
    assert "| jaxreg " in done.stdout
