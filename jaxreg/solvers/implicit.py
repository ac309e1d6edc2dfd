"""Derivatives of a solution by λ, l1_ratio, X, y, weights, factors and bounds, without unrolling the solver.

With `x_j` and y centred by their weighted means and `S = diag(s/Σs)`, a solution satisfies, at its interior
coefficients I (where `|w_j|` has no kink, and not at a bound),

    R_I(w, data) = X_Iᵀ S (y − X w) − l1_I sign(w_I) − l2_I w_I = 0,     M = −∂R_I/∂w_I = X_Iᵀ S X_I + diag(l2_I)

The other coefficients stay at 0 or move with their bound. R is linear in w while I and the signs stay. So for other
data near by the solution is one Newton step from *any* point, also from the solution `w⁰` of the data at hand:

    w_I(data) = w⁰_I + M(data)⁻¹ R_I(w⁰, data),        R_I(w⁰, data at hand) = 0.                                    (1)

This has the value `w⁰` and, with `w⁰` constant, all derivatives of the solution, of any order, forwards and backwards.
The weights come in linearly, so a weight of 0 has its derivative too (`√s` has none there).

M is taken from the moments that the solver has made already, or for `p > n` from the support's rows, and factored
(:mod:`~jaxreg.solvers.support_system`). Where rows and weights stay as they are, R and M are products with the moments:
a derivative by λ costs nothing that grows with n.

**Kinks.** Where I changes there is no derivative, and this is the one on the side of the I that was found: a
coefficient at 0 stays there if `|w_j|` has a weight, and one that is pressed against a bound moves with it, also if the
bound is 0 (on the side of `lower < 0`, the only one there is). Where M is singular, the derivative is the one of least
norm. :func:`jaxreg.solvers.kink_distance` says how far off a kink is, and whether M is singular.

Source: Bertrand, Klopfenstein, Massias, Blondel, Vaiter, Gramfort and Salmon, J. Machine Learning Research 23, 2022.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, change_of, varying_like
from jaxreg.formulas.moments import Moments, about_zero, moments
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.projection import weighted_rows
from jaxreg.formulas.scaling import centred, shares, weighted_mean
from jaxreg.solvers.reduction import Data, column_norm
from jaxreg.solvers.support_system import support_solve

__all__ = ["Member", "Products", "data_of", "member_at", "moments_that_move", "products_of", "with_derivatives"]


class Products(NamedTuple):
    """The columns, divided by their sizes, and what is multiplied by them.

    Attributes:
        rows: A, (n, p). share: `s/Σs`, (n,). targets: (n, t). size: d, (p,).
        gram: `AᵀSA`, (p, p), without derivatives where ``correlation`` is None; None for `p > n`.
        correlation: `AᵀSy`, (p, t), where all products come from moments, else None.
        explains: whether a column is more than zeros, (p,). x_mean, y_mean: `x̄`, (p,), `ȳ`, (t,).
    """

    rows: jax.Array
    share: jax.Array
    targets: jax.Array
    size: jax.Array
    gram: jax.Array | None
    correlation: jax.Array | None
    explains: jax.Array
    x_mean: jax.Array
    y_mean: jax.Array

    def times(self, u: jax.Array) -> jax.Array:
        """`AᵀSA u`, (p,)."""
        if self.correlation is not None:
            assert self.gram is not None
            return self.gram @ u
        return self.rows.T @ (self.share * (self.rows @ u))

    def slope(self, u: jax.Array, target: jax.Array) -> jax.Array:
        """`AᵀS (y − A u)`, (p,); ``target``: y, (n,), or where all comes from moments `AᵀSy`, (p,)."""
        if self.correlation is not None:
            return target - self.times(u)
        return self.rows.T @ (self.share * (target - self.rows @ u))

    @property
    def of_targets(self) -> jax.Array:
        """What :meth:`slope` takes for every target, (n, t) or (p, t)."""
        return self.targets if self.correlation is None else self.correlation


class Member(NamedTuple):
    """What a solution is at the data at hand, in units of the columns, (p,) each: the slope of the squared error, the
    penalty's weights, and the pieces on which the coefficients lie."""

    slope: jax.Array
    l1: jax.Array
    l2: jax.Array
    inside: jax.Array
    at_lower: jax.Array
    at_upper: jax.Array


def products_of(data: Data, known: Moments | None = None, fixed: bool = False) -> Products:
    """From the data, or, where rows and weights are ``fixed`` (static), from their moments alone."""
    X, Y, s = data.X, data.Y, data.sample_weight
    (n, p), dtype = X.shape, X.dtype
    share = shares(s, n, dtype)
    gram = correlation = None
    if known is not None or n >= p:
        m = moments_that_move(X, Y, s, jax.lax.stop_gradient(moments(X, Y, s) if known is None else known))
        m = m if data.fit_intercept else about_zero(m)
        square = jax.lax.stop_gradient(jnp.diagonal(m.xx) / m.weight)
        size = jnp.sqrt(jnp.where(square > 0, square, 1.0))
        gram = m.xx * (1.0 / size / m.weight)[:, None] * (1.0 / size)[None, :]
        if fixed:
            correlation = m.xy / m.weight / size[:, None]
            return Products(X, share, Y, size, gram, correlation, square > 0, m.x_mean, m.y_mean)
        gram = jax.lax.stop_gradient(gram)
    else:
        size = column_norm(weighted_rows(*jax.lax.stop_gradient((X, s)), data.fit_intercept))
    A, targets = (centred(X, s), centred(Y, s)) if data.fit_intercept else (X, Y)
    A = A / size[None, :]
    explains = jnp.any((A != 0) & (share > 0)[:, None], axis=0)
    means = weighted_mean(X, s), weighted_mean(Y, s)
    return Products(A, share, targets, size, gram, correlation, explains, *means)


@jax.custom_jvp
def moments_that_move(X: jax.Array, Y: jax.Array, s: jax.Array | None, known: Moments) -> Moments:
    """``known``, which are the moments of these rows, with the derivatives of moments."""
    del X, Y, s
    return known


@moments_that_move.defjvp
def _change_of_moments(primals: tuple, tangents: tuple) -> tuple[Moments, Moments]:
    return primals[3], jax.jvp(moments, primals[:3], tangents[:3])[1]


def data_of(m: Moments, data: Data, standardize: bool) -> Data:
    """``data`` with the scales σ and τ that its moments have."""
    variance, of_y = jnp.diagonal(m.xx) / m.weight, m.yy / m.weight
    if not standardize:
        return data._replace(scale=jnp.ones_like(variance), y_scale=None)
    root = lambda v: jnp.sqrt(jnp.where(v > 0, v, 1.0))
    return data._replace(scale=root(variance), y_scale=root(of_y))


def member_at(
    products: Products, data: Data, lam: jax.Array, rho: jax.Array, w: jax.Array, target: Any, tau: jax.Array
) -> Member:
    """The pieces on which a solution w, (p,), lies; ``target``: of :attr:`Products.of_targets`."""
    size, p = products.size, len(w)
    l1, l2 = penalty_weights(lam, rho, data.penalty_factor, data.scale, p, tau)
    l1, l2 = l1 / size, l2 / size / size
    lower = broadcast_columns(data.lower, p, -jnp.inf, w.dtype)
    upper = broadcast_columns(data.upper, p, jnp.inf, w.dtype)
    slope = products.slope(size * w, target)
    # A coefficient of 0 is held there by its bound if the residual pulls beyond it by more than l1.
    at_lower = (w == lower) & ((w != 0) | (slope < -l1))
    at_upper = (w == upper) & ((w != 0) | (slope > l1))
    inside = ((w != 0) | (l1 == 0)) & ~at_lower & ~at_upper & (products.explains | (l2 > 0))
    return Member(slope, l1, l2, inside, at_lower, at_upper)


def with_derivatives(
    data: Data,
    params: Params,
    lams: jax.Array,
    l1_ratio: ArrayLike,
    known: Moments | None = None,
    fixed: bool = False,
) -> Params:
    """``params`` themselves, with the derivatives of a solution.

    Args:
        data: X (n, p), Y (n, t). params: solutions without derivatives, coef (L, p, t), intercept (L, t).
        lams: (L, t). l1_ratio: (). known: the moments of the rows that have weight, where they are at hand.
        fixed: static; whether X, Y and the weights have no derivatives.

    Returns:
        Params of the same values.
    """
    # Under shard_map the linear system asks that all of it differ between devices if any of it does.
    everything = (data[:-1], params, lams, jnp.asarray(l1_ratio, data.X.dtype), known)
    arrays, params, lams, rho, known = varying_like(everything, everything)
    data = Data._make((*arrays, data.fit_intercept))
    products = products_of(data, known, fixed)
    size, p, dtype = products.size, data.X.shape[1], data.X.dtype
    lower = broadcast_columns(data.lower, p, -jnp.inf, dtype)
    upper = broadcast_columns(data.upper, p, jnp.inf, dtype)

    @jax.checkpoint  # nothing of a member is kept for the way back but its solution
    def member(argument: tuple[jax.Array, ...]) -> jax.Array:
        lam, w, target, tau = argument
        at = member_at(products, data, lam, rho, w, target, tau)
        w = jnp.where(at.at_lower, lower, jnp.where(at.at_upper, upper, w))
        residual = products.slope(size * w, target) - at.l1 * jnp.sign(w) - at.l2 * size * w
        return w + support_solve(products, at.inside, at.l2, change_of(residual)) / size

    (L, t), found = lams.shape, jax.lax.stop_gradient(params.coef)
    over = lambda v: jnp.broadcast_to(v, (L, *v.shape)).reshape(L * t, -1)
    of_members = (lams.reshape(-1), jnp.moveaxis(found, 1, 2).reshape(L * t, p), over(products.of_targets.T))
    coef = jax.lax.map(member, (*of_members, over(data.tau).reshape(-1)))
    coef = jnp.moveaxis(coef.reshape(L, t, p), 2, 1)
    if not data.fit_intercept:
        return Params(params.intercept, coef)
    # b = ȳ − x̄·w, again with the value that was given.
    intercept = products.y_mean[None, :] - jnp.einsum("p,lpt->lt", products.x_mean, coef)
    return Params(jax.lax.stop_gradient(params.intercept) + change_of(intercept), coef)
