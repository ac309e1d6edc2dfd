"""What an engine answers: solutions at L λs for t targets."""

from typing import NamedTuple

import jax
import numpy as np

from jaxreg.formulas.objective import Params

__all__ = ["Solved", "improved", "joined", "some_lams"]


class Solved(NamedTuple):
    """NumPy arrays.

    Attributes:
        lams: (L, t). params: coef (L, p, t), intercept (L, t). gap, n_iter, df: (L, t); df is NaN where it is not
            counted. rounding: what it may make of the gaps, (L, t); infinite where gaps are not known.
        scale: σ, (p,). y_scale: τ, (t,).
    """

    lams: np.ndarray
    params: Params
    gap: np.ndarray
    n_iter: np.ndarray
    df: np.ndarray
    rounding: np.ndarray
    scale: np.ndarray
    y_scale: np.ndarray


def some_lams(solved: Solved, which: np.ndarray) -> Solved:
    """At the λs flagged, (L,)."""
    some = jax.tree.map(lambda v: v[which], solved[:-2])
    return Solved._make((*some, solved.scale, solved.y_scale))


def joined(first: Solved, where: np.ndarray, second: Solved) -> Solved:
    """``first`` at the λs flagged, (L,), and ``second`` at the others."""
    place = np.argsort(np.concatenate([np.flatnonzero(where), np.flatnonzero(~where)]))
    both = jax.tree.map(lambda a, b: np.concatenate([a, b])[place], first[:-2], second[:-2])
    return Solved._make((*both, first.scale, first.y_scale))


def improved(solved: Solved, late: np.ndarray, other: Solved) -> Solved:
    """``solved``, but the λs flagged, (L,), from ``other`` wherever its gap is the smaller one."""
    better = other.gap < solved.gap[late]  # a gap that is NaN is not

    def put(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        old = old.copy()
        old[late] = np.where(better[:, None] if new.ndim == 3 else better, new, old[late])
        return old

    names = "params", "gap", "df"
    fields = {name: jax.tree.map(put, getattr(solved, name), getattr(other, name)) for name in names}
    n_iter = solved.n_iter.copy()
    n_iter[late] += other.n_iter
    return solved._replace(**fields, n_iter=n_iter)
