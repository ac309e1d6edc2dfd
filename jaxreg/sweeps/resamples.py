"""Other samples that might have been drawn: as weights of the rows, or as targets that stand beside the same rows.

    pairs      row i counts c_i times, (c_1 … c_n) multinomial with n draws: rows drawn with replacement   (Efron 1979)
    bayesian   row i has the weight n g_i / Σ g, with g_i exponential: the posterior of a Dirichlet prior   (Rubin 1981)
    residual   y* = ŷ + e*, the residuals e drawn with replacement, centred                                 (Efron 1979)
    wild       y* = ŷ + e_i ξ_i with E ξ = 0, E ξ² = E ξ³ = 1: residuals stay with their rows     (Wu 1986, Mammen 1993)

The first two are of rows that were drawn, X among them, and need no model. The last two keep X and need `ŷ`: the first
of them takes residuals of one size, the second any. A penalised `ŷ` is drawn towards 0, so that their residuals hold
some of the signal.

Each resample has a stream of its own, ``default_rng([seed, b])``: it does not depend on how many are drawn, nor on the
blocks they are solved in.
"""

from collections.abc import Callable

import numpy as np

__all__ = ["KINDS", "MOST_GROUPS", "jackknife_weights", "resampled_targets", "resampled_weights"]

KINDS = ("pairs", "bayesian", "residual", "wild")
# Mammen's two points: ξ = −(√5 − 1)/2 with probability (√5 + 1)/(2√5), and (√5 + 1)/2 else.
_GOLDEN = (np.sqrt(5.0) + 1.0) / 2.0
# A jackknife leaves out single rows up to so many, and beyond as many groups of them.
MOST_GROUPS = 400


def resampled_weights(kind: str, weight: np.ndarray, seed: int, resamples: range) -> np.ndarray:
    """Weights of the rows, (B, n), of the resamples with the given numbers.

    Args:
        kind: "pairs" or "bayesian". weight: s, (n,); rows of weight 0 are never drawn.

    Example:
        >>> resampled_weights("pairs", np.ones(4), 0, range(2)).sum(axis=1).tolist()
        [4.0, 4.0]
    """
    there = np.flatnonzero(weight > 0)
    drawn = np.zeros((len(resamples), len(weight)))
    for row, b in zip(drawn, resamples, strict=True):
        rng = np.random.default_rng([seed, b])
        if kind == "pairs":
            row[there] = np.bincount(rng.integers(0, len(there), len(there)), minlength=len(there))
        else:
            exponential = rng.exponential(size=len(there))
            row[there] = exponential * len(there) / exponential.sum()
    return drawn * weight


def resampled_targets(kind: str, fitted: np.ndarray, residual: np.ndarray, seed: int, resamples: range) -> np.ndarray:
    """Targets y*, (n, B), of the resamples with the given numbers.

    Args:
        kind: "residual" or "wild". fitted: `ŷ`, residual: `y − ŷ`, (n,).
    """
    n = len(fitted)
    centred = residual - residual.mean()
    draws: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
        "residual": lambda rng: centred[rng.integers(0, n, n)],
        "wild": lambda rng: residual * np.where(rng.random(n) < _GOLDEN / np.sqrt(5.0), 1.0 - _GOLDEN, _GOLDEN),
    }
    return np.stack([fitted + draws[kind](np.random.default_rng([seed, b])) for b in resamples], axis=1)


def jackknife_weights(weight: np.ndarray, seed: int) -> np.ndarray:
    """The weights without each row, or without each group of rows drawn at random, (G, n).

    Example:
        >>> jackknife_weights(np.ones(3), 0).tolist()
        [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    there = np.flatnonzero(weight > 0)
    if len(there) > MOST_GROUPS:
        there = np.random.default_rng([seed, len(there)]).permutation(there)
    groups = np.array_split(there, min(len(there), MOST_GROUPS))
    left = np.tile(weight, (len(groups), 1))
    for row, group in zip(left, groups, strict=True):
        row[group] = 0.0
    return left
