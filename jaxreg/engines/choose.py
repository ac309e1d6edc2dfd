"""Which engine solves a problem on this machine, and what none of them can solve."""

import math
from typing import Any

import numpy as np

from jaxreg.data import inputs, parameters
from jaxreg.data.inputs import Arguments
from jaxreg.data.sparse import is_sparse
from jaxreg.engines.moments import WIDE, solve_on_moments, takes_moments
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.ridge import solve_on_factors, takes_factors
from jaxreg.engines.rows import BLOCK_BYTES, block_length, solve_on_rows
from jaxreg.engines.wide import MOST_ROWS, solve_on_columns, takes_columns
from jaxreg.precision import computing, on_accelerator, takes_double
from jaxreg.solvers.grid import default_eps
from jaxreg.solvers.paths import Path, default_tol

__all__ = ["check_coef", "check_size", "options_of", "path_of", "solve"]


def options_of(
    a: Arguments,
    l1_ratio: float,
    *,
    max_iter: Any,
    fit_intercept: Any,
    standardize: Any,
    eps: Any = None,
    tol: Any = None,
    strategy: Any = None,
) -> Options:
    """The options of :func:`jaxreg.path`, checked; defaults are those of the shape and dtype of X.

    Raises:
        ValueError, TypeError: an option that is not as there; a sparse X, or a strategy, that no engine takes.
    """
    eps = default_eps(*a.X.shape) if eps is None else parameters.check_positive(eps, "eps", below=1.0)
    tol = default_tol(a.X.dtype) if tol is None else parameters.check_positive(tol, "tol")
    max_iter = parameters.check_positive(max_iter, "max_iter", int)
    if strategy not in (None, "active set", "parallel"):
        raise ValueError(f"strategy is {strategy!r}; it must be 'active set', 'parallel' or None.")
    options = Options(l1_ratio, eps, tol, max_iter, bool(fit_intercept), bool(standardize), strategy)
    if is_sparse(a.X) and not (takes_moments(a, options) and a.X.shape[1] ** 2 * 8 <= BLOCK_BYTES):
        raise ValueError(
            f"X is sparse and would be a dense table of {np.prod(a.X.shape, dtype=float) * 8 / 2**30:.3g} GiB. Without "
            "one, only l1_ratio > 0, penalty factors above 0, bounds that are 0 or infinite, no strategy 'parallel', "
            f"at most {WIDE} columns a row and {math.isqrt(BLOCK_BYTES // 8):,} columns are possible; else use "
            "X.toarray() if memory allows."
        )
    if strategy == "active set" and not (takes_moments(a, options) or takes_columns(a, options)):
        raise ValueError(
            "strategy='active set' needs l1_ratio > 0, penalty factors above 0, bounds that are 0 or infinite, and "
            f"at most {MOST_ROWS:,} rows where there are more than {WIDE} columns a row."
        )
    return options


def solve(a: Arguments, lams: int | np.ndarray, options: Options, device: Any, moments: Any = None) -> Solved:
    """A path by the engine that suits the problem and the device.

    Args:
        lams: how many, or (L, t).
        moments: the :class:`~jaxreg.sweeps.fold_paths.FoldMoments` of ``a``, if they are at hand.
    """
    if is_sparse(a.X) or not (options.strategy is None and on_accelerator(device)):
        with computing(True, device):
            if takes_moments(a, options):
                return solve_on_moments(a, lams, options, moments)
            if takes_columns(a, options):
                return solve_on_columns(a, lams, options)
    inputs.check_values(a.X, a.names)
    by = solve_on_factors if takes_factors(a, options, lams) else solve_on_rows
    with computing(takes_double(a.X.dtype, device), device):
        return by(a, lams, options)


def path_of(a: Arguments, lams: int | np.ndarray, options: Options, device: Any, moments: Any = None) -> Path:
    """The pure Path, with NumPy arrays; without the axis of targets where y has none.

    Args:
        lams: how many, or (L,). The others: as in :func:`solve`.

    Raises:
        FloatingPointError: a coefficient is not finite.
    """
    targets = 1 if a.y.ndim == 1 else a.y.shape[1]
    members = lams if isinstance(lams, int) else np.repeat(lams[:, None], targets, axis=1)
    solved = solve(a, members, options, device, moments)
    coef, gap = solved.params.coef, solved.gap
    check_coef(coef)
    own: Any = lambda v: v if a.y.ndim == 2 else v[..., 0]
    fields: Any = {
        "lams": solved.lams[:, 0],
        "coef": own(coef),
        "intercept": own(solved.params.intercept),
        "gap": own(gap),
        "converged": own(gap <= options.tol),
        "n_iter": own(solved.n_iter),
        "df": own(solved.df),
        "n_nonzero": own((coef != 0).sum(axis=1)),
        "scale": solved.scale,
        "y_scale": own(solved.y_scale),
    }
    return Path(**fields)


def check_size(a: Arguments, lams: int | np.ndarray, options: Options) -> None:
    """Results that no memory holds are refused before the work; ridge does without most of them.

    Raises:
        MemoryError: they are more than 16 GiB.
    """
    if not takes_factors(a, options, lams):
        block_length(a, lams if isinstance(lams, int) else len(lams))


def check_coef(coef: np.ndarray) -> None:
    """Coefficients (L, p, ...) are finite.

    Raises:
        FloatingPointError: one is not.
    """
    if not np.isfinite(coef).all():
        j = int(np.argwhere(~np.isfinite(coef))[0][1])
        raise FloatingPointError(
            f"the coefficient of column {j} is not finite: its values are too small or too large for {coef.dtype}. "
            "Rescale that column."
        )
