"""The grids of groups: each is extended where its own table's is, and several l1_ratios compete in every group."""

import numpy as np
import pytest

import jaxreg
from jaxreg.convergence import GridEndWarning


def made(kinds, n=80, p=5, seed=0):
    """Groups whose best λ lies below a short grid, within it, and above that of ridge."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(len(kinds) * n, p))
    noise = {"small": 0.01, "within": 12.0, "none": 1.0}
    parts = []
    for g, kind in enumerate(kinds):
        rows = A[g * n : (g + 1) * n]
        parts.append(rows @ np.linspace(2, 1, p) * (kind != "none") + noise[kind] * rng.normal(size=n))
    return A, np.concatenate(parts), np.repeat(np.arange(len(kinds)), n)


def alone(A, b, labels, g, *options, **more):
    return jaxreg.sweep(A[labels == g], b[labels == g], *options, **more)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_a_grid_is_extended_as_that_of_the_groups_own_table(l1_ratio):
    A, b, labels = made(["small", "within", "none", "small", "none"])
    found = jaxreg.sweep(A, b, 12, l1_ratio, folds=4, eps=0.2, by=labels)
    assert found.converged
    for g in range(5):
        own, L = alone(A, b, labels, g, 12, l1_ratio, folds=4, eps=0.2), np.isfinite(found.lams[g]).sum()
        assert found.extended[g] == own.extended
        np.testing.assert_allclose(found.lams[g, :L], own.lams[0], rtol=1e-12)
        np.testing.assert_allclose(found.mean_mse[g, :L], own.mean_mse[0], rtol=1e-8)
        np.testing.assert_allclose(found.best.lams[g], own.best.lam, rtol=1e-12)
        np.testing.assert_allclose(found.one_se.lams[g], own.one_se.lam, rtol=1e-12)
        np.testing.assert_allclose(found.best.coef[g], own.best.params.coef, atol=1e-6)
        assert np.isnan(found.lams[g, L:]).all()
        assert np.isnan(found.mean_mse[g, L:]).all()
        assert not found.n_nonzero[g, L:].any()
    assert found.extended.tolist() == ([2, 0, 0, 2, 0] if l1_ratio else found.extended.tolist())
    assert found.extended.max() == 2
    assert found.extended.min() == 0


def test_what_is_still_open_is_said_once_and_flagged():
    A, b, labels = made(["small", "within", "small"])
    with pytest.warns(GridEndWarning, match="best λ of 2 of 3 groups is at an end") as said:
        found = jaxreg.sweep(A, b, 6, folds=4, eps=0.5, by=labels)
    assert len(said) == 1
    assert [flag.startswith("the error falls at the smallest λ") for flag in found.flags] == [True, False, True]
    with pytest.warns(GridEndWarning, match="of 2 of 3 groups"):  # a grid of the user is not extended
        found = jaxreg.sweep(A, b, [3.0, 2.0, 1.5], folds=4, by=labels)
    assert found.lams.shape == (3, 3)
    assert not found.extended.any()


def test_several_l1_ratios_compete_in_every_group():
    (A, b, labels), ratios = made(["small", "within", "none", "within", "none", "within"], seed=1), [1.0, 0.5]
    found = jaxreg.sweep(A, b, 12, ratios, folds=4, eps=0.2, by=labels)
    assert found.converged
    assert found.l1_ratios.tolist() == ratios
    assert set(found.l1_ratio.tolist()) == set(ratios)  # else nothing has competed
    for g in range(6):
        own, L = alone(A, b, labels, g, 12, ratios, folds=4, eps=0.2), np.isfinite(found.lams[g]).sum()
        r = int(own.best.index[0])
        assert found.l1_ratio[g] == own.best.l1_ratio
        assert found.extended[g] == own.extended
        np.testing.assert_allclose(found.lams[g, :L], own.lams[r], rtol=1e-12)
        np.testing.assert_allclose(found.mean_mse[g, :L], own.mean_mse[r], rtol=1e-8)
        np.testing.assert_allclose(found.best.coef[g], own.best.params.coef, atol=1e-6)
        np.testing.assert_allclose(found.one_se.coef[g], own.one_se.params.coef, atol=1e-6)
    assert f"in {np.isfinite(found.lams).sum() * 10:,} fits" in repr(found)


def test_the_longer_grids_are_kept_and_loaded_too(tmp_path):
    A, b, labels = made(["small", "within", "none"])
    call = lambda **more: jaxreg.sweep(A, b, 12, [1.0, 0.5], folds=4, eps=0.2, by=labels, **more)
    seen = []
    found = call(checkpoint=tmp_path / "kept", progress=lambda *now: seen.append(now))
    assert seen[-1][0] == seen[-1][1] > 6
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    files = []
    for again in (call(checkpoint=tmp_path / "kept"), call()):
        again.save(tmp_path / "again.npz")
        files.append((tmp_path / "again.npz").read_bytes())
    found.save(tmp_path / "found.npz")
    assert files == [(tmp_path / "found.npz").read_bytes()] * 2
    loaded = jaxreg.load(tmp_path / "found.npz")
    assert repr(loaded) == repr(found)
    assert loaded.extended.tolist() == found.extended.tolist()
    assert "12 – 27 λs each" in repr(found)
