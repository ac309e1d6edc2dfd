"""What the user sets to find faults in programs of their own does not break the doors, and is as it was afterwards."""

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.formulas.moments import moments

# Small tables have grids that end too early; that is said elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::jaxreg.GridEndWarning")

RNG = np.random.default_rng(2)
X, W = RNG.normal(size=(30, 4)), RNG.normal(size=(10, 25))
Y = X @ [1.0, 0, 2, 0] + RNG.normal(size=30)
Z = np.column_stack([Y, -Y])
DOORS = {
    "fit": lambda: jaxreg.fit(X, Y, 0.1).coef,
    "fit, bounds": lambda: jaxreg.fit(X, Y, 0.1, 0.5, lower=0, upper=1.5).coef,
    "fit, least squares": lambda: jaxreg.fit(X, Y, 0.0).coef,
    "path, free and left out": lambda: jaxreg.path(X, Y, 4, penalty_factor=[0, 1, 1, np.inf]).coef,
    "path, wide": lambda: jaxreg.path(W, Y[:10], 4).coef,
    "sweep": lambda: jaxreg.sweep(X, Y, 4, [0.5, 1.0], 3, measure="mae").best.params.coef,
    "sweep, ridge": lambda: jaxreg.sweep(X, Z, 4, 0.0, 3).best.params.coef,
    "leave-one-out": lambda: jaxreg.ridge_leave_one_out(X, Z, 4).best.params.coef,
    "Lasso": lambda: jaxreg.Lasso(0.1).fit(X, Y).coef_,
    "LassoCV, one_se": lambda: jaxreg.LassoCV(alphas=4, cv=3, one_se=True).fit(X, Y).coef_,
    "RidgeCV": lambda: jaxreg.RidgeCV([0.1, 1.0]).fit(X, Y).coef_,
}
SETTINGS = {
    "transfer_guard": lambda: jax.transfer_guard("disallow"),
    "debug_infs": lambda: jax.debug_infs(True),
    "debug_nans": lambda: jax.debug_nans(True),
}


@pytest.fixture(scope="module")
def expected():
    return {name: door() for name, door in DOORS.items()}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("door", DOORS)
def test_the_doors_work_under_it(door, setting, expected):
    with SETTINGS[setting]():
        before = jax.config.jax_transfer_guard_host_to_device, jax.config.jax_debug_infs, jax.config.jax_debug_nans
        found = DOORS[door]()
        assert before == (
            jax.config.jax_transfer_guard_host_to_device,
            jax.config.jax_debug_infs,
            jax.config.jax_debug_nans,
        )
    np.testing.assert_allclose(found, expected[door], rtol=1e-12, atol=1e-14)


def test_arrays_of_jax_and_moments_pass_a_guard():
    with jax.enable_x64(True):
        arrays = jax.device_put((X, Y, np.float64(0.1)))
        m = moments(X, Y)
    found = jaxreg.fit(X, Y, 0.1).coef, jaxreg.path_from_moments(m, 4).coef
    with jax.transfer_guard("disallow"):
        np.testing.assert_allclose(jaxreg.fit(*arrays).coef, found[0], rtol=1e-12)
        np.testing.assert_allclose(jaxreg.path_from_moments(m, 4).coef, found[1], rtol=1e-12)


def test_a_guard_against_all_transfers_is_kept():
    """The user asked for none at all, and an answer cannot be had without one."""
    with jax.transfer_guard("disallow_explicit"), pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        jaxreg.fit(X, Y, 0.1)
