"""A path for those who have covariances but no rows: from the moments of a table, wherever they were added up.

Moments of rows that lie in several files, or on several devices, are added first (:mod:`jaxreg.formulas.moments`). From
them alone nothing can be computed anew from the rows, so what rounding leaves of the certificate is said.
"""

from typing import Any

import numpy as np

from jaxreg import results
from jaxreg.convergence import ConvergenceWarning, warn_caller
from jaxreg.data import inputs, parameters
from jaxreg.data.members import UNIT, Known
from jaxreg.data.row_blocks import filled_up
from jaxreg.engines import descent
from jaxreg.engines import moments as on_moments
from jaxreg.engines.order import Order, settings
from jaxreg.formulas.moments import Moments
from jaxreg.other_names import names_ours
from jaxreg.precision import computing, host
from jaxreg.solvers.grid import default_eps
from jaxreg.solvers.paths import default_tol

__all__ = ["IllConditionedWarning", "path_from_moments"]

# Moments may be unsymmetric by this share of √(xx_jj xx_kk).
SYMMETRY = 1e-8


class IllConditionedWarning(UserWarning):
    """Rounding of the moments leaves less accuracy than was asked for."""


@names_ours
def path_from_moments(
    moments: Moments,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    eps: float | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
) -> results.Path:
    """Minimise the objective at every λ of a grid, from moments alone.

    Args:
        moments: :class:`jaxreg.formulas.moments.Moments` of the rows: weight `Σs`, x_mean (p,), y_mean (t,), and the
            sums about the means xx (p, p), xy (p, t), yy (t,). A covariance matrix is `xx / Σs`.
        lams: L λs above 0 in any order, or how many. l1_ratio: ρ in (0, 1]. penalty_factor: `v > 0`; infinity leaves
            the column out.
        lower, upper: 0 or infinite.
        eps: `λ_min / λ_max` of an automatic grid; 1e-4 if `Σs > p`, else 1e-2.
        fit_intercept, standardize, tol, max_iter: as in :func:`jaxreg.path`; all is computed in float64.

    Returns:
        :class:`jaxreg.results.Path`: coef (L, p), or (L, p, t) for `t > 1` targets.

    Raises:
        ValueError: moments that are none, or a problem that cannot be solved from them; the message says which.

    Warns:
        IllConditionedWarning: by rounding, the gap may be off by more than a tenth of ``tol``. ConvergenceWarning: it
            is above ``tol`` besides.

    Source: moments and how they are added, :mod:`jaxreg.formulas.moments`; the gap and its rounding,
    :mod:`jaxreg.solvers.moment_problem`.

    Example:
        >>> import jax, jaxreg
        >>> from jaxreg.formulas.moments import moments
        >>> data = jaxreg.datasets.diabetes()
        >>> with jax.enable_x64(True):
        ...     m = moments(data.X[:200], data.y[:200]) + moments(data.X[200:], data.y[200:])
        >>> path = jaxreg.path_from_moments(m, 20)
        >>> bool(abs(path.coef - jaxreg.path(data.X, data.y, 20).coef).max() < 1e-9)
        True
    """
    m = _checked(moments)
    p, t = m.xy.shape
    rho = parameters.check_l1_ratio(l1_ratio)
    v = inputs.check_factors(penalty_factor, p, m.xx.dtype)
    bounds = inputs.check_bounds(lower, upper, p, m.xx.dtype)
    variance, out = np.diagonal(m.xx) / m.weight, np.zeros(p, bool) if v is None else np.isinf(v)
    if v is not None:  # left out: a column of zeros stands for each
        v = np.where(out, 1.0, v)
        kept = np.where(out, 0.0, 1.0)
        m = m._replace(x_mean=m.x_mean * kept, xx=m.xx * np.outer(kept, kept), xy=m.xy * kept[:, None])
    grid = parameters.check_lams(lams, m.xx.dtype)
    eps = default_eps(int(m.weight), p) if eps is None else parameters.check_positive(eps, "eps", below=1.0)
    tol = default_tol(m.xx.dtype) if tol is None else parameters.check_positive(tol, "tol")
    max_iter = parameters.check_positive(max_iter, "max_iter", int)
    if descent.refuses_penalty(rho, v, *bounds) or not (isinstance(grid, int) or np.all(grid > 0)):
        raise ValueError(
            "moments alone serve l1_ratio > 0, lams > 0, penalty_factor > 0, and bounds that are 0 or infinite; use "
            "jaxreg.path on the rows for anything else."
        )
    with computing(True, host()):
        m = filled_up(m)
        order = Order(grid if isinstance(grid, int) else np.repeat(grid[:, None], t, axis=1), t, eps)
        asked = settings(
            len(m.x_mean),
            v,
            *bounds,
            l1_ratio=rho,
            fit_intercept=fit_intercept,
            standardize=standardize,
            tol=tol,
            max_iter=max_iter,
        )
        found = on_moments.path(Known(m, None, UNIT), order, asked)
    solved = order.solved(found, p, m.xx.dtype)
    if not np.isfinite(solved.params.coef).all():
        raise ValueError("the coefficients are not finite: moments overflow; rescale the columns.")
    rounding = float(np.max(solved.rounding))
    if rounding > tol / 10:
        text = f"by rounding of the moments, gaps may be off by {rounding:.1g} (tol is {tol:g}); use the rows."
        warn_caller(text, IllConditionedWarning)
    late = ~(solved.gap <= tol)
    if late.any():
        text = f"{int(late.sum())} of {late.size} fits did not reach the duality gap {tol:g}; the largest is "
        warn_caller(f"{text}{np.max(solved.gap):.2g}.", ConvergenceWarning)
    coef = solved.params.coef
    grids = {
        "coef": coef,
        "intercept": solved.params.intercept,
        "gap": solved.gap,
        "converged": ~late,
        "n_iter": solved.n_iter,
        "df": solved.df,
        "n_nonzero": (coef != 0).sum(axis=1),
    }
    cut = {name: values[..., 0] if t == 1 else values for name, values in grids.items()}
    y_scale = solved.y_scale[0] if t == 1 else solved.y_scale
    scale = np.where(out & (variance > 0) & standardize, np.sqrt(variance), solved.scale)
    return results.Path(lams=solved.lams[:, 0], scale=scale, y_scale=y_scale, **cut)


def _checked(moments: Moments) -> Moments:
    """As NumPy arrays of float64 that fit together and are those of some rows."""
    m = Moments._make(np.asarray(v, dtype=float) for v in moments)
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
    size = np.sqrt(square)
    if np.any(np.abs(m.xx - m.xx.T) > SYMMETRY * np.outer(size, size)):
        j, k = np.unravel_index(np.argmax(np.abs(m.xx - m.xx.T)), m.xx.shape)
        raise ValueError(f"moments.xx is not symmetric: {m.xx[j, k]:g} at ({j}, {k}), {m.xx[k, j]:g} at ({k}, {j}).")
    if np.any(np.abs(m.xx) > (1 + SYMMETRY) * np.outer(size, size)):
        j, k = np.argwhere(np.abs(m.xx) > (1 + SYMMETRY) * np.outer(size, size))[0]
        raise ValueError(f"moments.xx at ({j}, {k}) is larger than √(xx_jj xx_kk): no rows have such moments.")
    if np.any(np.abs(m.xy) > (1 + SYMMETRY) * np.outer(size, np.sqrt(m.yy))):
        j, k = np.argwhere(np.abs(m.xy) > (1 + SYMMETRY) * np.outer(size, np.sqrt(m.yy)))[0]
        raise ValueError(f"moments.xy at ({j}, {k}) is larger than √(xx_jj yy_k): no rows have such moments.")
    return m
