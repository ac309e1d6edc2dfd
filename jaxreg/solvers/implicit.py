"""Derivatives of a solution by λ, l1_ratio, X, y, weights, factors and bounds, without unrolling the solver.

With `x_j` and y centred by their weighted means and `S = diag(s/Σs)`, a solution satisfies, at its interior
coefficients I (where `|w_j|` has no kink, and not at a bound),

    R_I(w, data) = X_Iᵀ S (y − X w) − l1_I sign(w_I) − l2_I w_I = 0,     M = −∂R_I/∂w_I = X_Iᵀ S X_I + diag(l2_I)

The other coefficients stay at 0 or move with their bound. While I and the signs stay this holds for other data near by
too, so the changes of both sides along any change of the data are equal,

    ẇ_I = M⁻¹ Ṙ_I,       Ṙ the change of R at the w at hand, with the bounds' own changes                            (1)

which has the solution itself on its right, as data: differentiated again it gives derivatives of any order, forwards
and backwards. The weights come in linearly, so a weight of 0 has its derivative too (`√s` has none there).

M is taken from the moments that the solver has made already, or for `p > n` from the support's rows, and factored
(:mod:`~jaxreg.solvers.support_system`). Where rows and weights stay as they are, R and M are products with the moments:
a derivative by λ costs nothing that grows with n. Where they move, R takes two products of the table with one column a
member, and those of all folds are one product (:mod:`~jaxreg.solvers.products`).

**Kinks.** Where I changes there is no derivative, and this is the one on the side of the I that was found: a
coefficient at 0 stays there if `|w_j|` has a weight, and one that is pressed against a bound moves with it, also if the
bound is 0 (on the side of `lower < 0`, the only one there is). Where M is singular, the derivative is the one of least
norm. :func:`jaxreg.solvers.kink_distance` says how far off a kink is, and whether M is singular.

Source: Bertrand, Klopfenstein, Massias, Blondel, Vaiter, Gramfort and Salmon, J. Machine Learning Research 23, 2022.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, change_of, varying_like
from jaxreg.formulas.moments import Moments, moments
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.scaling import shares
from jaxreg.solvers.products import Products, products_of, products_of_moments
from jaxreg.solvers.reduction import Data
from jaxreg.solvers.support_system import support_solve

__all__ = [
    "Conditions",
    "conditions_at",
    "data_of",
    "moments_that_move",
    "products_of_one",
    "solutions",
    "what_moves",
    "with_derivatives",
]

# The residuals of so many members are made at once, or of a quarter as many as there are columns.
AT_ONCE = 32


class Conditions(NamedTuple):
    """The conditions of optimality of solutions at L λs for K sets of weights, in units of the columns.

    Attributes:
        products: with the target in place of its targets. target: y, (n,), or `AᵀSy`, (K, p).
        l1, l2: the penalty's weights. lower, upper: bounds. All (L, K, p).
        inside, at_lower, at_upper: the pieces on which the coefficients lie, (L, K, p) booleans.
    """

    products: Products
    target: jax.Array
    l1: jax.Array
    l2: jax.Array
    lower: jax.Array
    upper: jax.Array
    inside: jax.Array
    at_lower: jax.Array
    at_upper: jax.Array

    def at_bounds(self, u: jax.Array) -> jax.Array:
        """u with what is pressed against a bound moving with it."""
        return jnp.where(self.at_lower, self.lower, jnp.where(self.at_upper, self.upper, u))

    def remainder(self, u: jax.Array) -> jax.Array:
        """R, (L, K, p)."""
        u = self.at_bounds(u)
        return self.products.slope(u, self.target) - self.l1 * jnp.sign(u) - self.l2 * u


def what_moves(arrays: Any, tangents: Any) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """The arrays of a NamedTuple by which is differentiated, and their tangents, by name."""
    given = {name: v for name, v in tangents._asdict().items() if not (v is None or isinstance(v, SymbolicZero))}
    return {name: getattr(arrays, name) for name in given}, given


@jax.custom_jvp
def _solution(conditions: Conditions, u: jax.Array) -> jax.Array:
    """u, (L, K, p), which solves them, with the derivatives (1)."""
    del conditions
    return u


def _moves(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    at, u = primals
    u = _solution(at, u)
    leaves, structure = jax.tree.flatten(at)
    changes = jax.tree.leaves(tangents[0], is_leaf=lambda v: isinstance(v, SymbolicZero))
    moving = [k for k, change in enumerate(changes) if not isinstance(change, SymbolicZero)]

    def both(moved: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
        new = dict(zip(moving, moved, strict=True))
        there = jax.tree.unflatten(structure, [new.get(k, leaf) for k, leaf in enumerate(leaves)])
        return there.at_bounds(u), there.remainder(u)

    given, their_changes = [leaves[k] for k in moving], [changes[k] for k in moving]
    _, (bounds, remainder) = jax.jvp(both, (given,), (their_changes,))
    return u, bounds + support_solve(at.products, at.inside, at.l2, remainder)


_solution.defjvp(_moves, symbolic_zeros=True)


def products_of_one(data: Data, known: Moments | None, fixed: bool) -> Products:
    """Of the weights of the data themselves; from moments alone where rows and weights are ``fixed`` (static): rows are
    read then only if what comes out is differentiated once more, by rows or weights."""
    n, p = data.X.shape
    if known is None and n >= p:
        known = moments(*jax.lax.stop_gradient((data.X, data.Y, data.sample_weight)))
    if fixed and known is not None:
        return products_of_moments(moments_that_move(data.X, data.Y, data.sample_weight, known), data)
    share = shares(data.sample_weight, n, data.X.dtype)[None]
    one = None if known is None else jax.tree.map(lambda v: v[None], known)
    return products_of(data, share, one, None if known is None else known.x_mean)


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


def conditions_at(
    products: Products, data: Data, lams: jax.Array, rho: jax.Array, w: jax.Array, target: jax.Array, scales: Any
) -> Conditions:
    """Those of one target, at solutions w, (L, K, p).

    Args:
        lams: (L,). target: of :attr:`Products.of_targets`. scales: σ, (K, p), and τ, (K,).
    """
    size, p, dtype = products.size[None, None, :], w.shape[-1], w.dtype
    weights = lambda lam, sigma, tau: penalty_weights(lam, rho, data.penalty_factor, sigma, p, tau)
    l1, l2 = jax.vmap(jax.vmap(weights, (None, 0, 0)), (0, None, None))(lams, *scales)
    l1, l2 = l1 / size, l2 / size / size
    lower = jnp.broadcast_to(broadcast_columns(data.lower, p, -jnp.inf, dtype)[None, None] * size, w.shape)
    upper = jnp.broadcast_to(broadcast_columns(data.upper, p, jnp.inf, dtype)[None, None] * size, w.shape)
    u = size * w
    bounded = data.lower is not None or data.upper is not None
    slope = jax.lax.stop_gradient(products.slope(u, target)) if bounded else jnp.zeros_like(u)
    # A coefficient of 0 is held there by its bound if the residual pulls beyond it by more than l1.
    at_lower = (u == lower) & ((u != 0) | (slope < -l1))
    at_upper = (u == upper) & ((u != 0) | (slope > l1))
    explains = (products.square > 0)[None]
    inside = ((u != 0) | (l1 == 0)) & ~at_lower & ~at_upper & (explains | (l2 > 0))
    return Conditions(products, target, l1, l2, lower, upper, inside, at_lower, at_upper)


def solutions(
    products: Products,
    data: Data,
    lams: jax.Array,
    rho: jax.Array,
    found: jax.Array,
    scales: tuple[jax.Array, jax.Array],
    then: Callable[..., Any],
) -> Any:
    """What is made of solutions with their derivatives, one target after the other.

    Args:
        lams: (L, t). found: solutions w without derivatives, (L, K, p, t). scales: σ, (K, p), and τ, (K, t).
        then: takes w, (L, K, p), and the residuals `y − A d w`, (L, K, n), and returns arrays (L, ...). What it
            returns is returned with the targets as a last axis.
    """
    L, t = lams.shape
    K, p = found.shape[1:3]
    most = max(1, max(AT_ONCE, p // 4) // K)
    at_once = next(b for b in range(min(L, most), 0, -1) if L % b == 0)

    def block(argument: tuple[jax.Array, ...]) -> Any:
        lams, w, target, y, tau = argument
        at = conditions_at(products, data, lams, rho, w, target, (scales[0], tau))
        size = products.size[None, None, :]
        u = _solution(at, size * w)
        return then(w + change_of(u / size), products.residual(u, y))

    def one(argument: tuple[jax.Array, ...]) -> Any:
        lams, w, *others = argument
        if at_once == L:
            return block((lams, w, *others))
        cut = lambda v: v.reshape(L // at_once, at_once, *v.shape[1:])
        part = jax.checkpoint(lambda v: block((*v, *others)))  # of a block nothing is kept for the way back
        made = jax.lax.map(part, (cut(lams), cut(w)))
        return jax.tree.map(lambda v: v.reshape(L, *v.shape[2:]), made)

    of_targets = lams.T, jnp.moveaxis(found, 3, 0), products.of_targets, products.targets, scales[1].T
    if t == 1:
        return jax.tree.map(lambda v: v[..., None], one(tuple(v[0] for v in of_targets)))
    made = jax.lax.map(jax.checkpoint(one), of_targets)
    return jax.tree.map(lambda v: jnp.moveaxis(v, 0, -1), made)


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
    products = products_of_one(data, known, fixed)
    found, scales = jax.lax.stop_gradient(params.coef)[:, None], (data.scale[None], data.tau[None])
    coef = solutions(products, data, lams, rho, found, scales, lambda w, _: w[:, 0])
    if not data.fit_intercept:
        return Params(params.intercept, coef)
    # b = ȳ − x̄·w, again with the value that was given.
    share = products.share[0]
    x_mean = share @ data.X if products.correlation is None else products.mean
    intercept = (share @ data.Y)[None, :] - jnp.einsum("p,lpt->lt", x_mean, coef)
    return Params(jax.lax.stop_gradient(params.intercept) + change_of(intercept), coef)
