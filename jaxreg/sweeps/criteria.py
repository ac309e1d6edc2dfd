"""By what hyperparameters are judged, as differentiable functions of them: held-out errors, and errors on the training
rows with a price on degrees of freedom.

With `RSS = Σ s_i (y_i − ŷ_i)²/Σs`, n rows of positive weight, df degrees of freedom without the intercept and
`d = df + 1` with it,

    cv, held_out      Σ_k W_k m_k / Σ W_k,      m_k the mean squared error on the rows held out
    leave_one_out     Σ_i s_i ( (y_i − ŷ_i) / (1 − h_i) )² / Σs,      h_i = ∂ŷ_i/∂y_i
    gcv               RSS / (1 − d/n)²
    aic, bic          n log RSS + c d,      or n RSS/σ² + c d where σ² is known;      c = 2, log n
    sure              RSS − σ² + 2 σ² d/n

Leave-one-out is exact for ridge (:mod:`jaxreg.solvers.leave_one_out`). For the lasso and elastic nets it takes the
support and the standard deviations of all rows for those without row i: an approximation, to the first order exact
where leaving out a row changes no support. The derivative of df is that of the trace on the support; a lasso's is 0.

Sources: Golub, Heath and Wahba, *Technometrics* 21, 1979; Zou, Hastie and Tibshirani, *Ann. Statist.* 35, 2007; Stein,
*Ann. Statist.* 9, 1981; Rad and Maleki, *J. R. Stat. Soc. B* 82, 2020 (approximate leave-one-out).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.solvers.fold_members import fold_paths, held_out_error
from jaxreg.solvers.fold_moments import Kept
from jaxreg.solvers.influence import leverages
from jaxreg.solvers.leave_one_out import ridge_leave_one_out
from jaxreg.solvers.members import solve
from jaxreg.solvers.paths import arguments, path_of

__all__ = ["CRITERIA", "HELD_OUT", "PRICED", "Hyper", "Judged", "Rows", "judged"]

HELD_OUT = ("cv", "held_out")
PRICED = ("gcv", "aic", "bic", "sure")
CRITERIA = (*HELD_OUT, "leave_one_out", *PRICED)


class Hyper(NamedTuple):
    """What is judged: λ, (), ρ, () or a Python number, penalty factors, (p,), and weights of the training rows, (n,);
    the last two or None."""

    lam: Any
    l1_ratio: Any
    penalty_factor: Any
    sample_weight: Any


class Rows(NamedTuple):
    """What it is judged on: X (n, p), y (n,), weights (n,) or None, rows held out (K, n) or None, `σ²` () or None; and
    the moments of the folds where they are at hand."""

    X: Any
    y: Any
    sample_weight: Any
    held_out: Any
    sigma2: Any
    kept: Kept


class Judged(NamedTuple):
    """The criterion and the largest duality gap of the fits behind it, ()."""

    value: Any
    gap: Any


def judged(
    criterion: str, hyper: Hyper, rows: Rows, *, fit_intercept: bool, standardize: bool, strategy: str | None = None
) -> Judged:
    """The criterion at these hyperparameters.

    Args:
        criterion: static, one of :data:`CRITERIA`. strategy: as in :func:`jaxreg.solvers.fit`.
    """
    own = rows.sample_weight if hyper.sample_weight is None else hyper.sample_weight
    options: dict[str, Any] = {"fit_intercept": fit_intercept, "standardize": standardize}
    if criterion == "leave_one_out" and isinstance(hyper.l1_ratio, (int, float)) and hyper.l1_ratio == 0:
        own_weights = {"sample_weight": own, "penalty_factor": hyper.penalty_factor}
        left_out = ridge_leave_one_out(rows.X, rows.y, hyper.lam[None], **own_weights, **options)
        return Judged(left_out.mse[0], left_out.gap[0])
    weights: dict[str, Any] = {
        "sample_weight": own,
        "penalty_factor": hyper.penalty_factor,
        "lower": None,
        "upper": None,
    }
    degrees = criterion in PRICED
    how = {**options, "max_iter": 20_000, "strategy": strategy, "degrees": degrees}
    given = arguments(rows.X, rows.y, hyper.lam[None], hyper.l1_ratio, None, None, weights, **how)
    if criterion in HELD_OUT and hyper.sample_weight is None:
        folds = fold_paths(*given, rows.held_out, rows.kept)
        weight = jnp.sum(jnp.where(rows.held_out, _ones_or(rows)[None, :], 0.0), axis=1)
        return Judged(jnp.dot(weight, folds.mse[:, 0, 0]) / jnp.sum(weight), jnp.max(folds.gap))
    if criterion in HELD_OUT:
        return _with_other_weights(given, rows)
    found = path_of(solve(*given), None, True)
    residual = rows.y - rows.X @ found.coef[0] - found.intercept[0]
    share = _ones_or(rows) / jnp.sum(_ones_or(rows))
    if criterion == "leave_one_out":
        h = leverages(given[0], given[1], found.coef[0], found.lams[0])
        return Judged(jnp.dot(share, (residual / (1.0 - h)) ** 2), found.gap[0])
    rss = jnp.dot(share, residual**2)
    n = jnp.sum(share > 0).astype(rss.dtype)
    return Judged(_priced(criterion, rss, n, found.df[0] + float(fit_intercept), rows.sigma2), found.gap[0])


def _priced(criterion: str, rss: jax.Array, n: jax.Array, d: jax.Array, sigma2: Any) -> jax.Array:
    """The criterion of training errors and degrees of freedom."""
    if criterion == "gcv":
        return rss / (1.0 - d / n) ** 2
    if criterion == "sure":
        return rss - sigma2 + 2.0 * sigma2 * d / n
    price = 2.0 if criterion == "aic" else jnp.log(n)
    return (n * jnp.log(rss) if sigma2 is None else n * rss / sigma2) + price * d


def _ones_or(rows: Rows) -> jax.Array:
    return jnp.ones_like(rows.y) if rows.sample_weight is None else rows.sample_weight


def _with_other_weights(given: Any, rows: Rows) -> Judged:
    """The held-out error where rows are trained on with other weights than they are measured with."""
    asked, arrays = given
    own = _ones_or(rows)

    @jax.checkpoint  # nothing of a fold is kept for the way back but its weights
    def one(held_out: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        answer = solve(asked, arrays._replace(sample_weight=jnp.where(held_out, 0.0, arrays.sample_weight)))
        test = jnp.where(held_out, own, 0.0)
        error = held_out_error(answer.smooth.params, arrays.X, arrays.Y, test)
        return error[0, 0], answer.gap[0, 0], jnp.sum(test)

    error, gap, weight = jax.lax.map(one, rows.held_out)
    return Judged(jnp.dot(weight, error) / jnp.sum(weight), jnp.max(gap))
