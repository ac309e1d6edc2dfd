"""How far a solution is from the nearest kink: where a coefficient becomes 0, or ceases to be 0, as λ moves.

Between kinks the coefficients of a lasso are linear in λ, and so are the slopes of the squared error,
`z_j = x_jᵀS (y − Xw)`. With their derivatives by λ, a coefficient becomes 0 where `|w_j|` does, and one that is 0
ceases to be where its slack does,

    slack_j = l1_j ∓ z_j ≥ 0,      slack_j' = l1_j/λ ∓ z_j'                                                       (1)

at the change `δ = −slack_j / slack_j'` of λ, which lies below where the slack grows with λ, above where it falls: so a
slack of 0 by rounding too has its kink on the right side. For `ρ < 1` the same is right to the first order in δ. A
bound that is met, or left, is a kink too, and found by its distance `upper − w_j`.

Source: Efron, Hastie, Johnstone and Tibshirani, *Ann. Statist.* 32, 2004, §3; Osborne, Presnell and Turlach, *IMA J.
Numer. Anal.* 20, 2000.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg.formulas.arrays import broadcast_columns
from jaxreg.programs import compiled_door
from jaxreg.solvers.found import Arrays
from jaxreg.solvers.implicit import conditions_at, products_of_one
from jaxreg.solvers.members import solve
from jaxreg.solvers.paths import arguments
from jaxreg.solvers.products import Products
from jaxreg.solvers.reduced import prepare
from jaxreg.solvers.support_system import singular_below

__all__ = ["KinkDistance", "kink_distance"]

# A kink at most this share of λ away is at hand: which of two derivatives is given is then said.
AT_HAND = 1e-9


class KinkDistance(NamedTuple):
    """What :func:`kink_distance` returns, of one target.

    Attributes:
        below, above: the λs of the nearest changes of the support on both sides, (): 0 and ∞ where there is none.
        column_below, column_above: the columns that change there, -1 where none does.
        slack: the least `1 − |z_j|/l1_j` of the coefficients that are 0, (): how far in the dual the nearest is from
            entering; 1 where none is 0. slack_column: its column, or -1.
        side: +1 where λ stands at a kink and the derivative is that towards larger λs, -1 towards smaller ones, 0 where
            it stands at none (or at one on either side).
        full_rank: whether the support's columns are independent, or all have a ridge penalty; where not, derivatives
            are those of least norm.
    """

    below: jax.Array
    above: jax.Array
    column_below: jax.Array
    column_above: jax.Array
    slack: jax.Array
    slack_column: jax.Array
    side: jax.Array
    full_rank: jax.Array


@compiled_door
def kink_distance(
    X: ArrayLike,
    y: ArrayLike,
    lam: ArrayLike,
    l1_ratio: ArrayLike = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: ArrayLike | None = None,
    penalty_factor: ArrayLike | None = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
) -> KinkDistance:
    """How far, in λ and in the dual, the nearest change of the support is from the solution of :func:`fit`.

    Derivatives of a solution are right from ``below`` to ``above``; differences across a kink are none of them.

    Args:
        X: (n, p), y: (n,), floating. lam: `λ > 0`, (). l1_ratio, ...: these and all other options as in
            :func:`jaxreg.solvers.fit`.

    Returns:
        KinkDistance; exact for the lasso, for `ρ < 1` to the first order in the change of λ.

    Raises:
        TypeError: NumPy float64 while JAX's 64-bit mode is off. ValueError: shapes that do not fit; several targets.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0.0, 3.0, 0.0, 3.0])
        >>> found = kink_distance(X, y, 1.0)
        >>> float(found.above), int(found.column_above), float(found.below)
        (1.5, 0, 0.0)
    """
    if jnp.ndim(y) != 1:
        raise ValueError(f"y must be (n,), one target; got shape {jnp.shape(y)}.")
    weights = {"sample_weight": sample_weight, "penalty_factor": penalty_factor, "lower": lower, "upper": upper}
    how: dict[str, Any] = {"fit_intercept": fit_intercept, "standardize": standardize}
    how |= {"max_iter": max_iter, "strategy": strategy}
    lams = jnp.asarray(lam)[None]
    asked, arrays = arguments(X, y, lams, l1_ratio, tol, None, weights, degrees=False, **how)
    coef = lambda lams: solve(asked, arrays._replace(lams=lams)).smooth.params.coef[0, :, 0]
    given: Any = arrays.lams
    w, change = jax.jvp(coef, (given,), (jnp.ones_like(given),))
    data = prepare(arrays.X, arrays.Y, fit_intercept, standardize, *arrays[2:6])
    return _distance(products_of_one(data, None, False), data, arrays, w, change)


def _distance(products: Products, data: Any, arrays: Arrays, w: jax.Array, change: jax.Array) -> KinkDistance:
    assert arrays.lams is not None
    lam, size, p, dtype = arrays.lams[0, 0], products.size, len(w), w.dtype
    scales, target = (data.scale[None], data.tau), products.of_targets[0]
    at = conditions_at(products, data, lam[None], arrays.l1_ratio, w[None, None], target, scales)
    l1, inside = at.l1[0, 0], at.inside[0, 0]
    z, slope = products.slope((size * w)[None, None], target)[0, 0], -products.times((size * change)[None, None])[0, 0]
    rate, zero = l1 / jnp.where(lam > 0, lam, 1.0), ~inside & (w == 0) & (products.square[0] > 0)
    lower, upper = (
        broadcast_columns(bound, p, end, dtype) for bound, end in ((data.lower, -jnp.inf), (data.upper, jnp.inf))
    )
    # What is left until each kink, with its derivative; ∞ where there is none.
    left = [
        (jnp.where(inside & (l1 > 0), jnp.abs(w), jnp.inf), jnp.sign(w) * change),
        (jnp.where(zero & (upper > 0), l1 - z, jnp.inf), rate - slope),
        (jnp.where(zero & (lower < 0), l1 + z, jnp.inf), rate + slope),
        (jnp.where(inside, upper - w, jnp.inf), -change),
        (jnp.where(inside, w - lower, jnp.inf), change),
    ]
    room = jnp.stack([jnp.maximum(value, 0.0) for value, _ in left])
    grows = jnp.stack([rate for _, rate in left])
    far = jnp.where(grows == 0, jnp.inf, room / jnp.abs(jnp.where(grows == 0, 1.0, grows)))
    nearest = lambda side: (jnp.min(v := jnp.min(jnp.where(side, far, jnp.inf), axis=0)), jnp.argmin(v))
    (down, column_below), (up, column_above) = nearest(grows > 0), nearest(grows < 0)
    down = jnp.where(down <= lam, down, jnp.inf)  # λ does not go below 0
    number = lambda j, there: jnp.where(there, j, -1).astype(jnp.int32)
    share = jnp.where(zero & (l1 > 0), 1.0 - jnp.abs(z) / jnp.where(l1 > 0, l1, 1.0), 1.0)
    at_hand = lambda distance: distance <= AT_HAND * lam
    return KinkDistance(
        below=jnp.where(jnp.isfinite(down), lam - down, 0.0),
        above=lam + up,
        column_below=number(column_below, jnp.isfinite(down)),
        column_above=number(column_above, jnp.isfinite(up)),
        slack=jnp.min(share),
        slack_column=number(jnp.argmin(share), jnp.any(zero)),
        side=at_hand(down).astype(jnp.int32) - at_hand(up).astype(jnp.int32),
        full_rank=_independent(products, inside, at.l2[0, 0]),
    )


def _independent(products: Products, inside: jax.Array, l2: jax.Array) -> jax.Array:
    """Whether M of the support has an inverse."""
    (n, p), share = products.rows.shape, products.share[0]
    A = products.rows - jnp.where(products.centred, share @ products.rows, 0.0)[None, :]
    unit = jnp.where(inside & (products.square[0] > 0), 1.0 / jnp.sqrt(products.square[0]), 0.0)
    B = jnp.sqrt(share)[:, None] * A * unit[None, :]
    e = jnp.linalg.eigvalsh(B.T @ B if p <= n else B @ B.T)
    rank = jnp.sum(e > singular_below(min(n, p), e.dtype) * jnp.maximum(jnp.max(e), 1e-300))
    return jnp.all(~inside | (l2 > 0)) | (rank >= jnp.sum(inside))
