"""Grids that end too early are extended, or said."""

import numpy as np
import pytest

import jaxreg
from jaxreg.report.text import head
from jaxreg.solvers.grid_ends import beyond, open_end

DATA = jaxreg.datasets.diabetes()


def test_what_an_open_end_is():
    lams = np.geomspace(1, 1e-2, 21)
    falling = np.linspace(3, 1, 21)
    used = np.arange(21)
    assert open_end(falling, lams, used) == "smallest"
    assert open_end(falling[::-1], lams, used) is None  # the least error at λ_max, where nothing is used
    assert open_end(falling[::-1], lams, np.ones(21)) == "largest"
    assert open_end(falling, np.where(lams == lams.min(), 0.0, lams), used) is None  # beyond 0 there is nothing
    assert open_end(np.full(21, 2.0) - 1e-6 * np.arange(21), lams, used) is None  # flat
    assert open_end(np.abs(np.arange(21) - 10.0), lams, used) is None
    assert open_end(np.array([1.0]), lams[:1], used[:1]) is None
    np.testing.assert_allclose(np.concatenate([lams, beyond(lams, "smallest")]), np.geomspace(1, 10**-3.1, 32))
    np.testing.assert_allclose(np.concatenate([beyond(lams, "largest"), lams]), np.geomspace(10**1.1, 1e-2, 32))


def test_an_automatic_grid_is_extended_and_equals_the_longer_one():
    short = jaxreg.sweep(DATA.X, DATA.y, 20, [0.0, 0.5], eps=1e-1, folds=5, measure="mae")
    assert short.extended == 2
    assert short.lams.shape == (2, 45)
    assert short.fold_mse.shape == short.fold_mae.shape == short.fold_gap.shape == (2, 45, 5)
    for r, rho in enumerate((0.0, 0.5)):
        long = jaxreg.sweep(DATA.X, DATA.y, short.lams[r], rho, folds=5)
        np.testing.assert_allclose(short.fold_mse[r], long.fold_mse[0], rtol=1e-9)
    assert short.converged


def test_the_end_of_a_users_grid_is_said_with_what_to_do():
    with pytest.warns(jaxreg.GridEndWarning, match=r"the best λ, 10, is the smallest of the grid.*give smaller λs"):
        found = jaxreg.sweep(DATA.X, DATA.y, [50.0, 30.0, 10.0])
    assert found.extended == 0
    assert found.lams.shape == (1, 3)
    text = "\n".join(head(found, (442, 10), "10 folds"))
    assert "Note: the best λ, 10, is the smallest of the grid" in text
