"""The bootstrap: resamples are fits like any other, and the intervals are those of the textbooks."""

import numpy as np
import pytest

import jaxreg
from jaxreg.data import budget
from jaxreg.sweeps import resamples
from jaxreg.sweeps.intervals import bca, percentile

DATA = jaxreg.datasets.diabetes()
X, Y = DATA.X[:150], DATA.y[:150]
LAMS = np.array([20.0, 5.0, 0.5])


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("kind", ["pairs", "bayesian"])
def test_a_resample_is_a_path_with_its_weights(kind, l1_ratio):
    found = jaxreg.bootstrap(X, Y, LAMS, l1_ratio, 5, seed=3, kind=kind)
    weights = resamples.resampled_weights(kind, np.ones(150), 3, range(5))
    for b in range(5):
        alone = jaxreg.path(X, Y, LAMS, l1_ratio, sample_weight=weights[b])
        np.testing.assert_allclose(found.coef[b], alone.coef, rtol=1e-7, atol=1e-7 * np.abs(alone.coef).max())
        np.testing.assert_allclose(found.intercepts[b], alone.intercept, rtol=1e-9)
    assert found.converged.all()
    assert found.gap.max() <= 1e-10
    np.testing.assert_array_equal(found.estimate, jaxreg.path(X, Y, LAMS, l1_ratio).coef)


def test_counts_are_repeated_rows():
    """Held against scikit-learn on the rows themselves, as often as they were drawn."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    found = jaxreg.bootstrap(X, Y, [0.02], n_resamples=4, standardize=False)
    counts = resamples.resampled_weights("pairs", np.ones(150), 0, range(4)).astype(int)
    for b in range(4):
        rows = np.repeat(np.arange(150), counts[b])
        theirs = linear_model.Lasso(alpha=0.02, tol=1e-14, max_iter=10**6).fit(X[rows], Y[rows])
        np.testing.assert_allclose(found.coef[b, 0], theirs.coef_, rtol=1e-6, atol=1e-6)


def test_weights_multiply():
    s = np.arange(150) % 3 * 1.0
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=3, sample_weight=s)
    weights = resamples.resampled_weights("pairs", s, 0, range(3))
    assert not weights[:, s == 0].any()
    alone = jaxreg.path(X, Y, LAMS, sample_weight=weights[2])
    np.testing.assert_allclose(found.coef[2], alone.coef, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["residual", "wild"])
def test_targets_on_the_same_rows(kind):
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=4, kind=kind, seed=1)
    path = jaxreg.path(X, Y, LAMS)
    fitted = X @ path.coef[2] + path.intercept[2]
    targets = resamples.resampled_targets(kind, fitted, Y - fitted, 1, range(4))
    for b in range(4):
        alone = jaxreg.path(X, targets[:, b], LAMS)
        np.testing.assert_allclose(found.coef[b], alone.coef, rtol=1e-7, atol=1e-7)
    if kind == "wild":
        ratio = (targets - fitted[:, None]) / (Y - fitted)[:, None]
        golden = (1 + np.sqrt(5)) / 2
        assert np.isclose(ratio, 1 - golden).any()
        assert (np.isclose(ratio, 1 - golden) | np.isclose(ratio, golden)).all()


def test_moments_of_the_wild_weights():
    drawn = resamples.resampled_targets("wild", np.zeros(2000), np.ones(2000), 0, range(500)).ravel()
    np.testing.assert_allclose([drawn.mean(), (drawn**2).mean(), (drawn**3).mean()], [0, 1, 1], atol=0.01)


def test_resamples_depend_on_their_number_alone(monkeypatch):
    """To 1e-9: a few members go down the λs one after the other, many in lockstep, and both end at a gap near 1e-15."""
    few, many = (jaxreg.bootstrap(X, Y, LAMS, n_resamples=B, seed=7) for B in (3, 40))
    np.testing.assert_allclose(few.coef, many.coef[:3], rtol=1e-9, atol=1e-9)
    monkeypatch.setattr(budget, "BLOCK_BYTES", 8 * 150 * 10)  # blocks of a few members
    blocks = jaxreg.bootstrap(X, Y, LAMS, n_resamples=40, seed=7)
    np.testing.assert_allclose(blocks.coef, many.coef, rtol=1e-9, atol=1e-9)
    other = jaxreg.bootstrap(X, Y, LAMS, n_resamples=3, seed=8)
    assert np.abs(other.coef - few.coef).max() > 1


@pytest.mark.parametrize(("n", "p"), [(40, 300), (40, 30)])
def test_more_columns_than_rows_in_some_resamples(n, p):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n, p))
    y = Z[:, 0] + rng.normal(size=n)
    found = jaxreg.bootstrap(Z, y, [0.3, 0.1], n_resamples=6)
    assert found.converged.all()
    weights = resamples.resampled_weights("pairs", np.ones(n), 0, range(6))
    alone = jaxreg.path(Z, y, [0.3, 0.1], sample_weight=weights[4])
    np.testing.assert_allclose(found.coef[4], alone.coef, rtol=1e-6, atol=1e-8)


def test_a_column_that_is_constant_in_a_resample():
    Z = np.column_stack([X, np.eye(150)[:, 0]])
    found = jaxreg.bootstrap(Z, Y, LAMS, n_resamples=30)
    absent = resamples.resampled_weights("pairs", np.ones(150), 0, range(30))[:, 0] == 0
    assert absent.any()
    assert not found.coef[absent, :, 10].any()
    assert found.converged.all()


def test_one_program_for_all_resamples():
    from jax._src import test_util

    jaxreg.bootstrap(X, Y, LAMS, n_resamples=64)
    with test_util.count_jit_compilation_cache_miss() as count:
        jaxreg.bootstrap(X + 1, Y, LAMS, n_resamples=60, seed=5)
    assert count() == 0


# ---- Intervals ------------------------------------------------------------------------------------------------------


def test_percentiles_are_numpys():
    values = np.random.default_rng(0).normal(size=(500, 3))
    low, high = percentile(values, 0.9)
    np.testing.assert_allclose([low, high], np.quantile(values, [0.05, 0.95], axis=0), rtol=1e-14)


def test_bca_is_scipys():
    """On the mean of skewed numbers, where all three parts of the correction matter."""
    stats = pytest.importorskip("scipy.stats")
    sample = np.random.default_rng(1).exponential(size=40)
    reference = stats.bootstrap((sample,), np.mean, n_resamples=5000, method="BCa", rng=np.random.default_rng(2))
    left_out = (sample.sum() - sample) / 39
    low, high = bca(reference.bootstrap_distribution[:, None], sample.mean(), left_out[:, None], 0.95)
    expected = reference.confidence_interval
    np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], rtol=2e-3)
    plain = percentile(reference.bootstrap_distribution, 0.95)
    assert abs(plain[1] - expected.high) > 0.01  # the correction is more than the tolerance


@pytest.mark.slow
def test_intervals_of_least_squares_cover_at_their_level():
    """At λ = 0 the intervals are of the truth: 95 % of them hold it, up to what 150 samples can tell."""
    rng = np.random.default_rng(0)
    truth, held = np.array([1.0, -2.0, 0.0]), []
    for _ in range(150):
        Z = rng.normal(size=(120, 3))
        found = jaxreg.bootstrap(Z, Z @ truth + rng.normal(size=120), [0.0], n_resamples=200)
        low, high = found.interval(0.95)
        held.append((low[0] <= truth) & (truth <= high[0]))
    share = np.mean(held)  # 450 intervals: a standard error of 0.01, and a percentile interval is a little short
    assert 0.90 < share < 0.98


def test_intervals_of_a_lasso_do_not_cover_and_that_is_said():
    """The penalty draws the estimate towards 0, and its intervals with it."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(40):
        Z = rng.normal(size=(80, 3))
        found = jaxreg.bootstrap(Z, Z @ [1.0, 0, 0] + rng.normal(size=80), [0.5], n_resamples=100)
        low, high = found.interval(0.95)
        held.append(low[0, 0] <= 1.0 <= high[0, 0])
    assert np.mean(held) < 0.5
    assert "only at `λ = 0` do they cover the truth" in jaxreg.sweeps.intervals.__doc__


def test_bca_of_coefficients_and_predictions():
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=300, jackknife=True)
    assert found.left_out.shape == (150, 3, 10)
    without = np.delete(np.arange(150), 4)
    np.testing.assert_allclose(found.left_out[4], jaxreg.path(X[without], Y[without], LAMS).coef, rtol=1e-6, atol=1e-6)
    low, high = found.interval(0.9, "bca")
    j = np.flatnonzero(found.selection_frequency[2] == 1.0)
    assert (low[2, j] < found.estimate[2, j]).all()
    assert (found.estimate[2, j] < high[2, j]).all()
    for kind in ("percentile", "bca"):
        low, high = found.predict_interval(X[:5], 0.9, kind)
        assert low.shape == (5, 3)
        assert (low < high).all()
    np.testing.assert_allclose(
        found.predict_interval(X[:5], 0.9)[0],
        np.quantile(np.einsum("blp,np->bnl", found.coef, X[:5]) + found.intercepts[:, None], 0.05, axis=0),
        rtol=1e-12,
    )


def test_frequencies_and_signs():
    found = jaxreg.bootstrap(X, Y, LAMS, n_resamples=50)
    np.testing.assert_array_equal(found.selection_frequency, (found.coef != 0).mean(axis=0))
    positive = (found.coef > 0).mean(axis=0)
    negative = (found.coef < 0).mean(axis=0)
    np.testing.assert_array_equal(found.sign_stability, np.maximum(positive, negative))


# ---- What a person meets --------------------------------------------------------------------------------------------


def test_several_targets():
    both = np.column_stack([Y, -2 * Y])
    found = jaxreg.bootstrap(X, both, LAMS, n_resamples=3)
    assert found.coef.shape == (3, 3, 10, 2)
    np.testing.assert_allclose(
        found.coef[..., 0], jaxreg.bootstrap(X, Y, LAMS, n_resamples=3).coef, rtol=1e-7, atol=1e-7
    )
    assert "2 targets" in repr(found)


def test_it_is_read_saved_and_drawn(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=DATA.feature_names)
    seen = []
    found = jaxreg.bootstrap(
        frame, Y, LAMS, n_resamples=20, jackknife=True, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (20, 20)
    lines = repr(found).splitlines()
    assert lines[0] == "Bootstrap: 20 resamples (pairs), 3 λs, 10 columns"
    assert len(lines) <= 12
    assert "all 60 fits are within the tolerance" in lines[-1]
    table = found.to_frame("pandas")
    assert list(table.columns) == ["lam", "column", "estimate", "low", "high", "frequency"]
    row = table[(table.lam == 5.0) & (table.column == "bmi")].iloc[0]
    assert row.estimate == found.estimate[1, 2]
    assert row.low == found.interval()[0][1, 2]
    found.save(tmp_path / "bootstrap.npz")
    again = jaxreg.load(tmp_path / "bootstrap.npz")
    np.testing.assert_array_equal(again.coef, found.coef)
    assert again.kind == "pairs"
    assert again.feature_names == DATA.feature_names
    pytest.importorskip("matplotlib")
    assert found.plot().get_ylabel() == "share of resamples that choose it"
    ax = again.plot("intervals", lam=5.0)
    assert "λ = 5" in ax.get_title()
    assert {label.get_text() for label in ax.get_yticklabels()} == set(DATA.feature_names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_resamples": 0}, "n_resamples is 0"),
        ({"n_resamples": 1}, "at least 2"),
        ({"seed": -1}, "seed"),
        ({"kind": "block"}, "must be one of 'pairs'"),
        ({"kind": "wild", "y": np.column_stack([Y, Y])}, "for one target"),
        ({"lams": []}, "at least one λ"),
    ],
)
def test_what_is_refused(options, message):
    arguments = {"X": X, "y": Y, "lams": 3, "n_resamples": 3} | options
    with pytest.raises(ValueError, match=message):
        jaxreg.bootstrap(arguments.pop("X"), arguments.pop("y"), **arguments)


def test_what_would_not_fit_is_refused_before_the_work():
    with pytest.raises(MemoryError, match=r"what fits: keep=.statistics., or at most"):
        jaxreg.bootstrap(np.zeros((10, 5000)), np.arange(10.0), lams=1000, n_resamples=10_000)


def test_bca_needs_the_jackknife():
    found = jaxreg.bootstrap(X, Y, [1.0], n_resamples=3)
    with pytest.raises(ValueError, match="jackknife=True"):
        found.interval(kind="bca")
    with pytest.raises(ValueError, match="posterior"):
        jaxreg.bootstrap(X, Y, [1.0], n_resamples=3, kind="bayesian", jackknife=True).interval(kind="bca")
    with pytest.raises(ValueError, match="'percentile', 'bca' or"):
        found.interval(kind="normal")
    with pytest.raises(ValueError, match="level"):
        found.interval(1.5)
