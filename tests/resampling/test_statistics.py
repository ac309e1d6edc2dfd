"""Statistics of resamples whose coefficients are not kept: the same numbers, and memory for one block."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

import jaxreg
from jaxreg.sweeps import resample_blocks
from jaxreg.sweeps.block_statistics import statistics_of, together

DATA = jaxreg.datasets.diabetes()
X, Y = DATA.X[:150], DATA.y[:150]
LAMS = np.array([20.0, 5.0, 0.5])


def test_blocks_together_are_all_of_them():
    rng = np.random.default_rng(0)
    coef, gap = rng.normal(size=(50, 4, 3)) + 1e6, rng.uniform(size=(50, 4))
    coef[rng.random(coef.shape) < 0.3] = 0.0
    all_of = statistics_of(coef, gap, 0.9)
    parts = [statistics_of(coef[k], gap[k], 0.9) for k in (slice(0, 7), slice(7, 40), slice(40, 50))]
    found = together(together(parts[0], parts[1]), parts[2])
    for name in ("number", "positive", "negative", "late", "largest_gap"):
        np.testing.assert_array_equal(found[name], all_of[name])
    np.testing.assert_allclose(found["mean"], coef.mean(axis=0), rtol=1e-14)
    exact = np.square(coef.astype(np.longdouble) - coef.astype(np.longdouble).mean(axis=0)).sum(axis=0)
    np.testing.assert_allclose(found["squares"], exact.astype(float), rtol=1e-13)


@pytest.mark.parametrize(("kind", "targets"), [("pairs", 1), ("pairs", 2), ("wild", 1)])
def test_they_are_those_of_the_coefficients(kind, targets, monkeypatch):
    monkeypatch.setattr(resample_blocks, "MOST", 7)
    y = Y if targets == 1 else np.column_stack([Y, Y[::-1]])
    kept = jaxreg.bootstrap(X, y, LAMS, n_resamples=20, kind=kind)
    found = jaxreg.bootstrap(X, y, LAMS, n_resamples=20, kind=kind, keep="statistics")
    np.testing.assert_array_equal(found.estimate, kept.estimate)
    np.testing.assert_array_equal(found.selection_frequency, kept.selection_frequency)
    np.testing.assert_array_equal(found.sign_stability, kept.sign_stability)
    np.testing.assert_allclose(found.mean, kept.coef.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.standard_deviation, kept.coef.std(axis=0, ddof=1), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found.largest_gap, kept.gap.max(axis=0))
    assert found.converged
    assert not found.late.any()


def test_fits_that_do_not_converge_are_said():
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=5, keep="statistics")
    late = dataclasses.replace(found, late=np.array([0, 2, 1]))
    assert not late.converged
    assert "3 fits are NOT within the tolerance" in repr(late)


def test_intervals_are_refused_and_can_be_had_with_the_same_resamples():
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=10, seed=3, keep="statistics")
    with pytest.raises(ValueError, match=r"lams=\[...\], and seed=3"):
        found.interval()
    few = jaxreg.bootstrap(X, Y, [5.0], n_resamples=10, seed=found.seed)
    np.testing.assert_allclose(few.coef.mean(axis=0)[0], found.mean[1], rtol=1e-9, atol=1e-9)


def test_it_is_read_saved_and_drawn(tmp_path):
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=10, keep="statistics")
    lines = repr(found).splitlines()
    assert lines[0] == "BootstrapStatistics: 10 resamples (pairs), 3 λs, 10 columns"
    assert lines[-1].startswith("all fits are within the tolerance")
    table = found.to_frame("dict")
    assert list(table)[:4] == ["lam", "column", "estimate", "mean"]
    assert len(table["lam"]) == 30
    found.save(tmp_path / "statistics.npz")
    again = jaxreg.load(tmp_path / "statistics.npz")
    np.testing.assert_array_equal(again.mean, found.mean)
    assert again.n_resamples == 10
    pytest.importorskip("matplotlib")
    assert again.plot().get_ylabel() == "share of resamples that choose it"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "all"}, "'coefficients', 'statistics'"),
        ({"keep": "statistics", "folds": 3}, "goes without folds"),
        ({"keep": "statistics", "jackknife": True}, "makes no intervals"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jaxreg.bootstrap(X, Y, LAMS, n_resamples=3, **options)


def test_what_would_not_fit_is_pointed_here():
    with pytest.raises(MemoryError, match="keep='statistics'"):
        jaxreg.bootstrap(np.zeros((10, 5000)), np.arange(10.0), lams=1000, n_resamples=10_000)


MEASURED = """
import sys, tracemalloc
import numpy as np
import jaxreg
from jaxreg.sweeps import resample_blocks
resample_blocks.MOST = 10
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 200))
y = X[:, 0] + rng.normal(size=60)
run = lambda B: jaxreg.bootstrap(X, y, 40, n_resamples=B, eps=0.3, keep=sys.argv[1])
run(20)
tracemalloc.start()
run(int(sys.argv[2]))
print(tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_resamples():
    def peak(keep, B):
        command = [sys.executable, "-c", MEASURED, keep, str(B)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout)

    few, many = peak("statistics", 100), peak("statistics", 400)
    coefficients = 300 * 40 * 200 * 8
    assert many - few < coefficients / 20
    assert peak("coefficients", 400) - few > coefficients / 2  # it would be seen
