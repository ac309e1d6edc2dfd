"""λ is in units of y: y → cy, λ → cλ gives the same models, and the automatic grids follow.

With standardisation the objective is R glmnet's; its stored fits and curves are in tests/solvers/test_glmnet.py and
tests/sweeps/test_cv_glmnet.py.
"""

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.formulas import objective

DATA = jaxreg.datasets.diabetes()


@pytest.fixture(autouse=True)
def _without_x64():
    with jax.enable_x64(False):
        yield


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_explained_variance_does_not_depend_on_the_currency(rho):
    explained, lams = [], []
    for c in (1e-6, 1.0, 100.0, 1e5):
        y = c * DATA.y
        sweep = jaxreg.sweep(DATA.X, y, 30, rho, folds=5)
        explained.append(1 - sweep.best.mean_mse / np.var(y))
        lams.append(sweep.lams / c)
    assert np.ptp(explained) <= 1e-6  # asked for; 1e-12 is seen
    np.testing.assert_allclose(lams, [lams[1]] * 4, rtol=1e-12)
    assert explained[0] > 0.48  # 0.482 to 0.488 by glmnet's own curves of these folds


def test_ridge_by_default_is_within_a_hundredth_of_the_best_on_a_fine_grid():
    by_default = jaxreg.sweep(DATA.X, DATA.y, l1_ratio=0.0)
    fine = jaxreg.sweep(DATA.X, DATA.y, np.geomspace(1e3, 1e-3, 400), 0.0)
    assert by_default.best.mean_mse <= 1.01 * fine.best.mean_mse
    assert not by_default.end_in_words


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_every_target_has_its_own_scale(rho):
    Y = np.stack([DATA.y, 100 * DATA.y, DATA.y**2], axis=1)
    lams = [30.0, 3.0]
    together = jaxreg.path(DATA.X, Y, lams, rho)
    np.testing.assert_allclose(together.y_scale, Y.std(axis=0), rtol=1e-12)
    for k in range(3):
        alone = jaxreg.path(DATA.X, Y[:, k], lams, rho)
        np.testing.assert_allclose(together.coef[..., k], alone.coef, rtol=1e-9, atol=1e-9 * np.abs(alone.coef).max())
        np.testing.assert_allclose(together.df[:, k], alone.df, rtol=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_solution_minimises_the_objective_with_the_scales_that_it_returns(standardize):
    """By differences along every coordinate: the minimum is flat to second order."""
    with jax.enable_x64(True):
        fit = jaxreg.fit(DATA.X, DATA.y, 3.0, 0.3, standardize=standardize)
        given = {"scale": fit.scale, "y_scale": fit.y_scale}
        value = lambda w: float(objective(jaxreg.Params(fit.intercept, w), DATA.X, DATA.y, 3.0, 0.3, **given))
        least = value(fit.coef)
        for j in range(10):
            for side in (-1e-3, 1e-3):
                moved = fit.coef.copy()
                moved[j] += side * max(abs(moved[j]), 1.0)
                assert value(moved) > least * (1 - 1e-12)
    assert standardize or fit.y_scale == 1.0


def test_leave_one_out_has_the_scale_of_y():
    lams = np.geomspace(30, 0.03, 7)
    one, cents = (jaxreg.ridge_leave_one_out(DATA.X, c * DATA.y, c * lams) for c in (1.0, 100.0))
    np.testing.assert_allclose(cents.mse, 1e4 * one.mse, rtol=1e-12)
    np.testing.assert_allclose(cents.df, one.df, rtol=1e-12)
    together = jaxreg.ridge_leave_one_out(DATA.X, np.stack([DATA.y, 100 * DATA.y], axis=1), lams)
    np.testing.assert_allclose(together.mse[:, 0], one.mse, rtol=1e-12)
    apart = jaxreg.ridge_leave_one_out(DATA.X, 100 * DATA.y, lams)
    np.testing.assert_allclose(together.mse[:, 1], apart.mse, rtol=1e-12)
    np.testing.assert_allclose(together.df[:, 1], apart.df, rtol=1e-12)
    # Left out by hand, with the scales of all rows: the penalty of the n − 1 others is (n/(n − 1)) λ.
    n, i, lam = len(DATA.y), 17, lams[3]
    Z, tau = (DATA.X - DATA.X.mean(axis=0)) / DATA.X.std(axis=0), DATA.y.std()
    keep = np.arange(n) != i
    A = np.column_stack([np.ones(n - 1), Z[keep]])
    penalty = np.diag([0.0] + [lam * n / tau] * 10)
    b = np.linalg.solve(A.T @ A + penalty, A.T @ DATA.y[keep])
    with jax.enable_x64(True):
        data = jaxreg.solvers.reduced.prepare(DATA.X, DATA.y, True, True, None, None, None, None)
        left = np.asarray(jaxreg.solvers.leave_one_out.left_out_residuals(data, jax.numpy.asarray([lam])))
    np.testing.assert_allclose(left[0, i, 0] * np.sqrt(n), DATA.y[i] - b[0] - Z[i] @ b[1:], rtol=1e-9)
