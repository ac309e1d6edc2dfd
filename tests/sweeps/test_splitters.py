"""What a splitter trains on is what is trained on: held against scikit-learn's fits, fold by fold."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.model_selection import ShuffleSplit, TimeSeriesSplit

import jaxreg

N, P = 60, 3
LAMS = np.array([0.5, 0.1, 0.02])


def drifting():
    """y whose coefficient drifts: training on later rows is easy to see."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N, P))
    return X, np.linspace(-2, 2, N) * X[:, 0] + 0.1 * rng.normal(size=N) + 0.2 * np.arange(N)


def by_scikit_learn(X, y, pairs, rho, weight):
    """Held-out errors (L, K) of models fitted on the training rows alone."""
    errors = []
    for train, test in pairs:
        row = []
        for lam in LAMS:
            if rho == 0:
                model = Ridge(lam * weight[train].sum(), tol=1e-14)
            else:
                model = ElasticNet(lam, l1_ratio=rho, tol=1e-13, max_iter=10**6)
            model.fit(X[train], y[train], sample_weight=weight[train])
            row.append(np.average((y[test] - model.predict(X[test])) ** 2, weights=weight[test]))
        errors.append(row)
    return np.array(errors).T


def bootstraps():
    """Training rows that occur several times, and those that do not occur to measure on."""
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, N, N) for _ in range(3)]
    return [(rows, np.setdiff1d(np.arange(N), rows)) for rows in samples]


SPLITS = {
    "the past": TimeSeriesSplit(4),
    "a gap": TimeSeriesSplit(3, gap=5, test_size=5),
    "a third": ShuffleSplit(3, test_size=0.2, train_size=0.3, random_state=0),
    "pairs": list(TimeSeriesSplit(4).split(np.zeros(N))),
    "rows that repeat": bootstraps(),
    "from the end": [(np.arange(-N, -30), np.arange(-30, -10)), (np.arange(-N, -20), np.arange(-10, 0))],
    "few to train on": [(np.arange(2), np.arange(2, N)), (np.arange(5, 9), np.arange(9, N))],
}


@pytest.mark.parametrize("rho", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("which", SPLITS)
def test_the_training_rows_are_kept_to(which, rho):
    X, y = drifting()
    weight = np.random.default_rng(1).uniform(0.5, 2, N)
    folds = SPLITS[which]
    pairs = list(folds.split(X)) if hasattr(folds, "split") else folds
    sweep = jaxreg.sweep(X, y, LAMS, rho, folds=folds, standardize=False, sample_weight=weight)
    np.testing.assert_allclose(sweep.fold_mse[0], by_scikit_learn(X, y, pairs, rho, weight), rtol=1e-7)
    assert sweep.converged


def test_a_generator_and_masks_in_pairs():
    X, y = drifting()
    expected = jaxreg.sweep(X, y, LAMS, folds=TimeSeriesSplit(4)).fold_mse
    np.testing.assert_array_equal(jaxreg.sweep(X, y, LAMS, folds=TimeSeriesSplit(4).split(X)).fold_mse, expected)
    booleans = [(np.isin(np.arange(N), a), np.isin(np.arange(N), b)) for a, b in TimeSeriesSplit(4).split(X)]
    np.testing.assert_array_equal(jaxreg.sweep(X, y, LAMS, folds=booleans).fold_mse, expected)


@pytest.mark.parametrize(
    ("pairs", "match"),
    [
        ([(np.arange(5), np.array([70])), (np.arange(5), np.arange(5, 9))], "fold 0 holds out row 70.*60 rows"),
        ([(np.arange(5), np.arange(5, 9)), (np.array([-61]), np.arange(9))], "fold 1 trains on row -61"),
        ([(np.arange(5), np.arange(5, 9)), (np.array([]), np.arange(9))], "fold 1 leaves no row"),
        ([(np.arange(5.0), np.arange(5, 9)), (np.arange(5), np.arange(9))], "fold 0 trains on.*row numbers"),
    ],
)
def test_wrong_pairs_are_named(pairs, match):
    X, y = drifting()
    with pytest.raises(ValueError, match=match):
        jaxreg.sweep(X, y, LAMS, folds=pairs)


@pytest.mark.parametrize("rho", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("heavy", [1e6, 1e10, 1e13, 1e16])
def test_a_fold_without_its_heavy_row_is_trained_on_what_is_left(heavy, rho):
    """Taking the heavy row's moments away leaves nothing but rounding; held against the fits of the training rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    y = X @ rng.normal(size=5) + rng.normal(size=40)
    s = rng.uniform(0.5, 1.5, 40)
    s[0] = heavy
    labels, lams = np.arange(40) % 4, [0.3, 0.1]
    sweep = jaxreg.sweep(X, y, lams, rho, folds=labels, sample_weight=s)
    for k in range(4):
        train, test = labels != k, labels == k
        path = jaxreg.path(X[train], y[train], lams, rho, sample_weight=s[train])
        residual = y[test, None] - X[test] @ path.coef.T - path.intercept
        np.testing.assert_allclose(sweep.fold_mse[0, :, k], np.average(residual**2, axis=0, weights=s[test]), rtol=1e-8)
    assert sweep.converged
