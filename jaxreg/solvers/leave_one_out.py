"""Leave-one-out errors and generalised cross-validation of ridge, for every λ and target from one decomposition.

With the standard deviations σ and τ of all rows and the penalty `λ Σs/(2τ) Σ_j v_j σ_j² w_j²` held fixed, leaving out
row i is a change of rank one. In weighted rows, `C = [√(s/Σs), Q_f, A]` with the intercept and the free columns first,
and `M = CᵀC + (λ/τ) diag(0, 0, I)`, the fit is `ŷ = H ỹ`, `H = C M⁻¹ Cᵀ`, and without row `c_i` (Sherman and Morrison)

    (M − c_i c_iᵀ)⁻¹ (Cᵀỹ − c_i ỹ_i) = β − M⁻¹c_i (ỹ_i − c_i·β) / (1 − h_i),     h_i = c_iᵀ M⁻¹ c_i = H_ii

so its residual there is

    ỹ_i − c_i·β + h_i (ỹ_i − c_i·β)/(1 − h_i) = (ỹ_i − ŷ_i) / (1 − h_i)                                             (1)

A, centred and with the free columns projected out, is orthogonal to the other columns of C: with B = A V,

    h_i = s_i/Σs + Σ_k Q_ik² + Σ_k B_ik² / (e_k + λ).                                                               (2)

For `p ≥ n`, `h_i` is near 1 for small λ, and `1 − h_i` loses its digits. There the eigenvectors U of `AAᵀ`, without
those that span `√s` and `Q_f`, have row squares `1 − s_i/Σs − Σ_k Q_ik²`, and

    1 − h_i = Σ_k U_ik² λ/(e_k + λ),     ỹ_i − ŷ_i = Σ_k U_ik λ/(e_k + λ) (Uᵀỹ)_k                                   (3)

add positive terms only; λ cancels in (1). Generalised cross-validation puts the mean of h in the place of each `h_i`:

    GCV(λ) = Σ_i s_i (y_i − ŷ_i)²/Σs / (1 − tr H / n)²,     n rows of positive weight.

This is not K-fold cross-validation with `K = n`: there σ and `Σs` are those of the `n − 1` rows that are left. A row of
integer weight is left out as a whole, so it is not the same as repeated rows.

Sources: Allen, *Technometrics* 16, 1974; Golub, Heath and Wahba, *Technometrics* 21, 1979; Hastie, Tibshirani and
Friedman, *The Elements of Statistical Learning*, §7.10.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import floating
from jaxreg.formulas.projection import free_basis, project_out, weighted_rows
from jaxreg.formulas.scaling import weighted_mean
from jaxreg.programs import compiled_door
from jaxreg.solvers.factored_ridge import FactoredRidge, relative_gaps, spectral_lams
from jaxreg.solvers.left_out_derivatives import differentiated
from jaxreg.solvers.left_out_sums import Sums, decomposition, dual, primal
from jaxreg.solvers.reduced import prepare
from jaxreg.solvers.reduction import Data
from jaxreg.solvers.spectrum import map_lams, shrink, spectrum_of_rows

__all__ = ["LeaveOneOut", "concluded", "leave_one_out_of", "left_out_residuals", "ridge_leave_one_out"]


class LeaveOneOut(NamedTuple):
    """What :func:`ridge_leave_one_out` returns, for L λs.

    Attributes:
        lams: (L,). mse: `Σ s e²/Σs` over the left-out residuals e, se_mse: its standard error, gcv: the generalised
            cross-validation error, gap: the certificate of the fits on all rows; each (L,) or (L, t).
        df: degrees of freedom without the intercept, (L,) or (L, t): τ differs among targets.
        largest_leverage: `max_i h_i`, (L,) or (L, t): (`ε / (1 − h_i)` is the relative accuracy of row i's residual).
    """

    lams: jax.Array
    mse: jax.Array
    se_mse: jax.Array
    gcv: jax.Array
    gap: jax.Array
    df: jax.Array
    largest_leverage: jax.Array


@compiled_door
def ridge_leave_one_out(
    X: ArrayLike,
    y: ArrayLike,
    lams: ArrayLike,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
) -> LeaveOneOut:
    """Leave-one-out and generalised cross-validation errors of ridge at every λ.

    Args:
        X: (n, p), y: (n,) or (n, t), floating. lams: (L,), above 0.
        fit_intercept, standardize: static. sample_weight: `s ≥ 0`, (n,). penalty_factor: `v ≥ 0`, (p,).

    Returns:
        LeaveOneOut.

    Raises:
        TypeError: NumPy float64 while JAX's 64-bit mode is off. ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0.0, 3.0, 1.0, 2.0])
        >>> [round(float(mse), 4) for mse in ridge_leave_one_out(X, y, jnp.array([1.0, 0.25])).mse]
        [1.2381, 0.9517]
    """
    data = prepare(X, y, fit_intercept, standardize, sample_weight, penalty_factor, None, None)
    (lams,) = floating(lams=jnp.asarray(lams).astype(data.X.dtype))
    result = LeaveOneOut(lams, *differentiated(_errors_of, fit_intercept, data[:-1], lams))
    if jnp.ndim(y) == 1:
        result = LeaveOneOut(result.lams, *(v[:, 0] for v in result[1:]))
    return result


def _errors_of(data: Data, lams: jax.Array) -> tuple[jax.Array, ...]:
    """All of the result but the λs."""
    return leave_one_out_of(data, lams)[0][1:]


def leave_one_out_of(data: Data, lams: jax.Array) -> tuple[LeaveOneOut, FactoredRidge]:
    """:func:`ridge_leave_one_out` for prepared data, all (L, t); and the factored problem, whose parameters are
    those of the fits on all rows where no column is free."""
    X, Y, s = data.X, data.Y, data.sample_weight
    n, p = X.shape
    rows, targets, removed, share, size = _weighted_rows_of(data)
    x_mean, y_mean = jnp.zeros((p,), X.dtype), jnp.zeros((Y.shape[1],), X.dtype)
    if data.fit_intercept:
        x_mean, y_mean = weighted_mean(X, s), weighted_mean(Y, s)
    solve = primal if n > p else dual
    y_scale = _tau_of(data)
    spectrum, sums = solve(rows, targets, removed, share, lams[:, None] / y_scale[None, :])
    positive = jnp.sum(share > 0).astype(X.dtype)
    fixed = positive - jnp.round(jnp.sum(removed**2)) - p if n > p else positive - n
    yy, original = jnp.sum(targets**2, axis=0), weighted_mean(Y**2, s)
    spectrum = spectrum._replace(left=jnp.where(jnp.all(rows == 0, axis=0)[:, None], 0.0, spectrum.left))
    factored = FactoredRidge(spectrum, x_mean, y_mean, size, data.scale, y_scale, yy, original)
    return concluded(factored, sums, lams, positive, fixed, data.fit_intercept), factored


def concluded(
    factored: FactoredRidge, sums: Sums, lams: jax.Array, positive: jax.Array, fixed: jax.Array, fit_intercept: bool
) -> LeaveOneOut:
    """From the sums over all rows.

    Args:
        positive: how many rows have a weight, (). fixed: `n − tr H − Σ_k λ/(e_k + λ)`, ().
    """
    # n − tr H = Σ λ/(e + λ) over what H has not removed. Rows of weight 0 have no share in it.
    e, (rr, mse, fourth, leverage) = factored.spectrum.e, sums
    per_tau = spectral_lams(factored, lams)
    one = lambda lam: jnp.sum(lam[None, :] / (e[:, None] + lam[None, :]), axis=0)
    left = jnp.broadcast_to(map_lams(one, per_tau, len(e) * per_tau.shape[1]) + fixed, mse.shape)
    return LeaveOneOut(
        lams,
        mse,
        jnp.where(jnp.isfinite(mse), jnp.sqrt(jnp.maximum(fourth - mse**2, 0.0) / (positive - 1.0)), jnp.inf),
        rr / (left / positive) ** 2,
        relative_gaps(factored, lams),
        positive - left - (1.0 if fit_intercept else 0.0),
        jnp.broadcast_to(leverage, mse.shape),
    )


def _tau_of(data: Data) -> jax.Array:
    """τ, (t,), or (1,) where it is 1 for all targets, which then share the leverages."""
    return data.tau[:1] if data.y_scale is None else data.y_scale


def _weighted_rows_of(data: Data) -> tuple[jax.Array, ...]:
    """A (n, p), `ỹ` (n, t), the columns `[√(s/Σs), Q_f]` of C, `s/Σs` (n,), and the size (p,) by which A is divided."""
    X, s = data.X, data.sample_weight
    n, p = X.shape
    v = jnp.ones((p,), X.dtype) if data.penalty_factor is None else data.penalty_factor
    size = data.scale * jnp.sqrt(jnp.where(v > 0, v, 1.0))
    Z, targets = weighted_rows(X, s, data.fit_intercept), weighted_rows(data.Y, s, data.fit_intercept)
    rows = Z / size[None, :]
    share = jnp.full((n,), 1.0 / n, X.dtype) if s is None else s / jnp.sum(s)
    removed = jnp.sqrt(share)[:, None] if data.fit_intercept else jnp.zeros((n, 0), X.dtype)
    if data.penalty_factor is not None:
        basis = free_basis(Z, v == 0)
        rows = jnp.where((v == 0)[None, :], 0.0, project_out(rows, basis))
        targets = project_out(targets, basis)
        removed = jnp.concatenate([removed, basis.vectors], axis=1)
    return rows, targets, removed, share, size


def left_out_residuals(data: Data, lams: jax.Array) -> jax.Array:
    """`y_i` less the prediction of the fit without row i, times `√(s_i/Σs)`: (L, n, t), by (1).

    0 for rows of weight 0, and infinite where a row alone determines a coefficient. All of them at once: for the sums
    alone :func:`leave_one_out_of` needs far less memory.

    Args:
        data: X (n, p), Y (n, t). lams: (L,), above 0.
    """
    rows, targets, removed, _, _ = _weighted_rows_of(data)
    least = 64 * jnp.finfo(rows.dtype).eps
    lams = lams[:, None] / _tau_of(data)[None, :]
    if rows.shape[0] > rows.shape[1]:
        e, V, right = spectrum_of_rows(rows, targets, jnp.min(lams))[:3]
        B, base = rows @ V, jnp.sum(removed**2, axis=1)

        def left(lam: jax.Array) -> tuple[jax.Array, ...]:
            remaining = 1.0 - base[:, None] - B**2 @ (1.0 / (e[:, None] + lam[None, :]))
            return targets - B @ shrink(right, e, lam), remaining, remaining > least
    else:
        U, raised, _, kept = decomposition(rows, removed, lams)
        e, right, squares = jnp.where(kept, raised, jnp.inf), U.T @ targets, U**2

        def left(lam: jax.Array) -> tuple[jax.Array, ...]:
            known = jnp.sum(squares, axis=1, keepdims=True) > least
            return U @ shrink(right, e, lam), squares @ (1.0 / (e[:, None] + lam[None, :])), known

    def one(lam: jax.Array) -> jax.Array:
        residual, remaining, known = left(lam)
        return jnp.where(known, residual / jnp.where(known, remaining, 1.0), jnp.inf)

    return jax.lax.map(one, lams)
