"""`jaxreg.fit` and `jaxreg.path` on NumPy arrays: what they add to the pure functions, and what they must not change.

Nearly everything has 25 rows, 5 columns and 6 λs, so that few programs are compiled.
"""

import dataclasses
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import ConvergenceWarning, solvers
from jaxreg.data.problem import check_problem
from jaxreg.engines import degrees, moments, rows
from jaxreg.formulas import duality_gap, kkt_residual, lam_max

N, P, L = 25, 5, 6
RNG = np.random.default_rng(23)
X = (RNG.normal(size=(N, P)) @ (np.eye(P) + 0.3)) * [1, 0.2, 5, 1, 30] + [0, 1, -2, 10, 5]
Y = X @ [1.0, 4, 0, -0.5, 0.02] + RNG.normal(size=N)
TARGETS = np.stack([Y, X[:, 0] - Y / 2, RNG.normal(size=N)], axis=1)
LAMS = np.array([0.02, 1.0, 0.1, 0.02, 5.0, 0.3])  # neither sorted nor all different
WEIGHTS = np.arange(N) % 5 / 1.0  # 0 to 4


def assert_close(found, expected, tolerance=1e-11):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


def agree(found, expected, tolerance=1e-11, but=("gap", "n_iter")):
    """The fields of two results agree; both have converged."""
    for name in (field.name for field in dataclasses.fields(found)):
        a, b = getattr(found, name), getattr(expected, name)
        if name in but or a is None:
            continue
        for x, z in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            assert np.shape(x) == np.shape(z), name
            assert_close(x, z, tolerance)
    assert np.all(found.converged)
    assert np.all(expected.converged)


# ── the same answers as the pure functions ──


@pytest.fixture(scope="module")
def usual():
    return jaxreg.path(X, Y, LAMS)


def test_path_equals_its_pure_twin(usual):
    with jax.enable_x64(True):
        pure = jax.jit(partial(solvers.path, X, Y))(LAMS)
    for name, value in pure._asdict().items():
        given = getattr(usual, name)
        assert isinstance(given, np.ndarray), name
        assert given.shape == value.shape, name
        assert given.dtype == value.dtype, name
        if name not in ("gap", "n_iter"):
            assert_close(given, value)


def test_fit_is_the_path_at_one_lam(usual):
    for k, lam in enumerate(LAMS[:3]):
        found = jaxreg.fit(X, Y, lam)
        assert_close(found.coef, usual.coef[k])
        assert_close(found.intercept, usual.intercept[k])
        assert found.intercept.shape == found.gap.shape == found.converged.shape == ()
        np.testing.assert_array_equal(found.scale, usual.scale)


def test_params_minimise_the_public_objective(usual):
    """With ``scale=result.scale``: by the optimality conditions, by their own gap, and against 200 neighbours."""
    copies = np.repeat(Y[:, None], 200, axis=1)
    functions = [jax.jit(f) for f in (kkt_residual, duality_gap, jaxreg.objective)]
    with jax.enable_x64(True):
        for k, lam in enumerate(LAMS):
            params = jax.tree.map(lambda v, k=k: v[k], usual.params)
            kkt, gap, value = (f(params, X, Y, lam, scale=usual.scale) for f in functions)
            assert kkt <= 1e-12
            assert gap <= 1e-13
            rng = np.random.default_rng(k)
            steps = rng.normal(size=(P, 200)) * rng.choice([1e-5, 1e-2], (P, 200)) / usual.scale[:, None]
            moved = jaxreg.Params(params.intercept + 1e-3 * steps[0], params.coef[:, None] + steps)
            assert functions[2](moved, X, copies, lam, scale=usual.scale).min() > value


# ── λ-grids ──


def test_a_given_grid_comes_back_in_its_order_and_its_duplicates_stay(usual):
    np.testing.assert_array_equal(usual.lams, LAMS)
    order = np.argsort(-LAMS)
    agree(jaxreg.path(X, Y, LAMS[order]), dataclasses.replace(usual, **{
        field.name: getattr(usual, field.name)[order]
        for field in dataclasses.fields(usual) if field.name not in ("scale", "y_scale", "feature_names")
    }))  # fmt: skip
    np.testing.assert_array_equal(usual.coef[0], usual.coef[3])


def test_automatic_grid(usual):
    with jax.enable_x64(True):
        start = float(lam_max(X, Y, scale=usual.scale))
    for eps, options in ((1e-4, {}), (0.05, {"eps": 0.05})):
        found = jaxreg.path(X, Y, lams=L, **options)
        np.testing.assert_allclose(found.lams, start * np.geomspace(1, eps, L), rtol=1e-12)
        assert not np.any(found.coef[0])
        assert found.n_nonzero[1] > 0
        assert np.all(found.converged)
    np.testing.assert_array_equal(jaxreg.path(X, Y, lams=np.int32(L)).lams, jaxreg.path(X, Y, lams=L).lams)


# ── degrees of freedom ──


def test_degrees_of_freedom(usual):
    np.testing.assert_array_equal(usual.n_nonzero, (usual.coef != 0).sum(axis=1))
    np.testing.assert_array_equal(usual.df, usual.n_nonzero)
    ridge = jaxreg.path(X, Y, LAMS, l1_ratio=0)
    e = np.linalg.svd((X - X.mean(axis=0)) / X.std(axis=0) / np.sqrt(N), compute_uv=False) ** 2
    np.testing.assert_allclose(ridge.df, [np.sum(e / (e + lam / np.std(Y))) for lam in LAMS], rtol=1e-9)
    assert not np.any(ridge.n_iter)
    assert np.all(ridge.n_nonzero == P)
    net = jaxreg.path(X, Y, LAMS, l1_ratio=0.4)
    for k, lam in enumerate(LAMS):
        active = net.coef[k] != 0
        Z = ((X - X.mean(axis=0)) / X.std(axis=0) / np.sqrt(N))[:, active]
        G = Z.T @ Z
        expected = np.trace(np.linalg.solve(G + 0.6 * lam / np.std(Y) * np.eye(active.sum()), G))
        np.testing.assert_allclose(net.df[k], expected, rtol=1e-9)


def test_a_repeated_column_adds_no_degree_of_freedom():
    twice = X.copy()
    twice[:, 1] = twice[:, 3]
    found = jaxreg.path(twice, Y, LAMS)
    ranks = [np.linalg.matrix_rank((twice - twice.mean(axis=0))[:, w != 0]) if w.any() else 0 for w in found.coef]
    np.testing.assert_array_equal(found.df, ranks)
    assert found.converged.all()


# ── weights and targets ──


def test_integer_weights_are_repeated_rows_and_zero_weights_are_absent_rows():
    rows = np.repeat(np.arange(N), WEIGHTS.astype(int))
    assert len(rows) == 50
    weighted, repeated = jaxreg.path(X, Y, LAMS, sample_weight=WEIGHTS), jaxreg.path(X[rows], Y[rows], LAMS)
    agree(weighted, repeated, 1e-12)
    scaled = jaxreg.path(X, Y, LAMS, sample_weight=0.37 * WEIGHTS)
    agree(scaled, weighted, 1e-12)


def test_a_row_of_weight_zero_may_hold_anything():
    wild = X.copy(), Y.copy()
    wild[0][WEIGHTS == 0], wild[1][WEIGHTS == 0] = 1e6, -1e6
    agree(jaxreg.path(*wild, LAMS, sample_weight=WEIGHTS), jaxreg.path(X, Y, LAMS, sample_weight=WEIGHTS), 1e-9)


@pytest.mark.slow
def test_several_targets_are_a_loop_over_them(usual):
    found = jaxreg.path(X, TARGETS, LAMS)
    assert found.coef.shape == (L, P, 3)
    assert found.intercept.shape == found.df.shape == found.gap.shape == found.converged.shape == (L, 3)
    assert found.predict(X).shape == (N, L, 3)
    assert usual.predict(X).shape == (N, L)
    np.testing.assert_allclose(usual.predict(X)[:, 2], X @ usual.coef[2] + usual.intercept[2], rtol=1e-12)
    for k in range(3):
        alone = jaxreg.path(X, TARGETS[:, k], LAMS)
        target = {name: getattr(found, name)[..., k] for name in ("coef", "intercept", "gap", "converged", "n_iter")}
        target |= {name: getattr(found, name)[..., k] for name in ("df", "n_nonzero", "y_scale")}
        agree(dataclasses.replace(found, **target), alone)


@pytest.mark.slow
def test_one_lam_a_target():
    lams = np.array([0.02, 5.0, 0.3])
    found = jaxreg.fit(X, TARGETS, lams)
    for k, lam in enumerate(lams):
        alone = jaxreg.fit(X, TARGETS[:, k], lam)
        assert_close(found.coef[:, k], alone.coef)
        assert_close(found.intercept[k], alone.intercept)


# ── what the user's JAX is like afterwards ──


def settings():
    return {
        "x64": jax.config.jax_enable_x64,
        "device": jax.config.jax_default_device,
        "dtype of 1.0": jnp.asarray(1.0).dtype,
        "dtype of int": jnp.asarray(1).dtype,
        "promotion": jax.config.jax_numpy_dtype_promotion,
        "rank": jax.config.jax_numpy_rank_promotion,
        "precision": jax.config.jax_default_matmul_precision,
    }


def test_the_users_settings_do_not_change(usual):
    before = settings()
    assert before["dtype of 1.0"] == np.float32
    jaxreg.fit(X, Y, 0.1)
    assert settings() == before
    with pytest.raises(ValueError, match="not available"):
        jaxreg.fit(X, Y, 0.1, device="abacus")
    assert settings() == before
    with pytest.MonkeyPatch.context() as patch:

        def fail(*args, **kwargs):
            assert jnp.asarray(1.0).dtype == np.float64, "64-bit mode is on inside"
            raise KeyboardInterrupt

        patch.setattr(moments, "solve", fail)
        with pytest.raises(KeyboardInterrupt):
            jaxreg.fit(X, Y, 0.1, device="cpu")
    assert settings() == before


def test_64_bit_mode_of_the_user_makes_no_difference(usual):
    with jax.enable_x64(True):
        agree(jaxreg.path(X, Y, LAMS), usual, 0, but=())


@pytest.mark.slow
def test_naming_the_device_makes_no_difference(usual):
    for device in ("cpu", jax.devices("cpu")[0]):  # another program for JAX, but the same computation
        agree(jaxreg.path(X, Y, LAMS, device=device), usual, 0, but=())


def test_the_second_call_does_not_compile_again(usual):
    programs = (moments._program, rows._solve, degrees._degrees, rows._grid)
    jaxreg.path(X, Y, LAMS, l1_ratio=0.5)  # elastic nets have their own; `usual` is a lasso
    jaxreg.path(X, Y, LAMS, strategy="parallel")
    jaxreg.path(X, Y, L, strategy="parallel")
    before = [program._cache_size() for program in programs]
    jaxreg.path(2 * X, Y + 1, LAMS / 3, l1_ratio=0.9)
    jaxreg.path(X.astype(np.float16), Y.tolist(), 2 * LAMS, strategy="parallel")
    after = [program._cache_size() for program in programs]
    assert after == before
    assert min(before) > 0


def test_another_shape_of_the_same_padded_size_does_not_compile(usual):
    """Nor do other options: weights, factors, a sign, no intercept, fewer λs, one λ. Elastic nets have their own."""
    jaxreg.path(X, Y, LAMS, 0.5)
    programs = (moments._program,)
    before = [program._cache_size() for program in programs]
    jaxreg.path(X[:20, :3], Y[:20], LAMS[:2], fit_intercept=False, sample_weight=WEIGHTS[:20])
    jaxreg.path(np.hstack([X, X**2]), Y, 16, 0.5, standardize=False, penalty_factor=np.arange(1, 2 * P + 1))
    jaxreg.fit(X[:17], Y[:17], 0.1, lower=0.0, tol=1e-6, max_iter=100)
    assert [program._cache_size() for program in programs] == before


# ── float32 ──


def test_float32():
    """What is given in float32 comes back in it, with the gap of these parameters."""
    low = jaxreg.path(X.astype(np.float32), Y, LAMS, l1_ratio=0.5)
    for found in (low, jaxreg.path(X, Y, LAMS, l1_ratio=0.5, dtype="float32")):
        for name in ("lams", "coef", "intercept", "gap", "df", "scale"):
            assert getattr(found, name).dtype == np.float32, name
        agree(found, low, 0, but=())
    assert np.all(low.converged)
    assert np.all(low.gap <= 1e-5)
    high = jaxreg.path(X.astype(np.float32).astype(float), Y, LAMS, l1_ratio=0.5)
    fitted = low.predict(X)
    np.testing.assert_allclose(fitted, high.predict(X), rtol=0, atol=1e-3 * np.std(Y))
    with jax.enable_x64(True):
        X_low, scale = (np.float32(a).astype(float) for a in (X, low.scale))
        given = {"scale": scale, "y_scale": float(low.y_scale)}
        exact = jax.jit(lambda params, lam: duality_gap(params, X_low, Y, lam, 0.5, **given))
        for k, lam in enumerate(np.float32(LAMS).astype(float)):
            params = jax.tree.map(lambda v, k=k: v[k].astype(float), low.params)
            assert abs(exact(params, lam) - low.gap[k]) <= 5e-6, "the gap reported is not that of the parameters"


def test_dtype_float64_for_float32_data():
    found = jaxreg.path(X.astype(np.float32), Y, LAMS, dtype=np.float64)
    assert found.coef.dtype == np.float64
    assert np.all(found.gap <= 1e-10)


# ── blocks ──


def test_any_block_size_gives_the_same_answers(monkeypatch, usual):
    """Blocks of 4 λs: the second one is filled up from 2 to 4."""
    calls = []
    solve = rows._solve
    monkeypatch.setattr(rows, "_solve", lambda *a, **o: (calls.append(a[2].shape), solve(*a, **o))[1])
    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * (25 * P + 8 * N) * 8)
    found = jaxreg.path(X, Y, LAMS, strategy="parallel")
    assert calls == [(4, 1), (4, 1)]
    agree(found, usual, 1e-9)
    assert found.gap.shape == (L,)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 1)  # never less than one λ
    assert rows.block_length(check_problem(X, Y), L) == 1


def test_more_coefficients_than_memory_are_refused():
    with pytest.raises(MemoryError, match=r"10,000,000,000 λs × 5 columns × 1 targets are .* GiB"):
        jaxreg.path(X, Y, lams=10**10)


# ── not converged ──


def powers():
    x = np.linspace(0, 1, N)
    return np.vander(x, P + 1, increasing=True)[:, 1:], np.sin(6 * x)


def test_what_has_not_converged_says_so():
    """The warning names λ and the gap, points to the caller, and the result has both; with more steps it converges."""
    powers_of_x, y = powers()
    lam = 5e-3
    with pytest.warns(ConvergenceWarning, match=r"fit: 1 of 1 fits .* 1e-10; the largest is .* at lam=0.005") as caught:
        found = jaxreg.fit(powers_of_x, y, lam, max_iter=1)
    assert [warning.filename for warning in caught] == [__file__]
    assert not found.converged
    assert found.gap > 1e-10
    assert f"{found.gap:.2g}" in str(caught[0].message)
    with jax.enable_x64(True):
        gap = duality_gap(found.params, powers_of_x, y, lam, scale=found.scale)
    np.testing.assert_allclose(found.gap, gap, rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jaxreg.fit(powers_of_x, y, lam, max_iter=1, tol=0.5).converged


@pytest.mark.slow
def test_the_path_names_the_worst_lam():
    powers_of_x, y = powers()
    lams = np.array([2.0, 5e-3, 0.5, 2.0, 2.0, 2.0])
    with pytest.warns(ConvergenceWarning, match=r"path: 1 of 6 fits .* at lam=0.005"):
        found = jaxreg.path(powers_of_x, y, lams, max_iter=1)
    np.testing.assert_array_equal(found.converged, lams != 5e-3)
    assert np.argmax(found.gap) == 1


# ── results ──


def test_results_are_frozen(usual):
    with pytest.raises(dataclasses.FrozenInstanceError):
        usual.coef = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        jaxreg.fit(X, Y, 0.1).gap = 0
    assert usual.params.coef is usual.coef
    assert usual.params.intercept is usual.intercept
