"""A lasso with many columns, from knot to knot inside a working set: held against Newton steps and scikit-learn."""

from functools import partial

import jax
import numpy as np
import pytest
from sklearn.linear_model import lasso_path

import jaxreg
from jaxreg.data import columns as tables
from jaxreg.data.problem import check_problem
from jaxreg.engines import columns as wide
from jaxreg.solvers import grid, homotopy, tableau, working_set
from jaxreg.solvers.found import Grid, Settings


def data(n=40, p=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + rng.standard_normal((n, 1))
    return X, X[:, :8] @ rng.standard_normal(8) + rng.standard_normal(n)


@pytest.fixture
def asked(monkeypatch):
    """Whether each program that has been called goes by knots."""
    calls, program = [], wide._program
    monkeypatch.setattr(wide, "_program", lambda *args, **more: calls.append(more["way"]) or program(*args, **more))
    return calls


@pytest.mark.parametrize("join", [96, 2])
def test_equals_scikit_learn_however_few_columns_join(monkeypatch, asked, join):
    """With two at a time nearly every chunk is found wanting, and solved again."""
    monkeypatch.setattr(working_set, "JOIN", join)
    jax.clear_caches()  # the number is part of the program
    X, y = data()
    X, y = X - X.mean(axis=0), y - y.mean()
    lams = np.geomspace(1, 0.02, 40) * np.abs(X.T @ y).max() / len(y)
    found = jaxreg.path(X, y, lams, fit_intercept=False, standardize=False)
    _, expected, _ = lasso_path(X, y, alphas=lams, tol=1e-14, max_iter=1_000_000)
    np.testing.assert_allclose(found.coef, expected.T, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert found.converged.all()
    assert asked == ["knots"]
    jax.clear_caches()


def test_equals_newton_steps(monkeypatch, asked):
    X, y = data(seed=1)
    rng = np.random.default_rng(1)
    options = {
        "sample_weight": rng.random(40) + 0.1,
        "penalty_factor": rng.random(300) + 0.5,
        "upper": np.where(np.arange(300) % 3 == 0, 0, np.inf),
    }
    by_knots = jaxreg.path(X, y, 50, **options)
    program = wide._program
    monkeypatch.setattr(wide, "_program", lambda *args, **more: program(*args, **(more | {"way": "newton"})))
    by_newton = jaxreg.path(X, y, 50, **options)
    assert asked == ["knots", "newton"]
    assert by_knots.converged.all()
    np.testing.assert_allclose(by_knots.coef, by_newton.coef, rtol=0, atol=1e-10 * np.abs(by_newton.coef).max())
    np.testing.assert_array_equal(by_knots.n_nonzero, by_newton.n_nonzero)


def test_working_set_gives_columns_back(monkeypatch, asked):
    """More columns are active at one λ or another than find room, with those that join, at a time."""
    room = 232
    monkeypatch.setattr(working_set, "capacity", lambda n, spread: room)
    jax.clear_caches()
    rng = np.random.default_rng(2)
    X = rng.standard_normal((120, 5000)) + rng.standard_normal((120, 1))
    y = X[:, :8] @ rng.standard_normal(8) + 5 * rng.standard_normal(120)
    found = jaxreg.path(X, y, 100, eps=1e-4)
    assert np.count_nonzero(found.coef.any(axis=0)) + working_set.JOIN > room, "they all find room"
    assert found.converged.all()
    assert asked == ["knots"]
    jax.clear_caches()


@pytest.mark.parametrize("mended", [True, False])
def test_a_tableau_that_has_drifted_is_rebuilt(monkeypatch, asked, mended):
    """Every change is off, but for those of a tableau that is rebuilt; where none is, Newton steps are asked for."""
    change, rebuilt, exact = tableau.change, homotopy.rebuilt, []

    def off(S, k, v, d, more, blocks):
        return change(S, k, v * (1.0 if exact else 1.0 + 1e-10), d, more, blocks)

    def by_exact_changes(*args):
        exact.append(True)
        try:
            return rebuilt(*args) if mended else args[0]
        finally:
            exact.pop()

    monkeypatch.setattr(tableau, "change", off)
    monkeypatch.setattr(homotopy, "rebuilt", by_exact_changes)
    jax.clear_caches()
    X, y = data(seed=7)
    assert jaxreg.path(X, y, 40).converged.all()
    assert asked == (["knots"] if mended else ["knots", "newton"])
    jax.clear_caches()


def test_what_knots_do_not_settle_is_solved_by_newton_steps(monkeypatch, asked):
    """Here no column may enter of which the active ones explain nine tenths: the path by knots ends early."""
    monkeypatch.setattr(homotopy, "DEPENDENT", 0.1)
    jax.clear_caches()
    X, y = data(seed=3)
    found = jaxreg.path(X, y, 40)
    assert found.converged.all()
    assert asked == ["knots", "newton"]
    jax.clear_caches()


def test_space_of_one_table_serves_the_next():
    """Where a smaller one leaves rows and columns of it free, they are 0; a copy that is still held keeps its space."""
    X, y = data(seed=5)
    Z, z = data(n=36, p=290, seed=6)
    tables._spare.clear()
    fresh = jaxreg.path(Z, z, 20)
    jaxreg.path(X, y, 20)
    [space] = tables._spare
    again = jaxreg.path(Z, z, 20)
    np.testing.assert_array_equal(again.coef, fresh.coef)
    assert tables._spare[0] is space
    with jax.enable_x64(True):
        problem = check_problem(X, y, fit_intercept=False)
        first, second = tables.columns_of(problem), tables.columns_of(problem)
        assert first.features.unsafe_buffer_pointer() != second.features.unsafe_buffer_pointer()
        del first, second
    assert len(tables._spare) == 1


def test_500_rows_take_no_more_memory_than_is_kept():
    """From 32 MiB on, glibc's malloc gives memory back at once, and every call pays for fresh pages."""
    with jax.enable_x64(True):
        L, p, n = 128, 10_240, 512
        numbers = lambda *shape: jax.ShapeDtypeStruct(shape, np.float64)
        columns, number, flag = numbers(p), np.int32(1), np.bool_(True)
        grid = Grid(numbers(L, 1), number, flag, np.float64(1))
        asked = Settings(np.float64(1), columns, columns, columns, np.float64(1), number, *[flag] * 4)
        given = numbers(p, n), columns, numbers(n, 1), numbers(n), grid, asked
        compiled = wide._program.lower(*given, spread=1, way="knots").compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 2**25


def test_elastic_nets_take_blocks_of_lams(asked):
    X, y = data(seed=4)
    assert jaxreg.path(X, y, 20).converged.all()
    assert jaxreg.path(X, y, 20, l1_ratio=0.5).converged.all()
    assert asked == ["knots", "blocks"]


@pytest.mark.parametrize(("l1_ratio", "at_most"), [(1.0, 2.0), (0.5, 0.6)])
@pytest.mark.parametrize("shares", [[1e-3], [0.3, 1e-3]])
def test_lams_far_apart_are_reached_in_steps(l1_ratio, at_most, shares):
    # A working set that was chosen at λ_max for 0.001 λ_max took 366 knots (256 rounds of ρ = 0.5); a path of 100 λs
    # takes 79 (120).
    rng = np.random.default_rng(3)
    X = rng.standard_normal((60, 1000))
    y = X[:, :15] @ rng.standard_normal(15) + 0.5 * rng.standard_normal(60)
    down = partial(jaxreg.path, X, y, l1_ratio=l1_ratio, standardize=False)
    start = down(lams=2).lams[0]
    fine, few = down(lams=start * np.geomspace(1, 1e-3, 100)), down(lams=start * np.array(shares))
    assert few.gap.max() <= 1e-12
    np.testing.assert_allclose(few.coef[-1], fine.coef[-1], atol=1e-9 * np.abs(fine.coef[-1]).max())
    assert few.n_iter.sum() <= at_most * fine.n_iter.sum()


def test_steps_stand_between_and_the_given_lams_where_they_stood():
    lams, place, first = grid.with_steps(np.array([4.0, 1.0, 0.5, 9.0]), np.int32(3), np.float64(8.0))
    steps = grid.STEPS
    assert first == 0
    assert np.all(np.diff(lams) <= 0)
    np.testing.assert_array_equal(lams[place][:3], [4.0, 1.0, 0.5])
    np.testing.assert_allclose(
        np.sort(np.delete(lams, place)), 8.0 * (1 / 16) ** (np.arange(steps, 0, -1) / (steps + 1))
    )
    near, place, first = grid.with_steps(np.array([8.0, 7.0, 6.0]), np.int32(3), np.float64(8.0))
    assert first == steps  # none is needed
    np.testing.assert_array_equal(near[place], [8.0, 7.0, 6.0])
    assert place[0] == steps
