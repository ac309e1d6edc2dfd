"""``tune`` against grids, scikit-learn and R's definitions, and what it says of input that cannot be tuned."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.linear_model import RidgeCV

import jaxreg
from jaxreg.convergence import TuningWarning
from jaxreg.sweeps.folds import plan_of

FOLDS = np.arange(60) % 4


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    return X, 2 * X[:, 0] - X[:, 1] + rng.standard_normal(60)


@pytest.fixture(scope="module")
def tuned(data):
    return jaxreg.tune(*data, folds=FOLDS)


def test_one_lam_is_as_good_as_the_best_of_a_fine_grid(data, tuned):
    lams = np.geomspace(1, 1e-3, 1000)
    swept = jaxreg.sweep(*data, lams=lams, folds=FOLDS)
    assert tuned.value <= swept.best.mean_mse * (1 + 1e-9)
    again = jaxreg.sweep(*data, lams=[2 * tuned.lam, tuned.lam], folds=FOLDS)
    np.testing.assert_allclose(tuned.value, again.mean_mse[0, 1], rtol=1e-10)
    assert tuned.converged
    assert tuned.criterion_gap < 1e-10
    fitted = jaxreg.fit(*data, lam=tuned.lam)
    np.testing.assert_array_equal(tuned.coef, fitted.coef)


def test_what_it_says_and_keeps(tuned, data, tmp_path):
    assert len(repr(tuned).splitlines()) <= 12
    assert "cross-validated mean squared error" in repr(tuned)
    tuned.save(tmp_path / "tuned.npz")
    np.testing.assert_array_equal(jaxreg.load(tmp_path / "tuned.npz").predict(data[0]), tuned.predict(data[0]))
    line = tuned.plot().get_lines()[-1].get_ydata()
    assert np.all(np.diff(line) <= 0)
    np.testing.assert_allclose(line[-1], tuned.value)


def test_ridge_by_leave_one_out_is_scikit_learns(data):
    """Of an error that scikit-learn computes too, at its minimum: nothing near by is better."""
    X, y = data
    found = jaxreg.tune(X, y, l1_ratio=0.0, criterion="leave_one_out", standardize=False)
    alphas = len(y) * found.lam * np.array([0.98, 1.0, 1.02])
    errors = RidgeCV(alphas, store_cv_results=True).fit(X, y).cv_results_.mean(axis=0)
    np.testing.assert_allclose(found.value, errors[1], rtol=1e-9)
    assert errors.argmin() == 1
    assert not found.approximate


@pytest.mark.parametrize("criterion", ["gcv", "aic", "bic", "sure"])
def test_training_errors_with_a_price(data, criterion):
    """At a minimum of what the textbook's formula makes of a path."""
    X, y = data
    how = {"sigma2": 1.0} if criterion == "sure" else {}
    found = jaxreg.tune(X, y, criterion=criterion, l1_ratio=0.0, **how)
    path = jaxreg.path(X, y, lams=found.lam * np.array([1.02, 1.0, 0.98]), l1_ratio=0.0)
    n, d = len(y), path.df + 1
    rss = ((y[:, None] - path.predict(X)) ** 2).mean(axis=0)
    formula = {
        "gcv": rss / (1 - d / n) ** 2,
        "aic": n * np.log(rss) + 2 * d,
        "bic": n * np.log(rss) + np.log(n) * d,
        "sure": rss - 1 + 2 * d / n,
    }[criterion]
    np.testing.assert_allclose(found.value, formula[1], rtol=1e-8)
    assert formula.argmin() == 1


def test_factors_of_groups_and_several_starts(data):
    X, y = data
    one = jaxreg.tune(X, y, folds=FOLDS, l1_ratio=0.0)
    groups = ["signal"] * 2 + ["noise"] * 3
    with pytest.warns(TuningWarning, match="bound"):  # of the noise
        more = jaxreg.tune(X, y, ("lam", "penalty_factor"), groups=groups, folds=FOLDS, l1_ratio=0.0, starts=2)
    assert more.value < one.value
    assert more.penalty_factor[0] < more.penalty_factor[2]
    assert more.penalty_factor[2] == more.penalty_factor[4]
    assert more.trace.shape[0] == 2
    swept = jaxreg.sweep(X, y, [more.lam], 0.0, FOLDS, penalty_factor=more.penalty_factor)
    np.testing.assert_allclose(more.value, swept.mean_mse[0, 0], rtol=1e-8)


def test_a_function_and_an_optimiser_of_the_user(data, tuned):
    found = jaxreg.tune(
        *data,
        lambda tree: {"lam": jnp.exp(tree["a"])},
        start={"a": -1.0},
        folds=FOLDS,
        optimizer=optax.adam(0.2),
        steps=60,
    )
    np.testing.assert_allclose(found.value, tuned.value, rtol=1e-3)


def test_weights_of_rows_by_the_error_on_others():
    """Rows with another law lose their weight."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((80, 3))
    y = X @ [1.0, 2, 3] + 0.1 * rng.standard_normal(80)
    y[:20] = -y[:20]
    held_out = np.arange(80) >= 60
    of_rows = np.where(np.arange(80) < 20, "bad", "good")
    with pytest.warns(TuningWarning):  # of no weight enough
        found = jaxreg.tune(
            X, y, "sample_weight", criterion="held_out", folds=held_out, row_groups=of_rows, start=0.01, l1_ratio=0.0
        )
    assert found.sample_weight[0] < 0.05 * found.sample_weight[30]


def test_a_flat_criterion_is_said(data):
    X, y = data
    with pytest.warns(TuningWarning, match="flat"):
        found = jaxreg.tune(X, y, "penalty_factor", start=50.0, folds=FOLDS)
    assert found.flat
    assert not found.coef.any()
    assert np.isfinite(found.value)
    with pytest.raises(ValueError, match="does not depend"):
        jaxreg.tune(X, y, lambda z: {"lam": 0.1}, start=np.zeros(2), folds=FOLDS)


BAD = {
    "several targets": ({"y": np.ones((60, 2))}, "several targets"),
    "a word": ({"tuned": "lambda"}, "tuned is 'lambda'"),
    "criterion": ({"criterion": "mallows"}, "criterion is 'mallows'"),
    "no start": ({"tuned": lambda z: {"lam": z}}, "start is missing"),
    "start 0": ({"start": 0.0}, "start is 0.0"),
    "weights by themselves": ({"tuned": "sample_weight", "criterion": "gcv"}, "sample_weight is tuned by 'gcv'"),
    "NaN weights": ({"sample_weight": np.full(60, np.nan)}, "sample_weight"),
    "groups": ({"tuned": "penalty_factor", "groups": [1, 2]}, "groups must have 5 labels"),
    "no rows held out": ({"criterion": "held_out", "folds": np.zeros(60, bool)}, "held_out"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(data, case):
    options, message = BAD[case]
    X, y = data
    with pytest.raises(ValueError, match=message):
        jaxreg.tune(X, options.pop("y", y), **options)


def test_constant_columns_and_fewer_rows_than_columns():
    """Factors of constant columns have a derivative of 0, and nothing is NaN."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((20, 30))
    X[:, 3] = 7.0
    y = 3 * X[:, 0] + rng.standard_normal(20)
    found = jaxreg.tune(X, y, ("lam", "l1_ratio"), l1_ratio=0.5, folds=4, steps=15)
    assert np.isfinite(found.value)
    assert found.coef[3] == 0
    assert np.isfinite(found.trace[:, -1]).all()


@pytest.mark.filterwarnings("ignore:tune. 1 of 1")  # few rows may ask for no penalty, or for all
def test_outer_folds_measure_what_is_tuned_on_the_others(data):
    """The error of each outer fold is that of a model whose λ was tuned, and fitted, without its rows."""
    X, y = data[0], data[1] + 4 * np.random.default_rng(3).standard_normal(60)
    found = jaxreg.tune(X, y, folds=4, l1_ratio=0.0, outer_folds=3, steps=20)
    assert found.outer_mse.shape == (3,)
    assert found.outer_mse.min() > 0
    plan = plan_of(3, X, y, 0, None)
    for k, error in enumerate(found.outer_mse):
        train, test = plan.training_rows(k), plan.test_rows(k)
        own = jaxreg.tune(X[train], y[train], folds=4, l1_ratio=0.0, steps=20)
        np.testing.assert_allclose(error, ((y[test] - own.predict(X[test])) ** 2).mean(), rtol=1e-12)
    assert "honest error" in repr(found)
