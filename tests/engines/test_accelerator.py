"""Which programs run where the device is an accelerator: here a CPU that says it is one."""

import jax
import numpy as np
import pandas
import pytest

import jaxreg
from jaxreg import programs
from jaxreg.engines import columns, descent, lockstep, moments, weightings
from jaxreg.solvers import from_many_moments
from jaxreg.sweeps import group_folds, groups


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
def test_a_sweep_of_lassos_with_factors_is_in_lockstep(accelerator, monkeypatch, shape, programs):
    """All folds by one program, all rows by another call; the answers are those of a CPU."""
    X, y = table(*shape)
    how = {"lams": 30, "folds": 5, "penalty_factor": np.linspace(1, 2, shape[1])}
    ours = jaxreg.sweep(X, y, **how)
    assert set(accelerator) == programs
    assert len(accelerator) == 2
    assert ours.path.converged.all()
    monkeypatch.undo()
    expected = jaxreg.sweep(X, y, **how)
    np.testing.assert_allclose(ours.mean_mse, expected.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(ours.path.coef, expected.path.coef, atol=1e-9)


@pytest.fixture
def handed(monkeypatch):
    """The default backend is said to be an accelerator; what programs are given: (name, the leaves)."""
    seen, call = [], programs.Program.__call__

    def spied(self, *args, **options):
        seen.append((self.__name__, jax.tree.leaves((args, options))))
        return call(self, *args, **options)

    monkeypatch.setattr(programs.Program, "__call__", spied)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    return seen


@pytest.mark.parametrize(("shape", "eps"), [((120, 30), None), ((50, 140), None), ((120, 30), 0.3)])
def test_a_sweep_hands_x_over_once_and_is_one_program(handed, monkeypatch, shape, eps):
    """A grid that ends too early is extended, by one program each time; the table stays where it is."""
    X, y = table(*shape)
    X = pandas.DataFrame(X, columns=[f"x{j}" for j in range(shape[1])])
    done = []
    how = {"lams": 12, "folds": 3, "eps": eps}
    ours = jaxreg.sweep(X, y, progress=lambda *of: done.append(of), **how)
    given = [(name, leaf) for name, leaves in handed for leaf in leaves if np.shape(leaf) == shape]
    assert [name for name, _ in given] == ["_extremes"] + ["cross_validate"] * (1 + ours.extended)
    assert all(leaf is given[0][1] for _, leaf in given)
    assert isinstance(given[0][1], jax.Array)
    assert done[-1] == (4 * (1 + ours.extended),) * 2
    assert isinstance(ours.path.coef, np.ndarray)
    monkeypatch.undo()
    expected = jaxreg.sweep(X, y, **how)
    assert ours.extended == expected.extended == (0 if eps is None else 2)
    assert ours.feature_names == expected.feature_names
    np.testing.assert_allclose(ours.mean_mse, expected.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(ours.path.coef, expected.path.coef, atol=1e-9)


@pytest.mark.parametrize("grid", [12, [0.5, 0.2, 0.05]])
def test_a_sweep_within_groups_is_one_batch(handed, monkeypatch, grid):
    """Of all folds and groups; a group of fewer rows, and one whose grid is extended, are as on a CPU."""
    X, y = table(260, 6)
    by = np.repeat(np.arange(5), (50, 60, 50, 45, 55))
    groups._program.clear_cache()  # it is noted while it is traced
    batches, in_lockstep = [], from_many_moments.paths_in_lockstep
    monkeypatch.setattr(
        group_folds, "paths_in_lockstep", lambda *a: batches.append(a[0].xy.shape[0]) or in_lockstep(*a)
    )
    ours = jaxreg.sweep(X, y, grid, folds=4, by=by, sample_weight=1.0 + np.arange(260) % 2)
    assert batches
    assert all(batch % 5 == 0 for batch in batches)  # 4 folds and all rows of each group
    assert "chosen_of_each" in {name for name, _ in handed}
    monkeypatch.undo()
    expected = jaxreg.sweep(X, y, grid, folds=4, by=by, sample_weight=1.0 + np.arange(260) % 2)
    np.testing.assert_allclose(ours.mean_mse, expected.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(ours.best.coef, expected.best.coef, atol=1e-9)
    np.testing.assert_array_equal(ours.extended, expected.extended)
    assert ours.converged


def test_a_missing_value_is_named_before_anything_is_solved(handed):
    X, y = table(120, 30)
    X = pandas.DataFrame(X, columns=[f"x{j}" for j in range(30)])
    X.iloc[7, 3] = np.nan
    with pytest.raises(ValueError, match="X at row 7, column 'x3'"):
        jaxreg.sweep(X, y)
    X = np.tile(X.to_numpy(), (100, 1))  # too many numbers to look at before they are handed over
    with pytest.raises(ValueError, match="X at row 7, column 3"):
        jaxreg.sweep(X, np.tile(y, 100))


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
