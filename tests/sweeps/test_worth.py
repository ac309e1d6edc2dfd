"""Nested cross-validation and permutation tests: what a loop over sweeps gives, and what they promise."""

import numpy as np
import pytest

import jaxreg
from jaxreg.sweeps.folds import fold_labels

DATA = jaxreg.datasets.diabetes()
X, y = DATA.X, DATA.y
LAMS = [20.0, 8.0, 3.0, 1.0, 0.3]


@pytest.mark.parametrize("rule", ["best", "one_se"])
@pytest.mark.parametrize("options", [{}, {"l1_ratio": 0.0}, {"sample_weight": np.random.default_rng(0).random(442)}])
def test_a_nested_sweep_is_a_loop_over_sweeps(rule, options):
    outer, inner = np.arange(442) % 4, np.arange(442) // 5 % 3
    found = jaxreg.nested_sweep(X, y, LAMS, outer=outer, folds=inner, rule=rule, **options)
    weight = options.get("sample_weight", np.ones(442))
    for k in range(4):
        train, held = outer != k, outer == k
        given = options | ({"sample_weight": weight[train]} if "sample_weight" in options else {})
        sweep = jaxreg.sweep(X[train], y[train], LAMS, folds=inner[train], **given)
        choice = getattr(sweep, rule)
        assert found.lam[k] == choice.lam
        np.testing.assert_allclose(found.coef[k], choice.params.coef, rtol=1e-8, atol=1e-7)
        error = np.average((y[held] - choice.predict(X[held])) ** 2, weights=weight[held])
        np.testing.assert_allclose(found.mse[k], error, rtol=1e-9)
        mean = np.average(y[train], weights=weight[train])
        np.testing.assert_allclose(
            found.baseline[k], np.average((y[held] - mean) ** 2, weights=weight[held]), rtol=1e-12
        )
        np.testing.assert_allclose(found.weight[k], weight[held].sum(), rtol=1e-12)
    assert found.converged.all()


def test_the_rows_are_divided_anew_in_every_repetition(tmp_path):
    found = jaxreg.nested_sweep(X, y, LAMS, outer=3, folds=4, repeats=2, seed=7)
    assert found.mse.shape == (6,)
    held = fold_labels(442, 3, 8) == 1  # the second repetition has the next seed
    prediction = X[held] @ found.coef[4] + found.intercept[4]
    np.testing.assert_allclose(found.mse[4], np.mean((y[held] - prediction) ** 2), rtol=1e-12)
    np.testing.assert_allclose(found.mean_mse, np.average(found.mse, weights=found.weight))
    found.save(tmp_path / "nested.npz")
    assert repr(jaxreg.load(tmp_path / "nested.npz")) == repr(found)
    assert found.to_frame("dict")["lam"].tolist() == found.lam.tolist()


def test_the_least_error_of_a_sweep_is_too_small_and_the_nested_one_is_not():
    """60 rows, 30 columns of noise and a few that matter; the truth from 2,000 fresh rows, over 20 draws."""
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(20):
        A = rng.normal(size=(2060, 30))
        b = A[:, :3].sum(axis=1) + 2 * rng.normal(size=2060)
        own = slice(0, 60)
        grid = np.geomspace(1.5, 0.01, 40)
        nested = jaxreg.nested_sweep(A[own], b[own], grid, outer=6, folds=6)
        sweep = jaxreg.sweep(A[own], b[own], grid, folds=6)
        truth = np.mean((b[60:] - sweep.predict(A[60:])) ** 2)
        differences.append((nested.mean_mse - truth, sweep.best.mean_mse - truth))
    too_large, too_small = np.mean(differences, axis=0)
    assert too_small < too_large
    # Outer folds train on fewer rows, so that the nested error is a little too large, if anything.
    assert too_large > -0.15


def test_a_permutation_test_is_a_loop_over_sweeps(tmp_path):
    folds = np.arange(442) % 5
    found = jaxreg.permutation_test(X, y, LAMS, folds=folds, n_permutations=9, seed=3)
    least = lambda target: jaxreg.sweep(X, target, LAMS, folds=folds).mean_mse.min()
    np.testing.assert_allclose(found.statistic, least(y), rtol=1e-10)
    for b in (0, 8):
        order = np.random.default_rng([3, b]).permutation(442)
        np.testing.assert_allclose(found.null[b], least(y[order]), rtol=1e-10)
    assert found.p_value == 0.1
    found.save(tmp_path / "test.npz")
    assert repr(jaxreg.load(tmp_path / "test.npz")) == repr(found)


def test_p_values_of_targets_of_no_relation_are_uniform():
    rng = np.random.default_rng(1)
    A, values = rng.normal(size=(40, 5)), []
    for draw in range(120):
        b = np.exp(rng.normal(size=40))  # any distribution will do
        values.append(jaxreg.permutation_test(A, b, [1.0, 0.3, 0.1], folds=4, n_permutations=19, seed=draw).p_value)
    share = np.mean(np.array(values) <= 0.1)  # of 120: 12 ± 3.3
    assert share <= 0.1 + 3 * np.sqrt(0.09 / 120)
    assert 0.4 < np.mean(values) < 0.65  # 0.525 ± 0.027


@pytest.mark.parametrize(
    ("call", "options", "said"),
    [
        (jaxreg.nested_sweep, {"rule": "least"}, "rule is 'least'; it must be 'best' or 'one_se'"),
        (jaxreg.nested_sweep, {"repeats": 2, "outer": np.arange(442) % 3}, "with folds of your own repeats is 1"),
        (jaxreg.nested_sweep, {"outer": 1}, "at least 2 folds"),
        (jaxreg.nested_sweep, {"repeats": 0}, "repeats is 0"),
        (jaxreg.permutation_test, {"n_permutations": 0}, "n_permutations is 0"),
        (jaxreg.permutation_test, {"seed": -1}, "seed is -1"),
    ],
)
def test_what_is_wrong_is_named(call, options, said):
    with pytest.raises(ValueError, match=said):
        call(X, y, LAMS, **options)


@pytest.mark.parametrize("call", [jaxreg.nested_sweep, jaxreg.permutation_test])
def test_one_target_and_known_arguments(call):
    with pytest.raises(ValueError, match="is for one target"):
        call(X, np.c_[y, y], LAMS)
    with pytest.raises(TypeError, match="has no argument 'shuffle'"):
        call(X, y, LAMS, shuffle=True)
    with pytest.raises(TypeError, match="it is folds here"):
        call(X, y, LAMS, cv=5)
