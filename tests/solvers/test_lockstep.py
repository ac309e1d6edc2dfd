"""Many paths in lockstep: held against scikit-learn, one path after the other, and the textbook's gap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import lars_path, lasso_path

from jaxreg.engines.order import Order, settings
from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.moments import moments
from jaxreg.solvers import lockstep
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.from_many_moments import paths_from_moments, paths_in_lockstep, paths_of_weights
from jaxreg.solvers.from_moments import path_from_moments
from jaxreg.solvers.from_same_rows import paths_of_weights_on_rows
from jaxreg.solvers.lockstep_tables import grams, same_rows
from jaxreg.solvers.weighted_moments import moments_of_weights, squares_of_weights

UNIT = 8 * np.finfo(float).eps
SEEDS = 20

in_lockstep = jax.jit(paths_in_lockstep)
of_weights = jax.jit(paths_of_weights, static_argnames=("way", "most"))
on_rows = jax.jit(paths_of_weights_on_rows, static_argnames="most")


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def asked(p, lower=None, upper=None, standardize=False, fit_intercept=True):
    how = {"l1_ratio": 1.0, "tol": 1e-10, "max_iter": 10_000}
    return settings(p, None, lower, upper, standardize=standardize, fit_intercept=fit_intercept, **how)


def grid_of(lams):
    return Order(lams if isinstance(lams, int) else lams[:, None], 1, 1e-3, least=1, up=lambda number: number).grid


def filled_up(m, p):
    """Moments of so many columns, those beyond of 0."""
    more = p - len(m.x_mean)
    xx, xy = jnp.pad(m.xx, ((0, more), (0, more))), jnp.pad(m.xy, ((0, more), (0, 0)))
    return m._replace(x_mean=jnp.pad(m.x_mean, (0, more)), xx=xx, xy=xy)


def largest_gaps(X, y, lams, coef, weights):
    """By the textbook, from the rows: of a lasso that is not standardised, (L,)."""
    s = weights / weights.sum()
    Z, r = X - s @ X, y - s @ y
    residual = r[:, None] - Z @ coef.T
    z = np.abs(Z.T @ (s[:, None] * residual))
    c = np.minimum(1.0, lams / np.maximum(z.max(axis=0), 1e-300))
    primal = 0.5 * s @ residual**2 + lams * np.abs(coef).sum(axis=1)
    dual = 0.5 * (s @ r**2 - s @ (r[:, None] - c * residual) ** 2)
    return (primal - dual) / (s @ r**2)


# Copies that differ by less than a tableau can tell end a path; it is flagged.
HARD = {"near duplicates 1e-6", "near duplicates 1e-9"}


@pytest.mark.parametrize("p", [40, 100])
def test_gaps_on_hard_designs(design, design_name, p):
    """Of 20 problems at once: the gap by the textbook is within the tolerance, or the path is flagged; and what is
    predicted is what the paths predict one after the other, to rounding."""
    data = [design(design_name, 150, p, seed) for seed in range(SEEDS)]
    m = jax.tree.map(lambda *v: jnp.stack(v), *[moments(X, y) for X, y in data])
    P = m.xx.shape[1]
    found = in_lockstep(m, jnp.ones((SEEDS, P)), SEEDS, grid_of(30), asked(P), jnp.full(SEEDS, UNIT))
    lams, coef, good = (np.asarray(v)[..., 0] for v in (found.lams, found.coef, found.settled))
    assert good.mean() > 0.98 or design_name in HARD
    assert not good.all() or design_name not in HARD
    Q = padded(P)
    alone = lambda m: path_from_moments(m, None, grid_of(30), asked(Q), UNIT, "knots")
    m = jax.vmap(lambda m: filled_up(m, Q))(m)
    one_by_one = jax.jit(lambda m: jax.lax.map(alone, m))(m)
    both = good & np.asarray(one_by_one.settled)[..., 0]
    assert (good == both).mean() > 0.98
    X = np.stack([X for X, _ in data])
    predicted = [X @ np.swapaxes(w, 1, 2) for w in (coef, np.asarray(one_by_one.coef)[:, :, :P, 0])]
    largest = np.abs(predicted[1]).max()
    np.testing.assert_allclose(*(np.where(both[:, None], f, 0.0) for f in predicted), atol=1e-12 * largest)
    for b, (X, y) in enumerate(data):
        gap = largest_gaps(X, y, lams[b], coef[b], np.ones(len(y)))
        assert (gap[good[b]] <= 1e-10).all()


@pytest.mark.parametrize("n", [150, 60])
def test_rows_and_gram_matrices_on_hard_designs(design, design_name, n):
    """Resamples of one table, known by a Gram matrix each and by the rows: the same solutions where both stand."""
    X, y = design(design_name, n, 80, 3)
    P = X.shape[1]
    weights = np.random.default_rng(0).multinomial(n, np.ones(n) / n, size=SEEDS).astype(float)
    given = X, y[:, None], weights, np.ones((SEEDS, P)), SEEDS, grid_of(30), asked(P), UNIT
    both = of_weights(*given, way="lockstep", most=n), on_rows(*given, most=n)
    for found in both:
        good = np.asarray(found.settled)[..., 0]
        assert good.mean() > 0.98 or design_name in HARD
        lams, coef = (np.asarray(v)[..., 0] for v in (found.lams, found.coef))
        for b in range(SEEDS):
            gap = largest_gaps(X, y, lams[b], coef[b], weights[b])
            assert (gap[good[b]] <= 1e-10).all()
    stand = both[0].settled & both[1].settled
    # On rows with weight: there, other columns may coincide.
    there = (weights > 0)[:, None, :]
    fitted = [there * (np.einsum("np,blp->bln", X, found.coef[..., 0]) + np.asarray(found.intercept)) for found in both]
    np.testing.assert_allclose(*(np.where(stand, f, 0.0) for f in fitted), atol=1e-9 * np.abs(fitted[0]).max())


def test_the_knots_are_those_of_lars():
    """scikit-learn's lars_path(method="lasso"): at its knots the same coefficients, to rounding."""
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(120, 30)) for _ in range(5)]
    targets = [X @ (rng.normal(size=30) * (rng.random(30) < 0.4)) + 0.1 * rng.normal(size=120) for X in tables]
    knots, expected = [], []
    for X, y in zip(tables, targets, strict=True):
        lams, _, coef = lars_path(X, y, method="lasso")
        knots.append(lams[1:25] * 120)
        expected.append(coef.T[1:25])
    G, c = (np.stack(v) for v in zip(*[(X.T @ X, X.T @ y) for X, y in zip(tables, targets, strict=True)], strict=True))
    one, zero, count = np.ones((5, 30)), np.zeros((5, 30)), jnp.full(5, 24)
    unit = Penalty(one, zero, -np.inf * one, np.inf * one)
    ours = {
        "Gram matrices": jax.jit(lambda G: lockstep.solve_paths(grams(G), c, np.stack(knots), count, unit))(G),
        "rows": [
            jax.jit(
                lambda X, c, lams, unit: lockstep.solve_paths(
                    same_rows(X, np.ones((1, 120)), np.zeros((1, 30)), np.ones((1, 30)), 120), c, lams, count[:1], unit
                )
            )(X, c[b : b + 1], knots[b][None], jax.tree.map(lambda v: v[:1], unit))
            for b, X in enumerate(tables)
        ],
    }
    u = {"Gram matrices": ours["Gram matrices"][0], "rows": np.concatenate([u for u, _ in ours["rows"]])}
    for coef in u.values():
        np.testing.assert_allclose(coef, expected, atol=1e-12 * np.abs(expected).max())
    n_iter = np.asarray(ours["Gram matrices"][1])
    assert np.isin(n_iter.sum(axis=1), (24, 25)).all()  # the last knot is at the last λ, up to rounding


@pytest.mark.parametrize("way", ["lockstep", "rows"])
def test_bounds_factors_and_weights_of_each_member(way):
    """scikit-learn's positive lasso of weighted rows and scaled columns."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(50, 20)), rng.normal(size=50)
    y += X[:, :4] @ np.array([3.0, -2.0, 1.0, 0.5])
    weights, factors = rng.integers(0, 3, size=(6, 50)).astype(float), rng.uniform(0.5, 2.0, size=(6, 20))
    lams = np.geomspace(1.0, 1e-3, 12)
    given = X, y[:, None], weights, factors, 6, grid_of(lams), asked(20, lower=np.zeros(20))
    found = of_weights(*given, UNIT, way=way, most=50) if way == "lockstep" else on_rows(*given, UNIT, most=50)
    assert np.asarray(found.gap).max() <= 1e-10
    for b, (s, v) in enumerate(zip(weights, factors, strict=True)):
        Z = np.sqrt(s / s.sum())[:, None] * (X - s @ X / s.sum()) / v
        r = np.sqrt(s / s.sum()) * (y - s @ y / s.sum())
        _, expected, _ = lasso_path(Z, r, alphas=lams / 50, positive=True, tol=1e-14, max_iter=100_000)
        coef = np.asarray(found.coef)[b, :, :, 0]
        assert (coef >= 0).all()
        np.testing.assert_allclose(coef, expected.T / v, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("way", ["lockstep", "rows"])
def test_members_that_are_not_asked_for_stand_still(way):
    """They fill up a block: nothing is solved for them, and the others do not notice."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(40, 16)), rng.normal(size=(40, 1))
    weights = np.concatenate([rng.integers(0, 3, size=(3, 40)), np.ones((2, 40))]).astype(float)
    solve = lambda weights, count: (
        of_weights(X, y, weights, np.ones((len(weights), 16)), count, grid_of(20), asked(16), UNIT, way=way, most=40)
        if way == "lockstep"
        else on_rows(X, y, weights, np.ones((len(weights), 16)), count, grid_of(20), asked(16), UNIT, most=40)
    )
    some, all_ = solve(weights, 3), solve(weights[:3], 3)
    np.testing.assert_allclose(some.coef[:3], all_.coef, rtol=1e-12, atol=1e-14)
    assert not np.asarray(some.coef)[3:].any()
    assert not np.asarray(some.n_iter)[3:].any()


def test_targets_and_folds_are_paths_too():
    """Folds as total moments less those of a part, three targets each: one path after the other finds the same."""
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(90, 16)), rng.normal(size=(90, 3)) + rng.normal(size=(90, 1))
    total, parts = moments(X, Y), jax.vmap(moments)(X.reshape(3, 30, 16), Y.reshape(3, 30, 3))
    order = Order(np.geomspace(0.5, 1e-3, 10)[:, None].repeat(3, axis=1), 3, 1e-3)
    given = total, parts, jnp.int32(3), order.grid, asked(16), jnp.full(3, UNIT)
    folds = jax.jit(paths_from_moments, static_argnames="way")
    ours, theirs = folds(*given, way="lockstep"), folds(*given, way="knots")
    np.testing.assert_allclose(ours.coef[:, :10], theirs.coef[:, :10], atol=1e-11)
    np.testing.assert_array_equal(ours.n_iter[:, :10], theirs.n_iter[:, :10])


def test_the_moments_of_weightings_are_those_of_repeated_rows():
    """In long double, to rounding; a column that does not vary in a resample is exactly that."""
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(70, 12)) + 1e3, rng.normal(size=(70, 2))
    X[:, 3] = rng.random(70) < 0.04
    weights = rng.multinomial(70, np.ones(70) / 70, size=30).astype(float)
    assert (X[:, 3] @ weights.T == 0).any()
    whole, times = moments_of_weights(X, y, weights, 70)
    diagonal, more = squares_of_weights(X, y, weights)
    assert max(times.max(), more.max()) < 10
    np.testing.assert_allclose(diagonal.xy, whole.xy, atol=1e-11)
    for b, s in enumerate(weights.astype(np.longdouble)):
        Z, R = (v - (s @ v / s.sum())[None, :] for v in (X.astype(np.longdouble), y.astype(np.longdouble)))
        for name, expected in {"xx": (s * Z.T) @ Z, "xy": (s * Z.T) @ R, "yy": s @ R**2}.items():
            np.testing.assert_allclose(getattr(whole, name)[b], expected.astype(float), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(diagonal.xx[b], np.diagonal((s * Z.T) @ Z).astype(float), rtol=1e-12, atol=0)
        constant = s @ X[:, 3] == 0
        assert (whole.xx[b, 3, 3] == 0) == constant
        assert (diagonal.xx[b, 3] == 0) == constant


def loops_of_unknown_length(jaxpr):
    """While loops; a loop whose length is known when it is traced is a scan."""
    inner = [p for eqn in jaxpr.eqns for v in eqn.params.values() for p in (v if isinstance(v, tuple) else (v,))]
    here = sum(eqn.primitive.name == "while" for eqn in jaxpr.eqns)
    return here + sum(
        loops_of_unknown_length(getattr(p, "jaxpr", p)) for p in inner if hasattr(getattr(p, "jaxpr", p), "eqns")
    )


@pytest.mark.parametrize("p", [16, 100])
def test_an_accelerator_waits_for_the_host_once_a_trip(p):
    """Whether a problem has λs left is asked once in 8 or 64 knots; all loops inside are of known length. Nothing is
    computed on the host, and nothing is decomposed."""
    of = jax.ShapeDtypeStruct
    given = (
        of((50, p), float),
        of((50, 1), float),
        of((8, 50), float),
        of((8, p), float),
        8,
        grid_of(20),
        asked(p),
        UNIT,
    )
    for traced in (of_weights.trace(*given, way="lockstep", most=50), on_rows.trace(*given, most=50)):
        assert loops_of_unknown_length(traced.jaxpr.jaxpr) == 2  # one for a CPU, one for the others
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
        assert not [name for name in ("callback", "syev", "gesvd", "potrf", "geqrf") if name in text]


def test_one_program_serves_another_block():
    """Of the same shape, with other weights, factors, λs and settings."""
    rng = np.random.default_rng(6)
    for p, program, how in ((8, of_weights, {"way": "lockstep", "most": 40}), (90, on_rows, {"most": 40})):
        before = None
        for lower in (None, np.zeros(p)):
            X, weights = rng.normal(size=(40, p)), rng.integers(0, 3, size=(5, 40)).astype(float)
            given = X, X[:, :1] + 0.1, weights, rng.uniform(1, 2, (5, p)), np.int32(5)
            program(*given, grid_of(np.geomspace(1, 0.1, 9)), asked(p, lower), np.float64(UNIT), **how)
            assert before in (None, program._cache_size())
            before = program._cache_size()
