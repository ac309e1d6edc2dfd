"""The run on a GPU, on a CPU: it resumes, has an alarm, and computes its gaps as the library does."""

import json
import time

import gpu
import gpu_peers
import gpu_steps
import jax
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import jaxreg
from jaxreg.formulas import duality_gap

SAID = {"platform": "gpu", "device": "of a test", "small": False}


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_the_gaps_by_numpy_are_those_of_the_formula(l1_ratio):
    """Of nearly right answers, since of right ones rounding is all that is left."""
    X, y = gpu_steps.table_of(50, 6, 0.5)
    path = jaxreg.path(X, y, [1.0, 0.3, 0.1], l1_ratio)
    off = jaxreg.results.Path(**vars(path) | {"coef": path.coef * 1.01})
    found = gpu_steps.numpy_gap(X, y, off, l1_ratio)
    assert gpu_steps.numpy_gap(X, y, path, l1_ratio) < 1e-12
    scales = {"scale": path.scale, "y_scale": np.asarray(path.y_scale)}
    gap = lambda l: duality_gap(jaxreg.Params(path.intercept[l], off.coef[l]), X, y, path.lams[l], l1_ratio, **scales)
    with jax.enable_x64(True):
        best = max(float(gap(l)) for l in range(3))
    assert 0.999 * best <= found <= 1.5 * best  # of several duals the library takes the best


def test_a_step_that_was_begun_is_not_begun_again(tmp_path, capsys):
    file, runs = tmp_path / "gpu.json", []
    row = {"what": "1,000 bootstraps × 100 λ, diabetes", "compile": 1.0, "steady": 0.5}

    def broken():
        runs.append("broken")
        raise ValueError("of no use\nmore")

    def killed():
        runs.append("killed")
        raise KeyboardInterrupt

    steps = {
        "good": gpu_steps.Step(9, lambda: runs.append("good") or [row]),
        "broken": gpu_steps.Step(9, broken),
        "killed": gpu_steps.Step(9, killed),
        "last": gpu_steps.Step(9, lambda: runs.append("last") or []),
    }
    with pytest.raises(KeyboardInterrupt):
        gpu.run(steps, file, SAID, 10)
    record = gpu.run(steps, file, SAID, 10)
    assert runs == ["good", "broken", "killed", "last"]
    assert record == json.loads(file.read_text())
    assert record["steps"]["broken"]["failed"] == "ValueError: of no use"
    assert record["steps"]["killed"]["failed"] == "was begun, and did not come back"
    with pytest.raises(SystemExit, match="was measured elsewhere"):
        gpu.run(steps, file, SAID | {"device": "another"}, 10)
    page = gpu.report(record)
    assert "| 1,000 bootstraps × 100 λ, diabetes | 0.0600 | 0.00500 | 0.500 |" in page
    assert "Failed: ValueError: of no use." in page
    assert gpu.run({"late": gpu_steps.Step(50, list)}, file, SAID, 0.1)["steps"].keys() == steps.keys()


def test_a_step_that_takes_too_long_is_stopped(tmp_path):
    slow = gpu_steps.Step(0.2, lambda: time.sleep(5))
    begun = time.perf_counter()
    record = gpu.run({"slow": slow}, tmp_path / "gpu.json", SAID, 10)
    assert time.perf_counter() - begun < 3
    assert record["steps"]["slow"]["failed"] == "TooLong: longer than 0 s"


def test_what_a_cpu_has_run_is_no_measurement():
    rows = [{"what": next(iter(gpu.PREDICTED)), "steady": 0.5}]
    record = {"machine": SAID | {"platform": "cpu"}, "steps": {"folds": {"rows": rows}}}
    assert gpu.report(record) == gpu.report(None)
    assert gpu.report(None).count("not measured") == len(gpu.PREDICTED) + 1


def test_the_committed_table_is_that_of_the_script():
    """Until somebody has measured."""
    page = gpu.RESULTS.read_text()
    assert page == gpu.report(None) or "Measured on" in page


def test_a_small_step_runs():
    rows = gpu_steps.steps(True)["constants"].run()
    assert [row["what"] for row in rows][:2] == [
        "1,000 turns, of a length that is data",
        "1,000 turns, of a known length",
    ]


def test_peers_are_given_tolerances_until_their_gap_is_as_it_should_be(monkeypatch):
    """Held against scikit-learn, whose gap NumPy computes."""
    X, y = gpu_peers.standardised(60, 8)
    lam = 0.1 * np.abs(X.T @ y).max() / 60
    tried = []

    def solve(tolerance):
        tried.append(tolerance)
        return Lasso(lam, fit_intercept=False, tol=tolerance).fit(X, y).coef_[None]

    gap = lambda coef: gpu_peers.gap_of(X, y, lam, coef, 1.0)
    row = gpu_peers.matched("a lasso", solve, gap, "scikit-learn")
    assert row["gap"] <= gpu_peers.MATCHED
    assert gap(np.zeros((1, 8))) > 0.1
    assert tried[-1] < gpu_peers.TOLERANCES[0] or gap(solve(gpu_peers.TOLERANCES[0])) <= gpu_peers.MATCHED
    monkeypatch.setattr(gpu_peers, "find_spec", lambda name: None)
    assert gpu_peers.cuml(60, 8)[-1]["note"] == "cuML is not installed"
    assert gpu_peers.scm2cpp(60, 8)[-1]["note"] == "scm2cpp-learn is not installed"
