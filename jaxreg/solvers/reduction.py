"""From the user's data to the problem that the solvers see, and back.

Three steps make every problem the same, `min_u ½‖ỹ − A u‖² + Σ_j h_j(u_j)`:

1. weighted rows: centring by the intercept, `√(s_i/Σs)` on the rows;
2. columns without penalty or bounds are projected out (formulas/projection.py);
3. every column is divided by its norm `d_j`, so `u_j = d_j w_j` and `AᵀA` has ones on its diagonal. This only
   conditions the numbers: the penalty is rewritten for u, `l1_j = λ ρ v_j σ_j / d_j` and
   `l2_j = λ (1−ρ)/τ v_j (σ_j / d_j)²`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.duality import Penalty
from jaxreg.formulas.objective import Params
from jaxreg.formulas.projection import Basis, free_basis, project_out, weighted_rows
from jaxreg.formulas.scaling import weighted_mean

__all__ = ["Data", "Frame", "LeastSquares", "curvature", "gram_matrix", "reduce_problem", "restore", "working_penalty"]


class Data(NamedTuple):
    """The checked arguments of one problem, all of one floating dtype.

    Attributes:
        X: (n, p). Y: (n, t). sample_weight: (n,) or None. penalty_factor, lower, upper: (p,) or None.
        scale: σ, (p,). y_scale: τ, (t,), or None where it is 1. fit_intercept: static.
    """

    X: jax.Array
    Y: jax.Array
    sample_weight: jax.Array | None
    penalty_factor: jax.Array | None
    lower: jax.Array | None
    upper: jax.Array | None
    scale: jax.Array
    y_scale: jax.Array | None
    fit_intercept: bool

    @property
    def tau(self) -> jax.Array:
        """τ of every target, (t,)."""
        return jnp.ones((self.Y.shape[1],), self.Y.dtype) if self.y_scale is None else self.y_scale


class LeastSquares(NamedTuple):
    """`½‖ỹ − A u‖² = ½ yy − correlation·u + ½ uᵀ(AᵀA)u`.

    Attributes:
        rows: A, (n, p).
        gram: `AᵀA`, (p, p), or None where `p > n` and products with A are cheaper.
        correlation: `Aᵀỹ`, (p,) for one target, (p, t) for several.
        yy: `‖ỹ‖²`, () or (t,).
    """

    rows: jax.Array
    gram: jax.Array | None
    correlation: jax.Array
    yy: jax.Array


class Frame(NamedTuple):
    """What leads back from u to (b, w): means, column norms d, and the removed columns."""

    rows: jax.Array
    targets: jax.Array
    x_mean: jax.Array
    y_mean: jax.Array
    size: jax.Array
    basis: Basis | None


def gram_matrix(rows: jax.Array) -> jax.Array | None:
    """`AᵀA` if `n ≥ p`, else None: two products with A then cost less than one with `AᵀA`."""
    n, p = rows.shape
    return rows.T @ rows if n >= p else None


def curvature(problem: LeastSquares, u: jax.Array) -> jax.Array:
    """`AᵀA u`, (p,)."""
    return problem.rows.T @ (problem.rows @ u) if problem.gram is None else problem.gram @ u


def reduce_problem(
    X: jax.Array,
    Y: jax.Array,
    sample_weight: jax.Array | None,
    fit_intercept: bool,
    free: jax.Array | None,
    size: jax.Array | None,
    scale: jax.Array,
) -> tuple[LeastSquares, Frame]:
    """Steps 1 to 3.

    Args:
        X: (n, p), Y: (n, t). sample_weight: (n,) or None. fit_intercept: static.
        free: (p,) booleans, the columns to project out; None where there are none (known when tracing).
        size: d, (p,); None takes the column norms.
        scale: σ, (p,): which coefficients are taken where free columns depend on each other.

    Returns:
        LeastSquares with t targets, and its Frame.
    """
    Z, targets = weighted_rows(X, sample_weight, fit_intercept), weighted_rows(Y, sample_weight, fit_intercept)
    t, p = Y.shape[1], X.shape[1]
    if fit_intercept:
        x_mean, y_mean = weighted_mean(X, sample_weight), weighted_mean(Y, sample_weight)
    else:
        x_mean, y_mean = jnp.zeros((p,), X.dtype), jnp.zeros((t,), X.dtype)
    size = column_norm(Z) if size is None else size
    rows, basis, remaining = Z / size[None, :], None, targets
    if free is not None:
        basis = free_basis(Z, free, scale)
        rows, remaining = jax.lax.cond(
            jnp.any(free), lambda *v: tuple(project_out(x, basis) for x in v), lambda *v: v, rows, targets
        )
        rows = jnp.where(free[None, :], 0.0, rows)
    problem = LeastSquares(rows, gram_matrix(rows), rows.T @ remaining, jnp.sum(remaining**2, axis=0))
    return problem, Frame(Z, targets, x_mean, y_mean, size, basis)


def column_norm(Z: jax.Array) -> jax.Array:
    """`‖Z_j‖`, (p,), and 1 for a zero column; first divided by its maximum, against under- and overflow."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(Z), axis=0))
    zero = largest == 0
    largest = jnp.where(zero, 1.0, largest)
    squares = jnp.sum((Z / largest[None, :]) ** 2, axis=0)
    return jnp.where(zero, 1.0, largest * jnp.sqrt(jnp.where(zero, 1.0, squares)))


def working_penalty(
    lam: jax.Array,
    l1_ratio: jax.Array,
    penalty_factor: jax.Array,
    scale: jax.Array,
    size: jax.Array,
    lower: jax.Array,
    upper: jax.Array,
    y_scale: jax.Array,
) -> Penalty:
    """The penalty on `u = d·w` for one λ and τ ``y_scale``, (); all vectors (p,)."""
    ratio = scale / size
    l1, l2 = lam * l1_ratio * penalty_factor * ratio, lam * (1.0 - l1_ratio) / y_scale * penalty_factor * ratio * ratio
    # Where d vanishes beside σ (a column of 1e-300 that is not standardised) l1 overflows: any large number will do.
    most = jnp.sqrt(jnp.finfo(lam.dtype).max)
    return Penalty(jnp.minimum(l1, most), jnp.minimum(l2, most), lower * size, upper * size)


def restore(u: jax.Array, frame: Frame) -> Params:
    """(b, w) on the original scale from u.

    Args:
        u: (p, t), 0 at the removed columns.

    Returns:
        Params: coef (p, t), intercept (t,).
    """
    constant = jnp.all(
        frame.rows == 0, axis=0
    )  # a column that explains nothing has the coefficient 0, without rounding
    coef = jnp.where(constant[:, None], 0.0, u / frame.size[:, None])
    if frame.basis is not None:  # the best free coefficients for the residual of the others
        residual = frame.targets - frame.rows @ coef
        coef = coef + frame.basis.recover @ (frame.basis.vectors.T @ residual)
    return Params(frame.y_mean - frame.x_mean @ coef, coef)
