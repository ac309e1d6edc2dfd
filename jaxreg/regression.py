"""``fit`` and ``path`` on NumPy arrays and data frames; ``sweep`` is in :mod:`jaxreg.cross_validation`.

They check the arguments, hand them to an engine (:mod:`jaxreg.engines`), and own no mathematics. The user's JAX
configuration is never changed: 64-bit mode is scoped to the call.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxreg import results
from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.on_device import stays
from jaxreg.data.problem import check_problem
from jaxreg.data.stacks import taken_apart
from jaxreg.device_tables import brought, fit_there, path_there
from jaxreg.engines import choose
from jaxreg.groups import Work, fit_of_each, path_of_each, refuse_checkpoint
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress
from jaxreg.streams import is_stream, read_stream
from jaxreg.without_rows import fit_of_moments, path_of_moments, refuse_rows, require_rows

__all__ = ["fit", "path"]


@names_ours
def fit(
    X: Any = None,
    y: Any = None,
    lam: Any = None,
    l1_ratio: float = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
    dtype: Any = None,
    device: Any = None,
    device_arrays: bool = False,
    mesh: Any = None,
    by: Any = None,
    checkpoint: Any = None,
    progress: Progress = None,
    moments: Any = None,
    target: str | None = None,
    table: Mapping[str, Any] | None = None,
) -> Any:  # a Solution, or a GroupedSolution
    """Minimise the objective at one λ.

    Args:
        X: (n, p) array, data frame of pandas or polars or table of pyarrow (:mod:`jaxreg.data.frames` says what
            becomes of names), or sparse table of scipy, which is made dense only where it is small and dense rows take
            less time or are needed.
        y: (n,) or (n, t). lam: `λ ≥ 0`, a number or (t,), one a target.
        l1_ratio: ρ in [0, 1]: 1 lasso, 0 ridge.
        fit_intercept: whether b is fitted; it is never penalised.
        standardize: whether a coefficient is penalised per standard deviation of its column, `σ_j`, and the squares per
            standard deviation of y, τ: λ is then in units of y. Coefficients are always on the original scale of X.
        sample_weight: `s ≥ 0`, (n,). penalty_factor: `v ≥ 0`, (p,), used as given; 0 is not penalised, infinity leaves
            the column out: its coefficient is 0 at every λ.
        lower, upper: bounds of the coefficients, `lower ≤ 0 ≤ upper`, numbers or (p,).
        tol: relative duality gap to stop at; 1e-10 in float64, 1e-5 in float32. max_iter: most steps a λ.
        strategy: "active set" goes down the λs one after the other: a lasso from knot to knot, where a column becomes
            0 or ceases to be 0, and other penalties by Newton steps on the columns that are not 0;
            "parallel" solves all λs at once by accelerated gradients; None takes the first on a CPU, wherever it can
            solve the problem, and the second on a GPU. The certificate is the same.
        dtype: of the results, float64 or float32; None keeps a float32 X and takes float64 for all else. A float32 X
            that stays on an accelerator is float32 there, too, where a lasso is solved in float64.
        device: a platform name ("cpu", "gpu"), a jax.Device, or None: that on which X lies, an array that was put there
            by ``jax.device_put``, else JAX's default.
        device_arrays: whether the results stay on the device, as JAX arrays. X and y that lie on an accelerator are
            used where they lie in any case, in their own precision.
        mesh: devices that share the work, a ``jax.sharding.Mesh``, a list of ``jax.Device``, or how many: each holds
            its share of the rows, and solves its share of folds and targets. One table, dense, by mean squared errors.
        by: a fit for each group of rows: (n,) labels, several such in a list, or names of columns of a frame, which
            are then no features; or for each window of them, :func:`jaxreg.rolling` and :func:`jaxreg.expanding`.
            Standardisation, and λ in units of y, are those of the group. Without it X may be several data sets, an
            array (d, n, p) or a list of tables, and y (d, n) or a list: each is a group.
        checkpoint: with ``by``, a folder, of this call alone: blocks of groups are kept there, and the same call goes
            on from them after an interruption, to the same bits; another call is refused.
        progress: with ``by``, called as ``progress(done, total)`` when some groups are done; True shows a line in a
            terminal or notebook, and elsewhere prints one now and then. A single fit has nothing to count.
        moments: :class:`jaxreg.Moments` in place of X, y and sample_weight: for ridge without bounds, and for the other
            penalties with `λ > 0`, penalty factors above 0 and bounds that are 0 or infinite.
        target, table: where X is a file, a pattern, a folder or an iterator of batches, as in :func:`jaxreg.sweep`.

    Returns:
        :class:`jaxreg.results.Solution`: coef (p,) or (p, t), intercept () or (t,), in ``dtype``; the gap, the scale.
        With ``by`` a :class:`jaxreg.results.GroupedSolution`: coef (G, p) or (G, p, t) of G groups, and their keys.

    Raises:
        ValueError, TypeError: arguments that are not as above; the message names the argument, row or column. A JAX
            tracer is one of them: under ``jit`` and ``grad``, use :func:`jaxreg.solvers.fit`.
        FloatingPointError: a coefficient is not finite, since its column is too small or too large for the dtype.

    Warns:
        ConvergenceWarning: the gap is above ``tol``. IllConditionedWarning: by rounding of ``moments``, it may be off
            by more than a tenth of ``tol``.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> solution = jaxreg.fit(data.X, data.y, lam=5.0)
        >>> solution.coef.shape, bool(solution.converged), int((solution.coef != 0).sum())
        ((10,), True, 5)
    """
    of_rows = {"y": y, "sample_weight": sample_weight, "strategy": strategy, "dtype": dtype, "by": by}
    of_rows |= {"device": device, "device_arrays": device_arrays, "mesh": mesh, "checkpoint": checkpoint}
    if (moments := _known("fit", X, moments, of_rows, target, table, progress)) is not None:
        asked = {"fit_intercept": fit_intercept, "standardize": standardize, "penalty_factor": penalty_factor}
        return fit_of_moments(moments, lam, l1_ratio, **asked, lower=lower, upper=upper, tol=tol, max_iter=max_iter)
    require_rows("fit", X, y)
    X, y, sample_weight, runs = taken_apart(by, X, y, sample_weight)
    given = check_problem(
        X,
        y,
        l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        tol=tol,
        max_iter=max_iter,
        strategy=strategy,
        device=device,
        mesh=mesh,
        stays=stays(X, device, device_arrays, runs is not None, mesh),
    )
    t = given.y.shape[1]
    lam = parameters.check_lam(lam, None if given.flat or runs else t, given.dtype)
    if runs is not None:
        return fit_of_each(given, runs, lam, Work(checkpoint, progress))
    refuse_checkpoint(checkpoint, "fit")
    if isinstance(given.X, jax.Array):
        if (found_there := fit_there(given, lam, device_arrays)) is not None:
            return found_there
        given = brought(given)
    problem = without_left_out(given)._replace(degrees=False)
    problem = choose.ready(problem)
    solved = choose.solve(problem, np.array(np.broadcast_to(lam, (1, t))))
    choose.check_coef(solved.params.coef)
    warn_unless_converged(solved.gap, solved.lams, problem.tol, "fit", bool(solved.n_iter.any()))
    found = solved.params, solved.gap, solved.n_iter
    params, gap, n_iter = jax.tree.map(lambda v: v[0, ..., 0] if given.flat else v[0], found)
    return results.Solution(
        params=params,
        gap=gap,
        converged=gap <= problem.tol,
        n_iter=n_iter,
        scale=own_scale(solved.scale, given),
        feature_names=given.names,
        y_scale=solved.y_scale[..., 0] if given.flat else solved.y_scale,
    )


@names_ours
def path(
    X: Any = None,
    y: Any = None,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    eps: float | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
    dtype: Any = None,
    device: Any = None,
    device_arrays: bool = False,
    mesh: Any = None,
    by: Any = None,
    checkpoint: Any = None,
    progress: Progress = None,
    moments: Any = None,
    target: str | None = None,
    table: Mapping[str, Any] | None = None,
) -> Any:  # a Path, or a GroupedPath
    """Minimise the objective at every λ of a grid.

    Args:
        lams: L λs, none below 0, in any order, or how many: then a geometric grid down from `λ_max`, where all
            coefficients are 0. Ridge has no such λ: below an l1_ratio of 0.001 the grid is that of 0.001.
        eps: `λ_min / λ_max` of an automatic grid; 1e-4 if `n > p`, else 1e-2.
        X, y, l1_ratio, ...: these and all other options as in :func:`fit`.

    Returns:
        :class:`jaxreg.results.Path`, in the order of ``lams``: coef (L, p) or (L, p, t), intercept (L,) or (L, t). With
        ``by`` a :class:`jaxreg.results.GroupedPath`: coef (G, L, p); how many λs means a grid for each of G groups.

    Raises, Warns: as :func:`fit`; MemoryError before the work if the results would take more than 16 GiB.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> path = jaxreg.path(data.X, data.y, lams=20)
        >>> path.coef.shape, int(path.n_nonzero[0]), bool(path.converged.all())
        ((20, 10), 0, True)
    """
    of_rows = {"y": y, "sample_weight": sample_weight, "strategy": strategy, "dtype": dtype, "by": by}
    of_rows |= {"device": device, "device_arrays": device_arrays, "mesh": mesh, "checkpoint": checkpoint}
    if (moments := _known("path", X, moments, of_rows, target, table, progress)) is not None:
        asked = {"fit_intercept": fit_intercept, "standardize": standardize, "penalty_factor": penalty_factor}
        how = {"lower": lower, "upper": upper, "eps": eps, "tol": tol, "max_iter": max_iter}
        return path_of_moments(moments, lams, l1_ratio, **asked, **how)
    require_rows("path", X, y)
    X, y, sample_weight, runs = taken_apart(by, X, y, sample_weight)
    given = check_problem(
        X,
        y,
        l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        eps=eps,
        tol=tol,
        max_iter=max_iter,
        strategy=strategy,
        device=device,
        mesh=mesh,
        stays=stays(X, device, device_arrays, runs is not None, mesh),
    )
    lams = parameters.check_lams(lams, given.dtype)
    if runs is not None:
        return path_of_each(given, runs, lams, eps, Work(checkpoint, progress))
    refuse_checkpoint(checkpoint, "path")
    if isinstance(given.X, jax.Array):
        if (found_there := path_there(given, lams, device_arrays)) is not None:
            return found_there
        given = brought(given)
    problem = choose.ready(without_left_out(given))
    choose.check_size(problem, lams)
    pure: Any = choose.path(problem, lams)
    along = pure.lams if given.flat else pure.lams[:, None]
    warn_unless_converged(pure.gap, along, problem.tol, "path", bool(pure.n_iter.any()))
    pure = pure._replace(scale=own_scale(pure.scale, given))
    return results.Path(**pure._asdict(), feature_names=given.names)


def _known(
    function: str, X: Any, moments: Any, of_rows: dict[str, Any], target: Any, table: Any, progress: Progress
) -> Any:
    """The moments that are given, or those of a stream; None where X is a table.

    Args:
        of_rows: other arguments that go with rows, by name. A stream takes two of them.
    """
    if is_stream(X):
        of_stream = {name: of_rows.pop(name) for name in ("sample_weight", "checkpoint")}
        moments, X = read_stream(X, target, 1, 0, **{**(table or {}), **of_stream, "progress": progress}).folds[0], None
    if moments is not None:
        refuse_rows(function, "moments", X=X, **of_rows)
    return moments
