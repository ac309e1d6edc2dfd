"""Ridge with one λ a band of columns: the held-out error of a fold as a function of the log λs, and its gradient.

In weighted rows about their means, `A = [A_1 … A_q]` has a block of columns for each band, divided by their σ, and

    min_u  ½‖ỹ − Σ_b A_b u_b‖²  +  ½ Σ_b λ_b ‖u_b‖²

Set the gradient to zero, `λ_b u_b = A_bᵀ z` with `z = ỹ − A u` the residual. From the one or the other unknown follows

    p ≤ n:  (AᵀA + diag λ) u = Aᵀỹ                                     held-out predictions  B u
    p > n:  (I + Σ_b K_b/λ_b) z = ỹ,   K_b = A_b A_bᵀ                  held-out predictions  Σ_b (B_b A_bᵀ/λ_b) z

with B the held-out rows about the training means. Both are one linear system `M x = c`, and so is the derivative of its
solution, `M dx = dc − dM x`: a gradient costs another solution with the factor that is there, whatever q.

The duality gap at `θ = z` is `Σ_b ‖λ_b u_b − A_bᵀz‖²/(2 λ_b)` (:mod:`~jaxreg.solvers.spectrum`). With `ρ = M x − c`,
what is left of the system, it is `½ Σ_j ρ_j²/λ_j` for `p ≤ n` and `½ ρᵀ (Σ_b K_b/λ_b) ρ` for `p > n`.

Source: Nunez-Elizalde, Huth and Gallant, *NeuroImage* 197, 2019; la Tour, Eickenberg, Nunez-Elizalde and Gallant,
*NeuroImage* 264, 2022; the derivative of an implicit solution: Bengio, *Neural Computation* 12, 2000.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import standard_deviation, weighted_mean

__all__ = ["ColumnFold", "KernelFold", "error_and_gap", "errors_and_gradients", "fold_of"]


class ColumnFold(NamedTuple):
    """A fold for `p ≤ n`.

    Attributes:
        gram: `AᵀA`, (p, p). rows: B with the roots of the shares `s/Σs`, (m, p). band: of each column, (p,).
        correlation: `Aᵀỹ`, (t, p). held_out: y about the training means, with the same roots, (t, m).
        yy: `‖ỹ‖²`, y_scale: τ, (t,).
    """

    gram: jax.Array
    rows: jax.Array
    band: jax.Array
    correlation: jax.Array
    held_out: jax.Array
    yy: jax.Array
    y_scale: jax.Array


class KernelFold(NamedTuple):
    """A fold for `p > n`.

    Attributes:
        kernels: `K_b`, (q, n, n). products: `B_b A_bᵀ` with the roots of the shares, (q, m, n). targets: `ỹ`, (t, n).
        held_out, yy, y_scale: as in ColumnFold.
    """

    kernels: jax.Array
    products: jax.Array
    targets: jax.Array
    held_out: jax.Array
    yy: jax.Array
    y_scale: jax.Array


def fold_of(
    X: jax.Array,
    Y: jax.Array,
    sample_weight: jax.Array,
    rows: jax.Array,
    held_out: jax.Array,
    share: jax.Array,
    *,
    ends: tuple[int, ...],
    fit_intercept: bool,
    standardize: bool,
) -> ColumnFold | KernelFold:
    """A fold, as the smaller system.

    Args:
        X: (n, p), Y: (n, t), sample_weight: (n,), of the training rows. rows: (m, p), held_out: (m, t), share: their
            `s/Σs`, (m,). ends: of the bands among the columns, the last is p; static, as the others.
    """
    (n, p), t = X.shape, Y.shape[1]
    scale = standard_deviation(X, sample_weight) if standardize else jnp.ones((p,), X.dtype)
    y_scale = standard_deviation(Y, sample_weight) if standardize else jnp.ones((t,), X.dtype)
    root, targets = jnp.sqrt(share)[:, None], weighted_rows(Y, sample_weight, fit_intercept)
    A = weighted_rows(X, sample_weight, fit_intercept) / scale[None, :]
    if fit_intercept:
        rows = rows - weighted_mean(X, sample_weight)[None, :]
        held_out = held_out - weighted_mean(Y, sample_weight)[None, :]
    B = root * rows / scale[None, :]
    of_targets = (root * held_out).T, jnp.sum(targets**2, axis=0), y_scale
    parts = list(zip((0, *ends[:-1]), ends, strict=True))
    if n >= p:
        band = jnp.concatenate([jnp.full((stop - start,), b) for b, (start, stop) in enumerate(parts)])
        return ColumnFold(A.T @ A, B, band, (A.T @ targets).T, *of_targets)
    kernels, products = (jnp.stack([v[:, i:j] @ A[:, i:j].T for i, j in parts]) for v in (A, B))
    return KernelFold(kernels, products, targets.T, *of_targets)


def error_and_gap(log_lam: jax.Array, fold: Any) -> tuple[jax.Array, jax.Array]:
    """The held-out mean squared error of one target, and the relative duality gap of the fit that it measures, ().

    Args:
        log_lam: (q,). fold: of one target: the fields (t, ...) without their first axis.

    Example:
        >>> import jax.numpy as jnp
        >>> one, number = jnp.ones((1, 1)), jnp.ones(())
        >>> fold = ColumnFold(8 * one, one, jnp.zeros(1, int), jnp.array([10.0]), jnp.ones(1), number, number)
        >>> float(error_and_gap(jnp.log(jnp.array([8.0])), fold)[0])  # u = 10/16, so (1 − 0.625)²
        0.140625
    """
    lam = jnp.exp(log_lam) / fold.y_scale
    if isinstance(fold, ColumnFold):
        matrix, side, rows = fold.gram + jnp.diag(lam[fold.band]), fold.correlation, fold.rows
    else:
        kernel, rows = (jnp.tensordot(1.0 / lam, v, axes=1) for v in (fold.kernels, fold.products))
        matrix, side = kernel + jnp.eye(len(kernel), dtype=kernel.dtype), fold.targets
    x = _solve(matrix, side)
    left = matrix @ x - side
    gap = left**2 / lam[fold.band] if isinstance(fold, ColumnFold) else left * ((matrix @ left) - left)
    return jnp.sum((fold.held_out - rows @ x) ** 2), 0.5 * jnp.sum(gap) / jnp.where(fold.yy > 0, fold.yy, 1.0)


def _solve(matrix: jax.Array, side: jax.Array) -> jax.Array:
    """`M⁻¹c` by Cholesky; its derivative is another solution, not that of the factorisation."""
    factor = cho_factor(jax.lax.stop_gradient(matrix))
    return jax.lax.custom_linear_solve(lambda x: matrix @ x, side, lambda _, c: cho_solve(factor, c), symmetric=True)


def errors_and_gradients(log_lam: jax.Array, fold: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Errors, their gradients in log λ, and gaps of t targets with λs of their own: (t,), (t, q), (t,).

    Args:
        log_lam: (t, q). fold: of t targets.
    """
    shared = {"gram", "rows", "band", "kernels", "products"}
    axes = type(fold)(*(None if name in shared else 0 for name in fold._fields))
    both = jax.value_and_grad(error_and_gap, has_aux=True)
    (error, gap), gradient = jax.vmap(both, (0, axes))(log_lam, fold)
    return error, gradient, gap
