"""The certificate: the duality gap, for every penalty, with weights, free columns and bounds.

In weighted rows (:mod:`~jaxreg.formulas.projection`) the problem is `min_w ½‖ỹ − Zw‖² + Σ_j h_j(w_j)` with
`h_j(w) = l1_j |w| + ½ l2_j w²` on `[lower_j, upper_j]`, `+∞` outside, and the free columns projected out of `ỹ` and Z.
Its Fenchel dual is the maximum over θ of

    D(θ) = ½‖ỹ‖² − ½‖ỹ − θ‖² − Σ_j h_j*(z_j),    z = Zᵀθ,    h_j*(z) = max over lower_j ≤ w ≤ upper_j of  z w − h_j(w)

so `F(w) − D(θ)` bounds what w is still away from the minimum. At the minimum `θ = r`, the residual: `θ = c·r` is tried
with the best c in (0, 1]. The gap is reported as a share of `‖ỹ‖²`, so it has no units. Functions of scalar products
also take NumPy arrays with axes after that of the columns, of many problems (:mod:`jaxreg.engines.certificate`).

Source: Fenchel–Rockafellar duality, Bauschke and Combettes, *Convex Analysis and Monotone Operator Theory*, §15; the
rescaled residual: Mairal, *Sparse coding for machine learning*, 2010, appendix D.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns, floating, varying_like, without_columns
from jaxreg.formulas.objective import Params, penalty_weights
from jaxreg.formulas.projection import Basis, free_basis, free_columns, project_out, weighted_rows
from jaxreg.formulas.scaling import weighted_mean
from jaxreg.precision import full_precision

__all__ = [
    "Penalty",
    "best_dual",
    "better_dual",
    "conjugate",
    "dual_at",
    "duality_gap",
    "largest_scale",
    "penalty_free_scale",
    "relative_gap",
]

# The best c is bracketed by bisection. D is flat at a smooth maximum: an error of 2⁻³⁰ in c costs 2⁻⁶⁰ of the gap. At a
# kink it is not; those are tried by name (penalty_free_scale).
BISECTIONS = 30


class Penalty(NamedTuple):
    """`h_j` for every column of one problem: weights l1, `l2 ≥ 0` and bounds `lower ≤ 0 ≤ upper`, each (p,)."""

    l1: jax.Array
    l2: jax.Array
    lower: jax.Array
    upper: jax.Array


def conjugate(z: jax.Array, penalty: Penalty) -> tuple[jax.Array, jax.Array]:
    """h*(z) and the w that attains it, both (p,). Where h* is infinite both are returned as 0: see ``unreachable``."""
    # z w − l1|w| − ½ l2 w² is concave in w: its free maximiser is S(z, l1)/l2, clipped to the bounds. For l2 = 0 it is
    # linear: the maximiser is 0 if |z| ≤ l1, else the bound on the side of z.
    l1, l2, lower, upper = penalty
    xp = z.__array_namespace__()
    excess = xp.where(xp.abs(z) > l1, z - l1 * xp.sign(z), 0.0)
    ray = xp.where(excess > 0, upper, xp.where(excess < 0, lower, 0.0))
    w = xp.where(l2 > 0, xp.clip(excess / xp.where(l2 > 0, l2, 1.0), lower, upper), ray)
    w = xp.where(xp.isfinite(w), w, 0.0)
    return excess * w - 0.5 * l2 * w**2, w  # z w − l1|w| = (|z| − l1)|w|, which a bound of 1e300 does not make ∞ − ∞


def unreachable(z: jax.Array, penalty: Penalty) -> jax.Array:
    """(p,) booleans: `h*(c z)` is infinite once `c |z_j|` exceeds `l1_j` (no square and no bound on that side)."""
    xp = z.__array_namespace__()
    return (penalty.l2 == 0) & xp.where(z > 0, penalty.upper == xp.inf, penalty.lower == -xp.inf)


def largest_scale(z: jax.Array, penalty: Penalty, rounding: Any = 0.0) -> jax.Array:
    """The largest c in [0, 1] at which D(c r) is finite, ().

    Args:
        z: `Zᵀr`, (p,), 0 at the free columns. penalty: of (p,).
        rounding: (p,): `|z_j|` up to this counts as 0 where `l1_j = 0` and a bound is missing (there `D(c r)` is `−∞`
            for every `c > 0` unless `z_j = 0` exactly, which no computed residual reaches). Good for a solver's own
            stop, not for a certificate.
    """
    # Where h_j* is infinite, c is limited to l1_j / |z_j|.
    xp = z.__array_namespace__()
    magnitude = xp.abs(z)
    limit = xp.where(
        penalty.l1 > 0,
        penalty.l1 / xp.where(magnitude > 0, magnitude, 1.0),
        xp.where(magnitude > rounding, 0.0, 1.0),
    )
    return xp.min(xp.where(unreachable(z, penalty) & (magnitude > 0), limit, 1.0), axis=0, initial=1.0)


def dual_at(c: jax.Array, yr: jax.Array, rr: jax.Array, z: jax.Array, penalty: Penalty) -> jax.Array:
    """`D(c r) = c ỹ·r − ½ c² r·r − Σ_j h_j*(c z_j)`, ().

    Args:
        c: (). yr, rr: `ỹ·r` and `r·r`, (). z: `Zᵀr`, (p,), 0 at the free columns. penalty: of (p,).
    """
    return c * yr - 0.5 * c**2 * rr - conjugate(c * z, penalty)[0].sum(axis=0)


def penalty_free_scale(yr: jax.Array, rr: jax.Array, z: jax.Array, penalty: Penalty, c_max: jax.Array) -> jax.Array:
    """The best c among those at which every `h_j*(c z_j)` is 0, where that is possible, (); no search is needed.

    For small `l2_j`, h* rises like `1/l2_j` beyond `|c z_j| = l1_j`: the best c lies within rounding of that kink.
    """
    xp = z.__array_namespace__()
    magnitude = xp.abs(z)
    limit = xp.where((penalty.l1 > 0) & (magnitude > 0), penalty.l1 / xp.where(magnitude > 0, magnitude, 1.0), 1.0)
    free = xp.where(rr > 0, yr / xp.where(rr > 0, rr, 1.0), 1.0)  # maximises c ỹ·r − ½ c² r·r
    return xp.clip(free, 0.0, xp.minimum(c_max, xp.min(limit, axis=0, initial=1.0)))


def best_dual(yr: jax.Array, rr: jax.Array, z: jax.Array, penalty: Penalty, squares: Any = None) -> jax.Array:
    """max over c in (0, 1] of `D(c r)`, from scalar products alone, ().

    Args:
        yr, rr: `ỹ·r` and `r·r`, (). z, penalty: as in :func:`largest_scale`.
        squares: where no column has bounds, whether any has `l2 > 0`, (): without, :func:`penalty_free_scale` is the
            best c. None where that is not known.
    """
    c_max = largest_scale(z, penalty)
    c_free = penalty_free_scale(yr, rr, z, penalty, c_max)

    # D(c r) = c ỹ·r − ½ c² r·r − Σ_j h_j*(c z_j) is concave in c, with derivative  ỹ·r − c r·r − Σ_j z_j w_j(c z_j):
    # h* is a maximum over w, so its derivative is the maximiser w.
    xp = z.__array_namespace__()

    def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        c = 0.5 * (low + high)
        rising = yr - c * rr - (z * conjugate(c * z, penalty)[1]).sum(axis=0) > 0
        return xp.where(rising, c, low), xp.where(rising, high, c)

    bracket = xp.zeros_like(c_max), c_max
    if isinstance(z, jax.Array):
        search = lambda bracket: jax.lax.fori_loop(0, BISECTIONS, halve, bracket)
        bracket = search(bracket) if squares is None else jax.lax.cond(squares, search, lambda same: same, bracket)
    else:
        for k in range(BISECTIONS):
            bracket = halve(k, bracket)
    return better_dual(bracket[1], c_free, yr, rr, z, penalty)


def better_dual(
    one: jax.Array, other: jax.Array, yr: jax.Array, rr: jax.Array, z: jax.Array, penalty: Penalty
) -> jax.Array:
    """The larger `D(c r)` of two values of c, (); `−∞ + ∞` is no bound. Other arguments as in :func:`dual_at`."""
    at = lambda c: dual_at(c, yr, rr, z, penalty)
    if isinstance(z, jax.Array):  # both at once: a program holds the formula only once
        return jnp.fmax(*jax.vmap(at)(jnp.stack([one, other])))
    return z.__array_namespace__().fmax(at(one), at(other))


def relative_gap(
    primal: jax.Array, dual: jax.Array, yy: jax.Array, original_yy: jax.Array, rounding: Any = 0.0
) -> jax.Array:
    """`(F − D) / ‖ỹ‖²`, at least what rounding leaves open.

    Where the free columns explain y up to rounding, `‖ỹ‖²` is noise and the scale is y itself: the gap is then 0 at the
    minimum, which is `F = 0`, and positive elsewhere.

    Args, each (): primal, dual: F and D. yy: `‖ỹ‖²`. original_yy: `Σ s y² / Σs`. rounding: what `F − D` may not show.
    """
    xp = yy.__array_namespace__()
    scale = xp.where(yy > (64 * xp.finfo(yy.dtype).eps) ** 2 * original_yy, yy, original_yy)
    excess = xp.maximum(primal - dual, 0.0) + rounding
    of_zero = xp.where(excess > 0, xp.inf, 0.0)  # y = 0: only F = 0 is the minimum
    return xp.where(scale == 0, of_zero, excess / xp.where(scale == 0, 1.0, scale))


@full_precision
def duality_gap(
    params: Params,
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    y_scale: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> jax.Array:
    """An upper bound on `F(params) − min F`, as a share of `Σ s ỹ² / Σs` (y with its free part removed).

    Args:
        params: one target: coef (p,), intercept (), within the bounds. X: (n, p), y: (n,). lam, l1_ratio: ().
        fit_intercept: static. sample_weight: `s ≥ 0`, (n,). penalty_factor: `v ≥ 0`, scale: `σ > 0`, (p,).
        y_scale: `τ > 0`, (). lower, upper: `lower ≤ 0 ≤ upper`, (p,) or numbers.

    Returns:
        (), at least 0; below 1e-10 a float64 solution counts as converged. NaN if the parameters are.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0]]), jnp.array([0.0, 3.0])
        >>> float(duality_gap(Params(1.5, jnp.array([0.5])), X, y, lam=1.0)) < 1e-6
        True
        >>> float(duality_gap(Params(1.5, jnp.array([0.0])), X, y, lam=1.0)) > 0.05
        True
    """
    b, w, X, y, lam, rho, s, v, sigma, tau, lower, upper = floating(
        intercept=params.intercept,
        coef=params.coef,
        X=X,
        y=y,
        lam=lam,
        l1_ratio=l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        scale=scale,
        y_scale=y_scale,
        lower=lower,
        upper=upper,
    )
    p = X.shape[1]
    outside = jnp.any(jnp.isposinf(broadcast_columns(v, p, 1.0, X.dtype)) & (w != 0))
    X, v = without_columns(X, v)
    free = free_columns(lam, v, lower, upper, p)
    basis = free_basis(weighted_rows(X, s, fit_intercept), free)
    l1, l2 = penalty_weights(lam, rho, v, sigma, p, tau)
    bounds = broadcast_columns(lower, p, -jnp.inf, X.dtype), broadcast_columns(upper, p, jnp.inf, X.dtype)
    held = None if lower is None and upper is None else jnp.any((l1 == 0) & (l2 == 0) & ~free)
    gap = gap_given_basis(Params(b, w), X, y, Penalty(l1, l2, *bounds), s, fit_intercept, free, basis, held)
    return jnp.where(outside, jnp.inf, gap)


def gap_given_basis(
    params: Params,
    X: jax.Array,
    y: jax.Array,
    penalty: Penalty,
    sample_weight: jax.Array | None,
    fit_intercept: bool,
    free: jax.Array,
    basis: Basis | None,
    held: jax.Array | None = None,
    squares: jax.Array | None = None,
) -> jax.Array:
    """:func:`duality_gap` where the basis of the free columns is at hand (a λ-path needs it only once).

    Args:
        held: whether a column may have bounds and no penalty, (); None where it is known that none has.
        squares: as in :func:`best_dual`.
    """
    # About the means, where an intercept is fitted: an offset of 1e13 costs r no digits. What b misses of ȳ − x̄·w is
    # known up to the rounding of these numbers.
    Z = weighted_rows(X, sample_weight, fit_intercept)
    w, b, centred = params.coef, params.intercept, weighted_rows(y, sample_weight, fit_intercept)
    residual = centred - Z @ w
    if fit_intercept:
        x_mean, y_mean = weighted_mean(X, sample_weight), weighted_mean(y, sample_weight)
        sizes = sum([jnp.abs(y_mean), jnp.abs(b), jnp.dot(jnp.abs(x_mean), jnp.abs(w))])
        missed = jnp.abs(y_mean - jnp.dot(x_mean, w) - b) + 4 * jnp.finfo(X.dtype).eps * sizes
        primal = 0.5 * jnp.dot(residual, residual) + 0.5 * missed**2
    else:
        shifted = residual - weighted_rows(jnp.full_like(y, b), sample_weight, False)
        primal = 0.5 * jnp.dot(shifted, shifted)
    square = jnp.where(penalty.l2 > 0, penalty.l2 * w**2, 0.0)  # 0, also where w² overflows
    primal += jnp.sum(penalty.l1 * jnp.abs(w) + 0.5 * square)
    # r is known up to the rounding of Zw, whose square counts where free columns explain y all but to that.
    length, eps = jnp.linalg.norm(Z, axis=0), jnp.finfo(X.dtype).eps
    unseen = jax.lax.stop_gradient((4 * eps * jnp.dot(length, jnp.abs(w))) ** 2)
    # Residual and target with their projection on the free columns removed.
    target, r = centred, residual
    if basis is not None:
        project = lambda *rows: tuple(project_out(v, basis) for v in rows)
        target, r = jax.lax.cond(jnp.any(free), project, lambda *same: same, target, r)
    z = jnp.where(free, 0.0, Z.T @ r)
    bound = lambda r, z: best_dual(jnp.dot(target, r), jnp.dot(r, r), z, penalty, squares)
    if held is None:
        dual = bound(r, z)
    else:
        # Without a penalty z_j is 0 at a minimum inside the bounds, and rounding times a bound of 1e10 would count. So
        # θ nearest to r for which it is 0 is tried too: far from r where such columns all but depend on each other.
        near = (penalty.l1 == 0) & (penalty.l2 == 0) & ~free
        near = near & (jnp.abs(z) <= 16 * eps * length * jnp.linalg.norm(target))

        def nearest(r: jax.Array, _: jax.Array) -> tuple[jax.Array, jax.Array]:
            r = project_out(r, free_basis(Z, free | near))
            return r, jnp.where(free | near, 0.0, Z.T @ r)

        def tried(dual: jax.Array, r: jax.Array, z: jax.Array, second: jax.Array) -> Any:
            r, z = jax.lax.cond(second, nearest, lambda *same: same, r, z)
            return jnp.fmax(dual, bound(r, z)), r, z

        def turn(found: Any, second: jax.Array) -> tuple[Any, None]:
            return jax.lax.cond(~second | held, tried, lambda *same: same[:3], *found, second), None

        start = varying_like((jnp.full_like(primal, -jnp.inf), r, z), primal, r, z, penalty)
        (dual, *_), _ = jax.lax.scan(turn, start, jnp.array([False, True]))
    original = weighted_rows(y, sample_weight, False)
    gap = relative_gap(primal, dual, jnp.dot(target, target), jnp.dot(original, original), unseen)
    outside = jnp.any((w < penalty.lower) | (w > penalty.upper))
    return jnp.where(outside, jnp.inf, gap)
