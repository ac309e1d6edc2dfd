"""What is kept of resamples whose coefficients would not fit into the memory: counts, means and variances.

Of each block of `B_k` resamples the mean `m_k` and the sum of squares about it `S_k` are taken, and put together by

    m = m_a + (B_b/B) (m_b − m_a),      S = S_a + S_b + (B_a B_b/B) (m_b − m_a)²,      B = B_a + B_b

which is formula (1) of :mod:`jaxreg.formulas.moments` in one dimension. Quantiles cannot be put together so, and are
not kept: for intervals at a few λs, ask for those alone, with the same seed; the resamples are the same.

Source: Chan, Golub and LeVeque, *The American Statistician* 37(3), 1983.
"""

from typing import Any

import numpy as np

__all__ = ["statistics_of", "together"]


def statistics_of(coef: np.ndarray, gap: np.ndarray, tol: float) -> dict[str, np.ndarray]:
    """Of one block.

    Args:
        coef: (B, ...). gap: (B, L, ...).

    Returns:
        Arrays by name: number, (); positive, negative (counts), mean, squares, of the shape of one coefficient array;
        largest_gap and late, how many gaps are above the tolerance, of the shape of one gap array.
    """
    mean = coef.mean(axis=0, dtype=float)
    return {
        "number": np.array(len(coef)),
        "positive": (coef > 0).sum(axis=0),
        "negative": (coef < 0).sum(axis=0),
        "mean": mean,
        "squares": np.square(coef - mean).sum(axis=0),
        "largest_gap": gap.max(axis=0),
        "late": (~(gap <= tol)).sum(axis=0),
    }


def together(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Of two blocks.

    Example:
        >>> x, gap = np.array([[1.0], [2.0], [6.0]]), np.zeros((3, 1))
        >>> both = together(statistics_of(x[:2], gap[:2], 1e-10), statistics_of(x[2:], gap[2:], 1e-10))
        >>> both["mean"].item(), both["squares"].item()
        (3.0, 14.0)
    """
    B, away = a["number"] + b["number"], b["mean"] - a["mean"]
    added = {name: a[name] + b[name] for name in ("number", "positive", "negative", "late")}
    return added | {
        "mean": a["mean"] + (b["number"] / B) * away,
        "squares": a["squares"] + b["squares"] + (a["number"] * b["number"] / B) * away**2,
        "largest_gap": np.fmax(a["largest_gap"], b["largest_gap"]),
    }
