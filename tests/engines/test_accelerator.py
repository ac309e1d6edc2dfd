"""Which programs run where the device is an accelerator: here a CPU that says it is one."""

import numpy as np
import pytest

import jaxreg
from jaxreg.engines import columns, descent, lockstep, moments, weightings


@pytest.fixture
def accelerator(monkeypatch):
    """calls: what has been run, by name."""
    calls = []

    def counted(module, name):
        program = getattr(module, name)

        def call(*args, **how):
            calls.append(f"{module.__name__.rpartition('.')[2]}.{name} {how.get('way', '')}".strip())
            return program(*args, **how)

        monkeypatch.setattr(module, name, call)

    for module in (columns, descent, lockstep, moments):
        monkeypatch.setattr(module, "on_accelerator", lambda device=None: True)
    for module, name in (
        (moments, "_programs"),
        (moments, "_program"),
        (columns, "_program"),
        (weightings, "_program"),
    ):
        counted(module, name)
    for module in (columns, weightings):
        counted(module, "paths_on_rows")
    return calls


def table(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, X[:, :5] @ rng.normal(size=5) + rng.normal(size=n)


@pytest.mark.parametrize(
    ("shape", "programs"),
    [
        ((120, 30), {"moments._programs lockstep"}),
        ((300, 150), {"moments._programs lockstep"}),
        ((50, 140), {"columns.paths_on_rows"}),
    ],
)
def test_a_sweep_of_lassos_is_in_lockstep(accelerator, monkeypatch, shape, programs):
    """All folds by one program, all rows by another call; the answers are those of a CPU."""
    X, y = table(*shape)
    ours = jaxreg.sweep(X, y, lams=30, folds=5)
    assert set(accelerator) == programs
    assert len(accelerator) == 2
    assert ours.path.converged.all()
    monkeypatch.undo()
    expected = jaxreg.sweep(X, y, lams=30, folds=5)
    np.testing.assert_allclose(ours.mean_mse, expected.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(ours.path.coef, expected.path.coef, atol=1e-9)


@pytest.mark.parametrize(("shape", "program"), [((120, 30), "_program lockstep"), ((40, 100), "paths_on_rows")])
def test_a_bootstrap_is_in_lockstep(accelerator, monkeypatch, shape, program):
    X, y = table(*shape)
    ours = jaxreg.bootstrap(X, y, lams=[0.3, 0.1], n_resamples=20)
    assert f"weightings.{program}" in accelerator
    monkeypatch.undo()
    expected = jaxreg.bootstrap(X, y, lams=[0.3, 0.1], n_resamples=20)
    np.testing.assert_allclose(ours.coef, expected.coef, atol=1e-9)


def test_what_does_not_stand_is_repaired(accelerator):
    """Near-copies of columns end paths in lockstep; what leaves is certified all the same."""
    X, y = table(150, 20)
    X = np.concatenate([X, X + 1e-6 * np.random.default_rng(1).normal(size=X.shape)], axis=1)
    path = jaxreg.path(X, y, lams=20)
    assert "moments._program newton" in accelerator
    assert path.converged.all()
