"""The pure functions where the device is an accelerator, here a CPU that says it is one: lassos go in lockstep."""

import jax
import numpy as np
import pytest

from jaxreg import solvers, sweeps
from jaxreg.solvers import fold_members, member_paths, members


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def together(monkeypatch):
    """calls: with how many members, and on which of the two kinds of tables."""
    calls, solve = [], member_paths.found_in_lockstep

    def note(asked, arrays, weights, known):
        calls.append((len(weights), "rows" if known is None else "moments"))
        return solve(asked, arrays, weights, known)

    for module in (member_paths, fold_members):
        monkeypatch.setattr(module, "found_in_lockstep", note)
    monkeypatch.setattr(members, "on_accelerator", lambda *_: True)
    jax.clear_caches()
    yield calls
    jax.clear_caches()


def table(n, p, t=None):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    return X, X[:, :4] @ rng.normal(size=(4, t) if t else 4) + rng.normal(size=(n, t) if t else n)


@pytest.mark.parametrize(("shape", "kind"), [((80, 12), "moments"), ((30, 75), "rows")])
def test_folds_and_all_rows_are_one_batch(together, monkeypatch, shape, kind):
    X, y = table(*shape)
    held_out = np.arange(len(y)) % 5 == np.arange(5)[:, None]
    ours = sweeps.cross_validate(X, y, held_out, 20)
    assert together == [(6, kind)]
    monkeypatch.undo()
    jax.clear_caches()
    with jax.enable_x64(True):
        theirs = sweeps.cross_validate(X, y, held_out, 20)
    assert np.asarray(ours.fold_gap).max() <= 1e-10
    np.testing.assert_allclose(ours.fold_mse, theirs.fold_mse, rtol=1e-9)
    np.testing.assert_allclose(ours.path.coef, theirs.path.coef, atol=1e-9)
    np.testing.assert_allclose(ours.path.df, theirs.path.df)


@pytest.mark.parametrize(("shape", "kind"), [((80, 12, 3), "moments"), ((80, 12), "moments"), ((30, 75), "rows")])
def test_paths_and_their_derivatives(together, monkeypatch, shape, kind):
    """λs as given, not in order, 0 among them where n > p; derivatives by λ are those of a CPU."""
    X, y = table(*shape)
    lams = np.array([0.05, 0.5, 0.2, 0.0]) if len(X) > X.shape[1] else np.array([0.05, 0.5, 0.2])
    slope = lambda lam: solvers.fit(X, y, lam).params.coef.sum()
    ours = solvers.path(X, y, lams), jax.grad(slope)(0.2)
    assert set(together) == {(1, kind)}
    monkeypatch.undo()
    jax.clear_caches()
    with jax.enable_x64(True):
        theirs = solvers.path(X, y, lams), jax.grad(slope)(0.2)
    assert np.asarray(ours[0].converged).all()
    np.testing.assert_allclose(ours[0].coef, theirs[0].coef, atol=1e-9)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-7)


def test_under_the_users_vmap_and_jit(together):
    """Bootstraps as a user writes them: weights under vmap."""
    X, y = table(60, 9)
    weights = np.random.default_rng(1).integers(0, 3, size=(4, 60)).astype(float)
    one = lambda s: solvers.path(X, y, np.array([0.5, 0.1, 0.02]), sample_weight=s)
    each = [one(s) for s in weights]
    both = jax.jit(jax.vmap(one))(weights)
    assert np.asarray(both.converged).all()
    np.testing.assert_allclose(both.coef, np.stack([path.coef for path in each]), atol=1e-12)
