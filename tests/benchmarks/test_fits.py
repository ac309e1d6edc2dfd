"""The gap by which single fits and elastic nets are compared, held against the formula of the library."""

import fits
import jax
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from jaxreg.formulas import duality_gap
from jaxreg.formulas.objective import Params


@pytest.mark.parametrize("rho", [1.0, 0.4])
def test_the_gap_of_an_elastic_net(rho):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    X -= X.mean(axis=0)
    y = X @ [2.0, 1.0, 0, 0, 0, -1.0] + rng.normal(size=40)
    y -= y.mean()
    lams = np.array([0.3])
    exact = ElasticNet(0.3, l1_ratio=rho, tol=1e-14, max_iter=10**6).fit(X, y).coef_
    assert fits.elastic_gap(X, y, lams, rho, exact[None]) < 1e-13
    with jax.enable_x64(True):
        for off in (1e-3, 0.1):
            w = exact * (1 + off)
            best = float(duality_gap(Params(np.zeros(()), w), X, y, np.array(0.3), np.array(rho)))
            found = fits.elastic_gap(X, y, lams, rho, w[None])
            assert 0 < best <= found * (1 + 1e-9)  # of two duals the library takes the better one
            assert rho < 1 or found == pytest.approx(best, rel=1e-9)
