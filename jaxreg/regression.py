"""``fit``, ``path`` and ``sweep`` on NumPy arrays and data frames.

They check the arguments, choose precision and block size, call the pure functions, and own no mathematics. The user's
JAX configuration is never changed: 64-bit mode is scoped to the call.
"""

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxreg import inputs, results, ridge
from jaxreg.folds import held_out_masks
from jaxreg.solvers.degrees import degrees_of_freedom
from jaxreg.solvers.paths import Path, default_tol, prepare, solve_penalised, solve_without_derivatives
from jaxreg.sweeps.cross_validate import automatic_grid, conclude, held_out_error

__all__ = ["BLOCK_BYTES", "ConvergenceWarning", "fit", "path", "sweep"]

# λs are solved in blocks whose work arrays stay below this: the stated block size of the memory bound.
BLOCK_BYTES = 2**30

Progress = Callable[[int, int], None] | None


class ConvergenceWarning(UserWarning):
    """Some fits have a duality gap above the tolerance."""


# The pure functions, compiled; Python keyword arguments that choose the program are static.
@partial(jax.jit, static_argnames=("ridge", "some_zero", "fit_intercept", "standardize", "max_iter"))
def _solve(X, y, lams, l1_ratio, arrays, tol, *, ridge, some_zero, fit_intercept, standardize, max_iter):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    solver = solve_without_derivatives if some_zero else solve_penalised
    return *solver(data, lams, 0.0 if ridge else l1_ratio, tol, max_iter), data.scale


@partial(jax.jit, static_argnames=("fit_intercept", "standardize", "capacity"))
def _degrees(X, y, coef, lams, l1_ratio, arrays, *, fit_intercept, standardize, capacity):
    data = prepare(X, y, fit_intercept, standardize, **arrays)
    return degrees_of_freedom(data, coef, lams, l1_ratio, capacity)


_grid = jax.jit(automatic_grid, static_argnames=("count", "fit_intercept", "standardize"))
_error = jax.jit(held_out_error)
_conclude = jax.jit(conclude)


@contextlib.contextmanager
def _computing(dtype: Any, device: Any) -> Iterator[None]:
    """64-bit mode for float64 and the device, for this block alone."""
    if isinstance(device, str):
        try:
            device = jax.devices(device)[0]
        except RuntimeError as error:
            raise ValueError(f"device={device!r} is not available: {error}") from None
    with jax.enable_x64(dtype == np.float64), jax.default_device(device) if device else contextlib.nullcontext():
        yield


def _check_dtype(dtype: Any) -> Any:
    if dtype is None:
        return None
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype!r}; it must be float32, float64 or None (that of X).")
    return np.dtype(dtype)


def _check(X, y, sample_weight, penalty_factor, lower, upper, dtype) -> inputs.Arguments:
    names = inputs.feature_names_of(X)
    X = inputs.check_matrix(X, "X", _check_dtype(dtype))
    n, p = X.shape
    y = inputs.check_target(y, n, X.dtype)
    s = inputs.check_weights(sample_weight, "sample_weight", n, X.dtype)
    v = inputs.check_weights(penalty_factor, "penalty_factor", p, X.dtype)
    return inputs.Arguments(X, y, names, s, v, *inputs.check_bounds(lower, upper, p, X.dtype))


def _arrays(a: inputs.Arguments) -> dict[str, np.ndarray | None]:
    return {
        "sample_weight": a.sample_weight,
        "penalty_factor": a.penalty_factor,
        "lower": a.lower,
        "upper": a.upper,
    }


def _is_ridge(l1_ratio: float, a: inputs.Arguments) -> bool:
    return l1_ratio == 0 and a.lower is None and a.upper is None


def _block_length(a: inputs.Arguments, count: int) -> int:
    """How many λs are solved at once: about 25 vectors of length p and 8 of length n live for every λ and target."""
    n, p = a.X.shape
    targets = 1 if a.y.ndim == 1 else a.y.shape[1]
    result = count * targets * (p + 8) * a.X.dtype.itemsize
    if result > 2**34:
        raise MemoryError(
            f"lams: {count:,} λs × {p:,} columns × {targets:,} targets are {result / 2**30:,.0f} GiB of results; "
            "ask for fewer λs."
        )
    return max(1, min(count, BLOCK_BYTES // ((25 * p + 8 * n) * targets * a.X.dtype.itemsize)))


def _blocks(lams: np.ndarray, length: int) -> Iterator[tuple[np.ndarray, int]]:
    """The λs in blocks of one length (one compiled program), the last one filled up; and how many of it count."""
    for start in range(0, len(lams), length):
        block = lams[start : start + length]
        yield np.concatenate([block, np.repeat(block[-1:], length - len(block), axis=0)]), len(block)


def _warn_unless_converged(gap: np.ndarray, lams: np.ndarray, tol: float, where: str) -> bool:
    """One warning that names the worst λ; lams broadcasts against gap. True if all converged."""
    late = ~(gap <= tol)
    if not late.any():
        return True
    worst = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
    lam = np.broadcast_to(lams, gap.shape).flat[worst]
    warnings.warn(
        f"{where}: {int(late.sum())} of {gap.size} fits did not reach the duality gap {tol:g}; the largest is "
        f"{gap.flat[worst]:.2g} at lam={lam:.6g}. Raise max_iter, or loosen tol.",
        ConvergenceWarning,
        stacklevel=3,
    )
    return False


def _check_coef(coef: np.ndarray) -> None:
    if not np.isfinite(coef).all():
        j = int(np.argwhere(~np.isfinite(coef))[0][1])
        raise FloatingPointError(
            f"the coefficient of column {j} is not finite: its values are too small or too large for {coef.dtype}. "
            "Rescale that column."
        )


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
    dtype: Any = None,
    device: Any = None,
) -> results.Solution:
    """Minimise the objective at one λ.

    Args:
        X: (n, p) array or data frame. y: (n,) or (n, t). lam: λ ≥ 0, a number or (t,), one a target.
        l1_ratio: ρ in [0, 1]: 1 lasso, 0 ridge.
        fit_intercept: whether b is fitted; it is never penalised.
        standardize: whether a coefficient is penalised per standard deviation of its column. Coefficients are always
            on the original scale of X.
        sample_weight: s ≥ 0, (n,). penalty_factor: v ≥ 0, (p,), used as given; 0 is not penalised.
        lower, upper: bounds of the coefficients, lower ≤ 0 ≤ upper, numbers or (p,).
        tol: relative duality gap to stop at; 1e-10 in float64, 1e-5 in float32. max_iter: most proximal steps.
        dtype: float64 or float32; None keeps a float32 X and takes float64 for all else.
        device: a platform name ("cpu", "gpu"), a jax.Device, or None for JAX's default.

    Returns:
        Solution.

    Raises:
        ValueError, TypeError: arguments that are not as above; the message names the argument, row or column.

    Warns:
        ConvergenceWarning: the gap is above ``tol``.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> solution = jaxreg.fit(data.X, data.y, lam=5.0)
        >>> solution.coef.shape, bool(solution.converged), int((solution.coef != 0).sum())
        ((10,), True, 5)
    """
    a = _check(X, y, sample_weight, penalty_factor, lower, upper, dtype)
    t = None if a.y.ndim == 1 else a.y.shape[1]
    rho = inputs.check_l1_ratio(l1_ratio)
    lam = inputs.check_lam(lam, t, a.X.dtype)
    tol = default_tol(a.X.dtype) if tol is None else inputs.check_positive(tol, "tol")
    max_iter = inputs.check_positive(max_iter, "max_iter", int)
    lams = np.broadcast_to(lam, (1, t or 1))
    centring = {"fit_intercept": bool(fit_intercept), "standardize": bool(standardize)}
    with _computing(a.X.dtype, device):
        params, gap, n_iter, scale = _solve_block(a, lams, rho, tol, max_iter, centring)
    _check_coef(params.coef)
    _warn_unless_converged(gap, lams, tol, "fit")
    params, gap, n_iter = jax.tree.map(lambda v: v[0, ..., 0] if t is None else v[0], (params, gap, n_iter))
    return results.Solution(params, gap, gap <= tol, n_iter, scale, a.names)


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
    dtype: Any = None,
    device: Any = None,
) -> results.Path:
    """Minimise the objective at every λ of a grid.

    Args:
        lams: L λs ≥ 0 in any order, or how many: then a geometric grid down from λ_max, where all coefficients are 0.
        eps: λ_min / λ_max of an automatic grid; 1e-4 if n > p, else 1e-2.
        X, y, l1_ratio and all other options: as in :func:`fit`.

    Returns:
        Path, in the order of ``lams``.

    Raises, Warns: as :func:`fit`.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> path = jaxreg.path(data.X, data.y, lams=20)
        >>> path.coef.shape, int(path.n_nonzero[0]), bool(path.converged.all())
        ((20, 10), 0, True)
    """
    a = _check(X, y, sample_weight, penalty_factor, lower, upper, dtype)
    rho = inputs.check_l1_ratio(l1_ratio)
    lams = inputs.check_lams(lams, a.X.dtype)
    eps = None if eps is None else inputs.check_positive(eps, "eps", below=1.0)
    tol = default_tol(a.X.dtype) if tol is None else inputs.check_positive(tol, "tol")
    max_iter = inputs.check_positive(max_iter, "max_iter", int)
    with _computing(a.X.dtype, device):
        centring = {"fit_intercept": bool(fit_intercept), "standardize": bool(standardize)}
        found = ridge.path(a, lams, eps, tol, centring) if ridge.applies(a, [rho], lams) else None
        if found is None:
            pure = _path(a, lams, rho, eps, tol, max_iter, centring)
            found = results.Path(**pure._asdict(), feature_names=a.names)
    _warn_unless_converged(found.gap, found.lams if a.y.ndim == 1 else found.lams[:, None], tol, "path")
    return found


def _solve_block(a, lams, rho, tol, max_iter, centring) -> tuple:
    """(params, gap, n_iter, scale) for λs (L, t), as NumPy arrays; the program depends on what the λs need."""
    static = {**centring, "max_iter": max_iter, "ridge": _is_ridge(rho, a), "some_zero": bool((lams == 0).any())}
    solved = _solve(a.X, a.y, lams, np.asarray(rho, a.X.dtype), _arrays(a), tol, **static)
    return jax.tree.map(np.asarray, solved)


def _path(a, lams, rho, eps, tol, max_iter, centring) -> Any:
    """The pure Path in blocks of λs, with NumPy arrays."""
    arrays, ratio = _arrays(a), np.asarray(rho, a.X.dtype)
    several = a.y.ndim == 2
    if isinstance(lams, int):
        length = _block_length(a, lams)
        lams = np.asarray(_grid(a.X, a.y, lams, ratio, eps, **arrays, **centring))
    else:
        length = _block_length(a, len(lams))
    parts = []
    for block, count in _blocks(lams, length):
        members = np.repeat(block[:, None], a.y.shape[1] if several else 1, axis=1)
        params, gap, n_iter, scale = _solve_block(a, members, rho, tol, max_iter, centring)
        most = int((params.coef != 0).sum(axis=1).max())
        capacity = min(1 << max(most - 1, 0).bit_length(), *a.X.shape)
        df = np.asarray(_degrees(a.X, a.y, params.coef, block, ratio, arrays, **centring, capacity=capacity))
        parts.append(tuple(v[:count] for v in (params.coef, params.intercept, gap, n_iter, df)))
    coef, intercept, gap, n_iter, df = (np.concatenate(v) for v in zip(*parts, strict=True))
    _check_coef(coef)
    fields = (coef, intercept, gap, gap <= tol, n_iter, df, (coef != 0).sum(axis=1))
    return Path._make((lams, *(v if several else v[..., 0] for v in fields), scale))


def sweep(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float | Sequence[float] = 1.0,
    folds: Any = 10,
    seed: int = 0,
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
    dtype: Any = None,
    device: Any = None,
    progress: Progress = None,
) -> results.Sweep:
    """Cross-validate a grid of λs (and l1_ratios), choose, and fit on all rows.

    Standardisation and intercept are those of each training part. ``best`` has the least mean error, ties going to the
    larger λ; ``one_se`` is the largest λ at the same l1_ratio within one standard error of it.

    Args:
        l1_ratio: one number or several; each has its own automatic grid.
        folds: a number of folds; (n,) labels, one fold a distinct value; (K, n) booleans, True = held out; or a
            scikit-learn splitter. seed: of the random folds.
        progress: called as ``progress(done, total)`` after every fold.
        X, y, lams, eps and all other options: as in :func:`path`.

    Returns:
        Sweep.

    Raises, Warns: as :func:`fit`.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> result = jaxreg.sweep(data.X, data.y, lams=30, folds=5)
        >>> result.mean_mse.shape, bool(result.one_se.lam >= result.best.lam), result.converged
        ((1, 30), True, True)
    """
    a = _check(X, y, sample_weight, penalty_factor, lower, upper, dtype)
    given = [l1_ratio] if np.ndim(l1_ratio) == 0 else list(l1_ratio)  # type: ignore[arg-type]
    if not given:
        raise ValueError("l1_ratio is empty; give at least one number from 0 (ridge) to 1 (lasso).")
    ratios = [inputs.check_l1_ratio(rho) for rho in given]
    lams = inputs.check_lams(lams, a.X.dtype)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a whole number of at least 0.")
    masks = held_out_masks(folds, a.X, a.y, seed, a.sample_weight)
    eps = None if eps is None else inputs.check_positive(eps, "eps", below=1.0)
    tol = default_tol(a.X.dtype) if tol is None else inputs.check_positive(tol, "tol")
    max_iter = inputs.check_positive(max_iter, "max_iter", int)
    centring = {"fit_intercept": bool(fit_intercept), "standardize": bool(standardize)}
    if ridge.applies(a, ratios, lams):
        found = _ridge_sweep(a, masks, lams, eps, tol, centring, device, progress)
        if found is not None:
            return found
    # Weights of 1 instead of none: the folds (weights of 0) and the fit on all rows are then one program.
    s = np.ones(len(a.X), a.X.dtype) if a.sample_weight is None else a.sample_weight
    a = a._replace(sample_weight=s)
    total, done = len(ratios) * (len(masks) + 1), 0
    paths: list[Any] = []
    errors: list[Any] = []
    gaps: list[Any] = []
    with _computing(a.X.dtype, device):
        for rho in ratios:
            if ridge.applies(a, [rho], lams):
                counted = itertools.count(done + 1)
                tell = lambda counted=counted: _report(progress, next(counted), total)
                parts = ridge.path_and_folds(a, masks, lams, eps, tol, centring, tell)
                if parts is not None:
                    for collected, part in zip((paths, errors, gaps), parts, strict=True):
                        collected.append(part)
                    done += len(masks) + 1
                    continue
            paths.append(_path(a, lams, rho, eps, tol, max_iter, centring))
            done += 1
            _report(progress, done, total)
            per_fold = []
            for mask in masks:
                per_fold.append(_fold(a, paths[-1].lams, rho, mask, tol, max_iter, centring))
                done += 1
                _report(progress, done, total)
            errors.append(np.stack([mse for mse, _ in per_fold], axis=1))
            gaps.append(np.stack([gap for _, gap in per_fold], axis=1))
        stacked = jax.tree.map(lambda *v: np.stack(v), *paths)
        weight = masks.astype(a.X.dtype) @ s
        fold_mse, fold_gap = np.stack(errors), np.stack(gaps)
        _check_errors(fold_mse, stacked.lams)
        concluded = _conclude(stacked.lams, np.asarray(ratios, a.X.dtype), fold_mse, fold_gap, weight, stacked)
        pure = jax.tree.map(np.asarray, concluded)
    grid = stacked.lams.reshape(stacked.lams.shape + (1,) * (fold_gap.ndim - 2))
    converged = _warn_unless_converged(fold_gap, grid, tol, "sweep, in the folds")
    grid = stacked.lams.reshape(stacked.lams.shape + (1,) * (stacked.gap.ndim - 2))
    converged &= _warn_unless_converged(stacked.gap, grid, tol, "sweep, on all rows")
    best, one_se = (_choice(choice, a.names) for choice in (pure.best, pure.one_se))
    chosen = results.Path(**pure.path._asdict(), feature_names=a.names)
    concluded = {**pure._asdict(), "best": best, "one_se": one_se, "path": chosen}
    return results.Sweep(**concluded, converged=converged, feature_names=a.names)


def _ridge_sweep(a, masks, lams, eps, tol, centring, device, progress) -> results.Sweep | None:
    """A sweep of ridge alone."""
    counted = itertools.count(1)
    with _computing(a.X.dtype, device):
        tell = lambda: _report(progress, next(counted), len(masks) + 1)
        solved = ridge.sweep(a, masks, lams, eps, tol, centring, tell)
    if solved is None:
        return None
    fields, found = solved
    _check_errors(fields["fold_mse"], fields["lams"])
    grid = fields["lams"].reshape(1, -1, *(1,) * (fields["fold_gap"].ndim - 2))
    converged = _warn_unless_converged(fields["fold_gap"], grid, tol, "sweep, in the folds")
    grid = grid.reshape(grid.shape[1 : found.gap.ndim + 1])
    converged &= _warn_unless_converged(found.gap, grid, tol, "sweep, on all rows")
    return results.Sweep(**fields, path=found, converged=converged, feature_names=a.names)


def _check_errors(fold_mse: np.ndarray, lams: np.ndarray) -> None:
    if not np.isfinite(fold_mse).all():
        r, l, k = np.argwhere(~np.isfinite(fold_mse))[0][:3]
        raise FloatingPointError(f"the error of fold {k} at lam={lams[r, l]:g} is not finite; rescale X and y.")


def _fold(a, lams, rho, mask, tol, max_iter, centring) -> tuple[np.ndarray, np.ndarray]:
    """Held-out error and gap of one fold at every λ, each (L,) or (L, t)."""
    training = a._replace(sample_weight=np.where(mask, 0, a.sample_weight))
    test = np.where(mask, a.sample_weight, 0)
    Y = a.y.reshape(len(a.y), -1)
    errors, gaps = [], []
    for block, count in _blocks(lams, _block_length(a, len(lams))):
        members = np.repeat(block[:, None], Y.shape[1], axis=1)
        params, gap, _, _ = _solve_block(training, members, rho, tol, max_iter, centring)
        errors.append(np.asarray(_error(params, a.X, Y, test))[:count])
        gaps.append(gap[:count])
    error, gap = np.concatenate(errors), np.concatenate(gaps)
    return (error[:, 0], gap[:, 0]) if a.y.ndim == 1 else (error, gap)


def _report(progress: Progress, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _choice(choice: Any, names: tuple[str, ...] | None) -> results.Choice:
    plain = {k: v.item() if isinstance(v, np.ndarray) and v.ndim == 0 else v for k, v in choice._asdict().items()}
    return results.Choice(**plain, feature_names=names)
