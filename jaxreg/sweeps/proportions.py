"""Proportions of the bands that a random search tries.

Of `λ_b = λ/γ_b` the proportions γ, on the simplex `Σ γ_b = 1`, say how much of the coefficients each band may have, and
λ how much all of them. For every γ a whole grid of λs costs one decomposition, so only γ is drawn: from Dirichlet
distributions of concentration 1, uniform on the simplex, and 0.1, close to its corners, where one band has nearly all.

Source: la Tour, Eickenberg, Nunez-Elizalde and Gallant, *NeuroImage* 264, 2022, §2.
"""

import numpy as np

__all__ = ["LEAST", "drawn_proportions"]

# A smaller proportion counts as this one: the coefficients of the band are then as good as 0.
LEAST = 1e-10
CONCENTRATIONS = 0.1, 1.0


def drawn_proportions(q: int, count: int, seed: int) -> np.ndarray:
    """(C, q): equal ones, then Dirichlet draws; the first do not depend on how many follow.

    Example:
        >>> drawn_proportions(2, 3, seed=0).round(3).tolist()
        [[0.5, 0.5], [1.0, 0.0], [0.252, 0.748]]
    """
    if q == 1:
        return np.ones((1, 1))
    rng = np.random.default_rng(seed)
    drawn = [rng.dirichlet(np.full(q, CONCENTRATIONS[c % 2])) for c in range(count - 1)]
    found = np.maximum(np.array([np.full(q, 1 / q), *drawn]), LEAST)
    return found / found.sum(axis=1, keepdims=True)
