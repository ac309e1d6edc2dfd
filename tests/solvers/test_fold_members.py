"""Folds as totals less parts, and the derivatives of held-out errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.formulas.moments import moments
from jaxreg.solvers.fold_moments import moments_of_folds
from jaxreg.sweeps import cross_validate

K, N, P = 4, 150, 3
RNG = np.random.default_rng(3)
X, Y, S = RNG.normal(size=(N, P)) + 5.0, RNG.normal(size=(N, 2)), RNG.integers(0, 3, N) / 2.0
LABELS = RNG.permutation(np.arange(N) % K)
MASKS = {
    "each row once": LABELS[None, :] == np.arange(K)[:, None],
    "some rows never": (LABELS[None, :] == np.arange(K)[:, None]) & (np.arange(N) > 20),
    "one fold without rows": LABELS[None, :] * 2 == np.arange(K)[:, None] * 3,
    "some rows twice": (LABELS[None, :] == np.arange(K)[:, None]) | (np.arange(N) < 5),
}
of_folds = jax.jit(moments_of_folds)


@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
def test_moments_of_folds(masks):
    """Against the moments of each mask, to the rounding of sums of 150 products."""
    total, parts = of_folds(X, Y, S, masks)
    for name, found in zip(total._fields, total, strict=True):
        np.testing.assert_allclose(found, getattr(moments(X, Y, S), name), rtol=1e-11, atol=1e-11, err_msg=name)
    for k, mask in enumerate(masks):
        if not S[mask].sum():
            assert parts.weight[k] == 0
            continue
        for name, found in zip(parts._fields, parts, strict=True):
            expected = getattr(moments(X, Y, np.where(mask, S, 0.0)), name)
            np.testing.assert_allclose(found[k], expected, rtol=1e-11, atol=1e-11, err_msg=name)


def test_the_gradient_of_an_error_by_lam_y_and_weights():
    """Against central differences; what is differentiated is smooth between knots."""
    masks = MASKS["each row once"]

    def error(lam, y, s):
        return cross_validate(X, y, masks, lam[None], sample_weight=s).mean_mse[0, 0]

    point = jnp.asarray(0.02), jnp.asarray(X @ [1.0, -2.0, 0.5] + 0.3 * Y[:, 0]), jnp.asarray(S + 0.5)
    jitted = jax.jit(error)
    found = jax.jit(jax.grad(error, (0, 1, 2)))(*point)
    h = 1e-6
    for argument, places in ((0, [()]), (1, [(3,), (77,)]), (2, [(5,), (90,)])):
        for place in places:
            step = jnp.zeros_like(point[argument]).at[place].set(h)
            up, down = (
                jitted(*(v + sign * step if i == argument else v for i, v in enumerate(point))) for sign in (1, -1)
            )
            # The difference of two errors of about 0.1 is known to 1e-16 / h.
            np.testing.assert_allclose(found[argument][place], (up - down) / (2 * h), rtol=1e-5, atol=1e-9)
