"""Designs on which solvers of the lasso are known to fail."""

import numpy as np
import pytest


def chain(Z, rho):
    """Autoregressive columns of correlation ρ."""
    X = Z.copy()
    for j in range(1, Z.shape[1]):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * Z[:, j]
    return X


def twice(rng, Z, noise):
    half = Z[:, : Z.shape[1] // 2]
    return np.concatenate([half, half + noise * rng.standard_normal(half.shape)], axis=1)


DESIGNS = {
    "factor": lambda rng, Z: Z[:, :5] @ rng.standard_normal((5, Z.shape[1])) + 0.1 * rng.standard_normal(Z.shape),
    "ten factors": lambda rng, Z: (
        Z[:, :10] @ rng.standard_normal((10, Z.shape[1])) + 0.3 * rng.standard_normal(Z.shape)
    ),
    "binary": lambda rng, Z: (rng.random(Z.shape) < 0.1).astype(float),
    "plus or minus one": lambda rng, Z: np.sign(Z),
    "counts": lambda rng, Z: rng.poisson(0.05, Z.shape).astype(float),
    "chain 0.5": lambda rng, Z: chain(Z, 0.5),
    "chain 0.99": lambda rng, Z: chain(Z, 0.99),
    "equicorrelated 0.99": lambda rng, Z: 0.1 * Z + np.sqrt(0.99) * rng.standard_normal((len(Z), 1)),
    "duplicates": lambda rng, Z: twice(rng, Z, 0),
    "near duplicates 1e-6": lambda rng, Z: twice(rng, Z, 1e-6),
    "near duplicates 1e-9": lambda rng, Z: twice(rng, Z, 1e-9),
    "dependent": lambda rng, Z: np.concatenate(
        [Z[:, :-10], Z[:, :-10] @ rng.standard_normal((Z.shape[1] - 10, 10))], 1
    ),
    "wild scales": lambda rng, Z: Z * 10 ** rng.uniform(-3, 3, Z.shape[1]),
    "polynomials": lambda rng, Z: np.vander(rng.uniform(-1, 1, len(Z)), min(30, Z.shape[1])),
}


def design(name, n, p, seed):
    """Centred X and y; y depends on a fifth of the columns and has noise of half their size."""
    rng = np.random.default_rng(seed)
    X = DESIGNS[name](rng, rng.standard_normal((n, p)))
    X = X - X.mean(axis=0)
    size = X.std(axis=0)
    coef = np.where(rng.random(X.shape[1]) < 0.2, rng.standard_normal(X.shape[1]), 0) / np.where(size > 0, size, 1)
    y = X @ coef
    y = y + 0.5 * y.std() * rng.standard_normal(n)
    return X, y - y.mean()


@pytest.fixture(params=DESIGNS)
def design_name(request):
    return request.param


@pytest.fixture(name="design")
def design_fixture():
    """design(name, n, p, seed): centred X (n, p) and y (n,)."""
    return design
