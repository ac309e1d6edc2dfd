"""Whether moments are those of some rows, and whether two of them go together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["as_of_rows", "check_alike", "check_moments", "check_sums"]

# Moments may be unsymmetric by this share of √(xx_jj xx_kk).
SYMMETRY = 1e-8


def check_alike(m: Any, other: Any) -> None:
    """Raise ValueError unless they are of the same columns and targets."""
    for what, one, two in (("columns", len(m.x_mean), len(other.x_mean)), ("targets", len(m.yy), len(other.yy))):
        if one != two:
            raise ValueError(f"moments of {two} {what} do not go with those of {one}.")
    for what in ("feature_names", "target_names"):
        mine, its = getattr(m, what), getattr(other, what)
        if mine != its:
            shown = _difference(mine, its)
            raise ValueError(f"{what} differ: {shown}; put the columns into one order, under the same names.")


def _difference(mine: Sequence[str] | None, its: Sequence[str] | None) -> str:
    if mine is None or its is None:
        return "one of the two has none"
    j = next(j for j, (a, b) in enumerate(zip(mine, its, strict=True)) if a != b)
    return f"number {j} is {mine[j]!r} and {its[j]!r}"


def check_moments(m: Any) -> None:
    """That the arrays fit together and are those of some rows."""
    p, t = m.xy.shape if m.xy.ndim == 2 else (-1, -1)
    shapes = {"weight": (), "x_mean": (p,), "y_mean": (t,), "xx": (p, p), "xy": (p, t), "yy": (t,)}
    for name, shape in shapes.items():
        value = getattr(m, name)
        if value.shape != shape:
            raise ValueError(f"moments.{name} has shape {value.shape}; with xy {m.xy.shape} it must be {shape}.")
        if not np.isfinite(value).all():
            place = np.argwhere(~np.isfinite(value))[0].tolist()
            raise ValueError(f"moments.{name} is not finite at {place}.")
    if not m.weight > 0:
        raise ValueError(f"moments.weight is {m.weight:g}; it must be positive.")
    square = np.diagonal(m.xx)
    for name, values in (("xx", square), ("yy", m.yy)):
        if np.any(values < 0):
            raise ValueError(
                f"moments.{name} is negative for number {int(np.argmin(values))}: a sum of squares cannot be."
            )
    size, allowed = np.sqrt(square), 1 + SYMMETRY + 100 * m.unit
    if np.any(np.abs(m.xx - m.xx.T) > SYMMETRY * np.outer(size, size)):
        j, k = np.unravel_index(np.argmax(np.abs(m.xx - m.xx.T)), m.xx.shape)
        raise ValueError(f"moments.xx is not symmetric: {m.xx[j, k]:g} at ({j}, {k}), {m.xx[k, j]:g} at ({k}, {j}).")
    if np.any(np.abs(m.xx) > allowed * np.outer(size, size)):
        j, k = np.argwhere(np.abs(m.xx) > allowed * np.outer(size, size))[0]
        raise ValueError(f"moments.xx at ({j}, {k}) is larger than √(xx_jj xx_kk): no rows have such moments.")
    if np.any(np.abs(m.xy) > allowed * np.outer(size, np.sqrt(m.yy))):
        j, k = np.argwhere(np.abs(m.xy) > allowed * np.outer(size, np.sqrt(m.yy)))[0]
        raise ValueError(f"moments.xy at ({j}, {k}) is larger than √(xx_jj yy_k): no rows have such moments.")


def check_sums(weight: Any, x: Any, y: Any, xx: Any, xy: Any, yy: Any) -> None:
    """That sums about a centre fit together, x (p,), y and yy (k,), xx (p, p), xy (p, k), of a weight above 0."""
    if not weight > 0:
        raise ValueError(f"weight is {weight:g}; it must be positive.")
    p, k = len(np.atleast_1d(x)), len(y)
    for name, value, shape in (("x", x, (p,)), ("xx", xx, (p, p)), ("xy", xy, (p, k)), ("yy", yy, (k,))):
        if value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}; with {p} columns and {k} targets it must be {shape}.")


def as_of_rows(left: Any, total: Any, share: float) -> Any:
    """What is left of a total, without what rounding did to it: of rows that are all alike it leaves only noise.

    xx is symmetric, squares are at least 0, and products at most as large as those of the columns' lengths. What is
    beyond by more than the share of the lengths in the total is no rounding, and stays, so that it is found.
    """
    square, yy = np.maximum(np.diagonal(left.xx), 0.0), np.maximum(left.yy, 0.0)

    def within(products: Any, most: Any, before: Any) -> Any:
        cut = np.clip(products, -most, most)
        return np.where(np.abs(products - cut) <= share * before, cut, products)

    outer = lambda a, b: np.sqrt(np.outer(a, b))
    before = np.diagonal(total.xx)
    xx = within((left.xx + left.xx.T) / 2, outer(square, square), outer(before, before))
    xx[np.diag_indices(len(xx))] = square
    return left._replace(xx=xx, xy=within(left.xy, outer(square, yy), outer(before, total.yy)), yy=yy)
