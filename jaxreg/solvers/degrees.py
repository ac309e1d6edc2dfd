"""Degrees of freedom: how many parameters a penalised fit is worth.

    df = trace of ∂ŷ/∂y = tr( G_II (G_II + diag(l2_I))⁻¹ ),   I the interior coefficients, G = ZᵀZ

For ridge I is everything (Hastie, Tibshirani and Friedman, §3.4.1); for the lasso l2 = 0 and df is the rank of the
active columns (Zou, Hastie and Tibshirani 2007; Tibshirani and Taylor 2012). Coefficients at a bound count nothing,
free columns count their rank, the intercept is excluded.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, change_of, widths_to, with_few
from jaxreg.formulas.objective import penalty_weights
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import centred, shares
from jaxreg.solvers.reduction import Data, column_norm

__all__ = ["degrees_of_freedom", "trace_on_support"]

# Where l2 = 0 the rank is the trace with this share of the column's square added, rounded to a whole number: a
# direction counts if its eigenvalue is well above it. Where l2 is less than the other share, that is taken: a Gram
# matrix knows its eigenvalues to some ε of the largest.
RANK_THRESHOLD = {jnp.dtype(jnp.float64): 1e-11, jnp.dtype(jnp.float32): 1e-4}
LEAST_SQUARE = {jnp.dtype(jnp.float64): 1e-14, jnp.dtype(jnp.float32): 1e-6}


def degrees_of_freedom(
    data: Data, coef: jax.Array, lams: jax.Array, l1_ratio: ArrayLike, capacity: int | None = None
) -> jax.Array:
    """df of every member.

    Args:
        data: the problem, X (n, p). coef: (L, p, t). lams: (L,) or (L, t). l1_ratio: ().
        capacity: static; at least the largest number of non-zero coefficients, so many columns are gathered. None is p.

    Returns:
        (L, t).
    """
    X = data.X
    n, p = X.shape
    Z = weighted_rows(X, data.sample_weight, data.fit_intercept)
    size = jax.lax.stop_gradient(column_norm(Z))  # only conditions the matrix
    share = shares(data.sample_weight, n, X.dtype)
    A = (centred(X, data.sample_weight) if data.fit_intercept else X) / size[None, :]
    Z = Z / size[None, :]
    constant = jnp.all(Z == 0, axis=0)
    lower = broadcast_columns(data.lower, p, -jnp.inf, X.dtype)
    upper = broadcast_columns(data.upper, p, jnp.inf, X.dtype)
    rho = jnp.asarray(l1_ratio, X.dtype)
    k = p if capacity is None else min(capacity, p)
    gram = Z.T @ Z if k == p <= n else None
    widths = [*widths_to(min(n, k)), k] if k > n else widths_to(k)

    def member(argument: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        w, lam, tau = argument
        inside = (w != 0) & (w > lower) & (w < upper) & ~constant
        _, l2 = penalty_weights(lam, rho, data.penalty_factor, data.scale, p, tau)
        added = l2 / size**2
        # With B = Z_I diag(added)^(−1/2):  tr( G (G + diag(added))⁻¹ ) = tr( BᵀB (BᵀB + I)⁻¹ ) = k − tr( (I + BᵀB)⁻¹ ),
        # the same with BBᵀ; k is the order of the matrix, and columns outside I add nothing.
        added = _told_apart(added)
        root = jnp.where(inside, 1.0 / jnp.sqrt(added), 0.0)

        # Gathered before a width is chosen: a branch would be given a copy of all that it reads.
        columns = jnp.nonzero(inside, size=k, fill_value=p)[0]
        B = _taken(Z, columns, 1) * _taken(root, columns, 0)[None, :] if gram is None else Z

        def leading(width: int) -> Callable[[], jax.Array]:
            def trace() -> jax.Array:
                if gram is not None:
                    return _trace_of(gram, columns[:width], root)
                return _trace(B @ B.T if width > n else B[:, :width].T @ B[:, :width])

            return trace

        found = with_few(jnp.sum(inside, dtype=jnp.int32), widths, leading)
        # Derivatives with the weights as they are: with S = diag(s/Σs), BᵀSB or BBᵀS; √s has none where s is 0.
        rows = A * root[None, :]
        weighted = rows.T @ (share[:, None] * rows) if n >= p else (rows @ rows.T) * share[None, :]
        inverse = jnp.linalg.inv(weighted + jnp.eye(len(weighted), dtype=X.dtype))
        trace = jax.lax.stop_gradient(found) - change_of(jnp.trace(inverse))
        return jnp.where(jnp.any(inside & (l2 > 0)), trace, jnp.round(trace))

    L, _, t = coef.shape
    over = lambda v: jnp.broadcast_to(v, (L, t)).reshape(-1)
    members = jnp.moveaxis(coef, 1, 2).reshape(L * t, p), over(lams.reshape(L, -1)), over(data.tau[None, :])
    return jax.lax.map(member, members).reshape(L, t)


def trace_on_support(gram: jax.Array, inside: jax.Array, l2: jax.Array) -> jax.Array:
    """`tr( G_II (G_II + diag(l2_I))⁻¹ )` from the Gram matrix, ().

    Args:
        gram: G with ones on its diagonal, (p, p). inside: (p,) booleans. l2: (p,); where it is 0 the rank is counted.
    """
    columns = jnp.nonzero(inside, size=len(l2), fill_value=len(l2))[0]
    root = jnp.where(inside, 1.0 / jnp.sqrt(_told_apart(l2)), 0.0)

    leading = lambda width: lambda: _trace_of(gram, columns[:width], root)
    return with_few(jnp.sum(inside, dtype=jnp.int32), widths_to(len(l2)), leading)


def _trace_of(gram: jax.Array, columns: jax.Array, root: jax.Array) -> jax.Array:
    root = _taken(root, columns, 0)
    return _trace(_taken(_taken(gram, columns, 0), columns, 1) * root[:, None] * root[None, :])


def _taken(array: jax.Array, index: jax.Array, axis: int) -> jax.Array:
    """The entries numbered ``index`` along an axis; 0 beyond its end."""
    return jnp.take(array, index, axis=axis, mode="fill", fill_value=0)


def _told_apart(l2: jax.Array) -> jax.Array:
    """What is added to the diagonal."""
    rank, least = RANK_THRESHOLD.get(l2.dtype, 1e-2), LEAST_SQUARE.get(l2.dtype, 1e-3)
    return jnp.where(l2 > 0, jnp.maximum(l2, least), rank)


def _trace(M: jax.Array) -> jax.Array:
    """`tr( M (M + I)⁻¹ ) = k − tr( (M + I)⁻¹ )`, M (k, k)."""
    k = M.shape[0]
    identity = jnp.eye(k, dtype=M.dtype)
    factor = jnp.linalg.cholesky(M + identity)
    return k - jnp.sum(jax.scipy.linalg.solve_triangular(factor, identity, lower=True) ** 2)
