"""For those who have moments: made of rows once, wherever they lie, added, saved, and given in place of rows.

Moments of rows that lie in several files, or on several devices, are added first. ``path``, ``fit`` and ``sweep`` take
them as ``moments=`` and ``moments_by_fold=``.
"""

from typing import Any

from jaxreg import results
from jaxreg.other_names import names_ours
from jaxreg.without_rows import path_of_moments

__all__ = ["moments", "path_from_moments"]


@names_ours
def moments(X: Any, y: Any, sample_weight: Any = None) -> results.Moments:
    """All that least squares needs to know of a table: sums about the means, in float64, in one pass.

    Args:
        X: (n, p) array or data frame. y: (n,) or (n, t). sample_weight: `s ≥ 0`, (n,).

    Returns:
        :class:`jaxreg.Moments`, which are added, taken away, saved, and taken by ``fit``, ``path`` and ``sweep``.

    Raises:
        ValueError, TypeError: arguments that are not as above, as :func:`jaxreg.path`.

    Source: :mod:`jaxreg.formulas.moments`.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> m = jaxreg.moments(data.X, data.y)
        >>> path = jaxreg.path(moments=m, lams=20)
        >>> bool(abs(path.coef - jaxreg.path(data.X, data.y, 20).coef).max() < 1e-9)
        True
    """
    return results.Moments.of_rows(X, y, sample_weight)


def path_from_moments(moments: Any, lams: Any = 100, l1_ratio: float = 1.0, **options: Any) -> results.Path:
    """``jaxreg.path(moments=...)`` under its former name.

    Args:
        moments: :class:`jaxreg.Moments`, or :class:`jaxreg.formulas.moments.Moments` of NumPy or JAX arrays. lams,
            l1_ratio, options: as in :func:`jaxreg.path`.

    Returns, Raises, Warns: as :func:`jaxreg.path`.

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
    return path_of_moments(moments, lams, l1_ratio, **{"max_iter": 20_000} | options)
