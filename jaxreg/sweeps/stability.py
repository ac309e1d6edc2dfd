"""Stability selection: which features halves of the rows choose again and again, and how many of them by chance.

Each half chooses the first q features that enter along the λs. Of B complementary pairs of halves let `π_j` be the
share of the 2B halves that choose feature j; it is *stable* if `π_j ≥ τ`. With p features, of which those that are no
better than chance are chosen with probability `θ = q/p` at most, the expected number V of them among the stable ones is

    E V ≤ q² / ((2τ − 1) p)                        (Meinshausen and Bühlmann 2010, where noise is exchangeable)
    E V ≤ C(τ, B) q² / p,                          (Shah and Samworth 2013, where the shares are unimodal)
    C = 1 / (2 (2τ − 1 − 1/(2B)))                  if min(½ + θ², ½ + 1/(2B) + ¾ θ²) < τ ≤ ¾
    C = 4 (1 − τ + 1/(2B)) / (1 + 1/B)             if ¾ < τ ≤ 1

A randomised lasso (Meinshausen and Bühlmann 2010, §3) penalises feature j in each half by `v_j/W_j`, `W_j` uniform
between a weakness and 1: of features that stand for each other now one enters first and now the other, and the one that
is in the model is favoured by more of them. The bounds are of any way to choose, and so of this one.

The second bounds the number of features of low selection probability without saying which of them are noise; it is the
smaller one, by a half for large B at `τ = ¾` (1 in place of 2).
"""

import numpy as np

__all__ = ["chosen_first", "complementary_halves", "false_selections", "threshold_for", "weakened"]

# Thresholds are whole multiples of 1/(2B) in effect; these are tried, from the smallest.
_STEPS = 1000


def complementary_halves(weight: np.ndarray, pairs: int, seed: int) -> np.ndarray:
    """Weights of the rows in 2B halves, (2B, n): two halves without a row in common, B times.

    Args:
        weight: s, (n,). Of an odd number of rows of positive weight each pair leaves one out.

    Example:
        >>> halves = complementary_halves(np.ones(4), 3, seed=0)
        >>> halves.shape, (halves[0] + halves[1]).tolist()
        ((6, 4), [1.0, 1.0, 1.0, 1.0])
    """
    there = np.flatnonzero(weight > 0)
    half = len(there) // 2
    chosen = np.zeros((2 * pairs, len(weight)))
    for b in range(pairs):
        order = np.random.default_rng([seed, b]).permutation(there)
        chosen[2 * b, order[:half]] = 1.0
        chosen[2 * b + 1, order[half : 2 * half]] = 1.0
    return chosen * weight


def weakened(factor: np.ndarray, weakness: float, halves: int, seed: int) -> np.ndarray:
    """Penalty factors v/W of so many halves, (2B, p), each from a stream of its own.

    Example:
        >>> v = weakened(np.ones(1000), 0.5, 2, seed=0)
        >>> v.shape, bool(v.min() >= 1.0), bool(v.max() <= 2.0), round(float((1 / v).mean()), 2)
        ((2, 1000), True, True, 0.75)
    """
    drawn = [np.random.default_rng([seed, b, 1]).uniform(weakness, 1.0, len(factor)) for b in range(halves)]
    return factor / np.stack(drawn)


def chosen_first(coef: np.ndarray, q: int) -> np.ndarray:
    """Which features each path has chosen so far, before it would exceed q of them, (B, L, p) booleans.

    Args:
        coef: (B, L, p), λ falling.
    """
    so_far = np.maximum.accumulate(coef != 0, axis=1)
    return so_far & (so_far.sum(axis=2, keepdims=True) <= q) | _kept(so_far, q)


def _kept(so_far: np.ndarray, q: int) -> np.ndarray:
    """Where a path has exceeded q, what it had chosen just before."""
    fits = so_far.sum(axis=2) <= q
    last = fits.sum(axis=1) - 1  # the λs at which it fits come first
    before = so_far[np.arange(len(so_far)), np.maximum(last, 0)] & (last >= 0)[:, None]
    return ~fits[:, :, None] & before[:, None, :]


def false_selections(q: int, p: int, threshold: float, pairs: int | None = None) -> float:
    """The bound on E V: that of Shah and Samworth for B ``pairs``, of Meinshausen and Bühlmann where None; infinite
    where the threshold is too low for it.

    Example:
        >>> round(false_selections(10, 1000, 0.75), 3), round(false_selections(10, 1000, 0.75, 50), 3)
        (0.2, 0.102)
    """
    if pairs is None:
        return q**2 / ((2 * threshold - 1) * p) if threshold > 0.5 else np.inf
    theta, beyond = q / p, 1 / (2 * pairs)
    if threshold <= min(0.5 + theta**2, 0.5 + beyond + 0.75 * theta**2):
        return np.inf
    if threshold > 0.75:
        factor = 4 * (1 - threshold + beyond) / (1 + 1 / pairs)
    elif 2 * threshold - 1 > beyond:
        factor = 1 / (2 * (2 * threshold - 1 - beyond))
    else:
        return np.inf
    return factor * q**2 / p


def threshold_for(q: int, p: int, most: float, pairs: int | None) -> float | None:
    """The smallest threshold whose bound on E V is at most ``most``; None where none is."""
    for step in range(_STEPS // 2 + 1, _STEPS + 1):
        if false_selections(q, p, step / _STEPS, pairs) <= most:
            return step / _STEPS
    return None
