"""``fit``, ``path`` and ``sweep`` on NumPy arrays and data frames.

They check the arguments, hand them to an engine (:mod:`jaxreg.engines`), and own no mathematics. The user's JAX
configuration is never changed: 64-bit mode is scoped to the call.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxreg import results
from jaxreg.convergence import GridEndWarning, warn_unless_converged
from jaxreg.data import inputs
from jaxreg.data.arguments import check_arguments
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.sparse import is_sparse
from jaxreg.data.splits import Splits
from jaxreg.engines import choose
from jaxreg.engines.ridge import FactoredPath, factor_all, factored_path, is_large, takes_factors
from jaxreg.precision import computing, find_device, on_accelerator, takes_double
from jaxreg.programs import compiled
from jaxreg.progress import Progress, following
from jaxreg.solvers.grid_ends import beyond, open_end
from jaxreg.sweeps.cross_validate import choices, conclude
from jaxreg.sweeps.factored import conclude_factored
from jaxreg.sweeps.fold_paths import FoldErrors, FoldMoments, errors_of_folds
from jaxreg.sweeps.folds import splits_of

__all__ = ["fit", "path", "sweep"]

_choices = compiled(choices)
# How often an automatic grid is extended, by half its length each time, where the error still falls at its end.
MOST_EXTENSIONS = 2


def fit(
    X: Any,
    y: Any,
    lam: Any,
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
) -> results.Solution:
    """Minimise the objective at one λ.

    Args:
        X: (n, p) array, data frame of pandas or polars or table of pyarrow (:mod:`jaxreg.data.frames` says what
            becomes of names), or sparse table of scipy (:mod:`jaxreg.data.sparse` says when it is copied).
        y: (n,) or (n, t). lam: λ ≥ 0, a number or (t,), one a target.
        l1_ratio: ρ in [0, 1]: 1 lasso, 0 ridge.
        fit_intercept: whether b is fitted; it is never penalised.
        standardize: whether a coefficient is penalised per standard deviation of its column, σ_j, and the squares per
            standard deviation of y, τ: λ is then in units of y. Coefficients are always on the original scale of X.
        sample_weight: s ≥ 0, (n,). penalty_factor: v ≥ 0, (p,), used as given; 0 is not penalised, infinity leaves the
            column out: its coefficient is 0 at every λ.
        lower, upper: bounds of the coefficients, lower ≤ 0 ≤ upper, numbers or (p,).
        tol: relative duality gap to stop at; 1e-10 in float64, 1e-5 in float32. max_iter: most steps a λ.
        strategy: "active set" goes down the λs one after the other: a lasso from knot to knot, where a column becomes
            0 or ceases to be 0, and other penalties by Newton steps on the columns that are not 0;
            "parallel" solves all λs at once by accelerated gradients; None takes the first on a CPU, wherever it can
            solve the problem, and the second on a GPU. The certificate is the same.
        dtype: float64 or float32; None keeps a float32 X and takes float64 for all else.
        device: a platform name ("cpu", "gpu"), a jax.Device, or None for JAX's default.

    Returns:
        :class:`jaxreg.results.Solution`: coef (p,) or (p, t), intercept () or (t,), in ``dtype``; the gap, the scale.

    Raises:
        ValueError, TypeError: arguments that are not as above; the message names the argument, row or column. A JAX
            tracer is one of them: under ``jit`` and ``grad``, use :func:`jaxreg.solvers.fit`.
        FloatingPointError: a coefficient is not finite, since its column is too small or too large for the dtype.

    Warns:
        ConvergenceWarning: the gap is above ``tol``.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> solution = jaxreg.fit(data.X, data.y, lam=5.0)
        >>> solution.coef.shape, bool(solution.converged), int((solution.coef != 0).sum())
        ((10,), True, 5)
    """
    given = check_arguments(X, y, sample_weight, penalty_factor, lower, upper, dtype)
    a = without_left_out(given)
    t = None if a.y.ndim == 1 else a.y.shape[1]
    rho = inputs.check_l1_ratio(l1_ratio)
    lam = inputs.check_lam(lam, t, a.X.dtype)
    device = find_device(device)
    options = choose.options_of(
        a,
        rho,
        tol=tol,
        max_iter=max_iter,
        fit_intercept=fit_intercept,
        standardize=standardize,
        strategy=strategy,
    )._replace(degrees=False)
    solved = choose.solve(a, np.array(np.broadcast_to(lam, (1, t or 1))), options, device)
    choose.check_coef(solved.params.coef)
    warn_unless_converged(solved.gap, solved.lams, options.tol, "fit", bool(solved.n_iter.any()))
    found = solved.params, solved.gap, solved.n_iter
    params, gap, n_iter = jax.tree.map(lambda v: v[0, ..., 0] if t is None else v[0], found)
    y_scale = solved.y_scale[..., 0] if t is None else solved.y_scale
    scale = own_scale(solved.scale, given, options.standardize, device)
    return results.Solution(params, gap, gap <= options.tol, n_iter, scale, a.names, y_scale)


def path(
    X: Any,
    y: Any,
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
) -> results.Path:
    """Minimise the objective at every λ of a grid.

    Args:
        lams: L λs ≥ 0 in any order, or how many: then a geometric grid down from λ_max, where all coefficients are 0.
            Ridge has no such λ: below an l1_ratio of 0.001 the grid is that of 0.001.
        eps: λ_min / λ_max of an automatic grid; 1e-4 if n > p, else 1e-2.
        X, y, l1_ratio, ...: these and all other options as in :func:`fit`.

    Returns:
        :class:`jaxreg.results.Path`, in the order of ``lams``: coef (L, p) or (L, p, t), intercept (L,) or (L, t).

    Raises, Warns: as :func:`fit`; MemoryError before the work if the results would take more than 16 GiB.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> path = jaxreg.path(data.X, data.y, lams=20)
        >>> path.coef.shape, int(path.n_nonzero[0]), bool(path.converged.all())
        ((20, 10), 0, True)
    """
    given = check_arguments(X, y, sample_weight, penalty_factor, lower, upper, dtype)
    a = without_left_out(given)
    rho = inputs.check_l1_ratio(l1_ratio)
    lams = inputs.check_lams(lams, a.X.dtype)
    device = find_device(device)
    options = choose.options_of(
        a,
        rho,
        eps=eps,
        tol=tol,
        max_iter=max_iter,
        fit_intercept=fit_intercept,
        standardize=standardize,
        strategy=strategy,
    )
    choose.check_size(a, lams, options)
    pure: Any = choose.path_of(a, lams, options, device)
    warn_unless_converged(
        pure.gap, pure.lams if a.y.ndim == 1 else pure.lams[:, None], options.tol, "path", bool(pure.n_iter.any())
    )
    pure = pure._replace(scale=own_scale(pure.scale, given, options.standardize, device))
    return results.Path(**pure._asdict(), feature_names=a.names)


def sweep(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float | Sequence[float] = 1.0,
    folds: Any = 10,
    seed: int = 0,
    *,
    measure: str = "mse",
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
    progress: Progress = None,
) -> results.Sweep:
    """Cross-validate a grid of λs (and l1_ratios), choose, and fit on all rows.

    Standardisation and intercept are those of each training part. ``best`` has the least mean error, ties going to the
    larger λ; ``one_se`` is the largest λ at the same l1_ratio within one standard error of it.

    Args:
        l1_ratio: one number or several; each has its own automatic grid.
        folds: a number of folds; (n,) labels, one fold a distinct value; (K, n) booleans, True = held out; a
            scikit-learn splitter; or pairs (training rows, held-out rows) as one makes, in a list or from a generator.
            The training rows of a splitter are kept to: TimeSeriesSplit trains on the past alone. seed: of the random
            folds.
        measure: of the held-out error by which is chosen: "mse", "mae" (mean absolute error) or "r2" (1 − R², R² the
            share of the fold's own variance that is explained). The first and the last are always in the result; mean
            absolute errors, which cost a product with the held-out rows, where they are asked for.
        progress: called as ``progress(done, total)`` after every path, one a fold and one on all rows; True shows a
            line in a terminal or notebook, and nothing elsewhere.
        X, y, lams, eps, ...: these and all other options as in :func:`path`.

    Returns:
        :class:`jaxreg.results.Sweep`.

    An automatic grid at whose end the error still falls is extended there by half its length, at most twice
    (``Sweep.extended``); ``lams`` is then longer than was asked for.

    Raises, Warns: as :func:`path`; ValueError for folds that leave nothing to train or to measure on; GridEndWarning
        where the error still falls at the end of the grid.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> result = jaxreg.sweep(data.X, data.y, lams=30, folds=5)
        >>> result.mean_mse.shape, bool(result.one_se.lam >= result.best.lam), result.converged
        ((1, 30), True, True)
    """
    given = check_arguments(X, y, sample_weight, penalty_factor, lower, upper, dtype)
    a = without_left_out(given)
    all_ratios = [l1_ratio] if np.ndim(l1_ratio) == 0 else list(l1_ratio)  # type: ignore[arg-type]
    if not all_ratios:
        raise ValueError("l1_ratio is empty; give at least one number from 0 (ridge) to 1 (lasso).")
    ratios = [inputs.check_l1_ratio(rho) for rho in all_ratios]
    lams = inputs.check_lams(lams, a.X.dtype)
    seed = inputs.check_whole_number(seed, "seed")
    splits = splits_of(folds, given.X, a.y, seed, a.sample_weight)
    total, done = len(ratios) * (len(splits) + 1), 0

    def report() -> None:
        nonlocal done
        done += 1
        show(done, total)

    if measure not in ("mse", "mae", "r2"):
        raise ValueError(f"measure is {measure!r}; it must be 'mse', 'mae' or 'r2'.")
    device = find_device(device)
    moments = FoldMoments(a, splits)
    weight = splits.held_out.astype(float) @ (np.ones(len(a.y)) if a.sample_weight is None else a.sample_weight)
    with following(progress, "paths") as show:

        def run(rho: float, lams: Any) -> tuple[Any, FoldErrors]:
            """The path on all rows, and the errors of the folds along its λs."""
            options = choose.options_of(
                a,
                rho,
                eps=eps,
                tol=tol,
                max_iter=max_iter,
                fit_intercept=fit_intercept,
                standardize=standardize,
                strategy=strategy,
            )
            options = options._replace(absolute=measure == "mae")
            if strategy is None and on_accelerator(device) and not is_sparse(a.X):
                options = options._replace(strategy="parallel")
            choose.check_size(a, lams, options)
            if len(ratios) == 1 and takes_factors(a, options, lams) and is_large(a, lams):
                inputs.check_values(a.X, a.names)
                with computing(takes_double(a.X.dtype, device), device):
                    path: Any = factored_path(factor_all(a, lams, options), a.X.dtype, options.tol)
            else:
                path = choose.path_of(a, lams, options, device, moments)
            report()
            return path, errors_of_folds(a, splits, moments, path.lams, options, device, report)

        found, extended = [run(rho, lams) for rho in ratios], 0
        while isinstance(lams, int) and lams > 1 and extended < MOST_EXTENSIONS:
            end = _end_of(found, ratios, weight, a, splits, measure)
            if end is None:
                break
            total, extended = total + len(ratios) * (len(splits) + 1), extended + 1
            found = [_joined(run, rho, *of, end) for rho, of in zip(ratios, found, strict=True)]
    paths, folds_of = [path for path, _ in found], [errors for _, errors in found]
    factored = isinstance(paths[0], FactoredPath)
    options = choose.options_of(
        a,
        ratios[0],
        eps=eps,
        tol=tol,
        max_iter=max_iter,
        fit_intercept=fit_intercept,
        standardize=standardize,
        strategy=strategy,
    )
    tol = options.tol
    of_all = lambda values: np.stack(values)[..., 0] if a.y.ndim == 1 else np.stack(values)
    fold_mse, fold_gap = of_all([of.mse for of in folds_of]), of_all([of.gap for of in folds_of])
    fold_mae = of_all([of.mae for of in folds_of]) if measure == "mae" else None
    all_lams, all_gaps = (np.stack([getattr(path, name) for path in paths]) for name in ("lams", "gap"))
    if not np.isfinite(fold_mse).all():
        r, l, k = np.argwhere(~np.isfinite(fold_mse))[0][:3]
        raise FloatingPointError(f"the error of fold {k} at lam={all_lams[r, l]:g} is not finite; rescale X and y.")
    fold_r2 = 1 - fold_mse / _variance_of_folds(a, splits.held_out)
    errors = {"mse": fold_mse, "r2": 1 - fold_r2} | ({"mae": fold_mae} if measure == "mae" else {})
    with computing(takes_double(a.X.dtype, device), device):
        by = {name: jax.tree.map(np.asarray, _choices(error, weight, all_lams)) for name, error in errors.items()}
    mean, se = by["mse"][:2]
    chosen = by[measure][2:]
    if factored:
        with computing(takes_double(a.X.dtype, device), device):
            pure = conclude_factored(paths[0], fold_mse, fold_gap, (mean, se, *chosen))
    else:
        stacked = jax.tree.map(lambda *v: np.stack(v), *paths)
        pure = conclude(all_lams, np.asarray(ratios, a.X.dtype), fold_mse, fold_gap, (mean, se, *chosen), stacked)
    steps = any(path.n_iter.any() for path in paths)
    grid = all_lams.reshape(all_lams.shape + (1,) * (fold_gap.ndim - 2))
    converged = warn_unless_converged(fold_gap, grid, tol, "sweep, in the folds", steps)
    grid = all_lams.reshape(all_lams.shape + (1,) * (all_gaps.ndim - 2))
    converged &= warn_unless_converged(all_gaps, grid, tol, "sweep, on all rows", steps)
    best, one_se = (_choice(choice, a.names) for choice in (pure.best, pure.one_se))
    scale = own_scale(pure.path.scale, given, options.standardize, device)
    path_chosen = _path(pure.path._replace(scale=scale), a.names)
    concluded = {
        **pure._asdict(),
        "fold_mae": fold_mae,
        "fold_r2": fold_r2,
        "mean_mae": by["mae"][0] if measure == "mae" else None,
        "se_mae": by["mae"][1] if measure == "mae" else None,
        "mean_r2": 1 - by["r2"][0],
        "se_r2": by["r2"][1],
        "best": best,
        "one_se": one_se,
        "path": path_chosen,
    }
    result = results.Sweep(**concluded, converged=converged, feature_names=a.names, measure=measure, extended=extended)
    if result.end_in_words:
        warnings.warn(f"sweep: {result.end_in_words}", GridEndWarning, stacklevel=2)
    return result


def _end_of(
    found: list[Any], ratios: list[float], weight: np.ndarray, a: inputs.Arguments, splits: Splits, measure: str
) -> str | None:
    """The open end of the grid at the l1_ratio of least error, of any target."""
    share = weight / weight.sum()
    if measure == "r2":
        variance = _variance_of_folds(a, splits.held_out).reshape(len(splits), -1)
        curves = [np.einsum("lkt,k->lt", of.mse / variance, share) for _, of in found]
    else:
        curves = [np.einsum("lkt,k->lt", of.mae if measure == "mae" else of.mse, share) for _, of in found]
    ends = []
    for target in range(curves[0].shape[1]):
        r = int(np.argmin([np.min(curve[:, target]) for curve in curves]))
        path, _ = found[r]
        used = np.ones(len(path.lams)) if ratios[r] == 0 else path.n_nonzero
        ends.append(open_end(curves[r][:, target], path.lams, used[:, target] if used.ndim == 2 else used))
    return next((end for end in ends if end is not None), None)


def _joined(run: Any, rho: float, path: Any, errors: FoldErrors, end: str) -> tuple[Any, FoldErrors]:
    """The path and the errors with λs beyond an end of the grid."""
    new = beyond(path.lams, end).astype(path.lams.dtype)
    if isinstance(path, FactoredPath):
        return run(rho, np.concatenate([path.lams, new] if end == "smallest" else [new, path.lams]))
    more_path, more_errors = run(rho, new)
    pairs = (lambda old, new: (old, new)) if end == "smallest" else (lambda old, new: (new, old))
    join: Any = lambda old, new: None if old is None else np.concatenate(pairs(old, new))
    fixed = {name: getattr(path, name) for name in ("scale", "y_scale")}
    joined = {
        name: join(old, new) for name, old, new in zip(path._fields, path, more_path, strict=True) if name not in fixed
    }
    return path._replace(**joined), FoldErrors(*map(join, errors, more_errors))


def _variance_of_folds(a: inputs.Arguments, held_out: np.ndarray) -> np.ndarray:
    """Of the held-out y about its own mean, (K,) or (K, t); infinite where it is 0: R² is then 1 − 0."""
    s = np.ones(len(a.y)) if a.sample_weight is None else a.sample_weight
    weight = held_out * s[None, :] / (held_out @ s)[:, None]
    y = a.y - np.average(a.y, axis=0, weights=s)
    variance = weight @ y**2 - (weight @ y) ** 2
    return np.where(variance > 0, variance, np.inf)


def _path(found: Any, names: tuple[str, ...] | None) -> results.Path:
    """Of a pure Path, or of a FactoredPath, whose coefficients are computed when they are first read."""
    fields = found._asdict()
    if isinstance(found, FactoredPath):
        del fields["factors"]
        fields |= {"coef": lambda _: found.coef(), "n_nonzero": lambda path: (path.coef != 0).sum(axis=1)}
    return results.Path(**fields, feature_names=names)


def _choice(choice: Any, names: tuple[str, ...] | None) -> results.Choice:
    plain = {k: v.item() if isinstance(v, np.ndarray) and v.ndim == 0 else v for k, v in choice._asdict().items()}
    return results.Choice(**plain, feature_names=names)
