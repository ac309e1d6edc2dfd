"""K-fold cross-validation over λ and l1_ratio, and the two choices: the minimum and one standard error.

A fold is a set of held-out rows. Training on the others means sample weights of 0 on the held-out rows, so every fold
is the same compiled program; means, standard deviations and the intercept are those of the training part alone.

With `m_k` the held-out mean squared error of fold k and `W_k` its sum of weights,

    mean = Σ W_k m_k / ΣW_k         se = √( [Σ W_k (m_k − mean)² / ΣW_k] / (K − 1) )

which is what R's glmnet reports (cvm, cvsd). Source: Friedman, Hastie and Tibshirani, J. Stat. Software 33(1), 2010;
the one-standard-error rule: Breiman, Friedman, Olshen and Stone, *Classification and Regression Trees*, 1984, §3.4.3.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating
from jaxreg.formulas.objective import Params
from jaxreg.programs import compiled_door
from jaxreg.solvers.fold_members import fold_paths, held_out_error
from jaxreg.solvers.members import solve
from jaxreg.solvers.paths import Path, arguments, path_of

__all__ = [
    "Choice",
    "Sweep",
    "choices",
    "choose",
    "conclude",
    "cross_validate",
    "fold_errors",
    "held_out_error",
    "mean_and_standard_error",
]


class Choice(NamedTuple):
    """One chosen model (one a target where y is (n, t)).

    Attributes:
        lam, l1_ratio, mean_mse, se_mse, n_nonzero: () or (t,).
        index: positions `(ρ, λ)` in the grids, (2,) or (t, 2).
        params: intercept () or (t,), coef (p,) or (p, t), fitted on all rows.
    """

    lam: jax.Array
    l1_ratio: jax.Array
    index: jax.Array  # type: ignore[assignment]  # hides tuple.index, which nobody calls on a Choice
    params: Params
    mean_mse: jax.Array
    se_mse: jax.Array
    n_nonzero: jax.Array


class Sweep(NamedTuple):
    """What :func:`cross_validate` returns, for R l1_ratios, L λs, K folds.

    Attributes:
        lams: (R, L). l1_ratios: (R,). fold_mse, fold_gap: (R, L, K) or (R, L, K, t). mean_mse, se_mse: (R, L) or
            (R, L, t). best, one_se: Choice. path: Path on all rows at the best l1_ratio (of each target).
    """

    lams: jax.Array
    l1_ratios: jax.Array
    fold_mse: jax.Array
    fold_gap: jax.Array
    mean_mse: jax.Array
    se_mse: jax.Array
    best: Choice
    one_se: Choice
    path: Path


@compiled_door
def fold_errors(
    X: ArrayLike,
    y: ArrayLike,
    held_out: ArrayLike,
    lams: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    tol: Any = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Train on the rows that are not held out, at every λ, and measure on those that are.

    Args:
        X: (n, p), y: (n,) or (n, t). held_out: (n,) booleans. lams: (L,). The others: as in
            :func:`jaxreg.solvers.fit`.

    Returns:
        The weighted mean squared error of the held-out rows, and the duality gap on the training rows: (L,) or (L, t).

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0], [2.0]]), jnp.array([-1.0, 1.0, 3.0])
        >>> mse, gap = fold_errors(X, y, jnp.array([False, False, True]), jnp.array([0.5]))
        >>> round(float(mse[0]), 4)
        4.0
    """
    X, y, s = floating(X=X, y=y, sample_weight=sample_weight)
    s = jnp.ones((X.shape[0],), X.dtype) if s is None else s
    held_out = jnp.asarray(held_out, bool)
    train, test = jnp.where(held_out, 0.0, s), jnp.where(held_out, s, 0.0)
    options: dict[str, Any] = {
        "fit_intercept": fit_intercept,
        "standardize": standardize,
        "max_iter": max_iter,
        "strategy": strategy,
    }
    weights = {"sample_weight": train, "penalty_factor": penalty_factor, "lower": lower, "upper": upper}
    found = solve(*arguments(X, y, lams, l1_ratio, tol, None, weights, degrees=False, **options))
    mse, gap = held_out_error(found.smooth.params, X, y.reshape(X.shape[0], -1), test), found.gap
    return (mse[:, 0], gap[:, 0]) if y.ndim == 1 else (mse, gap)


def mean_and_standard_error(fold_mse: jax.Array, fold_weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The weighted mean over the folds, `m̄ = Σ_k W_k m_k / Σ_k W_k`, and its standard error.

        se = √( Σ_k W_k (m_k − m̄)² / ((K − 1) Σ_k W_k) )

    Args:
        fold_mse: m, (R, L, K) or (R, L, K, t). fold_weight: W, (K,), `K ≥ 2`.

    Returns:
        `m̄` and se, each (R, L) or (R, L, t).

    Source: glmnet's ``cvm`` and ``cvsd``.

    Example:
        >>> import jax.numpy as jnp
        >>> mean, se = mean_and_standard_error(jnp.array([[[1.0, 2.0, 3.0]]]), jnp.ones(3))
        >>> float(mean[0, 0]), round(float(se[0, 0]), 4)
        (2.0, 0.5774)
    """
    share = (fold_weight / jnp.sum(fold_weight)).reshape((1, 1, -1) + (1,) * (fold_mse.ndim - 3))
    mean = jnp.sum(share * fold_mse, axis=2)
    deviation = fold_mse - jnp.expand_dims(mean, 2)
    return mean, jnp.sqrt(jnp.sum(share * deviation**2, axis=2) / (fold_weight.shape[0] - 1))


def choose(mean_mse: jax.Array, se_mse: jax.Array, lams: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The positions `(ρ, λ)` of the smallest mean error, and of the largest λ at the same ρ within one standard error.

    Ties in the error go to the larger λ. An error that is not a number is never chosen.

    Args:
        mean_mse, se_mse: (R, L). lams: (R, L), in any order.

    Returns:
        Two integer arrays (2,).

    Example:
        >>> import jax.numpy as jnp
        >>> best, one_se = choose(jnp.array([[5.0, 3.2, 3.0]]), jnp.full((1, 3), 0.4), jnp.array([[1.0, 0.5, 0.1]]))
        >>> best.tolist(), one_se.tolist()
        ([0, 2], [0, 1])
    """
    error = jnp.where(jnp.isnan(mean_mse), jnp.inf, mean_mse)
    tied = jnp.where(error == jnp.min(error), lams, -1.0)
    r, l = jnp.divmod(jnp.argmax(tied), lams.shape[1])
    within = error[r] <= error[r, l] + se_mse[r, l]
    one_se = jnp.argmax(jnp.where(within, lams[r], -1.0))
    return jnp.stack([r, l]), jnp.stack([r, one_se])


def choices(fold_mse: jax.Array, fold_weight: jax.Array, lams: jax.Array) -> tuple[jax.Array, ...]:
    """Means, standard errors and the two choices, once all errors are known.

    Args:
        fold_mse: (R, L, K) or (R, L, K, t). fold_weight: (K,). lams: (R, L).

    Returns:
        mean and se, (R, L) or (R, L, t); positions `(ρ, λ)` of the minimum and of one standard error, (2,) or (t, 2).
    """
    mean, se = mean_and_standard_error(fold_mse, fold_weight)
    over_targets = jax.vmap(choose, (2, 2, None)) if mean.ndim == 3 else choose
    return mean, se, *over_targets(mean, se, lams)


def conclude(
    lams: Any, l1_ratios: Any, fold_mse: Any, fold_gap: Any, chosen_from: tuple[Any, ...], paths: Path
) -> Sweep:
    """The sweep that belongs to what :func:`choices` found; JAX or NumPy arrays.

    Args:
        lams: (R, L). l1_ratios: (R,). fold_mse, fold_gap: (R, L, K) or (R, L, K, t). chosen_from: what
        :func:`choices` returned. paths: the paths on all rows, stacked over R.
    """
    mean, se, best, one_se = chosen_from

    targets = np.arange(len(best)) if best.ndim == 2 else None

    def choice(index: Any) -> Choice:
        r, l = index[..., 0], index[..., 1]
        here: Any = (r, l) if targets is None else (r, l, targets)
        coef = paths.coef[r, l] if targets is None else paths.coef[r, l, :, targets].T
        params = Params(paths.intercept[here], coef)
        return Choice(lams[r, l], l1_ratios[r], index, params, mean[here], se[here], paths.n_nonzero[here])

    r = best[..., 0]
    if targets is None:
        chosen = Path._make(a[r] for a in paths)
    else:  # the path of each target at its own best l1_ratio
        moved = (jnp if isinstance(mean, jax.Array) else np).moveaxis
        own = lambda a: moved(a[r, ..., targets], 0, -1)
        fields = {name: own(a) for name, a in paths._asdict().items() if name not in ("lams", "scale", "y_scale")}
        chosen = Path(lams=lams[r].T, scale=paths.scale[0], y_scale=paths.y_scale[0], **fields)
    return Sweep(lams, l1_ratios, fold_mse, fold_gap, mean, se, choice(best), choice(one_se), chosen)


@compiled_door
def cross_validate(
    X: ArrayLike,
    y: ArrayLike,
    held_out: ArrayLike,
    lams: ArrayLike = 100,
    l1_ratios: Sequence[Any] = (1.0,),
    *,
    sample_weight: ArrayLike | None = None,
    eps: float | None = None,
    **options: Any,
) -> Sweep:
    """Cross-validate every `(ρ, λ)`, choose, and fit the chosen models on all rows; works under ``jit`` and ``vmap``.

    Args:
        X: (n, p), y: (n,) or (n, t). held_out: (K, n) booleans, one row a fold, `K ≥ 2`.
        lams: (L,), (R, L), or how many (static): then one automatic grid for each l1_ratio, from all rows.
        l1_ratios: R numbers in [0, 1]; the Python number 0 takes ridge's closed form.
        sample_weight: (n,); also weights the held-out errors. eps: as in :func:`jaxreg.solvers.path`.
        options: fit_intercept, standardize, penalty_factor, lower, upper, tol, max_iter, strategy
            as in :func:`jaxreg.solvers.fit`.

    Returns:
        Sweep.

    Example:
        >>> import jax.numpy as jnp
        >>> X = jnp.arange(12.0).reshape(6, 2) ** 2
        >>> held_out = jnp.arange(6)[None, :] % 3 == jnp.arange(3)[:, None]
        >>> cross_validate(X, X[:, 0] + 1.0, held_out, lams=5).mean_mse.shape
        (1, 5)
    """
    held_out = jnp.asarray(held_out, bool)
    s = jnp.ones((held_out.shape[1],)) if sample_weight is None else jnp.asarray(sample_weight)
    given = {"sample_weight": sample_weight}
    given |= {name: options.pop(name, None) for name in ("penalty_factor", "lower", "upper")}
    tol = options.pop("tol", None)
    how = {"fit_intercept": True, "standardize": True, "max_iter": 20_000, "strategy": None} | options
    grids, errors, gaps, paths = [], [], [], []
    for r, rho in enumerate(l1_ratios):
        own: Any = lams if jnp.ndim(lams) < 2 else jnp.asarray(lams)[r]
        asked, arrays = arguments(X, y, own, rho, tol, eps, given, degrees=True, **how)
        found = fold_paths(asked, arrays, held_out)
        mse, gap = (v[..., 0] if jnp.ndim(y) == 1 else v for v in (found.mse, found.gap))
        grids.append(found.answer.smooth.lams[:, 0])
        errors.append(jnp.moveaxis(mse, 0, 1))
        gaps.append(jnp.moveaxis(gap, 0, 1))
        paths.append(path_of(found.answer, tol, jnp.ndim(y) == 1))
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *paths)
    dtype = errors[0].dtype
    weight = held_out.astype(dtype) @ s.astype(dtype)
    ratios = jnp.stack([jnp.asarray(rho, dtype) for rho in l1_ratios])
    fold_mse = jnp.stack(errors)
    return conclude(stacked.lams, ratios, fold_mse, jnp.stack(gaps), choices(fold_mse, weight, stacked.lams), stacked)
