"""Integrated path stability: how often halves choose a feature all along the λs, not where it is most.

At λ let `π_j` be the share of the 2B halves whose model there holds feature j, and q the mean number of features in it.
In place of the largest `π_j` its excess over ½ is integrated, over `log λ` from the largest λ down,

    S_j = ∫ h(π_j) dμ,      h(π) = (2π − 1)³ where π > ½, else 0,      μ uniform in log λ

For a feature of noise, `2π_j − 1` is at most the share of the B pairs *both* halves of which hold it. If any one, two
or three of these pairs do so with probabilities up to `θ²`, `θ⁴` and `θ⁶`, `θ = q/p`, then the third moment of a mean
of B such indicators gives, summed over p features and by Markov's inequality,

    E h(π_j) ≤ θ²/B² + 3(B − 1) θ⁴/B² + (B − 1)(B − 2) θ⁶/B²
    E #{noise with S_j ≥ s} ≤ C/s,      C = p ∫ ( … ) dμ

so that `C/S_j` is the number of false selections that choosing feature j costs. The integral ends where C would exceed
``most``: smaller λs, at which halves hold much of everything, tell little.

Source: Melikechi and Miller, *Integrated path stability selection*, 2024 (arXiv 2403.15877): their `h₃`, with `α = 1`.
"""

import numpy as np

__all__ = ["MOST_INTEGRAL", "expected_false"]

# What C may be, as in the source: the smaller, the shorter the path.
MOST_INTEGRAL = 0.05


def expected_false(share: np.ndarray, lams: np.ndarray, pairs: int, most: float = MOST_INTEGRAL) -> np.ndarray:
    """`C/S_j`, at most p, for every feature, (p,): features up to 1 are chosen with at most one false one expected.

    Args:
        share: π, (L, p), lams: (L,), positive and falling. pairs: B, at least 1. most: the largest C.

    Example:
        >>> share = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]])
        >>> expected_false(share, np.array([4.0, 2.0, 1.0]), 50, most=1.0).round(4).tolist()
        [0.0457, 2.0]
    """
    p, B, step = share.shape[1], pairs, -np.diff(np.log(lams))
    theta = share.mean(axis=1)  # Σ_j π_j is q
    bound = p * (theta**2 + 3 * (B - 1) * theta**4 + (B - 1) * (B - 2) * theta**6) / B**2
    excess = np.where(share > 0.5, 2 * share - 1, 0.0) ** 3
    width = np.cumsum(step)
    along = lambda values: np.cumsum(step[:, None] * (values[1:] + values[:-1]) / 2, axis=0) / width[:, None]
    C = along(bound[:, None])[:, 0]
    inside = np.flatnonzero(np.maximum.accumulate(C) <= most)
    if len(inside) == 0:
        return np.full(p, float(p))
    end = inside[-1]
    score = along(excess)[end]
    return np.minimum(np.where(score > 0, C[end] / np.where(score > 0, score, 1.0), p), p)
