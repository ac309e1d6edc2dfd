"""Two coefficients on a plane: the ellipses of the error, the region that the penalty allows, the way of the descent.

Minimising `error + λ·penalty` is minimising the error where `penalty(w) ≤ c`, with c the penalty of the minimum: there
an ellipse of equal error touches the region. The region of ridge is a disc; that of the lasso is a diamond, whose
corners, where a coefficient is exactly 0, are touched first; the elastic net lies between.

In the direction u the border of the region is at `r·u`, where `ρ r ‖u‖₁ + (1−ρ)/2 r² ‖u‖² = c`, so that

    r = 2c / ( ρ‖u‖₁ + √( ρ²‖u‖₁² + 2(1−ρ) c ‖u‖² ) ).

Source of the picture: Tibshirani, J. R. Statist. Soc. B 58, 1996, figure 2.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxreg.plot.axes import axes_for, colours, finite, foreground, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["border", "contours"]

_GRID = 161  # points a side: contours are smooth at the size of a page


def contours(
    X: ArrayLike,
    y: ArrayLike,
    lam: float,
    l1_ratio: float = 1.0,
    *,
    iterates: ArrayLike | None = None,
    of: str = "squared error",
    names: Sequence[str] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Contours over two coefficients w, the region `penalty(w) ≤ penalty(minimum)`, and a path of descent.

    The minimum is that of :func:`jaxreg.fit` with ``standardize=False``; the intercept is the best for each w. The
    contour through the minimum is drawn heavier.

    Args:
      X: (n, 2). y: (n,).
      lam: `λ ≥ 0`. l1_ratio: ρ in [0, 1]: 1 lasso, 0 ridge.
      iterates: (k, 2), the coefficients after each step of a descent, from the start to the end.
      of: "squared error", whose contours touch the region, or "objective", which the descent goes down.
      names: of the two features; without, those of a data frame.
      ax: where to draw; its units are made equal, so that a disc is round. Without it, a figure is made.

    Returns:
      The axes; ``.figure`` is the figure.

    Raises:
      ImportError: matplotlib is missing.
      ValueError: X has not two columns, the iterates are not (k, 2), or as :func:`jaxreg.fit`.

    Example:
      >>> from jaxreg import plot
      >>> ax = plot.contours([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [2.0, 1.0, -3.0], lam=0.5)
      >>> ax.get_xlabel(), ax.get_aspect()
      ('w₁', 1.0)
    """
    from jaxreg.data import inputs, parameters

    if of not in ("squared error", "objective"):
        raise ValueError(f"of is {of!r}; it must be 'squared error' or 'objective'.")
    rows = inputs.check_matrix(X, "X", np.dtype(np.float64))
    if rows.shape[1] != 2:
        raise ValueError(f"X must have two columns, one for each direction of the page; it has {rows.shape[1]}.")
    names = names if names is not None else inputs.feature_names_of(X) or ("w₁", "w₂")
    if len(names) != 2:
        raise ValueError(f"names must be two, one for each column of X; got {len(names)}.")
    answers = inputs.check_target(y, len(rows), rows.dtype)
    if answers.ndim != 1:
        raise ValueError(f"y must be (n,), one target; got {answers.shape}.")
    way = finite(np.empty((0, 2)) if iterates is None else iterates)
    if way.ndim != 2 or way.shape[1] != 2:
        raise ValueError(f"iterates must be (k, 2), one row a step; got {way.shape}.")
    rho = parameters.check_l1_ratio(l1_ratio)
    minimum = _minimum(rows, answers, parameters.check_lam(lam, None, rows.dtype), rho)
    # The triangle of a QR factorisation has the same squared error in three rows, whatever n is.
    table = np.column_stack([rows, answers])
    triangle = np.linalg.qr(table - table.mean(axis=0), mode="r")
    triangle *= np.sqrt(len(triangle) / len(rows))
    least_squares = np.linalg.lstsq(triangle[:, :2], triangle[:, 2], rcond=None)[0]
    edge = border(minimum, rho) if lam > 0 else np.empty((0, 2))

    ax = axes_for(ax, (5.6, 5.0))
    ink, palette = foreground(ax), colours(ax)
    seen = np.vstack([np.zeros(2), minimum, least_squares, edge, way])
    low, high = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
    size = np.max(high - low) or 1.0
    reach = _reach(triangle, minimum - least_squares)
    if np.all(reach < size):  # the whole ellipse through the minimum, if it is not much longer than all else
        low, high = np.minimum(low, least_squares - reach), np.maximum(high, least_squares + reach)
    middle, half = (low + high) / 2, 0.57 * (np.max(high - low) or 1.0)
    side = np.linspace(-half, half, _GRID)
    w1, w2 = middle[0] + side, middle[1] + side
    values = _values(triangle, w1, w2, lam if of == "objective" else 0.0, rho)
    here = float(_values(triangle, minimum[:1], minimum[1:], lam if of == "objective" else 0.0, rho)[0, 0])
    levels = values.min() + np.ptp(values) * np.linspace(0.1, 0.95, 10) ** 3
    levels = levels[np.abs(levels - here) > 0.3 * (here - values.min())]  # none close to the heavier one
    ax.contour(w1, w2, values, levels=levels, colors=[ink], linewidths=0.7, alpha=0.45)
    if of == "squared error" and here > values.min():
        ax.contour(w1, w2, values, levels=[here], colors=[ink], linewidths=1.5)

    ax.axhline(0, color=ink, linewidth=0.6, alpha=0.6)
    ax.axvline(0, color=ink, linewidth=0.6, alpha=0.6)
    if len(edge):
        fill = {"facecolor": _faint(palette[0]), "edgecolor": palette[0], "linewidth": 1.4}
        ax.fill(*edge.T, label=_words(minimum, rho), zorder=1.5, **fill)
    if len(way):
        steps = f"descent, {len(way) - 1} step{'s' * (len(way) != 2)}"
        ax.plot(*way.T, color=palette[1], linewidth=1.3, marker="o", markersize=3.5, label=steps)
    ax.plot(
        *least_squares, color=ink, marker="x", markersize=8, markeredgewidth=2, linestyle="none", label="least squares"
    )
    white: dict[str, Any] = {"markeredgecolor": ax.get_facecolor(), "markersize": 13, "linestyle": "none", "zorder": 3}
    ax.plot(*minimum, color=ink, marker="*", label=f"minimum, λ = {lam:.3g}", **white)
    ax.set(xlabel=str(names[0]), ylabel=str(names[1]), xlim=w1[[0, -1]], ylim=w2[[0, -1]])
    ax.set_aspect("equal")
    legend_above(ax)
    return ax


def border(minimum: ArrayLike, l1_ratio: float) -> np.ndarray:
    """(m, 2): the border of `penalty(w) ≤ penalty(minimum)`, counter-clockwise; no point if the minimum is at 0.

    Args:
      minimum: (2,). l1_ratio: ρ in [0, 1].

    Example:
      >>> border([0.0, 2.0], 1.0)[::90].round(12) + 0.0
      array([[ 2.,  0.],
             [ 0.,  2.],
             [-2.,  0.],
             [ 0., -2.]])
    """
    minimum, rho = np.asarray(minimum, dtype=float), l1_ratio
    c = rho * np.abs(minimum).sum() + (1 - rho) / 2 * (minimum @ minimum)
    if not c > 0:
        return np.empty((0, 2))
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)  # 0, 90, 180 and 270 degrees: the corners
    u = np.column_stack([np.cos(angle), np.sin(angle)])
    one = rho * np.abs(u).sum(axis=1)
    return u * (2 * c / (one + np.sqrt(one**2 + 2 * (1 - rho) * c)))[:, None]


def _minimum(X: np.ndarray, y: np.ndarray, lam: Any, l1_ratio: float) -> np.ndarray:
    """The coefficients at the minimum of the objective without standardisation, (2,)."""
    import jax

    from jaxreg.solvers import fit

    with jax.enable_x64(True):
        return np.asarray(fit(X, y, lam, l1_ratio, standardize=False).params.coef)


def _values(triangle: np.ndarray, w1: np.ndarray, w2: np.ndarray, lam: float, l1_ratio: float) -> np.ndarray:
    """The objective at every (w1, w2), (len(w2), len(w1))."""
    import jax

    from jaxreg.formulas.objective import Params, objective

    with jax.enable_x64(True):
        at = lambda w: objective(Params(0.0, w), triangle[:, :2], triangle[:, 2], lam, l1_ratio)
        points = np.stack(np.meshgrid(w1, w2), axis=-1)
        return np.asarray(jax.vmap(jax.vmap(at))(points))


def _words(minimum: np.ndarray, rho: float) -> str:
    if rho == 1:
        return f"|w₁| + |w₂| ≤ {np.abs(minimum).sum():.3g}"
    if rho == 0:
        return f"w₁² + w₂² ≤ {minimum @ minimum:.3g}"
    return f"elastic net ≤ {rho * np.abs(minimum).sum() + (1 - rho) / 2 * (minimum @ minimum):.3g}"


def _faint(colour: str) -> Any:
    from matplotlib.colors import to_rgba

    return to_rgba(colour, 0.25)


def _reach(triangle: np.ndarray, from_the_middle: np.ndarray) -> np.ndarray:
    """How far the ellipse of equal error through a point reaches from its middle in either coefficient, (2,).

    The largest `d_j` with `dᵀA d = q` is `√(q (A⁻¹)_jj)`, for `A = RᵀR` and q the value at the point.
    """
    R = triangle[:, :2]
    if np.linalg.matrix_rank(R) < 2:
        return np.full(2, np.inf)
    return np.linalg.norm(R @ from_the_middle) * np.linalg.norm(np.linalg.pinv(R), axis=1)
