"""The certificate of targets that share their columns: the duality gap for the norms of rows.

:mod:`~jaxreg.formulas.multi_task` has the objective; :mod:`~jaxreg.formulas.duality` is the same for single
coefficients. Source: Ndiaye, Fercoq, Gramfort and Salmon, *GAP safe screening rules for sparse multi-task and
multi-class models*, NIPS 2015.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.duality import Penalty, best_dual, relative_gap
from jaxreg.formulas.multi_task import as_floats, product, row_norms
from jaxreg.formulas.objective import Params
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import weighted_mean
from jaxreg.precision import full_precision

__all__ = ["Rows", "gap_on_rows", "multi_task_gap", "rows_of"]


class Rows(NamedTuple):
    """The data of a certificate, about the means where an intercept is fitted; a λ-path needs them only once.

    Attributes:
        columns: `Z = √(S/Σs) (X − x̄)`, (n, p). target: `Ỹ = √(S/Σs) (Y − ȳ)`, (n, t). x_mean, y_mean: (p,) and (t,), 0
            without an intercept. shift: `√(S/Σs)`, (n,). square: `Σ s ‖y‖²/Σs`, ().
    """

    columns: jax.Array
    target: jax.Array
    x_mean: jax.Array
    y_mean: jax.Array
    shift: jax.Array
    square: jax.Array


def rows_of(X: jax.Array, Y: jax.Array, sample_weight: jax.Array | None, fit_intercept: bool) -> Rows:
    """X (n, p), Y (n, t) in weighted rows."""
    mean = lambda A: weighted_mean(A, sample_weight) if fit_intercept else jnp.zeros_like(A[0])
    shift = weighted_rows(jnp.ones_like(Y[:, 0]), sample_weight, False)
    columns, target = weighted_rows(X, sample_weight, fit_intercept), weighted_rows(Y, sample_weight, fit_intercept)
    return Rows(columns, target, mean(X), mean(Y), shift, jnp.sum((shift[:, None] * Y) ** 2))


@full_precision
def multi_task_gap(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
) -> jax.Array:
    """An upper bound on `F(params) − min F`, as a share of `Σ s ‖ỹ‖²/Σs` (y without its mean if there is an intercept).

    Args:
        params, X, y, l1_ratio, sample_weight: as in :func:`multi_task_objective`. lam: `λ > 0`, (); at 0 the bound is
            F.
        fit_intercept: static.

    Returns:
        (), at least 0; NaN if the parameters are.

    Example:
        >>> import jax.numpy as jnp
        >>> X, Y = jnp.array([[-1.0], [1.0]]), jnp.array([[0.0, 0.0], [6.0, 8.0]])
        >>> b = jnp.array([3.0, 4.0])
        >>> bool(multi_task_gap(Params(b, jnp.array([[1.2, 1.6]])), X, Y, lam=3.0) < 1e-6)
        True
        >>> bool(multi_task_gap(Params(b, jnp.zeros((1, 2))), X, Y, lam=3.0) > 0.05)
        True
    """
    b, W, X, Y, lam, rho, s = as_floats(params, X, y, lam, l1_ratio, sample_weight)
    return gap_on_rows(Params(b, W), rows_of(X, Y, s, fit_intercept), lam * rho, lam * (1.0 - rho), fit_intercept)


def gap_on_rows(params: Params, rows: Rows, l1: jax.Array, l2: jax.Array, fit_intercept: bool) -> jax.Array:
    """:func:`multi_task_gap` at the weights `l1 = λρ` and `l2 = λ(1−ρ)`, each ()."""
    # In weighted rows the problem is  min_W ½‖Ỹ − ZW‖² + Σ_j h(W_j)  with  h(w) = l1 ‖w‖ + ½ l2 ‖w‖²;  its dual is the
    # maximum over Θ, (n, t), of
    #
    #   D(Θ) = ½‖Ỹ‖² − ½‖Ỹ − Θ‖² − Σ_j h*(z_j),    z = ZᵀΘ,    h*(z) = max over w of ⟨z, w⟩ − h(w)
    #
    # Among all w of length r, ⟨z, w⟩ is largest along z:  h*(z) = max over r ≥ 0 of ‖z‖ r − l1 r − ½ l2 r²,  which is
    # the conjugate of a single coefficient at ‖z‖. So with Θ = c R all that :mod:`~jaxreg.formulas.duality` says of
    # the best c holds with ‖z_j‖ in the place of |z_j|, and sums over all targets in the place of scalar products.
    W, b = params.coef, params.intercept
    R = rows.target - product(rows.columns, W)
    z, norm = row_norms(product(rows.columns.T, R)), row_norms(W)
    rr, eps = jnp.sum(R**2), jnp.finfo(R.dtype).eps
    missed = rows.y_mean - product(rows.x_mean[None, :], W)[0] - b
    if fit_intercept:  # what b misses of ȳ − Wᵀx̄, known up to the rounding of these numbers
        sizes = jnp.abs(rows.y_mean) + jnp.abs(b) + product(jnp.abs(rows.x_mean)[None, :], jnp.abs(W))[0]
        primal = 0.5 * rr + 0.5 * jnp.sum((jnp.abs(missed) + 4 * eps * sizes) ** 2)
    else:
        primal = 0.5 * jnp.sum((R - rows.shift[:, None] * b[None, :]) ** 2)
    primal += jnp.sum(l1 * norm + 0.5 * l2 * norm**2)
    # R is known up to the rounding of ZW, whose square counts where y is explained all but to that.
    length = row_norms(rows.columns.T)
    unseen = jax.lax.stop_gradient((4 * eps * jnp.sum(length * norm)) ** 2)
    none = jnp.full_like(z, jnp.inf)
    penalty = Penalty(l1 + jnp.zeros_like(z), l2 + jnp.zeros_like(z), -none, none)
    dual = best_dual(jnp.sum(rows.target * R), rr, z, penalty)
    return relative_gap(primal, dual, jnp.sum(rows.target**2), rows.square, unseen)
