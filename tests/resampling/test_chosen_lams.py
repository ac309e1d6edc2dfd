"""λ chosen in every resample: the choice and the fit are those of a sweep of that resample, and of scikit-learn's."""

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.formulas.moments import all_but, moments
from jaxreg.sweeps import chosen_lams, resamples
from jaxreg.sweeps.folds import fold_labels

DATA = jaxreg.datasets.diabetes()
X, Y = DATA.X[:150], DATA.y[:150]
LABELS = np.arange(150) % 7 % 4  # folds of different sizes


def is_as_a_sweep(found, b, swept, rule="best"):
    choice = getattr(swept, rule)
    assert found.chosen_lam[b] == choice.lam
    # Both are certified to a gap of 1e-10, and far below it: what is left is rounding.
    np.testing.assert_allclose(found.coef[b], choice.params.coef, rtol=1e-9, atol=1e-9 * np.abs(found.coef).max())
    np.testing.assert_allclose(found.intercepts[b], choice.params.intercept, rtol=1e-9)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("rule", ["best", "one_se"])
def test_each_resample_is_swept(rule, l1_ratio):
    s = np.where(np.arange(150) % 10 == 0, 0.0, 1.0 + np.arange(150) % 2)
    options = {"l1_ratio": l1_ratio, "folds": LABELS}
    found = jaxreg.bootstrap(X, Y, 30, n_resamples=4, seed=3, rule=rule, sample_weight=s, **options)
    weights = resamples.resampled_weights("pairs", s, 3, range(4))
    for b in range(4):
        is_as_a_sweep(found, b, jaxreg.sweep(X, Y, found.lams, sample_weight=weights[b], **options), rule)
    swept = jaxreg.sweep(X, Y, found.lams, sample_weight=s, **options)
    np.testing.assert_allclose(found.estimate, getattr(swept, rule).params.coef, rtol=1e-8, atol=1e-8)
    assert found.lam == getattr(swept, rule).lam
    assert found.fold_gap.max() <= 1e-10
    assert found.converged.all()
    assert len(set(found.chosen_lam)) > 1


def test_copies_of_a_row_stay_in_one_fold():
    """Held against scikit-learn on the rows themselves, as often as they were drawn, split by the row they copy."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    lams = np.array([0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001]) * 50
    found = jaxreg.bootstrap(X, Y, lams, n_resamples=3, standardize=False, folds=5, seed=4)
    counts = resamples.resampled_weights("pairs", np.ones(150), 4, range(3)).astype(int)
    fit = lambda lam, rows: linear_model.Lasso(alpha=lam, tol=1e-14, max_iter=10**6).fit(X[rows], Y[rows])
    for b in range(3):
        rows = np.repeat(np.arange(150), counts[b])
        fold, error = fold_labels(150, 5, 4)[rows], np.zeros(len(lams))
        for k in range(5):
            held = rows[fold == k]
            error += [((Y[held] - fit(lam, rows[fold != k]).predict(X[held])) ** 2).sum() for lam in lams]
        assert found.chosen_lam[b] == lams[np.argmin(error)]
        theirs = fit(found.chosen_lam[b], rows)
        np.testing.assert_allclose(found.coef[b], theirs.coef_, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.0])
def test_folds_of_which_a_resample_has_no_row_are_not_measured(l1_ratio):
    """Each row a fold: those that were not drawn do not count, nor in the standard error."""
    Z, y = X[:30, :3], Y[:30]
    found = jaxreg.bootstrap(Z, y, 20, l1_ratio, n_resamples=4, folds=30, rule="one_se")
    weights = resamples.resampled_weights("pairs", np.ones(30), 0, range(4))
    for b in range(4):
        there = weights[b] > 0
        assert not there.all()
        options = {"folds": np.flatnonzero(there), "sample_weight": weights[b][there]}
        is_as_a_sweep(found, b, jaxreg.sweep(Z[there], y[there], found.lams, l1_ratio, **options), "one_se")


@pytest.mark.parametrize("kind", ["residual", "wild"])
def test_targets_on_the_same_rows(kind):
    found = jaxreg.bootstrap(X, Y, 15, n_resamples=3, kind=kind, folds=LABELS)
    path = jaxreg.path(X, Y, found.lams)
    fitted = X @ path.coef[-1] + path.intercept[-1]
    targets = resamples.resampled_targets(kind, fitted, Y - fitted, 0, range(3))
    for b in range(3):
        is_as_a_sweep(found, b, jaxreg.sweep(X, targets[:, b], found.lams, folds=LABELS))


def test_more_columns_than_rows_and_folds_that_overlap():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(40, 200))
    y = Z[:, 0] + rng.normal(size=40)
    halves = rng.random((4, 40)) < 0.5
    for options in ({"folds": 3}, {"folds": halves}):
        found = jaxreg.bootstrap(Z, y, 10, n_resamples=2, **options)
        weights = resamples.resampled_weights("pairs", np.ones(40), 0, range(2))
        for b in range(2):
            swept = jaxreg.sweep(Z, y, found.lams, sample_weight=weights[b], **options)
            assert found.chosen_lam[b] == swept.best.lam
            np.testing.assert_allclose(found.coef[b], swept.best.params.coef, atol=1e-7)


def test_one_program_for_all_resamples():
    from jax._src import test_util

    jaxreg.bootstrap(X, Y, 10, n_resamples=16, folds=5)
    with test_util.count_jit_compilation_cache_miss() as count:
        jaxreg.bootstrap(X + 1, Y, 10, n_resamples=16, folds=5, seed=5)
    assert count() == 0


def test_the_rows_are_read_once(monkeypatch):
    """All of it by the program: no path of a fold is solved by itself."""
    monkeypatch.setattr(chosen_lams, "_as_a_sweep", None)
    assert jaxreg.bootstrap(X, Y, 10, n_resamples=3, folds=5).converged.all()


def test_all_parts_but_one(x64):
    """In a tenth of the digits that formula (2) would lose: a mean of 1e6 beside a spread of 1."""
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(3, 20, 2)) + np.array([1e6, 0.0]), rng.normal(size=(3, 20, 1))
    s = rng.integers(0, 3, (3, 20)).astype(float)
    s[1] = 0.0
    parts = jax.vmap(moments)(Z, y, s)
    for k in range(4):
        rows = np.concatenate([Z[j] for j in range(3) if j != k]).astype(np.longdouble)
        weight = np.concatenate([s[j] for j in range(3) if j != k]).astype(np.longdouble)
        mean = weight @ rows / weight.sum()
        exact = (weight[:, None] * (rows - mean)).T @ (rows - mean)
        found, times = all_but(parts, k)
        np.testing.assert_allclose(found.x_mean, mean.astype(float), rtol=1e-15)
        bound = 8 * np.finfo(float).eps * (1 + float(times)) * float(exact.max())
        np.testing.assert_allclose(found.xx, exact.astype(float), rtol=0, atol=bound)
        assert float(found.weight) == weight.sum()
    constant = Z * 0 + np.pi
    assert not np.any(all_but(jax.vmap(moments)(constant, y, s), 1)[0].xx)


# ---- What a person meets --------------------------------------------------------------------------------------------


def test_intervals_of_the_whole_procedure():
    found = jaxreg.bootstrap(X, Y, 15, n_resamples=60, folds=3, jackknife=True)
    one = jaxreg.bootstrap(X, Y, [found.lam], n_resamples=60)
    low, high = found.interval(0.9)
    np.testing.assert_allclose([low, high], np.quantile(found.coef, [0.05, 0.95], axis=0), rtol=1e-13)
    assert np.mean(high - low) > np.mean(one.interval(0.9)[1] - one.interval(0.9)[0])  # λ varies, too
    assert found.left_out.shape == (150, 10)
    without = np.delete(np.arange(150), 4)
    swept = jaxreg.sweep(X[without], Y[without], found.lams, folds=fold_labels(150, 3, 0)[without])
    np.testing.assert_allclose(found.left_out[4], swept.best.params.coef, rtol=1e-8, atol=1e-8)
    for kind in ("percentile", "bca"):
        low, high = found.predict_interval(X[:5], 0.9, kind)
        assert (low < high).all()
    at = X[:5] @ found.coef.T + found.intercepts
    np.testing.assert_allclose(found.predict_interval(X[:5], 0.9)[0], np.quantile(at, 0.05, axis=1), rtol=1e-12)


def test_it_is_read_saved_and_drawn(tmp_path):
    found = jaxreg.bootstrap(X, Y, 10, n_resamples=20, folds=3)
    lines = repr(found).splitlines()
    assert lines[0] == "ChosenBootstrap: 20 resamples (pairs), 10 columns"
    assert len(lines) <= 12
    assert "all 20 resamples are within the tolerance" in lines[-1]
    assert list(found.to_frame("dict")) == ["column", "estimate", "low", "high", "frequency"]
    found.save(tmp_path / "chosen.npz")
    again = jaxreg.load(tmp_path / "chosen.npz")
    np.testing.assert_array_equal(again.chosen_lam, found.chosen_lam)
    assert again.rule == "best"
    pytest.importorskip("matplotlib")
    assert "each at its own λ" in again.plot(level=0.9).get_title()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "two_se"}, "'best', 'one_se'"),
        ({"folds": 1}, "at least 2 folds"),
        ({"y": np.column_stack([Y, Y])}, "for one target"),
        ({"X": X[:3], "y": Y[:3], "folds": [0, 0, 1], "n_resamples": 20}, "all its rows in one fold"),
    ],
)
def test_what_is_refused(options, message):
    arguments = {"X": X, "y": Y, "lams": 3, "n_resamples": 3, "folds": 3} | options
    with pytest.raises(ValueError, match=message):
        jaxreg.bootstrap(arguments.pop("X"), arguments.pop("y"), **arguments)
