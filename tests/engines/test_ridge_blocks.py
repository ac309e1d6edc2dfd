"""Targets in blocks share what depends on X alone: its moments and its decompositions, one a set of rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg.data import row_blocks
from jaxreg.data.padding import padded_problem
from jaxreg.data.problem import check_problem
from jaxreg.engines import ridge_blocks, ridge_data
from jaxreg.solvers.factored_ridge import factor_moments, factor_other_targets, relative_gaps, ridge_params

N, P, T = 30, 5, 7
FOLDS, BLOCKS = 5, 4
LAMS = np.geomspace(1.0, 1e-3, 6)
# Of two targets and the padded shape.
OF_TWO = 2 * 4 * sum(padded_problem(check_problem(np.ones((N, P)), np.ones(N))).X.shape) * 8


@pytest.fixture
def tables(rng):
    X = rng.normal(size=(N, P)) + 3
    return X, X @ rng.normal(size=(P, T)) + rng.normal(size=(N, T)) + 100


@pytest.fixture
def blocks_of_two(monkeypatch):
    monkeypatch.setattr(ridge_data, "TARGET_BLOCK_BYTES", OF_TWO)


@pytest.fixture
def calls(monkeypatch):
    """How often each is called."""
    counts = {"moments of X": 0, "decompositions": 0, "rows": 0}

    def counted(name, what, home):
        function = getattr(home, name)

        def call(*args, **options):
            counts[what] += 1
            return function(*args, **options)

        monkeypatch.setattr(home, name, call)

    counted("block_moments", "moments of X", ridge_data)
    counted("_from_moments", "decompositions", ridge_blocks)
    counted("_factor_rows", "rows", ridge_blocks)
    counted("_errors_from_rows", "rows", ridge_blocks)
    return counts


def test_one_reading_and_one_decomposition_a_fold_serve_all_blocks(tables, blocks_of_two, calls):
    """All rows are read for the path, and again as what the folds are taken from."""
    jaxreg.sweep(*tables, LAMS, 0.0, folds=FOLDS)
    assert calls == {"moments of X": FOLDS + 2, "decompositions": FOLDS + 1, "rows": 0}


def test_the_blocks_are_there_and_change_nothing(tables, monkeypatch):
    whole = [door(*tables) for door in DOORS.values()]
    monkeypatch.setattr(ridge_data, "TARGET_BLOCK_BYTES", OF_TWO)
    lengths = []
    made = ridge_data.Blocks.__init__

    def looked_at(self, *args):
        made(self, *args)
        lengths.append(len(self.Y))

    monkeypatch.setattr(ridge_data.Blocks, "__init__", looked_at)
    for door, expected in zip(DOORS.values(), whole, strict=True):
        np.testing.assert_allclose(door(*tables), expected, rtol=1e-10)
    assert set(lengths) == {BLOCKS}


DOORS = {
    "sweep": lambda X, Y: jaxreg.sweep(X, Y, LAMS, 0.0, folds=FOLDS).mean_mse,
    "path": lambda X, Y: jaxreg.path(X, Y, LAMS, 0.0).coef,
    "weights": lambda X, Y: jaxreg.path(X, Y, LAMS, 0.0, sample_weight=np.arange(N) % 4).coef,
    "no intercept": lambda X, Y: jaxreg.path(X, Y, LAMS, 0.0, fit_intercept=False, standardize=False).coef,
    "leave-one-out": lambda X, Y: jaxreg.ridge_leave_one_out(X, Y, LAMS).mse,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("some", [None, np.array([0, 3, 5, 6, 20, 21, 22, 29])])
def test_moments_of_other_targets_are_those_of_a_new_reading(tables, some, weighted, rng):
    X, Y = tables
    s = rng.uniform(0.1, 3, size=N) if weighted else None
    m = row_blocks.block_moments(X, Y[:, :3], s, some)
    found = row_blocks.of_other_targets(m, X, Y[:, 3:], s, some)
    expected = row_blocks.block_moments(X, Y[:, 3:], s, some)
    assert found.xx is m.xx
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_other_targets_are_certified_as_if_factored_anew(tables, fit_intercept, x64):
    X, Y = tables
    m, other = (row_blocks.block_moments(X, part, None, None) for part in (Y[:, :3], Y[:, 3:6]))
    how = {"fit_intercept": fit_intercept, "standardize": True}
    one = factor_moments(jax.tree.map(jnp.asarray, m), None, **how)
    found = factor_other_targets(one, jax.tree.map(jnp.asarray, other), **how)
    expected = factor_moments(jax.tree.map(jnp.asarray, other), None, **how)
    lam = jnp.array(0.01)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), ridge_params(found, lam), ridge_params(expected, lam)
    )
    gaps = relative_gaps(found, lam[None]), relative_gaps(expected, lam[None])
    assert 0 < gaps[0].max() < 1e-20
    np.testing.assert_allclose(*gaps, rtol=2)


def test_float32_is_factored_in_float64_on_an_accelerator_too(tables, monkeypatch, calls):
    """`(e_min + λ)/e_max` is too small for float32's eigenvalues: it took a singular value decomposition of X."""
    X, Y = (table.astype(np.float32) for table in tables)
    X[:, 1] = X[:, 0] + 0.01 * X[:, 1]
    expected = jaxreg.sweep(X.astype(float), Y.astype(float), LAMS, 0.0, folds=FOLDS).mean_mse
    calls.update(dict.fromkeys(calls, 0))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = jaxreg.sweep(X, Y, LAMS.astype(np.float32), 0.0, folds=FOLDS).mean_mse
    assert found.dtype == np.float32
    assert calls["rows"] == 0
    assert calls["decompositions"] == FOLDS + 1
    np.testing.assert_allclose(found, expected, rtol=1e-5)
